"""Calm places within some minutes of walking, and how far one gets."""

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import shapely

from dongne.methods.place_search import Place
from dongne.methods.shortest_paths import BARRED
from dongne.methods.walk_costs import Profile
from dongne.methods.walk_metrics import Board, profiles_of
from dongne.methods.walk_network import Flags, Floats, WalkNetwork
from dongne.methods.walk_reach import find_reach
from dongne.methods.walk_routes import Finder, Router, Spot
from dongne.model.errors import NotFound
from dongne.services.calm_walk.drawn import written
from dongne.services.calm_walk.walk import Nearby, Reach

KINDS = frozenset({
    "bench", "park", "garden", "playground", "shelter", "cafe", "library", "museum", "place_of_worship", "square", "community_centre",
})  # fmt: skip
MOST_CROWD, MOST_NOISE = 0.15, 0.5  # exposures up to which a place is calm
OF_A_KIND = 3
MARGIN_M = 15.0
HULL_RATIO = 0.15  # how closely the area follows the ways: 0 as close as can be, 1 its convex hull
_encode = msgspec.json.Encoder().encode


class CalmPlaces:
    """Where one might sit down or go in, of a network's places."""

    def __init__(self, network: WalkNetwork, finder: Finder, places: Iterable[Place]) -> None:
        self.network, self._finder = network, finder
        self._places = [place for place in places if place.kind in KINDS]
        self._spots: dict[str, tuple[Flags, list[tuple[Place, Spot]]]] = {}  # by profile, for these connected edges

    def _spots_of(self, profile: str, connected: Flags) -> list[tuple[Place, Spot]]:
        """The places one gets to with their spots on the network."""
        known = self._spots.get(profile)
        if known is None or known[0] is not connected:
            found = []
            for place in self._places:
                try:
                    found.append((place, self._finder.find(place.point, connected)))
                except NotFound:
                    continue
            known = self._spots[profile] = connected, found
        return known[1]

    def within(self, board: Board, profile: Profile, source: Spot, depart_us: int, minutes: int) -> Reach:
        """The calm ones within these minutes at real time, nearest first, a few of each kind; and the area that is reached."""
        part = board.slice_of(depart_us)
        router = part.routers[profiles_of(profile)[0]]  # minds time alone
        spots = self._spots_of(profile.id, board.connected[profile.id])
        limit_ms = minutes * 60_000
        cost = np.full(self.network.nodes, BARRED, np.int64)
        for node, paid in router.reach(source, limit_ms).items():
            cost[node] = paid
        near = sorted(
            (time_ms, number)
            for number, (_, spot) in enumerate(spots)
            if (time_ms := _time_to(router, cost, source, spot)) <= limit_ms
        )
        counts: dict[str, int] = {}
        told = []
        for time_ms, number in near:
            place, spot = spots[number]
            crowd, noise = float(part.exposed.crowd[spot.edge]), float(part.exposed.noise[spot.edge])
            if crowd <= MOST_CROWD and noise < MOST_NOISE and counts.get(place.kind, 0) < OF_A_KIND:
                counts[place.kind] = counts.get(place.kind, 0) + 1
                lon, lat = written(place.point)
                told.append(
                    Nearby(place.name, place.names, place.kind, place.address, lon, lat, round(time_ms / 1000), round(100 * crowd, 1))
                )  # fmt: skip
        return Reach(minutes, tuple(told), self._area(router, source, limit_ms))

    def _area(self, router: Router, source: Spot, limit_ms: int) -> msgspec.Raw:
        """GeoJSON Polygon around all that is reached."""
        network = self.network
        pieces = find_reach(router, source, limit_ms)
        edges = np.array([piece.edge for piece in pieces], np.int64)
        begins, ends = (np.array([piece[i] for piece in pieces]) for i in (1, 2))
        a, b = network.node_m[network.start[edges]], network.node_m[network.end[edges]]
        ends_m: Floats = np.concatenate(
            [a + (b - a) * begins[:, None], a + (b - a) * ends[:, None], [network.plane.flatten_point(source.point)]]
        )  # straight between junctions
        ring = [
            written(network.plane.raise_up(x, y))
            for x, y in shapely.get_coordinates(shapely.get_exterior_ring(_around(ends_m)))
        ]
        return msgspec.Raw(_encode({"type": "Polygon", "coordinates": [ring]}))


def _around(points_m: Floats) -> Any:
    """A polygon around points: their concave hull, or the convex one where GEOS finds none, with a margin."""
    points = shapely.multipoints(np.unique(np.rint(points_m), axis=0))  # near doubles are what it stumbles over
    try:
        hull = shapely.concave_hull(points, ratio=HULL_RATIO)
    except shapely.errors.GEOSException:
        hull = shapely.convex_hull(points)
    return shapely.buffer(hull, MARGIN_M, quad_segs=2)


def _time_to(router: Router, cost: "np.ndarray[tuple[int], np.dtype[np.int64]]", source: Spot, spot: Spot) -> int:
    """Milliseconds to a spot, of what the ends of its edge cost."""
    network, along = router.network, router.prices.along
    forth, back = int(along[2 * spot.edge]), int(along[2 * spot.edge + 1])
    ways = [
        int(cost[network.start[spot.edge]]) + round(forth * spot.share) if forth < BARRED else BARRED,
        int(cost[network.end[spot.edge]]) + round(back * (1 - spot.share)) if back < BARRED else BARRED,
    ]
    if spot.edge == source.edge:
        arc_ms = forth if spot.share >= source.share else back
        ways.append(round(arc_ms * abs(spot.share - source.share)) if arc_ms < BARRED else BARRED)
    return min(ways)
