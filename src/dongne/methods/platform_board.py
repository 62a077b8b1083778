"""What a platform says of a train that comes: the class of each car with how sure it is, and where to board.

A class is said as it is where its probability is SURE or more; below, it is only likely. Advice names the emptiest cars: those
within NEARLY_PERCENT of the emptiest one, and a quarter of the train at least, so that not everybody is sent to one door. Where no
car is fuller than that, there is nothing to advise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from dongne.methods.crowding_scale import Crowding, class_of, class_probabilities, likeliest

SURE = 0.7
NEARLY_PERCENT = 15.0


@dataclass(frozen=True)
class CarBoard:
    """The car at a position: its load, the 80 % band around it, its class and the probability of that."""

    position: int
    percent: float
    low_percent: float
    high_percent: float
    crowding: Crowding
    probability: float

    @property
    def is_sure(self) -> bool:
        """Whether the class may be said as it is."""
        return self.probability >= SURE


def judge(position: int, percent: float, low_percent: float, high_percent: float) -> CarBoard:
    """The car with the class that is likeliest; a band that does not hold the load is widened until it does."""
    low, high = min(low_percent, percent), max(high_percent, percent)
    probabilities = class_probabilities(percent, low, high)
    crowding = likeliest(probabilities) if high > low else class_of(percent)
    return CarBoard(position, percent, low, high, crowding, probabilities[crowding])


def advise(cars: Sequence[CarBoard]) -> tuple[int, ...]:
    """The positions where boarding is easiest, ascending; none where all cars are about alike."""
    if not cars:
        return ()
    ordered = sorted(cars, key=lambda car: (car.percent, car.position))
    emptiest, fullest = ordered[0].percent, ordered[-1].percent
    if fullest - emptiest <= NEARLY_PERCENT:
        return ()
    least = ceil(len(cars) / 4)
    limit = max(emptiest + NEARLY_PERCENT, ordered[least - 1].percent)
    return tuple(sorted(car.position for car in cars if car.percent <= limit and car.percent < fullest))


def ranges(positions: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending positions as (first, last) of those that stand side by side: 2, 3, 4, 9 gives (2, 4), (9, 9)."""
    breaks = [i for i, (one, other) in enumerate(pairwise(positions), 1) if other != one + 1]
    edges = [0, *breaks, len(positions)]
    return [(positions[a], positions[b - 1]) for a, b in pairwise(edges) if b > a]
