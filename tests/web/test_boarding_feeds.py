"""The line for other systems: feeds that others' validator finds no error in, and a timetable they join."""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.transit import gtfs_realtime_pb2 as pb
from gtfs_rt_validator.api import Request, resolve_roles, validate
from gtfs_rt_validator.runner import Mode
from little_city import NOW, Browser, open_little_city
from little_line import IN_TRANSIT_TO, STOPPED_AT, LittleLine

from dongne.methods.crowding_scale import to_percent
from dongne.model.times import format_instant, to_us
from dongne.standards.gtfs.read import read
from dongne.standards.gtfs_realtime.occupancy import occupancy_percent, occupancy_status

STARTED = NOW - timedelta(minutes=4)
LEFT = NOW - timedelta(seconds=20)
OCCUPANCY = pb.VehiclePosition.OccupancyStatus


@pytest.fixture
def line(tmp_path: Path) -> Iterator[LittleLine]:
    """The long train between west and middle, the short one at the east."""
    with open_little_city(tmp_path / "store", public_url="https://little.example.org") as opened:
        made = LittleLine(opened, tmp_path / "city")
        made.say("long", 0, 2, IN_TRANSIT_TO, LEFT)
        said = {"direction_id": 0, "stop_sequence": 1, "cars": 4, "trip": format_instant(STARTED)}
        made.aboard("long", [20.0, 50.0, 190.0, 300.0], LEFT, **said)
        made.say("short", 1, 1, STOPPED_AT, LEFT)
        yield made


@pytest.fixture
def visitor(line: LittleLine) -> Iterator[Browser]:
    browser = Browser(line.city)
    yield browser
    browser.close()


def feed(visitor: Browser, name: str = "vehicle-positions") -> Any:
    answer = visitor.get(f"/gtfs-rt/{name}.pb")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/x-protobuf"
    return pb.FeedMessage.FromString(answer.content)


def errors(folder: Path, visitor: Browser, at: datetime) -> tuple[str, ...]:
    """What gtfs-rt-validator, which others wrote, finds in both feeds beside the timetable."""
    (folder / "gtfs.zip").write_bytes(visitor.get("/gtfs/m.zip").content)
    paths = {}
    for role, name in (("vp", "vehicle-positions"), ("tu", "trip-updates")):
        (folder / f"{name}.pb").write_bytes(visitor.get(f"/gtfs-rt/{name}.pb").content)
        paths[role] = str(folder / f"{name}.pb")
    return validate(Request(Mode.MODERN, folder / "gtfs.zip", resolve_roles(paths), at=at)).error_ids()


def test_a_validator_of_others_finds_no_error_while_trains_go_round(
    line: LittleLine, visitor: Browser, tmp_path: Path
) -> None:
    assert errors(tmp_path, visitor, NOW) == ()
    for step, (direction_id, sequence, status) in enumerate(
        [(0, 2, STOPPED_AT), (0, 3, IN_TRANSIT_TO), (0, 3, STOPPED_AT), (1, 1, STOPPED_AT), (1, 2, IN_TRANSIT_TO)]
    ):
        at = NOW + timedelta(seconds=60 * (step + 1))
        line.city.clock.us = to_us(at)
        line.say("long", direction_id, sequence, status, at - timedelta(seconds=1))
        if status == IN_TRANSIT_TO:
            said = {"direction_id": direction_id, "stop_sequence": sequence - 1, "trip": format_instant(STARTED)}
            line.aboard("long", [20.0, 50.0, 190.0, 300.0], at, **said)
        assert errors(tmp_path, visitor, at) == (), step


def test_the_validator_would_find_a_stop_that_the_timetable_lacks(
    line: LittleLine, visitor: Browser, tmp_path: Path
) -> None:
    (tmp_path / "gtfs.zip").write_bytes(visitor.get("/gtfs/m.zip").content)
    broken = feed(visitor)
    broken.entity[0].vehicle.stop_id = "nowhere"
    (tmp_path / "vp.pb").write_bytes(broken.SerializeToString())
    found = validate(
        Request(Mode.MODERN, tmp_path / "gtfs.zip", resolve_roles({"vp": str(tmp_path / "vp.pb")}), at=NOW)
    )
    assert "E011" in found.error_ids()


def test_each_car_is_there_from_the_head_with_what_it_holds(visitor: Browser) -> None:
    train = next(e.vehicle for e in feed(visitor).entity if e.vehicle.vehicle.label == "long")
    cars = [
        (c.carriage_sequence, c.label, c.id, c.occupancy_percentage, OCCUPANCY.Name(c.occupancy_status))
        for c in train.multi_carriage_details
    ]
    assert cars == [
        (1, "1", "m:long:1", 10, "MANY_SEATS_AVAILABLE"),
        (2, "2", "m:long:2", 30, "FEW_SEATS_AVAILABLE"),
        (3, "3", "m:long:3", 120, "STANDING_ROOM_ONLY"),
        (4, "4", "m:long:4", 190, "FULL"),
    ]
    assert (train.stop_id, train.current_stop_sequence, train.current_status) == ("m:mid:0", 2, IN_TRANSIT_TO)
    assert not train.HasField("position")  # nobody knows where between two stops


