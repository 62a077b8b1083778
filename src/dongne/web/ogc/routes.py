"""Routes on foot as OGC API - Routes has them (21-000), out of what `calm_walk` answers. Nothing of them is kept."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Any

import msgspec
from starlette.requests import Request

from dongne.model.errors import BadInput, NotFound, TooLarge
from dongne.model.geometry import Point
from dongne.model.times import from_us
from dongne.services.calm_walk.walk import Direction, Routes, Walk
from dongne.services.calm_walk.walk import Route as Walked
from dongne.standards.ogc_routes import Route, RouteDefinition, Segment, parse_definition, route_document
from dongne.web.frame import Page
from dongne.web.telling import tell

ANSWER = "calm_walk"
# "shortest" is one that every server knows (21-000, /req/core/compute-route-op)
PROFILES = {
    "fastest": "fast",
    "shortest": "fast",
    "calm": "calm",
    "step_free": "step_free",
    "lit": "lit",
    "pram": "pram",
}
PREFERENCES = tuple(PROFILES)
SHORTEST = "On foot the fastest way is given for the shortest one."
MOST_BYTES = 64 << 10


async def read_body(request: Request) -> bytes:
    """What was sent, as far as it may be a definition and a little beyond."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            break
    return body


def make_route(page: Page, body: bytes) -> dict[str, Any]:
    """The document of the route that a definition asks for. Raises BadInput or TooLarge for the definition, NotFound where no way leads there."""
    if not any(answer == ANSWER for answer, *_ in page.context.runtime.list_answers()):
        raise NotFound("this city does not answer how to walk; `calm_walk` is not among its services")
    if len(body) > MOST_BYTES:
        raise TooLarge(f"a route definition has at most {MOST_BYTES} bytes; name fewer waypoints")
    definition = parse_definition(body, PREFERENCES)
    legs = _walk(page, definition)
    walked = [_pick(definition, leg) for leg in legs]
    line: list[Point] = []
    for one in walked:
        points = [(lon, lat) for lon, lat in msgspec.json.decode(one.geometry.coordinates)]
        line += points[1:] if line and line[-1] == points[0] else points
    said = [" ".join(tell(page.words, page.names, legs[0].sentences, {}))]
    said += [SHORTEST] if definition.preference == "shortest" else []
    segments = [segment for one in walked for segment in _segments(page, one)]
    route = Route(line, segments, legs[0].departs, from_us(page.now_us), definition.name, " ".join(filter(None, said)))
    return route_document(route)


def _walk(page: Page, definition: RouteDefinition) -> list[Routes]:
    """One walk after the other through all waypoints. To be there at a time, it is walked once to see how long that takes."""
    when = definition.when
    if when is None or when.type == "departure":
        return _walk_from(page, definition, None if when is None else when.timestamp)
    first = _walk_from(page, definition, when.timestamp)
    takes = timedelta(seconds=sum(_pick(definition, leg).duration_s for leg in first))
    if when.timestamp - takes < from_us(page.now_us):
        minutes = ceil(takes.total_seconds() / 60)
        raise BadInput(
            f"when = {when.timestamp.isoformat()}: the walk takes {minutes} minutes and would have to begin before now; give a later arrival",
            reason="query",
        )
    return _walk_from(page, definition, when.timestamp - takes)


def _pick(definition: RouteDefinition, leg: Routes) -> Walked:
    """The route of a leg that is given out: the advised one, or the quickest where that is asked for."""
    if definition.preference in ("fastest", "shortest"):
        return min(leg.routes, key=lambda one: one.duration_s)
    return leg.routes[0]


def _walk_from(page: Page, definition: RouteDefinition, when: datetime | None) -> list[Routes]:
    legs: list[Routes] = []
    for start, end in pairwise(definition.waypoints.points):
        try:
            asked = Walk(_text(start), _text(end), PROFILES[definition.preference], when)
            leg: Routes = page.context.runtime.ask(ANSWER, asked, page.who.sight)
        except BadInput as error:
            raise BadInput(f"waypoints {list(start)}, {list(end)}: {error.message}", reason=error.reason) from error
        legs.append(leg)
        when = leg.departs + timedelta(seconds=_pick(definition, leg).duration_s)
    return legs


def _text(point: Point) -> str:
    return f"{point[0]!r},{point[1]!r}"


def _segments(page: Page, route: Walked) -> list[Segment]:
    steps = route.directions[:-1]
    told = tell(page.words, page.names, [step.said for step in steps], {})
    return [
        Segment((after.lon, after.lat), step.length_m, step.duration_s, step.name, _turn(after), text)
        for step, after, text in zip(steps, route.directions[1:], told, strict=True)
    ]


def _turn(step: Direction) -> str:
    """One of the three words of 21-001, /req/rem/segments; none at the end."""
    if step.turn == "arrive":
        return ""
    side: Sequence[str] = [word for word in ("left", "right") if step.turn.endswith(word)]
    return side[0] if side else "continue"
