"""The simulated sensors: the same every time, noisy as said, emptied, and sometimes silent."""

from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from dongne.model.entities import Thing
from dongne.model.graph import ThingGraph
from dongne.runtime.simulate import SimulatedRow
from dongne.services.smart_bins.simulate import DAY_US, HOUR_US, WEEK_US, Simulator

START_US = 1_790_000_000_000_000
PARAMETERS: dict[str, Any] = {
    "zone": "Europe/Helsinki", "interval_min": [20.0, 30.0], "noise_percent": 2.0, "echo_share": 0.01,
    "lost_share": 0.02, "silent_share": 0.2, "silent_days": [0.5, 2.5], "days_to_full": [1.2, 6.0],
    "emptied_hour": [5.0, 9.0], "missed_share": 0.1,
}  # fmt: skip


class Emptied(NamedTuple):
    local_us: int
    before_percent: float
    after_percent: float


def make(count: int = 20, seed: int = 7, **more: Any) -> Simulator:
    things = [
        Thing(id=n, name=f"basket {n}", properties={"kind": "waste_basket", "source_id": f"osm:node/{n}"})
        for n in range(1, count + 1)
    ]
    return Simulator(ThingGraph([*things, Thing(id=999, name="lamp")]), {**PARAMETERS, **more}, seed)


def rows(simulator: Simulator, until_us: int, step_us: int, start_us: int = START_US) -> list[SimulatedRow]:
    simulator.step(start_us)
    found: list[SimulatedRow] = []
    for now_us in range(start_us + step_us, until_us + 1, step_us):
        found += simulator.step(now_us).rows
    return found


def test_the_first_step_only_sets_the_mark() -> None:
    step = make().step(START_US)
    assert not step.rows
    assert START_US < step.next_us < START_US + HOUR_US


def test_each_basket_has_a_stream_and_other_things_have_none() -> None:
    streams = make(5).datastreams()
    assert [s.thing for s in streams] == [1, 2, 3, 4, 5]
    assert all("interval_min" in s.parameters for s in streams)


def test_the_same_rows_come_whatever_the_steps_and_after_a_new_start() -> None:
    until_us = START_US + 2 * DAY_US
    whole = rows(make(), until_us, 2 * DAY_US)
    assert sorted(rows(make(), until_us, HOUR_US // 4), key=lambda r: (r.time_us, r.thing)) == whole
    late = rows(make(), until_us, DAY_US, START_US + DAY_US)
    assert late == [row for row in whole if row.time_us > START_US + DAY_US]


def test_another_seed_gives_other_values() -> None:
    until_us = START_US + DAY_US
    assert rows(make(), until_us, DAY_US) != rows(make(seed=8), until_us, DAY_US)


def test_levels_rise_are_emptied_and_stay_in_range() -> None:
    calm = make(40, noise_percent=0.01, echo_share=0.0, lost_share=0.0, silent_share=0.0)
    found = rows(calm, START_US + 3 * WEEK_US, DAY_US)
    full = 0
    for thing in range(1, 41):
        levels = [row.value for row in found if row.thing == thing]
        assert all(0.0 <= level <= 100.0 for level in levels)
        steps = [b - a for a, b in pairwise(levels)]
        emptyings = sum(step < -5.0 for step in steps)
        assert 2 <= emptyings <= 21
        assert sum(-5.0 <= step < -0.2 for step in steps) == 0  # nothing but an emptying lowers the level
        full += max(levels) > 90.0
    assert full > 5


def test_readings_come_every_20_to_30_minutes_with_few_lost() -> None:
    found = rows(make(40, silent_share=0.0), START_US + WEEK_US, DAY_US)
    for thing in range(1, 41):
        times = [row.time_us for row in found if row.thing == thing]
        gaps = sorted(b - a for a, b in pairwise(times))
        assert 18 * 60e6 < gaps[len(gaps) // 2] < 32 * 60e6
        assert gaps[0] > 17 * 60e6
    expected = sum(WEEK_US / (s.parameters["interval_min"] * 60e6) for s in make(40).datastreams())
    assert len(found) / expected == pytest.approx(0.98, abs=0.01)


def test_some_sensors_fall_silent_for_half_a_day_or_more() -> None:
    found = rows(make(40), START_US + 4 * WEEK_US, DAY_US)
    silent = 0
    for thing in range(1, 41):
        times = [row.time_us for row in found if row.thing == thing]
        silent += max(b - a for a, b in pairwise(times)) > 11 * HOUR_US
    assert 2 <= silent <= 16


def test_with_real_collections_the_level_runs_between_theirs_and_they_repeat() -> None:
    day = START_US // DAY_US
    collections = [
        Emptied((day + n) * DAY_US + 7 * HOUR_US, before, 0.0)
        for n, before in zip(range(0, 22, 3), (60, 40, 80, 64, 20, 72, 48, 0), strict=True)
    ]
    calm = make(
        1, noise_percent=0.01, echo_share=0.0, lost_share=0.0, silent_share=0.0, collections={"site": collections}
    )
    parameters = calm.datastreams()[0].parameters
    assert (parameters["emptied_like"], parameters["repeated_weeks"]) == ("site", 3)
    levels = [row.value for row in rows(calm, START_US + 22 * DAY_US, DAY_US)]
    peaks = [a for a, b in pairwise(levels) if b < a - 5.0]
    assert peaks == pytest.approx([40, 80, 64, 20, 72, 48, 60], abs=2.0)
