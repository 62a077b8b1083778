"""The tables of history in DuckDB: Observations in two tables, and a mirror of the entities to join them with.

| table | rows |
|---|---|
| `recent` | Observations in order of arrival, those of the last minutes |
| `hist` | all others, in runs sorted by Datastream and phenomenonTime |
| `things`, `locations`, `historical_locations`, `datastreams`, `sensors`, `observed_properties`, `features_of_interest`, `relations`, `multi_datastreams`, `actuators`, `tasking_capabilities` | the entities as they are now; columns are the attributes of `model.entities` |
| `thing_locations` | `Thing.location_ids` as rows |
| `tasks` | Tasks that have a TaskingCapability, as they are now |
| `follower` | one row: how far history has come in the sequence |

`result` is NULL where a result is not a number; then it is `extra->'$.result'`. `extra` is JSON of what is beyond the columns: `result`,
`resultQuality`, `validTime` (["start", "end"], ISO 8601) and `parameters`, or NULL. Times are naive, in UTC.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, get_args

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dongne.model.entities import ENTITY_CLASSES, Entity, EntityChange, EntityType, Put, Thing, entity_of
from dongne.model.records import ObservationBatch, ObservationExtra
from dongne.model.times import format_instant, from_us
from dongne.stores.embedded import tasks

VERSION = 4
TABLES: dict[EntityType, str] = {
    EntityType.THING: "things",
    EntityType.LOCATION: "locations",
    EntityType.HISTORICAL_LOCATION: "historical_locations",
    EntityType.DATASTREAM: "datastreams",
    EntityType.SENSOR: "sensors",
    EntityType.OBSERVED_PROPERTY: "observed_properties",
    EntityType.FEATURE_OF_INTEREST: "features_of_interest",
    EntityType.RELATION: "relations",
    EntityType.MULTI_DATASTREAM: "multi_datastreams",
    EntityType.ACTUATOR: "actuators",
    EntityType.TASKING_CAPABILITY: "tasking_capabilities",
}
_TYPES: dict[Any, tuple[str, pa.DataType]] = {
    int: ("BIGINT", pa.int64()),
    float: ("DOUBLE", pa.float64()),
    str: ("VARCHAR", pa.string()),
    tuple[int, ...]: ("BIGINT[]", pa.list_(pa.int64())),
}
_JSON = ("JSON", pa.string())
_OBSERVATIONS = """
  id BIGINT, datastream_id INTEGER, phenomenon_time TIMESTAMP, phenomenon_end TIMESTAMP, result DOUBLE,
  result_time TIMESTAMP, feature_id BIGINT, extra VARCHAR"""
_TIMESTAMP = pa.timestamp("us")


def _column(annotation: Any) -> tuple[str, pa.DataType]:
    plain = [part for part in get_args(annotation) if part is not type(None)]
    if annotation not in _TYPES and len(plain) == 1:
        annotation = plain[0]
    return _TYPES.get(annotation, _JSON)


COLUMNS: dict[EntityType, dict[str, tuple[str, pa.DataType]]] = {
    kind: {field.name: _column(field.type) for field in msgspec.structs.fields(cls)}
    for kind, cls in ENTITY_CLASSES.items()
}


def create_tables(connection: duckdb.DuckDBPyConnection, identity: str) -> None:
    """Empty tables for the sequence of this identity, all or none, where there are none. DuckDB has had trouble with DDL
    in its WAL: hence the CHECKPOINT."""
    connection.execute("begin").fetchall()
    connection.execute(
        "create table if not exists follower (position BIGINT, identity VARCHAR, version INTEGER)"
    ).fetchall()
    if connection.execute("select 1 from follower").fetchall():
        connection.execute("rollback").fetchall()
        return
    statements = [f"create table {table} ({_OBSERVATIONS})" for table in ("recent", "hist")]
    for kind, table in TABLES.items():
        columns = ", ".join(f"{name} {sql}" for name, (sql, _) in COLUMNS[kind].items())
        statements.append(f"create table {table} ({columns})")
    statements += [
        tasks.TABLE,
        "create table thing_locations (thing_id BIGINT, location_id BIGINT)",
        f"insert into follower values (0, '{identity}', {VERSION})",
    ]
    for statement in [*statements, "commit", "checkpoint"]:
        connection.execute(statement).fetchall()


def empty_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Everything gone and the position at 0; inside the caller's transaction."""
    for table in ("recent", "hist", *TABLES.values(), "thing_locations", "tasks"):
        connection.execute(f"delete from {table}").fetchall()
    connection.execute("update follower set position = 0").fetchall()


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commits at the end; rolls back where something is raised, and passes that on."""
    connection.execute("begin").fetchall()
    try:
        yield
        connection.execute("commit").fetchall()
    except BaseException:
        with suppress(duckdb.Error):  # a commit that failed has ended the transaction already
            connection.rollback()
        raise


# --- Observations -------------------------------------------------------------------------------------------------


def insert_observations(
    connection: duckdb.DuckDBPyConnection, batches: Sequence[tuple[int, ObservationBatch]], *, sort: bool = False
) -> int:
    """Appends batches (with the number of their first row) to `recent`, or sorted to `hist`; returns how many rows."""
    if not batches:
        return 0
    ids = np.concatenate([np.arange(first, first + len(batch)) for first, batch in batches])
    results = np.concatenate([batch.result for _, batch in batches])
    columns: dict[str, pa.Array] = {
        "id": pa.array(ids),
        "datastream_id": pa.array(np.concatenate([batch.datastream for _, batch in batches])),
        "phenomenon_time": pa.array(np.concatenate([batch.time_us for _, batch in batches])).view(_TIMESTAMP),
        "result": pa.array(results, mask=np.isnan(results)),
    }
    if any(batch.extras for _, batch in batches):
        columns |= _extra_columns(batches, len(ids))
    if sort:
        insert(connection, "hist", pa.table(columns), "order by datastream_id, phenomenon_time, id")
    else:
        insert(connection, "recent", pa.table(columns))
    return len(ids)


def _extra_columns(batches: Sequence[tuple[int, ObservationBatch]], count: int) -> dict[str, pa.Array]:
    numbers = {name: np.zeros(count, np.int64) for name in ("phenomenon_end", "result_time", "feature_id")}
    missing = {name: np.ones(count, bool) for name in numbers}
    texts: list[str | None] = [None] * count
    offset = 0
    for _, batch in batches:
        for row, extra in batch.extras.items():
            at = offset + row
            values = (extra.phenomenon_end_us, extra.result_time_us, extra.feature_id)
            for name, value in zip(numbers, values, strict=True):
                if value is not None:
                    numbers[name][at], missing[name][at] = value, False
            texts[at] = extra_json(extra)
        offset += len(batch)
    columns = {name: pa.array(numbers[name], mask=missing[name]) for name in numbers}
    for name in ("phenomenon_end", "result_time"):
        columns[name] = columns[name].view(_TIMESTAMP)
    columns["extra"] = pa.array(texts, pa.string())
    return columns


def extra_json(extra: ObservationExtra) -> str | None:
    """What is beyond the columns, as JSON; None where there is nothing."""
    found: dict[str, Any] = {}
    if extra.result is not None:
        found["result"] = extra.result
    if extra.result_quality is not None:
        found["resultQuality"] = extra.result_quality
    if extra.valid_start_us is not None:
        end = extra.valid_start_us if extra.valid_end_us is None else extra.valid_end_us
        found["validTime"] = [format_instant(from_us(extra.valid_start_us)), format_instant(from_us(end))]
    if extra.parameters is not None:
        found["parameters"] = extra.parameters
    return msgspec.json.encode(found, enc_hook=str).decode() if found else None


def delete_observations(connection: duckdb.DuckDBPyConnection, numbers: Iterable[int]) -> None:
    """Takes these out of both tables."""
    gone = numbers_of(numbers)
    for table in ("recent", "hist"):
        delete(connection, table, "id", gone)


def delete_datastream(connection: duckdb.DuckDBPyConnection, datastream: int, before: int) -> None:
    """Takes all Observations of a Datastream out of both tables which have a lower number."""
    for table in ("recent", "hist"):
        sql = f"delete from {table} where datastream_id = ? and id < ?"
        connection.execute(sql, [datastream, before]).fetchall()


# --- entities -----------------------------------------------------------------------------------------------------


def mirror_entities(connection: duckdb.DuckDBPyConnection, changes: Iterable[EntityChange]) -> None:
    """Brings the entity tables up to date; of several changes of one entity the last holds."""
    last: dict[EntityType, dict[int, Entity | None]] = {}
    for change in changes:
        if isinstance(change, Put):
            entity = entity_of(change)
            last.setdefault(change.type, {})[entity.id] = entity
        else:
            last.setdefault(change.type, {})[change.id] = None
    for kind, found in last.items():
        entities = [entity for entity in found.values() if entity is not None]
        _replace(connection, TABLES[kind], "id", found, _entity_table(kind, entities))
        if kind is EntityType.THING:
            pairs = [(e.id, location) for e in entities if isinstance(e, Thing) for location in e.location_ids]
            links = {
                "thing_id": pa.array([thing for thing, _ in pairs], pa.int64()),
                "location_id": pa.array([location for _, location in pairs], pa.int64()),
            }
            _replace(connection, "thing_locations", "thing_id", found, pa.table(links))


def _entity_table(kind: EntityType, entities: Sequence[Entity]) -> pa.Table:
    arrays = {}
    for name, (sql, arrow) in COLUMNS[kind].items():
        values = [getattr(entity, name) for entity in entities]
        if sql == "JSON":
            values = [None if value is None else msgspec.json.encode(value).decode() for value in values]
        if name == "properties":  # none are null, so that `properties eq null` finds them
            values = [None if value == "{}" else value for value in values]
        arrays[name] = pa.array(values, arrow)
    return pa.table(arrays)


def _replace(
    connection: duckdb.DuckDBPyConnection, table: str, key: str, changed: Iterable[int], now: pa.Table
) -> None:
    delete(connection, table, key, numbers_of(changed))
    if now.num_rows:
        insert(connection, table, now)


# --- Arrow in and out ---------------------------------------------------------------------------------------------


def insert(connection: duckdb.DuckDBPyConnection, table: str, incoming: pa.Table, order: str = "") -> None:
    """Appends an Arrow table by the names of its columns; the others are NULL."""
    names = ", ".join(incoming.column_names)  # DuckDB finds `incoming` by its name: 1 ms quicker than to register it
    connection.execute(f"insert into {table} ({names}) select {names} from incoming {order}").fetchall()


def delete(connection: duckdb.DuckDBPyConnection, table: str, key: str, outgoing: pa.Table) -> None:
    """Deletes the rows where the key is one of `numbers_of(...)`, which DuckDB finds by its name too."""
    connection.execute(f"delete from {table} where {key} in (select value from outgoing)").fetchall()


def numbers_of(values: Iterable[int]) -> pa.Table:
    """One column `value`."""
    return pa.table({"value": pa.array(np.fromiter(values, np.int64))})


def columns_of(connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] = ()) -> dict[str, NDArray[Any]]:
    """The result of a query as numpy arrays; select times with epoch_us()."""
    found: dict[str, NDArray[Any]] = connection.execute(sql, list(values)).fetchnumpy()
    return {name: np.ma.filled(array, np.nan) if np.ma.isMaskedArray(array) else array for name, array in found.items()}
