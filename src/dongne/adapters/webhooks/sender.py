"""Who sends: one thread with a loop, in it a task for each active webhook. One delivery of a webhook is under way at a
time, so its batches arrive in order, and a receiver that hangs holds up nobody else; what waits lies in the sequence.
"""

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from dongne.adapters.webhooks.post import Came, Line
from dongne.model.records import Record
from dongne.model.times import format_instant, from_us
from dongne.model.who import Right, Who
from dongne.runtime.ports import Store
from dongne.runtime.webhooks import (
    ACTIVE,
    DEAD,
    DELIVERED,
    FAILED,
    MOST_LETTERS,
    STOPPED,
    Attempt,
    Batch,
    DeadLetter,
    Gathered,
    Webhook,
    WebhookBook,
    body_of,
    gather,
    gather_again,
    message_id,
    wait_s,
)
from dongne.standards.sensorthings.encode import encode
from dongne.standards.webhooks import GONE, headers_of

log = logging.getLogger(__name__)
T = TypeVar("T")
FAR = 100_000  # numbers without an event after which the position is stored
CLOSE_S = 2.0


class Rules(msgspec.Struct, frozen=True):
    """How it is sent. `inside`: also over http, and to this machine and its network. `gather_s` after something was
    stored it is sent, with what came meanwhile; `timeout_s` for one attempt. `pace` shortens all waits between attempts."""

    inside: bool = False
    gather_s: float = 0.25
    timeout_s: float = 20.0
    pace: float = 1.0


