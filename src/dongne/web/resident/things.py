"""/things: search the city's things; /things/<id>: everything about one."""

import dataclasses
from dataclasses import dataclass
from math import ceil
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dongne.model.entities import Datastream, Thing
from dongne.model.errors import BadInput, NotFound
from dongne.model.geometry import Point
from dongne.model.rights import Rights, rights_of
from dongne.model.times import format_instant, from_us
from dongne.runtime.ports import CaseFilter
from dongne.standards.openapi import AS_PAGE, JSON, Answer, Operation, Parameter
from dongne.web.assess import WORST_FIRST, Assessment, Group
from dongne.web.charts import draw_chart
from dongne.web.control_room.closing import is_closable
from dongne.web.district import find_groups, sentence_of, state_word
from dongne.web.frame import Page, is_id, open_page, render
from dongne.web.names import unit_of
from dongne.web.readings import Reading, read_thing, say_origin
from dongne.web.sending import how_to_send
from dongne.web.series import SPANS, get_line
from dongne.web.shapes import STATES

PER_PAGE = 40
NEAR_M = 300.0
MORE_NEAR = 6
LEAST_STRETCH_US = 900_000_000


@dataclass(frozen=True)
class Row:
    """A Thing in the list: `one` is how it is doing, where anybody says so."""

    thing: Thing
    service: str
    one: Assessment | None
    distance_m: float | None


