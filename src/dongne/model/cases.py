"""Cases: what somebody must close.

A kind of Case is data: a table of states and the steps that lead from one to the next, with who may take them, by when a
state must be left, and why it may be closed. A step that is not in the table is refused. History is append-only; each event
carries the hash of the one before it.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from dongne.model.errors import BadInput, Conflict
from dongne.model.who import Right

OPEN, MERGE, MERGED, REOPEN = "open", "merge", "merged", "reopen"
STAYING = frozenset({"note", "assign", "update", "link", "unlink"})
"""Steps of every kind that leave the state as it is: in each open state, the two of links also in closed ones, as the other
end of a link may be closed."""
LINKING = frozenset({"link", "unlink"})
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
LOWEST_PRIORITY = 9


class CaseKind(msgspec.Struct, frozen=True):
    """A state table: `steps[state][action]` is the state after; a state in `closed` needs nobody.

    `rights` are needed for a step where `Right.CASE` is not the one. `causes[action]`: a step that must say why, and what
    it may say. `within_s[state]`: the state must be left in so many seconds. `priority` is that of a Case which brings none,
    by its severity where `by_severity` has it; 0 is life safety, 9 the lowest.
    """

    name: str
    steps: Mapping[str, Mapping[str, str]]
    closed: frozenset[str]
    initial: str = "new"
    rights: Mapping[str, Right] = {}
    causes: Mapping[str, tuple[str, ...]] = {}
    within_s: Mapping[str, int] = {}
    priority: int = 5
    by_severity: Mapping[str, int] = {}

    def after(self, state: str, action: str) -> str:
        """The state after this action. Raises Conflict with the actions there are."""
        found = self.steps.get(state, {}).get(action)
        if action in LINKING or (action in STAYING and state not in self.closed):
            found = state
        elif action == MERGE and state not in self.closed:
            found = MERGED
        if found is None:
            there = ", ".join(sorted(self.list_actions(state))) or "none"
            raise Conflict(f"a {self.name} in state {state!r} has no step {action!r}; steps from here: {there}")
        return found

    def list_actions(self, state: str) -> set[str]:
        """Every step there is from this state."""
        everywhere = LINKING if state in self.closed else STAYING | {MERGE}
        return set(self.steps.get(state, {})) | everywhere

    def right_of(self, action: str) -> Right:
        """What somebody must be allowed to take this step."""
        return self.rights.get(action, Right.CASE)

    def check_cause(self, action: str, cause: str) -> None:
        """Raises BadInput where the step must say why and does not, or says what the kind does not know."""
        if action == MERGE:
            return
        causes = self.causes.get(action, ())
        if causes and cause not in causes:
            said = f"not {cause[:40]!r}" if cause else "none was given"
            raise BadInput(f"to {action} a {self.name} needs a cause: {', '.join(causes)}; {said}", reason="cause")
        if cause and not causes:
            raise BadInput(f"to {action} a {self.name} takes no cause; leave {cause[:40]!r} out", reason="cause")

    def priority_of(self, severity: str) -> int:
        """The priority of a Case that brings none."""
        return self.by_severity.get(severity, self.priority)

    def respond_by(self, state: str, since: datetime) -> datetime | None:
        """By when somebody must have led it out of this state; None where nothing presses."""
        within_s = self.within_s.get(state)
        return None if within_s is None else since + timedelta(seconds=within_s)


DAY_S = 86_400
_ALERT_OVER = {"clear": "cleared", "dismiss": "dismissed"}
ALERT = CaseKind(
    "alert",
    {
        "new": {"acknowledge": "acknowledged", **_ALERT_OVER},
        "acknowledged": _ALERT_OVER,
        "cleared": {"reopen": "new"},
        "dismissed": {"reopen": "new"},
        MERGED: {"reopen": "new"},
    },
    frozenset({"cleared", "dismissed", MERGED}),
    causes={"dismiss": ("false_alarm", "known", "exercise", "not_ours")},
    within_s={"new": DAY_S},
    priority=5,
    by_severity={"extreme": 1, "severe": 2, "moderate": 4},
)
_ORDER_OVER = {"done": "done", "cancel": "cancelled"}
WORK_ORDER = CaseKind(
    "work_order",
    {
        "new": {"accept": "accepted", **_ORDER_OVER},
        "accepted": {"start": "in_progress", **_ORDER_OVER},
        "in_progress": _ORDER_OVER,
        "done": {"reopen": "new"},
        "cancelled": {"reopen": "new"},
        MERGED: {"reopen": "new"},
    },
    frozenset({"done", "cancelled", MERGED}),
    causes={"cancel": ("not_needed", "not_possible", "exercise", "not_ours")},
    priority=6,
)
CASE_KINDS: dict[str, CaseKind] = {kind.name: kind for kind in (ALERT, WORK_ORDER)}


def get_case_kind(name: str) -> CaseKind:
    """The state table of a kind. Raises BadInput with the kinds there are."""
    if name not in CASE_KINDS:
        raise BadInput(f"there is no kind of case {name!r}; kinds: {', '.join(sorted(CASE_KINDS))}")
    return CASE_KINDS[name]


class CaseLink(msgspec.Struct, frozen=True):
    """Another Case by its lasting identity, and what it is to this one: one of RELATIONS."""

    relation: str
    key: str


class CaseEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One step in the life of a Case.

    `key` is the lasting identity ("smart_bins/17/work_order/collect/round 3"): opening a key twice opens it once.
    `name` is the sort within the kind; words for people come from the catalogue under "<service>.<name>" with
    `values` filled in. `by` is "service:<id>" or who did it. `time` is the instant it is about, UTC. What is left out stays as
    it was; an `assign` says both `unit` and `assignee`. `access` closes it more than its Thing. `expects` is how many events
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


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A Case as it is now. `id` is the number of the record which opened it; `respond_by` is when it must have left its state.
    `cause` is why it is closed; `merged_into` the key of the one that goes on instead."""

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

    @property
    def is_closed(self) -> bool:
        """Whether it needs nobody any more."""
        return self.state in CASE_KINDS[self.kind].closed

    @property
    def rank(self) -> int:
        """Its priority: 0 is life safety, 9 the lowest."""
        return get_case_kind(self.kind).priority_of(self.severity) if self.priority is None else self.priority

    @property
    def deadline(self) -> datetime | None:
        """When the next thing must have happened to it: it is done, or out of its state."""
        return min((at for at in (self.due, self.respond_by) if at is not None), default=None)


