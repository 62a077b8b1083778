"""Appointments of a week, by local time: "08:00 20:00" is every day, "mon thu 07:30" on two days."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PATTERN = r"((mon|tue|wed|thu|fri|sat|sun) )*([01]\d|2[0-3]):[0-5]\d( ([01]\d|2[0-3]):[0-5]\d)*|"
"""What such a text looks like, whole; empty is never."""


@dataclass(frozen=True)
class LocalTimes:
    """Times of day, in order, on days of the week (0 is Monday)."""

    days: frozenset[int]
    times: tuple[time, ...]


@lru_cache(maxsize=1_000)
def parse_local_times(text: str) -> LocalTimes | None:
    """What the text (of PATTERN) says; None where it is empty. Raises ValueError for another word."""
    words = text.split()
    if not words:
        return None
    times = sorted({time.fromisoformat(word) for word in words if word not in DAYS})
    if not times:
        raise ValueError(f"{text!r} names no time of day")
    days = frozenset(DAYS.index(word) for word in words if word in DAYS)
    return LocalTimes(days or frozenset(range(7)), tuple(times))


def next_time(given: LocalTimes, after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant later than `after`, in UTC. A local time that a change of clocks leaves out comes as much later."""
    first = after.astimezone(zone).date()
    return next(at for at in _from(given, first - timedelta(days=1), zone) if at > after)


def _from(given: LocalTimes, day: date, zone: ZoneInfo) -> Iterator[datetime]:
    utc = ZoneInfo("UTC")
    while True:
        if day.weekday() in given.days:
            yield from sorted(datetime.combine(day, at, zone).astimezone(utc) for at in given.times)
        day += timedelta(days=1)
