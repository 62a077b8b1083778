"""Observations by interval of a zone's calendar, as columns, from history."""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dongne.methods.intervals import DAY_S, WEEK_SHIFT_S, Grouping, Interval, bounds, list_slots, offsets
from dongne.model.errors import BadInput, RetryLater
from dongne.model.times import from_us
from dongne.stores.embedded.links import OBSERVATION_TABLES
from dongne.stores.embedded.watch import Watch

VALUES = {
    "n": "count(result)",
    "mean": "avg(result)",
    "min": "min(result)",
    "max": "max(result)",
    "sum": "sum(result)",
    "first": "arg_min(result, (phenomenon_time, id))",
    "last": "arg_max(result, (phenomenon_time, id))",
    "stddev": "stddev_samp(result)",
    "not_numbers": "count(*) - count(result)",
}
COUNTS = ("n", "not_numbers")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?|100)", re.ASCII)


class Reads(Protocol):
    """History, brought up to date."""

    def reading(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A cursor that sees all that was acknowledged before."""


def value_sql(name: str) -> str:
    """A value of an interval. Raises BadInput with those there are; pNN is the exact percentile, between two values
    interpolated."""
    if name in VALUES:
        return VALUES[name]
    found = _PERCENTILE.fullmatch(name)
    if found is None:
        raise BadInput(
            f"there is no value {name[:40]!r}; values: {', '.join(VALUES)}, and percentiles as p50", reason="query"
        )
    return f"quantile_cont(result, {float(found[1]) / 100})"


def chosen_sql(datastreams: Sequence[int], start_us: int, end_us: int) -> tuple[str, dict[str, Any]]:
    """The condition for Observations of these Datastreams in [start, end), and its parameters."""
    low, high = min(datastreams), max(datastreams)
    values: dict[str, Any] = {
        "start": from_us(start_us).replace(tzinfo=None),
        "end": from_us(end_us).replace(tzinfo=None),
        "low": low,
        "high": high,
    }
    text = "datastream_id between $low and $high"  # this alone can use the zone maps
    if len(set(datastreams)) != high - low + 1:
        text += " and datastream_id in (select unnest($ids::integer[]))"
        values["ids"] = sorted(set(datastreams))
    return f"{text} and phenomenon_time >= $start and phenomenon_time < $end", values


def asked(history: Reads, watch: Watch, text: str, given: dict[str, Any]) -> pa.Table:
    """The whole result. Raises RetryLater where it takes too long."""
    with history.reading() as cursor:
        try:
            with watch.over(cursor.interrupt):
                return cursor.sql(text, params=given).to_arrow_table()
        except duckdb.InterruptException:
            raise RetryLater(
                "the answer takes too long; ask for fewer Datastreams, a shorter time, or without percentiles",
                reason="slow_query",
            ) from None


def by_interval(
    history: Reads,
    watch: Watch,
    datastreams: Sequence[int],
    start_us: int,
    end_us: int,
    grouping: Grouping,
    most: int,
) -> pa.Table:
    """datastream, start, end (of the whole interval, UTC) and the values, of each interval in [start, end) that has
    any, in order. What is no number counts as `not_numbers` alone. Raises BadInput beyond `most` rows."""
    names, interval = grouping.values, grouping.interval
    columns = ", ".join(f"{value_sql(name)} as v{place}" for place, name in enumerate(names))
    if not datastreams:
        return _empty(names)
    chosen, given = chosen_sql(datastreams, start_us, end_us)
    slot, offset = _slot_sql(interval, grouping.zone, start_us, end_us)
    numbers = "" if "not_numbers" in names else " and result is not null"
    rows = " union all ".join(
        f"(select datastream_id, epoch_us(phenomenon_time) as us, phenomenon_time, id, result from {table} "
        f"where {chosen}{numbers})"
        for table in OBSERVATION_TABLES
    )
    text = (
        f"select datastream_id, cast({slot} as bigint) as slot, cast({offset} as integer) as moved, {columns} "
        f"from ({rows}) group by 1, 2, 3 order by 1, slot * {max(interval.seconds, 1)} - moved limit {most + 1}"
    )
    found = asked(history, watch, text, given)
    if found.num_rows > most:
        raise BadInput(
            f"the answer has more than {most} rows; take a longer interval, fewer Datastreams or a shorter time",
            reason="query",
        )
    starts, ends = _times(interval, found["slot"].to_numpy(), found["moved"].to_numpy(), grouping.zone)
    streams = found["datastream_id"].to_numpy().astype(np.int64)
    values = {name: found[f"v{place}"].combine_chunks() for place, name in enumerate(names)}
    if grouping.fill:
        streams, starts, ends, values = _filled(
            sorted(set(datastreams)), (start_us, end_us), grouping, most, (streams, starts, values)
        )
    return _table(streams, starts, ends, values)


def _slot_sql(interval: Interval, zone: ZoneInfo, start_us: int, end_us: int) -> tuple[str, str]:
    """The number of the interval on the local clock, and the offset in seconds; numbers of ours, no text from outside."""
    found = offsets(zone, start_us, end_us)
    whens = " ".join(f"when us < {after} then {offset}::bigint" for (_, offset), (after, _) in pairwise(found))
    offset = f"(case {whens} else {found[-1][1]}::bigint end)" if whens else f"{found[-1][1]}::bigint"
    if interval.months:
        local = f"make_timestamp(us + {offset} * 1000000)"
        return f"(12 * year({local}) + month({local}) - 1) // {interval.months}", "0"
    shift = WEEK_SHIFT_S if interval.seconds % (7 * DAY_S) == 0 else 0
    slot = f"(us + ({offset} + {shift}) * 1000000) // {interval.seconds * 1_000_000}"
    return slot, offset if interval.is_short else "0"


def _times(
    interval: Interval, slots: NDArray[np.int64], moved: NDArray[np.int32], zone: ZoneInfo
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and end of each row's interval; each different one is worked out once."""
    starts, ends = np.zeros(len(slots), np.int64), np.zeros(len(slots), np.int64)
    for offset in np.unique(moved).tolist():
        here = moved == offset
        coded = pa.array(slots[here]).dictionary_encode()
        known = np.array([bounds(interval, slot, offset, zone) for slot in coded.dictionary.to_pylist()], np.int64)
        starts[here], ends[here] = known[coded.indices.to_numpy()].T
    return starts, ends


def _filled(
    datastreams: Sequence[int],
    span: tuple[int, int],
    grouping: Grouping,
    most: int,
    found: tuple[NDArray[np.int64], NDArray[np.int64], dict[str, pa.Array]],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], dict[str, pa.Array]]:
    """The same with a row for every interval of every Datastream: counts are 0 and other values missing."""
    streams, starts, values = found
    slots = list_slots(grouping.interval, grouping.zone, *span, most // len(datastreams))
    times = np.array([bounds(grouping.interval, *slot, grouping.zone) for slot in slots], np.int64).reshape(-1, 2)
    size = len(datastreams) * len(slots)
    at = np.searchsorted(np.array(datastreams), streams) * len(slots) + np.searchsorted(times[:, 0], starts)
    rows = np.zeros(size, np.int64)
    missing = np.ones(size, bool)
    rows[at], missing[at] = np.arange(len(at)), False
    taken = {name: column.take(pa.array(rows, mask=missing)) for name, column in values.items()}
    for name in COUNTS:
        if name in taken:
            taken[name] = taken[name].fill_null(0)
    every = np.tile(times, (len(datastreams), 1))
    return np.repeat(np.array(datastreams, np.int64), len(slots)), every[:, 0], every[:, 1], taken


def _empty(names: Sequence[str]) -> pa.Table:
    none = np.zeros(0, np.int64)
    return _table(none, none, none, {n: pa.array([], pa.int64() if n in COUNTS else pa.float64()) for n in names})


def _table(
    streams: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64], values: dict[str, pa.Array]
) -> pa.Table:
    column = pa.timestamp("us", "UTC")
    times = {"start": pa.array(starts).cast(column), "end": pa.array(ends).cast(column)}
    return pa.table({"datastream": pa.array(streams), **times, **values})
