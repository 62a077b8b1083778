"""The next six hours of an hourly count: a weekly profile, and what the last hours, days and week were beside it.

On the square-root scale (see methods/rhythm.py) z = sqrt(count), p the profile of the hour of the week, r = z - p:

    r(t+h) = b0 + b1 r(t) + b2 r(t-1) + b3 m24 + b4 m168 + b5 r(t+h-24) + b6 r(t+h-48) + b7 r(t+h-168)
             + g (b8 r(t) + b9 m24 + b10 m168),      g = p(t+h) / mean(p) - 1

with m24, m168 the means of r over the last 24 and 168 hours: one linear model for each horizon h ("direct" forecasts:
Marcellino, Stock, Watson, J. Econometrics 135, 2006). The b come from ridge regression (Hoerl and Kennard, Technometrics
12(1), 1970) with Huber's weights (Annals of Mathematical Statistics 35(1), 1964), so that a festival does not steer them.
p is a mean of the weeks, younger ones counting more (half-life `HALF_LIFE_WEEKS`), after values beyond `CLIP_SD` robust
deviations of the median are drawn in. While fitting, each r is taken from the profile without its own week; otherwise it
would be smaller in the past than in the future.

Errors are measured as it is used: on each held-back week with a model fitted on what came before (rolling origin: Tashman,
Int. J. Forecasting 16(4), 2000), beside the same hour of the week before.
"""

from collections.abc import Sequence
from math import sqrt

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.methods.rhythm import HOURS_OF_WEEK

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

METHOD = 1  # counts up when a fitted model of before can't be used any more
HORIZONS = 6
WEEK = HOURS_OF_WEEK
HALF_LIFE_WEEKS = 6.0
CLIP_SD = 3.0
RIDGE = 10.0
HUBER = 3.0
ROUNDS = 5
LEAST_WEEKS = 4  # of training


class HourForecast(msgspec.Struct, frozen=True):
    """A fitted model: `profile` by hour of the week (square roots), `weights[h - 1]` the b of horizon h."""

    method: int
    profile: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]


class Errors(msgspec.Struct, frozen=True):
    """Mean absolute errors by horizon on held-back weeks, of the model and of the same hour a week before; `n` hours."""

    mae: tuple[float, ...]
    mae_last_week: tuple[float, ...]
    n: int


# --- fitting ------------------------------------------------------------------------------------------------------


def fit_hours(counts: Floats, slots: Ints) -> HourForecast:
    """The model of an hourly series; NaN where nothing was counted. `slots` are the hours of the week.

    Raises ValueError where less than LEAST_WEEKS of it is known.
    """
    known = int(np.count_nonzero(~np.isnan(counts)))
    if known < LEAST_WEEKS * WEEK:
        raise ValueError(f"{known} hours are known; a forecast needs {LEAST_WEEKS * WEEK}")
    z = np.sqrt(np.maximum(counts, 0.0))
    profile, without_own = _fit_profile(z, slots)
    r = np.nan_to_num(z - without_own)
    level = profile / max(float(profile.mean()), 1e-9) - 1.0
    weights = []
    for horizon in range(1, HORIZONS + 1):
        ends = np.arange(WEEK, len(z) - horizon)
        target = ends + horizon
        good = ~np.isnan(z[target])
        x = design(r, level[slots[target]], ends, horizon)[good]
        weights.append(tuple(_ridge(x, r[target][good]).tolist()))
    return HourForecast(METHOD, tuple(profile.tolist()), tuple(weights))


def _fit_profile(z: Floats, slots: Ints) -> tuple[Floats, Floats]:
    """The profile, and for each hour the profile that the other weeks make."""
    there = ~np.isnan(z)
    age_weeks = (len(z) - np.arange(len(z))) / WEEK
    w = np.where(there, 0.5 ** (age_weeks / HALF_LIFE_WEEKS), 0.0)
    median = _medians(z, slots, w)
    near = median[slots]
    sd = 1.4826 * float(np.median(np.abs(z[there] - near[there])))
    clipped = np.where(there, np.clip(z, near - CLIP_SD * sd, near + CLIP_SD * sd), 0.0)
    little = 0.02  # where no other week is known the median stands in
    sums = np.bincount(slots, w * clipped, WEEK) + little * median
    weight = np.bincount(slots, w, WEEK) + little
    return sums / weight, (sums[slots] - w * clipped) / (weight[slots] - w)


def _medians(z: Floats, slots: Ints, w: Floats) -> Floats:
    """The weighted median of each hour of the week; where it was never seen, the median of all."""
    everywhere = float(np.nanmedian(z))
    found = np.full(WEEK, everywhere)
    order = np.lexsort((z, slots))
    order = order[w[order] > 0]
    edges = np.searchsorted(slots[order], np.arange(WEEK + 1))
    for slot in range(WEEK):
        mine = order[edges[slot] : edges[slot + 1]]
        if len(mine):
            total = np.cumsum(w[mine])
            found[slot] = z[mine][np.searchsorted(total, total[-1] / 2)]
    return found


