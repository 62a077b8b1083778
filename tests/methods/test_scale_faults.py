"""Faulty scales are found within three stops, others are not, and who is well again is believed."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from dongne.methods.scale_faults import (
    FAULTS,
    Scales,
    Stop,
    deviation,
    expect,
    find_leap,
    learn_shares,
    look_for_fault,
)

CARS, STOPS, FAULTY = 10, 8, 3


@dataclass
class Train:
    """A train that runs up and down a line of STOPS; each stop has its own shares."""

    seed: int
    noise: float = 2.0
    scales: list[Scales] = field(default_factory=lambda: [Scales() for _ in range(CARS)])
    shares: list[list[int]] = field(default_factory=lambda: [[] for _ in range(STOPS)])
    found: list[tuple[int, int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.usual = np.exp(self.random.normal(0, 0.35, (STOPS, CARS)))
        self.number = 0
        self.fault_before = ""

    def run(self, stops: int, fault: str = "") -> None:
        for _ in range(stops):
            self.stop(fault)

    def stop(self, fault: str) -> None:
        here = self.number % STOPS
        load = self.random.uniform(20, 150) * np.exp(self.random.normal(0, 0.15, CARS))
        people = np.maximum(self.random.poisson(load * self.usual[here]) + self.random.normal(0, self.noise, CARS), 0)
        seen = [Stop(7, 0, 600.0, abs(self.random.normal(120, 40)) + 10, float(x), self.noise) for x in people]
        seen[FAULTY] = self._spoilt(seen[FAULTY], fault)
        values = [stop.people for stop in seen]
        believed = [not one.fault for one in self.scales]
        for car, scales in enumerate(self.scales):
            expected = expect(values, self.shares[here] or [1_000] * CARS, believed, car)
            before = scales.fault
            others = [stop for i, stop in enumerate(seen) if i != car]
            if look_for_fault(scales, seen[car], others, expected) != before:
                self.found.append((self.number, car, scales.fault))
        still = [not one.fault and not one.sign for one in self.scales]
        self.shares[here] = learn_shares(self.shares[here], values, still, self.number // STOPS)
        self.number += 1

    def _spoilt(self, stop: Stop, fault: str) -> Stop:
        leap_kg = 4_200.0 if fault == "jumped" and self.fault_before != fault else 0.0
        self.fault_before = fault
        return {
            "": stop,
            "dead": Stop(0, 0, 0.0, None, math.nan, 0.0),
            "stuck": Stop(7, 0, 0.0, 0.0, 60.0, self.noise),
            "implausible": Stop(7, 6, 600.0, 120.0, 900.0, self.noise),
            "noisy": Stop(7, 0, 2_000.0, 800.0, stop.people, self.noise),
            "jumped": Stop(7, 0, 600.0, 120.0, stop.people + 60.0, self.noise, leap_kg),
        }[fault]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("seed", range(4))
def test_a_fault_is_found_within_three_stops_and_is_over_when_it_heals(fault: str, seed: int) -> None:
    train = Train(seed)
    train.run(6 * STOPS)
    train.found.clear()
    begun = train.number
    train.run(12, fault)
    mine = [(number, name) for number, car, name in train.found if car == FAULTY]
    assert [name for _, name in mine] == [fault]
    assert mine[0][0] <= begun + 2  # the third stop
    train.run(5)
    assert [name for _, car, name in train.found if car == FAULTY] == [fault, ""]


def test_hardly_any_scales_are_found_faulty_that_are_not() -> None:
    false, judged = 0, 0
    for seed in range(10):
        train = Train(100 + seed, noise=4.0)
        train.run(30 * STOPS)
        false += sum(bool(name) for _, _, name in train.found)
        judged += train.number * CARS
    assert false / judged < 1 / 5_000


def test_the_balance_is_that_of_the_other_cars() -> None:
    people, shares = [50.0, 100.0, math.nan, 30.0], [100, 200, 150, 60]
    assert expect(people, shares, [True, True, False, True], 2) == pytest.approx(150 / 360 * 180.0)
    assert expect(people, shares, [True, True, False, False], 0) == pytest.approx(100 / 200 * 100.0)
    assert expect(people, shares, [True, False, False, False], 0) is None


def test_shares_add_up_and_leave_who_is_not_believed() -> None:
    known = learn_shares([], [10.0, 30.0, math.nan, 40.0], [True, True, False, True], 0)
    assert known[2] == 2_500
    assert sum(known) == pytest.approx(10_000, abs=20)
    for stops in range(60):
        known = learn_shares(known, [10.0, 30.0, math.nan, 40.0], [True, True, False, True], stops)
    assert known[0] / known[3] == pytest.approx(0.25, rel=0.05)


def test_a_nearly_empty_train_teaches_no_shares() -> None:
    assert learn_shares([4_000, 6_000], [3.0, 0.0], [True, True], 5) == [4_000, 6_000]


def test_a_car_that_is_always_odd_is_not_faulty() -> None:
    scales, stop = Scales(), Stop(7, 0, 500.0, 100.0, 80.0, 2.0)
    assert deviation(scales, 80.0, 2.0, 100.0) == pytest.approx(-20.0 / math.hypot(35.0, 10.0, 2.0, 2.0))
    for _ in range(40):
        assert look_for_fault(scales, stop, [stop] * 9, 110.0) == ""


def test_a_leap_is_more_than_can_pass_the_doors() -> None:
    doors_kg_s, noise_kg = 560.0, 200.0
    assert find_leap([(2_500.0, 1.0)], noise_kg, doors_kg_s) == 2_500.0  # the doors had just opened
    assert find_leap([(2_500.0, 5.0)], noise_kg, doors_kg_s) == 0.0  # so many may get in
    assert find_leap([(-6_000.0, 5.0), (300.0, 5.0)], noise_kg, doors_kg_s) == -6_000.0
    assert find_leap([(9_000.0, 0.0), (-8_900.0, 5.0)], noise_kg, doors_kg_s) == 0.0  # one wild weighing
    assert find_leap([], noise_kg, doors_kg_s) == 0.0


def test_a_car_that_is_crowded_for_a_whole_trip_is_not_faulty() -> None:
    """Its people came through the doors."""
    scales, others = Scales(), [Stop(7, 0, 600.0, 120.0, 40.0, 2.0)] * 9
    for _ in range(20):
        assert look_for_fault(scales, Stop(7, 0, 600.0, 120.0, 160.0, 2.0), others, 40.0) == ""


def test_a_car_lighter_than_empty_has_jumped() -> None:
    scales, others = Scales(), [Stop(7, 0, 600.0, 120.0, 3.0, 2.0)] * 2
    found = [look_for_fault(scales, Stop(7, 0, 600.0, 120.0, -25.0, 2.0), others, None) for _ in range(2)]
    assert found == ["", "jumped"]


def test_a_car_that_seems_full_where_everybody_left_the_others_has_jumped() -> None:
    others = [Stop(7, 0, 600.0, 120.0, 1.0, 2.0)] * 9
    assert look_for_fault(Scales(), Stop(7, 0, 600.0, 120.0, 40.0, 2.0, left_over=40.0), others, None) == "jumped"
    assert look_for_fault(Scales(), Stop(7, 0, 600.0, 120.0, 12.0, 2.0, left_over=12.0), others, None) == ""


def test_a_leap_back_ends_what_the_leap_began() -> None:
    scales, others = Scales(), [Stop(7, 0, 600.0, 120.0, 40.0, 2.0)] * 9
    for leap_kg, people in ((4_000.0, 97.0), (-4_000.0, 41.0), (0.0, 40.0), (0.0, 40.0)):
        assert look_for_fault(scales, Stop(7, 0, 600.0, 120.0, people, 2.0, leap_kg), others, 40.0) == ""


def test_a_leap_that_stays_is_a_jump_however_crowded_the_car_was() -> None:
    """It was fuller than usual and lost by its scales what makes it as full as the others."""
    scales, others = Scales(), [Stop(7, 0, 600.0, 120.0, 80.0, 2.0)] * 9
    found = [
        look_for_fault(scales, Stop(7, 0, 600.0, 120.0, 80.0, 2.0, leap_kg), others, 80.0)
        for leap_kg in (-4_500.0, 0.0)
    ]
    assert found == ["", "jumped"]


def test_people_who_leave_all_at_once_are_no_leap() -> None:
    """Neither those of one car, which then weighs what it does empty, nor those of most cars."""
    emptied, others = Stop(7, 0, 600.0, 120.0, 2.0, 2.0, -4_500.0), [Stop(7, 0, 600.0, 120.0, 1.0, 2.0)] * 9
    alone = Scales()
    assert [look_for_fault(alone, one, others, 1.0) for one in (emptied, others[0])] == ["", ""]
    left, all_left = Stop(7, 0, 600.0, 120.0, 40.0, 2.0, -4_500.0), [Stop(7, 0, 600.0, 120.0, 40.0, 2.0, -4_000.0)] * 9
    together = Scales()
    assert [look_for_fault(together, left, all_left, 40.0) for _ in range(2)] == ["", ""]


def test_one_wild_stop_is_no_noise_and_two_are() -> None:
    """The second need not be as wild; the fault lasts until the scales are as quiet as the others."""
    others = [Stop(7, 0, 600.0, 100.0, 40.0, 2.0)] * 9
    for noises_kg, expected in (
        ((900.0, 120.0), ["", ""]),
        ((500.0, 200.0), ["", "noisy"]),
        ((500.0, 400.0, 210.0, 210.0, 210.0, 210.0), ["", *["noisy"] * 5]),
    ):
        scales = Scales()
        found = [look_for_fault(scales, Stop(7, 0, 600.0, kg, 40.0, 2.0), others, 40.0) for kg in noises_kg]
        assert found == expected
