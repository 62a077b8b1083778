"""GTFS Realtime: what is written is read as the same and stands before others' validator; what is wrong is named."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.transit import gtfs_realtime_pb2 as pb
from gtfs_rt_validator.api import Request, Result, resolve_roles, validate
from gtfs_rt_validator.runner import Mode
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.standards.little_gtfs import LITTLE, zip_of

from dongne.model.errors import BadInput, Conflict
from dongne.standards.gtfs_realtime.decode import Known, decode
from dongne.standards.gtfs_realtime.encode import encode, encode_vehicle_positions
from dongne.standards.gtfs_realtime.follow import Follower
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

NOW = datetime(2026, 11, 30, 6, 6, 30, tzinfo=UTC)  # a Monday, 08:06:30 in Helsinki
KNOWN = Known(frozenset({"E1", "W1", "BUS", "NIGHT"}), frozenset({"W", "M1", "M2", "E", "MID"}))
TRAIN = VehiclePosition(
    vehicle_id="train 7",
    time=NOW - timedelta(seconds=5),
    trip=Trip("E1", "R1", 0, "20261130"),
    label="7",
    position=(24.9405, 60.1701),
    bearing_deg=90.0,
    current_stop_sequence=2,
    stop_id="M1",
    current_status=VehicleStopStatus.STOPPED_AT,
    occupancy_status=OccupancyStatus.STANDING_ROOM_ONLY,
    occupancy_percent=85,
    carriages=(
        Carriage("7-1", "1", OccupancyStatus.MANY_SEATS_AVAILABLE, 40),
        Carriage("7-2", "2"),
        Carriage("7-3", "3", OccupancyStatus.CRUSHED_STANDING_ROOM_ONLY, 130),
    ),
)
LATE = TripUpdate(
    Trip("E1", "R1", 0, "20261130"),
    "train 7",
    NOW - timedelta(seconds=5),
    calls=(
        StopTimeUpdate(
            2, "M1", StopTimeEvent(60, NOW - timedelta(seconds=30)), StopTimeEvent(60, NOW + timedelta(seconds=30))
        ),
        StopTimeUpdate(3, "E", relationship=StopRelationship.SKIPPED),
    ),
)
GONE = TripUpdate(Trip("BUS", "B7", 0, "20261130", relationship=TripRelationship.CANCELED), time=NOW)
LIFT = Alert(
    "lift", {"en": "Lift out of order"}, {"en": "No step-free way to platform 2."}, {"en": "The lift is broken."},
    cause="MAINTENANCE", effect="ACCESSIBILITY_ISSUE", severity="WARNING",
    periods=((NOW - timedelta(hours=1), NOW + timedelta(hours=1)),), informed=(Selector(stop_id="M2"),),
)  # fmt: skip
FEED = Feed(NOW, (TRAIN,), (LATE, GONE), (LIFT,))


def check(folder: Path, body: bytes, role: str = "vp") -> Result:
    """What gtfs-rt-validator, which others wrote, finds in this body beside the little timetable."""
    (folder / "gtfs.zip").write_bytes(zip_of(LITTLE))
    (folder / "feed.pb").write_bytes(body)
    request = Request(Mode.MODERN, folder / "gtfs.zip", resolve_roles({role: str(folder / "feed.pb")}), at=NOW)
    return validate(request)


def test_a_validator_of_others_finds_no_error_in_vehicle_positions(tmp_path: Path) -> None:
    result = check(tmp_path, encode_vehicle_positions([TRAIN], NOW))
    assert (result.error_ids(), result.has_errors()) == ((), False)


def test_the_validator_finds_what_is_wrong(tmp_path: Path) -> None:
    lost = replace(TRAIN, trip=Trip("E99"), stop_id="X")
    assert set(check(tmp_path, encode_vehicle_positions([lost], NOW)).error_ids()) >= {"E003", "E011"}


def test_a_validator_of_others_finds_no_error_in_a_whole_feed(tmp_path: Path) -> None:
    assert check(tmp_path, encode(FEED), "rt").error_ids() == ()


def test_what_is_written_is_read_as_the_same() -> None:
    feed, faults = decode(encode(FEED), KNOWN)
    [train] = feed.vehicles
    assert train.position == pytest.approx(TRAIN.position, abs=1e-5)  # floats of 32 bits, as the standard has them
    assert replace(train, position=TRAIN.position) == TRAIN
    assert (feed.trip_updates, feed.alerts, feed.time, faults) == (FEED.trip_updates, FEED.alerts, NOW, [])


def test_cars_are_numbered_from_the_head_and_unknown_ones_keep_their_place() -> None:
    read = pb.FeedMessage.FromString(encode_vehicle_positions([TRAIN], NOW))
    cars = read.entity[0].vehicle.multi_carriage_details
    assert [(car.carriage_sequence, car.occupancy_percentage) for car in cars] == [(1, 40), (2, -1), (3, 130)]
    assert cars[1].occupancy_status == pb.VehiclePosition.NO_DATA_AVAILABLE


def test_cars_with_a_gap_in_their_numbers_are_passed_over_as_the_reference_says() -> None:
    read = pb.FeedMessage.FromString(encode_vehicle_positions([TRAIN], NOW))
    read.entity[0].vehicle.multi_carriage_details[1].carriage_sequence = 9
    [train] = decode(read.SerializeToString())[0].vehicles
    assert train.carriages == ()


@pytest.mark.parametrize(
    ("vehicles", "said"),
    [
        ([replace(TRAIN, vehicle_id="")], "give vehicle_id"),
        ([TRAIN, TRAIN], "'vehicle train 7' is there twice"),
        ([replace(TRAIN, occupancy_percent=-3)], "occupancy_percent = -3"),
        ([replace(TRAIN, carriages=(Carriage(occupancy_percent=-3),))], "carriage 1: occupancy_percent = -3"),
        ([replace(TRAIN, time=NOW + timedelta(seconds=9))], "behind the feed's time"),
    ],
)
def test_what_the_standard_forbids_is_not_written(vehicles: list[VehiclePosition], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        encode_vehicle_positions(vehicles, NOW)


def test_an_alert_for_nobody_is_not_written() -> None:
    with pytest.raises(BadInput, match="for nobody"):
        encode(Feed(NOW, alerts=(replace(LIFT, informed=()),)))


@pytest.mark.parametrize("body", [b"<html>", b'{"header": {}}', b"\x0a\x02\xff\xff", b"\xff" * 50])
def test_bytes_that_are_no_feed_are_refused_with_how_they_begin(body: bytes) -> None:
    with pytest.raises(BadInput, match="no GTFS Realtime FeedMessage"):
        decode(body)


def test_a_feed_without_a_time_is_refused() -> None:
    read = pb.FeedMessage()
    read.header.gtfs_realtime_version = "2.0"
    with pytest.raises(BadInput, match=r"header\.timestamp is missing"):
        decode(read.SerializeToString())


def test_milliseconds_are_told_from_seconds() -> None:
    read = pb.FeedMessage.FromString(encode(FEED))
    read.header.timestamp *= 1000
    with pytest.raises(BadInput, match="not milliseconds"):
        decode(read.SerializeToString())


def test_trips_and_stops_that_the_timetable_does_not_know_are_left_out_and_named() -> None:
    strange = [replace(TRAIN, vehicle_id="a", trip=Trip("E99")), replace(TRAIN, vehicle_id="b", stop_id="X"), TRAIN]
    feed, faults = decode(encode_vehicle_positions(strange, NOW), KNOWN)
    assert [vehicle.vehicle_id for vehicle in feed.vehicles] == ["train 7"]
    assert [(fault.entity, fault.reason) for fault in faults] == [
        ("vehicle a", "unknown_trip"),
        ("vehicle b", "unknown_stop"),
    ]
    assert "'E99'" in faults[0].message


def test_a_wrong_entity_is_left_out_and_the_others_are_used() -> None:
    read = pb.FeedMessage.FromString(encode(FEED))
    read.entity[0].vehicle.position.latitude = 123.0
    read.entity[1].trip_update.stop_time_update[1].ClearField("schedule_relationship")
    feed, faults = decode(read.SerializeToString())
    assert (feed.vehicles, feed.trip_updates) == ((), (GONE,))
    assert [fault.reason for fault in faults] == ["wrong", "wrong"]
    assert "neither arrival nor departure" in faults[1].message


def test_calls_out_of_order_are_refused() -> None:
    read = pb.FeedMessage.FromString(encode(Feed(NOW, trip_updates=(replace(LATE, calls=LATE.calls[::-1]),))))
    _, [fault] = decode(read.SerializeToString())
    assert "order of the stops" in fault.message


def test_a_feed_that_goes_back_in_time_is_refused_and_counted_and_the_last_one_stays() -> None:
    follower = Follower(KNOWN)
    follower.take(encode(FEED))
    with pytest.raises(Conflict, match="is older than"):
        follower.take(encode(replace(FEED, time=NOW - timedelta(seconds=1), vehicles=(), trip_updates=())))
    with pytest.raises(BadInput):
        follower.take(b"no feed")
    follower.take(encode(FEED))
    assert follower.newest == decode(encode(FEED), KNOWN)[0]
    assert dict(follower.counts) == {"taken": 1, "backwards": 1, "unreadable": 1, "same": 1}


def test_an_alert_is_active_in_its_periods_alone() -> None:
    assert LIFT.is_active(NOW)
    assert not LIFT.is_active(NOW + timedelta(hours=1))  # the end is no part of it
    assert replace(LIFT, periods=()).is_active(NOW)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_whatever_the_bytes_a_feed_is_read_or_refused_and_never_a_crash(place: int, noise: bytes) -> None:
    body = encode(FEED)
    place %= len(body)
    try:
        feed, faults = decode(body[:place] + noise + body[place + len(noise) :], KNOWN)
    except BadInput:
        return
    assert len(feed.vehicles) + len(feed.trip_updates) + len(feed.alerts) + len(faults) <= 8
    assert all(fault.message and fault.reason for fault in faults)


def test_a_text_that_is_not_utf_8_leaves_its_entity_out_and_says_so() -> None:
    body = encode(FEED)
    name = FEED.alerts[0].id.encode()
    feed, faults = decode(body.replace(name, b"\xff" * len(name)), KNOWN)
    assert not feed.alerts and feed.vehicles
    assert any("UTF-8" in fault.message for fault in faults)
