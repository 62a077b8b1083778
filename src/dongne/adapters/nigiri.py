"""Journeys planned by nigiri (MOTIS's core in C++; pynigiri), in a timetable of ours.

It is given the timetable as a GTFS feed of whole minutes with all footpaths, and none of its own guesses: stops are linked
by our transfers alone. Trips in its answers are found again in our timetable, as it does not name them.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from dongne.methods.raptor import LONGEST_MIN, Raptor
from dongne.methods.timetable import (
    CHANGE_MIN,
    Journey,
    Planner,
    Ride,
    Timetable,
    Walk,
    find_ride,
    find_walk,
    list_best,
)
from dongne.model.errors import NotFound
from dongne.standards.gtfs.write import write


def open_planner(timetable: Timetable) -> Planner:
    """The quickest planner for this timetable: nigiri, where it is here and can do what the timetable asks, else our own."""
    if not can_plan(timetable):
        return Raptor(timetable)
    try:
        return Nigiri(timetable)
    except ImportError:  # there is no wheel for this machine
        return Raptor(timetable)


def can_plan(timetable: Timetable) -> bool:
    """Whether nigiri would answer alike: it knows one change time for all stops."""
    return bool(timetable.calendars) and all(minutes == CHANGE_MIN for minutes in timetable.change_min)


class Nigiri:
    """The planner. Raises ImportError where pynigiri is not installed.

    Of about one in a thousand answers nigiri tells a leg at times at which no vehicle goes (version 0.1.5), though it arrives
    when it says; our own planner then tells the journey anew, and `retold` counts it."""

    def __init__(self, timetable: Timetable) -> None:
        import pynigiri  # noqa: PLC0415  12 MB of machine code, loaded where it is used

        self.timetable = timetable
        self._nigiri: Any = pynigiri
        self._own = Raptor(timetable)
        self.retold = 0
        self._loaded = self._load()

    def _load(self) -> Any:
        options = self._nigiri.FinalizeOptions()
        options.adjust_footpaths = False
        options.merge_dupes_inter_src = options.merge_dupes_intra_src = False
        options.max_footpath_length = self.timetable.longest_walk_min + 1  # nigiri leaves out what is as long
        config = self._nigiri.LoaderConfig()
        config.link_stop_distance = 0
        days = sorted(set().union(*self.timetable.calendars))
        first, last = (date.fromordinal(day).isoformat() for day in (days[0], days[-1] + 1))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "timetable.zip"
            file.write_bytes(write(self.timetable))
            source = self._nigiri.TimetableSource("dongne", str(file), config)
            with _quiet():
                return self._nigiri.load_timetable([source], first, last, options)

    @cached_property
    def _there(self) -> list[Any]:
        """nigiri's location of each of our stops."""
        return [self._loaded.find_location(str(stop)) for stop in range(len(self.timetable.change_min))]

    @cached_property
    def _here(self) -> dict[int, int]:
        return {int(location): stop for stop, location in enumerate(self._there)}

    def query(
        self, sources: Mapping[int, int], targets: Mapping[int, int], departure_min: int, most_transfers: int = 7
    ) -> list[Any]:
        """nigiri's own journeys."""
        query = self._nigiri.Query()
        query.start = [self._nigiri.Offset(self._there[stop], minutes, 0) for stop, minutes in sources.items()]
        query.destination = [self._nigiri.Offset(self._there[stop], minutes, 0) for stop, minutes in targets.items()]
        query.start_time = departure_min
        query.max_transfers = most_transfers
        query.max_travel_time = LONGEST_MIN
        found: list[Any] = self._nigiri.route(self._loaded, query)
        return found

    def plan(
        self, sources: Mapping[int, int], targets: Mapping[int, int], departure_min: int, most_transfers: int = 7
    ) -> list[Journey]:
        """The Pareto set of (arrival, transfers); see `Planner`."""
        try:
            found = [self._journey(one) for one in self.query(sources, targets, departure_min, most_transfers)]
        except NotFound:
            self.retold += 1
            return self._own.plan(sources, targets, departure_min, most_transfers)
        walk = find_walk(self.timetable, sources, targets, departure_min)
        return list_best([walk, *found] if walk else found)

    def _journey(self, found: Any) -> Journey:
        parts = [
            (self._here[int(getattr(leg, "from"))], self._here[int(leg.to)], leg.dep_time, leg.arr_time)
            for leg in found.legs
        ]
        legs = [
            self._leg(*part, can_walk=True) for part in parts if part[0] != part[1]
        ]  # equal: a wait between two vehicles
        if sum(isinstance(leg, Ride) for leg in legs) != found.transfers + 1:  # a vehicle was as slow as a walk
            legs = [self._leg(*part, can_walk=False) for part in parts if part[0] != part[1]]
        return Journey(found.dest_time, found.transfers, tuple(legs))

    def _leg(self, a: int, b: int, departure: int, arrival: int, *, can_walk: bool) -> Ride | Walk:
        """A walk, where one takes just so long (with `can_walk`, or where no vehicle goes so), else a ride."""
        walked = dict(self.timetable.footpaths[a]).get(b)
        if can_walk and walked == arrival - departure:
            return Walk(a, b, departure, arrival)
        try:
            trip, day = find_ride(self.timetable, a, b, departure, arrival)
        except NotFound:
            if walked is None:
                raise
            return Walk(a, b, departure, arrival)
        return Ride(a, b, departure, arrival, trip, day)


@contextmanager
def _quiet() -> Iterator[None]:
    """nigiri tells what it loads at standard error, line by line; nobody needs it."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
