"""Notices: what must reach somebody, and what became of it.

    requested -> received -> answered
              -> dead            (everything was tried)
              -> withdrawn       (nobody needs it any more)

An attempt, the provider's receipt and a person's answer are three things: a provider that took a message has reached nobody.
An answer counts whenever it comes, also after a notice was given up or taken back.
"""

from datetime import datetime
from typing import Any

import msgspec

from dongne.model.errors import BadInput, Conflict

REQUESTED, ATTEMPTED, RECEIVED, FAILED = "requested", "attempted", "received", "failed"
ANSWERED, DEAD, WITHDRAWN = "answered", "dead", "withdrawn"
ACTIONS = (REQUESTED, ATTEMPTED, RECEIVED, FAILED, ANSWERED, DEAD, WITHDRAWN)
HEARD = frozenset({RECEIVED, ANSWERED, DEAD})
"""What the service that asked for it is told."""
PENDING = frozenset({REQUESTED})
"""States in which it has still to be sent."""

FINE, HELP, ACKNOWLEDGED = "fine", "help", "acknowledged"
ANSWERS = (FINE, HELP, ACKNOWLEDGED)
DISPATCH = "119"
UNIT = "unit:"
TO = ("resident", "guardian", "responder", "neighbour", "nurse", DISPATCH)


class NoticeEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One step in the life of a notice.

    `key` is the lasting identity ("home_alarm/17/ask/fire 3"): requesting a key twice requests it once. `to` is one of TO or
    "unit:<id>". Words for people come from the catalogue under "<service>.<name>" with `values` filled in. `case` is the key
    of the Case it belongs to. `follows` is the key of the notice that this one goes on with; with `ends` it takes that back at
    the receiver (CAP 1.2: Cancel). `attempt` counts from 1; `repeat`: the one before was broken off without an outcome, so this
    one may arrive twice, under the same identifier. `receipt` is the provider's, `by` the person who answered.
    """

    key: str
    action: str
    name: str
    time: datetime
    thing: int | None = None
    service: str = ""
    to: str = ""
    values: dict[str, Any] = {}
    case: str = ""
    asks: bool = False
    urgent: bool = False
    exercise: bool = False
    channels: tuple[str, ...] = ()
    follows: str = ""
    ends: bool = False
    attempt: int = 0
    channel: str = ""
    recipient: str = ""
    repeat: bool = False
    receipt: str = ""
    error: str = ""
    answer: str = ""
    by: str = ""


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One sending. `outcome` is "" while nobody knows, then "received" or "failed"."""

    number: int
    channel: str
    recipient: str
    begun: datetime
    outcome: str = ""
    ended: datetime | None = None
    receipt: str = ""
    error: str = ""
    repeat: bool = False


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody answered, by which channel."""

    answer: str
    time: datetime
    by: str = ""
    channel: str = ""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A notice as it is now. `id` is the number of the record which requested it."""

    id: int
    key: str
    name: str
    to: str
    state: str
    requested: datetime
    changed: datetime
    thing: int | None = None
    service: str = ""
    values: dict[str, Any] = {}
    case: str = ""
    asks: bool = False
    urgent: bool = False
    exercise: bool = False
    channels: tuple[str, ...] = ()
    follows: str = ""
    ends: bool = False
    attempts: tuple[Attempt, ...] = ()
    answers: tuple[Answer, ...] = ()
    error: str = ""

    @property
    def is_pending(self) -> bool:
        """Whether it has still to be sent, or nobody knows yet what became of an attempt."""
        return self.state in PENDING or self.unsettled is not None

    @property
    def unsettled(self) -> Attempt | None:
        """The attempt of which nobody knows whether it arrived."""
        return next((attempt for attempt in self.attempts if not attempt.outcome), None)

    @property
    def repeats(self) -> int:
        """How many attempts may have arrived a second time."""
        return sum(attempt.repeat for attempt in self.attempts)


