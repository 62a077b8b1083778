"""From the mass of a car to the people in it, against integrals and random draws."""

from math import hypot

import numpy as np
import pytest

from dongne.methods.car_mass import (
    BODY_KG,
    GAIN_SD,
    Person,
    Zero,
    bound_by,
    coldness,
    count_people,
    empty_run,
    let_drift,
    person_mass,
    weigh_empty,
)


def test_empty_weighings_are_the_mean_of_them_where_nothing_drifts() -> None:
    zero = Zero(33_000.0, 300.0**2)
    weighings = np.random.default_rng(3).normal(33_150.0, 100.0, 40)
    for kg in weighings:
        weigh_empty(zero, kg, 100.0)
    precision = 1 / 300.0**2 + 40 / 100.0**2  # conjugate normal, all at once
    assert zero.kg == pytest.approx((33_000.0 / 300.0**2 + weighings.sum() / 100.0**2) / precision, rel=1e-3)
    assert zero.variance_kg2 == pytest.approx(1 / precision, rel=0.1)


def test_one_wild_weighing_moves_the_zero_little_and_two_in_a_row_move_it() -> None:
    zero = Zero(33_000.0, 50.0**2)
    weigh_empty(zero, 36_000.0, 100.0)
    assert zero.kg < 33_100.0
    weigh_empty(zero, 36_000.0, 100.0)
    assert zero.kg == pytest.approx(36_000.0, abs=60.0)


def test_an_empty_run_is_as_sure_as_the_friction_all_its_weighings_share() -> None:
    random = np.random.default_rng(8)
    runs = [list(random.normal(33_000.0 + random.normal(0, 90.0), 130.0, 20)) for _ in range(4_000)]
    found = [empty_run(run, 130.0, 90.0) for run in runs]
    assert np.std([kg for kg, _ in found]) == pytest.approx(found[0][1], rel=0.04)


def test_a_zero_gets_less_sure_as_time_passes() -> None:
    zero = Zero(33_000.0, 10.0**2)
    let_drift(zero, 48.0, 60.0)
    assert zero.variance_kg2 == pytest.approx(10.0**2 + 2 * 60.0**2)


def test_nobody_weighs_less_than_nothing() -> None:
    zero = Zero(33_000.0, 200.0**2)
    bound_by(zero, 32_400.0, 100.0)
    assert (zero.kg, zero.variance_kg2) == (32_650.0, 200.0**2)


def test_a_car_that_is_empty_every_night_keeps_its_zero() -> None:
    zero, random = Zero(33_000.0, 60.0**2), np.random.default_rng(4)
    for kg in random.normal(33_000.0, 100.0, 60):
        bound_by(zero, float(kg), 100.0)
    assert zero.kg > 32_950.0


def test_a_full_car_says_nothing_of_its_zero() -> None:
    zero = Zero(33_000.0, 200.0**2)
    bound_by(zero, 45_000.0, 100.0)
    assert (zero.kg, zero.variance_kg2) == (33_000.0, 200.0**2)


def test_the_uncertainty_of_the_people_is_that_of_random_crowds() -> None:
    random, person, zero = np.random.default_rng(5), Person(68.0, 1.5, 13.0), Zero(33_000.0, 60.0**2)
    n, draws = 150, 20_000
    means = random.normal(68.0, 1.5, draws) * random.normal(1.0, GAIN_SD, draws)
    masses = means * n + random.normal(0, 13.0 * np.sqrt(n), draws) + random.normal(33_000.0, 60.0, draws)
    weighed = masses + random.normal(0, 80.0, draws)
    counted = [count_people(kg, 80.0**2, zero, person) for kg in weighed]
    errors = np.array([one.people for one in counted]) - n
    assert abs(errors.mean()) < 0.1
    assert np.mean([hypot(one.noise_sd, one.lasting_sd) for one in counted]) == pytest.approx(errors.std(), rel=0.02)


def test_there_are_never_fewer_than_none() -> None:
    assert count_people(32_000.0, 80.0**2, Zero(33_000.0, 100.0**2), Person(68.0)).people == 0.0


def test_winter_weighs_more_than_summer_and_the_south_is_turned_round() -> None:
    body = BODY_KG["adults"]
    winter, autumn, summer = (person_mass(body, "commuters", coldness(day)).mean_kg for day in (15, 106, 197))
    assert body < summer < autumn < winter < body + 10.0
    assert autumn == pytest.approx((winter + summer) / 2, abs=0.05)
    assert coldness(197, is_southern=True) == pytest.approx(1.0, abs=1e-3)
