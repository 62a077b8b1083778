"""What home_alarm promises, on what homes say."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dongne.runtime.examples import ListReader, read_example
from dongne.runtime.facts import Fact
from dongne.runtime.registry import LoadedService, load
from dongne.runtime.replay import replay

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOME = {"thing": {"id": 1, "kind": "home", "name": "A"}}
Line = dict[str, Any]


def at(s: float) -> str:
    return (START + timedelta(seconds=s)).isoformat()


def says(s: float, key: str, value: float = 1.0, device: str = "", time_s: float | None = None) -> Line:
    return {"at": at(s), "observe": [[1, key, value, at(s if time_s is None else time_s), device]]}


def answers(s: float, name: str, once: str, answer: str, to: str = "resident") -> Line:
    event = {"thing": 1, "name": name, "once": once, "action": "answered", "answer": answer, "to": to}
    return {"at": at(s), "notice": event}


def dead(s: float, name: str, once: str, to: str) -> Line:
    return {"at": at(s), "notice": {"thing": 1, "name": name, "once": once, "action": "dead", "to": to}}


def step(s: float, name: str, action: str, cause: str = "", came_from: str = "operator", once: str = "1") -> Line:
    event = {
        "thing": 1,
        "kind": "home_alarm",
        "name": name,
        "once": once,
        "action": action,
        "from": came_from,
        "cause": cause,
    }
    return {"at": at(s), "case": event}


def tick(s: float) -> Line:
    return {"at": at(s), "wake": True}


def setting(s: float, **values: Any) -> Line:
    return {"at": at(s), "setting": {"level": "thing:1", "values": values}}


def facts(lines: Iterable[Line], folder: Path) -> list[Fact]:
    """What it says; time goes on by the second in short ones, so that each Wake comes when it is due."""
    given = list(lines)
    last_s = (datetime.fromisoformat(given[-1]["at"]) - START).total_seconds()
    ticks = [tick(s) for s in range(int(last_s))] if last_s < 2_000 else []
    ordered = sorted([*given, *ticks], key=lambda line: datetime.fromisoformat(line["at"]))
    file = folder / "records.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in (HOME, *ordered)), encoding="utf-8")
    loaded = load("home_alarm")
    assert isinstance(loaded, LoadedService)
    return list(replay(ListReader(read_example(file, "home_alarm", [])), [loaded], ZoneInfo("Asia/Seoul")))


def said(found: list[Fact], what: str = "", action: str = "") -> list[tuple[str, float]]:
    """(name and action, or name of a notice, seconds) of Cases' steps and of notices asked for."""
    out = []
    for fact in found:
        s = (fact.time - START).total_seconds()
        if fact.what == "case" and what in ("", "case") and fact.action != "update":
            out.append((f"{fact.name.split('/')[3]} {fact.action}", s))
        if fact.what == "notice" and what in ("", "notice") and fact.action == "requested":
            out.append((fact.name.split("/")[2], s))
    return out


def to_119(found: list[Fact]) -> list[tuple[str, float, bool]]:
    """(key, seconds, whether it ends) of what 119 is told."""
    out = []
    for fact in found:
        more = json.loads(fact.more or "{}")
        if fact.what == "notice" and fact.action == "requested" and more["to"] == "119":
            out.append(
                (fact.name.removeprefix("home_alarm/1/"), (fact.time - START).total_seconds(), bool(more.get("ends")))
            )
    return out


def cause(found: list[Fact]) -> list[str]:
    return [json.loads(f.more)["cause"] for f in found if f.what == "case" and f.action == "close"]


# --- fire -------------------------------------------------------------------------------------------------------------


def test_a_detector_that_never_says_it_is_over_is_heard_again_at_the_next_fire(tmp_path: Path) -> None:
    """Its first alarm was closed as a false one; words soon after that one belong to it."""
    first = [
        says(0, "smoke"),
        step(5, "fire", "close", "false_alarm", "verifying"),
        says(100, "smoke"),
        says(600, "smoke"),
    ]
    assert [name for name, _ in said(facts([*first, tick(1_100)], tmp_path), "case")] == ["fire open", "fire verify"]
    found = facts([*first, says(1_300, "smoke"), tick(1_400)], tmp_path)
    assert to_119(found) == [("dispatch_fire/2", 1_330.0, False)]


