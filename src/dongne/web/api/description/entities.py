"""JSON Schemas of the entity sets, made of the one table that parsers, JSON and SQL have too (`standards.sensorthings.schema`).

For each type there are four: as it is answered (nothing is sure to be there, as `$select` may leave it out), as it is sent to
be made (`New...`, and `Inner...` inside another), and as it is sent to be changed (`Changed...`).
"""

from collections.abc import Iterable
from typing import Any

from dongne.model.entities import ENTITY_CLASSES, OM_COMPLEX, OM_MEASUREMENT
from dongne.model.tasks import TASK_STATES
from dongne.standards.openapi import Schema, reference
from dongne.standards.sensorthings.decode import DEEPEST_INSERT
from dongne.standards.sensorthings.observations import COMPONENTS
from dongne.standards.sensorthings.options import LARGEST_ID
from dongne.standards.sensorthings.schema import (
    FEATURES_OF_INTEREST,
    OBSERVATIONS,
    SETS,
    TASKS,
    EntitySet,
    Kind,
    PropertyInfo,
)
from dongne.web.api.changes.ties import TO_MANY, TO_ONE, find_way_back

_INSTANT = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:\d{2})"
_TEXT: Schema = {"type": "string"}
_OBJECT: Schema = {"type": "object"}
ID: Schema = {
    "type": "integer",
    "minimum": 0,
    "maximum": LARGEST_ID,
    "description": "Given by the service, unique in its set.",
}
LINK: Schema = {
    "type": "object",
    "description": "A link to an entity that is there; other members are left aside.",
    "required": ["@iot.id"],
    "properties": {"@iot.id": reference("Id")},
    "examples": [{"@iot.id": 1}],
}
TIMES: dict[str, Schema] = {
    "Instant": {
        "type": "string", "format": "date-time", "description": "ISO 8601 with a zone; answered in UTC (Z).",
        "examples": ["2026-05-01T08:30:00Z"],
    },
    "Period": {
        "type": "string", "pattern": f"^{_INSTANT}/{_INSTANT}$",
        "description": "Two instants, the first not after the second.",
        "examples": ["2026-05-01T08:00:00Z/2026-05-01T09:00:00Z"],
    },
    "InstantOrPeriod": {"anyOf": [reference("Instant"), reference("Period")]},
}  # fmt: skip
_UNIT: Schema = {
    "type": "object",
    "description": "The symbol, or the end of the definition, is the UCUM code. All are null where there is no unit.",
    "properties": {name: {"type": ["string", "null"]} for name in ("name", "symbol", "definition")},
    "examples": [{"name": "percent", "symbol": "%", "definition": "http://unitsofmeasure.org/%"}],
}
_GEOJSON: Schema = {
    "type": "object",
    "description": "A GeoJSON geometry or Feature (RFC 7946): longitude, latitude in degrees, WGS 84.",
    "examples": [{"type": "Point", "coordinates": [24.94, 60.17]}],
}
# Properties about which more is known than their Kind, by wire name.
_OF_NAME: dict[str, Schema] = {
    "name": {"type": "string", "description": "For people; names may repeat."},
    "definition": {"type": "string", "description": "A URI that says what is observed."},
    "encodingType": {"type": "string", "description": "The media type of the property beside it."},
    "observationType": {"type": "string", "description": "What a result is.", "examples": [OM_MEASUREMENT, OM_COMPLEX]},
    "unitOfMeasurement": reference("Unit"),
    "unitOfMeasurements": {"type": "array", "items": reference("Unit"), "description": "In the order of a result's values."},
    "multiObservationDataTypes": {"type": "array", "items": _TEXT, "description": "In the order of a result's values."},
    "location": _GEOJSON,
    "feature": _GEOJSON,
    "metadata": {"description": "Any JSON, of the media type that encodingType says."},
    "state": {"enum": list(TASK_STATES), "description": "How far the Task is."},
    "creationTime": reference("Instant"),
    "stateTime": reference("Instant"),
    "resultTime": reference("Instant"),
    "validTime": reference("Period"),
    "time": reference("Instant"),
    "resultQuality": {"description": "Any JSON."},
    "observedArea": _GEOJSON,
    "taskingParameters": {"type": "object", "description": "Of a TaskingCapability: JSON Schema. Of a Task: what is asked for."},
    "properties": {"type": "object", "description": "What else is known; `access` is public, internal or personal."},
}  # fmt: skip
_RESULT: Schema = {"description": "A number in the Datastream's unit mostly; any JSON; of a MultiDatastream a list."}


