"""/webhooks: who gets what by POST; /webhooks/<id>: how it does, what arrived, and what was given up."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dongne.adapters.webhooks import NewWebhook, Webhooks
from dongne.model.access import Access
from dongne.model.errors import BadInput, DongneError, NotFound
from dongne.model.who import Right
from dongne.runtime.webhooks import ACCESSES, ACTIVE, EVENTS, PAUSED, Webhook
from dongne.web.frame import Page, is_id, open_page, read_form, render

MOST_WORDS = 200  # in one field
MOST_LETTERS = 20  # on the page of a webhook


def _desk(page: Page) -> Webhooks:
    if page.context.webhooks is None:
        raise NotFound("webhooks are switched off here; `dongne run --webhooks outside` has them")
    return page.context.webhooks


def state_of(webhook: Webhook) -> tuple[str, str]:
    """(state, key of its word)."""
    if webhook.state == PAUSED:
        return "stale", "webhook.paused"
    if webhook.state != ACTIVE:
        return "alarm", "webhook.stopped"
    if webhook.dead_letters:
        return "crowded", "webhook.gave_up"
    if webhook.batch is not None and webhook.batch.attempts:
        return "busy", "webhook.tries_again"
    return "calm", "webhook.active"


async def list_webhooks(request: Request) -> Response:
    """GET /webhooks."""
    return await _list_page(open_page(request))


async def _list_page(page: Page, status: int = 200, typed: dict[str, str] | None = None, error: str = "") -> Response:
    found = await asyncio.to_thread(_desk(page).list_for, page.who) if page.may("webhook") else []
    return render(
        page, "webhooks.html", status, webhooks=found, state=state_of, typed=typed or {}, error=error, events=EVENTS,
        accesses=[name for name in ACCESSES if Access[name.upper()] <= page.who.sight.most],
        properties=sorted({page.seen.graph.property_key(s) for s in list(page.seen.graph.datastreams.values())}),
        saved=page.request.query_params.get("saved", ""), lag=lambda w: max(0, page.context.store.head() - w.position),
    )  # fmt: skip


async def create(request: Request) -> Response:
    """POST /webhooks: the page that follows says the secret, once."""
    page = open_page(request)
    form = await read_form(page, Right.WEBHOOK)
    try:
        asked = NewWebhook(
            url=form.get("url", "").strip(), name=form.get("name", "").strip(),
            events=tuple(name for name in EVENTS if form.get(f"event-{name}")), things=_numbers(page, form, "things"),
            datastreams=_numbers(page, form, "datastreams"), properties=_words(form, "properties"),
            access=form.get("access", "public"),
        )  # fmt: skip
        made, secret = await asyncio.to_thread(_desk(page).create, page.who, asked)
    except DongneError as error:
        return await _list_page(page, error.status, form, error.message)
    await _note(page, "put", made.id)
    return await _one_page(page, made.id, 201, secret=secret)


def _words(form: dict[str, str], name: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in form.get(name, "").split(",") if word.strip())[:MOST_WORDS]


def _numbers(page: Page, form: dict[str, str], name: str) -> tuple[int, ...]:
    words = _words(form, name)
    if wrong := [word for word in words if not is_id(word)]:
        raise NoNumber(page.words.say("webhook.no_number", word=wrong[0][:40]))
    return tuple(int(word) for word in words)


class NoNumber(BadInput):
    """A field that takes numbers has something else in it; the message is in the reader's language."""


async def show_webhook(request: Request) -> Response:
    """GET /webhooks/<id>."""
    return await _one_page(open_page(request), request.path_params["id"])


async def _one_page(page: Page, webhook: int, status: int = 200, **more: Any) -> Response:
    desk, page.path = _desk(page), f"/webhooks/{webhook}"
    found = await asyncio.to_thread(desk.get, page.who, webhook)
    attempts = await asyncio.to_thread(desk.list_attempts, page.who, webhook)
    letters = await asyncio.to_thread(desk.list_dead_letters, page.who, webhook)
    given = {"secret": "", "came": None, "saved": page.request.query_params.get("saved", ""), **more}
    return render(
        page, "webhook.html", status, webhook=found, state=state_of(found), attempts=attempts[:20],
        letters=letters[:MOST_LETTERS], dead=found.dead_letters,
        lag=max(0, page.context.store.head() - found.position), **given,
    )  # fmt: skip


async def change(request: Request) -> Response:
    """POST /webhooks/<id>/<what>: pause, resume, delete, test, secret; resend or dismiss with the number of a letter."""
    page = open_page(request)
    form = await read_form(page, Right.WEBHOOK)
    webhook, what, desk = request.path_params["id"], request.path_params["what"], _desk(page)
    if what == "test":
        came = await asyncio.wrap_future(await asyncio.to_thread(desk.test, page.who, webhook))
        return await _one_page(page, webhook, came=came)
    if what == "secret":
        secret = await asyncio.to_thread(desk.renew_secret, page.who, webhook)
        await _note(page, "renew secret of", webhook)
        return await _one_page(page, webhook, secret=secret)
    letter = form.get("letter", "")
    changes: dict[str, Callable[..., None]] = {"pause": desk.pause, "resume": desk.resume, "delete": desk.delete}
    of_letters: dict[str, Callable[..., None]] = {"resend": desk.resend, "dismiss": desk.dismiss}
    if what in changes:
        await asyncio.to_thread(changes[what], page.who, webhook)
    elif what in of_letters and is_id(letter):
        await asyncio.to_thread(of_letters[what], page.who, webhook, int(letter))
    else:
        raise NotFound(f"there is no step {what[:40]!r} of a webhook")
    await _note(page, what, webhook)
    return RedirectResponse("/webhooks?saved=delete" if what == "delete" else f"/webhooks/{webhook}?saved={what}", 303)


async def _note(page: Page, what: str, webhook: int) -> None:
    await asyncio.to_thread(page.context.gate.write_down, page.who, f"Webhook {what}", str(webhook))


ROUTES = [
    Route("/webhooks", list_webhooks),
    Route("/webhooks", create, methods=["POST"]),
    Route("/webhooks/{id:int}", show_webhook),
    Route("/webhooks/{id:int}/{what}", change, methods=["POST"]),
]
