"""Trains of a line in the words of GTFS Realtime: where they are, how full each car is, about when they arrive."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from zoneinfo import ZoneInfo

from dongne.methods.crowding_scale import to_percent
from dongne.methods.train_places import DWELL_S, StopStatus, TrainPlace, error_s, seconds_to
from dongne.model.errors import BadInput
from dongne.model.times import from_us, parse_instant
from dongne.standards.gtfs_realtime.message import (
    Carriage,
    OccupancyStatus,
    StopRelationship,
    StopTimeEvent,
    StopTimeUpdate,
    Trip,
    TripRelationship,
    TripUpdate,
    VehiclePosition,
    VehicleStopStatus,
)
from dongne.standards.gtfs_realtime.occupancy import occupancy_percent, occupancy_status
from dongne.web.boarding.lines import Line, Platform, Train, Value
from dongne.web.boarding.timetable import trip_id_of
from dongne.web.seen import SeenCity

GONE_S = 600.0  # a train that was not heard of for so long is not spoken of


@dataclass(frozen=True)
class Fleet:
    """The trains of a line at an instant; `full` is how many people in a car are 100 %."""

    seen: SeenCity
    line: Line
    full: float
    now_us: int
    zone: ZoneInfo

    def _running(self) -> Iterator[tuple[Train, TrainPlace, Platform]]:
        """Trains with passengers that are at a stop of the line or on their way to one."""
        for train in self.line.trains:
            place = train.place
            if place is None or train.is_empty_run or self.now_us - train.heard_us > GONE_S * 1e6:
                continue
            platforms = self.line.platforms[place.direction_id]
            found = next((p for p in platforms if p.stop_sequence == place.stop_sequence), None)
            if found is not None:
                yield train, place, found

    def vehicles(self) -> Iterator[VehiclePosition]:
        """All of them."""
        for train, place, platform in self._running():
            carriages = tuple(self._carriage(train, number, load) for number, load in enumerate(train.loads_now, 1))
            known = [load.result for load in train.loads_now if load is not None and isfinite(load.result)]
            whole = len(known) == train.cars > 0
            people = sum(known) / train.cars if whole else 0.0
            percent = to_percent(people, self.full)
            is_there = place.status is StopStatus.STOPPED_AT
            yield VehiclePosition(
                vehicle_id=f"{self.line.id}:{train.vehicle_id}",
                label=train.vehicle_id,
                time=from_us(min(place.time_us, self.now_us)),
                trip=self.find_trip(train, place),
                position=self.seen.graph.find_point(platform.thing.id) if is_there else None,
                current_stop_sequence=place.stop_sequence,
                stop_id=platform.stop_id,
                current_status=VehicleStopStatus(place.status),
                occupancy_status=occupancy_status(percent, people, train.seats_per_car) if whole else None,
                occupancy_percent=occupancy_percent(percent) if whole else None,
                carriages=carriages,
            )

    def _carriage(self, train: Train, number: int, load: Value | None) -> Carriage:
        name = f"{self.line.id}:{train.vehicle_id}:{number}"
        if load is None or not isfinite(load.result):
            return Carriage(name, str(number), OccupancyStatus.NO_DATA_AVAILABLE)
        percent = to_percent(load.result, self.full)
        status = occupancy_status(percent, load.result, train.seats_per_car)
        return Carriage(name, str(number), status, occupancy_percent(percent))

    def find_trip(self, train: Train, place: TrainPlace) -> Trip | None:
        """The trip the train is on, by when it started; None at its first stop, where nobody has said that yet."""
        first = next((load for load in train.loads if load is not None), None)
        said = self.seen.find_parameters(first.number) if first else {}
        if said.get("direction_id") != place.direction_id or not _is_before(said.get("stop_sequence"), place):
            return None
        try:
            started = parse_instant(str(said.get("trip", ""))).astimezone(self.zone)
        except (BadInput, ValueError):
            return None
        return Trip(
            trip_id_of(self.line.id, place.direction_id),
            self.line.id,
            place.direction_id,
            f"{started:%Y%m%d}",
            f"{started:%H:%M:%S}",
            TripRelationship.UNSCHEDULED,
        )

    def trip_updates(self) -> Iterator[TripUpdate]:
        """About when each train of a known trip arrives at the stops before it."""
        for train, place, _ in self._running():
            trip = self.find_trip(train, place)
            calls = tuple(self._calls(place)) if trip is not None else ()
            if trip is not None and calls:
                time = from_us(min(place.time_us, self.now_us))
                yield TripUpdate(trip, f"{self.line.id}:{train.vehicle_id}", time, calls=calls)

    def _calls(self, place: TrainPlace) -> Iterator[StopTimeUpdate]:
        is_there = place.status is StopStatus.STOPPED_AT
        distances, along = self.line.distances_m[place.direction_id], self.line.platforms[place.direction_id]
        for platform in along:
            if platform.stop_sequence < place.stop_sequence + is_there:
                continue
            seconds = round(seconds_to(place, platform.stop_sequence, distances, self.now_us))
            stands_s = 0 if platform is along[-1] else round(DWELL_S)
            arrival, departure = (
                StopTimeEvent(time=from_us(self.now_us) + timedelta(seconds=at_s), uncertainty_s=error_s(at_s))
                for at_s in (seconds, seconds + stands_s)
            )
            yield StopTimeUpdate(
                platform.stop_sequence, platform.stop_id, arrival, departure, StopRelationship.UNSCHEDULED
            )


def _is_before(sequence: object, place: TrainPlace) -> bool:
    return isinstance(sequence, int) and sequence <= place.stop_sequence
