"""From seconds of one ECG lead: is it ventricular fibrillation or flutter, ventricular tachycardia, asystole, or none of them,
and how good is the signal.

Measures of the shape of a window go into two small logistic models (`ecg_rhythm_model.py` has their numbers and how they
were made). The measures are known ones: threshold crossing sample count (Arafat, Chowdhury and Hasan, Signal Image Video
Process. 5, 2011), leakage of the VF filter (Kuo and Dillon, Computers in Cardiology 1978), phase space (Amann, Tratnig and
Unterkofler, IEEE Trans. Biomed. Eng. 54, 2007), the spectrum's centre, entropy and share of quick parts,
and slopes. None depends on the gain, so that any device will do; asystole alone needs millivolts.

A window is `WINDOW_S` long; nothing is kept from one to the next. An episode is what holds for `EPISODE_S`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dongne.methods.ecg_rhythm_model import VF, VT, Logistic
from dongne.methods.ecg_shape import LEAST_HZ, Shape, measure, prepare
from dongne.model.errors import BadInput

Floats = NDArray[np.float64]

WINDOW_S = 5.0
STEP_S = 1.0
EPISODE_S = 10.0
LEAST_QUALITY = 0.5
ASYSTOLE_MV = 0.1  # from peak to peak: less is no beat
VF_FROM = 0.5  # probability
VT_FROM = 0.8
VT_PER_MIN = 120.0
MOST_MISSING = 0.1  # of a window


class Rhythm(IntEnum):
    """The codes of the property `rhythm`."""

    OTHER = 0
    VF = 1  # fibrillation or flutter of the ventricles
    ASYSTOLE = 2
    VT = 3


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of one window that begins at `at_s`: what it is, how good the signal is (0..1), and the models' probabilities (0..1)."""

    at_s: float
    rhythm: Rhythm
    signal_quality: float
    vf: float
    vt: float


@dataclass(frozen=True, slots=True)
class Episode:
    """A rhythm that held for EPISODE_S: known at `known_s`, until `end_s`."""

    rhythm: Rhythm
    known_s: float
    end_s: float


def judge(samples_mv: ArrayLike, rate_hz: float, at_s: float = 0.0, vf: Logistic = VF, vt: Logistic = VT) -> Judgement:
    """A window of one lead (n,), about WINDOW_S long, in mV at `rate_hz`; NaN is a missing sample.

    Where more than a tenth is missing or the line doesn't move, the quality is 0 and the rhythm OTHER: nothing is known.
    Raises BadInput below LEAST_HZ or under 3 s.
    """
    window = np.asarray(samples_mv, np.float64)
    if window.ndim != 1 or not rate_hz >= LEAST_HZ or len(window) < 3 * rate_hz:
        raise BadInput(
            f"{window.shape} samples at {rate_hz:g} Hz; a window has one lead, 3 s or more, {LEAST_HZ:g} Hz or more"
        )
    quality = signal_quality(window, rate_hz)
    if quality == 0.0:
        return Judgement(at_s, Rhythm.OTHER, 0.0, 0.0, 0.0)
    return decide(measure(prepare(_fill(window), rate_hz)), quality, at_s, vf, vt)


def decide(shape: Shape, quality: float, at_s: float = 0.0, vf: Logistic = VF, vt: Logistic = VT) -> Judgement:
    """What a window of this shape is: no beats at all, then fibrillation, then a tachycardia that is fast enough."""
    p_vf, p_vt = vf.probability(shape.values), vt.probability(shape.values)
    rhythm = Rhythm.OTHER
    if shape.peak_to_peak < ASYSTOLE_MV:
        rhythm = Rhythm.ASYSTOLE
    elif p_vf >= VF_FROM:
        rhythm = Rhythm.VF
    elif p_vt >= VT_FROM and shape.beats_per_min >= VT_PER_MIN:
        rhythm = Rhythm.VT
    return Judgement(at_s, rhythm, quality, p_vf, p_vt)


