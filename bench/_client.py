"""A client that keeps a number of connections busy: each sends the next request when its answer is there.

Plain sockets on the event loop; what an answer is worth is said by the caller.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import uvloop

Make = Callable[[], bytes]  # the next whole request
Worth = Callable[[int, bytes], int]  # status, body -> how many were acknowledged


@dataclass
class Tally:
    """What came back."""

    acknowledged: int = 0
    answers: int = 0
    others: dict[int, int] = field(default_factory=dict)  # status -> answers which acknowledged nothing
    taken_s: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def at(self, share: float) -> float:
        """The time in ms within which this share of the answers came."""
        ordered = sorted(self.taken_s) or [0.0]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


class _Line(asyncio.Protocol):
    def __init__(
        self,
        make: Make,
        worth: Worth,
        tally: Tally,
        until_s: float,
        done: "asyncio.Future[None]",
        pace: Callable[[], float] | None,
        open_again: "Callable[[_Line], Coroutine[None, None, None]]",
    ) -> None:
        self._make, self._worth, self._tally, self._until_s, self._done, self._pace = (
            make,
            worth,
            tally,
            until_s,
            done,
            pace,
        )
        self._open_again = open_again
        self._opening: asyncio.Task[None] | None = None
        self._is_idle = False  # between an answer and the next request
        self._unanswered = b""
        self._answers = 0  # of this connection
        self._read = b""
        self._need = -1
        self._sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._read, self._need, self._answers = b"", -1, 0
        if self._opening is None:
            self._send()
        else:
            self._opening = None
            self._transport.write(self._unanswered)

    def _send(self) -> None:
        if time.perf_counter() >= self._until_s:
            self._is_idle = False
            self._transport.close()
            return
        self._is_idle = True
        if self._pace is not None and (wait_s := self._pace()) > 0:
            asyncio.get_running_loop().call_later(wait_s, self._send_now)
        else:
            self._send_now()

    def _send_now(self) -> None:
        self._is_idle = False
        self._sent_s = time.perf_counter()
        self._unanswered = self._make()
        if self._transport.is_closing():
            self._open()
        else:
            self._transport.write(self._unanswered)

    def _open(self) -> None:
        """A server ends a connection on which nothing is asked for a while, perhaps just when something is."""
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open_again(self))

    def data_received(self, data: bytes) -> None:
        self._read += data
        if self._need < 0:
            at = self._read.find(b"\r\n\r\n")
            if at < 0:
                return
            head = self._read[:at].lower()
            start = head.find(b"content-length:") + 15
            self._need = at + 4 + int(head[start : (head.find(b"\r", start) + 1 or len(head) + 1) - 1])
        if len(self._read) < self._need:
            return
        status, body = int(self._read[9:12]), self._read[self._read.find(b"\r\n\r\n") + 4 : self._need]
        self._read, self._need = self._read[self._need :], -1
        self._unanswered, self._answers = b"", self._answers + 1
        tally = self._tally
        tally.answers += 1
        tally.taken_s.append(time.perf_counter() - self._sent_s)
        worth = self._worth(status, body)
        if worth:
            tally.acknowledged += worth
        else:
            tally.others[status] = tally.others.get(status, 0) + 1
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if self._unanswered and self._answers:
            self._open()
        elif not self._is_idle:
            self.end()

    def end(self) -> None:
        """Nothing more is asked."""
        if not self._done.done():
            self._done.set_result(None)


async def _run(port: int, connections: int, seconds: float, make: Make, worth: Worth, per_s: float | None) -> Tally:
    loop = asyncio.get_running_loop()
    tally = Tally()
    began_s = time.perf_counter()
    ends, next_s = [], began_s

    def pace() -> float:
        nonlocal next_s
        assert per_s is not None
        next_s = max(next_s + 1 / per_s, time.perf_counter() - 0.1)
        return next_s - time.perf_counter()

    async def open_again(line: _Line) -> None:
        try:
            await loop.create_connection(lambda: line, "127.0.0.1", port)
        except OSError:
            line.end()

    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        ends.append(done)
        line = partial(_Line, make, worth, tally, began_s + seconds, done, pace if per_s else None, open_again)
        await loop.create_connection(line, "127.0.0.1", port)
    await asyncio.gather(*ends)
    tally.seconds = time.perf_counter() - began_s
    return tally


def keep_busy(
    port: int, connections: int, seconds: float, make: Make, worth: Worth, per_s: float | None = None
) -> Tally:
    """Runs for so many seconds, then takes the last answers; `per_s` paces all connections together."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(port, connections, seconds, make, worth, per_s))
