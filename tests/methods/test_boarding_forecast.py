"""How full cars are after alighting: learned shares against an integral, bands against outcomes, on platforms whose truth is known."""

from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from dongne.methods.boarding_forecast import (
    BASE_AT_FIRST,
    BASE_SD,
    LEAST_SPREAD2,
    CarLoad,
    Expected,
    Habits,
    Outcome,
    forecast,
    learn,
    slot_name,
)

CARS = 10


@dataclass(frozen=True)
class Seen:
    """One car of one train: day, what was in it before, what was left, and what was forecast."""

    day: int
    before: float
    after: float
    said: Expected


def trains(seed: int, noise: float, days: int, spread: float = 0.25) -> tuple[list[Seen], Habits]:
    """A platform whose alighting depends on half-hour, position, both together, the last boarders, the train and chance."""
    random, habits, seen = np.random.default_rng(seed), Habits(), []
    position, cell = random.normal(0, 0.5, CARS), random.normal(0, 0.3, (48, CARS))
    base, usual = random.uniform(-2.5, -0.8), np.exp(random.normal(0, 0.35, CARS))
    halves = np.arange(48)
    slots = 0.7 * np.sin(2 * np.pi * (halves - random.uniform(0, 48)) / 48)
    load = 80 + 150 * np.exp(-(((halves - 17) / 3.0) ** 2)) + 150 * np.exp(-(((halves - 37) / 4.0) ** 2))
    for day, hour in ((d, h) for d in range(days) for h in np.arange(5.5, 23.9, 0.12)):
        half = int(hour * 2)
        people = random.poisson(
            load[half] * usual * np.exp(random.normal(0, 0.25)) * np.exp(random.normal(0, 0.2, CARS))
        )
        boarded = random.binomial(people, np.clip(0.2 * np.exp(random.normal(0, 0.5, CARS)), 0, 0.8))
        logit = base + slots[half] + position + cell[half] - (boarded / (people + 5.0) - 0.2)
        logit += random.normal(0, spread) + random.normal(0, spread, CARS)
        left = people - random.binomial(people, 1 / (1 + np.exp(-logit)))
        before, after, on = (np.maximum(x + random.normal(0, noise, CARS), 0) for x in (people, left, boarded))
        cars = [CarLoad(i + 1, float(before[i]), noise, 0.0, float(on[i])) for i in range(CARS)]
        slot, hours = slot_name("work", int(hour * 60)), day * 24.0 + float(hour)
        said = forecast(habits, slot, hours, cars)
        seen += [Seen(day, float(before[i]), float(left[i]), said[i]) for i in range(CARS)]
        found = [Outcome(float(after[i]), noise, float(before[i] - after[i]), noise * 2**0.5) for i in range(CARS)]
        learn(habits, slot, hours, cars, said, found, CARS)
    return seen, habits


def covered(seen: list[Seen]) -> float:
    return float(np.mean([one.said.low - 0.5 <= one.after <= one.said.high + 0.5 for one in seen]))


@pytest.mark.parametrize("noise", [1.0, 5.0])
def test_it_is_far_nearer_than_the_load_as_it_is_now(noise: float) -> None:
    seen, _ = trains(4, noise, days=2)
    second = [one for one in seen if one.day == 1]
    error = np.mean([abs(one.said.people - one.after) for one in second])
    as_now = np.mean([abs(one.before - one.after) for one in second])
    assert error < 0.4 * as_now
    assert 0.75 < covered(second) < (0.86 if noise < 3.0 else 0.90)  # errors of the outcomes themselves widen it


def test_the_band_holds_when_trains_scatter_more_than_the_model_thinks_at_first() -> None:
    seen, habits = trains(9, 2.0, days=2, spread=0.6)
    assert 0.75 < covered([one for one in seen if one.day == 1]) < 0.86
    assert habits.car_spread2**0.5 > 0.4


def one_car(people: float, alighted: float, error: float = 0.3) -> tuple[CarLoad, Outcome]:
    return CarLoad(1, people, 0.0), Outcome(people - alighted, error, alighted, error)