def test_the_trip_says_when_it_started_by_the_clocks_of_the_city(visitor: Browser) -> None:
    trip = next(e.vehicle.trip for e in feed(visitor).entity if e.vehicle.vehicle.label == "long")
    assert (trip.trip_id, trip.route_id, trip.start_date, trip.start_time) == ("m:0", "m", "20261120", "13:56:00")
    assert trip.schedule_relationship == pb.TripDescriptor.UNSCHEDULED


def test_a_train_of_which_nothing_is_known_keeps_its_cars_and_has_no_trip(visitor: Browser) -> None:
    train = next(e.vehicle for e in feed(visitor).entity if e.vehicle.vehicle.label == "short")
    assert not train.HasField("trip") and train.HasField("position")
    assert [c.occupancy_percentage for c in train.multi_carriage_details] == [-1, -1]
    assert not train.HasField("occupancy_status")


def test_trains_out_of_service_or_silent_are_left_out(line: LittleLine, visitor: Browser) -> None:
    line.store([((line.thing("train/short"), "in_service", ""), 0.0, None)], NOW)
    assert [e.vehicle.vehicle.label for e in feed(visitor).entity] == ["long"]
    line.city.clock.us = to_us(NOW + timedelta(minutes=20))
    assert list(feed(visitor).entity) == []


def test_timestamps_never_go_back_and_one_has_one_content(line: LittleLine, visitor: Browser) -> None:
    first = visitor.get("/gtfs-rt/vehicle-positions.pb").content
    line.say("long", 0, 2, STOPPED_AT, NOW)
    assert visitor.get("/gtfs-rt/vehicle-positions.pb").content == first  # in the same second
    line.city.clock.us = to_us(NOW + timedelta(seconds=5))
    later = feed(visitor)
    line.city.clock.us = to_us(NOW - timedelta(seconds=60))
    back = feed(visitor)
    assert pb.FeedMessage.FromString(first).header.timestamp < later.header.timestamp == back.header.timestamp
    assert all(e.vehicle.timestamp <= back.header.timestamp for e in back.entity)


def test_a_train_whose_clock_is_ahead_is_not_later_than_the_feed(line: LittleLine, visitor: Browser) -> None:
    line.say("long", 0, 2, STOPPED_AT, NOW + timedelta(minutes=3))
    assert all(e.vehicle.timestamp <= int(NOW.timestamp()) for e in feed(visitor).entity)


def test_arrivals_are_told_for_the_stops_ahead(visitor: Browser) -> None:
    [update] = [e.trip_update for e in feed(visitor, "trip-updates").entity]
    times = [(call.stop_sequence, call.arrival.time) for call in update.stop_time_update]
    assert [sequence for sequence, _ in times] == [2, 3]
    assert NOW.timestamp() < times[0][1] < times[1][1] < NOW.timestamp() + 600
    assert all(call.arrival.uncertainty > 0 for call in update.stop_time_update)


def test_the_same_for_eyes(visitor: Browser) -> None:
    said = visitor.get("/gtfs-rt/vehicle-positions.json").json()
    assert said["header"]["gtfs_realtime_version"] == "2.0"
    assert {one["vehicle"]["vehicle"]["label"] for one in said["entity"]} == {"long", "short"}


def test_our_own_reader_finds_no_fault_in_the_timetable(visitor: Browser) -> None:
    answer = visitor.get("/gtfs/m.zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="m.zip"'
    found, report = read(answer.content)
    assert report.faults == [] and found is not None


def test_the_timetable_says_how_often_and_that_it_is_a_demonstration(visitor: Browser) -> None:
    archive = zipfile.ZipFile(io.BytesIO(visitor.get("/gtfs/m.zip").content))
    text = {name: archive.read(name).decode() for name in archive.namelist()}
    assert "m:0,00:00:00,24:00:00,300,0" in text["frequencies.txt"]
    assert "simulation" in text["routes.txt"] and "가운데역" in text["translations.txt"]
    assert text["stops.txt"].splitlines()[1] == "m:west,West,60.17,24.93,1,"
    assert visitor.get("/gtfs/m.zip").content == visitor.get("/gtfs/m.zip").content


@pytest.mark.parametrize(
    ("people", "status"),
    [(0.2, "EMPTY"), (27, "MANY_SEATS_AVAILABLE"), (28, "FEW_SEATS_AVAILABLE"), (54, "STANDING_ROOM_ONLY"), (207, "STANDING_ROOM_ONLY"),
     (208, "CRUSHED_STANDING_ROOM_ONLY"), (239, "CRUSHED_STANDING_ROOM_ONLY"), (240, "FULL")],
)  # fmt: skip
def test_statuses_follow_seats_and_then_seouls_steps(people: float, status: str) -> None:
    assert occupancy_status(to_percent(people), people, 54.0).name == status


def test_shares_are_too_coarse_to_follow_a_person_and_may_be_above_100() -> None:
    assert [occupancy_percent(p) for p in (-3.0, 2.4, 2.6, 141.0, 231.0)] == [0, 0, 5, 140, 230]


def test_the_clock_of_the_feed_is_the_citys(visitor: Browser) -> None:
    assert datetime.fromtimestamp(feed(visitor).header.timestamp, UTC) == NOW
