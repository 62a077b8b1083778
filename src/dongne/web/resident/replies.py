"""/replies/<token>: what somebody was asked, and big buttons to answer it. Nobody signs in: the link says whose answer it is.

A GET never answers, as mail programs and scanners open links. Who says that they are fine is asked once more. A gateway that called
somebody posts the key they pressed to the same address.
"""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.model.errors import DongneError, NotFound
from dongne.model.notices import FINE
from dongne.model.who import ANYBODY
from dongne.runtime.answering import AnswerDesk
from dongne.web.forms import read_fields
from dongne.web.frame import Page, page_for, render
from dongne.web.notices import notice_text

CHANNELS = frozenset({"sms", "mail", "push", "messenger", "voice", "speaker", "screen"})
LINK = "link"


def show(request: Request) -> Response:
    """GET: the question; with ?say=fine whether that is really so."""
    page, desk = _page(request), _desk(request)
    try:
        opened = desk.open(request.path_params["token"])
    except NotFound as error:
        return _nothing(page, error)
    asks_again = request.query_params.get("say") == FINE and FINE in opened.link.answers
    said = [one for one in opened.notice.answers if one.by == opened.link.recipient]
    return _private(
        render(
            page, "reply.html", question=notice_text(page.words, opened.notice), notice=opened.notice,
            answers=opened.link.answers, asks_again=asks_again, said=said[-1] if said else None, trouble=False,
        )
    )  # fmt: skip


async def take(request: Request) -> Response:
    """POST answer=fine|help|acknowledged: stored when it is answered."""
    page, desk = _page(request), _desk(request)
    answer = (await read_fields(request)).get("answer", "")
    channel = request.query_params.get("by", "")
    try:
        opened = await asyncio.to_thread(desk.open, request.path_params["token"])
        stored = await asyncio.to_thread(
            desk.answer, opened.notice.key, answer, opened.link.recipient, channel if channel in CHANNELS else LINK
        )
        if stored is not None:
            await asyncio.wrap_future(stored)
    except NotFound as error:
        return _nothing(page, error)
    except DongneError as error:
        status = error.status
        return _private(render(page, "reply_taken.html", status, answer="", detail=error.message))
    return _private(render(page, "reply_taken.html", answer=answer, detail=""))


def _page(request: Request) -> Page:
    """Without a look at who asks or how often: an answer in an emergency is never turned away."""
    return page_for(request, ANYBODY)


def _desk(request: Request) -> AnswerDesk:
    desk: AnswerDesk | None = request.app.state.context.answers
    if desk is None:
        raise NotFound("nothing is asked here")
    return desk


def _nothing(page: Page, error: NotFound) -> Response:
    key = error.reason if f"reply.{error.reason}" in page.words else "answer_link"
    return _private(render(page, "reply_taken.html", 404, answer="", detail="", nothing=key))


def _private(response: Response) -> Response:
    response.headers["cache-control"] = "no-store"
    response.headers["referrer-policy"] = "no-referrer"
    response.headers["x-robots-tag"] = "noindex"
    return response


ROUTES = [
    Route("/replies/{token}", show, methods=["GET"]),
    Route("/replies/{token}", take, methods=["POST"]),
]
