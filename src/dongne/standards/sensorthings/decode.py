"""Entities from SensorThings JSON: drafts without ids, with links to what exists and drafts of what is to be made."""

from typing import Any

import msgspec

from dongne.model.entities import OM_MEASUREMENT
from dongne.model.errors import BadInput
from dongne.standards.sensorthings.options import LARGEST_ID
from dongne.standards.sensorthings.schema import OBSERVATIONS, SETS, EntitySet, Kind

DEEPEST_INSERT = 8
_DEFAULTS: dict[tuple[str, str], Any] = {("Datastreams", "observationType"): OM_MEASUREMENT}


class Draft(msgspec.Struct):
    """An entity to be: values by wire name; for each navigation the ids of what exists and drafts of what does not.

    `place` is where it stood in the request, for messages.
    """

    entity_set: EntitySet
    values: dict[str, Any]
    links: dict[str, list["int | Draft"]]
    place: str = "$"


def decode_json(body: bytes) -> Any:
    """Any JSON. Raises BadInput with the byte where it goes wrong."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"the body is not JSON: {error}; check it with a JSON validator", reason="json") from None


def draft_of(document: Any, entity_set: EntitySet, place: str, depth: int) -> Draft:
    """The draft of a decoded object. Control annotations are left aside, and what devices send beside an Observation."""
    if not isinstance(document, dict):
        raise BadInput(f"{place}: expected an object of {entity_set.one}, found {_sort(document)}", reason="json")
    if depth > DEEPEST_INSERT:
        raise BadInput(f"{place}: nested deeper than {DEEPEST_INSERT} levels; create the inner ones on their own")
    check_names(document, entity_set, place)
    values = {
        name: _value(document[name], name, info.kind, f"{place}.{name}")
        for name, info in entity_set.properties.items()
        if name in document and info.kind is not Kind.COMPUTED
    }
    for name in entity_set.required:
        if values.get(name) is None and (name != "result" or name not in values):
            raise BadInput(f"{place}: {entity_set.one} needs {name!r}; add it", reason="missing")
    for (set_name, name), value in _DEFAULTS.items():
        if set_name == entity_set.name:
            values.setdefault(name, value)
    links = {
        name: _links(document[name], SETS[way.target], way.many, f"{place}.{name}", depth)
        for name, way in entity_set.navigations.items()
        if document.get(name) is not None
    }
    return Draft(entity_set, values, links, place)


def check_names(document: dict[str, Any], entity_set: EntitySet, place: str) -> None:
    """Raises BadInput for a member that an entity does not have: it was most likely meant to be one that it has."""
    if entity_set is OBSERVATIONS:
        return
    for name in document:
        if (
            name not in entity_set.properties
            and name not in entity_set.navigations
            and "@" not in name
            and name != "id"
        ):
            there = ", ".join((*entity_set.properties, *entity_set.navigations))
            raise BadInput(
                f"{place}.{name[:40]}: {entity_set.one} has no such member; it has: {there}. What is your own goes "
                "into `properties`",
                reason="json",
            )


def changes_of(document: Any, entity_set: EntitySet, place: str) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """Of a PATCH or PUT: the values that are said, and the ids to which links are to lead. Control annotations and unknown
    members are left aside; an entity inside needs an `@iot.id`, and whatever else it says is left aside too."""
    if not isinstance(document, dict):
        raise BadInput(f"{place}: expected an object, found {_sort(document)}", reason="json")
    values = {
        name: _value(document[name], name, info.kind, f"{place}.{name}")
        for name, info in entity_set.properties.items()
        if name in document and info.kind is not Kind.COMPUTED
    }
    links = {
        name: _ids_of(document[name], way.many, f"{place}.{name}")
        for name, way in entity_set.navigations.items()
        if document.get(name) is not None
    }
    return values, links


def _ids_of(value: Any, many: bool, place: str) -> list[int]:
    items = value if isinstance(value, list) else [value]
    if not many and len(items) != 1:
        raise BadInput(f"{place}: expected one entity, found a list of {len(items)}", reason="json")
    ids = []
    for row, item in enumerate(items):
        if not isinstance(item, dict) or "@iot.id" not in item:
            raise BadInput(
                f'{place}[{row}]: a change only links what is there: {{"@iot.id": 3}}; create new entities with POST',
                reason="json",
            )
        ids.append(entity_id(item["@iot.id"], f"{place}[{row}]"))
    return ids


def _sort(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
    return "an object"


def _value(value: Any, name: str, kind: Kind, place: str) -> Any:
    if value is None:
        return None
    if kind in (Kind.TEXT, Kind.TIME, Kind.PERIOD) and not isinstance(value, str):
        raise BadInput(f"{place}: expected a text, found {_sort(value)}", reason="json")
    if name in ("properties", "parameters", "unitOfMeasurement", "location", "feature") and not isinstance(value, dict):
        raise BadInput(f"{place}: expected an object, found {_sort(value)}", reason="json")
    return value


def _links(value: Any, target: EntitySet, many: bool, place: str, depth: int) -> list["int | Draft"]:
    if isinstance(value, list):
        if not many and len(value) != 1:
            raise BadInput(f"{place}: expected one {target.type_name}, found a list of {len(value)}", reason="json")
        return [_link(item, target, f"{place}[{row}]", depth) for row, item in enumerate(value)]
    return [_link(value, target, place, depth)]


def _link(value: Any, target: EntitySet, place: str, depth: int) -> "int | Draft":
    if isinstance(value, dict) and "@iot.id" in value:
        return entity_id(value["@iot.id"], place)
    return draft_of(value, target, place, depth + 1)


def entity_id(value: Any, place: str) -> int:
    """An `@iot.id`. Raises BadInput where it is no whole number."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_ID:
        raise BadInput(f"{place}: @iot.id is {str(value)[:40]!r}; ids here are whole numbers", reason="json")
    return value
