"""The map's layers as plain GeoJSON, straight from the Thing graph."""

from typing import Any

from dongne.model.entities import Thing
from dongne.model.graph import ThingGraph

STOREY_M = 3.2  # where a map gives levels and no height
MAPPED = ("height_m", "levels", "mode", "near", "name_ko")
Layer = dict[str, Any]


def map_layers(graph: ThingGraph, kinds: frozenset[str] = frozenset()) -> dict[str, Layer]:
    """A FeatureCollection per kind of Thing (of `kinds`, or of all): id, name, kind, near, and for buildings
    `render_height` in metres. A Thing without a place is on no layer."""
    layers: dict[str, Layer] = {}
    for thing in list(graph.things.values()):
        kind = thing.kind or "other"
        if kinds and kind not in kinds:
            continue
        geometry = find_geometry(graph, thing)
        if geometry is not None:
            layer = layers.setdefault(kind, {"type": "FeatureCollection", "features": []})
            layer["features"].append(feature(thing, geometry))
    layers["next_lamp"] = _links(graph, "next_lamp")
    if kinds and "next_lamp" not in kinds:
        del layers["next_lamp"]
    return layers


def feature(thing: Thing, geometry: Layer) -> Layer:
    """A Thing as a GeoJSON Feature with what a map draws and says of it."""
    properties: dict[str, Any] = {"id": thing.id, "name": thing.name, "kind": thing.kind}
    properties |= {key: thing.properties[key] for key in MAPPED if key in thing.properties}
    if thing.kind == "building":
        properties["render_height"] = render_height_m(thing)
    return {"type": "Feature", "id": thing.id, "geometry": geometry, "properties": properties}


def render_height_m(thing: Thing) -> float:
    """A building's height: as mapped, else by its levels, else of two."""
    height_m = thing.properties.get("height_m")
    return float(height_m) if height_m else round(float(thing.properties.get("levels") or 2.0) * STOREY_M, 1)


def find_geometry(graph: ThingGraph, thing: Thing) -> Layer | None:
    """The geometry of a Thing's first Location that has one."""
    for location_id in thing.location_ids:
        location = graph.locations.get(location_id)
        if location and isinstance(location.location, dict):
            found = location.location
            return found.get("geometry") if found.get("type") == "Feature" else found
    return None


def _links(graph: ThingGraph, kind: str) -> Layer:
    """A relation drawn as straight lines between the Things, once for both directions."""
    features = []
    for relation in list(graph.relations.values()):
        a, b = graph.find_point(relation.from_id), graph.find_point(relation.to_id)
        if relation.kind == kind and relation.from_id < relation.to_id and a and b:
            line = {"type": "LineString", "coordinates": [list(a), list(b)]}
            features.append({"type": "Feature", "geometry": line, "properties": {"distance_m": relation.distance_m}})
    return {"type": "FeatureCollection", "features": features}
