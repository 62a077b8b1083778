"""The page frame: who asks (language, theme), how a template becomes a response, and what every response forbids."""

import html
import json
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from dongne.model.cases import Case
from dongne.model.entities import Thing
from dongne.model.errors import DongneError, NotFound, RetryLater
from dongne.model.times import parse_instant, to_us
from dongne.model.who import Right, Who
from dongne.runtime.ports import Store
from dongne.web import assets, shapes
from dongne.web.context import WebContext
from dongne.web.forms import COOKIE, FIELD, check_form, check_origin, mark_of, read_fields
from dongne.web.names import Names
from dongne.web.seen import SeenCity
from dongne.web.texts import Words

THEMES = ("auto", "day", "dark", "contrast")
HOMES = "/homes"  # before the address of a home's Case
MENU = (("/", "now"), ("/things", "things"), ("/cases", "cases"), ("/services", "services"), ("/data", "data"))
WATCHING = ("/cases", "/services")
SECTIONS = {
    "/catalog": "/data",
    "/ogc": "/data",
    "/status": "/services",
    "/webhooks": "/services",
    "/homes": "/cases",
}  # beside the menu's own
SCRIPT_TEXTS = (
    "copy.copy",
    "copy.copied",
    "chart.keys",
    "cases.new",
    "watch.blocked",
    "watch.enable",
    "watch.lost",
    "watch.mute",
    "watch.muted",
    "watch.on",
    "watch.ringing",
    "watch.title",
    "map.NavigationControl.ZoomIn",
    "map.NavigationControl.ZoomOut",
    "map.NavigationControl.ResetBearing",
    "map.Map.Title",
    "map.AttributionControl.ToggleAttribution",
    "map.Popup.Close",
    "map.upright",
)
YEAR_S = 365 * 86_400
SECURITY = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; media-src 'self'; "
        "connect-src 'self'; worker-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "permissions-policy": "geolocation=(self), camera=(), microphone=(), payment=(), usb=()",
}


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["state_shape"] = shapes.state_shape
    environment.globals["icon"] = shapes.icon
    environment.filters["instant"] = parse_instant
    environment.filters["here"] = lambda address, base: address.removeprefix(base)  # a page names no host
    return environment


TEMPLATES = _environment()


@dataclass
class Page:
    """One request for a page: what its template may use. Times are microseconds by the city's clock. What the page says of
    the city it reads from `seen`. `book` is where its Cases have their addresses: "" for the city's, HOMES for those of homes. `spoken` is the language of whom the page is for, where that is known. `path` is where a GET finds it: what a form's own address answers is shown at another one.
    """

    request: Request
    context: WebContext
    now_us: int
    who: Who
    seen: SeenCity
    path: str
    book: str = ""
    spoken: str = ""

    @cached_property
    def language(self) -> str:
        """As the address says, else the language of whom the page is for, else the cookie, else the browser, else the city's
        first."""
        known = [x for x in self.context.config.languages if x in self.context.texts.languages]
        wishes = [
            self.request.query_params.get("lang", ""),
            self.spoken.partition("-")[0],
            self.request.cookies.get("lang", ""),
        ]
        accepted = self.request.headers.get("accept-language", "").split(",")
        wishes += [part.split(";")[0].strip().split("-")[0].lower() for part in accepted]
        return next((w for w in wishes if w in known), known[0])

    @cached_property
    def words(self) -> Words:
        """The texts in the language of this page."""
        return self.context.texts.words(self.language)

    @cached_property
    def names(self) -> Names:
        """What things, properties, kinds and cases are called."""
        return Names(self.seen.graph, self.words)

    @cached_property
    def theme(self) -> str:
        """auto, day, dark or contrast."""
        wished = self.request.cookies.get("theme", "")
        return wished if wished in THEMES else "auto"

    @property
    def store(self) -> Store:
        """Where the Cases of this page are written."""
        homes = self.context.homes
        return homes if self.book and homes is not None else self.context.store

    def case_path(self, case: Case) -> str:
        """The address of a Case of this page's book."""
        return f"{self.book}/cases/{case.id}"

    @cached_property
    def books(self) -> list["Page"]:
        """This page over the city's Cases, and over those of homes as far as who asks may see them (HomesSight)."""
        homes, state = self.context.homes, self.request.app.state
        sight = None if homes is None else state.homes_sight.find(self.who)
        if homes is None or sight is None:
            return [self]
        seen = SeenCity(homes, state.homes_veil, sight, only_things=not sight.is_all)
        return [self, replace(self, seen=seen, now_us=homes.clock.now_us(), book=HOMES)]

    def in_homes(self) -> "Page":
        """This page over the Cases of homes. Raises NotFound where there are none for who asks."""
        if len(self.books) == 1:
            raise NotFound("there is no such page")
        return self.books[1]

    @property
    def section(self) -> str:
        """Which entry of the menu this page belongs to."""
        first = "/" + self.path.split("/")[1]
        return SECTIONS.get(first, first)

    def may(self, right: str, thing: int | None = None) -> bool:
        """Whether who asks may do this: "case" or "setting", at this Thing where one is meant."""
        return self.who.may(Right(right), thing)

    @property
    def is_watching(self) -> bool:
        """Whether this page says, and sounds, when a life is at stake: those of the control room, for who may move Cases."""
        return self.section in WATCHING and self.may("case")

    @property
    def form_mark(self) -> Markup:
        """The hidden field that each form which changes something carries."""
        return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, mark_of(self.request, self.context))

    @property
    def is_secure(self) -> bool:
        """Whether the outside reaches this server over https."""
        return self.base_url.startswith("https://")

    @cached_property
    def base_url(self) -> str:
        """How the outside reaches this server, without a slash at the end."""
        return (self.context.public_url or str(self.request.base_url)).rstrip("/")

    @cached_property
    def city_name(self) -> str:
        """The city's name in this language."""
        names = self.context.config.name
        return names.get(self.language) or next(iter(names.values()), self.context.config.id)

    def link(self, **changes: Any) -> str:
        """This page with other parameters; None takes one away."""
        params = {key: value for key, value in self.request.query_params.items() if key not in {"saved", "error"}}
        params |= changes
        query = urlencode({key: value for key, value in params.items() if value not in (None, "")})
        return f"{self.path}?{query}" if query else self.path

    def thing_name(self, thing: Thing | int | None) -> str:
        """What a Thing is called in this language."""
        return self.names.thing(thing)

    def unit_name(self, unit: str) -> str:
        """What a unit that Cases are with is called; one that is not in the roster is called as somebody wrote it."""
        known = self.context.roster.units.get(unit)
        return unit if known is None else known.name.get(self.language) or unit

    @staticmethod
    def us(instant: datetime) -> int:
        """Microseconds of an instant, for `age`."""
        return to_us(instant)

    def age(self, time_us: int, stream: int = 0) -> Markup:
        """How long ago, kept up to date by `live.js`; with a Datastream, newer values make it young again."""
        words = html.escape(self.words.age(time_us, self.now_us))
        title = html.escape(self.words.moment(time_us))
        of = f' data-of="{stream}"' if stream else ""
        return Markup(f'<time data-age="{time_us // 1000}"{of} title="{title}">{words}</time>')


