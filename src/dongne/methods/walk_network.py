"""What one can walk on: junctions, and the edges between them, as columns.

An **edge** is the stretch between two junctions; an **arc** is an edge in one direction. Edge `e` has the arcs `2 e` (as it is drawn) and
`2 e + 1` (the other way), so that `arc >> 1` is its edge and `arc ^ 1` the way back. What is not allowed in one direction is not `permitted`.
"""

from dataclasses import dataclass, field, fields
from functools import cached_property
from math import cos, radians
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dongne.model.geometry import M_PER_DEGREE, Point

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

VERSION = 5  # of these columns and of how they are filled; a cache of another is made anew

KINDS = (
    "footway", "sidewalk", "crossing", "pedestrian", "path", "cycleway", "track", "steps", "corridor", "platform", "living_street",
    "service", "road", "elevator", "escalator", "square",
)  # fmt: skip
SURFACES = ("unknown", "smooth", "firm", "cobbled", "loose")
COVERS = ("open", "covered", "tunnel", "indoor")
ROADS = ("none", "service", "street", "tertiary", "secondary", "primary")  # the loudest along an edge, quietest first
KERBS = ("none", "flush", "lowered", "raised")  # "none": nothing is said
CROSSINGS = ("none", "unmarked", "marked", "signals")
BARRIERS = (
    "none",
    "narrow",
    "gate",
    "step",
    "elevator",
)  # bollards and the like; what is opened; what one steps over; a lift
UNKNOWN, NO, YES, LIMITED = -1, 0, 1, 2  # of lit and wheelchair


@dataclass(frozen=True, eq=False)
class WalkNetwork:
    """The walking network of a city. All columns of edges are as long as `way`, all of nodes as `node_lon`, of arcs twice `way`.

    `kind`, `surface`, `cover`, `road`, `node_kerb`, `node_crossing`, `node_barrier`, `node_road` are numbers in KINDS, SURFACES and so on;
    `lit` and `wheelchair` are UNKNOWN, NO, YES or LIMITED. `incline_percent` (positive: up) and `steps_up` are as the edge is drawn; what is
    unknown is NaN. `steps` is how many steps the edge has, guessed from its length where nobody counted. A node's kerb, crossing and barrier are met when it is reached.
    """

    node_lon: Floats
    node_lat: Floats
    node_kerb: Ints
    node_crossing: Ints
    node_barrier: Ints
    node_road: Ints  # the busiest road through the node, where people on foot cross it
    component: Ints  # number of the part of the network a node belongs to; 0 is the largest
    start: Ints  # node at which an edge begins
    end: Ints
    way: Ints  # OpenStreetMap's id
    name: Ints  # number in `names`; 0 is none
    kind: Ints
    length_m: Floats
    steps: Ints
    ramp: Flags  # steps with a ramp for wheels that are pushed
    handrail: Flags
    incline_percent: Floats
    surface: Ints
    lit: Ints
    width_m: Floats
    cover: Ints
    road: Ints  # itself, or the loudest beside it
    wheelchair: Ints
    permitted: Flags  # of arcs
    shape_from: Ints  # of edges and one more: where their points begin in `shape_lon`, `shape_lat`
    shape_lon: Floats
    shape_lat: Floats
    names: tuple[str, ...]
    order: Ints = field(
        default_factory=lambda: np.zeros(0, np.int64)
    )  # in which nodes are contracted; empty: not worked out

    @property
    def nodes(self) -> int:
        """How many there are."""
        return len(self.node_lon)

    @property
    def edges(self) -> int:
        """How many there are."""
        return len(self.way)

    @property
    def arcs(self) -> int:
        """How many there are, in both directions."""
        return 2 * len(self.way)

    @cached_property
    def tail(self) -> Ints:
        """Of each arc the node where it begins."""
        return np.stack([self.start, self.end], axis=1).ravel()

    @cached_property
    def head(self) -> Ints:
        """Of each arc the node where it ends."""
        return np.stack([self.end, self.start], axis=1).ravel()

    @cached_property
    def lengths_m(self) -> list[float]:
        """Of each edge, as plain numbers: quicker than a column where few are asked for."""
        lengths: list[float] = self.length_m.tolist()
        return lengths

    @cached_property
    def plane(self) -> "Plane":
        """The city laid flat."""
        return Plane(float(self.node_lon.mean()), float(self.node_lat.mean()))

    @cached_property
    def node_m(self) -> Floats:
        """Of each node its place on the plane, (n, 2)."""
        return self.plane.flatten(self.node_lon, self.node_lat)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        lon, lat = self.shape_lon, self.shape_lat
        return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())

    def shape(self, edge: int) -> list[Point]:
        """The points of an edge as it is drawn, (lon, lat)."""
        span = slice(self.shape_from[edge], self.shape_from[edge + 1])
        return list(zip(self.shape_lon[span].tolist(), self.shape_lat[span].tolist(), strict=True))

    def arc_shape(self, arc: int) -> list[Point]:
        """The points of an arc in the direction of walking."""
        points = self.shape(arc >> 1)
        return points[::-1] if arc & 1 else points

    def name_of(self, arc: int) -> str:
        """The name of what an arc follows; empty where it has none."""
        return self.names[int(self.name[arc >> 1])]

    def kind_of(self, arc: int) -> str:
        """One of KINDS."""
        return KINDS[int(self.kind[arc >> 1])]


