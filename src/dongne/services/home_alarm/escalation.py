"""From one step of a plan to the next: what is said to whom, until somebody is responsible and the alarm has a cause.

While an alarm is open a Wake "next" is always pending, so no alarm can stand still. 119 is told by one notice for each alarm;
what comes later follows it. In an exercise no notice to 119 is ever made.
"""

from collections.abc import Iterator
from datetime import timedelta

from dongne.runtime.service import Emission, Open, Wake
from dongne.services.home_alarm import policy
from dongne.services.home_alarm.evidence import Trigger, raised_detectors
from dongne.services.home_alarm.home import (
    ACKNOWLEDGED,
    DISPATCHED,
    HELD,
    MOST_LINES,
    MOST_PRACTISED,
    OPERATOR,
    PLAN,
    RECHECK,
    RESPONDING,
    VERIFYING,
    Alarm,
    Line,
)
from dongne.services.home_alarm.saying import AGAIN, KIND, NEXT, Saying

DESK = "unit:care_desk"
ASK_NAMES = {
    policy.DETECTOR: "ask_fire", policy.BUTTON: "ask_button", policy.HEART: "ask_heart", policy.VITAL: "ask_heart",
    policy.FALL: "ask_fall", policy.LATE: "ask_late", policy.INACTIVITY: "ask_inactivity",
}  # fmt: skip


