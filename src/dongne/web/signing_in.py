"""/sign-in and /sign-out: staff give their token once, and a cookie keeps it until they leave."""

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dongne.model.who import ANYBODY
from dongne.web.forms import COOKIE, FIELD, check_form, read_fields
from dongne.web.frame import Page, open_page, render
from dongne.web.preferences import safe_path

HELD_S = 12 * 3600  # a shift, and some


def show(request: Request) -> Response:
    """GET /sign-in."""
    page = open_page(request)
    return _form(page, safe_path(request.query_params.get("next", "/")))


def _form(page: Page, onward: str, status: int = 200, *, is_wrong: bool = False) -> Response:
    response = render(page, "sign_in.html", status, onward=onward, is_wrong=is_wrong)
    response.headers["cache-control"] = "no-store"
    return response


async def sign_in(request: Request) -> Response:
    """POST /sign-in: token, next."""
    page = open_page(request)
    form = await read_fields(request)
    check_form(request, page.context, form.get(FIELD, ""))
    page.context.rates.check("sign_in", ANYBODY, request.scope)
    token, onward = form.get("token", "").strip(), safe_path(form.get("next", "/"))
    who = await asyncio.to_thread(page.context.gate.sign_in, token, client_of(request))
    if who is None:
        return _form(page, onward, 401, is_wrong=True)
    response = RedirectResponse(onward, 303)
    response.set_cookie(COOKIE, token, max_age=HELD_S, httponly=True, samesite="lax", secure=page.is_secure)
    return response


async def sign_out(request: Request) -> Response:
    """POST /sign-out."""
    page = open_page(request)
    check_form(request, page.context, (await read_fields(request)).get(FIELD, ""))
    if page.who.is_known:
        await asyncio.to_thread(page.context.gate.write_down, page.who, "signed out", client_of(request))
    response = RedirectResponse("/", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=page.is_secure)
    return response


def client_of(request: Request) -> str:
    """The address from which it came."""
    return request.client.host if request.client else ""


ROUTES = [
    Route("/sign-in", show),
    Route("/sign-in", sign_in, methods=["POST"]),
    Route("/sign-out", sign_out, methods=["POST"]),
]
