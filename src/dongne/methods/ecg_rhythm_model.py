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
    -4.11638,
    (
        # crossing_share
        (0.327061, 0.240625, 0.218906),
        # near_zero_share
        (0.381676, 0.191583, -0.324292),
        # peakedness
        (1.87894, 0.771878, -0.0329139),
        # slope_peakedness
        (2.13503, 0.695503, -0.358418),
        # still_slope_share
        (0.542878, 0.264485, -0.531469),
        # leakage
        (0.687564, 0.179416, -0.175342),
        # quarter_leakage
        (0.847671, 0.0662411, -0.584618),
        # phase_space_share
        (0.416205, 0.175147, 0.753484),
        # slope_crest
        (1.85514, 0.507717, -0.596393),
        # qrs_burst
        (3.68762, 1.74038, -0.387308),
        # qrs_share
        (-1.20931, 0.672047, 0.440474),
        # unevenness
        (0.182545, 0.127155, 0.707741),
        # asymmetry
        (1.50159, 1.22553, -0.333631),
        # crossings_per_s
        (9.26979, 4.25894, 0.110221),
        # peaks_per_s
        (2.69264, 1.19968, 0.640991),
        # peak_interval_spread
        (0.356612, 0.228286, -0.0989911),
        # deepest_autocorrelation
        (-0.401734, 0.201317, 0.0764418),
        # quick_autocorrelation
        (0.338457, 0.297927, -0.149127),
        # beat_autocorrelation
        (0.587786, 0.260576, -0.206612),
        # main_hz
        (2.96528, 1.43746, 0.506101),
        # centre_hz
        (5.07929, 2.16352, -0.11332),
        # width_hz
        (4.02468, 1.78713, -0.33185),
        # concentration
        (0.371696, 0.239726, -0.029712),
        # harmonics_share
        (0.382236, 0.215347, -0.136025),
        # high_share
        (0.0893009, 0.0937832, -0.636099),
        # entropy
        (4.97509, 0.77809, 0.519203),
    ),
)
VT = Logistic.of(
    -5.76287,
    (
        # crossing_share
        (0.288662, 0.225367, 0.508594),
        # near_zero_share
        (0.409052, 0.185238, -0.516117),
        # peakedness
        (1.9927, 0.739999, -0.0505358),
        # slope_peakedness
        (2.25484, 0.63388, -0.305692),
        # still_slope_share
        (0.584101, 0.251178, -0.525394),
        # leakage
        (0.718441, 0.161369, -0.650637),
        # quarter_leakage
        (0.857806, 0.0616597, -0.979361),
        # phase_space_share
        (0.383791, 0.15655, 0.2356),
        # slope_crest
        (1.93788, 0.47561, -0.478406),
        # qrs_burst
        (3.95317, 1.65438, -0.379868),
        # qrs_share
        (-1.13098, 0.657517, 0.283321),
        # unevenness
        (0.181537, 0.131296, 0.488108),
        # asymmetry
        (1.6619, 1.20612, -0.39654),
        # crossings_per_s
        (9.30875, 4.44669, 0.19763),
        # peaks_per_s
        (2.61145, 1.22726, 0.640084),
        # peak_interval_spread
        (0.363774, 0.235173, 0.0517791),
        # deepest_autocorrelation
        (-0.37097, 0.184806, -0.399508),
        # quick_autocorrelation
        (0.317229, 0.297287, 0.265366),
        # beat_autocorrelation
        (0.59632, 0.263826, 0.0362151),
        # main_hz
        (2.86028, 1.42589, 0.261136),
        # centre_hz
        (5.22286, 2.22887, 0.163155),
        # width_hz
        (4.21252, 1.78434, -0.0860719),
        # concentration
        (0.340208, 0.225724, 0.56307),
        # harmonics_share
        (0.411673, 0.205138, 0.002504),
        # high_share
        (0.0985252, 0.0954, -0.204598),
        # entropy
        (5.03039, 0.78424, -0.0533612),
    ),
)
