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
    "slope_peakedness",
    "still_slope_share",
    "quarter_leakage",  # of the VF filter, with a quarter of the period: 1/sqrt(2) for a sine
    "phase_space_share",
    "slope_crest",
    "qrs_burst",  # loudest against middling moment of 8 to 30 Hz
    "qrs_share",
    "unevenness",  # of the size from second to second
    "peaks_per_s",
    "centre_hz",
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
    values = np.array(
        [*_in_time(band), _peaks_per_s(band), *_in_frequency(prepared.raw)],
        np.float64,
    )
    beats = _beats_per_min(_autocorrelation(band))
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
        _log_kurtosis(slope),
        float((steep < 0.1 * np.percentile(steep, 99)).mean()),
        _quarter_leakage(band),
        _phase_space_share(band),
        float(np.log(np.percentile(steep, 99) / (steep.mean() + _TINY) + _TINY)),
        float(np.log(np.percentile(loud, 98) / (np.median(loud) + _TINY) + 1e-6)),
        float(np.log(quick.std() / (band.std() + _TINY) + _TINY)),
        float(seconds.std() / (seconds.mean() + _TINY)),
    ]


def _log_kurtosis(values: Floats) -> float:
    return float(np.log(np.mean(values**4) / (np.mean(values**2) ** 2 + _TINY**2) + _TINY))


def _quarter_leakage(band: Floats) -> float:
    """What is left when the signal is added to itself a quarter of a mean period later, as a share."""
    half_period = np.pi * np.abs(band).sum() / (np.abs(np.diff(band)).sum() + _TINY)
    shift = max(1, round(0.5 * float(half_period)))
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


def _peaks_per_s(band: Floats) -> float:
    slow = _filter(band, 1.5, 8.0)
    height = 0.3 * np.percentile(slow, 98)
    inner = slow[1:-1]
    peaks = np.flatnonzero((inner > slow[:-2]) & (inner >= slow[2:]) & (inner > height))
    return float(len(peaks) / (len(band) / HZ))


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

    inner = (at_hz > 0.5) & (at_hz < 30.0)
    share = power[inner] / (power[inner].sum() + _TINY)
    return [
        float((at_hz[inner] * share).sum()),
        within(12.0, 30.0) / (within(0.5, 50.0) + _TINY),
        float(-(share * np.log(share + 1e-15)).sum()),
    ]
