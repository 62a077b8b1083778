"""Commands out: each new Task is published to `v1.1/Tasks/<thing id>` with QoS 1, not retained.

What the broker has is kept as a position in the sequence, so after a restart it goes on where it was: at least once.
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from dongne.model.access import PUBLIC, may_see
from dongne.model.entities import EntityType
from dongne.model.errors import DongneError
from dongne.model.records import Record, RecordKind
from dongne.model.tasks import TaskEvent
from dongne.model.times import format_instant, parse_instant, to_us
from dongne.runtime.ports import Lane, Receipt, Store, Transaction

READER = "mqtt:tasks"
KEEP_EVERY_S = 1.0
MOST_OUT = 100  # Tasks which the broker has not yet confirmed
_event = msgspec.msgpack.Decoder(TaskEvent)

Publish = Callable[[str, bytes, int], int]


class TaskSender:
    """Belongs to the adapter's thread but for `heard`, which the store calls in the writer's."""

    def __init__(self, store: Store, root: str, task_age_s: float, ring: Callable[[], None]) -> None:
        self._store, self._root, self._age_us, self._ring = store, root, int(task_age_s * 1e6), ring
        kept = store.position(READER)
        if not kept:  # the very first time: what was asked of devices before is no news
            kept = store.head()
            store.submit(Transaction(position=(READER, kept)), Lane.NORMAL)
        self._kept = self._read = kept
        self._out: dict[int, int] = {}  # packet identifier -> number of the record
        self._more = True
        self._kept_at_s = 0.0
        self._keeping = False
        self.sent = self.skipped = 0

    def heard(self, records: Sequence[Record]) -> None:
        """Records of a commit."""
        if any(record.kind is RecordKind.TASK for record in records):
            self._more = True
            self._ring()

    def begin(self) -> None:
        """A connection is up: what was not confirmed is sent again."""
        self._out.clear()
        self._read = self._kept
        self._more = True

    def send(self, publish: Publish) -> None:
        """Publishes what is new, as far as the broker keeps up; keeps the position now and then."""
        if self._more and len(self._out) < MOST_OUT:
            self._more = False
            records = self._store.read(self._read, None, MOST_OUT, (RecordKind.TASK,))
            self._more = len(records) == MOST_OUT
            for record in records:
                self._read = record.number
                event = _event.decode(record.body)
                if event.state == "created":
                    self._send_one(publish, record.number, event)
        self._keep()

    def _send_one(self, publish: Publish, number: int, event: TaskEvent) -> None:
        now_us = self._store.clock.now_us()
        until = _instant(event.parameters.get("until"))
        is_over = to_us(event.time) < now_us - self._age_us or (until is not None and to_us(until) < now_us)
        if is_over or self._is_held(number) or not self._may_tell(event):
            self.skipped += 1
            return
        self._out[publish(f"{self._root}/Tasks/{event.thing}", task_body(number, event), 1)] = number

    def _is_held(self, number: int) -> bool:
        """Whether it has ended already: an interlock refused it, or somebody cancelled it."""
        return any(not task.is_open for task in self._store.list_tasks_by_id([number]))

    def _may_tell(self, event: TaskEvent) -> bool:
        """Only of Things that are open data: nobody here knows who listens at a broker."""
        return may_see(self._store.graph, PUBLIC, EntityType.THING, event.thing)

    def confirmed(self, mid: int) -> None:
        """The broker has it."""
        if self._out.pop(mid, None) is not None:
            self.sent += 1

    def _keep(self) -> None:
        done = min(self._out.values()) - 1 if self._out else self._read
        now_s = time.monotonic()
        if done <= self._kept or self._keeping or now_s - self._kept_at_s < KEEP_EVERY_S:
            return
        self._keeping, self._kept_at_s = True, now_s

        def kept(outcome: Receipt | Exception) -> None:
            if isinstance(outcome, Receipt):
                self._kept = max(self._kept, done)
            self._keeping = False

        try:
            self._store.submit_soon(Transaction(position=(READER, done)), kept)
        except DongneError:  # the queue is full: next time
            self._keeping = False


def task_body(number: int, event: TaskEvent) -> bytes:
    """A Task as JSON (SensorThings Part 2, 17-079r1, clause 8.2)."""
    known = {"@iot.id": event.capability_id} if event.capability_id else {}
    said: dict[str, Any] = {
        "@iot.id": number,
        "creationTime": format_instant(event.time),
        "taskingParameters": event.parameters,
        "TaskingCapability": {**known, "name": event.capability},
        "Thing": {"@iot.id": event.thing},
        "state": event.state,
        "key": event.key,
    }
    return msgspec.json.encode(said)


def _instant(said: Any) -> datetime | None:
    if isinstance(said, datetime):
        return said
    if isinstance(said, str):
        try:
            return parse_instant(said)
        except ValueError:
            return None
    return None