@pytest.mark.parametrize("second", [("smoke", "smoke-2"), ("heat", "heat-1"), ("carbon_monoxide", "co-1")])
def test_two_detectors_tell_119_at_once(second: tuple[str, str], tmp_path: Path) -> None:
    found = facts([says(0, "smoke", device="smoke-1"), says(12, second[0], device=second[1]), tick(30)], tmp_path)
    assert to_119(found) == [("dispatch_fire/1", 12.0, False)]
    assert ("called", 12.0) in said(found) and ("told_119", 12.0) in said(found)


def test_one_detector_asks_at_once_and_tells_119_when_it_goes_on(tmp_path: Path) -> None:
    found = facts([says(0, "smoke"), tick(60)], tmp_path)
    assert said(found)[:4] == [("fire open", 0), ("warn", 0), ("fire verify", 0), ("ask_fire", 0)]
    assert to_119(found) == [("dispatch_fire/1", 30.0, False)]


def test_one_detector_repeated_is_no_second_one(tmp_path: Path) -> None:
    found = facts([says(0, "smoke"), says(10, "smoke"), says(20, "smoke"), tick(25)], tmp_path)
    assert to_119(found) == []


def test_one_detector_that_is_quiet_again_goes_to_an_operator_where_nobody_answers(tmp_path: Path) -> None:
    found = facts([says(0, "smoke"), says(20, "smoke", 0.0), tick(60)], tmp_path)
    assert to_119(found) == []
    assert ("fire hand_over", 30.0) in said(found) and ("desk_decide", 30.0) in said(found)


def test_fine_holds_a_detector_for_minutes_and_is_asked_again(tmp_path: Path) -> None:
    cooking = [says(0, "smoke"), answers(15, "ask_fire", "1.1.1", "fine"), says(90, "smoke", 0.0)]
    found = facts([*cooking, answers(210, "ask_again", "1.1.1", "fine"), tick(300)], tmp_path)
    assert ("ask_again", 195.0) in said(found)
    assert cause(found) == ["resident_fine"] and to_119(found) == []


def test_fine_does_not_stop_a_detector_that_goes_on(tmp_path: Path) -> None:
    found = facts([says(0, "smoke"), answers(15, "ask_fire", "1.1.1", "fine"), tick(300)], tmp_path)
    assert to_119(found) == [("dispatch_fire/1", 195.0, False)]


def test_fine_never_closes_a_fire_at_119(tmp_path: Path) -> None:
    fire = [says(0, "smoke"), says(5, "heat"), answers(20, "called", "1.2.119", "fine")]
    found = facts([*fire, answers(90, "ask_again", "1.2.119", "fine"), tick(120)], tmp_path)
    assert cause(found) == []
    assert to_119(found) == [("dispatch_fire/1", 5.0, False), ("dispatch_fire/1.2", 90.0, False)]


def test_fine_said_once_to_the_same_question_counts_once(tmp_path: Path) -> None:
    fire = [says(0, "button"), answers(10, "called", "1.1.119", "fine"), answers(20, "called", "1.1.119", "fine")]
    assert len(to_119(facts([*fire, tick(59)], tmp_path))) == 1


# --- the others -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["button", "help_call"])
def test_a_call_for_help_tells_119_at_once_and_calls_the_resident(key: str, tmp_path: Path) -> None:
    found = facts([says(0, key), tick(20)], tmp_path)
    assert to_119(found) == [("dispatch_button/1", 0.0, False)] and ("called", 0.0) in said(found)


def test_a_button_may_ask_first(tmp_path: Path) -> None:
    found = facts([setting(-1, button_at_once=False), says(0, "button"), tick(40)], tmp_path)
    assert to_119(found) == [("dispatch_button/1", 20.0, False)] and ("ask_button", 0.0) in said(found)


def test_chest_pain_asks_for_seconds(tmp_path: Path) -> None:
    assert to_119(facts([says(0, "chest_pain"), tick(40)], tmp_path)) == [("dispatch_heart/1", 20.0, False)]


def test_a_fall_asks_twice_then_a_responder_then_119_after_three_minutes(tmp_path: Path) -> None:
    found = facts([says(0, "fall"), tick(400)], tmp_path)
    order = [one for one in said(found, "notice") if one[0] in ("ask_fall", "go", "dispatch_fall")]
    assert order == [("ask_fall", 0), ("ask_fall", 30), ("go", 60), ("dispatch_fall", 180)]


def test_who_can_not_be_reached_is_not_waited_for(tmp_path: Path) -> None:
    found = facts(
        [says(0, "fall"), dead(3, "ask_fall", "1.1.1", "resident"), dead(6, "go", "1.1", "responder"), tick(20)],
        tmp_path,
    )
    assert to_119(found) == [("dispatch_fall/1", 6.0, False)]


