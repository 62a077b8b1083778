"""Tasks: what a device is asked to do, and what became of it (SensorThings Part 2, 17-079r1, clause 8.2.4).

    created -> accepted -> executing -> done | failed | expired

The standard leaves a Task's states open; these are ours. A step that is not in the table is refused.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from dongne.model.errors import BadInput, Conflict

CREATED = "created"
TASK_STATES = (CREATED, "accepted", "executing", "done", "failed", "expired")
ENDS = frozenset({"done", "failed", "expired"})
TASK_STEPS: Mapping[str, frozenset[str]] = {
    CREATED: frozenset({"accepted", "executing"}) | ENDS,
    "accepted": frozenset({"executing"}) | ENDS,
    "executing": ENDS,
}
OLD_STATES = {"delivered": "accepted", "completed": "done"}  # as records before 0.3 have them


class TaskEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A Task, or what became of it.

    `key` is the lasting identity. `capability` is the key of the property it sets (light_level ...), where a service
    creates it, else the name of its TaskingCapability; `capability_id` that one's id, 0 where there is none. `parameters`
    are what is asked for. `by` is who says so ("service:<id>", the name of a token), `reason` why.
    """

    key: str
    thing: int
    capability: str
    state: str
    time: datetime
    service: str = ""
    parameters: dict[str, Any] = {}
    capability_id: int = 0
    by: str = ""
    reason: str = ""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A Task as it is now. `id` is the number of the record which created it; `by` who created it, `changed_by` who said
    what it is now, and `reason` why."""

    id: int
    key: str
    thing: int
    capability: str
    state: str
    created: datetime
    changed: datetime
    service: str = ""
    parameters: dict[str, Any] = {}
    capability_id: int = 0
    by: str = ""
    changed_by: str = ""
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the device has still to act."""
        return state_named(self.state) in TASK_STEPS

    @property
    def properties(self) -> dict[str, str]:
        """What is known of it beyond the standard's attributes."""
        said = {"service": self.service, "by": self.by, "changedBy": self.changed_by, "reason": self.reason}
        return {name: value for name, value in said.items() if value}


def state_named(name: str) -> str:
    """The state of this name, also of an old one. Raises BadInput with the states there are."""
    state = OLD_STATES.get(name, name)
    if state not in TASK_STATES:
        raise BadInput(f"there is no state {name[:40]!r} of a Task; states: {', '.join(TASK_STATES)}", reason="task")
    return state


def apply_task_event(task: Task | None, event: TaskEvent, number: int) -> Task | None:
    """The Task after the event; None where it is so already.

    Raises Conflict for a step which is not allowed, BadInput for one on a Task that was never created.
    """
    state = state_named(event.state)
    if task is None:
        if state != CREATED:
            raise BadInput(f"there is no Task {event.key!r} to be {state}", reason="task")
        return Task(
            id=number, key=event.key, thing=event.thing, capability=event.capability, state=state,
            created=event.time, changed=event.time, service=event.service, parameters=event.parameters,
            capability_id=event.capability_id, by=event.by, reason=event.reason,
        )  # fmt: skip
    before = state_named(task.state)
    if state in (CREATED, before):
        return None
    allowed = TASK_STEPS.get(before, frozenset())
    if state not in allowed:
        there = ", ".join(name for name in TASK_STATES if name in allowed) or "nothing more"
        raise Conflict(f"Task {task.id} is {before}; it can't become {state}; from here: {there}", reason="task")
    return msgspec.structs.replace(
        task,
        state=state,
        changed=event.time,
        parameters={**task.parameters, **event.parameters},
        changed_by=event.by,
        reason=event.reason,
    )
