"""Requests to a server that the city's configuration names, over connections that are kept: as cheap as hundreds of alarms a second
on one core ask for. What a general client does for each request costs more than all else that is done for an alarm."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, cast
from urllib.parse import quote, unquote, urlsplit

import httptools

FAILURES = (OSError, ssl.SSLError, ValueError)
"""What a request may raise, beside TimeoutError and being cancelled."""
KEPT_S = 4.0  # an idle connection, less than servers commonly keep theirs
MOST_HEAD_BYTES = 64 << 10  # of an answer
_AS_IT_IS = "/?=&%:@!$'()*+,;~"


class Came(NamedTuple):
    """A whole answer, or its first bytes. Headers are by name in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Place(NamedTuple):
    """Where a URL leads; `login` is the authorization of a name and password in it."""

    host: str
    port: int
    is_tls: bool
    target: bytes
    authority: bytes
    login: str


@lru_cache(maxsize=1_000)
def place_of(url: str) -> Place:
    """Raises ValueError for what is no http:// or https:// URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url[:80]!r} is no http:// or https:// URL")
    is_tls = parts.scheme == "https"
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    port = parts.port or (443 if is_tls else 80)
    shown = f"[{host}]" if ":" in host else host
    target = quote(parts.path or "/", _AS_IT_IS) + (f"?{quote(parts.query, _AS_IT_IS)}" if parts.query else "")
    authority = shown if parts.port is None else f"{shown}:{port}"
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return Place(
        host, port, is_tls, target.encode(), authority.encode(),
        f"Basic {b64encode(login.encode()).decode()}" if parts.username else "",
    )  # fmt: skip


class HttpLine:
    """Belongs to one event loop. `headers` (names in small letters) go with each request. Nothing is followed and nothing unpacked;
    so many `connections` there are at a time."""

    def __init__(self, headers: Mapping[str, str], *, connections: int, trusted: ssl.SSLContext | None = None) -> None:
        self._headers, self._trusted = dict(headers), trusted
        self._room = asyncio.Semaphore(connections)
        self._idle: dict[tuple[str, int, bool], list[_Connection]] = {}
        self._busy: set[_Connection] = set()

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, most_bytes: int) -> Came:
        """Raises one of FAILURES. How long it may take is for the caller to say (asyncio.timeout)."""
        place = place_of(url)
        request = _request(method, place, {**self._headers, **headers}, body)
        async with self._room:
            connection = self._take_idle(place) or await self._connect(place)
            self._busy.add(connection)
            try:
                came = await connection.ask(request, most_bytes)
            finally:
                self._busy.discard(connection)
                if connection.may_go_on:
                    connection.idle_since_s = connection.loop.time()
                    self._idle.setdefault(place[:3], []).append(connection)
                else:
                    connection.close()
            return came

    def _take_idle(self, place: Place) -> "_Connection | None":
        """The one used last."""
        idle = self._idle.get(place[:3])
        while idle:
            connection = idle.pop()
            if connection.may_go_on and connection.loop.time() - connection.idle_since_s < KEPT_S:
                return connection
            connection.close()
        return None

    async def _connect(self, place: Place) -> "_Connection":
        loop = asyncio.get_running_loop()
        if place.is_tls and self._trusted is None:
            self._trusted = ssl.create_default_context()
        _, connection = await loop.create_connection(
            lambda: _Connection(loop), place.host, place.port, ssl=self._trusted if place.is_tls else None
        )
        return connection

    async def close(self) -> None:
        """The connections end."""
        for connection in [*self._busy, *(one for idle in self._idle.values() for one in idle)]:
            connection.close()
        self._idle.clear()


def _request(method: str, place: Place, headers: Mapping[str, str], body: bytes | None) -> bytes:
    if body or method != "GET":
        headers = {**headers, "content-length": str(len(body or b""))}
    if place.login:
        headers = {"authorization": place.login, **headers}
    head = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if head.count("\n") != len(headers) or head.count("\r") != len(headers):
        raise ValueError("a header has a line break in it")
    return b"%b %b HTTP/1.1\r\nhost: %b\r\n%b\r\n%b" % (
        method.encode(), place.target, place.authority, head.encode(), body or b"",
    )  # fmt: skip


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.idle_since_s = 0.0
        self.may_go_on = False
        self._transport: asyncio.Transport | None = None
        self._told: asyncio.Future[Came] | None = None
        self._begin_answer()

    def _begin_answer(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body = b""
        self._head_bytes = 0
        self._has_head = self._is_whole = self._is_more = False
        self._status = 0

    async def ask(self, request: bytes, most_bytes: int) -> Came:
        """Raises ConnectionError, ValueError."""
        if self._transport is None:
            raise ConnectionResetError("the server closed the connection")
        self._begin_answer()
        self._most_bytes, self.may_go_on = most_bytes, False
        self._told = self.loop.create_future()
        self._transport.write(request)
        try:
            return await self._told
        finally:
            self._told = None

    def close(self) -> None:
        """It ends at once."""
        self.may_go_on = False
        self._fail(ConnectionAbortedError("the connection was closed here"))
        if self._transport is not None:
            self._transport.abort()

    # --- what comes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport, self.may_go_on = cast("asyncio.Transport", transport), True

    def data_received(self, data: bytes) -> None:
        """A part of the answer."""
        told = self._told
        if told is None or told.done():  # nobody asked for it
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ValueError(f"the answer is no HTTP: {error}"[:200]))
            return
        if self._is_whole:
            self.may_go_on = self._keeps and not self._is_more
            self._tell()
        elif len(self._body) >= self._most_bytes:
            self._tell()
        elif not self._has_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._fail(ValueError("the answer has too long a head"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The server, or we, ended it. An answer that says no length ends so."""
        self._transport, self.may_go_on = None, False
        has_length = "content-length" in self._headers or "transfer-encoding" in self._headers
        if exc is None and self._has_head and not has_length:
            self._tell()
        else:
            self._fail(ConnectionResetError(f"the server ended the connection{f': {exc}' if exc else ''}"))

    def _tell(self) -> None:
        if self._told is not None and not self._told.done():
            self._told.set_result(Came(self._status, self._headers, self._body[: self._most_bytes]))

    def _fail(self, why: Exception) -> None:
        if self._told is not None and not self._told.done():
            self._told.set_exception(why)

    # --- httptools

    def on_message_begin(self) -> None:
        """An answer begins."""
        if self._is_whole:
            self._is_more = True  # a second one, to which there was no request

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of the answer."""
        if not self._is_whole:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """All of them."""
        if not self._is_whole:
            self._has_head, self._status = True, self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """A part of it."""
        if not self._is_whole and len(self._body) < self._most_bytes:
            self._body += body

    def on_message_complete(self) -> None:
        """The answer is whole, where it is no interim one (RFC 9110, 15.2)."""
        if self._is_whole:
            return
        if self._status >= 200:
            self._is_whole, self._keeps = True, self._parser.should_keep_alive()
        else:
            self._headers, self._has_head = {}, False
