"""Language and theme, kept in cookies; forms and links work without script."""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dongne.web.forms import FIELD, check_form, read_fields
from dongne.web.frame import THEMES, YEAR_S


async def choose(request: Request) -> Response:
    """POST /preferences: theme, and where to go on."""
    form = await read_fields(request)
    check_form(request, request.app.state.context, form.get(FIELD, ""))
    response = RedirectResponse(safe_path(form.get("next", "/")), 303)
    theme = form.get("theme", "")
    if theme in THEMES:
        response.set_cookie("theme", theme, max_age=YEAR_S, samesite="lax")
    return response


def safe_path(text: str) -> str:
    """The path if it is one of ours, else the front page."""
    parts = urlsplit(text)
    is_ours = not parts.scheme and not parts.netloc and text.startswith("/") and not text.startswith(("//", "/\\"))
    return text if is_ours else "/"


ROUTES = [Route("/preferences", choose, methods=["POST"])]
