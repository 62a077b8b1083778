"""Cases: what somebody must close.

A kind of Case is a table of states and the steps that lead from one to the next. A step that is not in the table is
refused. History is append-only; each event carries the hash of the one before it.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from dongne.model.errors import BadInput, Conflict

OPEN = "open"


class CaseKind(msgspec.Struct, frozen=True):
    """A state table: `steps[state][action]` is the state after; a state without steps out, or in `closed`, needs nobody."""

    name: str
    steps: Mapping[str, Mapping[str, str]]
    closed: frozenset[str]
    initial: str = "new"

    def after(self, state: str, action: str) -> str:
        """The state after this action. Raises Conflict with the actions there are."""
        found = self.steps.get(state, {}).get(action)
        if found is None:
            there = ", ".join(sorted(self.steps.get(state, {}))) or "none"
            raise Conflict(f"a {self.name} in state {state!r} has no step {action!r}; steps from here: {there}")
        return found


ALERT = CaseKind(
    "alert",
    {
        "new": {"acknowledge": "acknowledged", "clear": "cleared", "dismiss": "dismissed", "update": "new"},
        "acknowledged": {"clear": "cleared", "dismiss": "dismissed", "update": "acknowledged"},
        "cleared": {"reopen": "new"},
        "dismissed": {"reopen": "new"},
    },
    frozenset({"cleared", "dismissed"}),
)
WORK_ORDER = CaseKind(
    "work_order",
    {
        "new": {"accept": "accepted", "done": "done", "cancel": "cancelled", "update": "new"},
        "accepted": {"start": "in_progress", "done": "done", "cancel": "cancelled", "update": "accepted"},
        "in_progress": {"done": "done", "cancel": "cancelled", "update": "in_progress"},
        "done": {"reopen": "new"},
        "cancelled": {"reopen": "new"},
    },
    frozenset({"done", "cancelled"}),
)
CASE_KINDS: dict[str, CaseKind] = {kind.name: kind for kind in (ALERT, WORK_ORDER)}


def get_case_kind(name: str) -> CaseKind:
    """The state table of a kind. Raises BadInput with the kinds there are."""
    if name not in CASE_KINDS:
        raise BadInput(f"there is no kind of case {name!r}; kinds: {', '.join(sorted(CASE_KINDS))}")
    return CASE_KINDS[name]


class CaseEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One step in the life of a Case.

    `key` is the lasting identity ("smart_bins/17/work_order/collect/round 3"): opening a key twice opens it once.
    `name` is the sort within the kind; words for people come from the catalogue under "<service>.<name>" with
    `values` filled in. `by` is "service:<id>" or who did it. `time` is the instant it is about, UTC.
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


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A Case as it is now. `id` is the number of the record which opened it."""

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

    @property
    def is_closed(self) -> bool:
        """Whether it needs nobody any more."""
        return self.state in CASE_KINDS[self.kind].closed


def apply_event(case: Case | None, event: CaseEvent, number: int) -> tuple[Case, CaseEvent] | None:
    """The Case after the event, and the event with its state; None where opening what is already there changes nothing.

    Raises Conflict where the state table has no such step, BadInput for a step on a Case that was never opened.
    """
    kind = get_case_kind(event.kind)
    if event.action == OPEN:
        if case is not None:
            return None
        state, before = kind.initial, ""
    elif case is None:
        raise BadInput(f"there is no case {event.key!r} to {event.action}")
    else:
        state, before = kind.after(case.state, event.action), case.hash
    event = msgspec.structs.replace(event, state=state)
    digest = chain_hash(before, event)
    if case is None:
        return (
            Case(
                id=number, key=event.key, kind=event.kind, name=event.name, state=state, opened=event.time,
                changed=event.time, thing=event.thing, service=event.service, values=event.values, due=event.due,
                severity=event.severity, hash=digest,
            ),
            event,
        )  # fmt: skip
    after = msgspec.structs.replace(
        case,
        state=state,
        changed=event.time,
        values={**case.values, **event.values},
        due=event.due or case.due,
        severity=event.severity or case.severity,
        events=case.events + 1,
        hash=digest,
    )
    return after, event


def chain_hash(before: str, event: CaseEvent) -> str:
    """SHA-256 over the hash before and the event's canonical JSON; "" is before the first."""
    return hashlib.sha256(before.encode() + msgspec.json.encode(event, order="sorted")).hexdigest()
