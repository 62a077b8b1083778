"""Where things lie, seen from a place."""

from math import atan2, cos, degrees, radians, sin

from dongne.model.geometry import Point
from dongne.model.graph import ThingGraph

DIRECTIONS = ("north", "north_east", "east", "south_east", "south", "south_west", "west", "north_west")
HERE_M = 5.0  # nearer than this there is no direction
MARGIN_DEG = 0.01  # about a kilometre: who stands at the edge still gets an answer

Bounds = tuple[float, float, float, float]


def bearing_deg(start: Point, end: Point) -> float:
    """The initial bearing of the great circle from one place to another, degrees clockwise from north."""
    lon_a, lat_a, lon_b, lat_b = map(radians, (*start, *end))
    east = sin(lon_b - lon_a) * cos(lat_b)
    north = cos(lat_a) * sin(lat_b) - sin(lat_a) * cos(lat_b) * cos(lon_b - lon_a)
    return degrees(atan2(east, north)) % 360


def direction(start: Point, end: Point, distance_m: float) -> str:
    """One of the eight words of the compass; "here" where it is too near for one."""
    if distance_m < HERE_M:
        return "here"
    return DIRECTIONS[round(bearing_deg(start, end) / 45) % 8]


def find_bounds(graph: ThingGraph) -> Bounds | None:
    """West, south, east and north of all Things that have a place."""
    points = [p for thing in list(graph.things) if (p := graph.find_point(thing))]
    if not points:
        return None
    lons, lats = [p[0] for p in points], [p[1] for p in points]
    return min(lons), min(lats), max(lons), max(lats)


def is_inside(bounds: Bounds, place: Point) -> bool:
    """Whether the place is in the city or about a kilometre beside it."""
    west, south, east, north = bounds
    lon_margin = MARGIN_DEG / max(cos(radians(place[1])), 0.1)
    return west - lon_margin <= place[0] <= east + lon_margin and south - MARGIN_DEG <= place[1] <= north + MARGIN_DEG
