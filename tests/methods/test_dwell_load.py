"""What a car weighs after alighting, against the same model worked out in full and on stops whose truth is known."""

from itertools import product

import numpy as np
import pytest

from dongne.methods import dwell_load
from dongne.methods.dwell_load import Dwell, fit_dwells

TIMES_S = [1.0, 6.0, 11.0, 16.0, 21.0, 35.0]
DOORS_S = 25.0


def fit(kg: list[float], noise_kg: float = 80.0, arrived: tuple[float, float] | None = None) -> Dwell:
    mean, variance = arrived or (np.nan, np.inf)
    weighed = np.array([kg])
    [found] = fit_dwells(TIMES_S, DOORS_S, weighed, np.array([noise_kg]), np.array([mean]), np.array([variance]))
    return found


def in_full(kg: np.ndarray, noise_kg: float, arrived_kg: float, arrived_sd: float) -> tuple[float, float]:
    """The load after alighting: each hypothesis as one joint normal distribution of all weighings, without any recursion."""
    at, flat, flow_kg_s = np.array(TIMES_S), kg - arrived_kg, 4 * dwell_load.DOOR_PEOPLE_S * dwell_load.PERSON_KG
    densities, means, variances = [], [], []
    flows_s = [
        off_s for off_s in dwell_load.FLOW_TIMES_S if dwell_load.FIRST_S + off_s <= dwell_load.MOST_SHARE * DOORS_S
    ]
    for off_s, overlap, on_s in product(flows_s, dwell_load.OVERLAPS, (*dwell_load.FLOW_TIMES_S, None)):
        start = dwell_load.FIRST_S + off_s * (1 - overlap)
        if on_s is not None and start + on_s >= DOORS_S:
            continue
        lasts = max(DOORS_S - start, 1.0) if on_s is None else on_s
        gone = [1.0 if t >= DOORS_S else _share(t - dwell_load.FIRST_S, off_s) for t in at]
        come = [1.0 if t >= DOORS_S else _share(t - start, lasts) for t in at]
        x = np.array([[1.0, -g, c] for g, c in zip(gone, come, strict=True)])
        flows = [flow_kg_s * off_s, flow_kg_s * lasts]
        mean0 = np.array([0.0, *flows])
        sds = [share * flow + dwell_load.FLOW_KG for share, flow in zip(dwell_load.FLOW_SPREAD, flows, strict=True)]
        prior = np.diag(np.square([arrived_sd, *sds]))
        bridge = [flows[0] * g * (1 - g) + flows[1] * c * (1 - c) for g, c in zip(gone, come, strict=True)]
        joint = x @ prior @ x.T + np.diag(noise_kg**2 + dwell_load.PERSON_KG * np.array(bridge))
        off = flat - x @ mean0
        densities.append(np.exp(-0.5 * off @ np.linalg.solve(joint, off)) / np.sqrt(np.linalg.det(joint)))
        gain = prior @ x.T @ np.linalg.inv(joint)
        pick = np.array([1.0, -1.0, 0.0])
        means.append(pick @ (mean0 + gain @ off))
        variances.append(pick @ (prior - gain @ x @ prior) @ pick)
    weight, middles = np.array(densities) / np.sum(densities), np.array(means)
    mean = weight @ middles
    return arrived_kg + mean, weight @ (np.array(variances) + (middles - mean) ** 2)


def _share(since_s: float, lasts_s: float) -> float:
    """Of a flow that lasts so long, what is through; one that lasts no time is through at once."""
    return min(max(since_s / lasts_s, 0.0), 1.0) if lasts_s else float(since_s > 0.0)


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
    assert found.after_kg == pytest.approx(40_000.0, abs=200.0)


def test_a_weighing_that_is_missing_is_done_without() -> None:
    kg = [41_000.0, 40_300.0, np.nan, 40_100.0, 41_200.0, 41_400.0]
    found = fit(kg, 60.0, (41_000.0, 50.0**2))
    assert 39_000.0 < found.after_kg < 40_300.0
    assert found.departure_kg == pytest.approx(41_350.0, abs=150.0)


