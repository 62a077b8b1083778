"""The server: one thread with a loop, which listens over UDP and TCP."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

import msgspec

from dongne.adapters.scaip.config import Door, ScaipConfig
from dongne.adapters.scaip.links import Connection, Datagrams
from dongne.adapters.scaip.receiver import Receiver
from dongne.adapters.scaip.status import ScaipStatus

log = logging.getLogger(__name__)
CLOSE_S = 2.0


class ScaipServer:
    """Gives what gateways say to the door, in its own thread. `sockets` are those of `bind`, and are closed with it."""

    def __init__(
        self, config: ScaipConfig, door: Door, now_us: Callable[[], int], sockets: tuple[socket.socket, socket.socket]
    ) -> None:
        self.config = config
        self._door, self._now_us, self._sockets = door, now_us, sockets
        host, port = sockets[0].getsockname()[:2]
        self._status = ScaipStatus(address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        self._thread = threading.Thread(target=self._run, name="scaip", daemon=True)
        self._listening: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None

    @property
    def address(self) -> str:
        """host:port."""
        return self._status.address

    def start(self) -> None:
        """Gateways are answered from here on."""
        self._thread.start()
        self._listening.result()

    def close(self) -> None:
        """What is not answered yet is sent again by its gateway."""
        if self._loop is None or self._ending is None:
            for one in self._sockets:
                one.close()
            return
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(CLOSE_S)

    def status(self) -> ScaipStatus:
        """How it is doing."""
        return msgspec.structs.replace(self._status, **{name: dict(getattr(self._status, name)) for name in LABELLED})

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if not self._listening.done():
                self._listening.set_exception(error)
            else:
                log.exception("SCAIP is not served any more")

    async def _serve(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        receiver = Receiver(self.config, self._door, self._now_us, self._status)
        udp, tcp = self._sockets
        connections: set[Connection] = set()
        datagrams, _ = await self._loop.create_datagram_endpoint(
            lambda: Datagrams(receiver.heard, self._status), sock=udp
        )
        streams = await self._loop.create_server(
            lambda: Connection(receiver.heard, self._status, self.config, connections), sock=tcp
        )
        self._listening.set_result(None)
        try:
            await self._ending.wait()
        finally:
            streams.close()
            await receiver.close()
            for connection in list(connections):
                connection.close()
            datagrams.close()


LABELLED = ("received", "requests", "answered", "told", "refused")
