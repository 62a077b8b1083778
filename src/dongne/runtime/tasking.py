"""Tasks checked before they are taken: parameters against the capability's schema, and interlocks against the city as it is.

`taskingParameters` of a TaskingCapability are a JSON Schema (2020-12), or the DataRecord of SWE Common that the standard's
examples have (17-079r1, clause 8.2.1), which is read as one.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from datetime import time as clock_time
from math import isnan
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from dongne.model.entities import TaskingCapability
from dongne.model.errors import BadInput, Conflict
from dongne.model.tasks import Task
from dongne.model.times import to_us
from dongne.runtime.ports import LatestValue

MOST_SCHEMA_BYTES = 65_536
MOST_PARAMETER_BYTES = 16_384
MOST_INTERLOCKS = 20
_SWE_TYPES = {"Quantity": "number", "Count": "integer", "Boolean": "boolean", "Text": "string", "Category": "string"}
_INTERLOCKS = ("when", "not_while_task", "min_interval_s", "hours")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class Seen(Protocol):
    """What interlocks look at; a Store is one."""

    def latest(self, datastream: int) -> LatestValue | None:
        """The newest Observation."""

    def list_tasks(self, thing: int | None = None, is_open: bool | None = None, limit: int = 200) -> list[Task]:
        """Newest first."""


# --- parameters ---------------------------------------------------------------------------------------------------


def schema_of(capability: TaskingCapability) -> dict[str, Any]:
    """The JSON Schema of a Task's parameters."""
    said = capability.tasking_parameters
    return record_schema(said, 1) if said.get("type") == "DataRecord" else said


def record_schema(record: dict[str, Any], depth: int) -> dict[str, Any]:
    """The JSON Schema of a DataRecord. Raises BadInput naming the field that cannot be read."""
    fields = record.get("field", record.get("fields"))
    if not isinstance(fields, list) or depth > 8:
        raise BadInput("taskingParameters: a DataRecord has a list 'field', at most 8 levels deep", reason="schema")
    properties: dict[str, Any] = {}
    required = []
    for place, field in enumerate(fields):
        if not isinstance(field, dict) or not isinstance(field.get("name"), str):
            raise BadInput(f"taskingParameters.field[{place}]: needs a 'name'; add it", reason="schema")
        properties[field["name"]] = _field_schema(field, depth)
        if field.get("optional") not in (True, "true"):
            required.append(field["name"])
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _field_schema(field: dict[str, Any], depth: int) -> dict[str, Any]:
    if field.get("type") == "DataRecord":
        return record_schema(field, depth + 1)
    found: dict[str, Any] = {}
    if kind := _SWE_TYPES.get(str(field.get("type"))):
        found["type"] = kind
    constraint = field.get("constraint")
    if not isinstance(constraint, dict):
        return found
    choices: list[dict[str, Any]] = []
    if isinstance(values := constraint.get("value"), list):
        choices.append({"enum": values})
    intervals = constraint.get("interval", [])
    if isinstance(intervals, list) and len(intervals) == 2 and not isinstance(intervals[0], list):
        intervals = [intervals]
    for interval in intervals:
        if not isinstance(interval, list) or len(interval) != 2:
            raise BadInput(f"taskingParameters: an interval of {field['name']!r} is [low, high]", reason="schema")
        choices.append({"minimum": interval[0], "maximum": interval[1]})
    if choices:
        found["anyOf"] = choices
    return found


def check_capability(capability: TaskingCapability, place: str = "$") -> None:
    """Raises BadInput where the schema or an interlock of a TaskingCapability cannot be used."""
    where = f"{place}.taskingParameters"
    if not isinstance(capability.tasking_parameters, dict):
        raise BadInput(f"{where}: expected an object, a JSON Schema or a DataRecord", reason="schema")
    if len(msgspec.json.encode(capability.tasking_parameters)) > MOST_SCHEMA_BYTES:
        raise BadInput(f"{where}: longer than {MOST_SCHEMA_BYTES} bytes; make it shorter", reason="schema")
    schema = schema_of(capability)
    for reference in _list_references(schema):
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise BadInput(
                f"{where}: {str(reference)[:80]!r} leads elsewhere; only '#/...' is followed", reason="schema"
            )
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise BadInput(
            f"{where}{error.json_path[1:]}: {error.message[:200]}; JSON Schema 2020-12", reason="schema"
        ) from None
    except RecursionError:
        raise BadInput(f"{where}: nested too deeply; make it flatter", reason="schema") from None
    interlocks = capability.properties.get("interlocks", [])
    if not isinstance(interlocks, list) or len(interlocks) > MOST_INTERLOCKS:
        raise BadInput(
            f"{place}.properties.interlocks: expected a list of at most {MOST_INTERLOCKS}", reason="interlock"
        )
    for row, interlock in enumerate(interlocks):
        _check_interlock(interlock, f"{place}.properties.interlocks[{row}]")


def _list_references(schema: Any) -> Iterator[Any]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name in _REFERENCES:
                yield value
            yield from _list_references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _list_references(value)