class Escalation(Saying):
    """The steps of one home's alarm at one instant."""

    # --- evidence ------------------------------------------------------------------------------------------------------

    def take(self, trigger: Trigger) -> Iterator[Emission]:
        """Begins an alarm, or joins the one that is open."""
        alarm = self.home.alarm
        if alarm is None:
            yield from self._begin(trigger)
        elif alarm.exercise and not trigger.is_exercise:
            yield from self.close("exercise")
            yield from self._begin(trigger)
        elif alarm.exercise or not trigger.is_exercise:
            yield from self._join(trigger)

    def _begin(self, trigger: Trigger) -> Iterator[Emission]:
        home = self.home
        home.alarms += 1
        home.alarm = Alarm(
            home.alarms, trigger.sort, trigger.sort, trigger.policy, trigger.reason, self.now, trigger.line.time,
            trigger.is_exercise, lines=[trigger.line],
        )  # fmt: skip
        if trigger.is_exercise:
            home.practised = [*home.practised, home.alarms][-MOST_PRACTISED:]
        yield Open(
            KIND, trigger.sort, str(home.alarms), self.values(), severity="extreme", priority=0, unit="care_desk",
            access="personal",
        )  # fmt: skip
        if trigger.policy == policy.DETECTOR:
            yield self.notify("warn", f"{self.alarm.tag}.1", "guardian", asks=True)
        yield from self._go_to(0)

    def _join(self, trigger: Trigger) -> Iterator[Emission]:
        alarm = self.alarm
        is_new = self._add_line(trigger.line)
        is_sooner = policy.RANK[trigger.policy] < policy.RANK[alarm.policy]
        if is_sooner:
            alarm.policy, alarm.kind, alarm.reason = trigger.policy, trigger.sort, trigger.reason
        if is_new or is_sooner:
            yield self.step("update")
        if alarm.said:
            if is_sooner or self._may_repeat(trigger):
                yield from self._tell_119_more(trigger.reason)
        elif is_sooner or self._is_void(trigger):
            yield from self._restart()

    def _add_line(self, line: Line) -> bool:
        """Whether the Case is to show it: not each repetition."""
        lines = self.alarm.lines
        known = next(
            (one for one in reversed(lines) if (one.device, one.property) == (line.device, line.property)), None
        )
        if known is not None and line.time - known.time < timedelta(seconds=self.settings.join_s):
            return False
        if len(lines) < MOST_LINES:
            lines.append(line)
        else:
            lines[-1] = line
        return True

    def _may_repeat(self, trigger: Trigger) -> bool:
        at = self.alarm.said_at
        is_long_ago = at is None or self.now - at >= timedelta(seconds=self.settings.again_s)
        return policy.RANK[trigger.policy] <= 1 and is_long_ago

    def _is_void(self, trigger: Trigger) -> bool:
        """Whether "fine", or that an operator looks at it, no longer holds."""
        alarm = self.alarm
        is_at_desk = alarm.state in (OPERATOR, ACKNOWLEDGED)
        if trigger.policy == policy.DETECTOR:
            return is_at_desk or alarm.phase == RECHECK
        return (is_at_desk or alarm.phase != PLAN) and trigger.policy in policy.ANSWERED_BY_WORD

    def _restart(self) -> Iterator[Emission]:
        alarm = self.alarm
        alarm.round, alarm.asked, alarm.goes, alarm.phase = alarm.round + 1, 0, False, PLAN
        yield from self._go_to(0)

    @property
    def _act(self) -> str:
        """What is being done; the plan may have become another since, by evidence or a setting."""
        stages = policy.plan(self.alarm.policy, self.settings)
        return stages[min(self.alarm.step, len(stages) - 1)].act

    # --- steps ---------------------------------------------------------------------------------------------------------

    def _go_to(self, step: int) -> Iterator[Emission]:
        """Takes this step of the plan, and asks to be called when its time is over."""
        alarm = self.alarm
        stages = policy.plan(alarm.policy, self.settings)
        step = min(step, len(stages) - 1)
        stage = stages[step]
        alarm.step, alarm.phase = step, PLAN
        once = f"{alarm.tag}.{alarm.round}"
        yield self.wake(stage.wait_s)
        match stage.act:
            case policy.ASK:
                alarm.asked += 1
                yield from self.move(VERIFYING)
                yield self.notify(ASK_NAMES[alarm.policy], f"{once}.{alarm.asked}", "resident", asks=True)
            case policy.PHONE_GUARDIAN:
                yield self.notify("phone", f"{once}.guardian", "guardian", asks=True)
            case policy.PHONE_NURSE:
                yield self.notify("phone", f"{once}.nurse", "nurse", asks=True)
            case policy.GO:
                yield from self.move(RESPONDING)
                yield self.notify("go", once, "responder", asks=True)
                yield self.notify("worry", once, "guardian", asks=True)
                yield self.notify("desk_watch", once, DESK, asks=True)
            case policy.VISIT:
                yield from self.move(RESPONDING)
                yield self.notify("visit", once, "responder", asks=True)
                yield self.notify("desk_watch", once, DESK, asks=True)
            case policy.DISPATCH:
                yield from self._dispatch()
            case _:
                yield from self._hand_over("decide")

    def time_over(self) -> Iterator[Emission]:
        """The Wake "next": nobody answered in time."""
        alarm = self.alarm
        if alarm.phase == HELD:
            yield from self._hold_over()
        elif alarm.phase == RECHECK:
            yield from self.no_answer()
        elif alarm.state == OPERATOR or (alarm.state == ACKNOWLEDGED and not alarm.said):
            yield from self._hand_over("remind")
        elif alarm.state == ACKNOWLEDGED:
            yield from self._hand_over("close")
        elif alarm.said:
            yield from self._hand_over("unconfirmed")
        elif alarm.goes:
            alarm.goes = False
            yield from self._go_to(alarm.step + 1)
        else:
            yield from self._next_step()

    def _next_step(self) -> Iterator[Emission]:
        """The next of the plan; a single detector that is quiet again, and nobody answers: an operator decides."""
        alarm = self.alarm
        if alarm.policy == policy.DETECTOR and not raised_detectors(self.home):
            yield from self._hand_over("decide")
        else:
            yield from self._go_to(alarm.step + 1)

    def no_answer(self) -> Iterator[Emission]:
        """Who was asked again does not answer: as if "fine" had never been said."""
        alarm = self.alarm
        stages = policy.plan(alarm.policy, self.settings)
        alarm.phase = PLAN
        if alarm.policy == policy.DETECTOR and not raised_detectors(self.home):
            yield from self._hand_over("decide")
        else:
            yield from self._go_to(policy.after_asking(stages, alarm.step))

    def _hold_over(self) -> Iterator[Emission]:
        """Some minutes after "fine": it is asked again, but where a detector goes on, 119 is told."""
        alarm = self.alarm
        if alarm.policy == policy.DETECTOR and raised_detectors(self.home):
            yield from self.tell_119()
            return
        alarm.phase = RECHECK
        yield self.wake(self.settings.ask_vital_s)
        yield self.notify("ask_again", f"{alarm.tag}.{alarm.round}.{alarm.asked}", "resident", asks=True)

    # --- answers -------------------------------------------------------------------------------------------------------

    def fine(self, to: str, is_recheck: bool) -> Iterator[Emission]:
        """Somebody says that all is well. It is never enough by itself, but from who stands before the person."""
        alarm = self.alarm
        if alarm.said:
            yield from self._fine_with_119(to, is_recheck)
        elif alarm.state in (OPERATOR, ACKNOWLEDGED):
            yield self.step("update", {"said_fine": to})
        elif to == "responder":
            yield from self.close("seen_fine")
        elif alarm.phase == RECHECK and is_recheck:
            yield from self.close("resident_fine")
        elif alarm.phase == PLAN:
            alarm.phase = HELD
            is_detector = alarm.policy == policy.DETECTOR
            yield self.wake(self.settings.fire_hold_s if is_detector else self.settings.recheck_s)
            yield self.step("update", {"said_fine": to})

    def _fine_with_119(self, to: str, is_recheck: bool) -> Iterator[Emission]:
        """119 is told when it was said twice, or seen. Whether they turn round is theirs to say, and an operator's."""
        alarm = self.alarm
        if to == "responder" and alarm.fines < 2:
            alarm.fines = 2
            yield from self._tell_119_more("seen_fine")
        elif alarm.fines == 0:
            alarm.fines = 1
            yield Wake(self.now + timedelta(seconds=self.settings.called_again_s), AGAIN)
            yield self.step("update", {"said_fine": to})
        elif alarm.fines == 1 and is_recheck:
            alarm.fines = 2
            yield from self._tell_119_more("fine_twice", ends=self.settings.fine_twice_ends_119)

    def call_again(self) -> Iterator[Emission]:
        """The Wake "called_again": "fine" was said once beside the call to 119."""
        alarm = self.alarm
        if alarm.said and alarm.fines == 1:
            yield self.notify("ask_again", f"{alarm.tag}.{alarm.round}.119", "resident", asks=True)

    def help(self) -> Iterator[Emission]:
        """Somebody asks for help: 119, whatever was planned."""
        alarm = self.alarm
        if not alarm.said:
            alarm.reason = "asked_for_help"
            yield from self.tell_119()
        elif alarm.fines or self._is_quiet():
            alarm.fines = 0
            yield from self._tell_119_more("asked_for_help")

    def _is_quiet(self) -> bool:
        at = self.alarm.said_at
        return at is None or self.now - at >= timedelta(seconds=self.settings.again_s)

    def on_the_way(self, to: str) -> Iterator[Emission]:
        """Somebody says that they take care of it, or go there."""
        alarm = self.alarm
        acts = {policy.GO, policy.VISIT, policy.PHONE_GUARDIAN, policy.PHONE_NURSE}
        act = self._act
        if alarm.phase == PLAN and not alarm.said and act in acts and not alarm.goes and alarm.state != OPERATOR:
            alarm.goes = True
            yield self.wake(self.settings.arrive_s)
        yield self.step("update", {"acknowledged_by": to})

    def taken_by_119(self) -> Iterator[Emission]:
        """A person at 119 has it."""
        alarm = self.alarm
        if not alarm.is_waiting_for_119:
            return
        alarm.is_waiting_for_119 = False
        yield from self.move(ACKNOWLEDGED)
        yield self.wake(self.settings.follow_s)

    def taken_by_desk(self) -> Iterator[Emission]:
        """An operator has it: they are told again later, not now. What endangers life goes on beside."""
        if self.alarm.state == OPERATOR:
            yield from self.move(ACKNOWLEDGED)
            yield self.wake(self.settings.follow_s)

    def given_up(self, name: str, to: str) -> Iterator[Emission]:
        """A notice reached nobody: the next step is now."""
        alarm = self.alarm
        act = self._act
        if to == "119":
            if alarm.state != OPERATOR:
                yield from self._hand_over("unreached")
        elif alarm.said or alarm.state in (OPERATOR, ACKNOWLEDGED) or alarm.goes:
            return
        elif alarm.phase == RECHECK and name == "ask_again":
            yield from self.no_answer()
        elif alarm.phase == PLAN and (act, to) in (
            (policy.ASK, "resident"), (policy.PHONE_GUARDIAN, "guardian"), (policy.PHONE_NURSE, "nurse"),
            (policy.GO, "responder"), (policy.VISIT, "responder"),
        ) and name not in ("warn", "worry"):  # fmt: skip
            stages = policy.plan(alarm.policy, self.settings)
            yield from self._go_to(policy.after_asking(stages, alarm.step) if act == policy.ASK else alarm.step + 1)

    # --- 119 and the operators -----------------------------------------------------------------------------------------

    def tell_119(self) -> Iterator[Emission]:
        """Out of the order of the plan."""
        alarm = self.alarm
        if not alarm.said:
            if alarm.policy in (policy.INACTIVITY, policy.LATE):  # their own plans never come to it
                alarm.policy = policy.BUTTON
            alarm.phase = PLAN
            alarm.step = policy.step_of(policy.plan(alarm.policy, self.settings), policy.DISPATCH)
            yield self.wake(self.settings.dispatch_s)
            yield from self._dispatch()

    def _dispatch(self) -> Iterator[Emission]:
        alarm = self.alarm
        alarm.said, alarm.said_at, alarm.is_waiting_for_119 = 1, self.now, True
        yield from self.move(DISPATCHED)
        if alarm.exercise:
            yield self.notify("exercise_dispatch", alarm.tag, DESK, asks=True)
        else:
            alarm.said_last = alarm.tag
            yield self.notify(self._name_at_119, alarm.said_last, "119", asks=True)
            yield self.notify("desk_dispatched", f"{alarm.tag}.{alarm.round}", DESK, asks=True)
        once = f"{alarm.tag}.{alarm.round}"
        yield self.notify("called", f"{once}.119", "resident", asks=True)
        yield self.notify("told_119", once, "guardian", asks=True)

    @property
    def _name_at_119(self) -> str:
        return f"dispatch_{self.alarm.sort}"

    def _tell_119_more(self, reason: str, *, ends: bool = False) -> Iterator[Emission]:
        """Goes on with the notice that 119 has."""
        alarm = self.alarm
        alarm.reason, alarm.said_at = reason, self.now
        yield self.step("update")
        if alarm.exercise:
            return
        alarm.said += 1
        before, alarm.said_last = alarm.said_last, f"{alarm.tag}.{alarm.said}"
        yield self.notify(self._name_at_119, alarm.said_last, "119", follows=before, ends=ends)

    def _hand_over(self, why: str) -> Iterator[Emission]:
        """Into the operators' queue, where it stays until one of them closes it; an exercise ends here."""
        alarm = self.alarm
        if alarm.exercise:
            yield from self.close("exercise")
            return
        alarm.phase = PLAN
        yield from self.move(OPERATOR)
        yield from self.take_back("desk_")
        alarm.reminded += 1
        yield self.notify(f"desk_{why}", f"{alarm.tag}.{alarm.reminded}", DESK, asks=True)
        yield self.wake(self.settings.remind_s)

    def dispatch_by_hand(self) -> Iterator[Emission]:
        """An operator decided that 119 must know."""
        self.alarm.state = DISPATCHED
        if self.alarm.reason != "asked_for_help":
            self.alarm.reason = "operator"
        yield from self.tell_119()

    def moved_by_hand(self, state: str) -> Iterator[Emission]:
        """An operator brought the Case to another state: they are told again later."""
        self.alarm.state = state
        if state == ACKNOWLEDGED:
            self.alarm.phase = PLAN
            yield self.wake(self.settings.follow_s)

    def reopened(self, state: str) -> Iterator[Emission]:
        """An operator put it into the queue, or opened it again."""
        self.alarm.state = state
        yield from self._hand_over("remind")

    # --- the end -------------------------------------------------------------------------------------------------------

    def close(self, cause: str) -> Iterator[Emission]:
        """The alarm has a cause: nothing that pends is sent any more."""
        yield self.step("close", cause=cause)
        yield from self.forget(cause)

    def forget(self, cause: str) -> Iterator[Emission]:
        """What is left to do when a Case was closed: take back what pends, and tell 119."""
        alarm, home = self.alarm, self.home
        yield from self.take_back("")
        yield Wake(None, NEXT)
        yield Wake(None, AGAIN)
        if alarm.said and not alarm.exercise:
            alarm.said += 1
            alarm.reason = f"closed_{cause}"
            once = f"{alarm.tag}.{alarm.said}"
            yield self.notify(self._name_at_119, once, "119", follows=alarm.said_last, ends=True)
        if cause in ("resident_fine", "seen_fine", "false_alarm"):
            home.is_checked = False  # the quiet that raised it was a spell as others
        if cause != "exercise":
            home.looked_in = self.now
        for device in home.devices.values():
            device.is_muted = device.is_raised
        home.alarm = None
