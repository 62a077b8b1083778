"""Fire by hand: what two signs together say, and what one alone does not; NIST's fires where the data are there."""

from math import log10
from pathlib import Path

import numpy as np
import pytest
from bench._care_fire import count_nuisances, read_fires

from dongne.methods.fire_series import Raised, Rule, Sign, find_fire, find_fire_of_home, optical_density_per_m
from dongne.model.errors import BadInput

TIME = np.arange(0.0, 600.0, 2.0)
NONE = np.zeros_like(TIME)


def ramp(start_s: float, per_s: float, most: float) -> np.ndarray:
    """0 until `start_s`, then growing up to `most`."""
    return np.clip((TIME - start_s) * per_s, 0, most)


def test_smoke_with_heat_is_a_fire_from_the_second_reading_on() -> None:
    """By hand: smoke reaches 0.02 at 102 s (0.001 each 2 s from 62 s), the rise 8 K at 116 s (1 K each 2 s from 100 s); held one reading: 118 s."""
    smoke, heat = ramp(62, 0.0005, 0.1), 21 + ramp(100, 0.5, 20)
    assert find_fire(TIME, smoke, heat) == Raised(118.0, Sign.SMOKE_AND_HEAT)


def test_thin_smoke_alone_or_a_warm_kitchen_alone_is_none() -> None:
    assert find_fire(TIME, smoke_per_m=ramp(60, 0.01, 0.1)) is None
    assert find_fire(TIME, ramp(60, 0.01, 0.1), 21 + ramp(60, 0.1, 5), ramp(60, 1, 10)) is None
    assert find_fire(TIME, NONE, 21 + ramp(60, 0.5, 20)) is None


def test_smoke_with_carbon_monoxide_is_a_smouldering_fire() -> None:
    raised = find_fire(TIME, ramp(60, 0.001, 0.05), np.full_like(TIME, 21.0), 3 + ramp(200, 0.5, 60))
    assert raised == Raised(252.0, Sign.SMOKE_AND_CO)


def test_dense_smoke_counts_alone_only_if_it_stays() -> None:
    stays = np.where(TIME >= 100, 0.3, 0.0)
    assert find_fire(TIME, stays) == Raised(160.0, Sign.DENSE_SMOKE)
    assert find_fire(TIME, np.where((TIME >= 100) & (TIME < 150), 0.3, 0.0)) is None


def test_heat_alone_counts_at_the_bound_of_heat_detectors() -> None:
    assert find_fire(TIME, temperature_c=21 + ramp(100, 0.5, 60)) == Raised(174.0, Sign.HEAT)


def test_a_single_reading_is_never_believed() -> None:
    smoke, heat = NONE.copy(), np.full_like(TIME, 21.0)
    smoke[100], heat[100] = 1.0, 90.0
    assert find_fire(TIME, smoke, heat) is None


def test_a_dirty_chamber_and_a_hot_summer_are_usual() -> None:
    assert find_fire(TIME, np.full_like(TIME, 0.05), np.full_like(TIME, 38.0)) is None


def test_a_slow_day_is_no_rise() -> None:
    """30 K in five hours: 1 K in ten minutes."""
    day = np.arange(0.0, 18_000.0, 10.0)
    assert find_fire(day, np.linspace(0, 0.01, len(day)), 10 + day / 600) is None


def test_missing_samples_and_sensors_do_not_hide_a_fire() -> None:
    smoke, heat = ramp(62, 0.0005, 0.1), 21 + ramp(100, 0.5, 20)
    heat[1::2] = np.nan
    raised = find_fire(TIME, smoke, heat, np.full_like(TIME, np.nan))
    assert raised is not None
    assert raised.at_s <= 124
    assert find_fire(TIME) is None
    assert find_fire([], [], [], []) is None


def test_the_first_place_speaks_for_the_home() -> None:
    late, early = Raised(90.0, Sign.HEAT), Raised(40.0, Sign.SMOKE_AND_HEAT)
    assert find_fire_of_home([late, None, early]) == early
    assert find_fire_of_home([None]) is None


def test_obscuration_becomes_optical_density() -> None:
    """By hand: -log10(0.96) / 0.3048 m."""
    assert optical_density_per_m(4, 0.3048) == pytest.approx(-log10(0.96) / 0.3048) == pytest.approx(0.0582, abs=1e-4)
    with pytest.raises(BadInput, match="100 %"):
        optical_density_per_m(100, 1)


def test_series_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInput, match="299"):
        find_fire(TIME, NONE[1:])
    with pytest.raises(BadInput, match="ascends"):
        find_fire(TIME[::-1], NONE)


def test_each_fire_of_nist_is_raised_no_later_than_the_median_of_its_alarms(data_folder: Path) -> None:
    fires = read_fires(data_folder)
    assert len(fires) == 8
    late = [(f.name, f.home, f.median_s) for f in fires if f.home is None or f.home.at_s > f.median_s]
    assert late == []


def test_few_simulated_nuisances_raise_a_fire() -> None:
    for kind, most in (("cooking", 0.02), ("steam", 0.04), ("dust", 0.04)):
        raised, plain, of = count_nuisances(kind, events=300)
        assert raised / of <= most
        assert plain > raised


def test_the_rule_is_an_argument() -> None:
    smoke, heat = ramp(62, 0.0005, 0.1), 21 + ramp(100, 0.5, 4)
    assert find_fire(TIME, smoke, heat) is None
    assert find_fire(TIME, smoke, heat, rule=Rule(rise_k=3.0)) == Raised(108.0, Sign.SMOKE_AND_HEAT)
