"""How full each car is after those who get off at the next platform: what the person waiting there meets.

Of the x people in a car when it left the stop before, a share p gets off. For car i of a train at one platform

    logit p_i = level + (position + cell)_i + slopes . features_i,      level = base + slot + recent

`slot` is the half-hour of a kind of day, `position` the place along the platform, `cell` both together, `recent` what the last trains showed (it
fades with RECENT_H). Features: how many of those in the car got on at the last stop, and how full the car is beside its train, each
against what is usual here; and how full the train is against what is usual at this time. A car that is full because of the stairs at the last stop is full
of people who just got on, and empties otherwise than one which is always full here.

Every part is a normal distribution with a prior around zero, so that a part is believed as far as there are trains that show it: position is pooled
over half-hours, half-hours over the platform (partial pooling; Gelman and Hill, Data Analysis Using Regression and Multilevel/Hierarchical Models, 2007,
ch. 12-14). They are learned train by train by linear Bayes as in dynamic generalised linear models (West, Harrison and Migon, J. Am. Stat. Assoc. 80
(1985) 73), with the covariance kept diagonal (assumed density). First the level from all cars together, then each car's parts from what it deviates by.
A binomial share scatters by p (1 - p) / x; trains scatter more than that alike (`train_spread2`) and cars apart (`car_spread2`), which is learned.

**The band.** Its width is the model's standard deviation times a factor for each side and class of load, moved so that one past outcome in ten lies beyond
either side: quantile tracking, the online gradient step of adaptive conformal inference (Gibbs and Candes, NeurIPS 2021, there on the level;
Angelopoulos, Candes and Tibshirani, NeurIPS 2023, eq. 3, on the quantile as here). An outcome is itself measured, but its error hangs together with that of the
forecast, as both know the weighing before; so it is taken as it is. What errs alike before and after (the zero of the scales, the mean mass of a person) no outcome can show: it
is added to the band.

The state is plain numbers, rounded; cells are whole thousandths, at most positions x half-hours in use.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, log, sqrt

import msgspec

RECENT_H = 0.75
RECENT_SD = 0.25
POSITION_SD = 0.5
CELL_SD = 0.35
SLOT_SD = 0.6
BASE_SD = 1.0
SLOPE_SD = 0.4
BASE_AT_FIRST = -1.7  # a share of 15 %
FADES_PER_DAY = 0.002  # what a part's variance grows by: habits change
FEATURES = ("fresh", "crowd", "full")
FULL = 2
SPREAD_WEIGHT = 0.03
LEAST_SPREAD2 = 0.01
USUAL_WEIGHT = 0.05
CLASS_EDGES = (128.0, 208.0, 240.0)  # people: 80, 130 and 150 % of 160
BAND_STEP = 0.02
MISS = 0.1  # of outcomes beyond either side
Z_80 = 1.2815515655446004


class Part(msgspec.Struct, array_like=True):
    """A normal distribution of something added to the logit."""

    mean: float = 0.0
    variance: float = 0.0


class Slot(msgspec.Struct, array_like=True):
    """A half-hour of a kind of day: its part of the level, how many trains it is from, the logarithm of the usual load of a train, and
    a thousandth deviation for each position."""

    part: Part
    trains: int = 0
    usual_log: float = 0.0
    cells: list[int] = []


@dataclass(slots=True)
class Habits:
    """What a platform has learned. `recent_h` is when `recent` was learned last, in hours; `low` and `high` are the factors of the band by class."""

    trains: int = 0
    base: Part = field(default_factory=lambda: Part(BASE_AT_FIRST, BASE_SD**2))
    recent: Part = field(default_factory=lambda: Part(0.0, RECENT_SD**2))
    recent_h: float = 0.0
    slots: dict[str, Slot] = field(default_factory=dict)
    positions: list[Part] = field(default_factory=list)
    slopes: list[Part] = field(default_factory=lambda: [Part(0.0, SLOPE_SD**2) for _ in FEATURES])
    usual_fresh: float = 0.1
    usual_crowd: list[float] = field(default_factory=list)
    train_spread2: float = 0.06
    car_spread2: float = 0.06
    low: list[float] = field(default_factory=lambda: [1.0] * 4)
    high: list[float] = field(default_factory=lambda: [1.0] * 4)


@dataclass(frozen=True, slots=True)
class CarLoad:
    """A car as it left the stop before: where it will stand, the people in it, and how many of them got on there.

    `noise_sd` is the standard deviation of this weighing, `lasting_sd` of what errs alike before and after (the zero of the scales, the mean mass of a
    person).
    """

    position: int
    people: float
    noise_sd: float
    lasting_sd: float = 0.0
    boarded: float = 0.0


@dataclass(frozen=True, slots=True)
class Expected:
    """The people in a car after alighting, with the central 80 % band, and the model's standard deviation before the band's factors, without
    what lasts."""

    people: float
    low: float
    high: float
    sd: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a car was found to be after alighting, how many got off, and the standard deviations of both, without what lasts."""

    people: float
    noise_sd: float
    alighted: float
    alighted_sd: float


