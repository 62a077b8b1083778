"""What a control centre says later about an alarm: who took it, which unit went, that it arrived, and how it ended."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from dongne.model.errors import BadInput

Step = Literal["acknowledged", "unit_sent", "arrived", "closed"]
STEPS: tuple[Step, ...] = ("acknowledged", "unit_sent", "arrived", "closed")
Short = Annotated[str, msgspec.Meta(max_length=200)]


class DispatchEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a desk says. `number` counts the desk's events from 1; `incident` is the identifier of the alarm's first
    message; `by` is who at the desk, `unit` which went, `cause` why it was closed."""

    number: Annotated[int, msgspec.Meta(ge=1)]
    incident: Short
    time: datetime
    step: Step
    by: Short = ""
    unit: Short = ""
    cause: Short = ""


class DispatchEvents(msgspec.Struct, frozen=True):
    """A page of them, oldest first. `last` is the number of the newest that the desk has, 0 where there is none."""

    events: tuple[DispatchEvent, ...]
    last: int


class NoticeAnswer(msgspec.Struct, frozen=True):
    """The event as an answer to a notice. `by` has desk and number in it: with `time` it is another for each event."""

    answer: str
    by: str
    time: datetime
    values: dict[str, Any]


def read_events(document: bytes) -> DispatchEvents:
    """A page of events. Raises BadInput."""
    try:
        return msgspec.json.decode(document, type=DispatchEvents)
    except msgspec.DecodeError as error:
        raise BadInput(f"the desk's events are not as agreed ({error})", reason="dispatch_events") from None


def answer_of(desk: str, event: DispatchEvent) -> NoticeAnswer:
    """Whatever a desk says means that people there have the alarm: "acknowledged", and the step in the values."""
    values = {"step": event.step, "unit": event.unit, "cause": event.cause}
    kept = {name: value for name, value in values.items() if value}
    place = f"{desk}/{event.number}"
    return NoticeAnswer("acknowledged", f"{place}: {event.by}" if event.by else place, event.time, kept)
