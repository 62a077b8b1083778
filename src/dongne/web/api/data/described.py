"""What is answered below /api, for the description of the interface."""

from typing import Any

import pyarrow as pa

from dongne.standards.openapi import READ_ERRORS, Answer, Operation, Parameter, Schema, reference
from dongne.web.api.context import ApiContext
from dongne.web.api.data import aggregates, latest, observations
from dongne.web.api.data.asked import MOST_STREAMS

_TEXT: Schema = {"type": "string"}
_IDS = r"^\d{1,18}(?:,\d{1,18})*$"
_DAY_OR_INSTANT: Schema = {"anyOf": [reference("Instant"), {"type": "string", "format": "date"}]}
_TYPES = {"int64": "integer", "double": "number", "string": "string"}
_OF: dict[str, Parameter] = {
    "datastream": Parameter("datastream", {"type": "string", "pattern": _IDS}, "These Datastreams; ids, commas between."),
    "thing": Parameter("thing", {"type": "string", "pattern": _IDS}, "Those of these Things; ids, commas between."),
    "property": Parameter("property", _TEXT, "Those of these observed properties, by key (fill_level); commas between."),
    "kind": Parameter("kind", _TEXT, "Those of Things of these kinds (waste_basket); commas between."),
    "origin": Parameter("origin", {"enum": ["measured", "rehomed", "simulated", "derived"]}, "Those that come from there."),
    "licence": Parameter("licence", _TEXT, "Those under these licences (CC-BY-4.0); commas between."),
    "from": Parameter("from", _DAY_OR_INSTANT, "From here on; a day is that of the zone. 24 hours before `to` where not said."),
    "to": Parameter("to", _DAY_OR_INSTANT, "Up to here; a day is wholly within. Now where not said."),
    "zone": Parameter("zone", _TEXT, "Whose days; the city's where not said.", examples=("Europe/Helsinki",)),
    "comments": Parameter("comments", {"enum": ["yes", "no"]}, "CSV begins with lines of # that say licence and origin."),
    "interval": Parameter(
        "interval", {"type": "string", "pattern": r"^P(?:\d+[YMWD]|T\d+[HMS])$"},
        "ISO 8601, divides the hour or the day: PT15M, PT1H, P1D, P1M. A local day has 23 to 25 hours.", required=True,
        examples=("PT1H",),
    ),
    "values": Parameter(
        "values", {"type": "string", "pattern": f"^(?:{'|'.join(aggregates.VALUES)}|p\\d\\d?)(?:,(?:{'|'.join(aggregates.VALUES)}|p\\d\\d?))*$"},
        f"Which, commas between; percentiles as p50. {aggregates.USUAL} where not said.", examples=("n,mean,p95",),
    ),
    "fill": Parameter("fill", {"const": "null"}, "Also those intervals in which there is nothing."),
}  # fmt: skip
_SUMMARY = {
    "latest": "The newest value of many Datastreams",
    "aggregates": "Values by interval of the local calendar: mean, percentiles and others",
    "observations": "All Observations of a period, as a file",
}


def data_operations(
    context: ApiContext,
    forms: dict[str, tuple[str, ...]],
    options: dict[str, tuple[str, ...]],
    content: dict[str, bytes],
) -> list[Operation]:
    """One for each address below /api."""
    number = min(context.store.graph.datastreams, default=1)
    return [_operation(name, forms[name], options[name], content, number) for name in forms]


