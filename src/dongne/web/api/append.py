"""One request that the HTTP protocol answers itself, in the place of uvicorn's cycle."""

from http import HTTPStatus
from math import ceil
from typing import TYPE_CHECKING

import msgspec

from dongne.model.errors import DongneError, NotAllowed, RetryLater
from dongne.model.who import BENCH, Who

if TYPE_CHECKING:
    from dongne.web.api.protocol import AppendProtocol

_encode = msgspec.json.Encoder().encode


class _Nothing:
    """Stands where uvicorn's cycle has an event nobody waits for."""

    def set(self) -> None:
        """Nothing."""


class Append:
    """One request of this kind, in the place of uvicorn's cycle."""

    __slots__ = ("body", "datastream", "disconnected", "keep_alive", "protocol", "response_complete", "root", "who")
    message_event = _Nothing()

    def __init__(self, protocol: "AppendProtocol", datastream: int | None, root: bytes, keep_alive: bool) -> None:
        self.protocol, self.datastream, self.root, self.keep_alive = protocol, datastream, root, keep_alive
        self.body = b""
        self.who: Who = BENCH
        self.response_complete = self.disconnected = False

    def finish(self, head: bytes, body: bytes = b"") -> None:
        """Send the answer; `head` ends behind its last header."""
        if self.response_complete or self.disconnected:
            return
        self.response_complete = True
        protocol = self.protocol
        if protocol.server_state.default_headers:
            head += protocol.default_head
        if self.keep_alive:
            protocol.transport.write(b"%b\r\n%b" % (head, body))
        else:
            protocol.transport.write(b"%bconnection: close\r\n\r\n%b" % (head, body))
            protocol.transport.close()
        protocol.answered()

    def refuse(self, error: DongneError) -> None:
        """Send an error as the rest of the API does."""
        document = {"code": error.status, "type": "error", "message": error.message}
        body = _encode(document)
        head = (
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\ncontent-type: application/json\r\n"
            f"access-control-allow-origin: *\r\ncontent-length: {len(body)}\r\n"
        )
        if isinstance(error, RetryLater):
            head += f"retry-after: {max(1, ceil(error.after_s))}\r\n"
        if isinstance(error, NotAllowed):
            head += "www-authenticate: Bearer\r\n"
        self.finish(head.encode(), body)