def check_to(to: str) -> None:
    """Raises BadInput where nobody is meant by it."""
    if to not in TO and not (to.startswith(UNIT) and len(to) > len(UNIT)):
        raise BadInput(
            f"a notice goes to {', '.join(TO)} or {UNIT}<id>; {to[:40]!r} is none of them", reason="notice_to"
        )


def apply_notice_event(notice: Notice | None, event: NoticeEvent, number: int) -> Notice | None:
    """The notice after the event; None where it changes nothing (requested before, given up or taken back before).

    Raises BadInput for a notice that was never requested or an answer nobody knows; Conflict for a step that can't follow.
    """
    if event.action == REQUESTED:
        return _requested(event, number) if notice is None else None
    if notice is None:
        raise BadInput(f"there is no notice {event.key[:120]!r} to be {event.action}", reason="notice")
    match event.action:
        case "attempted":
            return _attempted(notice, event)
        case "received" | "failed":
            return _settled(notice, event)
        case "answered":
            return _answered(notice, event)
        case "dead" | "withdrawn":
            if notice.state == event.action or (event.action == DEAD and notice.state != REQUESTED):
                return None
            return msgspec.structs.replace(notice, state=event.action, changed=event.time, error=event.error)
    raise BadInput(f"{event.action[:40]!r} is no step of a notice; steps: {', '.join(ACTIONS)}", reason="notice")


def _requested(event: NoticeEvent, number: int) -> Notice:
    check_to(event.to)
    return Notice(
        id=number, key=event.key, name=event.name, to=event.to, state=REQUESTED, requested=event.time, changed=event.time,
        thing=event.thing, service=event.service, values=event.values, case=event.case, asks=event.asks,
        urgent=event.urgent, exercise=event.exercise, channels=event.channels, follows=event.follows, ends=event.ends,
    )  # fmt: skip


def _attempted(notice: Notice, event: NoticeEvent) -> Notice:
    if event.attempt != len(notice.attempts) + 1:
        raise Conflict(
            f"attempt {event.attempt} of notice {notice.id} can't follow {len(notice.attempts)} attempts",
            reason="notice",
        )
    begun = Attempt(event.attempt, event.channel, event.recipient, event.time, repeat=event.repeat)
    return msgspec.structs.replace(notice, attempts=(*notice.attempts, begun), changed=event.time)


def _settled(notice: Notice, event: NoticeEvent) -> Notice | None:
    if not 1 <= event.attempt <= len(notice.attempts):
        raise Conflict(
            f"notice {notice.id} has no attempt {event.attempt}; it has {len(notice.attempts)}", reason="notice"
        )
    before = notice.attempts[event.attempt - 1]
    if before.outcome:
        return None
    settled = msgspec.structs.replace(
        before, outcome=event.action, ended=event.time, receipt=event.receipt, error=event.error
    )
    attempts = (*notice.attempts[: event.attempt - 1], settled, *notice.attempts[event.attempt :])
    is_reached = event.action == RECEIVED and notice.state in (REQUESTED, DEAD)
    return msgspec.structs.replace(
        notice, attempts=attempts, changed=event.time, state=RECEIVED if is_reached else notice.state
    )


def _answered(notice: Notice, event: NoticeEvent) -> Notice:
    if event.answer not in ANSWERS:
        raise BadInput(f"{event.answer[:40]!r} is no answer; answers: {', '.join(ANSWERS)}", reason="notice_answer")
    said = Answer(event.answer, event.time, event.by, event.channel)
    state = notice.state if notice.state == WITHDRAWN else ANSWERED
    return msgspec.structs.replace(notice, answers=(*notice.answers, said), changed=event.time, state=state)


def event_of(notice: Notice, action: str, time: datetime, **more: Any) -> NoticeEvent:
    """A further step of this notice."""
    return NoticeEvent(
        key=notice.key, action=action, name=notice.name, time=time, thing=notice.thing, service=notice.service,
        to=notice.to, **more,
    )  # fmt: skip
