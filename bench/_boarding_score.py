"""What was said on the platforms beside what was so: errors, classes, bands, faulty scales."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from bench._boarding_city import BenchCity, Report
from numpy.typing import NDArray

from dongne.methods.crowding_scale import (
    PEOPLE_AT_100_PERCENT,
    STEPS_PERCENT,
    Crowding,
    class_of,
    class_probabilities,
    likeliest,
)
from dongne.runtime.ports import StateRow
from dongne.services.boarding_line.simulated_line import Trip
from dongne.services.boarding_line.simulated_ride import Stop
from dongne.services.boarding_line.simulated_scales import Fault

Array = NDArray[np.float64]
ONE_PERCENT = PEOPLE_AT_100_PERCENT / 100.0
PERSON_KG = 70.0  # of whoever divides the mass by a round number
FORECAST, NOW = "forecast", "as it is now"
METHODS = (FORECAST, NOW, "usual share off", "usual load", "mean of train", "mass / 70 kg")
ENOUGH_STOPS = 3


@dataclass
class Sheet:
    """One row for each car at each stop that counts: loads in % after alighting, as they were and as each method has them."""

    truth: list[float] = field(default_factory=list)
    direction: list[int] = field(default_factory=list)
    said: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in METHODS})
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)

    def list_kept(self) -> NDArray[np.int64]:
        """The rows of which every method spoke that speaks at all: all are compared on the same."""
        said = np.array([self.said[name] for name in METHODS])
        speaks = np.isfinite(said).any(axis=1)
        return np.flatnonzero(np.isfinite(said[speaks]).all(axis=0))


@dataclass(frozen=True)
class Scores:
    """Of one method: mean absolute error in people, macro-F1 over four classes."""

    mae_people: float
    macro_f1: float


class Historian:
    """What an operator who knows the truth of past days would take as usual."""

    def __init__(self) -> None:
        self._load: dict[tuple[int, int, int, int], list[float]] = defaultdict(list)
        self._share: dict[tuple[int, int, int], list[tuple[float, float]]] = defaultdict(list)

    def note(self, direction_id: int, sequence: int, half_hour: int, positions: Sequence[int], stop: Stop) -> None:
        """A stop of the past."""
        self._share[direction_id, sequence, half_hour].append(
            (float(stop.came.sum()), float(stop.after_alighting.sum()))
        )
        for position, people in zip(positions, stop.after_alighting.tolist(), strict=True):
            self._load[direction_id, sequence, half_hour, position].append(people)

    def load(self, direction_id: int, sequence: int, half_hour: int, position: int) -> float:
        """People at this position at this half-hour on average; NaN where none was seen."""
        seen = self._load.get((direction_id, sequence, half_hour, position), [])
        return float(np.mean(seen)) if seen else float("nan")

    def stays(self, direction_id: int, sequence: int, half_hour: int) -> float:
        """Which share stays on the train here."""
        seen = np.array(self._share.get((direction_id, sequence, half_hour), [(1.0, 1.0)]))
        return float(seen[:, 1].sum() / max(seen[:, 0].sum(), 1.0))


@dataclass
class Ridden:
    """Sums over cars as trains leave: passengers, those who stand, those of them for whom a seat is free elsewhere in the train, and
    those in crowded cars."""

    people: int = 0
    standing: int = 0
    could_sit: int = 0
    crowded: int = 0

    def add(self, stop: Stop, seats: int) -> None:
        """A train leaves."""
        standing = int(np.maximum(stop.left - seats, 0).sum())
        free = int(np.maximum(seats - stop.left, 0).sum())
        self.people += int(stop.left.sum())
        self.standing += standing
        self.could_sit += min(standing, free)
        self.crowded += int(stop.left[stop.left >= STEPS_PERCENT[-1] * ONE_PERCENT].sum())


class Judge:
    """Watches a run: `learning` days make the historian, the others fill the sheet. `learned` is what the services remember after learning."""

    def __init__(self, city: BenchCity) -> None:
        self.city, self.sheet, self.historian, self.ridden = city, Sheet(), Historian(), Ridden()
        self.learned: list[StateRow] = []
        self.stops: list[tuple[int, int]] = []  # train, when it left: all stops there were
        self._left_us: dict[int, int] = {}

    def watch(self, trip: Trip, stop: Stop, *, learning: bool) -> None:
        """A train comes in; what was said of it until now counts."""
        city, left_us = self.city, self._left_us.get(trip.train.thing, 0)
        self._left_us[trip.train.thing] = stop.leaves_us
        self.stops.append((trip.train.thing, stop.leaves_us))
        if not learning and city.is_peak(stop.arrives_us):
            self.ridden.add(stop, trip.train.seats)
        last = len(city.line.line.platforms[trip.direction_id])
        if not 1 < stop.sequence < last:
            return  # nobody is aboard before the first, nobody waits at the last
        half_hour = int(city.line.timetable.local(stop.arrives_us)[1] // 1800)
        positions = city.line.line.positions_of(trip.train, trip.direction_id).tolist()
        if learning:
            self.historian.note(trip.direction_id, stop.sequence, half_hour, positions, stop)
        elif city.is_peak(stop.arrives_us):
            self._enter(trip, stop, left_us, half_hour, positions)

    def _enter(self, trip: Trip, stop: Stop, left_us: int, half_hour: int, positions: Sequence[int]) -> None:
        said, sheet, train = self.city.said, self.sheet, trip.train
        platform = self.city.line.line.platforms[trip.direction_id][stop.sequence - 1].thing
        where = (trip.direction_id, stop.sequence, half_hour)
        aboard = [said.aboard.get((train.thing, part), (0, np.nan)) for part in range(1, train.cars + 1)]
        mean = float(np.mean([people for _, people in aboard]))
        for car, position in enumerate(positions):
            now_us, people = aboard[car]
            people = people if now_us == left_us else np.nan
            expected = said.expected.get((platform, position))
            expected = None if expected is None or expected[0] != left_us else expected
            weighed = said.weighed.get((train.thing, car + 1), train.tare_kg)
            values = {
                FORECAST: np.nan if expected is None else expected[1],
                NOW: people / ONE_PERCENT,
                "usual share off": people * self.historian.stays(*where) / ONE_PERCENT,
                "usual load": self.historian.load(*where, position) / ONE_PERCENT,
                "mean of train": mean / ONE_PERCENT,
                "mass / 70 kg": max(weighed - train.tare_kg, 0.0) / PERSON_KG / ONE_PERCENT,
            }
            sheet.truth.append(float(stop.after_alighting[car]) / ONE_PERCENT)
            sheet.direction.append(trip.direction_id)
            for name, value in values.items():
                sheet.said[name].append(value)
            sheet.low.append(np.nan if expected is None else expected[2])
            sheet.high.append(np.nan if expected is None else expected[3])


def score(sheet: Sheet, name: str) -> Scores | None:
    """A method's figures; None where it said nothing."""
    truth, said, kept = np.array(sheet.truth), np.array(sheet.said[name]), sheet.list_kept()
    if not np.isfinite(said).any():
        return None
    mae = float(np.abs(said - truth)[kept].mean()) * ONE_PERCENT
    return Scores(mae, macro_f1([class_of(one) for one in truth[kept]], [class_of(one) for one in said[kept]]))


