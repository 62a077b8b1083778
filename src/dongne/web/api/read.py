"""GET: a resource path and its options, answered as JSON."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import msgspec

from dongne.model.access import Sight
from dongne.model.errors import BadInput, DongneError, TooMany
from dongne.standards.openapi import MEDIA_TYPE
from dongne.standards.sensorthings.encode import (
    CONFORMANCE_ROOT,
    NextLink,
    encode,
    entity_document,
    get_inside,
    page_document,
    references_document,
    root_document,
    self_link,
)
from dongne.standards.sensorthings.formats import CONTENT_TYPES, csv_lines, data_arrays, geojson
from dongne.standards.sensorthings.options import is_single, parse_path, parse_query, set_of
from dongne.standards.sensorthings.query import Expand, Order, Page, Path, Query, ResourcePath, Row, Want
from dongne.standards.sensorthings.schema import OBSERVATIONS
from dongne.standards.sensorthings.tasking import MQTT_CONFORMANCE as TASKING_OVER_MQTT
from dongne.standards.sensorthings.text import path_text, query_options
from dongne.web.api.conformance import CONFORMANCE, MQTT_CONFORMANCE
from dongne.web.api.context import ApiContext, Receive, Scope, Send
from dongne.web.api.http import OPEN, send_bytes, send_error
from dongne.web.api.stream import send_stream

MOST_STREAMS = 8
MOST_AT_ONCE = 10_000  # rows of another form where the answer is not sent while it is read
READERS = 4  # threads; one statement of DuckDB uses several cores by itself
# RFC 8631: what describes the service, for programs and for people.
DESCRIBED = f'</openapi.json>; rel="service-desc"; type="{MEDIA_TYPE}", </data/api>; rel="service-doc"; type="text/html"'.encode()
_JSON = b"application/json"
_TEXT = b"text/plain; charset=utf-8"
_ALWAYS_SAID = ("resultTime",)  # null is 204 by 18-088, 9.2.4; of this mandatory property OGC's own tests want 200
_SAFE = "$,()/'=;:@*-._~"


class Reads:
    """Answers GET under the service root."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._pool = ThreadPoolExecutor(READERS, "dongne-read")
        self._waiting = self._streams = 0

    async def get(self, scope: Scope, receive: Receive, send: Send, text: str) -> None:
        """The resource at `text`, the decoded path below the service root."""
        try:
            if "resultformat" in scope["query_string"].decode("latin-1").lower() and await self._sent(
                scope, receive, send, text
            ):
                return
            body, content = await self.answer(scope, text)
        except DongneError as error:
            self._context.requests["read", error.status] += 1
            await send_error(send, error)
            return
        status = 200 if body else 204
        self._context.requests["read", status] += 1
        headers = [OPEN] if text.strip("/") else [OPEN, (b"link", DESCRIBED)]
        await send_bytes(send, status, body, headers, (b"content-type", content))

    async def _sent(self, scope: Scope, receive: Receive, send: Send, text: str) -> bool:
        """Sends a set in another form, however long it is, while it is read. False where one entity is asked for."""
        path = parse_path(text)
        query = parse_query(options_of(scope), set_of(path))
        if not query.result_format or is_single(path) or path.want is not Want.ENTITIES:
            return False
        if self._streams >= MOST_STREAMS:
            raise TooMany(f"{self._streams} long answers are under way; ask again in a minute", reason="busy")
        root = f"{self._context.public_url(scope)}/v1.1"
        parts = self._parts(path, query, root, self._context.who_of(scope).sight)
        headers = [OPEN, (b"content-type", CONTENT_TYPES[query.result_format])]
        self._streams += 1
        try:
            first = await asyncio.get_running_loop().run_in_executor(self._pool, next, parts, b"")
            self._context.requests["read", 200] += 1
            if scope["method"] == "HEAD":
                await send_bytes(send, 200, b"", headers)
            else:
                await send_stream(receive, send, headers, first, parts, self._pool)
        finally:
            self._streams -= 1
        return True

    def _parts(self, path: ResourcePath, query: Query, root: str, sight: Sight) -> Iterator[bytes]:
        target, here = set_of(path), f"{root}/{path_text(path)}"
        plain = query if target is not OBSERVATIONS or query.top is not None else _by_stream(path, query)
        pages = self._context.select.slices(path, plain, sight)
        if query.result_format == "dataArray":
            return data_arrays(pages, query, root, lambda rows: _next(here, query, rows))
        ended = {"rows": 0, "more": False}

        def documents() -> Iterator[list[dict[str, Any]]]:
            for page in pages:
                ended["rows"], ended["more"] = ended["rows"] + len(page.rows), page.more
                yield [entity_document(row, target, query, root, self._next_inner(query, root)) for row in page.rows]

        if query.result_format == "CSV":
            return csv_lines(documents())
        return geojson(documents(), lambda: _next(here, query, ended["rows"]) if ended["more"] else None)

    async def answer(self, scope: Scope, text: str) -> tuple[bytes, bytes]:
        """The body and its content type. Raises DongneError."""
        root = f"{self._context.public_url(scope)}/v1.1"
        if not text.strip("/"):
            return encode(self._root(root)), _JSON
        who = self._context.who_of(scope)
        sight = who.sight
        path = parse_path(text)
        query = parse_query(options_of(scope), set_of(path))
        if query.result_format:  # one entity, or a part of a batch
            query = msgspec.structs.replace(
                query, top=min(MOST_AT_ONCE if query.top is None else query.top, MOST_AT_ONCE)
            )
        if self._context.select.is_quick(path, query):
            return self._encoded(path, query, root, sight)
        self._context.rates.check("costly_read", who, scope)
        if self._waiting >= self._context.max_waiting_reads:
            raise TooMany(f"{self._waiting} questions wait for an answer; ask again in a second", reason="busy")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._encoded, path, query, root, sight)
        finally:
            self._waiting -= 1

    def _root(self, root: str) -> dict[str, Any]:
        endpoints, lists_tasking = self._context.mqtt_endpoints, self._context.city.lists_tasking
        over_mqtt = [CONFORMANCE_ROOT + name for name in MQTT_CONFORMANCE]
        over_mqtt += TASKING_OVER_MQTT if lists_tasking else ()
        settings: dict[str, Any] = {name: {"endpoints": endpoints} for name in over_mqtt if endpoints}
        settings["service-desc"] = f"{root.removesuffix('/v1.1')}/openapi.json"
        return root_document(root, CONFORMANCE, settings, lists_tasking=lists_tasking)

    def _encoded(self, path: ResourcePath, query: Query, root: str, sight: Sight) -> tuple[bytes, bytes]:
        found = self._context.select.select(path, query, sight)
        if path.want in (Want.PROPERTY, Want.VALUE):
            assert isinstance(found, Row)
            return _property(path, found)

        next_inner = self._next_inner(query, root)
        if isinstance(found, Row):
            if path.want is Want.REFERENCES:
                return encode({"@iot.selfLink": self_link(root, set_of(path).name, found.id)}), _JSON
            return encode(entity_document(found, set_of(path), query, root, next_inner)), _JSON
        return self._page(found, path, query, root, next_inner)

    def _next_inner(self, query: Query, root: str) -> NextLink:
        endings: dict[tuple[int, int], str] = {}  # the same for most pages of an $expand

        def next_inner(set_name: str, entity_id: int, expand: Expand, rows: int) -> str:
            ending = endings.get((id(expand), rows))
            if ending is None:
                further = msgspec.structs.replace(expand.query, as_of_us=query.as_of_us)
                ending = endings[id(expand), rows] = _next("", further, rows)
            return f"{self_link(root, set_name, entity_id)}/{expand.navigation}{ending}"

        return next_inner

    def _page(self, page: Page, path: ResourcePath, query: Query, root: str, next_inner: Any) -> tuple[bytes, bytes]:
        following = _next(f"{root}/{path_text(path)}", self._steady(query, path), len(page.rows)) if page.more else None
        if path.want is Want.REFERENCES:
            return encode(references_document(page, root, following)), _JSON
        if not query.result_format:
            return encode(page_document(page, query, root, following, next_inner)), _JSON
        content = CONTENT_TYPES[query.result_format]
        if query.result_format == "dataArray":
            return b"".join(data_arrays([page], query, root, lambda rows: following or "")), content
        documents = [[entity_document(row, set_of(path), query, root, next_inner) for row in page.rows]]
        found = csv_lines(documents) if query.result_format == "CSV" else geojson(documents, lambda: following)
        return b"".join(found), content

    def _steady(self, query: Query, path: ResourcePath) -> Query:
        """For a next link: pages of Observations in another order than that of their numbers do not move when more come."""
        is_by_number = query.orderby[:1] in ((), (Order(Path((), "id")),))  # new ones come at the end
        if set_of(path) is not OBSERVATIONS or is_by_number or query.up_to is not None or query.as_of_us is not None:
            return query
        return msgspec.structs.replace(query, up_to=self._context.store.head())