def list_judgements(samples_mv: ArrayLike, rate_hz: float, step_s: float = STEP_S) -> list[Judgement]:
    """Windows of WINDOW_S, one each `step_s`, over a recording of one lead."""
    samples = np.asarray(samples_mv, np.float64)
    length = round(WINDOW_S * rate_hz)
    starts = np.arange(0, len(samples) - length + 1, step_s * rate_hz)
    return [judge(samples[round(s) : round(s) + length], rate_hz, s / rate_hz) for s in starts.tolist()]


def find_episode(judgements: Sequence[Judgement]) -> Rhythm:
    """The rhythm that has held for EPISODE_S: what a gateway reports. `judgements` are in order, STEP_S apart or less.

    All windows that began within EPISODE_S are good enough, and all but one say so; OTHER where not.
    """
    if not judgements:
        return Rhythm.OTHER
    since = judgements[-1].at_s - EPISODE_S + 1e-6
    last = [j for j in judgements if j.at_s > since]
    if judgements[-1].at_s - last[0].at_s < EPISODE_S - STEP_S - 1e-6:
        return Rhythm.OTHER
    for rhythm in (Rhythm.VF, Rhythm.ASYSTOLE, Rhythm.VT):
        agreed = sum(j.rhythm is rhythm for j in last)
        if agreed >= len(last) - 1 and min(j.signal_quality for j in last) >= LEAST_QUALITY:
            return rhythm
    return Rhythm.OTHER


def list_episodes(judgements: Sequence[Judgement]) -> list[Episode]:
    """All episodes of a recording, by `find_episode` after each window."""
    found: list[Episode] = []
    for i, judgement in enumerate(judgements):
        rhythm, end_s = find_episode(judgements[: i + 1][-64:]), judgement.at_s + WINDOW_S
        if rhythm is Rhythm.OTHER:
            continue
        if found and found[-1].rhythm is rhythm and end_s - found[-1].end_s <= STEP_S + 1e-6:
            found[-1] = Episode(rhythm, found[-1].known_s, end_s)
        else:
            found.append(Episode(rhythm, end_s, end_s))
    return found


def signal_quality(samples_mv: ArrayLike, rate_hz: float) -> float:
    """How far a window can be judged, 0..1: missing samples, a line that stands still or is cut off at its ends, hum and
    muscle above 40 Hz, a base line that wanders more than the signal. Made by hand, fitted to nothing; the least counts."""
    window = np.asarray(samples_mv, np.float64)
    missing = 1.0 - float(np.isfinite(window).mean())
    if missing > MOST_MISSING:
        return 0.0
    window = _fill(window)
    low, high = float(window.min()), float(window.max())
    if high - low <= 0 or _longest_still_s(window, rate_hz) > 0.5 * len(window) / rate_hz:
        return 0.0
    ends = float(((window <= low) | (window >= high)).mean())
    spectrum = np.abs(np.fft.rfft((window - window.mean()) * np.hanning(len(window)))) ** 2
    at_hz = np.fft.rfftfreq(len(window), 1 / rate_hz)
    band = float(spectrum[(at_hz >= 1) & (at_hz <= 40)].sum())
    loud, wander = float(spectrum[at_hz > 40].sum()), float(spectrum[(at_hz > 0) & (at_hz < 0.7)].sum())
    if band <= 0:
        return 0.0
    return min(
        1.0 - missing / MOST_MISSING,
        _falls(ends, 0.05, 0.25),
        _falls(loud / band, 0.3, 3.0),
        _falls(wander / band, 5.0, 100.0),
    )


def _falls(value: float, good: float, bad: float) -> float:
    """1 up to `good`, 0 from `bad` on, straight in the logarithm between."""
    if value <= good:
        return 1.0
    return max(0.0, 1.0 - float(np.log(value / good) / np.log(bad / good)))


def _longest_still_s(window: Floats, rate_hz: float) -> float:
    moves = np.flatnonzero(np.diff(window) != 0)
    edges = np.concatenate([[-1], moves, [len(window) - 1]])
    return float(np.diff(edges).max()) / rate_hz


def _fill(window: Floats) -> Floats:
    known = np.flatnonzero(np.isfinite(window))
    if len(known) == len(window):
        return window
    return np.interp(np.arange(len(window)), known, window[known])
