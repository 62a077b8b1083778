"""What is usual at a place, by the hour of the week: the middle of the last weeks, and how far they scatter.

Usual is the median of the last `MEMORY` values of the same local hour of the week; half of them may be holidays, faults
or festivals and it does not move far (breakdown point 1/2: Huber and Ronchetti, Robust Statistics, 2nd ed. 2009, 1.4).
Scatter is the normalised median absolute deviation, 1.4826 MAD. Both are taken on the square root of the count, which
for counts makes the scatter nearly the same at all levels (Bartlett, J. R. Stat. Soc. Suppl. 3(1), 1936; a Poisson count
has 0.5). As eight values say little of a scatter, it is shrunk to that of the whole place; never below the Poisson.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from math import sqrt
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from dongne.methods.windows import HOUR_US
from dongne.model.times import from_us

HOURS_OF_WEEK = 168
MEMORY = 8  # weeks
LEAST = 3  # values that make a usual
POISSON_SD = 0.5
POOL_WEIGHT = 8.0  # the place's scatter counts like so many values of the hour
POOL_LEARN = 0.01
FIRST_POOL = 1.5  # of a place nobody knows yet; in square roots of persons an hour
TWO_WEEKS = [*range(HOURS_OF_WEEK)] * 2
DAY_CLASSES = ((0, 1, 2, 3, 4), (5,), (6,))


@lru_cache(maxsize=8192)  # pure; every place of a city asks for the same hours
def hour_of_week(hour: int, zone: ZoneInfo) -> int:
    """0..167 from Monday 0 h, in local time, of an hour numbered since 1970."""
    local = from_us(hour * HOUR_US).astimezone(zone)
    return local.weekday() * 24 + local.hour


def hours_of_week(first: int, count: int, zone: ZoneInfo) -> NDArray[np.int64]:
    """`hour_of_week` of `count` hours from `first` on."""
    return np.array([hour_of_week(hour, zone) for hour in range(first, first + count)], np.int64)


def week_until(last: int, zone: ZoneInfo) -> list[int]:
    """`hour_of_week` of the 168 hours that end with `last`."""
    first, final = hour_of_week(last - HOURS_OF_WEEK + 1, zone), hour_of_week(last, zone)
    if (final + 1) % HOURS_OF_WEEK == first:  # no clock change lies between
        return TWO_WEEKS[first : first + HOURS_OF_WEEK]
    return [hour_of_week(hour, zone) for hour in range(last - HOURS_OF_WEEK + 1, last + 1)]


@dataclass(slots=True)
class Rhythm:
    """The last values of each hour of the week (oldest first), as square roots; `pool_sd` is the place's scatter."""

    slots: list[list[float]] = field(default_factory=lambda: [[] for _ in range(HOURS_OF_WEEK)])
    pool_sd: float = FIRST_POOL


@dataclass(frozen=True, slots=True)
class Usual:
    """`value` in the unit of the counts; `root` and `sd` on the square-root scale."""

    value: float
    root: float
    sd: float

    def z(self, value: float) -> float:
        """How many standard deviations the value is from usual."""
        return (sqrt(max(value, 0.0)) - self.root) / self.sd


def _middle(values: list[float]) -> float:
    ordered = sorted(values)
    half, odd = divmod(len(ordered), 2)
    return ordered[half] if odd else (ordered[half - 1] + ordered[half]) / 2


def learn(rhythm: Rhythm, slot: int, value: float) -> None:
    """Takes in what an hour was. `value` >= 0."""
    values, root = rhythm.slots[slot], sqrt(max(value, 0.0))
    if len(values) >= LEAST:
        away = 1.4826 * abs(root - _middle(values))
        # as MAD is a median, half of the steps go up and half go down
        rhythm.pool_sd *= 1.0 + POOL_LEARN if away > rhythm.pool_sd else 1.0 - POOL_LEARN
    values.append(round(root, 2))
    if len(values) > MEMORY:
        del values[0]


def find_usual(rhythm: Rhythm, slot: int) -> Usual | None:
    """What is usual at this hour of the week. Before the hour itself has been seen often enough, what is usual at this hour
    on days of its class (weekdays, Saturdays, Sundays); None where that is not known either."""
    values = rhythm.slots[slot]
    if len(values) < LEAST:
        hour, day = slot % 24, slot // 24
        days = next(c for c in DAY_CLASSES if day in c)
        values = [root for d in days for root in rhythm.slots[d * 24 + hour]]
        if len(values) < LEAST:
            return None
    root = _middle(values)
    own_sd = 1.4826 * _middle([abs(v - root) for v in values])
    count, pool_sd = len(values), rhythm.pool_sd
    variance = (own_sd * own_sd * count + pool_sd * pool_sd * POOL_WEIGHT) / (count + POOL_WEIGHT)
    return Usual(root * root, root, max(sqrt(variance), POISSON_SD))