def score_likeliest(sheet: Sheet) -> float | None:
    """Macro-F1 of the forecast where the class with the largest probability is shown instead of that of the mean."""
    truth, middle = np.array(sheet.truth), np.array(sheet.said[FORECAST])
    low, high = np.array(sheet.low), np.array(sheet.high)
    if not np.isfinite(middle).any():
        return None
    kept = sheet.list_kept()
    shown = [
        likeliest(class_probabilities(middle[i], min(low[i], middle[i]), max(high[i], middle[i])))
        for i in kept.tolist()
    ]
    return macro_f1([class_of(one) for one in truth[kept]], shown)


def macro_f1(truth: Sequence[Crowding], said: Sequence[Crowding]) -> float:
    """The unweighted mean of F1 over the classes that were there."""
    t, s = np.array(truth), np.array(said)
    found = []
    for crowding in Crowding:
        hits = float(((t == crowding) & (s == crowding)).sum())
        all_of_it = float((t == crowding).sum() + (s == crowding).sum())
        if (t == crowding).any():
            found.append(2.0 * hits / all_of_it)
    return float(np.mean(found))


def coverage(sheet: Sheet) -> float | None:
    """Which share of the truth lies in the stated band."""
    truth, low, high = np.array(sheet.truth), np.array(sheet.low), np.array(sheet.high)
    kept = sheet.list_kept()
    return float(((truth >= low) & (truth <= high))[kept].mean()) if np.isfinite(low).any() else None


@dataclass(frozen=True)
class FaultScores:
    """Faults that lasted ENOUGH_STOPS stops or more: how many there were, stops until each was found (those that were not are missing), and
    reports of scales that were well."""

    faults: int
    stops_until_found: tuple[int, ...]
    missed: tuple[str, ...]
    false_reports: int
    car_stops: int


def score_faults(judge: Judge) -> FaultScores:
    """Over all days of the run."""
    city, stops = judge.city, judge.stops
    first_us, last_us = stops[0][1], stops[-1][1]
    trains = {train.thing: train for train in city.line.line.trains}
    faults = [
        fault for train in trains.values() for car in range(1, train.cars + 1)
        for fault in city.line.scales.list_faults(train, car, first_us, last_us)
    ]  # fmt: skip
    left: dict[int, list[int]] = defaultdict(list)
    for thing, us in stops:
        left[thing].append(us)
    reports = list(city.said.reports.values())
    counted, found, missed = 0, [], []
    for fault in faults:
        during = [us for us in left[fault.thing] if fault.begins_us <= us < fault.ends_us]
        if len(during) < ENOUGH_STOPS or fault.begins_us < first_us:
            continue
        counted += 1
        at_us = _found_at(fault, reports)
        if at_us is None:
            missed.append(fault.kind)
        else:
            found.append(max(sum(us <= at_us for us in during), 1))
    false = sum(not any(_is_about(report, fault) for fault in faults) for report in reports)
    car_stops = sum(trains[thing].cars for thing, _ in stops)
    return FaultScores(counted, tuple(found), tuple(missed), false, car_stops)


def _found_at(fault: Fault, reports: Sequence[Report]) -> int | None:
    times = [
        max(report.begins_us, fault.begins_us) for report in reports
        if (report.thing, report.car) == (fault.thing, fault.car) and report.begins_us < fault.ends_us and report.ends_us > fault.begins_us
    ]  # fmt: skip
    return min(times, default=None)


def _is_about(report: Report, fault: Fault) -> bool:
    return (report.thing, report.car) == (
        fault.thing,
        fault.car,
    ) and fault.begins_us <= report.begins_us <= fault.ends_us
