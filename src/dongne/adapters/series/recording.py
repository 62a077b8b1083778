"""A recorded series, and how its times become times of the city: moved by whole weeks, weekday and hour kept."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.times import EPOCH, from_us

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
WEEK_US = 7 * DAY_US
WEEKS_A_YEAR = 52
NAIVE_EPOCH = EPOCH.replace(tzinfo=None)

Times = NDArray[np.int64]


class Recording(msgspec.Struct, frozen=True):
    """Values at local times: microseconds since 1970 as the clocks on the wall showed them there, ascending."""

    local_us: Times
    value: NDArray[np.float64]


def recording(rows: Iterable[tuple[int, float]]) -> Recording:
    """A Recording of (local microseconds, value) in any order: sorted, not-a-number left out, the first of equal times
    kept (an hour that clocks show twice is in the record once)."""
    known: dict[int, float] = {}
    for local_us, value in rows:
        if value == value:  # noqa: PLR0124  NaN is a gap
            known.setdefault(local_us, value)
    times = sorted(known)
    return Recording(np.array(times, np.int64), np.array([known[t] for t in times], np.float64))


def local_of_us(utc_us: int, zone: ZoneInfo) -> int:
    """What the clocks of a zone show at an instant, as microseconds since 1970."""
    offset = from_us(utc_us).astimezone(zone).utcoffset() or timedelta()
    return utc_us + offset // timedelta(microseconds=1)


def naive_us(local: datetime) -> int:
    """A datetime without zone as local microseconds."""
    return (local - NAIVE_EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=4096)
def _day_offset_us(day: int, zone: ZoneInfo) -> int | None:
    """UTC offset of a whole local day (days since 1970); None on a day on which the clocks are changed."""
    start = NAIVE_EPOCH + timedelta(days=day)
    ends = [moment.replace(tzinfo=zone).utcoffset() for moment in (start, start + timedelta(days=1))]
    return ends[0] // timedelta(microseconds=1) if ends[0] is not None and ends[0] == ends[1] else None


def _instant_us(local_us: int, zone: ZoneInfo) -> int | None:
    """The instant at which clocks show this; the first where they show it twice, None where they skip it."""
    local = NAIVE_EPOCH + timedelta(microseconds=local_us)
    utc_us = local_us - (local.replace(tzinfo=zone).utcoffset() or timedelta()) // timedelta(microseconds=1)
    return utc_us if local_of_us(utc_us, zone) == local_us else None


def to_instants(local_us: Times, zone: ZoneInfo) -> tuple[Times, NDArray[np.bool_]]:
    """Instants of local times, and which of them there are: an hour that the zone skips in spring has none; one that
    comes twice in autumn is the first of both."""
    instants = np.empty(len(local_us), np.int64)
    there = np.ones(len(local_us), bool)
    days = local_us // DAY_US
    for day in np.unique(days).tolist():
        rows = days == day
        offset_us = _day_offset_us(day, zone)
        if offset_us is not None:
            instants[rows] = local_us[rows] - offset_us
            continue
        for row in np.flatnonzero(rows).tolist():
            instant = _instant_us(int(local_us[row]), zone)
            instants[row], there[row] = instant or 0, instant is not None
    return instants, there


def choose_loop(record: Recording, start_us: int | None = None, until_us: int | None = None) -> tuple[int, int]:
    """The part of a recording that is replayed again and again: (its first local microsecond, weeks).

    The longest number of whole weeks between start and until, of whole years (52 weeks, so that seasons meet) where it
    is longer than one; a value stands for the usual time until the next. Raises ValueError where it isn't a week long.
    """
    first = int(record.local_us[0]) if start_us is None else start_us
    last = until_us
    if last is None:
        last = int(record.local_us[-1]) + (int(np.median(np.diff(record.local_us))) if len(record.local_us) > 1 else 0)
    weeks = (last - first) // WEEK_US
    if weeks >= WEEKS_A_YEAR:
        weeks -= weeks % WEEKS_A_YEAR
    if weeks < 1:
        raise ValueError("the recording is shorter than a week; it can't be replayed by weekdays")
    return first, weeks


class Loop:
    """A part of a recording repeated for ever in the city's time. Which part is now follows from the date alone, so that
    the same date gives the same values after every start."""

    def __init__(self, record: Recording, zone: ZoneInfo, start_us: int, weeks: int) -> None:
        self.zone = zone
        self.start_us = start_us
        self.period_us = weeks * WEEK_US
        begin, end = np.searchsorted(record.local_us, (start_us, start_us + self.period_us))
        self.local_us = record.local_us[begin:end]
        self.value = record.value[begin:end]

    def between(self, after_us: int, until_us: int) -> tuple[Times, NDArray[np.float64]]:
        """Instants in (after, until] with their values, ascending."""
        low = local_of_us(after_us, self.zone) - 3 * HOUR_US  # zones move their clocks by at most that
        high = local_of_us(until_us, self.zone) + 3 * HOUR_US
        times, values = [], []
        for turn in range((low - self.start_us) // self.period_us, (high - self.start_us) // self.period_us + 1):
            moved = turn * self.period_us
            begin, end = np.searchsorted(self.local_us, (low - moved, high - moved))
            times.append(self.local_us[begin:end] + moved)
            values.append(self.value[begin:end])
        instants, there = to_instants(np.concatenate(times), self.zone)
        there &= (instants > after_us) & (instants <= until_us)
        return instants[there], np.concatenate(values)[there]

    def shift_weeks(self, at_us: int) -> int:
        """By how many weeks the values shown at this instant were moved."""
        return (local_of_us(at_us, self.zone) - self.start_us) // self.period_us * self.period_us // WEEK_US
