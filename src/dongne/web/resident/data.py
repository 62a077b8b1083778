"""/data: how to use the open data, and whose data it is."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.model.rights import Rights, rights_of
from dongne.web.api.read import DESCRIBED
from dongne.web.frame import Page, open_page, render
from dongne.web.readings import Origin, origin_of, say_origin
from dongne.web.resident import download

LINKS = (
    ("things", "/v1.1/Things?$top=10&$expand=Locations"),
    ("latest", "/v1.1/Datastreams?$top=10&$expand=Observations($top=1;$orderby=phenomenonTime desc)"),
    ("observations", "/v1.1/Observations?$top=10&$orderby=phenomenonTime desc"),
    ("events", "/events/observations"),
    ("cases", "/events/cases"),
    ("layers", "/map/layers.json"),
    ("features", "/ogc"),
    ("described", "/data/api"),
    ("openapi", "/openapi.json"),
    ("metrics", "/metrics"),
)


def show(request: Request) -> Response:
    """GET /data."""
    page = open_page(request)
    graph = page.seen.graph
    found = render(
        page, "data.html", links=LINKS, origins=list_origins(page), sources=page.context.sources,
        things=len(graph.things), streams=len(graph.datastreams), head=page.context.store.head(),
        wish=download.read_wish(page), wrong=None, **download.choices(page),
        say=lambda origin: say_origin(origin, page.words, page.names.service(origin.service)),
    )  # fmt: skip
    found.headers["link"] = DESCRIBED.decode()
    return found


def list_origins(page: Page) -> list[tuple[Origin, Rights, str, int]]:
    """(origin without what is particular to one series, rights, property, number of Datastreams)."""
    graph = page.seen.graph
    found: dict[tuple[Origin, Rights, str], int] = {}
    for stream in list(graph.datastreams.values()):
        origin, rights = origin_of(stream), rights_of(stream.properties, page.context.config)
        key = (Origin(origin.kind, origin.where, "", origin.service), rights, graph.property_key(stream))
        found[key] = found.get(key, 0) + 1
    order = ("measured", "rehomed", "simulated", "derived")
    rows = [(*key, count) for key, count in found.items()]
    return sorted(rows, key=lambda r: (order.index(r[0].kind), r[2]))


ROUTES = [Route("/data", show)]
