"""How an alarm is said: the steps of its Case, its notices, and the Wake of its next step."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from dongne.model.times import format_instant
from dongne.runtime.service import Emission, Notify, Step, TakeBack, Wake
from dongne.services.home_alarm.home import (
    ACKNOWLEDGED,
    DISPATCHED,
    OPERATOR,
    RESPONDING,
    VERIFYING,
    Alarm,
    Home,
)
from dongne.services.home_alarm.settings import Settings

KIND = "home_alarm"  # of Case
NEXT, AGAIN = "next", "called_again"  # Wakes
STEP_TO = {
    VERIFYING: "verify", RESPONDING: "respond", DISPATCHED: "dispatch", ACKNOWLEDGED: "acknowledge", OPERATOR: "hand_over",
}  # fmt: skip


class Saying:
    """What is said of one home's alarm at one instant."""

    def __init__(self, settings: Settings, home: Home, now: datetime, *, is_simulated: bool = False) -> None:
        self.settings, self.home, self.now, self.is_simulated = settings, home, now, is_simulated

    @property
    def alarm(self) -> Alarm:
        """The open one."""
        assert self.home.alarm is not None
        return self.home.alarm

    def values(self) -> dict[str, Any]:
        """What a Case and a notice say: the class, why, since when, and the evidence by line."""
        alarm = self.alarm
        evidence = [
            {
                "time": format_instant(line.time),
                "property": line.property,
                "datastream": line.device,
                "value": line.value,
            }
            for line in alarm.lines
        ]
        said: dict[str, Any] = {
            "kind": alarm.kind, "reason": alarm.reason, "raised": format_instant(alarm.raised), "evidence": evidence,
        }  # fmt: skip
        if self.is_simulated:  # also when the home is gone: nothing of it is ever told to a real desk
            said["simulated"] = True
        return {**said, "exercise": True} if alarm.exercise else said

    def move(self, state: str) -> Iterator[Emission]:
        """The step that leads to this state, where it is not there."""
        alarm = self.alarm
        if alarm.state != state:
            alarm.state = state
            yield self.step(STEP_TO[state])

    def step(self, action: str, more: dict[str, Any] | None = None, cause: str = "") -> Step:
        """A step of its Case."""
        alarm = self.alarm
        return Step(KIND, alarm.sort, str(alarm.number), action, {**self.values(), **(more or {})}, cause)

    def wake(self, wait_s: float) -> Wake:
        """The next step is due then."""
        return Wake(self.now + timedelta(seconds=wait_s), NEXT)

    def notify(
        self, name: str, once: str, to: str, *, asks: bool = False, follows: str = "", ends: bool = False
    ) -> Notify:
        """A notice of this alarm. Raises ValueError where an exercise would reach 119, which parks the key."""
        alarm = self.alarm
        if to == "119" and alarm.exercise:
            raise ValueError(f"an exercise would reach 119 by {name}")
        alarm.open_notices.append((name, once))
        return Notify(
            name, once, to, self.values(), (KIND, alarm.sort, str(alarm.number)), asks, urgent=True,
            exercise=alarm.exercise, follows=follows, ends=ends,
        )  # fmt: skip

    def take_back(self, prefix: str) -> Iterator[Emission]:
        """Those whose name begins so: nobody needs them any more."""
        alarm = self.alarm
        kept = []
        for name, once in alarm.open_notices:
            if name.startswith(prefix):
                yield TakeBack(name, once)
            else:
                kept.append((name, once))
        alarm.open_notices = kept
