"""How sure a share is: Wilson's interval, and one by clusters where cases of a person or a recording hang together.

Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212, without continuity correction. Clusters are drawn with replacement, whole
(Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 8; percentile interval).
"""

from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

Z_95 = 1.959963984540054


class Interval(NamedTuple):
    """Both ends of a 95 % interval."""

    low: float
    high: float


def wilson(hits: int, of: int) -> Interval:
    """Wilson's 95 % interval of a share; (0, 1) where nothing was counted."""
    if of == 0:
        return Interval(0.0, 1.0)
    share, z2 = hits / of, Z_95**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z_95 / (1 + z2 / of) * sqrt(share * (1 - share) / of + z2 / (4 * of**2))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def by_cluster(hits: ArrayLike, of: ArrayLike, seed: int = 1, rounds: int = 4_000) -> Interval:
    """95 % interval of sum(hits) / sum(of) over clusters (subjects, records) drawn with replacement; clusters without
    cases are left out; (0, 1) where fewer than two are left."""
    hit, count = np.asarray(hits, np.float64), np.asarray(of, np.float64)
    hit, count = hit[count > 0], count[count > 0]
    if len(count) < 2:
        return Interval(0.0, 1.0)
    drawn = np.random.default_rng(seed).integers(len(count), size=(rounds, len(count)))
    low, high = np.quantile(hit[drawn].sum(axis=1) / count[drawn].sum(axis=1), [0.025, 0.975])
    return Interval(float(low), float(high))
