"""Where the sea is, from coastlines that a map's edge cuts.

OpenStreetMap draws no sea, only coastlines with the water on their right. Inside a box, the sea is bounded by them and
by the box's edge: from where a coastline leaves the box, clockwise along the edge to where the next one enters.
"""

from collections.abc import Sequence
from itertools import pairwise

from dongne.model.geometry import Point

Box = tuple[float, float, float, float]  # west, south, east, north
Line = tuple[Point, ...]


def sea_rings(coastlines: Sequence[Sequence[Point]], box: Box) -> list[list[Point]]:
    """Closed rings of water inside the box. Coastlines that meet are joined; an end inside the box is led straight to
    the nearest edge. Closed coastlines (islands, lagoons) are left out; so is a box without any coastline, all sea or
    all land."""
    lines = [_to_edges(part, box) for line in _join(coastlines) if line[0] != line[-1] for part in _inside(line, box)]
    waiting = [(line, _around(line[0], box), _around(line[-1], box)) for line in lines if len(line) > 1]
    rings = []
    while waiting:
        line, start, end = waiting.pop(0)
        ring = list(line)
        while True:
            ahead = min(waiting, key=lambda other: (other[1] - end) % 4.0, default=None)
            home = (start - end) % 4.0
            if ahead is None or home <= (ahead[1] - end) % 4.0:
                ring += [*_corners(end, home, box), ring[0]]
                break
            ring += [*_corners(end, (ahead[1] - end) % 4.0, box), *ahead[0]]
            end = ahead[2]
            waiting.remove(ahead)
        rings.append(ring)
    return rings


def _join(lines: Sequence[Sequence[Point]]) -> list[Line]:
    """Lines whose end is another's start, as one."""
    left = [tuple(line) for line in lines if len(line) > 1]
    joined = True
    while joined:
        joined = False
        for i, a in enumerate(left):
            j = next((j for j, b in enumerate(left) if j != i and a[-1] == b[0]), None)
            if j is not None:
                left[i] = a + left[j][1:]
                del left[j]
                joined = True
                break
    return left


def _inside(line: Line, box: Box) -> list[Line]:
    """The parts of a line inside the box, cut at its edge."""
    parts: list[list[Point]] = []
    for a, b in pairwise(line):
        kept = _clip(a, b, box)
        if kept is None:
            continue
        if parts and parts[-1][-1] == kept[0]:
            parts[-1].append(kept[1])
        else:
            parts.append(list(kept))
    return [tuple(part) for part in parts]


def _clip(a: Point, b: Point, box: Box) -> tuple[Point, Point] | None:
    """The part of a segment inside the box (Liang and Barsky 1984)."""
    west, south, east, north = box
    dx, dy = b[0] - a[0], b[1] - a[1]
    enter, leave = 0.0, 1.0
    for step, room in ((-dx, a[0] - west), (dx, east - a[0]), (-dy, a[1] - south), (dy, north - a[1])):
        if step == 0.0:
            if room < 0.0:
                return None
        elif step < 0.0:
            enter = max(enter, room / step)
        else:
            leave = min(leave, room / step)
    if enter >= leave:
        return None
    first = a if enter == 0.0 else (a[0] + enter * dx, a[1] + enter * dy)
    last = b if leave == 1.0 else (a[0] + leave * dx, a[1] + leave * dy)
    return first, last


def _to_edges(line: Line, box: Box) -> Line:
    """The line, led to the edge where an end lies inside."""
    return (_nearest_edge(line[0], box), *line, _nearest_edge(line[-1], box))


def _nearest_edge(point: Point, box: Box) -> Point:
    west, south, east, north = box
    x, y = point
    options = ((y - south, (x, south)), (x - west, (west, y)), (north - y, (x, north)), (east - x, (east, y)))
    return min(options)[1]


def _around(point: Point, box: Box) -> float:
    """How far along the edge, clockwise from the south-west corner: 0..1 west side, then north, east, south."""
    west, south, east, north = box
    x, y = point
    across, up = (x - west) / (east - west), (y - south) / (north - south)
    sides = ((abs(across), up), (abs(up - 1.0), 1.0 + across), (abs(across - 1.0), 3.0 - up), (abs(up), 4.0 - across))
    return min(sides)[1] % 4.0


def _corners(start: float, length: float, box: Box) -> list[Point]:
    """The corners passed clockwise from `start`."""
    west, south, east, north = box
    corners = ((west, south), (west, north), (east, north), (east, south))
    first = int(start) + 1
    return [corners[n % 4] for n in range(first, first + 5) if n - start < length]
