"""A timetable as GTFS says it, without the rows that can't be used. Places in other tables are indices into them."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from dongne.model.geometry import Point

NO_TIME = -1
MODES = {
    0: "tram", 1: "subway", 2: "rail", 3: "bus", 4: "ferry", 5: "cable_tram", 6: "aerial_lift", 7: "funicular",
    11: "trolleybus", 12: "monorail",
}  # fmt: skip
EXTENDED_MODES = {  # the hundreds of the extended route types
    1: "rail", 2: "bus", 4: "subway", 5: "subway", 6: "subway", 7: "bus", 8: "trolleybus", 9: "tram", 10: "ferry", 12: "ferry",
    13: "aerial_lift", 14: "funicular",
}  # fmt: skip


@dataclass(frozen=True)
class Agency:
    """Who runs it."""

    id: str
    name: str
    url: str
    zone: str
    language: str


@dataclass(frozen=True)
class Stop:
    """A stop, platform, station, entrance, node or boarding area, by `location_type` (0 to 4). `parent` is an index or -1;
    `wheelchair_boarding` is what holds for it, inherited from its station: 0 nobody knows, 1 possible, 2 not possible."""

    id: str
    name: str
    place: Point | None
    location_type: int = 0
    parent: int = -1
    wheelchair_boarding: int = 0
    code: str = ""
    platform_code: str = ""
    spoken_name: str = ""


@dataclass(frozen=True)
class Route:
    """A line as it is told to passengers. `type` is GTFS's route_type."""

    id: str
    agency: int
    short_name: str
    long_name: str
    type: int
    color: str = ""
    text_color: str = ""

    @property
    def name(self) -> str:
        """The short name, else the long one, else the id."""
        return self.short_name or self.long_name or self.id

    @property
    def mode(self) -> str:
        """What goes there, in a word: "bus", "tram"; "other" where the type says nothing."""
        return MODES.get(self.type) or EXTENDED_MODES.get(self.type // 100, "other")


@dataclass(frozen=True)
class Service:
    """A set of days of service: weekdays (Monday first) from `start` to `end`, and exceptions."""

    id: str
    weekdays: tuple[bool, ...] = (False,) * 7
    start: date | None = None
    end: date | None = None
    added: frozenset[date] = frozenset()
    removed: frozenset[date] = frozenset()

    def runs_on(self, day: date) -> bool:
        """Whether there is service on this day."""
        if day in self.added:
            return True
        if day in self.removed or self.start is None or self.end is None:
            return False
        return self.start <= day <= self.end and self.weekdays[day.weekday()]

    def list_days(self) -> list[date]:
        """All its days."""
        days = set(self.added)
        if self.start is not None and self.end is not None:
            for number in range((self.end - self.start).days + 1):
                day = self.start + timedelta(days=number)
                if self.weekdays[day.weekday()] and day not in self.removed:
                    days.add(day)
        return sorted(days)


@dataclass(frozen=True)
class Trip:
    """A run of a route on the days of a service. Its calls are rows `first` to `last` (not included) of the stop times."""

    id: str
    route: int
    service: int
    headsign: str
    direction_id: int
    block_id: str
    shape_id: str
    wheelchair_accessible: int
    first: int
    last: int


STEP_FREE = {1: "yes", 2: "no"}  # wheelchair_boarding, wheelchair_accessible


def step_free(*said: int) -> str:
    """Whether all of a way is step-free, by what GTFS says of its parts: "no" where one is not, "yes" where all are, else
    "unknown"."""
    words = {STEP_FREE.get(one, "unknown") for one in said}
    return "no" if "no" in words else "unknown" if "unknown" in words else "yes"


@dataclass(frozen=True)
class StopTimes:
    """The calls of all trips, by trip and then in the order of their stops. Times are seconds after noon minus 12 h of the
    day of service, also past 86,400; NO_TIME where the feed gives none. `pickup` and `drop_off` are GTFS's types."""

    trip: NDArray[np.int32]
    stop: NDArray[np.int32]
    sequence: NDArray[np.int32]
    arrival_s: NDArray[np.int32]
    departure_s: NDArray[np.int32]
    pickup: NDArray[np.int8]
    drop_off: NDArray[np.int8]
    headsigns: dict[int, str] = field(default_factory=dict)


class Frequency(NamedTuple):
    """A trip repeated every `headway_s` from `start_s` to before `end_s`; `exact`: by a timetable."""

    trip: int
    start_s: int
    end_s: int
    headway_s: int
    exact: bool


class Transfer(NamedTuple):
    """A rule for changing between stops; `type` is GTFS's transfer_type (0 to 3). `trips` links two trips (types 4, 5)."""

    from_stop: int
    to_stop: int
    type: int
    min_s: int | None
    trips: tuple[int, int] | None = None


@dataclass(frozen=True)
class Feed:
    """A whole timetable. `shapes` are (lon, lat) rows by shape_id."""

    agencies: tuple[Agency, ...]
    zone: ZoneInfo
    stops: tuple[Stop, ...]
    routes: tuple[Route, ...]
    services: tuple[Service, ...]
    trips: tuple[Trip, ...]
    stop_times: StopTimes
    frequencies: tuple[Frequency, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    shapes: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    version: str = ""

    def get_span(self) -> tuple[date, date]:
        """The first and the last day on which any trip runs; raises ValueError where none does."""
        days = {day for number in {trip.service for trip in self.trips} for day in self.services[number].list_days()}
        return min(days), max(days)
