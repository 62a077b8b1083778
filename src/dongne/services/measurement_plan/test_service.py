"""What is promised to people who measure at home, and to their nurses. 2 November 2026 is a Monday; Seoul is nine hours ahead."""

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

SEOUL = ZoneInfo("Asia/Seoul")
START = datetime(2026, 11, 2, tzinfo=SEOUL)
HOME = {"thing": {"id": 1, "kind": "home", "name": "A"}}
Line = dict[str, Any]


def at(day: int, time: str = "00:00") -> datetime:
    hour, minute = time.split(":")
    return START + timedelta(days=day, hours=int(hour), minutes=int(minute))


def line(when: datetime, **what: Any) -> Line:
    return {"at": when.astimezone(UTC).isoformat(), **what}


def plans(**values: Any) -> list[Line]:
    """A plan that begins with a first message of the home."""
    return [
        line(at(0), setting={"level": "thing:1", "values": values}),
        line(at(0, "00:01"), observe=[[1, "heartbeat", 1]]),
    ]


def reads(day: int, time: str, key: str, value: float) -> Line:
    return line(at(day, time), observe=[[1, key, value]])


def pressure(day: int, time: str, upper: float, lower: float) -> Line:
    rows = [[1, "blood_pressure_systolic", upper], [1, "blood_pressure_diastolic", lower]]
    return line(at(day, time), observe=rows)


def answers(day: int, *values: int) -> Line:
    keys = ("general", "breathing", "sleep", "appetite")
    return line(at(day, "10:00"), observe=[[1, f"wellbeing_{k}", v] for k, v in zip(keys, values, strict=False)])


def resolved(day: int, time: str, name: str, cause: str = "contacted", once: str = "1") -> Line:
    event = {"thing": 1, "kind": "telehealth_review", "name": name, "once": once, "action": "resolve", "cause": cause}
    return line(at(day, time), case=event)


