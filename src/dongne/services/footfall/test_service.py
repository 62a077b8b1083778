"""What footfall promises, through the engine."""

import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from dongne.runtime.examples import ListReader, read_example
from dongne.runtime.facts import Fact
from dongne.runtime.manifest import SERVICES
from dongne.runtime.registry import LoadedService, load
from dongne.runtime.replay import replay
from dongne.services.footfall.say import say
from dongne.services.footfall.service import LEAST_HOURS_TO_FIT, Place

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday; no change of clocks in the eleven weeks after
PLACE = {"thing": {"id": 1, "kind": "square", "name": "A"}}
WEEK = 168
Line = dict[str, Any]


def at(hours: float) -> str:
    return (START + timedelta(hours=hours)).isoformat()


def count(arrives: float, people: float, starts: float) -> Line:
    return {"at": at(arrives), "observe": [[1, "pedestrians", people, at(starts)]]}


def usual_people(hour: int) -> int:
    return 300 if 6 <= hour % 24 < 20 else 20


def weeks(number: int) -> list[Line]:
    """Hourly counts of a place whose weeks are alike."""
    chance = random.Random(3)
    return [
        count(hour + 1, max(0, round(usual_people(hour) + chance.gauss(0, usual_people(hour) ** 0.5))), hour)
        for hour in range(number * WEEK)
    ]


def facts(lines: Iterable[Line], folder: Path) -> list[Fact]:
    file = folder / "records.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in (PLACE, *lines)), encoding="utf-8")
    loaded = load("footfall")
    assert isinstance(loaded, LoadedService)
    records = read_example(file, "footfall", loaded.manifest.list_properties())
    return list(replay(ListReader(records), [loaded], ZoneInfo("Europe/Helsinki")))


def cases(found: list[Fact]) -> list[str]:
    return [f.action for f in found if f.what == "case"]


def values(found: list[Fact], key: str, hour: int) -> list[float | None]:
    return [f.value for f in found if f.name == key and f.time == START + timedelta(hours=hour)]


NOON = 4 * WEEK + 12


def test_crowding_is_a_ratio_to_what_is_usual_at_this_hour_of_the_week(tmp_path: Path) -> None:
    found = facts([*weeks(4), count(NOON + 1, 600, NOON)], tmp_path)
    assert values(found, "crowding", NOON) == [pytest.approx(2.0, abs=0.15)]
    assert values(found, "usual_pedestrians", NOON) == [pytest.approx(300, rel=0.05)]


def test_an_unusual_crowd_is_told_once_and_cleared_when_it_is_over(tmp_path: Path) -> None:
    crowd = [count(NOON + 1 + h, 900, NOON + h) for h in range(3)]
    dip = [count(NOON + 4, 520, NOON + 3)]  # 1.7 times usual: below the limit, not yet over
    found = facts([*weeks(4), *crowd, *dip, count(NOON + 5, 900, NOON + 4), count(NOON + 6, 310, NOON + 5)], tmp_path)
    assert cases(found) == ["open", "clear"]


def test_a_big_ratio_of_few_people_is_no_crowd(tmp_path: Path) -> None:
    night = 4 * WEEK + 2
    assert cases(facts([*weeks(4), count(night + 1, 90, night)], tmp_path)) == []


def test_a_dismissed_crowd_is_not_told_again_before_it_is_over(tmp_path: Path) -> None:
    once = (START + timedelta(hours=NOON)).strftime("%Y-%m-%dT%H:%M:%SZ")
    case = {"thing": 1, "kind": "alert", "name": "unusual_crowd", "once": once, "action": "dismiss"}
    crowd = [count(NOON + 1, 900, NOON), {"at": at(NOON + 1.5), "case": case}, count(NOON + 2, 900, NOON + 1)]
    assert cases(facts([*weeks(4), *crowd], tmp_path)) == ["open"]
    later = [count(NOON + 3, 300, NOON + 2), count(NOON + 4, 900, NOON + 3)]
    assert cases(facts([*weeks(4), *crowd, *later], tmp_path)) == ["open", "open"]


def test_a_counter_that_stops_does_not_leave_an_alert_open(tmp_path: Path) -> None:
    found = facts([*weeks(4), count(NOON + 1, 900, NOON), {"at": at(NOON + 10), "wake": True}], tmp_path)
    assert cases(found) == ["open", "clear"]


