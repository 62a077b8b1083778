"""The whole web of a city as one ASGI application: pages, files for browsers, and the API where it is given."""

import logging
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dongne.model.access import PUBLIC, Veil
from dongne.model.errors import DongneError, NotKnown
from dongne.model.who import ANYBODY
from dongne.standards.openapi import Operation
from dongne.web import assets, preferences, signing_in
from dongne.web.api.app import Api
from dongne.web.assess import Remembered
from dongne.web.boarding import routes as boarding
from dongne.web.boarding.feeds import LastFeeds
from dongne.web.catalog.contents import Librarian
from dongne.web.context import WebContext
from dongne.web.control_room import (
    attaching,
    case_feeds,
    case_steps,
    cases,
    closing,
    roster,
    services,
    status,
    watch,
    webhooks,
    what_if,
)
from dongne.web.frame import page_for, render, retry_after
from dongne.web.homes import changing as home_changes
from dongne.web.homes import family, screen
from dongne.web.homes import measurements as home_measurements
from dongne.web.homes import pages as home_pages
from dongne.web.homes.care import Closed, show_closed
from dongne.web.homes_sight import HomesSight
from dongne.web.ogc import described
from dongne.web.ogc.collections import Collections
from dongne.web.outside import with_headers
from dongne.web.resident import (
    alerts,
    answers,
    catalog,
    data,
    described_page,
    download,
    features,
    now,
    replies,
    stop_display,
    things,
    walk,
)
from dongne.web.resident import map as map_page
from dongne.web.seen import SeenCity
from dongne.web.short_answers import ShortAnswers, is_short

log = logging.getLogger(__name__)
LAYERS_FRESH_S = 3600.0  # they are remembered by the revision of the graph
CATALOG_FRESH_S = 30.0
LONGEST_PATH = 1_000
API_PATHS = ("/v1.1", "/api", "/events", "/metrics", "/status", "/openapi.json")


def create_app(context: WebContext, api: ASGIApp | None = None) -> ASGIApp:
    """The application. `api` answers the paths of API_PATHS and gets their requests untouched."""
    is_https = context.public_url.startswith("https://")
    made = create_pages(context)
    pages = with_short_answers(with_sane_paths(made), context)
    if api is None:
        return with_headers(pages, is_https=is_https)
    if isinstance(api, Api):
        api.description.add(lambda: list_operations(context))
        made.state.description = api.description

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if path == "/status" and wants_page(scope):
            await pages(scope, receive, send)
        elif path.startswith(API_PATHS) and any(path == p or path.startswith((p + "/", p + "(")) for p in API_PATHS):
            await api(scope, receive, send)
        else:
            await pages(scope, receive, send)

    return with_headers(app, is_https=is_https)


def with_short_answers(pages: ASGIApp, context: WebContext) -> ASGIApp:
    """The same; answers as JSON go a way of their own."""
    short = ShortAnswers(context)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_short(scope):
            await short(scope, receive, send)
        else:
            await pages(scope, receive, send)

    return app


def with_sane_paths(pages: ASGIApp) -> ASGIApp:
    """The same; a path longer than any of ours leads to nothing, before somebody tries to read a number out of it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(scope["path"]) > LONGEST_PATH:
            scope = {**scope, "path": "/-", "raw_path": b"/-"}
        await pages(scope, receive, send)

    return app


def wants_page(scope: Scope) -> bool:
    """Whether a browser asks: it names HTML, and programs don't."""
    return any(name == b"accept" and b"text/html" in value for name, value in scope.get("headers", ()))


def list_operations(context: WebContext) -> list[Operation]:
    """What the pages answer to programs."""
    seen = SeenCity(context.store, Veil(context.store.graph), PUBLIC)
    return [
        *map_page.OPERATIONS,
        *catalog.OPERATIONS,
        *alerts.list_operations(context),
        *things.OPERATIONS,
        *services.OPERATIONS,
        *case_feeds.OPERATIONS,
        *answers.list_operations(context),
        *boarding.list_operations(seen),
        *described.list_operations(min(context.store.graph.locations, default=1)),
        *(described.list_route_operations(context.config.centre) if walk.answers_in(context) else []),
    ]


