"""Journeys by rounds (RAPTOR): Delling, Pajor, Werneck, "Round-Based Public Transit Routing", ALENEX 2012, section 3.

Round k finds the earliest arrival at every stop with k vehicles. Where the paper walks, so do we; beyond it, a change at one
stop takes that stop's change time, and vehicles of several days of service run side by side.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from dongne.methods.timetable import DAY_MIN, Journey, Pattern, Ride, Timetable, Walk, find_walk, list_best

LONGEST_MIN = DAY_MIN // 2  # of a journey, with waiting for the first vehicle
NEVER = 1 << 40


class _Board(NamedTuple):
    """How a stop was reached by vehicle: the day's pattern, the run, and the places where one boards and alights."""

    running: "_Running"
    run: int
    board: int
    alight: int


class _Running(NamedTuple):
    """A pattern on one day of service: times in minutes since 1970, by stop, of the runs of that day."""

    pattern: Pattern
    day: int
    runs: list[int]
    departures: list[list[int]]
    arrivals: list[list[int]]


@dataclass
class _Round:
    """What one round found: when a vehicle arrives (and which), and from when one can board, and where one walked from."""

    arrival: dict[int, int] = field(default_factory=dict)
    board: dict[int, _Board] = field(default_factory=dict)
    ready: dict[int, int] = field(default_factory=dict)
    walked: dict[int, int] = field(default_factory=dict)


class Raptor:
    """Plans in a timetable; what runs on a day is kept once it was asked for (`most_days` of them)."""

    def __init__(self, timetable: Timetable, most_days: int = 8) -> None:
        self.timetable = timetable
        self._days: dict[int, dict[int, _Running]] = {}
        self._most_days = most_days
        self._days_back = timetable.latest_min() // DAY_MIN + 1

    def plan(
        self, sources: Mapping[int, int], targets: Mapping[int, int], departure_min: int, most_transfers: int = 7
    ) -> list[Journey]:
        """The Pareto set of (arrival, transfers); see `Planner`."""
        search = _Search(self, dict(sources), dict(targets), departure_min)
        return search.run(most_transfers + 1)

    def running(self, departure_min: int) -> list[dict[int, _Running]]:
        """What runs on each day of service that matters, by pattern."""
        first = self.timetable.local_day(departure_min) - self._days_back
        last = self.timetable.local_day(departure_min + LONGEST_MIN)
        return [self._running_on(day) for day in range(first, last + 1)]

    def _running_on(self, day: int) -> dict[int, _Running]:
        if day not in self._days:
            while len(self._days) >= self._most_days:
                del self._days[next(iter(self._days))]
            self._days[day] = dict(self._list_running(day))
        return self._days[day]

    def _list_running(self, day: int) -> Iterator[tuple[int, _Running]]:
        start = self.timetable.day_start_min(day)
        going = [day in days for days in self.timetable.calendars]
        for number, pattern in enumerate(self.timetable.patterns):
            runs = [run for run, calendar in enumerate(pattern.calendar) if going[calendar]]
            if runs:
                departures = (pattern.departure[runs] + start).T.tolist()
                arrivals = (pattern.arrival[runs] + start).T.tolist()
                yield number, _Running(pattern, day, runs, departures, arrivals)


