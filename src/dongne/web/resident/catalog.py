"""/catalog: what data there are, for people and as DCAT-AP for other catalogues."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.standards.dcat.catalog import describe
from dongne.standards.dcat.rdf import json_ld, turtle
from dongne.standards.openapi import Answer, Operation, Schema
from dongne.web.catalog.contents import Contents, Entry, Librarian
from dongne.web.frame import Page, open_page, render
from dongne.web.readings import say_origin

HTML, TURTLE, JSON_LD = "text/html; charset=utf-8", "text/turtle; charset=utf-8", "application/ld+json"
HEADERS = {"access-control-allow-origin": "*", "vary": "Accept, Accept-Language, Cookie", "cache-control": "no-cache"}


def get_contents(request: Request, page: Page) -> Contents:
    """The catalogue of a moment ago, or of now."""
    librarian: Librarian = request.app.state.librarian
    found: Contents = request.app.state.catalog.get(page.base_url, lambda: librarian.draw_up(page.base_url))
    return found


def show(request: Request) -> Response:
    """GET /catalog, as a page; as Turtle or JSON-LD where these are wished."""
    wish = request.headers.get("accept", "")
    if "text/html" not in wish:
        if "text/turtle" in wish:
            return get_turtle(request)
        if "application/ld+json" in wish:
            return get_json_ld(request)
    page = open_page(request)
    contents = get_contents(request, page)
    return render(
        page, "catalog.html", entries=contents.entries, catalog=contents.catalog, fresh=lambda one: say_freshness(page, one),
        complete=lambda one: say_completeness(page, one), origin=lambda one: say_entry_origin(page, one),
    )  # fmt: skip


def get_turtle(request: Request) -> Response:
    """GET /catalog.ttl."""
    catalog = get_contents(request, open_page(request)).catalog
    return Response(turtle(describe(catalog)), headers=HEADERS, media_type=TURTLE)


def get_json_ld(request: Request) -> Response:
    """GET /catalog.jsonld."""
    catalog = get_contents(request, open_page(request)).catalog
    return Response(msgspec.json.encode(json_ld(describe(catalog))), headers=HEADERS, media_type=JSON_LD)


def say_entry_origin(page: Page, entry: Entry) -> str:
    """Where a data set comes from."""
    if not entry.origins:
        said = entry.dataset.provenance
        return said.get(page.language) or next(iter(said.values()), "")
    return "; ".join(say_origin(one, page.words, page.names.service(one.service)) for one in entry.origins)


def say_freshness(page: Page, entry: Entry) -> str:
    """ "Promised every 15 minutes, last 4 minutes ago"."""
    measured, words = entry.measured, page.words
    if not entry.streams:
        return ""
    if not measured.newest_us:
        return words.say("catalog.never")
    age = words.age(measured.newest_us, page.now_us)
    if measured.promised_s is None:
        return words.say("catalog.unpromised", age=age)
    return words.say("catalog.promised", every=words.length(measured.promised_s), age=age)


def say_completeness(page: Page, entry: Entry) -> str:
    """How many of the Datastreams are in time, and how much of the last day and week is there."""
    measured, words = entry.measured, page.words
    said = [words.count("catalog.in_time", measured.promising, some=measured.in_time)] if measured.promising else []
    if measured.day is not None:
        said.append(words.say("catalog.day", share=words.number(100 * measured.day)))
    if measured.week is not None:
        said.append(words.say("catalog.week", share=words.number(100 * measured.week)))
    return " · ".join(said)


def _operation(path: str, name: str, summary: str, contents: dict[str, Schema]) -> Operation:
    answer = {200: Answer(f"{summary}.", contents)}
    return Operation("GET", path, name, "catalogue", summary, answer, errors=(), takes_token=False)


_TEXT: Schema = {"type": "string"}
_GRAPH: Schema = {"type": "object", "required": ["@context", "@graph"]}
OPERATIONS = (
    _operation("/catalog", "getCatalog", "The open data, as Accept asks for them", {HTML: _TEXT, TURTLE: _TEXT, JSON_LD: _GRAPH}),
    _operation("/catalog.ttl", "getCatalogTurtle", "The open data as DCAT-AP 3.0 in Turtle", {TURTLE: _TEXT}),
    _operation("/catalog.jsonld", "getCatalogJsonLd", "The open data as DCAT-AP 3.0 in JSON-LD", {JSON_LD: _GRAPH}),
)  # fmt: skip
ROUTES = [Route("/catalog", show), Route("/catalog.ttl", get_turtle), Route("/catalog.jsonld", get_json_ld)]