def create_pages(context: WebContext) -> Starlette:
    """The pages alone."""
    routes = [
        Route("/assets/npm/{package}/{path:path}", assets.serve_package),
        Route("/assets/{version}/{path:path}", assets.serve_own),
        *preferences.ROUTES,
        *signing_in.ROUTES,
        *now.ROUTES,
        *things.ROUTES,
        *map_page.ROUTES,
        *answers.ROUTES,
        *walk.ROUTES,
        *stop_display.ROUTES,
        *boarding.ROUTES,
        *data.ROUTES,
        *catalog.ROUTES,
        *alerts.ROUTES,
        *download.ROUTES,
        *described_page.ROUTES,
        *features.ROUTES,
        *replies.ROUTES,
        *case_feeds.ROUTES,
        *cases.ROUTES,
        *case_steps.ROUTES,
        *closing.ROUTES,
        *attaching.ROUTES,
        *roster.ROUTES,
        *watch.ROUTES,
        *services.ROUTES,
        *what_if.ROUTES,
        *status.ROUTES,
        *webhooks.ROUTES,
        *home_pages.ROUTES,
        *home_changes.ROUTES,
        *screen.ROUTES,
        *family.ROUTES,
        *home_measurements.ROUTES,
    ]
    pages = Starlette(
        routes=routes,
        middleware=[Middleware(GZipMiddleware, minimum_size=800, compresslevel=5)],
        exception_handlers={
            HTTPException: show_http_error,
            Closed: show_closed,
            DongneError: show_error,
            Exception: show_crash,
        },
    )
    _remember(pages, context)
    return pages


def _remember(pages: Starlette, context: WebContext) -> None:
    """What the pages keep between two requests."""
    pages.state.context = context
    pages.state.veil = Veil(context.store.graph)
    pages.state.homes_veil = None if context.homes is None else Veil(context.homes.graph)
    pages.state.homes_sight = None if context.homes is None else HomesSight(context.homes)
    stores = [store for store in (context.store, context.homes) if store is not None]
    pages.state.changes = [watch.LastChange(store) for store in stores]
    pages.state.description = None  # the API sets its own
    pages.state.remembered = Remembered()
    pages.state.collections = collections = Collections(context)
    pages.state.librarian = Librarian(context, collections)
    pages.state.catalog = Remembered(CATALOG_FRESH_S, 4)
    pages.state.gtfs_feeds = LastFeeds()
    pages.state.layers = Remembered(LAYERS_FRESH_S, 24)


def show_http_error(request: Request, error: Exception) -> Response:
    """404, 405 and their like on the frame."""
    assert isinstance(error, HTTPException)
    page = _error_page(request, error.status_code, "")
    page.headers.update(error.headers or {})  # Allow, with 405
    return page


def show_error(request: Request, error: Exception) -> Response:
    """What somebody can mend, with the status that says whose turn it is."""
    assert isinstance(error, DongneError)
    response = _error_page(request, error.status, error.message)
    response.headers.update(retry_after(error))
    return response


def show_crash(request: Request, error: Exception) -> Response:
    """Our fault; the log has the rest."""
    return _error_page(request, HTTPStatus.INTERNAL_SERVER_ERROR, "")


def _error_page(request: Request, status: int, detail: str) -> Response:
    try:
        who = request.app.state.context.gate.who_on_page(request.scope)
    except NotKnown:
        who = ANYBODY
    page = page_for(request, who)
    key = f"error.{status}"
    title = page.words.say(key if key in page.words else "error.other")
    return render(page, "error.html", status, title=title, detail=detail, code=status)
