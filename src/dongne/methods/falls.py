"""A fall in the series of a worn accelerometer: an impact after a moment of weightlessness, and a body that lies turned.

The three signs are those of threshold methods since Bourke, O'Brien and Lyons (Gait & Posture 26, 2007, 194-199: upper and
lower fall thresholds of the resultant) and Kangas et al. (Gait & Posture 28, 2008, 285-291: posture after the impact).
Added here: the body must be turned at once and not only later (who sits down hard and then lies down turns late), and
the resultant is measured over `SPAN_S` at every rate, so that one rule holds from 20 to 200 Hz: the mean of a pulse over
one period of a 20 Hz sensor is about what such a sensor catches of it on average.

Nothing here is fitted to a wearer. Where the sensor sits matters: made for waist and chest (docs/methods-detectors.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dongne.model.errors import BadInput

Floats = NDArray[np.float64]

GRID_HZ = 50.0
SPAN_S = 0.05
SLOWEST_HZ = 15.0  # below it an impact falls between two samples
ALONE_S = 0.5  # an impact is the greatest value of so much before and after
WEIGHTLESS_S = 1.0  # how long before the impact the least value is looked for
BEFORE_S = (-3.0, -1.0)  # posture before, from the impact on
AT_ONCE_S = (0.3, 1.0)
AFTER_S = (1.5, 3.5)
LEAST_SHARE = 0.25  # of a window that must be there

WAITS_S = AFTER_S[1]  # a fall is known so long after its impact


@dataclass(frozen=True, slots=True)
class Rule:
    """When an impact is a fall. Units: g = 9.80665 m/s2, degrees between directions of gravity in the sensor's axes."""

    impact_g: float = 1.7
    swing_g: float = 1.0  # impact less the least value before it
    turned_at_once_deg: float = 50.0
    turned_after_deg: float = 50.0


@dataclass(frozen=True, slots=True)
class Impact:
    """An impact and what a rule asks of it; `at_s` in the time given."""

    at_s: float
    impact_g: float
    swing_g: float
    turned_at_once_deg: float
    turned_after_deg: float

    def is_fall(self, rule: Rule) -> bool:
        """Whether it reaches all four bounds."""
        return (
            self.impact_g >= rule.impact_g
            and self.swing_g >= rule.swing_g
            and self.turned_at_once_deg >= rule.turned_at_once_deg
            and self.turned_after_deg >= rule.turned_after_deg
        )


def to_g(counts: ArrayLike, range_g: float, bits: int) -> Floats:
    """Acceleration in g of a sensor's counts: full scale +-`range_g` in `bits` bits (SisFall: ADXL345, 16 g, 13 bits)."""
    found: Floats = np.asarray(counts, np.float64) * (2 * range_g / 2**bits)
    return found


def times_s(count: int, rate_hz: float) -> Floats:
    """Times of `count` samples at an even rate, from 0 on."""
    if not rate_hz > 0:
        raise BadInput(f"rate_hz is {rate_hz:g}; a rate is above 0")
    found: Floats = np.arange(count, dtype=np.float64) / rate_hz
    return found


def find_falls(time_s: ArrayLike, acceleration_g: ArrayLike, rule: Rule | None = None) -> list[Impact]:
    """The falls in a series, in order; see `list_impacts` for what goes in. A fall within `WAITS_S` of the end isn't known yet."""
    return [impact for impact in list_impacts(time_s, acceleration_g) if impact.is_fall(rule or Rule())]


def list_impacts(time_s: ArrayLike, acceleration_g: ArrayLike, least_g: float = 1.5) -> list[Impact]:
    """Impacts above `least_g` with enough of the series before and after them to judge the posture.

    `time_s` (n,) ascending, may be uneven; `acceleration_g` (n, 3) with gravity in it, in any orientation. Rows with NaN
    are left out. Raises BadInput where shapes differ, times run back, or the rate is below `SLOWEST_HZ`.
    """
    resampled = _resample(np.asarray(time_s, np.float64), np.asarray(acceleration_g, np.float64))
    if resampled is None:
        return []
    start_s, series = resampled
    size = np.linalg.norm(series, axis=1)
    alone, weightless = round(ALONE_S * GRID_HZ), round(WEIGHTLESS_S * GRID_HZ)
    found = []
    last = -alone - 1
    for i in np.flatnonzero(size >= least_g).tolist():
        if i - last <= alone or size[i] < size[max(0, i - alone) : i + alone + 1].max():
            continue  # a greater one is near, or the same: a sensor at its end of scale
        last = i
        before, at_once, after = (_posture(series, i, window) for window in (BEFORE_S, AT_ONCE_S, AFTER_S))
        if before is None or at_once is None or after is None:
            continue
        swing_g = size[i] - size[max(0, i - weightless) : i + 1].min()
        found.append(
            Impact(
                at_s=float(start_s + i / GRID_HZ),
                impact_g=float(size[i]),
                swing_g=float(swing_g),
                turned_at_once_deg=_angle_deg(before, at_once),
                turned_after_deg=_angle_deg(before, after),
            )
        )
    return found


def _resample(time_s: Floats, acceleration_g: Floats) -> tuple[float, Floats] | None:
    """(time of the first row, rows at GRID_HZ): means over SPAN_S where samples are dense enough, else straight between."""
    if time_s.ndim != 1 or acceleration_g.shape != (len(time_s), 3):
        raise BadInput(f"acceleration_g has the shape {acceleration_g.shape}; it has a row of 3 for each of time_s")
    known = np.isfinite(acceleration_g).all(axis=1) & np.isfinite(time_s)
    time_s, acceleration_g = time_s[known], acceleration_g[known]
    if (np.diff(time_s) < 0).any():
        raise BadInput("time_s runs back; sort the samples by their time")
    if len(time_s) < 2 or time_s[-1] <= time_s[0]:
        return None
    rate_hz = (len(time_s) - 1) / (time_s[-1] - time_s[0])
    if rate_hz < SLOWEST_HZ:
        raise BadInput(f"{rate_hz:.1f} samples a second; an impact needs {SLOWEST_HZ:g} or more")
    grid = np.arange(time_s[0], time_s[-1], 1 / GRID_HZ)
    straight = np.stack([np.interp(grid, time_s, acceleration_g[:, axis]) for axis in range(3)], axis=1)
    if rate_hz < 2 / SPAN_S:
        return float(time_s[0]), straight
    sums = np.vstack([np.zeros(3), np.cumsum(acceleration_g, axis=0)])
    first = np.searchsorted(time_s, grid - SPAN_S / 2, "left")
    last = np.searchsorted(time_s, grid + SPAN_S / 2, "right")
    count = (last - first)[:, None]
    means = (sums[last] - sums[first]) / np.maximum(count, 1)
    return float(time_s[0]), np.where(count > 0, means, straight)


def _posture(series: Floats, i: int, window_s: tuple[float, float]) -> Floats | None:
    """Mean acceleration of a window around row i: gravity in the sensor's axes; None where too little of it is there."""
    low, high = (i + round(edge * GRID_HZ) for edge in window_s)
    rows = series[max(0, low) : max(0, high)]
    if len(rows) < LEAST_SHARE * (high - low):
        return None
    return np.asarray(rows.mean(axis=0), np.float64)


def _angle_deg(a: Floats, b: Floats) -> float:
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.degrees(np.arccos(np.clip(a @ b / size, -1.0, 1.0)))) if size > 0 else 0.0
