"""/ogc: OGC API - Features, as JSON and as pages (17-069r4)."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne import __version__
from dongne.model.errors import BadInput, DongneError, NotFound
from dongne.model.times import parse_instant
from dongne.standards.cql2.evaluate import Sort
from dongne.web.frame import Page, open_page, render, retry_after
from dongne.web.ogc import documents
from dongne.web.ogc.asked import CRS84, find_items, read_asked
from dongne.web.ogc.collections import DATASTREAMS, GEOMETRY, LOCATIONS, OTHER, Collection, Collections, Feature, Item
from dongne.web.ogc.routes import PREFERENCES, make_route, read_body
from dongne.web.resident.walk import is_there

PATH = "/ogc"
MOST_COLUMNS = 5  # of a page's table
UNSHOWN = frozenset({"name", "description", "kind", "mode", "thing", "attribution", "owner", GEOMETRY})
OPEN = {"access-control-allow-origin": "*", "vary": "Accept, Accept-Language, Cookie"}
_encode = msgspec.json.Encoder().encode
Handler = Callable[["Asking"], Response]


class Asking:
    """One request: the page it would be, the collections, and whether a page is wished."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.page: Page = open_page(request)
        self.collections: Collections = request.app.state.collections
        self.root = f"{self.page.base_url}{PATH}"
        form = request.query_params.get("f")
        self.is_html = form == "html" or (form is None and "text/html" in request.headers.get("accept", ""))
        if form not in (None, "html", "json"):
            raise BadInput(f"f={form[:40]!r} is not answered here; there are json and html", reason="query")

    @property
    def collection(self) -> Collection:
        """The one that the path names. Raises NotFound."""
        return self.collections.get(self.request.path_params["collection"])

    def title(self, collection: Collection) -> str:
        """What a collection is called."""
        if collection.id in (LOCATIONS, DATASTREAMS, OTHER):
            return self.page.words.say(f"ogc.{collection.id}")
        return self.page.names.kind(collection.id)

    def check_options(self) -> None:
        """Raises BadInput for any option but those of the form (17-069r4, clause 7.5)."""
        for name in self.request.query_params:
            if name not in ("f", "lang"):
                raise BadInput(f"there is no option {name[:60]!r} here; there are f and lang", reason="query")

    def send(self, document: Any, kind: str) -> Response:
        """The document; places in GeoJSON with their coordinate system (18-058r1, clause 6.6)."""
        headers = {**OPEN, "content-language": self.page.language}
        if kind == documents.GEOJSON:
            headers["content-crs"] = f"<{CRS84}>"
        return Response(_encode(document), 200, headers, media_type=kind)

    def show(self, title: str, crumbs: list[tuple[str, str]], **values: Any) -> Response:
        """The document as a page; `f=json` is its other form."""
        usual: dict[str, Any] = {
            "intro": "",
            "facts": [],
            "columns": [],
            "rows": [],
            "next": "",
            "links": [],
            "count": "",
        }
        given = {**usual, **values, "title": title, "crumbs": crumbs, "json": self.page.link(f="json", lang=None)}
        return render(self.page, "ogc.html", **given)


def answered(handler: Handler, *, has_options: bool = False) -> Callable[[Request], Response]:
    """The handler, with its errors said in the form that is wished."""

    def answer(request: Request) -> Response:
        try:
            asking = Asking(request)
            if not has_options:
                asking.check_options()
            return handler(asking)
        except DongneError as error:
            if "text/html" in request.headers.get("accept", "") and request.query_params.get("f") != "json":
                raise
            document = {"code": str(error.status), "description": error.message}
            headers = {**OPEN, **retry_after(error)}
            return Response(_encode(document), error.status, headers, media_type=documents.JSON)

    return answer


def get_landing(asking: Asking) -> Response:
    """GET /ogc."""
    words, city = asking.page.words, asking.page.context.config
    title, intro = words.say("ogc.title"), words.say("ogc.intro", city=asking.page.city_name)
    if asking.is_html:
        here = [("ogc.collections", "collections"), ("ogc.conformance", "conformance"), ("ogc.description", "api")]
        here += [("ogc.routes", "routes")] if is_there(asking.page) else []
        links = [(words.say(key), f"{PATH}/{rest}") for key, rest in here]
        return asking.show(title, [(words.say("data.title"), "/data")], intro=intro, links=links)
    document = documents.landing(asking.root, title, intro, city.attribution, routes=is_there(asking.page))
    return asking.send(document, documents.JSON)


def get_conformance(asking: Asking) -> Response:
    """GET /ogc/conformance."""
    title = asking.page.words.say("ogc.conformance")
    document = documents.conformance(PREFERENCES if is_there(asking.page) else ())
    if asking.is_html:
        return asking.show(title, [_home(asking)], links=[(uri, "") for uri in document["conformsTo"]])
    return asking.send(document, documents.JSON)


