"""/api/homes/messages: what gateways of homes say, over HTTP."""

import asyncio

import msgspec

from dongne.adapters.gateways import GatewayDesk
from dongne.model.errors import DongneError, NotFound, WrongMethod
from dongne.web.api.context import ApiContext, Receive, Scope, Send
from dongne.web.api.http import check_form, read_body, send_bytes

ROOT = "/api/homes/messages"
LONGEST_BODY = 256 << 10
_encode = msgspec.json.Encoder().encode


class HomesApi:
    """Answers a message when it is durable: 200 with what a gateway must know, also for one that came before."""

    def __init__(self, context: ApiContext, desk: GatewayDesk) -> None:
        self._context, self._desk = context, desk

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """POST a message. Raises DongneError."""
        if scope["path"] != ROOT:
            raise NotFound(f"there is nothing at {scope['path'][:100]!r}; gateways post to {ROOT}")
        if scope["method"] != "POST":
            raise WrongMethod(scope["method"], ("POST",))
        try:
            check_form(scope)
            body = await read_body(scope, receive, LONGEST_BODY)
            who = self._context.who_of(scope)
            self._context.rates.check("write", who, scope)
        except DongneError as error:
            raise self._desk.refuse(error) from None
        message = self._desk.decode(body)
        self._desk.check_sender(who, message.gateway)
        reply = await asyncio.wrap_future(self._desk.take(message))
        self._context.requests["homes", 200] += 1
        await send_bytes(send, 200, _encode(reply), [(b"cache-control", b"no-store")])
