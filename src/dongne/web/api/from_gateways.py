"""Messages of gateways on the short way: from the socket to the store, and answered after the commit."""

import asyncio
import logging
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from dongne.model.errors import DongneError
from dongne.model.home import GatewayReply
from dongne.web.api.append import Append
from dongne.web.outside import ALWAYS, HSTS

if TYPE_CHECKING:
    from dongne.web.api.protocol import AppendProtocol

log = logging.getLogger(__name__)
_OK = b"HTTP/1.1 200 OK\r\n"
_FOR_HOMES = b"".join(
    b"%b: %b\r\n" % header
    for header in ((b"content-type", b"application/json"), (b"cache-control", b"no-store"), *ALWAYS)
)
_FOR_HOMES_TLS = _FOR_HOMES + b"%b: %b\r\n" % HSTS
_encode = msgspec.json.Encoder().encode


class FromGateway(Append):
    """A message of a home's gateway."""

    __slots__ = ("scope",)

    def __init__(self, protocol: "AppendProtocol", scope: dict[str, Any], keep_alive: bool) -> None:
        super().__init__(protocol, None, b"", keep_alive)
        self.scope = scope

    def arrived(self) -> None:
        """It is whole: stored, then answered."""
        api = self.protocol.api
        assert api.homes is not None
        try:
            told = api.homes.take(self.scope, self.body)
        except Exception as error:  # noqa: BLE001  whatever it is, the gateway hears of it
            self.fail(error)
            return
        told.add_done_callback(partial(self.protocol.replies().put, self))

    def fail(self, error: BaseException) -> None:
        """What a gateway hears where its message was not taken."""
        if not isinstance(error, DongneError):
            log.error("the API failed at a message of a gateway", exc_info=error)
            error = DongneError("something went wrong here; it is in the log")
        self.protocol.api.context.requests["other", error.status] += 1
        self.refuse(error)

    def reply(self, reply: GatewayReply) -> None:
        """It is durable."""
        context, body = self.protocol.api.context, _encode(reply)
        context.requests["homes", 200] += 1
        always = _FOR_HOMES_TLS if context.public_url(self.scope).startswith("https://") else _FOR_HOMES
        self.finish(b"%b%bcontent-length: %d\r\n" % (_OK, always, len(body)), body)


class Replies:
    """What was told to gateways since the loop looked, whichever thread said so: one call into the loop for all of it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._told: deque[tuple[FromGateway, Future[GatewayReply]]] = deque()
        self._rung = False

    def put(self, message: FromGateway, told: "Future[GatewayReply]") -> None:
        """In the store's thread."""
        self._told.append((message, told))
        if not self._rung:
            self._rung = True
            with suppress(RuntimeError):  # the loop is closed
                self.loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._rung = False
        while self._told:
            message, told = self._told.popleft()
            error = told.exception()
            if error is None:
                message.reply(told.result())
            else:
                message.fail(error)
