"""What is asked of a city, as values: which request, and how its answer is read. Nothing here sends anything, so that the
plain and the asynchronous client are two thin hands over the same."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from dongne.client.entities import FILLED, SETS, Entity, Observation, Task, TaskingCapability
from dongne.client.errors import BadRequest
from dongne.client.tables import Table, read_arrow

T = TypeVar("T")
E = TypeVar("E", bound=Entity)
ROOT = "/v1.1"
MOST_ROWS = 5_000  # of a data array in one request
MOST_IDS = 2_000  # of Datastreams in one question
JSON = "application/json"
_LOCATION = re.compile(r"\((\d+)\)\s*$")
Rows = Iterable[tuple[datetime | str, float]]


class Call(msgspec.Struct, Generic[T], frozen=True):
    """One request. `read` makes the result of the answer's body and headers."""

    method: str
    path: str
    read: Callable[[bytes, Mapping[str, str]], T]
    params: Mapping[str, str] = {}
    body: bytes = b""
    content_type: str = JSON


class EntityPage(msgspec.Struct, Generic[E], frozen=True):
    """Some entities of a set, the address of the next ones, and how many there are where that was asked."""

    value: list[E]
    next_link: str = msgspec.field(name="@iot.nextLink", default="")
    count: int | None = msgspec.field(name="@iot.count", default=None)


class Sent(msgspec.Struct, frozen=True):
    """What became of Observations sent together, in their order: the id of each, 0 where it was refused; and by place
    why."""

    ids: list[int]
    errors: dict[int, str]


def instant(time: datetime | str) -> str:
    """ISO 8601 with an offset. Raises BadRequest for a datetime without a zone."""
    if isinstance(time, str):
        return time
    if time.tzinfo is None:
        raise BadRequest(0, f"{time} says no zone; give it one, as in time.replace(tzinfo=UTC)")
    return time.isoformat()


def path_under(under: Entity | None) -> str:
    """The path of the one entity whose set is asked for."""
    return "" if under is None else f"{SETS[type(under)]}({under.id})/"


def options(given: Mapping[str, Any]) -> dict[str, str]:
    """`$` options from Python names; what is None is left out."""
    names = {"as_of": "$asOf"}
    return {
        names.get(name, f"${name}"): instant(value)
        if isinstance(value, datetime)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
        for name, value in given.items()
        if value is not None
    }


def _nothing(_body: bytes, _headers: Mapping[str, str]) -> None:
    return None


def _new_id(_body: bytes, headers: Mapping[str, str]) -> int:
    found = _LOCATION.search(headers.get("location", ""))
    return int(found[1]) if found else 0


def list_entities(kind: type[E], under: str, given: Mapping[str, Any]) -> Call[EntityPage[E]]:
    """The first page of a set; `under` is the path of one entity whose set it is, or empty."""
    return Call("GET", f"{ROOT}/{under}{SETS[kind]}", _page_of(kind), options(given))


def next_page(kind: type[E], page: EntityPage[E]) -> Call[EntityPage[E]]:
    """The page after this one."""
    return Call("GET", page.next_link, _page_of(kind))


def _page_of(kind: type[E]) -> Callable[[bytes, Mapping[str, str]], EntityPage[E]]:
    decoder = msgspec.json.Decoder(EntityPage[kind])  # type: ignore[valid-type]  # the class is a value here

    def read(body: bytes, _headers: Mapping[str, str]) -> EntityPage[E]:
        page: EntityPage[E] = decoder.decode(body)
        return page

    return read


def get_entity(kind: type[E], entity_id: int, given: Mapping[str, Any]) -> Call[E]:
    """One entity."""
    return Call("GET", _address(kind, entity_id), lambda body, _: msgspec.json.decode(body, type=kind), options(given))


def create_entity(entity: Entity) -> Call[int]:
    """A new entity, with all that hangs on it; gives its id."""
    return Call("POST", f"{ROOT}/{SETS[type(entity)]}", _new_id, body=encode_entity(entity))


def encode_entity(entity: Entity) -> bytes:
    """JSON as the standard wants it: what must be there is, an entity with an id is a link."""
    return msgspec.json.encode(_document(entity))


def _document(value: Any, place: int = 0) -> Any:
    if isinstance(value, Entity):
        if value.id and place:
            return {"@iot.id": value.id}
        found = {
            name: _document(inner, place + 1)
            for field in msgspec.structs.fields(value)
            if (inner := getattr(value, field.name)) != field.default and not _is_empty(field, inner)
            for name in (field.encode_name,)
        }
        return {**FILLED.get(type(value), {}), **found}
    if isinstance(value, list):
        return [_document(one, place) for one in value]
    return value


def _is_empty(field: msgspec.structs.FieldInfo, value: Any) -> bool:
    return value == [] and field.default_factory is not msgspec.NODEFAULT


