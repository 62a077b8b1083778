"""/api/latest: the newest Observation of many Datastreams, from memory."""

from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from dongne.model.entities import Datastream
from dongne.model.errors import NotFound
from dongne.model.records import ObservationExtra, decode_batch
from dongne.standards.sensorthings.observations import observation_values
from dongne.standards.sensorthings.times import format_column, format_us
from dongne.web.api.context import ApiContext
from dongne.web.api.data.about import about, unit_code
from dongne.web.api.data.asked import Asked
from dongne.web.api.data.files import RAW, whole

FORMS = ("json", "geojson", "csv", "parquet", "arrow")
SCHEMA = pa.schema([
    ("datastream", pa.int64()), ("thing", pa.int64()), ("name", pa.string()), ("property", pa.string()),
    ("unit", pa.string()), ("id", pa.int64()), ("phenomenonTime", pa.timestamp("us", "UTC")), ("age_s", pa.float64()),
    ("result", pa.float64()), pa.field("other", pa.string(), metadata=RAW), ("lon", pa.float64()), ("lat", pa.float64()),
])  # fmt: skip


class Latest:
    """Answers from the latest values in memory."""

    def __init__(self, context: ApiContext) -> None:
        self._context, self._store, self._graph = context, context.store, context.store.graph

    def mark(self, asked: Asked) -> bytes:
        """The same as long as neither values nor entities change (an entity tag, RFC 9110, clause 8.8.3)."""
        columns = self._store.latest_of(np.array(asked.ids, np.int64))
        digest = blake2b(f"{asked.form} {self._graph.revision} {asked.ids}".encode(), digest_size=12)
        for column in columns:
            digest.update(column.tobytes())
        return f'W/"{digest.hexdigest()}"'.encode()

    def answer(self, asked: Asked) -> bytes:
        """One row for each Datastream."""
        now_us = self._store.clock.now_us()
        columns = self._store.latest_of(np.array(asked.ids, np.int64))
        numbers, times, results = (column.tolist() for column in columns)
        texts = format_column(times)
        rows = [
            self._row(stream, (number, time_us, text, result), now_us)
            for stream, number, time_us, text, result in zip(asked.streams, numbers, times, texts, results, strict=True)
        ]
        known = about(self._context, asked.streams)
        if asked.form == "json":
            return msgspec.json.encode({**known, "time": format_us(now_us), "value": rows})
        if asked.form == "geojson":
            return msgspec.json.encode({"type": "FeatureCollection", **known, "features": [_feature(r) for r in rows]})
        return whole(_table(rows, columns), asked.form, {**known, "time": format_us(now_us)})

    def _row(self, stream: Datastream, newest: tuple[int, int, str, float], now_us: int) -> dict[str, Any]:
        number, time_us, text, result = newest
        thing = self._graph.things.get(stream.thing_id)
        point = self._graph.find_point(stream.thing_id)
        row: dict[str, Any] = {
            "datastream": stream.id, "thing": stream.thing_id, "name": thing.name if thing else "",
            "property": self._graph.property_key(stream), "unit": unit_code(stream), "id": number or None,
            "phenomenonTime": None, "age_s": None, "result": None,
            "position": None if point is None else (point[0], point[1]),
        }  # fmt: skip
        if number:
            row["age_s"] = round((now_us - time_us) / 1e6, 3)
            row["phenomenonTime"], row["result"] = text, _number(result)
            if result != result:  # noqa: PLR0124  # NaN: it is something else
                found = observation_values(time_us, result, self._extra_of(number))
                row["phenomenonTime"], row["result"] = found["phenomenonTime"], found["result"]
        return row

    def _extra_of(self, number: int) -> ObservationExtra | None:
        try:
            record, at = self._store.get_observation(number)
        except NotFound:  # taken out meanwhile
            return None
        return decode_batch(record.body, record.count).extras.get(at)


def _number(value: float) -> float | int | None:
    return int(value) if value.is_integer() and abs(value) <= 2**53 else value


def _feature(row: dict[str, Any]) -> dict[str, Any]:
    geometry = None if row["position"] is None else {"type": "Point", "coordinates": row["position"]}
    properties = {name: value for name, value in row.items() if name != "position"}
    return {"type": "Feature", "id": row["datastream"], "geometry": geometry, "properties": properties}


def _table(rows: list[dict[str, Any]], columns: tuple[Any, Any, Any]) -> pa.Table:
    numbers, times, results = columns
    there = numbers > 0
    made: dict[str, Any] = {name: [row.get(name) for row in rows] for name in SCHEMA.names}
    made["phenomenonTime"] = pa.array(times, pa.int64(), mask=~there).cast(pa.timestamp("us", "UTC"))
    made["result"] = pa.array(results, pa.float64(), mask=np.isnan(results))
    made["other"] = [
        msgspec.json.encode(row["result"]).decode() if row["id"] and missing else None
        for row, missing in zip(rows, np.isnan(results).tolist(), strict=True)
    ]
    for place, name in enumerate(("lon", "lat")):
        made[name] = [row["position"] and row["position"][place] for row in rows]
    return pa.table({f.name: pa.array(made[f.name], f.type) for f in SCHEMA}, schema=SCHEMA)
