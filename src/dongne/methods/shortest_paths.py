"""Cheapest paths in a directed graph whose costs change: one Protocol, two engines that give the same costs.

`Hierarchy` is a customizable contraction hierarchy (J. Dibbelt, B. Strasser, D. Wagner, Customizable Contraction Hierarchies, ACM JEA 21, 2016)
by the package routingkit-cch; `Star` is A* (P. Hart, N. Nilsson, B. Raphael 1968) in Python alone, for where the package is missing. Where several paths
cost the same, they may give different ones; each gives the same one each time.
"""

from collections.abc import Sequence
from copy import copy
from heapq import heappop, heappush
from importlib.util import find_spec
from itertools import pairwise
from math import hypot
from typing import Any, NamedTuple, Protocol

import numpy as np

from dongne.methods.walk_network import Floats, Ints

BARRED = 2**31 - 1  # the cost of an arc nobody may take; the dearest path must cost less
FEW = 0.002  # the share of arcs up to which changing a metric is quicker than making it (`dongne bench walk`)
End = tuple[int, int]  # a node, and what it costs to get there (or on from there)


class Found(NamedTuple):
    """The cheapest path: its cost with that of its ends, its first node, and its arcs."""

    cost: int
    first: int
    arcs: list[int]


class Graph(NamedTuple):
    """What is routed on: arcs from `tail` to `head`, nodes at `place_m` (n, 2)."""

    tail: Ints
    head: Ints
    place_m: Floats


class Engine(Protocol):
    """Cheapest paths at the costs last given; before that all is barred. Costs are whole numbers from 0 to BARRED, one for each arc. One thread at a
    time: who would go on asking while costs change has a `twin` customised, and asks that from then on."""

    def customise(self, costs: Ints) -> None:
        """Takes these costs in place of those before."""

    def update(self, arcs: Ints, costs: Ints) -> None:
        """Takes other costs for some arcs."""

    def route(self, sources: Sequence[End], targets: Sequence[End]) -> Found | None:
        """The cheapest path from one of the sources to one of the targets; None where there is none."""

    def reach(self, sources: Sequence[End], limit: int) -> dict[int, int]:
        """The cost of each node that costs at most `limit`."""

    def twin(self) -> "Engine":
        """Another engine on the same graph, with costs of its own: all barred at first."""


def make_engine(graph: Graph, order: Sequence[int] | None = None) -> Engine:
    """The fastest engine there is here. `order` is one that `contraction_order` gave for this graph."""
    return Hierarchy(graph, order) if find_spec("routingkit_cch") else Star(graph)


class _Neighbours:
    """Arcs by their tail, as lists: what Dijkstra's search runs over."""

    def __init__(self, graph: Graph) -> None:
        by_tail = np.argsort(graph.tail, kind="stable")
        starts = np.searchsorted(graph.tail[by_tail], np.arange(len(graph.place_m) + 1)).tolist()
        arcs, heads = by_tail.tolist(), graph.head[by_tail].tolist()
        pairs = list(zip(arcs, heads, strict=True))
        self.out = [pairs[a:b] for a, b in pairwise(starts)]

    def reach(self, costs: Sequence[int] | Ints, sources: Sequence[End], limit: int) -> dict[int, int]:
        """Dijkstra's search, up to a cost."""
        done: dict[int, int] = {}
        heap = sorted((cost, node) for node, cost in sources if cost <= limit)
        while heap:
            cost, node = heappop(heap)
            if node in done:
                continue
            done[node] = cost
            for arc, head in self.out[node]:
                if head not in done and (further := cost + int(costs[arc])) <= limit < BARRED:
                    heappush(heap, (further, head))
        return done


