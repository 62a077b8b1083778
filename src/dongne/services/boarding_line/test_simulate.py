"""The simulated line: the same every time, passengers who neither vanish nor appear, scales that err as said."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from dongne.model.entities import Relation, Thing
from dongne.model.errors import BadSetup
from dongne.model.graph import ThingGraph
from dongne.model.times import to_us
from dongne.runtime.simulate import SimulatedRow
from dongne.services.boarding_line.simulate import LineSimulator, Simulator
from dongne.services.boarding_line.simulated_ride import Stop
from dongne.services.boarding_line.simulated_scales import FAULTS, Scales
from dongne.services.boarding_line.simulation import SECOND_US

STATIONS = ("A", "B", "C", "D", "E")
CARS = (6, 4, 6, 5)
MORNING_US = to_us(datetime(2026, 11, 2, 5, 0, tzinfo=UTC))  # Monday 07:00 in Helsinki
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
EXACT: dict[str, Any] = {"noise": 0.0, "gain_spread": 0.0, "faults_per_day": 0.0}


def a_line() -> ThingGraph:
    """Five stations 1 km apart with platforms for six cars, and four trains."""
    things, relations = [], []
    for direction_id in (0, 1):
        names = STATIONS if direction_id == 0 else STATIONS[::-1]
        for sequence, name in enumerate(names, 1):
            properties = {
                "kind": "platform", "line": "x", "simulated": True, "stop_id": f"x:{name}:{direction_id}",
                "direction_id": direction_id, "stop_sequence": sequence, "positions": 6, "exits": [2.0], "loads_at": name,
            }  # fmt: skip
            number = 10 * (direction_id + 1) + sequence
            things.append(Thing(id=number, name=name, properties=properties))
            if sequence > 1:
                relations.append(
                    Relation(id=number, kind="next_platform", from_id=number - 1, to_id=number, distance_m=1000.0)
                )
    for order, cars in enumerate(CARS):
        known = {"kind": "train", "line": "x", "simulated": True, "order": order, "cars": cars, "seats_per_car": 54}
        things.append(Thing(id=100 + order, name=f"train {order}", properties={**known, "tare_kg": 33_000}))
    return ThingGraph([*things, *relations])


def make(seed: int = 1, **more: Any) -> Simulator:
    return Simulator(a_line(), {"zone": "Europe/Helsinki", "headway_s": 480.0, **more}, seed)


def the_line(seed: int = 1, **more: Any) -> LineSimulator:
    (line,) = make(seed, **more).lines
    return line


def rows(simulator: Simulator, start_us: int, until_us: int, step_us: int) -> list[SimulatedRow]:
    simulator.step(start_us)
    found: list[SimulatedRow] = []
    for now_us in range(start_us + step_us, until_us + 1, step_us):
        found += simulator.step(now_us).rows
    return found


def rides(line: LineSimulator, hours: float = 2.0, start_us: int = MORNING_US) -> list[list[Stop]]:
    trips = line.timetable.trips(start_us, start_us + int(hours * HOUR_US))
    return [list(line.ride(trip).stops()) for trip in trips if not trip.is_empty]


def test_the_same_rows_come_whatever_the_steps_and_after_a_new_start() -> None:
    whole = rows(make(), MORNING_US, MORNING_US + HOUR_US, HOUR_US)
    assert len(whole) > 1_000
    assert rows(make(), MORNING_US, MORNING_US + HOUR_US, 7 * SECOND_US)[: len(whole)] == [
        row for row in whole if row.time_us <= MORNING_US + HOUR_US // (7 * SECOND_US) * 7 * SECOND_US
    ]
    half_us = MORNING_US + HOUR_US // 2
    assert rows(make(), half_us, MORNING_US + HOUR_US, HOUR_US // 2) == [row for row in whole if row.time_us > half_us]
    assert rows(make(seed=2), MORNING_US, MORNING_US + HOUR_US, HOUR_US) != whole


def test_a_step_says_when_the_next_row_is_due() -> None:
    simulator = make()
    now_us = simulator.step(MORNING_US).next_us
    steps_with_rows = 0
    for _ in range(50):
        step = simulator.step(now_us)
        assert {row.time_us for row in step.rows} <= {now_us}  # none was due before
        steps_with_rows += bool(step.rows)
        now_us = step.next_us
    assert steps_with_rows > 40


def test_every_car_has_a_scale_and_every_row_a_stream() -> None:
    streams = {(s.thing, s.property.key, s.part): s for s in make().datastreams()}
    assert sum(key == "car_mass" for _, key, _ in streams) == sum(CARS)
    assert streams[100, "car_mass", "6"].parameters["loads"] == "invented"
    said = {(row.thing, row.property, row.part) for row in rows(make(), MORNING_US, MORNING_US + HOUR_US, HOUR_US)}
    assert said <= set(streams)


def test_nobody_appears_and_nobody_vanishes() -> None:
    for stops in rides(the_line()):
        assert not stops[0].came.any() and not stops[-1].left.any()
        for before, here in pairwise(stops):
            assert (here.came == before.left).all()
            assert (here.after_alighting <= here.came).all() and (here.left >= here.after_alighting).all()
            assert here.arrives_us > before.leaves_us


def test_trains_are_back_before_they_leave_again() -> None:
    line = the_line()
    ends: dict[int, int] = {}
    for trip in line.timetable.trips(MORNING_US, MORNING_US + 6 * HOUR_US):
        assert trip.leaves_us >= ends.get(trip.train.thing, 0)
        ends[trip.train.thing] = list(line.ride(trip).stops())[-1].leaves_us


def test_the_mean_load_is_the_recorded_one() -> None:
    loads = [40.0, 70.0, 90.0, 60.0, 0.0]
    recorded = {
        name: {
            "number": number,
            "up": {kind: [loads[number]] * 48 for kind in ("working", "saturday", "sunday")},
            "down": {kind: [50.0] * 48 for kind in ("working", "saturday", "sunday")},
        }
        for number, name in enumerate(STATIONS)
    }
    line = the_line(loads=recorded, loads_origin="somewhere", late_s=1.0, incident_share=0.0)
    trips = list(line.timetable.trips(MORNING_US, MORNING_US + 30 * HOUR_US))
    left = [
        [stop.left.sum() for stop in line.ride(trip).stops()]
        for trip in trips
        if trip.direction_id == 0 and not trip.is_empty and 6 <= line.timetable.local(trip.leaves_us)[1] / 3600 < 23
    ]
    people = np.array(loads) / 100 * 160 * np.mean(CARS)
    assert np.mean(left, axis=0) == pytest.approx(people, rel=0.08)
    assert {s.parameters["loads"] for s in make(loads=recorded, loads_origin="somewhere").datastreams()} == {
        "somewhere"
    }


def test_a_train_that_is_late_is_fuller() -> None:
    line = the_line(boarding_spread=0.05, day_spread=0.01)
    gaps, people = [], []
    for trip in line.timetable.trips(MORNING_US + HOUR_US // 2, MORNING_US + 2 * HOUR_US):
        if trip.direction_id == 1 and not trip.is_empty:
            gaps.append(line.timetable.arrivals(trip)[1].mean())
            people.append(next(iter(line.ride(trip).stops())).left.sum())
    assert np.corrcoef(gaps, people)[0, 1] > 0.3


def test_how_many_get_off_differs_from_train_to_train() -> None:
    """Beyond chance of each passenger: else a forecast would have it easy."""
    shares = [
        stops[2].after_alighting.sum() / stops[2].came.sum()
        for stops in rides(the_line(), 4.0)
        if stops[2].came.sum() > 200
    ]
    off = 1.0 - np.array(shares)
    binomial = np.sqrt(off.mean() * (1.0 - off.mean()) / 300)
    assert off.std() > 1.3 * binomial


def test_doors_are_open_as_long_as_people_need_and_cars_are_weighed_meanwhile() -> None:
    stands_s = []
    for stops in rides(the_line()):
        for stop in stops:
            stands_s.append((stop.leaves_us - stop.arrives_us) / SECOND_US)
            assert set(np.diff(stop.weigh_us[:-1])) <= {5 * SECOND_US}
            assert stop.arrives_us < stop.weigh_us[0] and stop.weigh_us[-2] <= stop.leaves_us < stop.weigh_us[-1]
    assert min(stands_s) >= 20.0 and max(stands_s) <= 60.0 and np.std(stands_s) > 2.0


def test_each_change_is_said_in_the_order_direction_sequence_status() -> None:
    line = the_line()
    trip = next(t for t in line.timetable.trips(MORNING_US, MORNING_US + HOUR_US) if not t.is_empty)
    said = [row for row in line.rows(trip) if row.property not in ("car_mass", "in_service")]
    assert [row.property for row in said[:3]] == ["direction_id", "current_stop_sequence", "current_status"]
    triples = [tuple(row.value for row in said[i : i + 3]) for i in range(0, len(said), 3)]
    expected = [(trip.direction_id, s, status) for s in range(1, 6) for status in (0, 1, 2)][
        :-1
    ]  # the last goes nowhere
    moved = [(d, s + 1, 2) if status == 2 else (d, s, status) for d, s, status in expected]
    assert triples == moved
    assert line.rows(trip)[0].property == "in_service" and line.rows(trip)[0].value == 1.0


def test_scales_without_error_say_what_is_there() -> None:
    line = the_line(tare_spread_kg=0.0, **EXACT)
    trip = next(t for t in line.timetable.trips(MORNING_US, MORNING_US + HOUR_US) if not t.is_empty)
    for stop in line.ride(trip).stops():
        weighed = [row for row in line.stop_rows(trip, stop) if row.property == "car_mass"]
        last = [row.value for row in weighed if row.time_us == stop.weigh_us[-1]]
        assert last == pytest.approx(33_000 + stop.mass_kg[:, -1], abs=6.0)
        assert (stop.mass_kg[:, -1] / np.maximum(stop.left, 1))[stop.left > 20] == pytest.approx(72.0, abs=8.0)


def test_the_scale_goes_with_its_car_when_the_train_turns() -> None:
    line = the_line(**EXACT)
    empty = [t for t in line.timetable.trips(MORNING_US, MORNING_US + DAY_US) if t.is_empty and t.train.thing == 100]
    there, back = empty[:2]
    assert (there.direction_id, back.direction_id) == (0, 1)
    mass = [{row.part: row.value for row in line.rows(trip) if row.property == "car_mass"} for trip in (there, back)]
    assert len(set(mass[0].values())) == 6
    assert [mass[1][str(7 - car)] for car in range(1, 7)] == [mass[0][str(car)] for car in range(1, 7)]


def test_each_train_runs_empty_once_in_the_night_and_once_at_midday() -> None:
    line = the_line()
    trips = [t for t in line.timetable.trips(MORNING_US, MORNING_US + 2 * DAY_US) if t.is_empty and t.direction_id == 0]
    for order in range(len(CARS)):
        hours = [line.timetable.local(t.leaves_us)[1] / 3600 for t in trips if t.train.thing == 100 + order]
        assert len(hours) == 4
        assert all(1 <= hour < 6 or 10.5 <= hour < 15.5 for hour in hours)
    said = [row for row in line.rows(trips[0]) if row.property == "in_service"]
    assert [row.value for row in said] == [0.0]


def test_faults_are_as_frequent_as_said_and_of_every_kind() -> None:
    line = the_line(faults_per_day=0.05)
    train = line.line.trains[0]
    faults = [
        f for car in range(1, 7) for f in line.scales.list_faults(train, car, MORNING_US, MORNING_US + 400 * DAY_US)
    ]
    assert 85 < len(faults) < 160  # 120 in 2,400 days
    assert {fault.kind for fault in faults} == set(FAULTS)
    assert all(8 * HOUR_US <= fault.ends_us - fault.begins_us <= 30 * HOUR_US for fault in faults)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_faulty_scale_shows_its_fault_until_it_is_mended(kind: str) -> None:
    line = the_line(faults_per_day=0.05)
    train = line.line.trains[0]
    good = Scales(replace(line.parameters, faults_per_day=0.0), 1, "x")
    fault = next(
        f for car in range(1, 7) for f in line.scales.list_faults(train, car, MORNING_US, MORNING_US + 400 * DAY_US)
        if f.kind == kind and not any(o.kind != kind for o in line.scales.list_faults(train, car, f.begins_us - DAY_US, f.ends_us + DAY_US))
    )  # fmt: skip
    times = fault.begins_us + np.arange(-3, 3) * SECOND_US
    mass = np.full(6, 4_000.0)
    said = line.scales.weigh(train, fault.car, "here", times, mass, 0)
    right = good.weigh(train, fault.car, "here", times, mass, 0)
    assert (said[:3] == right[:3]).all()
    off = said[3:] - right[3:]
    shown = {
        "dead": np.isnan(said[3:]).all(), "stuck": len(set(said[3:])) == 1, "jump": (np.abs(off) >= 1_490).all(),
        "implausible": (np.abs(off) > 40_000).all(), "noisy": np.abs(off).max() > 100,
    }  # fmt: skip
    assert shown[kind]
    later = line.scales.weigh(train, fault.car, "later", times + (fault.ends_us - fault.begins_us) + HOUR_US, mass, 0)
    assert (
        later == good.weigh(train, fault.car, "later", times + (fault.ends_us - fault.begins_us) + HOUR_US, mass, 0)
    ).all()


def test_noise_is_half_or_double_as_said() -> None:
    spreads = []
    for noise in (0.5, 1.0, 2.0):
        line = the_line(noise=noise, gain_spread=0.0, tare_spread_kg=0.0, faults_per_day=0.0)
        train = line.line.trains[0]
        times = MORNING_US + np.arange(2_000) * SECOND_US
        spreads.append(np.std(line.scales.weigh(train, 1, "stop", times, np.zeros(2_000), 0)))
    assert spreads[1] / spreads[0] == pytest.approx(2.0, rel=0.05) and spreads[2] / spreads[1] == pytest.approx(
        2.0, rel=0.05
    )
    assert spreads[1] == pytest.approx(130.0, rel=0.1)


def test_those_who_choose_go_where_they_choose() -> None:
    line = the_line()
    trip = next(t for t in line.timetable.trips(MORNING_US, MORNING_US + HOUR_US) if not t.is_empty)
    first = next(
        iter(line.ride(trip).stops(lambda _, __, wanted: np.eye(len(wanted), dtype=np.int64)[0] * wanted.sum()))
    )
    by_themselves = next(iter(line.ride(trip).stops()))
    assert first.left[1:].sum() == max(0, by_themselves.left.sum() - first.left[0])
    assert first.left[0] > by_themselves.left[0]


def test_too_few_trains_for_the_headway_are_refused_with_how_many_are_needed() -> None:
    with pytest.raises(BadSetup, match=r"4 trains every 60 s are not back in time on line 'x'; have \d+ trains"):
        make(headway_s=60.0)


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(BadSetup, match="has 'tares'"):
        make(tares=3)


def test_a_city_without_trains_has_nothing_to_say() -> None:
    simulator = Simulator(ThingGraph(), {"zone": "UTC"}, 1)
    assert simulator.datastreams() == [] and not simulator.step(MORNING_US).rows
    assert simulator.step(MORNING_US + 1).next_us > MORNING_US + 1
