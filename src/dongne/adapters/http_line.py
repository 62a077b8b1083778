"""Requests to a server that the city's configuration names, over connections that are kept: quick enough for hundreds of alarms a
second, where httpx's pool looks through all of its connections for each request."""

import ssl
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp

FAILURES = (aiohttp.ClientError, OSError, ssl.SSLError, ValueError)
"""What a request may raise, beside TimeoutError and being cancelled."""
KEPT_S = 4.0  # an idle connection, less than servers commonly keep theirs


class Came(NamedTuple):
    """A whole answer, or its first bytes. Headers are by name in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpLine:
    """Belongs to one event loop. Nothing is followed and nothing unpacked."""

    def __init__(self, headers: Mapping[str, str], *, connections: int, trusted: ssl.SSLContext | None = None) -> None:
        self._headers, self._connections, self._trusted = dict(headers), connections, trusted
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, most_bytes: int) -> Came:
        """Raises one of FAILURES. How long it may take is for the caller to say (asyncio.timeout)."""
        async with self._opened().request(
            method, url, data=body or None, headers=headers, allow_redirects=False
        ) as answer:
            said = b""
            while len(said) < most_bytes and (part := await answer.content.read(most_bytes - len(said))):
                said += part
            return Came(answer.status, {name.lower(): value for name, value in answer.headers.items()}, said)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=self._connections, keepalive_timeout=KEPT_S, ssl=self._trusted if self._trusted else True
            )
            self._session = aiohttp.ClientSession(
                connector=connector, headers=self._headers, auto_decompress=False, trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None), cookie_jar=aiohttp.DummyCookieJar(),
            )  # fmt: skip
        return self._session

    async def close(self) -> None:
        """The connections end."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
