"""A stop that is over: what each car weighed, whether its scales are believed, and the people in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, nan, sqrt
from statistics import median

import numpy as np

from dongne.methods.car_mass import Load, Person, bound_by, count_people
from dongne.methods.dwell_load import FIRST_S, Dwell, fit_dwells
from dongne.methods.scale_faults import JUMPED, WHOLE, Stop, expect, find_leap, learn_shares, look_for_fault
from dongne.services.car_load.train import Car, Settings, Train, cars_from_head

NOISE_WEIGHT = 0.1
LEAST_NOISE_KG = 10.0
MOST_MISFIT = 9.0
MOST_DOOR_KG_S = 140.0  # two people a second
QUIET_S = 5.0  # after the last weighing, where no departure was heard
LEAST_EMPTIED = 4  # cars
MANY_GONE, FEW_LEFT = 10.0, 3.0
SHARES_AFTER = 2  # visits of a stop from which on a car is measured by its share there
GUESS_SHARE = 0.3  # how far a car without weighings may be from what the others say


@dataclass(frozen=True, slots=True)
class Seen:
    """One car at a stop, from the head: `after` alighting and as it `left`; how many got off and on. `is_weighed` is False where all of it is estimated
    from the other cars."""

    after: Load
    left: Load
    alighted: float
    alighted_sd: float
    boarded: float
    is_weighed: bool


def close_stop(train: Train, person: Person, settings: Settings) -> list[Seen]:
    """Takes in the stop that is over. Each car from the head; [] where nothing at all is known of any."""
    cars = cars_from_head(train, train.at.direction_id)
    dwells = _fit(train, cars, settings)
    if all(dwell is None for dwell in dwells):
        return []
    is_emptied = _is_emptied(cars, dwells, person)
    found = [_judged(train, car, i, dwells[i], person, settings, is_emptied) for i, car in enumerate(cars)]
    shares = _shares(train, len(cars))
    is_known = train.shares.get(_name(train), [0])[0] >= SHARES_AFTER
    _look_for_faults(cars, found, shares, is_known=is_known)
    seen = [
        _weighed(car, dwell, person, settings)
        if dwell is not None and stop.heard and _is_believed(car)
        else _guessed(i, cars, found, dwells, shares, person)
        for i, (car, dwell, stop) in enumerate(zip(cars, dwells, found, strict=True))
    ]
    _learn(train, cars, dwells, found)
    return seen


def _is_believed(car: Car) -> bool:
    return not car.scales.fault and not car.scales.sign


def friction_kg(car: Car, settings: Settings) -> float:
    """What stays wrong for a whole stop, because the springs of a car stick."""
    return settings.friction_share * car.noise_kg


# --- weighings ----------------------------------------------------------------------------------------------------


def _fit(train: Train, cars: Sequence[Car], settings: Settings) -> list[Dwell | None]:
    doors = int(settings.doors)
    rows = train.rows
    times_s = [row[0] or 0.0 for row in rows]
    doors_s = max((train.departed_us - train.opened_us) / 1e6, 1.0)
    if times_s and times_s[-1] < doors_s:  # nothing was heard of the departure itself
        doors_s = min(doors_s, times_s[-1] + QUIET_S)
    weighed = np.array([[nan if kg is None else kg for kg in row[1:]] for row in rows]).reshape(len(rows), len(cars)).T
    usable = [i for i, car in enumerate(cars) if (len(rows) and np.isfinite(weighed[i]).any()) or car.left_kg2 >= 0.0]
    found: list[Dwell | None] = [None] * len(cars)
    if not usable:
        return found
    noise = np.array([cars[i].noise_kg for i in usable])
    left = np.array([cars[i].left_kg for i in usable])
    friction2 = np.array([2.0 * friction_kg(cars[i], settings) ** 2 for i in usable])
    left2 = np.array([cars[i].left_kg2 if cars[i].left_kg2 >= 0.0 else np.inf for i in usable]) + friction2
    at_all = weighed[usable] if len(rows) else np.full((len(usable), 1), nan)
    dwells = fit_dwells(times_s or [doors_s], doors_s, at_all, noise, left, left2, doors)
    for i, dwell in zip(usable, dwells, strict=True):
        found[i] = dwell
    return found


def _judged(
    train: Train, car: Car, i: int, dwell: Dwell | None, person: Person, settings: Settings, is_emptied: bool
) -> Stop:
    kg = [row[i + 1] for row in train.rows]
    heard = [one for one in kg if one is not None]
    low, high = car.zero.kg + settings.least_kg, car.zero.kg + settings.most_people * person.mean_kg
    outside = sum(not low <= one <= high for one in heard)
    if dwell is None:
        return Stop(len(heard), outside, 0.0, None, nan, 0.0)
    people = (dwell.departure_kg - car.zero.kg) / person.mean_kg
    spread2 = dwell.departure_variance_kg2 + friction_kg(car, settings) ** 2 + car.zero.variance_kg2
    range_kg = max(heard) - min(heard) if heard else 0.0
    noise_kg = None if dwell.misfit is None else car.noise_kg * sqrt(dwell.misfit)
    leap_kg = _leap(train, car, i, settings)
    sd = sqrt(spread2) / person.mean_kg
    left_over = people if is_emptied and heard else 0.0
    return Stop(len(heard), outside, range_kg, noise_kg, people if heard else nan, sd, leap_kg, left_over)


def _is_emptied(cars: Sequence[Car], dwells: Sequence[Dwell | None], person: Person) -> bool:
    """Whether people were in most believed cars, and none was left in them."""
    believed = [
        (car, dwell) for car, dwell in zip(cars, dwells, strict=True) if dwell is not None and not car.scales.fault
    ]
    if len(believed) < LEAST_EMPTIED:
        return False
    gone = median(dwell.gone_kg for _, dwell in believed) / person.mean_kg
    left = median(dwell.departure_kg - car.zero.kg for car, dwell in believed) / person.mean_kg
    return gone > MANY_GONE and left < FEW_LEFT


def _leap(train: Train, car: Car, i: int, settings: Settings) -> float:
    """Steps of the mass from the last stop on. The first one has the friction of two stops in it, so that it is allowed more."""
    doors_s = (train.departed_us - train.opened_us) / 1e6
    weighed = [(row[0] or 0.0, kg) for row in train.rows if (kg := row[i + 1]) is not None]
    steps = [
        (kg - before, min(at_s, doors_s) - min(before_s, doors_s))
        for (before_s, before), (at_s, kg) in pairwise(weighed)
    ]
    noise_kg = sqrt(2.0 * car.noise_kg**2 + 2.0 * friction_kg(car, settings) ** 2)
    if weighed and car.left_kg2 >= 0.0:
        steps.insert(0, (weighed[0][1] - car.left_kg, max(min(weighed[0][0], doors_s) - FIRST_S, 0.0)))
    return find_leap(steps, noise_kg, settings.doors * MOST_DOOR_KG_S)


# --- faults -------------------------------------------------------------------------------------------------------


def _shares(train: Train, cars: int) -> list[int]:
    known = train.shares.get(_name(train), [])
    return known[1:] if len(known) == cars + 1 else [WHOLE // cars] * cars


def _name(train: Train) -> str:
    return f"{train.at.direction_id}/{train.at.stop_sequence}"


def _look_for_faults(cars: Sequence[Car], found: Sequence[Stop], shares: Sequence[int], *, is_known: bool) -> None:
    people, believed = [stop.people for stop in found], [not car.scales.fault for car in cars]
    for i, car in enumerate(cars):
        others = [stop for j, stop in enumerate(found) if j != i and believed[j]]
        before = car.scales.fault
        expected = expect(people, shares, believed, i) if is_known else None
        if look_for_fault(car.scales, found[i], others, expected) == JUMPED != before:
            car.moved = True


def _learn(train: Train, cars: Sequence[Car], dwells: Sequence[Dwell | None], found: Sequence[Stop]) -> None:
    believed = [_is_believed(car) and isfinite(stop.people) for car, stop in zip(cars, found, strict=True)]
    known = train.shares.get(_name(train), [0])
    people = [max(stop.people, 0.0) for stop in found]
    train.shares[_name(train)] = [min(known[0] + 1, 99), *learn_shares(known[1:], people, believed, known[0])]
    for car, dwell, _stop, is_believed in zip(cars, dwells, found, believed, strict=True):
        if not is_believed or dwell is None:
            car.left_kg2 = -1.0
            continue
        car.left_kg, car.left_kg2 = round(dwell.departure_kg, 1), round(dwell.departure_variance_kg2, 1)
        if dwell.misfit is not None:
            misfit = min(dwell.misfit, MOST_MISFIT)
            car.noise_kg = round(max(car.noise_kg * sqrt(1.0 + NOISE_WEIGHT * (misfit - 1.0)), LEAST_NOISE_KG), 1)


# --- people -------------------------------------------------------------------------------------------------------


def _weighed(car: Car, dwell: Dwell, person: Person, settings: Settings) -> Seen:
    friction = friction_kg(car, settings)
    bound_by(car.zero, dwell.departure_kg, sqrt(dwell.departure_variance_kg2 + friction**2))
    after = count_people(dwell.after_kg, dwell.after_variance_kg2 + friction**2, car.zero, person)
    left = count_people(dwell.departure_kg, dwell.departure_variance_kg2 + friction**2, car.zero, person)
    alighted = max(dwell.gone_kg, 0.0) / person.mean_kg
    scatter2 = dwell.gone_variance_kg2 + alighted * person.sd_kg**2
    boarded = max(dwell.departure_kg - dwell.after_kg, 0.0) / person.mean_kg
    return Seen(after, left, alighted, sqrt(scatter2) / person.mean_kg, boarded, is_weighed=True)


def _guessed(
    i: int, cars: Sequence[Car], found: Sequence[Stop], dwells: Sequence[Dwell | None], shares: Sequence[int], person: Person
) -> Seen:  # fmt: skip
    """By the other cars and this car's share of the train at this stop."""
    believed = [_is_believed(car) for car in cars]
    left = expect([stop.people for stop in found], shares, believed, i)
    after_all = [
        nan if dwell is None else (dwell.after_kg - car.zero.kg) / person.mean_kg
        for dwell, car in zip(dwells, cars, strict=True)
    ]
    after = expect(after_all, shares, believed, i)
    return Seen(_guess(after), _guess(left), 0.0, 0.0, 0.0, is_weighed=False)


def _guess(people: float | None) -> Load:
    """Where no other car is believed nothing is known: any number up to a full car may be."""
    if people is None:
        return Load(80.0, 80.0, 0.0)
    crowd = max(people, 0.0)
    return Load(crowd, sqrt((GUESS_SHARE * crowd) ** 2 + crowd + 4.0), 0.0)
