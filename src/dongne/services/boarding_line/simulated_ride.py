"""One trip with its passengers: who gets off and on each car at each stop, when, and what the cars weigh meanwhile. This is the truth that
scales and forecasts are measured against."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dongne.services.boarding_line.simulated_demand import Demand, Flow, kind_of_day
from dongne.services.boarding_line.simulated_line import Array, Timetable, Trip, draws
from dongne.services.boarding_line.simulation import SECOND_US, Parameters

Counts = NDArray[np.int64]
Choose = Callable[["Trip", int, Counts], Counts]
"""People who would board each car (from the head) of a trip at a stop by themselves -> as they do."""
OVERLAP = (0.75, 1.05)  # boarding begins after this share of the alighting
STRAGGLERS = 0.07  # of those who get on come at any time until the doors close
DOORS_PER_CAR = 4


@dataclass(frozen=True)
class Stop:
    """A trip at a stop. People by car from the head: as the train came, after alighting, as it left. `weigh_us` are the instants of weighings
    (the last one after departure), `mass_kg` (cars x instants) what people in the cars weigh then."""

    sequence: int
    arrives_us: int
    leaves_us: int
    came: Counts
    after_alighting: Counts
    left: Counts
    weigh_us: NDArray[np.int64]
    mass_kg: Array


class Ride:
    """The stops of a trip in order. Chance follows from the trip, so that it is the same whoever asks, and whatever boarders choose."""

    def __init__(self, timetable: Timetable, demand: Demand, trip: Trip) -> None:
        self.trip, self.line, self.parameters = trip, timetable.line, timetable.parameters
        self._timetable, self._seed = timetable, timetable.seed
        self._platforms = self.line.platforms[trip.direction_id]
        self.positions = self.line.positions_of(trip.train, trip.direction_id)
        self._usual_s, self._gap_s = timetable.arrivals(trip)
        day, second = timetable.local(trip.leaves_us)
        self.day = day
        kind = kind_of_day(day)
        self._flow: Flow = demand.flow(trip.direction_id, kind, (second + self._usual_s) % 86_400.0)
        self._near = np.array([_nearness(self.parameters, p.exits, self.positions) for p in self._platforms])

    def _draws(self, *what: object) -> np.random.Generator:
        return draws(self._seed, self.line.id, self.trip.direction_id, *what)

    def stops(self, choose: Choose | None = None) -> Iterator[Stop]:
        """All stops; `choose` may have people who wait go to other cars."""
        p, cars, stops = self.parameters, self.trip.train.cars, len(self._platforms)
        chance = self._draws("trip", self.trip.number)
        aboard = np.zeros((cars, stops), np.int64)  # by car and stop where they got on
        mass_kg = np.zeros(cars)
        mean_kg = self._mean_kg(chance)
        time_us = self.trip.leaves_us + int(self._usual_s[0] * SECOND_US)
        for stop in range(stops):
            chance = self._draws("stop", self.trip.number, stop)
            off = self._alight(stop, aboard, chance)
            came = aboard.sum(axis=1)
            aboard = aboard - off
            after = aboard.sum(axis=1)
            on = self._board(stop, after, chance, choose)
            aboard[:, stop] += on
            off_kg = _mass_of(came - after, came, mass_kg, p.person_spread_kg, chance)
            on_kg = on * mean_kg[stop] + np.sqrt(on) * p.person_spread_kg * chance.standard_normal(cars)
            stands_s = self._stands_s(came - after, on, chance)
            leaves_us = time_us + int(stands_s * SECOND_US)
            seconds = np.append(np.arange(1.0, stands_s, p.weigh_s), stands_s + p.after_departure_s)
            course = _course(came - after, on, stands_s, p, seconds, chance)
            weighed = mass_kg[:, None] - off_kg[:, None] * course[0] + on_kg[:, None] * course[1]
            weigh_us = time_us + (seconds * SECOND_US).astype(np.int64)
            yield Stop(
                stop + 1, time_us, leaves_us, came, after, aboard.sum(axis=1), weigh_us, np.maximum(weighed, 0.0)
            )
            mass_kg = np.maximum(mass_kg - off_kg + on_kg, 0.0)
            if stop + 1 < stops:
                legs_s = self._usual_s[stop + 1] - self._usual_s[stop] - 0.5 * sum(p.doors_s)
                time_us = leaves_us + int(max(legs_s, 30.0) * SECOND_US)

    # --- who

    def _mean_kg(self, chance: np.random.Generator) -> Array:
        """The mean mass of those who get on at each stop."""
        p = self.parameters
        month = self.day.timetuple().tm_yday / 365.25
        winter = 0.5 + 0.5 * np.cos(2.0 * np.pi * (month - 0.04))  # coldest in the middle of January
        worn = p.worn_kg[0] + (p.worn_kg[1] - p.worn_kg[0]) * winter
        carried = [
            draws(self._seed, "carried", platform.station).uniform(*p.carried_kg) for platform in self._platforms
        ]
        return np.asarray(p.body_kg + worn + np.array(carried) + chance.normal(0.0, p.trip_spread_kg))

    def _alight(self, stop: int, aboard: Counts, chance: np.random.Generator) -> Counts:
        p = self.parameters
        if stop == len(self._platforms) - 1:
            return aboard.copy()
        share = np.clip(self._flow.off_share[:, stop], 1e-6, 1.0 - 1e-6)
        day = self._draws("alighting", self.day.isoformat(), stop).normal(0.0, p.alighting_day_spread)
        odds = np.log(share / (1.0 - share)) + day + chance.normal(0.0, p.alighting_spread)
        near = p.exit_pull * np.log(self._near[stop]) + chance.normal(0.0, p.alighting_car_spread, len(aboard))
        logits = odds[None, :] + near[:, None]
        return np.asarray(chance.binomial(aboard, 1.0 / (1.0 + np.exp(-logits))), np.int64)

    def _board(self, stop: int, after: Counts, chance: np.random.Generator, choose: Choose | None) -> Counts:
        p, cars = self.parameters, len(after)
        half = "morning" if self._timetable.local(self.trip.leaves_us)[1] < 12 * 3600 else "evening"
        day = _gamma(self._draws("boarding", self.day.isoformat(), half), p.day_spread)
        rate = self._flow.on[stop] * self._gap_s[stop] / p.headway_s * day * _gamma(chance, p.boarding_spread)
        total = int(chance.poisson(rate))
        room = np.maximum(p.crush_percent / 100.0 * p.people_at_100 - after, 0.0).astype(np.int64)
        weights = self._weights(stop, after) * np.exp(chance.normal(0.0, p.car_spread, cars))
        wanted = np.asarray(chance.multinomial(total, weights / weights.sum()), np.int64)
        if choose is not None:
            wanted = choose(self.trip, stop + 1, wanted)
        return _squeeze(wanted, room)

    def _weights(self, stop: int, after: Counts) -> Array:
        """Where people stand who wait."""
        p = self.parameters
        stays, exits = 1.0, np.zeros(len(after))
        for ahead in range(stop + 1, len(self._platforms)):
            share = float(self._flow.off_share[stop, ahead])
            exits += stays * share * self._near[ahead]
            stays *= 1.0 - share
        anywhere = 1.0 - p.by_entrance - p.by_exit
        stand = p.by_entrance * self._near[stop] + p.by_exit * exits / max(exits.mean(), 1e-9) + anywhere
        return np.asarray(stand * np.exp(-p.shuns_crowd * (after - after.mean()) / p.people_at_100))

    def _stands_s(self, off: Counts, on: Counts, chance: np.random.Generator) -> float:
        p = self.parameters
        busiest = float((off + on).max()) / DOORS_PER_CAR
        wanted = p.settle_s + p.door_s_per_person * busiest + abs(chance.normal(0.0, 3.0))
        return float(np.clip(wanted, *p.doors_s))


def _nearness(parameters: Parameters, exits: tuple[float, ...], positions: NDArray[np.int64]) -> Array:
    """How near each car is to stairs; 1 on average."""
    if not exits:
        return np.ones(len(positions))
    near = np.sum([np.exp(-np.abs(positions - one) / parameters.exit_reach) for one in exits], axis=0)
    return np.asarray(near / near.mean())


def _gamma(chance: np.random.Generator, spread: float) -> float:
    """A factor of mean 1 with this coefficient of variation."""
    return float(chance.gamma(1.0 / spread**2, spread**2)) if spread > 0 else 1.0


def _squeeze(wanted: Counts, room: Counts) -> Counts:
    """Who finds no room tries the cars beside; who still finds none stays behind."""
    got = np.minimum(wanted, room)
    for _ in range(2):
        left = wanted - got
        if not left.any():
            break
        half = left // 2
        moved = np.zeros_like(left)
        moved[:-1] += left[1:] - half[1:]
        moved[1:] += half[:-1]
        wanted = got + moved
        got = np.minimum(wanted, room)
    return got


def _mass_of(off: Counts, came: Counts, mass_kg: Array, spread_kg: float, chance: np.random.Generator) -> Array:
    """What those weigh who get off: their share, and by chance more or less."""
    share = off / np.maximum(came, 1)
    scatter = np.sqrt(off * (1.0 - share)) * spread_kg * chance.standard_normal(len(off))
    return np.asarray(np.clip(share * mass_kg + scatter, 0.0, mass_kg))


def _course(
    off: Counts, on: Counts, stands_s: float, p: Parameters, seconds: Array, chance: np.random.Generator
) -> tuple[Array, Array]:
    """Shares of those who have got off, and on, by these seconds, for each car: people pass the doors one by one."""
    gone, come = np.empty((len(off), len(seconds))), np.empty((len(off), len(seconds)))
    for car in range(len(off)):
        most_s = 0.9 * stands_s
        off_s = min(2.0 + p.door_s_per_person * off[car] / DOORS_PER_CAR, 0.6 * most_s)
        starts_s = off_s * chance.uniform(*OVERLAP)
        ends_s = min(starts_s + 1.0 + p.door_s_per_person * on[car] / DOORS_PER_CAR, most_s)
        leave = 1.0 + np.sort(chance.random(off[car])) * off_s
        enter = starts_s + chance.random(on[car]) * (ends_s - starts_s)
        is_late = chance.random(on[car]) < STRAGGLERS
        enter[is_late] = starts_s + chance.random(int(is_late.sum())) * (stands_s - starts_s)
        gone[car] = np.searchsorted(leave, seconds) / off[car] if off[car] else 1.0
        come[car] = np.searchsorted(np.sort(enter), seconds) / on[car] if on[car] else 1.0
    return gone, come
