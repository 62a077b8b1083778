"""/ : the district now."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.web.boarding.phone import by_line, list_stations
from dongne.web.district import look_at_district
from dongne.web.frame import open_page, render
from dongne.web.resident import walk


def show(request: Request) -> Response:
    """GET /."""
    page = open_page(request)
    demo = page.context.demonstration
    shown = demo.home if demo is not None and len(page.books) > 1 else None  # for who may open it
    district = look_at_district(page, request.app.state.remembered)
    lines = by_line(list_stations(page.seen, page.words))
    return render(page, "now.html", district=district, demo=shown, walks=walk.is_there(page), lines=lines)


ROUTES = [Route("/", show)]
