"""GET: a resource path and its options, answered as JSON."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import msgspec

from dongne.model.access import Sight
from dongne.model.errors import BadInput, DongneError, NotFound, TooMany
from dongne.standards.openapi import MEDIA_TYPE
from dongne.standards.sensorthings.encode import (
    CONFORMANCE_ROOT,
    encode,
    entity_document,
    page_document,
    references_document,
    root_document,
    self_link,
)
from dongne.standards.sensorthings.formats import CONTENT_TYPES, csv_text, data_arrays, geojson
from dongne.standards.sensorthings.options import parse_path, parse_query, set_of
from dongne.standards.sensorthings.query import Expand, Page, Query, ResourcePath, Row, Want
from dongne.standards.sensorthings.schema import OBSERVATIONS
from dongne.standards.sensorthings.tasking import MQTT_CONFORMANCE as TASKING_OVER_MQTT
from dongne.standards.sensorthings.text import path_text, query_options
from dongne.web.api.conformance import CONFORMANCE, MQTT_CONFORMANCE
from dongne.web.api.context import ApiContext, Scope, Send
from dongne.web.api.http import OPEN, send_bytes, send_error

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
        self._waiting = 0

    async def get(self, scope: Scope, send: Send, text: str) -> None:
        """The resource at `text`, the decoded path below the service root."""
        try:
            body, content = await self.answer(scope, text)
        except DongneError as error:
            self._context.requests["read", error.status] += 1
            await send_error(send, error)
            return
        status = 200 if body else 204
        self._context.requests["read", status] += 1
        headers = [OPEN] if text.strip("/") else [OPEN, (b"link", DESCRIBED)]
        await send_bytes(send, status, body, headers, (b"content-type", content))

    async def answer(self, scope: Scope, text: str) -> tuple[bytes, bytes]:
        """The body and its content type. Raises DongneError."""
        root = f"{self._context.public_url(scope)}/v1.1"
        if not text.strip("/"):
            return encode(self._root(root)), _JSON
        who = self._context.who_of(scope)
        sight = who.sight
        path = parse_path(text)
        query = parse_query(options_of(scope), set_of(path))
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

        endings: dict[tuple[int, int], str] = {}  # the same for most pages of an $expand

        def next_inner(set_name: str, entity_id: int, expand: Expand, rows: int) -> str:
            ending = endings.get((id(expand), rows))
            if ending is None:
                ending = endings[id(expand), rows] = _next(
                    "", msgspec.structs.replace(expand.query, as_of_us=query.as_of_us), rows
                )
            return f"{self_link(root, set_name, entity_id)}/{expand.navigation}{ending}"

        if isinstance(found, Row):
            if path.want is Want.REFERENCES:
                return encode({"@iot.selfLink": self_link(root, set_of(path).name, found.id)}), _JSON
            return encode(entity_document(found, set_of(path), query, root, next_inner)), _JSON
        return self._page(found, path, query, root, next_inner)

    def _page(self, page: Page, path: ResourcePath, query: Query, root: str, next_inner: Any) -> tuple[bytes, bytes]:
        following = _next(f"{root}/{path_text(path)}", query, len(page.rows)) if page.more else None
        if path.want is Want.REFERENCES:
            return encode(references_document(page, root, following)), _JSON
        if not query.result_format:
            return encode(page_document(page, query, root, following, next_inner)), _JSON
        content = CONTENT_TYPES[query.result_format]
        if query.result_format == "dataArray":
            return data_arrays(page, query, root, following), content
        documents = [entity_document(row, set_of(path), query, root, next_inner) for row in page.rows]
        return (csv_text(documents) if query.result_format == "CSV" else geojson(documents, following)), content


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
    value = row.values[path.property[0]]
    for step in path.property[1:]:
        value = msgspec.to_builtins(value)
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            raise NotFound(f"{'/'.join(path.property)}: there is nothing at {step[:40]!r}")
    if value is None and not (set_of(path) is OBSERVATIONS and path.property == _ALWAYS_SAID):
        return b"", _TEXT
    if path.want is Want.PROPERTY:
        return encode({path.label or path.property[-1]: value}), _JSON
    return (value.encode() if isinstance(value, str) else encode(value)), _TEXT
