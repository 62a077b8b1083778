"""/homes/screen/<token>: the screen at somebody's home: what they are asked, very large, and two buttons.

Who says that they are fine is asked once more. Who asks for help is not. It works by reloading alone; with script it looks by
itself, reads aloud what it asks, and tells that it has shown it.
"""

import asyncio
import math
from base64 import b64decode
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from dongne.adapters.channels.speaker import speak
from dongne.model.channels import SpeakerConfig
from dongne.model.errors import BadInput, NotFound
from dongne.model.home import ANSWERED, HELP_CALL
from dongne.model.notices import FINE, HELP, WITHDRAWN, Notice
from dongne.model.times import from_us
from dongne.runtime.ports import NoticeFilter
from dongne.web.forms import check_origin, read_fields
from dongne.web.frame import is_id, render
from dongne.web.homes.care import private
from dongne.web.homes.linked import Linked, open_link
from dongne.web.notices import notice_text

DEVICE = "screen"  # of the home
RESIDENT = "resident"
STEPS = ("4", "3", "2", "1", "0")  # from very good to very bad
MOST = 50
ASKS_FOR = timedelta(hours=12)  # it goes on asking, as nobody else may have noticed
TELLS_FOR = timedelta(minutes=30)
SAID_FOR = timedelta(minutes=10)
AT_ONCE = asyncio.Semaphore(2)  # voices being made
_DOT = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # a GIF of one point


def show(request: Request) -> Response:
    """GET: ?sure=<id of a notice> asks whether "fine" is meant."""
    linked = open_link(request, "screen")
    linked.page.context.screens.note_on(linked.home.id)
    asked, told, answered = find_asked(linked), find_told(linked), find_answered(linked)
    wished = request.query_params.get("sure", "")
    sure = find_notice(linked, wished) if wished else None
    shown = sure or asked or told
    values: dict[str, Any] = {
        "linked": linked, "asked": asked, "told": told, "answered": answered, "sure": sure, "shown": shown, "helped": find_help(linked),
        "text": say_notice(linked, shown) if shown else "", "revision": revision_of(linked), "may_ask": may_ask(linked), "said": find_said(linked),
    }  # fmt: skip
    return private(render(linked.page, "screen.html", **values))


def get_now(request: Request) -> Response:
    """GET now.json: another revision whenever the page would be another."""
    linked = open_link(request, "screen")
    linked.page.context.screens.note_on(linked.home.id)
    return private(JSONResponse({"revision": revision_of(linked)}))


async def note_shown(request: Request) -> Response:
    """POST shown?n=<id>, and GET shown.gif?n=<id> where there is no script: the notice is on the screen."""
    linked = await asyncio.to_thread(open_link, request, "screen")
    notice = await asyncio.to_thread(find_notice, linked, request.query_params.get("n", ""))
    if notice is not None:
        linked.page.context.screens.note_shown(notice.key)
    if request.method == "POST":
        return private(Response(status_code=204))
    return private(Response(_DOT, media_type="image/gif"))


async def say(request: Request) -> Response:
    """GET say.wav?n=<id>: the notice as speech, with &sure=1 whether "fine" is meant. Raises NotFound where there is none, BadInput where it can't be spoken."""
    linked = await asyncio.to_thread(open_link, request, "screen")
    notice = await asyncio.to_thread(find_notice, linked, request.query_params.get("n", ""))
    if notice is None:
        raise NotFound("nothing is asked by this")
    config = linked.page.context.config.channels.speaker or SpeakerConfig()
    async with AT_ONCE:
        is_sure = bool(request.query_params.get("sure"))
        text = linked.page.words.say("screen.sure") if is_sure else say_notice(linked, notice)
        speech = await speak(config, linked.page.language, text)
    return private(Response(speech, media_type="audio/wav"))


async def press(request: Request) -> Response:
    """POST press: answer=help, or answer=fine with n=<id of the notice>. It is answered when it is durable."""
    linked = await asyncio.to_thread(open_link, request, "screen")
    check_origin(request, linked.page.context)
    form = await read_fields(request)
    answer, number = form.get("answer", ""), form.get("n", "")
    notice = await asyncio.to_thread(find_notice, linked, number) or (find_asked(linked) if answer == HELP else None)
    if answer == HELP:
        await asyncio.wrap_future(linked.care.gateways.press(linked.home.id, DEVICE, HELP_CALL.key))
    elif answer != FINE or notice is None:
        raise BadInput("only help or fine can be pressed here, fine where something is asked", reason="answer")
    desk = linked.page.context.answers
    if (
        notice is not None
        and desk is not None
        and (stored := desk.answer(notice.key, answer, RESIDENT, DEVICE)) is not None
    ):
        await asyncio.wrap_future(stored)
    return private(RedirectResponse(linked.path, 303))


def show_questions(request: Request) -> Response:
    """GET questions: how are you today? The page gives way to whatever else is asked. Raises NotFound where this person has not agreed to be asked."""
    return _questions(_asked_link(request), {})


