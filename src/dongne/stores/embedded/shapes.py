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

    def of(self, set_name: str, hidden: Hidden = NOTHING_HIDDEN) -> tuple[NDArray[np.int64], Geometries]:
        """Ids and geometries; what is no geometry is missing. `hidden` FeaturesOfInterest are in no observedArea."""
        if set_name.endswith("Datastreams"):  # grows with the Observations
            return _arrays(self._areas(hidden))
        known = self._known.get(set_name)
        if known is None or known[0] != self._graph.revision:
            known = self._known[set_name] = self._graph.revision, *_arrays(self._geojson(set_name))
        return known[1], known[2]

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
    about how it was."""

    hidden: Hidden = NOTHING_HIDDEN
    shapes: Shapes | None = None
    until: int | None = None


def _arrays(geojson: dict[int, Any]) -> tuple[NDArray[np.int64], Geometries]:
    found = {entity_id: shape for entity_id, one in geojson.items() if (shape := _shape(one)) is not None}
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
    found = shapely.from_wkt(text.partition(";")[2] if text.upper().startswith("SRID=") else text, on_invalid="ignore")
    if found is None:
        raise BadInput(
            f"$filter: {text[:60]!r} is no well-known text; write it like geography'POINT (24.94 60.17)'",
            reason="query",
        )
    return found


def compute(name: str, arguments: list[Any], pattern: str = "") -> Any:
    """The function of geometries; arrays give arrays. Raises BadInput for a pattern that is none."""
    if name == "geo.length":
        return shapely.length(arguments[0])
    if name == "st_relate":
        if len(pattern) != 9 or set(pattern.upper()) - set("TF*012"):
            raise BadInput(
                f"$filter: st_relate takes a pattern of nine of T, F, *, 0, 1 and 2, not {pattern[:20]!r}",
                reason="query",
            )
        return shapely.relate_pattern(arguments[0], arguments[1], pattern.upper())
    return _BINARY[name](arguments[0], arguments[1])