def open_page(request: Request) -> Page:
    """The page that a request asks for. Raises NotKnown for a token that does not hold, TooMany for one
    page too much."""
    context: WebContext = request.app.state.context
    who = context.gate.who_on_page(request.scope)
    context.rates.check("costly_read", who, request.scope)
    return page_for(request, who)


def page_for(request: Request, who: Who) -> Page:
    """The same as somebody sees it."""
    context: WebContext = request.app.state.context
    seen = SeenCity(context.store, request.app.state.veil, who.sight)
    return Page(request, context, context.store.clock.now_us(), who, seen, request.url.path)


def render(page: Page, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """The template on the frame."""
    globals_ = {
        "page": page,
        "t": page.words.say,
        "n": page.words.count,
        "words": page.words,
        "asset": assets.own_url,
        "npm": assets.packages(page.context.node_modules),
        "packages": json.dumps(assets.packages(page.context.node_modules)),
        "menu": MENU,
        "script_texts": json.dumps({key: page.words.raw(key) for key in SCRIPT_TEXTS}, ensure_ascii=False),
        "themes": THEMES,
    }
    response = HTMLResponse(TEMPLATES.get_template(template).render({**globals_, **values}), status)
    response.headers.update(SECURITY)
    response.headers["content-language"] = page.language
    response.headers["cache-control"] = "no-cache"
    response.headers["vary"] = "Accept, Accept-Language, Cookie"
    if page.request.query_params.get("lang") == page.language:
        response.set_cookie("lang", page.language, max_age=YEAR_S, samesite="lax", secure=page.is_secure)
    if COOKIE in page.request.cookies:
        response.headers["cache-control"] = "no-store"
        if not page.who.is_known:
            response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=page.is_secure)
    return response


def retry_after(error: DongneError) -> dict[str, str]:
    """The header that says when to come again, where an error says so."""
    return {"retry-after": str(max(1, ceil(error.after_s)))} if isinstance(error, RetryLater) else {}


def is_id(text: str) -> bool:
    """Whether the text is the number of something."""
    return text.isascii() and text.isdigit() and len(text) <= 18


async def read_form(page: Page, right: Right) -> dict[str, str]:
    """The fields of a form that was posted. Raises NotAllowed where who posts may not, or the form is not one of ours."""
    check_origin(page.request, page.context)
    if right not in page.who.rights:
        page.who.must(right)
    form = await read_fields(page.request)
    check_form(page.request, page.context, form.pop(FIELD, ""))
    return form
