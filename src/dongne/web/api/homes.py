"""/api/homes: what gateways of homes say, homes taken in, and whether each of them has a way to a human."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

import msgspec

from dongne.model.errors import BadInput, DongneError, NotFound, WrongMethod
from dongne.model.home import GatewayReply, NewHome
from dongne.model.who import Right, Who
from dongne.web.api.collector import settle_collector
from dongne.web.api.context import ApiContext, Homes, Receive, Scope, Send
from dongne.web.api.http import check_form, read_body, send_bytes

ROOT = "/api/homes"
MESSAGES = f"{ROOT}/messages"
LONGEST_MESSAGE = 256 << 10
LONGEST_BODY = 64 << 20
MANY = 100  # homes at once
_PRIVATE = [(b"cache-control", b"no-store")]
_encode = msgspec.json.Encoder().encode
_homes = msgspec.json.Decoder(list[NewHome])


class HomesApi:
    """Answers the addresses at and below /api/homes."""

    def __init__(self, context: ApiContext, homes: Homes) -> None:
        self._context, self._homes, self._desk = context, homes, homes.gateways

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A message of a gateway is answered when it is durable, also one that came before. Raises DongneError."""
        path, method = scope["path"].rstrip("/"), scope["method"]
        answers: dict[tuple[str, str], Callable[[Scope, Receive], Awaitable[Any]]] = {
            (MESSAGES, "POST"): self._message,
            (ROOT, "POST"): self._add,
            (f"{ROOT}/check", "GET"): self._check,
            (f"{ROOT}/verify", "GET"): self._verify,
        }
        if method == "DELETE" and path.startswith(f"{ROOT}/"):
            document = await self._withdraw(scope, path.removeprefix(f"{ROOT}/"))
        elif (found := answers.get((path, method))) is not None:
            document = await found(scope, receive)
        else:
            allowed = tuple(known for place, known in answers if place == path)
            if allowed:
                raise WrongMethod(method, allowed)
            raise NotFound(f"there is nothing at {path[:100]!r}; gateways post to {MESSAGES}")
        self._context.requests["homes", 200] += 1
        await send_bytes(send, 200, _encode(document), _PRIVATE)

    async def _message(self, scope: Scope, receive: Receive) -> Any:
        try:
            check_form(scope)
            body = await read_body(scope, receive, LONGEST_MESSAGE)
            who = self._context.who_of(scope)
            self._context.rates.check("write", who, scope)
        except DongneError as error:
            raise self._desk.refuse(error) from None
        return await asyncio.wrap_future(self._hand_over(who, body))

    def take(self, scope: Scope, body: bytes) -> "Future[GatewayReply]":
        """The reply to a message of a gateway, once it is durable. Raises DongneError, and counts it; so does the future."""
        try:
            who = self._context.who_of(scope)
            self._context.rates.check("write", who, scope)
        except DongneError as error:
            raise self.refuse(error) from None
        return self._hand_over(who, body)

    def refuse(self, error: DongneError) -> DongneError:
        """Counts a message that is not taken."""
        return self._desk.refuse(error)

    def _hand_over(self, who: Who, body: bytes) -> "Future[GatewayReply]":
        message = self._desk.decode(body)
        self._desk.check_sender(who, message.gateway)
        return self._desk.take(message)

    def _staff(self, scope: Scope) -> Who:
        """Who may take homes in and see what is wrong with them. Raises NotKnown or NotAllowed."""
        who = self._context.who_of(scope)
        who.must(Right.CONSENT)
        return who

    async def _add(self, scope: Scope, receive: Receive) -> Any:
        who = self._staff(scope)
        body = await read_body(scope, receive, LONGEST_BODY)
        try:
            homes = _homes.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadInput(f"the body is no list of homes: {error}", reason="json") from None
        ids = await asyncio.to_thread(self._homes.add, homes, who.name)
        if len(ids) >= MANY:
            settle_collector()
        self._context.audit(who, [("put", "Home", number) for number in ids])
        return {"homes": ids}

    async def _check(self, scope: Scope, receive: Receive) -> Any:
        who = self._staff(scope)
        gaps = await asyncio.to_thread(self._homes.list_gaps)
        self._context.audit(who, [("check", "Home", 0)])
        return {"homes": len(self._desk.book), "gaps": gaps}

    async def _verify(self, scope: Scope, receive: Receive) -> Any:
        self._staff(scope)
        return await asyncio.to_thread(self._homes.verify)

    async def _withdraw(self, scope: Scope, gateway: str) -> Any:
        who = self._staff(scope)
        home = await asyncio.to_thread(self._homes.withdraw, gateway)
        self._context.audit(who, [("withdraw", "Home", home)])
        return {"withdrawn": home}
