"""The short way of an answer as JSON: from the question in the address to `Runtime.ask` and back on plain ASGI, without what pages need.

    GET /answers/<id>?...&format=json, or with Accept: application/json

The same question gets the same answer as on the pages (`web/resident/answers.py`), errors too. Questions wait for one thread: answers are given one at a time anyhow, and
several threads would only hinder each other. Those for which something has to be worked out first wait for others.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope, Send

from dongne.model.access import Sight
from dongne.model.errors import DongneError
from dongne.web.context import WebContext
from dongne.web.frame import retry_after
from dongne.web.resident.answers import NOT_ASKED, make_question

PATH = "/answers/"
SLOW = 4  # questions for which something is worked out at a time
_encode = msgspec.json.Encoder().encode


def is_short(scope: Scope) -> bool:
    """Whether an answer is asked for as JSON, uncompressed."""
    if scope["method"] != "GET" or not scope["path"].startswith(PATH):
        return False
    accept = encoding = b""
    for name, value in scope["headers"]:
        if name == b"accept":
            accept = value
        elif name == b"accept-encoding":
            encoding = value
    if b"gzip" in encoding:
        return False
    query = b"&" + scope["query_string"] + b"&"
    if b"&format=" in query:
        return b"&format=json&" in query
    return b"application/json" in accept and b"text/html" not in accept


def _told(ask: Callable[[str, Any, Sight], Any], *asked: Any) -> bytes:
    """The answer as JSON; empty where there is none yet."""
    found = ask(*asked)
    return b"" if found is None else _encode(found)


class ShortAnswers:
    """The application."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._turn = ThreadPoolExecutor(1, "dongne-answers")
        self._aside = ThreadPoolExecutor(SLOW, "dongne-slow-answers")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request for which `is_short` holds."""
        headers: dict[str, str] = {}
        try:
            who = self._context.gate.who_on_page(scope)
            self._context.rates.check("costly_read", who, scope)
            answer = scope["path"][len(PATH) :]
            asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            given = {name: value for name, value in asked if name not in NOT_ASKED}
            runtime = self._context.runtime
            question = make_question(runtime.question_class(answer), given)
            loop = asyncio.get_running_loop()
            body = await loop.run_in_executor(self._turn, _told, runtime.ask_at_once, answer, question, who.sight)
            if not body:
                body = await loop.run_in_executor(self._aside, _told, runtime.ask, answer, question, who.sight)
            status = 200
        except DongneError as error:
            status, headers = error.status, retry_after(error)
            body = _encode({"code": status, "type": "error", "message": error.message})
        sent = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"vary", b"Accept, Accept-Encoding"),
        ]
        sent += [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": body})
