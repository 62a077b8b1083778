"""Who gets on where and rides how far, on average: from recorded mean loads where there are some, else from invented ones.

What leaves a station is what came, without those who got off, with those who got on: L[s] = L[s-1] - off[s] + on[s]. Recorded are the L; where people
through the gates are recorded too, they say how many got on and off beyond the difference, shared between the directions by load.
At its first stop a train is empty; at the last all get off.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from dongne.services.boarding_line.simulated_line import HOUR_S, Line
from dongne.services.boarding_line.simulation import Parameters, StationLoads

Array = NDArray[np.float64]
HALF_HOURS = 48
KINDS_OF_DAY = ("working", "saturday", "sunday")
NIGHT = (2, 10)  # half-hours without recorded trains, 01:00 to 05:00
NIGHT_PERCENT = 4.0
MOST_OFF = 0.92  # of those in a train at a stop before the last
PEAKS_H = ((7.0, 9.5), (17.5, 20.0))

# Invented loads in % of trains of the whole day, of the order of what cities publish: towards the middle of town (direction 1) in the
# morning, out of it in the evening. Values along the way; other lines take what lies between.
TOWARDS_PEAK = (60.0, 85.0, 105.0, 120.0, 128.0, 130.0, 120.0, 95.0, 65.0)
OUT_PEAK = TOWARDS_PEAK[::-1]
COUNTER_PEAK = 42.0
MIDDAY = 36.0
EDGE = 0.6  # share of the load at either end of the line at quiet times
MORNING_H, MORNING_SPREAD_H = 8.2, 0.8
EVENING_H, EVENING_SPREAD_H = 18.3, 1.1


def kind_of_day(day: date) -> str:
    """ "working", "saturday" or "sunday"; holidays are not known."""
    return KINDS_OF_DAY[max(day.weekday() - 4, 0)]


@dataclass(frozen=True)
class Flow:
    """One ride on average: people who get on at each stop, and of those who got on at a stop (row) and are still there the share that gets
    off at another one (column)."""

    on: Array
    off_share: Array


class Demand:
    """Mean loads and turnover of a line, by kind of day, direction, stop and half-hour; people in a train of `loads_cars` cars."""

    def __init__(self, line: Line, parameters: Parameters) -> None:
        self.parameters = parameters
        stations = {p.loads_at for p in line.platforms[0]}
        self.is_recorded = bool(parameters.loads) and stations <= set(parameters.loads)
        self._full = parameters.people_at_100 * line.mean_cars
        self._scale = self._full / 100.0
        self.load: dict[str, list[Array]] = {}
        self.turnover: dict[str, list[Array]] = {}
        for kind in KINDS_OF_DAY:
            percent = [self._percent(line, kind, direction_id) for direction_id in (0, 1)]
            load = [self._scale * one for one in percent]
            for one in load:
                one[-1] = 0.0  # all get off
            self.load[kind] = load
            self.turnover[kind] = self._turnover(line, kind, load)

    # --- loads

    def _percent(self, line: Line, kind: str, direction_id: int) -> Array:
        if not self.is_recorded:
            return _invented(len(line.platforms[0]), kind, direction_id)
        recorded = [self.parameters.loads[platform.loads_at] for platform in line.platforms[direction_id]]
        is_up = recorded[-1].number > recorded[0].number
        return np.array([_at_night(one, kind, is_up=is_up) for one in recorded])

    def _turnover(self, line: Line, kind: str, load: list[Array]) -> list[Array]:
        """How many get both off and on, beyond the change of the load."""
        least = [self.parameters.least_turnover * np.minimum(one, self._full) for one in load]
        gates = self.parameters.gates
        if kind != "working" or not all(platform.loads_at in gates for platform in line.platforms[0]):
            return least
        stops = len(line.platforms[0])
        here = [load[0], load[1][::-1]]  # both by station
        changes = [np.abs(np.diff(one, axis=0, prepend=0.0)) for one in load]
        changes[1] = changes[1][::-1]
        found = [one.copy() for one in least]
        for stop in range(1, stops - 1):
            name = line.platforms[0][stop].loads_at
            factor = self.parameters.transfer_factor if name in self.parameters.transfers else 1.0
            people = factor * (np.array(gates[name].on) + np.array(gates[name].off))
            per_train = self._per_train(np.repeat(people, 2) / 2.0)
            beyond = np.maximum(per_train - changes[0][stop] - changes[1][stop], 0.0) / 2.0
            total = here[0][stop] + here[1][stop] + 1e-9
            found[0][stop] = np.maximum(found[0][stop], beyond * here[0][stop] / total)
            found[1][stops - 1 - stop] = np.maximum(found[1][stops - 1 - stop], beyond * here[1][stop] / total)
        return found

    def _per_train(self, people_per_half_hour: Array) -> Array:
        """Recorded people for each pair of trains, one each way, in trains as long as ours."""
        peak, between = self.parameters.loads_trains_per_h
        hours = (np.arange(HALF_HOURS) + 0.5) / 2.0
        is_peak = np.any([(hours >= start) & (hours < end) for start, end in PEAKS_H], axis=0)
        per_half_hour = np.where(is_peak, peak, between) / 2.0
        cars = self._scale / self.parameters.people_at_100 * 100.0
        return np.asarray(people_per_half_hour / per_half_hour * cars / self.parameters.loads_cars)

    # --- a ride

    def flow(self, direction_id: int, kind: str, seconds: Array) -> Flow:
        """The mean ride that is at its stops at these seconds of the day."""
        load = _between(self.load[kind][direction_id], seconds)
        turnover = _between(self.turnover[kind][direction_id], seconds)
        stops = len(load)
        on, off_share, aboard = np.zeros(stops), np.zeros((stops, stops)), np.zeros(stops)
        for stop in range(stops):
            came = float(aboard.sum())
            off = came if stop == stops - 1 else min(max(came - load[stop], 0.0) + turnover[stop], MOST_OFF * came)
            ridden = np.maximum(stop - np.arange(stops) - 1, 0)
            likely = np.where(ridden < len(self.parameters.short_rides), _short(self.parameters, ridden), 1.0)
            weight = float((aboard * likely).sum())
            if stop == stops - 1:
                off_share[:, stop] = 1.0
            elif weight > 0.0:
                off_share[:, stop] = np.minimum(likely * off / weight, MOST_OFF)
            aboard = aboard * (1.0 - off_share[:, stop])
            on[stop] = 0.0 if stop == stops - 1 else max(load[stop] - float(aboard.sum()), 0.0)
            aboard[stop] = on[stop]
        return Flow(on, off_share)


def _short(parameters: Parameters, ridden: NDArray[np.int64]) -> Array:
    """How likely people get off after so many stops between; 1 beyond the table."""
    table = np.array([*parameters.short_rides, 1.0])
    return np.asarray(table[np.minimum(ridden, len(table) - 1)])


def _between(by_half_hour: Array, seconds: Array) -> Array:
    """Each row's value at its second of the day, between the middles of half-hours."""
    place = seconds / (HOUR_S / 2.0) - 0.5
    low = np.floor(place).astype(int)
    share = place - low
    rows = np.arange(len(seconds))
    return np.asarray(
        (1.0 - share) * by_half_hour[rows, low % HALF_HOURS] + share * by_half_hour[rows, (low + 1) % HALF_HOURS]
    )


