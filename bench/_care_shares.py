"""Sensitivity and specificity with intervals by cluster, one line each."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dongne.methods.proportions import Interval, by_cluster, wilson


class Case(NamedTuple):
    """One judgement: of which subject or record, what is true, what was said."""

    cluster: str
    is_true: bool
    is_raised: bool


class Shares(NamedTuple):
    """Both shares, each with its interval by cluster and Wilson's, and how many of how many."""

    sensitivity: float
    sensitivity_by_cluster: Interval
    sensitivity_wilson: Interval
    found: tuple[int, int]
    specificity: float
    specificity_by_cluster: Interval
    specificity_wilson: Interval
    quiet: tuple[int, int]


def shares_of(cases: Iterable[Case], seed: int = 1) -> Shares:
    """The shares of some cases; NaN where there is nothing true, or nothing false."""
    counts: dict[str, list[int]] = {}
    for case in cases:
        mine = counts.setdefault(case.cluster, [0, 0, 0, 0])
        mine[0 if case.is_true else 2] += case.is_raised == case.is_true
        mine[1 if case.is_true else 3] += 1
    right, true, quiet, false = (tuple(column) for column in zip(*counts.values(), strict=True))
    return Shares(
        sum(right) / sum(true) if sum(true) else float("nan"),
        by_cluster(right, true, seed),
        wilson(sum(right), sum(true)),
        (sum(right), sum(true)),
        sum(quiet) / sum(false) if sum(false) else float("nan"),
        by_cluster(quiet, false, seed),
        wilson(sum(quiet), sum(false)),
        (sum(quiet), sum(false)),
    )


class Separation(NamedTuple):
    """How well scores part true from false whatever the bound: area under the curve (of a true and a false one the true
    one scores higher, ties count half), and the share that sensitivity and specificity both reach at the best bound."""

    area: float
    both: float
    bound: float


def separate(scores: ArrayLike, is_true: ArrayLike) -> Separation:
    """The separation of scores (n,); a case is raised from the bound on. Needs a true and a false one."""
    values, true = np.asarray(scores, np.float64), np.asarray(is_true, np.bool_)
    high, low = np.sort(values[true]), np.sort(values[~true])
    below, upto = np.searchsorted(low, high, "left"), np.searchsorted(low, high, "right")
    found = 1 - np.arange(len(high)) / len(high)  # a tie's first place counts, and there it is greatest
    both = np.minimum(found, below / len(low))
    best = int(both.argmax())
    return Separation(float((below + upto).mean() / 2 / len(low)), float(both[best]), float(high[best]))


def say_shares(title: str, cases: Iterable[Case]) -> Shares:
    """Prints a line; the shares."""
    shares = shares_of(cases)
    print(
        f"  {title:44} Se {shares.sensitivity:.3f} [{_span(shares.sensitivity_by_cluster)}; Wilson {_span(shares.sensitivity_wilson)}]"
        f" {shares.found[0]}/{shares.found[1]}   Sp {shares.specificity:.3f} [{_span(shares.specificity_by_cluster)};"
        f" Wilson {_span(shares.specificity_wilson)}] {shares.quiet[0]}/{shares.quiet[1]}",
        flush=True,
    )
    return shares


def _span(interval: Interval) -> str:
    return f"{interval.low:.3f} to {interval.high:.3f}"
