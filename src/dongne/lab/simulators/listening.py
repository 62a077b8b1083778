"""An HTTP app at a socket, in the event loop at hand; it ends as soon as nobody is being answered."""

import asyncio
import socket
from typing import Any

import uvicorn
from uvicorn.server import ServerState

GRACE_S = 1.0  # for answers under way when it ends


class Listening:
    """Answers at `listening` from `start` to `stop`. No `uvicorn.Server`: that looks every 100 ms whether it shall end."""

    def __init__(self, app: Any, listening: socket.socket) -> None:
        self._config = uvicorn.Config(
            app, log_config=None, log_level="critical", access_log=False, lifespan="off", date_header=False
        )
        self._socket = listening
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Whoever comes is answered."""
        self._config.load()
        self._state.default_headers = self._config.encoded_headers
        self._server = await asyncio.get_running_loop().create_server(self._make_protocol, sock=self._socket)

    async def stop(self) -> None:
        """Nobody new is heard, answers under way are finished, and no connection outlives this."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=GRACE_S)
        left = list(self._state.tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for connection in list(self._state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # what was closed goes with the next turn of the loop

    def _make_protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self._config.http_protocol_class(
            config=self._config, server_state=self._state, app_state={}
        )  # type: ignore[call-arg]  # as uvicorn's server calls it
        return made
