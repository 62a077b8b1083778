"""The band of a person's own vital sign, against numpy's quantiles."""

import numpy as np
import pytest

from dongne.methods.vital_band import LEAST, MOST, VitalBand, find_band, note_reading


def filled(values: np.ndarray, width: float = 5.0) -> VitalBand:
    band = VitalBand(width)
    for value in values:
        note_reading(band, float(value))
    return band


def test_there_is_no_band_before_there_are_readings() -> None:
    assert find_band(filled(np.full(LEAST - 1, 70.0))) is None
    assert find_band(filled(np.full(LEAST, 70.0))) == (70.0, 75.0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_its_ends_are_the_outer_quantiles_within_a_bin(seed: int) -> None:
    values = np.random.default_rng(seed).normal(70.0, 8.0, 1_500)
    low, high = find_band(filled(values)) or (0.0, 0.0)
    assert abs(low - np.quantile(values, 0.005)) <= 5.0 and abs(high - np.quantile(values, 0.995)) <= 5.0


def test_single_wild_readings_do_not_move_it() -> None:
    values = np.full(1_000, 70.0)
    values[[10, 500, 900]] = [250.0, 20.0, 240.0]
    assert find_band(filled(values)) == (70.0, 75.0)


def test_what_was_long_ago_fades_and_its_size_is_bounded() -> None:
    band = filled(np.full(MOST, 60.0))
    for _ in range(6 * MOST):
        note_reading(band, 90.0)
    assert find_band(band) == (90.0, 95.0)
    assert band.total < MOST and len(band.counts) <= 2
