"""Kinds of Case: what states there are, and the steps that lead from one to the next.

A kind is data: who may take a step, by when a state must be left, and why a Case may be closed. A step that is not in the table
is refused. Services bring kinds of their own along (`runtime.manifest`).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from dongne.model.errors import BadInput, BadSetup, Conflict
from dongne.model.who import Right

OPEN, MERGE, MERGED, REOPEN = "open", "merge", "merged", "reopen"
OVERDUE, ATTACH = "overdue", "attach"
STAYING = frozenset({"note", "assign", "update", "link", "unlink", OVERDUE, ATTACH})
"""Steps of every kind that leave the state as it is: in each open state, the two of links also in closed ones, as the other
end of a link may be closed."""
LINKING = frozenset({"link", "unlink"})
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
UNDELIVERED = CaseKind(
    "undelivered",
    {
        "new": {"acknowledge": "acknowledged", "resolve": "resolved"},
        "acknowledged": {"resolve": "resolved"},
        "resolved": {"reopen": "new"},
        MERGED: {"reopen": "new"},
    },
    frozenset({"resolved", MERGED}),
    causes={"resolve": ("delivered_otherwise", "not_needed", "address_mended", "exercise")},
    within_s={"new": DAY_S},
    priority=2,
    by_severity={"extreme": 0},
)
"""A notice that reached nobody."""
INCIDENT = CaseKind(
    "incident",
    UNDELIVERED.steps,
    UNDELIVERED.closed,
    causes={"resolve": ("repaired", "over", "false_alarm", "exercise", "not_ours")},
    within_s={"new": 3_600},
    priority=3,
    by_severity={"extreme": 0, "severe": 1},
)
"""Much that fails at once, for one reason."""
CONSENT = CaseKind(
    "consent",
    {
        "given": {"withdraw": "withdrawn", "expire": "expired"},
        "withdrawn": {},
        "expired": {},
        MERGED: {"reopen": "given"},
    },
    frozenset({"withdrawn", "expired", MERGED}),
    initial="given",
    rights=dict.fromkeys((OPEN, "withdraw", "expire", MERGE, "reopen"), Right.CONSENT),
    causes={
        "withdraw": ("by_person", "by_guardian", "moved_out", "died", "mistake"),
        "expire": ("term_over", "purpose_over"),
    },
    priority=8,
)
"""What somebody agreed to: it is open while it holds, and once it is over it is given anew, not opened again."""
BUILT_IN = (ALERT, WORK_ORDER, UNDELIVERED, INCIDENT, CONSENT)
CASE_KINDS: dict[str, CaseKind] = {kind.name: kind for kind in BUILT_IN}


def define_case_kind(kind: CaseKind) -> None:
    """From here on there is this kind too; the same once more changes nothing. Raises BadSetup for another of that name."""
    known = CASE_KINDS.get(kind.name)
    if known is not None and known != kind:
        raise BadSetup(
            f"there is a kind of case {kind.name!r} already, with other states or rules; name yours otherwise"
        )
    CASE_KINDS[kind.name] = kind


def get_case_kind(name: str) -> CaseKind:
    """The state table of a kind. Raises BadInput with the kinds there are."""
    if name not in CASE_KINDS:
        raise BadInput(f"there is no kind of case {name!r}; kinds: {', '.join(sorted(CASE_KINDS))}")
    return CASE_KINDS[name]


def kind_of(name: str) -> CaseKind:
    """The same for what is stored already: a kind that nobody describes any more has no steps of its own and never closes,
    so that its Cases stay with those who must see to them."""
    return CASE_KINDS.get(name) or CaseKind(name, {}, frozenset())
