"""/display/platform/<Thing id or stop_id>: the line on the floor, on a screen above it, read from 10 m; and the same for machines, as those
that light up a floor.

It works by reloading alone; with script it follows what is stored. docs/boarding-display.md says how large letters are and why.
"""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dongne.methods.platform_board import CarBoard
from dongne.model.times import format_instant, from_us
from dongne.standards.openapi import AS_PAGE, JSON, Answer, Operation, Parameter, schema_of
from dongne.web.boarding.board import Board, look_at_platform
from dongne.web.boarding.lines import get_platform, list_platforms
from dongne.web.boarding.said import SHAPE_OF_CLASS, SaidBoard, order_of, origin_of_line
from dongne.web.frame import Page, open_page, render
from dongne.web.seen import SeenCity

CLASSES = ("relaxed", "normal", "caution", "crowded")


class ShownCar(msgspec.Struct, frozen=True):
    """A position of the platform line. `crowding` is relaxed, normal, caution or crowded; None (as all else but `position`) where no car stops.
    `probability` is that of the class, `is_estimated` says that the car's scales are at fault."""

    position: int
    percent: float | None = None
    low_percent: float | None = None
    high_percent: float | None = None
    crowding: str | None = None
    probability: float | None = None
    is_sure: bool | None = None
    is_estimated: bool | None = None


class ShownTrain(msgspec.Struct, frozen=True):
    """A train on its way. `eta_s` is about how long until it stands here; `turns`: it goes the other way now, and turns at the end before."""

    vehicle_id: str
    cars: int
    stops_away: int
    eta_s: int
    is_here: bool
    turns: bool


class ShownPlatform(msgspec.Struct, frozen=True):
    """What the display shows. `age` is live, old or gone: what is gone must not be shown as if it were so now. `phase` is coming, here, away (the loads
    are those of now, some stops away) or unknown."""

    thing: int
    stop_id: str
    line: str
    direction_id: int
    time: str
    heard: str | None
    age: str
    phase: str
    vehicle_id: str | None
    trip: str | None
    positions: list[ShownCar]
    board_at: list[int]
    trains: list[ShownTrain]
    origin: str


def show(request: Request) -> Response:
    """GET: ?lang= is the language that comes first, ?only=1 leaves it at that; ?reversed=1 puts position 1 at the right."""
    page = open_page(request)
    board = _look(page, request)
    languages = [page.language, *(x for x in page.context.config.languages if x != page.language)]
    if request.query_params.get("only") == "1":
        languages = languages[:1]
    said = [SaidBoard(board, page.context.texts.words(x)) for x in languages if x in page.context.texts.languages]
    is_reversed = request.query_params.get("reversed") == "1"
    goes_left = (board.platform.direction_id == 0) != is_reversed
    values: dict[str, Any] = {
        "board": board, "said": said, "order": order_of(board.platform, is_reversed=is_reversed), "goes_left": goes_left,
        "origin": origin_of_line(page.seen, board.line), "shape_of": SHAPE_OF_CLASS,
    }  # fmt: skip
    return render(page, "platform_display.html", **values)


def get_state(request: Request) -> Response:
    """GET <the same>.json."""
    page = open_page(request)
    board = _look(page, request)
    shown = describe(board, origin_of_line(page.seen, board.line))
    return JSONResponse(
        msgspec.to_builtins(shown), headers={"cache-control": "no-store", "access-control-allow-origin": "*"}
    )


def _look(page: Page, request: Request) -> Board:
    platform = get_platform(page.seen, request.path_params["key"])
    return look_at_platform(page.seen, page.context.runtime, platform, page.now_us)


def describe(board: Board, origin: str) -> ShownPlatform:
    """The board as data."""
    platform, train = board.platform, board.train
    return ShownPlatform(
        thing=platform.thing.id,
        stop_id=platform.stop_id,
        line=platform.line,
        direction_id=platform.direction_id,
        time=format_instant(from_us(board.now_us)),
        heard=format_instant(from_us(board.heard_us)) if board.heard_us else None,
        age=board.age,
        phase=board.phase,
        vehicle_id=train.vehicle_id if train else None,
        trip=board.trip or None,
        positions=[_car(board, position, car) for position, car in enumerate(board.cars, 1)],
        board_at=list(board.advice),
        trains=[
            ShownTrain(one.train.vehicle_id, one.train.cars, one.stops_away, round(one.eta_s), one.is_here, one.turns)
            for one in board.coming
        ],
        origin=origin,
    )


def _car(board: Board, position: int, car: CarBoard | None) -> ShownCar:
    if car is None:
        return ShownCar(position)
    is_sure = car.is_sure and board.phase != "away"
    return ShownCar(
        position, car.percent, car.low_percent, car.high_percent, CLASSES[car.crowding], round(car.probability, 3), is_sure,
        position in board.estimated,
    )  # fmt: skip


_SHOWN, _PARTS = schema_of(ShownPlatform, "boarding")


def list_operations(seen: SeenCity) -> tuple[Operation, ...]:
    """What this page answers to programs; the example is a platform of this city."""
    example = next((platform.stop_id for platform in list_platforms(seen)), "metro:kamppi:0")
    key = Parameter("key", {"type": "string"}, "Id of the platform's Thing, or its stop_id.", "path", True, (example,))
    return (
        Operation(
            "GET", "/display/platform/{key}.json", "getPlatformLine", "boarding", "What the line of a platform shows now",
            {200: Answer("One entry for each position of the platform.", {JSON: _SHOWN})},
            "What the display beside it shows, for what else shows it: a floor that lights up, an app. Look again when "
            "/events/observations tells of an `expected_load` at the platform, and every few seconds.",
            parameters=(key,), errors=(404, 429), refusal=AS_PAGE, schemas=_PARTS,
        ),
    )  # fmt: skip


ROUTES = [
    Route("/display/platform/{key}.json", get_state),
    Route("/display/platform/{key}", show),
]
