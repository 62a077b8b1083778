"""Delays: quantiles as numpy has them, and changes as often as drawing them says."""

import random

import numpy as np
import pytest

from dongne.methods.delays import KEPT, LEAST, DelayBook, Spread, chance_of_change


def test_quantiles_are_those_of_numpy() -> None:
    chance = random.Random(3)
    delays = sorted(chance.gauss(60, 90) for _ in range(137))
    for share in (0.0, 0.1, 0.5, 0.9, 1.0):
        assert Spread(tuple(delays)).quantile(share) == pytest.approx(np.quantile(delays, share))


def test_a_change_holds_as_often_as_drawing_says() -> None:
    chance = random.Random(5)
    arriving, departing = (sorted(chance.gauss(mean, 80) for _ in range(200)) for mean in (90, 30))
    drawn = np.random.default_rng(1)
    pairs = drawn.choice(arriving, 200_000) <= drawn.choice(departing, 200_000) + 60
    assert chance_of_change(arriving, departing, 60) == pytest.approx(pairs.mean(), abs=0.005)


def test_a_change_that_is_sure_and_one_that_is_not() -> None:
    assert chance_of_change([0.0], [0.0], 0) == 1.0
    assert chance_of_change([61.0], [0.0], 60) == 0.0


def test_too_few_delays_say_nothing_and_the_day_speaks_for_an_hour() -> None:
    book = DelayBook()
    for number in range(LEAST - 1):
        book.add("7", 8, float(number))
    assert book.find_spread("7", 8) is None
    book.add("7", 17, 600.0)
    spread, of_this_hour = book.find_spread("7", 8) or (None, None)
    assert (spread and spread.delays_s[-1], of_this_hour) == (600.0, False)
    book.add("7", 8, 5.0)
    spread, of_this_hour = book.find_spread("7", 8) or (None, None)
    assert (spread and spread.delays_s[-1], of_this_hour) == (float(LEAST - 2), True)
    assert book.find_spread("8", 8) is None


def test_old_delays_are_forgotten() -> None:
    book = DelayBook()
    for number in range(KEPT + 10):
        book.add("7", 8, float(number))
    found = book.find_spread("7", 8)
    assert found is not None
    assert (len(found[0].delays_s), found[0].delays_s[0]) == (KEPT, 10.0)
