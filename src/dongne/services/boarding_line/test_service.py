"""What boarding_line promises, on trains whose passengers are known."""

import json
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from dongne.model.graph import ThingGraph
from dongne.runtime.engine import Engine
from dongne.runtime.examples import ListReader, read_example
from dongne.runtime.facts import Fact
from dongne.runtime.registry import LoadedService, load
from dongne.runtime.replay import replay
from dongne.services.boarding_line.platform import MOST_COMING, Platform

START = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)
POSITIONS = 6
SHARES = (0.1, 0.1, 0.1, 0.6, 0.1, 0.1)  # by position: the stairs are at the fourth
Line = dict[str, Any]
TRAINS = range(1, 13)


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def things(direction_id: int = 0) -> list[Line]:
    place = {"direction_id": direction_id, "stop_sequence": 2, "positions": POSITIONS}
    found = [{"thing": {"id": 50, "kind": "platform", "name": "P", "properties": place}}]
    found += [{"thing": {"id": n, "kind": "train", "name": f"T{n}", "properties": {"cars": 6}}} for n in TRAINS]
    return found + [{"relation": {"kind": "served_by", "from": 50, "to": n}} for n in TRAINS]


def records(lines: Iterable[Line], folder: Path, direction_id: int = 0) -> tuple[LoadedService, ListReader]:
    file = folder / "records.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in (*things(direction_id), *lines)), encoding="utf-8")
    loaded = load("boarding_line")
    assert isinstance(loaded, LoadedService)
    return loaded, ListReader(read_example(file, "boarding_line", loaded.manifest.list_properties()))


def facts(lines: Iterable[Line], folder: Path, direction_id: int = 0) -> list[Fact]:
    loaded, reader = records(lines, folder, direction_id)
    return list(replay(reader, [loaded], ZoneInfo("Europe/Helsinki")))


def left(seconds: float, people: Sequence[float], train: int = 1, direction_id: int = 0, **more: Any) -> Line:
    """The train leaves the stop before."""
    going = {
        "vehicle_id": f"T{train}", "trip": "a trip", "cars": len(people), "direction_id": direction_id, "stop_sequence": 1,
        "to_direction_id": direction_id, "to_stop_sequence": 2, "noise_sd": 1.5, "lasting_sd": 1.5, "boarded": 10.0,
        "source": "sensor", **more,
    }  # fmt: skip
    rows = [[train, "people_aboard", float(p), None, "", str(part), going] for part, p in enumerate(people, 1)]
    return {"at": at(seconds), "observe": rows}


def let_off(
    seconds: float, people: Sequence[float], off: Sequence[float], train: int = 1, direction_id: int = 0, **more: Any
) -> Line:
    """The train was here: who was left."""
    known = {"cars": len(people), "direction_id": direction_id, "stop_sequence": 2, "noise_sd": 1.5, "lasting_sd": 1.5,
             "alighted_sd": 2.0, "source": "sensor", **more}  # fmt: skip
    rows = [
        [train, "people_after_alighting", float(p - o), None, "", str(part), {**known, "alighted": float(o)}]
        for part, (p, o) in enumerate(zip(people, off, strict=True), 1)
    ]
    return {"at": at(seconds), "observe": rows}


