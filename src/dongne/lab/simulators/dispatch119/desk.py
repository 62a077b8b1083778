"""The simulated desk without its sockets: what came, what the operator did, and how it answers.

It behaves as it is told (Behaviour): takes alarms slowly, refuses them, hangs, takes one and drops the connection before it has
answered, gets one twice, or says that it took it and shows it to nobody. What it holds lies in memory.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

import msgspec

from dongne.lab.simulators.behaviour import Behaviour, Desk, Mode
from dongne.model.errors import BadInput, NotFound
from dongne.standards.dispatch import body
from dongne.standards.dispatch.build import Dispatch
from dongne.standards.dispatch.events import STEPS, DispatchEvent, DispatchEvents
from dongne.standards.pidf_lo.place import Circle

LONGEST_WAIT_S = 60.0
MOST_ALARMS = 10_000
PAGE = 500  # events


class Message(msgspec.Struct):
    """One message as it came the first time. `differing` counts repeats whose bytes were others."""

    identifier: str
    received: datetime
    dispatch: Dispatch
    content: bytes
    repeats: int = 0
    differing: int = 0

    @property
    def receipt(self) -> str:
        """The desk's own number for it."""
        return f"D-{self.identifier[:8]}"


class AlarmAtDesk(msgspec.Struct):
    """An incident: its messages and what the desk did."""

    incident: str
    messages: list[Message]
    steps: list[DispatchEvent] = []

    @property
    def newest(self) -> Message:
        """What holds now."""
        return self.messages[-1]

    @property
    def state(self) -> str:
        """The last step, or "new"."""
        return self.steps[-1].step if self.steps else "new"

    @property
    def point(self) -> str:
        """Latitude, longitude and how far around, for people; from the location object."""
        place = self.newest.dispatch.presence
        shape = place.geopriv.shape if place else None
        if shape is None:
            return ""
        lon, lat = shape.centre if isinstance(shape, Circle) else shape.point
        around = f" ± {shape.radius_m:g} m" if isinstance(shape, Circle) else ""
        return f"{lat:.6f}, {lon:.6f}{around}"

    @property
    def evidence(self) -> list[str]:
        """The lines of evidence."""
        infos = self.newest.dispatch.alert.infos
        return [one.value for one in infos[0].parameters if one.value_name == "evidence"] if infos else []

    @property
    def note(self) -> str:
        """The medical note, where it may be told."""
        comment = self.newest.dispatch.comment
        return " ".join(one.text for one in comment.texts) if comment else ""

    @property
    def contacts(self) -> list[str]:
        """Whom to call, where it may be told."""
        person = self.newest.dispatch.subscriber
        return [f"{one.name} {one.uri}".strip() for one in person.related] if person else []


class Desk119:
    """The desk without its sockets. `now` is the clock."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.line = Desk("119")  # how it behaves, and counts
        self.alarms: dict[str, AlarmAtDesk] = {}  # by incident
        self.messages: dict[str, Message] = {}  # by identifier
        self.events: list[DispatchEvent] = []
        self._changed = asyncio.Event()
        self._is_closing = False
        self._let_go = asyncio.Event()

    def behave(self, behaviour: Behaviour) -> None:
        """From the next alarm on so; whoever is kept waiting is let go."""
        self.line.behave(behaviour)
        self._let_go.set()
        self._let_go = asyncio.Event()

    async def keep_waiting(self) -> None:
        """Until somebody tells the desk to behave otherwise."""
        await self._let_go.wait()

    def take(self, mode: Mode, key: str, content_type: str, content: bytes) -> tuple[Message, bool]:
        """The message, and whether it came before. Raises BadInput for what no desk can take."""
        dispatch = body.decode(content_type, content)
        alert = dispatch.alert
        if key.strip('"') != alert.identifier:
            raise BadInput(f"Idempotency-Key {key[:60]!r} is not the alert's identifier; send the same", reason="key")
        if alert.status not in {"Actual", "Test"}:
            raise BadInput(f"alert/status: {alert.status!r} is not taken here; exercises stay at home", reason="status")
        self.line.take(mode, alert.identifier, "119", alert.infos[0].headline if alert.infos else "")
        known = self.messages.get(alert.identifier)
        if known is not None:
            known.repeats += 1
            known.differing += known.content != content
            return known, True
        incident = alert.incidents[0] if alert.incidents else alert.identifier
        if incident not in self.alarms and len(self.alarms) >= MOST_ALARMS:
            self._forget_oldest()
        message = Message(alert.identifier, self._now(), dispatch, content)
        if mode == "lose":
            return message, False
        self.messages[alert.identifier] = message
        alarm = self.alarms.get(incident)
        if alarm is None:
            self.alarms[incident] = AlarmAtDesk(incident, [message], [])
        else:
            alarm.messages.append(message)
        return message, False

    def _forget_oldest(self) -> None:
        oldest = self.alarms.pop(next(iter(self.alarms)))
        for one in oldest.messages:
            self.messages.pop(one.identifier, None)

    def do(self, incident: str, step: str, *, by: str = "", unit: str = "", cause: str = "") -> DispatchEvent:
        """A step of the operator's. Raises NotFound, BadInput."""
        alarm = self.alarms.get(incident)
        if alarm is None:
            raise NotFound(f"there is no alarm {incident[:60]!r} here")
        if step not in STEPS:
            raise BadInput(f"{step[:40]!r} is no step; steps: {', '.join(STEPS)}")
        if step == "closed" and not cause:
            raise BadInput("an alarm is closed with its cause; give one")
        event = DispatchEvent(
            number=len(self.events) + 1,
            incident=incident,
            time=self._now(),
            step=step,
            by=by,
            unit=unit,
            cause=cause,
        )
        self.events.append(event)
        alarm.steps.append(event)
        self._changed.set()
        self._changed = asyncio.Event()
        return event

    def close(self) -> None:
        """Nobody waits for events any more."""
        self._is_closing = True
        self._changed.set()

    async def list_events(self, after: int, wait_s: float) -> DispatchEvents:
        """Those behind `after`; waits up to `wait_s` for the first."""
        if after >= len(self.events) and not self._is_closing:
            changed = self._changed
            try:
                async with asyncio.timeout(min(wait_s, LONGEST_WAIT_S)):
                    await changed.wait()
            except TimeoutError:
                pass
        return DispatchEvents(tuple(self.events[after : after + PAGE]), len(self.events))