def facts(lines: Iterable[Line], folder: Path) -> list[Fact]:
    """What is said; the clock ticks every 15 minutes until the last line."""
    given = list(lines)
    last = datetime.fromisoformat(given[-1]["at"])
    ticks = [line(START + timedelta(minutes=15 * n), wake=True) for n in range((last - START) // timedelta(minutes=15))]
    ordered = sorted([*given, *ticks], key=lambda one: datetime.fromisoformat(one["at"]))
    file = folder / "records.jsonl"
    file.write_text("\n".join(json.dumps(one) for one in (HOME, *ordered)), encoding="utf-8")
    loaded = load("measurement_plan")
    assert isinstance(loaded, LoadedService)
    records = read_example(file, "measurement_plan", loaded.manifest.list_properties())
    return list(replay(ListReader(records), [loaded], SEOUL))


def said(found: list[Fact], what: str) -> list[tuple[str, str]]:
    """(name, local time) of the reviews that were opened, or of the notices that were asked for or withdrawn ("-")."""
    out = []
    for fact in found:
        name = fact.name.split("/")[3 if what == "case" else 2] if fact.what == what else ""
        if name:
            sign = "-" if fact.action == "withdrawn" else ""
            out.append((sign + name, fact.time.astimezone(SEOUL).strftime("%d %H:%M")))
    return out


def more(found: list[Fact], name: str) -> dict[str, Any]:
    return next(json.loads(f.more or "") for f in found if f.what == "case" and f"/{name}/" in f.name)


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_who_has_no_plan_is_asked_for_nothing_and_judged_by_nothing(tmp_path: Path) -> None:
    assert facts([*plans(), reads(1, "08:00", "body_weight", 70), reads(2, "08:00", "body_weight", 80)], tmp_path) == []


def test_who_measures_in_time_hears_nothing(tmp_path: Path) -> None:
    kept = [reads(day, "07:10", "body_weight", 70) for day in range(5)]
    assert facts([*plans(weight_at="08:00"), *kept, line(at(4, "23:00"), wake=True)], tmp_path) == []


def test_a_person_is_reminded_once_and_the_reminder_is_taken_back_when_they_measure(tmp_path: Path) -> None:
    found = facts([*plans(weight_at="08:00"), reads(0, "09:20", "body_weight", 70), line(at(1), wake=True)], tmp_path)
    assert said(found, "notice") == [("remind_weight", "02 08:30"), ("-remind_weight", "02 09:20")]


def test_a_reminder_waits_for_the_end_of_the_night(tmp_path: Path) -> None:
    found = facts([*plans(weight_at="08:00"), line(at(0, "10:00"), wake=True)], tmp_path)
    assert "urgent" not in (found[0].more or "")


def test_three_left_out_in_a_row_are_told_to_a_nurse_and_two_are_not(tmp_path: Path) -> None:
    lines = [*plans(weight_at="08:00"), line(at(2, "12:00"), wake=True)]
    assert said(facts(lines, tmp_path), "case") == [("missed_weight", "04 11:00")]
    between = [*plans(weight_at="08:00"), reads(2, "09:00", "body_weight", 70), line(at(4, "12:00"), wake=True)]
    assert said(facts(between, tmp_path), "case") == []


def test_who_goes_on_leaving_out_is_told_again_when_the_review_is_long_done(tmp_path: Path) -> None:
    lines = [*plans(weight_at="08:00"), resolved(2, "15:00", "missed_weight"), line(at(4, "12:00"), wake=True)]
    assert said(facts(lines, tmp_path), "case") == [("missed_weight", "04 11:00"), ("missed_weight", "06 11:00")]


def test_a_home_that_is_not_heard_left_nothing_out(tmp_path: Path) -> None:
    silent = line(at(0, "06:00"), observe=[[1, "home_silent", 1]])
    assert facts([*plans(weight_at="08:00"), silent, line(at(6), wake=True)], tmp_path) == []


def test_a_plan_that_ends_takes_its_reminder_back(tmp_path: Path) -> None:
    ends = line(at(0, "09:00"), setting={"level": "thing:1", "values": {"weight_at": ""}})
    beat = line(at(0, "09:01"), observe=[[1, "heartbeat", 1]])
    found = facts([*plans(weight_at="08:00"), ends, beat, line(at(3), wake=True)], tmp_path)
    assert said(found, "notice") == [("remind_weight", "02 08:30"), ("-remind_weight", "02 09:01")]


def test_a_changed_plan_holds_from_the_next_message(tmp_path: Path) -> None:
    later = line(at(0, "07:00"), setting={"level": "thing:1", "values": {"weight_at": "20:00"}})
    beat = line(at(0, "07:01"), observe=[[1, "heartbeat", 1]])
    found = facts([*plans(weight_at="08:00"), later, beat, line(at(0, "21:00"), wake=True)], tmp_path)
    assert said(found, "notice") == [("remind_weight", "02 20:30")]


# --- values out of limits ---------------------------------------------------------------------------------------------


def test_one_high_value_is_measured_again_and_a_good_one_ends_it(tmp_path: Path) -> None:
    lines = [*plans(blood_pressure_at="08:00"), pressure(0, "08:00", 168, 90), pressure(0, "08:08", 142, 84)]
    found = facts([*lines, line(at(0, "20:00"), wake=True)], tmp_path)
    assert said(found, "notice") == [("again_blood_pressure", "02 08:00"), ("-again_blood_pressure", "02 08:08")]
    assert said(found, "case") == []


def test_a_second_value_too_soon_is_no_second_one(tmp_path: Path) -> None:
    lines = [*plans(oxygen_at="08:00"), reads(0, "08:00", "oxygen_saturation", 90)]
    soon = {"at": (at(0, "08:00") + timedelta(seconds=20)).isoformat(), "observe": [[1, "oxygen_saturation", 90]]}
    assert said(facts([*lines, soon, line(at(0, "08:10"), wake=True)], tmp_path), "case") == []


def test_two_high_values_are_a_review_with_both_and_the_limit(tmp_path: Path) -> None:
    lines = [*plans(blood_pressure_at="08:00"), pressure(0, "08:00", 168, 90), pressure(0, "08:08", 165, 84)]
    opened = more(facts([*lines, line(at(0, "20:00"), wake=True)], tmp_path), "blood_pressure_high")
    values = opened["values"]
    assert (values["first"], values["value"], values["limit"], values["times"]) == (168, 165, 160, 2)
    assert (opened["severity"], opened["unit"]) == ("moderate", "nurses")
    assert datetime.fromisoformat(opened["due"]) == at(1, "08:08")


def test_a_value_that_nobody_repeats_goes_to_a_nurse_who_is_told_so(tmp_path: Path) -> None:
    lines = [*plans(blood_pressure_at="08:00"), pressure(0, "08:00", 168, 90), line(at(0, "20:00"), wake=True)]
    found = facts(lines, tmp_path)
    assert said(found, "case") == [("blood_pressure_high", "02 09:00")]
    assert more(found, "blood_pressure_high")["values"]["times"] == 1


def test_a_grave_value_is_told_at_once_to_the_unit_and_the_person_and_answered_within_the_hour(tmp_path: Path) -> None:
    low = [reads(0, "08:00", "oxygen_saturation", 88), reads(0, "08:05", "oxygen_saturation", 87)]
    found = facts([*plans(oxygen_at="08:00"), *low, line(at(0, "09:00"), wake=True)], tmp_path)
    assert ("review_severe", "02 08:05") in said(found, "notice") and ("nurse_calls", "02 08:05") in said(
        found, "notice"
    )
    opened = more(found, "oxygen_low")
    assert opened["severity"] == "severe" and datetime.fromisoformat(opened["due"]) == at(0, "09:05")


def test_a_person_may_have_limits_of_their_own(tmp_path: Path) -> None:
    lungs = plans(oxygen_at="08:00", oxygen_low=86)
    assert facts([*lungs, reads(0, "08:00", "oxygen_saturation", 88), line(at(0, "10:00"), wake=True)], tmp_path) == []


def test_the_same_is_not_said_again_while_a_nurse_has_it_nor_for_a_day_after(tmp_path: Path) -> None:
    high = [pressure(d, t, 168, 90) for d in range(4) for t in ("08:00", "08:08")]
    lines = [*plans(blood_pressure_at="08:00"), *high, resolved(1, "12:00", "blood_pressure_high")]
    found = facts([*lines, line(at(4), wake=True)], tmp_path)
    assert said(found, "case") == [("blood_pressure_high", "02 08:08"), ("blood_pressure_high", "05 08:08")]


def test_what_gets_graver_is_said_at_once(tmp_path: Path) -> None:
    high = [pressure(0, "08:00", 168, 90), pressure(0, "08:08", 168, 90)]
    worse = [pressure(0, "19:00", 190, 95), pressure(0, "19:08", 188, 95)]
    found = facts([*plans(blood_pressure_at="08:00 20:00"), *high, *worse, line(at(0, "20:00"), wake=True)], tmp_path)
    assert said(found, "case") == [("blood_pressure_high", "02 08:08"), ("blood_pressure_high", "02 19:08")]


def test_what_can_not_be_is_measured_again_and_then_of_the_device(tmp_path: Path) -> None:
    odd = [reads(d, "08:00", "body_weight", 70) for d in range(3)]
    other = [reads(3, "08:00", "body_weight", 45), reads(3, "08:05", "body_weight", 45)]
    found = facts([*plans(weight_at="08:00"), *odd, *other, line(at(3, "10:45"), wake=True)], tmp_path)
    assert said(found, "case") == [("doubtful_weight", "05 08:05")]
    assert [mean for _, mean, _ in more(found, "doubtful_weight")["values"]["days"]] == [70.0, 70.0, 70.0]


def test_an_odd_value_that_would_be_grave_is_grave(tmp_path: Path) -> None:
    low = [reads(0, "08:00", "oxygen_saturation", 45), reads(0, "08:05", "oxygen_saturation", 44)]
    found = facts([*plans(oxygen_at="08:00"), *low, line(at(0, "09:00"), wake=True)], tmp_path)
    assert more(found, "doubtful_oxygen")["severity"] == "severe"


def test_after_a_fault_of_the_scale_a_new_scale_begins_anew(tmp_path: Path) -> None:
    old = [reads(0, "08:00", "body_weight", 45)]
    new = [reads(1, "08:00", "body_weight", 70), reads(1, "08:05", "body_weight", 70)]
    fault = resolved(1, "12:00", "doubtful_weight", "device_fault")
    found = facts(
        [*plans(weight_at="08:00"), *old, *new, fault, reads(2, "08:00", "body_weight", 70), line(at(4), wake=True)],
        tmp_path,
    )
    assert said(found, "case") == [("doubtful_weight", "03 08:05")]


def test_late_and_doubled_readings_change_nothing(tmp_path: Path) -> None:
    lines = [*plans(weight_at="08:00"), *(reads(d, "08:00", "body_weight", 70) for d in range(3))]
    late = line(at(2, "09:00"), observe=[[1, "body_weight", 60, at(1, "07:00").isoformat()]])
    doubled = line(at(2, "09:01"), observe=[[1, "body_weight", 70, at(2, "08:00").isoformat()]])
    assert facts([*lines, late, doubled, line(at(2, "22:00"), wake=True)], tmp_path) == []


# --- trends -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [
        ((82.0, 82.2, 82.9, 83.5), []),  # 1.5 kg in three days, 0.7 at most in one
        ((82.0, 82.0, 82.0, 83.3), []),  # 1.3 kg in a day is the limit
        ((82.0, 82.0, 82.0, 83.4), [(1.4, 1)]),
        ((82.0, 82.7, 83.4, 84.1), [(2.1, 3)]),
        ((82.0, 82.7, 83.3, 84.0), []),  # 2.0 kg in three days is the limit
    ],
)
def test_weight_that_is_gained_fast_is_a_review(
    weights: tuple[float, ...], wanted: list[tuple[float, int]], tmp_path: Path
) -> None:
    lines = [reads(day, "08:00", "body_weight", kg) for day, kg in enumerate(weights)]
    again = reads(3, "08:05", "body_weight", weights[-1])
    found = facts([*plans(weight_at="08:00"), *lines, again, line(at(3, "12:00"), wake=True)], tmp_path)
    gains = [json.loads(f.more or "")["values"] for f in found if f.what == "case"]
    assert [(one["gain_kg"], one["within_d"]) for one in gains] == wanted


