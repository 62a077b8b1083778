"""Measures of the shape of seconds of an ECG lead. None but `peak_to_peak` depends on the gain; sources in `ecg_rhythm.py`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HZ = 125  # all is measured at this rate
LEAST_HZ = 100.0
BAND_HZ = (1.0, 30.0)
_TINY = 1e-12

NAMES = (
    "crossing_share",  # TCSC: beyond a fifth of the greatest, in 3 s
    "near_zero_share",
    "peakedness",
    "slope_peakedness",
    "still_slope_share",
    "leakage",  # of the VF filter
    "quarter_leakage",  # the same with a quarter of the period: 1/sqrt(2) for a sine
    "phase_space_share",
    "slope_crest",
    "qrs_burst",  # loudest against middling moment of 8 to 30 Hz
    "qrs_share",
    "unevenness",  # of the size from second to second
    "asymmetry",
    "crossings_per_s",
    "peaks_per_s",
    "peak_interval_spread",
    "deepest_autocorrelation",
    "quick_autocorrelation",
    "beat_autocorrelation",
    "main_hz",
    "centre_hz",
    "width_hz",
    "concentration",
    "harmonics_share",
    "high_share",
    "entropy",
)


class Prepared(NamedTuple):
    """A window at HZ: as it came, and within BAND_HZ."""

    raw: Floats
    band: Floats


class Shape(NamedTuple):
    """The measures in the order of NAMES; the size from peak to peak in the unit of the samples; beats a minute by autocorrelation."""

    values: Floats
    peak_to_peak: float
    beats_per_min: float


def prepare(window: Floats, rate_hz: float) -> Prepared:
    """At HZ, whatever the rate was, by Fourier transform of the window and its mirror image (so its ends don't jump)."""
    count = len(window)
    wanted = round(count * HZ / rate_hz)
    spectrum = np.fft.rfft(np.concatenate([window, window[::-1]]))
    kept = np.zeros(wanted + 1, np.complex128)
    both = min(len(kept), len(spectrum))
    kept[:both] = spectrum[:both]
    raw = np.fft.irfft(kept, 2 * wanted)[:wanted] * (wanted / count)
    raw -= raw.mean()
    return Prepared(raw, _filter(raw, *BAND_HZ))


def _filter(values: Floats, low_hz: float, high_hz: float) -> Floats:
    """Without shift in time; 24 dB an octave (the size of a Butterworth filter of order 4)."""
    mirrored = np.concatenate([values, values[::-1]])
    at_hz = np.fft.rfftfreq(len(mirrored), 1 / HZ)
    weight = 1 / (1 + (low_hz / np.maximum(at_hz, 1e-9)) ** 8) / (1 + (at_hz / high_hz) ** 8)
    return np.asarray(np.fft.irfft(np.fft.rfft(mirrored) * weight, len(mirrored))[: len(values)], np.float64)


def measure(prepared: Prepared) -> Shape:
    """The shape of a window."""
    band = prepared.band
    correlation = _autocorrelation(band)
    values = np.array(
        [*_in_time(band), *_of_beats(band, correlation), *_in_frequency(prepared.raw)],
        np.float64,
    )
    beats = _beats_per_min(correlation)
    return Shape(np.nan_to_num(values, nan=0.0, posinf=20.0, neginf=-20.0), float(np.ptp(band)), beats)


def _in_time(band: Floats) -> list[float]:
    scaled = np.abs(band) / (np.percentile(np.abs(band), 98) + _TINY)
    stretches = [scaled[i : i + 3 * HZ] for i in range(0, len(band) - 3 * HZ + 1, HZ // 2)]
    slope = np.diff(band) * HZ
    steep = np.abs(slope)
    quick = _filter(band, 8.0, 30.0)
    loud = np.convolve(quick**2, np.full(13, 1 / 13), "same")
    seconds = np.array([band[i : i + HZ].std() for i in range(0, len(band) - HZ + 1, HZ // 2)])
    return [
        float(np.mean([(stretch > 0.2 * stretch.max()).mean() for stretch in stretches])),
        float((scaled < 0.1).mean()),
        _log_kurtosis(band),
        _log_kurtosis(slope),
        float((steep < 0.1 * np.percentile(steep, 99)).mean()),
        _leakage(band, 1.0),
        _leakage(band, 0.5),
        _phase_space_share(band),
        float(np.log(np.percentile(steep, 99) / (steep.mean() + _TINY) + _TINY)),
        float(np.log(np.percentile(loud, 98) / (np.median(loud) + _TINY) + 1e-6)),
        float(np.log(quick.std() / (band.std() + _TINY) + _TINY)),
        float(seconds.std() / (seconds.mean() + _TINY)),
        float(abs(np.mean(band**3)) / (np.mean(band**2) ** 1.5 + _TINY)),
        float((np.diff(np.sign(band)) != 0).sum() / (len(band) / HZ)),
    ]


def _log_kurtosis(values: Floats) -> float:
    return float(np.log(np.mean(values**4) / (np.mean(values**2) ** 2 + _TINY**2) + _TINY))


def _leakage(band: Floats, of_half: float) -> float:
    """What is left when the signal is added to itself half a mean period later (or so much of it), as a share: 0 for a sine."""
    half_period = np.pi * np.abs(band).sum() / (np.abs(np.diff(band)).sum() + _TINY)
    shift = max(1, round(of_half * float(half_period)))
    if shift >= len(band) // 2:
        return 1.0
    late, early = band[shift:], band[:-shift]
    return float(np.abs(late + early).sum() / ((np.abs(late) + np.abs(early)).sum() + _TINY))


def _phase_space_share(band: Floats) -> float:
    """Boxes of a 40 x 40 grid that (x(t), x(t + 0.25 s)) comes through, for each sample."""
    shift = HZ // 4
    cell = np.clip((band - band.min()) / (np.ptp(band) + _TINY) * 39.99, 0, 39).astype(np.int64)
    return len(np.unique(cell[:-shift] * 40 + cell[shift:])) / (len(band) - shift)


def _autocorrelation(band: Floats) -> Floats:
    count = len(band)
    power = np.abs(np.fft.rfft(band, 4 * count)) ** 2
    found = np.fft.irfft(power)[:count]
    return np.asarray(found / (found[0] + _TINY) * count / (count - np.arange(count)), np.float64)


def _of_beats(band: Floats, correlation: Floats) -> list[float]:
    slow = _filter(band, 1.5, 8.0)
    height = 0.3 * np.percentile(slow, 98)
    inner = slow[1:-1]
    peaks = np.flatnonzero((inner > slow[:-2]) & (inner >= slow[2:]) & (inner > height))
    gaps = np.diff(peaks)
    return [
        float(len(peaks) / (len(band) / HZ)),
        float(gaps.std() / gaps.mean()) if len(gaps) > 1 else 1.0,
        float(correlation[: round(0.6 * HZ)].min()),
        float(correlation[round(0.12 * HZ) : round(0.6 * HZ)].max()),
        float(correlation[round(0.3 * HZ) : round(1.5 * HZ)].max()),
    ]


def _beats_per_min(correlation: Floats) -> float:
    """By the first peak of the autocorrelation that is nearly as high as the highest of 0.2 to 1.5 s; 0 where there is none."""
    first, last = round(0.2 * HZ), round(1.5 * HZ)
    inner = correlation[first : last + 1]
    peaks = np.flatnonzero((inner[1:-1] > inner[:-2]) & (inner[1:-1] >= inner[2:])) + 1
    if not len(peaks) or inner[peaks].max() <= 0.2:
        return 0.0
    return 60 * HZ / float(first + peaks[inner[peaks] >= 0.8 * inner[peaks].max()][0])


def _in_frequency(raw: Floats) -> list[float]:
    power = np.abs(np.fft.rfft(raw * np.hamming(len(raw)), 4096)) ** 2
    at_hz = np.fft.rfftfreq(4096, 1 / HZ)

    def within(low_hz: float, high_hz: float) -> float:
        return float(power[(at_hz > low_hz) & (at_hz < high_hz)].sum())

    whole = within(0.5, 50.0) + _TINY
    beats = (at_hz > 1.5) & (at_hz < 10.0)
    main_hz = float(at_hz[beats][power[beats].argmax()])
    inner = (at_hz > 0.5) & (at_hz < 30.0)
    share = power[inner] / (power[inner].sum() + _TINY)
    centre_hz = float((at_hz[inner] * share).sum())
    return [
        main_hz,
        centre_hz,
        float(np.sqrt(max(0.0, float((at_hz[inner] ** 2 * share).sum()) - centre_hz**2))),
        within(0.7 * main_hz, 1.3 * main_hz) / whole,
        within(1.4 * main_hz, min(12 * main_hz, 30.0)) / whole,
        within(12.0, 30.0) / whole,
        float(-(share * np.log(share + 1e-15)).sum()),
    ]
