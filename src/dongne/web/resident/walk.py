"""/walk: a walk that spares crowds, darkness, noise or steps: a form, the routes as cards, turn by turn, and drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from typing import Any
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from dongne.methods.walk_costs import list_profiles
from dongne.methods.walk_directions import spoken_m
from dongne.model.errors import BadInput, DongneError, NotFound
from dongne.model.geometry import Point
from dongne.services.calm_walk.walk import Direction, Route, Routes, Walk
from dongne.services.find_place.find import Find, Match
from dongne.web.context import WebContext
from dongne.web.drawing import Projection
from dongne.web.frame import Page, is_id, open_page, render
from dongne.web.names import plain
from dongne.web.telling import tell

ANSWER, PLACES = "calm_walk", "find_place"
PATH = "/walk"
FIELDS = ("start", "end", "profile", "at", "within")
USUAL = "calm"
DETAILED = (
    "when",
    "no_way_near",
    "not_connected",
)  # reasons whose message has bounds or a place near, which are shown too
MARGIN = 0.12  # of what is drawn, around the routes
LEAST_SPAN = 120.0  # of the drawing, in its units
ICONS = {"street": "", "crossing": "⇄", "steps": "≡", "square": "□", "tunnel": "∩", "lift": "⇅"}
TURNS = {
    "depart": "●", "straight": "↑", "left": "←", "slight_left": "↖", "sharp_left": "↙", "right": "→", "slight_right": "↗",
    "sharp_right": "↘", "back": "↓", "arrive": "◎",
}  # fmt: skip


@dataclass(frozen=True)
class Told:
    """What to do next, as the page shows it."""

    sign: str
    text: str


@dataclass(frozen=True)
class Card:
    """A route as the page shows it."""

    title: str
    minutes: int
    metres: str
    spares: list[str]
    steps: list[Told]
    line: list[Point]


def answers_in(context: WebContext) -> bool:
    """Whether this city answers how to walk somewhere."""
    return any(answer == ANSWER for answer, *_ in context.runtime.list_answers())


def is_there(page: Page) -> bool:
    """The same, as a page asks."""
    return answers_in(page.context)


def show(request: Request) -> Response:
    """GET /walk: the form; with `start` and `end` in the address, the routes too. The address is what one hands on."""
    page = open_page(request)
    if not is_there(page):
        raise NotFound("this city does not answer how to walk; `calm_walk` is not among its services")
    page.path = PATH
    given = {name: request.query_params.get(name, "").strip() for name in FIELDS}
    given["profile"] = given["profile"] or USUAL
    found: Routes | None = None
    error, detail, status, instead = "", "", 200, {}
    if given["start"] and (given["end"] or given["within"]):
        try:
            found = page.context.runtime.ask(ANSWER, _question(page, given), page.who.sight)
        except DongneError as caught:
            key = f"walk.error.{caught.reason}"
            error, status = page.words.find([key]) or caught.message, caught.status
            detail = caught.message if caught.reason in DETAILED else ""
            if caught.reason == "unknown_place":
                instead = {side: matches for side in ("start", "end") if (matches := _instead(page, given[side]))}
    elif given["start"] or given["end"]:
        error = (
            page.words.say("walk.error.both")
            if "start" in request.query_params and "end" in request.query_params
            else ""
        )
    cards = [_card(page, route, found.profile) for route in found.routes] if found else []
    return render(
        page, "walk.html", status, given=given, profiles=[one.id for one in list_profiles()], found=found, cards=cards, error=error, detail=detail,
        instead=instead, said=_say(page, found.sentences) if found else [], nearby=_nearby(page, found) if found else [],
        json_link=_machine_link(given, found.departs) if found else "", others=_others(page, found) if found else {},
        departs=found.departs if found and given["at"] else None, **_drawn(page, found, cards),
    )  # fmt: skip


def _nearby(page: Page, found: Routes) -> list[tuple[str, str, int, str]]:
    """(name, what it is and where, minutes, the walk there) of each calm place."""
    told = []
    for one in found.reach.places if found.reach else ():
        kind = page.words.find([f"place.{one.kind}"]) or plain(one.kind)
        name = one.names.get(page.language) or one.name or kind
        what = ", ".join(word for word in (kind if one.name else "", one.address) if word)
        link = page.link(end=one.name if one.name and not one.address else f"{one.lon:.5f},{one.lat:.5f}", within=None)
        told.append((name, what, max(1, ceil(one.duration_s / 60 - 0.5)), link))
    return told


def _question(page: Page, given: dict[str, str]) -> Walk:
    when = _instant(page, given["at"]) if given["at"] else None
    if not given["within"]:
        return Walk(given["start"], given["end"], given["profile"], when)
    if not is_id(given["within"]):
        raise BadInput(f"within = {given['within'][:40]!r} is no number of minutes", reason="no_within")
    return Walk(given["start"], "", given["profile"], when, int(given["within"]))


def _instant(page: Page, local: str) -> datetime:
    """The instant at which the city's clocks show this."""
    try:
        found = datetime.fromisoformat(local)
        return (found if found.tzinfo else found.replace(tzinfo=page.context.config.zone_info)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(
            f"at = {local[:40]!r} is no date and time; give it as 2026-05-01T08:30", reason="no_time"
        ) from None


def _machine_link(given: dict[str, str], departs: datetime) -> str:
    """The same question for programs, at the same time where one was given."""
    asked = {"start": given["start"], "profile": given["profile"], "format": "json"}
    asked |= {"within_min": given["within"]} if given["within"] else {"end": given["end"]}
    asked |= {"when": departs.isoformat()} if given["at"] else {}
    return f"/answers/{ANSWER}?{urlencode(asked)}"


def _card(page: Page, route: Route, profile: str) -> Card:
    key = f"{ANSWER}.profile.{profile}" if route.role == "advised" else f"{ANSWER}.role.{route.role}"
    return Card(
        page.words.find([key]) or plain(route.role), max(1, ceil(route.duration_s / 60 - 0.5)), say_metres(page, route.length_m), _say(page, route.spares),
        [Told(_sign(step), text) for step, text in zip(route.directions, _say(page, [d.said for d in route.directions]), strict=True)],
        [(lon, lat) for lon, lat in msgspec.json.decode(route.geometry.coordinates)],
    )  # fmt: skip


def _sign(step: Direction) -> str:
    return ICONS.get(step.way, "") or TURNS.get(step.turn, "↑")


def _say(page: Page, sentences: Sequence[Any]) -> list[str]:
    return tell(page.words, page.names, sentences, {})


def say_metres(page: Page, length_m: float) -> str:
    """A length as people say it."""
    said = spoken_m(length_m)
    key, n = ("m", said) if said < 1000 else ("km", said / 1000)
    return page.words.find([f"{ANSWER}.{key}"], n=n) or f"{n:g} {key}"


# --- places


def _instead(page: Page, text: str) -> list[Match]:
    """Places with a name like this, where none has it."""
    found = page.context.runtime.ask(PLACES, Find(text, limit=5), page.who.sight) if _finds_places(page) else None
    return [] if found is None or found.places else list(found.instead)


def _others(page: Page, found: Routes) -> dict[str, list[Match]]:
    """Other places that were called the same, by side."""
    if not _finds_places(page):
        return {}
    others = {}
    for side, spot in (("start", found.start), ("end", found.end)):
        if spot is None:
            continue
        matches = page.context.runtime.ask(PLACES, Find(spot.asked, limit=6), page.who.sight).places
        if others_here := [one for one in matches[1:] if one.name == spot.name]:
            others[side] = others_here
    return others


def _finds_places(page: Page) -> bool:
    return any(answer == PLACES for answer, *_ in page.context.runtime.list_answers())


# --- the drawing


def _drawn(page: Page, found: Routes | None, cards: list[Card]) -> dict[str, Any]:
    """What the drawing is made of: paths of the ways or of the area, the ends, and the part of the city around them."""
    projection = Projection(page.context.config.bounds)
    lines = [card.line for card in cards]
    places = [card.line[at] for card in cards[:1] for at in (0, -1)]
    area: list[Point] = []
    if found and found.reach:
        area = [(lon, lat) for lon, lat in msgspec.json.decode(found.reach.area)["coordinates"][0]]
        places = [(found.start.lon, found.start.lat)]
    return {
        "projection": projection,
        "lines": [_path(projection, line) for line in lines],
        "area": _path(projection, area) if area else "",
        "box": _box([projection.at(point) for line in [*lines, area] for point in line]),
        "ends": [projection.at(place) for place in places],
    }


def _path(projection: Projection, line: list[Point]) -> Markup:
    return Markup("M" + "L".join("{} {}".format(*projection.at(point)) for point in line))


def _box(at: list[tuple[float, float]]) -> str:
    """The part of the drawing around these places of it, as a viewBox."""
    if not at:
        return ""
    (west, north), (east, south) = map(min, zip(*at, strict=True)), map(max, zip(*at, strict=True))
    wide, high = max(east - west, LEAST_SPAN), max(south - north, LEAST_SPAN)
    wide, high = max(wide, high * 0.75) * (1 + 2 * MARGIN), max(high, wide * 0.5) * (1 + 2 * MARGIN)
    return f"{(west + east - wide) / 2:.1f} {(north + south - high) / 2:.1f} {wide:.1f} {high:.1f}"


ROUTES = [Path(PATH, show)]