def test_a_car_that_said_nothing_is_refused_where_nothing_is_known_of_it() -> None:
    with pytest.raises(ValueError, match="without any weighing"):
        fit([np.nan] * 6)
    silent = fit([np.nan] * 6, arrived=(40_000.0, 100.0**2))
    assert silent.after_variance_kg2 > 200.0**2


def stops(seed: int, noise_kg: float, overlap: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(weighings, masses on arrival, after alighting, at departure) of 300 stops: persons of their own mass go through the doors one by
    one, some 0.6 to 1.4 a second through each of four."""
    random = np.random.default_rng(seed)
    at, rows = np.array(TIMES_S[:-1]), []
    for _ in range(300):
        people = int(random.integers(20, 240))
        gone = int(random.binomial(people, random.uniform(0.0, 0.25)))
        come = int(random.poisson(random.uniform(0, 30)))
        off_s, on_s = (min(1.0 + n / 4 / random.uniform(0.6, 1.4), 20.0) for n in (gone, come))
        start = off_s * (1 - overlap * random.random())
        masses, enter = random.normal(66, 13, people), random.normal(66, 13, come)
        leaves, enters = random.uniform(0.5, off_s, gone), random.uniform(start, start + on_s, come)
        course = [masses.sum() - masses[:gone][leaves <= t].sum() + enter[enters <= t].sum() for t in at]
        last = masses[gone:].sum() + enter.sum()
        weighed = np.array([*course, last]) + random.normal(0, noise_kg, len(at) + 1)
        rows.append((weighed, masses.sum(), masses[gone:].sum(), last))
    weighed, before, after, last = (np.array(column) for column in zip(*rows, strict=True))
    return weighed, before, after, last


@pytest.mark.parametrize("noise_kg", [60.0, 120.0, 240.0])
@pytest.mark.parametrize("overlap", [0.0, 0.4])
def test_it_is_nearer_the_truth_than_the_smallest_weighing(noise_kg: float, overlap: float) -> None:
    weighed, before, after, last = stops(11, noise_kg, overlap)
    size, known_kg = len(before), before + np.random.default_rng(1).normal(0, noise_kg / 2, len(before))
    found = fit_dwells(TIMES_S, DOORS_S, weighed, np.full(size, noise_kg), known_kg, np.full(size, (noise_kg / 2) ** 2))
    errors, smallest = np.array([one.after_kg for one in found]) - after, weighed.min(axis=1) - after
    assert np.sqrt(np.mean(errors**2)) < 0.95 * np.sqrt(np.mean(smallest**2))
    assert abs(errors.mean()) < 90.0  # to neither side, however people overlap
    sure = np.sqrt([one.after_variance_kg2 for one in found])
    assert 0.7 < np.mean(np.abs(errors) < 1.2816 * sure) < 0.98
    left = np.array([one.departure_kg for one in found]) - last
    assert np.sqrt(np.mean(left**2)) < noise_kg * 1.1


@pytest.mark.parametrize(("factor", "low", "high"), [(0.5, 0.0, 0.7), (1.0, 0.7, 1.4), (2.0, 1.5, 9.0)])
def test_the_misfit_says_how_wrong_the_noise_is(factor: float, low: float, high: float) -> None:
    weighed, before, _, _ = stops(12, 120.0, 0.2)
    size = len(before)
    found = fit_dwells(TIMES_S, DOORS_S, weighed, np.full(size, 120.0 / factor), before, np.full(size, 60.0**2))
    assert low < float(np.mean([one.misfit or 0.0 for one in found])) < high


def test_three_weighings_say_nothing_of_the_noise() -> None:
    assert fit([40_000.0, np.nan, np.nan, np.nan, 40_000.0, 40_000.0], arrived=(40_000.0, 1.0)).misfit is None