def test_fine_after_a_fall_is_asked_again_after_ten_minutes_and_no_answer_goes_on(tmp_path: Path) -> None:
    found = facts([says(0, "fall"), answers(10, "ask_fall", "1.1.1", "fine"), tick(900)], tmp_path)
    assert [one for one in said(found, "notice") if one[0] in ("ask_again", "go", "dispatch_fall")] == [
        ("ask_again", 610.0), ("go", 670.0), ("dispatch_fall", 790.0),
    ]  # fmt: skip


def test_another_fall_makes_fine_void_and_an_answer_to_the_first_question_too(tmp_path: Path) -> None:
    lines = [
        says(0, "fall"),
        answers(10, "ask_fall", "1.1.1", "fine"),
        says(100, "fall"),
        answers(105, "ask_fall", "1.1.1", "fine"),
    ]
    assert to_119(facts([*lines, tick(400)], tmp_path)) == [("dispatch_fall/1", 280.0, False)]


@pytest.mark.parametrize("who", ["resident", "guardian", "responder"])
def test_help_from_anybody_tells_119(who: str, tmp_path: Path) -> None:
    found = facts(
        [says(0, "fall"), answers(10, "ask_fall", "1.1.1", "fine"), answers(15, "worry", "1.1", "help", who), tick(30)],
        tmp_path,
    )
    assert to_119(found) == [("dispatch_fall/1", 15.0, False)]


def test_help_for_an_alarm_that_is_closed_is_another_alarm(tmp_path: Path) -> None:
    closed = [says(0, "smoke"), says(20, "smoke", 0.0), step(40, "fire", "close", "false_alarm")]
    found = facts([*closed, answers(60, "ask_fire", "1.1.1", "help"), tick(70)], tmp_path)
    assert to_119(found) == [("dispatch_button/2", 60.0, False)]


def test_what_came_late_is_asked_about_and_goes_to_an_operator(tmp_path: Path) -> None:
    found = facts([says(0, "button", time_s=-7200), tick(100)], tmp_path)
    assert to_119(found) == [] and "ask_late" in dict(said(found)) and ("desk_decide", 60.0) in said(found)


# --- the heart --------------------------------------------------------------------------------------------------------


def test_a_rhythm_without_pulse_of_good_signal_is_an_alarm_after_ten_seconds(tmp_path: Path) -> None:
    found = facts([says(0, "signal_quality", 0.9), says(0, "rhythm", 1.0), tick(40)], tmp_path)
    assert ("heart open", 10.0) in said(found) and to_119(found) == [("dispatch_heart/1", 30.0, False)]


@pytest.mark.parametrize(
    "against",
    [
        [says(0, "signal_quality", 0.2)],
        [says(0, "signal_quality", 0.9), *(says(s, "motion") for s in range(2, 60, 5))],
        [says(0, "signal_quality", 0.9), *(says(s, "heart_rate", 70.0) for s in range(2, 60, 5))],
    ],
    ids=["bad signal", "motion", "a pulse"],
)
def test_what_contradicts_a_rhythm_holds_it_back(against: list[Line], tmp_path: Path) -> None:
    assert said(facts([says(0, "rhythm", 2.0), *against, tick(60)], tmp_path)) == []


def test_a_vital_sign_out_of_its_own_band_asks_and_one_out_of_bounds_is_the_heart(tmp_path: Path) -> None:
    usual = [says(60 * n, "heart_rate", 62.0 + n % 9) for n in range(300)]
    own = [says(18_000 + 60 * n, "heart_rate", 110.0) for n in range(15)]
    found = facts([*usual, *own, tick(19_000)], tmp_path)
    assert ("ask_heart", 18_600.0) in said(found)
    bounds = [*(says(18_000 + 30 * n, "heart_rate", 180.0) for n in range(3)), tick(18_080)]
    assert to_119(facts([*usual, *bounds, tick(19_000)], tmp_path)) == [("dispatch_heart/1", 18_080.0, False)]


def test_a_wearable_that_was_taken_off_is_no_alarm(tmp_path: Path) -> None:
    assert said(facts([says(30 * n, "heart_rate", 0.0) for n in range(20)], tmp_path)) == []


# --- operators, exercises, ends ---------------------------------------------------------------------------------------


