"""The quickest way from the socket to the store: single Observations, and what gateways of homes say, answered by the HTTP
protocol itself.

uvicorn makes a scope, a task and a cycle of messages for each request, which costs more than storing the Observation.
Here a POST of one of them is recognised when its headers are complete, handed to the store when its body is, and
answered after the commit. Everything else goes uvicorn's way; so do requests sent before the last one was answered.

    uvicorn.Config(app, http=append_protocol(api))
"""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dongne.model.errors import DongneError, RetryLater
from dongne.standards.sensorthings.observations import ObservationRow
from dongne.web.api.app import Api
from dongne.web.api.append import Append
from dongne.web.api.context import Door
from dongne.web.api.from_gateways import FromGateway, Replies
from dongne.web.api.homes import LONGEST_MESSAGE, MESSAGES
from dongne.web.api.http import check_form, check_write, too_large
from dongne.web.api.ingest import NotPlain
from dongne.web.api.patience import PatientProtocol

log = logging.getLogger(__name__)
_PATH = re.compile(rb"/v1\.1/(?:Observations|Datastreams\((\d{1,9})\)/Observations)")
_CREATED, _THERE = b"HTTP/1.1 201 Created\r\n", b"HTTP/1.1 200 OK\r\n"
_NO_BODY = b")\r\ncontent-length: 0\r\n"
_MESSAGES = MESSAGES.encode()
_encode = msgspec.json.Encoder().encode


