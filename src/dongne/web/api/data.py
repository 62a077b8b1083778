"""/api/latest, /api/aggregates and /api/observations: many values in one answer, as JSON, CSV, Parquet or Arrow, with
licence and attribution inside."""

import asyncio
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from dongne.methods.intervals import parse_interval
from dongne.model.access import Hidden, Veil
from dongne.model.entities import Datastream, EntityType
from dongne.model.errors import BadInput, DongneError, NotFound, TooMany
from dongne.model.times import from_us
from dongne.model.units import code_of
from dongne.standards.sensorthings.observations import plain_values
from dongne.standards.sensorthings.times import format_column, parse_instant_us
from dongne.web.api.context import ApiContext, Scope, Send
from dongne.web.api.http import OPEN, send_bytes, send_error
from dongne.web.api.read import options_of

MOST_STREAMS = 10_000
MOST_ROWS = {"json": 1_000_000, "csv": 2_000_000, "parquet": 5_000_000, "arrow": 5_000_000}
SLICE_ROWS = 50_000
FORMATS = {
    "json": b"application/json",
    "csv": b"text/csv; charset=utf-8",
    "parquet": b"application/vnd.apache.parquet",
    "arrow": b"application/vnd.apache.arrow.stream",
}
_CHOICE = ("datastream", "thing", "property", "kind")
_COMMON = (*_CHOICE, "format")


class Asked(msgspec.Struct, frozen=True):
    """What is asked for: the Datastreams that may be seen, the form, and the other options."""

    streams: list[Datastream]
    form: str
    options: dict[str, str]


