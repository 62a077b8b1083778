"""/api/latest, /api/aggregates and /api/observations: many values in one answer, as JSON, CSV, Parquet or Arrow, with
licence and attribution inside."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from dongne.model.access import Veil
from dongne.model.errors import DongneError, NotFound, TooMany
from dongne.standards.openapi import Operation
from dongne.web.api.context import ApiContext, Receive, Scope, Send
from dongne.web.api.data import aggregates, described, latest, observations
from dongne.web.api.data.asked import Asked, choose, read_form, read_options
from dongne.web.api.data.files import FORMS
from dongne.web.api.http import OPEN, Header, send_bytes, send_error
from dongne.web.api.read import options_of
from dongne.web.api.stream import send_stream

T = TypeVar("T")
THREADS = 2  # one statement of DuckDB uses several cores by itself
MOST_DOWNLOADS = 8  # at the same time
AT_ONCE = 1_000  # so many latest values take less time than others should wait for
CONTENT = {**FORMS, "geojson": b"application/geo+json", "csvw": b"application/csvm+json"}
FORMS_OF = {"latest": latest.FORMS, "aggregates": aggregates.FORMS, "observations": observations.FORMS}
OPTIONS_OF: dict[str, tuple[str, ...]] = {
    "latest": (),
    "aggregates": aggregates.OPTIONS,
    "observations": observations.OPTIONS,
}


def data_operations(context: ApiContext) -> list[Operation]:
    """What is answered below /api."""
    return described.data_operations(context, FORMS_OF, OPTIONS_OF, CONTENT)


class Data:
    """Answers the addresses below /api."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._veil = Veil(context.store.graph)
        self._pool = ThreadPoolExecutor(THREADS, "dongne-data")
        self._waiting = self._downloads = 0
        self._latest = latest.Latest(context)
        self._aggregates = aggregates.Aggregates(context)
        self._observations = observations.Downloads(context)

    async def get(self, scope: Scope, receive: Receive, send: Send, name: str) -> None:
        """GET /api/<name>."""
        if name not in FORMS_OF:
            raise NotFound(f"there is nothing at /api/{name[:40]}; there are {', '.join(FORMS_OF)}")
        try:
            status = await self._answer(scope, receive, send, name)
        except DongneError as error:
            self._context.requests[name, error.status] += 1
            await send_error(send, error)
            return
        self._context.requests[name, status] += 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send, name: str) -> int:
        who = self._context.who_of(scope)
        if name != "latest":
            self._context.rates.check("costly_read", who, scope)
        hidden = observations.HiddenNow(self._veil, who.sight)
        options = read_options(options_of(scope), OPTIONS_OF[name])
        form = read_form(options, FORMS_OF[name], "csv" if name == "observations" else "json")
        asked = Asked(choose(self._context.store.graph, options, hidden(), self._context.city), form, options)
        match name:
            case "latest":
                return await self._send_latest(scope, send, asked)
            case "aggregates":
                body = await self._in_turn(self._aggregates.answer, asked)
                await send_bytes(send, 200, body, self._headers(asked, name), (b"content-type", CONTENT[form]))
                return 200
        return await self._send_download(scope, receive, send, asked, hidden)

    async def _send_latest(self, scope: Scope, send: Send, asked: Asked) -> int:
        mark = self._latest.mark(asked)
        headers = [*self._headers(asked, "latest"), (b"etag", mark)]
        if any(name == b"if-none-match" and mark in value for name, value in scope["headers"]):
            await send_bytes(send, 304, b"", headers)
            return 304
        few = len(asked.streams) <= AT_ONCE
        body = self._latest.answer(asked) if few else await self._in_turn(self._latest.answer, asked)
        await send_bytes(send, 200, body, headers, (b"content-type", CONTENT[asked.form]))
        return 200

    async def _send_download(
        self, scope: Scope, receive: Receive, send: Send, asked: Asked, hidden: observations.HiddenNow
    ) -> int:
        headers = [*self._headers(asked, "observations"), (b"content-type", CONTENT[asked.form])]
        path = f"{self._context.public_url(scope)}/api/observations?{scope['query_string'].decode('latin-1')}"
        if asked.form == "csvw":
            body = self._observations.metadata(asked, path.replace("format=csvw", "format=csv"))
            await send_bytes(send, 200, body, headers[:-1], headers[-1])
            return 200
        if asked.form == "csv":
            about = path.replace("format=csv", "format=csvw") if "format=csv" in path else f"{path}&format=csvw"
            headers.append((b"link", f'<{about}>; rel="describedby"; type="application/csvm+json"'.encode()))
        if self._downloads >= MOST_DOWNLOADS:
            raise TooMany(f"{self._downloads} downloads are under way; ask again in a minute", reason="busy")
        self._downloads += 1
        try:
            parts = self._observations.answer(asked, hidden)
            first = await self._in_turn(_first, parts)
            if scope["method"] == "HEAD":
                await send_bytes(send, 200, b"", headers)
            else:
                await send_stream(receive, send, headers, first, parts, self._pool)
        finally:
            self._downloads -= 1
        return 200

    async def _in_turn(self, work: Callable[..., T], *given: Any) -> T:
        """In another thread. Raises TooMany where too many wait already."""
        if self._waiting >= self._context.max_waiting_reads:
            raise TooMany(f"{self._waiting} questions wait for an answer; ask again in a second", reason="busy")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)
        finally:
            self._waiting -= 1

    def _headers(self, asked: Asked, name: str) -> list[Header]:
        headers = [OPEN, (b"cache-control", b"no-cache")]
        if asked.form in ("csv", "parquet", "arrow"):
            file = f"{self._context.city.id}-{name}.{asked.form}"
            headers.append((b"content-disposition", f'attachment; filename="{file}"'.encode()))
        return headers


def _first(parts: Iterator[bytes]) -> bytes:
    return next(parts, b"")