def slot_name(day_type: str, minute_of_day: int) -> str:
    """The name of the half-hour of a kind of day."""
    return f"{day_type}{minute_of_day // 30 % 48}"


def forecast(habits: Habits, slot: str, hours: float, cars: Sequence[CarLoad]) -> list[Expected]:
    """What each car will be after alighting. `hours` counts from any fixed instant; nothing is changed."""
    if not cars:
        return []
    fitted = _fit(habits, slot, hours, cars)
    return [_expected(habits, car, fitted, i) for i, car in enumerate(cars)]


def learn(
    habits: Habits,
    slot: str,
    hours: float,
    cars: Sequence[CarLoad],
    said: Sequence[Expected],
    found: Sequence[Outcome | None],
    positions: int,
) -> None:
    """Takes in how a train was found. `cars` and `said` are what was known and forecast before it came; an outcome that nobody
    measured is None."""
    seen = [i for i, outcome in enumerate(found) if outcome is not None and cars[i].people > 1.0]
    _make_room(habits, slot, positions)
    if not seen:
        return
    measured = [(cars[i], outcome) for i in seen if (outcome := found[i]) is not None]
    for (_, outcome), i in zip(measured, seen, strict=True):
        _move_band(habits, said[i], outcome)
    _learn_level(habits, slot, hours, measured)
    _learn_cars(habits, slot, hours, measured)
    _learn_usual(habits, slot, [car for car, _ in measured])


# --- the model ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Fitted:
    level: float
    level_variance: float
    offsets: list[float]
    offset_variances: list[float]
    features: list[tuple[float, float, float]]


def _fit(habits: Habits, slot: str, hours: float, cars: Sequence[CarLoad]) -> _Fitted:
    known = habits.slots.get(slot)
    slot_part = known.part if known else _slot_prior(habits, slot)
    recent = _faded(habits, hours)
    features = _features(habits, known, cars)
    offsets, variances = [], []
    for car, values in zip(cars, features, strict=True):
        position = (
            habits.positions[car.position - 1] if car.position <= len(habits.positions) else Part(0.0, POSITION_SD**2)
        )
        cell, cell_variance = _cell(known, car.position)
        offsets.append(position.mean + cell + sum(s.mean * v for s, v in zip(habits.slopes, values, strict=True)))
        slopes_variance = sum(s.variance * v * v for s, v in zip(habits.slopes, values, strict=True))
        variances.append(position.variance + cell_variance + slopes_variance)
    level = habits.base.mean + slot_part.mean + recent.mean
    level_variance = habits.base.variance + slot_part.variance + recent.variance
    return _Fitted(level, level_variance, offsets, variances, features)


def _expected(habits: Habits, car: CarLoad, fitted: _Fitted, i: int) -> Expected:
    share = _logistic(fitted.level + fitted.offsets[i])
    slope = share * (1.0 - share)
    spread2 = fitted.level_variance + fitted.offset_variances[i] + habits.train_spread2 + habits.car_spread2
    people = car.people * (1.0 - share)
    variance = (car.people * slope) ** 2 * spread2 + car.people * slope + ((1.0 - share) * car.noise_sd) ** 2 + 0.25
    sd = sqrt(variance)
    crowd = _class(people)
    lasting2 = ((1.0 - share) * car.lasting_sd) ** 2
    down, up = (Z_80 * sqrt((factors[crowd] * sd) ** 2 + lasting2) for factors in (habits.low, habits.high))
    return Expected(people, max(people - down, 0.0), people + up, sd)


def _features(habits: Habits, slot: Slot | None, cars: Sequence[CarLoad]) -> list[tuple[float, float, float]]:
    total = sum(car.people for car in cars)
    mean = total / len(cars)
    full = 0.0 if slot is None or slot.trains < 3 else _clip(_log_load(mean) - slot.usual_log, 1.0)
    found = []
    for car in cars:
        fresh = _clip(car.boarded / (car.people + 5.0) - habits.usual_fresh, 1.0)
        usual = habits.usual_crowd[car.position - 1] if car.position <= len(habits.usual_crowd) else 0.0
        crowd = _clip(_log_load(car.people) - _log_load(mean) - usual, 1.0)
        found.append((fresh, crowd, full))
    return found


