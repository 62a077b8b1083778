"""A store with homes and an outbox on it, and channels that do as they are told."""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from dongne.adapters.outbox import Means, Outbox
from dongne.model.entities import Thing, put
from dongne.model.notices import REQUESTED, Notice, NoticeEvent, event_of
from dongne.model.outbox import Rules
from dongne.model.records import RecordKind
from dongne.model.times import from_us
from dongne.runtime.channels import Message, Outcome
from dongne.runtime.delivery import Said
from dongne.runtime.directory import CityDirectory
from dongne.runtime.ports import Entry, Lane, Transaction
from dongne.stores.embedded import EmbeddedStore

ZONE = ZoneInfo("Asia/Seoul")
QUICK = Rules(failover_s=0.05, retry_s=(0.01,), dispatch_retry_s=(0.01,), answer_s=0.05, send_s=5.0, quiet_to="21:00")
DAUGHTER = {
    "id": "d", "role": "guardian", "name": "Daughter", "language": "ko",
    "addresses": [["sms", "+821012345678"], ["mail", "d@example.org"]],
}  # fmt: skip
SON = {
    "id": "s",
    "role": "guardian",
    "name": "Son",
    "language": "en",
    "addresses": [["push", "p"], ["sms", "+8210222"]],
}
Behave = Callable[[Message], Outcome]


class Clock:
    """The machine's, moved by `ahead_us`."""

    ahead_us = 0

    def now_us(self) -> int:
        return time.time_ns() // 1000 + self.ahead_us


class Line:
    """A channel that keeps what it gets. `plan`: what comes of each attempt in turn, then ok; None hangs until `go`."""

    def __init__(self, name: str, *plan: Outcome | None) -> None:
        self.name, self._plan = name, list(plan)
        self.got: list[Message] = []
        self._changed = threading.Condition()
        self._go: asyncio.Event | None = None

    async def send(self, message: Message) -> Outcome:
        with self._changed:
            self.got.append(message)
            self._changed.notify_all()
        coming = self._plan.pop(0) if self._plan else Outcome(ok=True, receipt=f"{self.name}-{len(self.got)}")
        if coming is None:
            await asyncio.Event().wait()
            raise AssertionError
        return coming

    async def close(self) -> None:
        pass

    def wait(self, n: int) -> list[Message]:
        """The messages once there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= n, 10), f"{self.name} got {len(self.got)}, not {n}"
            return list(self.got)


FAILED = Outcome(ok=False, error="500")
GONE = Outcome(ok=False, error="410", is_final=True)


def say(notice: Notice, language: str) -> Said:
    return Said(f"{language} {notice.name}", f"{language} {notice.name} {dict(notice.values)}")


def opened(folder: Path, clock: Clock | None = None) -> EmbeddedStore:
    store = EmbeddedStore.open(folder, clock or Clock(), follow=False)
    if not store.head():
        contacts = [DAUGHTER, SON]
        home = Thing(id=1, name="home", properties={"contacts": contacts, "telephone": "+8223", "gateway": "gw-1"})
        store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([put(home)]))])).result(10)
    return store


def outbox(
    store: EmbeddedStore,
    *lines: Line,
    rules: Rules = QUICK,
    duty: Any = None,
    directory: Any = None,
    render: Any = None,
    **more: Any,
) -> Outbox:
    made: Mapping[str, Any] = {line.name: line for line in lines}
    return Outbox(
        store, Means(made, directory or CityDirectory(store.graph, duty), render or say, "test", ZONE, rules, **more)
    )


def now(store: EmbeddedStore) -> datetime:
    return from_us(store.clock.now_us())


def ask(store: EmbeddedStore, once: str = "1", to: str = "guardian", **more: Any) -> str:
    """Requests a notice; returns its key."""
    key = f"toy/1/help/{once}"
    event = NoticeEvent(key=key, action=REQUESTED, name="help", time=now(store), thing=1, service="toy", to=to, **more)
    body = msgspec.msgpack.encode(event)
    store.submit(Transaction([Entry(RecordKind.NOTICE, body)]), Lane.LIFE_SAFETY).result(10)
    return key


def step(store: EmbeddedStore, key: str, action: str, **more: Any) -> None:
    notice = store.find_notice(key)
    assert notice is not None
    body = msgspec.msgpack.encode(event_of(notice, action, now(store), **more))
    store.submit(Transaction([Entry(RecordKind.NOTICE, body)])).result(10)


def notice_when(store: EmbeddedStore, key: str, holds: Callable[[Notice], bool]) -> Notice:
    """The notice once this holds."""
    end_s = time.monotonic() + 10
    while True:
        head = store.head()
        notice = store.find_notice(key)
        if notice is not None and holds(notice):
            return notice
        assert time.monotonic() < end_s, notice
        store.wait_beyond(head, 0.5)


def until(holds: Callable[[], bool]) -> None:
    """Returns once it holds."""
    end_s = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end_s
        threading.Event().wait(0.005)
