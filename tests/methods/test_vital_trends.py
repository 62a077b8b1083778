"""Each rule against figures worked out by hand, or against scipy."""

import random

import pytest
from scipy.stats import kendalltau, norm, theilslopes

from dongne.methods.vital_trends import Day, find_drift, find_home_mean, gain_within, kendall_z, note_reading


def days(*values: float, first: int = 1, count: int = 1) -> list[Day]:
    return [Day(first + at, value * count, count) for at, value in enumerate(values)]


def test_readings_of_a_day_are_one_day_and_old_days_are_let_go() -> None:
    kept: list[Day] = []
    for day, value in [(1, 80.0), (1, 82.0), (2, 90.0), (1, 84.0), (29, 70.0)]:
        note_reading(kept, day, value)
    assert [(one.day, one.mean, one.count) for one in kept] == [(2, 90.0, 1), (29, 70.0, 1)]


def test_a_reading_of_an_earlier_day_joins_that_day_or_none() -> None:
    kept = days(10.0, 20.0, first=5)
    note_reading(kept, 5, 12.0)
    note_reading(kept, 3, 99.0)
    assert [(one.day, one.mean) for one in kept] == [(5, 11.0), (6, 20.0)]


def test_the_weeks_mean_leaves_the_first_day_out() -> None:
    # by hand: 150, then six days of two readings 130 and 134: (6 * 264) / 12 = 132
    week = [Day(1, 300.0, 2), *(Day(day, 264.0, 2) for day in range(2, 8))]
    assert find_home_mean(week, 7) == (132.0, 12)


def test_the_weeks_mean_weighs_readings_and_not_days() -> None:
    # by hand: (3 * 120 + 9 * 140) / 12 = 135, the first day of one reading is not in it
    assert find_home_mean([Day(1, 100.0, 1), Day(2, 360.0, 3), Day(3, 1260.0, 9)], 3) == (135.0, 12)


@pytest.mark.parametrize("week", [days(140.0, 140.0, count=9), days(*[140.0] * 5, count=2), days(*[140.0] * 7)])
def test_too_few_readings_or_days_have_no_mean(week: list[Day]) -> None:
    assert find_home_mean(week, week[-1].day) is None


def test_days_before_the_week_are_not_in_its_mean() -> None:
    kept = [Day(1, 400.0, 2), *(Day(day, 260.0, 2) for day in range(9, 16))]
    assert find_home_mean(kept, 15) == (130.0, 12)


def test_gains_are_from_the_lowest_day_of_those_asked_for() -> None:
    kept = days(70.0, 71.0, 70.5, 72.0)  # days 1 to 4
    assert gain_within(kept, 5, 73.0, 1) == pytest.approx(1.0)
    assert gain_within(kept, 5, 73.0, 3) == pytest.approx(2.5)
    assert gain_within(kept, 9, 73.0, 3) is None


def test_a_drift_is_the_median_slope_over_the_days() -> None:
    chance = random.Random(1)
    values = [64.0 + 0.75 * day + chance.uniform(-2, 2) for day in range(20)]
    values[7] = 150.0  # one wild day leaves it standing
    found = find_drift(days(*values))
    assert found is not None and found.days == 19
    assert found.change == pytest.approx(theilslopes(values, range(20)).slope * 19)


def test_chance_is_no_drift() -> None:
    chance = random.Random(2)
    found = [find_drift(days(*(chance.gauss(70, 5) for _ in range(28)))) for _ in range(500)]
    assert sum(one is not None for one in found) <= 12  # 1 % of 500 is 5; 12 is past its 99.9 % quantile


def test_few_days_have_no_drift() -> None:
    assert find_drift(days(*range(13))) is None
    assert find_drift(days(*range(14))) is not None


@pytest.mark.parametrize("ties", [False, True])
def test_the_order_is_tested_as_kendall_has_it(ties: bool) -> None:
    chance = random.Random(3)
    values = [chance.randint(0, 6) + at / 4 * (not ties) for at in range(24)]
    tau = kendalltau(range(24), values, variant="b", method="asymptotic")
    z = kendall_z(values)
    # scipy has no correction for continuity: with it z is less by 1/s of its distance to 0
    s = sum((b > a) - (b < a) for at, a in enumerate(values) for b in values[at + 1 :])
    uncorrected = z * s / (s - (1 if s > 0 else -1))

    assert 2 * norm.sf(abs(uncorrected)) == pytest.approx(tau.pvalue, rel=1e-6)


def test_equal_values_have_no_order() -> None:
    assert kendall_z([5.0] * 20) == 0.0
