"""Observations by interval: counted, averaged, and their extremes, as columns."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from dongne.model.times import from_us
from dongne.stores.embedded.links import OBSERVATION_TABLES


class Reads(Protocol):
    """History, brought up to date."""

    def reading(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A cursor that sees all that was acknowledged before."""


def by_interval(history: Reads, datastreams: Sequence[int], start_us: int, end_us: int, interval_s: int) -> pa.Table:
    """datastream_id, start_us, n, mean, low, high of each interval of `interval_s` seconds (UTC, whole ones from 1970)
    in [start, end) that has numbers, in order. Results that are no numbers are left out."""
    values: dict[str, Any] = {
        "start": from_us(start_us).replace(tzinfo=None),
        "end": from_us(end_us).replace(tzinfo=None),
        "ids": sorted(set(datastreams)),
        "first": min(datastreams),
        "last": max(datastreams),
    }
    chosen = "datastream_id between $first and $last"  # this alone can use the zone maps
    if len(datastreams) != values["last"] - values["first"] + 1:
        chosen += " and datastream_id in (select unnest($ids::integer[]))"
    else:
        del values["ids"]
    step_us = interval_s * 1_000_000
    parts = " union all ".join(
        f"(select datastream_id, epoch_us(phenomenon_time) // {step_us} as slot, count(result) as n, "
        f"sum(result) as total, min(result) as low, max(result) as high from {table} "
        f"where {chosen} and phenomenon_time >= $start and phenomenon_time < $end group by all)"
        for table in OBSERVATION_TABLES
    )
    text = (
        f"select datastream_id, slot * {step_us} as start_us, cast(sum(n) as bigint) as n, sum(total) / sum(n) as mean, "
        f"min(low) as low, max(high) as high from ({parts}) where n > 0 group by all order by all"
    )
    with history.reading() as cursor:
        return cursor.sql(text, params=values).to_arrow_table()