def _cell(slot: Slot | None, position: int) -> tuple[float, float]:
    if slot is None or position > len(slot.cells):
        return 0.0, CELL_SD**2
    return slot.cells[position - 1] / 1000.0, _cell_variance(slot.trains)


def _cell_variance(trains: int) -> float:
    """After so many trains: each says about as much as an error of CELL_SD; never surer than after 40 of them."""
    return CELL_SD**2 / (1.0 + min(trains, 40))


def _slot_prior(habits: Habits, slot: str) -> Part:
    """A half-hour that was never seen is like those beside it of the same kind of day, or as on another kind of day."""
    kind, half = slot.rstrip("0123456789"), _half(slot)
    beside = [habits.slots.get(f"{kind}{(half + step) % 48}") for step in (-1, 1)]
    near = [one.part.mean for one in beside if one is not None]
    if not near:
        near = [one.part.mean for name, one in habits.slots.items() if _half(name) == half]
    return Part(0.7 * sum(near) / len(near) if near else 0.0, SLOT_SD**2 * (0.5 if near else 1.0))


def _half(slot: str) -> int:
    return int(slot[len(slot.rstrip("0123456789")) :])


def _faded(habits: Habits, hours: float) -> Part:
    """What the last trains showed, as far as it still says anything."""
    left = exp(-max(hours - habits.recent_h, 0.0) / RECENT_H)
    return Part(habits.recent.mean * left, habits.recent.variance * left**2 + RECENT_SD**2 * (1.0 - left**2))


# --- learning -----------------------------------------------------------------------------------------------------


def _make_room(habits: Habits, slot: str, positions: int) -> None:
    if slot not in habits.slots:
        habits.slots[slot] = Slot(_slot_prior(habits, slot))
    habits.positions.extend(Part(0.0, POSITION_SD**2) for _ in range(positions - len(habits.positions)))
    habits.usual_crowd.extend(0.0 for _ in range(positions - len(habits.usual_crowd)))
    here = habits.slots[slot]
    here.cells.extend(0 for _ in range(positions - len(here.cells)))


def _learn_level(habits: Habits, slot: str, hours: float, measured: Sequence[tuple[CarLoad, Outcome]]) -> None:
    cars = [car for car, _ in measured]
    fitted = _fit(habits, slot, hours, cars)
    habits.recent, habits.recent_h = _faded(habits, hours), max(hours, habits.recent_h)
    shares = [_logistic(fitted.level + offset) for offset in fitted.offsets]
    slope = sum(car.people * p * (1.0 - p) for car, p in zip(cars, shares, strict=True))
    off = sum(outcome.alighted - car.people * p for (car, outcome), p in zip(measured, shares, strict=True))
    noise2 = sum(outcome.alighted_sd**2 for _, outcome in measured) + slope
    cars_apart2 = sum((car.people * p * (1.0 - p)) ** 2 for car, p in zip(cars, shares, strict=True))
    apart2 = cars_apart2 * (habits.car_spread2 + sum(fitted.offset_variances) / len(cars)) + noise2
    parts = [habits.base, habits.slots[slot].part, habits.recent, habits.slopes[FULL]]
    factors = [1.0, 1.0, 1.0, fitted.features[0][FULL]]
    known2 = slope**2 * sum(part.variance * factor**2 for part, factor in zip(parts, factors, strict=True)) + apart2
    spread2 = known2 + slope**2 * habits.train_spread2
    off = _clip(off, 3.5 * sqrt(spread2))
    _update(parts, factors, slope, off, spread2)
    habits.train_spread2 = _learn_spread(habits.train_spread2, off, known2, slope, habits.trains)
    habits.trains += 1


def _learn_cars(habits: Habits, slot: str, hours: float, measured: Sequence[tuple[CarLoad, Outcome]]) -> None:
    cars = [car for car, _ in measured]
    fitted = _fit(habits, slot, hours, cars)
    level = _level_of(fitted, measured)
    here = habits.slots[slot]
    seen2 = weight = 0.0
    for i, (car, outcome) in enumerate(measured):
        p = _logistic(level + fitted.offsets[i])
        slope = car.people * p * (1.0 - p)
        position, values = habits.positions[car.position - 1], fitted.features[i][:FULL]
        cell = Part(here.cells[car.position - 1] / 1000.0, _cell_variance(here.trains))
        parts = [position, cell, *habits.slopes[:FULL]]
        factors = [1.0, 1.0, *values]
        known2 = (
            outcome.alighted_sd**2
            + slope
            + slope**2 * sum(part.variance * factor**2 for part, factor in zip(parts, factors, strict=True))
        )
        spread2 = known2 + slope**2 * habits.car_spread2
        off = _clip(outcome.alighted - car.people * p, 3.5 * sqrt(spread2))
        _update(parts, factors, slope, off, spread2)
        here.cells[car.position - 1] = round(1000.0 * cell.mean)
        seen2 += slope**2 * (off**2 - known2)
        weight += slope**4
    if len(measured) > 2 and weight > 0.0:
        freed = len(measured) / (len(measured) - 1.0)  # the level was fitted to them
        habits.car_spread2 += _spread_weight(habits.trains) * (_clip(seen2 / weight * freed, 1.0) - habits.car_spread2)
        habits.car_spread2 = round(max(habits.car_spread2, LEAST_SPREAD2), 5)
    here.trains += 1


