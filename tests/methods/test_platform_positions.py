"""Which position of a platform each car of a train meets."""

import pytest

from dongne.methods.platform_positions import position_of


def test_a_train_as_long_as_the_platform_meets_all_positions_from_either_end() -> None:
    assert [position_of(car, 10, 10, 0) for car in range(1, 11)] == list(range(1, 11))
    assert [position_of(car, 10, 10, 1) for car in range(1, 11)] == list(range(10, 0, -1))


def test_a_shorter_train_stops_in_the_middle() -> None:
    assert [position_of(car, 6, 10, 0) for car in range(1, 7)] == [3, 4, 5, 6, 7, 8]
    assert [position_of(car, 6, 10, 1) for car in range(1, 7)] == [8, 7, 6, 5, 4, 3]


def test_what_can_not_be_halved_is_behind_the_train() -> None:
    assert [position_of(car, 3, 6, 0) for car in (1, 2, 3)] == [2, 3, 4]
    assert [position_of(car, 3, 6, 1) for car in (1, 2, 3)] == [5, 4, 3]


@pytest.mark.parametrize(("car", "cars", "positions"), [(0, 6, 10), (7, 6, 10), (1, 12, 10)])
def test_a_car_that_is_not_there_is_refused(car: int, cars: int, positions: int) -> None:
    with pytest.raises(ValueError, match=f"car {car} of {cars}"):
        position_of(car, cars, positions, 0)
