"""What car_load promises, on trains whose passengers are known."""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec.structs import replace

from dongne.model.records import Record
from dongne.runtime.examples import ListReader, read_example
from dongne.runtime.facts import Fact
from dongne.runtime.registry import LoadedService, load
from dongne.runtime.replay import replay
from dongne.services.car_load.train import MOST_ROWS, Settings, Train, fit_length, note_weighing, read_cars

START = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)
STOPS, TARE_KG, PERSON_KG = 5, 33_000.0, 71.26  # commuters in November
Line = dict[str, Any]


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def thing(cars: object = 5, **more: object) -> Line:
    return {
        "thing": {
            "id": 1,
            "kind": "train",
            "name": "T",
            "properties": {"vehicle_id": "T1", "cars": cars, "tare_kg": TARE_KG, **more},
        }
    }


def facts(lines: Iterable[Line], folder: Path, train: Line | None = None) -> list[Fact]:
    loaded = load("car_load")
    assert isinstance(loaded, LoadedService)
    return list(replay(ListReader(records([train or thing(), *lines], folder)), [loaded], ZoneInfo("Europe/Helsinki")))


def records(lines: Iterable[Line], folder: Path) -> list[Record]:
    file = folder / "records.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    loaded = load("car_load")
    assert isinstance(loaded, LoadedService)
    return read_example(file, "car_load", loaded.manifest.list_properties())


