"""Answers in other forms than entities: data arrays (18-088, clause 13), CSV and GeoJSON (the names are FROST-Server's)."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
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


NextPage = Callable[[int], str]  # how many rows there were -> the address of those after them


def data_arrays(pages: Iterable[Page], query: Query, root: str, next_page: NextPage) -> Iterator[bytes]:
    """Observations by Datastream, names once, then rows (18-088, clause 13.1). Those of a Datastream that follow each other
    are one group."""
    chosen = [name for name in (query.select or _COMPONENTS) if name in _COMPONENTS]
    open_group: tuple[str, int | None] | None = None
    total = rows_here = 0
    page = None
    for page in pages:
        parts: list[bytes] = []
        if not total and open_group is None:
            parts.append(b'{"value":[' if page.count is None else b'{"@iot.count":%d,"value":[' % page.count)
        for group, rows in groupby(page.rows, key=_stream_of):
            values = [[row.id if name == "id" else row.values[name] for name in chosen] for row in rows]
            if group != open_group:
                parts.append(_group_end(rows_here) + b"," if open_group else b"")
                parts.append(_group_start(group, chosen, root))
                open_group, rows_here = group, 0
            parts.append((b"," if rows_here else b"") + encode(values)[1:-1])
            rows_here += len(values)
            total += len(values)
        yield b"".join(parts)
    end = _group_end(rows_here) if open_group else b""
    following = encode(next_page(total)) if page is not None and page.more else None
    yield end + b"]" + (b"}" if following is None else b',"@iot.nextLink":' + following + b"}")


def _stream_of(row: Row) -> tuple[str, int | None]:
    return ("MultiDatastream" if "MultiDatastream" in row.shows else "Datastream"), row.links["Datastream"]


def _group_start(group: tuple[str, int | None], chosen: list[str], root: str) -> bytes:
    kind, stream = group
    head = {f"{kind}@iot.navigationLink": f"{root}/{kind}s({stream})", "components": chosen}
    return encode(head)[:-1] + b',"dataArray":['


def _group_end(rows: int) -> bytes:
    return b'],"dataArray@iot.count":%d}' % rows


def csv_lines(slices: Iterable[list[dict[str, Any]]]) -> Iterator[bytes]:
    """Entities as lines; what lies inside others has its way as the name of its column (`properties/kind`). The columns are
    those of the first slice; where there are further ones, a last column `other` has as JSON what only their rows have."""
    columns: list[str] = []
    waiting: list[dict[str, Any]] | None = None
    is_first = True
    for documents in slices:
        rows = [_flat(document) for document in documents]
        if is_first:
            columns, waiting, is_first = list(dict.fromkeys(name for row in rows for name in row)), rows, False
            continue
        if waiting is not None:
            columns.append("other")
            yield _csv(columns, waiting, with_names=True)
            waiting = None
        yield _csv(columns, [_with_other(row, columns) for row in rows])
    if waiting is not None:
        yield _csv(columns, waiting, with_names=True)


def _csv(columns: list[str], rows: list[dict[str, Any]], *, with_names: bool = False) -> bytes:
    sink = io.StringIO()
    writer = csv.DictWriter(sink, columns, restval="")
    if with_names:
        writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue().encode()


def _with_other(row: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    other = {name: row.pop(name) for name in list(row) if name not in columns}
    return {**row, "other": encode(other).decode()} if other else row


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


def geojson(slices: Iterable[list[dict[str, Any]]], more: Callable[[], str | None]) -> Iterator[bytes]:
    """Entities as a FeatureCollection (RFC 7946): the geometry of a Location or FeatureOfInterest, of a Datastream's
    observedArea, or of what was expanded; all else as properties by its way. `more` is asked at the end for the address
    of further ones."""
    start = b'{"type":"FeatureCollection","features":['
    for documents in slices:
        features = encode([_feature(document) for document in documents])[1:-1]
        if features:
            yield start + features
            start = b","
    following = more()
    end = b"]" if following is None else b'],"@iot.nextLink":' + encode(following)
    yield (b"" if start == b"," else start) + end + b"}"


def _feature(document: dict[str, Any]) -> dict[str, Any]:
    geometry, left = _geometry_of(document)
    properties = _flat({name: value for name, value in document.items() if name != left})
    return {"type": "Feature", "id": document.get("@iot.id"), "geometry": geometry, "properties": properties}


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