def get_description(asking: Asking) -> Response:
    """GET /ogc/api: OpenAPI 3.0, its paths below the landing page's address."""
    named = [(one, asking.title(one)) for one in asking.collections.list_all().values()]
    title = asking.page.words.say("ogc.title")
    document = documents.openapi(asking.root, title, __version__, named, routes=is_there(asking.page))
    return asking.send(document, documents.OPENAPI)


def list_collections(asking: Asking) -> Response:
    """GET /ogc/collections."""
    words = asking.page.words
    found = list(asking.collections.list_all().values())
    if asking.is_html:
        rows = [
            [(asking.title(one), _address(one)), (words.number(len(one.items)), ""), (_observed(asking, one), "")]
            for one in found
        ]
        columns = [words.say(key) for key in ("ogc.collection", "ogc.items", "ogc.values")]
        return asking.show(words.say("ogc.collections"), [_home(asking)], columns=columns, rows=rows)
    all_of_them = [_document(asking, one) for one in found]
    return asking.send(documents.collections_document(asking.root, all_of_them), documents.JSON)


def get_collection(asking: Asking) -> Response:
    """GET /ogc/collections/<id>."""
    collection, words = asking.collection, asking.page.words
    if not asking.is_html:
        return asking.send(_document(asking, collection), documents.JSON)
    bbox = collection.bbox
    facts = [
        (words.say("ogc.items"), words.number(len(collection.items))),
        (words.say("ogc.values"), _observed(asking, collection)),
        (words.say("ogc.box"), ", ".join(f"{number:.5f}" for number in bbox) if bbox else ""),
    ]
    here = ((words.say("ogc.show_items"), "items"), (words.say("ogc.queryables"), "queryables"))
    links = [(text, f"{_address(collection)}/{rest}") for text, rest in here]
    crumbs = [_home(asking), _list(asking)]
    return asking.show(asking.title(collection), crumbs, facts=[f for f in facts if f[1]], links=links)


def get_queryables(asking: Asking) -> Response:
    """GET /ogc/collections/<id>/queryables."""
    collection, words = asking.collection, asking.page.words
    document = documents.queryables(asking.root, collection, asking.title(collection))
    if not asking.is_html:
        return asking.send(document, documents.SCHEMA)
    rows = [
        [(name, ""), (words.say(f"ogc.sort.{sort.name.lower()}"), ""), (asking.page.names.unit(collection.units.get(name, "")), "")]
        for name, sort in collection.queryables.items()
    ]  # fmt: skip
    columns = [words.say(key) for key in ("ogc.property", "ogc.sort", "ogc.unit")]
    crumbs = [_home(asking), _list(asking), (asking.title(collection), _address(collection))]
    return asking.show(words.say("ogc.queryables"), crumbs, columns=columns, rows=rows)


def list_items(asking: Asking) -> Response:
    """GET /ogc/collections/<id>/items."""
    collection, words = asking.collection, asking.page.words
    options = asking.request.query_params.multi_items()
    found = find_items(asking.collections, collection, read_asked(options, collection))
    if not asking.is_html:
        document = documents.items_document(asking.root, collection, found, options, asking.page.now_us)
        return asking.send(document, documents.GEOJSON)
    names = _columns(collection, found.features)
    rows = [
        [(_name(asking, one), f"{_address(collection)}/items/{one.item.id}"), *((_shown(asking, collection, one, n), "") for n in names)]
        for one in found.features
    ]  # fmt: skip
    following = ""
    if found.more:
        following = documents.next_address(f"{_address(collection)}/items", found, options)
    columns = [words.say("ogc.item"), *(asking.page.names.property(name) for name in names)]
    crumbs = [_home(asking), _list(asking), (asking.title(collection), _address(collection))]
    count = words.count("ogc.found", found.matched, shown=len(found.features))
    return asking.show(
        words.say("ogc.items_of", what=asking.title(collection)),
        crumbs,
        columns=columns,
        rows=rows,
        next=following,
        count=count,
    )


def get_item(asking: Asking) -> Response:
    """GET /ogc/collections/<id>/items/<number>."""
    collection, number = asking.collection, asking.request.path_params["item"]
    item = collection.find(int(number)) if number.isascii() and number.isdigit() and len(number) <= 18 else None
    if item is None:
        raise NotFound(f"there is no item {number[:40]!r} in the collection {collection.id!r}")
    (feature,) = asking.collections.complete([item])
    if not asking.is_html:
        links = [
            documents.link(f"{asking.page.base_url}{path}", rel, kind)
            for path, rel, kind in _elsewhere(collection, item)
        ]
        document = documents.item_document(asking.root, collection, feature, links)
        return asking.send(document, documents.GEOJSON)
    facts = [
        (_label(asking, collection, name), _shown(asking, collection, feature, name))
        for name in feature.values
        if name != "name"
    ]
    ways = [(asking.page.words.say(f"ogc.{rel}"), path) for path, rel, _ in _elsewhere(collection, item)]
    crumbs = [_home(asking), _list(asking), (asking.title(collection), _address(collection))]
    return asking.show(_name(asking, feature), crumbs, facts=facts, links=ways)


