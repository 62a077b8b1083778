"""home_alarm under any order of evidence, answers, failures, operators, restarts and time (a model check by Hypothesis): no alarm
stands still, none closes without a cause, no exercise reaches 119."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dongne.model.cases import Case
from dongne.model.entities import Datastream, Entity, Location, Property, Sensor, Thing, Unit
from dongne.model.errors import DongneError
from dongne.model.home import HOME_PROPERTIES
from dongne.model.notices import ANSWERED, ATTEMPTED, DEAD, FAILED, RECEIVED, REQUESTED, Notice
from dongne.model.times import from_us, to_us
from dongne.runtime.registry import LoadedService, load
from dongne.runtime.rehearsal import Rehearsal
from dongne.services.home_alarm.home import Home
from dongne.services.home_alarm.settings import Settings

START_US = to_us(datetime(2026, 3, 2, 9, tzinfo=UTC))
S = 1_000_000
DEVICES = (
    ("smoke", "smoke-1"), ("smoke", "smoke-2"), ("heat", "heat-1"), ("carbon_monoxide", "co-1"), ("gas", "gas-1"),
    ("button", "button-1"), ("help_call", "speaker"), ("chest_pain", "speaker"), ("fall", "fall-1"), ("motion", "pir-1"),
    ("door", "door-1"), ("bed", "bed-1"), ("rhythm", "ecg-1"), ("signal_quality", "ecg-1"), ("heart_rate", "watch-1"),
    ("oxygen_saturation", "watch-1"), ("battery_level", "smoke-1"), ("tamper", "smoke-1"), ("mains_power", "gateway"),
)  # fmt: skip
VALUES = {
    "rhythm": (0.0, 1.0, 2.0, 3.0), "signal_quality": (0.1, 0.9), "heart_rate": (0.0, 25.0, 70.0, 190.0),
    "oxygen_saturation": (60.0, 97.0), "battery_level": (5.0, 90.0),
}  # fmt: skip
DEFAULTS = Settings()
LONGEST_WAIT_S = max(
    DEFAULTS.remind_s, DEFAULTS.follow_s, DEFAULTS.visit_s, DEFAULTS.phone_s, DEFAULTS.care_call_s, DEFAULTS.recheck_s,
    DEFAULTS.arrive_s, DEFAULTS.fire_hold_s,
)  # fmt: skip
TO_AN_OPERATOR_S = 2.5 * 3600
"""Within so long an alarm of which nothing more is heard is closed or with an operator: said on the service's page."""


def entities() -> list[Entity]:
    """One home with every device."""
    keys = sorted({key for key, _ in DEVICES})
    made: list[Entity] = [
        Location(id=1, name="", location={"type": "Point", "coordinates": [24.9, 60.2]}),
        Thing(id=1, name="home", properties={"kind": "home"}, location_ids=(1,)),
        *(Property(id=keys.index(key) + 1, name=key) for key in keys),
    ]
    for number, (key, device) in enumerate(DEVICES, 1):
        unit = Unit(symbol=HOME_PROPERTIES[key].unit)
        made.append(Sensor(id=number, name=device))
        made.append(
            Datastream(
                id=number,
                name=f"{key} {device}",
                unit_of_measurement=unit,
                thing_id=1,
                sensor_id=number,
                observed_property_id=keys.index(key) + 1,
                properties={"device": device},
            )
        )
    return made


def loaded() -> LoadedService:
    service = load("home_alarm")
    assert isinstance(service, LoadedService)
    return service


class HomeAlarmMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = Rehearsal([loaded()], ZoneInfo("Asia/Seoul"), entities(), START_US)
        self.by_hand: set[str] = set()  # opened again while another alarm was open: whoever did that has it

    # --- what is there -------------------------------------------------------------------------------------------------

    @property
    def home(self) -> Home:
        cell = self.world.engine.runners["home_alarm"].cells.get(1)
        return Home() if cell is None else cell.state

    def alarms(self) -> list[Case]:
        return [case for case in self.world.told.cases.values() if case.kind == "home_alarm"]

    def notices(self, to: str = "") -> list[Notice]:
        return [notice for notice in self.world.told.notices.values() if to in ("", notice.to)]

    # --- what happens --------------------------------------------------------------------------------------------------

    @rule(
        number=st.integers(1, len(DEVICES)),
        pick=st.integers(0, 3),
        late_s=st.sampled_from([0, 0, 0, 0, 20, 4000]),
        is_test=st.integers(0, 9),
    )
    def observed(self, number: int, pick: int, late_s: int, is_test: int) -> None:
        values = VALUES.get(DEVICES[number - 1][0], (1.0, 1.0, 1.0, 0.0))
        parameters = {"exercise": True} if is_test == 9 else None
        self.world.observe([(number, self.world.now_us - late_s * S, values[pick % len(values)])], parameters)

    @rule(wait_s=st.sampled_from([1, 5, 11, 30, 61, 200, 700, 4000, 60_000]))
    def time_passes(self, wait_s: int) -> None:
        self.world.pass_until(self.world.now_us + wait_s * S)

    @rule(wait_s=st.sampled_from([10, 100, 5000]))
    def nobody_was_there(self, wait_s: int) -> None:
        self.world.restart()
        self.world.skip_until(self.world.now_us + wait_s * S)

    @rule()
    def restarted(self) -> None:
        self.world.restart()

    @precondition(lambda self: self.notices())
    @rule(data=st.data(), answer=st.sampled_from(["fine", "fine", "help", "acknowledged"]))
    def answered(self, data: st.DataObject, answer: str) -> None:
        """Whenever, whoever, also late and twice."""
        notice = data.draw(st.sampled_from(self.notices()[-12:]))
        before = self.home.alarm
        said_119 = before.said if before else 0
        self.world.notice(notice, ANSWERED, answer=answer, by=notice.to)
        after = self.home.alarm
        if answer == "help":
            assert after is not None and (after.said or notice.exercise), "a cry for help went nowhere"
        if answer == "fine" and before is not None and (after is None or after.number != before.number):
            assert notice.name == "ask_again" or notice.to == "responder", "fine said once closed an alarm"
        if answer == "fine" and said_119:
            assert after is not None and before is not None and after.number == before.number, (
                "fine closed a call to 119"
            )

    @precondition(lambda self: any(notice.state == REQUESTED for notice in self.notices()))
    @rule(data=st.data(), action=st.sampled_from([RECEIVED, FAILED, DEAD]))
    def delivered_or_not(self, data: st.DataObject, action: str) -> None:
        notice = data.draw(st.sampled_from([one for one in self.notices() if one.state == REQUESTED]))
        if action != DEAD:
            self.world.notice(notice, ATTEMPTED, attempt=len(notice.attempts) + 1, channel="sms")
            self.world.notice(self.world.told.notices[notice.key], action, attempt=len(notice.attempts) + 1)
        else:
            self.world.notice(notice, DEAD, error="every channel failed")

    @precondition(lambda self: self.alarms())
    @rule(
        data=st.data(),
        action=st.sampled_from(
            ["verify", "respond", "dispatch", "acknowledge", "hand_over", "close", "reopen", "merge", "note"]
        ),
    )
    def an_operator_steps(self, data: st.DataObject, action: str) -> None:
        case = data.draw(st.sampled_from(self.alarms()))
        cause = "false_alarm" if action == "close" else ""
        try:
            self.world.step(case, action, cause)
        except DongneError:
            return
        if action == "reopen" and not self.is_watched(case):
            self.by_hand.add(case.key)

    def is_watched(self, case: Case) -> bool:
        alarm = self.home.alarm
        return alarm is not None and case.key.endswith(f"/{alarm.sort}/{alarm.number}")

    @rule(
        values=st.sampled_from(
            [{"exercise": True}, {"exercise": False}, {"exercise": False}, {"button_at_once": False}]
        )
    )
    def a_setting_changes(self, values: dict[str, bool]) -> None:
        self.world.change("home_alarm", "thing:1", values)

    # --- what always holds ---------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_parked(self) -> None:
        cell = self.world.engine.runners["home_alarm"].cells.get(1)
        assert cell is None or not cell.parked, cell.parked

    @invariant()
    def an_open_alarm_has_a_next_step_soon(self) -> None:
        if self.home.alarm is not None:
            next_us = self.world.engine.runners["home_alarm"].cells[1].wakes["next"]
            assert next_us - self.world.now_us <= LONGEST_WAIT_S * S

    @invariant()
    def what_waits_for_an_operator_was_told_to_them(self) -> None:
        alarm = self.home.alarm
        if alarm is not None and alarm.state == "operator":
            asked = [name for name, _ in alarm.open_notices if name.startswith("desk_") and name != "desk_watch"]
            assert asked, "nobody was told that it waits"

    @invariant()
    def an_open_case_is_the_alarm_or_in_an_operators_hands(self) -> None:
        alarm = self.home.alarm
        for case in self.alarms():
            if case.is_closed:
                assert case.cause, f"{case.key} has no cause"
            elif self.is_watched(case):
                assert alarm is not None and case.state == alarm.state
            else:
                assert case.key in self.by_hand, f"{case.key} is {case.state} and nobody watches it"

    @invariant()
    def no_exercise_is_told_to_119(self) -> None:
        practised = {case.key for case in self.alarms() if case.values.get("exercise")}
        for notice in self.notices("119"):
            assert not notice.exercise and notice.case not in practised

    @invariant()
    def one_alarm_is_told_to_119_once_and_the_rest_follows(self) -> None:
        first: set[str] = set()
        keys = {notice.key for notice in self.notices("119")}
        for notice in self.notices("119"):
            if not notice.follows:
                opened = notice.key.rpartition("/")[2].partition(".")[0]  # a Case that is opened again is another alarm
                assert opened not in first, f"{notice.case} was told to 119 twice"
                first.add(opened)
            else:
                assert notice.follows in keys, f"{notice.key} follows nothing"

    def teardown(self) -> None:
        """Nothing more is heard: in bounded time a cause, or an operator's."""
        ended_us = self.world.now_us
        self.world.pass_until(ended_us + int(TO_AN_OPERATOR_S * S))
        for case in self.alarms():
            if (
                case.key in self.by_hand or to_us(case.opened) > ended_us
            ):  # the quiet itself raised it, and it has time left
                continue
            assert case.is_closed or case.state in ("operator", "acknowledged"), (
                f"{case.key} stands still in {case.state}"
            )
            if not case.is_closed:
                told = max(notice.requested for notice in self.notices("unit:care_desk"))
                assert from_us(self.world.now_us) - told <= timedelta(seconds=DEFAULTS.follow_s), "no operator was told"
        for check in (
            self.nothing_is_parked,
            self.an_open_case_is_the_alarm_or_in_an_operators_hands,
            self.no_exercise_is_told_to_119,
        ):
            check()


SOME = settings(max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
HomeAlarmMachine.TestCase.settings = SOME
TestAnyOrderOfWhatHappens = HomeAlarmMachine.TestCase


@pytest.mark.full
def test_every_alarm_ends_in_many_more_orders_of_what_happens() -> None:
    run_state_machine_as_test(HomeAlarmMachine, settings=settings(SOME, max_examples=300, stateful_step_count=50))
