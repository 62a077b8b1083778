"""What operators say, call by call: delays go on along a trip, what is over is taken back, what is unchanged is not repeated."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.standards.little_gtfs import LITTLE, zip_of

from dongne.adapters.gtfs_realtime import AGAIN_S, Said, Telling, as_data_arrays
from dongne.model.errors import Conflict
from dongne.standards.gtfs.feed import Feed as Timetable
from dongne.standards.gtfs.read import read
from dongne.standards.gtfs_realtime.calls import list_alerts_by_stop, list_call_words
from dongne.standards.gtfs_realtime.encode import encode
from dongne.standards.gtfs_realtime.message import (
    Alert,
    Feed,
    Selector,
    StopRelationship,
    StopTimeEvent,
    StopTimeUpdate,
    Trip,
    TripRelationship,
    TripUpdate,
)  # fmt: skip

NOW = datetime(2026, 11, 30, 6, 6, 30, tzinfo=UTC)  # 08:06:30 in Helsinki, a Monday


@pytest.fixture(scope="module")
def timetable() -> Timetable:
    feed, _ = read(zip_of(LITTLE))
    assert feed is not None
    return feed


def update(
    trip: str,
    *calls: StopTimeUpdate,
    relationship: TripRelationship = TripRelationship.SCHEDULED,
    day: str = "20261130",
) -> TripUpdate:
    return TripUpdate(Trip(trip, start_date=day, relationship=relationship), time=NOW, calls=calls)


def late(sequence: int, delay_s: int) -> StopTimeUpdate:
    return StopTimeUpdate(sequence, departure=StopTimeEvent(delay_s))


def words(timetable: Timetable, *updates: TripUpdate, now: datetime = NOW) -> list[tuple[str, int, int | None, bool]]:
    """(trip, stop_sequence, delay, cancelled)."""
    found = list_call_words(timetable, Feed(now, trip_updates=updates))
    return [(word.trip_id, word.stop_sequence, word.delay_s, word.cancelled) for word in found]


def test_a_delay_goes_on_until_the_next_word(timetable: Timetable) -> None:
    assert words(timetable, update("E1", late(1, 60), late(3, 0))) == [
        ("E1", 1, 60, False),
        ("E1", 2, 60, False),
        ("E1", 3, 0, False),
    ]
    assert words(timetable, update("E1", late(2, 60))) == [
        ("E1", 2, 60, False),
        ("E1", 3, 60, False),
    ]  # nothing is known before


def test_a_skipped_stop_is_cancelled_and_the_delay_goes_on_behind_it(timetable: Timetable) -> None:
    skipped = StopTimeUpdate(2, relationship=StopRelationship.SKIPPED)
    assert words(timetable, update("E1", late(1, 60), skipped)) == [
        ("E1", 1, 60, False),
        ("E1", 2, None, True),
        ("E1", 3, 60, False),
    ]


def test_where_there_are_no_data_nothing_is_said(timetable: Timetable) -> None:
    none = StopTimeUpdate(2, relationship=StopRelationship.NO_DATA)
    assert words(timetable, update("E1", late(1, 60), none)) == [("E1", 1, 60, False)]


def test_a_cancelled_trip_is_cancelled_at_every_stop(timetable: Timetable) -> None:
    gone = update("BUS", relationship=TripRelationship.CANCELED)
    assert words(timetable, gone) == [("BUS", 1, None, True), ("BUS", 2, None, True)]


def test_a_time_wins_over_a_delay_and_a_stop_is_found_by_its_id(timetable: Timetable) -> None:
    moment = datetime(2026, 11, 30, 6, 8, 0, tzinfo=UTC)  # 08:08, two minutes after 08:06
    call = StopTimeUpdate(stop_id="M1", departure=StopTimeEvent(delay_s=999, time=moment))
    assert words(timetable, update("E1", call)) == [("E1", 2, 120, False), ("E1", 3, 120, False)]


def test_the_day_of_service_is_the_one_nearest_to_now(timetable: Timetable) -> None:
    night = datetime(2026, 12, 1, 22, 4, tzinfo=UTC)  # 00:04 on Wednesday: Tuesday's night train
    found = list(list_call_words(timetable, Feed(night, trip_updates=(update("NIGHT", late(2, 60), day=""),))))
    assert [word.start_date for word in found] == ["20261201", "20261201"]
    assert (
        words(timetable, update("NIGHT", late(2, 60), day=""), now=datetime(2026, 12, 13, 9, tzinfo=UTC)) == []
    )  # a Sunday


def test_alerts_reach_the_stops_they_concern(timetable: Timetable) -> None:
    def stops(*informed: Selector) -> set[str]:
        alert = Alert("a", {"en": "Works"}, {"en": "No trains.", "ko": "열차가 없습니다."}, informed=informed)
        found = list_alerts_by_stop(timetable, Feed(NOW, alerts=(alert,)))
        assert all(texts == {"en": "Works. No trains.", "ko": "열차가 없습니다."} for texts in found.values())
        return {stop for stop, _ in found}

    assert stops(Selector(stop_id="MID")) == {"MID", "M1", "M2"}
    assert stops(Selector(route_id="B7")) == {"M2", "E"}
    assert stops(Selector(route_type=1, direction_id=1)) == {"E", "M2", "W"}
    assert stops(Selector(trip=Trip("NIGHT"))) == {"W", "M1", "E"}
    assert stops(Selector(agency_id="NOBODY")) == set()


def test_only_what_is_new_or_old_is_said_again_and_what_is_over_is_taken_back(timetable: Timetable) -> None:
    telling = Telling(timetable)
    gone = update("BUS", relationship=TripRelationship.CANCELED)
    alert = Alert("a", {"en": "Works"}, informed=(Selector(stop_id="W"),))
    feed = Feed(NOW, trip_updates=(update("E1", late(3, 60)), gone), alerts=(alert,))
    assert len(telling.take(encode(feed))) == 4
    assert telling.take(encode(replace(feed, time=NOW + timedelta(seconds=30)))) == []
    assert len(telling.take(encode(replace(feed, time=NOW + timedelta(seconds=AGAIN_S))))) == 4
    over = telling.take(encode(Feed(NOW + timedelta(seconds=AGAIN_S + 30))))
    assert [(one.stop_id, one.property, one.result) for one in over] == [
        ("M2", "call_cancelled", 0.0), ("E", "call_cancelled", 0.0), ("W", "disruption", 0.0),
    ]  # fmt: skip
    with pytest.raises(Conflict):
        telling.take(encode(feed))


def test_unknown_trips_are_left_out_and_counted(timetable: Timetable) -> None:
    telling = Telling(timetable)
    assert telling.take(encode(Feed(NOW, trip_updates=(update("NEW", late(1, 60)),)))) == []
    assert telling.follower.counts == {"taken": 1, "unknown_trip": 1}


def test_rows_go_to_the_datastream_of_their_stop() -> None:
    word = Said("W", "departure_delay", 60.0, {"trip_id": "E1"})
    [array] = as_data_arrays([word, word._replace(stop_id="X")], {("W", "departure_delay"): 7}, NOW)
    assert (array["Datastream"], array["dataArray"]) == (
        {"@iot.id": 7},
        [["2026-11-30T06:06:30Z", 60.0, {"trip_id": "E1"}]],
    )