class Star:
    """A* over lists. What is left is bounded by the straight line at the least cost a metre of any arc."""

    def __init__(self, graph: Graph, order: Sequence[int] | None = None, near: _Neighbours | None = None) -> None:
        self._graph = graph
        self._near = near or _Neighbours(graph)
        self._x, self._y = graph.place_m[:, 0].tolist(), graph.place_m[:, 1].tolist()
        apart = graph.place_m[graph.head] - graph.place_m[graph.tail]
        self._straight_m = np.maximum(np.hypot(apart[:, 0], apart[:, 1]), 1e-9)
        self._costs = np.full(len(graph.tail), BARRED, np.int64)
        self._take()

    def customise(self, costs: Ints) -> None:
        """Takes these costs in place of those before."""
        self._costs = _checked(costs, len(self._graph.tail)).copy()
        self._take()

    def update(self, arcs: Ints, costs: Ints) -> None:
        """Takes other costs for some arcs."""
        self._costs[arcs] = costs
        self._take()

    def _take(self) -> None:
        rates = self._costs / self._straight_m
        least = float(rates.min()) if len(rates) else 0.0
        self._now = self._costs.tolist(), least * (1 - 1e-9)  # in one assignment: a search under way keeps what it has

    def route(self, sources: Sequence[End], targets: Sequence[End]) -> Found | None:
        """The cheapest path from one of the sources to one of the targets; None where there is none."""
        costs, least = self._now
        x, y, out = self._x, self._y, self._near.out
        places = [(x[node], y[node]) for node, _ in targets]
        after = dict[int, int]()
        for node, more in targets:
            after[node] = min(more, after.get(node, more))

        def left(node: int) -> int:
            return int(least * min(hypot(x[node] - tx, y[node] - ty) for tx, ty in places)) if least else 0

        best: dict[int, int] = {}
        came: dict[int, int] = {}
        heap: list[tuple[int, int, int]] = []
        for node, cost in sources:
            if cost < best.get(node, BARRED):
                best[node] = cost
                heappush(heap, (cost + left(node), cost, node))
        cheapest, last = BARRED, -1
        while heap and heap[0][0] < cheapest:
            _, cost, node = heappop(heap)
            if cost > best[node]:
                continue
            if node in after and cost + after[node] < cheapest:
                cheapest, last = cost + after[node], node
            for arc, head in out[node]:
                further = cost + costs[arc]
                if further < best.get(head, BARRED) and costs[arc] < BARRED:
                    best[head], came[head] = further, arc
                    heappush(heap, (further + left(head), further, head))
        return None if last < 0 else self._trace(cheapest, last, came)

    def _trace(self, cost: int, node: int, came: dict[int, int]) -> Found:
        arcs = []
        while (arc := came.get(node)) is not None:
            arcs.append(arc)
            node = int(self._graph.tail[arc])
        return Found(cost, node, arcs[::-1])

    def reach(self, sources: Sequence[End], limit: int) -> dict[int, int]:
        """The cost of each node that costs at most `limit`."""
        return self._near.reach(self._now[0], sources, limit)

    def twin(self) -> "Star":
        """Another engine on the same graph, with costs of its own."""
        return Star(self._graph, near=self._near)


class Hierarchy:
    """Routingkit's hierarchy. The order of contraction knows no costs: it is made once for a graph. Where few costs differ from those of before, only
    what hangs on them is worked out anew."""

    def __init__(self, graph: Graph, order: Sequence[int] | None = None) -> None:
        import routingkit_cch as kit  # noqa: PLC0415  where it is missing there is Star

        self._graph, self._kit = graph, kit
        self._cch = kit.CCH(list(order or contraction_order(graph)), graph.tail.tolist(), graph.head.tolist(), False)
        self._near: list[_Neighbours] = []  # one for all twins, made when `reach` is first asked
        self._costs: Ints | None = None
        self._metric: Any = None

    def customise(self, costs: Ints) -> None:
        """Takes these costs in place of those before."""
        costs = _checked(costs, len(self._graph.tail))
        if self._costs is not None:
            changed = np.flatnonzero(costs != self._costs)
            if len(changed) <= len(costs) * FEW:
                self.update(changed, costs[changed])
                return
        self._costs = costs.copy()
        self._metric = self._kit.CCHMetric(self._cch, costs.tolist())

    def update(self, arcs: Ints, costs: Ints) -> None:
        """Takes other costs for some arcs, once there were costs for all."""
        if self._costs is None or not len(arcs):
            return
        self._costs[arcs] = costs
        changes = dict(zip(arcs.tolist(), costs.tolist(), strict=True))
        self._kit.CCHMetricPartialUpdater(self._cch).apply(self._metric, changes)

    def route(self, sources: Sequence[End], targets: Sequence[End]) -> Found | None:
        """The cheapest path from one of the sources to one of the targets; None where there is none."""
        if self._metric is None:
            return None
        query = self._kit.CCHQuery(self._metric)  # of this thread alone: the kit lets no other one touch it
        found: Any = query.run_multi(list(sources), list(targets))
        cost = found.distance
        if cost is None or cost >= BARRED:
            return None
        arcs: list[int] = found.arc_path
        return Found(cost, int(self._graph.tail[arcs[0]]) if arcs else found.node_path[0], arcs)

    def reach(self, sources: Sequence[End], limit: int) -> dict[int, int]:
        """The cost of each node that costs at most `limit`."""
        costs = self._costs if self._costs is not None else np.full(len(self._graph.tail), BARRED)
        if not self._near:
            self._near.append(_Neighbours(self._graph))
        return self._near[0].reach(costs, sources, limit)

    def twin(self) -> "Hierarchy":
        """Another engine on the same graph, with costs of its own."""
        other = copy(self)
        other._costs = other._metric = None
        return other


def contraction_order(graph: Graph) -> list[int]:
    """An order in which nodes are contracted, by inertial flow over their places; empty where routingkit-cch is missing."""
    if not find_spec("routingkit_cch"):
        return []
    import routingkit_cch as kit  # noqa: PLC0415

    x, y = graph.place_m[:, 0].tolist(), graph.place_m[:, 1].tolist()
    order: list[int] = kit.compute_order_inertial(len(x), graph.tail.tolist(), graph.head.tolist(), y, x)
    return order


def _checked(costs: Ints, arcs: int) -> Ints:
    if costs.shape != (arcs,) or costs.min(initial=0) < 0 or costs.max(initial=0) > BARRED:
        raise ValueError(f"costs are {arcs} whole numbers from 0 to {BARRED}")
    return costs
