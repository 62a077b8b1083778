"""Places in filters: the functions of geometry (18-088, clause 9.3.3.5.2), worked out by shapely over the graph's Locations and
FeaturesOfInterest. Planar, over degrees: `geo.distance` and `geo.length` give degrees, as PostGIS does for geometries."""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import numpy as np
import shapely
from numpy.typing import NDArray

from dongne.model.access import NOTHING_HIDDEN, Hidden
from dongne.model.errors import BadInput
from dongne.model.geometry import find_extent
from dongne.model.graph import ThingGraph
from dongne.stores.embedded.extents import Extent, Periods, list_geometries

WHERE = {
    "Locations": "location",
    "FeaturesOfInterest": "feature",
    "Datastreams": "observedArea",
    "MultiDatastreams": "observedArea",
}  # set -> the property with the geometry
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "geo.distance": shapely.distance,
    "geo.intersects": shapely.intersects,
    "st_equals": shapely.equals,
    "st_disjoint": shapely.disjoint,
    "st_touches": shapely.touches,
    "st_within": shapely.within,
    "st_overlaps": shapely.overlaps,
    "st_crosses": shapely.crosses,
    "st_intersects": shapely.intersects,
    "st_contains": shapely.contains,
}
Geometries = NDArray[np.object_]


class KnowsExtents(Protocol):
    """From when to when Datastreams have Observations."""

    def all(self) -> dict[int, Extent]:
        """Those of all Datastreams that have Observations."""

    def periods(self, *, of_results: bool) -> Periods:
        """The times of all of them alone."""


class Shapes:
    """The geometries of a graph by set; made again when the graph has changed."""

    def __init__(self, graph: ThingGraph, extents: KnowsExtents) -> None:
        self._graph, self.extents = graph, extents
        self._known: dict[str, tuple[int, NDArray[np.int64], Geometries]] = {}
        self._shapes: dict[str, dict[int, tuple[Any, Any]]] = {}  # set -> id -> (GeoJSON, geometry)

    def of(self, set_name: str, hidden: Hidden = NOTHING_HIDDEN) -> tuple[NDArray[np.int64], Geometries]:
        """Ids and geometries; what is no geometry is missing. `hidden` FeaturesOfInterest are in no observedArea."""
        if set_name.endswith("Datastreams"):  # grows with the Observations
            return _arrays({stream: _shape(area) for stream, area in self._areas(hidden).items()})
        known = self._known.get(set_name)
        if known is None or known[0] != self._graph.revision:
            known = self._known[set_name] = self._graph.revision, *_arrays(self._read(set_name))
        return known[1], known[2]

    def _read(self, set_name: str) -> dict[int, Any]:
        """Only what changed is read again."""
        before = self._shapes.get(set_name, {})
        now = {}
        for entity_id, geojson in self._geojson(set_name).items():
            old = before.get(entity_id)
            now[entity_id] = old if old is not None and old[0] is geojson else (geojson, _shape(geojson))
        self._shapes[set_name] = now
        return {entity_id: shape for entity_id, (_, shape) in now.items()}

    def _areas(self, hidden: Hidden) -> dict[int, Any]:
        return {
            stream: find_extent(list_geometries(self._graph, stream, extent, hidden))
            for stream, extent in self.extents.all().items()
        }

    def _geojson(self, set_name: str) -> dict[int, Any]:
        if set_name == "Locations":
            return {place.id: place.location for place in list(self._graph.locations.values())}
        return {feature.id: feature.feature for feature in list(self._graph.features.values())}


class Scene(msgspec.Struct, frozen=True):
    """What one who asks may not see, and where things are; `until`: the last number that counts, where the question is
    about how it was. `ask` answers a question of the same moment, with its parameters."""

    hidden: Hidden = NOTHING_HIDDEN
    shapes: Shapes | None = None
    until: int | None = None
    ask: Callable[[str, dict[str, Any]], list[tuple[Any, ...]]] | None = None


def _arrays(shapes_by_id: dict[int, Any]) -> tuple[NDArray[np.int64], Geometries]:
    found = {entity_id: shape for entity_id, shape in shapes_by_id.items() if shape is not None}
    shapes = np.empty(len(found), object)
    shapes[:] = list(found.values())
    return np.fromiter(found, np.int64, len(found)), shapes


def _shape(geojson: Any) -> Any:
    if isinstance(geojson, dict) and geojson.get("type") == "Feature":
        geojson = geojson.get("geometry")
    if not isinstance(geojson, dict):
        return None
    return shapely.from_geojson(msgspec.json.encode(geojson), on_invalid="ignore")


def read_wkt(text: str) -> Any:
    """The geometry of a literal. Raises BadInput."""
    plain = text.partition(";")[2] if text.upper().startswith("SRID=") else text
    with np.errstate(all="ignore"):
        found = shapely.from_wkt(plain, on_invalid="ignore")
    if found is None or not np.isfinite(shapely.get_coordinates(found)).all():
        raise BadInput(
            f"$filter: {text[:60]!r} is no well-known text; write it like geography'POINT (24.94 60.17)'",
            reason="query",
        )
    return found


def compute(name: str, arguments: list[Any], pattern: str = "") -> list[Any]:
    """What a function gives for each geometry of the array among its arguments, or one value where there is none; None
    where it cannot be said. Raises BadInput for a pattern that is none."""
    if name == "st_relate" and (len(pattern) != 9 or set(pattern.upper()) - set("TF*012")):
        raise BadInput(
            f"$filter: st_relate takes a pattern of nine of T, F, *, 0, 1 and 2, not {pattern[:20]!r}", reason="query"
        )
    try:
        with np.errstate(all="ignore"):
            found = np.atleast_1d(_call(name, arguments, pattern)).tolist()
    except shapely.errors.GEOSException:  # one of them is none that can be worked with; the others are
        columns = [one.tolist() if isinstance(one, np.ndarray) else [one] for one in arguments]
        size = max(map(len, columns))
        columns = [column * size if len(column) == 1 else column for column in columns]
        found = [_of_one(name, list(row), pattern) for row in zip(*columns, strict=True)]
    return [None if value != value else value for value in found]  # noqa: PLR0124  # NaN


def _of_one(name: str, arguments: list[Any], pattern: str) -> Any:
    try:
        with np.errstate(all="ignore"):
            return _call(name, arguments, pattern).item()
    except shapely.errors.GEOSException:
        return None


def _call(name: str, arguments: list[Any], pattern: str) -> Any:
    match name:
        case "geo.length":
            return shapely.length(arguments[0]) * (shapely.get_dimensions(arguments[0]) == 1)  # of lines, no outlines
        case "st_relate":
            return shapely.relate_pattern(arguments[0], arguments[1], pattern.upper())
    return _BINARY[name](arguments[0], arguments[1])
