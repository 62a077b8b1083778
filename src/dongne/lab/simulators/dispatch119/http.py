"""The simulated desk over HTTP, with its page."""

import asyncio
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dongne.lab.simulators.behaviour import MODES, Behaviour
from dongne.lab.simulators.dispatch119.desk import AlarmAtDesk, Desk119
from dongne.model.errors import BadInput, DongneError, NotFound, TooLarge
from dongne.standards.dispatch import body
from dongne.standards.dispatch.events import STEPS

HERE = Path(__file__).parent
LANGUAGES = ("ko", "en")
MOST_SHOWN = 200
MOST_FORM_BYTES = 10_000
PRESETS = {
    "normal": Behaviour(), "busy": Behaviour(mode="refuse", status=503, retry_after_s=2),
    "fail": Behaviour(mode="refuse", status=500), "slow": Behaviour(mode="slow"), "hang": Behaviour(mode="hang"),
    "drop": Behaviour(mode="drop"), "twice": Behaviour(mode="twice"), "lose": Behaviour(mode="lose"),
}  # fmt: skip


class DeskOverHttp:
    """Answers requests for one desk."""

    def __init__(self, desk: Desk119) -> None:
        self.desk = desk
        self._words = read_words()
        environment = Environment(loader=FileSystemLoader(HERE), autoescape=True)
        environment.filters["at"] = _at
        self._page = environment.get_template("page.html")

    async def take(self, request: Request) -> Response:
        """POST /alarms: 201 for a new message, 200 for one that came before."""
        mode, behaviour = self.desk.line.next_mode(), self.desk.line.behaviour
        if mode == "refuse":
            asked = {"retry-after": str(behaviour.retry_after_s)} if behaviour.retry_after_s else {}
            return _json(behaviour.status, {"error": "as it was told"}, asked)
        if mode == "hang":
            await self.desk.keep_waiting()
            return _json(500, {"error": "too late"})
        if mode == "slow":
            await asyncio.sleep(behaviour.slow_s)
        key, content_type = (request.headers.get(name, "") for name in ("idempotency-key", "content-type"))
        content = await _read(request, body.MOST_BYTES)
        message, is_repeat = self.desk.take(mode, key, content_type, content)
        if mode == "twice":
            self.desk.take(mode, key, content_type, content)
        if mode == "drop":
            return _Cut()
        return _json(200 if is_repeat else 201, {"receipt": message.receipt, "repeat": is_repeat})

    async def show(self, request: Request) -> Response:
        """GET /: the page for people."""
        language = _language(request)
        text = self._page.render(
            t=_Words({key: said[language] for key, said in self._words.items()}), language=language, steps=STEPS,
            alarms=list(self.desk.alarms.values())[::-1][:MOST_SHOWN], other="en" if language == "ko" else "ko",
            presets=PRESETS, preset=_preset(self.desk.line.behaviour), live=request.query_params.get("live") == "1",
        )  # fmt: skip
        return HTMLResponse(text, headers={"cache-control": "no-store"})

    async def list_alarms(self, _: Request) -> Response:
        """GET /alarms: all alarms as JSON."""
        return _json(200, [_shown(alarm) for alarm in self.desk.alarms.values()])

    async def show_message(self, request: Request) -> Response:
        """GET /messages/{identifier}: the bytes as they came."""
        found = self.desk.messages.get(request.path_params["identifier"])
        if found is None:
            raise NotFound("there is no such message here")
        return PlainTextResponse(found.content)

    async def step(self, request: Request) -> Response:
        """POST /alarms/{incident}/steps: the operator acknowledges, sends a unit, notes its arrival, closes."""
        asked = await _form_or_json(request)
        said = {name: str(asked.get(name, "")).strip()[:200] for name in ("by", "unit", "cause")}
        event = self.desk.do(request.path_params["incident"], str(asked.get("step", "")), **said)
        return _after(request, event, f"#a{event.incident}")

    async def behave(self, request: Request) -> Response:
        """POST /behaviour: how the next alarms are answered."""
        asked = await _form_or_json(request)
        behaviour = PRESETS.get(str(asked.get("preset", "")))
        if behaviour is None:
            try:
                behaviour = msgspec.convert(asked, Behaviour)
            except msgspec.ValidationError as error:
                raise BadInput(f"that is no behaviour ({error}); modes: {', '.join(MODES)}") from None
        self.desk.behave(behaviour)
        return _after(request, behaviour, "")

    async def events(self, request: Request) -> Response:
        """GET /events: what was done behind `after`; held back up to `wait_s`."""
        after, wait_s = (_number(request, name) for name in ("after", "wait_s"))
        return _json(200, await self.desk.list_events(int(after), wait_s))

    async def refused(self, request: Request, error: Exception) -> Response:
        """What was wrong, counted where it was an alarm."""
        assert isinstance(error, DongneError)
        if request.url.path == "/alarms":
            self.desk.line.count("refused")
        return _json(error.status, {"error": error.message})


