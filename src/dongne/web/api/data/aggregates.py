"""/api/aggregates: values of each interval of the local calendar."""

from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from dongne.methods.intervals import Grouping, parse_interval
from dongne.model.entities import Datastream
from dongne.model.errors import BadInput
from dongne.model.times import from_us
from dongne.web.api.context import ApiContext
from dongne.web.api.data.about import about, unit_code
from dongne.web.api.data.asked import Asked, get_zone, read_range
from dongne.web.api.data.files import FORMS as FILE_FORMS
from dongne.web.api.data.files import whole

FORMS = tuple(FILE_FORMS)
OPTIONS = ("from", "to", "interval", "values", "zone", "fill")
MOST_ROWS = 1_000_000
MOST_VALUES = 20
USUAL = "n,mean,min,max"
VALUES = ("n", "mean", "min", "max", "sum", "first", "last", "stddev", "not_numbers")  # and percentiles


class Aggregates:
    """Answers from history."""

    def __init__(self, context: ApiContext) -> None:
        self._context, self._graph = context, context.store.graph

    def answer(self, asked: Asked) -> bytes:
        """One row for each Datastream and interval."""
        grouping = self._grouping(asked.options)
        start_us, end_us = read_range(asked.options, grouping.zone, self._context.store.clock.now_us())
        table = self._context.select.by_interval(asked.ids, start_us, end_us, grouping, MOST_ROWS)
        known: dict[str, Any] = about(self._context, asked.streams)
        known |= {"interval": asked.options["interval"], "zone": grouping.zone.key}
        table = (_with_texts if asked.form in ("json", "csv") else _in_zone)(table, grouping.zone)
        if asked.form == "json":
            known["datastreams"] = [self._described(stream) for stream in asked.streams]
        return whole(table, asked.form, known)

    def _grouping(self, options: dict[str, str]) -> Grouping:
        if "interval" not in options:
            raise BadInput("say the interval, such as interval=PT1H or interval=P1D", reason="query")
        values = tuple(dict.fromkeys(name.strip() for name in options.get("values", USUAL).split(",")))
        if len(values) > MOST_VALUES:
            raise BadInput(f"{len(values)} values are meant; at most {MOST_VALUES} at once", reason="query")
        if options.get("fill", "null") != "null":
            raise BadInput(f"fill={options['fill'][:40]!r} is not there; there is fill=null", reason="query")
        zone = get_zone(options, self._context.city.zone)
        return Grouping(parse_interval(options["interval"]), zone, values, "fill" in options)

    def _described(self, stream: Datastream) -> dict[str, Any]:
        thing = self._graph.things.get(stream.thing_id)
        return {
            "id": stream.id, "name": stream.name, "thing": stream.thing_id, "thing_name": thing.name if thing else "",
            "property": self._graph.property_key(stream), "unit": unit_code(stream),
        }  # fmt: skip


def _with_texts(table: pa.Table, zone: ZoneInfo) -> pa.Table:
    """Instants as ISO 8601 with the offset of the zone; each different one is written once."""
    for place, name in ((1, "start"), (2, "end")):
        coded = table[name].combine_chunks().dictionary_encode()
        texts = [from_us(us).astimezone(zone).isoformat() for us in coded.dictionary.cast(pa.int64()).to_pylist()]
        table = table.set_column(
            place, name, pa.DictionaryArray.from_arrays(coded.indices, pa.array(texts, pa.string()))
        )
    return table


def _in_zone(table: pa.Table, zone: ZoneInfo) -> pa.Table:
    """The same instants, their columns saying the zone."""
    local = pa.timestamp("us", zone.key)
    return table.set_column(1, "start", table["start"].cast(local)).set_column(2, "end", table["end"].cast(local))
