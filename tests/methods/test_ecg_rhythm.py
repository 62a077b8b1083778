"""Rhythms by hand: waves of known shape at many rates and gains; and published records where the data are there."""

from pathlib import Path

import numpy as np
import pytest
from bench._care_ecg import IS_VF, list_quiet, read_windows
from bench._care_shares import Case, separate, shares_of

from dongne.methods.ecg_rhythm import (
    Judgement,
    Rhythm,
    decide,
    find_episode,
    judge,
    list_episodes,
    list_judgements,
    signal_quality,
)
from dongne.methods.ecg_shape import NAMES, measure, prepare
from dongne.model.errors import BadInput

RATES_HZ = (125.0, 200.0, 250.0, 360.0, 500.0)


def times(rate_hz: float, seconds: float = 5.0) -> np.ndarray:
    return np.arange(round(seconds * rate_hz)) / rate_hz


def noise(count: int, sd_mv: float) -> np.ndarray:
    return np.random.default_rng(1).normal(0, sd_mv, count)


def fibrillation(rate_hz: float, seconds: float = 5.0) -> np.ndarray:
    """Waves of 4 to 6 Hz whose size and pace wander: 0.4 mV."""
    t = times(rate_hz, seconds)
    phase = 2 * np.pi * (5.0 * t + 0.6 * np.sin(2 * np.pi * 0.37 * t) + 0.3 * np.sin(2 * np.pi * 0.91 * t))
    return 0.4 * (1 + 0.3 * np.sin(2 * np.pi * 0.53 * t)) * np.sin(phase) + noise(len(t), 0.005)


def sinus_rhythm(rate_hz: float, per_min: float = 72.0, seconds: float = 5.0) -> np.ndarray:
    """P, QRS (40 ms) and T waves of 1 mV."""
    t = times(rate_hz, seconds)
    at = (t % (60 / per_min)) - 0.3
    wave = 0.1 * np.exp(-((at + 0.16) ** 2) / (2 * 0.02**2)) + np.exp(-(at**2) / (2 * 0.012**2))
    return (
        wave
        - 0.2 * np.exp(-((at - 0.03) ** 2) / (2 * 0.01**2))
        + 0.25 * np.exp(-((at - 0.25) ** 2) / (2 * 0.04**2))
        + noise(len(t), 0.005)
    )


def measured(samples: np.ndarray, rate_hz: float) -> dict[str, float]:
    return dict(zip(NAMES, measure(prepare(samples, rate_hz)).values.tolist(), strict=True))


def test_a_sine_has_the_measures_a_hand_calculation_gives() -> None:
    """Kurtosis of a sine 1.5; beyond a fifth of its height for 1 - 2 asin(0.2)/pi of the time; 5 peaks a second at 5 Hz."""
    found = measured(np.sin(2 * np.pi * 5 * times(250.0)), 250.0)
    assert found["slope_peakedness"] == pytest.approx(np.log(1.5), abs=0.05)
    assert found["crossing_share"] == pytest.approx(1 - 2 * np.arcsin(0.2) / np.pi, abs=0.02)
    assert found["peaks_per_s"] == pytest.approx(5, abs=0.3)
    assert found["centre_hz"] == pytest.approx(5, abs=0.1)
    assert found["high_share"] < 0.01
    assert found["quarter_leakage"] == pytest.approx(1 / np.sqrt(2), abs=0.03)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_measures_do_not_depend_on_rate_or_gain(rate_hz: float) -> None:
    for wave in (fibrillation, sinus_rhythm):
        here, there = measured(wave(rate_hz), rate_hz), measured(37 * wave(250.0), 250.0)
        assert here["slope_peakedness"] == pytest.approx(there["slope_peakedness"], abs=0.15)
        assert here["crossing_share"] == pytest.approx(there["crossing_share"], abs=0.05)
        assert here["centre_hz"] == pytest.approx(there["centre_hz"], abs=0.3)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_fibrillation_and_sinus_rhythm_are_told_apart_at_every_rate(rate_hz: float) -> None:
    assert judge(fibrillation(rate_hz), rate_hz).rhythm is Rhythm.VF
    for per_min in (50.0, 72.0, 110.0):
        assert judge(sinus_rhythm(rate_hz, per_min), rate_hz).rhythm is Rhythm.OTHER


def test_beats_a_minute_are_counted() -> None:
    for per_min in (50.0, 72.0, 140.0):
        assert measure(prepare(sinus_rhythm(250.0, per_min), 250.0)).beats_per_min == pytest.approx(per_min, rel=0.03)


def test_asystole_is_a_line_that_lives_but_does_not_beat() -> None:
    """Less than 0.1 mV from peak to peak, with the noise of an electrode."""
    quiet = 0.02 * np.sin(2 * np.pi * 0.4 * times(250.0)) + noise(1250, 0.004)
    assert judge(quiet, 250.0).rhythm is Rhythm.ASYSTOLE