@dataclass(frozen=True)
class Plane:
    """Metres east and north of a place, as on a plane: within 20 km lengths are right to 0.3 % at 60 degrees of latitude."""

    lon: float
    lat: float

    @property
    def m_per_degree(self) -> tuple[float, float]:
        """Of longitude and of latitude."""
        return M_PER_DEGREE * cos(radians(self.lat)), M_PER_DEGREE

    def flatten(self, lon: Floats, lat: Floats) -> Floats:
        """(n, 2) in metres."""
        east, north = self.m_per_degree
        return np.stack([(lon - self.lon) * east, (lat - self.lat) * north], axis=1)

    def flatten_point(self, place: Point) -> tuple[float, float]:
        """A place in metres."""
        east, north = self.m_per_degree
        return (place[0] - self.lon) * east, (place[1] - self.lat) * north

    def raise_up(self, x_m: float, y_m: float) -> Point:
        """(lon, lat) of a place on the plane."""
        east, north = self.m_per_degree
        return self.lon + x_m / east, self.lat + y_m / north


def to_columns(network: WalkNetwork) -> dict[str, NDArray[Any]]:
    """The network as named arrays, for a file."""
    columns = {f.name: getattr(network, f.name) for f in fields(network) if f.name != "names"}
    return {**columns, "names": np.frombuffer("\n".join(network.names).encode(), np.uint8)}


def from_columns(columns: dict[str, NDArray[Any]]) -> WalkNetwork:
    """The network that `to_columns` made these of. Raises KeyError where one is missing."""
    names = tuple(columns["names"].tobytes().decode().split("\n"))
    return WalkNetwork(**{f.name: columns[f.name] for f in fields(WalkNetwork) if f.name != "names"}, names=names)


def find_components(nodes: int, start: Ints, end: Ints) -> Ints:
    """For each node the number of the part it belongs to, both directions taken as open; the largest is 0, ties by lowest node."""
    label = np.arange(nodes)
    while True:  # each node takes the least label around it; then labels are followed to their ends
        before = label.copy()
        np.minimum.at(label, start, label[end])
        np.minimum.at(label, end, label[start])
        while (label != label[label]).any():
            label = label[label]
        if (label == before).all():
            break
    found, number, count = np.unique(label, return_inverse=True, return_counts=True)
    rank = np.empty(len(found), np.int64)
    rank[np.lexsort((found, -count))] = np.arange(len(found))
    return np.asarray(rank[number], np.int64)
