"""Forecasts of hourly counts: against scipy, on series whose truth is known, and on real counters."""

import numpy as np
import pytest
from scipy.optimize import minimize

from dongne.methods import forecasts
from dongne.methods.forecasts import HORIZONS, WEEK, evaluate, fit_hours, predict


def place(weeks: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Counts with a weekly profile, and a mood of the day that fades within hours."""
    chance = np.random.default_rng(seed)
    slots = np.arange(weeks * WEEK) % WEEK
    profile = 12 + 8 * np.sin(2 * np.pi * (slots % 24 - 8) / 24) - 3 * (slots >= 120)
    mood = np.zeros(len(slots))
    for i in range(1, len(mood)):
        mood[i] = 0.8 * mood[i - 1] + chance.normal(0, 0.8)
    return np.round(np.maximum(profile + mood, 0) ** 2), slots


def test_the_weights_minimise_hubers_loss_with_a_ridge() -> None:
    chance = np.random.default_rng(2)
    x = np.column_stack([np.ones(400), chance.normal(size=(400, 3))])
    y = x @ [1.0, 2.0, 0.0, -1.0] + chance.normal(0, 0.5, 400)
    y[:20] += 30.0
    ours = forecasts._ridge(x, y)
    sd = 1.4826 * np.median(np.abs(y - x @ ours))
    edge = forecasts.HUBER * sd

    def loss(b: np.ndarray) -> float:
        away = np.abs(y - x @ b)
        return float(np.where(away <= edge, away**2 / 2, edge * (away - edge / 2)).sum() + forecasts.RIDGE * b @ b / 2)

    assert ours == pytest.approx(minimize(loss, np.zeros(4), tol=1e-10).x, abs=0.02)


def test_predict_is_the_design_times_the_weights() -> None:
    counts, slots = place(12)
    model = fit_hours(counts, slots)
    profile = np.array(model.profile)
    level = profile / profile.mean() - 1
    end = len(counts) - 10
    r = np.sqrt(counts) - profile[slots]
    ahead = slots[end + 1 : end + 1 + HORIZONS].tolist()
    found = predict(model, counts[end - 167 : end + 1].tolist(), slots[end - 167 : end + 1].tolist(), ahead)
    for horizon in range(1, HORIZONS + 1):
        target = np.array([slots[end + horizon]])
        row = forecasts.design(r, level[target], np.array([end]), horizon)
        root = profile[target[0]] + (row @ np.array(model.weights[horizon - 1]))[0]
        assert found[horizon - 1] == pytest.approx(max(root, 0) ** 2)


def test_an_unknown_hour_counts_as_usual() -> None:
    counts, slots = place(12)
    model = fit_hours(counts, slots)
    usual = [model.profile[s] ** 2 for s in slots[-WEEK:]]
    ahead = slots[:HORIZONS].tolist()
    nothing = predict(model, [None] * WEEK, slots[-WEEK:].tolist(), ahead)
    assert nothing == pytest.approx(predict(model, usual, slots[-WEEK:].tolist(), ahead))


def test_it_learns_what_can_be_known_of_the_next_hour() -> None:
    counts, slots = place(17)
    errors = evaluate(counts, slots, 4)
    assert errors.n == 4 * WEEK
    assert all(ours < theirs for ours, theirs in zip(errors.mae, errors.mae_last_week, strict=True))
    # One hour ahead only the mood's new part (sd 0.8 on roots near 12) is unknown: a mean error of about 2 x 12 x 0.64.
    best = np.mean([abs(2 * np.sqrt(c) * 0.8) * np.sqrt(2 / np.pi) for c in counts[-4 * WEEK :]])
    assert errors.mae[0] == pytest.approx(best, rel=0.15)


def test_the_held_back_weeks_do_not_reach_the_models_that_are_judged_on_them() -> None:
    counts, slots = place(12)
    one = evaluate(counts, slots, 1)
    model = fit_hours(counts[:-WEEK], slots[:-WEEK])
    by_hand = []
    for end in range(len(counts) - WEEK - 1, len(counts) - 1):
        past = counts[end - 167 : end + 1].tolist()
        ahead = [int(slots[(end + 1 + h) % WEEK]) for h in range(HORIZONS)]
        by_hand.append(abs(predict(model, past, slots[end - 167 : end + 1].tolist(), ahead)[0] - counts[end + 1]))
    assert one.mae[0] == pytest.approx(np.mean(by_hand))


def test_gaps_and_a_festival_do_no_harm() -> None:
    counts, slots = place(17)
    plain = evaluate(counts, slots, 4)
    counts[500:560] = np.nan
    counts[900:912] *= 20
    assert np.mean(evaluate(counts, slots, 4).mae) == pytest.approx(np.mean(plain.mae), rel=0.1)


def test_too_little_history_is_said() -> None:
    counts, slots = place(4)
    with pytest.raises(ValueError, match="a forecast needs 672"):
        fit_hours(counts[:-1], slots[:-1])
    with pytest.raises(ValueError, match="nothing was counted"):
        silent, slots = place(12)
        silent[-6 * WEEK :] = np.nan
        evaluate(silent, slots, 4)
