"""The client of gateways and desks, against servers that behave as the network does."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dongne.adapters.http_line import FAILURES, Came, HttpLine

LIMIT_S = 10.0
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Said:
    """A server that gives the answers, one for each request, byte for byte; it notes what came on which connection."""

    def __init__(self, *answers: bytes, ends: bool = False, piece: int = 1 << 20) -> None:
        self.answers, self.ends, self.piece = list(answers), ends, piece
        self.came: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                size = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
                self.came.append(head + await reader.readexactly(size))
                answer = self.answers.pop(0)
                for at in range(0, len(answer), self.piece):
                    writer.write(answer[at : at + self.piece])
                    await writer.drain()
                    await asyncio.sleep(0)
                if self.ends:
                    break
            if not self.ends:
                await reader.read()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


def ask(
    said: Said, *asked: tuple[str, bytes | None], most: int = 1_000, headers: dict[str, str] | None = None
) -> list[Came]:
    """The answers to these requests, one after the other, over one line."""

    async def run() -> list[Came]:
        server = await asyncio.start_server(said.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        line = HttpLine({"user-agent": "dongne", "x-one": "1"}, connections=4)
        try:
            async with asyncio.timeout(LIMIT_S):
                return [
                    await line.ask(method, f"http://127.0.0.1:{port}/a b?c=ä", headers or {}, body, most)
                    for method, body in asked
                ]
        finally:
            await line.close()
            server.close()

    return asyncio.run(run())


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Two: b\r\n\r\nok"


def test_requests_follow_each_other_on_one_connection() -> None:
    said = Said(OK, OK)
    came = ask(said, ("POST", b"body"), ("GET", None))
    assert [(one.status, one.body, one.headers["x-two"]) for one in came] == [(200, b"ok", "b")] * 2
    assert said.connections == 1
    first, second = said.came
    assert first.startswith(b"POST /a%20b?c=%C3%A4 HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"\r\nx-one: 1\r\n" in first
    assert first.endswith(b"content-length: 4\r\n\r\nbody")
    assert b"content-length" not in second


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_an_answer_in_chunks_and_in_pieces_is_whole(piece: int) -> None:
    chunked = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    said = Said(chunked, OK, piece=piece)
    came = ask(said, ("POST", b""), ("POST", b""))
    assert [(one.status, one.body) for one in came] == [(201, b"abcde"), (200, b"ok")]
    assert said.connections == 1


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    said = Said(b"HTTP/1.1 200 OK\r\n\r\nall of it", OK, ends=True)
    assert [one.body for one in ask(said, ("POST", b""), ("POST", b""))] == [b"all of it", b"ok"]
    assert said.connections == 2


def test_no_more_is_read_than_was_asked_for() -> None:
    said = Said(b"HTTP/1.1 500 Oh\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 5_000, OK)
    first, second = ask(said, ("POST", b""), ("POST", b""), most=100)
    assert (first.status, first.body) == (500, b"x" * 100)
    assert second.body == b"ok"
    assert said.connections == 2, "the rest of it is never taken for the next answer"


@pytest.mark.parametrize("more", [OK, b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_to_no_request_is_nobodys(more: bytes) -> None:
    said = Said(OK.replace(b"200", b"503") + more, OK)
    first, second = ask(said, ("POST", b""), ("POST", b""))
    assert (first.status, first.headers["x-two"], second.status) == (503, "b", 200)
    assert said.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"HTTP/1.1 200 OK\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", b"",
        b"HTTP/1.1 200 OK\r\n" + b"x-long: 1234567890\r\n" * 5_000,
    ],
)  # fmt: skip
def test_what_is_no_whole_answer_is_a_failure(answer: bytes) -> None:
    with pytest.raises(FAILURES):
        ask(Said(answer, ends=True), ("POST", b""))


def test_a_header_cannot_begin_another_one() -> None:
    with pytest.raises(ValueError, match="line break"):
        ask(Said(OK), ("POST", b""), headers={"x-three": "a\r\nx-four: b"})


def test_a_name_and_a_password_in_the_address_are_a_login() -> None:
    async def run(said: Said) -> None:
        server = await asyncio.start_server(said.serve, "127.0.0.1", 0)
        line = HttpLine({}, connections=1)
        url = f"http://me:p%40ss@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await line.ask("POST", url, {}, b"", 100)
        await line.close()
        server.close()

    said = Said(OK)
    asyncio.run(run(said))
    assert b"\r\nauthorization: Basic bWU6cEBzcw==\r\n" in said.came[0]


def test_who_waits_no_longer_leaves_nothing_to_the_next() -> None:
    """A request that is given up takes its connection with it: its late answer reaches nobody."""

    async def run() -> tuple[bytes, int]:
        late, connections = asyncio.Event(), 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            await reader.readuntil(b"\r\n\r\n")
            if connections == 1:
                await late.wait()
            writer.write(OK.replace(b"ok", b"%02d" % connections))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        line = HttpLine({}, connections=1)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        first = asyncio.ensure_future(line.ask("POST", url, {}, b"", 100))
        while not connections:
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        late.set()
        async with asyncio.timeout(LIMIT_S):
            came = await line.ask("POST", url, {}, b"", 100)
        await line.close()
        server.close()
        return came.body, connections

    assert asyncio.run(run()) == (b"02", 2)


def test_there_are_no_more_connections_than_allowed() -> None:
    async def run() -> int:
        open_now = most = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(20):
                await asyncio.sleep(0)
            open_now -= 1
            writer.write(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        line = HttpLine({}, connections=2)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*(line.ask("POST", url, {}, b"", 100) for _ in range(10)))
        await line.close()
        server.close()
        return most

    assert asyncio.run(run()) <= 2
