"""How many people were sent along each edge of late, so that advice does not send everybody down one lane.

Each advice counts as `people` on every edge of its route and fades with the time constant FADES_S. In persons an hour that is what would
come by if people went on being sent there; against the width it is a crowd that is added to the one that is counted. Numbers by edge are all that is kept.
"""

from math import exp

import numpy as np

from dongne.methods.walk_network import Floats, Ints

FADES_S = 600.0
REBASED = 30.0  # time constants after which the sums are written anew, before they grow too large


class AdvisedLoad:
    """The load of a network whose edges are full at `full_per_h` persons an hour."""

    def __init__(self, full_per_h: Floats, people: float = 1.0) -> None:
        self._full_per_h, self._people = full_per_h, people
        self._sum = np.zeros(len(full_per_h))  # as of `_from_us`: what is added later weighs more
        self._from_us = 0

    def _weight(self, now_us: int) -> float:
        ages = (now_us - self._from_us) / 1e6 / FADES_S
        if ages > REBASED or ages < -REBASED:
            self._sum *= exp(-min(max(ages, 0.0), 700.0))
            self._from_us, ages = now_us, 0.0
        return exp(ages)

    def add(self, edges: Ints, now_us: int) -> None:
        """Somebody was sent along these edges."""
        self._sum[edges] += self._people * self._weight(now_us)

    def everywhere(self, now_us: int) -> Floats:
        """The same of all edges, in steps of 1 %."""
        return np.asarray(np.rint(self.crowd(np.arange(len(self._sum)), now_us) * 100.0) / 100.0)

    def crowd(self, edges: Ints, now_us: int) -> Floats:
        """How full those who were sent make each of these edges, 1 being full."""
        weight = self._weight(now_us)  # which may write the sums anew
        people = self._sum[edges] / weight
        return np.asarray(people * (3600.0 / FADES_S) / self._full_per_h[edges])