class _Search:
    def __init__(self, planner: Raptor, sources: dict[int, int], targets: dict[int, int], departure_min: int) -> None:
        self.timetable = planner.timetable
        self.days = planner.running(departure_min)
        self.targets = targets
        self.departure_min = departure_min
        self.latest = departure_min + LONGEST_MIN
        self.rounds = [_Round(ready={stop: departure_min + minutes for stop, minutes in sources.items()})]
        self.best: dict[int, int] = {}  # the earliest arrival by vehicle at each stop so far
        self.best_ready: dict[int, int] = dict(self.rounds[0].ready)
        self.walk = find_walk(self.timetable, sources, targets, departure_min)
        self.best_target = min(self.latest + 1, self.walk.arrival_min if self.walk else NEVER)

    def run(self, most_rounds: int) -> list[Journey]:
        journeys: list[Journey] = [self.walk] if self.walk else []
        for number in range(1, most_rounds + 1):
            if not self.rounds[-1].ready:
                break
            before = self.best_target
            self.rounds.append(_Round())
            self._ride(self.rounds[-2].ready, self.rounds[-1])
            reached = self._change(self.rounds[-1])
            if self.best_target < before and reached is not None:
                journeys.append(self._trace(number, reached))
        return list_best(journeys)

    def _ride(self, ready: dict[int, int], found: _Round) -> None:
        """Every vehicle that can be boarded is followed, from the first stop where it can."""
        first: dict[int, int] = {}
        for stop in ready:
            for number, place in self.timetable.serving[stop]:
                if place < first.get(number, NEVER):
                    first[number] = place
        for day in self.days:
            for number, place in first.items():
                if (running := day.get(number)) is not None:
                    self._follow(running, place, ready, found)

    def _follow(self, running: _Running, first: int, ready: dict[int, int], found: _Round) -> None:
        pattern = running.pattern
        stops, boarding, alighting = pattern.stops, pattern.boarding, pattern.alighting
        row, board = -1, -1
        for place in range(first, len(stops)):
            stop = stops[place]
            if row >= 0 and alighting[place]:
                arrival = running.arrivals[place][row]
                if arrival < self.best.get(stop, NEVER) and arrival < self.best_target:
                    self.best[stop] = arrival
                    found.arrival[stop] = arrival
                    found.board[stop] = _Board(running, row, board, place)
            if boarding[place] and (can := ready.get(stop)) is not None:
                departures = running.departures[place]
                if row < 0 or can <= departures[row]:
                    sooner = bisect_left(departures, can)
                    if sooner < len(departures) and (row < 0 or sooner < row):
                        row, board = sooner, place

    def _change(self, found: _Round) -> int | None:
        """From when one can board again where a vehicle arrived, and where one can walk; the target reached best, if any."""
        reached: int | None = None
        change = self.timetable.change_min
        for stop, arrival in found.arrival.items():
            if stop in self.targets and arrival + self.targets[stop] < self.best_target:
                self.best_target, reached = arrival + self.targets[stop], stop
            self._reach(found, stop, arrival + change[stop], stop)
        for stop, arrival in found.arrival.items():
            for other, minutes in self.timetable.footpaths[stop]:
                there = arrival + minutes
                if other in self.targets and there + self.targets[other] < self.best_target:
                    self.best_target, reached = there + self.targets[other], other
                self._reach(found, other, there, stop)
        return reached

    def _reach(self, found: _Round, stop: int, at: int, walked_from: int) -> None:
        if at < self.best_ready.get(stop, NEVER):
            self.best_ready[stop] = at
            found.ready[stop] = at
            found.walked[stop] = walked_from

    def _trace(self, number: int, target: int) -> Journey:
        """The journey that reaches the target in this round."""
        arrival = self.best_target
        legs: list[Ride | Walk] = []
        last = self.rounds[number]
        at, stop = arrival - self.targets[target], target
        if last.arrival.get(stop) != at:  # the last part is on foot
            stop = self._find_walk_end(last, stop, at)
            legs.append(Walk(stop, target, last.arrival[stop], at))
        for k in range(number, 0, -1):
            here = self.rounds[k]
            way = here.board[stop]
            pattern, run = way.running.pattern, way.running.runs[way.run]
            start = pattern.stops[way.board]
            departure = way.running.departures[way.board][way.run]
            trip = int(pattern.trips[run, way.board])
            legs.append(Ride(start, stop, departure, here.arrival[stop], trip, way.running.day))
            before = self.rounds[k - 1]
            stop = before.walked.get(start, start)
            if k > 1 and stop != start:
                legs.append(Walk(stop, start, before.arrival[stop], before.ready[start]))
        return Journey(arrival, number - 1, tuple(legs[::-1]))

    def _find_walk_end(self, last: _Round, target: int, at: int) -> int:
        """The stop from which one walks to the target so as to be there at this minute (footpaths are symmetric)."""
        for other, minutes in self.timetable.footpaths[target]:
            if last.arrival.get(other) == at - minutes:
                return other
        raise AssertionError("a target that was reached was reached from somewhere")
