"""Observations by interval of a zone's calendar, and all of a range: as columns, from history."""

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa

from dongne.methods.intervals import DAY_S, WEEK_SHIFT_S, Interval, bounds, offsets
from dongne.model.errors import BadInput
from dongne.model.times import from_us
from dongne.stores.embedded.links import OBSERVATION_TABLES

VALUES = {
    "n": "count(result)",
    "mean": "avg(result)",
    "min": "min(result)",
    "max": "max(result)",
    "sum": "sum(result)",
    "first": "arg_min(result, (phenomenon_time, id))",
    "last": "arg_max(result, (phenomenon_time, id))",
    "stddev": "stddev_samp(result)",
}
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)", re.ASCII)
_DAY_US = DAY_S * 1_000_000


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


def _chosen(datastreams: Sequence[int], start_us: int, end_us: int) -> tuple[str, dict[str, Any]]:
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


def by_interval(
    history: Reads,
    datastreams: Sequence[int],
    start_us: int,
    end_us: int,
    interval: Interval,
    zone: ZoneInfo,
    values: Sequence[str],
    most: int,
) -> pa.Table:
    """datastream, start, end (of the whole interval, UTC) and the values, of each interval in [start, end) that has
    numbers, in order. Results that are no numbers are left out. Raises BadInput beyond `most` rows."""
    columns = ", ".join(f"{value_sql(name)} as v{place}" for place, name in enumerate(values))
    if not datastreams:
        return _table(
            np.zeros(0, np.int64),
            [],
            values,
            pa.table({f"v{p}": pa.array([], pa.float64()) for p in range(len(values))}),
        )
    chosen, given = _chosen(datastreams, start_us, end_us)
    slot, offset = _slot_sql(interval, zone, start_us, end_us)
    rows = " union all ".join(
        f"(select datastream_id, epoch_us(phenomenon_time) as us, phenomenon_time, id, result from {table} "
        f"where {chosen} and result is not null)"
        for table in OBSERVATION_TABLES
    )
    text = (
        f"select datastream_id, cast({slot} as bigint) as slot, cast({offset} as integer) as moved, {columns} "
        f"from ({rows}) group by 1, 2, 3 order by 1, slot * {max(interval.seconds, 1)} - moved limit {most + 1}"
    )
    with history.reading() as cursor:
        found = cursor.sql(text, params=given).to_arrow_table()
    if found.num_rows > most:
        raise BadInput(
            f"the answer has more than {most} rows; take a longer interval, fewer Datastreams or a shorter time",
            reason="query",
        )
    pairs = list(zip(found["slot"].to_pylist(), found["moved"].to_pylist(), strict=True))
    known = {pair: bounds(interval, *pair, zone) for pair in set(pairs)}
    return _table(found["datastream_id"].to_numpy(), [known[pair] for pair in pairs], values, found)


def _table(streams: Any, times: list[tuple[int, int]], values: Sequence[str], found: pa.Table) -> pa.Table:
    column = pa.timestamp("us", "UTC")
    return pa.table(
        {
            "datastream": pa.array(streams, pa.int64()),
            "start": pa.array([start for start, _ in times], pa.int64()).cast(column),
            "end": pa.array([end for _, end in times], pa.int64()).cast(column),
            **{name: found[f"v{place}"] for place, name in enumerate(values)},
        }
    )


def all_of(
    history: Reads, datastreams: Sequence[int], start_us: int, end_us: int, slice_rows: int
) -> Iterator[pa.RecordBatch]:
    """datastream, phenomenonTime (UTC), result, other (JSON of a result that is no number), id: all Observations of
    [start, end), in order, some at a time. One thread takes all of it."""
    chosen, given = _chosen(datastreams, start_us, end_us)
    rows = " union all ".join(
        f"(select datastream_id, phenomenon_time, result, extra, id from {table} where {chosen})"
        for table in OBSERVATION_TABLES
    )
    text = (
        'select datastream_id::bigint as datastream, phenomenon_time as "phenomenonTime", result, '
        "case when result is null then json_extract(extra, '$.result')::varchar end as other, id "
        f"from ({rows}) order by 1, 2, 5"
    )
    with history.reading() as cursor:
        reader = cursor.sql(text, params=given).to_arrow_reader(slice_rows)
        yield from reader