@dataclass
class Ride:
    """A train of five cars that goes up and down; `people` by car, counted from the head in direction 0."""

    seed: int = 1
    noise_kg: float = 60.0
    off_kg: Sequence[float] = (150.0, -200.0, 0.0, 300.0, -100.0)
    usual: Sequence[float] = (40, 90, 60, 120, 50)
    dead: tuple[int, ...] = ()
    added_kg: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0
    lines: list[Line] = field(default_factory=list)
    truth: list[tuple[str, int, list[int], list[int]]] = field(default_factory=list)
    """When the train left, its direction, people after alighting and at departure by car from the head."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.people = [0] * len(self.usual)

    def say(self, *rows: tuple[str, float]) -> None:
        self.lines.append({"at": at(self.seconds), "observe": [[1, key, value] for key, value in rows]})

    def weigh(self, direction_id: int, people: Sequence[float]) -> None:
        rows = []
        for part in range(1, len(people) + 1):
            car = part - 1 if direction_id == 0 else len(people) - part
            if car in self.dead:
                continue
            kg = (
                TARE_KG
                + self.off_kg[car]
                + people[car] * PERSON_KG
                + self.chance.gauss(0, self.noise_kg)
                + self.added_kg.get(car, 0.0)
            )
            rows.append([1, "car_mass", round(kg), None, "", str(part)])
        self.lines.append({"at": at(self.seconds), "observe": rows})

    def empty_run(self) -> "Ride":
        self.say(("in_service", 0), ("direction_id", 0))
        for _ in range(12):
            self.seconds += 30
            self.weigh(0, [0.0] * len(self.people))
        self.seconds += 30
        self.say(("in_service", 1))
        return self

    def stop(self, direction_id: int, sequence: int, *, is_heard_to_leave: bool = True) -> None:
        self.say(("direction_id", direction_id), ("current_stop_sequence", sequence), ("current_status", 1))
        arrived, last = self.seconds, sequence == STOPS
        off = [people if last else round(people * 0.3) for people in self.people]
        on = [0 if last else max(round(self.chance.gauss(usual * 0.35, 4)), 0) for usual in self.usual]
        for second in range(1, 30, 5):
            self.seconds = arrived + second
            gone, come = min(second / 10, 1.0), min(max((second - 10) / 14, 0.0), 1.0)
            self.weigh(direction_id, [p - o * gone + b * come for p, o, b in zip(self.people, off, on, strict=True)])
        after = [p - o for p, o in zip(self.people, off, strict=True)]
        self.people = [p + b for p, b in zip(after, on, strict=True)]
        self.seconds = arrived + 30
        if is_heard_to_leave and not last:
            turn = slice(None, None, -1 if direction_id else 1)
            self.truth.append((at(self.seconds), direction_id, after[turn], self.people[turn]))
            self.say(("current_stop_sequence", sequence + 1), ("current_status", 2))
            self.seconds += 10
            self.weigh(direction_id, self.people)
        self.seconds = arrived + 120

    def run(self, rounds: int) -> "Ride":
        for _ in range(rounds):
            for direction_id in (0, 1):
                for sequence in range(1, STOPS + 1):
                    self.stop(direction_id, sequence)
        return self


def results(found: Iterable[Fact], key: str) -> list[tuple[Fact, dict[str, Any], int]]:
    """(fact, its parameters, its car from the head)"""
    mores = [(fact, json.loads(fact.more)) for fact in found if fact.what == "result" and fact.name == key]
    return [(fact, more["parameters"], int(more["part"])) for fact, more in mores]


def cases(found: Iterable[Fact]) -> list[tuple[str, str]]:
    return [(fact.name.split("/")[3], fact.action) for fact in found if fact.what == "case"]


def test_people_are_counted_whichever_way_the_train_goes(tmp_path: Path) -> None:
    """The offsets of the scales are of the cars, which are in turn the first and the last."""
    ride = Ride().empty_run().run(2)
    found = facts(ride.lines, tmp_path)
    truth = {
        (datetime.fromisoformat(time), car): (after[car - 1], left[car - 1])
        for time, _, after, left in ride.truth
        for car in range(1, 6)
    }
    aboard = results(found, "people_aboard")
    assert len(aboard) == len(truth)
    errors = [abs((fact.value or 0.0) - truth[fact.time, car][1]) for fact, _, car in aboard]
    assert sum(errors) / len(errors) < 2.0
    inside = [known["low"] <= truth[fact.time, car][1] <= known["high"] for fact, known, car in aboard]
    assert sum(inside) / len(inside) > 0.75
    assert {known["source"] for _, known, _ in aboard} == {"sensor"}
    assert cases(found) == []


def test_it_says_where_the_train_was_and_where_it_goes(tmp_path: Path) -> None:
    found = facts(Ride().empty_run().run(1).lines, tmp_path)
    places = [
        (p["direction_id"], p["stop_sequence"], p["to_direction_id"], p["to_stop_sequence"])
        for _, p, car in results(found, "people_aboard")
        if car == 1
    ]
    assert places == [(d, s, d, s + 1) for d in (0, 1) for s in range(1, STOPS)]
    known = results(found, "people_aboard")[0][1]
    assert (known["cars"], known["vehicle_id"]) == (5, "T1")
    trips = [p["trip"] for _, p, car in results(found, "people_after_alighting") if car == 1]
    assert len(set(trips)) == 2
    assert trips == sorted(trips)


def test_the_load_after_alighting_is_found_between_the_weighings(tmp_path: Path) -> None:
    ride = Ride(noise_kg=100.0).empty_run().run(3)
    found = results(facts(ride.lines, tmp_path), "people_after_alighting")
    by_place = {(p["trip"], p["direction_id"], p["stop_sequence"], car): fact.value for fact, p, car in found}
    stops = [(d, s) for _ in range(3) for d in (0, 1) for s in range(1, STOPS)]
    trips = sorted({p["trip"] for _, p, _ in found})
    errors = []
    for number, ((direction_id, sequence), (_, _, after, _)) in enumerate(zip(stops, ride.truth, strict=True)):
        trip = trips[number // (STOPS - 1)]
        errors += [abs(by_place[trip, direction_id, sequence, car] - after[car - 1]) for car in range(1, 6)]
    assert sum(errors) / len(errors) < 6.0


def test_dead_scales_get_an_order_within_three_stops_and_their_car_is_estimated(tmp_path: Path) -> None:
    ride = Ride().empty_run().run(3)
    ride.dead, begun = (3,), len(ride.truth)
    ride.run(1)
    found = facts(ride.lines, tmp_path)
    assert cases(found) == [("scales_dead", "open")]
    [order] = [fact for fact in found if fact.what == "case"]
    assert order.time <= datetime.fromisoformat(ride.truth[begun + 2][0]) + timedelta(minutes=1)
    assert json.loads(order.more)["values"] == {"car": 4, "cars": 5}
    truth = {datetime.fromisoformat(time): (direction_id, left) for time, direction_id, _, left in ride.truth[begun:]}
    estimated = [(fact, car) for fact, known, car in results(found, "people_aboard") if known["source"] == "estimated"]
    assert len(estimated) == len(truth)
    errors = []
    for fact, car in estimated:
        direction_id, left = truth[fact.time]
        assert car == (4 if direction_id == 0 else 2)
        errors.append(abs((fact.value or 0.0) - left[car - 1]) / left[car - 1])
    assert sum(errors) / len(errors) < 0.2


def test_scales_that_heal_have_their_order_withdrawn(tmp_path: Path) -> None:
    ride = Ride().empty_run().run(3)
    ride.dead = (3,)
    ride.run(1)
    ride.dead = ()
    ride.run(1)
    assert cases(facts(ride.lines, tmp_path)) == [("scales_dead", "open"), ("scales_dead", "cancel")]


def test_a_jump_is_found_and_gone_with_the_next_empty_run(tmp_path: Path) -> None:
    ride = Ride().empty_run().run(4)
    ride.added_kg = {1: 5_000.0}
    ride.run(1)
    before = len(ride.truth)
    ride.empty_run().run(2)
    found = facts(ride.lines, tmp_path)
    assert cases(found) == [("scales_jumped", "open"), ("scales_jumped", "cancel")]
    last = {datetime.fromisoformat(time): left for time, _, _, left in ride.truth[before + 5 :]}
    errors = [
        abs((fact.value or 0.0) - last[fact.time][car - 1])
        for fact, _, car in results(found, "people_aboard")
        if fact.time in last
    ]
    assert sum(errors) / len(errors) < 3.0


def test_a_mended_order_begins_anew(tmp_path: Path) -> None:
    ride = Ride().empty_run().run(3)
    ride.dead = (3,)
    ride.run(1)
    found = facts(ride.lines, tmp_path)
    once = next(fact.name for fact in found if fact.what == "case").split("/", 4)[4]
    done = {
        "at": at(ride.seconds),
        "case": {"thing": 1, "kind": "work_order", "name": "scales_dead", "once": once, "action": "done"},
    }
    ride.lines.append(done)
    ride.seconds += 10
    ride.run(1)
    assert cases(facts(ride.lines, tmp_path))[:2] == [("scales_dead", "open"), ("scales_dead", "open")]


def test_a_train_that_was_not_heard_to_leave_is_followed_on(tmp_path: Path) -> None:
    ride = Ride().empty_run()
    for sequence in range(1, STOPS):
        ride.stop(0, sequence, is_heard_to_leave=sequence != 2)
    found = facts(ride.lines, tmp_path)
    after = [p["stop_sequence"] for _, p, car in results(found, "people_after_alighting") if car == 1]
    left = [p["stop_sequence"] for _, p, car in results(found, "people_aboard") if car == 1]
    assert (after, left) == ([1, 2, 3, 4], [1, 3, 4])


def test_a_train_that_skips_a_stop_says_where_it_goes_instead(tmp_path: Path) -> None:
    ride = Ride().empty_run()
    ride.stop(0, 1)
    ride.say(("current_stop_sequence", 3), ("current_status", 2))
    ride.seconds += 60
    ride.stop(0, 3)
    aboard = [
        (p["to_stop_sequence"], fact.value)
        for fact, p, car in results(facts(ride.lines, tmp_path), "people_aboard")
        if car == 1
    ]
    assert [to for to, _ in aboard] == [2, 3, 4]
    assert aboard[1][1] == aboard[0][1]


def test_a_train_that_was_not_heard_for_hours_is_not_faulty(tmp_path: Path) -> None:
    """Its people got off meanwhile."""
    ride = Ride(usual=(150, 160, 140, 150, 170)).empty_run().run(3)
    ride.stop(0, 1)
    ride.stop(0, 2)
    ride.people, ride.seconds = [0] * 5, ride.seconds + 4 * 3600
    ride.stop(0, 1)
    ride.run(1)
    assert cases(facts(ride.lines, tmp_path)) == []


def test_values_from_before_are_not_used_and_said_once(tmp_path: Path) -> None:
    ride = Ride().empty_run().run(1)
    plain = facts(ride.lines, tmp_path)
    late = [
        [1, "current_stop_sequence", 2, at(60)],
        [1, "current_status", 1, at(60)],
        [1, "car_mass", 90_000, at(61), "", "2"],
    ]
    again = [{"at": line["at"], "observe": late} for line in ride.lines[40:60]]
    between = [one for pair in zip(again, ride.lines[40:60], strict=True) for one in pair]
    found = facts([*ride.lines[:40], *between, *ride.lines[60:]], tmp_path)
    assert cases(found) == [("clock_back", "open")]
    assert [fact for fact in found if fact.what != "case"] == plain


@pytest.mark.parametrize("part", ["6", "0", "-1", "", "head", "²", "99999999999"])
def test_a_car_that_the_train_has_not_is_said_once(part: str, tmp_path: Path) -> None:
    ride = Ride().empty_run().run(1)
    plain = facts(ride.lines, tmp_path)
    row = [1, "car_mass", 40_000, None, "", part]
    lines = [*ride.lines[:40], *({"at": ride.lines[40]["at"], "observe": [row]} for _ in range(3)), *ride.lines[40:]]
    found = facts(lines, tmp_path)
    assert cases(found) == [("unknown_car", "open")]
    assert [fact for fact in found if fact.what != "case"] == plain


def test_a_train_of_another_length_is_begun_anew() -> None:
    train, settings = Train(), Settings()
    assert fit_length(train, {"cars": 5, "tare_kg": TARE_KG}, settings) == 5
    train.cars[0].zero.kg, train.rows, train.shares = (
        40_000.0,
        [[1.0] * 6],
        {"0/1": [3, 2_000, 2_000, 2_000, 2_000, 2_000]},
    )
    assert fit_length(train, {"cars": 5, "tare_kg": TARE_KG}, settings) == 5
    assert train.cars[0].zero.kg == 40_000.0
    assert fit_length(train, {"cars": 3, "tare_kg": TARE_KG}, settings) == 3
    assert [car.zero.kg for car in train.cars] == [TARE_KG] * 3
    assert (train.rows, train.shares) == ([], {})


def test_a_train_that_is_shortened_between_two_runs_is_followed_as_a_new_one(tmp_path: Path) -> None:
    long = Ride().empty_run().run(1)
    short = Ride(seconds=long.seconds + 60, off_kg=(0, 0, 0), usual=(50, 60, 70)).empty_run().run(1)
    one = records([thing(), *long.lines, *short.lines], tmp_path)
    split = 1 + len(long.lines)
    (changed, *_) = records([thing(3), *short.lines], tmp_path)  # Location and Thing come first in it
    changes = msgspec.msgpack.encode(msgspec.msgpack.decode(changed.body)[:2])
    between = replace(changed, number=one[split].number, at_us=one[split].at_us, body=changes)
    joined = [*one[:split], between, *(replace(r, number=r.number + 1) for r in one[split:])]
    loaded = load("car_load")
    assert isinstance(loaded, LoadedService)
    found = list(replay(ListReader(joined), [loaded], ZoneInfo("Europe/Helsinki")))
    aboard = results(found, "people_aboard")
    assert [parameters["cars"] for _, parameters, _ in aboard] == [5] * 5 * len(long.truth) + [3] * 3 * len(short.truth)
    assert aboard[-3 * len(short.truth) :] == results(facts(short.lines, tmp_path, thing(3)), "people_aboard")
    assert cases(found) == []


@pytest.mark.parametrize("cars", [None, 0, -2, "ten", 5.5, True, 4_000])
def test_a_train_that_does_not_say_how_long_it_is_says_nothing_wrong(cars: object, tmp_path: Path) -> None:
    found = facts(Ride().empty_run().run(1).lines, tmp_path, thing(cars))
    assert results(found, "people_aboard") == []
    assert {name for name, _ in cases(found)} == {"unknown_car"}


def test_the_tare_may_be_one_for_all_or_one_for_each() -> None:
    assert read_cars({"cars": 2, "tare_kg": 33_000}) == (2, [33_000.0, 33_000.0])
    assert read_cars({"cars": 2, "tare_kg": [31_000, 34_000.5]}) == (2, [31_000.0, 34_000.5])
    assert read_cars({"cars": 2, "tare_kg": [31_000]}) == (0, [])
    assert read_cars({"cars": 2}) == (0, [])


def test_a_long_stop_stays_small() -> None:
    train = Train()
    train.cars = [object()] * 3  # type: ignore[list-item]  # only how many there are
    for number in range(5_000):
        for carriage in (1, 2, 3):
            note_weighing(train, carriage, number * 5.0, 40_000.0)
    assert len(train.rows) <= MOST_ROWS
    assert (train.rows[0][0], train.rows[-1][0]) == (0.0, 24_995.0)


def test_a_stop_at_which_nothing_was_weighed_ends_no_train(tmp_path: Path) -> None:
    """As where the computer that speaks for all scales of a train is down."""
    ride = Ride().empty_run().run(1)
    first = len(ride.lines)
    ride.run(1)
    silent = [line for line in ride.lines[first:] if line["observe"][0][1] != "car_mass"]
    found = facts([*ride.lines[:first], *silent, *Ride(seconds=ride.seconds).empty_run().run(1).lines], tmp_path)
    times = {fact.time for fact, _, _ in results(found, "people_aboard")}
    assert max(times) > START + timedelta(seconds=ride.seconds)
