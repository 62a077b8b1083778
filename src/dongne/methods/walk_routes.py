"""From one place to another: places are found on the nearest edge, whose rest is priced exactly."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import shapely

from dongne.methods.shortest_paths import BARRED, End, Engine
from dongne.methods.walk_costs import Prices
from dongne.methods.walk_network import Flags, Floats, Ints, WalkNetwork, find_components
from dongne.model.errors import NotFound
from dongne.model.geometry import Point

REACH_M = 500.0  # a place farther from any way is outside
MOST_TREES = 16  # for so many profiles a tree of edges is kept
ISLAND_M = 60.0  # a place whose nearest way is nearer than the nearest connected one by more lies on an island


class Spot(NamedTuple):
    """A place on the network: on an edge, at a share of its length as it is drawn, `point`; `away_m` from where was asked."""

    edge: int
    share: float
    point: Point
    away_m: float


class Leg(NamedTuple):
    """An arc of a route and the part of it that is walked, shares of the arc in the direction of walking."""

    arc: int
    begin: float
    end: float


class WalkRoute(NamedTuple):
    """A route over `arcs`, of the first from the share `begin` on, of the last to the share `end`: `cost_ms` as it is felt, `time_ms` as
    it is walked, both at the prices it was found with."""

    cost_ms: int
    time_ms: int
    arcs: list[int]
    begin: float
    end: float

    @property
    def legs(self) -> tuple[Leg, ...]:
        """Its arcs with what is walked of each."""
        begins, ends = [0.0] * len(self.arcs), [1.0] * len(self.arcs)
        begins[0], ends[-1] = self.begin, self.end
        return tuple(map(Leg, self.arcs, begins, ends))


class Walked(NamedTuple):
    """Routes one after the other in columns: their arcs, of each the `share` that is walked, and where each route is `first`. `partly` are the places in
    the columns of arcs of which only a part is walked, `stops` whether one stops there before the end."""

    arcs: Ints
    share: Floats
    first: Ints
    partly: Ints
    stops: Flags


class Finder:
    """Finds the spot of a place."""

    def __init__(self, network: WalkNetwork) -> None:
        self._network = network
        at = network.plane.flatten(network.shape_lon, network.shape_lat)
        number = np.repeat(np.arange(network.edges), np.diff(network.shape_from))
        self._lines = shapely.linestrings(at, indices=number)
        self._tree = shapely.STRtree(self._lines)
        self._trees: dict[bytes, tuple[Ints, Any]] = {}  # of connected edges alone, the one asked last at the end

    def find(self, place: Point, connected: Flags) -> Spot:
        """The nearest spot on the `connected` edges (see `connected_edges`). Raises NotFound with the bounds for a place with no way near,
        and with the nearest connected spot for one whose own ways lead nowhere."""
        point = shapely.points(*self._network.plane.flatten_point(place))
        edges, tree = self._connected(connected)
        near, away_m = tree.query_nearest(point, max_distance=ISLAND_M, return_distance=True)
        if len(near):  # mostly; to look farther costs more
            return self._spot(point, int(edges[near].min()), float(away_m[0]))
        near, away_m = tree.query_nearest(point, max_distance=REACH_M, return_distance=True)
        found, nearest_m = self._tree.query_nearest(point, max_distance=REACH_M, return_distance=True)
        if not len(found):
            west, south, east, north = self._network.bounds
            raise NotFound(
                f"there is no way within {REACH_M:g} m of lon = {place[0]:g}, lat = {place[1]:g}; "
                f"ask for places with lon {west:.4f}..{east:.4f} and lat {south:.4f}..{north:.4f}",
                reason="no_way_near",
            )
        if len(near) and away_m[0] <= nearest_m[0] + ISLAND_M:
            return self._spot(point, int(edges[near].min()), float(away_m[0]))
        near, away_m = tree.query_nearest(point, return_distance=True)
        said = ""
        if len(near):
            hint = self._spot(point, int(edges[near].min()), float(away_m[0]))
            lon, lat = hint.point
            said = f"; the nearest place that is: lon = {lon:.5f}, lat = {lat:.5f}, {hint.away_m:.0f} m away"
        raise NotFound(
            f"the ways at lon = {place[0]:g}, lat = {place[1]:g} are not connected with the others for this profile{said}",
            reason="not_connected",
        )

    def _connected(self, connected: Flags) -> tuple[Ints, Any]:
        key = np.packbits(connected).tobytes()  # who asks may work out the same flags again and again
        if (found := self._trees.pop(key, None)) is None:
            edges = np.flatnonzero(connected)
            found = edges, shapely.STRtree(self._lines[edges])
        self._trees[key] = found
        if len(self._trees) > MOST_TREES:
            del self._trees[next(iter(self._trees))]
        return found

    def _spot(self, point: Any, edge: int, away_m: float) -> Spot:
        line = self._lines[edge]
        share = float(shapely.line_locate_point(line, point, normalized=True))
        on = shapely.line_interpolate_point(line, share, normalized=True)
        return Spot(
            edge, share, self._network.plane.raise_up(float(shapely.get_x(on)), float(shapely.get_y(on))), away_m
        )


class Router:
    """Routes at one set of prices: what an engine needs that was customised with `prices.total`."""

    def __init__(self, network: WalkNetwork, engine: Engine, prices: Prices) -> None:
        self.network, self.engine, self.prices = network, engine, prices
        self.costs = prices.total
        self._tail, self._head = network.tail, network.head
        self._times = prices.total_time

    def find(self, source: Spot, target: Spot) -> WalkRoute | None:
        """The cheapest route; None where there is none."""
        direct = self._direct(source, target)
        sources, targets = self._departures(source), self._arrivals(target)
        if not sources or not targets:
            return direct
        found = self.engine.route([end for end, _ in sources], [end for end, _ in targets])
        if found is None or (direct is not None and direct.cost_ms <= found.cost):
            return direct
        arcs = found.arcs
        last = int(self._head[arcs[-1]]) if arcs else found.first
        first_leg = min((end[1], leg) for end, leg in sources if end[0] == found.first)[1]
        last_leg = min((end[1], leg) for end, leg in targets if end[0] == last)[1]
        if first_leg.begin < 1.0:
            begin, arcs = first_leg.begin, [first_leg.arc, *arcs]
        else:  # it begins at a node
            begin = 0.0
        end = 1.0
        if last_leg.end > 0.0 or not arcs:
            end = last_leg.end
            arcs = [*arcs, last_leg.arc]
        return self._timed(WalkRoute(found.cost, 0, arcs, begin, end))

    def _timed(self, route: WalkRoute) -> WalkRoute:
        time_ms = int(self._times[route.arcs].sum())
        prices, last = self.prices, route.arcs[-1]
        if len(route.arcs) == 1:
            time_ms = self.time_of(Leg(last, route.begin, route.end))
        else:
            if route.begin > 0.0:
                first = int(prices.along_time[route.arcs[0]])
                time_ms += round(first * (1.0 - route.begin)) - first
            if route.end < 1.0:
                time_ms += round(int(prices.along_time[last]) * route.end) - int(self._times[last])
        return WalkRoute(route.cost_ms, time_ms, route.arcs, route.begin, route.end)

    def times(self, walked: Walked) -> Ints:
        """Milliseconds each arc of routes takes, with what is met where it ends, if the route goes there."""
        return priced(walked, self.prices.along_time[walked.arcs], self.prices.at_head_time[walked.arcs])

    def _direct(self, source: Spot, target: Spot) -> WalkRoute | None:
        """Along the one edge both are on."""
        if source.edge != target.edge:
            return None
        leg = _leg(source.edge, source.share, target.share)
        cost = self._along(leg)
        if cost >= BARRED:
            return None
        met = int(self.prices.at_head[leg.arc]) if leg.end == 1.0 else 0
        if met >= BARRED:
            return None
        return self._timed(WalkRoute(cost + met, 0, [leg.arc], leg.begin, leg.end))

    def _departures(self, spot: Spot) -> list[tuple[End, Leg]]:
        found: list[tuple[End, Leg]] = []
        for arc, begin in ((2 * spot.edge, spot.share), (2 * spot.edge + 1, 1.0 - spot.share)):
            leg = Leg(arc, begin, 1.0)
            if begin == 1.0:  # it is there already
                found.append(((int(self._head[arc]), 0), leg))
                continue
            cost = self._along(leg) + int(self.prices.at_head[arc])
            if cost < BARRED:
                found.append(((int(self._head[arc]), cost), leg))
        return found

    def _arrivals(self, spot: Spot) -> list[tuple[End, Leg]]:
        found: list[tuple[End, Leg]] = []
        for arc, end in ((2 * spot.edge, spot.share), (2 * spot.edge + 1, 1.0 - spot.share)):
            leg = Leg(arc, 0.0, end)
            cost = 0 if end == 0.0 else self._along(leg) + (int(self.prices.at_head[arc]) if end == 1.0 else 0)
            if cost < BARRED:
                found.append(((int(self._tail[arc]), cost), leg))
        return found

    def _along(self, leg: Leg) -> int:
        along = int(self.prices.along[leg.arc])
        return BARRED if along >= BARRED else round(along * (leg.end - leg.begin))

    def time_of(self, leg: Leg) -> int:
        """Milliseconds a leg takes, with what is met where its arc ends, if it goes there."""
        met = int(self.prices.at_head_time[leg.arc]) if leg.end == 1.0 else 0
        return round(int(self.prices.along_time[leg.arc]) * (leg.end - leg.begin)) + met

    def felt(self, route: WalkRoute) -> Ints:
        """What each arc of a route costs."""
        return priced(side_by_side([route]), self.prices.along[route.arcs], self.prices.at_head[route.arcs])

    def reach(self, source: Spot, limit_ms: int) -> dict[int, int]:
        """What each node costs that costs at most so much."""
        return self.engine.reach([end for end, _ in self._departures(source)], limit_ms)


def side_by_side(routes: Sequence[WalkRoute]) -> Walked:
    """The routes, of which there is at least one, as columns."""
    ends = list(accumulate(len(route.arcs) for route in routes))
    first = [0, *ends[:-1]]
    arcs = np.array([arc for route in routes for arc in route.arcs], np.int64)
    share, stops = np.ones(len(arcs)), np.zeros(len(arcs), np.bool_)
    for route, begin, end in zip(routes, first, ends, strict=True):
        share[end - 1] = route.end
        share[begin] -= route.begin
        stops[end - 1] = route.end < 1.0
    partly = np.flatnonzero(share < 1.0)
    return Walked(arcs, share, np.array(first), partly, stops[partly])


def priced(walked: Walked, along: Ints, at_head: Ints) -> Ints:
    """What each arc of routes costs, of what they cost along them and where they end (one for each arc of the routes)."""
    costs = along + at_head
    partly = walked.partly
    met = np.where(walked.stops, 0, at_head[partly])
    costs[partly] = np.rint(along[partly] * walked.share[partly]).astype(np.int64) + met
    return costs


def _leg(edge: int, begin: float, end: float) -> Leg:
    """From one share of an edge to another."""
    return Leg(2 * edge, begin, end) if end >= begin else Leg(2 * edge + 1, 1.0 - begin, 1.0 - end)


def connected_edges(network: WalkNetwork, prices: Prices) -> Flags:
    """Of each edge whether it belongs to the largest part of what can be walked, in both directions, at these prices."""
    through = (prices.total < BARRED).reshape(-1, 2).all(axis=1)
    component = find_components(network.nodes, network.start[through], network.end[through])
    return np.asarray(through & (component[network.start] == 0))
