"""The outbox of a store: a thread with an event loop, which follows what is requested and brings it to people.

It has no state beside the store: what is pending is found again at the start. An attempt is durable before it is sent; one that
a crash left without an outcome is made again, under the same identifier, and said to be a repeat.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec
import uvloop

from dongne.adapters.outbox.counts import Counts
from dongne.adapters.outbox.courier import Courier
from dongne.adapters.outbox.ledger import Ledger
from dongne.adapters.outbox.means import Means
from dongne.adapters.outbox.tracked import Tracked
from dongne.model.notices import ANSWERED, RECEIVED, REQUESTED, Notice, NoticeEvent, apply_notice_event
from dongne.model.records import Record, RecordKind
from dongne.model.times import from_us
from dongne.runtime.delivery import ORIGIN, rank_of
from dongne.runtime.ports import NoticeFilter, Store

log = logging.getLogger(__name__)
CLOSE_S = 3.0
PAGE = 1_000  # notices read at once
LOOK_BACK = 1_000  # of those received shortly before the start, some of whose recipients may not have been told
LOOK_BACK_S = 600.0
_event = msgspec.msgpack.Decoder(NoticeEvent)


class Outbox:
    """Sends what a store's records ask for by these means, in a thread of its own."""

    def __init__(self, store: Store, means: Means) -> None:
        means.rules.check()
        self._store, self._means, self._channels = store, means, means.channels
        self.counts = Counts()
        self._tracked: dict[str, Tracked] = {}
        self._heard: deque[Record] = deque()
        self._rung = self._closing = False
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._ledger: Ledger | None = None
        self._courier: Courier | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._started = threading.Event()
        self._fault: Exception | None = None

    def start(self) -> None:
        """What is pending is sent from here on, and what comes. Raises what keeps it from finding what is pending."""
        self._thread.start()
        self._loop.call_soon_threadsafe(self._begin)
        self._started.wait()
        if self._fault is not None:
            self.close()
            raise self._fault

    def close(self) -> None:
        """What is under way is broken off, and sent again at the next start under the same identifier."""
        if not self._thread.is_alive():
            return
        ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        with suppress(TimeoutError):
            ending.result(CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S)

    def status(self) -> dict[str, Any]:
        """How it is doing, for /status and /metrics."""
        now, open_now = self._now(), [one.notice for one in list(self._tracked.values()) if not one.is_held]
        waiting = [notice for notice in open_now if notice.state == REQUESTED]
        oldest_s = max(((now - notice.requested).total_seconds() for notice in waiting), default=0.0)
        ledger, courier = self._ledger, self._courier
        return {
            "channels": sorted(self._channels),
            "pending": len(waiting),
            "tracked": len(self._tracked),
            "held": sum(one.is_held for one in list(self._tracked.values())),
            "oldest_s": max(0.0, oldest_s),
            "unwritten": ledger.unwritten if ledger else 0,
            "stuck": int(ledger.is_stuck) if ledger else 0,
            "queued": courier.queued() if courier else {},
            **self.counts.shown(),
        }

    # --- the loop

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def _now(self) -> datetime:
        return from_us(self._store.clock.now_us())

    def _begin(self) -> None:
        try:
            self._ledger = Ledger(self._store)
            self._courier = Courier(
                self._means, self._ledger, self.counts, now=self._now, find=self._tracked.get, reload=self._reload
            )
            self._unsubscribe = self._store.subscribe(self._hear)  # first, so that nothing lies between
            self._find_open()
        except Exception as fault:  # noqa: BLE001  whoever starts it must know
            self._fault = fault
        finally:
            self._started.set()

    async def _end(self) -> None:
        self._closing = True
        if self._unsubscribe is not None:
            self._unsubscribe()
        tasks = [task for one in self._tracked.values() for task in one.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._ledger is not None:
            await self._ledger.rest(CLOSE_S / 2)
        await asyncio.gather(*(channel.close() for channel in self._channels.values()), return_exceptions=True)

    # --- what there is to do

    def _find_open(self) -> None:
        """What was pending when the process ended, most pressing first at the gates."""
        now, before = self._now(), None
        while found := self._store.list_notices(NoticeFilter(is_pending=True, limit=PAGE, before_id=before)):
            for notice in found:
                self._track(notice)
            before = found[-1].id
        for notice in self._store.list_notices(NoticeFilter(limit=LOOK_BACK)):
            if notice.state == RECEIVED and (now - notice.requested).total_seconds() < LOOK_BACK_S:
                self._track(notice)

    def _hear(self, records: Sequence[Record]) -> None:
        """In the writer's thread; one call into the loop for whatever comes until it looks."""
        found = [record for record in records if record.kind is RecordKind.NOTICE and record.origin != ORIGIN]
        if not found:
            return
        self._heard.extend(found)
        if not self._rung:
            self._rung = True
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        """All that came, as it is then known; 119 is begun first."""
        self._rung = False
        new: list[Notice] = []
        touched: list[tuple[NoticeEvent, int]] = []
        while self._heard and not self._closing:
            record = self._heard.popleft()
            try:
                event = _event.decode(record.body)
                notice = apply_notice_event(None, event, record.number) if event.action == REQUESTED else None
            except Exception:  # noqa: BLE001  it is in the log
                self._note_fault(record.number)
                continue
            if notice is not None:
                new.append(notice)
            elif event.action != REQUESTED:
                touched.append((event, record.number))
        for notice in sorted(new, key=rank_of):
            self._track(notice)
        for event, number in touched:
            if event.action == ANSWERED:
                self.counts.add("answers", event.channel)
            try:
                self._reload(event.key)
            except Exception:  # noqa: BLE001  it is in the log
                self._note_fault(number)

    def _note_fault(self, number: int) -> None:
        """What comes behind it has to be sent all the same."""
        log.exception("record %d could not be looked at", number)
        self.counts.faults += 1

    def _reload(self, key: str) -> None:
        one = self._tracked.get(key)
        if one is not None and (stored := self._store.find_notice(key)) is not None:
            one.reload(stored)

    def _track(self, notice: Notice) -> None:
        if notice.key in self._tracked or self._courier is None:
            return
        one = self._tracked[notice.key] = Tracked(notice)
        task: asyncio.Task[object] = self._loop.create_task(self._courier.serve(one))
        one.tasks.add(task)
        task.add_done_callback(lambda _: self._forget(one))

    def _forget(self, one: Tracked) -> None:
        if self._closing:
            return
        one.tasks = {task for task in one.tasks if not task.done()}
        if one.tasks:  # an attempt goes on that nobody waits for: what comes of it is still written down
            for task in one.tasks:
                task.add_done_callback(lambda _: self._forget(one))
            return
        self._tracked.pop(one.notice.key, None)
