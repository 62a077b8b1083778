"""Alarms at home: evidence in; questions, notices and Cases out, until somebody is responsible (policy.py, escalation.py)."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from dongne.methods.day_profile import Bounds, away_too_long, check_at, note_absence, note_activity
from dongne.model import home as said
from dongne.model.cases import CaseEvent
from dongne.model.notices import ACKNOWLEDGED, ANSWERED, DEAD, FINE, HELP, NoticeEvent
from dongne.model.observed import Observation
from dongne.model.times import format_instant
from dongne.runtime.service import (
    Alert,
    City,
    Emission,
    Notify,
    Open,
    Service,
    Step,
    Wake,
    on,
    on_case,
    on_notice,
    wake,
)
from dongne.services.home_alarm import evidence, policy
from dongne.services.home_alarm.escalation import DESK, Escalation
from dongne.services.home_alarm.evidence import Trigger
from dongne.services.home_alarm.home import PRACTICE, Alarm, Home, Line
from dongne.services.home_alarm.saying import KIND
from dongne.services.home_alarm.settings import Settings

SORTS = ("fire", "carbon_monoxide", "gas", "button", "heart", "fall", "inactivity")
NOTICES = (
    "ask_fire", "ask_button", "ask_heart", "ask_fall", "ask_late", "ask_inactivity", "ask_again", "called", "warn",
    "worry", "told_119", "phone", "go", "visit", "exercise_dispatch", "desk_watch", "desk_dispatched", "desk_decide", "desk_remind",
    "desk_close", "desk_unconfirmed", "desk_unreached", *(f"dispatch_{sort}" for sort in SORTS),
)  # fmt: skip


def _on_notices(names: tuple[str, ...]) -> Callable[[Any], Any]:
    def mark(handler: Any) -> Any:
        for name in names:
            handler = on_notice(name)(handler)
        return handler

    return mark


class HomeAlarm(Service[Settings, Home]):
    """Joins what a home says into alarms, asks, escalates, and ends with an operator or a cause."""

    kinds = (said.HOME,)
    emits = (Open, Alert, Notify)

    def _escalation(self, home: Home, city: City) -> Escalation:
        return Escalation(self.settings, home, city.now, is_simulated=bool(city.thing.properties.get("simulated")))

    def _take(self, trigger: Trigger, home: Home, city: City) -> Iterator[Emission]:
        yield from self._escalation(home, city).take(evidence.as_late(trigger, city.now, self.settings))

    # --- detectors, buttons, falls -------------------------------------------------------------------------------------

    @on(said.SMOKE)
    @on(said.HEAT)
    @on(said.CARBON_MONOXIDE)
    @on(said.GAS)
    def detected(self, obs: Observation, state: Home, city: City) -> Iterator[Emission]:
        """A detector: beside another it is a fire, alone it is asked about."""
        if evidence.note_word(state, obs, self.settings):
            yield from self._take(evidence.find_fire(state, obs, self.settings), state, city)

    @on(said.BUTTON)
    @on(said.HELP_CALL)
    @on(said.CHEST_PAIN)
    def called(self, obs: Observation, state: Home, city: City) -> Iterator[Emission]:
        """Somebody pressed or called."""
        is_word = evidence.note_word(state, obs, self.settings)
        yield from self._active(obs, state, city)
        if is_word:
            yield from self._take(evidence.find_word(obs, self.settings), state, city)

    @on(said.FALL)
    def fell(self, obs: Observation, state: Home, city: City) -> Iterator[Emission]:
        """A detector of falls."""
        if evidence.note_word(state, obs, self.settings):
            yield from self._take(evidence.find_word(obs, self.settings), state, city)

    # --- the heart -----------------------------------------------------------------------------------------------------

    @on(said.RHYTHM)
    def beats(self, obs: Observation, state: Home, city: City) -> Iterator[Emission]:
        """A rhythm: a dangerous one is looked at when it has lasted."""
        evidence.note_rhythm(state, obs)
        at = evidence.rhythm_check_at(state, self.settings)
        yield Wake(None if at is None else max(at, city.now), "rhythm")

    @wake("rhythm")
    def rhythm_lasts(self, now: datetime, state: Home, city: City) -> Iterator[Emission]:
        """A dangerous rhythm goes on: an alarm, or looked at again while something speaks against it."""
        trigger = evidence.find_rhythm(state, city.now, self.settings)
        if trigger is not None:
            yield from self._take(trigger, state, city)
        elif evidence.rhythm_check_at(state, self.settings) is not None:
            yield Wake(city.now + timedelta(seconds=self.settings.rhythm_s), "rhythm")

    @on(said.SIGNAL_QUALITY)
    def signal(self, obs: Observation, state: Home, city: City) -> Iterator[Emission]:
        """How far the rhythm can be believed."""
        if state.quality_at is None or obs.time >= state.quality_at:
            state.quality, state.quality_at = obs.result, obs.time
        yield from ()

    @on(said.HEART_RATE)
    @on(said.OXYGEN_SATURATION)
    def measured(self, obs: Observation, state: Home, city: City) -> Iterator[Emission]:
        """A vital sign: learned, and compared with the person's own band."""
        if obs.property == said.HEART_RATE.key and obs.result >= evidence.NO_WRIST_PER_MIN:
            state.pulse_at = max(obs.time, state.pulse_at or obs.time)
        trigger = evidence.find_vital(state, obs, self.settings)
        if trigger is not None:
            yield from self._take(trigger, state, city)

    # --- signs of life -------------------------------------------------------------------------------------------------

    @on(said.MOTION)
    def motion(self, obs: Observation, state: Home, city: City) -> Iterator[Emission]:
        """Somebody moves."""
        if obs.result >= 0.5:
            yield from self._active(obs, state, city)

    @on(said.BED)
    def bed(self, obs: Observation, state: Home, city: City) -> Iterator[Emission]:
        """Somebody lies down or gets up."""
        yield from self._active(obs, state, city)

    @on(said.DOOR)
    def door(self, obs: Observation, state: Home, city: City) -> Iterator[Emission]:
        """Somebody comes or goes."""
        yield from self._active(obs, state, city)
        if state.door is None or obs.time > state.door:
            state.door = obs.time

    def _active(self, obs: Observation, home: Home, city: City) -> Iterator[Emission]:
        if obs.time <= obs.arrived and self._alive(home, obs.time, city) and not home.is_watched:
            yield self._watch(home, city.now)

    def _alive(self, home: Home, now: datetime, city: City) -> bool:
        """Takes a sign of life in; whether it is the newest."""
        before = home.moved
        if before is not None and now <= before:
            return False
        home.moved = now
        if before is not None and self._has_left(home, before, now):
            if not home.is_checked:
                note_absence(home.day, now - before)
            before = None
        elif home.is_checked:
            before = None
        home.is_checked = False
        note_activity(home.day, now, before, city.zone)
        return True

    def _has_left(self, home: Home, last: datetime, now: datetime) -> bool:
        leave = timedelta(seconds=self.settings.leave_s)
        return home.door is not None and last <= home.door + leave and now > home.door + leave

    def _watch(self, home: Home, now: datetime, at: datetime | None = None) -> Wake:
        """Looks again at `at`, and in `quiet_least_h` at the latest: another spell may have begun by then, and none is judged
        sooner. So what moves need not plan anything."""
        home.is_watched = True
        soon = now + timedelta(hours=self.settings.quiet_least_h)
        return Wake(soon if at is None else min(at, soon), "quiet")

    @wake("quiet")
    def quiet(self, now: datetime, state: Home, city: City) -> Iterator[Emission]:
        """Is it quiet for longer than this person ever is at this hour?"""
        state.is_watched = False
        if state.moved is None or state.alarm is not None or not self.settings.watches_inactivity:
            return
        at = self._quiet_until(state, state.moved, now, city)
        if at > now:
            yield self._watch(state, now, at)
            return
        state.is_checked = True
        reason = "away_too_long" if self._has_left(state, state.moved, now) else "quiet_too_long"
        line = Line(state.moved, said.MOTION.key, 0, 0.0)
        trigger = Trigger(policy.INACTIVITY, "inactivity", reason, line, self.settings.exercise)
        yield from self._escalation(state, city).take(trigger)

    def _quiet_until(self, home: Home, since: datetime, now: datetime, city: City) -> datetime:
        s = self.settings
        if home.looked_in is not None and home.looked_in >= since:
            return home.looked_in + timedelta(hours=s.away_least_h)
        if self._has_left(home, since, now):
            return since + away_too_long(home.day, timedelta(hours=s.away_least_h), timedelta(hours=s.away_most_h))
        bounds = Bounds(
            timedelta(hours=s.quiet_least_h), timedelta(hours=s.quiet_most_h), timedelta(hours=s.quiet_first_h)
        )
        return check_at(home.day, since, bounds, city.zone)

    # --- time and answers ----------------------------------------------------------------------------------------------

    @wake("next")
    def time_over(self, now: datetime, state: Home, city: City) -> Iterator[Emission]:
        """A step of the plan had its time."""
        if state.alarm is not None:
            yield from self._escalation(state, city).time_over()
            yield from self._after(state, city.now)

    @wake("called_again")
    def call_again(self, now: datetime, state: Home, city: City) -> Iterator[Emission]:
        """Who said "fine" beside the call to 119 is asked once more."""
        if state.alarm is not None:
            yield from self._escalation(state, city).call_again()

    @_on_notices(NOTICES)
    def told(self, event: NoticeEvent, state: Home, city: City) -> Iterator[Emission]:
        """What became of a notice: a person answered, or nobody could be reached."""
        if event.action not in (ANSWERED, DEAD):
            return
        current = state.alarm
        if current is None or current.tag != _once(event.key)[0]:
            if event.answer == HELP:
                yield from self._help_of_another(event, state, city)
            return
        steps = self._escalation(state, city)
        if event.action == DEAD:
            if _is_current(event, current) or event.to == "119":
                yield from steps.given_up(event.name, event.to)
        elif event.answer == HELP:
            yield from steps.help()
        elif event.answer == FINE:
            if event.to not in ("119", DESK) and _is_current(event, current):
                yield from steps.fine(event.to, event.name == "ask_again")
        elif event.answer == ACKNOWLEDGED:
            yield from self._acknowledged(event, steps)
        yield from self._after(state, city.now)

    def _acknowledged(self, event: NoticeEvent, steps: Escalation) -> Iterator[Emission]:
        if event.to == "119":
            yield from steps.taken_by_119()
        elif event.name == "exercise_dispatch":
            yield from steps.close("exercise")
        elif event.to == DESK:
            yield from steps.taken_by_desk()
        elif event.to != "resident":
            yield from steps.on_the_way(event.to)

    def _help_of_another(self, event: NoticeEvent, home: Home, city: City) -> Iterator[Emission]:
        """A cry for help that answers an alarm which is over: another alarm. Where it answers an exercise, it is asked about, and
        an operator decides."""
        line = Line(event.time, said.HELP_CALL.key, 0, 1.0)
        is_practice = PRACTICE in _once(event.key)[0]
        how = policy.LATE if is_practice else policy.BUTTON
        trigger = Trigger(how, "button", "asked_for_help", line, self.settings.exercise)
        steps = self._escalation(home, city)
        yield from steps.take(trigger)
        if not is_practice:
            yield from steps.help()

    def _after(self, home: Home, now: datetime) -> Iterator[Emission]:
        """When an alarm is over, the quiet is watched again."""
        if home.alarm is None and not home.is_watched and home.moved is not None:
            yield self._watch(home, max(now, home.moved))

    # --- what operators do -----------------------------------------------------------------------------------------------

    @on_case("home_alarm", "closed")
    @on_case("home_alarm", "merged")
    def closed(self, event: CaseEvent, state: Home, city: City) -> Iterator[Emission]:
        """An operator closed it, with a cause."""
        if _is_of(event, state.alarm):
            yield from self._escalation(state, city).forget(event.cause or event.state)
            yield from self._after(state, city.now)

    @on_case("home_alarm", "dispatched")
    def dispatched(self, event: CaseEvent, state: Home, city: City) -> Iterator[Emission]:
        """An operator decided that 119 must know."""
        if _is_of(event, state.alarm):
            yield from self._escalation(state, city).dispatch_by_hand()

    @on_case("home_alarm", "acknowledged")
    @on_case("home_alarm", "verifying")
    @on_case("home_alarm", "responding")
    def moved(self, event: CaseEvent, state: Home, city: City) -> Iterator[Emission]:
        """An operator took it in hand."""
        if _is_of(event, state.alarm):
            yield from self._escalation(state, city).moved_by_hand(event.state)

    @on_case("home_alarm", "operator")
    @on_case("home_alarm", "new")
    def queued(self, event: CaseEvent, state: Home, city: City) -> Iterator[Emission]:
        """An operator put it into the queue, or opened it again: it is watched as before."""
        if state.alarm is None:
            number = int(event.key.rpartition("/")[2])
            is_exercise = bool(event.values.get("exercise")) or number in state.practised
            state.alarm = Alarm(
                number, event.name, event.name, policy.LATE, "reopened", event.time, event.time,
                exercise=is_exercise, reopened=int(event.time.timestamp()), state=event.state,
            )  # fmt: skip
        if _is_of(event, state.alarm):
            yield from self._escalation(state, city).reopened(event.state)

    # --- faults ----------------------------------------------------------------------------------------------------------

    @on(said.BATTERY_LEVEL)
    def battery(self, obs: Observation, state: Home, city: City) -> Iterator[Emission]:
        """A battery to change."""
        low = self.settings.battery_low_percent
        yield from self._fault("battery_low", obs, state, obs.result < low, obs.result > low + 5.0)

    @on(said.TAMPER)
    def tampered(self, obs: Observation, state: Home, city: City) -> Iterator[Emission]:
        """Somebody opened or covered a device."""
        yield from self._fault("tamper", obs, state, obs.result >= 0.5, obs.result < 0.5)

    @on(said.MAINS_POWER)
    def power(self, obs: Observation, state: Home, city: City) -> Iterator[Emission]:
        """The gateway runs on its battery."""
        yield from self._fault("mains_off", obs, state, obs.result < 0.5, obs.result >= 0.5)

    def _fault(self, sort: str, obs: Observation, home: Home, is_bad: bool, is_good: bool) -> Iterator[Emission]:
        at = f"{sort}/{obs.datastream}"
        if is_bad and at not in home.faults:
            home.faults[at] = f"{obs.datastream} {format_instant(obs.time)}"
            values = {"value": obs.result, "datastream": obs.datastream}
            yield Alert(sort, home.faults[at], values, "moderate" if sort == "tamper" else "minor")
        elif is_good and at in home.faults:
            yield Step("alert", sort, home.faults.pop(at), "clear")


def _once(key: str) -> list[str]:
    return key.rpartition("/")[2].split(".")


def _is_current(event: NoticeEvent, alarm: Alarm) -> bool:
    """Whether it is about the plan as it runs now, not about one that evidence has overtaken."""
    parts = _once(event.key)
    return len(parts) > 1 and parts[1] == str(alarm.round)


def _is_of(event: CaseEvent, alarm: Alarm | None) -> bool:
    return alarm is not None and event.key.endswith(f"/{KIND}/{alarm.sort}/{alarm.number}")
