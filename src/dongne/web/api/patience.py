"""How long a client may take to say what it wants: connections that send next to nothing are ended (slow loris).

One timer for each connection looks from time to time; a request costs nothing beyond saying that it is being read.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TOO_SLOW = b'{"code":408,"type":"error","message":"the request came too slowly; send it again in one go"}'
_ANSWER = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b"
    % (len(_TOO_SLOW), _TOO_SLOW)
)


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol with an end to patience. Whoever extends it keeps `is_reading` and `body_bytes`."""

    look_every_s = 5.0
    head_within_s = 20.0
    least_bytes_per_s = 1_000.0  # of a body, for two looks in a row
    is_reading = False  # from the first byte of a request to its last
    body_bytes = 0  # of bodies, on this connection
    _seen: object = None  # the headers at the last look: another list is another request
    _seen_bytes = 0
    _waited_s = 0.0
    _slow_looks = 0
    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn says so too
        """Somebody is there."""
        super().connection_made(transport)
        self.headers = []  # uvicorn has none before the first request
        self._watch = self.loop.call_later(self.look_every_s, self._look_at_it)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client left."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        super().connection_lost(exc)

    def _look_at_it(self) -> None:
        self._watch = self.loop.call_later(self.look_every_s, self._look_at_it)
        is_fresh = self.cycle is None and not self.is_reading  # has never asked anything
        if not (self.is_reading or is_fresh) or self.headers is not self._seen:
            self._seen, self._seen_bytes, self._waited_s, self._slow_looks = self.headers, self.body_bytes, 0.0, 0
            return
        self._waited_s += self.look_every_s
        came, self._seen_bytes = self.body_bytes - self._seen_bytes, self.body_bytes
        if self._is_in_head():
            if self._waited_s >= self.head_within_s:
                self._end(is_fresh=is_fresh)
        elif not self.flow.read_paused:
            self._slow_looks = 0 if came >= self.least_bytes_per_s * self.look_every_s else self._slow_looks + 1
            if self._slow_looks >= 2:
                self._end(is_fresh=False)

    def _is_in_head(self) -> bool:
        """Whether no answer to this request is under way yet."""
        return self.cycle is None or self.cycle.response_complete

    def _end(self, *, is_fresh: bool) -> None:
        if self.transport.is_closing():
            return
        self.count_slow()
        if not is_fresh and not getattr(self.cycle, "response_started", False):
            self.transport.write(_ANSWER)
        self.transport.close()

    def count_slow(self) -> None:
        """One more was ended."""