def test_a_dead_line_is_no_asystole_but_unknown() -> None:
    for dead in (np.zeros(1250), np.full(1250, 0.7), np.full(1250, np.nan)):
        assert judge(dead, 250.0) == Judgement(0.0, Rhythm.OTHER, 0.0, 0.0, 0.0)


def test_quality_falls_with_what_spoils_a_signal() -> None:
    clean = sinus_rhythm(250.0)
    assert signal_quality(clean, 250.0) == 1.0
    assert signal_quality(fibrillation(250.0), 250.0) == 1.0
    assert signal_quality(np.clip(40 * fibrillation(250.0), -2, 2), 250.0) < 0.5
    assert signal_quality(clean + 2 * np.sin(2 * np.pi * 50 * times(250.0)), 250.0) < 0.5
    assert signal_quality(clean + 20 * np.sin(2 * np.pi * 0.3 * times(250.0)), 250.0) < 0.5
    lost = clean.copy()
    lost[:100] = np.nan
    assert 0 < signal_quality(lost, 250.0) < 0.5
    lost[:200] = np.nan
    assert signal_quality(lost, 250.0) == 0.0


def test_an_episode_is_what_holds_for_ten_seconds() -> None:
    samples = np.concatenate(
        [sinus_rhythm(250.0, seconds=30), fibrillation(250.0, 30), sinus_rhythm(250.0, seconds=30)]
    )
    (episode,) = list_episodes(list_judgements(samples, 250.0))
    assert episode.rhythm is Rhythm.VF
    assert 38 <= episode.known_s <= 45
    assert 55 <= episode.end_s <= 65


def test_eight_seconds_are_no_episode() -> None:
    samples = np.concatenate([sinus_rhythm(250.0, seconds=20), fibrillation(250.0, 8), sinus_rhythm(250.0, seconds=20)])
    assert list_episodes(list_judgements(samples, 250.0)) == []


def test_a_bad_window_holds_an_episode_back() -> None:
    good = [Judgement(float(i), Rhythm.VF, 1.0, 0.9, 0.0) for i in range(10)]
    assert find_episode(good) is Rhythm.VF
    assert find_episode(good[:9]) is Rhythm.OTHER
    assert find_episode([*good[:9], Judgement(9.0, Rhythm.VF, 0.2, 0.9, 0.0)]) is Rhythm.OTHER
    assert find_episode([]) is Rhythm.OTHER


def test_what_can_not_be_judged_is_said() -> None:
    with pytest.raises(BadInput, match="50 Hz"):
        judge(np.zeros(500), 50.0)
    with pytest.raises(BadInput, match="3 s or more"):
        judge(np.zeros(250), 250.0)
    with pytest.raises(BadInput, match="one lead"):
        judge(np.zeros((1250, 2)), 250.0)


def test_false_alarms_and_quiet_records_raise_nothing(data_folder: Path) -> None:
    """v102s and a103l (PhysioNet Challenge 2015: a false alarm of tachycardia, one of asystole), both leads, around
    the alarm at 300 s; by the shipped models."""
    found = list(list_quiet(data_folder, ("v102s", "a103l"), from_s=260.0))
    assert [(name, lead) for name, lead, _, _ in found] == [
        ("v102s", "II"),
        ("v102s", "V"),
        ("a103l", "II"),
        ("a103l", "V"),
    ]
    assert [episodes for _, _, _, episodes in found] == [[], [], [], []]


def test_a_separation_is_what_counting_pairs_and_bounds_gives() -> None:
    """By hand: true 3, 5, 5, 8, false 1, 2, 5, 6. Of 16 pairs 10 are in order and 2 tie: 11/16. From 5 on: 3 of 4 found, 2 of 4
    left alone; from 3 on all found, 2 of 4 left alone; from 8 on 1 and 4 of 4."""
    found = separate([3, 1, 5, 5, 2, 8, 5, 6], [True, False, True, True, False, True, False, False])
    assert found.area == 11 / 16
    assert (found.both, found.bound) == (0.5, 3.0)
    assert separate([1, 2, 2, 3], [False, False, True, True]) == (0.875, 0.5, 2.0)


def test_two_records_of_vfdb_are_judged_as_annotated(data_folder: Path) -> None:
    """By the shipped models, which know these records: says that table and measures fit each other, not how good they are."""
    windows = [w for w in read_windows(data_folder, 30.0, (0,), ("422", "605")) if w.is_pure and w.truth != "VT"]
    shares = shares_of(
        Case(w.record, w.truth in IS_VF, decide(w.shape, w.quality).rhythm is Rhythm.VF) for w in windows
    )
    assert shares.found[1] > 10
    assert shares.quiet[1] > 60
    assert min(shares.sensitivity, shares.specificity) >= 0.95