def make_app(desk: Desk119) -> Starlette:
    """The desk over HTTP, with its page."""
    over = DeskOverHttp(desk)
    return Starlette(
        routes=[
            Route("/", over.show), Route("/alarms", over.take, methods=["POST"]), Route("/alarms", over.list_alarms),
            Route("/alarms/{incident}/steps", over.step, methods=["POST"]), Route("/events", over.events),
            Route("/messages/{identifier}", over.show_message), Route("/behaviour", over.behave, methods=["POST"]),
        ],
        exception_handlers={DongneError: over.refused},
    )  # fmt: skip


def read_words() -> dict[str, dict[str, str]]:
    """The page's words: key, then language."""
    return tomllib.loads((HERE / "words.toml").read_text(encoding="utf-8"))


class _Cut(Response):
    """An answer that breaks off in the middle: whoever asked can't know whether it was stored."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"999")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


class _Words(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


async def _read(request: Request, most: int) -> bytes:
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > most:
            raise TooLarge(f"the body has more than {most} bytes; send less")
    return content


def _at(instant: datetime, like: datetime) -> str:
    """The instant in the zone of another."""
    return instant.astimezone(like.tzinfo).isoformat(" ", "seconds")


def _preset(behaviour: Behaviour) -> str:
    return next((name for name, one in PRESETS.items() if one == behaviour), "")


def _json(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


def _shown(alarm: AlarmAtDesk) -> dict[str, Any]:
    alert = alarm.newest.dispatch.alert
    return {
        "incident": alarm.incident, "state": alarm.state, "status": alert.status, "msgType": alert.msg_type,
        "headline": alert.infos[0].headline if alert.infos else "", "place": alarm.point, "evidence": alarm.evidence,
        "note": alarm.note, "contacts": alarm.contacts, "steps": alarm.steps,
        "messages": [
            {"identifier": one.identifier, "received": one.received, "repeats": one.repeats, "differing": one.differing}
            for one in alarm.messages
        ],
    }  # fmt: skip


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("application/json")


async def _form_or_json(request: Request) -> dict[str, Any]:
    content = await _read(request, MOST_FORM_BYTES)
    try:
        if _is_json(request):
            return msgspec.json.decode(content, type=dict[str, Any])
        return dict(parse_qsl(content.decode(), keep_blank_values=True))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"the body is neither a form nor a JSON object ({error})") from None


def _after(request: Request, made: Any, place: str) -> Response:
    return _json(200, made) if _is_json(request) else RedirectResponse(f"/?lang={_language(request)}{place}", 303)


def _language(request: Request) -> str:
    asked = request.query_params.get("lang", "")
    return asked if asked in LANGUAGES else LANGUAGES[0]


def _number(request: Request, name: str) -> float:
    text = request.query_params.get(name, "0")
    try:
        number = float(text)
        if not 0 <= number < 1e9:
            raise ValueError
    except ValueError:
        raise BadInput(f"{name}: {text[:40]!r} is no number of 0 or more") from None
    return number
