"""A feed of bytes, and what was wrong with it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from google.protobuf.message import DecodeError
from google.transit import gtfs_realtime_pb2 as pb

from dongne.model.errors import BadInput, TooLarge
from dongne.model.times import EPOCH
from dongne.standards.gtfs_realtime.message import (
    Alert,
    Carriage,
    Feed,
    OccupancyStatus,
    Selector,
    StopRelationship,
    StopTimeEvent,
    StopTimeUpdate,
    Trip,
    TripRelationship,
    TripUpdate,
    VehiclePosition,
    VehicleStopStatus,
)

MOST_BYTES = 64_000_000
MOST_S = int(timedelta(days=365 * 200).total_seconds())  # a time behind it is milliseconds, or none


@dataclass(frozen=True)
class Fault:
    """Something wrong with a feed; the entity is left out. `reason` is a short fixed word to count by."""

    entity: str
    reason: str
    message: str


@dataclass(frozen=True)
class Known:
    """What the timetable knows: a stop or trip that is not in there can't be meant. None: anything goes."""

    trips: frozenset[str]
    stops: frozenset[str]


def decode(body: bytes, known: Known | None = None) -> tuple[Feed, list[Fault]]:
    """The feed, without the entities listed as faults. Raises BadInput where it is no feed that can be used at all."""
    if len(body) > MOST_BYTES:
        raise TooLarge(f"the feed has {len(body)} bytes, more than {MOST_BYTES}; send what is under way alone")
    read = pb.FeedMessage()
    try:
        read.ParseFromString(body)
    except DecodeError as error:
        text = body[:40].decode("latin-1")
        raise BadInput(
            f"this is no GTFS Realtime FeedMessage ({error}); it begins with {text!r}; ask for protocol buffers, not JSON or HTML"
        ) from error
    if read.header.incrementality != pb.FeedHeader.FULL_DATASET:
        raise BadInput("header.incrementality = DIFFERENTIAL is not defined by GTFS Realtime; send FULL_DATASET")
    if not read.header.timestamp:
        raise BadInput("header.timestamp is missing; give the POSIX time at which the feed was made")
    try:
        time = _instant(read.header.timestamp, "header.timestamp")
    except ValueError as error:
        raise BadInput(str(error)) from error
    return _entities(read, time, known)


def _entities(read: Any, time: datetime, known: Known | None) -> tuple[Feed, list[Fault]]:
    found: dict[str, list[Any]] = {"vehicle": [], "trip_update": [], "alert": []}
    faults: list[Fault] = []
    ids: set[str] = set()
    readers: dict[str, Callable[[Any], Any]] = {"vehicle": _vehicle, "trip_update": _trip_update}
    for entity in read.entity:
        if not _is_text(entity):
            faults.append(Fault(repr(entity.id), "wrong", "a text in it is not UTF-8; write all texts as UTF-8"))
            continue
        if entity.id in ids:
            faults.append(Fault(entity.id, "twice", "this id was there before in the feed; the first one holds"))
            continue
        ids.add(entity.id)
        kinds = [kind for kind in found if entity.HasField(kind)]
        if len(kinds) != 1 or entity.is_deleted:
            faults.append(Fault(entity.id, "empty", "says nothing of a trip, a vehicle or an alert; give exactly one"))
            continue
        kind = kinds[0]
        try:
            one: Any = _alert(entity.id, entity.alert) if kind == "alert" else readers[kind](getattr(entity, kind))
        except ValueError as error:
            faults.append(Fault(entity.id, "wrong", str(error)))
            continue
        if known is not None and kind != "alert" and (fault := _find_unknown(entity.id, one, known)):
            faults.append(fault)
            continue
        found[kind].append(one)
    feed = Feed(time, tuple(found["vehicle"]), tuple(found["trip_update"]), tuple(found["alert"]))
    return feed, faults


