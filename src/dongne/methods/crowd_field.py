"""How full every edge of a walking network is, out of counts at a few points.

A count spreads along the network from where it was made: with the weight exp(-d^2 / (2 KERNEL_M^2)) at the distance d, to RANGE_M; off
the street it was made in (its name, or its kind where it has none) each metre counts as OFF_STREET metres. Where several reach, they share by their weights
(kernel regression: E. Nadaraya, G. Watson 1964); where little reaches, so much less is assumed, down to nobody where no one counts. What is not
counted is not known: `known` says how far.

Full is where people in groups begin to hinder each other: 36 persons a minute and metre of width, from which on the Highway Capacity Manual 2000
(exhibit 18-4, platoon-adjusted) calls a walkway level of service E.
"""

from collections.abc import Sequence
from heapq import heappop, heappush

import numpy as np

from dongne.methods.walk_network import KINDS, Floats, Ints, WalkNetwork

KERNEL_M, RANGE_M, OFF_STREET = 100.0, 300.0, 2.5
FULL_PER_MIN_M = 36.0
WIDTH_M = {  # where the map does not say: what is left to walk on, both sides of a street together
    "footway": 2.0, "sidewalk": 2.0, "crossing": 3.0, "pedestrian": 6.0, "path": 1.5, "cycleway": 2.0, "track": 2.5, "steps": 2.5, "corridor": 2.5,
    "platform": 3.0, "living_street": 5.0, "service": 3.0, "road": 4.0, "elevator": 1.5, "escalator": 1.0, "square": 10.0,
}  # fmt: skip


class CrowdField:
    """The field of counters that stand at these edges; numbers of counters are their places in the list."""

    def __init__(self, network: WalkNetwork, counters: Sequence[int]) -> None:
        self._edges = network.edges
        self.full_per_h = widths_m(network) * FULL_PER_MIN_M * 60.0
        spread = _Spread(network)
        found = [spread.around(edge) for edge in counters]
        self._edge = np.concatenate([edges for edges, _ in found] or [np.zeros(0, np.int64)])
        self._weight = np.concatenate([weights for _, weights in found] or [np.zeros(0)])
        self._counter = np.repeat(np.arange(len(found)), [len(edges) for edges, _ in found])

    def flow_per_h(self, counts_per_h: Floats) -> Floats:
        """Persons an hour on each edge, of what the counters say; NaN: it says nothing."""
        said = ~np.isnan(counts_per_h[self._counter])
        edge, weight = self._edge[said], self._weight[said]
        value = counts_per_h[self._counter[said]]
        total = np.bincount(edge, weight * value, self._edges)
        weights = np.bincount(edge, weight, self._edges)
        return np.asarray(total / np.maximum(weights, 1.0))

    def known(self, counts_per_h: Floats) -> Floats:
        """How far each edge is known, from 0 (nobody counts near) to 1 (as at a counter)."""
        said = ~np.isnan(counts_per_h[self._counter])
        return np.minimum(np.bincount(self._edge[said], self._weight[said], self._edges), 1.0)

    def crowd(self, flow_per_h: Floats) -> Floats:
        """How full each edge is, from 0 to 1, in steps of 1 %, so that what hardly changed is the same."""
        return np.asarray(np.rint(np.clip(flow_per_h / self.full_per_h, 0.0, 1.0) * 100.0) / 100.0)


def widths_m(network: WalkNetwork) -> Floats:
    """How wide each edge is for those who walk, what is usual for its kind where the map does not say."""
    usual = np.array([WIDTH_M[kind] for kind in KINDS])[network.kind]
    return np.where(np.isnan(network.width_m), usual, np.clip(network.width_m, 0.5, 30.0))


class _Spread:
    """Distances along the network from an edge, those off its street stretched."""

    def __init__(self, network: WalkNetwork) -> None:
        self._network = network
        by_tail = np.argsort(network.tail, kind="stable")
        self._arcs = by_tail.tolist()
        self._from = np.searchsorted(network.tail[by_tail], np.arange(network.nodes + 1)).tolist()

    def around(self, edge: int) -> tuple[Ints, Floats]:
        """The edges within reach, each once, and their weights."""
        network = self._network
        named = int(network.name[edge])
        mine = network.name == named if named else (network.name == 0) & (network.kind == network.kind[edge])
        lengths = np.where(mine, network.length_m, network.length_m * OFF_STREET)
        half = float(network.length_m[edge]) / 2
        at: dict[int, float] = {}
        heap = [(half, int(network.start[edge])), (half, int(network.end[edge]))]
        away: dict[int, float] = {edge: 0.0}
        while heap:
            metres, node = heappop(heap)
            if node in at or metres > RANGE_M:
                continue
            at[node] = metres
            for arc in self._arcs[self._from[node] : self._from[node + 1]]:
                other, further = arc >> 1, metres + float(lengths[arc >> 1])
                if other != edge:  # to the middle of the edge
                    away[other] = min(metres + float(lengths[other]) / 2, away.get(other, np.inf))
                heappush(heap, (further, int(network.head[arc])))
        metres_of = np.array(list(away.values()))
        near = metres_of <= RANGE_M
        weights = np.exp(-(metres_of[near] ** 2) / (2 * KERNEL_M**2))
        return np.array(list(away), np.int64)[near], weights


def interpolate(hours: Sequence[tuple[int, float]], time_us: int) -> float:
    """A count per hour at an instant, of means of whole hours (start in microseconds, value): straight from the middle of one hour to that of the next,
    level for half an hour beyond the last; NaN where nothing is known so near."""
    half = 1_800_000_000
    middles = sorted((start + half, value) for start, value in hours)
    if not middles or not middles[0][0] - half <= time_us <= middles[-1][0] + half:
        return float("nan")
    before = [m for m in middles if m[0] <= time_us]
    after = [m for m in middles if m[0] >= time_us]
    if not before or not after:
        return (after or before[::-1])[0][1]
    (a, low), (b, high) = before[-1], after[0]
    if b - a > 2 * half:  # an hour between is missing
        return low if time_us - a <= half else high if b - time_us <= half else float("nan")
    return low if a == b else low + (high - low) * (time_us - a) / (b - a)
