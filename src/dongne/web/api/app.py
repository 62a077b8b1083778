"""The API as one ASGI app. What is hot is recognised by its path before anything else is looked at."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from dongne.model.access import PUBLIC, Sight
from dongne.model.errors import DongneError, NotFound, WrongMethod
from dongne.model.who import Right
from dongne.runtime.ledger import DEEP_INSERT, SINGLE
from dongne.standards.sensorthings.batch import json_answers, multipart_answers
from dongne.web.api import events as event_streams
from dongne.web.api import metrics, status, webhook_operations
from dongne.web.api.batch import Batches
from dongne.web.api.changes.changer import Asked, Changer, decoded
from dongne.web.api.changes.methods import POSTED, READ, check_method
from dongne.web.api.context import ApiContext, Receive, Scope, Send
from dongne.web.api.data import Data, data_operations
from dongne.web.api.description import document
from dongne.web.api.description.document import Description
from dongne.web.api.events import Events
from dongne.web.api.homes import ROOT as HOMES
from dongne.web.api.homes import HomesApi
from dongne.web.api.http import (
    OPEN,
    SINGLE_PATH,
    Gone,
    check_form,
    check_write,
    read_body,
    send_bytes,
    send_error,
    send_json,
)
from dongne.web.api.ingest import Ingest, NotPlain
from dongne.web.api.metrics import send_metrics
from dongne.web.api.preflight import preflight
from dongne.web.api.read import Reads, decoded_path, options_of
from dongne.web.api.status import status_document
from dongne.web.api.tasks import PATH as TASK_PATH
from dongne.web.api.tasks import Tasks
from dongne.web.api.webhooks import WebhookApi

log = logging.getLogger(__name__)
ROOT = "/v1.1"
HOOKS = "/api/webhooks"


def create_api(context: ApiContext) -> "Api":
    """The app. It answers /v1.1, /events/observations, /events/cases, /metrics and /status, and 404 elsewhere."""
    return Api(context)


class Api:
    """See create_api."""

    def __init__(self, context: ApiContext) -> None:
        self.context = context
        self.ingest = Ingest(context)
        self.changer = Changer(context)
        self._tasks = Tasks(context)
        self._reads = Reads(context)
        self._data = Data(context)
        self._batches = Batches(context, self.changer, self._reads.answer)
        self.events = Events(context)
        self.homes = HomesApi(context, context.homes) if context.homes else None
        self._webhooks = WebhookApi(context, context.webhooks) if context.webhooks else None
        self._started_us = context.store.clock.now_us()
        self.description = Description(
            context,
            (
                lambda: document.OPERATIONS,
                lambda: data_operations(context),
                lambda: event_streams.OPERATIONS,
                lambda: metrics.OPERATIONS,
                lambda: status.OPERATIONS,
                lambda: webhook_operations.OPERATIONS if context.webhooks else (),
            ),
        )
        self.fixed: dict[str, Callable[[Scope, Send], Awaitable[None]]] = {
            "/metrics": self._send_metrics,
            "/status": self._send_status,
            document.PATH: self._send_description,
            document.MOVED_PATH: self._send_moved,
        }

    def status(self, sight: Sight = PUBLIC) -> dict[str, Any]:
        """How the city is doing."""
        return status_document(self.context, self._started_us, self.events.listeners, sight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await _lifespan(receive, send)
            return
        if scope["method"] == "POST":
            path = scope["path"]
            found = SINGLE_PATH.fullmatch(path)
            if found or path == "/v1.1/Observations":
                try:
                    await self.ingest.single(scope, receive, send, int(found[1]) if found else None)
                except NotPlain as other:
                    await self._guarded(self.change(scope, send, path[len(ROOT) + 1 :], other.body), scope, send)
                return
        await self._guarded(self._route(scope, receive, send), scope, send)

    async def _guarded(self, work: Awaitable[None], scope: Scope, send: Send) -> None:
        """Whatever goes wrong in it is answered and counted."""
        try:
            await work
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
            await send_bytes(send, 204, b"", preflight(scope, self.context.city.limits.write_origins))
        elif path in self.fixed:
            if method not in READ:
                raise WrongMethod(method, READ)
            await self.fixed[path](scope, send)
        elif path == ROOT or path.startswith(ROOT + "/"):
            await self._sensorthings(scope, receive, send, path[len(ROOT) :].strip("/"))
        elif self._webhooks is not None and (path == HOOKS or path.startswith(HOOKS + "/")):
            await self._webhooks.answer(scope, receive, send, path.removeprefix(HOOKS))
        elif self.homes is not None and (path == HOMES or path.startswith(HOMES + "/")):
            await self.homes.answer(scope, receive, send)
        elif method not in READ:
            raise WrongMethod(method, READ)
        elif path.startswith("/api/"):
            await self._data.get(scope, receive, send, path.removeprefix("/api/"))
        elif path.startswith("/events/") and path.removeprefix("/events/") in event_streams.CHOICE:
            await self.events.stream(scope, receive, send, path.removeprefix("/events/"))
        else:
            raise NotFound(f"there is nothing at {path[:100]!r}; the sets are listed at {ROOT}")

    async def _send_metrics(self, scope: Scope, send: Send) -> None:
        await send_metrics(self.context, send, self.events.listeners, self.events.dropped)

    async def _send_status(self, scope: Scope, send: Send) -> None:
        await send_json(
            send,
            200,
            self.status(self.context.who_of(scope).sight),
            [OPEN, (b"cache-control", b"no-store"), (b"vary", b"Accept")],
        )

    async def _send_description(self, scope: Scope, send: Send) -> None:
        await send_bytes(send, 200, self.description.document(), [OPEN, (b"cache-control", b"no-cache")])

    async def _send_moved(self, scope: Scope, send: Send) -> None:
        address = f"{self.context.public_url(scope)}{document.PATH}".encode()
        await send_bytes(send, 308, b"", [OPEN, (b"location", address)])

    async def _sensorthings(self, scope: Scope, receive: Receive, send: Send, rest: str) -> None:
        method = scope["method"]
        if method in READ and rest not in POSTED:
            await self._reads.get(scope, receive, send, rest)
            return
        check_method(method, rest)
        if rest == "$batch":
            check_form(scope, "multipart/mixed")
            await self._batch(scope, receive, send)
        elif rest in POSTED:
            await self.ingest.data_array(scope, receive, send)
        else:
            body = await read_body(scope, receive, self.context.max_body_bytes)
            if body:
                check_form(scope)
            await self.change(scope, send, rest, body)

    async def _batch(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, self.context.max_body_bytes)
        kind = sent_type_of(scope)
        root = f"{self.context.public_url(scope)}{ROOT}"
        answers = await self._batches.answer(scope, root, body, kind, to_the_end=not _stops_early(scope))
        self.context.requests["batch", 200] += 1
        if kind.lower().startswith("multipart/"):
            boundary = f"batch_{self.context.store.head()}"
            content = f"multipart/mixed; boundary={boundary}".encode()
            await send_bytes(send, 200, multipart_answers(answers, boundary), [OPEN], (b"content-type", content))
        else:
            await send_bytes(send, 200, json_answers(answers), [OPEN])

    async def change(self, scope: Scope, send: Send, rest: str, body: bytes) -> None:
        """A request that makes, changes or deletes entities, answered when that is durable."""
        status, location, answer = await self.changed(scope, rest, body)
        headers = [OPEN] if location is None else [(b"location", location), OPEN]
        await send_bytes(send, status, answer, headers)

    async def changed(self, scope: Scope, rest: str, body: bytes) -> tuple[int, bytes | None, bytes]:
        """The status, the address of what was made, and the body of the answer. Raises DongneError."""
        method = scope["method"]
        if TASK_PATH.search(rest):
            who = check_write(self.context, scope, (Right.TASK,))
            status, made = await self._tasks.change(who, method, rest, decoded(body, method))
            self.context.requests[method.lower(), status] += 1
            return status, f"{self.context.public_url(scope)}{ROOT}/{made}".encode() if made else None, b""
        who = check_write(self.context, scope)
        asked = self._asked(scope, rest, body)
        outcome, receipt = await self.changer.run(
            who,
            lambda work: self.changer.apply(work, asked),
            SINGLE if asked.is_observation else DEEP_INSERT,
            only_observations=asked.is_observation,
        )
        self.context.requests[method.lower(), outcome.status] += 1
        if not outcome.made_in:
            return outcome.status, None, outcome.body
        first = receipt.numbers[-1] if receipt and outcome.is_row else 0
        return outcome.status, outcome.address(f"{self.context.public_url(scope)}{ROOT}", first).encode(), b""

    def _asked(self, scope: Scope, rest: str, body: bytes) -> Asked:
        method = scope["method"]
        bare = Asked(method, rest, options_of(scope), None, content_type_of(scope))
        try:
            return msgspec.structs.replace(bare, document=decoded(body, method))
        except DongneError as error:
            if bare.is_observation:
                self.ingest.singles.count_rejected(error.reason)
            raise


def content_type_of(scope: Scope) -> str:
    """What the body is; JSON where nobody says."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            return str(value.decode("latin-1").strip().lower())
    return "application/json"


def sent_type_of(scope: Scope) -> str:
    """The same in the letters in which it was sent: a boundary has its own."""
    found = (value.decode("latin-1").strip() for name, value in scope["headers"] if name == b"content-type")
    return next(found, "application/json")


def _stops_early(scope: Scope) -> bool:
    """Whether a batch ends at the first part that fails: where the client says so. (OData 4.01, 8.2.8.3, has it stop where
    nobody says; clients of SensorThings send many independent Observations and want an answer for each.)"""
    said = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"prefer"]
    return any("continue-on-error=false" in value.replace(" ", "") for value in said)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
