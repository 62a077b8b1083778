"""So many at once through one channel, the most pressing first."""

import asyncio
import heapq
from itertools import count

LEAST = 8
LESS = 0.7


class Gate:
    """Lets up to `most` in at a time. Those who wait come in by rank (0 first), then in the order in which they came.

    A provider that gives no answer in time may have too much to do: then fewer are let in, down to LEAST, and one more again with each
    that it took. Otherwise a crowd that times out and comes again keeps the provider from taking anything.
    """

    def __init__(self, most: int) -> None:
        self._most, self._room, self._inside = most, float(most), 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = count()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(not future.done() for _, _, future in self._waiting)

    @property
    def room(self) -> int:
        """How many are let in at a time now."""
        return int(self._room)

    def went(self, *, well: bool) -> None:
        """What came of one."""
        least = min(LEAST, self._most)
        self._room = min(float(self._most), self._room + 1) if well else max(float(least), self._room * LESS)

    async def enter(self, rank: int) -> None:
        """Inside from here until `leave`."""
        if self._inside < self.room and not self._waiting:
            self._inside += 1
        else:
            await self._wait(rank)

    async def _wait(self, rank: int) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._count), future))
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():  # it was let in, and can't come any more
                self.leave()
            raise

    def leave(self) -> None:
        """Out, and others in."""
        self._inside -= 1
        while self._waiting and self._inside < self.room:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)
                self._inside += 1
