"""/boarding: stations; /boarding/<station, stop_id or Thing id>: where to stand for the next train, on a phone."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.web.boarding.board import look_at_platform
from dongne.web.boarding.lines import Line, Platform, find_platforms, list_platforms, look_at_line
from dongne.web.boarding.said import SHAPE_OF_CLASS, SaidBoard, order_of, origin_of_line
from dongne.web.frame import Page, open_page, render
from dongne.web.seen import SeenCity
from dongne.web.texts import Words


@dataclass(frozen=True)
class Station:
    """A station of a line, and the address of its page."""

    line: str
    line_name: str
    id: str
    name: str

    @property
    def link(self) -> str:
        """Its page."""
        return f"/boarding/{self.id}"


def list_stations(seen: SeenCity, words: Words) -> list[Station]:
    """The stations of all lines, by line, along direction 0."""
    found: dict[str, Station] = {}
    for platform in list_platforms(seen):
        language = words.language
        line_name, name = platform.name("line_name", language), platform.name("station", language)
        found.setdefault(platform.station_id, Station(platform.line, line_name, platform.station_id, name))
    return list(found.values())


def by_line(stations: list[Station]) -> list[tuple[str, str, list[Station]]]:
    """Lines as (id, name, stations)."""
    lines = dict.fromkeys((one.line, one.line_name) for one in stations)
    return [(line, name, [one for one in stations if one.line == line]) for line, name in lines]


def show_stations(request: Request) -> Response:
    """GET /boarding."""
    page = open_page(request)
    lines = by_line(list_stations(page.seen, page.words))
    origins = {line: origin_of_line(page.seen, look_at_line(page.seen, line)) for line, _, _ in lines}
    return render(page, "boarding_stations.html", lines=lines, origins=origins)


def show_station(request: Request) -> Response:
    """GET /boarding/<key>: both directions of a station, or one platform."""
    page = open_page(request)
    platforms = find_platforms(page.seen, request.path_params["key"])
    lines: dict[str, Line] = {}
    for platform in platforms:
        lines.setdefault(platform.line, look_at_line(page.seen, platform.line))
    said = [_say(page, platform, lines[platform.line]) for platform in platforms]
    values: dict[str, Any] = {
        "said": said, "first": said[0], "shape_of": SHAPE_OF_CLASS, "order_of": order_of,
        "origin": origin_of_line(page.seen, said[0].board.line),
    }  # fmt: skip
    return render(page, "boarding.html", **values)


def _say(page: Page, platform: Platform, line: Line) -> SaidBoard:
    return SaidBoard(look_at_platform(page.seen, page.context.runtime, platform, page.now_us, line), page.words)


ROUTES = [Route("/boarding", show_stations), Route("/boarding/{key}", show_station)]
