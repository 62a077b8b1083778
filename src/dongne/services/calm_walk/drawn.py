"""A route as it is drawn: what never changes of an arc is written once."""

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate, pairwise
from math import dist

import msgspec

from dongne.methods.walk_network import WalkNetwork
from dongne.methods.walk_routes import Leg, WalkRoute
from dongne.model.geometry import Point
from dongne.services.calm_walk.walk import Line

DIGITS = 6  # of a degree: about 0.1 m
ENDS = 8  # of routes that are kept: those to choose from mostly begin and end alike
_encode = msgspec.json.Encoder().encode


class Drawing:
    """The lines of routes over one network."""

    def __init__(self, network: WalkNetwork) -> None:
        self._network = network
        self._written: dict[int, bytes] = {}  # arc -> its points but the first
        self._begin = lru_cache(ENDS)(lambda leg: _write(self._cut(leg)))
        self._end = lru_cache(ENDS)(lambda leg: _write(self._cut(leg)[1:]))

    def line(self, route: WalkRoute) -> Line:
        """The route as GeoJSON."""
        first, last = route.arcs[0], route.arcs[-1]
        parts = [self._begin(Leg(first, route.begin, route.end if len(route.arcs) == 1 else 1.0))]
        if len(route.arcs) > 1:
            parts += [self._written.get(arc) or self._write(arc) for arc in route.arcs[1:-1]]
            parts.append(self._end(Leg(last, 0.0, route.end)))
        return Line(msgspec.Raw(b"[" + b",".join(parts) + b"]"))

    def _write(self, arc: int) -> bytes:
        found = self._written[arc] = _write(self._network.arc_shape(arc)[1:])
        return found

    def _cut(self, leg: Leg) -> list[Point]:
        """The points of the part of an arc that is walked, at least two."""
        points = self._network.arc_shape(leg.arc)
        if leg.begin == 0.0 and leg.end == 1.0:
            return points
        at = [self._network.plane.flatten_point(point) for point in points]
        along = [0.0, *accumulate(dist(a, b) for a, b in pairwise(at))]
        begin_m, end_m = leg.begin * along[-1], leg.end * along[-1]
        inner = [point for point, metres in zip(points, along, strict=True) if begin_m < metres < end_m]
        return [_between(points, along, begin_m), *inner, _between(points, along, end_m)]


def _between(points: list[Point], along: list[float], metres: float) -> Point:
    """The point of a line so many metres from its beginning; `along` has those of its points."""
    number = min(max(bisect_right(along, metres), 1), len(points) - 1)
    (lon, lat), (to_lon, to_lat) = points[number - 1], points[number]
    share = (metres - along[number - 1]) / max(along[number] - along[number - 1], 1e-9)
    return lon + (to_lon - lon) * share, lat + (to_lat - lat) * share


def _write(points: list[Point]) -> bytes:
    """[lon, lat] after [lon, lat], without the brackets around all."""
    return _encode([written(point) for point in points])[1:-1]


def written(point: Point) -> Point:
    """The place as it is written, wherever it is: the same everywhere to the last digit."""
    return round(float(point[0]), DIGITS), round(float(point[1]), DIGITS)
