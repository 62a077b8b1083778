"""Tasks in history: a mirror of those that have a TaskingCapability, to filter, sort and join; and Tasks as rows."""

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from dongne.model.errors import BadInput, Conflict
from dongne.model.tasks import Task, TaskEvent, apply_task_event
from dongne.model.times import to_us
from dongne.standards.sensorthings.query import Row
from dongne.standards.sensorthings.tasking import task_values

TABLE = """create table tasks (id BIGINT, key VARCHAR, capability_id BIGINT, created TIMESTAMP, changed TIMESTAMP,
  state VARCHAR, parameters JSON, properties JSON, body VARCHAR)"""
_TIMESTAMP = pa.timestamp("us")
_task = msgspec.json.Decoder(Task)


def mirror_tasks(connection: duckdb.DuckDBPyConnection, events: Sequence[tuple[int, TaskEvent]]) -> None:
    """Brings the table up to date with events and the numbers of their records; inside the caller's transaction."""
    rows = _bodies(connection, _values({event.key for _, event in events}, pa.string()))
    now = {task.key: task for (body,) in rows if (task := _task.decode(body))}
    changed: dict[str, Task] = {}
    for number, event in events:
        try:
            after = apply_task_event(now.get(event.key), event, number)
        except (BadInput, Conflict):  # of a Task without a capability, or one whose capability is gone
            continue
        if after is not None and after.capability_id:
            now[event.key] = changed[event.key] = after
    if not changed:
        return
    _delete(connection, "key", _values(changed, pa.string()))
    _insert(connection, _table(list(changed.values())))


def forget_tasks(connection: duckdb.DuckDBPyConnection, capabilities: Iterable[int]) -> None:
    """Those of capabilities which are gone."""
    _delete(connection, "capability_id", _values(capabilities, pa.int64()))


def _values(values: Iterable[Any], kind: pa.DataType) -> pa.Table:
    return pa.table({"value": pa.array(list(values), kind)})


# DuckDB finds the tables `wanted`, `outgoing` and `incoming` by their names.


def _bodies(connection: duckdb.DuckDBPyConnection, wanted: pa.Table) -> list[tuple[str]]:
    return connection.execute("select body from tasks where key in (select value from wanted)").fetchall()


def _delete(connection: duckdb.DuckDBPyConnection, column: str, outgoing: pa.Table) -> None:
    connection.execute(f"delete from tasks where {column} in (select value from outgoing)").fetchall()


def _insert(connection: duckdb.DuckDBPyConnection, incoming: pa.Table) -> None:
    names = ", ".join(incoming.column_names)
    connection.execute(f"insert into tasks ({names}) select {names} from incoming").fetchall()


def _table(tasks: Sequence[Task]) -> pa.Table:
    def times(found: Iterable[int]) -> pa.Array:
        return pa.array(list(found), pa.int64()).view(_TIMESTAMP)

    def texts(found: Iterable[Any]) -> pa.Array:
        return pa.array([msgspec.json.encode(one).decode() for one in found], pa.string())

    return pa.table(
        {
            "id": pa.array([task.id for task in tasks], pa.int64()),
            "key": pa.array([task.key for task in tasks], pa.string()),
            "capability_id": pa.array([task.capability_id for task in tasks], pa.int64()),
            "created": times(to_us(task.created) for task in tasks),
            "changed": times(to_us(task.changed) for task in tasks),
            "state": pa.array([task.state for task in tasks], pa.string()),
            "parameters": texts(task.parameters for task in tasks),
            "properties": texts(task.properties for task in tasks),
            "body": texts(tasks),
        }
    )


def task_row(task: Task) -> Row:
    """A Task as SensorThings shows it."""
    return Row(task.id, task_values(task), {}, {"TaskingCapability": task.capability_id})
