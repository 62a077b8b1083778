"""Scales under simulated cars: what they say instead of the mass that is there. They belong to a car, which is the first of the train in
one direction and the last in the other."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from math import cos, pi

import numpy as np
from numpy.typing import NDArray

from dongne.model.times import from_us
from dongne.services.boarding_line.simulated_line import Array, Train, draws
from dongne.services.boarding_line.simulation import SECOND_US, Parameters

DAY_US = 86_400 * SECOND_US
HOUR_US = 3_600 * SECOND_US
FAULTS = ("dead", "stuck", "jump", "implausible", "noisy")
IMPLAUSIBLE_KG = (-20_000.0, 180_000.0)
STUCK_PEOPLE = (10.0, 180.0)  # a scale sticks at a load that can be
PERSON_KG = 70.0


@dataclass(frozen=True)
class Fault:
    """What is wrong with the scales of a car (counted from the head in direction 0), from when until it is mended."""

    thing: int
    car: int
    kind: str
    begins_us: int
    ends_us: int


@dataclass(frozen=True)
class _Scale:
    """What is wrong with a car's scales all its life."""

    zero_kg: float
    gain: float
    per_k_kg: float
    drift: NDArray[np.float64]  # amplitude, period in days, phase; two rows


class Scales:
    """All scales of a line."""

    def __init__(self, parameters: Parameters, seed: int, line_id: str) -> None:
        self.parameters, self.seed, self.line_id = parameters, seed, line_id
        self._get_scale = lru_cache(maxsize=None)(self._make)
        self._list_of_day = lru_cache(maxsize=4096)(self._faults_of_day)

    def _draws(self, *what: object) -> np.random.Generator:
        return draws(self.seed, self.line_id, "scales", *what)

    def _make(self, thing: int, car: int) -> _Scale:
        p, chance = self.parameters, self._draws(thing, car)
        zero_kg = float(chance.normal(0.0, p.tare_spread_kg))
        gain = 1.0 + float(chance.normal(0.0, p.gain_spread))
        per_k_kg = float(chance.normal(0.0, p.temperature_kg_per_k))
        drift = np.array(
            [[chance.normal(0.0, p.drift_kg), chance.uniform(*p.drift_days), chance.random()] for _ in range(2)]
        )
        return _Scale(zero_kg, gain, per_k_kg, drift)

    def weigh(
        self, train: Train, car: int, when: object, times_us: NDArray[np.int64], mass_kg: Array, moving: int
    ) -> Array:
        """What the car weighs by its own scales at these instants, NaN where they say nothing. `car` is counted from the head in direction 0,
        `mass_kg` is that of the people in it, `when` names the stop for chance, the last `moving` weighings are made under way."""
        p, scale, chance = self.parameters, self._get_scale(train.thing, car), self._draws(train.thing, car, when)
        noise = chance.standard_normal(len(times_us)) * p.weighing_spread_kg * p.noise
        noise[len(noise) - moving :] *= p.moving_factor
        slow = self._zero_kg(scale, int(times_us[0])) + chance.normal(0.0, p.stop_spread_kg) * p.noise
        said = (train.tare_kg + mass_kg) * scale.gain + scale.zero_kg + slow + noise
        for fault in self.list_faults(train, car, int(times_us[0]) - 1, int(times_us[-1])):
            during = (times_us >= fault.begins_us) & (times_us < fault.ends_us)
            said = np.where(during, self._faulty(fault, train, said, noise), said)
        return np.asarray(np.round(said / 10.0) * 10.0)  # said in steps of 10 kg

    def _zero_kg(self, scale: _Scale, time_us: int) -> float:
        days = time_us / DAY_US
        waves = scale.drift[:, 0] * np.sin(2.0 * pi * (days / scale.drift[:, 1] + scale.drift[:, 2]))
        return float(waves.sum() + scale.per_k_kg * (_temperature_c(time_us) - 10.0)) * self.parameters.noise

    def _faulty(self, fault: Fault, train: Train, said: Array, noise: Array) -> Array:
        p, chance = self.parameters, self._draws("fault", fault.thing, fault.car, fault.begins_us)
        match fault.kind:
            case "dead":
                return np.full_like(said, np.nan)
            case "stuck":
                return np.full_like(said, train.tare_kg + chance.uniform(*STUCK_PEOPLE) * PERSON_KG)
            case "jump":
                return said + float(chance.choice([-1.0, 1.0]) * chance.uniform(*p.jump_kg))
            case "implausible":
                return np.full_like(said, float(chance.choice(IMPLAUSIBLE_KG))) + noise
            case _:
                return said + (p.noisy_factor - 1.0) * noise

    def list_faults(self, train: Train, car: int, after_us: int, until_us: int) -> list[Fault]:
        """Faults of a car that are there in (after, until]."""
        longest_us = int(self.parameters.fault_h[1] * HOUR_US)
        days = range((after_us - longest_us) // DAY_US, until_us // DAY_US + 1)
        found = [fault for day in days for fault in self._list_of_day(train.thing, car, day)]
        return [fault for fault in found if fault.begins_us <= until_us and fault.ends_us > after_us]

    def _faults_of_day(self, thing: int, car: int, day: int) -> tuple[Fault, ...]:
        chance = self._draws("faults", thing, car, day)
        if chance.random() >= self.parameters.faults_per_day:
            return ()
        begins_us = day * DAY_US + int(chance.random() * DAY_US)
        ends_us = begins_us + int(chance.uniform(*self.parameters.fault_h) * HOUR_US)
        return (Fault(thing, car, str(chance.choice(FAULTS)), begins_us, ends_us),)


def _temperature_c(time_us: int) -> float:
    """A year and a day of weather without weather: 5 degrees on average, 11 more or less by the season, 4 by the hour (Helsinki's normals, roughly)."""
    at = from_us(time_us) + timedelta(hours=2)
    year, day = at.timetuple().tm_yday / 365.25, (at.hour + at.minute / 60.0) / 24.0
    return 5.5 - 11.0 * cos(2.0 * pi * (year - 0.055)) - 4.0 * cos(2.0 * pi * (day - 0.1))
