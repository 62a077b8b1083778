"""The simulated 119 listens at a socket of its own."""

import asyncio
import socket
from collections.abc import Callable
from datetime import datetime

import uvicorn

from dongne.lab.simulators.behaviour import Behaviour
from dongne.lab.simulators.dispatch119.desk import Desk119
from dongne.lab.simulators.dispatch119.http import make_app
from dongne.model.errors import BadSetup


class Dispatch119:
    """The simulator at a socket of its own, in the event loop of whoever starts it."""

    def __init__(self, now: Callable[[], datetime], port: int = 0, host: str = "127.0.0.1") -> None:
        self.desk = Desk119(now)
        self._host, self._port = host, port
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.url = ""

    async def start(self) -> None:
        """Listens. Raises BadSetup where it can't."""
        try:
            family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
            listening = socket.create_server((self._host, self._port), family=family)
        except OSError as error:
            raise BadSetup(
                f"can't listen at {self._host}:{self._port}: {error.strerror}; choose another --port"
            ) from error
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{shown}:{listening.getsockname()[1]}"
        config = uvicorn.Config(
            make_app(self.desk), log_level="critical", lifespan="off", timeout_graceful_shutdown=1, access_log=False
        )
        self._server = uvicorn.Server(config)
        self._task = asyncio.create_task(self._server._serve([listening]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Lets go of whoever waits, and listens no more."""
        self.desk.behave(Behaviour())
        self.desk.close()
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