def trains(count: int, cars: int = 6, direction_id: int = 0, gap_s: float = 300.0) -> list[Line]:
    """Trains that come here one after the other, the last of which is still on its way."""
    chance, lines = random.Random(3), []
    places = [(POSITIONS - cars) // 2 + car for car in range(cars)]
    shares = [SHARES[place if direction_id == 0 else POSITIONS - 1 - place] for place in places]
    for number in range(count):
        people = [chance.randint(80, 160) for _ in range(cars)]
        off = [sum(chance.random() < share for _ in range(p)) for p, share in zip(people, shares, strict=True)]
        train = number % len(TRAINS) + 1
        lines.append(left(number * gap_s, people, train, direction_id))
        if number < count - 1:
            lines.append(let_off(number * gap_s + 150, people, off, train, direction_id))
    return lines


def said(found: Iterable[Fact]) -> list[tuple[Fact, dict[str, Any], int]]:
    mores = [(fact, json.loads(fact.more)) for fact in found if fact.name == "expected_load"]
    return [(fact, more["parameters"], int(more["part"])) for fact, more in mores]


@pytest.mark.parametrize("direction_id", [0, 1])
def test_it_learns_where_people_get_off_in_both_directions(direction_id: int, tmp_path: Path) -> None:
    found = said(
        facts(
            [*trains(40, direction_id=direction_id), left(12_000, [150] * 6, 9, direction_id)], tmp_path, direction_id
        )
    )
    newest = {part: fact.value or 0.0 for fact, _, part in found[-6:]}
    assert newest[4] == pytest.approx(150 * 0.4 / 1.6, abs=9.0)
    assert [newest[part] for part in (1, 2, 3, 5, 6)] == pytest.approx([150 * 0.9 / 1.6] * 5, abs=9.0)
    known = found[-1][1]
    assert (known["vehicle_id"], known["trip"], known["cars"], known["source"]) == ("T9", "a trip", 6, "sensor")
    assert all(p["low_percent"] <= (fact.value or 0.0) <= p["high_percent"] for fact, p, _ in found)


def test_before_it_has_seen_a_train_it_says_how_little_it_knows(tmp_path: Path) -> None:
    first = said(facts(trains(1), tmp_path))
    later = said(facts(trains(40), tmp_path))[-6:]
    width = [sum(p["high_percent"] - p["low_percent"] for _, p, _ in some) for some in (first, later)]
    assert len(first) == 6
    assert width[0] > 1.5 * width[1]


@pytest.mark.parametrize("direction_id", [0, 1])
def test_a_shorter_train_stands_in_the_middle(direction_id: int, tmp_path: Path) -> None:
    lines = [*trains(20, 6, direction_id), left(9_000, [100, 110, 120, 130], 5, direction_id)]
    found = said(facts(lines, tmp_path, direction_id))[-4:]
    assert sorted(part for _, _, part in found) == [2, 3, 4, 5]
    assert {p["cars"] for _, p, _ in found} == {4}
    by_part = {part: fact.value or 0.0 for fact, _, part in found}
    assert by_part[4] < min(
        by_part[2], by_part[3], by_part[5]
    )  # what was learned on longer trains is where the stairs are


def test_a_train_that_goes_elsewhere_is_forgotten(tmp_path: Path) -> None:
    lines = [left(0, [100] * 6), left(60, [100] * 6, to_stop_sequence=3), let_off(120, [100] * 6, [90] * 6)]
    loaded, reader = records(lines, tmp_path)
    engine = Engine([loaded], ThingGraph(), ZoneInfo("Europe/Helsinki"))
    for record in reader.records:
        engine.turn(record)
    state = engine.runners["boarding_line"].cells[50].state
    assert state.coming == {}
    assert state.habits.trains == 0


def test_what_was_estimated_teaches_nothing(tmp_path: Path) -> None:
    people, off = [100] * 6, [60] * 6
    plain = [left(0, people), let_off(120, people, off), left(600, people, 2)]
    guessed = [left(0, people), let_off(120, people, off, source="estimated"), left(600, people, 2)]
    untaught = said(facts([left(600, people, 2)], tmp_path))[-6:]
    assert [fact.value for fact, _, _ in said(facts(guessed, tmp_path))[-6:]] == [fact.value for fact, _, _ in untaught]
    assert [fact.value for fact, _, _ in said(facts(plain, tmp_path))[-6:]] != [fact.value for fact, _, _ in untaught]


def test_an_estimated_load_is_said_to_be_one(tmp_path: Path) -> None:
    found = said(facts([left(0, [100] * 6, source="estimated", noise_sd=25.0)], tmp_path))
    assert {p["source"] for _, p, _ in found} == {"estimated"}


def test_a_train_that_goes_back_in_time_and_one_that_is_said_twice_change_nothing(tmp_path: Path) -> None:
    people = [100] * 6
    plain = facts([left(600, people), let_off(700, people, [20] * 6)], tmp_path)
    late = left(600, [5] * 6)
    for row in late["observe"]:
        row[3] = at(100)
    assert facts([left(600, people), left(600, people), late, let_off(700, people, [20] * 6)], tmp_path) == plain


@pytest.mark.parametrize(
    "spoilt",
    [
        {"cars": 0}, {"cars": "six"}, {"cars": 40}, {"cars": None}, {"to_stop_sequence": None}, {"to_direction_id": 1},
        {"noise_sd": "much", "lasting_sd": -4.0, "boarded": float("1e9"), "trip": None},
    ],
)  # fmt: skip
def test_odd_parameters_do_no_harm(spoilt: dict[str, Any], tmp_path: Path) -> None:
    loaded, reader = records(
        [left(0, [100] * 6, **spoilt), let_off(90, [100] * 6, [10] * 6, cars=spoilt.get("cars", 6))], tmp_path
    )
    engine = Engine([loaded], ThingGraph(), ZoneInfo("Europe/Helsinki"))
    for record in reader.records:
        engine.turn(record)
    assert [cell.parked for cell in engine.runners["boarding_line"].cells.values()] == [""]


def test_the_state_stays_small(tmp_path: Path) -> None:
    """A day of trains every three minutes, and trains that never come."""
    loaded, reader = records([*trains(380, gap_s=180.0), *(left(80_000 + n, [100] * 6, n) for n in TRAINS)], tmp_path)
    engine = Engine([loaded], ThingGraph(), ZoneInfo("Europe/Helsinki"))
    for record in reader.records:
        engine.turn(record)
    state: Platform = engine.runners["boarding_line"].cells[50].state
    assert len(state.coming) <= MOST_COMING
    assert len(msgspec.json.encode(state.habits)) < 4_000
    assert len(msgspec.json.encode(state)) < 16_000
