"""The simulated night: the same for the same seed, from whatever instant it goes on."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from dongne.model.entities import Location, Relation, Thing, put
from dongne.model.errors import BadSetup
from dongne.model.graph import ThingGraph
from dongne.model.properties import LIGHT_LEVEL
from dongne.model.tasks import Task
from dongne.model.times import from_us, to_us
from dongne.runtime.simulate import SimulatedRow
from dongne.services.lamp_ahead.simulate import Simulator

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
EVENING = to_us(datetime.fromisoformat("2026-11-22T17:30:00+00:00"))
RANGES = {"presence": (0, 1), "light_level": (0, 100), "illuminance": (0, 200_000), "precipitation": (0, 500)}


def street(lamps: int = 30) -> ThingGraph:
    graph = ThingGraph()
    for n in range(1, lamps + 1):
        point = {"type": "Point", "coordinates": [24.94 + n * 30 / 55_400, 60.17]}
        graph.apply([put(Location(id=n, name="", location=point))])
        graph.apply([put(Thing(id=n, name=f"lamp {n}", properties={"kind": "street_lamp"}, location_ids=(n,)))])
        if n > 1:
            for i, (a, b) in enumerate(((n - 1, n), (n, n - 1))):
                graph.apply([put(Relation(id=2 * n + i, kind="next_lamp", from_id=a, to_id=b, distance_m=30.0))])
    return graph


def run(simulator: Simulator, start_us: int, end_us: int, step_us: int) -> list[SimulatedRow]:
    simulator.step(start_us)
    rows: list[SimulatedRow] = []
    for now_us in range(start_us + step_us, end_us + 1, step_us):
        rows += simulator.step(now_us).rows
    return sorted(rows, key=lambda r: (r.time_us, r.thing, r.property, r.value))


def make(seed: int = 1, **parameters: Any) -> Simulator:
    given: Mapping[str, Any] = {"zone": "Europe/Helsinki", **parameters}
    return Simulator(street(), given, seed)


def test_the_same_seed_gives_the_same_night_in_steps_of_any_length() -> None:
    by_minute = run(make(), EVENING, EVENING + 2 * HOUR_US, 60 * SECOND_US)
    assert by_minute == run(make(), EVENING, EVENING + 2 * HOUR_US, HOUR_US // 4)
    assert by_minute != run(make(2), EVENING, EVENING + 2 * HOUR_US, HOUR_US // 4)


def test_a_simulator_started_in_the_middle_goes_on_with_the_same_values() -> None:
    middle = EVENING + HOUR_US
    whole = run(make(), EVENING, EVENING + 2 * HOUR_US, 60 * SECOND_US)
    assert run(make(), middle, EVENING + 2 * HOUR_US, 60 * SECOND_US) == [r for r in whole if r.time_us > middle]


def test_rows_are_of_its_streams_in_their_ranges_and_of_the_step() -> None:
    simulator = make()
    streams = {(s.thing, s.property.key) for s in simulator.datastreams()}
    rows = run(simulator, EVENING, EVENING + 6 * HOUR_US, HOUR_US)
    assert {row.property for row in rows} == set(RANGES)
    assert {(row.thing, row.property) for row in rows} <= streams
    assert all(RANGES[row.property][0] <= row.value <= RANGES[row.property][1] for row in rows)
    assert all(EVENING < row.time_us <= EVENING + 6 * HOUR_US for row in rows)
    assert simulator.datastreams() == make().datastreams()


def test_people_pass_lamp_by_lamp_at_their_speed() -> None:
    people = make(missed_share=0.0).people
    passings = people.passings(EVENING, EVENING + 2 * HOUR_US)
    walks = {p.walk for p in passings}
    assert len(walks) > 20
    for walk in walks:
        way = [p for p in passings if p.walk == walk]
        for one, other in pairwise(way):
            speed = 30.0 / ((other.at_us - one.at_us) / SECOND_US)
            assert abs(one.thing - other.thing) == 1
            assert 0.49 <= speed <= 6.01


def test_a_sensor_says_clear_only_when_nobody_is_left() -> None:
    simulator = make(missed_share=0.0, walkers_per_hour=600.0)
    rows = run(simulator, EVENING, EVENING + HOUR_US, 60 * SECOND_US)
    passings = simulator.people.passings(EVENING - HOUR_US, EVENING + 2 * HOUR_US)
    cleared = [row for row in rows if row.property == "presence" and row.value == 0.0]
    assert cleared
    for row in cleared:
        assert not any(p.thing == row.thing and p.from_us < row.time_us < p.until_us for p in passings)


def test_a_lamp_carries_out_an_order_within_two_seconds_and_then_says_so() -> None:
    simulator = make(silent_share=0.0)
    simulator.step(EVENING)
    rows = simulator.step(EVENING + 3 * SECOND_US, [_order(7, EVENING + SECOND_US // 2, 40.0)]).rows
    [answer] = [r for r in rows if r.thing == 7 and r.property == "light_level"]
    assert answer.value == 40.0
    assert 0.7 <= (answer.time_us - EVENING) / SECOND_US <= 2.5
    later = simulator.step(EVENING + 3600 * SECOND_US).rows
    assert {r.value for r in later if r.thing == 7 and r.property == "light_level"} == {40.0}


def test_a_silent_lamp_never_answers() -> None:
    simulator = make(silent_share=1.0)
    simulator.step(EVENING)
    rows = simulator.step(EVENING + HOUR_US, [_order(7, EVENING + SECOND_US, 40.0)]).rows
    assert not [r for r in rows if r.property == "light_level"]


def test_it_is_dark_at_midnight_and_bright_at_noon() -> None:
    sky = make().sky
    noon, midnight = (to_us(datetime.fromisoformat(f"2026-06-21T{h}:00:00+00:00")) for h in ("10", "22"))
    assert sky.illuminance_lx(1, noon) > 5_000
    assert sky.illuminance_lx(1, midnight) < 60  # Helsinki's midsummer night is no darker than twilight
    assert max(sky.rain_mm_h(noon + h * HOUR_US // 4) for h in range(4 * 24 * 7)) > 0


def test_an_unknown_parameter_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadSetup, match=r"'walkers'; parameters: walkers_per_hour"):
        make(walkers=3)


def _order(thing: int, at_us: int, percent: float) -> Task:
    at = from_us(at_us)
    return Task(
        id=1, key=f"order {thing}", thing=thing, capability=LIGHT_LEVEL.key, state="created", created=at, changed=at,
        parameters={"value": percent},
    )  # fmt: skip