class Sender:
    """`owner_of(owner)` is who stands behind a webhook now; None where their token holds no more."""

    def __init__(
        self, store: Store, book: WebhookBook, owner_of: Callable[[str], Who | None], rules: Rules, city: str
    ) -> None:
        self._store, self._book, self._owner_of, self._rules, self._city = store, book, owner_of, rules, city
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._pool = ThreadPoolExecutor(2, "webhooks")
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._news: dict[int, asyncio.Event] = {}  # of each task: there is something to look at
        self._scanned: dict[int, int] = {}  # how far there is nothing for a webhook
        self._rung = self._closing = False
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Active webhooks are served from here on."""
        self._thread.start()
        self.changed()

    def close(self) -> None:
        """What is under way is broken off and sent again at the next start, under the same id."""
        if not self._thread.is_alive():
            return
        ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        with suppress(TimeoutError):
            ending.result(CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S)
        self._pool.shutdown(wait=True)

    def changed(self) -> None:
        """A webhook came, went, or was changed."""
        self._loop.call_soon_threadsafe(self._look)

    def looked_up_to(self, webhook: Webhook) -> int:
        """The number up to which everything for it was sent; what the book says may be older, where nothing was for it."""
        begun = 0 if webhook.batch is None else webhook.batch.first - 1
        return max(webhook.position, self._scanned.get(webhook.id, 0), begun)

    def test(self, webhook: Webhook) -> "Future[Came]":
        """A message that says only that it is a test, sent now."""
        return asyncio.run_coroutine_threadsafe(self._test(webhook), self._loop)

    # --- the loop

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    async def _end(self) -> None:
        self._closing = True
        if self._unsubscribe is not None:
            self._unsubscribe()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for webhook, position in self._scanned.items():
            self._book.advance(webhook, position)
        await self._loop.shutdown_default_executor()

    def _heard(self, records: Sequence[Record]) -> None:
        """In the writer's thread; one call into the loop for whatever comes until it looks."""
        if not self._rung:
            self._rung = True
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._ring)

    def _ring(self) -> None:
        self._rung = False
        for news in self._news.values():
            news.set()

    def _look(self) -> None:
        """A task for each active webhook."""
        if self._closing:
            return
        active = {webhook.id for webhook in self._book.list_all() if webhook.state == ACTIVE}
        for webhook in active - self._tasks.keys():
            self._news[webhook] = asyncio.Event()
            self._tasks[webhook] = task = self._loop.create_task(self._serve(webhook))
            task.add_done_callback(lambda _, webhook=webhook: self._forget(webhook))  # type: ignore[misc]
        for webhook in self._tasks:
            self._news[webhook].set()
        if self._tasks and self._unsubscribe is None:
            self._unsubscribe = self._store.subscribe(self._heard)
        if not self._tasks and self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _forget(self, webhook: int) -> None:
        self._tasks.pop(webhook, None)
        self._news.pop(webhook, None)
        if not self._loop.is_closed() and self._loop.is_running():
            self._loop.call_soon(self._look)

    async def _in_pool(self, work: Callable[..., T], *given: Any) -> T:
        return await self._loop.run_in_executor(self._pool, work, *given)

    # --- one webhook

    async def _serve(self, webhook: int) -> None:
        line: Line | None = None
        try:
            while True:
                try:
                    found = await self._in_pool(self._book.find, webhook)
                    if found is None or found.state != ACTIVE:
                        return
                    line = line or self._line(found)
                    await self._turn(found, line)
                except Exception:  # one webhook never ends the others, nor itself
                    log.exception("webhook %s could not be served; tried again", webhook)
                    await asyncio.sleep(5 * self._rules.pace)
        finally:
            if line is not None:
                await line.close()

    def _line(self, webhook: Webhook) -> Line:
        return Line(webhook.url, inside=self._rules.inside, timeout_s=self._rules.timeout_s)

    async def _turn(self, webhook: Webhook, line: Line) -> None:
        """One thing that is to be done, or the wait for it."""
        who = await self._in_pool(self._owner_of, webhook.owner)
        if who is None or not who.may(Right.WEBHOOK):
            await self._in_pool(self._book.set_state, webhook.id, STOPPED, "owner")
            return
        news = self._news[webhook.id]
        news.clear()
        if (letter := await self._in_pool(self._book.find_asked, webhook.id)) is not None:
            await self._resend(webhook, who, line, letter)
        elif webhook.batch is None:
            await self._begin(webhook, who, news)
        elif (left_s := webhook.batch.next_us / 1e6 - time.time()) > 0:
            await self._rest(webhook.id, news, left_s)
        else:
            await self._send(webhook, who, line, webhook.batch)

    async def _rest(self, webhook: int, news: asyncio.Event, left_s: float) -> None:
        """Until the time of the next attempt, or until somebody changed the webhook; not at each new record."""
        until_s = time.monotonic() + left_s
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left_s, 60.0)):
                while (found := await self._in_pool(self._book.find, webhook)) is not None and found.state == ACTIVE:
                    if found.batch is None or found.batch.next_us == 0 or time.monotonic() >= until_s:
                        return
                    if await self._in_pool(self._book.find_asked, webhook) is not None:
                        return
                    news.clear()
                    await news.wait()
                    await asyncio.sleep(self._rules.gather_s)

    async def _begin(self, webhook: Webhook, who: Who, news: asyncio.Event) -> None:
        """The next batch, as soon as there is something for it."""
        after = self.looked_up_to(webhook)
        if self._store.head() <= after:
            await news.wait()
            await asyncio.sleep(self._rules.gather_s)
            return
        wanted = webhook.choice.wanted(self._store, webhook.sight(who))
        gathered = await self._in_pool(gather, self._store, wanted, after)
        if gathered.events:
            now_us = time.time_ns() // 1000
            batch = Batch(after + 1, gathered.last, len(gathered.events), 0, now_us, now_us)
            await self._in_pool(self._book.begin, webhook.id, batch)
            self._scanned.pop(webhook.id, None)
            return
        self._scanned[webhook.id] = gathered.last
        if gathered.last - webhook.position > FAR:
            await self._in_pool(self._book.advance, webhook.id, gathered.last)

    async def _send(self, webhook: Webhook, who: Who, line: Line, batch: Batch) -> None:
        came, at_us, events = await self._post(webhook, who, line, batch.first, batch.last)
        message, attempts = message_id(webhook, batch.first, batch.last), batch.attempts + 1
        attempt = Attempt(
            message=message, first=batch.first, last=batch.last, events=events, attempt=attempts, at_us=at_us,
            took_ms=came.took_ms, status=came.status, outcome=FAILED, error=came.error,
        )  # fmt: skip
        if came.is_delivered:
            await self._in_pool(self._book.delivered, webhook.id, msgspec.structs.replace(attempt, outcome=DELIVERED))
        elif came.status == GONE or attempts < webhook.attempts:
            rest_s = wait_s(message, attempts, came.retry_after_s) * self._rules.pace
            after = msgspec.structs.replace(
                batch, attempts=attempts, next_us=at_us + came.took_ms * 1_000 + int(rest_s * 1e6)
            )
            await self._in_pool(self._book.failed, webhook.id, attempt, after)
            if came.status == GONE:
                await self._in_pool(self._book.set_state, webhook.id, STOPPED, "gone")
        else:
            log.warning("webhook %s: %s was given up after %s attempts: %s", webhook.id, message, attempts, came.error)
            await self._in_pool(self._book.given_up, webhook.id, msgspec.structs.replace(attempt, outcome=DEAD))
            if webhook.dead_letters + 1 >= MOST_LETTERS:  # what comes now waits in the sequence
                await self._in_pool(self._book.set_state, webhook.id, STOPPED, "letters")

    async def _resend(self, webhook: Webhook, who: Who, line: Line, letter: DeadLetter) -> None:
        came, at_us, events = await self._post(webhook, who, line, letter.first, letter.last)
        attempt = Attempt(
            message=letter.message, first=letter.first, last=letter.last, events=events, attempt=letter.attempts + 1,
            at_us=at_us, took_ms=came.took_ms, status=came.status, outcome=DELIVERED if came.is_delivered else DEAD,
            error=came.error,
        )  # fmt: skip
        await self._in_pool(self._book.resent, webhook.id, letter.id, attempt)

    async def _post(self, webhook: Webhook, who: Who, line: Line, first: int, last: int) -> tuple[Came, int, int]:
        """What came of it, when it was sent, and how many events; nothing is sent where nothing may be told any more."""
        wanted = webhook.choice.wanted(self._store, webhook.sight(who))
        body, events = await self._in_pool(self._body, webhook, wanted, first, last)
        at_us = time.time_ns() // 1000
        if not events:
            return Came(200, "", 0), at_us, 0
        held = await self._in_pool(self._book.secrets, webhook.id, at_us)
        message = message_id(webhook, first, last)
        return await line.post(headers_of(held, message, at_us // 1_000_000, body), body), at_us, events

    def _body(self, webhook: Webhook, wanted: Any, first: int, last: int) -> tuple[bytes, int]:
        gathered: Gathered = gather_again(self._store, wanted, first, last)
        return encode(body_of(webhook, self._city, first, gathered)), len(gathered.events)

    async def _test(self, webhook: Webhook) -> Came:
        at_us = time.time_ns() // 1000
        document = {
            "type": "webhook.test",
            "timestamp": format_instant(from_us(at_us)),
            "data": {"city": self._city, "webhook": webhook.id},
        }
        body, message = encode(document), f"msg_{webhook.uid}_test_{secrets.token_hex(8)}"
        held = await self._in_pool(self._book.secrets, webhook.id, at_us)
        line = self._line(webhook)
        try:
            return await line.post(headers_of(held, message, at_us // 1_000_000, body), body)
        finally:
            await line.close()
