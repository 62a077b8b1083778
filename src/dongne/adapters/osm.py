"""OpenStreetMap files (.osm.pbf, .osm, .osm.gz) read into features of known kinds, streets and places for names.

What counts as which kind is in `osm_kinds.toml`. Ids are those of OpenStreetMap and last: "osm:node/25470940".
"""

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import osmium

from dongne.methods.along_street import Street
from dongne.model.errors import BadSetup
from dongne.model.geometry import Point, find_centre

KINDS_FILE = Path(__file__).parent / "osm_kinds.toml"
UNDERFOOT = {  # highways a lamp may stand at
    "primary", "primary_link", "secondary", "secondary_link", "tertiary", "tertiary_link", "residential",
    "unclassified", "living_street", "service", "pedestrian", "footway", "cycleway", "path", "steps", "track", "trunk",
}  # fmt: skip
DIGITS = 7  # of coordinates: OpenStreetMap's own


class OsmKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of Thing by its tags; see `osm_kinds.toml`."""

    id: str
    match: dict[str, str]
    shape: str
    en: str
    ko: str
    mode: str = ""
    nodes: bool = True

    def matches(self, tags: Mapping[str, str], is_node: bool = False) -> bool:
        """Whether the tags have all this kind asks for; some kinds (buildings) are never single nodes."""
        if is_node and not self.nodes:
            return False
        for key, value in self.match.items():  # asked of everything in a file, so without a generator
            found = tags.get(key)
            if found is None or value not in (found, "*"):
                return False
        return True


class Feature(msgspec.Struct, frozen=True):
    """Something in the file that is of a known kind; `geometry` is GeoJSON."""

    source_id: str
    kind: OsmKind
    tags: dict[str, str]
    geometry: dict[str, Any]
    point: Point


class Extract(msgspec.Struct):
    """What a file holds: features by source id, streets for the lamps, (address or street text, place) for names."""

    features: dict[str, Feature]
    streets: list[Street]
    addresses: list[tuple[str, Point]]
    named: list[tuple[str, Point]]


@cache
def list_kinds() -> tuple[OsmKind, ...]:
    """The kinds of `osm_kinds.toml` in the order in which they are tried."""
    return tuple(msgspec.convert(tomllib.loads(KINDS_FILE.read_text(encoding="utf-8"))["kind"], list[OsmKind]))


def find_kind(tags: Mapping[str, str], is_node: bool = False) -> OsmKind | None:
    """The first kind the tags match."""
    return next((kind for kind in list_kinds() if kind.matches(tags, is_node)), None)


def read_osm(path: Path, progress: Callable[[int], None] | None = None) -> Extract:
    """The extract of a file; `progress` is told the number of objects read. Raises BadSetup where it is no OSM file."""
    reading = _Reading()
    try:
        for count, item in enumerate(osmium.FileProcessor(str(path)).with_locations().with_areas()):
            reading.take(item)
            if progress and count % 5000 == 0:
                progress(count)
    except RuntimeError as error:
        raise BadSetup(f"{path}: not read as an OpenStreetMap file: {error}") from error
    return reading.extract()


class _Reading:
    def __init__(self) -> None:
        self.features: dict[str, Feature] = {}
        self.streets: list[Street] = []
        self.addresses: dict[str, Point] = {}
        self.named: list[tuple[str, Point]] = []

    def take(self, item: Any) -> None:
        tags = dict(item.tags)
        if not tags:
            return
        kind = find_kind(tags, item.is_node())
        match item.type_str():
            case "n":
                self._add(f"osm:node/{item.id}", kind, tags, _point(item.location))
            case "w":
                nodes = [node for node in item.nodes if node.location.valid()]
                self._street(nodes, tags)
                if kind and kind.shape == "line" and len(nodes) > 1:
                    line = [position_of(node.location) for node in nodes]
                    self._add(f"osm:way/{item.id}", kind, tags, {"type": "LineString", "coordinates": line})
                elif nodes and (kind is None or kind.shape != "line"):  # an area that is not cut replaces this point
                    points = [position_of(node.location) for node in nodes]
                    cut = {**tags, "dongne:geometry": "centre only"} if kind and kind.shape == "area" else tags
                    middle = find_centre({"type": "LineString", "coordinates": points})
                    self._add(f"osm:way/{item.id}", kind, cut, {"type": "Point", "coordinates": list(middle or ())})
            case "a":
                source = f"osm:{'way' if item.from_way() else 'relation'}/{item.orig_id()}"
                if kind and (kind.shape != "line" or not item.from_way()) and (area := polygon_of(item)):
                    if kind.shape == "point":
                        area = {"type": "Point", "coordinates": list(find_centre(area) or ())}
                    self._add(source, kind, tags, area)

    def _add(self, source: str, kind: OsmKind | None, tags: dict[str, str], geometry: dict[str, Any]) -> None:
        point = find_centre(geometry)
        if point is None:
            return
        if "addr:housenumber" in tags and "addr:street" in tags:
            text = f"{tags['addr:street']} {tags['addr:housenumber']}"
            known = text in self.addresses
            self.addresses.setdefault(text, point)
            if kind and kind.id == "address":
                if known:
                    return  # a shop at an address that is already there
                tags = {key: value for key, value in tags.items() if key.startswith("addr:")}
        if kind:
            self.features[source] = Feature(source, kind, tags, geometry, point)

    def _street(self, nodes: list[Any], tags: dict[str, str]) -> None:
        highway = tags.get("highway", "")
        if highway not in UNDERFOOT or len(nodes) < 2 or tags.get("footway") == "crossing" or _is_inside(tags):
            return
        points = tuple((node.location.lon, node.location.lat) for node in nodes)
        beside = tags.get("footway") == "sidewalk"
        self.streets.append(Street(tuple(n.ref for n in nodes), points, tags.get("name", ""), highway, beside))
        if name := tags.get("name"):
            self.named += [(name, point) for point in points]

    def extract(self) -> Extract:
        return Extract(self.features, self.streets, sorted(self.addresses.items()), self.named)


def _is_inside(tags: Mapping[str, str]) -> bool:
    level = tags.get("layer", "0").split(";")[0]
    return tags.get("tunnel", "no") != "no" or tags.get("indoor", "no") != "no" or level.startswith("-")


def position_of(location: Any) -> list[float]:
    """(lon, lat) as GeoJSON has it."""
    return [round(location.lon, DIGITS), round(location.lat, DIGITS)]


def _point(location: Any) -> dict[str, Any]:
    return {"type": "Point", "coordinates": position_of(location)}


def polygon_of(area: Any) -> dict[str, Any] | None:
    """GeoJSON Polygon or MultiPolygon of an osmium area; None where it has no ring."""
    polygons = []
    for outer in area.outer_rings():
        rings = [outer, *area.inner_rings(outer)]
        polygons.append([[position_of(node.location) for node in ring] for ring in rings])
    if not polygons:
        return None
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}
