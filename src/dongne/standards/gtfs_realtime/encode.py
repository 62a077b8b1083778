"""A feed as bytes."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from google.transit import gtfs_realtime_pb2 as pb

from dongne.model.errors import BadInput
from dongne.standards.gtfs_realtime.message import (
    Alert,
    Carriage,
    Feed,
    Selector,
    StopTimeEvent,
    StopTimeUpdate,
    Trip,
    TripRelationship,
    TripUpdate,
    VehiclePosition,
)

MEDIA_TYPE = "application/x-protobuf"
VERSION = "2.0"


def encode_vehicle_positions(vehicles: Iterable[VehiclePosition], time: datetime) -> bytes:
    """A feed of where vehicles are and how full, made at `time`. Raises BadInput for what GTFS Realtime doesn't permit."""
    return encode(Feed(time, vehicles=tuple(vehicles)))


def encode(feed: Feed) -> bytes:
    """The feed's bytes. Raises BadInput, naming the entity, for what GTFS Realtime doesn't permit."""
    made = pb.FeedMessage()
    made.header.gtfs_realtime_version = VERSION
    made.header.incrementality = pb.FeedHeader.FULL_DATASET
    made.header.timestamp = _posix(feed.time)
    for vehicle in feed.vehicles:
        if not vehicle.vehicle_id:
            raise BadInput("a vehicle has no id; give vehicle_id")
        _write_vehicle(_add(made, f"vehicle {vehicle.vehicle_id}", feed.time, vehicle.time).vehicle, vehicle)
    for update in feed.trip_updates:
        _write_trip_update(_add(made, _trip_id(update.trip), feed.time, update.time).trip_update, update)
    for alert in feed.alerts:
        _write_alert(_add(made, f"alert {alert.id}", feed.time, None).alert, alert)
    ids = Counter(entity.id for entity in made.entity)
    if twice := [id_ for id_, count in ids.items() if count > 1]:
        raise BadInput(f"{twice[0]!r} is there twice; an entity's id holds once in a feed")
    body: bytes = made.SerializeToString()
    return body


def _add(made: Any, id_: str, made_at: datetime, measured: datetime | None) -> Any:
    if measured is not None and measured > made_at:
        raise BadInput(
            f"{id_!r}: its time {measured} is behind the feed's time {made_at}; take the later one for the feed"
        )
    entity = made.entity.add()
    entity.id = id_
    return entity


def _trip_id(trip: Trip) -> str:
    return " ".join(
        ("trip", *(part for part in (trip.trip_id, trip.route_id, trip.start_date, trip.start_time) if part))
    )


def _posix(time: datetime) -> int:
    return int(time.timestamp())


def _write_trip(out: Any, trip: Trip) -> None:
    for name in ("trip_id", "route_id", "start_date", "start_time"):
        if value := getattr(trip, name):
            setattr(out, name, value)
    if trip.direction_id is not None:
        out.direction_id = trip.direction_id
    if trip.relationship is not TripRelationship.SCHEDULED:
        out.schedule_relationship = int(trip.relationship)


def _write_vehicle(out: Any, vehicle: VehiclePosition) -> None:
    out.vehicle.id = vehicle.vehicle_id
    if vehicle.label:
        out.vehicle.label = vehicle.label
    if vehicle.time is not None:
        out.timestamp = _posix(vehicle.time)
    if vehicle.trip is not None:
        _write_trip(out.trip, vehicle.trip)
    if vehicle.position is not None:
        out.position.longitude, out.position.latitude = vehicle.position
        for name, value in (("bearing", vehicle.bearing_deg), ("speed", vehicle.speed_m_per_s)):
            if value is not None:
                setattr(out.position, name, value)
    if vehicle.stop_id:
        out.stop_id = vehicle.stop_id
    for name in ("current_stop_sequence", "current_status", "occupancy_status"):
        if (value := getattr(vehicle, name)) is not None:
            setattr(out, name, int(value))
    if vehicle.occupancy_percent is not None:
        out.occupancy_percentage = _percent(vehicle.occupancy_percent, vehicle.vehicle_id)
    for number, carriage in enumerate(vehicle.carriages, 1):
        _write_carriage(out.multi_carriage_details.add(), number, carriage, vehicle.vehicle_id)


def _write_carriage(out: Any, number: int, carriage: Carriage, vehicle: str) -> None:
    out.carriage_sequence = number
    for name in ("id", "label"):
        if value := getattr(carriage, name):
            setattr(out, name, value)
    out.occupancy_status = int(carriage.occupancy_status)
    percent = carriage.occupancy_percent
    out.occupancy_percentage = -1 if percent is None else _percent(percent, f"{vehicle}, carriage {number}")


def _percent(percent: int, place: str) -> int:
    if percent < 0:
        raise BadInput(f"vehicle {place}: occupancy_percent = {percent} is below 0; give None where nothing is known")
    return int(percent)


def _write_event(out: Any, event: StopTimeEvent) -> None:
    if event.delay_s is not None:
        out.delay = event.delay_s
    if event.time is not None:
        out.time = _posix(event.time)
    if event.uncertainty_s is not None:
        out.uncertainty = event.uncertainty_s


def _write_call(out: Any, call: StopTimeUpdate) -> None:
    if call.stop_sequence is not None:
        out.stop_sequence = call.stop_sequence
    if call.stop_id:
        out.stop_id = call.stop_id
    if call.arrival is not None:
        _write_event(out.arrival, call.arrival)
    if call.departure is not None:
        _write_event(out.departure, call.departure)
    if call.relationship:
        out.schedule_relationship = int(call.relationship)


def _write_trip_update(out: Any, update: TripUpdate) -> None:
    _write_trip(out.trip, update.trip)
    if update.vehicle_id:
        out.vehicle.id = update.vehicle_id
    if update.time is not None:
        out.timestamp = _posix(update.time)
    if update.delay_s is not None:
        out.delay = update.delay_s
    for call in update.calls:
        _write_call(out.stop_time_update.add(), call)


def _write_alert(out: Any, alert: Alert) -> None:
    if not alert.informed:
        raise BadInput(f"alert {alert.id!r} is for nobody; give at least one route, stop, trip or agency in `informed`")
    for name, texts in (
        ("header_text", alert.header),
        ("description_text", alert.description),
        ("tts_description_text", alert.spoken),
        ("url", alert.url),
    ):
        for language, text in texts.items():
            one = getattr(out, name).translation.add()
            one.text = text
            if language:
                one.language = language
    out.cause = pb.Alert.Cause.Value(alert.cause)
    out.effect = pb.Alert.Effect.Value(alert.effect)
    out.severity_level = pb.Alert.SeverityLevel.Value(alert.severity)
    for start, end in alert.periods:
        period = out.active_period.add()
        if start is not None:
            period.start = _posix(start)
        if end is not None:
            period.end = _posix(end)
    for selector in alert.informed:
        _write_selector(out.informed_entity.add(), selector)


def _write_selector(out: Any, selector: Selector) -> None:
    for name in ("agency_id", "route_id", "stop_id"):
        if value := getattr(selector, name):
            setattr(out, name, value)
    for name in ("route_type", "direction_id"):
        if (value := getattr(selector, name)) is not None:
            setattr(out, name, value)
    if selector.trip is not None:
        _write_trip(out.trip, selector.trip)
