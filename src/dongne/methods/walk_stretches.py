"""The arcs of a walking network as people see them: along which street, with which heading, over a crossing or up the stairs."""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
import shapely

from dongne.methods.walk_directions import BEND_DEG, Stretch, Way, turned_deg
from dongne.methods.walk_network import COVERS, KINDS, Floats, Ints, WalkNetwork

HEADING_M = 8.0  # a heading is taken over so much of the way: a kink at its end is none
BESIDE_M = 20.0  # a way without a name that runs along a street so near is called by it
ALONG_DEG = 30.0  # and it runs along where their directions differ by less
WAYS = {
    "crossing": Way.CROSSING, "steps": Way.STEPS, "escalator": Way.STEPS, "square": Way.SQUARE, "elevator": Way.LIFT,
}  # fmt: skip
NAMING = ("road", "living_street", "pedestrian", "service")  # kinds whose names those beside them may have


class Stretches:
    """What one would say of each arc of a network."""

    def __init__(self, network: WalkNetwork) -> None:
        self._network = network
        begins, ends = _headings_deg(network)
        back = (ends + 180.0) % 360.0, (begins + 180.0) % 360.0
        self._enters = np.stack([begins, back[0]], axis=1).ravel().tolist()
        self._leaves = np.stack([ends, back[1]], axis=1).ravel().tolist()
        self._steps: list[int] = network.steps.tolist()
        rises = np.sign(np.nan_to_num(network.incline_percent)).astype(np.int64)
        self._rises = np.stack([rises, -rises], axis=1).ravel().tolist()
        self._ways = [
            _way_of(kind, cover) for kind, cover in zip(network.kind.tolist(), network.cover.tolist(), strict=True)
        ]

    @cached_property
    def names(self) -> list[str]:
        """Of each edge: its own, else that of the street it runs beside; "" where there is none."""
        network = self._network
        own = [network.names[number] for number in network.name.tolist()]
        beside = find_streets_beside(network)
        return [
            name or (network.names[street] if way is Way.STREET else "")
            for name, street, way in zip(own, beside.tolist(), self._ways, strict=True)
        ]

    @cached_property
    def _streets(self) -> list[int]:
        """Of each arc a number of the street it follows, with how it rises; what is no street has one of its own."""
        numbers: dict[tuple[str, int], int] = {}
        return [
            numbers.setdefault((self.names[arc >> 1], rises), len(numbers))
            if self._ways[arc >> 1] is Way.STREET
            else -1 - arc
            for arc, rises in enumerate(self._rises)
        ]

    def of(
        self, arcs: Sequence[int], lengths_m: Sequence[float], seconds: Sequence[float]
    ) -> tuple[list[Stretch], list[int]]:
        """The stretches of a route over these arcs, of each of which so much is walked and takes so long; and where in the route each begins. Arcs
        that go on along the same street are one."""
        enters, leaves, streets = self._enters, self._leaves, self._streets
        begins = [0]
        for number, (before, arc) in enumerate(pairwise(arcs), 1):
            if streets[before] != streets[arc] or abs(turned_deg(leaves[before], enters[arc])) >= BEND_DEG:
                begins.append(number)
        names, ways, steps, rises = self.names, self._ways, self._steps, self._rises
        stretches = []
        for begin, end in zip(begins, [*begins[1:], len(arcs)], strict=True):
            arc, edge = arcs[begin], arcs[begin] >> 1
            stretches.append(
                Stretch(
                    sum(lengths_m[begin:end]), sum(seconds[begin:end]), enters[arc], leaves[arcs[end - 1]],
                    ways[edge], names[edge], steps[edge], rises[arc],
                )
            )  # fmt: skip
        return stretches, begins


def _way_of(kind: int, cover: int) -> Way:
    found = WAYS.get(KINDS[kind])
    return found or (Way.TUNNEL if COVERS[cover] == "tunnel" else Way.STREET)


def _headings_deg(network: WalkNetwork) -> tuple[Floats, Floats]:
    """Of each edge, clockwise from north: where it begins and where it ends, as it is drawn."""
    lines = _lines(network)
    length = shapely.length(lines)
    span = np.minimum(HEADING_M, length)
    first, last = (shapely.get_coordinates(shapely.get_point(lines, at)) for at in (0, -1))
    near = shapely.get_coordinates(shapely.line_interpolate_point(lines, span))
    far = shapely.get_coordinates(shapely.line_interpolate_point(lines, length - span))
    return _bearing_deg(near - first), _bearing_deg(last - far)


def _bearing_deg(vector: Floats) -> Floats:
    return np.asarray(np.degrees(np.arctan2(vector[:, 0], vector[:, 1])) % 360.0)


def _lines(network: WalkNetwork) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    """The edges on the plane, in metres."""
    points = network.plane.flatten(network.shape_lon, network.shape_lat)
    edge = np.repeat(np.arange(network.edges), np.diff(network.shape_from))
    return np.asarray(shapely.linestrings(points, indices=edge), object)


def find_streets_beside(network: WalkNetwork) -> Ints:
    """For each edge without a name the number of the name of the street beside it, which runs the same way within 20 m; else 0."""
    lines = _lines(network)
    naming = np.flatnonzero((network.name > 0) & np.isin(network.kind, [KINDS.index(kind) for kind in NAMING]))
    unnamed = np.flatnonzero(network.name == 0)
    found: Ints = np.zeros(network.edges, np.int64)
    if not len(naming) or not len(unnamed):
        return found
    middles = shapely.line_interpolate_point(lines[unnamed], 0.5, normalized=True)
    of, street = shapely.STRtree(lines[naming]).query(middles, predicate="dwithin", distance=BESIDE_M)
    along, beside = _direction(lines[unnamed])[of], _direction_at(lines[naming][street], middles[of])
    apart = np.abs((along - beside + 90.0) % 180.0 - 90.0)
    near = shapely.distance(lines[naming][street], middles[of])
    fits = np.flatnonzero(apart < ALONG_DEG)
    order = fits[np.argsort(-near[fits], kind="stable")]  # the nearest last, so that it stays
    found[unnamed[of[order]]] = network.name[naming[street[order]]]
    return found


def _direction(lines: "np.ndarray[tuple[int], np.dtype[np.object_]]") -> Floats:
    first, last = (shapely.get_coordinates(shapely.get_point(lines, at)) for at in (0, -1))
    return _bearing_deg(last - first)


def _direction_at(
    lines: "np.ndarray[tuple[int], np.dtype[np.object_]]", points: "np.ndarray[tuple[int], np.dtype[np.object_]]"
) -> Floats:
    """Of each line where it is nearest to the point."""
    at = shapely.line_locate_point(lines, points)
    ends = [np.clip(at + step, 0.0, shapely.length(lines)) for step in (-4.0, 4.0)]
    before, after = (shapely.get_coordinates(shapely.line_interpolate_point(lines, end)) for end in ends)
    return _bearing_deg(after - before)
