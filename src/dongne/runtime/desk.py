"""Where Tasks are taken, whichever way they come: checked, held to interlocks, stored; and what became of them.

What an interlock saw still holds when the Task is stored: a Task on its way to the store counts as one that is there.
"""

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.access import may_see
from dongne.model.entities import EntityType, TaskingCapability
from dongne.model.errors import BadInput, Conflict, NotFound
from dongne.model.records import RecordKind
from dongne.model.tasks import CREATED, Task, TaskEvent, apply_task_event, state_named
from dongne.model.times import from_us
from dongne.model.who import Right, Who
from dongne.runtime.facts import TASKING
from dongne.runtime.ports import Entry, LatestValue, Receipt, Store, Transaction
from dongne.runtime.tasking import Seen, check_interlocks, check_parameters

MOST_REASON = 500
SAME_S = 600.0  # within which a Task that comes again with the same key and parameters is the same
NOBODY_KNOWS = 1 << 62  # the number of a Task that has none yet
_event = msgspec.msgpack.Decoder(TaskEvent)


class Ahead:
    """The city with Tasks that are not stored yet, as interlocks see it."""

    def __init__(self, seen: Seen, coming: Iterable[Task]) -> None:
        self._seen, self._coming = seen, list(coming)

    def latest(self, datastream: int) -> LatestValue | None:
        """The newest Observation."""
        return self._seen.latest(datastream)

    def list_tasks(self, thing: int | None = None, is_open: bool | None = None, limit: int = 200) -> list[Task]:
        """Newest first."""
        coming = [task for task in reversed(self._coming) if thing in (None, task.thing)]
        return coming + self._seen.list_tasks(thing, is_open, limit)


class TaskDesk:
    """Any thread may ask."""

    def __init__(self, store: Store, zone: ZoneInfo) -> None:
        self._store, self._zone = store, zone
        self._lock = threading.Lock()
        self._coming: dict[str, tuple[Task, Future[Receipt]]] = {}  # by its own key

    def get_capability(self, who: Who, capability: int) -> TaskingCapability:
        """Raises NotFound where it is not there, or not to be seen."""
        found = self._store.graph.capabilities.get(capability)
        if found is None or not may_see(self._store.graph, who.sight, EntityType.TASKING_CAPABILITY, capability):
            raise NotFound(f"there is no TaskingCapability {capability}", reason="unknown_capability")
        return found

    def get_task(self, who: Who, task: int) -> Task:
        """Raises NotFound where it is not there, or not to be seen."""
        for found in self._store.list_tasks_by_id([task]) if 0 < task < 1 << 63 else ():
            if may_see(self._store.graph, who.sight, EntityType.THING, found.thing):
                return found
        raise NotFound(f"there is no Task {task}", reason="unknown_task")

    def create(
        self, who: Who, capability: TaskingCapability, parameters: Any, reason: str = "", key: str = ""
    ) -> Future[Receipt]:
        """A new Task on its way to the store; its number is in the receipt, 0 where the same with this `key` came within
        the last SAME_S seconds. Raises NotAllowed, BadInput, Conflict."""
        who.must(Right.TASK, capability.thing_id)
        check_parameters(capability, parameters)
        event = TaskEvent(
            key=f"{key or 'api'}/{uuid4().hex}", thing=capability.thing_id, capability=capability.name, state=CREATED,
            time=from_us(self._store.clock.now_us()), parameters=parameters, capability_id=capability.id, by=who.name,
            reason=reason[:MOST_REASON],
        )  # fmt: skip
        with self._lock:
            if key and (same := self._find_same(key, event)):
                return same
            coming = [task for task, _ in list(self._coming.values())]
            check_interlocks(capability, Ahead(self._store, coming), event.time, self._zone)
            stored = self._submit(event)
            self._coming[event.key] = _task_of(event), stored
        stored.add_done_callback(lambda _: self._coming.pop(event.key, None))
        return stored

    def _find_same(self, key: str, event: TaskEvent) -> Future[Receipt] | None:
        """What becomes of a Task that came with this key before, where it asked for the same not long ago."""

        def is_same(task: Task) -> bool:
            asks = task.capability_id == event.capability_id and task.parameters == event.parameters
            return (
                asks and task.key.rpartition("/")[0] == key and event.time - task.created <= timedelta(seconds=SAME_S)
            )

        for task, coming in list(self._coming.values()):
            if is_same(task):
                return _as_before(coming)
        if not any(map(is_same, self._store.list_tasks(event.thing))):
            return None
        there: Future[Receipt] = Future()
        there.set_result(Receipt((0,)))
        return there

    def move(self, who: Who, task: Task, document: Any) -> Future[Receipt]:
        """What became of a Task, on its way to the store. Raises NotAllowed and BadInput; its future, Conflict."""
        who.must(Right.TASK, task.thing)
        if not isinstance(document, dict) or not isinstance(document.get("state"), str):
            raise BadInput('$: say what became of it: {"state": "accepted"}', reason="missing")
        if document.get("taskingParameters") not in (None, task.parameters):
            raise BadInput("$.taskingParameters: what was asked for stays; send another Task", reason="parameters")
        return self._submit(
            TaskEvent(
                key=task.key, thing=task.thing, capability=task.capability, state=state_named(document["state"]),
                time=from_us(self._store.clock.now_us()), capability_id=task.capability_id, by=who.name,
                reason=reason_in(document.get("properties")),
            )
        )  # fmt: skip

    def _submit(self, event: TaskEvent) -> Future[Receipt]:
        return self._store.submit(Transaction([Entry(RecordKind.TASK, msgspec.msgpack.encode(event))]))


