"""Who says next to nothing is let go; who is slow but comes on is not."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from tests.api.conftest import LAMP, Client
from tests.api.test_socket import wait_for

from dongne.web.api import ApiContext, append_protocol, create_api
from dongne.web.server import Server

QUICK = {"look_every_s": 0.05, "head_within_s": 0.2, "least_bytes_per_s": 2_000.0}


class Impatient:
    """The app at a port, with little patience."""

    def __init__(self, context: ApiContext) -> None:
        self.context = context
        api = create_api(context)
        client = Client(api)
        client.create("Things", LAMP)
        client.close()
        protocol = type("Impatient", (append_protocol(api),), QUICK)
        self.socket = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(api, http=protocol, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        self._server = Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self._thread.start()
        wait_for(lambda: self._server.started)

    def talk(self, *parts: bytes) -> bytes:
        """All that is answered to these parts, until the other side ends."""
        with socket.create_connection(self.socket.getsockname(), timeout=10) as line:
            for part in parts:
                line.sendall(part)
            said = b""
            while more := line.recv(65536):
                said += more
        return said

    def close(self) -> None:
        self._server.stop()
        self._thread.join(10)
        self.socket.close()


@pytest.fixture
def impatient(make_context: Callable[..., ApiContext]) -> Iterator[Impatient]:
    found = Impatient(make_context())
    yield found
    found.close()


HEAD = b"POST /v1.1/Datastreams(1)/Observations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize("sent", [
    b"G", b"GET /v1.1/Things HTTP/1.1\r\nhost: x\r\n", HEAD, HEAD + b"content-length: 5000\r\n\r\n{",
    HEAD.replace(b"Observations ", b"Observations? ") + b"content-length: 5000\r\n\r\n{",
    b"POST /v1.1/Things HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n{",
    b"POST /v1.1/$batch HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
])  # fmt: skip
def test_half_a_request_is_ended_and_counted(impatient: Impatient, sent: bytes) -> None:
    said = impatient.talk(sent)
    assert said.startswith(b"HTTP/1.1 408 ") and b"too slowly" in said
    assert impatient.context.rates.refused == {"slow": 1}


def test_who_says_nothing_at_all_is_let_go_without_a_word(impatient: Impatient) -> None:
    assert impatient.talk() == b""


def test_who_is_slow_but_comes_on_is_heard_to_the_end(impatient: Impatient) -> None:
    body = b'{"result": 7, "parameters": {"note": "' + b"a" * 8_000 + b'"}}'
    done = threading.Event()
    with socket.create_connection(impatient.socket.getsockname(), timeout=10) as line:
        line.sendall(HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 400):  # 400 bytes in 0.02 s: ten times what is asked
            line.sendall(body[at : at + 400])
            done.wait(0.02)
        said = b""
        while more := line.recv(65536):
            said += more
    assert said.startswith(b"HTTP/1.1 201 "), said


def test_a_line_that_asks_again_and_again_stays(impatient: Impatient) -> None:
    answered: list[Any] = []
    one = HEAD + b'content-length: 14\r\n\r\n{"result": %d}'
    with socket.create_connection(impatient.socket.getsockname(), timeout=10) as line:
        for result in range(20, 40):
            line.sendall(one % result)
            answered.append(line.recv(65536)[:12])
            threading.Event().wait(0.03)
    assert set(answered) == {b"HTTP/1.1 201"}
    assert impatient.context.rates.refused == {}
