"""Light of the sky and of lamps."""

import pytest

from dongne.methods.photometry import clear_sky_lx, cloud_factor, level_beside_daylight_percent, power_w


def test_twilight_is_within_the_published_ranges() -> None:
    """AMS Glossary of Meteorology: 585-410 lx at sunset, 3.5-2 lx at -6 degrees."""
    assert 410 <= clear_sky_lx(-0.833) <= 585
    assert 2 <= clear_sky_lx(-6.0) <= 3.5


def test_the_sky_never_gets_darker_while_the_sun_rises() -> None:
    sky = [clear_sky_lx(e / 10) for e in range(-300, 901)]
    assert sky == sorted(sky)
    assert sky[-1] == pytest.approx(120_000)


def test_full_cloud_leaves_a_quarter() -> None:
    assert cloud_factor(0.0) == 1.0
    assert cloud_factor(1.0) == pytest.approx(0.25)
    assert cloud_factor(7.0) == pytest.approx(0.25)


def test_a_lamp_adds_less_the_more_the_sky_gives() -> None:
    levels = [level_beside_daylight_percent(30.0, lx, 35.0, 5.0) for lx in (0.0, 1.0, 10.0, 20.0, 34.9, 35.0, 500.0)]
    assert levels == [30.0, 30.0, 25.0, 15.0, 5.0, 0.0, 0.0]


def test_half_the_level_takes_half_the_power() -> None:
    assert power_w(40.0, 50.0) == 20.0
