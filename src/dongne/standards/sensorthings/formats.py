"""Answers in other forms than entities: data arrays (18-088, clause 13), CSV and GeoJSON (the names are FROST-Server's)."""

import csv
import io
from collections.abc import Iterable
from typing import Any

from dongne.standards.sensorthings.encode import encode
from dongne.standards.sensorthings.query import Page, Query, Row

RESULT_FORMATS = {"dataarray": "dataArray", "csv": "CSV", "geojson": "GeoJSON"}
CONTENT_TYPES = {
    "dataArray": b"application/json",
    "CSV": b"text/csv; charset=utf-8",
    "GeoJSON": b"application/geo+json",
}
_COMPONENTS = ("id", "phenomenonTime", "result", "resultTime", "resultQuality", "validTime", "parameters")


def data_arrays(page: Page, query: Query, root: str, next_page: str | None) -> bytes:
    """Observations by Datastream: names once, then rows (18-088, clause 13.1)."""
    groups: dict[int | None, list[Row]] = {}
    for row in page.rows:
        groups.setdefault(row.links["Datastream"], []).append(row)
    document: dict[str, Any] = {} if page.count is None else {"@iot.count": page.count}
    document["value"] = [_data_array(stream, rows, query, root) for stream, rows in groups.items()]
    if page.more and next_page:
        document["@iot.nextLink"] = next_page
    return encode(document)


def _data_array(stream: int | None, rows: list[Row], query: Query, root: str) -> dict[str, Any]:
    chosen = [name for name in (query.select or _COMPONENTS) if name in _COMPONENTS]
    if not query.select:
        always = ("id", "phenomenonTime", "result")
        chosen = [name for name in chosen if name in always or any(row.values[name] is not None for row in rows)]
    columns = [[row.id for row in rows] if name == "id" else [row.values[name] for row in rows] for name in chosen]
    return {
        "Datastream@iot.navigationLink": f"{root}/Datastreams({stream})",
        "components": chosen,
        "dataArray@iot.count": len(rows),
        "dataArray": list(zip(*columns, strict=True)),
    }


def csv_text(documents: Iterable[dict[str, Any]]) -> bytes:
    """Entities as lines; what lies inside others has its way as the name of its column (`properties/kind`)."""
    rows = [_flat(document) for document in documents]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    sink = io.StringIO()
    writer = csv.DictWriter(sink, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue().encode()


def _flat(document: dict[str, Any], way: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in document.items():
        if "@iot." in name and name != "@iot.id":
            continue
        here = way + ("id" if name == "@iot.id" else name)
        if name in ("location", "feature", "observedArea"):
            found[here] = "" if value is None else encode(value).decode()
        elif isinstance(value, dict):
            found |= _flat(value, f"{here}/")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for at, inner in enumerate(value):
                found |= _flat(inner, f"{here}/{at}/")
        else:
            found[here] = encode(value).decode() if isinstance(value, list | bool) else value
    return found


def geojson(documents: Iterable[dict[str, Any]], next_page: str | None) -> bytes:
    """Entities as a FeatureCollection (RFC 7946): the geometry of a Location or FeatureOfInterest, of a Datastream's
    observedArea, or of what was expanded; all else as properties by its way."""
    features = []
    for document in documents:
        geometry, left = _geometry_of(document)
        properties = _flat({name: value for name, value in document.items() if name != left})
        features.append(
            {"type": "Feature", "id": document.get("@iot.id"), "geometry": geometry, "properties": properties}
        )
    collection: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if next_page:
        collection["@iot.nextLink"] = next_page
    return encode(collection)


def _geometry_of(document: dict[str, Any]) -> tuple[Any, str]:
    for name in ("location", "feature", "observedArea"):
        found = document.get(name)
        if isinstance(found, dict):
            return (found.get("geometry") if found.get("type") == "Feature" else found), name
    for name in ("Locations", "FeatureOfInterest", "Thing", "Datastream"):
        inner = document.get(name)
        inner = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(inner, dict):
            geometry, _ = _geometry_of(inner)
            if geometry is not None:
                return geometry, ""
    return None, ""
