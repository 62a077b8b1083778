"""All Observations of a range as columns, a slice at a time: what one answer holds never depends on how long it is.

Each slice is a question of its own, so nothing is held in history while a slow reader takes the one before.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from dongne.stores.embedded.aggregate import Reads, asked, chosen_sql
from dongne.stores.embedded.links import OBSERVATION_TABLES
from dongne.stores.embedded.watch import Watch

_COLUMNS = (
    "datastream_id::bigint as datastream, epoch_us(phenomenon_time) as time_us, epoch_us(phenomenon_end) as end_us, "
    "result, case when result is null then json_extract(extra, '$.result')::varchar end as other, id"
)
_UTC = pa.timestamp("us", "UTC")


def all_of(
    history: Reads, watch: Watch, datastreams: Sequence[int], start_us: int, end_us: int, slice_rows: int
) -> Iterator[pa.Table]:
    """datastream, phenomenonTime, phenomenonTimeEnd (of intervals), result, other (JSON of a result that is no number)
    and id of all Observations of [start, end), in this order, at most `slice_rows` at a time; without any, one empty
    slice. What arrives meanwhile may be among them. Any thread may take the next."""
    counts = _counts(history, watch, datastreams, start_us, end_us)
    nothing = True
    for pack in _packs(counts, slice_rows):
        if len(pack) > 1 or counts[pack[0]] <= slice_rows:
            slices: Iterator[pa.Table] = iter([_slice(history, watch, pack, start_us, end_us)])
        else:
            slices = _of_one(history, watch, pack[0], (start_us, end_us), slice_rows)
        for found in slices:
            nothing = False
            yield _named(found)
    if nothing:
        yield _named(_slice(history, watch, [0], start_us, end_us))


def _counts(history: Reads, watch: Watch, datastreams: Sequence[int], start_us: int, end_us: int) -> dict[int, int]:
    """How many of each Datastream that has any, in order of their ids."""
    chosen, given = chosen_sql(datastreams, start_us, end_us)
    rows = " union all ".join(f"(select datastream_id from {table} where {chosen})" for table in OBSERVATION_TABLES)
    found = asked(history, watch, f"select datastream_id, count(*) as n from ({rows}) group by 1 order by 1", given)
    return dict(zip(found["datastream_id"].to_pylist(), found["n"].to_pylist(), strict=True))


def _packs(counts: dict[int, int], most: int) -> Iterator[list[int]]:
    """Neighbouring Datastreams that have together at most so many; one that has more is alone."""
    pack: list[int] = []
    size = 0
    for stream, count in counts.items():
        if pack and size + count > most:
            yield pack
            pack, size = [], 0
        pack.append(stream)
        size += count
    if pack:
        yield pack


def _of_one(history: Reads, watch: Watch, stream: int, span: tuple[int, int], most: int) -> Iterator[pa.Table]:
    after: tuple[int, int] | None = None
    while True:
        found = _slice(history, watch, [stream], *span, after, most)
        if not found.num_rows:
            return
        yield found
        if found.num_rows < most:
            return
        after = found["time_us"][-1].as_py(), found["id"][-1].as_py()


def _slice(
    history: Reads,
    watch: Watch,
    datastreams: Sequence[int],
    start_us: int,
    end_us: int,
    after: tuple[int, int] | None = None,
    most: int | None = None,
) -> pa.Table:
    chosen, given = chosen_sql(datastreams, start_us if after is None else after[0], end_us)
    if after is not None:
        chosen += " and (phenomenon_time > $start or id > $after)"
        given["after"] = after[1]
    limit = "" if most is None else f" limit {most}"
    rows = " union all ".join(
        f"(select {_COLUMNS} from {table} where {chosen} order by 1, 2, id{limit})" for table in OBSERVATION_TABLES
    )
    return asked(history, watch, f"select * from ({rows}) order by 1, 2, id{limit}", given)


def _named(found: pa.Table) -> pa.Table:
    found = found.combine_chunks()
    columns: dict[str, Any] = {
        "datastream": found["datastream"],
        "phenomenonTime": found["time_us"].cast(_UTC),
        "phenomenonTimeEnd": found["end_us"].cast(_UTC),
        "result": found["result"],
        "other": found["other"].cast(pa.string()),
        "id": found["id"],
    }
    return pa.table(columns)