@dataclass(frozen=True)
class Search:
    """What is looked for; "" means anything."""

    text: str = ""
    kind: str = ""
    service: str = ""
    observed: str = ""
    state: str = ""
    near: Point | None = None
    everything: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether nothing was chosen."""
        return not (self.text or self.kind or self.service or self.observed or self.state or self.near)


def read_search(request: Request) -> Search:
    """The search an address asks for. Raises BadInput for a place that is none."""
    params = request.query_params
    near = params.get("near", "")
    return Search(
        text=params.get("q", "").strip(),
        kind=params.get("kind", ""),
        service=params.get("service", ""),
        observed=params.get("property", ""),
        state=params.get("state", "") if params.get("state") in STATES else "",
        near=read_point(near) if near else None,
        everything=params.get("all", "") == "1",
    )


def read_point(text: str) -> Point:
    """(lon, lat) of "24.94,60.17". Raises BadInput."""
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        lon, lat = 999.0, 999.0
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise BadInput(f"near={text[:40]!r} is no place; write longitude,latitude in degrees, such as 24.94,60.17")
    return lon, lat


def find_rows(page: Page, groups: list[Group], search: Search) -> list[Row]:
    """The Things that match: nearest first where a place was given, else worst state first, then by name."""
    graph = page.seen.graph
    known: dict[int, tuple[str, Assessment | None]] = {}
    for group in groups:
        wanted = group.service == search.service if search.service else True
        if wanted and (not search.observed or any(search.observed == r.key for a in group.things for r in a.readings)):
            for one in group.things:
                known.setdefault(one.thing, (group.service, one))
    distances = dict(graph.within(search.near, NEAR_M)) if search.near else None
    text = search.text.casefold()
    only_known = bool(search.service or search.observed or search.state)
    only_known |= search.is_plain and not search.everything and bool(known)  # where no service runs, all there is
    nobody: tuple[str, Assessment | None] = ("", None)
    rows = []
    for thing in list(graph.things.values()):
        service, doing = known.get(thing.id, nobody)
        if (
            (only_known and doing is None)
            or (search.kind and thing.kind != search.kind)
            or (search.state and (doing is None or doing.state != search.state))
            or (distances is not None and thing.id not in distances)
            or (text and not _matches(thing, text))
        ):
            continue
        rows.append(Row(thing, service, doing, distances[thing.id] if distances else None))

    def order(row: Row) -> tuple[float, int, str, int]:
        rank = len(WORST_FIRST) if row.one is None else WORST_FIRST.index(row.one.state)
        return row.distance_m or 0.0, rank, page.thing_name(row.thing), row.thing.id

    return sorted(rows, key=order)


def _matches(thing: Thing, text: str) -> bool:
    names = (
        thing.name,
        thing.properties.get("name_ko", ""),
        thing.properties.get("near", ""),
        thing.properties.get("source_id", ""),
    )
    return any(text in str(name).casefold() for name in names)


def list_things(request: Request) -> Response:
    """GET /things."""
    page = open_page(request)
    groups = find_groups(page, request.app.state.remembered)
    search = read_search(request)
    rows = find_rows(page, groups, search)
    last = max(1, ceil(len(rows) / PER_PAGE))
    number = min(max(_whole(request.query_params.get("page", "1")), 1), last)
    kinds = sorted({t.kind for t in list(page.seen.graph.things.values()) if t.kind}, key=page.names.kind)
    return render(
        page,
        "things.html",
        search=search,
        rows=rows[(number - 1) * PER_PAGE : number * PER_PAGE],
        total=len(rows),
        number=number,
        last=last,
        kinds=kinds,
        filters=_filters(page, search),
        say=lambda row: sentence_of(page, row.one) if row.one else "",
        word=lambda row: (
            state_word(page, row.service, row.one.state)
            if row.service or row.one.state == "stale"
            else page.words.say("state.live")
        ),
        near=lambda row: f"{row.distance_m:.0f} m" if row.distance_m is not None else "",
    )


def _filters(page: Page, search: Search) -> list[tuple[str, str]]:
    """(what is filtered by, the address without it)."""
    found = []
    if search.service:
        found.append((page.names.service(search.service), page.link(service=None, page=None)))
    if search.observed:
        found.append((page.names.property(search.observed), page.link(property=None, page=None)))
    if search.state:
        found.append((state_word(page, search.service, search.state), page.link(state=None, page=None)))
    if search.near:
        found.append((page.words.say("things.near", metres=NEAR_M), page.link(near=None, page=None)))
    return found


def _whole(text: str) -> int:
    return int(text) if is_id(text) else 1


def show_thing(request: Request) -> Response:
    """GET /things/<id>."""
    page = open_page(request)
    seen = page.seen
    thing = seen.graph.get_thing(request.path_params["id"])
    readings = read_thing(seen, thing.id, page.now_us)
    chosen = _choose(readings, request.query_params.get("stream", ""))
    span = request.query_params.get("span", "24h")
    span = span if span in SPANS else "24h"
    line = get_line(seen, chosen.stream, page.now_us, SPANS[span]) if chosen else None
    label = (
        page.words.say("thing.chart", property=page.names.observed(chosen.stream), hours=SPANS[span]) if chosen else ""
    )
    services = page.context.runtime.services_of(thing.id)
    point = seen.graph.find_point(thing.id)
    return render(
        page,
        "thing.html",
        thing=thing,
        point=point,
        readings=readings,
        chosen=chosen,
        span=span,
        spans=SPANS,
        line=line,
        chart=draw_chart(line, page.words, label) if line else "",
        table=_table(page, line, chosen) if line and chosen else [],
        origin=lambda r: say_origin(r.origin, page.words, page.names.service(r.origin.service)),
        cases=seen.list_cases(CaseFilter(thing=thing.id, limit=20)),
        tasks=seen.list_tasks(thing=thing.id, limit=10),
        settings=[(s, page.context.runtime.settings_in_force(s, thing.id)) for s in services],
        sending=how_to_send(page, chosen) if chosen else None,
        sources=_sources(page, readings),
        answers=_place_answers(page, point),
        nearby=_nearby(page, thing, point),
        facts=_facts(page, thing),
        own_name=_own_name(page, thing),
        closable=is_closable(page, thing),
        covers=lambda r: _covers(page, r),
    )


def _choose(readings: list[Reading], wanted: str) -> Reading | None:
    if is_id(wanted):
        found = next((r for r in readings if r.stream.id == int(wanted)), None)
        if found:
            return found
    return next((r for r in readings if r.is_there), readings[0] if readings else None)


def _table(page: Page, line: Any, reading: Reading) -> list[tuple[str, str]]:
    """The newest values as words, for who can't see the chart."""
    rows = list(zip(line.time_us.tolist(), line.value.tolist(), strict=True))[-24:][::-1]
    return [(page.words.moment(time_us), page.names.value(value, reading.unit)) for time_us, value in rows]


def _sources(page: Page, readings: list[Reading]) -> list[tuple[Reading, Rights]]:
    found = {}
    for one in readings:
        if one.origin.kind != "derived":
            rights = rights_of(one.stream.properties, page.context.config)
            found[one.origin.kind, one.origin.what, rights] = one, rights
    return list(found.values())


def _nearby(page: Page, thing: Thing, point: Point | None) -> list[tuple[Thing, float]]:
    graph = page.seen.graph
    if point is None:
        return []
    near = [(graph.things[i], d) for i, d in graph.within(point, 150.0) if i != thing.id and graph.list_datastreams(i)]
    return near[:MORE_NEAR]


