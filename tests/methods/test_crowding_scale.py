"""Seoul's four classes, known and probable."""

from statistics import NormalDist

import pytest

from dongne.methods.crowding_scale import Crowding, class_of, class_probabilities, likeliest, to_percent


@pytest.mark.parametrize(
    ("percent", "crowding"),
    [(0, 0), (79.9, 0), (80, 1), (129.9, 1), (130, 2), (149.9, 2), (150, 3), (280, 3)],
)
def test_the_steps_are_seouls(percent: float, crowding: int) -> None:
    assert class_of(percent) is Crowding(crowding)


def test_160_people_are_100_percent() -> None:
    assert to_percent(160.0) == 100.0
    assert to_percent(-3.0) == 0.0
    assert to_percent(116.0, people_at_100=116.0) == 100.0


def test_an_even_band_is_a_normal_distribution() -> None:
    normal = NormalDist(120.0, 20.0)
    found = class_probabilities(120.0, normal.inv_cdf(0.1), normal.inv_cdf(0.9))
    below = [normal.cdf(step) for step in (80, 130, 150)]
    assert found == pytest.approx((below[0], below[1] - below[0], below[2] - below[1], 1 - below[2]), abs=1e-9)
    assert likeliest(found) is Crowding.NORMAL


def test_an_uneven_band_has_half_of_it_on_either_side() -> None:
    found = class_probabilities(130.0, 129.0, 170.0)
    assert found[0] + found[1] == pytest.approx(0.5)
    assert found[0] < 1e-6
    assert sum(found) == pytest.approx(1.0)


def test_a_known_load_is_in_its_class_for_sure() -> None:
    assert class_probabilities(100.0, 100.0, 100.0) == (0.0, 1.0, 0.0, 0.0)
    assert class_probabilities(130.0, 130.0, 130.0) == (0.0, 0.0, 1.0, 0.0)


def test_a_band_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="does not hold"):
        class_probabilities(50.0, 60.0, 70.0)