def _is_text(message: Any) -> bool:
    """Whether all texts of a message are UTF-8: protobuf gives those of old syntax that are not as bytes."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            ones = [value] if isinstance(value, str | bytes) else value
            if not all(isinstance(one, str) for one in ones):
                return False
        elif field.type in (field.TYPE_MESSAGE, field.TYPE_GROUP):
            ones = [value] if hasattr(value, "ListFields") else value
            if not all(_is_text(one) for one in ones):
                return False
    return True


def _find_unknown(entity: str, one: VehiclePosition | TripUpdate, known: Known) -> Fault | None:
    trip = one.trip
    planned = trip is not None and trip.relationship not in (TripRelationship.ADDED, TripRelationship.NEW)
    if trip is not None and planned and trip.trip_id and trip.trip_id not in known.trips:
        return Fault(
            entity,
            "unknown_trip",
            f"trip_id = {trip.trip_id!r} is not in the timetable; take in the GTFS this feed belongs to",
        )
    stops = [one.stop_id] if isinstance(one, VehiclePosition) else [call.stop_id for call in one.calls]
    for stop in stops:
        if stop and stop not in known.stops:
            return Fault(
                entity,
                "unknown_stop",
                f"stop_id = {stop!r} is not in the timetable; take in the GTFS this feed belongs to",
            )
    return None


def _instant(seconds: int, place: str) -> datetime:
    if not 0 <= seconds <= MOST_S:
        raise ValueError(f"{place} = {seconds} is no POSIX time in seconds; give seconds since 1970, not milliseconds")
    return datetime.fromtimestamp(seconds, UTC) if seconds else EPOCH


def _trip(read: Any) -> Trip:
    if not (read.trip_id or read.route_id):
        raise ValueError("trip has neither trip_id nor route_id; give the one that the timetable has")
    return Trip(
        read.trip_id,
        read.route_id,
        read.direction_id if read.HasField("direction_id") else None,
        read.start_date,
        read.start_time,
        TripRelationship(read.schedule_relationship),
    )


def _vehicle(read: Any) -> VehiclePosition:
    place = None
    bearing = speed = None
    if read.HasField("position"):
        lon, lat = read.position.longitude, read.position.latitude
        if not (isfinite(lon) and isfinite(lat) and -180 <= lon <= 180 and -90 <= lat <= 90):
            raise ValueError(f"position = ({lon:g}, {lat:g}) is none on Earth; give degrees of WGS 84")
        place = (lon, lat)
        bearing = read.position.bearing if read.position.HasField("bearing") else None
        speed = read.position.speed if read.position.HasField("speed") else None
    return VehiclePosition(
        vehicle_id=read.vehicle.id,
        time=_instant(read.timestamp, "timestamp") if read.timestamp else None,
        trip=_trip(read.trip) if read.HasField("trip") else None,
        label=read.vehicle.label,
        position=place,
        bearing_deg=bearing,
        speed_m_per_s=speed,
        current_stop_sequence=_given(read, "current_stop_sequence"),
        stop_id=read.stop_id,
        current_status=VehicleStopStatus(read.current_status) if read.HasField("current_status") else None,
        occupancy_status=OccupancyStatus(read.occupancy_status) if read.HasField("occupancy_status") else None,
        occupancy_percent=_given(read, "occupancy_percentage"),
        carriages=_carriages(read.multi_carriage_details),
    )


def _carriages(read: Any) -> tuple[Carriage, ...]:
    """None of them where their numbers have a gap, as the reference tells consumers."""
    ordered = sorted(read, key=lambda one: one.carriage_sequence)
    if [one.carriage_sequence for one in ordered] != list(range(1, len(ordered) + 1)):
        return ()
    return tuple(
        Carriage(
            one.id,
            one.label,
            OccupancyStatus(one.occupancy_status),
            one.occupancy_percentage if one.occupancy_percentage >= 0 else None,
        )
        for one in ordered
    )


def _given(read: Any, name: str) -> int | None:
    return int(getattr(read, name)) if read.HasField(name) else None


def _event(read: Any, name: str) -> StopTimeEvent | None:
    if not read.HasField(name):
        return None
    event = getattr(read, name)
    if not (event.HasField("delay") or event.HasField("time")):
        raise ValueError(f"{name} has neither delay nor time; give one of them")
    return StopTimeEvent(
        _given(event, "delay"),
        _instant(event.time, f"{name}.time") if event.HasField("time") else None,
        _given(event, "uncertainty"),
    )


def _call(read: Any) -> StopTimeUpdate:
    if not (read.HasField("stop_sequence") or read.stop_id):
        raise ValueError("stop_time_update has neither stop_sequence nor stop_id; give the one of the timetable")
    call = StopTimeUpdate(
        _given(read, "stop_sequence"), read.stop_id, _event(read, "arrival"), _event(read, "departure"),
        StopRelationship(read.schedule_relationship),
    )  # fmt: skip
    if call.relationship is StopRelationship.SCHEDULED and call.arrival is None and call.departure is None:
        place = call.stop_sequence if call.stop_sequence is not None else call.stop_id
        raise ValueError(f"stop_time_update of {place} has neither arrival nor departure; give one, or NO_DATA")
    return call


def _trip_update(read: Any) -> TripUpdate:
    calls = tuple(_call(one) for one in read.stop_time_update)
    numbers = [call.stop_sequence for call in calls if call.stop_sequence is not None]
    if numbers != sorted(set(numbers)):
        raise ValueError(f"stop_sequence goes {numbers[:8]}...; stop_time_update must be in the order of the stops")
    return TripUpdate(
        _trip(read.trip),
        read.vehicle.id,
        _instant(read.timestamp, "timestamp") if read.timestamp else None,
        _given(read, "delay"),
        calls,
    )


def _texts(read: Any) -> dict[str, str]:
    return {one.language: one.text for one in read.translation}


def _alert(id_: str, read: Any) -> Alert:
    periods = tuple(
        (
            _instant(one.start, "active_period.start") if one.start else None,
            _instant(one.end, "active_period.end") if one.end else None,
        )
        for one in read.active_period
    )
    return Alert(
        id_.removeprefix("alert "),
        _texts(read.header_text),
        _texts(read.description_text),
        _texts(read.tts_description_text),
        _texts(read.url),
        pb.Alert.Cause.Name(read.cause),
        pb.Alert.Effect.Name(read.effect),
        pb.Alert.SeverityLevel.Name(read.severity_level),
        periods,
        tuple(_selector(one) for one in read.informed_entity),
    )


def _selector(read: Any) -> Selector:
    return Selector(
        read.agency_id,
        read.route_id,
        _given(read, "route_type"),
        _given(read, "direction_id"),
        _trip(read.trip) if read.HasField("trip") else None,
        read.stop_id,
    )