def test_the_level_is_that_of_an_integral() -> None:
    """One position, always the same time: base and position and slot are one sum, and its posterior can be integrated."""
    habits, share, random = (
        Habits(train_spread2=LEAST_SPREAD2, car_spread2=LEAST_SPREAD2),
        0.4,
        np.random.default_rng(1),
    )
    counts = random.binomial(100, share, 40)
    for number, count in enumerate(counts):
        car, outcome = one_car(100.0, float(count))
        learn(habits, "work16", float(number), [car], forecast(habits, "work16", float(number), [car]), [outcome], 1)
    grid = np.linspace(-4, 4, 8_001)
    log_density = -((grid - BASE_AT_FIRST) ** 2) / (2 * BASE_SD**2)
    log_density += counts.sum() * grid - 100 * len(counts) * np.log1p(np.exp(grid))
    density = np.exp(log_density - log_density.max())
    mean_share = float((density / (1 + np.exp(-grid))).sum() / density.sum())
    [said] = forecast(habits, "work16", 40.0, [CarLoad(1, 100.0, 0.0)])
    assert said.people == pytest.approx(100.0 * (1 - mean_share), abs=1.5)


def test_a_position_is_pooled_until_trains_show_otherwise() -> None:
    """With one train the position by the stairs is believed a little, with thirty it is."""
    shares, after_trains = [0.1] * 9 + [0.6], {}
    habits = Habits()
    for number in range(30):
        cars = [CarLoad(i + 1, 100.0, 0.5) for i in range(CARS)]
        said = forecast(habits, "work16", number * 0.1, cars)
        found = [Outcome(100.0 * (1 - p), 0.5, 100.0 * p, 0.7) for p in shares]
        learn(habits, "work16", number * 0.1, cars, said, found, CARS)
        after_trains[number + 1] = forecast(habits, "work16", number * 0.1, cars)[9].people
    assert 45.0 < after_trains[1] < 85.0
    assert after_trains[30] == pytest.approx(40.0, abs=4.0)
    unseen = forecast(habits, "holiday30", 100.0, [CarLoad(1, 100.0, 0.5), CarLoad(10, 100.0, 0.5)])
    assert unseen[1].people < unseen[0].people - 15.0  # the stairs are there at every hour


def test_what_everybody_boards_late_is_learned() -> None:
    _, habits = trains(4, 1.0, days=2)
    assert habits.slopes[0].mean == pytest.approx(-1.0, abs=0.45)


def test_an_unknown_load_is_an_unsure_forecast() -> None:
    _, habits = trains(4, 1.0, days=1)
    sure, unsure, wrong = forecast(
        habits,
        "work16",
        30.0,
        [CarLoad(1, 200.0, 2.0), CarLoad(1, 200.0, 40.0), CarLoad(1, 200.0, 2.0, lasting_sd=40.0)],
    )
    assert unsure.high - unsure.low > 1.5 * (sure.high - sure.low)
    assert wrong.high - wrong.low > 1.5 * (sure.high - sure.low)
    assert wrong.sd == sure.sd


ODD: list[list[CarLoad]] = [
    [],
    [CarLoad(1, 0.0, 0.0)],
    [CarLoad(14, 150.0, 2.0)],  # beyond every known position
    [CarLoad(2, 600.0, 300.0, 20.0, 900.0)],
]


@pytest.mark.parametrize("cars", ODD)
def test_odd_trains_do_no_harm(cars: list[CarLoad]) -> None:
    habits = Habits()
    for hours in (5.0, 4.0):  # back in time too
        said = forecast(habits, "work10", hours, cars)
        learn(habits, "work10", hours, cars, said, [None for _ in cars], 14)
        learn(habits, "work10", hours, cars, said, [Outcome(0.0, 0.0, car.people, 0.0) for car in cars], 14)
    assert all(0.0 <= one.low <= one.people <= one.high < 2_000.0 for one in forecast(habits, "work10", 6.0, cars))


def test_the_state_is_small_and_the_same_from_json() -> None:
    _, habits = trains(4, 2.0, days=1)
    body = msgspec.json.encode(habits)
    assert msgspec.json.decode(body, type=Habits) == habits
    assert len(body) < 120 * len(habits.slots) + 1_500
