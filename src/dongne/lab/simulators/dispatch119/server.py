"""The simulated 119 listens at a socket of its own."""

import socket
from collections.abc import Callable
from datetime import datetime

from dongne.lab.simulators.behaviour import Behaviour
from dongne.lab.simulators.dispatch119.desk import Desk119
from dongne.lab.simulators.dispatch119.http import make_app
from dongne.lab.simulators.listening import Listening
from dongne.model.errors import BadSetup


class Dispatch119:
    """The simulator at a socket of its own, in the event loop of whoever starts it."""

    def __init__(self, now: Callable[[], datetime], port: int = 0, host: str = "127.0.0.1") -> None:
        self.desk = Desk119(now)
        self._host, self._port = host, port
        self._answering: Listening | None = None
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
        self._answering = Listening(make_app(self.desk), listening)
        await self._answering.start()

    async def stop(self) -> None:
        """Lets go of whoever waits, and listens no more."""
        self.desk.behave(Behaviour())
        self.desk.close()
        if self._answering is not None:
            await self._answering.stop()
