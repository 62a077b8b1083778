"""The lines for other systems: GTFS Realtime with the load of each car, and the timetable to which it belongs.

/gtfs/<line>.zip has one trip for each direction, which runs about every `headway_s` (frequencies.txt, exact_times = 0), so the trips of the
feeds are UNSCHEDULED ones that say when they started. A feed is made once for each second of the city's clock: no other content
ever has the same timestamp, and none goes back.
"""

import threading
from collections.abc import Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.transit import gtfs_realtime_pb2 as pb
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dongne.model.times import from_us
from dongne.standards.gtfs import publish
from dongne.standards.gtfs_realtime.encode import MEDIA_TYPE, encode
from dongne.standards.gtfs_realtime.message import Feed
from dongne.standards.openapi import AS_PAGE, JSON, Answer, Operation, Parameter
from dongne.web.boarding.board import people_at_100
from dongne.web.boarding.lines import list_platforms, look_at_line
from dongne.web.boarding.realtime import Fleet
from dongne.web.boarding.timetable import timetable_of
from dongne.web.frame import Page, open_page
from dongne.web.seen import SeenCity

SECOND_US = 1_000_000
OPEN = {"access-control-allow-origin": "*"}


class LastFeeds:
    """The feeds of the last second, by what they hold and who may see it. Several threads ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._second = 0
        self._made: dict[Any, bytes] = {}

    def get(self, page: Page, what: str) -> bytes:
        """The feed of this second; made where nobody asked for it yet."""
        with self._lock:
            second = max(self._second, page.now_us // SECOND_US)
            if second != self._second:
                self._second, self._made = second, {}
            key = what, page.who.sight
            if key not in self._made:
                self._made[key] = make(page, what, second * SECOND_US)
            return self._made[key]


def make(page: Page, what: str, at_us: int) -> bytes:
    """The feed of all lines at this instant; `what` is vehicle-positions or trip-updates."""
    full, at = people_at_100(page.context.runtime), from_us(at_us)
    fleets = [
        Fleet(page.seen, look_at_line(page.seen, line), full, at_us, page.words.zone)
        for line in sorted({platform.line for platform in list_platforms(page.seen)})
    ]
    if what == "vehicle-positions":
        return encode(Feed(at, vehicles=tuple(one for fleet in fleets for one in fleet.vehicles())))
    return encode(Feed(at, trip_updates=tuple(one for fleet in fleets for one in fleet.trip_updates())))


def get_feed(request: Request) -> Response:
    """GET /gtfs-rt/<feed>.pb."""
    body = request.app.state.gtfs_feeds.get(open_page(request), _feed_of(request))
    return Response(body, media_type=MEDIA_TYPE, headers={"cache-control": "no-cache", **OPEN})


def get_feed_as_json(request: Request) -> Response:
    """GET /gtfs-rt/<feed>.json: for eyes."""
    body = request.app.state.gtfs_feeds.get(open_page(request), _feed_of(request))
    said = MessageToDict(pb.FeedMessage.FromString(body), preserving_proto_field_name=True)
    return JSONResponse(said, headers={"cache-control": "no-cache", **OPEN})


def _feed_of(request: Request) -> str:
    return request.url.path.rpartition("/")[2].rpartition(".")[0]


def get_timetable(request: Request) -> Response:
    """GET /gtfs/<line>.zip. Raises NotFound where there is no such line."""
    page = open_page(request)
    tables = timetable_of(page, request.path_params["line"])
    name = "".join(c for c in request.path_params["line"] if c.isalnum() or c in "-_") or "line"
    disposition = f'attachment; filename="{name}.zip"'
    headers = {"cache-control": "no-cache", "content-disposition": disposition, **OPEN}
    return Response(publish.write_feed(tables), media_type=publish.MEDIA_TYPE, headers=headers)


def list_operations(seen: SeenCity) -> Iterator[Operation]:
    """What is answered to programs; the example is a line of this city."""
    example = next((platform.line for platform in list_platforms(seen)), "metro")
    line = Parameter("line", {"type": "string"}, "Its id.", "path", True, (example,))
    for feed, name, about in (
        ("vehicle-positions", "VehiclePositions", "Where trains are, and how full each car is"),
        ("trip-updates", "TripUpdates", "About when trains arrive"),
    ):
        more = (
            "Made once a second. What `occupancy_status` and `occupancy_percentage` say stands in docs/transit.md; trips and "
            "stops are those of /gtfs/{line}.zip."
        )
        yield Operation(
            "GET", f"/gtfs-rt/{feed}.pb", f"get{name}", "boarding", f"{about}, as GTFS Realtime 2.0",
            {200: Answer("A FeedMessage, FULL_DATASET.", {MEDIA_TYPE: _BYTES})}, more, errors=(429,), refusal=AS_PAGE,
        )  # fmt: skip
        yield Operation(
            "GET", f"/gtfs-rt/{feed}.json", f"get{name}AsJson", "boarding", f"{about}: the same for eyes",
            {200: Answer("The FeedMessage as protobuf writes it in JSON.", {JSON: {"type": "object", "required": ["header"]}})},
            more, errors=(429,), refusal=AS_PAGE,
        )  # fmt: skip
    yield Operation(
        "GET", "/gtfs/{line}.zip", "getTimetable", "boarding", "A line as GTFS Schedule",
        {200: Answer("The zip.", {publish.MEDIA_TYPE: _BYTES}, ("Content-Disposition",))},
        "Stations and platforms, the route, and one trip for each direction with how often it runs; times between stops are worked out "
        "from distances. `route_desc` says where the line is a simulation.",
        parameters=(line,), errors=(404, 429), refusal=AS_PAGE,
    )  # fmt: skip


_BYTES = {"type": "string", "format": "binary"}
ROUTES = [
    *(Route(f"/gtfs-rt/{feed}.pb", get_feed) for feed in ("vehicle-positions", "trip-updates")),
    *(Route(f"/gtfs-rt/{feed}.json", get_feed_as_json) for feed in ("vehicle-positions", "trip-updates")),
    Route("/gtfs/{line}.zip", get_timetable),
]