def check_parameters(capability: TaskingCapability, parameters: Any, place: str = "$.taskingParameters") -> None:
    """Raises BadInput naming the place in the parameters which the capability's schema does not allow."""
    if not isinstance(parameters, dict):
        raise BadInput(f"{place}: expected an object", reason="parameters")
    if len(msgspec.json.encode(parameters)) > MOST_PARAMETER_BYTES:
        raise BadInput(f"{place}: longer than {MOST_PARAMETER_BYTES} bytes; ask for less", reason="parameters")
    try:
        validator = Draft202012Validator(schema_of(capability), registry=Registry())
        error = next(iter(sorted(validator.iter_errors(parameters), key=lambda found: found.json_path)), None)
    except (Unresolvable, RecursionError):
        raise BadInput(
            f"TaskingCapability {capability.id}: its schema refers to what is not there; correct its taskingParameters",
            reason="schema",
        ) from None
    if error is not None:
        raise BadInput(
            f"{place}{error.json_path[1:]}: {error.message[:200]}; TaskingCapabilities({capability.id})/taskingParameters "
            "says what can be asked for",
            reason="parameters",
        )


# --- interlocks ---------------------------------------------------------------------------------------------------


def _check_interlock(interlock: Any, place: str) -> None:
    kinds = [name for name in _INTERLOCKS if name in interlock] if isinstance(interlock, dict) else []
    if len(kinds) != 1:
        raise BadInput(f"{place}: an interlock is an object with one of {', '.join(_INTERLOCKS)}", reason="interlock")
    said = interlock[kinds[0]]
    match kinds[0]:
        case "when":
            limits = [said.get(name) for name in ("above", "below") if name in said] if isinstance(said, dict) else []
            fits = bool(limits) and all(map(_is_number, limits)) and isinstance(said.get("datastream"), int)
            form = '{"datastream": 7, "above": 30} or "below"'
        case "not_while_task":
            fits, form = isinstance(said, int), "the id of a TaskingCapability"
        case "min_interval_s":
            fits, form = _is_number(said) and said > 0, "seconds, more than 0"
        case _:
            fits, form = _hours(said) is not None, '["06:00", "22:00"]'
    if not fits:
        raise BadInput(f"{place}.{kinds[0]}: expected {form}", reason="interlock")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _hours(said: Any) -> tuple[clock_time, clock_time] | None:
    try:
        first, last = (clock_time.fromisoformat(one) for one in said)
    except (TypeError, ValueError):
        return None
    return first, last


def check_interlocks(capability: TaskingCapability, seen: Seen, now: datetime, zone: ZoneInfo) -> None:
    """Raises Conflict naming the first interlock that does not allow a new Task now. What can't be known refuses."""
    interlocks = capability.properties.get("interlocks", [])
    if not interlocks:
        return
    open_tasks = seen.list_tasks(is_open=True, limit=10_000)
    for row, interlock in enumerate(interlocks):
        why = _why_not(capability, interlock, seen, open_tasks, now, zone)
        if why:
            said = f"; {interlock['refuse']}" if isinstance(interlock.get("refuse"), str) else ""
            raise Conflict(
                f"interlock {row} of TaskingCapability {capability.id} refuses this now: {why}{said}",
                reason="interlock",
            )


def _why_not(
    capability: TaskingCapability, interlock: dict[str, Any], seen: Seen, open_tasks: Sequence[Task], now: datetime,
    zone: ZoneInfo,
) -> str:  # fmt: skip
    if "when" in interlock:
        return _why_value(interlock["when"], seen)
    if "not_while_task" in interlock:
        busy = [task.id for task in open_tasks if task.capability_id == interlock["not_while_task"]]
        return f"Task {busy[0]} of TaskingCapability {interlock['not_while_task']} is not done" if busy else ""
    if "min_interval_s" in interlock:
        theirs = [t for t in seen.list_tasks(thing=capability.thing_id) if t.capability_id == capability.id]
        least_s = float(interlock["min_interval_s"])
        passed_s = (to_us(now) - to_us(theirs[0].created)) / 1e6 if theirs else least_s
        return f"the last Task was {passed_s:.0f} s ago, not {least_s:g} s" if passed_s < least_s else ""
    hours = _hours(interlock.get("hours"))
    if hours is None:
        return "it is of a kind that is not known here"
    first, last = hours
    local = now.astimezone(zone).time()
    inside = first <= local < last if first <= last else local >= first or local < last
    return "" if inside else f"it is {local:%H:%M}, not between {first:%H:%M} and {last:%H:%M}"


def _why_value(when: dict[str, Any], seen: Seen) -> str:
    latest = seen.latest(when["datastream"])
    if latest is None or isnan(latest.result):
        return f"Datastream {when['datastream']} has no value"
    if "above" in when and latest.result > when["above"]:
        return f"Datastream {when['datastream']} is {latest.result:g}, above {when['above']:g}"
    if "below" in when and latest.result < when["below"]:
        return f"Datastream {when['datastream']} is {latest.result:g}, below {when['below']:g}"
    return ""