def _by_stream(path: ResourcePath, query: Query) -> Query:
    """All of them, those of each Datastream together."""
    if query.result_format != "dataArray" or (len(path.steps) > 1 and path.steps[-2].name.endswith("atastreams")):
        return query
    streams = [Order(Path((name,), "id")) for name in ("Datastream", "MultiDatastream")]
    return msgspec.structs.replace(query, orderby=(*streams, *query.orderby))


def options_of(scope: Scope) -> list[tuple[str, str]]:
    """The decoded options of a request. Raises BadInput where they cannot be read."""
    try:
        return parse_qsl(scope["query_string"].decode(), keep_blank_values=True, errors="strict", max_num_fields=30)
    except (ValueError, UnicodeDecodeError):
        raise BadInput("the options after ? cannot be read; percent-encode them as UTF-8", reason="query") from None


def decoded_path(scope: Scope) -> str:
    """The path as sent, decoded once."""
    raw = scope.get("raw_path")
    text: str = unquote(raw.decode("latin-1")) if raw else scope["path"]
    return text.partition("?")[0]


def _next(address: str, query: Query, rows: int) -> str:
    """The address of the rows after these."""
    further = msgspec.structs.replace(query, skip=query.skip + rows)
    options = "&".join(f"{name}={quote(value, safe=_SAFE)}" for name, value in query_options(further))
    return f"{address}?{options}"


def _property(path: ResourcePath, row: Row) -> tuple[bytes, bytes]:
    value = get_inside(row.values[path.property[0]], path.property)
    if value is None and not (set_of(path) is OBSERVATIONS and path.property == _ALWAYS_SAID):
        return b"", _TEXT
    if path.want is Want.PROPERTY:
        return encode({path.label or path.property[-1]: value}), _JSON
    return (value.encode() if isinstance(value, str) else encode(value)), _TEXT
