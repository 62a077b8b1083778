"""/display/stop/<stop_id>: the next departures on a screen at the stop, read from afar; and spoken, to hear them.

It works by reloading alone. With script it looks by itself, and where the city can't be reached it keeps what it had and says how old
that is.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.adapters.channels.speaker import speak
from dongne.model.channels import SpeakerConfig
from dongne.model.errors import NotFound
from dongne.web.frame import Page, open_page, render
from dongne.web.telling import tell

ANSWER = "stop_board"
SHOWN = 6
OLD_S = 300  # a newest word of operators older than this is said to be old
AT_ONCE = asyncio.Semaphore(2)  # voices being made


@dataclass(frozen=True)
class Shown:
    """A departure as the screen shows it; `sort` is its certainty, late, early, on_time or cancelled."""

    route: str
    mode: str
    headsign: str
    platform: str
    expected: str
    scheduled: str
    minutes: int
    sort: str
    said: str
    step_free: str
    step_free_said: str


def show(request: Request) -> Response:
    """GET: ?lang= chooses the language."""
    page = open_page(request)
    board = _ask(page, request.path_params["stop"])
    age_s = board.real_time_age_s
    return render(
        page, "stop_display.html", board=board, shown=[_show(page, one) for one in board.departures],
        disruptions=[_choose(page, texts) for texts in board.disruptions], moved=board.moved_weeks,
        age="" if age_s is None else page.words.age(page.now_us - age_s * 1_000_000, page.now_us),
        is_old=age_s is not None and age_s > OLD_S, path=f"/display/stop/{request.path_params['stop']}",
    )  # fmt: skip


async def say(request: Request) -> Response:
    """GET spoken: the next three departures as speech. Raises BadInput where it can't be spoken."""
    page = await asyncio.to_thread(open_page, request)
    board = await asyncio.to_thread(_ask, page, request.path_params["stop"])
    text = " ".join(
        [*tell(page.words, page.names, board.spoken, {}), *(_choose(page, texts) for texts in board.disruptions)]
    )
    config = page.context.config.channels.speaker or SpeakerConfig()
    async with AT_ONCE:
        speech = await speak(config, page.language, text)
    return Response(speech, media_type="audio/wav", headers={"cache-control": "no-store"})


def _ask(page: Page, stop: str) -> Any:
    """The board. Raises NotFound for a city without the answer, and for a stop that there is not."""
    runtime = page.context.runtime
    if all(answer != ANSWER for answer, *_ in runtime.list_answers()):
        raise NotFound("this city tells no departures; `stop_board` is not among its services")
    return runtime.ask(ANSWER, runtime.question_class(ANSWER)(stop=stop, count=SHOWN), page.who.sight)


def _choose(page: Page, texts: dict[str, str]) -> str:
    """The text in the language of the page, else in one without a name, else in any."""
    return texts.get(page.language) or texts.get("") or next(iter(texts.values()), "")


def _show(page: Page, one: Any) -> Shown:
    late_min = round((one.delay_s or 0) / 60)
    sort = one.certainty
    if one.cancelled:
        sort = "cancelled"
    elif one.certainty == "real_time":
        sort = "late" if late_min > 0 else "early" if late_min < 0 else "on_time"
    t = page.words.say
    said = {
        "cancelled": lambda: t("stop_display.cancelled"),
        "late": lambda: t("stop_display.late", n=late_min),
        "early": lambda: t("stop_display.early", n=-late_min),
        "on_time": lambda: t("stop_display.on_time"),
        "learned": lambda: t("stop_display.learned", low=round(one.low_s / 60), high=round(one.high_s / 60)),
        "timetable": lambda: t("stop_display.timetable"),
    }[sort]()
    expected, scheduled = (page.words.clock(datetime.fromisoformat(text)) for text in (one.expected, one.scheduled))
    return Shown(
        one.route, page.words.find([f"transit.mode.{one.mode}"]) or "", one.headsign, one.platform, expected, scheduled,
        one.minutes, sort, said, one.step_free, page.words.find([f"stop_display.step_free.{one.step_free}"]) or "",
    )  # fmt: skip


ROUTES = [Route("/display/stop/{stop:path}/spoken", say), Route("/display/stop/{stop:path}", show)]
