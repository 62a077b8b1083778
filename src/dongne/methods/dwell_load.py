"""What a car weighs after those who get off and before those who get on, from weighings while its doors are open.

The smallest of noisy weighings is biased: too low by the noise, too high where people get on before the last got off, or where the turn lies between
two weighings. So the course of the dwell is fitted. A car that arrives with mass m loses a between a time d, when the first is through a door, and a time e, and
gains b between a time s and a time f:

    mass(t) = m - a * min(max((t - d) / (e - d), 0), 1) + b * min(max((t - s) / (f - s), 0), 1)

For given times (e, s, f) this is linear in (m, a, b), with normal priors and normal noise: a Bayesian linear regression in closed form
(Bishop, Pattern Recognition and Machine Learning, 2006, eqs. 3.49-3.53; evidence 3.77). m is what the car weighed when it left the stop before. A flow
takes time: from d = FIRST_S on about one person a second passes a door (DOOR_PEOPLE_S, an assumption; surveys differ by door, crowd and
city), within FLOW_SPREAD; so much is expected of a and b, given the times. The times are not known: a grid of them is averaged over,
weighted by evidence (Hoeting et al., Statist. Sci. 14 (1999) 382). s < e is the overlap of both flows. The load after alighting is m - a, the load at
departure m - a + b, each with its mean and variance.

Persons go through doors one by one, so within a flow of n of them the mass wanders about the straight line as a Brownian bridge does: once a share x of
them is through its variance is n x (1 - x) times the mass of a person squared, which is added to the noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# How long people get off, or on; 0: hardly anybody does.
FLOW_TIMES_S = (0.0, 0.5, 1.5, 2.5, 4.0, 6.0, 8.5, 12.0, 16.0, 21.0, 28.0, 38.0, 52.0)
MOST_SHARE = 0.9  # of the dwell, by which the last has got off
# Of the alighting, during which people get on already; none of them is known to be likelier.
OVERLAPS = (-0.2, 0.0, 0.25, 0.5)
PERSON_KG = 70.0
DOOR_PEOPLE_S = 1.0
FIRST_S = 1.5  # from when the doors open until the first is through
AT_ONCE_S = 0.1
FLOW_SPREAD = (0.4, 0.6)  # of what is expected of a and of b; those who get on come when they come
FLOW_KG = 100.0
UNKNOWN_KG2 = 1e8
FITTED = 2  # about so many weighings are used up by the course, of which priors know a part


@dataclass(frozen=True, slots=True)
class Dwell:
    """One stop of one car: mean and variance of what it weighed after alighting and at departure, and of what got off
    (`gone_kg`, its variance without what both weighings have in common). `misfit` is the mean of the squared residuals of its
    weighings over their variances, 1 where the noise is what it was taken for; None for fewer than four weighings."""

    after_kg: float
    after_variance_kg2: float
    departure_kg: float
    departure_variance_kg2: float
    gone_kg: float
    gone_variance_kg2: float
    misfit: float | None = None


@dataclass(frozen=True, slots=True)
class _Courses:
    """For each weighing and hypothesis the factors of (m, a, b), their products for each pair, and the share of a flow by which its bridge
    wanders; how long people get off and on in each hypothesis."""

    factors: Array  # times x hypotheses x 3
    products: Array  # times x hypotheses x 6
    wander: Array  # times x hypotheses x 2
    off_s: Array
    on_s: Array


@lru_cache(maxsize=256)
def _courses(times_s: tuple[float, ...], doors_s: float) -> _Courses:
    rows = [
        (off_s, start, on_s)
        for off_s in FLOW_TIMES_S
        if FIRST_S + off_s <= MOST_SHARE * doors_s or off_s == FLOW_TIMES_S[0]
        for overlap in OVERLAPS
        for start in (FIRST_S + off_s * (1.0 - overlap),)
        for on_s in (*(one for one in FLOW_TIMES_S if start + one < doors_s), None)
    ]
    off_s = np.array([row[0] for row in rows])
    start = np.array([row[1] for row in rows])
    on_s = np.array([max(doors_s - row[1], 1.0) if row[2] is None else row[2] for row in rows])
    at = np.array(times_s)[:, None]
    gone = np.where(at >= doors_s, 1.0, _share_through(at - FIRST_S, off_s))
    come = np.where(at >= doors_s, 1.0, _share_through(at - start, on_s))
    factors = np.stack([np.ones_like(gone), -gone, come], axis=2)
    wander = np.stack([gone * (1.0 - gone), come * (1.0 - come)], axis=2)
    return _Courses(factors, factors[:, :, _ROWS] * factors[:, :, _COLUMNS], wander, off_s, on_s)


def _share_through(since_s: Array, lasts_s: Array) -> Array:
    return np.clip(since_s / np.maximum(lasts_s, AT_ONCE_S), 0.0, 1.0)


_ROWS, _COLUMNS = (
    np.array([0, 0, 0, 1, 1, 2]),
    np.array([0, 1, 2, 1, 2, 2]),
)  # of the six different entries of a symmetric 3 x 3


def fit_dwells(
    times_s: Sequence[float],
    doors_s: float,
    weighed_kg: Array,
    noise_kg: Array,
    arrived_kg: Array,
    arrived_variance_kg2: Array,
    doors: int = 4,
) -> list[Dwell]:
    """The dwells of the cars of a train, which stood for `doors_s` with `doors` of each car open.

    `times_s` are the seconds of the weighings from the opening of the doors, those after `doors_s` were made after departure;
    `weighed_kg` is what each car weighed then (cars x times; NaN where it said nothing), `noise_kg` the standard deviation of a weighing of each,
    `arrived_kg` and its variance what is known of the mass on arrival (an infinite variance: nothing). Raises ValueError where a car has
    neither.
    """
    courses = _courses(tuple(round(one, 1) for one in times_s), round(max(doors_s, 2.0), 1))
    heard, known = np.isfinite(weighed_kg), np.isfinite(arrived_variance_kg2)
    if not np.all(heard.any(axis=1) | known):
        raise ValueError("a car without any weighing")
    arrived = np.where(known, arrived_kg, _first(np.where(heard, weighed_kg, np.nan)))
    kg = np.where(heard, weighed_kg - arrived[:, None], 0.0)
    prior_mean, prior = _priors(courses, np.where(known, np.maximum(arrived_variance_kg2, 1.0), UNKNOWN_KG2), doors)
    bridge2 = PERSON_KG * (courses.wander * prior_mean[:, 1:]).sum(axis=2)
    noise2 = noise_kg[:, None, None] ** 2 + bridge2
    weights = heard[:, :, None] / noise2  # cars x times x hypotheses
    precision = np.einsum("cth,thk->chk", weights, courses.products)
    precision[:, :, (0, 3, 5)] += prior
    right = np.einsum("cth,thk->chk", weights * kg[:, :, None], courses.factors) + prior * prior_mean
    covariance, determinant = _inverse(precision)
    mean = np.einsum("chij,chj->chi", covariance, right)
    fit = np.einsum("chi,chi->ch", mean, right) - (prior * prior_mean**2).sum(axis=2)
    fit = fit - (weights * kg[:, :, None] ** 2).sum(axis=1) - (heard[:, :, None] * np.log(noise2)).sum(axis=1)
    log_evidence = 0.5 * (fit + np.log(prior).sum(axis=2) - np.log(determinant))
    weight = np.exp(log_evidence - log_evidence.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    after, after2 = _mixed((1.0, -1.0, 0.0), mean, covariance, weight)
    left, left2 = _mixed((1.0, -1.0, 1.0), mean, covariance, weight)
    gone, gone2 = _mixed((0.0, 1.0, 0.0), mean, covariance, weight)
    off = kg[:, :, None] - np.einsum("thi,chi->cth", courses.factors, mean)
    misfit = (weight * (weights * off**2).sum(axis=1)).sum(axis=1) / np.maximum(heard.sum(axis=1) - FITTED, 1)
    is_enough = heard.sum(axis=1) >= 4
    columns = (arrived + after, after2, arrived + left, left2, gone, gone2)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    misfits = [one if enough else None for one, enough in zip(misfit.tolist(), is_enough.tolist(), strict=True)]
    return [Dwell(a, a2, d, d2, g, g2, one) for (a, a2, d, d2, g, g2), one in zip(rows, misfits, strict=True)]


def _priors(courses: _Courses, arrived2: Array, doors: int) -> tuple[Array, Array]:
    """Mean of (m, a, b) by hypothesis, m from what is known of the arrival; and their precisions by car and hypothesis."""
    flow_kg_s = doors * DOOR_PEOPLE_S * PERSON_KG
    flows = flow_kg_s * np.stack([courses.off_s, courses.on_s], axis=1)
    mean = np.concatenate([np.zeros((len(flows), 1)), flows], axis=1)
    flow_precision = 1.0 / (np.array(FLOW_SPREAD) * flows + FLOW_KG) ** 2
    shape = (len(arrived2), len(flows), 1)
    of_arrival = np.broadcast_to((1.0 / arrived2)[:, None, None], shape)
    return mean, np.concatenate([of_arrival, np.broadcast_to(flow_precision, (*shape[:2], 2))], axis=2)


def _first(kg: Array) -> Array:
    """The first weighing of each car; 0 where there is none."""
    is_heard = np.isfinite(kg)
    return np.where(is_heard.any(axis=1), np.nan_to_num(kg)[np.arange(len(kg)), is_heard.argmax(axis=1)], 0.0)


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