def test_parts_of_an_hour_become_the_hour_in_any_order(tmp_path: Path) -> None:
    setting = {"at": at(NOON), "setting": {"level": "thing:1", "values": {"part_min": 5}}}
    parts = [(NOON + n / 12, 12.0 * (20 + n)) for n in range(12)]  # persons an hour in each five minutes
    random.Random(4).shuffle(parts)
    sent = [count(NOON + 1 + n / 100, people, starts) for n, (starts, people) in enumerate(parts)]
    found = facts([*weeks(4), setting, *sent], tmp_path)
    told = values(found, "crowding", NOON)
    assert len(told) == 7  # from the half hour on, each part revises it
    assert told[-1] == pytest.approx((sum(20 + n for n in range(12)) + 1) / 301, rel=0.05)


def test_a_late_correction_revises_its_hour_and_no_other(tmp_path: Path) -> None:
    then = [count(NOON + 1 + h, 300, NOON + h) for h in range(4)]
    found = facts([*weeks(4), *then, count(NOON + 4.5, 150, NOON)], tmp_path)
    assert values(found, "crowding", NOON) == [pytest.approx(1.0, abs=0.1), pytest.approx(0.5, abs=0.05)]
    too_late = facts([*weeks(4), *then, count(NOON + 4.5, 150, NOON - 20)], tmp_path)
    assert too_late == facts([*weeks(4), *then], tmp_path)


def test_a_counter_whose_clock_is_ahead_does_not_make_the_others_late(tmp_path: Path) -> None:
    ahead = count(NOON, 300, NOON + 5000)
    assert len(values(facts([*weeks(4), ahead, count(NOON + 1, 300, NOON)], tmp_path), "crowding", NOON)) == 1


def fitted(folder: Path) -> Any:
    """The outcome in the example."""
    lines = (SERVICES / "footfall/example/records.jsonl").read_text(encoding="utf-8").splitlines()
    return next(json.loads(line)["job"]["outcome"] for line in lines if '"job"' in line)


def test_a_new_model_forecasts_at_once_and_then_each_hour(tmp_path: Path) -> None:
    job = {"at": at(NOON + 0.5), "job": {"thing": 1, "job": "fit", "outcome": fitted(tmp_path)}}
    then = [count(NOON + 1 + h, 300, NOON + h) for h in range(2)]
    lines = [*weeks(4), *(count(h + 1, usual_people(h), h) for h in range(4 * WEEK, NOON)), job, *then]
    found = [f for f in facts(lines, tmp_path) if f.name == "pedestrians_forecast"]
    assert len(found) == 18
    assert [f.time for f in found[:6]] == [START + timedelta(hours=NOON + h) for h in range(6)]
    assert [json.loads(f.more)["parameters"]["horizon_h"] for f in found[:6]] == [1, 2, 3, 4, 5, 6]
    assert found[6].time == START + timedelta(hours=NOON + 1)


def test_a_fit_is_asked_for_when_history_suffices_and_weekly_then(tmp_path: Path) -> None:
    lines = [*weeks(11), {"at": at(11 * WEEK + 1), "wake": True}]
    asked = [f.time for f in facts(lines, tmp_path) if f.what == "start"]
    assert asked[0] == START + timedelta(hours=LEAST_HOURS_TO_FIT - 1)
    assert len(asked) > 10  # nobody answered: it is asked for again each night
    outcome = fitted(tmp_path) | {"trained_until": at(9 * WEEK + 2)}
    job = {"at": at(9 * WEEK + 2), "job": {"thing": 1, "job": "fit", "outcome": outcome}}
    answered = sorted([*lines, job], key=lambda line: datetime.fromisoformat(line["at"]))
    asked = [f.time for f in facts(answered, tmp_path) if f.what == "start"]
    assert timedelta(days=7) <= asked[1] - START - timedelta(hours=9 * WEEK + 2) < timedelta(days=8)


def test_the_state_of_a_place_stays_small(tmp_path: Path) -> None:
    facts(weeks(9), tmp_path)
    loaded = load("footfall")
    assert isinstance(loaded, LoadedService)
    state = Place(recent=[1234.56] * WEEK)
    state.rhythm.slots = [[35.14] * 8 for _ in range(WEEK)]
    assert len(msgspec.json.encode(state)) < 12_000


@pytest.mark.parametrize(
    ("given", "state", "key"),
    [
        ({}, "stale", "unknown"),
        ({"pedestrians": 40.0}, "calm", "learning"),
        ({"pedestrians": 40.0, "crowding": 0.4}, "calm", "calm"),
        ({"pedestrians": 40.0, "crowding": 1.1}, "calm", "usual"),
        ({"pedestrians": 40.0, "crowding": 1.8}, "busy", "busier"),
        ({"pedestrians": 40.0, "crowding": 2.4}, "crowded", "crowded"),
    ],
)
def test_the_card_says_what_it_means(given: dict[str, float], state: str, key: str) -> None:
    assert say(given)[:2] == (state, f"footfall.say.{key}")