def shared_schemas() -> dict[str, Schema]:
    """All of them by name."""
    found: dict[str, Schema] = {"Id": ID, "Link": LINK, "Unit": _UNIT, **TIMES}
    for entity_set in SETS.values():
        name = entity_set.type_name
        found[name] = answered(entity_set)
        found[f"{name}Page"] = page_of(reference(name))
        found[f"New{name}"] = new(entity_set)
        found[f"Inner{name}"] = inner(entity_set)
        found[f"Changed{name}"] = changed(entity_set)
    found["References"] = page_of({"type": "object", "properties": {"@iot.selfLink": _address("Of the entity.")}})
    found["DataArrays"] = page_of(_data_array())
    return found


def page_of(items: Schema) -> dict[str, Any]:
    """A set: so many of its entities, and where the next ones are."""
    return {
        "type": "object",
        "required": ["value"],
        "properties": {
            "@iot.count": {
                "type": "integer",
                "minimum": 0,
                "description": "How many there are in all, with $count=true.",
            },
            "value": {"type": "array", "items": dict(items)},
            "@iot.nextLink": _address("Of the next page; missing on the last."),
        },
        "additionalProperties": False,
    }


def _address(about: str) -> dict[str, Any]:
    return {"type": "string", "format": "uri", "description": about}


def _data_array() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["Datastream", "components", "dataArray"],
        "properties": {
            "Datastream": reference("Link"),
            "components": {"type": "array", "items": {"enum": ["id", *COMPONENTS]}},
            "dataArray@iot.count": {"type": "integer", "minimum": 0},
            "dataArray": {"type": "array", "items": {"type": "array"}},
        },
    }


def property_schema(entity_set: EntitySet, info: PropertyInfo) -> Schema:
    """What the value of a property is."""
    if info.kind is Kind.RESULT:
        return _RESULT
    if info.name in _OF_NAME and (info.kind is not Kind.COMPUTED or info.name == "observedArea"):
        return _OF_NAME[info.name]
    match info.kind:
        case Kind.TIME:
            return reference("InstantOrPeriod")
        case Kind.PERIOD | Kind.COMPUTED:
            return reference("Period")
        case Kind.JSON:
            return _OBJECT
    return _TEXT


def may_be_null(entity_set: EntitySet, info: PropertyInfo) -> bool:
    """Whether an answer may have no value there."""
    if info.kind is Kind.COMPUTED or info.name == "properties":
        return True
    return entity_set is OBSERVATIONS and info.name != "phenomenonTime"


def answered(entity_set: EntitySet) -> dict[str, Any]:
    """An entity as it is answered. `$select` leaves members out, and of a list it may take a part, as an object."""
    members: dict[str, Any] = {"@iot.id": reference("Id"), "@iot.selfLink": _address("Of this entity.")}
    for name, info in entity_set.properties.items():
        schema = dict(property_schema(entity_set, info))
        if schema.get("type") == "array":
            schema = {"anyOf": [schema, _OBJECT]}
        if may_be_null(entity_set, info) and (set(schema) & {"type", "$ref", "anyOf"}):
            schema = {"anyOf": [schema, {"type": "null"}]}
        members[name] = schema
    for name, way in entity_set.navigations.items():
        target = reference(SETS[way.target].type_name)
        members[f"{name}@iot.navigationLink"] = _address(f"Of its {name}.")
        if way.many:
            members[name] = {"type": "array", "items": target, "description": "With $expand."}
            members[f"{name}@iot.count"] = {"type": "integer", "minimum": 0}
            members[f"{name}@iot.nextLink"] = _address(f"Of its further {name}.")
        else:
            members[name] = {"anyOf": [target, {"type": "null"}], "description": "With $expand."}
    return {"type": "object", "description": _about(entity_set), "properties": members, "additionalProperties": False}


def _about(entity_set: EntitySet) -> str:
    if entity_set.entity_type is None:
        return ""
    return " ".join((ENTITY_CLASSES[entity_set.entity_type].__doc__ or "").split("\n\n")[0].split())


