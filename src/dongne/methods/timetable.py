"""A timetable as journeys are planned in: whole minutes, vehicles that don't overtake each other, and footpaths.

Departures are rounded down to the minute and arrivals up, so that nobody misses a vehicle by seconds. Where a vehicle arrives
and departs within one minute, both are that minute: a change of two minutes then leaves one at least.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from heapq import heappop, heappush
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from dongne.model.errors import BadInput, NotFound

CHANGE_MIN = 2  # between two vehicles at one stop, where the feed says nothing else
DAY_MIN = 1440
FIRST_YEAR, LAST_YEAR = 1970, 2199  # of times that are asked for
Footpaths = tuple[tuple[tuple[int, int], ...], ...]  # of each stop: (other stop, minutes)


class Call(NamedTuple):
    """A vehicle at a stop; seconds of the day of service."""

    stop: int
    arrival_s: int
    departure_s: int
    boarding: bool
    alighting: bool
    trip: int


@dataclass(frozen=True)
class Run:
    """What a vehicle does in one go, over one trip or more, on the days of a calendar."""

    calls: tuple[Call, ...]
    calendar: int


@dataclass(frozen=True)
class Pattern:
    """Runs over the same stops that don't overtake each other, the earliest first. `departure` and `arrival` are minutes of
    the day of service, (runs, stops); `trips` are the trips by run and stop."""

    stops: tuple[int, ...]
    boarding: tuple[bool, ...]
    alighting: tuple[bool, ...]
    departure: NDArray[np.int32]
    arrival: NDArray[np.int32]
    calendar: NDArray[np.int32]
    trips: NDArray[np.int32]


@dataclass(frozen=True)
class Timetable:
    """All patterns of a network. `footpaths` are closed: what can be walked over a stop between is there directly.

    `calendars` are sets of days as proleptic Gregorian ordinals."""

    zone: ZoneInfo
    change_min: tuple[int, ...]
    footpaths: Footpaths
    patterns: tuple[Pattern, ...]
    calendars: tuple[frozenset[int], ...]
    longest_walk_min: int
    serving: tuple[tuple[tuple[int, int], ...], ...]  # of each stop: (pattern, place in it)
    _starts: dict[int, int] = field(default_factory=dict, repr=False)

    def day_start_min(self, day: int) -> int:
        """Minutes since 1970 at which a day of service begins: noon minus 12 hours, as GTFS has it."""
        if day not in self._starts:
            noon = datetime.combine(date.fromordinal(day), time(12), self.zone)
            self._starts[day] = int((noon.timestamp()) // 60) - 12 * 60
        return self._starts[day]

    def local_day(self, at_min: int) -> int:
        """The ordinal of the day in the timetable's zone."""
        return datetime.fromtimestamp(at_min * 60, self.zone).toordinal()

    def latest_min(self) -> int:
        """How long after the beginning of its day of service the last vehicle arrives."""
        return max((int(pattern.arrival.max()) for pattern in self.patterns), default=0)


class Ride(NamedTuple):
    """A part of a journey in a vehicle: times in minutes since 1970; `trip` is where one boards."""

    from_stop: int
    to_stop: int
    departure_min: int
    arrival_min: int
    trip: int
    day: int


class Walk(NamedTuple):
    """A part of a journey on foot."""

    from_stop: int
    to_stop: int
    departure_min: int
    arrival_min: int


@dataclass(frozen=True)
class Journey:
    """A way from here to there. `transfers` counts changes of vehicle."""

    arrival_min: int
    transfers: int
    legs: tuple[Ride | Walk, ...]

    @property
    def departure_min(self) -> int:
        """When the first vehicle departs."""
        return next((leg.departure_min for leg in self.legs if isinstance(leg, Ride)), self.arrival_min)


