"""The demonstration metro in a bench: simulated trips, the services that follow them, and what was said beside what was so.

Stops are handled one after the other by their time of arrival; all rows of a stop go into the engine in one record. Passengers of the next stops
may look at what the services have said by then.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from dongne.adapters.lines import plan_lines
from dongne.adapters.sources import load_city, load_sources
from dongne.adapters.streaming import load_simulated, simulator_parameters
from dongne.model.entities import Datastream, Entity, Property, Sensor, Unit, put
from dongne.model.errors import BadInput
from dongne.model.graph import ThingGraph
from dongne.model.observed import ObservedProperty
from dongne.model.properties import CAR_MASS
from dongne.model.records import ObservationBatch, Record, RecordKind, encode_batch
from dongne.model.times import to_us
from dongne.runtime.engine import Engine
from dongne.runtime.manifest import SERVICES
from dongne.runtime.ports import StateRow
from dongne.runtime.registry import LoadedService, load, order_by_feeding
from dongne.runtime.service import Result, Step, WorkOrder
from dongne.runtime.simulate import SimulatedRow
from dongne.services.boarding_line.simulate import LineSimulator, Simulator
from dongne.services.boarding_line.simulated_line import Trip
from dongne.services.boarding_line.simulated_ride import Choose, Stop

WANTED = ("car_load", "boarding_line")
PEAKS = ((7.0, 9.0), (18.0, 20.0))  # local hours that count
WARM_H = 0.6  # simulated before and after them: trains that are under way when they begin


@dataclass
class Report:
    """Scales that a service called faulty, until it took that back. `car` is counted from the head in direction 0."""

    thing: int
    car: int
    begins_us: int
    ends_us: int = 1 << 62


@dataclass
class Said:
    """What services said of the line."""

    aboard: dict[tuple[int, int], tuple[int, float]] = field(default_factory=dict)
    """Train, car from the head -> when it left, people; the newest."""
    expected: dict[tuple[int, int], tuple[int, float, float, float]] = field(default_factory=dict)
    """Platform, position -> when the train left the stop before, %, low, high; the newest."""
    weighed: dict[tuple[int, int], float] = field(default_factory=dict)
    """Train, car from the head -> kg at the last stop's end, as its scales say."""
    reports: dict[tuple[int, str], Report] = field(default_factory=dict)
    """Train, the `once` of the order -> the report."""


def load_services() -> list[LoadedService]:
    """Those of `WANTED` that are there."""
    found = [load(name) for name in WANTED if (SERVICES / name / "service.toml").exists()]
    return order_by_feeding([one for one in found if isinstance(one, LoadedService)])


def make_graph(folder: Path, data: Path | None) -> ThingGraph:
    """The Things of a city's lines."""
    graph, ids = ThingGraph(), count(1)
    for changes in plan_lines(folder, data, lambda _: next(ids), graph):
        graph.apply(changes)
    return graph


def read_parameters(folder: Path, data: Path | None) -> dict[str, Any]:
    """The city's parameters of the simulator, with recorded loads where their files are there."""
    table = load_simulated(folder)[1].get("boarding_line", {})
    found = simulator_parameters(table, load_sources(folder), load_city(folder), data)
    found.pop("history_days", None)
    return found


