"""/ : the district now."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.web.district import look_at_district
from dongne.web.frame import open_page, render


def show(request: Request) -> Response:
    """GET /."""
    page = open_page(request)
    demo = page.context.demonstration
    shown = demo.home if demo is not None and len(page.books) > 1 else None  # for who may open it
    return render(page, "now.html", district=look_at_district(page, request.app.state.remembered), demo=shown)


ROUTES = [Route("/", show)]
