"""OpenStreetMap files (.osm.pbf, .osm, .osm.gz) read into the network one can walk on.

Areas (squares, platforms) may be walked along their edge and straight across, from each place where something leads into them to each
other that is in sight.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import osmium
import shapely

from dongne.adapters.cityfile import MAP
from dongne.adapters.osm_foot_tags import (
    ROAD_CLASS,
    TREAD_M,
    FootNode,
    find_cover,
    find_directions,
    find_incline,
    find_lit,
    find_surface,
    find_walk_kind,
    find_wheelchair,
    has_handrail,
    has_ramp,
    is_platform,
    read_node,
    read_width_m,
)
from dongne.adapters.sources import get_file, load_sources
from dongne.methods.shortest_paths import Graph, contraction_order
from dongne.methods.walk_network import (
    BARRIERS,
    COVERS,
    CROSSINGS,
    KERBS,
    KINDS,
    ROADS,
    SURFACES,
    VERSION,
    Flags,
    Ints,
    Plane,
    WalkNetwork,
    find_components,
    from_columns,
    to_columns,
)
from dongne.model.errors import BadSetup
from dongne.model.geometry import Point, distance_m

log = logging.getLogger(__name__)

BESIDE_M = 25.0  # so near a road is heard as if one walked at it
MOST_DOORS = 40  # of an area
HAND_WALKED = ("footway", "sidewalk", "crossing", "pedestrian", "path", "cycleway", "track", "steps", "square")


class _Way(NamedTuple):
    id: int
    nodes: list[int]
    tags: dict[str, str]
    kind: str


def read_walk_network(path: Path) -> WalkNetwork:
    """The network of a file. Raises BadSetup where it is no OpenStreetMap file or nobody can walk in it."""
    reading = _Reading()
    try:
        keys = osmium.filter.KeyFilter("highway", "railway", "public_transport", "man_made")
        for item in osmium.FileProcessor(str(path)).with_locations().with_areas(keys):
            reading.take(item)
    except RuntimeError as error:
        raise BadSetup(f"{path}: not read as an OpenStreetMap file: {error}") from error
    if not reading.ways:
        raise BadSetup(f"{path}: there is no way in it that is open to people on foot")
    return _Building(reading).network()


def load_walk_network(folder: Path, data: Path | None, cache: Path) -> WalkNetwork:
    """The network of a city's map, made once for each file and kept in `cache`. Raises BadSetup where the city has no map."""
    source = load_sources(folder).get(MAP)
    if source is None:
        raise BadSetup(f"{folder / 'sources.toml'}: there is no source {MAP!r}; the walking network is read from it")
    path = get_file(source, data)
    digest = sha256(path.read_bytes()).hexdigest()[:16]
    kept = cache / f"walk-{digest}-{VERSION}.npz"
    if kept.exists():
        try:
            with np.load(kept) as columns:
                return from_columns(dict(columns))
        except (OSError, ValueError, KeyError):
            log.warning("%s is not read; it is made anew", kept)
    network = read_walk_network(path)
    graph = Graph(network.tail, network.head, network.node_m)
    network = replace(network, order=np.array(contraction_order(graph), np.int64))
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(".part.npz")
    np.savez_compressed(unfinished, allow_pickle=False, **to_columns(network))
    unfinished.replace(kept)
    return network


class _Reading:
    """What of a file matters to people on foot."""

    def __init__(self) -> None:
        self.ways: list[_Way] = []
        self.places: dict[int, Point] = {}
        self.marked: dict[int, FootNode] = {}
        self.roads: dict[int, int] = {}  # of nodes on roads, their class
        self.lines: list[tuple[int, list[Point]]] = []  # class and points of what cars use
        self.areas: list[tuple[_Way, Any]] = []  # with their polygons in degrees

    def take(self, item: Any) -> None:
        """One object of the file."""
        if item.is_node():
            self._take_node(item.id, item.tags)
        elif item.is_way():
            self._take_way(item)
        elif item.is_area():
            self._take_area(item)

    def _take_node(self, number: int, tags: Any) -> None:
        if len(tags):
            node = read_node({tag.k: tag.v for tag in tags})
            if node != FootNode():
                self.marked[number] = node

    def _take_way(self, way: Any) -> None:
        tags = {tag.k: tag.v for tag in way.tags}
        highway = tags.get("highway", "")
        if not highway and not is_platform(tags) and tags.get("man_made") != "pier":
            return
        nodes = [node for node in way.nodes if node.location.valid()]
        road = ROADS.index(ROAD_CLASS.get(highway, "none"))
        kind = find_walk_kind(tags)
        for node in nodes:
            if road:
                self.roads[node.ref] = max(road, self.roads.get(node.ref, 0))
            if kind:
                self.places[node.ref] = (node.location.lon, node.location.lat)
        if road and len(nodes) > 1:
            self.lines.append((road, [(node.location.lon, node.location.lat) for node in nodes]))
        if kind and len(nodes) > 1:
            self.ways.append(_Way(way.id, [node.ref for node in nodes], tags, kind))

    def _take_area(self, area: Any) -> None:
        tags = {tag.k: tag.v for tag in area.tags}
        highway = tags.get("highway", "")
        if highway and area.from_way() and tags.get("area") != "yes":
            return  # a way that goes round
        kind = find_walk_kind(tags) if highway or is_platform(tags) or tags.get("man_made") == "pier" else None
        if kind is None or kind in ("steps", "escalator"):
            return
        for outer in area.outer_rings():
            rings = [
                [(node.ref, node.location.lon, node.location.lat) for node in ring]
                for ring in (outer, *area.inner_rings(outer))
            ]
            for ring in rings:
                self.places.update({ref: (lon, lat) for ref, lon, lat in ring})
            nodes = [ref for ring in rings for ref, _, _ in ring]
            if not area.from_way():
                self.ways += [_Way(area.orig_id(), [ref for ref, _, _ in ring], tags, kind) for ring in rings]
            shape = shapely.Polygon([p[1:] for p in rings[0]], [[p[1:] for p in ring] for ring in rings[1:]])
            if shape.is_valid:
                self.areas.append((_Way(area.orig_id(), nodes, tags, "square"), shape))