def _update(parts: Sequence[Part], factors: Sequence[float], slope: float, off: float, spread2: float) -> None:
    """Linear Bayes on each part, as if apart; then time takes a little of the certainty."""
    for part, factor in zip(parts, factors, strict=True):
        gain = part.variance * factor * slope / spread2
        part.mean = round(part.mean + gain * off, 5)
        part.variance = round(max(part.variance * (1.0 - gain * factor * slope), 1e-4) + FADES_PER_DAY / 50.0, 6)


def _level_of(fitted: _Fitted, measured: Sequence[tuple[CarLoad, Outcome]]) -> float:
    """The level at which the model has as many people get off this train as did (three steps of Newton's method)."""
    level = fitted.level
    total = max(sum(outcome.alighted for _, outcome in measured), 0.5)
    for _ in range(3):
        shares = [_logistic(level + offset) for offset in fitted.offsets]
        expected = sum(car.people * p for (car, _), p in zip(measured, shares, strict=True))
        slope = sum(car.people * p * (1.0 - p) for (car, _), p in zip(measured, shares, strict=True))
        level += _clip((total - expected) / max(slope, 0.1), 1.0)
    return _clip(level, 6.0)


def _learn_spread(spread2: float, off: float, known2: float, slope: float, trains: int) -> float:
    """Moves a spread towards what an innovation shows beyond what was known of it; on crowded trains it shows more."""
    if slope <= 0.0:
        return spread2
    scatter2 = known2 + slope**2 * spread2
    weight = _spread_weight(trains) * sqrt(slope**2 * spread2 / scatter2)
    return round(max(spread2 + weight * (_clip((off**2 - known2) / slope**2, 2.0) - spread2), LEAST_SPREAD2), 5)


def _spread_weight(trains: int) -> float:
    return max(SPREAD_WEIGHT, 1.0 / (trains + 12.0))


def _learn_usual(habits: Habits, slot: str, cars: Sequence[CarLoad]) -> None:
    weight = max(USUAL_WEIGHT, 1.0 / (habits.trains + 1.0))
    total = sum(car.people for car in cars)
    fresh = sum(car.boarded for car in cars) / (total + 5.0 * len(cars))
    habits.usual_fresh = round(habits.usual_fresh + weight * (_clip(fresh, 1.0) - habits.usual_fresh), 4)
    mean = _log_load(total / len(cars))
    here = habits.slots[slot]
    here.usual_log = round(here.usual_log + max(USUAL_WEIGHT, 1.0 / here.trains) * (mean - here.usual_log), 4)
    for car in cars:
        usual = habits.usual_crowd[car.position - 1]
        habits.usual_crowd[car.position - 1] = round(usual + weight * (_log_load(car.people) - mean - usual), 4)


def _move_band(habits: Habits, said: Expected, outcome: Outcome) -> None:
    """One step of quantile tracking on either side; its size shrinks to BAND_STEP with the number of trains."""
    crowd = _class(said.people)
    step = max(BAND_STEP, 0.3 / (habits.trains + 3.0))
    for side, factors in ((-1.0, habits.low), (1.0, habits.high)):
        beyond = side * (outcome.people - said.people) > Z_80 * factors[crowd] * said.sd
        factors[crowd] = round(_clip(factors[crowd] + step * (float(beyond) - MISS) / MISS * 0.5, 4.0, 0.3), 4)


def _class(people: float) -> int:
    return sum(people >= edge for edge in CLASS_EDGES)


def _log_load(people: float) -> float:
    return log(max(people, 0.0) + 5.0)


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + exp(-_clip(x, 30.0)))


def _clip(value: float, most: float, least: float | None = None) -> float:
    """Brought into least..most; without a least, into -most..most."""
    return min(max(value, -most if least is None else least), most)