def _operation(
    name: str, forms: tuple[str, ...], options: tuple[str, ...], content: dict[str, bytes], number: int
) -> Operation:
    usual = "csv" if name == "observations" else "json"
    schemas = {
        "json": _JSON[name](), "geojson": reference("FeatureCollection"), "csvw": {"type": "object", "required": ["tableSchema"]},
    }  # fmt: skip
    contents = {content[form].decode(): schemas.get(form, _TEXT) for form in forms}
    answers = {200: Answer("One row for each.", contents, ("Content-Disposition",))}
    if name == "latest":
        answers[200] = Answer("One row for each Datastream.", contents, ("Content-Disposition", "ETag"))
        answers[304] = Answer("Nothing has changed since that ETag.", headers=("ETag",))
    if name == "observations":
        answers[200] = Answer("Made while it is sent.", contents, ("Content-Disposition", "Link"))
    chosen = Parameter(**{**_fields(_OF["datastream"]), "examples": (str(number),)})
    return Operation(
        "GET", f"/api/{name}", f"get{name.capitalize()}", "data", _SUMMARY[name], answers,
        f"Say which by datastream, thing, property, kind, origin or licence, together those that fit all; at most {MOST_STREAMS} Datastreams. "
        "Publisher, licence, attribution, origin and units (UCUM) are inside.",
        parameters=(
            chosen, *(_OF[name] for name in ("thing", "property", "kind", "origin", "licence")),
            Parameter("format", {"enum": list(forms)}, f"{usual} where nothing is said."),
            *(_OF[name] for name in options),
        ),
        errors=READ_ERRORS,
    )  # fmt: skip


def _fields(one: Parameter) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


def _about(**more: Schema) -> dict[str, Any]:
    names = ("publisher", "licence", "attribution", "origin", "units")
    return {
        "type": "object", "required": ["value"],
        "properties": {**dict.fromkeys(names, _TEXT), **more}, "additionalProperties": False,
    }  # fmt: skip


def _column(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_timestamp(kind):
        return {"anyOf": [reference("Instant"), {"type": "null"}]}
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return {"type": [_TYPES[str(kind)], "null"]}


def _row(schema: pa.Schema, leave_out: tuple[str, ...], **more: Schema) -> dict[str, Any]:
    columns = {field.name: _column(field.type) for field in schema if field.name not in leave_out}
    columns["age_s" if "age_s" in columns else "id"] |= {
        "description": "Seconds since then." if "age_s" in columns else "Its number."
    }
    return {
        "type": "object", "required": list({**columns, **more}), "properties": {**columns, **more},
        "additionalProperties": False,
    }  # fmt: skip


def _latest() -> dict[str, Any]:
    place = {
        "type": ["array", "null"],
        "items": {"type": "number"},
        "description": "Longitude, latitude in degrees, WGS 84.",
    }
    row = _row(latest.SCHEMA, ("other", "lon", "lat"), position=place, result={"description": "In the unit."})
    row["properties"]["phenomenonTime"] = {"anyOf": [reference("InstantOrPeriod"), {"type": "null"}]}
    return _about(time=reference("Instant"), value={"type": "array", "items": row})


def _aggregates() -> dict[str, Any]:
    instant = {"type": "string", "format": "date-time", "description": "With the offset of the zone."}
    row = {
        "type": "object", "required": ["datastream", "start", "end"],
        "properties": {
            "datastream": {"type": "integer"}, "start": instant, "end": instant,
            **{name: {"type": ["number", "null"]} for name in aggregates.VALUES},
        },
        "additionalProperties": {"type": ["number", "null"], "description": "A percentile."},
    }  # fmt: skip
    texts = ("name", "thing_name", "property", "unit")
    stream = {
        "type": "object", "required": ["id", "thing", *texts],
        "properties": {"id": {"type": "integer"}, "thing": {"type": "integer"}, **dict.fromkeys(texts, _TEXT)},
    }  # fmt: skip
    return _about(
        interval=_TEXT,
        zone=_TEXT,
        datastreams={"type": "array", "items": stream},
        value={"type": "array", "items": row},
    )


def _observations() -> dict[str, Any]:
    row = _row(observations.SCHEMA, (), other={"description": "A result that is no number, or null."})
    return _about(value={"type": "array", "items": row})


_JSON = {"latest": _latest, "aggregates": _aggregates, "observations": _observations}
