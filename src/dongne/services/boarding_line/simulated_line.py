"""A line as its simulator sees it: platforms and trains out of the graph, and a timetable without beginning or end."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from dongne.methods.platform_positions import position_of
from dongne.model.entities import Thing
from dongne.model.errors import BadSetup
from dongne.model.graph import ThingGraph
from dongne.model.times import from_us
from dongne.services.boarding_line.simulation import SECOND_US, Parameters

Array = NDArray[np.float64]
HOUR_S = 3_600.0
SLACK_S = 60.0  # before a train leaves again


def draws(seed: int, *what: object) -> np.random.Generator:
    """Chance that follows from the seed and the words alone."""
    digest = blake2b(repr((seed, "boarding_line", *what)).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


@dataclass(frozen=True)
class Platform:
    """A platform: its Thing, station ("kamppi" is the same for both directions), how far to the next one, stairs in positions."""

    thing: int
    station: str
    next_m: float
    exits: tuple[float, ...]
    loads_at: str


@dataclass(frozen=True)
class Train:
    """A train: its Thing, cars and what an empty one weighs by its papers."""

    thing: int
    cars: int
    seats: int
    tare_kg: float


@dataclass(frozen=True)
class Trip:
    """A train that goes along the line once. `number` counts the departures of a direction; `is_empty`: a depot run."""

    number: int
    direction_id: int
    train: Train
    leaves_us: int
    is_empty: bool


@dataclass(frozen=True)
class Line:
    """Platforms by direction in the order of travel, trains in the order in which they leave."""

    id: str
    platforms: tuple[tuple[Platform, ...], tuple[Platform, ...]]
    trains: tuple[Train, ...]
    positions: int

    @property
    def mean_cars(self) -> float:
        """Of its trains."""
        return sum(train.cars for train in self.trains) / len(self.trains)

    def positions_of(self, train: Train, direction_id: int) -> NDArray[np.int64]:
        """Platform positions of its cars, from the head."""
        cars = range(1, train.cars + 1)
        return np.array([position_of(car, train.cars, self.positions, direction_id) for car in cars])


def list_lines(graph: ThingGraph) -> list[Line]:
    """The lines whose platforms and trains are in the graph, and that are marked as simulated. Those that lack one of them are left out."""
    things = [thing for thing in graph.things.values() if thing.properties.get("simulated") is True]
    ids = sorted({str(thing.properties["line"]) for thing in things if thing.kind == "train"})
    lines = []
    for line_id in ids:
        mine = [thing for thing in things if thing.properties.get("line") == line_id]
        trains = sorted((t for t in mine if t.kind == "train"), key=lambda t: (t.properties.get("order", 0), t.id))
        platforms = [_along(graph, mine, direction_id) for direction_id in (0, 1)]
        if min(len(found) for found in platforms) >= 2:
            positions = max(int(thing.properties["positions"]) for thing in mine if thing.kind == "platform")
            lines.append(Line(line_id, (platforms[0], platforms[1]), tuple(_train(t) for t in trains), positions))
    return lines


def _train(thing: Thing) -> Train:
    known = thing.properties
    return Train(thing.id, int(known["cars"]), int(known["seats_per_car"]), float(known["tare_kg"]))


def _along(graph: ThingGraph, things: list[Thing], direction_id: int) -> tuple[Platform, ...]:
    mine = [t for t in things if t.kind == "platform" and t.properties["direction_id"] == direction_id]
    found = []
    for thing in sorted(mine, key=lambda t: int(t.properties["stop_sequence"])):
        ahead = graph.list_related(thing.id, "next_platform")
        known = thing.properties
        exits = tuple(float(one) for one in known.get("exits", ()))
        station = str(known["stop_id"]).rsplit(":", 1)[0]
        next_m = (ahead[0].distance_m or 0.0) if ahead else 0.0
        found.append(Platform(thing.id, station, next_m, exits, str(known.get("loads_at", ""))))
    return tuple(found)


class Timetable:
    """Trips of a line: each train leaves the first stop of direction 0, and half a cycle later that of direction 1, day and night. In
    one cycle of the night and one of the middle of the day it runs empty."""

    def __init__(self, line: Line, parameters: Parameters, seed: int) -> None:
        """Raises BadSetup where its trains can't be back in time."""
        self.line, self.parameters, self.seed = line, parameters, seed
        self.headway_us = int(parameters.headway_s * SECOND_US)
        self.cycle_us = self.headway_us * len(line.trains)
        self.zone = ZoneInfo(parameters.zone)
        self._stands_s = 0.5 * sum(parameters.doors_s)
        self.runs_s = [self._runs_s(direction_id) for direction_id in (0, 1)]
        longest_s = max(float(runs.sum()) for runs in self.runs_s)
        room_s = self.cycle_us / 2 / SECOND_US - SLACK_S
        stops = len(line.platforms[0])
        self.spare_s = room_s - longest_s - stops * parameters.doors_s[1]
        if self.spare_s < 0:
            need = int((longest_s + stops * parameters.doors_s[1] + SLACK_S) * 2 * SECOND_US / self.headway_us) + 1
            raise BadSetup(
                f"simulated.toml [boarding_line]: {len(line.trains)} trains every {parameters.headway_s:g} s are not back in "
                f"time on line {line.id!r}; have {need} trains or a longer headway_s"
            )

    def _runs_s(self, direction_id: int) -> Array:
        p = self.parameters
        legs = [platform.next_m / p.cruise_m_s + p.stop_loss_s for platform in self.line.platforms[direction_id][:-1]]
        return np.array(legs)

    def trips(self, after_us: int, until_us: int) -> Iterator[Trip]:
        """Those that leave in (after, until], by time."""
        half_us = self.cycle_us // 2
        found = []
        for direction_id in (0, 1):
            shift_us = direction_id * half_us
            first = (after_us - shift_us) // self.headway_us + 1
            numbers = range(first, (until_us - shift_us) // self.headway_us + 1)
            found += [self.get_trip(number, direction_id) for number in numbers]
        yield from sorted(found, key=lambda trip: (trip.leaves_us, trip.direction_id))

    def get_trip(self, number: int, direction_id: int) -> Trip:
        """The departure of this number."""
        order = number % len(self.line.trains)
        cycle_us = number * self.headway_us
        train = self.line.trains[order]
        leaves_us = cycle_us + direction_id * (self.cycle_us // 2)
        return Trip(number, direction_id, train, leaves_us, self._is_empty(order, cycle_us))

    def _is_empty(self, order: int, cycle_us: int) -> bool:
        """Exactly one cycle begins in any stretch that is as long as a cycle; each train has its own stretches."""
        hour = self.local(cycle_us)[1] / HOUR_S
        cycle_h = self.cycle_us / SECOND_US / HOUR_S
        for start, end in (self.parameters.night, self.parameters.midday):
            begins = start + (end - start) * order / len(self.line.trains)
            if begins <= hour < begins + cycle_h:
                return True
        return False

    def local(self, time_us: int) -> tuple[date, float]:
        """Local day, and seconds since its midnight by the clock."""
        at = from_us(time_us).astimezone(self.zone)
        return at.date(), at.hour * HOUR_S + at.minute * 60.0 + at.second

    def lateness_s(self, number: int, direction_id: int) -> Array:
        """How late the departure of this number is at each stop by itself, dwells apart."""
        p, chance = self.parameters, draws(self.seed, self.line.id, "late", number, direction_id)
        stops = len(self.line.platforms[direction_id])
        late = np.full(stops, min(float(chance.exponential(p.late_s)), p.late_max_s))
        late[1:] += np.cumsum(chance.normal(0.0, p.run_spread_s, stops - 1))
        if chance.random() < p.incident_share:
            late[int(chance.integers(1, stops)) :] += chance.uniform(*p.incident_s)
        return np.asarray(np.minimum(late, self.spare_s))

    def arrivals(self, trip: Trip) -> tuple[Array, Array]:
        """When it would be at each stop if all dwells were usual ones, in seconds after its time, and how many seconds after the
        train before."""
        p, before = self.parameters, self.lateness_s(trip.number - 1, trip.direction_id)
        apart_s = p.headway_s
        late = np.maximum(self.lateness_s(trip.number, trip.direction_id), before - apart_s + p.closest_s)
        legs = np.concatenate([[0.0], np.cumsum(self.runs_s[trip.direction_id] + self._stands_s)])
        return legs + late, np.maximum(apart_s + late - before, p.closest_s)
