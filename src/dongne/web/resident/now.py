"""/ : the district now."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.web.district import look_at_district
from dongne.web.frame import open_page, render


def show(request: Request) -> Response:
    """GET /."""
    page = open_page(request)
    return render(page, "now.html", district=look_at_district(page, request.app.state.remembered))


ROUTES = [Route("/", show)]
