"""Which lamp comes next along the street.

OpenStreetMap has lamps as single points and streets as ways cut at every crossing. From both comes, for each lamp, its
neighbours as a walker passes them:

1. Ways of one name (or, unnamed, of one class) are joined into lines: where way ends meet, the straightest pair goes
   on as one line, up to a bend of `BEND_DEGREES`.
2. A lamp belongs to the nearest line within `REACH_M`; a sidewalk mapped apart counts only where there is no other.
   At a crossing it belongs to a second line too, where that is as near (`CROSSING_M`) and runs another way.
3. On each line the lamps stand in the order of their foot points; neighbours not farther than `GAP_M` apart along the
   line are linked, lamps of both sides taken together. Where a line ends and another begins, the last lamp and the
   first are linked under the same limit.

Limits: a lamp's side of the street is not told apart; a bridge over a street counts as a crossing; lines a wall divides
are not told apart; a street drawn as two one-way lines is two lines, each with the lamps nearest to it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import acos, cos, degrees, hypot, radians

import msgspec

from dongne.model.geometry import Point

REACH_M = 25.0
CROSSING_M = 6.0
CROSSING_REACH_M = 15.0
CROSSING_DEGREES = 35.0
GAP_M = 80.0
BEND_DEGREES = 60.0
METRES_PER_DEGREE = 111_195.0

Node = int
XY = tuple[float, float]


class Street(msgspec.Struct, frozen=True):
    """A way: the ids of its nodes, where they are, its name ("" where none) and its class; `beside` is a sidewalk."""

    nodes: tuple[Node, ...]
    points: tuple[Point, ...]
    name: str = ""
    highway: str = ""
    beside: bool = False


class Link(msgspec.Struct, frozen=True, order=True):
    """`to` is the lamp after `from_` along a street; `distance_m` along it. Both directions are given."""

    from_: int
    to: int
    distance_m: float


class _Line(msgspec.Struct, frozen=True):
    nodes: tuple[Node, ...]
    points: tuple[XY, ...]
    beside: bool


class _Foot(msgspec.Struct, frozen=True):
    line: int
    offset_m: float
    along_m: float
    heading: XY


def link_lamps(lamps: Mapping[int, Point], streets: Sequence[Street]) -> list[Link]:
    """The links between lamps (id -> place), sorted, each pair once in both directions with the shortest distance."""
    if not lamps or not streets:
        return []
    plane = _Plane(next(iter(lamps.values())))
    lines = _join(streets, plane)
    finder = _Finder(lines)
    on_line: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for lamp, point in sorted(lamps.items()):
        for foot in _choose(finder.feet(plane.flat(point)), lines):
            on_line[foot.line].append((foot.along_m, lamp))
    found: dict[tuple[int, int], float] = {}
    for stand in on_line.values():
        stand.sort()
        for (here_m, here), (next_m, after) in pairwise(stand):
            _note(found, here, after, next_m - here_m)
    for here, after, apart_m in _over_ends(lines, on_line):
        _note(found, here, after, apart_m)
    return sorted(link for (a, b), d in found.items() for link in (Link(a, b, d), Link(b, a, d)))


def _note(found: dict[tuple[int, int], float], a: int, b: int, apart_m: float) -> None:
    if a != b and apart_m <= GAP_M:
        key = (min(a, b), max(a, b))
        found[key] = min(found.get(key, GAP_M), round(max(apart_m, 1.0), 1))


class _Plane:
    """Metres east and north of a place; good to 0.1 % within some tens of kilometres."""

    def __init__(self, origin: Point) -> None:
        self.origin = origin
        self.shrink = cos(radians(origin[1]))

    def flat(self, point: Point) -> XY:
        lon, lat = point[0] - self.origin[0], point[1] - self.origin[1]
        return lon * self.shrink * METRES_PER_DEGREE, lat * METRES_PER_DEGREE


def _join(streets: Iterable[Street], plane: _Plane) -> list[_Line]:
    groups: dict[tuple[str, bool], list[Street]] = defaultdict(list)
    for street in streets:
        if len(street.nodes) > 1:
            groups[street.name or f"\0{street.highway}", street.beside].append(street)
    return [line for (_, beside), group in sorted(groups.items()) for line in _join_group(group, beside, plane)]


def _join_group(group: list[Street], beside: bool, plane: _Plane) -> list[_Line]:
    ways = [(street.nodes, tuple(plane.flat(p) for p in street.points)) for street in group]
    partner = _partners(ways)
    done: set[int] = set()
    lines = []
    for start in range(len(ways)):
        if start in done:
            continue
        way, end = start, 0  # walk back to the beginning of the line, then forward
        while (before := partner.get((way, end))) and before[0] != start:
            way, end = before[0], 1 - before[1]
        nodes: list[Node] = []
        points: list[XY] = []
        at: tuple[int, int] | None = (way, end)
        while at and at[0] not in done:
            done.add(at[0])
            part_nodes, part_points = ways[at[0]]
            step = 1 if at[1] == 0 else -1
            skip = 1 if nodes else 0
            nodes += part_nodes[::step][skip:]
            points += part_points[::step][skip:]
            at = partner.get((at[0], 1 - at[1]))
        lines.append(_Line(tuple(nodes), tuple(points), beside))
    return lines


def _partners(
    ways: Sequence[tuple[tuple[Node, ...], tuple[XY, ...]]],
) -> dict[tuple[int, int], tuple[int, int]]:
    """Which way end goes on in which: (way, 0 its beginning | 1 its end) -> the same of the other."""
    at_node: dict[Node, list[tuple[int, int]]] = defaultdict(list)
    for index, (nodes, _) in enumerate(ways):
        at_node[nodes[0]].append((index, 0))
        at_node[nodes[-1]].append((index, 1))
    partner: dict[tuple[int, int], tuple[int, int]] = {}
    for ends in at_node.values():
        pairs = sorted(
            (_bend(_outward(ways[a[0]][1], a[1]), _outward(ways[b[0]][1], b[1])), a, b)
            for i, a in enumerate(ends)
            for b in ends[i + 1 :]
            if a[0] != b[0]
        )
        for bend, a, b in pairs:
            if bend <= BEND_DEGREES and a not in partner and b not in partner:
                partner[a], partner[b] = b, a
    return partner


def _outward(points: tuple[XY, ...], end: int) -> XY:
    a, b = (points[0], points[1]) if end == 0 else (points[-1], points[-2])
    return b[0] - a[0], b[1] - a[1]


def _bend(a: XY, b: XY) -> float:
    """How far from straight on it is to leave a node along `b` having come in along `a`, in degrees."""
    return 180.0 - _angle(a, b)


def _angle(a: XY, b: XY) -> float:
    size = hypot(*a) * hypot(*b)
    if size == 0.0:
        return 0.0
    return degrees(acos(max(-1.0, min(1.0, (a[0] * b[0] + a[1] * b[1]) / size))))


class _Finder:
    """Lines near a place, by a grid of their segments."""

    CELL_M = 50.0

    def __init__(self, lines: Sequence[_Line]) -> None:
        self.cells: dict[tuple[int, int], list[tuple[int, float, XY, XY]]] = defaultdict(list)
        for index, line in enumerate(lines):
            along = 0.0
            for a, b in pairwise(line.points):
                for cell in self._touched(a, b):
                    self.cells[cell].append((index, along, a, b))
                along += hypot(b[0] - a[0], b[1] - a[1])

    def _touched(self, a: XY, b: XY) -> Iterable[tuple[int, int]]:
        x0, x1 = sorted((a[0], b[0]))
        y0, y1 = sorted((a[1], b[1]))
        for i in range(int((x0 - REACH_M) // self.CELL_M), int((x1 + REACH_M) // self.CELL_M) + 1):
            for j in range(int((y0 - REACH_M) // self.CELL_M), int((y1 + REACH_M) // self.CELL_M) + 1):
                yield i, j

    def feet(self, at: XY) -> list[_Foot]:
        """The nearest foot point on each line within reach, nearest line first."""
        best: dict[int, _Foot] = {}
        for line, along, a, b in self.cells.get((int(at[0] // self.CELL_M), int(at[1] // self.CELL_M)), ()):
            way = (b[0] - a[0], b[1] - a[1])
            length = hypot(*way)
            share = 0.0
            if length > 0.0:
                share = max(0.0, min(1.0, ((at[0] - a[0]) * way[0] + (at[1] - a[1]) * way[1]) / length**2))
            offset = hypot(at[0] - a[0] - share * way[0], at[1] - a[1] - share * way[1])
            if offset <= REACH_M and (line not in best or offset < best[line].offset_m):
                best[line] = _Foot(line, offset, along + share * length, way)
        return sorted(best.values(), key=lambda foot: (foot.offset_m, foot.line))


def _choose(feet: Sequence[_Foot], lines: Sequence[_Line]) -> list[_Foot]:
    feet = [foot for foot in feet if not lines[foot.line].beside] or list(feet)
    if not feet:
        return []
    chosen = [feet[0]]
    for foot in feet[1:]:
        near = foot.offset_m <= min(feet[0].offset_m + CROSSING_M, CROSSING_REACH_M)
        angle = _angle(foot.heading, feet[0].heading)
        if near and min(angle, 180.0 - angle) >= CROSSING_DEGREES:
            chosen.append(foot)
            break
    return chosen


def _over_ends(
    lines: Sequence[_Line], on_line: Mapping[int, Sequence[tuple[float, int]]]
) -> Iterable[tuple[int, int, float]]:
    """(lamp, lamp, metres) over each node in which lines end: their outermost lamps."""
    at_end: dict[Node, list[tuple[float, int]]] = defaultdict(list)
    for index, stand in on_line.items():
        line = lines[index]
        length = sum(hypot(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(line.points))
        at_end[line.nodes[0]].append(stand[0])
        at_end[line.nodes[-1]].append((length - stand[-1][0], stand[-1][1]))
    for meeting in at_end.values():
        for i, (to_end_m, lamp) in enumerate(meeting):
            for from_end_m, other in meeting[i + 1 :]:
                yield lamp, other, to_end_m + from_end_m
