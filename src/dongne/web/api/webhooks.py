"""/api/webhooks: subscriptions to what is stored, sent by POST; how they do, and what was given up."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import msgspec

from dongne.adapters.webhooks import NewWebhook, Webhooks
from dongne.model.errors import BadInput, NotFound, WrongMethod
from dongne.model.who import Right, Who
from dongne.runtime.webhooks import shown, shown_times
from dongne.web.api.context import ApiContext, Receive, Scope, Send
from dongne.web.api.http import Header, check_write, read_body, send_bytes, send_json

T = TypeVar("T")
Answered = tuple[int, Any, list[Header]]
LONGEST_BODY = 64 << 10
_PRIVATE: list[Header] = [(b"cache-control", b"no-store")]


class Asked(msgspec.Struct, frozen=True):
    """A request: who asks, and the numbers in its path."""

    scope: Scope
    receive: Receive
    who: Who
    numbers: list[int]


class WebhookApi:
    """Answers the addresses at and below /api/webhooks."""

    def __init__(self, context: ApiContext, webhooks: Webhooks) -> None:
        self._context, self._desk = context, webhooks
        self._answers: dict[str, dict[str, Callable[[Asked], Awaitable[Answered]]]] = {
            "": {"GET": self._list, "POST": self._create},
            "/*": {"GET": self._get, "DELETE": self._delete},
            "/*/pause": {"POST": self._pause},
            "/*/resume": {"POST": self._resume},
            "/*/test": {"POST": self._test},
            "/*/secret": {"POST": self._renew_secret},
            "/*/deliveries": {"GET": self._list_deliveries},
            "/*/dead-letters": {"GET": self._list_dead_letters},
            "/*/dead-letters/*": {"DELETE": self._dismiss},
            "/*/dead-letters/*/resend": {"POST": self._resend},
        }

    async def answer(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """`path` is what follows /api/webhooks. Raises DongneError."""
        parts = path.rstrip("/").split("/")
        shape = "/".join("*" if part.isascii() and part.isdigit() and len(part) <= 15 else part for part in parts)
        answers = self._answers.get(shape)
        if answers is None:
            raise NotFound(f"there is nothing at /api/webhooks{path[:100]}; webhooks are listed at /api/webhooks")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if method not in answers:
            raise WrongMethod(method, tuple(answers))
        numbers = [int(part) for part, kind in zip(parts, shape.split("/"), strict=True) if kind == "*"]
        who = self._context.who_of(scope) if method == "GET" else check_write(self._context, scope, (Right.WEBHOOK,))
        status, document, headers = await answers[method](Asked(scope, receive, who, numbers))
        self._context.requests["webhooks", status] += 1
        if document is None:
            await send_bytes(send, status, b"", [*headers, *_PRIVATE])
        else:
            await send_json(send, status, document, [*headers, *_PRIVATE])

    async def _list(self, asked: Asked) -> Answered:
        found = await _aside(self._desk.list_for, asked.who)
        return 200, {"value": [shown(webhook) for webhook in found]}, []

    async def _create(self, asked: Asked) -> Answered:
        body = await read_body(asked.scope, asked.receive, LONGEST_BODY)
        try:
            new = msgspec.json.decode(body, type=NewWebhook)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadInput(f"the body is no webhook: {error}", reason="json") from None
        made, secret = await _aside(self._desk.create, asked.who, new)
        await self._note(asked, "put", made.id)
        address = f"{self._context.public_url(asked.scope)}/api/webhooks/{made.id}"
        return 201, {**shown(made), "secret": secret}, [(b"location", address.encode())]

    async def _get(self, asked: Asked) -> Answered:
        return 200, shown(await _aside(self._desk.get, asked.who, *asked.numbers)), []

    async def _delete(self, asked: Asked) -> Answered:
        await self._change(asked, self._desk.delete, "remove")
        return 204, None, []

    async def _pause(self, asked: Asked) -> Answered:
        await self._change(asked, self._desk.pause, "pause")
        return await self._get(asked)

    async def _resume(self, asked: Asked) -> Answered:
        await self._change(asked, self._desk.resume, "resume")
        return await self._get(asked)

    async def _test(self, asked: Asked) -> Answered:
        came = await asyncio.wrap_future(await _aside(self._desk.test, asked.who, *asked.numbers))
        said = {"delivered": came.is_delivered, "status": came.status, "error": came.error, "took_ms": came.took_ms}
        return 200, said, []

    async def _renew_secret(self, asked: Asked) -> Answered:
        secret = await _aside(self._desk.renew_secret, asked.who, *asked.numbers)
        await self._note(asked, "renew secret of", *asked.numbers)
        return 200, {"secret": secret}, []

    async def _list_deliveries(self, asked: Asked) -> Answered:
        return 200, {"value": shown_times(await _aside(self._desk.list_attempts, asked.who, *asked.numbers))}, []

    async def _list_dead_letters(self, asked: Asked) -> Answered:
        return 200, {"value": shown_times(await _aside(self._desk.list_dead_letters, asked.who, *asked.numbers))}, []

    async def _dismiss(self, asked: Asked) -> Answered:
        await self._change(asked, self._desk.dismiss, "dismiss dead letter of")
        return 204, None, []

    async def _resend(self, asked: Asked) -> Answered:
        await self._change(asked, self._desk.resend, "resend dead letter of")
        return 202, None, []

    async def _change(self, asked: Asked, change: Callable[..., None], what: str) -> None:
        await _aside(change, asked.who, *asked.numbers)
        await self._note(asked, what, asked.numbers[0])

    async def _note(self, asked: Asked, what: str, webhook: int) -> None:
        await _aside(self._context.audit, asked.who, [(what, "Webhook", webhook)])


async def _aside(work: Callable[..., T], *given: Any) -> T:
    """In another thread: the book waits for its disk."""
    return await asyncio.get_running_loop().run_in_executor(None, partial(work, *given))
