"""How fresh and how complete the Observations of some Datastreams are, against what they promise."""

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np

from dongne.methods.intervals import Grouping, Interval
from dongne.model.entities import Datastream
from dongne.web.context import WebContext
from dongne.web.readings import is_stale, promised_s

DAY_S, WEEK_S = 86_400, 604_800
ALLOWED = 2  # intervals: one that the value covers, one in which it comes
MOST_ROWS = 1_000_000


class Measured(msgspec.Struct, frozen=True):
    """`promised_s` is what most of them promise, None where none does; `newest_us` 0 where nothing came yet; `in_time` of
    `promising` Datastreams have a value that is not overdue. Shares are 0 to 1, None where nothing was due."""

    promised_s: float | None = None
    newest_us: int = 0
    in_time: int = 0
    promising: int = 0
    day: float | None = None
    week: float | None = None


def measure(context: WebContext, streams: Sequence[Datastream], begins_us: dict[int, int], now_us: int) -> Measured:
    """Measured now. `begins_us`: since when a Datastream has Observations; before that none was due."""
    _, times, _ = context.store.latest_of(np.array([one.id for one in streams], np.int64))
    newest = dict(zip((one.id for one in streams), times.tolist(), strict=True))
    promises = {one.id: due for one in streams if (due := promised_s(one)) is not None}
    promising = [one for one in streams if one.id in promises and newest[one.id]]
    return Measured(
        Counter(promises.values()).most_common(1)[0][0] if promises else None,
        max(newest.values(), default=0),
        sum(not is_stale(one, newest[one.id], now_us) for one in promising),
        len(promising),
        _share(context, promises, begins_us, now_us, DAY_S),
        _share(context, promises, begins_us, now_us, WEEK_S),
    )


def _share(
    context: WebContext, promises: dict[int, float], begins_us: dict[int, int], now_us: int, span_s: int
) -> float | None:
    """Of the Observations that were due, how many are there: in a time that ends as many intervals ago as a value may take
    to come. More than were due count as all of them."""
    if context.select is None:
        return None
    due = there = 0
    for due_s in set(promises.values()):
        end_us = now_us - int(ALLOWED * due_s * 1e6)
        start_us = end_us - int(max(span_s, due_s) * 1e6)
        expected = {
            stream: int((end_us - max(start_us, begins_us[stream])) / (due_s * 1e6))
            for stream, said in promises.items()
            if said == due_s and stream in begins_us and begins_us[stream] < end_us
        }
        counts = _count(context, sorted(expected), start_us, end_us)
        due += sum(expected.values())
        there += sum(min(counts.get(stream, 0), most) for stream, most in expected.items())
    return there / due if due else None


def _count(context: WebContext, streams: list[int], start_us: int, end_us: int) -> dict[int, int]:
    assert context.select is not None
    if not streams:
        return {}
    grouping = Grouping(Interval(seconds=DAY_S), context.config.zone_info, ("n", "not_numbers"))
    table = context.select.by_interval(streams, start_us, end_us, grouping, MOST_ROWS)
    found: Counter[int] = Counter()
    columns = (table[name].to_pylist() for name in ("datastream", "n", "not_numbers"))
    for stream, numbers, others in zip(*columns, strict=True):
        found[stream] += numbers + others
    return found
