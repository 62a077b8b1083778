"""How late vehicles are: what was observed of a route at an hour, and whether a change holds.

Quantiles are those of the newest observed delays themselves, without a model of their shape. A change holds where the vehicle
one leaves is at the stop early enough before the other departs; both delays are taken as independent.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Hashable, Sequence
from typing import NamedTuple

LEAST = 20  # delays without which nothing is said
KEPT = 400  # newest delays of a route and hour
HOURS = 24


class Spread(NamedTuple):
    """Delays in seconds, sorted: each as likely as the others."""

    delays_s: tuple[float, ...]

    def quantile(self, share: float) -> float:
        """The delay below which this share lies, between neighbours by distance."""
        place = share * (len(self.delays_s) - 1)
        low = int(place)
        high = min(low + 1, len(self.delays_s) - 1)
        return self.delays_s[low] + (place - low) * (self.delays_s[high] - self.delays_s[low])


class DelayBook:
    """Observed delays by route and hour. Of an hour with too few, the whole day of the route speaks."""

    def __init__(self) -> None:
        self._delays: dict[tuple[Hashable, int], deque[float]] = {}

    def add(self, route: Hashable, hour: int, delay_s: float) -> None:
        """Takes in how late a vehicle of a route was at an hour (0 to 23)."""
        self._delays.setdefault((route, hour), deque(maxlen=KEPT)).append(delay_s)

    def find_spread(self, route: Hashable, hour: int) -> tuple[Spread, bool] | None:
        """The delays of a route at an hour, and whether they are those of this hour alone; None where too few were seen."""
        here = self._delays.get((route, hour), ())
        if len(here) >= LEAST:
            return Spread(tuple(sorted(here))), True
        day = [delay for other in range(HOURS) for delay in self._delays.get((route, other), ())]
        return (Spread(tuple(sorted(day))), False) if len(day) >= LEAST else None


def chance_of_change(arriving: Sequence[float], departing: Sequence[float], slack_s: float) -> float:
    """The probability, 0 to 1, that a change holds: arrival delay <= departure delay + slack, over all pairs of these delays.
    `slack_s` is what the timetable leaves beyond the time for changing. Both must be sorted and not empty."""
    held = sum(bisect_right(arriving, delay + slack_s) for delay in departing)
    return held / (len(arriving) * len(departing))
