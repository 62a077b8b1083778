import pytest

from dongne.methods.vital_limits import OutOfLimits, find_out_of_limits, is_plausible


@pytest.mark.parametrize(
    ("key", "value", "low", "high", "wanted"),
    [
        ("oxygen_saturation", 92.0, 92.0, None, None),
        ("oxygen_saturation", 91.9, 92.0, None, OutOfLimits(False, 92.0, False)),
        ("oxygen_saturation", 91.0, 92.0, None, OutOfLimits(False, 92.0, True)),
        ("oxygen_saturation", 89.0, 88.0, None, None),  # chronic lung disease: their own limit is lower
        ("blood_pressure_systolic", 161.0, 95.0, 160.0, OutOfLimits(True, 160.0, False)),
        ("blood_pressure_systolic", 180.0, 95.0, 160.0, OutOfLimits(True, 160.0, True)),
        ("blood_pressure_diastolic", 110.0, None, 100.0, OutOfLimits(True, 100.0, True)),
        ("heart_rate", 40.0, 50.0, 110.0, OutOfLimits(False, 50.0, True)),
        ("glucose", 3.0, 3.9, 13.9, OutOfLimits(False, 3.9, False)),
        ("glucose", 2.9, 3.9, 13.9, OutOfLimits(False, 3.9, True)),
        ("glucose", 25.0, 3.9, 13.9, OutOfLimits(True, 13.9, False)),
        ("body_temperature", 39.1, 35.5, 38.0, OutOfLimits(True, 38.0, True)),
    ],
)
def test_limits_are_the_persons_own_and_grave_is_beyond_both(
    key: str, value: float, low: float | None, high: float | None, wanted: OutOfLimits | None
) -> None:
    assert find_out_of_limits(key, value, low, high) == wanted


def test_what_no_device_measures_can_not_be() -> None:
    assert not is_plausible("oxygen_saturation", 42.0)
    assert not is_plausible("body_weight", 12.0)
    assert is_plausible("blood_pressure_systolic", 210.0)


def test_another_weight_by_far_is_not_this_person() -> None:
    assert not is_plausible("body_weight", 70.0, last=81.0)
    assert is_plausible("body_weight", 72.0, last=81.0)
    assert is_plausible("body_weight", 70.0)


def test_a_lower_pressure_above_the_upper_can_not_be() -> None:
    assert not is_plausible("blood_pressure_diastolic", 120.0, systolic=110.0)
    assert is_plausible("blood_pressure_diastolic", 80.0, systolic=110.0)