def _settable(entity_set: EntitySet) -> Iterable[tuple[str, Schema]]:
    for name, info in entity_set.properties.items():
        if info.kind is Kind.COMPUTED or (entity_set is TASKS and name in ("creationTime", "stateTime", "state")):
            continue
        yield name, property_schema(entity_set, info)


def new(entity_set: EntitySet) -> dict[str, Any]:
    """An entity as it is sent to be made: with what hangs on it, new or linked. What it can't be without beside its own
    properties says `new_at`, as that depends on where it is sent. Members that nobody knows are left aside."""
    ways = [name for name, way in entity_set.navigations.items() if SETS[way.target] is not TASKS]
    about = f"A new {entity_set.type_name}. All of it is stored or nothing."
    return _object(entity_set, ways, about)


def inner(entity_set: EntitySet) -> dict[str, Any]:
    """A new entity inside another: with the links that it can't be without. Any others may be said there too, which is not
    written out here: schemas that contain themselves are hard on readers and programs."""
    about = f"A new {entity_set.type_name} inside another; further ones inside as in New{entity_set.type_name}, up to {DEEPEST_INSERT} levels."
    return _object(entity_set, [name for name in needed_links(entity_set) if entity_set is not OBSERVATIONS], about)


def _object(entity_set: EntitySet, ways: Iterable[str], about: str) -> dict[str, Any]:
    members = {name: dict(schema) for name, schema in _settable(entity_set)}
    for name in ways:
        linked = _linked_or_new(entity_set, name)
        members[name] = {"type": "array", "items": linked} if entity_set.navigations[name].many else linked
    required = [name for name in entity_set.required if name in members]
    return {"type": "object", "description": about, "required": required, "properties": members}


def _linked_or_new(entity_set: EntitySet, name: str) -> dict[str, Any]:
    """The schema of one entity at the end of a way."""
    target = SETS[entity_set.navigations[name].target]
    if entity_set is TASKS or (entity_set is OBSERVATIONS and target is not FEATURES_OF_INTEREST):
        return reference("Link")
    needed = needed_links(target, entity_set if find_way_back(entity_set, name) else None)
    new_one = reference(f"Inner{target.type_name}")
    made = {"allOf": [new_one, {"required": needed}]} if needed else new_one
    return made if target is OBSERVATIONS else {"anyOf": [reference("Link"), made]}


def needed_links(entity_set: EntitySet, source: EntitySet | None = None) -> list[str]:
    """The links without which an entity can't be, beside that to the entity from which the path leads here."""
    if entity_set is OBSERVATIONS:
        return [] if source is not None and source.name != "FeaturesOfInterest" else ["Datastream"]
    if entity_set is TASKS:
        return [] if source is not None else ["TaskingCapability"]
    needed = [name for set_name, name in TO_ONE if set_name == entity_set.name]
    needed += [name for set_name, name in TO_MANY if set_name == entity_set.name and set_name != "Things"]
    back = (
        None
        if source is None
        else next((n for n, w in entity_set.navigations.items() if w.target == source.name), None)
    )
    return [name for name in needed if name != back]


def new_at(entity_set: EntitySet, source: EntitySet | None = None) -> dict[str, Any]:
    """A new entity with the links that it needs where it is sent."""
    needed = needed_links(entity_set, source)
    schema = reference(f"New{entity_set.type_name}")
    return {"allOf": [schema, {"required": needed}]} if needed else schema


def changed(entity_set: EntitySet) -> dict[str, Any]:
    """An entity as PATCH has it: what is said is so from now on."""
    if entity_set is TASKS:
        return {
            "type": "object",
            "required": ["state"],
            "properties": {
                "state": _OF_NAME["state"],
                "properties": {
                    "type": "object",
                    "properties": {"reason": {"type": "string", "description": "Why it is so."}},
                },
            },
        }
    members: dict[str, Any] = {name: dict(schema) for name, schema in _settable(entity_set)}
    for name, way in entity_set.navigations.items():
        if SETS[way.target].entity_type is not None:
            members[name] = {"type": "array", "items": reference("Link")} if way.many else reference("Link")
    return {"type": "object", "properties": members}
