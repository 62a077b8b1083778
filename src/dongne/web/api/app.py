"""The API as one ASGI app. What is hot is recognised by its path before anything else is looked at."""

import logging

from dongne.model.errors import BadInput, DongneError, NotFound
from dongne.standards.sensorthings.decode import decode_draft
from dongne.standards.sensorthings.options import is_single, parse_path, set_of
from dongne.standards.sensorthings.query import Query, ResourcePath, Row, Want
from dongne.standards.sensorthings.schema import OBSERVATIONS, EntitySet
from dongne.web.api.context import ApiContext, Receive, Scope, Send
from dongne.web.api.create import Creation
from dongne.web.api.events import Events
from dongne.web.api.http import OPEN, SINGLE_PATH, Gone, check_write, read_body, send_bytes, send_error, send_json
from dongne.web.api.ingest import Ingest, in_loop
from dongne.web.api.metrics import send_metrics, send_status
from dongne.web.api.read import Reads, decoded_path

log = logging.getLogger(__name__)
ROOT = "/v1.1"
_PREFLIGHT = [
    OPEN,
    (b"access-control-allow-methods", b"GET, OPTIONS"),
    (b"access-control-allow-headers", b"last-event-id, content-type"),
    (b"access-control-max-age", b"86400"),
]


def create_api(context: ApiContext) -> "Api":
    """The app. It answers /v1.1, /events/observations, /events/cases, /metrics and /status, and 404 elsewhere."""
    return Api(context)


class Api:
    """See create_api."""

    def __init__(self, context: ApiContext) -> None:
        self.context = context
        self.ingest = Ingest(context)
        self._reads = Reads(context)
        self._events = Events(context)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await _lifespan(receive, send)
            return
        if scope["method"] == "POST":
            path = scope["path"]
            if path == "/v1.1/Observations":
                await self.ingest.single(scope, receive, send)
                return
            if found := SINGLE_PATH.fullmatch(path):
                await self.ingest.single(scope, receive, send, int(found[1]))
                return
        try:
            await self._route(scope, receive, send)
        except DongneError as error:
            self.context.requests["other", error.status] += 1
            await send_error(send, error)
        except Gone:
            return
        except Exception:
            log.exception("the API failed at %s %s", scope["method"], scope["path"][:200])
            self.context.requests["other", 500] += 1
            await send_error(send, DongneError("something went wrong here; it is in the log"))

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], decoded_path(scope)
        if method == "OPTIONS":
            await send_bytes(send, 204, b"", _PREFLIGHT)
        elif path == ROOT or path.startswith(ROOT + "/"):
            await self._sensorthings(scope, receive, send, path[len(ROOT) :].strip("/"))
        elif method not in ("GET", "HEAD"):
            await _not_allowed(send, "GET", method)
        elif path in ("/events/observations", "/events/cases"):
            await self._events.stream(scope, receive, send, path.rpartition("/")[2])
        elif path == "/metrics":
            await send_metrics(self.context, send, self._events.listeners, self._events.dropped)
        elif path == "/status":
            await send_status(self.context, send, self._events.listeners)
        else:
            raise NotFound(f"there is nothing at {path[:100]!r}; the sets are listed at {ROOT}")

    async def _sensorthings(self, scope: Scope, receive: Receive, send: Send, rest: str) -> None:
        method = scope["method"]
        if method in ("GET", "HEAD"):
            await self._reads.get(scope, send, rest)
        elif method != "POST":
            await _not_allowed(send, "GET, POST", method)
        elif rest in ("CreateObservations", "$CreateObservations"):
            await self.ingest.data_array(scope, receive, send)
        else:
            await self._create(scope, receive, send, parse_path(rest) if rest else None)

    async def _create(self, scope: Scope, receive: Receive, send: Send, path: ResourcePath | None) -> None:
        if path is None or is_single(path) or path.want is not Want.ENTITIES:
            raise BadInput("POST goes to a set, such as /v1.1/Things or /v1.1/Things(1)/Datastreams", reason="path")
        check_write(self.context, scope)
        target = set_of(path)
        body = await read_body(scope, receive, self.context.max_body_bytes)
        draft = decode_draft(body, target)
        if len(path.steps) > 1:
            before = ResourcePath(path.steps[:-1])
            parent = self.context.select.select(before, Query())
            assert isinstance(parent, Row)
            draft.links[_way_back(set_of(before), target, path.steps[-1].name)] = [parent.id]
        creation = Creation(self.context.store, self.context.intake)
        made = creation.make(draft)
        self.context.intake.count_received(creation.observations)
        try:
            receipt = await in_loop(self.context.store.submit(creation.transaction()))
        except DongneError as error:
            self.context.intake.count_rejected(error.reason, creation.observations, received=False)
            raise
        self.context.intake.count_stored(creation.observations)
        if target is OBSERVATIONS:
            made += receipt.numbers[-1]
        location = f"{self.context.public_url(scope)}{ROOT}/{target.name}({made})"
        self.context.requests["create", 201] += 1
        await send_bytes(send, 201, b"", [(b"location", location.encode()), OPEN])


def _way_back(source: EntitySet, target: EntitySet, way: str) -> str:
    """The navigation of the new entity that leads to the one it was posted to."""
    for name, navigation in target.navigations.items():
        if navigation.target == source.name:
            return name
    raise BadInput(f"a {target.type_name} can't be posted to {way} of a {source.type_name}", reason="path")


async def _not_allowed(send: Send, allowed: str, method: str) -> None:
    document = {"code": 405, "type": "error", "message": f"{method[:20]} is not answered here; allowed: {allowed}"}
    await send_json(send, 405, document, [(b"allow", allowed.encode()), OPEN])


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
