"""The JSON of the interface: landing page, conformance, collections, queryables, items (17-069r4, clause 7)."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from dongne.model.times import format_instant, from_us
from dongne.standards.cql2.evaluate import Sort
from dongne.standards.ogc_routes import CONFORMANCE as OF_ROUTES
from dongne.standards.ogc_routes import REL_ROUTES, conformance_values
from dongne.web.ogc.asked import CRS84, Found
from dongne.web.ogc.collections import GEOMETRY, Collection, Feature

JSON, GEOJSON, HTML = "application/json", "application/geo+json", "text/html"
SCHEMA, OPENAPI = "application/schema+json", "application/vnd.oai.openapi+json;version=3.0"
QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"
CONFORMANCE = (
    *(
        f"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{name}"
        for name in ("core", "geojson", "html", "oas30")
    ),
    *(
        f"http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/{name}"
        for name in ("queryables", "queryables-query-parameters", "filter", "features-filter")
    ),
    *(
        f"http://www.opengis.net/spec/cql2/1.0/conf/{name}"
        for name in (
            "cql2-text", "cql2-json", "basic-cql2", "advanced-comparison-operators", "case-insensitive-comparison",
            "accent-insensitive-comparison", "basic-spatial-functions", "basic-spatial-functions-plus",
            "spatial-functions", "temporal-functions", "property-property",
        )
    ),
)  # fmt: skip
_SCHEMAS: dict[Sort, dict[str, Any]] = {
    Sort.TEXT: {"type": "string"},
    Sort.NUMBER: {"type": "number"},
    Sort.BOOL: {"type": "boolean"},
    Sort.TIME: {"type": "string", "format": "date-time"},
    Sort.GEOMETRY: {"format": "geometry-any", "x-ogc-role": "primary-geometry"},
    Sort.ANY: {"type": ["string", "number", "boolean"]},
    Sort.NULL: {"type": "string"},
}
Link = dict[str, str]


def link(href: str, rel: str, kind: str, title: str = "") -> Link:
    """A link (17-069r4, clause 5.2)."""
    return {"href": href, "rel": rel, "type": kind, **({"title": title} if title else {})}


def both(href: str, rel: str, title: str, kind: str = JSON) -> list[Link]:
    """To a resource as JSON and as a page."""
    return [link(href, rel, kind, title), link(f"{href}?f=html", rel, HTML, title)]


def self_links(href: str, kind: str) -> list[Link]:
    """To what is being answered, and to the same as a page."""
    mark = "&" if "?" in href else "?"
    return [link(href, "self", kind), link(f"{href}{mark}f=html", "alternate", HTML)]


def address(root: str, collection: Collection) -> str:
    """Of a collection."""
    return f"{root}/collections/{quote(collection.id, safe='')}"


def landing(root: str, title: str, description: str, attribution: str, *, routes: bool = False) -> dict[str, Any]:
    """The first page of the interface; `routes`: they are answered here too."""
    return {
        "title": title,
        "description": description,
        **({"attribution": attribution} if attribution else {}),
        "links": [
            *self_links(root, JSON),
            link(f"{root}/api", "service-desc", OPENAPI, "OpenAPI 3.0"),
            link(f"{root}?f=html", "service-doc", HTML, title),
            *both(f"{root}/conformance", "conformance", "Conformance"),
            *both(f"{root}/collections", "data", "Collections"),
            *(both(f"{root}/routes", REL_ROUTES, "Routes") if routes else []),
        ],
    }


def conformance(preferences: Sequence[str]) -> dict[str, Any]:
    """What of the standards is done; `preferences` of routes, empty where none are answered."""
    if not preferences:
        return {"conformsTo": CONFORMANCE}
    return {"conformsTo": (*CONFORMANCE, *OF_ROUTES), **conformance_values(preferences)}


def collection_document(root: str, collection: Collection, title: str, description: str) -> dict[str, Any]:
    """One collection."""
    href = address(root, collection)
    bbox = collection.bbox
    return {
        "id": collection.id,
        "title": title,
        "description": description,
        "itemType": "feature",
        "crs": [CRS84],
        "storageCrs": CRS84,
        **({"extent": {"spatial": {"bbox": [bbox], "crs": CRS84}}} if bbox else {}),
        "links": [
            *self_links(href, JSON),
            *both(f"{href}/items", "items", title, GEOJSON),
            *both(f"{href}/queryables", QUERYABLES, "Queryables", SCHEMA),
        ],
    }


def collections_document(root: str, collections: list[dict[str, Any]]) -> dict[str, Any]:
    """All of them."""
    return {"links": self_links(f"{root}/collections", JSON), "collections": collections}


def queryables(root: str, collection: Collection, title: str) -> dict[str, Any]:
    """The properties that a filter may speak of, as a JSON Schema (19-079r2, clause 6.2)."""
    properties = {}
    for name, sort in collection.queryables.items():
        unit = collection.units.get(name)
        properties[name] = {
            "title": name,
            **_SCHEMAS[sort],
            **({"x-ogc-unit": unit, "x-ogc-unitLang": "UCUM"} if unit else {}),
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{address(root, collection)}/queryables",
        "type": "object",
        "title": title,
        "properties": properties,
        "additionalProperties": False,
    }


def feature_document(feature: Feature) -> dict[str, Any]:
    """A GeoJSON Feature (RFC 7946)."""
    item = feature.item
    return {"type": "Feature", "id": item.id, "geometry": item.geometry, "properties": dict(feature.values)}


def item_document(root: str, collection: Collection, feature: Feature, links: list[Link]) -> dict[str, Any]:
    """One feature with its links."""
    above = address(root, collection)
    here = f"{above}/items/{feature.item.id}"
    return {
        **feature_document(feature),
        "links": [*self_links(here, GEOJSON), link(above, "collection", JSON, collection.id), *links],
    }


def items_document(
    root: str, collection: Collection, found: Found, options: list[tuple[str, str]], now_us: int
) -> dict[str, Any]:
    """A page of a collection."""
    here = address(root, collection)
    return {
        "type": "FeatureCollection",
        "features": [feature_document(one) for one in found.features],
        "links": [
            *self_links(_address(f"{here}/items", options), GEOJSON),
            *([link(next_address(f"{here}/items", found, options), "next", GEOJSON)] if found.more else []),
            link(here, "collection", JSON, collection.id),
        ],
        "timeStamp": format_instant(from_us(now_us)),
        "numberMatched": found.matched,
        "numberReturned": len(found.features),
    }


def next_address(items: str, found: Found, options: list[tuple[str, str]]) -> str:
    """Of the page after this: it begins behind the last id, so that what comes or goes meanwhile shifts nothing."""
    rest = [(name, value) for name, value in options if name != "after"]
    return _address(items, [*rest, ("after", str(found.features[-1].item.id))])


def _address(path: str, options: list[tuple[str, str]]) -> str:
    said = [(name, value) for name, value in options if name != "f"]
    return f"{path}?{urlencode(said)}" if said else path


# --- the description


def openapi(
    root: str, title: str, version: str, collections: list[tuple[Collection, str]], *, routes: bool = False
) -> dict[str, Any]:
    """OpenAPI 3.0 with a path for each collection: GDAL reads there which properties may be asked for."""
    paths: dict[str, Any] = {
        "/": _get("landing", "Landing page"),
        "/conformance": _get("conformance", "What of the standards is done"),
        "/collections": _get("collections", "The collections"),
    }
    for collection, name in collections:
        here = address("", collection)
        key = "".join(c if c.isalnum() else "_" for c in collection.id)
        own = [
            {"name": q, "in": "query", "required": False, "schema": _SCHEMAS[sort] if sort is not Sort.ANY else {"type": "string"}}
            for q, sort in collection.queryables.items()
            if q != GEOMETRY
        ]  # fmt: skip
        shared = [{"$ref": f"#/components/parameters/{p}"} for p in PARAMETERS]
        paths[here] = _get(f"collection.{key}", name)
        paths[f"{here}/queryables"] = _get(f"queryables.{key}", f"{name}: what a filter may speak of")
        paths[f"{here}/items"] = _get(f"items.{key}", f"{name}: items", [*shared, *own])
        feature_id = {"name": "featureId", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
        paths[f"{here}/items/{{featureId}}"] = _get(f"item.{key}", f"{name}: one item", [feature_id])
    if routes:
        paths["/routes"] = _ROUTES
    return {
        "openapi": "3.0.3",
        "info": {"title": title, "version": version or "0"},
        "servers": [{"url": root}],
        "paths": paths,
        "components": {"parameters": PARAMETERS},
    }


def _get(operation: str, summary: str, parameters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    answers = {"200": {"description": summary}, "400": {"description": "What is wrong, and how to mend it"}}
    found: dict[str, Any] = {"operationId": operation, "summary": summary, "responses": answers}
    return {"get": {**found, "parameters": parameters} if parameters else found}


_ROUTES: dict[str, Any] = {
    **_get("routes", "Routes that are kept: none"),
    "post": {
        "operationId": "computeRoute",
        "summary": "A route on foot",
        "requestBody": {"required": True, "content": {JSON: {"schema": {"type": "object"}}}},
        "responses": {
            "200": {"description": "The route", "content": {GEOJSON: {"schema": {"type": "object"}}}},
            "400": {"description": "What is wrong, and how to mend it"},
            "422": {"description": "No way leads there"},
        },
    },
}  # fmt: skip


def _parameter(name: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, **more}


_LIST = {"style": "form", "explode": False}
PARAMETERS = {
    "limit": _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 100}, **_LIST),
    "bbox": _parameter("bbox", {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}}, **_LIST),
    "datetime": _parameter("datetime", {"type": "string"}, **_LIST),
    "after": _parameter("after", {"type": "integer", "minimum": 0}),
    "filter": _parameter("filter", {"type": "string"}),
    "filter-lang": _parameter(
        "filter-lang", {"type": "string", "enum": ["cql2-text", "cql2-json", "cql-text"], "default": "cql2-text"}
    ),
    "filter-crs": _parameter("filter-crs", {"type": "string", "enum": [CRS84]}),
    "crs": _parameter("crs", {"type": "string", "enum": [CRS84]}),
    "bbox-crs": _parameter("bbox-crs", {"type": "string", "enum": [CRS84]}),
}