def test_119_without_a_word_and_119_that_can_not_be_reached_bring_an_operator(tmp_path: Path) -> None:
    assert ("desk_unconfirmed", 60.0) in said(facts([says(0, "button"), tick(80)], tmp_path))
    found = facts([says(0, "button"), dead(9, "dispatch_button", "1", "119"), tick(20)], tmp_path)
    assert ("desk_unreached", 9.0) in said(found)


def test_an_operator_is_told_again_until_they_take_it(tmp_path: Path) -> None:
    taken = step(700, "button", "acknowledge")
    found = facts([says(0, "button"), taken, tick(1500)], tmp_path)
    assert [s for name, s in said(found) if name == "desk_remind"] == [360.0, 660.0]


def test_closing_takes_back_what_pends_and_tells_119(tmp_path: Path) -> None:
    found = facts([says(0, "button"), step(100, "button", "close", "helped"), tick(400)], tmp_path)
    assert to_119(found)[-1] == ("dispatch_button/1.2", 100.0, True)
    assert "withdrawn" in {f.action for f in found if f.name.startswith("home_alarm/1/called")}
    assert said(found)[-1][1] <= 100.0


def test_an_operator_can_tell_119(tmp_path: Path) -> None:
    cleared = [says(0, "smoke"), says(20, "smoke", 0.0), step(50, "fire", "dispatch")]
    assert to_119(facts([*cleared, tick(60)], tmp_path)) == [("dispatch_fire/1", 50.0, False)]


def test_a_case_that_is_opened_again_is_watched_and_can_tell_119_anew(tmp_path: Path) -> None:
    closed = [
        says(0, "button"),
        step(100, "button", "close", "helped"),
        step(200, "button", "reopen", came_from="closed"),
    ]
    found = facts([*closed, step(300, "button", "dispatch"), tick(310)], tmp_path)
    assert [name for name, s in said(found) if s == 200.0] == ["desk_remind"]
    assert len({key for key, _, _ in to_119(found)}) == 3


def test_an_exercise_never_reaches_119_and_ends_by_itself(tmp_path: Path) -> None:
    found = facts([setting(-1, exercise=True), says(0, "smoke"), says(5, "heat"), tick(120)], tmp_path)
    assert to_119(found) == [] and cause(found) == ["exercise"]
    assert all(json.loads(f.more).get("exercise") for f in found if f.what == "notice" and f.action == "requested")


def test_a_real_alarm_ends_an_exercise(tmp_path: Path) -> None:
    practice = [setting(-1, exercise=True), says(0, "fall"), setting(10, exercise=False)]
    found = facts([*practice, says(15, "button"), tick(20)], tmp_path)
    assert cause(found) == ["exercise"] and to_119(found) == [("dispatch_button/2", 15.0, False)]


def test_an_exercise_that_is_opened_again_stays_one_also_when_exercises_are_over(tmp_path: Path) -> None:
    practice = [setting(-1, exercise=True), says(0, "smoke"), says(5, "heat"), tick(120), setting(130, exercise=False)]
    again = [step(140, "fire", "reopen", came_from="closed"), step(150, "fire", "dispatch"), tick(200)]
    assert to_119(facts([*practice, *again], tmp_path)) == []


# --- quiet ------------------------------------------------------------------------------------------------------------


def test_quiet_is_called_phoned_and_visited_and_then_an_operator_decides(tmp_path: Path) -> None:
    hours = [tick(43_200 + 30 * n) for n in range(200)]
    found = facts([says(0, "motion"), *(tick(3600 * h) for h in range(1, 12)), *hours], tmp_path)
    order = [name for name, _ in said(found)]
    assert order == [
        "inactivity open", "inactivity verify", "ask_inactivity", "phone", "phone", "inactivity respond", "visit", "desk_watch",
        "inactivity hand_over", "desk_decide", *["desk_remind"] * order.count("desk_remind"),
    ]  # fmt: skip
    assert said(found)[0][1] == 43_200.0


def test_a_door_and_then_nothing_is_an_outing(tmp_path: Path) -> None:
    left = [says(0, "motion"), says(60, "door"), says(70, "door", 0.0)]
    assert said(facts([*left, *(tick(3600 * h) for h in range(1, 24))], tmp_path)) == []


def test_settings_of_a_home_hold_for_it(tmp_path: Path) -> None:
    found = facts(
        [setting(-1, watches_inactivity=False), says(0, "motion"), *(tick(3600 * h) for h in range(1, 30))], tmp_path
    )
    assert said(found) == []
