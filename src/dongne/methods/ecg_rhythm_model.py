"""The numbers of the models of `ecg_rhythm.py`: logistic regression on the measures of `ecg_shape.py`, standardised.

Made by `tools/fit_ecg_rhythm.py` from 11 records of the MIT-BIH Malignant Ventricular Ectopy Database (ODC-By 1.0), windows of 5 s of
one rhythm, both leads, each record's windows together of bounded weight. VF: fibrillation and flutter against all else, noise too.
VT: tachycardia against all that is neither. No seed is needed: the fit has one optimum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FURTHEST = 4.0  # standard deviations; beyond lies nothing that was seen


@dataclass(frozen=True)
class Logistic:
    """A logistic model of standardised measures."""

    intercept: float
    middle: Floats
    spread: Floats
    weights: Floats

    @staticmethod
    def of(intercept: float, rows: Sequence[tuple[float, float, float]]) -> "Logistic":
        """From (mean, standard deviation, weight) for each measure."""
        table = np.array(rows, np.float64)
        return Logistic(intercept, table[:, 0], table[:, 1], table[:, 2])

    def probability(self, values: Floats) -> float:
        """Of one window, 0..1."""
        place = np.clip((values - self.middle) / self.spread, -FURTHEST, FURTHEST)
        return 1 / (1 + exp(-min(30.0, max(-30.0, self.intercept + float(place @ self.weights)))))


# --- written by tools/fit_ecg_rhythm.py ---
VF = Logistic.of(
    -3.85439,
    (
        # crossing_share
        (0.327061, 0.240625, 0.227911),
        # near_zero_share
        (0.381676, 0.191583, -0.323176),
        # slope_peakedness
        (2.13503, 0.695503, -0.403793),
        # still_slope_share
        (0.542878, 0.264485, -0.615922),
        # quarter_leakage
        (0.847671, 0.0662411, -0.769946),
        # phase_space_share
        (0.416205, 0.175147, 0.84136),
        # slope_crest
        (1.85514, 0.507717, -0.700195),
        # qrs_burst
        (3.68762, 1.74038, -0.380014),
        # qrs_share
        (-1.20931, 0.672047, 0.432952),
        # unevenness
        (0.182545, 0.127155, 0.806601),
        # peaks_per_s
        (2.69264, 1.19968, 0.876321),
        # centre_hz
        (5.07929, 2.16352, -0.111216),
        # high_share
        (0.0893009, 0.0937832, -0.742247),
        # entropy
        (4.97509, 0.77809, 0.673014),
    ),
)
VT = Logistic.of(
    -5.0432,
    (
        # crossing_share
        (0.288662, 0.225367, 0.855203),
        # near_zero_share
        (0.409052, 0.185238, -0.625876),
        # slope_peakedness
        (2.25484, 0.63388, -0.343915),
        # still_slope_share
        (0.584101, 0.251178, -0.660747),
        # quarter_leakage
        (0.857806, 0.0616597, -1.2941),
        # phase_space_share
        (0.383791, 0.15655, 0.216391),
        # slope_crest
        (1.93788, 0.47561, -0.584291),
        # qrs_burst
        (3.95317, 1.65438, -0.400566),
        # qrs_share
        (-1.13098, 0.657517, -0.0160657),
        # unevenness
        (0.181537, 0.131296, 0.511091),
        # peaks_per_s
        (2.61145, 1.22726, 0.585226),
        # centre_hz
        (5.22286, 2.22887, 0.536864),
        # high_share
        (0.0985252, 0.0954, -0.319446),
        # entropy
        (5.03039, 0.78424, -0.540317),
    ),
)
