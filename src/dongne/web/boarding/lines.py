"""The lines of a city as they are now: platforms, trains, where these are and how full."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from dongne.methods.train_places import StopStatus, TrainPlace
from dongne.model.entities import Datastream, Thing
from dongne.model.errors import NotFound
from dongne.model.properties import (
    CAR_MASS,
    CURRENT_STATUS,
    CURRENT_STOP_SEQUENCE,
    DIRECTION_ID,
    IN_SERVICE,
    PEOPLE_ABOARD,
)
from dongne.web.frame import is_id
from dongne.web.seen import SeenCity

AFTER_ALIGHTING = "people_after_alighting"
EXPECTED_LOAD = "expected_load"
SAID_OF_TRAINS = (IN_SERVICE.key, DIRECTION_ID.key, CURRENT_STOP_SEQUENCE.key, CURRENT_STATUS.key)
ALL_OF_TRAINS = (*SAID_OF_TRAINS, CAR_MASS.key, PEOPLE_ABOARD.key, AFTER_ALIGHTING)
MOST_CARS = 40
AHEAD_US = 60_000_000  # of the city's clock: what is said with a time beyond says nothing of now
LOAD_HOLDS_US = 600_000_000  # so long after a load was worked out, a train that is still heard has another one


@dataclass(frozen=True)
class Value:
    """The newest value of a Datastream; `number` leads to what was said with it."""

    stream: int
    number: int
    time_us: int
    result: float


@dataclass(frozen=True)
class Platform:
    """A platform of a line, in one direction."""

    thing: Thing
    line: str
    stop_id: str
    station_id: str
    direction_id: int
    stop_sequence: int
    positions: int

    @property
    def doors_per_car(self) -> int:
        """On the platform's side; 0 where nobody says."""
        return _whole(self.thing.properties.get("doors_per_car"), 20)

    @property
    def headway_s(self) -> float:
        """About how often a train leaves; 0 where nobody says."""
        said = self.thing.properties.get("headway_s")
        return float(said) if isinstance(said, int | float) and not isinstance(said, bool) and said > 0 else 0.0

    def name(self, what: str, language: str) -> str:
        """Its `station`, `headsign` or `line_name` in this language."""
        said = self.thing.properties.get(what)
        named: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
        otherwise = self.line if what == "line_name" else self.thing.name
        return str(named.get(f"name_{language}") or named.get("name") or otherwise)


@dataclass(frozen=True)
class Train:
    """A train of a line: where it said to be (None where it said nothing), and the newest load of each car from the head, None where there is
    none. `heard_us` is when anything was measured at it, 0 never; `is_empty_run`: it takes no passengers now."""

    thing: Thing
    vehicle_id: str
    cars: int
    seats_per_car: float
    place: TrainPlace | None
    heard_us: int
    is_empty_run: bool
    loads: tuple[Value | None, ...] = ()

    @property
    def loads_now(self) -> tuple[Value | None, ...]:
        """The loads without those that are too old for what was heard of the train since."""
        return tuple(load if load is not None and self.holds(load.time_us) else None for load in self.loads)

    def holds(self, time_us: int) -> bool:
        """Whether what was worked out of the train for this instant can still be so."""
        return self.heard_us - time_us <= LOAD_HOLDS_US


@dataclass(frozen=True)
class Line:
    """A line: its platforms along each direction, and its trains."""

    id: str
    platforms: tuple[tuple[Platform, ...], tuple[Platform, ...]]
    trains: tuple[Train, ...]
    distances_m: tuple[tuple[float, ...], tuple[float, ...]] = field(default=((), ()))

    @cached_property
    def heard_us(self) -> int:
        """When anything was measured at one of its trains; 0 never."""
        return max((train.heard_us for train in self.trains), default=0)

    def ends_at(self, platform: Platform) -> bool:
        """Whether this is the last stop of its direction: everybody gets off, and nobody boards."""
        return platform.stop_sequence == len(self.platforms[platform.direction_id]) > 1

    def find_train(self, vehicle_id: str) -> Train | None:
        """The train of this id."""
        return next((train for train in self.trains if train.vehicle_id == vehicle_id), None)


def list_platforms(seen: SeenCity) -> list[Platform]:
    """All platforms of the city, by line, direction and stop; what is no platform of a line is left out."""
    things = (thing for thing in list(seen.graph.things.values()) if thing.kind == "platform")
    found = [platform for thing in things if (platform := _platform(thing)) is not None]
    return sorted(found, key=lambda p: (p.line, p.direction_id, p.stop_sequence, p.thing.id))


def _platform(thing: Thing) -> Platform | None:
    said = thing.properties
    direction_id, sequence = said.get("direction_id"), _whole(said.get("stop_sequence"), 1_000)
    positions = _whole(said.get("positions"), MOST_CARS)
    if direction_id not in (0, 1) or not sequence or not positions:
        return None
    stop_id = str(said.get("stop_id") or thing.id)
    station_id = str(said.get("station_id") or stop_id)
    return Platform(thing, str(said.get("line", "")), stop_id, station_id, int(direction_id), sequence, positions)


