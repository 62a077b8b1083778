"""What a car weighs after alighting, against the same model worked out in full and on stops whose truth is known."""

from itertools import product

import numpy as np
import pytest

from dongne.methods import dwell_load
from dongne.methods.dwell_load import Dwell, fit_dwells, noise_of

SHARES = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def fit(kg: list[float], noise_kg: float = 80.0, arrived: tuple[float, float] | None = None) -> Dwell:
    mean, variance = arrived or (np.nan, np.inf)
    shares = SHARES if len(kg) == len(SHARES) else list(np.linspace(0, 1, len(kg)))
    [found] = fit_dwells(shares, np.array([kg]), np.array([noise_kg]), np.array([mean]), np.array([variance]))
    return found


def in_full(kg: np.ndarray, noise_kg: float, arrived_kg: float, arrived_sd: float) -> tuple[float, float]:
    """The load after alighting: each hypothesis as one joint normal distribution of all weighings, without any recursion."""
    at, flat = np.array(SHARES), kg - arrived_kg
    runs = np.array([np.mean(flat[max(i - 1, 0) : i + 2]) for i in range(len(flat))])
    gone = max(-runs.min(), 0.0)
    come = max(flat[-1] + gone, 0.0)
    noise2 = noise_kg**2 + (gone + come) * dwell_load.PERSON_KG / 6 * ((at > 0) & (at < 1))
    mean0 = np.array([0.0, gone, come])
    sds = [arrived_sd] + [dwell_load.FLOW_SHARE * flow + dwell_load.FLOW_KG + noise_kg for flow in (gone, come)]
    prior, densities, means, variances = np.diag(np.square(sds)), [], [], []
    for end, (overlap, likely), full in product(dwell_load.ENDS, dwell_load.OVERLAPS.items(), dwell_load.FULL_FROM):
        start = min(end * (1 - overlap), 0.95)
        finish = start + full * (1 - start)
        x = np.array([[1.0, -min(t / end, 1.0), min(max((t - start) / (finish - start), 0.0), 1.0)] for t in at])
        joint = x @ prior @ x.T + np.diag(noise2)
        off = flat - x @ mean0
        densities.append(likely * np.exp(-0.5 * off @ np.linalg.solve(joint, off)) / np.sqrt(np.linalg.det(joint)))
        gain = prior @ x.T @ np.linalg.inv(joint)
        pick = np.array([1.0, -1.0, 0.0])
        means.append(pick @ (mean0 + gain @ off))
        variances.append(pick @ (prior - gain @ x @ prior) @ pick)
    weight, middles = np.array(densities) / np.sum(densities), np.array(means)
    mean = weight @ middles
    return arrived_kg + mean, weight @ (np.array(variances) + (middles - mean) ** 2)


@pytest.mark.parametrize("seed", range(4))
def test_the_average_over_hypotheses_is_that_of_joint_normal_distributions(seed: int) -> None:
    kg = np.array([41_000.0, 40_300.0, 39_500.0, 40_100.0, 41_200.0, 41_400.0])
    kg += np.random.default_rng(seed).normal(0, 90.0, 6)
    found = fit(list(kg), 90.0, (41_050.0, 80.0**2))
    after, variance = in_full(kg, 90.0, 41_050.0, 80.0)
    assert found.after_kg == pytest.approx(after, abs=0.5)
    assert found.after_variance_kg2 == pytest.approx(variance, rel=1e-4)


def test_a_car_that_nobody_leaves_or_enters_weighs_the_same() -> None:
    found = fit([40_000.0] * 6, 50.0, (40_000.0, 30.0**2))
    assert found.departure_kg == pytest.approx(40_000.0, abs=40.0)
    assert found.after_kg == pytest.approx(40_000.0, abs=120.0)


def test_a_weighing_that_is_missing_is_done_without() -> None:
    kg = [41_000.0, 40_300.0, np.nan, 40_100.0, 41_200.0, 41_400.0]
    found = fit(kg, 60.0, (41_000.0, 50.0**2))
    assert 39_200.0 < found.after_kg < 40_300.0
    assert found.departure_kg == pytest.approx(41_350.0, abs=150.0)


def test_a_car_that_said_nothing_is_refused_where_nothing_is_known_of_it() -> None:
    with pytest.raises(ValueError, match="without any weighing"):
        fit([np.nan] * 6)
    silent = fit([np.nan] * 6, arrived=(40_000.0, 100.0**2))
    assert silent.after_variance_kg2 > 200.0**2


def stops(
    seed: int, noise_kg: float, overlap: float, count: int = 300
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(weighings, masses on arrival, after alighting, at departure): persons of their own mass go through the doors one by one."""
    random = np.random.default_rng(seed)
    at, rows = np.arange(0, 30, 5.0), []
    for _ in range(count):
        people = int(random.integers(10, 240))
        gone, come = int(random.binomial(people, random.uniform(0.02, 0.5))), int(random.poisson(random.uniform(0, 60)))
        end = max(3.0, 26.0 * gone / (gone + come + 1))
        start = end * (1 - overlap * random.random())
        masses, enter = random.normal(66, 13, people), random.normal(66, 13, come)
        leaves, enters = random.uniform(0.5, end, gone), random.uniform(start, start + (30 - start) * 0.8, come)
        course = [masses.sum() - masses[:gone][leaves <= t].sum() + enter[enters <= t].sum() for t in at]
        last = masses[gone:].sum() + enter.sum()
        weighed = np.array([*course, last]) + random.normal(0, noise_kg, len(at) + 1)
        rows.append((weighed, masses.sum(), masses[gone:].sum(), last))
    weighed, before, after, last = (np.array(column) for column in zip(*rows, strict=True))
    return weighed, before, after, last


@pytest.mark.parametrize("noise_kg", [60.0, 120.0, 240.0])
@pytest.mark.parametrize("overlap", [0.0, 0.3])
def test_it_is_nearer_the_truth_than_the_smallest_weighing(noise_kg: float, overlap: float) -> None:
    weighed, before, after, last = stops(11, noise_kg, overlap)
    random = np.random.default_rng(1)
    known = before + random.normal(0, noise_kg / 2, len(before))
    size = len(before)
    shares = [*(np.arange(0, 30, 5.0) / 30), 1.0]
    found = fit_dwells(shares, weighed, np.full(size, noise_kg), known, np.full(size, (noise_kg / 2) ** 2))
    errors = np.array([one.after_kg for one in found]) - after
    smallest = weighed.min(axis=1) - after
    assert noise_kg > 200.0 or abs(errors.mean()) < abs(smallest.mean())
    assert np.sqrt(np.mean(errors**2)) < 1.02 * np.sqrt(np.mean(smallest**2))
    sure = np.sqrt([one.after_variance_kg2 for one in found])
    assert 0.58 < np.mean(np.abs(errors) < 1.2816 * sure) < 0.93
    left = np.array([one.departure_kg for one in found]) - last
    assert np.sqrt(np.mean(left**2)) < noise_kg * 1.2
    gone = np.array([one.gone_kg for one in found]) - (before - after)
    assert np.corrcoef(gone, errors)[0, 1] < 0.0


def test_the_noise_is_found_on_a_course_that_falls_and_rises() -> None:
    random = np.random.default_rng(2)
    course = np.array([41_000, 40_500, 40_000, 39_500, 39_700, 40_200, 40_700, 41_200], dtype=float)
    found = [noise_of(list(course + random.normal(0, 100.0, len(course)))) for _ in range(400)]
    assert 80.0 < float(np.median([one for one in found if one is not None])) < 140.0
    assert noise_of([1.0, 2.0, 3.0, 4.0]) is None
