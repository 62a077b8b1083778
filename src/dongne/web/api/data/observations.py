"""/api/observations: all Observations of a range as a file, made while it is sent."""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dongne.model.access import Hidden
from dongne.model.entities import Datastream, EntityType
from dongne.model.errors import NotFound
from dongne.web.api.context import ApiContext
from dongne.web.api.data.about import about, table_metadata, unit_code
from dongne.web.api.data.asked import Asked, get_zone, read_range
from dongne.web.api.data.files import FORMS as FILE_FORMS
from dongne.web.api.data.files import RAW, Writer, written_schema

FORMS = (*FILE_FORMS, "csvw")
OPTIONS = ("from", "to", "zone", "comments")
SLICE_ROWS = 50_000
_WORDS = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema([
    ("datastream", pa.int64()), ("thing", pa.int64()), ("property", _WORDS), ("unit", _WORDS),
    ("phenomenonTime", _TIME), ("phenomenonTimeEnd", _TIME), ("result", pa.float64()),
    pa.field("other", pa.string(), metadata=RAW), ("id", pa.int64()),
])  # fmt: skip


class Downloads:
    """Answers from history, a slice at a time."""

    def __init__(self, context: ApiContext) -> None:
        self._context, self._graph = context, context.store.graph

    def metadata(self, asked: Asked, address: str) -> bytes:
        """What a CSV holds (CSV on the Web)."""
        known = about(self._context, asked.streams)
        return msgspec.json.encode(table_metadata(written_schema(SCHEMA, "csv"), known, address))

    def answer(self, asked: Asked, hidden: "HiddenNow") -> Iterator[bytes]:
        """The file in parts. Raises BadInput, NotFound and RetryLater before the first."""
        zone = get_zone(asked.options, self._context.city.zone)
        start_us, end_us = read_range(asked.options, zone, self._context.store.clock.now_us())
        if not asked.streams:
            raise NotFound("no Datastream is meant by that; list them at /v1.1/Datastreams")
        known = about(self._context, asked.streams)
        comments = asked.options.get("comments", "yes") != "no"
        slices = self._context.select.all_of(asked.ids, start_us, end_us, SLICE_ROWS)
        return _file(slices, asked, known, comments, _Columns(self._graph, asked.streams, hidden))


class HiddenNow:
    """What is hidden from whoever asks, as of now: a long answer must not show what was closed meanwhile."""

    def __init__(self, veil: Any, sight: Any) -> None:
        self._veil, self._sight = veil, sight

    def __call__(self) -> Hidden:
        found: Hidden = self._veil.hidden(self._sight)
        return found


class _Columns:
    """Adds Thing, property and unit to a slice, and leaves out what must not be seen any more."""

    def __init__(self, graph: Any, streams: list[Datastream], hidden: HiddenNow) -> None:
        self._hidden = hidden
        ordered = sorted(streams, key=lambda stream: stream.id)
        self._ids = np.array([stream.id for stream in ordered], np.int64)
        self._things = np.array([stream.thing_id for stream in ordered], np.int64)
        self._properties = pa.array([graph.property_key(stream) for stream in ordered], pa.string()).dictionary_encode()
        self._units = pa.array([unit_code(stream) for stream in ordered], pa.string()).dictionary_encode()

    def of(self, found: pa.Table) -> pa.Table:
        gone = self._hidden().of(EntityType.DATASTREAM)
        if gone:
            found = found.filter(pc.invert(pc.is_in(found["datastream"], pa.array(sorted(gone), pa.int64()))))
        at = np.searchsorted(self._ids, found["datastream"].to_numpy())
        columns = {
            **{name: found[name] for name in found.column_names},
            "thing": pa.array(self._things[at]),
            "property": _taken(self._properties, at),
            "unit": _taken(self._units, at),
        }
        return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def _taken(words: pa.DictionaryArray, at: Any) -> pa.DictionaryArray:
    """The whole dictionary stays, so that it is the same in every slice."""
    return pa.DictionaryArray.from_arrays(words.indices.take(pa.array(at)), words.dictionary)


def _file(
    slices: Iterator[pa.Table], asked: Asked, known: dict[str, str], comments: bool, columns: _Columns
) -> Iterator[bytes]:
    writer = Writer(asked.form, SCHEMA, known, comments=comments)
    for found in slices:
        yield writer.add(columns.of(found))
    yield writer.end()