def _asked_link(request: Request) -> Linked:
    linked = open_link(request, "screen")
    if not may_ask(linked):
        raise NotFound("nothing is asked here")
    return linked


def _questions(linked: Linked, given: dict[str, str], status: int = 200) -> Response:
    values = {"linked": linked, "questions": ANSWERED, "given": given, "steps": STEPS, "revision": revision_of(linked)}
    return private(render(linked.page, "screen_questions.html", status, **values))


async def answer_questions(request: Request) -> Response:
    """POST questions: each of the four, 0 (very bad) to 4 (very good). The answer comes when they are durable."""
    linked = await asyncio.to_thread(_asked_link, request)
    check_origin(request, linked.page.context)
    form = await read_fields(request)
    given = {key: form.get(key, "") for key in ANSWERED}
    if not all(value in STEPS for value in given.values()):
        return await asyncio.to_thread(_questions, linked, given, 400)
    answers = {key: float(value) for key, value in given.items()}
    await asyncio.wrap_future(linked.care.gateways.say(linked.home.id, DEVICE, answers))
    return private(RedirectResponse(linked.path, 303))


# --- what there is


def say_notice(linked: Linked, notice: Notice) -> str:
    """In words for a screen, which has buttons and no keys: "<service>.<name>.screen", else as everywhere."""
    words = linked.page.words
    text = words.find([f"{notice.service}.{notice.name}.screen"], **notice.values)
    if text is None:
        return notice_text(words, notice)
    return words.say("notice.exercise", text=text) if notice.exercise else text


def may_ask(linked: Linked) -> bool:
    """Whether this person agreed to be asked how they are."""
    return all(linked.care.consents.holds(linked.home.id, key) for key in ANSWERED)


def list_notices(linked: Linked) -> list[Notice]:
    """Those to who lives here, the newest first."""
    found = linked.store.list_notices(NoticeFilter(thing=linked.home.id, limit=MOST))
    return [notice for notice in found if notice.to == RESIDENT]


def find_asked(linked: Linked) -> Notice | None:
    """What is asked and has no answer yet."""
    now = from_us(linked.page.now_us)
    return next(
        (
            notice
            for notice in list_notices(linked)
            if notice.asks and notice.state != WITHDRAWN and not notice.answers and now - notice.requested < ASKS_FOR
        ),
        None,
    )


def find_told(linked: Linked) -> Notice | None:
    """What was said last and wants no answer."""
    now = from_us(linked.page.now_us)
    newest = next((one for one in list_notices(linked) if one.state != WITHDRAWN), None)
    return newest if newest is not None and not newest.asks and now - newest.requested < TELLS_FOR else None


def find_answered(linked: Linked) -> str:
    """What this person answered last, shortly ago; empty where nothing."""
    now = from_us(linked.page.now_us)
    said = [one for notice in list_notices(linked) for one in notice.answers if now - one.time < SAID_FOR]
    return max(said, key=lambda one: one.time).answer if said else ""


def find_help(linked: Linked) -> int:
    """When help was called for on this screen, microseconds; 0 where not lately."""
    for stream in linked.store.graph.list_datastreams(linked.home.id):
        if stream.properties.get("device") == DEVICE and linked.store.graph.property_key(stream) == HELP_CALL.key:
            latest = linked.store.latest(stream.id)
            if latest is not None and linked.page.now_us - latest.time_us < SAID_FOR / timedelta(microseconds=1):
                return latest.time_us
    return 0


def find_said(linked: Linked) -> bool:
    """Whether the questions were answered on this screen shortly ago."""
    graph, since_us = linked.store.graph, linked.page.now_us - SAID_FOR / timedelta(microseconds=1)
    streams = [s for s in graph.list_datastreams(linked.home.id) if s.properties.get("device") == DEVICE]
    latest = [linked.store.latest(s.id) for s in streams if graph.property_key(s) in ANSWERED]
    return any(one is not None and one.time_us > since_us for one in latest)


def find_notice(linked: Linked, number: str) -> Notice | None:
    """The notice of this number, where it is to who lives here."""
    if not is_id(number):
        return None
    return next((notice for notice in list_notices(linked) if notice.id == int(number)), None)


def revision_of(linked: Linked) -> str:
    """Another text whenever the page would be another."""
    asked, told = find_asked(linked), find_told(linked)
    return f"{asked.id if asked else 0}-{told.id if told else 0}-{find_answered(linked)}-{math.floor(find_help(linked) / 1e6)}-{find_said(linked):d}"


ROUTES = [
    Route("/homes/screen/{token}", show),
    Route("/homes/screen/{token}/now.json", get_now),
    Route("/homes/screen/{token}/shown", note_shown, methods=["POST"]),
    Route("/homes/screen/{token}/shown.gif", note_shown),
    Route("/homes/screen/{token}/say.wav", say),
    Route("/homes/screen/{token}/press", press, methods=["POST"]),
    Route("/homes/screen/{token}/questions", show_questions),
    Route("/homes/screen/{token}/questions", answer_questions, methods=["POST"]),
]
