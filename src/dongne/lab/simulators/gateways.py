"""The simulated channels that are HTTP: short messages, web push, messenger, telephone, speaker; and how each is told to behave."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs

import jinja2
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dongne.lab.simulators.behaviour import MODES, PEOPLE, Behaviour, Desk, Received
from dongne.lab.simulators.people import People, find_link
from dongne.lab.simulators.telephone import Asked, Telephones, shown
from dongne.model.errors import BadInput, DongneError, NotFound, NotKnown
from dongne.standards.web_push import decrypt, point_of, read_vapid, to_base64url
from dongne.standards.webhooks import sign

MOST_HELD_S = 30.0
LATE_S = 300  # a signature's time may be off (Standard Webhooks, "Verifying")
WAVS = 10
TOKENS = {name: f"simulated-{name}" for name in ("sms", "voice", "speaker")}
MESSENGER_SECRET = b"the simulated messenger's secret"
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (FIPS 186-4, D.1.2.3)


class Dropped(Response):
    """A connection that ends in the middle of the answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Promises more than it sends; the server closes the connection over it."""
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


class Browser:
    """A simulated browser, whose keys follow from its name: the same at each start."""

    def __init__(self, name: str) -> None:
        seed = int.from_bytes(sha256(b"simulated browser " + name.encode()).digest(), "big")
        self.key = ec.derive_private_key(seed % (_ORDER - 1) + 1, ec.SECP256R1())
        self.auth = sha256(b"its secret " + name.encode()).digest()[:16]


class Gateways:
    """Everything at one HTTP address, `url`."""

    def __init__(self, desks: Mapping[str, Desk], people: People, closing: asyncio.Event, url: str) -> None:
        self._desks, self._people, self._closing, self._url = desks, people, closing, url
        self._telephones = Telephones(desks["voice"], people)
        self._wavs: dict[str, bytes] = {}
        templates = jinja2.Environment(loader=jinja2.PackageLoader("dongne.lab.simulators", "."), autoescape=True)
        self._page = templates.get_template("page.html")

    def app(self) -> Starlette:
        """As the server runs it."""
        post = ["POST"]
        return Starlette(
            routes=[
                Route("/", self._show),
                Route("/sms", _told(self._sms), methods=post),
                Route("/push/{browser}", _told(self._push), methods=post),
                Route("/messenger", _told(self._messenger), methods=post),
                Route("/voice", _told(self._call), methods=post),
                Route("/voice/{call}", _told(self._call_state)),
                Route("/speaker", _told(self._speaker), methods=post),
                Route("/speaker/{wav}.wav", _told(self._wav)),
                Route("/{channel}/behaviour", _told(self._behave), methods=post),
                Route("/{channel}/received", _told(self._list)),
            ]
        )

    # --- being told, and telling

    async def _show(self, request: Request) -> Response:
        found = [
            (desk, desk.behaviour, sorted(desk.counts.items()), desk.received[::-1][:20])
            for desk in self._desks.values()
        ]
        return HTMLResponse(self._page.render(desks=found, modes=MODES, people=PEOPLE))

    async def _behave(self, request: Request) -> Response:
        """JSON, or the page's form."""
        desk, body = self._desk(request), await request.body()
        is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        given = (
            {key: values[-1] for key, values in parse_qs(body.decode()).items()}
            if is_form
            else msgspec.json.decode(body)
        )
        desk.behave(msgspec.convert(given, Behaviour, strict=not is_form))
        return RedirectResponse("/", 303) if is_form else _json(desk.behaviour)

    async def _list(self, request: Request) -> Response:
        desk = self._desk(request)
        return _json({"simulated": True, "counts": desk.counts, "received": desk.received})

    def _desk(self, request: Request) -> Desk:
        name = request.path_params["channel"]
        if name not in self._desks:
            raise NotFound(f"there is no simulator {name!r}; there are {', '.join(self._desks)}")
        return self._desks[name]

    # --- the channels

    async def _sms(self, request: Request) -> Response:
        self._check_token("sms", request)
        asked = msgspec.json.decode(await request.body(), type=dict[str, Any])
        more = {key: asked[key] for key in ("segments", "encoding", "urgent", "exercise")}
        return await self._take("sms", request, _key_of(request), asked["to"], asked["text"], more)

    async def _push(self, request: Request) -> Response:
        name = request.path_params["browser"]
        url, browser = f"{self._url}/push/{name}", Browser(name)
        claims = read_vapid(request.headers.get("authorization", ""), url, time.time())
        said = msgspec.json.decode(decrypt(await request.body(), browser.key, browser.auth), type=dict[str, Any])
        more = {"urgency": request.headers.get("urgency"), "ttl": request.headers.get("ttl"), "from": claims.get("sub")}
        text = f"{said['title']}\n{said['body']}\n{said['url']}".strip()
        return await self._take("push", request, said["id"], name, text, more)

    async def _messenger(self, request: Request) -> Response:
        body, id = await request.body(), request.headers.get("webhook-id", "")
        sent_s = int(request.headers.get("webhook-timestamp", "0"))
        expected = sign(MESSENGER_SECRET, id, sent_s, body)
        given = request.headers.get("webhook-signature", "").split(" ")
        if abs(time.time() - sent_s) > LATE_S or not any(hmac.compare_digest(expected, one) for one in given):
            raise NotKnown("the message is not signed with this messenger's secret")
        data = msgspec.json.decode(body, type=dict[str, Any])["data"]
        text = f"{data['subject']}\n{data['text']}\n{data['answer_url']}".strip()
        more = {key: data[key] for key in ("urgent", "exercise", "language")}
        return await self._take("messenger", request, id, data["to"], text, more)

    async def _call(self, request: Request) -> Response:
        self._check_token("voice", request)
        asked = msgspec.json.decode(await request.body(), type=Asked)

        def answer(taken: Received, first: int) -> Response:
            return _json(shown(self._telephones.begin(f"call-{first}", asked, taken.delivered)), 202)

        text = asked.script.steps[asked.script.start].say
        return await self._take("voice", request, _key_of(request), asked.to, text, {}, answer)

    async def _call_state(self, request: Request) -> Response:
        self._check_token("voice", request)
        call = self._telephones.find(request.path_params["call"])
        if call is None:
            raise NotFound("there is no such call")
        wait_s = min(float(request.query_params.get("wait_s", "0")), MOST_HELD_S)
        await self._telephones.wait(call, request.query_params.get("since", ""), wait_s)
        return _json(shown(call))

    async def _speaker(self, request: Request) -> Response:
        self._check_token("speaker", request)
        wav = await request.body()
        if wav[:4] != b"RIFF":
            raise BadInput("a speaker takes WAV")

        def answer(taken: Received, first: int) -> Response:
            self._wavs[str(taken.number)] = wav
            while len(self._wavs) > WAVS:
                del self._wavs[next(iter(self._wavs))]
            return _json({"id": f"speaker-{first}"})

        to = request.headers.get("speaker", "")
        return await self._take("speaker", request, _key_of(request), to, "(WAV)", {"bytes": len(wav)}, answer)

    async def _wav(self, request: Request) -> Response:
        found = self._wavs.get(request.path_params["wav"])
        if found is None:
            raise NotFound(f"only the last {WAVS} are kept")
        return Response(found, media_type="audio/wav")

    def _check_token(self, name: str, request: Request) -> None:
        if not hmac.compare_digest(request.headers.get("authorization", ""), f"Bearer {TOKENS[name]}"):
            raise NotKnown(f"this is not the token of {name}")

    async def _take(
        self, name: str, request: Request, id: str, to: str, text: str, more: Mapping[str, Any],
        answer: Callable[[Received, int], Response] | None = None,
    ) -> Response:  # fmt: skip
        """One message as its simulator is told to treat it. A repeat gets the receipt of the first."""
        desk = self._desks[name]
        mode, behaviour = desk.next_mode(), desk.behaviour
        if mode == "refuse":
            later = {"retry-after": str(behaviour.retry_after_s)} if behaviour.retry_after_s else {}
            return _json({"error": "refused (simulated)"}, behaviour.status, later)
        if mode == "hang":
            await self._hold(request)
            return Dropped()
        if mode == "slow":
            await asyncio.sleep(behaviour.slow_s)
        taken = desk.take(mode, id, to, text, **more)
        first = desk.first_number(taken)
        if name != "voice":
            self._people.answer(desk, find_link(text), behaviour.person, taken.delivered)
        said = answer(taken, first) if answer else _json({"id": f"{name}-{first}"}, 202)
        if name == "push":
            said = Response(status_code=201, headers={"location": f"{self._url}/push/messages/{first}"})
        return Dropped() if mode == "drop" else said

    async def _hold(self, request: Request) -> None:
        """Until whoever asked has gone, or the simulators close."""

        async def until_gone() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass

        waits = [asyncio.ensure_future(until_gone()), asyncio.ensure_future(self._closing.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*waits, return_exceptions=True)


def subscription_of(name: str, url: str) -> str:
    """What the simulated browser of this name gives as its PushSubscription, in JSON."""
    browser = Browser(name)
    keys = {"p256dh": to_base64url(point_of(browser.key.public_key())), "auth": to_base64url(browser.auth)}
    return msgspec.json.encode({"endpoint": f"{url}/push/{name}", "keys": keys}).decode()


def _key_of(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if not key:
        raise BadInput("the Idempotency-Key is missing")
    return key


def _json(found: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(found), status, headers, "application/json")


def _told(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """What is wrong with a request is answered, not raised."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except DongneError as error:
            return _json({"error": error.message}, error.status)
        except (msgspec.MsgspecError, KeyError, ValueError) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)

    return handle