class Data:
    """Answers the addresses below /api."""

    def __init__(self, context: ApiContext) -> None:
        self._context, self._columns = context, context.select
        self._graph = context.store.graph
        self._veil = Veil(context.store.graph)
        self._pool = ThreadPoolExecutor(2, "dongne-data")
        self._waiting = 0
        self._answers: dict[str, Callable[[Asked], bytes | Iterator[bytes]]] = {
            "latest": self._latest, "aggregates": self._aggregates, "observations": self._observations,
        }  # fmt: skip

    async def get(self, scope: Scope, send: Send, name: str) -> None:
        """GET /api/<name>."""
        try:
            if name not in self._answers:
                raise NotFound(f"there is nothing at /api/{name[:40]}; there are {', '.join(self._answers)}")
            if self._waiting >= self._context.max_waiting_reads:
                raise TooMany(f"{self._waiting} questions wait for an answer; ask again in a second", reason="busy")
            asked = self._read(scope, name)
            self._waiting += 1
            try:
                await self._send(asked, name, send)
            finally:
                self._waiting -= 1
        except DongneError as error:
            self._context.requests[name, error.status] += 1
            await send_error(send, error)
            return
        self._context.requests[name, 200] += 1

    async def _send(self, asked: Asked, name: str, send: Send) -> None:
        loop = asyncio.get_running_loop()
        content = (b"content-type", FORMATS[asked.form])
        headers = [OPEN, (b"cache-control", b"no-cache")]
        if asked.form != "json":
            headers.append((b"content-disposition", f'attachment; filename="{name}.{asked.form}"'.encode()))
        if name == "latest":
            found: Any = self._latest(asked)
        else:
            found = await loop.run_in_executor(self._pool, self._answers[name], asked)
        if isinstance(found, bytes):
            await send_bytes(send, 200, found, headers, content)
            return
        alone = ThreadPoolExecutor(1, "dongne-download")  # history's cursor belongs to one thread
        try:
            part = await loop.run_in_executor(alone, next, found, None)
            await send({"type": "http.response.start", "status": 200, "headers": [*headers, content]})
            while part is not None:
                await send({"type": "http.response.body", "body": part, "more_body": True})
                part = await loop.run_in_executor(alone, next, found, None)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await loop.run_in_executor(alone, found.close)
            alone.shutdown(wait=False)

    # --- what is asked

    def _read(self, scope: Scope, name: str) -> Asked:
        own = {
            "latest": (),
            "aggregates": ("from", "to", "interval", "values", "zone"),
            "observations": ("from", "to"),
        }[name]
        options: dict[str, str] = {}
        for option, value in options_of(scope):
            if option not in own and option not in _COMMON:
                raise BadInput(
                    f"there is no option {option[:40]!r}; options: {', '.join((*_COMMON, *own))}", reason="query"
                )
            options[option] = value
        form = options.get("format", "json" if name != "observations" else "csv")
        if form not in FORMATS:
            raise BadInput(f"there is no format {form[:40]!r}; formats: {', '.join(FORMATS)}", reason="query")
        hidden = self._veil.hidden(self._context.who_of(scope).sight)
        return Asked(self._choose(options, hidden), form, options)

    def _choose(self, options: dict[str, str], hidden: Hidden) -> list[Datastream]:
        """The Datastreams meant, by id. Raises NotFound for an id that is not there or may not be seen, BadInput where
        nothing or too much is meant."""
        if not any(name in options for name in _CHOICE):
            raise BadInput(f"say which Datastreams: {', '.join(_CHOICE)}", reason="query")
        gone = hidden.of(EntityType.DATASTREAM)
        if "datastream" in options:
            chosen = []
            for number in _ids(options["datastream"], "datastream"):
                stream = self._graph.datastreams.get(number)
                if stream is None or number in gone:
                    raise NotFound(f"there is no Datastream {number}")
                chosen.append(stream)
        else:
            chosen = [stream for _, stream in sorted(list(self._graph.datastreams.items())) if stream.id not in gone]
        if "thing" in options:
            things = set(_ids(options["thing"], "thing"))
            chosen = [stream for stream in chosen if stream.thing_id in things]
        if "property" in options:
            keys = set(options["property"].split(","))
            chosen = [stream for stream in chosen if self._graph.property_key(stream) in keys]
        if "kind" in options:
            kinds = set(options["kind"].split(","))
            chosen = [s for s in chosen if (t := self._graph.things.get(s.thing_id)) and t.kind in kinds]
        if len(chosen) > MOST_STREAMS:
            raise BadInput(f"{len(chosen)} Datastreams are meant; at most {MOST_STREAMS} at once", reason="query")
        return chosen

    def _range(self, options: dict[str, str]) -> tuple[int, int]:
        now_us = self._context.store.clock.now_us()
        end_us = parse_instant_us(options["to"]) if "to" in options else now_us
        start_us = (
            parse_instant_us(options["from"])
            if "from" in options
            else end_us - int(timedelta(days=1) / timedelta(microseconds=1))
        )
        if start_us >= end_us:
            raise BadInput("`from` is not before `to`; swap them", reason="query")
        return start_us, end_us

    # --- answers

    def _latest(self, asked: Asked) -> bytes:
        ids = [stream.id for stream in asked.streams]
        numbers, times, results = (column.tolist() for column in self._context.store.latest_of(np.array(ids, np.int64)))
        texts = format_column(times)
        rows = []
        for stream, number, text, result in zip(asked.streams, numbers, texts, results, strict=True):
            thing = self._graph.things.get(stream.thing_id)
            value = plain_values(text, result)["result"] if number else None
            rows.append({
                "datastream": stream.id, "thing": stream.thing_id, "name": thing.name if thing else "",
                "property": self._graph.property_key(stream), "unit": _unit(stream), "id": number or None,
                "phenomenonTime": text if number else None, "result": value,
            })  # fmt: skip
        if asked.form == "json":
            return msgspec.json.encode({"value": rows})
        columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {"datastream": []}
        if rows:
            columns["result"] = [None if value is None else float(value) for value in columns["result"]]
        table = pa.table(columns)
        return _encoded(table.replace_schema_metadata(about(asked.streams)), asked.form)

    def _aggregates(self, asked: Asked) -> bytes:
        options = asked.options
        if "interval" not in options:
            raise BadInput("say the interval, such as interval=PT1H or interval=P1D", reason="query")
        interval = parse_interval(options["interval"])
        zone = _zone(options.get("zone") or self._context.city.zone)
        values = [name.strip() for name in options.get("values", "n,mean,min,max").split(",")]
        start_us, end_us = self._range(options)
        ids = [stream.id for stream in asked.streams]
        table = self._columns.by_interval(ids, start_us, end_us, interval, zone, values, MOST_ROWS[asked.form])
        local = pa.timestamp("us", zone.key)
        table = table.set_column(1, "start", table["start"].cast(local)).set_column(2, "end", table["end"].cast(local))
        known = {**about(asked.streams), "interval": options["interval"], "zone": zone.key}
        if asked.form in ("json", "csv"):
            table = _with_texts(table, zone)
        if asked.form == "json":
            return _json(
                {
                    **known,
                    "datastreams": [_described(stream, self._graph.property_key(stream)) for stream in asked.streams],
                },
                table,
            )
        return _encoded(table.replace_schema_metadata(known), asked.form)

    def _observations(self, asked: Asked) -> bytes | Iterator[bytes]:
        start_us, end_us = self._range(asked.options)
        if not asked.streams:
            raise NotFound("no Datastream is meant by that; list them at /v1.1/Datastreams")
        batches = self._columns.all_of([stream.id for stream in asked.streams], start_us, end_us, SLICE_ROWS)
        return _streamed(batches, asked.form, about(asked.streams))


