"""Who comes this way, and when: from the instants at which presence was noticed along a street.

People walk at 0.5 to 2.5 m/s (older people at 0.76 m/s on average: Are pedestrian crossings in the UK fit for purpose,
University of Bath; about 1.4 m/s is preferred by many), and cycle at up to 8 m/s in town.
"""

from collections.abc import Iterable
from statistics import median

import msgspec


class Leg(msgspec.Struct, frozen=True, gc=False):
    """Presence noticed at two places of one street: `distance_m` apart, the second `seconds` after the first."""

    distance_m: float
    seconds: float


class Pace(msgspec.Struct, frozen=True):
    """The speeds at which somebody may be going, in m/s."""

    slowest_m_s: float = 0.3
    fastest_m_s: float = 8.0


def find_speed_m_s(legs: Iterable[Leg], pace: Pace) -> float | None:
    """The median speed of the legs that one person can have gone; None where there is none.

    The median, because a leg may join two people's sightings, and one odd leg must not move the estimate.
    """
    speeds = [leg.distance_m / leg.seconds for leg in legs if is_one_person(leg, pace)]
    return median(speeds) if speeds else None


def is_one_person(leg: Leg, pace: Pace) -> bool:
    """Whether one person can have gone this leg."""
    return leg.seconds > 0 and pace.slowest_m_s <= leg.distance_m / leg.seconds <= pace.fastest_m_s


class Window(msgspec.Struct, frozen=True, gc=False):
    """Seconds from now between which somebody may arrive."""

    early_s: float
    late_s: float


def arrival_window(distance_m: float, speed_m_s: float, quicker: float = 1.25, slower: float = 0.6) -> Window:
    """When somebody `distance_m` away at this speed arrives: they may go up to `quicker` times as fast or fall back to
    `slower` times."""
    return Window(distance_m / (speed_m_s * quicker), distance_m / (speed_m_s * slower))
