"""Fire in the series of one place's smoke, temperature and carbon monoxide: two signs together rather than one alone.

Cooking, steam and dust make smoke detectors sound without heat and with little carbon monoxide; a flaming fire brings smoke
with heat, a smouldering one smoke with carbon monoxide (Cleary, AUBE 2004, and Fire Technology 2001 on smoke with CO;
Milke, Fire Technology 35, 1999; Warmack and others, USFA/CPSC 2015). So smoke counts from a low bound where a second sign is
there, and alone only if it is dense and stays.

Series are judged from the first sample on: any may be missing, samples may be uneven; a sign must hold for `IN_A_ROW` samples.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import log10

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dongne.model.errors import BadInput

Floats = NDArray[np.float64]

IN_A_ROW = 2
BEFORE_S = 600.0  # what is usual is the least of so much before


class Sign(StrEnum):
    """Why a fire was raised."""

    SMOKE_AND_HEAT = "smoke_and_heat"
    SMOKE_AND_CO = "smoke_and_co"
    DENSE_SMOKE = "dense_smoke"
    HEAT = "heat"


@dataclass(frozen=True, slots=True)
class Rule:
    """Bounds. Smoke as optical density a metre (base 10): 4 %/ft, a usual bound of smoke alarms, are 0.058."""

    smoke_per_m: float = 0.02
    rise_k: float = 8.0  # over the least of BEFORE_S
    rise_co_ppm: float = 25.0
    dense_smoke_per_m: float = 0.15
    dense_s: float = 60.0
    hot_c: float = 57.0  # of heat detectors: EN 54-5 class A1 acts at 54 to 65 C, UL 521 at 57 (135 F)


@dataclass(frozen=True, slots=True)
class Raised:
    """A fire, from `at_s` on, and why."""

    at_s: float
    sign: Sign


def optical_density_per_m(obscuration_percent: float, length_m: float) -> float:
    """Optical density a metre (base 10) of an obscuration over a length: 4 % over 0.3048 m is 0.058."""
    if not 0 <= obscuration_percent < 100 or not length_m > 0:
        raise BadInput(
            f"{obscuration_percent:g} % over {length_m:g} m; an obscuration is 0 to below 100 %, a length above 0"
        )
    return -log10(1 - obscuration_percent / 100) / length_m


def find_fire(
    time_s: ArrayLike,
    smoke_per_m: ArrayLike | None = None,
    temperature_c: ArrayLike | None = None,
    co_ppm: ArrayLike | None = None,
    rule: Rule | None = None,
) -> Raised | None:
    """The first moment at which one place's series say fire, and by which sign; None where they don't.

    Each series (n,) belongs to `time_s` (n,), ascending; None where there is no such sensor, NaN where a sample is missing.
    Raises BadInput where lengths differ or times run back.
    """
    bounds = rule or Rule()
    time = np.asarray(time_s, np.float64)
    if time.ndim != 1 or (np.diff(time) < 0).any():
        raise BadInput("time_s has one dimension and ascends; sort the samples by their time")
    smoke, heat, co = (_known(time, series) for series in (smoke_per_m, temperature_c, co_ppm))
    smoke_over = _over_usual(time, smoke)
    is_smoky = _holds(smoke_over >= bounds.smoke_per_m)
    signs = {
        Sign.SMOKE_AND_HEAT: is_smoky & _holds(_over_usual(time, heat) >= bounds.rise_k),
        Sign.SMOKE_AND_CO: is_smoky & _holds(_over_usual(time, co) >= bounds.rise_co_ppm),
        Sign.DENSE_SMOKE: _since(time, smoke_over >= bounds.dense_smoke_per_m) >= bounds.dense_s,
        Sign.HEAT: _holds(heat >= bounds.hot_c),
    }
    found = [Raised(float(time[np.argmax(is_there)]), sign) for sign, is_there in signs.items() if is_there.any()]
    return min(found, key=lambda raised: raised.at_s, default=None)


def find_fire_of_home(places: list[Raised | None]) -> Raised | None:
    """What a home with several such places says: the first of them."""
    return min((raised for raised in places if raised), key=lambda raised: raised.at_s, default=None)


def _known(time: Floats, series: ArrayLike | None) -> Floats:
    """The last known value at each time; NaN before the first."""
    if series is None:
        return np.full(len(time), np.nan)
    values = np.asarray(series, np.float64)
    if values.shape != time.shape:
        raise BadInput(f"a series has {values.shape} samples for {time.shape} times")
    last = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), -1))
    return np.where(last >= 0, values[np.maximum(last, 0)], np.nan)


def _over_usual(time: Floats, values: Floats) -> Floats:
    """Values less the least of BEFORE_S up to each; NaN where nothing is known. Least of ranges by doubling."""
    first = np.searchsorted(time, time - BEFORE_S, "left")
    last = np.arange(len(time))
    level = np.frexp(last - first + 1)[1] - 1
    least, of = np.full(len(time), np.inf), np.where(np.isfinite(values), values, np.inf)
    for power in range(int(level.max(initial=0)) + 1):
        mine = level == power
        least[mine] = np.minimum(of[first[mine]], of[last[mine] - 2**power + 1])
        of = np.minimum(of, np.concatenate([of[2**power :], np.full(min(2**power, len(of)), np.inf)]))
    return np.asarray(values - np.where(np.isfinite(least), least, np.nan), np.float64)


def _holds(is_there: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True at the last of IN_A_ROW samples that are."""
    held = is_there.copy()
    for back in range(1, IN_A_ROW):
        held[back:] &= is_there[:-back]
        held[:back] = False
    return held


def _since(time: Floats, is_there: NDArray[np.bool_]) -> Floats:
    """For how many seconds it has been so without a break; -1 where it isn't."""
    last_not = np.maximum.accumulate(np.where(is_there, -1, np.arange(len(time))))
    start = np.minimum(last_not + 1, len(time) - 1)
    return np.where(is_there, time - time[start], -1.0)
