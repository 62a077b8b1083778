"""What a car weighs after those who get off and before those who get on, from weighings while its doors are open.

The smallest of noisy weighings is biased: too low by the noise, too high where people get on before the last got off. So the course
of the dwell is fitted. A car that arrives with mass m loses a between the opening of the doors and a time e, and gains b
between a time s and a time f:

    mass(t) = m - a * min(t / e, 1) + b * min(max((t - s) / (f - s), 0), 1)

For given times (e, s, f) this is linear in (m, a, b), with a normal prior (m is what it weighed when it left the stop before) and normal noise:
a Bayesian linear regression in closed form (Bishop, Pattern Recognition and Machine Learning, 2006, eqs. 3.49-3.53 and 3.86). The times are not known: a grid
of them is averaged over, weighted by evidence (Hoeting et al., Statist. Sci. 14 (1999) 382). s < e is the overlap of both flows. The load after alighting
is m - a, the load at departure m - a + b, each with its mean and variance.

Persons go through doors one by one, so within a flow the mass wanders about the straight line as a Brownian bridge does; its
mean variance, n/6 times the mass of a person squared, is added to the noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ENDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of alighting, as shares of the dwell
OVERLAPS = {
    -0.15: 0.2,
    0.0: 0.35,
    0.2: 0.25,
    0.4: 0.2,
}  # of the alighting, during which people get on already: how likely
FULL_FROM = (0.6, 1.0)  # of what is left of the dwell, when boarding is over
PERSON_KG = 70.0
FLOW_SHARE = 0.45  # how far a flow may be from what the weighings show at first sight
FLOW_KG = 200.0
UNKNOWN_KG2 = 1e8


@dataclass(frozen=True, slots=True)
class Dwell:
    """One stop of one car: mean and variance of what it weighed after alighting and at departure, and of what got off
    (`gone_kg`, its variance without what both weighings have in common)."""

    after_kg: float
    after_variance_kg2: float
    departure_kg: float
    departure_variance_kg2: float
    gone_kg: float
    gone_variance_kg2: float


@lru_cache(maxsize=512)
def _courses(shares: tuple[float, ...]) -> tuple[Array, Array, Array]:
    """For each weighing (at a share of the dwell; 1 is after departure) and hypothesis the factors of (m, a, b), their products
    for each pair, and the logarithms of how likely the hypotheses are."""
    at = np.array(shares)
    found, likely = [], []
    for end in ENDS:
        for overlap, prior in OVERLAPS.items():
            start = min(end * (1.0 - overlap), 0.95)
            for full in FULL_FROM:
                finish = start + full * (1.0 - start)
                come = np.clip((at - start) / (finish - start), 0.0, 1.0)
                found.append(np.stack([np.ones_like(at), -np.minimum(at / end, 1.0), come], axis=1))
                likely.append(np.log(prior))
    factors = np.array(found).transpose(1, 0, 2)  # times x hypotheses x 3
    products = factors[:, :, _ROWS] * factors[:, :, _COLUMNS]
    return factors, products, np.array(likely)


_ROWS, _COLUMNS = (
    np.array([0, 0, 0, 1, 1, 2]),
    np.array([0, 1, 2, 1, 2, 2]),
)  # of the six different entries of a symmetric 3 x 3


def fit_dwells(
    shares: Sequence[float], weighed_kg: Array, noise_kg: Array, arrived_kg: Array, arrived_variance_kg2: Array
) -> list[Dwell]:
    """The dwells of the cars of a train.

    `shares` are the times of the weighings as shares of the dwell (0 when the doors open, 1 from departure on), `weighed_kg` what each
    car weighed then (cars x times; NaN where it said nothing), `noise_kg` the standard deviation of a weighing of each, `arrived_kg` and its
    variance what is known of the mass on arrival (an infinite variance: nothing). Raises ValueError where a car has neither.
    """
    factors, products, likely = _courses(tuple(round(share, 3) for share in shares))
    times, hypotheses = factors.shape[:2]
    heard = np.isfinite(weighed_kg)
    known = np.isfinite(arrived_variance_kg2)
    if not np.all(heard.any(axis=1) | known):
        raise ValueError("a car without any weighing")
    kg = np.where(heard, weighed_kg, np.nan)
    arrived = np.where(known, arrived_kg, _first(kg))
    base = arrived[:, None]
    kg = np.where(heard, weighed_kg - base, 0.0)
    lowest = np.minimum(_smoothed(kg, heard).min(axis=1, initial=0.0), 0.0)
    last = _last(kg, heard)
    gone_kg, come_kg = -lowest, np.maximum(last - lowest, 0.0)
    is_within = np.array([0.0 < share < 1.0 for share in shares])
    noise2 = noise_kg[:, None] ** 2 + np.outer(gone_kg + come_kg, is_within) * PERSON_KG / 6.0
    weights = np.where(heard, 1.0 / noise2, 0.0)
    prior_mean = np.stack([np.zeros_like(gone_kg), gone_kg, come_kg], axis=1)
    flow2 = (FLOW_SHARE * prior_mean[:, 1:] + FLOW_KG + noise_kg[:, None]) ** 2
    arrived2 = np.where(known, np.maximum(arrived_variance_kg2, 1.0), UNKNOWN_KG2)
    prior = 1.0 / np.concatenate([arrived2[:, None], flow2], axis=1)
    precision = (weights @ products.reshape(times, -1)).reshape(-1, hypotheses, 6)
    precision[:, :, (0, 3, 5)] += prior[:, None, :]
    right = ((weights * kg) @ factors.reshape(times, -1)).reshape(-1, hypotheses, 3) + (prior * prior_mean)[:, None, :]
    covariance, determinant = _inverse(precision)
    mean = np.einsum("chij,chj->chi", covariance, right)
    log_evidence = 0.5 * (np.einsum("chi,chi->ch", mean, right) - np.log(determinant)) + likely
    weight = np.exp(log_evidence - log_evidence.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    after, after2 = _mixed((1.0, -1.0, 0.0), mean, covariance, weight)
    left, left2 = _mixed((1.0, -1.0, 1.0), mean, covariance, weight)
    gone, gone2 = _mixed((0.0, 1.0, 0.0), mean, covariance, weight)
    columns = (arrived + after, after2, arrived + left, left2, gone, gone2)
    return [Dwell(*(float(value) for value in row)) for row in zip(*columns, strict=True)]


def _first(kg: Array) -> Array:
    """The first weighing of each car; 0 where there is none."""
    is_heard = np.isfinite(kg)
    return np.where(is_heard.any(axis=1), np.nan_to_num(kg)[np.arange(len(kg)), is_heard.argmax(axis=1)], 0.0)


def _last(kg: Array, heard: Array) -> Array:
    place = heard.shape[1] - 1 - heard[:, ::-1].argmax(axis=1)
    return np.where(heard.any(axis=1), kg[np.arange(len(kg)), place], 0.0)


def _smoothed(kg: Array, heard: Array) -> Array:
    """Means of three weighings in a row, of what was heard: their least is less biased than that of single ones."""
    sums = np.pad(np.where(heard, kg, 0.0), ((0, 0), (1, 1)))
    counts = np.pad(heard.astype(float), ((0, 0), (1, 1)))
    total = sums[:, :-2] + sums[:, 1:-1] + sums[:, 2:]
    return np.where(heard, total / np.maximum(counts[:, :-2] + counts[:, 1:-1] + counts[:, 2:], 1.0), 0.0)


def _inverse(entries: Array) -> tuple[Array, Array]:
    """Inverses and determinants of symmetric 3 x 3 matrices, of whose six entries the last axis consists."""
    a, b, c, d, e, f = np.moveaxis(entries, -1, 0)
    rows = (d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e, a * d - b * b)
    determinant = a * rows[0] + b * rows[1] + c * rows[2]
    upper = np.stack(rows, axis=-1) / determinant[..., None]
    return upper[..., _FULL], determinant


_FULL = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])


def _mixed(pick: tuple[float, ...], mean: Array, covariance: Array, weight: Array) -> tuple[Array, Array]:
    """Mean and variance of a linear function over the mixture of hypotheses, for each car."""
    p = np.array(pick)
    means = mean @ p
    variances = np.einsum("i,chij,j->ch", p, covariance, p)
    middle = (weight * means).sum(axis=1)
    return middle, (weight * (variances + (means - middle[:, None]) ** 2)).sum(axis=1)


def noise_of(kg: Sequence[float]) -> float | None:
    """The standard deviation of a weighing, from a series of five or more at even steps; None for a shorter one.

    Second differences take out what changes steadily and have six times the variance of the noise; their median does not see the one or
    two places where people stop getting off and begin to get on. 0.6745 is the median of |N(0, 1)|.
    """
    if len(kg) < 5:
        return None
    bends = sorted(abs(kg[i - 1] - 2.0 * kg[i] + kg[i + 1]) for i in range(1, len(kg) - 1))
    middle = len(bends) // 2
    median = bends[middle] if len(bends) % 2 else 0.5 * (bends[middle - 1] + bends[middle])
    return float(median / 0.6745 / 6.0**0.5)