def _whole(value: object, most: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most else 0


def find_platforms(seen: SeenCity, key: str) -> list[Platform]:
    """The platform of this Thing id or stop_id, or those of this station. Raises NotFound."""
    platforms = list_platforms(seen)
    found = [p for p in platforms if is_id(key) and p.thing.id == int(key)] or [
        p for p in platforms if p.stop_id == key
    ]
    found = found or [p for p in platforms if p.station_id == key]
    if not found:
        raise NotFound(f"there is no platform or station {key[:60]!r}; /boarding lists those there are")
    return found


def get_platform(seen: SeenCity, key: str) -> Platform:
    """The platform of this Thing id or stop_id. Raises NotFound, which names the platforms where the key is a station."""
    found = find_platforms(seen, key)
    if len(found) > 1:
        stops = ", ".join(platform.stop_id for platform in found[:8])
        raise NotFound(f"{key[:60]!r} is a station, not a platform; its platforms are {stops}")
    return found[0]


def look_at_line(seen: SeenCity, line: str) -> Line:
    """The line now, as far as who asks may see it."""
    along: tuple[list[Platform], list[Platform]] = ([], [])
    for platform in list_platforms(seen):
        if platform.line == line:
            along[platform.direction_id].append(platform)
    trains = {
        relation.to_id: seen.graph.things[relation.to_id]
        for platforms in along
        for platform in platforms
        for relation in seen.graph.list_related(platform.thing.id, "served_by")
        if relation.to_id in seen.graph.things
    }
    distances = tuple(tuple(_distances(seen, platforms)) for platforms in along)
    return Line(
        line, (tuple(along[0]), tuple(along[1])), tuple(_look_at_trains(seen, trains.values())), (distances[0], distances[1])
    )  # fmt: skip


def _distances(seen: SeenCity, platforms: list[Platform]) -> Iterator[float]:
    for one in platforms[:-1]:
        ahead = seen.graph.list_related(one.thing.id, "next_platform")
        yield next((r.distance_m for r in ahead if r.distance_m is not None), 1_000.0)


def latest_by_part(seen: SeenCity, streams: Iterable[Datastream]) -> list[tuple[Datastream, Value]]:
    """The newest value of each of these that has one; without those from a clock that is ahead, which would stay new for ever."""
    wanted, until_us = list(streams), seen.clock.now_us() + AHEAD_US
    if not wanted:
        return []
    columns = seen.latest_of(np.array([stream.id for stream in wanted], np.int64))
    rows = zip(wanted, *(column.tolist() for column in columns), strict=True)
    return [
        (stream, Value(stream.id, number, time_us, result))
        for stream, number, time_us, result in rows
        if number and time_us <= until_us
    ]


def _look_at_trains(seen: SeenCity, things: Iterable[Thing]) -> Iterator[Train]:
    by_thing = {thing.id: thing for thing in things}
    streams = [
        stream
        for thing_id in by_thing
        for stream in seen.graph.list_datastreams(thing_id)
        if seen.graph.property_key(stream) in ALL_OF_TRAINS
    ]
    values: dict[int, dict[tuple[str, str], Value]] = {}
    for stream, value in latest_by_part(seen, streams):
        key = seen.graph.property_key(stream)
        held = values.setdefault(stream.thing_id, {})
        before = held.get((key, stream.part))
        if before is None or before.time_us < value.time_us:
            held[key, stream.part] = value
    for thing in by_thing.values():
        yield _train(thing, values.get(thing.id, {}))


def _train(thing: Thing, said: Mapping[tuple[str, str], Value]) -> Train:
    properties = thing.properties
    cars, seats = _whole(properties.get("cars"), MOST_CARS), properties.get("seats_per_car")
    raw = [value.time_us for (key, _), value in said.items() if key in (*SAID_OF_TRAINS, CAR_MASS.key)]
    in_service = said.get((IN_SERVICE.key, ""))
    return Train(
        thing,
        str(properties.get("vehicle_id") or thing.id),
        cars,
        float(seats) if isinstance(seats, int | float) and seats > 0 else 0.0,
        _place(said),
        max(raw, default=0),
        in_service is not None and in_service.result < 0.5,
        tuple(_load(said, str(car)) for car in range(1, cars + 1)),
    )


def _load(said: Mapping[tuple[str, str], Value], car: str) -> Value | None:
    found = [said[key, car] for key in (PEOPLE_ABOARD.key, AFTER_ALIGHTING) if (key, car) in said]
    return max(found, key=lambda value: value.time_us, default=None)


def _place(said: Mapping[tuple[str, str], Value]) -> TrainPlace | None:
    """Where the train said to be; the three parts of that are said together, and the status last."""
    parts = [said.get((one.key, "")) for one in (DIRECTION_ID, CURRENT_STOP_SEQUENCE, CURRENT_STATUS)]
    if any(part is None or not np.isfinite(part.result) for part in parts):
        return None
    direction_id, sequence, status = (int(part.result) for part in parts if part is not None)
    if direction_id not in (0, 1) or status not in tuple(StopStatus) or sequence < 0:
        return None
    time_us = max(part.time_us for part in parts if part is not None)
    return TrainPlace(direction_id, sequence, StopStatus(status), time_us)