def _at_night(recorded: StationLoads, kind: str, *, is_up: bool) -> Array:
    """The recorded half-hours; at night, when no trains were recorded, few."""
    percent = np.array((recorded.up if is_up else recorded.down)[kind])
    percent[NIGHT[0] : NIGHT[1]] = NIGHT_PERCENT
    return np.asarray(np.maximum(percent, NIGHT_PERCENT / 2.0))


def _invented(stops: int, kind: str, direction_id: int) -> Array:
    hours = (np.arange(HALF_HOURS) + 0.5) / 2.0
    along = np.linspace(0.0, 1.0, stops - 1)
    peak_at = np.linspace(0.0, 1.0, len(TOWARDS_PEAK))
    quiet = MIDDAY * (1.0 - (1.0 - EDGE) * np.abs(2.0 * along - 1.0))
    course = np.interp(hours, [0.0, 1.0, 5.0, 6.5, 22.0, 24.0], [0.4, 0.1, 0.1, 1.0, 0.9, 0.4])
    percent = np.outer(quiet, course)
    if kind == "working":
        morning = np.exp(-0.5 * ((hours - MORNING_H) / MORNING_SPREAD_H) ** 2)
        evening = np.exp(-0.5 * ((hours - EVENING_H) / EVENING_SPREAD_H) ** 2)
        counter = np.full(stops - 1, COUNTER_PEAK)
        towards, out = np.interp(along, peak_at, TOWARDS_PEAK), np.interp(along, peak_at, OUT_PEAK)
        shapes = (counter, out) if direction_id == 0 else (towards, counter)
        for shape, when in zip(shapes, (morning, evening), strict=True):
            percent += np.outer(np.maximum(shape - quiet, 0.0), when)
    return np.concatenate([percent, np.zeros((1, HALF_HOURS))])
