"""From one place to another: places are found on the nearest edge, whose rest is priced exactly."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import shapely
import shapely.ops

from dongne.methods.shortest_paths import BARRED, End, Engine
from dongne.methods.walk_costs import Prices
from dongne.methods.walk_network import Flags, Floats, Ints, WalkNetwork, find_components
from dongne.model.errors import NotFound
from dongne.model.geometry import Point

REACH_M = 500.0  # a place farther from any way is outside
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
    """A route: `cost_ms` as it is felt, `time_ms` as it is walked, both at the prices it was found with."""

    cost_ms: int
    time_ms: int
    legs: tuple[Leg, ...]


class Finder:
    """Finds the spot of a place."""

    def __init__(self, network: WalkNetwork) -> None:
        self._network = network
        at = network.plane.flatten(network.shape_lon, network.shape_lat)
        number = np.repeat(np.arange(network.edges), np.diff(network.shape_from))
        self._lines = shapely.linestrings(at, indices=number)
        self._tree = shapely.STRtree(self._lines)

    def find(self, place: Point, connected: Flags) -> Spot:
        """The nearest spot on the `connected` edges (see `connected_edges`). Raises NotFound with the bounds for a place with no way near,
        and with the nearest connected spot for one whose own ways lead nowhere."""
        x, y = self._network.plane.flatten(np.array([place[0]]), np.array([place[1]]))[0]
        point = shapely.Point(x, y)
        near = self._tree.query(point, predicate="dwithin", distance=REACH_M)
        if not len(near):
            west, south, east, north = self._network.bounds
            raise NotFound(
                f"there is no way within {REACH_M:g} m of lon = {place[0]:g}, lat = {place[1]:g}; "
                f"ask for places with lon {west:.4f}..{east:.4f} and lat {south:.4f}..{north:.4f}",
                reason="no_way_near",
            )
        away_m = shapely.distance(self._lines[near], point)
        there = near[connected[near]]
        spot = self._nearest(point, there) if len(there) else None
        if spot is None or spot.away_m > float(away_m.min()) + ISLAND_M:
            every = np.flatnonzero(connected)
            hint = spot or (self._nearest(point, every) if len(every) else None)
            said = (
                ""
                if hint is None
                else f"; the nearest place that is: lon = {hint.point[0]:.5f}, lat = {hint.point[1]:.5f}, {hint.away_m:.0f} m away"
            )
            raise NotFound(
                f"the ways at lon = {place[0]:g}, lat = {place[1]:g} are not connected with the others for this profile{said}",
                reason="not_connected",
            )
        return spot

    def _nearest(self, point: Any, edges: Ints) -> Spot:
        away_m = shapely.distance(self._lines[edges], point)
        edge = int(edges[np.lexsort((edges, away_m))[0]])
        line = self._lines[edge]
        share = float(shapely.line_locate_point(line, point, normalized=True))
        on = shapely.line_interpolate_point(line, share, normalized=True)
        return Spot(edge, share, self._network.plane.raise_up(on.x, on.y), float(away_m.min()))


class Router:
    """Routes at one set of prices: what an engine needs that was customised with `prices.total`."""

    def __init__(self, network: WalkNetwork, engine: Engine, prices: Prices) -> None:
        self.network, self.engine, self.prices = network, engine, prices

    def find(self, source: Spot, target: Spot) -> WalkRoute | None:
        """The cheapest route; None where there is none."""
        direct = self._direct(source, target)
        sources, targets = list(self._departures(source)), list(self._arrivals(target))
        if not sources or not targets:
            return direct
        found = self.engine.route([end for end, _ in sources], [end for end, _ in targets])
        if found is None or (direct is not None and direct.cost_ms <= found.cost):
            return direct
        last = int(self.network.head[found.arcs[-1]]) if found.arcs else found.first
        first_leg = min((end[1], leg) for end, leg in sources if end[0] == found.first)[1]
        last_leg = min((end[1], leg) for end, leg in targets if end[0] == last)[1]
        legs = [first_leg, *(Leg(arc, 0.0, 1.0) for arc in found.arcs), last_leg]
        legs = [leg for leg in legs if leg.end > leg.begin or leg.end == 1.0]
        return WalkRoute(found.cost, sum(self.time_of(leg) for leg in legs), tuple(legs))

    def _direct(self, source: Spot, target: Spot) -> WalkRoute | None:
        """Along the one edge both are on."""
        if source.edge != target.edge:
            return None
        leg = _leg(source.edge, source.share, target.share)
        cost = self._along(leg)
        return None if cost >= BARRED else WalkRoute(cost, self._along_time(leg), (leg,))

    def _departures(self, spot: Spot) -> Iterator[tuple[End, Leg]]:
        for arc, begin in ((2 * spot.edge, spot.share), (2 * spot.edge + 1, 1.0 - spot.share)):
            leg = Leg(arc, begin, 1.0)
            cost = self._along(leg) + int(self.prices.at_head[arc])
            if cost < BARRED:
                yield (int(self.network.head[arc]), cost), leg

    def _arrivals(self, spot: Spot) -> Iterator[tuple[End, Leg]]:
        for arc, end in ((2 * spot.edge, spot.share), (2 * spot.edge + 1, 1.0 - spot.share)):
            leg = Leg(arc, 0.0, end)
            cost = self._along(leg)
            if cost < BARRED:
                yield (int(self.network.tail[arc]), cost), leg

    def _along(self, leg: Leg) -> int:
        along = int(self.prices.along[leg.arc])
        return BARRED if along >= BARRED else round(along * (leg.end - leg.begin))

    def _along_time(self, leg: Leg) -> int:
        return round(int(self.prices.along_time[leg.arc]) * (leg.end - leg.begin))

    def time_of(self, leg: Leg) -> int:
        """Milliseconds a leg takes, with what is met where its arc ends, if it goes there."""
        met = int(self.prices.at_head_time[leg.arc]) if leg.end == 1.0 else 0
        return self._along_time(leg) + met


def _leg(edge: int, begin: float, end: float) -> Leg:
    """From one share of an edge to another."""
    return Leg(2 * edge, begin, end) if end >= begin else Leg(2 * edge + 1, 1.0 - begin, 1.0 - end)


def cut_shape(network: WalkNetwork, leg: Leg) -> list[Point]:
    """The points of the part of an arc that is walked, at least two."""
    points = network.arc_shape(leg.arc)
    if leg.begin == 0.0 and leg.end == 1.0:
        return points
    at = network.plane.flatten(np.array([p[0] for p in points]), np.array([p[1] for p in points]))
    part = shapely.ops.substring(shapely.LineString(at), leg.begin, leg.end, normalized=True)
    found = [network.plane.raise_up(x, y) for x, y in shapely.get_coordinates(part)]
    return found if len(found) > 1 else found * 2


def connected_edges(network: WalkNetwork, prices: Prices) -> Flags:
    """Of each edge whether it belongs to the largest part of what can be walked, in both directions, at these prices."""
    through = (prices.total < BARRED).reshape(-1, 2).all(axis=1)
    component = find_components(network.nodes, network.start[through], network.end[through])
    return np.asarray(through & (component[network.start] == 0))


def edges_of(legs: Sequence[Leg]) -> Ints:
    """The edges of a route in its order."""
    return np.array([leg.arc >> 1 for leg in legs], np.int64)


def lengths_m(network: WalkNetwork, legs: Sequence[Leg]) -> Floats:
    """How much of each leg's edge is walked."""
    return np.asarray(network.length_m[edges_of(legs)] * np.array([leg.end - leg.begin for leg in legs]))