def _place_answers(page: Page, point: Point | None) -> list[tuple[str, str]]:
    """(title, address) of the answers that can be asked about this place."""
    runtime = page.context.runtime
    ids = [s.id for s in runtime.statuses() if s.shape == "answer"] if point else []
    fields = {i: {f.name for f in dataclasses.fields(runtime.question_class(i))} for i in ids}
    return [
        (page.names.service(i), f"/answers/{i}?lon={point[0]:.6f}&lat={point[1]:.6f}")
        for i, names in fields.items()
        if point and {"lon", "lat"} <= names
    ]


def _own_name(page: Page, thing: Thing) -> str:
    """The name at its origin, where that says more than the one in this language."""
    shown = page.thing_name(thing)
    return "" if thing.name.rpartition(", ")[2] in shown else thing.name


def _covers(page: Page, reading: Reading) -> str:
    """The time a value stands for, where it stands for a stretch of time: "22:00 to 23:00"."""
    length_us = int(float(reading.stream.properties.get("interval_s") or 0) * 1e6)
    if not reading.is_there or length_us < LEAST_STRETCH_US or reading.origin.kind == "derived":
        return ""
    start, end = page.words.clock(reading.time_us), page.words.clock(reading.time_us + length_us)
    return page.words.say("value.covers", start=start, end=end)


def _facts(page: Page, thing: Thing) -> list[tuple[str, str]]:
    """What is known of the Thing itself."""
    shown = {"near": "thing.near", "source_id": "thing.source", "levels": "thing.levels", "height_m": "thing.height"}
    return [
        (page.words.say(key), str(thing.properties[name])) for name, key in shown.items() if thing.properties.get(name)
    ]


def get_series(request: Request) -> Response:
    """GET /things/<id>/series/<stream>.json: columns for the chart, in seconds, values, usual low and high."""
    page = open_page(request)
    stream = page.seen.graph.datastreams.get(request.path_params["stream"])
    if stream is None or stream.thing_id != request.path_params["id"]:
        raise NotFound(f"Thing {request.path_params['id']} has no Datastream {request.path_params['stream']}")
    span = request.query_params.get("span", "24h")
    if span not in SPANS:
        raise BadInput(f"span={span[:40]!r} is not there; there are {', '.join(SPANS)}", reason="query")
    return JSONResponse(_columns(page, stream, SPANS[span]), headers={"cache-control": "no-store"})


def _columns(page: Page, stream: Datastream, hours: int) -> dict[str, Any]:
    line = get_line(page.seen, stream, page.now_us, hours, 1500)
    band = line.band
    return {
        "stepped": line.is_stepped,
        "unit": page.names.unit(unit_of(stream)),
        "start": line.start_us / 1e6,
        "end": line.end_us / 1e6,
        "time": (line.time_us / 1e6).tolist(),
        "value": line.value.tolist(),
        "usual": None if band is None else [(band.time_us / 1e6).tolist(), band.low.tolist(), band.high.tolist()],
        "from": format_instant(from_us(line.start_us)),
    }


_NUMBERS = {"type": "array", "items": {"type": "number"}}
OPERATIONS = (
    Operation(
        "GET", "/things/{id}/series/{stream}.json", "getSeries", "map", "What the chart of a Datastream is drawn of",
        {200: Answer("Columns; times are seconds since 1970.", {JSON: {
            "type": "object",
            "required": ["stepped", "unit", "start", "end", "time", "value", "usual", "from"],
            "properties": {
                "stepped": {"type": "boolean"}, "unit": {"type": "string"}, "start": {"type": "number"}, "end": {"type": "number"},
                "time": _NUMBERS, "value": _NUMBERS, "from": {"type": "string"},
                "usual": {"anyOf": [{"type": "array", "items": _NUMBERS}, {"type": "null"}]},
            },
        }})},
        parameters=(
            Parameter("id", {"type": "integer", "minimum": 0}, "Of the Thing.", "path", True, (1,)),
            Parameter("stream", {"type": "integer", "minimum": 0}, "Of a Datastream of it.", "path", True, (1,)),
            Parameter("span", {"enum": list(SPANS)}, "How long back; 24h where nothing is said."),
        ),
        errors=(400, 404), refusal=AS_PAGE,
    ),
)  # fmt: skip
ROUTES = [
    Route("/things", list_things),
    Route("/things/{id:int}", show_thing),
    Route("/things/{id:int}/series/{stream:int}.json", get_series),
]
