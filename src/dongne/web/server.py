"""The server under pages and interface.

Told to stop (SIGTERM, SIGINT) it takes no more connections, answers what is under way, lets long streams say good-bye, and
ends; what is not answered within `timeout_graceful_shutdown` is broken off.
"""

import socket
from collections.abc import Callable

import uvicorn


class Server(uvicorn.Server):
    """A uvicorn server that says when it answers, and before it stops."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready, self._stopping = ready, stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._stopping()
        await super().shutdown(sockets)