def test_a_weeks_mean_of_135_is_a_review_and_the_first_day_does_not_count(tmp_path: Path) -> None:
    first = [pressure(0, "08:00", 158, 80), pressure(0, "20:00", 158, 80)]
    week = [pressure(d, t, s, 80) for d in range(1, 7) for t, s in (("08:00", 138), ("20:00", 132))]
    found = facts([*plans(blood_pressure_at="08:00 20:00"), *first, *week, line(at(6, "23:00"), wake=True)], tmp_path)
    # by hand, on day 5 in the evening: 12 readings, 5 days of 138 and 132 without the first: 135.0
    assert said(found, "case") == [("blood_pressure_mean", "07 20:00")]
    values = more(found, "blood_pressure_mean")["values"]
    assert (values["mean"], values["readings"], values["limit"]) == (135.0, 10, 135.0)


def test_a_pulse_that_drifts_is_a_review_and_rests_a_week(tmp_path: Path) -> None:
    lines = [reads(d, "08:00", "heart_rate", 60 + d) for d in range(20)]
    done = resolved(14, "12:00", "heart_rate_drift", "no_action")
    found = facts([*plans(heart_rate_at="08:00"), *lines, done, line(at(20), wake=True)], tmp_path)
    # by hand: 14 days are there on day 13; a slope of 1 a day over 13 days
    assert said(found, "case") == [("heart_rate_drift", "15 08:00")]
    assert more(found, "heart_rate_drift")["values"]["change"] == "+13.0"