def design(r: Floats, level: Floats, ends: Ints, horizon: int) -> Floats:
    """The regressors for the hours `ends + horizon`, a row each, known at `ends`; `level` is g at those hours."""
    total = np.concatenate(([0.0], np.cumsum(r)))
    day = (total[ends + 1] - total[ends - 23]) / 24
    week = (total[ends + 1] - total[ends - 167]) / WEEK
    ahead = ends + horizon
    now = r[ends]
    columns = (
        np.ones(len(ends)), now, r[ends - 1], day, week, r[ahead - 24], r[ahead - 48], r[ahead - WEEK],
        now * level, day * level, week * level,
    )  # fmt: skip
    return np.stack(columns, axis=1)


def _ridge(x: Floats, y: Floats) -> Floats:
    """Ridge regression, weighted anew ROUNDS times by Huber's function of the residuals."""
    penalty = RIDGE * np.eye(x.shape[1])
    w: Floats = np.ones(len(y))
    b: Floats = np.zeros(x.shape[1])
    for _ in range(ROUNDS):
        b = np.asarray(np.linalg.solve(x.T @ (x * w[:, None]) + penalty, x.T @ (w * y)), np.float64)
        away = np.abs(y - x @ b)
        sd = 1.4826 * float(np.median(away)) + 1e-9
        w = 1.0 / np.maximum(1.0, away / (HUBER * sd))
    return b


# --- forecasting --------------------------------------------------------------------------------------------------


def predict(
    model: HourForecast, recent: Sequence[float | None], slots: Sequence[int], ahead: Sequence[int]
) -> list[float]:
    """The counts of the next HORIZONS hours. `recent` are the last 168 hours, oldest first, None where unknown; `slots` and
    `ahead` the hours of the week of those and of the next ones."""
    profile = model.profile
    r = [0.0 if count is None else sqrt(count) - profile[slot] for count, slot in zip(recent, slots, strict=True)]
    now, before, day, week = r[-1], r[-2], sum(r[-24:]) / 24, sum(r) / WEEK
    mean = max(sum(profile) / WEEK, 1e-9)
    found = []
    for horizon, slot in enumerate(ahead, 1):
        b = model.weights[horizon - 1]
        p = profile[slot]
        g = p / mean - 1.0
        root = (
            p + b[0] + b[1] * now + b[2] * before + b[3] * day + b[4] * week
            + b[5] * r[horizon - 25] + b[6] * r[horizon - 49] + b[7] * r[horizon - 1]
            + g * (b[8] * now + b[9] * day + b[10] * week)
        )  # fmt: skip
        found.append(max(root, 0.0) ** 2)
    return found


def evaluate(counts: Floats, slots: Ints, weeks: int) -> Errors:
    """Errors on the last `weeks` weeks, each with a model fitted on everything before it.

    Raises ValueError where what is before is too short, or nothing is known of the held-back weeks.
    """
    ours, naive = np.zeros(HORIZONS), np.zeros(HORIZONS)
    n = np.zeros(HORIZONS)
    for back in range(weeks, 0, -1):
        start = len(counts) - back * WEEK
        model = fit_hours(counts[:start], slots[:start])
        for i, (mine, last_week) in enumerate(_errors_of_week(model, counts, slots, start)):
            ours[i] += mine.sum()
            naive[i] += last_week.sum()
            n[i] += len(mine)
    if not n.all():
        raise ValueError(f"nothing was counted in the last {weeks} weeks or the week before")
    return Errors(tuple((ours / n).tolist()), tuple((naive / n).tolist()), int(n[0]))


def _errors_of_week(model: HourForecast, counts: Floats, slots: Ints, start: int) -> list[tuple[Floats, Floats]]:
    """Absolute errors (the model's, last week's) in the week from `start` on, by horizon: hours known in both weeks."""
    profile = np.array(model.profile)
    level = profile / max(float(profile.mean()), 1e-9) - 1.0
    begin = max(start - WEEK - HORIZONS, 0)
    r = np.nan_to_num(np.sqrt(np.maximum(counts[begin:], 0.0)) - profile[slots[begin:]])
    target = np.arange(start, start + WEEK)
    target = target[~np.isnan(counts[target]) & ~np.isnan(counts[target - WEEK])]
    found = []
    for horizon in range(1, HORIZONS + 1):
        x = design(r, level[slots[target]], target - horizon - begin, horizon)
        root = profile[slots[target]] + x @ np.array(model.weights[horizon - 1])
        ours = np.maximum(root, 0.0) ** 2
        found.append((np.abs(ours - counts[target]), np.abs(counts[target - WEEK] - counts[target])))
    return found