def apply_event(
    case: Case | None, event: CaseEvent, number: int, *, is_stored: bool = False
) -> tuple[Case, CaseEvent] | None:
    """The Case after the event, and the event with its state; None where opening what is already there changes nothing.

    Raises Conflict where the state table has no such step, or the Case has not the events it should (reason "stale");
    BadInput for a step on a Case that was never opened, or that lacks its cause. `is_stored`: the event was accepted before,
    perhaps when no cause was asked for.
    """
    kind = get_case_kind(event.kind)
    if event.action == OPEN:
        if case is not None:
            return None
        return _opened(kind, event, number)
    if case is None:
        raise BadInput(f"there is no case {event.key!r} to {event.action}")
    if event.expects and event.expects != case.events:
        raise Conflict(f"the case has {case.events} events, not {event.expects}; look what changed", reason="stale")
    state = kind.after(case.state, event.action)
    if not is_stored:
        _check_step(kind, case, event)
    if event.action == MERGE:
        event = msgspec.structs.replace(event, cause=MERGED)
    event = msgspec.structs.replace(event, state=state, access=event.access or case.access, expects=0)
    return _moved(kind, case, event), event


def _opened(kind: CaseKind, event: CaseEvent, number: int) -> tuple[Case, CaseEvent]:
    check_priority(event.priority)
    event = msgspec.structs.replace(event, state=kind.initial, expects=0)
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
    is_assigned, is_moved = event.action == "assign", event.state != case.state
    return msgspec.structs.replace(
        case,
        state=event.state,
        changed=event.time,
        values={**case.values, **event.values},
        due=event.due or case.due,
        severity=event.severity or case.severity,
        events=case.events + 1,
        hash=chain_hash(case.hash, event),
        unit=event.unit if is_assigned else event.unit or case.unit,
        assignee=event.assignee if is_assigned else event.assignee or case.assignee,
        priority=case.priority if event.priority is None else event.priority,
        respond_by=kind.respond_by(event.state, event.time) if is_moved else case.respond_by,
        cause=event.cause if is_moved else case.cause,
        links=links,
        merged_into=event.merged_into if is_moved else case.merged_into,
        access=event.access,
    )


def chain_hash(before: str, event: CaseEvent) -> str:
    """SHA-256 over the hash before and the event's canonical JSON; "" is before the first."""
    return hashlib.sha256(before.encode() + msgspec.json.encode(event, order="sorted")).hexdigest()