# --- questions --------------------------------------------------------------------------------------------------------


def scores(found: list[Fact]) -> list[float]:
    return [fact.value for fact in found if fact.what == "result" and fact.value is not None]


def test_four_answers_have_a_score_and_three_have_none(tmp_path: Path) -> None:
    found = facts(
        [*plans(questions_at="10:00"), answers(0, 3, 4, 2, 3), answers(1, 3, 4, 2), line(at(2), wake=True)], tmp_path
    )
    assert scores(found) == [75.0]  # 12 of 16


def test_an_answer_between_two_steps_is_none(tmp_path: Path) -> None:
    odd = line(
        at(0, "10:00"), observe=[[1, f"wellbeing_{k}", 2.5] for k in ("general", "breathing", "sleep", "appetite")]
    )
    assert scores(facts([*plans(questions_at="10:00"), odd, line(at(0, "10:15"), wake=True)], tmp_path)) == []


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ((3, 3, 3, 3), []),
        ((2, 2, 2, 2), []),  # 50, 25 below the usual 75
        ((2, 2, 2, 1), ["wellbeing_low"]),  # 43.75, 31 below
        ((3, 1, 3, 3), ["wellbeing_low"]),
        ((3, 0, 4, 4), ["breathing_hard"]),
    ],
)
def test_answers_far_below_the_usual_or_hard_breathing_are_a_review(
    given: tuple[int, ...], wanted: list[str], tmp_path: Path
) -> None:
    usual = [answers(day, 3, 3, 3, 3) for day in range(7)]
    found = facts([*plans(questions_at="10:00"), *usual, answers(7, *given), line(at(7, "12:00"), wake=True)], tmp_path)
    assert [name for name, _ in said(found, "case")] == wanted


def test_each_text_of_a_review_finds_its_values(tmp_path: Path) -> None:
    """A weight that nobody repeats says how much was gained, as one that was repeated does."""
    lines = [*(reads(d, "08:00", "body_weight", 80) for d in range(3)), reads(3, "08:00", "body_weight", 83)]
    found = facts([*plans(weight_at="08:00"), *lines, line(at(3, "10:00"), wake=True)], tmp_path)
    values = more(found, "weight_gain")["values"]
    assert (values["gain_kg"], values["within_d"], values["limit"], values["times"]) == (3.0, 1, 1.3, 1)