def reason_in(properties: Any) -> str:
    """Why, as the `properties` of a Task say it."""
    said = properties.get("reason", "") if isinstance(properties, dict) else ""
    return str(said)[:MOST_REASON]


class Interlocks:
    """Holds what services command to interlocks. That a Task was refused is input to a replay, as what a device says is:
    what the city was like then is not worked out again."""

    def __init__(self, store: Store, zone: ZoneInfo) -> None:
        self._store, self._zone = store, zone
        self._coming: list[Task] = []

    def hold(self, entries: Sequence[Entry], now: datetime) -> list[Entry]:
        """The same entries, each new Task which an interlock does not allow followed by its failure."""
        held: list[Entry] = []
        for entry in entries:
            held.append(entry)
            if entry.kind is RecordKind.TASK and (failed := self._refusal(_event.decode(entry.body), now)):
                held.append(
                    Entry(RecordKind.TASK, msgspec.msgpack.encode(failed), 1, TASKING, entry.cause, entry.at_us)
                )
        return held

    def _refusal(self, event: TaskEvent, now: datetime) -> TaskEvent | None:
        capability = self._store.graph.capabilities.get(event.capability_id)
        if event.state != CREATED or capability is None:
            return None
        try:
            check_interlocks(capability, Ahead(self._store, self._coming), now, self._zone)
        except Conflict as error:
            reason = error.message[:MOST_REASON]
            return msgspec.structs.replace(event, state="failed", parameters={}, by=TASKING, reason=reason)
        self._coming.append(_task_of(event))
        return None

    def stored(self) -> None:
        """What was held is in the store."""
        self._coming.clear()


def _as_before(coming: Future[Receipt]) -> Future[Receipt]:
    """Done when this is: with the number of what was there before, or its error."""
    again: Future[Receipt] = Future()

    def done(first: Future[Receipt]) -> None:
        error = first.exception()
        if error is not None:
            again.set_exception(error)
        else:
            again.set_result(Receipt((0,)))

    coming.add_done_callback(done)
    return again


def _task_of(event: TaskEvent) -> Task:
    made = apply_task_event(None, event, NOBODY_KNOWS)
    assert made is not None
    return made
