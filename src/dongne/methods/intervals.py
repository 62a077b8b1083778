"""Intervals of the calendar of a zone: which one an instant lies in, and when each begins and ends.

A local day has 23 to 25 hours where clocks change. Hours and shorter ones always have their length: the hour that comes
twice in autumn is two. Offsets come from the zone's rules (IANA, through zoneinfo).
"""

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.errors import BadInput
from dongne.model.times import from_us, to_us

_FORM = re.compile(r"P(?:(\d+)Y|(\d+)M|(\d+)W|(\d+)D|T(?:(\d+)H|(\d+)M|(\d+)S))", re.ASCII)
SECOND_US = 1_000_000
HOUR_S, DAY_S = 3_600, 86_400
WEEK_SHIFT_S = 3 * DAY_S  # 1970-01-01 was a Thursday: weeks begin on Monday (ISO 8601)


class Interval(msgspec.Struct, frozen=True):
    """So many months, or so many seconds; one of the two is 0."""

    months: int = 0
    seconds: int = 0

    @property
    def is_short(self) -> bool:
        """An hour or a part of one: its length never changes."""
        return 0 < self.seconds <= HOUR_S


class Grouping(msgspec.Struct, frozen=True):
    """How Observations are summed up: by which interval of which zone, into which values; `fill`: also those intervals
    in which there are none."""

    interval: Interval
    zone: ZoneInfo
    values: tuple[str, ...]
    fill: bool = False


def parse_interval(text: str) -> Interval:
    """From ISO 8601: PT15M, PT1H, PT6H, P1D, P1W, P1M, P1Y ... Raises BadInput where it does not divide the day, or the hour."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise BadInput(
            f"{text[:40]!r} is no interval; there are PT1M, PT15M, PT1H, PT6H, P1D, P1W, P1M, P1Y", reason="query"
        )
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    if years or months:
        count = 12 * years + months
        if count > 1_200:
            raise BadInput(f"{text!r} is longer than a century", reason="query")
        return Interval(months=count)
    length = 7 * DAY_S * weeks + DAY_S * days + HOUR_S * hours + 60 * minutes + seconds
    unit = HOUR_S if length <= HOUR_S else DAY_S
    if length == 0 or length > 3_660 * DAY_S or (length < DAY_S and unit % length):
        raise BadInput(
            f"{text!r} does not divide the {'hour' if unit == HOUR_S else 'day'}; take one which does", reason="query"
        )
    return Interval(seconds=length)


def offsets(zone: ZoneInfo, start_us: int, end_us: int) -> list[tuple[int, int]]:
    """(from when on, offset from UTC in seconds), both ends included; the first is from `start_us` on. By halving."""
    found = [(start_us, _offset_s(zone, start_us))]
    step_us = 20 * DAY_S * SECOND_US  # no zone has changed twice within
    at = start_us
    while at < end_us:
        after = min(at + step_us, end_us)
        if _offset_s(zone, after) != _offset_s(zone, at):
            low, high = at, after
            while high - low > SECOND_US:
                middle = (low + high) // 2
                if _offset_s(zone, middle) == found[-1][1]:
                    low = middle
                else:
                    high = middle
            change = high // SECOND_US * SECOND_US  # zones change at whole seconds
            if _offset_s(zone, change) == found[-1][1]:
                change += SECOND_US
            found.append((change, _offset_s(zone, change)))
        at = after
    return found


def _offset_s(zone: ZoneInfo, us: int) -> int:
    offset = from_us(us).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def bounds(interval: Interval, slot: int, offset_s: int, zone: ZoneInfo) -> tuple[int, int]:
    """Start and end of an interval in microseconds UTC. `slot` numbers it on the local clock (see `slot_of`); the offset
    counts for short ones only."""
    if interval.is_short:
        start_us = (slot * interval.seconds - offset_s) * SECOND_US
        return start_us, start_us + interval.seconds * SECOND_US
    return _local(interval, slot, zone), _local(interval, slot + 1, zone)


def _local(interval: Interval, slot: int, zone: ZoneInfo) -> int:
    if interval.months:
        year, month = divmod(slot * interval.months, 12)
        naive = datetime(year, month + 1, 1)  # noqa: DTZ001  # the zone comes next
    else:
        shift = WEEK_SHIFT_S if interval.seconds % (7 * DAY_S) == 0 else 0
        naive = datetime(1970, 1, 1) + timedelta(seconds=slot * interval.seconds - shift)  # noqa: DTZ001
    return to_us(naive.replace(tzinfo=zone).astimezone(UTC))


def slot_of(interval: Interval, us: int, zone: ZoneInfo) -> tuple[int, int]:
    """The number of the interval in which an instant lies on the local clock, and the offset then, in seconds."""
    offset_s = _offset_s(zone, us)
    local_s = us // SECOND_US + offset_s
    if interval.months:
        local = from_us(us).astimezone(zone)
        return (12 * local.year + local.month - 1) // interval.months, offset_s
    shift = WEEK_SHIFT_S if interval.seconds % (7 * DAY_S) == 0 else 0
    return (local_s + shift) // interval.seconds, offset_s


def start_of_day(day: date, zone: ZoneInfo) -> int:
    """When a day of the calendar begins, in microseconds."""
    return to_us(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC))


def list_slots(interval: Interval, zone: ZoneInfo, start_us: int, end_us: int, most: int) -> list[tuple[int, int]]:
    """(slot, offset in seconds) of every interval that has a part in [start, end), in order; the offset is 0 for those
    longer than an hour. Raises BadInput beyond `most`."""
    length_us = (interval.seconds or interval.months * 28 * DAY_S) * SECOND_US
    if (end_us - start_us) // length_us > most:
        raise BadInput(
            f"from `from` to `to` there are more than {most} intervals; take longer ones, or a shorter time",
            reason="query",
        )
    found: dict[tuple[int, int], None] = {}
    changes = [*offsets(zone, start_us, end_us), (end_us, 0)]
    for (begin_us, offset_s), (until_us, _) in pairwise(changes):
        if until_us <= begin_us:
            continue
        first, _ = slot_of(interval, begin_us, zone)
        last, _ = slot_of(interval, until_us - 1, zone)
        for slot in range(first, last + 1):
            found[slot, offset_s if interval.is_short else 0] = None
    return list(found)
