"""Facts: what a service said, in a form that is the same whether it comes from a replay or from the records of a live run.

They are compared, written as JSON lines (`example/expected.jsonl`), and counted in a what-if.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from dongne.model.case_kinds import OPEN
from dongne.model.cases import Case, CaseEvent, apply_event
from dongne.model.errors import DongneError
from dongne.model.graph import ThingGraph
from dongne.model.notices import REQUESTED, WITHDRAWN, Notice, NoticeEvent, apply_notice_event
from dongne.model.records import JobStart, Record, RecordKind, decode_batch
from dongne.model.tasks import Task, TaskEvent, apply_task_event
from dongne.model.times import from_us
from dongne.runtime.runner import Emitted
from dongne.runtime.service import Alert, Command, Notify, Open, Result, Start, Step, TakeBack, TaskUpdate, WorkOrder

DEADLINES = "deadlines"  # the origin of what is said of a Case whose deadline passed
TASKING = "tasking"  # the origin of what becomes of Tasks by itself: confirmed, expired


class Fact(msgspec.Struct, frozen=True, omit_defaults=True, order=True):
    """One thing said: `what` is "result", "case", "task", "notice" or "start"; `name` the property key, the key of a case,
    task or notice, or the job."""

    service: str
    thing: int
    what: str
    name: str
    time: datetime
    value: float | None = None
    action: str = ""
    more: str = ""  # the rest as canonical JSON

    def line(self) -> str:
        """Canonical JSON."""
        return msgspec.json.encode(self, order="deterministic").decode()

    @property
    def sort(self) -> str:
        """What it is, without which Thing and when: a property key, "work_order/collect open", "light_level created"."""
        parts = self.name.split("/")
        match self.what:
            case "case":
                return f"{'/'.join(parts[2:4])} {self.action}"
            case "task" | "notice":
                return f"{parts[2]} {self.action}"
            case _:
                return self.name


def _canonical(more: dict[str, Any]) -> str:
    kept = {key: value for key, value in more.items() if value not in (None, "", {})}
    return msgspec.json.encode(kept, order="sorted").decode() if kept else ""


def case_key(service: str, thing: int, kind: str, name: str, once: str) -> str:
    """The lasting identity of a Case a service opens."""
    return f"{service}/{thing}/{kind}/{name}/{once}"


def task_key(service: str, thing: int, capability: str, once: str) -> str:
    """The lasting identity of a Task a service creates."""
    return f"{service}/{thing}/{capability}/{once}"


def notice_key(service: str, thing: int, name: str, once: str) -> str:
    """The lasting identity of a notice a service asks for."""
    return f"{service}/{thing}/{name}/{once}"


def case_event(emitted: Emitted) -> CaseEvent | None:
    """The event an emission makes of a Case; None for other emissions."""
    said, service, thing = emitted.emission, emitted.service, emitted.thing
    by = f"service:{service}"
    match said:
        case Alert():
            return CaseEvent(
                key=case_key(service, thing, "alert", said.name, said.once), kind="alert", action=OPEN, name=said.name,
                time=emitted.time, thing=thing, service=service, values=dict(said.values), severity=said.severity, by=by,
            )  # fmt: skip
        case WorkOrder():
            return CaseEvent(
                key=case_key(service, thing, "work_order", said.name, said.once), kind="work_order", action=OPEN,
                name=said.name, time=emitted.time, thing=thing, service=service, values=dict(said.values), due=said.due,
                by=by,
            )  # fmt: skip
        case Open():
            return CaseEvent(
                key=case_key(service, thing, said.kind, said.name, said.once), kind=said.kind, action=OPEN,
                name=said.name, time=emitted.time, thing=thing, service=service, values=dict(said.values),
                severity=said.severity, priority=said.priority, unit=said.unit, due=said.due, access=said.access, by=by,
            )  # fmt: skip
        case Step():
            return CaseEvent(
                key=case_key(service, thing, said.kind, said.name, said.once), kind=said.kind, action=said.action,
                name=said.name, time=emitted.time, thing=thing, service=service, values=dict(said.values), cause=said.cause,
                by=by,
            )  # fmt: skip
        case _:
            return None


def task_event(emitted: Emitted) -> TaskEvent | None:
    """The event an emission makes of a Task; None for other emissions."""
    said, service, thing = emitted.emission, emitted.service, emitted.thing
    match said:
        case Command():
            parameters: dict[str, Any] = {"value": said.value}
            if said.until is not None:
                parameters["until"] = said.until.isoformat()
            return TaskEvent(
                key=task_key(service, thing, said.capability.key, said.once), thing=thing,
                capability=said.capability.key, state="created", time=emitted.time, service=service,
                parameters=parameters, by=f"service:{service}",
            )  # fmt: skip
        case TaskUpdate():
            return TaskEvent(
                key=task_key(service, thing, said.capability.key, said.once), thing=thing,
                capability=said.capability.key, state=said.state, time=emitted.time, service=service,
                by=f"service:{service}",
            )  # fmt: skip
        case _:
            return None


def notice_event(emitted: Emitted) -> NoticeEvent | None:
    """The event an emission makes of a notice; None for other emissions."""
    said, service, thing = emitted.emission, emitted.service, emitted.thing
    match said:
        case Notify():
            return NoticeEvent(
                key=notice_key(service, thing, said.name, said.once), action=REQUESTED, name=said.name, time=emitted.time,
                thing=thing, service=service, to=said.to, values=dict(said.values), asks=said.asks, urgent=said.urgent,
                case=case_key(service, thing, *said.case) if said.case else "", exercise=said.exercise,
                channels=tuple(said.channels), ends=said.ends,
                follows=notice_key(service, thing, said.name, said.follows) if said.follows else "",
            )  # fmt: skip
        case TakeBack():
            return NoticeEvent(
                key=notice_key(service, thing, said.name, said.once), action=WITHDRAWN, name=said.name,
                time=emitted.time, thing=thing, service=service,
            )  # fmt: skip
        case _:
            return None


def _result_fact(service: str, thing: int, key: str, time: datetime, value: float, parameters: Any, part: str) -> Fact:
    more = _canonical({"parameters": dict(parameters or {}), "part": part})
    return Fact(service, thing, "result", key, time, value, more=more)


def _case_fact(event: CaseEvent) -> Fact:
    more = {
        "values": event.values, "due": event.due, "severity": event.severity, "unit": event.unit, "cause": event.cause,
        "priority": event.priority, "access": event.access,
    }  # fmt: skip
    return Fact(event.service, event.thing or 0, "case", event.key, event.time, None, event.action, _canonical(more))


def _task_fact(event: TaskEvent) -> Fact:
    more = _canonical({"parameters": event.parameters})
    return Fact(event.service, event.thing, "task", event.key, event.time, None, event.state, more)


def _notice_fact(event: NoticeEvent) -> Fact:
    more = {
        "to": event.to, "values": event.values, "case": event.case, "asks": event.asks or None, "follows": event.follows,
        "urgent": event.urgent or None, "exercise": event.exercise or None, "channels": event.channels or None,
        "ends": event.ends or None,
    }  # fmt: skip
    return Fact(event.service, event.thing or 0, "notice", event.key, event.time, None, event.action, _canonical(more))


class Telling:
    """Turns emissions and records into facts, leaving out what changes nothing: a Case or Task opened before, a step its
    state table has not, as the store does. `cases` and `notices` are those that came of it, by key."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}
        self._tasks: dict[str, Task] = {}
        self.notices: dict[str, Notice] = {}

    def _changes(self, event: CaseEvent, number: int, *, is_stored: bool = False) -> bool:
        try:
            applied = apply_event(self.cases.get(event.key), event, number, is_stored=is_stored)
        except DongneError:
            return False
        if applied is None:
            return False
        self.cases[event.key] = applied[0]
        return True

    def _changes_task(self, event: TaskEvent, number: int) -> bool:
        try:
            after = apply_task_event(self._tasks.get(event.key), event, number)
        except DongneError:
            return False
        if after is None:
            return False
        self._tasks[event.key] = after
        return True

    def _changes_notice(self, event: NoticeEvent, number: int) -> bool:
        try:
            after = apply_notice_event(self.notices.get(event.key), event, number)
        except DongneError:
            return False
        if after is None:
            return False
        self.notices[event.key] = after
        return True

    def of_emissions(self, emissions: Iterable[Emitted]) -> Iterator[Fact]:
        """The facts of emissions, in order."""
        for emitted in emissions:
            said = emitted.emission
            if isinstance(said, Result):
                time = said.time or emitted.time
                yield _result_fact(
                    emitted.service, emitted.thing, said.property.key, time, said.value, said.parameters, said.part
                )
            elif isinstance(said, Start):
                yield Fact(emitted.service, emitted.thing, "start", said.job, emitted.time)
            elif (event := case_event(emitted)) is not None:
                if self._changes(event, emitted.cause):
                    yield _case_fact(event)
            elif (notice := notice_event(emitted)) is not None:
                if self._changes_notice(notice, emitted.cause):
                    yield _notice_fact(notice)
            elif (task := task_event(emitted)) is not None and self._changes_task(task, emitted.cause):
                yield _task_fact(task)

    def note_case(self, record: Record) -> None:
        """Takes in the event of a Case, Task or notice from outside, so that later steps are judged as the store judged
        them."""
        if record.kind is RecordKind.NOTICE and not record.origin:
            self._changes_notice(msgspec.msgpack.decode(record.body, type=NoticeEvent), record.number)
        if record.kind is RecordKind.TASK and record.origin in ("", TASKING):
            self._changes_task(msgspec.msgpack.decode(record.body, type=TaskEvent), record.number)
        if record.kind is RecordKind.CASE and record.origin in ("", DEADLINES):
            event = msgspec.msgpack.decode(record.body, type=CaseEvent)
            self._changes(event, record.number, is_stored=True)

    def of_record(self, record: Record, graph: ThingGraph) -> Iterator[Fact]:
        """The facts in a record that a service emitted; `graph` knows its Datastreams."""
        match record.kind:
            case RecordKind.OBSERVATIONS:
                batch = decode_batch(record.body, record.count)
                for row in range(record.count):
                    stream = graph.datastreams[int(batch.datastream[row])]
                    extra = batch.extras.get(row)
                    time, value = from_us(int(batch.time_us[row])), float(batch.result[row])
                    parameters = extra.parameters if extra else None
                    key = graph.property_key(stream)
                    yield _result_fact(record.origin, stream.thing_id, key, time, value, parameters, stream.part)
            case RecordKind.CASE:
                yield _case_fact(msgspec.msgpack.decode(record.body, type=CaseEvent))
            case RecordKind.TASK:
                yield _task_fact(msgspec.msgpack.decode(record.body, type=TaskEvent))
            case RecordKind.NOTICE:
                yield _notice_fact(msgspec.msgpack.decode(record.body, type=NoticeEvent))
            case RecordKind.START:
                start = msgspec.msgpack.decode(record.body, type=JobStart)
                yield Fact(start.service, start.thing, "start", start.job, from_us(start.time_us))
            case _:
                return
