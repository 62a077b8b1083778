"""/map: the city drawn from its own layers. Without script a drawing; with it, on demand, a map to move in."""

from typing import Any

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from dongne.adapters.layers import map_layers
from dongne.model.errors import NotFound
from dongne.standards.openapi import AS_PAGE, Answer, Operation, Parameter, Schema, reference
from dongne.web.assess import WORST_FIRST
from dongne.web.district import find_groups, state_word
from dongne.web.drawing import BASE_POLICY, Projection, draw_base, draw_marker
from dongne.web.frame import Page, is_id, open_page, render

BASE = ("building", "footway", "steps", "pedestrian_street", "street", "park", "water")
GEOJSON, PMTILES = "application/geo+json", "application/vnd.pmtiles"
MOST_MARKERS = 400  # on the drawn map; the rest is in the list
_encode = msgspec.json.Encoder().encode


def find_markers(request: Request, page: Page) -> list[dict[str, Any]]:
    """The Things somebody says something of, each with its worst state and its place, worst last so that it lies on top."""
    graph = page.seen.graph
    found: dict[int, dict[str, Any]] = {}
    for group in find_groups(page, request.app.state.remembered):
        for one in group.things:
            point = graph.find_point(one.thing)
            if point is None:
                continue
            marker = {
                "id": one.thing, "name": page.thing_name(one.thing), "state": one.state, "point": point,
                "word": state_word(page, group.service, one.state), "kind": graph.things[one.thing].kind,
            }  # fmt: skip
            before = found.get(one.thing)
            if before is None or WORST_FIRST.index(one.state) < WORST_FIRST.index(before["state"]):
                found[one.thing] = marker
    return sorted(found.values(), key=lambda m: (-WORST_FIRST.index(m["state"]), m["id"]))


def show(request: Request) -> Response:
    """GET /map."""
    page = open_page(request)
    projection = Projection(page.context.config.bounds)
    markers = find_markers(request, page)
    chosen = request.query_params.get("thing", "")
    inside = [m for m in markers if projection.holds(m["point"])]
    notable = [m for m in inside if m["state"] in ("alarm", "crowded", "busy")]
    others = [m for m in inside if m not in notable][: max(0, MOST_MARKERS - len(notable))]
    drawn = Markup("").join(draw_marker(projection, m, str(m["id"]) == chosen) for m in [*others, *notable])
    counts = {state: sum(m["state"] == state for m in inside) for state in WORST_FIRST}
    focus = page.seen.graph.find_point(int(chosen)) if is_id(chosen) else None
    return render(
        page, "map.html", projection=projection, markers=drawn, notable=notable[::-1][:20], counts=counts, focus=focus,
        chosen=int(chosen) if focus else None, total=len(inside), drawn=len(others) + len(notable),
    )  # fmt: skip


def get_base(request: Request) -> Response:
    """GET /map/base.svg: buildings and ways."""
    page = open_page(request)
    graph = page.seen.graph
    svg = request.app.state.layers.get(
        ("svg", page.who.sight, page.seen.revision),
        lambda: draw_base(Projection(page.context.config.bounds), map_layers(graph, frozenset(BASE))),
    )
    headers = {"cache-control": "no-cache", "content-security-policy": BASE_POLICY}
    return Response(svg, media_type="image/svg+xml", headers=headers)


def get_layers(request: Request) -> Response:
    """GET /map/layers.json: what the map is made of."""
    page = open_page(request)
    context = page.context
    kinds = {t.kind for t in list(page.seen.graph.things.values())}
    west, south, east, north = context.config.bounds
    content = {
        "bounds": [[west, south], [east, north]],
        "base": [f"/map/{kind}.json" for kind in BASE if kind in kinds],
        "things": "/map/things.json",
        "attribution": context.config.attribution,
    }
    if context.basemap is not None and context.basemap.exists():
        content["tiles"] = "/map/city.pmtiles"
    return _json(_encode(content))


def get_layer(request: Request) -> Response:
    """GET /map/<kind>.json: one layer as GeoJSON; `things` are those with values, with their state."""
    page = open_page(request)
    name = request.path_params["layer"]
    if name == "things":
        features = [
            {
                "type": "Feature", "id": m["id"], "geometry": {"type": "Point", "coordinates": m["point"]},
                "properties": {key: m[key] for key in ("id", "name", "state", "word", "kind")},
            }
            for m in find_markers(request, page)
        ]  # fmt: skip
        return _json(_encode({"type": "FeatureCollection", "features": features}))
    graph, revision = page.seen.graph, page.seen.revision
    layers = request.app.state.layers.get(
        (name, page.who.sight, revision), lambda: map_layers(graph, frozenset({name}))
    )
    if name not in layers:
        raise NotFound(f"there is no layer {name!r}; /map/layers.json lists them")
    return _json(_encode(layers[name]))


def get_tiles(request: Request) -> Response:
    """GET /map/city.pmtiles: land, water, ways and houses as vector tiles in one file; browsers ask for ranges of it."""
    file = open_page(request).context.basemap
    if file is None or not file.exists():
        raise NotFound("this city's map has no tiles yet; /map/layers.json says what there is")
    return FileResponse(file, media_type=PMTILES, headers={"cache-control": "no-cache"})


def _json(content: bytes) -> Response:
    return Response(content, media_type=GEOJSON, headers={"cache-control": "no-cache"})


_LAYERS = {
    "type": "object",
    "required": ["bounds", "base", "things", "attribution"],
    "properties": {
        "bounds": {"type": "array", "description": "South-west and north-east corner, longitude, latitude in degrees."},
        "base": {"type": "array", "items": {"type": "string"}},
        "things": {"type": "string"},
        "attribution": {"type": "string"},
        "tiles": {"type": "string"},
    },
}
_LAYER = Parameter("layer", {"type": "string"}, "As /map/layers.json lists them.", "path", True, ("things",))
_RANGE = Parameter(
    "Range", {"type": "string", "pattern": r"^bytes=\d{1,9}-\d{1,9}$"}, "Which bytes (RFC 9110, 14).", "header"
)


def _operation(path: str, name: str, summary: str, kind: str, schema: Schema, **more: Any) -> Operation:
    answers = more.pop("answers", {200: Answer(f"{summary}.", {kind: schema})})
    return Operation("GET", path, name, "map", summary, answers, refusal=AS_PAGE, **{"errors": (), **more})


OPERATIONS = (
    _operation("/map/layers.json", "getMapLayers", "What the map is made of", GEOJSON, _LAYERS),
    _operation("/map/{layer}.json", "getMapLayer", "One layer of the map as GeoJSON", GEOJSON, reference("FeatureCollection"),
               parameters=(_LAYER,), errors=(404,)),
    _operation("/map/base.svg", "getMapDrawing", "Buildings and ways, drawn", "image/svg+xml", {"type": "string"}),
    _operation("/map/city.pmtiles", "getMapTiles", "Vector tiles in one file, PMTiles 3", PMTILES, {"type": "string"},
               parameters=(_RANGE,), errors=(400, 404, 416), answers={
                   200: Answer("All of it.", {PMTILES: {"type": "string"}}), 206: Answer("That range.", {PMTILES: {"type": "string"}}),
               }),
)  # fmt: skip
ROUTES = [
    Route("/map", show),
    Route("/map/base.svg", get_base),
    Route("/map/layers.json", get_layers),
    Route("/map/city.pmtiles", get_tiles),
    Route("/map/{layer}.json", get_layer),
]
