"""Places on the sphere: points are (lon, lat) in degrees, WGS 84; lengths in metres."""

from collections.abc import Iterable, Iterator
from math import asin, cos, floor, radians, sin, sqrt
from typing import Any

Point = tuple[float, float]
EARTH_RADIUS_M = 6_371_008.8  # IUGG mean radius
M_PER_DEGREE = 111_195.0  # of latitude


def distance_m(a: Point, b: Point) -> float:
    """Great-circle distance by the haversine formula."""
    lon_a, lat_a, lon_b, lat_b = map(radians, (*a, *b))
    h = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin((lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_M * asin(sqrt(min(1.0, h)))


def _positions(geometry: Any) -> Iterator[Point]:
    if isinstance(geometry, dict):
        kind = geometry.get("type")
        if kind == "Feature":
            yield from _positions(geometry.get("geometry"))
        elif kind == "FeatureCollection":
            for feature in geometry.get("features", ()):
                yield from _positions(feature)
        elif kind == "GeometryCollection":
            for part in geometry.get("geometries", ()):
                yield from _positions(part)
        else:
            yield from _positions(geometry.get("coordinates"))
    elif isinstance(geometry, list | tuple) and geometry:
        if isinstance(geometry[0], int | float):
            if len(geometry) >= 2 and isinstance(geometry[1], int | float):
                yield (float(geometry[0]), float(geometry[1]))
        else:
            for part in geometry:
                yield from _positions(part)


def list_positions(geojson: Any) -> list[Point]:
    """All positions of a GeoJSON geometry or feature, or of a list of coordinates, in their order."""
    return list(_positions(geojson))


def find_centre(geojson: Any) -> Point | None:
    """The mean of a GeoJSON geometry's or feature's positions; None where it has none."""
    points = list(_positions(geojson))
    if not points:
        return None
    return (sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points))


def find_extent(geometries: Iterable[Any]) -> dict[str, Any] | None:
    """The GeoJSON geometry of one place, or the box around several; None where none has a position."""
    places = [place for geometry in geometries if (place := _bare(geometry)) and next(_positions(place), None)]
    if not places or all(place == places[0] for place in places):
        return places[0] if places else None
    points = [point for place in places for point in _positions(place)]
    (west, south), (east, north) = map(min, zip(*points, strict=True)), map(max, zip(*points, strict=True))
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def _bare(geometry: Any) -> dict[str, Any] | None:
    found = geometry.get("geometry") if isinstance(geometry, dict) and geometry.get("type") == "Feature" else geometry
    return found if isinstance(found, dict) else None


class PointIndex:
    """Which ids lie within some metres of a place: a grid of cells `cell_m` high, and as wide at the equator."""

    def __init__(self, points: Iterable[tuple[int, Point]], cell_m: float = 100.0) -> None:
        self._points = dict(points)
        self._step = cell_m / M_PER_DEGREE
        self._cells: dict[tuple[int, int], list[int]] = {}
        for key, point in self._points.items():
            self._cells.setdefault(self._cell(point), []).append(key)

    def _cell(self, point: Point) -> tuple[int, int]:
        return floor(point[0] / self._step), floor(point[1] / self._step)

    def within(self, centre: Point, radius_m: float) -> list[tuple[int, float]]:
        """(id, distance in m) of all within the radius, nearest first; ties by id."""
        x, y = self._cell(centre)
        reach = radius_m / M_PER_DEGREE  # degrees of latitude
        high = int(reach / self._step) + 1
        polewards = min(abs(centre[1]) + (high + 1) * self._step, 89.9)  # there a metre is most degrees of longitude
        wide = int(reach / self._step / cos(radians(polewards))) + 1
        if (2 * high + 1) * (2 * wide + 1) > len(self._cells):
            candidates: Iterable[int] = self._points
        else:
            candidates = (
                key
                for i in range(x - wide, x + wide + 1)
                for j in range(y - high, y + high + 1)
                for key in self._cells.get((i, j), ())
            )
        south, north = centre[1] - reach, centre[1] + reach
        near = ((key, self._points[key]) for key in candidates)
        found = [(key, distance_m(centre, point)) for key, point in near if south <= point[1] <= north]
        return sorted(((k, d) for k, d in found if d <= radius_m), key=lambda pair: (pair[1], pair[0]))
