"""The level filter against the textbook's matrices, and on readings that try to mislead it."""

import random
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dongne.methods.levels import Level, LevelFilter, Seen, early_hours_to_full, hours_to_full


def test_it_equals_the_kalman_filter_in_matrices() -> None:
    chance = random.Random(1)
    filter_ = LevelFilter(gate=1e9, learn=0.0)
    level = filter_.start(20.0)
    x, covariance = np.array([20.0, 0.0]), np.diag([16.0, 4.0])
    truth = 20.0
    for _ in range(200):
        hours = chance.uniform(0.1, 3.0)
        truth += 0.3 * hours
        reading = min(max(truth + chance.gauss(0, 1), 0.0), 95.0)
        q, walk = filter_.q_level(x[1]), filter_.q_rate
        f = np.array([[1.0, hours], [0.0, 1.0]])
        noise = np.array([[q * hours + walk * hours**3 / 3, walk * hours**2 / 2], [walk * hours**2 / 2, walk * hours]])
        x, covariance = f @ x, f @ covariance @ f.T + noise
        gain = covariance[:, 0] / (covariance[0, 0] + 16.0)
        x = x + gain * (reading - x[0])
        covariance = covariance - np.outer(gain, covariance[0])
        x[1] = max(x[1], 0.0)
        filter_.step(level, hours, reading)
        assert [level.percent, level.rate] == pytest.approx(list(x), abs=1e-9)
        assert [level.p11, level.p12, level.p22] == pytest.approx(
            [covariance[0, 0], covariance[0, 1], covariance[1, 1]], abs=1e-9
        )
        if truth > 90:
            break


def _filled(rate: float = 1.0, hours: int = 30, noise: float = 2.0) -> tuple[LevelFilter, Level]:
    chance = random.Random(2)
    filter_ = LevelFilter()
    level = filter_.start(10.0)
    for hour in range(1, hours + 1):
        filter_.step(level, 1.0, 10.0 + rate * hour + chance.gauss(0, noise))
    return filter_, level


def test_one_outlier_moves_nothing() -> None:
    filter_, level = _filled()
    rate = level.rate
    for wrong in (95.0, 0.0):
        assert filter_.step(level, 1.0, wrong) is Seen.ODD
        assert filter_.step(level, 1.0, level.percent + 1.0) is Seen.LEVEL
    assert level.rate == pytest.approx(rate, rel=0.1)


def test_two_agreeing_low_readings_are_a_jump_and_the_rate_stays() -> None:
    filter_, level = _filled()
    rate = level.rate
    assert filter_.step(level, 1.0, 3.0) is Seen.ODD
    assert filter_.step(level, 1.0, 5.0) is Seen.JUMP
    assert level.percent == pytest.approx(4.5, abs=1.0)
    assert level.rate == rate


def test_two_outliers_that_disagree_are_no_jump() -> None:
    filter_, level = _filled()
    assert filter_.step(level, 1.0, 3.0) is Seen.ODD
    assert filter_.step(level, 1.0, 95.0) is Seen.ODD
    assert filter_.step(level, 1.0, level.percent) is Seen.LEVEL


def test_the_rate_is_never_negative_and_a_full_bin_keeps_it() -> None:
    filter_, level = _filled(rate=2.0, hours=45)
    rate = level.rate
    for _ in range(50):
        filter_.step(level, 1.0, 100.0)
    assert level.percent == 100.0
    assert level.rate == pytest.approx(rate, rel=0.5)
    falling = filter_.start(80.0)
    for step in range(100):
        filter_.step(falling, 1.0, 80.0 - 0.5 * step)
        assert falling.rate >= 0.0


@pytest.mark.parametrize("noise", [3.0, 6.0])
def test_the_noise_of_the_sensor_is_learned(noise: float) -> None:
    chance = random.Random(3)
    filter_ = LevelFilter()
    level = filter_.start(20.0)
    for _ in range(2000):
        filter_.step(level, 1.0, 20.0 + chance.gauss(0, noise))
    assert level.noise**0.5 == pytest.approx(noise, rel=0.25)


def test_time_to_full_is_what_is_left_over_the_rate() -> None:
    level = Level(percent=60.0, rate=4.0)
    assert hours_to_full(level, 720.0) == 10.0
    assert hours_to_full(Level(percent=60.0), 720.0) == 720.0


def test_the_early_time_is_the_tenth_percentile_of_simulated_fillings() -> None:
    level = Level(percent=60.0, rate=2.0, p11=4.0, p12=0.05, p22=0.05)
    early = early_hours_to_full(level, 1.0, 1.2816, 720.0)
    chance = np.random.default_rng(4)
    start = chance.multivariate_normal([60.0, 2.0], [[4.0, 0.05], [0.05, 0.05]], 200_000)
    then = start[:, 0] + start[:, 1] * early + chance.normal(0, early**0.5, 200_000)
    assert np.mean(then >= 100.0) == pytest.approx(0.1, abs=0.005)


def test_a_full_bin_has_no_time_left_and_an_unknown_rate_is_bounded() -> None:
    assert early_hours_to_full(Level(percent=100.0), 1.0, 1.28, 720.0) == 0.0
    assert early_hours_to_full(Level(percent=10.0), 0.0, 1.28, 720.0) == 720.0


def test_an_update_is_cheap() -> None:
    filter_, level = _filled()
    best = 1.0
    for _ in range(5):
        start = time.process_time()
        for _ in range(20_000):
            filter_.step(level, 0.1, 41.0)
        best = min(best, (time.process_time() - start) / 20_000)
    print(f"{best * 1e6:.2f} us per update")
    assert best < 10e-6  # a bound for slow machines; it is about 1 us


@given(st.lists(st.tuples(st.floats(0.01, 48.0), st.floats(0.0, 100.0)), min_size=1, max_size=60))
def test_a_level_stays_between_empty_and_full_whatever_is_read(readings: list[tuple[float, float]]) -> None:
    found = LevelFilter()
    level = found.start(100.0)
    for hours, reading in [*readings, (0.4, 100.0), (0.4, 0.0), (0.4, 100.0), (0.4, 100.0), (3.0, 97.0), (0.01, 97.2)]:
        found.step(level, hours, reading)
        assert 0.0 <= level.percent <= 100.0
        assert level.rate >= 0.0