class BenchCity:
    """The first line of a city with its services. `keep` is shared between cities of one seed, whose passengers are the same: their stops are worked
    out once."""

    def __init__(
        self, folder: Path, data: Path | None, parameters: Mapping[str, Any], seed: int, keep: dict[Any, list[Stop]]
    ) -> None:
        """Raises BadInput where the city has no simulated line."""
        self.graph = make_graph(folder, data)
        self.simulator = Simulator(self.graph, parameters, seed)
        if not self.simulator.lines:
            raise BadInput(f"{folder / 'lines.toml'} has no line that is marked as simulated; name another --city")
        self.line: LineSimulator = self.simulator.lines[0]
        self.zone = ZoneInfo(str(parameters["zone"]))
        self._keep = keep
        self._entities, self._streams = self._make_streams()
        self.said = Said()
        self.observations = 0
        self._number, self._at_us = 1, 0
        self.engine = self._new_engine()

    def _make_streams(self) -> tuple[list[Entity], dict[tuple[int, str, str], int]]:
        keys: dict[str, int] = {}
        entities: list[Entity] = [Sensor(id=1, name="simulated")]
        streams: dict[tuple[int, str, str], int] = {}
        for number, one in enumerate(self.simulator.datastreams(), 1):
            observed: ObservedProperty = one.property
            if observed.key not in keys:
                keys[observed.key] = len(keys) + 1
                entities.append(Property(id=keys[observed.key], name=observed.key))
            streams[one.thing, observed.key, one.part] = number
            entities.append(
                Datastream(
                    id=number, name=one.name, unit_of_measurement=Unit(symbol=observed.unit), thing_id=one.thing, sensor_id=1,
                    observed_property_id=keys[observed.key], properties={"simulated": True, "part": one.part},
                )
            )  # fmt: skip
        return entities, streams

    def _new_engine(self) -> Engine:
        engine = Engine(load_services(), ThingGraph(), self.zone)
        everything = [
            *self.graph.locations.values(), *self.graph.things.values(), *self.graph.relations.values(), *self._entities,
        ]  # fmt: skip
        body = msgspec.msgpack.encode([put(entity) for entity in everything])
        engine.turn(Record(1, 1, RecordKind.ENTITIES, self._at_us, body))
        return engine

    def snapshot(self) -> list[StateRow]:
        """What services remember (once: what has changed since the last call)."""
        return self.engine.take_changed()

    def restore(self, rows: Sequence[StateRow]) -> None:
        """Services as they were then."""
        self.engine = self._new_engine()
        self.engine.load(rows)
        self.said = Said()

    # --- days

    def trips(self, day: date) -> list[Trip]:
        """Those of a day that are simulated: around the peaks, and all empty runs."""
        midnight = datetime.combine(day, time(), self.zone)
        every = self.line.timetable.trips(to_us(midnight), to_us(midnight + timedelta(days=1)))
        return [trip for trip in every if trip.is_empty or self._is_near_peak(trip)]

    def _is_near_peak(self, trip: Trip) -> bool:
        hour = self.line.timetable.local(trip.leaves_us)[1] / 3600.0
        return any(start - WARM_H <= hour < end + 0.1 for start, end in PEAKS)

    def is_peak(self, time_us: int) -> bool:
        """Whether this instant counts."""
        hour = self.line.timetable.local(time_us)[1] / 3600.0
        return any(start <= hour < end for start, end in PEAKS)

    def run(self, days: Sequence[date], choose: Choose | None = None) -> Iterator[tuple[Trip, Stop]]:
        """Each stop as its train comes in: before the services hear of it."""
        for day in days:
            waiting: list[tuple[int, int, Trip, Iterator[Stop], Stop | None]] = []
            order = count()
            for trip in self.trips(day):
                heapq.heappush(waiting, (trip.leaves_us, next(order), trip, self._stops(trip, choose), None))
            while waiting:
                at_us, _, trip, stops, stop = heapq.heappop(waiting)
                if trip.is_empty:
                    self.hear(self.line.rows(trip))
                    continue
                if stop is not None:
                    yield trip, stop
                    self.hear(self.line.stop_rows(trip, stop))
                following = next(stops, None)
                if following is not None:
                    due_us = following.arrives_us if stop is not None else max(following.arrives_us, at_us)
                    heapq.heappush(waiting, (due_us, next(order), trip, stops, following))

    def _stops(self, trip: Trip, choose: Choose | None) -> Iterator[Stop]:
        if choose is not None:
            return self.line.ride(trip).stops(choose)
        key = (trip.number, trip.direction_id)
        if key not in self._keep:
            self._keep[key] = list(self.line.ride(trip).stops())
        return iter(self._keep[key])

    # --- services

    def hear(self, rows: Sequence[SimulatedRow]) -> None:
        """What trains say goes to the services."""
        batch = ObservationBatch(
            np.array([self._streams[row.thing, row.property, row.part] for row in rows], np.int32),
            np.array([row.time_us for row in rows], np.int64),
            np.array([row.value for row in rows], np.float64),
        )
        for row in rows[-max(train.cars for train in self.line.line.trains) :]:
            if row.property == CAR_MASS.key:
                self.said.weighed[row.thing, int(row.part)] = row.value
        self._at_us = max(self._at_us, rows[-1].time_us)
        self._number += len(rows)
        self.observations += len(rows)
        record = Record(self._number, len(rows), RecordKind.OBSERVATIONS, self._at_us, encode_batch(batch))
        for emitted in self.engine.turn(record):
            match emitted.emission:
                case Result() as result:
                    self._take(emitted.thing, result, to_us(result.time or emitted.time))
                case WorkOrder() as order if "car" in order.values:
                    report = Report(emitted.thing, int(order.values["car"]), to_us(emitted.time))
                    self.said.reports[emitted.thing, order.once] = report
                case Step() as step if (emitted.thing, step.once) in self.said.reports:
                    self.said.reports[emitted.thing, step.once].ends_us = to_us(emitted.time)

    def _take(self, thing: int, result: Result, time_us: int) -> None:
        more = result.parameters or {}
        if result.property.key == "people_aboard":
            self.said.aboard[thing, int(result.part)] = (time_us, result.value)
        elif result.property.key == "expected_load":
            low, high = float(more.get("low_percent", result.value)), float(more.get("high_percent", result.value))
            self.said.expected[thing, int(result.part)] = (time_us, result.value, low, high)

    def parked(self) -> list[str]:
        """Keys that failed, and why."""
        return [
            f"{runner.id} {key}: {cell.parked}"
            for runner in self.engine.runners.values() for key, cell in runner.cells.items() if cell.parked
        ]  # fmt: skip