class _Building:
    """Ways cut at junctions into edges."""

    def __init__(self, reading: _Reading) -> None:
        self._reading = reading
        self._cuts = self._find_cuts()
        self._numbers: dict[int, int] = {}
        self._rows: list[tuple[int, int, _Way, list[int]]] = []
        for way in reading.ways:
            self._cut(way)
        self._joined_m = self._list_joined()
        for area, shape in reading.areas:
            self._cross(area, shape)

    def _find_cuts(self) -> set[int]:
        used: dict[int, int] = {}
        seen: set[int] = set()
        cuts: set[int] = set()
        for way in self._reading.ways:
            cuts.update((way.nodes[0], way.nodes[-1]))
            for node in way.nodes:
                if node in seen or node in self._reading.marked:
                    cuts.add(node)
                seen.add(node)
            for node in dict.fromkeys(way.nodes):
                used[node] = used.get(node, 0) + 1
            if way.kind in HAND_WALKED:
                cuts.update(node for node in way.nodes if node in self._reading.roads)
        self._entered = {node for node, ways in used.items() if ways > 1}
        return cuts

    def _cut(self, way: _Way) -> None:
        piece = [way.nodes[0]]
        for node in way.nodes[1:]:
            if node == piece[-1]:
                continue
            piece.append(node)
            if node in self._cuts or (node == piece[0]):
                self._add(way, piece)
                piece = [node]

    def _add(self, way: _Way, piece: list[int]) -> None:
        if piece[0] == piece[-1]:  # a loop: cut in the middle, so that no edge begins where it ends
            middle = len(piece) // 2
            self._cuts.add(piece[middle])
            self._add(way, piece[: middle + 1])
            self._add(way, piece[middle:])
            return
        ends = [self._numbers.setdefault(node, len(self._numbers)) for node in (piece[0], piece[-1])]
        self._rows.append((ends[0], ends[1], way, piece))

    def _list_joined(self) -> dict[frozenset[int], float]:
        """The length of the shortest edge between two nodes."""
        found: dict[frozenset[int], float] = {}
        for start, end, _, piece in self._rows:
            ends = frozenset((start, end))
            found[ends] = min(_length_m([self._reading.places[n] for n in piece]), found.get(ends, inf))
        return found

    def _cross(self, area: _Way, shape: Any) -> None:
        """Straight lines over an area between the junctions at its edge, as far as they stay within it."""
        doors = [node for node in dict.fromkeys(area.nodes) if node in self._numbers and node in self._entered]
        if len(doors) > MOST_DOORS:
            doors = doors[:: -(-len(doors) // MOST_DOORS)]
        places = self._reading.places
        pairs = [(a, b) for i, a in enumerate(doors) for b in doors[i + 1 :]]
        if not pairs:
            return
        shapely.prepare(shape)
        lines = shapely.linestrings([[places[a], places[b]] for a, b in pairs])
        within = shapely.covers(shape.buffer(1e-7), lines)
        for (a, b), inside in zip(pairs, within.tolist(), strict=True):
            ends, straight_m = frozenset((self._numbers[a], self._numbers[b])), distance_m(places[a], places[b])
            if inside and straight_m * 1.02 < self._joined_m.get(ends, inf):
                self._rows.append((self._numbers[a], self._numbers[b], area, [a, b]))
                self._joined_m[ends] = straight_m

    def _roads_beside(self, shapes: list[list[Point]], own: Ints) -> Ints:
        """The loudest road within BESIDE_M of the middle of each edge, or itself."""
        if not self._reading.lines:
            return own
        plane = Plane(*np.mean([points[0] for points in shapes], axis=0).tolist())
        roads = [shapely.LineString([plane.flatten_point(p) for p in points]) for _, points in self._reading.lines]
        edges = shapely.linestrings(
            [plane.flatten_point(p) for points in shapes for p in points],
            indices=np.repeat(np.arange(len(shapes)), [len(points) for points in shapes]),
        )
        middles = shapely.line_interpolate_point(edges, 0.5, normalized=True)
        edge, road = shapely.STRtree(roads).query(middles, predicate="dwithin", distance=BESIDE_M)
        loudest = own.copy()
        np.maximum.at(loudest, edge, np.array([number for number, _ in self._reading.lines], np.int64)[road])
        return loudest

    def network(self) -> WalkNetwork:
        """All columns."""
        places, marked, roads = self._reading.places, self._reading.marked, self._reading.roads
        order = list(self._numbers)
        lonlat = np.array([places[node] for node in order], np.float64)
        nodes = [marked.get(node, FootNode()) for node in order]
        start, end = (np.array([row[i] for row in self._rows], np.int64) for i in (0, 1))
        names: dict[str, int] = {"": 0}
        tags = [row[2].tags for row in self._rows]
        lengths = np.array([_length_m([places[n] for n in row[3]]) for row in self._rows])
        shapes = [[places[n] for n in row[3]] for row in self._rows]
        closed = np.array([node.closed for node in nodes])
        shape = np.array([point for points in shapes for point in points], np.float64)
        kinds = [row[2].kind for row in self._rows]
        own = np.array([ROADS.index(ROAD_CLASS.get(t.get("highway", ""), "none")) for t in tags], np.int64)
        return WalkNetwork(
            node_lon=lonlat[:, 0].copy(), node_lat=lonlat[:, 1].copy(),
            node_kerb=_numbers(KERBS, [n.kerb for n in nodes]), node_crossing=_numbers(CROSSINGS, [n.crossing for n in nodes]),
            node_barrier=_numbers(BARRIERS, [n.barrier for n in nodes]),
            node_road=np.array([roads.get(node, 0) for node in order], np.int64),
            component=find_components(len(order), start, end), start=start, end=end,
            way=np.array([row[2].id for row in self._rows], np.int64),
            name=np.array([names.setdefault(_name(t), len(names)) for t in tags], np.int64),
            kind=_numbers(KINDS, kinds), length_m=np.maximum(lengths, 0.01),
            steps=np.array([_steps(r[2], m, self._way_m(r[2])) for r, m in zip(self._rows, lengths, strict=True)], np.int64),
            ramp=np.array([has_ramp(t) for t in tags]),
            handrail=np.array([has_handrail(t) for t in tags]),
            incline_percent=np.array([find_incline(t) for t in tags]),
            surface=_numbers(SURFACES, [find_surface(t) for t in tags]), lit=np.array([find_lit(t) for t in tags], np.int64),
            width_m=np.array([read_width_m(t) for t in tags]), cover=_numbers(COVERS, [find_cover(t) for t in tags]),
            road=self._roads_beside(shapes, own),
            wheelchair=np.array([find_wheelchair(t) for t in tags], np.int64),
            permitted=self._permitted(tags, closed, start, end),
            shape_from=np.concatenate([[0], np.cumsum([len(s) for s in shapes])]).astype(np.int64),
            shape_lon=shape[:, 0].copy(), shape_lat=shape[:, 1].copy(), names=tuple(names),
        )  # fmt: skip

    def _way_m(self, way: _Way) -> float:
        return _length_m([self._reading.places[node] for node in way.nodes])

    @staticmethod
    def _permitted(tags: list[dict[str, str]], closed: Flags, start: Ints, end: Ints) -> Any:
        """Nobody gets to a closed node, so that nobody passes it."""
        there = np.array([find_directions(t) for t in tags])
        return (there & ~np.stack([closed[end], closed[start]], axis=1)).ravel()


def _numbers(words: tuple[str, ...], said: list[str]) -> Any:
    at = {word: number for number, word in enumerate(words)}
    return np.array([at[one] for one in said], np.int64)


def _name(tags: Mapping[str, str]) -> str:
    return tags.get("name", tags.get("ref", "") if tags.get("highway") in ROAD_CLASS else "").replace("\n", " ")


def _length_m(points: list[Point]) -> float:
    return sum(distance_m(a, b) for a, b in pairwise(points))


def _steps(way: _Way, length_m: float, way_m: float) -> int:
    if way.kind not in ("steps", "escalator"):
        return 0
    said = way.tags.get("step_count", "")
    if said.isdecimal() and int(said) and way_m:
        return max(1, round(int(said) * length_m / way_m))
    return max(1, round(length_m / TREAD_M))
