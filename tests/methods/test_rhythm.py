"""What is usual, against numpy's medians, and on weeks that are not usual."""

import random
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from dongne.methods.rhythm import (
    HOURS_OF_WEEK,
    MEMORY,
    Rhythm,
    find_usual,
    hour_of_week,
    hours_of_week,
    learn,
    week_until,
)

HELSINKI = ZoneInfo("Europe/Helsinki")


def hour(*at: int) -> int:
    return int(datetime(*at, tzinfo=UTC).timestamp()) // 3600  # type: ignore[arg-type, misc]


def test_the_hour_of_the_week_is_local() -> None:
    assert hour_of_week(hour(2026, 3, 2, 6), HELSINKI) == 8  # Monday 8 o'clock
    assert hour_of_week(hour(2026, 7, 5, 22), HELSINKI) == 1  # Monday 1 o'clock in summer time


@pytest.mark.parametrize("month", [1, 3, 4, 10, 11])
def test_the_week_before_is_right_also_over_a_change_of_clocks(month: int) -> None:
    for day in (1, 27, 28):
        last = hour(2026, month, day, 5)
        assert week_until(last, HELSINKI) == [hour_of_week(h, HELSINKI) for h in range(last - 167, last + 1)]
        assert week_until(last, HELSINKI) == hours_of_week(last - 167, 168, HELSINKI).tolist()


def test_usual_is_the_median_of_the_last_eight_weeks() -> None:
    chance, rhythm = random.Random(1), Rhythm()
    counts = [float(chance.randint(50, 150)) for _ in range(20)]
    for count in counts:
        learn(rhythm, 30, count)
    usual = find_usual(rhythm, 30)
    assert usual is not None
    assert usual.root == pytest.approx(float(np.median(np.sqrt(counts[-MEMORY:]))), abs=0.01)


def test_three_holidays_in_eight_weeks_do_not_move_it_far() -> None:
    chance, rhythm = random.Random(2), Rhythm()
    for week in range(8):
        learn(rhythm, 30, 15.0 if week in (2, 3, 7) else chance.gauss(400, 20))
    usual = find_usual(rhythm, 30)
    assert usual is not None
    assert usual.value == pytest.approx(400, rel=0.08)


def test_usual_follows_a_change_that_stays_within_five_weeks() -> None:
    rhythm = Rhythm()
    for week in range(13):
        learn(rhythm, 30, 100.0 if week < 8 else 300.0)
    usual = find_usual(rhythm, 30)
    assert usual is not None
    assert usual.value == pytest.approx(300, rel=0.01)


def test_an_hour_not_seen_yet_is_judged_by_days_of_its_class() -> None:
    rhythm = Rhythm()
    assert find_usual(rhythm, 8) is None
    for day in range(3):
        learn(rhythm, day * 24 + 8, 100.0)
    thursday, saturday = find_usual(rhythm, 3 * 24 + 8), find_usual(rhythm, 5 * 24 + 8)
    assert thursday is not None and thursday.value == pytest.approx(100.0, rel=0.01)
    assert saturday is None


def test_z_of_counts_that_scatter_like_poisson_is_near_the_normal() -> None:
    chance, rhythm = np.random.default_rng(3), Rhythm()
    found = []
    for week in range(40):
        for slot in range(HOURS_OF_WEEK):
            count = float(chance.poisson(200 if slot % 24 > 7 else 20))
            usual = find_usual(rhythm, slot)
            if usual is not None and week >= 20:
                found.append(usual.z(count))
            learn(rhythm, slot, count)
    assert np.std(found) == pytest.approx(1.0, abs=0.15)
    assert np.mean(np.abs(found) > 3) < 0.01
