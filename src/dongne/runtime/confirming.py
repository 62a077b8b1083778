"""Tasks that are done or expired by themselves: an Observation shows what was asked for, or the time for it is over.

A TaskingCapability says so in its properties: `confirmed_by` (id of the Datastream), `confirmed_parameter` (which parameter
its result must equal; "value" or the only one where nobody says), `tolerance` (in the result's unit, 0 where nobody says),
and `expires_s` seconds after which an open Task expires.
"""

from collections.abc import Iterable
from math import isnan
from typing import Any

import msgspec
import numpy as np

from dongne.model.records import ObservationBatch, Record, RecordKind, decode_batch
from dongne.model.tasks import CREATED, Task, TaskEvent, apply_task_event
from dongne.model.times import from_us, to_us
from dongne.runtime.facts import TASKING
from dongne.runtime.ports import Entry, Store, Transaction

READER = "tasking"
READ_AHEAD = 500  # records
MOST_OPEN = 100_000
_event = msgspec.msgpack.Decoder(TaskEvent)


class Watched(msgspec.Struct, frozen=True):
    """An open Task, and what ends it."""

    task: Task
    datastream: int | None
    wanted: Any
    tolerance: float
    expires_us: int | None


class Confirmer:
    """Follows the sequence: call `step` again and again, from one thread. What it says is committed with its position;
    a step said twice is dropped by the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[str, Watched] = {}
        self.position = store.head()
        for task in store.list_tasks(is_open=True, limit=MOST_OPEN):
            self._watch(task)
        if self._open:
            first = min(watched.task.id for watched in self._open.values())
            self.position = min(self.position, max(store.position(READER), first - 1))

    def step(self) -> bool:
        """Handles the next records, or lets expire what is due; False where there is nothing to do now."""
        head = self._store.head()
        streams = {one.datastream for one in self._open.values() if one.datastream is not None}
        kinds = (RecordKind.TASK, RecordKind.OBSERVATIONS) if streams else (RecordKind.TASK,)
        records = self._store.read(self.position, head, READ_AHEAD, kinds)
        entries: list[Entry] = []
        last = head
        for record in records:
            if record.kind is RecordKind.TASK:
                self._note(record)
                if not streams and self._has_streams():  # from here on Observations count
                    last = record.last
                    break
            else:
                entries += self._confirm(record, decode_batch(record.body, record.count))
        else:
            last = records[-1].last if len(records) == READ_AHEAD else head
        if last == head and not entries:
            entries += self._expire()
        if entries:
            self._store.submit(Transaction(entries, position=(READER, last))).result()
        self.position = last
        return bool(entries) or last < head

    def _has_streams(self) -> bool:
        return any(one.datastream is not None for one in self._open.values())

    def _watch(self, task: Task) -> None:
        capability = self._store.graph.capabilities.get(task.capability_id)
        said = {} if capability is None else capability.properties
        stream, expires_s = said.get("confirmed_by"), said.get("expires_s")
        wanted = _wanted(task, said.get("confirmed_parameter"))
        if not isinstance(stream, int) or wanted is None:
            stream = None
        if stream is None and not _is_number(expires_s):
            return
        tolerance, expires = _number_in(said, "tolerance"), _number_in(said, "expires_s")
        self._open[task.key] = Watched(
            task, stream, wanted, tolerance or 0.0,
            None if expires is None else to_us(task.created) + int(expires * 1e6),
        )  # fmt: skip

    def _note(self, record: Record) -> None:
        event = _event.decode(record.body)
        if event.state == CREATED:
            if event.capability_id and (task := apply_task_event(None, event, record.number)) is not None:
                self._watch(task)
        elif event.key in self._open:
            (task,) = self._store.list_tasks_by_id([self._open[event.key].task.id])
            if not task.is_open:
                del self._open[event.key]

    def _confirm(self, record: Record, batch: ObservationBatch) -> Iterable[Entry]:
        streams = [one.datastream for one in self._open.values() if one.datastream is not None]
        for row in np.flatnonzero(np.isin(batch.datastream, streams)).tolist():
            time_us, result = int(batch.time_us[row]), float(batch.result[row])
            extra = batch.extras.get(row)
            value: Any = extra.result if isnan(result) and extra is not None else result
            for one in list(self._open.values()):
                if one.datastream != batch.datastream[row] or record.number < one.task.id:
                    continue
                if time_us >= to_us(one.task.created) and _is_so(one, value):
                    yield self._ended(one, "done", time_us, f"Observation {record.number + row}", record.number)

    def _expire(self) -> Iterable[Entry]:
        now_us = self._store.clock.now_us()
        due = [one for one in self._open.values() if one.expires_us is not None and one.expires_us <= now_us]
        for one in sorted(due, key=lambda found: (found.expires_us, found.task.id)):
            yield self._ended(one, "expired", one.expires_us or now_us, "", 0)

    def _ended(self, one: Watched, state: str, time_us: int, reason: str, cause: int) -> Entry:
        del self._open[one.task.key]
        task = one.task
        event = TaskEvent(
            key=task.key, thing=task.thing, capability=task.capability, state=state, time=from_us(time_us),
            service=task.service, capability_id=task.capability_id, by=TASKING, reason=reason,
        )  # fmt: skip
        return Entry(RecordKind.TASK, msgspec.msgpack.encode(event), 1, TASKING, cause)


def _wanted(task: Task, name: Any) -> Any:
    if isinstance(name, str):
        return task.parameters.get(name)
    if "value" in task.parameters:
        return task.parameters["value"]
    return next(iter(task.parameters.values())) if len(task.parameters) == 1 else None


def _is_so(one: Watched, value: Any) -> bool:
    if _is_number(one.wanted) and _is_number(value):
        return bool(abs(value - one.wanted) <= one.tolerance)
    return bool(value == one.wanted)


def _number_in(said: dict[str, Any], name: str) -> float | None:
    value = said.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