def change_entity(kind: type[Entity], entity_id: int, changes: Mapping[str, Any]) -> Call[None]:
    """These members are now so (PATCH)."""
    body = msgspec.json.encode({name: _document(value, 1) for name, value in changes.items()})
    return Call("PATCH", _address(kind, entity_id), _nothing, body=body)


def delete_entity(kind: type[Entity], entity_id: int) -> Call[None]:
    """An entity goes, with what can't be without it."""
    return Call("DELETE", _address(kind, entity_id), _nothing)


def _address(kind: type[Entity], entity_id: int) -> str:
    return f"{ROOT}/{SETS[kind]}({entity_id})"


# --- Observations -------------------------------------------------------------------------------------------------


def send_one(datastream: int, observation: Observation) -> Call[int]:
    """One Observation; gives its id."""
    path = f"{ROOT}/Datastreams({datastream})/Observations"
    return Call("POST", path, _new_id, body=msgspec.json.encode(_document(observation)))


def send_many(rows: Mapping[int, Rows]) -> list[Call[Sent]]:
    """Observations by Datastream as data arrays, in as many requests as it takes."""
    calls: list[Call[Sent]] = []
    groups: list[tuple[int, list[tuple[str, float]]]] = []
    count = 0
    for datastream, found in rows.items():
        part: list[tuple[str, float]] = []
        for time, result in found:
            if count == MOST_ROWS:
                calls.append(_array([*groups, (datastream, part)]))
                groups, part, count = [], [], 0
            part.append((instant(time), result))
            count += 1
        if part:
            groups.append((datastream, part))
    return [*calls, _array(groups)] if groups else calls


def _array(groups: Sequence[tuple[int, list[tuple[str, float]]]]) -> Call[Sent]:
    document = [
        {"Datastream": {"@iot.id": stream}, "components": ["phenomenonTime", "result"], "dataArray": part}
        for stream, part in groups
        if part
    ]
    return Call("POST", f"{ROOT}/CreateObservations", _read_sent, body=msgspec.json.encode(document))


def _read_sent(body: bytes, _headers: Mapping[str, str]) -> Sent:
    ids, errors = [], {}
    for place, said in enumerate(msgspec.json.decode(body, type=list[str])):
        found = _LOCATION.search(said)
        ids.append(int(found[1]) if found else 0)
        if not found:
            errors[place] = said.removeprefix("error: ")
    return Sent(ids, errors)


def together(parts: Sequence[Sent]) -> Sent:
    """One after the other."""
    ids: list[int] = []
    errors: dict[int, str] = {}
    for part in parts:
        errors.update({len(ids) + place: why for place, why in part.errors.items()})
        ids.extend(part.ids)
    return Sent(ids, errors)


# --- tables -------------------------------------------------------------------------------------------------------


def observations(streams: Sequence[int], since: datetime | str | None, until: datetime | str | None) -> Call[Table]:
    """All Observations of Datastreams in [since, until)."""
    return _table("/api/observations", streams, {"from": since, "to": until})


def latest(streams: Sequence[int], given: Mapping[str, str]) -> Call[Table]:
    """The newest Observation of each Datastream."""
    return _table("/api/latest", streams, given)


def aggregates(
    streams: Sequence[int],
    interval: str,
    since: datetime | str,
    until: datetime | str,
    values: Sequence[str],
    zone: str | None,
) -> Call[Table]:
    """Observations by interval."""
    given = {"interval": interval, "from": since, "to": until, "values": ",".join(values), "zone": zone}
    return _table("/api/aggregates", streams, given)


def _table(path: str, streams: Sequence[int], given: Mapping[str, datetime | str | None]) -> Call[Table]:
    if len(streams) > MOST_IDS:
        raise BadRequest(0, f"{len(streams)} Datastreams in one question; at most {MOST_IDS}: ask in parts")
    params = {name: instant(value) for name, value in given.items() if value is not None}
    if streams:
        params["datastream"] = ",".join(map(str, streams))
    return Call("GET", path, lambda body, _: read_arrow(body), {**params, "format": "arrow"})


# --- tasks and events ---------------------------------------------------------------------------------------------


def send_task(capability: int, parameters: Mapping[str, Any]) -> Call[int]:
    """A command to a device; gives the Task's id."""
    task = Task(tasking_parameters=dict(parameters), tasking_capability=TaskingCapability(id=capability))
    return create_entity(task)


def events_path(what: str, streams: Sequence[int], things: Sequence[int], properties: Sequence[str]) -> str:
    """The address of an event stream."""
    chosen = {"datastream": streams, "thing": things, "property": properties}
    found = "&".join(f"{name}={quote(','.join(map(str, some)), safe=',')}" for name, some in chosen.items() if some)
    return f"/events/{what}" + (f"?{found}" if found else "")
