"""/cases.atom and /cases.json: the open Cases that may be seen, for feed readers and programs."""

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.model.cases import Case
from dongne.model.times import EPOCH, format_instant
from dongne.runtime.ports import CaseFilter
from dongne.standards import atom, json_feed
from dongne.standards.atom import Link
from dongne.standards.openapi import AS_PAGE, Answer, Operation, Schema
from dongne.web.frame import Page, open_page

MOST = 500  # the most urgent
EXTENSION = "_dongne"


def list_items(page: Page) -> tuple[list[json_feed.Item], datetime]:
    """The open Cases, those changed last first, and when the last one was."""
    found = page.seen.list_cases(CaseFilter(is_open=True, limit=MOST, urgent_first=True))
    cases = sorted(found, key=lambda case: (case.changed, case.id), reverse=True)
    return [item_of(page, case) for case in cases], cases[0].changed if cases else EPOCH


def item_of(page: Page, case: Case) -> json_feed.Item:
    """A Case as an item: what, where, by when."""
    say = page.words.say
    parts = [page.thing_name(case.thing)] if case.thing is not None else []
    parts += [
        page.names.case_kind(case.kind),
        page.names.case_word(case.kind, "state", case.state),
        say("case.priority", rank=case.rank),
    ]
    if case.unit:
        parts.append(page.unit_name(case.unit))
    if case.deadline and case.deadline == case.overdue:
        parts.append(say("case.late", due=case.deadline))
    elif case.deadline:
        parts.append(say("case.due", due=case.deadline))
    more: dict[str, Any] = {
        "key": case.key, "kind": case.kind, "state": case.state, "priority": case.rank, "severity": case.severity,
        "unit": case.unit, "thing": case.thing, "due": format_instant(case.deadline) if case.deadline else None,
        "overdue": format_instant(case.overdue) if case.overdue else None,
    }  # fmt: skip
    return json_feed.Item(
        address=f"{page.base_url}/cases/{case.id}", title=page.names.case(case), text=" · ".join(parts),
        published=case.opened, updated=case.changed, tags=(case.kind, f"priority-{case.rank}"),
        author=page.names.service(case.service) if case.service else "",
        more={name: value for name, value in more.items() if value not in (None, "")},
    )  # fmt: skip


def _answer(page: Page, media_type: str, body: bytes) -> Response:
    headers = {
        "cache-control": "no-store" if page.who.is_known else "no-cache", "content-language": page.language,
        "vary": "Accept-Language, Authorization, Cookie",
    }  # fmt: skip
    return Response(body, media_type=media_type, headers=headers)


def _title(page: Page) -> str:
    return f"{page.words.say('cases.title')} · {page.city_name}"


def get_atom(request: Request) -> Response:
    """GET /cases.atom."""
    page = open_page(request)
    items, updated = list_items(page)
    address = page.base_url + page.path
    feed = atom.Feed(
        id=address, title=_title(page), updated=updated, author=page.city_name, language=page.language,
        links=(Link("self", address, atom.MEDIA_TYPE), Link("alternate", f"{page.base_url}/cases", "text/html")),
        entries=tuple(
            atom.Entry(
                id=item.address, title=item.title, updated=item.updated, published=item.published, summary=item.text,
                links=(Link("alternate", item.address, "text/html"),), categories=item.tags,
            )
            for item in items
        ),
    )  # fmt: skip
    return _answer(page, atom.MEDIA_TYPE, atom.encode(feed))


def get_json(request: Request) -> Response:
    """GET /cases.json."""
    page = open_page(request)
    feed = json_feed.Feed(
        address=page.base_url + page.path, page=f"{page.base_url}/cases", title=_title(page), language=page.language,
        author=page.city_name, extension=EXTENSION, items=tuple(list_items(page)[0]),
    )  # fmt: skip
    return _answer(page, json_feed.MEDIA_TYPE, json_feed.encode(feed))


_TEXT: Schema = {"type": "string"}
_ITEM: Schema = {
    "type": "object",
    "required": ["id", "url", "title", "content_text", "date_published", "date_modified"],
    "properties": {
        **dict.fromkeys(("id", "url", "title", "content_text", "date_published", "date_modified"), _TEXT),
        "tags": {"type": "array", "items": _TEXT},
        EXTENSION: {
            "type": "object",
            "description": "The Case: lasting identity, kind, state, priority (0 is life safety), unit, Thing, deadline.",
            "required": ["key", "kind", "state", "priority"],
        },
    },
}
_FEED: Schema = {
    "type": "object",
    "required": ["version", "title", "items"],
    "properties": {
        "version": {"const": json_feed.VERSION},
        **dict.fromkeys(("title", "home_page_url", "feed_url", "language"), _TEXT),
        "items": {"type": "array", "maxItems": MOST, "items": _ITEM},
    },
}
_ABOUT = f"Those that may be seen, changed last first; of more than {MOST}, the most urgent."
OPERATIONS = (
    Operation(
        "GET", "/cases.atom", "getCasesAtom", "cases", "The open Cases as an Atom feed (RFC 4287)",
        {200: Answer(_ABOUT, {atom.MEDIA_TYPE: _TEXT})}, errors=(401, 429), refusal=AS_PAGE,
    ),
    Operation(
        "GET", "/cases.json", "getCasesJson", "cases", "The open Cases as JSON Feed 1.1",
        {200: Answer(_ABOUT, {json_feed.MEDIA_TYPE: _FEED})}, errors=(401, 429), refusal=AS_PAGE,
    ),
)  # fmt: skip
ROUTES = [Route("/cases.atom", get_atom), Route("/cases.json", get_json)]
