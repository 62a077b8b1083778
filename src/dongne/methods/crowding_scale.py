"""Seoul's scale of crowding in a car of the underground: 100 % is 160 people, and 80, 130 and 150 % part four classes.

Source: Seoul Metro, 160 people in a car of 60.84 m2 (54 seats, one standing before each seat, 52 between the doors); up to 80 %
relaxed (여유), up to 130 % normal (보통), up to 150 % caution (주의), above crowded (혼잡). A car with another floor has another
number of people at 100 %, which is a parameter.

A load that is only known with a band lies in a class with a probability. The band's halves may differ: each half is taken as the half
of a normal distribution of its own (two-piece normal; Wallis, J. R. Stat. Soc. A 177 (2014) 743, there with half of
the probability on either side).
"""

from enum import IntEnum
from math import erf, sqrt

PEOPLE_AT_100_PERCENT = 160.0
STEPS_PERCENT = (80.0, 130.0, 150.0)
Z_80 = 1.2815515655446004
"""Ends of a central 80 % band, in standard deviations of a normal distribution."""


class Crowding(IntEnum):
    """The four classes, in order."""

    RELAXED = 0
    NORMAL = 1
    CAUTION = 2
    CROWDED = 3


def to_percent(people: float, people_at_100: float = PEOPLE_AT_100_PERCENT) -> float:
    """The load in %, not below 0."""
    return max(people, 0.0) * 100.0 / people_at_100


def class_of(percent: float) -> Crowding:
    """The class of a known load. A step itself belongs to the class above it: from 80 % on it is normal."""
    return Crowding(sum(percent >= step for step in STEPS_PERCENT))


def class_probabilities(percent: float, low_percent: float, high_percent: float) -> tuple[float, float, float, float]:
    """The probability of each class for a load whose median is `percent` and whose central 80 % band is low..high.

    Raises ValueError where the three are not in order.
    """
    if not low_percent <= percent <= high_percent:
        raise ValueError(f"{low_percent} <= {percent} <= {high_percent} does not hold")
    below = [_below(step, percent, low_percent, high_percent) for step in STEPS_PERCENT]
    return below[0], below[1] - below[0], below[2] - below[1], 1.0 - below[2]


def likeliest(probabilities: tuple[float, float, float, float]) -> Crowding:
    """The class with the largest probability; of equal ones the fuller."""
    return max(Crowding, key=lambda one: (probabilities[one], one))


def _below(step: float, median: float, low: float, high: float) -> float:
    half = (median - low) if step < median else (high - median)
    if half <= 0.0:
        return 0.0 if step <= median else 1.0
    return 0.5 * (1.0 + erf((step - median) * Z_80 / half / sqrt(2.0)))
