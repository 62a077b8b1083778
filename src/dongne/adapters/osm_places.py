"""OpenStreetMap files read into places that people ask for: what has a name, streets, addresses, and a few kinds without names.

The kind of a place is the value of its main tag ("cafe", "station", "square"); streets are "street", addresses "address".
"""

import logging
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import osmium

from dongne.adapters.cityfile import MAP
from dongne.adapters.osm import polygon_of, position_of
from dongne.adapters.sources import get_file, load_sources
from dongne.methods.place_search import Place, PlaceSearch, fold
from dongne.model.errors import BadSetup
from dongne.model.geometry import Point, PointIndex, distance_m, find_centre

log = logging.getLogger(__name__)
VERSION = 1  # of what is read out of a file; a cache of another is made anew
# tags that say what a place is, the telling ones first
KEYS = (
    "amenity", "shop", "tourism", "leisure", "place", "railway", "public_transport", "historic", "healthcare", "office", "craft",
    "man_made", "natural", "aeroway", "landuse", "highway", "building",
)  # fmt: skip
NOT_PLACES = {
    "yes", "stop", "stop_position", "stop_area", "switch", "level_crossing", "platform", "city_block", "entrance", "rail", "tram",
    "subway", "abandoned", "traffic_signals", "crossing", "parking_space", "monitoring_station", "city", "country",
}  # fmt: skip
UNNAMED = {
    "bench",
    "toilets",
    "drinking_water",
    "playground",
    "park",
    "garden",
    "shelter",
}  # worth a walk also without a name
STREET, ADDRESS = "street", "address"
SAME_M = 150.0  # of one name and kind within this there is one place
NEAR_M = 40.0  # an address so near tells a place from others of its name


def read_places(path: Path) -> list[Place]:
    """The places of a file, streets and addresses after what has a name of its own. Raises BadSetup where it is no OSM file."""
    reading = _Reading()
    try:
        for item in osmium.FileProcessor(str(path)).with_locations().with_areas():
            reading.take(item)
    except RuntimeError as error:
        raise BadSetup(f"{path}: not read as an OpenStreetMap file: {error}") from error
    return reading.places()


def load_places(folder: Path, data: Path | None, cache: Path) -> PlaceSearch:
    """The places of a city's map to search, read once for each file and kept in `cache`. Raises BadSetup where the city has no map."""
    source = load_sources(folder).get(MAP)
    if source is None:
        raise BadSetup(f"{folder / 'sources.toml'}: there is no source {MAP!r}; places are read from it")
    path = get_file(source, data)
    kept = cache / f"places-{sha256(path.read_bytes()).hexdigest()[:16]}-{VERSION}.msgpack"
    if kept.exists():
        try:
            return PlaceSearch(msgspec.msgpack.decode(kept.read_bytes(), type=list[Place]))
        except msgspec.MsgspecError:
            log.warning("%s is not read; it is made anew", kept)
    places = read_places(path)
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(".part")
    unfinished.write_bytes(msgspec.msgpack.encode(places))
    unfinished.replace(kept)
    return PlaceSearch(places)


class _Reading:
    def __init__(self) -> None:
        self.found: list[Place] = []
        self.streets: dict[str, list[tuple[Point, Mapping[str, str]]]] = {}
        self.addresses: dict[str, Point] = {}

    def take(self, item: Any) -> None:
        tags = dict(item.tags)
        if not tags:
            return
        point = _point_of(item, tags)
        if point is None:
            return
        if "addr:street" in tags and "addr:housenumber" in tags:
            self.addresses.setdefault(_address(tags), point)
        if item.is_way() and "highway" in tags and "name" in tags and not _kind(tags, without="highway"):
            self.streets.setdefault(tags["name"], []).append((point, tags))
        elif (kind := _kind(tags)) and ("name" in tags or kind in UNNAMED):
            self.found.append(
                Place(tags.get("name", ""), *point, kind=kind, names=_names(tags), address=_address(tags))
            )

    def places(self) -> list[Place]:
        """What was found: one of each name and kind where they lie together."""
        addresses = sorted(self.addresses.items())
        index = PointIndex(enumerate(point for _, point in addresses))
        named = list(_addressed(_apart(self.found), [text for text, _ in addresses], index))
        streets = [self._street(name, parts) for name, parts in sorted(self.streets.items())]
        return [*named, *streets, *(Place(text, *point, kind=ADDRESS) for text, point in addresses)]

    @staticmethod
    def _street(name: str, parts: list[tuple[Point, Mapping[str, str]]]) -> Place:
        middle = find_centre([list(point) for point, _ in parts]) or parts[0][0]
        at, tags = min(parts, key=lambda part: distance_m(part[0], middle))
        return Place(name, *at, kind=STREET, names=_names(tags))


def _point_of(item: Any, tags: Mapping[str, str]) -> Point | None:
    """The middle of a street is one of its points; of what is closed, the middle of the area that follows it in the file."""
    match item.type_str():
        case "n":
            return item.location.lon, item.location.lat
        case "w":
            points = [position_of(node.location) for node in item.nodes if node.location.valid()]
            if not points or (item.is_closed() and "highway" not in tags):
                return None
            lon, lat = points[len(points) // 2]
            return lon, lat
        case "a":
            return find_centre(polygon_of(item)) if "highway" not in tags else None
    return None


def _kind(tags: Mapping[str, str], without: str = "") -> str:
    for key in KEYS:
        if key != without and (value := tags.get(key, "")) and value not in NOT_PLACES:
            return "stop" if value in ("bus_stop", "tram_stop", "subway_entrance") else value
    return "building" if tags.get("building") and "name" in tags else ""


def _names(tags: Mapping[str, str]) -> dict[str, str]:
    """Names by language, and other ones by what they are ("alt", "short", "old")."""
    named = {key.removeprefix("name:"): value for key, value in tags.items() if key.startswith("name:")}
    named |= {
        key.removesuffix("_name"): tags[key]
        for key in ("alt_name", "short_name", "official_name", "old_name")
        if key in tags
    }
    return named


def _address(tags: Mapping[str, str]) -> str:
    return (
        f"{tags['addr:street']} {tags['addr:housenumber']}" if {"addr:street", "addr:housenumber"} <= set(tags) else ""
    )


def _apart(places: list[Place]) -> Iterator[Place]:
    """One of several with the same name and kind that lie together; those without a name are all kept."""
    kept: dict[tuple[str, str], list[Point]] = {}
    for place in places:
        if place.name:
            others = kept.setdefault((fold(place.name), place.kind), [])
            if any(distance_m(place.point, other) < SAME_M for other in others):
                continue
            others.append(place.point)
        yield place


def _addressed(places: Iterator[Place], addresses: list[str], index: PointIndex) -> Iterator[Place]:
    for place in places:
        near = "" if place.address else next((addresses[i] for i, _ in index.within(place.point, NEAR_M)), "")
        yield Place(place.name, place.lon, place.lat, place.kind, place.names, near) if near else place