def read_time(text: str, zone: ZoneInfo) -> datetime:
    """The instant that a question names in ISO 8601; the local one where it says no zone. Raises BadInput."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"at = {text[:40]!r} is no time; write it as 2026-11-30T08:00") from None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise BadInput(f"at = {text[:40]!r} is out of the years {FIRST_YEAR}..{LAST_YEAR}; give a day of the timetable")
    return at if at.tzinfo else at.replace(tzinfo=zone)


class Planner(Protocol):
    """Whoever finds journeys in a timetable."""

    def plan(
        self, sources: Mapping[int, int], targets: Mapping[int, int], departure_min: int, most_transfers: int = 7
    ) -> list[Journey]:
        """The Pareto set of (arrival, transfers), few transfers first: no journey arrives later with as many transfers or
        more than another. Where one can walk there, that is one of them (without any ride), and rides are given only where they
        are sooner. `sources` and `targets` are stops with the minutes to walk to or from them; `departure_min` is in
        minutes since 1970."""


def build_timetable(
    zone: ZoneInfo,
    change_min: Sequence[int],
    walks: Iterable[tuple[int, int, int]],
    runs: Iterable[Run],
    calendars: Sequence[frozenset[int]],
    longest_walk_min: int,
) -> Timetable:
    """The timetable of these runs. `walks` are (stop, stop, minutes), both ways; what is longer than `longest_walk_min` over
    other stops is no footpath."""
    patterns = tuple(_patterns(runs))
    serving: list[list[tuple[int, int]]] = [[] for _ in change_min]
    for number, pattern in enumerate(patterns):
        for place, stop in enumerate(pattern.stops):
            serving[stop].append((number, place))
    return Timetable(
        zone, tuple(change_min), close_footpaths(len(change_min), walks, longest_walk_min), patterns, tuple(calendars),
        longest_walk_min, tuple(map(tuple, serving)),
    )  # fmt: skip


def close_footpaths(stops: int, walks: Iterable[tuple[int, int, int]], longest_min: int) -> Footpaths:
    """The shortest walk from each stop to each other within the limit (Dijkstra), over any stops between."""
    near: dict[int, dict[int, int]] = {}
    for a, b, minutes in walks:
        if a != b:
            for start, end in ((a, b), (b, a)):
                held = near.setdefault(start, {})
                held[end] = min(minutes, held.get(end, minutes))
    return tuple(tuple(sorted(_reach(near, stop, longest_min).items())) for stop in range(stops))


def _reach(near: Mapping[int, Mapping[int, int]], start: int, longest_min: int) -> dict[int, int]:
    found: dict[int, int] = {}
    queue = [(0, start)]
    while queue:
        minutes, stop = heappop(queue)
        if stop in found:
            continue
        found[stop] = minutes
        for other, more in near.get(stop, {}).items():
            if other not in found and minutes + more <= longest_min:
                heappush(queue, (minutes + more, other))
    del found[start]
    return found


def _patterns(runs: Iterable[Run]) -> Iterable[Pattern]:
    alike: dict[tuple[tuple[int, bool, bool], ...], list[Run]] = {}
    for run in runs:
        alike.setdefault(tuple((call.stop, call.boarding, call.alighting) for call in run.calls), []).append(run)
    for key, members in alike.items():
        stops, boarding, alighting = zip(*key, strict=True)
        for group in _without_overtaking(members):
            yield Pattern(
                stops, boarding, alighting,
                np.array([[departure for _, departure in _in_minutes(run)] for run in group], np.int32),
                np.array([[arrival for arrival, _ in _in_minutes(run)] for run in group], np.int32),
                np.array([run.calendar for run in group], np.int32),
                np.array([[call.trip for call in run.calls] for run in group], np.int32),
            )  # fmt: skip


def _in_minutes(run: Run) -> list[tuple[int, int]]:
    """(arrival, departure) of each call."""
    last = -(-run.calls[-1].arrival_s // 60)
    between = [
        (min(-(-call.arrival_s // 60), call.departure_s // 60), call.departure_s // 60) for call in run.calls[:-1]
    ]
    return [*between, (last, last)]


def _without_overtaking(runs: list[Run]) -> list[list[Run]]:
    """The runs in as many lists as are needed for each to keep its order at every stop."""
    groups: list[list[Run]] = []
    ends: list[list[int]] = []
    for run in sorted(runs, key=lambda one: [call.departure_s for call in one.calls]):
        times = [moment for both in _in_minutes(run) for moment in both]
        for group, end in zip(groups, ends, strict=True):
            if all(a <= b for a, b in zip(end, times, strict=True)):
                group.append(run)
                end[:] = times
                break
        else:
            groups.append([run])
            ends.append(times)
    return groups


def find_walk(
    timetable: Timetable, sources: Mapping[int, int], targets: Mapping[int, int], departure_min: int
) -> Journey | None:
    """The journey on foot alone, where a source and a target are that near."""
    ways = [(minutes + targets[stop], stop, stop) for stop, minutes in sources.items() if stop in targets]
    ways += [
        (minutes + walk + targets[other], stop, other)
        for stop, minutes in sources.items()
        for other, walk in timetable.footpaths[stop]
        if other in targets
    ]
    if not ways:
        return None
    minutes, start, end = min(ways)
    arrival = departure_min + minutes
    legs = (Walk(start, end, departure_min + sources[start], arrival - targets[end]),) if start != end else ()
    return Journey(arrival, 0, legs)


def list_best(journeys: Iterable[Journey]) -> list[Journey]:
    """The Pareto set of (arrival, transfers) among these, few transfers first."""
    best: list[Journey] = []
    for journey in sorted(journeys, key=lambda one: (one.transfers, one.arrival_min)):
        if not best or journey.arrival_min < best[-1].arrival_min:
            best.append(journey)
    return best


def find_ride(
    timetable: Timetable, from_stop: int, to_stop: int, departure_min: int, arrival_min: int
) -> tuple[int, int]:
    """(trip, day) of a vehicle that goes so. Raises NotFound where there is none."""
    for day, rows in list_departures(timetable, from_stop, departure_min, departure_min):
        for pattern, run, place in rows:
            start = timetable.day_start_min(day)
            for further in range(place + 1, len(pattern.stops)):
                if pattern.stops[further] == to_stop and start + int(pattern.arrival[run, further]) == arrival_min:
                    return int(pattern.trips[run, place]), day
    raise NotFound(
        f"no vehicle goes from stop {from_stop} at minute {departure_min} to stop {to_stop} at {arrival_min}"
    )


def list_departures(
    timetable: Timetable, stop: int, first_min: int, last_min: int
) -> Iterable[tuple[int, list[tuple[Pattern, int, int]]]]:
    """(day, [(pattern, run, place in the pattern)]) of vehicles that depart from a stop between two minutes."""
    earliest = timetable.local_day(first_min) - timetable.latest_min() // DAY_MIN - 1
    for day in range(earliest, timetable.local_day(last_min) + 2):
        start = timetable.day_start_min(day)
        rows: list[tuple[Pattern, int, int]] = []
        for number, place in timetable.serving[stop]:
            pattern = timetable.patterns[number]
            if place == len(pattern.stops) - 1 or not pattern.boarding[place]:
                continue
            times = pattern.departure[:, place]
            low, high = np.searchsorted(times, first_min - start), np.searchsorted(times, last_min - start, "right")
            rows += [
                (pattern, run, place)
                for run in range(int(low), int(high))
                if day in timetable.calendars[pattern.calendar[run]]
            ]
        if rows:
            yield day, rows
