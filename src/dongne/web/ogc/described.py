"""What /ogc answers, for the description of the whole interface; /ogc/api has it in the words of OGC API - Features."""

from typing import Any

from dongne.model.geometry import Point
from dongne.standards.ogc_routes import MODES, MOST_WAYPOINTS
from dongne.standards.openapi import Answer, Body, Operation, Parameter, Schema, reference
from dongne.web.ogc.asked import CRS84, DEFAULT_LIMIT, LANGUAGES, MOST
from dongne.web.ogc.collections import LOCATIONS
from dongne.web.ogc.documents import GEOJSON, HTML, JSON, OPENAPI, SCHEMA
from dongne.web.ogc.routes import PREFERENCES

_TEXT: Schema = {"type": "string"}
_LINKS: Schema = {
    "type": "array",
    "items": {"type": "object", "required": ["href"], "properties": {"href": _TEXT, "rel": _TEXT, "type": _TEXT}},
}
_FORM = Parameter("f", {"enum": ["json", "html"]}, "Which form; what Accept says where this is missing.")
_COLLECTION = Parameter("collection", _TEXT, "As /ogc/collections lists them.", "path", True, (LOCATIONS,))
_CRS: Schema = {"const": CRS84}
_BOX = r"^-?\d{1,3}(?:\.\d+)?(?:,-?\d{1,3}(?:\.\d+)?){3}$"
_EXCEPTION: Schema = {
    "type": "object", "required": ["code", "description"], "properties": {"code": _TEXT, "description": _TEXT},
}  # fmt: skip
_ITEMS_OPTIONS = (
    Parameter("limit", {"type": "integer", "minimum": 1}, f"At most so many, {DEFAULT_LIMIT} where nothing is said, {MOST} in one page."),
    Parameter("after", {"type": "integer", "minimum": 0}, "Those with a greater id."),
    Parameter("bbox", {"type": "string", "pattern": _BOX}, "West, south, east, north in degrees.", examples=("24,60,25,61",)),
    Parameter("datetime", _TEXT, "An instant or an interval, open ends as `..`.", examples=("2026-05-01T00:00:00Z/..",)),
    Parameter("filter", {"type": "string", "minLength": 1}, "A condition in CQL2.", examples=("name like '%a%'",)),
    Parameter("filter-lang", {"enum": list(LANGUAGES)}, "In which of its forms."),
    Parameter("filter-crs", _CRS, "Of places in the filter."),
    Parameter("crs", _CRS, "Of places in the answer."),
    Parameter("bbox-crs", _CRS, "Of the box."),
)  # fmt: skip


def list_operations(location: int) -> list[Operation]:
    """One for each address below /ogc; `location` is one that is there."""
    item = Parameter("item", {"type": "integer", "minimum": 0}, "The id of the entity.", "path", True, (location,))
    one = "/ogc/collections/{collection}"
    feature: Schema = {
        "type": "object",
        "required": ["type", "geometry", "properties"],
        "properties": {"type": {"const": "Feature"}},
    }
    return [
        _operation("/ogc", "Landing", "Where everything is", {"required": ["links"], "properties": {"links": _LINKS}}),
        _operation("/ogc/api", "Api", "What is answered here, as OGC API - Features says it", {"required": ["paths"]}, OPENAPI),
        _operation("/ogc/conformance", "Conformance", "What is done of the standards", {"required": ["conformsTo"]}),
        _operation("/ogc/collections", "Collections", "What there is", {"required": ["links", "collections"]}),
        _operation(one, "Collection", "One collection", {"required": ["id", "links"]}, given=(_COLLECTION,)),
        _operation(f"{one}/queryables", "Queryables", "Of what a filter may speak", {"required": ["properties"]}, SCHEMA, (_COLLECTION,)),
        _operation(f"{one}/items", "Items", "The items that fit, with their newest values", reference("FeatureCollection"), GEOJSON,
                   (_COLLECTION, *_ITEMS_OPTIONS)),
        _operation(f"{one}/items/{{item}}", "Item", "One item, with its newest values", feature, GEOJSON, (_COLLECTION, item)),
    ]  # fmt: skip


def list_route_operations(point: Point) -> list[Operation]:
    """Those of /ogc/routes, with an example from this place on."""
    lon, lat = (round(x, 5) for x in point)
    example = {
        "inputs": {
            "name": "A walk",
            "waypoints": {"type": "MultiPoint", "coordinates": [[lon, lat], [round(lon + 0.002, 5), lat]]},
            "preference": "calm",
        }
    }
    position: Schema = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 3}
    waypoints: Schema = {
        "type": "object",
        "required": ["type", "coordinates"],
        "properties": {
            "type": {"const": "MultiPoint"},
            "coordinates": {"type": "array", "minItems": 2, "maxItems": MOST_WAYPOINTS, "items": position},
        },
    }
    when: Schema = {
        "type": "object", "required": ["timestamp"],
        "properties": {"timestamp": {"type": "string", "format": "date-time"}, "type": {"enum": ["departure", "arrival"]}},
    }  # fmt: skip
    inputs: Schema = {
        "type": "object",
        "required": ["waypoints"],
        "properties": {
            "name": {"type": "string", "maxLength": 200}, "waypoints": waypoints, "preference": {"enum": list(PREFERENCES)},
            "mode": {"enum": list(MODES)}, "when": when,
        },
    }  # fmt: skip
    definition: Schema = {"type": "object", "required": ["inputs"], "properties": {"inputs": inputs}}
    answers = {
        200: Answer(
            "The route, as the Route Exchange Model (21-001) has it.", {GEOJSON: reference("FeatureCollection")}
        )
    }
    compute = Operation(
        "POST", "/ogc/routes", "computeRoute", "OGC API - Features", "A route on foot (OGC API - Routes)", answers,
        "Nothing of it is kept.", body=Body({JSON: definition}, {JSON: example}), errors=(400, 404, 413, 422, 429, 503),
        refusal={JSON: _EXCEPTION},
    )  # fmt: skip
    kept = _operation(
        "/ogc/routes", "Routes", "Routes that are kept: none", {"required": ["links"], "properties": {"links": _LINKS}}
    )
    return [compute, kept]


def _operation(
    path: str, name: str, summary: str, schema: Schema, kind: str = JSON, given: tuple[Parameter, ...] = ()
) -> Operation:
    contents: dict[str, Any] = {kind: schema if "$ref" in schema else {"type": "object", **schema}}
    if kind != OPENAPI:
        contents[HTML] = _TEXT
    return Operation(
        "GET", path, f"getFeatures{name}", "OGC API - Features", summary, {200: Answer(f"{summary}.", contents)},
        parameters=(*given, _FORM), errors=(400, 404, 503) if given else (400,),
        refusal={JSON: _EXCEPTION, HTML: _TEXT},
    )  # fmt: skip
