"""/data/download: choose values, see how many there are and whose they are, and take them as a file."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.methods.intervals import Grouping, parse_interval
from dongne.model.access import NOTHING_HIDDEN
from dongne.model.entities import Datastream
from dongne.model.errors import BadInput, DongneError, NotFound
from dongne.model.rights import Rights, rights_of
from dongne.web.api.data.aggregates import MOST_ROWS
from dongne.web.api.data.asked import MOST_STREAMS, choose, read_range
from dongne.web.frame import Page, open_page, render
from dongne.web.readings import origin_of, say_origin

PATH = "/data/download"
EVERY, NEWEST = "every", "newest"
STEPS = (EVERY, NEWEST, "PT15M", "PT1H", "P1D", "P1W", "P1M")
STATISTICS = ("usual", "n", "mean", "min", "max", "sum", "p50", "p95")
USUAL = "n,mean,min,max"
FORMATS = ("csv", "parquet", "arrow", "geojson")
USUAL_DAYS = 7
_NEWEST_ONLY = "geojson"
# Bytes of a row as `curl /api/observations` gives them, in the mean: a size to expect, not a promise.
_ROW_BYTES = {"csv": 65, "parquet": 12, "arrow": 60, "geojson": 300}
_ONE_COUNT = "P10Y"


@dataclass(frozen=True)
class Wish:
    """What the form says."""

    property: str = ""
    kind: str = ""
    thing: str = ""
    start: str = ""
    end: str = ""
    step: str = EVERY
    statistic: str = "usual"
    format: str = "csv"


@dataclass
class Offer:
    """What would come: the address of the file, how many rows, of which time, whose they are. `rows` None where that takes too long."""

    address: str
    streams: list[Datastream]
    rows: int | None
    period: tuple[int, int] | None = None  # microseconds; None for the newest values
    rights: list[Rights] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)


class Wrong(Exception):
    """A field of the form that can't be so: its name, and the key of the words that say why."""

    def __init__(self, name: str, key: str, **values: object) -> None:
        super().__init__(name)
        self.name, self.key, self.values = name, key, values


def show(request: Request) -> Response:
    """GET /data/download: the form; with a choice in the address, what would come."""
    page = open_page(request)
    wish, wrong, offer = read_wish(page), None, None
    if "step" in request.query_params:
        try:
            offer = make_offer(page, wish)
        except Wrong as error:
            wrong = error
    return render(
        page, "download.html", 400 if wrong else 200, wish=wish, wrong=wrong, offer=offer, row_bytes=_ROW_BYTES,
        **choices(page),
    )  # fmt: skip


def read_wish(page: Page) -> Wish:
    """The fields of the address; the last days where it says no period."""
    given = {name: page.request.query_params.get(name, "").strip() for name in Wish.__dataclass_fields__}
    if "step" not in page.request.query_params:
        today = page.words.local(page.now_us).date()
        given |= {
            "start": given["start"] or str(today - timedelta(days=USUAL_DAYS - 1)),
            "end": given["end"] or str(today),
        }
    return Wish(**{name: value for name, value in given.items() if value})


def choices(page: Page) -> dict[str, Any]:
    """What the form offers: observed properties and kinds of Things that open Datastreams have, by name."""
    graph = page.seen.graph
    streams = list(graph.datastreams.values())
    properties = Counter(graph.property_key(one) for one in streams)
    kinds = Counter(graph.things[one.thing_id].kind for one in streams if one.thing_id in graph.things)
    return {
        "properties": sorted((page.names.property(key), key, count) for key, count in properties.items() if key),
        "kinds": sorted((page.names.kind(kind), kind, count) for kind, count in kinds.items() if kind),
        "steps": STEPS,
        "statistics": STATISTICS,
        "formats": FORMATS,
    }


def make_offer(page: Page, wish: Wish) -> Offer:
    """What would come. Raises Wrong naming the field and what helps."""
    if wish.step not in STEPS:
        raise Wrong("step", "download.wrong.choice")
    if wish.statistic not in STATISTICS:
        raise Wrong("statistic", "download.wrong.choice")
    if wish.format not in FORMATS:
        raise Wrong("format", "download.wrong.choice")
    if wish.format == _NEWEST_ONLY and wish.step != NEWEST:
        raise Wrong("format", "download.wrong.geojson")
    streams = _chosen(page, wish)
    start_us, end_us = _period(page, wish)
    rows = _count(page, wish, streams, start_us, end_us)
    if wish.step not in (EVERY, NEWEST) and rows is not None and rows > MOST_ROWS:
        raise Wrong("step", "download.wrong.rows", rows=rows, most=MOST_ROWS)
    rights = list(dict.fromkeys(rights_of(one.properties, page.context.config) for one in streams))
    origins = [(origin, page.names.service(origin.service)) for origin in map(origin_of, streams)]
    said = list(dict.fromkeys(say_origin(origin, page.words, service) for origin, service in origins))
    period = None if wish.step == NEWEST else (start_us, end_us)
    return Offer(_address(wish), streams, rows, period, rights, said)


def _chosen(page: Page, wish: Wish) -> list[Datastream]:
    options = {name: value for name in ("property", "kind", "thing") if (value := getattr(wish, name))}
    if not options:
        raise Wrong("property", "download.wrong.nothing")
    try:
        streams = choose(page.seen.graph, options, NOTHING_HIDDEN, page.context.config)
    except (NotFound, BadInput):
        raise (
            Wrong("thing", "download.wrong.thing")
            if wish.thing
            else Wrong("kind", "download.wrong.many", most=MOST_STREAMS)
        ) from None
    if not streams:
        raise Wrong("property", "download.wrong.none")
    return streams


def _period(page: Page, wish: Wish) -> tuple[int, int]:
    for name in ("start", "end"):
        try:
            read_range(
                {"to": getattr(wish, name)} if getattr(wish, name) else {}, page.context.config.zone_info, page.now_us
            )
        except BadInput:
            raise Wrong(name, "download.wrong.day") from None
    options = {"from": wish.start, "to": wish.end}
    try:
        return read_range({k: v for k, v in options.items() if v}, page.context.config.zone_info, page.now_us)
    except BadInput:
        raise Wrong("start", "download.wrong.order") from None


def _count(page: Page, wish: Wish, streams: list[Datastream], start_us: int, end_us: int) -> int | None:
    """How many rows there would be: those that are there, and never more than one for each interval."""
    select = page.context.select
    if wish.step == NEWEST:
        return len(streams)
    if select is None:
        return None
    step = _ONE_COUNT if wish.step == EVERY else wish.step
    grouping = Grouping(parse_interval(step), page.context.config.zone_info, ("n", "not_numbers"))
    try:
        table = select.by_interval([one.id for one in streams], start_us, end_us, grouping, 50 * MOST_ROWS)
    except DongneError:
        return None
    if wish.step != EVERY:
        return int(table.num_rows)
    return int(sum(table["n"].to_pylist())) + int(sum(table["not_numbers"].to_pylist()))


def _address(wish: Wish) -> str:
    chosen = {"property": wish.property, "kind": wish.kind, "thing": wish.thing, "format": wish.format}
    if wish.step == NEWEST:
        return _link("latest", chosen)
    period = {"from": wish.start, "to": wish.end}
    if wish.step == EVERY:
        return _link("observations", chosen | period)
    values = USUAL if wish.statistic == "usual" else wish.statistic
    return _link("aggregates", chosen | period | {"interval": wish.step, "values": values})


def _link(name: str, options: dict[str, str]) -> str:
    return f"/api/{name}?{urlencode({key: value for key, value in options.items() if value})}"


ROUTES = [Route(PATH, show)]
