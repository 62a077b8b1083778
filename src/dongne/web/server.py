"""The server under pages and interface.

Told to stop (SIGTERM, SIGINT) it takes no more connections, answers what is under way, lets long streams say good-bye, and
ends; what is not answered within `timeout_graceful_shutdown` is broken off.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn

TICK_S = 1.0  # how often uvicorn looks at its own affairs
LOOK_S = 0.005  # how often it is looked whether the last connection is closed, when no answer is under way any more


def nothing() -> None:
    """For who wants to hear nothing."""


class Server(uvicorn.Server):
    """A uvicorn server that says when it answers, and before it stops; and that stops when it is told, where uvicorn's own
    looks every 100 ms."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None] = nothing, stopping: Callable[[], None] = nothing
    ) -> None:
        super().__init__(config)
        self._ready, self._stopping = ready, stopping
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Tells it to stop, from any thread."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has stopped
                self._loop.call_soon_threadsafe(self._told.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn."""
        super().handle_exit(sig, frame)
        self.stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def main_loop(self) -> None:
        """See uvicorn."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._stopping()
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                await self._answer_what_is_under_way()
        for task in self.server_state.tasks:
            task.cancel()

    async def _answer_what_is_under_way(self) -> None:
        """A second SIGINT ends it."""
        while (self.server_state.tasks or self.server_state.connections) and not self.force_exit:
            if self.server_state.tasks:
                await asyncio.wait(self.server_state.tasks, timeout=0.1)
            else:
                await asyncio.sleep(LOOK_S)
