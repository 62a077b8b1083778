"""What a person's daily measurements say together: the mean of a week, a gain within days, a drift over weeks.

A day is kept as the sum and number of its readings, so that weeks need little room; days are ordinals of the local calendar.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

KEPT_D = 28
LEAST_DRIFT_D = 14  # days with readings
CERTAIN_Z = 2.58  # 99 %, two-sided
MEAN_D, LEAST_MEAN_D, LEAST_READINGS = 7, 3, 12


@dataclass(slots=True)
class Day:
    """The readings of a day: their sum, in the unit of the property, and how many there were."""

    day: int
    total: float
    count: int

    @property
    def mean(self) -> float:
        """Their mean."""
        return self.total / self.count


@dataclass(frozen=True)
class Drift:
    """How much a value changed over the days from first to last, by the median slope."""

    change: float
    days: int


def note_reading(days: list[Day], day: int, value: float) -> None:
    """Takes a reading in, and lets go of what is older than KEPT_D. A reading of a day before the newest joins its day if that
    is kept."""
    for one in reversed(days):
        if one.day == day:
            one.total, one.count = one.total + value, one.count + 1
            return
    if not days or day > days[-1].day:
        days.append(Day(day, value, 1))
        days[:] = [one for one in days if one.day > day - KEPT_D]


def find_home_mean(days: Sequence[Day], today: int) -> tuple[float, int] | None:
    """The mean of the readings of the last seven days without the first of them, and how many they are; None where there are
    fewer than 12 readings, or 3 days.

    Home blood pressure as the European Society of Hypertension has it: seven days, three at least with 12 readings, the first
    day discarded (Stergiou et al., J Hypertens 2021;39:1293, table 4).
    """
    week = [one for one in days if today - MEAN_D < one.day <= today]
    if len(week) < LEAST_MEAN_D or sum(one.count for one in week) < LEAST_READINGS:
        return None
    rest = week[1:]
    count = sum(one.count for one in rest)
    return sum(one.total for one in rest) / count, count


def gain_within(days: Sequence[Day], today: int, value: float, within_d: int) -> float | None:
    """How much more `value` of today is than the lowest day in the `within_d` days before; None where there is none."""
    before = [one.mean for one in days if today - within_d <= one.day < today]
    return value - min(before) if before else None


def find_drift(days: Sequence[Day]) -> Drift | None:
    """The change over the kept days, where they are 14 at least and it is hardly chance; else None.

    The slope is the median of those between all pairs (Theil 1950, Sen 1968), which one wild day in four leaves standing. That
    it goes one way is Kendall's S against its normal approximation with ties, at 99 % (Mann 1945; Kendall, Rank Correlation
    Methods, 4th ed. 1975, 4.2).
    """
    if len(days) < LEAST_DRIFT_D:
        return None
    points = [(one.day, one.mean) for one in days]
    pairs = [(b[0] - a[0], b[1] - a[1]) for at, a in enumerate(points) for b in points[at + 1 :]]
    if abs(kendall_z([value for _, value in points])) < CERTAIN_Z:
        return None
    span = points[-1][0] - points[0][0]
    return Drift(median(rise / run for run, rise in pairs) * span, span)


def kendall_z(values: Sequence[float]) -> float:
    """How far the order of the values is from chance, in standard deviations: positive when they rise; 0 when all are equal."""
    n = len(values)
    s = sum((b > a) - (b < a) for at, a in enumerate(values) for b in values[at + 1 :])
    ties = [list(values).count(one) for one in set(values)]
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)) / 18
    if s == 0 or variance <= 0:
        return 0.0
    return (s - (1 if s > 0 else -1)) / sqrt(variance)
