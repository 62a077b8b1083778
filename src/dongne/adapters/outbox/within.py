"""How long each of many is waited for, with one timer for all of them: a timer of its own costs more than a short attempt."""

import asyncio
from collections import deque
from typing import Any


class Within:
    """Waits for futures, each for the same `seconds`; used in one event loop only."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()  # by when their time is over
        self._timer: asyncio.TimerHandle | None = None

    async def ended(self, awaited: "asyncio.Future[Any]") -> bool:
        """Whether it has ended within the time, in whatever way. It goes on where it has not."""
        if not awaited.done():
            told: asyncio.Future[None] = self._loop.create_future()
            awaited.add_done_callback(lambda _: _tell(told))
            self._drop_done()
            self._waiting.append((self._loop.time() + self._seconds, told))
            if self._timer is None:
                self._timer = self._loop.call_later(self._seconds, self._look)
            await told
        return awaited.done()

    def _drop_done(self) -> None:
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()

    def _look(self) -> None:
        now_s = self._loop.time()
        while self._waiting and (self._waiting[0][1].done() or self._waiting[0][0] <= now_s):
            _tell(self._waiting.popleft()[1])
        left_s = self._waiting[0][0] - now_s if self._waiting else 0.0
        self._timer = self._loop.call_later(left_s, self._look) if self._waiting else None


def _tell(told: "asyncio.Future[None]") -> None:
    if not told.done():
        told.set_result(None)
