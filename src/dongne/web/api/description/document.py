"""/openapi.json: the description of all that this server answers, made of what the rooms declare."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from dongne import __version__
from dongne.model.who import ROLES, Right
from dongne.standards.openapi import JSON, About, Answer, Operation, Schema, describe
from dongne.standards.sensorthings.schema import SETS
from dongne.web.api.context import ApiContext
from dongne.web.api.description.entities import shared_schemas
from dongne.web.api.description.examples import Examples
from dongne.web.api.description.sensorthings import sensorthings_operations

PATH = "/openapi.json"
MOVED_PATH = "/v1.1/openapi.json"
Declared = Callable[[], Iterable[Operation]]
_SCHEMAS: dict[str, Schema] = {
    "FeatureCollection": {
        "type": "object",
        "description": "GeoJSON (RFC 7946): longitude, latitude in degrees, WGS 84.",
        "required": ["type", "features"],
        "properties": {
            "type": {"const": "FeatureCollection"},
            "features": {"type": "array", "items": {"type": "object"}},
        },
    }
}
_TAGS = {
    "SensorThings": "The service's root, and several requests in one (OGC 18-088, 17-079r1).",
    "data": "Many values in one answer, with licence and attribution inside.",
    "boarding": "How full each car of the next train is: platform lines, GTFS Realtime, GTFS.",
    "events": "Server-sent events as things are stored.",
    "answers": "Questions over the live city.",
    "catalogue": "What open data there are, as DCAT-AP 3.0.",
    "alerts": "What the city warns of, as CAP 1.2.",
    "map": "What the map is made of.",
    "OGC API - Features": "Things, Locations and Datastreams for geographic information systems (17-069r4, 19-079r2).",
    "webhooks": "What is stored, sent to who subscribed.",
    "cases": "What somebody must still do.",
    "status": "How the city is doing.",
}
OPERATIONS = (
    Operation(
        "GET", PATH, "getDescription", "status", "This description",
        {200: Answer("OpenAPI 3.1.", {JSON: {"type": "object", "required": ["openapi", "paths"]}})}, errors=(),
        takes_token=False,
    ),
    Operation(
        "GET", MOVED_PATH, "getDescriptionBelowRoot", "status", "Where this description is",
        {308: Answer("At /openapi.json.", headers=("Location",))}, errors=(), takes_token=False,
    ),
)  # fmt: skip


class Description:
    """The document as bytes; made when it is asked for, and again when the entities have changed: its examples name some."""

    def __init__(self, context: ApiContext, rooms: Sequence[Declared]) -> None:
        self._context, self._rooms = context, list(rooms)
        self._made: tuple[int, bytes] | None = None

    def add(self, declared: Declared) -> None:
        """A further room's operations."""
        self._rooms.append(declared)
        self._made = None

    def operations(self) -> Iterator[Operation]:
        """All that is declared."""
        yield from sensorthings_operations(Examples(self._context))
        for declared in self._rooms:
            yield from declared()

    def document(self) -> bytes:
        """JSON."""
        revision = self._context.store.graph.revision
        if self._made is None or self._made[0] != revision:
            self._made = revision, msgspec.json.encode(describe(self._about(), self.operations()))
        return self._made[1]

    def _about(self) -> About:
        city = self._context.city
        tags = {name: f"The entity set {name} of SensorThings." for name in SETS}
        name = city.name.get("en", city.id)
        return About(
            title=f"{name}: the open interface",
            version=self._context.version or __version__,
            about="Times are ISO 8601 with a zone, answered in UTC. Units are UCUM codes. Places are longitude, latitude in "
            "degrees (WGS 84). Errors are JSON and name the value, its place and what helps.",
            tags={**_TAGS, **tags},
            schemas={**_SCHEMAS, **shared_schemas()},
            roles={right.value: [role for role, (rights, _) in ROLES.items() if right in rights] for right in Right},
            is_open=bool(self._context.who_of({"type": "http", "headers": []}).rights),
        )
