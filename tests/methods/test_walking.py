"""Speeds and arrivals along a street."""

import pytest

from dongne.methods.walking import Leg, Pace, arrival_window, find_speed_m_s, is_one_person


def test_the_speed_is_distance_by_time() -> None:
    assert find_speed_m_s([Leg(30.0, 20.0)], Pace()) == pytest.approx(1.5)


def test_one_odd_leg_does_not_move_the_estimate() -> None:
    legs = [Leg(30.0, 20.0), Leg(60.0, 41.0), Leg(90.0, 15.0)]
    assert find_speed_m_s(legs, Pace()) == pytest.approx(1.5)


@pytest.mark.parametrize("leg", [Leg(30.0, 3.0), Leg(30.0, 200.0), Leg(30.0, 0.0), Leg(30.0, -5.0), Leg(0.0, 5.0)])
def test_what_nobody_can_have_gone_is_no_speed(leg: Leg) -> None:
    assert not is_one_person(leg, Pace())
    assert find_speed_m_s([leg], Pace()) is None


def test_an_arrival_may_be_earlier_and_later() -> None:
    window = arrival_window(60.0, 1.5)
    assert window.early_s < 40.0 < window.late_s