# --- parts of pages


def _home(asking: Asking) -> tuple[str, str]:
    return asking.page.words.say("ogc.title"), PATH


def _list(asking: Asking) -> tuple[str, str]:
    return asking.page.words.say("ogc.collections"), f"{PATH}/collections"


def _address(collection: Collection) -> str:
    return documents.address(PATH, collection)


def _document(asking: Asking, collection: Collection) -> dict[str, Any]:
    intro = asking.page.words.say("ogc.about", what=asking.title(collection), city=asking.page.city_name)
    return documents.collection_document(asking.root, collection, asking.title(collection), intro)


def _observed(asking: Asking, collection: Collection) -> str:
    if collection.id == DATASTREAMS:
        return ""
    return ", ".join(asking.page.names.property(name) for name in collection.units)


def _name(asking: Asking, feature: Feature) -> str:
    own = feature.values.get(f"name_{asking.page.language}") or feature.values.get("name")
    return str(own or feature.item.id)


def _label(asking: Asking, collection: Collection, name: str) -> str:
    of_what = name.removesuffix("_time")
    if of_what != name and of_what in collection.units:
        return asking.page.words.say("ogc.time_of", property=asking.page.names.property(of_what))
    return asking.page.names.property(name)


def _columns(collection: Collection, features: list[Feature]) -> list[str]:
    """The properties that most of the items shown have; values first, without their times."""
    counts = {
        name: sum(name in one.values for one in features)
        for name in collection.queryables
        if name not in UNSHOWN and not name.startswith("name_") and not name.endswith("_time")
    }
    there = [name for name, count in counts.items() if count]
    return sorted(there, key=lambda name: (name not in collection.units, -counts[name]))[:MOST_COLUMNS]


def _shown(asking: Asking, collection: Collection, feature: Feature, name: str) -> str:
    value = feature.values.get(name, "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if name in collection.units:
            return asking.page.names.value(value, collection.units[name])
        return str(value) if isinstance(value, int) else asking.page.words.number(value, 3)
    if value and collection.queryables.get(name) is Sort.TIME:
        words, instant = asking.page.words, parse_instant(value)
        return f"{words.date(instant)} {words.clock(instant)}"
    return str(value)


def _elsewhere(collection: Collection, item: Item) -> list[tuple[str, str, str]]:
    """(path, relation, type) of the same thing in other parts of the open data."""
    match collection.id:
        case "locations":
            return [(f"/v1.1/Locations({item.id})", "related", documents.JSON)]
        case "datastreams":
            return [(f"/v1.1/Datastreams({item.id})", "related", documents.JSON)]
    return [
        (f"/v1.1/Things({item.id})", "related", documents.JSON),
        (f"/things/{item.id}", "alternate", documents.HTML),
    ]


def list_routes(asking: Asking) -> Response:
    """GET /ogc/routes: the routes that are kept, which are none: where somebody goes is forgotten once it is answered."""
    words = asking.page.words
    title, intro = words.say("ogc.routes"), words.say("ogc.routes_intro", preferences=", ".join(PREFERENCES))
    if not is_there(asking.page):
        raise NotFound("this city does not answer how to walk; `calm_walk` is not among its services")
    if asking.is_html:
        return asking.show(
            title, [_home(asking)], intro=intro, links=[(asking.page.names.service("calm_walk"), "/walk")]
        )
    return asking.send({"links": documents.self_links(f"{asking.root}/routes", documents.JSON)}, documents.JSON)


async def compute_route(request: Request) -> Response:
    """POST /ogc/routes: a route on foot, out of a definition."""
    body = await read_body(request)
    return await asyncio.to_thread(answered(lambda asking: _computed(asking, body)), request)


def _computed(asking: Asking, body: bytes) -> Response:
    """422 where the definition is fine and no way leads there (21-000, /req/core/error)."""
    try:
        document = make_route(asking.page, body)
    except NotFound as error:
        refusal = {"code": "422", "description": error.message}
        return Response(_encode(refusal), 422, OPEN, media_type=documents.JSON)
    return asking.send(document, documents.GEOJSON)


ROUTES = [
    Route(f"{PATH}/routes", answered(list_routes), methods=["GET"]),
    Route(f"{PATH}/routes", compute_route, methods=["POST"]),
    Route(PATH, answered(get_landing)),
    Route(f"{PATH}/", answered(get_landing)),
    Route(f"{PATH}/api", answered(get_description)),
    Route(f"{PATH}/conformance", answered(get_conformance)),
    Route(f"{PATH}/collections", answered(list_collections)),
    Route(f"{PATH}/collections/{{collection}}", answered(get_collection)),
    Route(f"{PATH}/collections/{{collection}}/queryables", answered(get_queryables)),
    Route(f"{PATH}/collections/{{collection}}/items", answered(list_items, has_options=True)),
    Route(f"{PATH}/collections/{{collection}}/items/{{item}}", answered(get_item)),
]
