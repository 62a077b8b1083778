"""A city's Things out of its map: planned in slices, so that an import can be stopped anywhere and simply run again."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dongne.adapters.osm import Extract, Feature, read_osm
from dongne.adapters.sources import Source, get_file, load_sources
from dongne.methods.along_street import link_lamps
from dongne.model.city import CityConfig
from dongne.model.entities import Entity, EntityChange, EntityType, Location, Relation, Thing, put
from dongne.model.geometry import Point, PointIndex
from dongne.model.graph import ThingGraph

MAP = "osm"  # the source of a city's Things
NEXT_LAMP = "next_lamp"
SLICE = 500  # Things in one go
ADDRESS_REACH_M = 60.0
STREET_REACH_M = 80.0

Progress = Callable[[int, int], None]
NewId = Callable[[EntityType], int]


def plan_city(
    config: CityConfig,
    folder: Path,
    data: Path | None,
    new_id: NewId,
    graph: ThingGraph,
    progress: Progress | None = None,
) -> Iterator[list[EntityChange]]:
    """The changes which bring the graph to what the city's map says, in slices; nothing where it is so already, or where
    the city has no source `osm`.

    Take each slice in before asking for the next. A Thing is known again by its `source_id`; what others added to its
    properties stays. `progress(done, total)` counts Things. Raises BadSetup where the map's file is missing or not the one named.
    """
    source = load_sources(folder).get(MAP)
    if source is None:
        return
    extract = read_osm(get_file(source, data))
    names = _Names(extract)
    features = sorted(extract.features.values(), key=lambda f: (f.kind.id, f.source_id))
    if progress:
        progress(0, len(features))
    for start in range(0, len(features), SLICE):
        part = features[start : start + SLICE]
        changes = [change for feature in part for change in _plan_thing(feature, source, names, new_id, graph)]
        if changes:
            yield changes
        if progress:
            progress(min(start + SLICE, len(features)), len(features))
    relations = _plan_links(extract, new_id, graph)
    for start in range(0, len(relations), SLICE):
        yield relations[start : start + SLICE]


class _Names:
    """What stands near a place."""

    def __init__(self, extract: Extract) -> None:
        self._addresses = extract.addresses
        self._streets = extract.named
        self._address_index = PointIndex(enumerate(point for _, point in extract.addresses))
        self._street_index = PointIndex(enumerate(point for _, point in extract.named))

    def near(self, point: Point) -> str:
        """The nearest address, else the nearest street; empty where neither is near."""
        for index, texts, reach_m in (
            (self._address_index, self._addresses, ADDRESS_REACH_M),
            (self._street_index, self._streets, STREET_REACH_M),
        ):
            found = index.within(point, reach_m)
            if found:
                return texts[found[0][0]][0]
        return ""


def _plan_thing(
    feature: Feature, source: Source, names: _Names, new_id: NewId, graph: ThingGraph
) -> Iterator[EntityChange]:
    known = graph.find_by_source(feature.source_id)
    thing_id = known.id if known else new_id(EntityType.THING)
    location_id = known.location_ids[0] if known and known.location_ids else new_id(EntityType.LOCATION)
    near = names.near(feature.point)
    name, more = _name(feature, near)
    location = Location(id=location_id, name=name, location=feature.geometry)
    thing = Thing(
        id=thing_id,
        name=name,
        description=f"{feature.kind.en}, {source.attribution} ({source.licence})",
        properties={**(known.properties if known else {}), **_properties(feature, near), **more},
        location_ids=(location_id,),
    )
    yield from _changed(location, graph.locations.get(location_id))
    yield from _changed(thing, known)


def _changed(entity: Entity, known: Entity | None) -> Iterator[EntityChange]:
    if entity != known:
        yield put(entity)


def _properties(feature: Feature, near: str) -> dict[str, Any]:
    tags = feature.tags
    properties: dict[str, Any] = {"kind": feature.kind.id, "source_id": feature.source_id, "osm": tags}
    if near and feature.kind.id != "address":
        properties["near"] = near
    if feature.kind.mode:
        properties["mode"] = feature.kind.mode
    if feature.kind.id == "building":
        properties |= _heights(tags)
    return properties


def _heights(tags: Mapping[str, str]) -> dict[str, float]:
    """Levels and height in metres as far as the map has them as numbers."""
    found = {"levels": tags.get("building:levels", ""), "height_m": tags.get("height", "").removesuffix("m").strip()}
    return {key: float(text) for key, text in found.items() if text.replace(".", "", 1).isdigit()}


def _name(feature: Feature, near: str) -> tuple[str, dict[str, str]]:
    """The name of a Thing, and its Korean name where it is made from the kind's word."""
    tags, kind = feature.tags, feature.kind
    if kind.id == "address":
        return f"{tags['addr:street']} {tags['addr:housenumber']}", {}
    if own := tags.get("name") or (kind.id == "stop" and tags.get("ref")):
        korean = tags.get("name:ko", "")
        return own, {"name_ko": korean} if korean else {}
    place = near or feature.source_id.removeprefix("osm:")
    return f"{kind.en}, {place}", {"name_ko": f"{kind.ko}, {place}"}


def _plan_links(extract: Extract, new_id: NewId, graph: ThingGraph) -> list[EntityChange]:
    """Relations between lamps along the street; links that no longer hold are not taken away."""
    lamps = {
        thing.id: feature.point
        for feature in extract.features.values()
        if feature.kind.id == "street_lamp" and (thing := graph.find_by_source(feature.source_id))
    }
    changes: list[EntityChange] = []
    for link in link_lamps(lamps, extract.streets):
        known = next((r for r in graph.list_related(link.from_, NEXT_LAMP) if r.to_id == link.to), None)
        relation = Relation(
            id=known.id if known else new_id(EntityType.RELATION),
            kind=NEXT_LAMP,
            from_id=link.from_,
            to_id=link.to,
            distance_m=link.distance_m,
        )
        changes += _changed(relation, known)
    return changes
