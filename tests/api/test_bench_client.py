"""The client of the measurements: what it asks for is asked, whatever the server does with connections between requests."""

import asyncio
import threading
from typing import Any

from bench._client import keep_busy

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Impatient(asyncio.Protocol):
    """Ends each connection behind its first answer."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(ANSWER)
        self._transport.close()


def test_a_connection_that_the_server_ended_is_opened_again() -> None:
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(Impatient, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asked = 0

    def make() -> bytes:
        nonlocal asked
        asked += 1
        return b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"

    try:
        port = server.sockets[0].getsockname()[1]
        tally = keep_busy(port, 2, 0.5, make, lambda status, body: int(status == 200), per_s=40.0)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()
    assert tally.acknowledged == asked > 5
