"""What the pages of homes ask of whoever composes the city, and who may open them, why, and what is written down of it."""

from dataclasses import replace
from urllib.parse import quote, unquote

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dongne.model.entities import Thing
from dongne.model.errors import NotFound
from dongne.model.home import HOME
from dongne.model.who import Right
from dongne.web.context import Care
from dongne.web.forms import FIELD, check_form, read_fields
from dongne.web.frame import Page, open_page, render
from dongne.web.preferences import safe_path

COOKIE = "dongne_purpose"
LONGEST = 120
CHOICES = ("alarm", "silent", "maintenance", "consent", "visit")  # purposes that are offered
DEMONSTRATION = "demonstration"


class Closed(Exception):
    """Who asks may not see homes, or has not said why; `response` says what to do."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def show_closed(_request: Request, error: Exception) -> Response:
    """What is answered instead."""
    assert isinstance(error, Closed)
    return private(error.response)


def open_homes(request: Request) -> Page:
    """The page that a request asks for, over what of homes this one may see. Raises Closed; NotFound where there are no homes."""
    page = open_page(request)
    if page.context.care is None:
        raise NotFound("this city has no homes")
    if len(page.books) == 1:
        raise Closed(render(page, "homes_closed.html", 403 if page.who.is_known else 401))
    return replace(page.books[1], path=request.url.path)


def open_home(request: Request) -> tuple[Page, Thing]:
    """The same for one home, opened for a purpose. Each view is in the audit log, with it; what a page that is open fetches anew is
    one entry a minute. Raises Closed, NotFound."""
    page = open_homes(request)
    home = get_home(page, request.path_params["id"])
    purpose = find_purpose(page)
    if not purpose:
        raise Closed(render(page, "home_purpose.html", 403, choices=CHOICES, longest=LONGEST))
    note(page, "home seen", page.path, is_once=request.headers.get("sec-fetch-dest") != "empty")
    return page, home


def note(page: Page, what: str, place: str, *, is_once: bool = True) -> None:
    """Into the audit log, with the purpose."""
    gate, who = page.context.gate, msgspec.structs.replace(page.who, purpose=find_purpose(page))
    if is_once:
        gate.write_down(who, what, place, f"{who.role} {who.purpose}".strip())
    else:
        gate.note_seen(who, what, place)


def find_purpose(page: Page) -> str:
    """What for: as the token says, or who asks; empty where neither did. Simulated homes are looked at as a demonstration."""
    if page.who.purpose:
        return page.who.purpose
    said = unquote(page.request.cookies.get(COOKIE, ""))[:LONGEST].strip()
    return said or ("" if page.seen.sight.is_all else DEMONSTRATION)


async def say_purpose(request: Request) -> Response:
    """POST /homes/purpose: why (a choice), more (in words), next. Kept until the browser closes."""
    page = open_homes(request)
    form = await read_fields(request)
    check_form(request, page.context, form.get(FIELD, ""))
    why = ": ".join(part for part in (form.get("why", ""), form.get("more", "").strip()) if part)[:LONGEST]
    onward = RedirectResponse(safe_path(form.get("next", "/homes")), 303)
    if why:
        onward.set_cookie(COOKIE, quote(why), path="/homes", httponly=True, samesite="lax", secure=page.is_secure)
    return onward


def get_home(page: Page, home_id: int) -> Thing:
    """The home, where this page may show it. Raises NotFound."""
    home = page.seen.graph.things.get(home_id)
    if home is None or home.kind != HOME:
        raise NotFound("there is no such home")
    return home


def care_of(page: Page) -> Care:
    """The homes of this city."""
    assert page.context.care is not None
    return page.context.care


def may_consent(page: Page) -> bool:
    """Whether who asks may write down what a person agreed to."""
    return page.may(Right.CONSENT)


def private(response: Response) -> Response:
    """Kept by nobody, told to nobody."""
    response.headers["cache-control"] = "no-store"
    response.headers["referrer-policy"] = "same-origin"  # not "no-referrer": forms would come from nowhere
    response.headers["x-robots-tag"] = "noindex"
    return response
