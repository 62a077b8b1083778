"""Cases: what somebody must close.

What steps there are its kind says (`model.case_kinds`). History is append-only; each event carries the hash of the one before it.
"""

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from dongne.model.case_kinds import (
    ATTACH,
    CASE_KINDS,
    LOWEST_PRIORITY,
    MERGE,
    MERGED,
    OPEN,
    OVERDUE,
    CaseKind,
    get_case_kind,
    kind_of,
)
from dongne.model.errors import BadInput, Conflict

RELATIONS: dict[str, str] = {
    "related": "related",
    "caused_by": "causes",
    "causes": "caused_by",
    "part_of": "has_part",
    "has_part": "part_of",
    "merged_from": "merged_into",
    "merged_into": "merged_from",
}
"""How Cases are linked, each with what the other one says of it."""


class CaseLink(msgspec.Struct, frozen=True):
    """Another Case by its lasting identity, and what it is to this one: one of RELATIONS."""

    relation: str
    key: str


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A picture or document of a Case. `sha256` is of the bytes as they are kept, `name` what it was called where it came from;
    `width_px` and `height_px` are of a picture. `about` says in words what is to be seen."""

    sha256: str
    media_type: str
    size_bytes: int
    name: str = ""
    about: str = ""
    width_px: int = 0
    height_px: int = 0


class CaseEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One step in the life of a Case.

    `key` is the lasting identity ("smart_bins/17/work_order/collect/round 3"): opening a key twice opens it once.
    `name` is the sort within the kind; words for people come from the catalogue under "<service>.<name>" with
    `values` filled in. `by` is "service:<id>" or who did it. `time` is the instant it is about, UTC. What is left out stays as
    it was; an `assign` says both `unit` and `assignee`. An `overdue` is about the deadline that passed: its `time`. `access` closes it more than its Thing. `expects` is how many events
    the Case must have before this one; it is not kept.
    """

    key: str
    kind: str
    action: str
    name: str
    time: datetime
    thing: int | None = None
    service: str = ""
    state: str = ""  # the state after; the store fills it
    values: dict[str, Any] = {}
    due: datetime | None = None
    severity: str = ""
    by: str = ""
    note: str = ""
    unit: str = ""
    assignee: str = ""
    priority: int | None = None
    cause: str = ""
    links: tuple[CaseLink, ...] = ()
    merged_into: str = ""
    access: str = ""  # the store says it with each event of a Case that has one
    expects: int = 0
    attachments: tuple[Attachment, ...] = ()


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A Case as it is now. `id` is the number of the record which opened it; `respond_by` is when it must have left its state.
    `overdue` is the last deadline that passed; `cause` is why it is closed; `merged_into` the key of the one that goes on instead."""

    id: int
    key: str
    kind: str
    name: str
    state: str
    opened: datetime
    changed: datetime
    thing: int | None = None
    service: str = ""
    values: dict[str, Any] = {}
    due: datetime | None = None
    severity: str = ""
    events: int = 1
    hash: str = ""
    unit: str = ""
    assignee: str = ""
    priority: int | None = None  # None: it was opened before there were priorities
    respond_by: datetime | None = None
    cause: str = ""
    links: tuple[CaseLink, ...] = ()
    merged_into: str = ""
    access: str = ""
    overdue: datetime | None = None
    attachments: tuple[Attachment, ...] = ()

    @property
    def is_closed(self) -> bool:
        """Whether it needs nobody any more."""
        return self.state in kind_of(self.kind).closed

    @property
    def rank(self) -> int:
        """Its priority: 0 is life safety, 9 the lowest."""
        return kind_of(self.kind).priority_of(self.severity) if self.priority is None else self.priority

    @property
    def deadline(self) -> datetime | None:
        """When the next thing must have happened to it: it is done, or out of its state."""
        return min((at for at in (self.due, self.respond_by) if at is not None), default=None)

    @property
    def next_deadline(self) -> datetime | None:
        """The first deadline that has not passed, as far as anybody said; None where there is none, or it is closed."""
        there = [
            at for at in (self.due, self.respond_by) if at is not None and (self.overdue is None or at > self.overdue)
        ]
        return None if self.is_closed else min(there, default=None)


def apply_event(
    case: Case | None, event: CaseEvent, number: int, *, is_stored: bool = False
) -> tuple[Case, CaseEvent] | None:
    """The Case after the event, and the event with its state; None where opening what is already there changes nothing.

    Raises Conflict where the state table has no such step, or the Case has not the events it should (reason "stale");
    BadInput for a step on a Case that was never opened, or that lacks its cause. `is_stored`: the event was accepted before,
    perhaps when no cause was asked for.
    """
    kind = kind_of(event.kind) if is_stored or case is not None else get_case_kind(event.kind)
    if event.action == OPEN:
        if case is not None:
            return None
        return _opened(kind, event, number)
    if case is None:
        raise BadInput(f"there is no case {event.key!r} to {event.action}")
    if event.expects and event.expects != case.events:
        raise Conflict(f"the case has {case.events} events, not {event.expects}; look what changed", reason="stale")
    is_known = event.kind in CASE_KINDS
    state = kind.after(case.state, event.action) if is_known or not is_stored else event.state or case.state
    if not is_stored:
        _check_step(kind, case, event)
    if event.action == MERGE:
        event = msgspec.structs.replace(event, cause=MERGED)
    event = msgspec.structs.replace(event, state=state, access=event.access or case.access, expects=0)
    return _moved(kind, case, event), event


def _opened(kind: CaseKind, event: CaseEvent, number: int) -> tuple[Case, CaseEvent]:
    check_priority(event.priority)
    event = msgspec.structs.replace(event, state=kind.initial if kind.steps else event.state or kind.initial, expects=0)
    case = Case(
        id=number, key=event.key, kind=event.kind, name=event.name, state=event.state, opened=event.time,
        changed=event.time, thing=event.thing, service=event.service, values=event.values, due=event.due,
        severity=event.severity, hash=chain_hash("", event), unit=event.unit, assignee=event.assignee,
        priority=kind.priority_of(event.severity) if event.priority is None else event.priority,
        respond_by=kind.respond_by(event.state, event.time), links=event.links, access=event.access,
    )  # fmt: skip
    return case, event


def _check_step(kind: CaseKind, case: Case, event: CaseEvent) -> None:
    kind.check_cause(event.action, event.cause)
    check_priority(event.priority)
    if event.action == OVERDUE and event.time != case.next_deadline:
        raise Conflict(
            f"no deadline of the case is at {event.time.isoformat()}, or it was said already", reason="overdue"
        )
    if event.action == ATTACH and not event.attachments:
        raise BadInput("to attach says what", reason="attachments")
    if event.action == MERGE and event.merged_into in ("", case.key):
        raise BadInput("a case is merged into another one; say which", reason="merge")
    for link in event.links:
        if link.relation not in RELATIONS or link.key == case.key:
            raise BadInput(
                f"{link.relation[:40]!r} to {link.key[:80]!r} links no two cases; relations: {', '.join(RELATIONS)}",
                reason="link",
            )


def check_priority(priority: int | None) -> None:
    """Raises BadInput where it is out of 0..9."""
    if priority is not None and not 0 <= priority <= LOWEST_PRIORITY:
        raise BadInput(f"priority {priority} lies out of 0..{LOWEST_PRIORITY}; 0 is life safety", reason="priority")


def _moved(kind: CaseKind, case: Case, event: CaseEvent) -> Case:
    """The Case after a step that was checked."""
    links = case.links
    if event.action == "unlink":
        links = tuple(link for link in links if link not in event.links)
    else:
        links += tuple(link for link in event.links if link not in links)
    is_overdue, is_moved = event.action == OVERDUE, event.state != case.state
    is_assigned = event.action == "assign" or (is_overdue and bool(event.unit))
    respond_by = (
        kind.respond_by(event.state, event.time) if is_moved or (is_overdue and event.unit) else case.respond_by
    )
    return msgspec.structs.replace(
        case,
        state=event.state,
        changed=max(case.changed, event.time) if is_overdue else event.time,
        values={**case.values, **event.values},
        due=event.due or case.due,
        severity=event.severity or case.severity,
        events=case.events + 1,
        hash=chain_hash(case.hash, event),
        unit=event.unit if is_assigned else event.unit or case.unit,
        assignee=event.assignee if is_assigned else event.assignee or case.assignee,
        priority=case.priority if event.priority is None else event.priority,
        respond_by=respond_by,
        cause=event.cause if is_moved else case.cause,
        links=links,
        merged_into=event.merged_into if is_moved else case.merged_into,
        access=event.access,
        overdue=event.time if is_overdue else case.overdue,
        attachments=(*case.attachments, *event.attachments),
    )


def chain_hash(before: str, event: CaseEvent) -> str:
    """SHA-256 over the hash before and the event's canonical JSON; "" is before the first."""
    return hashlib.sha256(before.encode() + msgspec.json.encode(event, order="sorted")).hexdigest()