def _ids(text: str, name: str) -> list[int]:
    found = [part.strip() for part in text.split(",") if part.strip()]
    for part in found:
        if not (part.isascii() and part.isdigit() and len(part) <= 18):
            raise BadInput(
                f"{name}={part[:40]!r} is not an id; ids are whole numbers, with commas between", reason="query"
            )
    return [int(part) for part in found]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise BadInput(
            f"there is no zone {name[:60]!r}; zones are like Europe/Helsinki or UTC", reason="query"
        ) from None


def _unit(stream: Datastream) -> str:
    return code_of(stream.unit_of_measurement.symbol, stream.unit_of_measurement.definition) or ""


def about(streams: Sequence[Datastream]) -> dict[str, str]:
    """What goes into each file: licences, attributions and origins of its Datastreams, and their units."""
    found = {"source": "Dongne"}
    for name in ("licence", "attribution", "origin", "simulated"):
        said = dict.fromkeys(str(stream.properties[name]) for stream in streams if stream.properties.get(name))
        if said:
            found[name] = "; ".join(said)
    units = dict.fromkeys(_unit(stream) for stream in streams)
    if len(streams) <= 1_000:
        found["units"] = msgspec.json.encode({str(stream.id): _unit(stream) for stream in streams}).decode()
    elif len(units) == 1:
        found["unit"] = next(iter(units))
    return found


def _described(stream: Datastream, key: str) -> dict[str, Any]:
    return {"id": stream.id, "name": stream.name, "thing": stream.thing_id, "property": key, "unit": _unit(stream)}


def _with_texts(table: pa.Table, zone: ZoneInfo) -> pa.Table:
    """Instants as ISO 8601 with the offset of the zone; each different one is written once."""
    for place, name in ((1, "start"), (2, "end")):
        column = table[name].combine_chunks().dictionary_encode()
        texts = [from_us(us).astimezone(zone).isoformat() for us in column.dictionary.cast(pa.int64()).to_pylist()]
        table = table.set_column(
            place, name, pa.DictionaryArray.from_arrays(column.indices, pa.array(texts, pa.string())).cast(pa.string())
        )
    return table


def _json(document: dict[str, Any], table: pa.Table) -> bytes:
    names = table.column_names
    columns = [table[name].to_pylist() for name in names]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return msgspec.json.encode({**document, "value": rows})


def _encoded(table: pa.Table, form: str) -> bytes:
    sink = io.BytesIO()
    if form == "csv":
        sink.write(_comments(table.schema.metadata or {}))
        pyarrow.csv.write_csv(table, sink)
    elif form == "parquet":
        pyarrow.parquet.write_table(table, sink, compression="zstd")
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def _comments(known: dict[bytes, bytes]) -> bytes:
    """Lines of # before the columns: whoever keeps the file keeps what may be done with it."""
    shown = {name.decode(): value.decode() for name, value in known.items()}
    return "".join(
        f"# {name}: {' '.join(value.split())}\n" for name, value in shown.items() if name != "units"
    ).encode()


def _streamed(batches: Iterator[pa.RecordBatch], form: str, known: dict[str, str]) -> Iterator[bytes]:
    """The file in parts, as they come."""
    sink = io.BytesIO()
    writer: Any = None
    count = 0
    for batch in batches:
        count += batch.num_rows
        if form in ("json", "csv", "parquet") and count > MOST_ROWS[form] * 10:
            raise BadInput("the file would be too long; take a shorter time", reason="query")
        table = _zoned(pa.Table.from_batches([batch]), form).replace_schema_metadata(known)
        if writer is None:
            writer = _open(sink, table.schema, form)
        if form == "json":
            sink.writelines(msgspec.json.encode(row) + b"\n" for row in table.to_pylist())
        else:
            writer.write_table(table)
        if sink.tell() and form != "parquet":
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
    if writer is None:
        empty = pa.table({"datastream": pa.array([], pa.int64()), "phenomenonTime": pa.array([], pa.timestamp("us", "UTC")),
                          "result": pa.array([], pa.float64()), "other": pa.array([], pa.string()), "id": pa.array([], pa.int64())})  # fmt: skip
        writer = _open(sink, empty.replace_schema_metadata(known).schema, form)
    if form != "json":
        writer.close()
    yield sink.getvalue()


def _open(sink: io.BytesIO, schema: pa.Schema, form: str) -> Any:
    if form == "csv":
        sink.write(_comments(schema.metadata or {}))
        return pyarrow.csv.CSVWriter(sink, schema)
    if form == "parquet":
        return pyarrow.parquet.ParquetWriter(sink, schema, compression="zstd")
    return pa.ipc.new_stream(sink, schema) if form == "arrow" else sink


def _zoned(table: pa.Table, form: str) -> pa.Table:
    times = table["phenomenonTime"].cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    if form in ("json", "csv"):
        return table.set_column(
            1, "phenomenonTime", pa.array(format_column(times.cast(pa.int64()).to_pylist()), pa.string())
        )
    return table.set_column(1, "phenomenonTime", times)
