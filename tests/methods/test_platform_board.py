"""What a platform says of each car, and where it sends people."""

from statistics import NormalDist

import pytest

from dongne.methods.crowding_scale import Crowding
from dongne.methods.platform_board import SURE, advise, judge, ranges


def cars(*percents: float) -> list:
    return [judge(position, percent, percent - 5, percent + 5) for position, percent in enumerate(percents, 1)]


def test_a_load_far_from_the_steps_is_sure_and_one_beside_a_step_is_not() -> None:
    assert judge(1, 40, 30, 50).is_sure
    assert not judge(1, 78, 60, 96).is_sure
    assert judge(1, 78, 60, 96).crowding is Crowding.RELAXED


def test_the_probability_is_that_of_the_class_that_is_said() -> None:
    load = NormalDist(120.0, 12.0)
    car = judge(1, 120.0, load.inv_cdf(0.1), load.inv_cdf(0.9))
    assert car.probability == pytest.approx(load.cdf(130) - load.cdf(80), abs=1e-6)
    assert car.is_sure == (car.probability >= SURE)


def test_a_band_that_does_not_hold_the_load_is_widened() -> None:
    assert judge(1, 100.0, 105.0, 120.0).low_percent == 100.0


def test_people_are_sent_to_the_emptiest_cars_and_never_to_one_alone() -> None:
    assert advise(cars(20, 25, 90, 120)) == (1, 2)
    assert advise(cars(20, 60, 90, 120, 130, 140, 150, 160)) == (1, 2)


def test_cars_that_are_alike_are_not_told_apart() -> None:
    assert advise(cars(60, 70, 65, 75)) == ()
    assert advise([]) == ()


def test_the_fullest_car_is_never_advised() -> None:
    assert advise(cars(10, 200)) == (1,)


def test_positions_side_by_side_are_one_stretch() -> None:
    assert ranges((2, 3, 4, 9)) == [(2, 4), (9, 9)]
    assert ranges((1,)) == [(1, 1)]
    assert ranges(()) == []
