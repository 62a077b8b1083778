"""A simulated line: trains that say where they are, and what the scales under their cars weigh."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dongne.model.graph import ThingGraph
from dongne.model.observed import ObservedProperty
from dongne.model.properties import CAR_MASS, CURRENT_STATUS, CURRENT_STOP_SEQUENCE, DIRECTION_ID, IN_SERVICE
from dongne.model.tasks import Task
from dongne.runtime.simulate import SimulatedRow, SimulatedStream, Step
from dongne.services.boarding_line.simulated_demand import Demand
from dongne.services.boarding_line.simulated_line import Line, Timetable, Trip, list_lines
from dongne.services.boarding_line.simulated_ride import Ride, Stop
from dongne.services.boarding_line.simulated_scales import Scales
from dongne.services.boarding_line.simulation import SECOND_US, Parameters, read_parameters

INCOMING_AT, STOPPED_AT, IN_TRANSIT_TO = 0.0, 1.0, 2.0  # VehicleStopStatus of GTFS Realtime
INCOMING_US = 15 * SECOND_US
OF_TRAINS = (IN_SERVICE, DIRECTION_ID, CURRENT_STOP_SEQUENCE, CURRENT_STATUS)


class LineSimulator:
    """One line: its trips, their passengers and what is said of them."""

    def __init__(self, line: Line, parameters: Parameters, seed: int) -> None:
        self.line, self.parameters = line, parameters
        self.timetable = Timetable(line, parameters, seed)
        self.demand = Demand(line, parameters)
        self.scales = Scales(parameters, seed, line.id)

    def ride(self, trip: Trip) -> Ride:
        """The trip with its passengers."""
        return Ride(self.timetable, self.demand, trip)

    def rows(self, trip: Trip) -> list[SimulatedRow]:
        """All that is said on a trip, by time."""
        if trip.is_empty:
            return self._empty_rows(trip)
        return [row for stop in self.ride(trip).stops() for row in self.stop_rows(trip, stop)]

    def stop_rows(self, trip: Trip, stop: Stop) -> list[SimulatedRow]:
        """What is said at a stop, from when the train comes in until it has left."""
        rows = self._say(trip, stop.arrives_us - INCOMING_US, stop.sequence, INCOMING_AT, is_first=stop.sequence == 1)
        rows += self._say(trip, stop.arrives_us, stop.sequence, STOPPED_AT)
        weighed = self._weigh(trip, stop.sequence, stop.weigh_us, stop.mass_kg, moving=1)
        is_last = stop.sequence == len(self.line.platforms[trip.direction_id])
        if not is_last:
            weighed += self._say(trip, stop.leaves_us, stop.sequence + 1, IN_TRANSIT_TO)
        return rows + sorted(weighed, key=lambda row: row.time_us)

    def _say(
        self, trip: Trip, at_us: int, sequence: int, status: float, *, is_first: bool = False
    ) -> list[SimulatedRow]:
        said: list[tuple[ObservedProperty, float]] = [(IN_SERVICE, 1.0)] if is_first else []
        said += [
            (DIRECTION_ID, float(trip.direction_id)),
            (CURRENT_STOP_SEQUENCE, float(sequence)),
            (CURRENT_STATUS, status),
        ]
        return [SimulatedRow(trip.train.thing, observed.key, at_us, value) for observed, value in said]

    def _weigh(self, trip: Trip, when: object, times_us: Any, mass_kg: Any, moving: int) -> list[SimulatedRow]:
        """Weighings of all cars, by time, then by car from the head."""
        train = trip.train
        cars = range(1, train.cars + 1)
        named = (trip.number, trip.direction_id, when)
        said = np.array(
            [
                self.scales.weigh(train, self.car_of(trip, part), named, times_us, mass_kg[part - 1], moving)
                for part in cars
            ]
        )
        return [
            SimulatedRow(train.thing, CAR_MASS.key, int(time_us), float(said[part - 1, i]), str(part))
            for i, time_us in enumerate(times_us)
            for part in cars
            if not np.isnan(said[part - 1, i])
        ]

    @staticmethod
    def car_of(trip: Trip, part: int) -> int:
        """Which car it is, counted from the head in direction 0, that is this one from the head now."""
        return part if trip.direction_id == 0 else trip.train.cars + 1 - part

    def _empty_rows(self, trip: Trip) -> list[SimulatedRow]:
        """A run without passengers: that it is one, and weighings of empty cars."""
        p = self.parameters
        every_us = int(p.weigh_empty_s * SECOND_US)
        times_us = trip.leaves_us + every_us * np.arange(1, p.weigh_empty + 1, dtype=np.int64)
        mass_kg = np.zeros((trip.train.cars, len(times_us)))
        said = [(IN_SERVICE, 0.0), (DIRECTION_ID, float(trip.direction_id))]
        rows = [SimulatedRow(trip.train.thing, one.key, trip.leaves_us, value) for one, value in said]
        return rows + self._weigh(trip, "empty", times_us, mass_kg, moving=len(times_us))


class Simulator:
    """All simulated lines of a city (implements runtime.simulate.Simulator)."""

    def __init__(self, graph: ThingGraph, parameters: Mapping[str, Any], seed: int) -> None:
        """Raises BadSetup for a parameter that is unknown or can't be."""
        self.parameters, self.seed = read_parameters(parameters), seed
        self.lines = [LineSimulator(line, self.parameters, seed) for line in list_lines(graph)]
        self._mark_us: int | None = None
        self._known: dict[tuple[str, int, int], list[SimulatedRow]] = {}

    def datastreams(self) -> list[SimulatedStream]:
        """Where each train is, and the scales of its cars."""
        p = self.parameters
        shown: dict[str, Any] = {"seed": self.seed, "noise": p.noise, "faults_per_day": p.faults_per_day}
        found = []
        for one in self.lines:
            loads = p.loads_origin if one.demand.is_recorded else "invented"
            for train in one.line.trains:
                found += [
                    SimulatedStream(train.thing, observed, observed.key, {**shown, "loads": loads})
                    for observed in OF_TRAINS
                ]
                found += [
                    SimulatedStream(
                        train.thing, CAR_MASS, f"Scales of car {part}", {**shown, "loads": loads}, str(part)
                    )
                    for part in range(1, train.cars + 1)
                ]
        return found

    def step(self, now_us: int, tasks: Sequence[Task] = ()) -> Step:
        """What trains and scales say since the last step."""
        since_us, self._mark_us = self._mark_us, now_us
        rows: list[SimulatedRow] = []
        next_us = [now_us + 3_600 * SECOND_US]
        wanted: dict[tuple[str, int, int], list[SimulatedRow]] = {}
        for one in self.lines:
            half_us = one.timetable.cycle_us // 2
            first_us = (now_us if since_us is None else since_us) - half_us
            for trip in one.timetable.trips(first_us, now_us + INCOMING_US):
                key = (one.line.id, trip.number, trip.direction_id)
                said = wanted[key] = self._known.get(key) or one.rows(trip)
                start = bisect_right(said, since_us, key=lambda row: row.time_us) if since_us is not None else 0
                end = bisect_right(said, now_us, key=lambda row: row.time_us)
                if since_us is not None:
                    rows += said[start:end]
                if end < len(said):
                    next_us.append(said[end].time_us)
            next_us += [
                trip.leaves_us - INCOMING_US for trip in one.timetable.trips(now_us + INCOMING_US, now_us + 2 * half_us)
            ][:1]
        self._known = wanted
        rows.sort(key=lambda row: row.time_us)
        return Step(rows, max(min(next_us), now_us + 1))


__all__ = ["LineSimulator", "Parameters", "Simulator"]
