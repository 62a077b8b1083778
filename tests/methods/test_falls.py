"""Falls by hand: a drop, sitting down hard, lying down slowly; and those of UMAFall where the data are there."""

from pathlib import Path

import numpy as np
import pytest
from bench._care_falls import cases_of, read_trials
from bench._care_shares import shares_of

from dongne.methods.falls import Rule, find_falls, list_impacts, times_s, to_g
from dongne.model.errors import BadInput

UP, LYING = (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)


def series(*parts: tuple[float, tuple[float, float, float]], rate_hz: float = 200.0) -> tuple[np.ndarray, np.ndarray]:
    """(seconds, acceleration in g) one after the other."""
    rows = np.vstack([np.tile(value, (round(seconds * rate_hz), 1)) for seconds, value in parts])
    return times_s(len(rows), rate_hz), rows


def drop(rate_hz: float, lies: tuple[float, float, float] = LYING) -> tuple[np.ndarray, np.ndarray]:
    """Upright for 5 s, weightless (0.1 g) for 0.3 s, 3 g for 0.2 s, then still."""
    return series((5.0, UP), (0.3, (0.0, 0.1, 0.0)), (0.2, (3.0, 0.0, 0.0)), (5.0, lies), rate_hz=rate_hz)


@pytest.mark.parametrize("rate_hz", [20.0, 25.0, 50.0, 100.0, 200.0])
def test_a_drop_onto_the_side_is_one_fall_at_every_rate(rate_hz: float) -> None:
    (fall,) = find_falls(*drop(rate_hz))
    assert 5.2 <= fall.at_s <= 5.6
    assert fall.impact_g == pytest.approx(3.0, abs=0.01)
    assert fall.swing_g == pytest.approx(2.9, abs=0.01)
    assert fall.turned_at_once_deg == pytest.approx(90, abs=2)
    assert fall.turned_after_deg == pytest.approx(90, abs=0.1)


def test_the_angle_is_that_between_the_two_gravities() -> None:
    """By hand: from (0, 1, 0) to (sin 60, cos 60, 0) it is 60 degrees, whatever the sensor's axes are."""
    time_s, rows = drop(100.0, (np.sqrt(3) / 2, 0.5, 0.0))
    turned, *_ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    (fall,), (same,) = find_falls(time_s, rows), find_falls(time_s, rows @ turned)
    assert fall.turned_after_deg == pytest.approx(60, abs=1)
    assert same.turned_after_deg == pytest.approx(fall.turned_after_deg)


def test_who_lands_upright_has_not_fallen() -> None:
    assert find_falls(*drop(100.0, UP)) == []
    assert len(list_impacts(*drop(100.0, UP))) == 1


def test_lying_down_without_an_impact_is_no_fall() -> None:
    lean = [(0.2, (np.sin(a), np.cos(a), 0.0)) for a in np.linspace(0, np.pi / 2, 10)]
    assert find_falls(*series((5.0, UP), *lean, (5.0, LYING))) == []


def test_sitting_down_hard_and_lying_down_later_is_no_fall() -> None:
    """Turned after the impact, but not at once."""
    time_s, rows = series((5.0, UP), (0.3, (0, 0.5, 0)), (0.1, (0, 2.5, 0)), (1.4, UP), (4.0, LYING))
    (impact,) = list_impacts(time_s, rows)
    assert impact.turned_after_deg > 80
    assert impact.turned_at_once_deg < 10
    assert find_falls(time_s, rows) == []


def test_a_fall_is_known_only_with_what_comes_after_it() -> None:
    time_s, rows = drop(100.0)
    cut = time_s < 6.5
    assert find_falls(time_s[cut], rows[cut]) == []


def test_counts_become_g_by_range_and_bits() -> None:
    """By hand: 13 bits for +-16 g are 256 counts a g; 14 bits for +-8 g are 1024."""
    assert to_g([256, -512], range_g=16, bits=13).tolist() == [1.0, -2.0]
    assert to_g([1024], range_g=8, bits=14).tolist() == [1.0]


def test_lost_samples_do_not_disturb() -> None:
    time_s, rows = drop(50.0)
    rows[::7] = np.nan
    assert len(find_falls(time_s, rows)) == 1
    assert find_falls(np.array([]), np.zeros((0, 3))) == []
    assert find_falls(time_s, np.full_like(rows, np.nan)) == []


def test_what_can_not_be_judged_is_said() -> None:
    time_s, rows = drop(50.0)
    with pytest.raises(BadInput, match=r"5\.0 samples a second"):
        find_falls(time_s[::10], rows[::10])
    with pytest.raises(BadInput, match="runs back"):
        find_falls(time_s[::-1], rows)
    with pytest.raises(BadInput, match=r"shape \(525, 2\)"):
        find_falls(time_s, rows[:, :2])


def test_falls_at_the_waist_are_found_in_a_sample_of_umafall(data_folder: Path) -> None:
    """Every fourth trial; the whole is `dongne bench care`. Nothing is fitted here."""
    shares = shares_of(cases_of(read_trials(data_folder, every=4, places=(2,)), Rule()))
    assert shares.found[1] > 40
    assert shares.sensitivity >= 0.95
    assert shares.specificity >= 0.95