class AppendProtocol(PatientProtocol):
    """uvicorn's protocol with the short way; `api` is set by append_protocol."""

    api: Api
    _opened: "Gate | None" = None
    _replies: "Replies | None" = None
    _idle_since_s = 0.0
    _general: "asyncio.Task[None] | None" = None
    _idle_timer: asyncio.TimerHandle | None = None

    def answered(self) -> None:
        """After an answer: what waits behind it, or the wait for the next request. uvicorn sets and clears a timer for
        each request; here one timer looks from time to time."""
        if self.pipeline or self.flow.read_paused or self.transport.is_closing():
            self.on_response_complete()
            return
        self.server_state.total_requests += 1
        self._idle_since_s = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._look)

    def _look(self) -> None:
        self._idle_timer = None
        if self._is_busy() or self.transport.is_closing() or self.timeout_keep_alive_task is not None:
            return  # the next answer, or uvicorn's own timer, sees to it
        left_s = self._idle_since_s + self.timeout_keep_alive - self.loop.time()
        if left_s <= 0:
            self.transport.close()
        else:
            self._idle_timer = self.loop.call_later(left_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The scope is made only for requests that need one."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.is_reading = True

    def count_slow(self) -> None:
        """One more was ended."""
        self.api.context.rates.refused["slow"] += 1

    def on_headers_complete(self) -> None:
        """Whose request is this?"""
        if self.url == _MESSAGES and self._begin_message():
            return
        found = _PATH.fullmatch(self.url) if self.parser.get_method() == b"POST" else None
        if found is None or self.expect_100_continue or self.root_path or self._is_busy():
            self._go_the_long_way()
            return
        scope: dict[str, Any] = {
            "headers": self.headers, "scheme": self.scheme, "server": self.server, "client": self.client
        }  # fmt: skip
        stream = found[1]
        root = self.api.ingest.observations_at(scope)
        self.cycle = Append(  # type: ignore[assignment]  # it has what uvicorn asks of a cycle
            self, None if stream is None else int(stream), root, self.parser.should_keep_alive()
        )
        try:
            self.cycle.who = check_write(self.api.context, scope)  # type: ignore[attr-defined]  # it is an Append
            self._check_length(self.api.context.max_body_bytes)
            check_form(scope)
        except DongneError as error:
            self._refuse_early(error)

    def _begin_message(self) -> bool:
        """Whether a gateway says something, which is taken here."""
        if (
            self.api.homes is None or self.expect_100_continue or self.root_path or self._is_busy()
            or self.parser.get_method() != b"POST"
        ):  # fmt: skip
            return False
        scope: dict[str, Any] = {
            "method": "POST", "path": MESSAGES, "headers": self.headers, "scheme": self.scheme, "server": self.server,
            "client": self.client,
        }  # fmt: skip
        self.cycle = FromGateway(self, scope, self.parser.should_keep_alive())  # type: ignore[assignment]  # see Append
        try:
            self._check_length(LONGEST_MESSAGE)
            check_form(scope)
        except DongneError as error:
            self._refuse_early(error)
        return True

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _go_the_long_way(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)  # the scope has this list
        super().on_headers_complete()

    def _check_length(self, limit_bytes: int) -> None:
        for name, value in self.headers:
            if name == b"content-length" and len(value) > 5 and value.isdigit() and int(value) > limit_bytes:
                raise too_large(limit_bytes)

    def _refuse_early(self, error: DongneError) -> None:
        """Before the body is read: it is not, and the connection ends."""
        append = self.cycle
        assert isinstance(append, Append)
        append.keep_alive = False
        if isinstance(append, FromGateway):
            assert self.api.homes is not None
            append.fail(self.api.homes.refuse(error))
            return
        self.api.ingest.count_refused(error)
        append.refuse(error)

    def on_body(self, body: bytes) -> None:
        """A part of it."""
        append = self.cycle
        self.body_bytes += len(body)
        if not isinstance(append, Append):
            super().on_body(body)
        elif not append.response_complete:
            append.body += body
            limit_bytes = LONGEST_MESSAGE if isinstance(append, FromGateway) else self.api.context.max_body_bytes
            if len(append.body) > limit_bytes:
                self._refuse_early(too_large(limit_bytes))

    def on_message_complete(self) -> None:
        """The whole request is here."""
        self.is_reading = False
        append = self.cycle
        if not isinstance(append, Append):
            super().on_message_complete()
            return
        if append.response_complete:
            return
        if isinstance(append, FromGateway):
            append.arrived()
            return
        ingest = self.api.ingest
        try:
            row, number = ingest.take_one(append.body, append.datastream, append.who)
            if number:
                self.api.context.requests["observation", 200] += 1
                append.finish(b"%blocation: %b%d%b" % (_THERE, append.root, number, _NO_BODY))
                return
        except NotPlain:
            self._general = self.loop.create_task(self._go_the_general_way(append))
            return
        except DongneError as error:
            ingest.count_refused(error)
            append.refuse(error)
            return
        append.body = b""
        self._gate().put(row, append)

    async def _go_the_general_way(self, append: Append) -> None:
        path = self.url.decode("latin-1")[len("/v1.1/") :]
        scope = {"method": "POST", "headers": self.headers, "scheme": self.scheme, "server": self.server,
                 "client": self.client, "query_string": b"", "path": f"/v1.1/{path}"}  # fmt: skip
        try:
            _, location, _ = await self.api.changed(scope, path, append.body)
            append.finish(b"%blocation: %b\r\ncontent-length: 0\r\n" % (_CREATED, location or b""))
        except DongneError as error:  # its Observation is in the ledger already
            self.api.context.requests["observation", error.status] += 1
            append.refuse(error)
        except Exception:
            log.exception("the API failed at an Observation")
            append.refuse(DongneError("something went wrong here; it is in the log"))

    def _gate(self) -> "Gate":
        gate = type(self)._opened
        if gate is None or gate.loop is not self.loop:
            gate = type(self)._opened = Gate(self.api, self.loop)
        return gate

    def replies(self) -> "Replies":
        """Where answers to gateways come back into this loop."""
        replies = type(self)._replies
        if replies is None or replies.loop is not self.loop:
            replies = type(self)._replies = Replies(self.loop)
        return replies

    @property
    def default_head(self) -> bytes:
        """The headers that uvicorn adds to every answer."""
        return b"".join(b"%b: %b\r\n" % header for header in self.server_state.default_headers)


class Gate:
    """Before the store's door: what the sockets brought in one turn of the loop goes through it together.

    One by one they would wake the writer at the first, and it would commit a few rows at a time: on one core that costs
    more than the requests. There is no timer: with one request in a turn, one goes through.
    """

    def __init__(self, api: Api, loop: asyncio.AbstractEventLoop) -> None:
        self._api, self.loop = api, loop
        self._door: Door = api.context.store.open_door(_answer_in(loop, api))
        self._waiting: list[tuple[ObservationRow, Append]] = []

    def put(self, row: ObservationRow, append: Append) -> None:
        """It goes through at the end of this turn."""
        if not self._waiting:
            self.loop.call_soon(self._go)
        self._waiting.append((row, append))

    def _go(self) -> None:
        waiting, self._waiting = self._waiting, []
        for row, append in waiting:
            try:
                self._door.append(row.datastream, row.time_us, row.result, row.extra, append)
            except DongneError as error:
                self._api.ingest.count_refused(error, received=False)
                append.refuse(error)


def _answer_in(loop: asyncio.AbstractEventLoop, api: Api) -> Callable[[list[Any], int, Exception | None], None]:
    def on_commit(tokens: list[Any], first: int, error: Exception | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(_answer, api, tokens, first, error)

    return on_commit


def _answer(api: Api, tokens: Sequence[Append], first: int, error: Exception | None) -> None:
    """In the loop, once per commit."""
    if error is None:
        api.ingest.singles.count_stored(len(tokens))
        api.context.requests["observation", 201] += len(tokens)
        for number, append in enumerate(tokens, first):
            append.finish(b"%blocation: %b%d%b" % (_CREATED, append.root, number, _NO_BODY))
        return
    refusal = error if isinstance(error, DongneError) else RetryLater(f"nothing was stored: {error!r}")
    for append in tokens:
        api.ingest.count_refused(refusal, received=False)
        append.refuse(refusal)


def append_protocol(api: Api) -> type[HttpToolsProtocol]:
    """The protocol class for `uvicorn.Config(http=...)` which takes single Observations for this API."""
    return type("AppendProtocolOfCity", (AppendProtocol,), {"api": api, "_opened": None, "_replies": None})
