"""GTFS Schedule: what can be used is used, and each fault is named with file, line, value and remedy."""

import string
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.standards.little_gtfs import LITTLE, change, zip_of

from dongne.runtime.words import read_words
from dongne.standards import gtfs
from dongne.standards.gtfs.fault import RULES, Report, Severity, list_text_keys
from dongne.standards.gtfs.feed import Feed, Frequency
from dongne.standards.gtfs.read import read

WORDS = {language: read_words(Path(gtfs.__file__).parent / f"texts/{language}.po") for language in ("ko", "en")}
STOP_TIMES = LITTLE["stop_times.txt"]


def good(body: bytes) -> tuple[Feed, Report]:
    feed, report = read(body)
    assert feed is not None, report.faults
    return feed, report


def told(report: Report, rule: str) -> list[tuple[str, int, str]]:
    """(file, line, value) of the faults of a rule."""
    return [(fault.file, fault.line, fault.value) for fault in report.faults if fault.rule == rule]


def rules(report: Report) -> set[str]:
    return {fault.rule for fault in report.faults}


def test_a_right_feed_has_no_fault_and_is_whole() -> None:
    feed, report = good(zip_of(LITTLE))
    assert report.faults == []
    assert report.rows == report.used
    assert [stop.id for stop in feed.stops] == ["W", "MID", "M1", "M2", "E"]
    assert [trip.id for trip in feed.trips] == ["E1", "W1", "BUS", "NIGHT"]
    night = feed.trips[3]
    assert list(feed.stop_times.arrival_s[night.first : night.last]) == [86100, 86520, 86940]  # past midnight is legal
    assert str(feed.zone) == "Europe/Helsinki"
    assert feed.get_span() == (date(2026, 10, 1), date(2026, 12, 31))


def test_a_platform_inherits_what_its_station_says_of_wheelchairs() -> None:
    feed, _ = good(zip_of(LITTLE))
    assert [stop.wheelchair_boarding for stop in feed.stops] == [1, 1, 1, 2, 1]


def test_exceptions_of_the_calendar_win() -> None:
    feed, _ = good(zip_of(LITTLE))
    [week] = feed.services
    assert week.runs_on(date(2026, 12, 4))
    assert week.runs_on(date(2026, 12, 6))  # a Sunday, added
    assert not week.runs_on(date(2026, 12, 7))  # a Monday, taken out
    assert not week.runs_on(date(2027, 1, 4))


@pytest.mark.parametrize("body", [b"", b"<html>no such page</html>", b"PK\x03\x04 broken"])
def test_what_is_no_zip_is_fatal_and_says_so(body: bytes) -> None:
    feed, report = read(body)
    assert feed is None
    assert rules(report) == {"zip_unreadable"}


@pytest.mark.parametrize("name", ["agency", "stops", "routes", "trips", "stop_times"])
def test_a_feed_without_a_needed_file_or_rows_is_fatal(name: str) -> None:
    for body, rule in ((change(**{name: None}), "file_missing"), (change(**{name: ""}), "file_without_rows")):
        feed, report = read(body)
        assert feed is None
        assert (f"{name}.txt", 0, "") in told(report, rule)
    feed, report = read(change(**{name: LITTLE[f"{name}.txt"].splitlines()[0]}))
    assert feed is None
    assert "file_without_rows" in rules(report)


def test_days_of_service_may_be_in_either_file_but_not_in_none() -> None:
    good(change(calendar_dates=None))
    good(change(calendar=None))
    feed, report = read(change(calendar=None, calendar_dates=None))
    assert feed is None
    assert told(report, "file_missing") == [("calendar.txt", 0, "")]


def test_a_feed_in_which_no_trip_ever_runs_is_fatal() -> None:
    feed, report = read(change(calendar=LITTLE["calendar.txt"].replace("1,1,1,1,1", "0,0,0,0,0"), calendar_dates=None))
    assert feed is None
    assert rules(report) == {"service_never", "days_missing"}


def test_a_missing_column_is_named_with_those_that_are_there() -> None:
    feed, report = read(change(trips="route_id,service_id,name\nR1,WEEK,E1\n"))
    assert feed is None
    [fault] = [fault for fault in report.faults if fault.rule == "column_missing"]
    assert (fault.column, fault.value) == ("trip_id", "route_id, service_id, name")


@pytest.mark.parametrize(
    ("files", "rule", "found"),
    [
        ({"stop_times": STOP_TIMES + "E1,08:20:00,08:20:00,NOWHERE,9\n"}, "reference_unknown", ("stop_times.txt", 13, "NOWHERE")),
        ({"stop_times": STOP_TIMES + "LOST,08:20:00,08:20:00,E,9\n"}, "reference_unknown", ("stop_times.txt", 13, "LOST")),
        ({"trips": LITTLE["trips.txt"] + "R9,WEEK,T9,0,,\n"}, "reference_unknown", ("trips.txt", 6, "R9")),
        ({"trips": LITTLE["trips.txt"] + "R1,NEVER,T9,0,,\n"}, "reference_unknown", ("trips.txt", 6, "NEVER")),
        ({"trips": LITTLE["trips.txt"] + "R1,WEEK,T9,0,,\n"}, "trip_too_short", ("trips.txt", 6, "T9")),
        ({"trips": LITTLE["trips.txt"] + "R1,WEEK,E1,0,,\n"}, "id_twice", ("trips.txt", 6, "E1")),
        ({"stop_times": STOP_TIMES + "E1,08:20:00,08:20:00,E,3\n"}, "id_twice", ("stop_times.txt", 13, "E1, 3")),
        ({"stop_times": STOP_TIMES + "E1,08:20:00,08:20:00,MID,9\n"}, "stop_not_boardable", ("stop_times.txt", 13, "MID")),
        ({"stop_times": STOP_TIMES + "E1,08:04:00,08:04:00,W,9\n"}, "time_backwards", ("stop_times.txt", 13, "08:04:00")),
        ({"stop_times": STOP_TIMES + "E1,08:20:00,08:19:00,W,9\n"}, "departure_before_arrival", ("stop_times.txt", 13, "08:20:00 > 08:19:00")),
        ({"stop_times": STOP_TIMES + "E1,,,W,9\n"}, "time_missing", ("stop_times.txt", 13, "")),
        ({"stop_times": STOP_TIMES + "E1,08:61:00,08:20:00,W,9\n"}, "value_passed_over", ("stop_times.txt", 13, "08:61:00")),
        ({"stop_times": STOP_TIMES + "E1,08:20:00,08:20:00,W,minus\n"}, "value_wrong", ("stop_times.txt", 13, "minus")),
        ({"stop_times": STOP_TIMES + "E1,08:20:00,08:20:00,,9\n"}, "value_missing", ("stop_times.txt", 13, "")),
        ({"stop_times": STOP_TIMES + "E1,08:20:00,08:20:00,E,9\n"}, "stop_repeated", ("stop_times.txt", 13, "")),
        ({"stops": LITTLE["stops.txt"] + "X,Xanadu,960.1,24.9,0,,\n"}, "value_passed_over", ("stops.txt", 7, "960.1")),
        ({"stops": LITTLE["stops.txt"] + "X,Xanadu,,,0,,\n"}, "value_missing", ("stops.txt", 7, "")),
        ({"stops": LITTLE["stops.txt"] + "X,Xanadu,60.1,24.9,0,E,\n"}, "parent_wrong", ("stops.txt", 7, "E")),
        ({"stops": LITTLE["stops.txt"] + "X,Xanadu,60.1,24.9,1,X,\n"}, "parent_wrong", ("stops.txt", 7, "X")),
        ({"stops": LITTLE["stops.txt"] + "X,Xanadu,60.1,24.9,0,GONE,\n"}, "reference_passed_over", ("stops.txt", 7, "GONE")),
        ({"routes": LITTLE["routes.txt"] + "R3,A,,,3\n"}, "route_nameless", ("routes.txt", 4, "R3")),
        ({"routes": LITTLE["routes.txt"] + "R3,A,3,,99\n"}, "value_wrong", ("routes.txt", 4, "99")),
        ({"calendar": LITTLE["calendar.txt"] + "X,1,1,1,1,1,0,0,20261301,20261231\n"}, "value_wrong", ("calendar.txt", 3, "20261301")),
        ({"calendar": LITTLE["calendar.txt"] + "X,1,1,1,1,1,0,0,20261201,99991231\n"}, "value_wrong", ("calendar.txt", 3, "99991231")),
        ({"calendar": LITTLE["calendar.txt"] + "X,1,1,1,1,1,0,0,20261231,20261201\n"}, "dates_backwards", ("calendar.txt", 3, "20261231 > 20261201")),
        ({"calendar": LITTLE["calendar.txt"] + "X,0,0,0,0,0,0,0,20261201,20261231\n"}, "service_never", ("calendar.txt", 3, "X")),
        ({"calendar_dates": LITTLE["calendar_dates.txt"] + "WEEK,20261204,1\n"}, "exception_without_effect", ("calendar_dates.txt", 4, "WEEK 20261204")),
        ({"agency": LITTLE["agency.txt"] + "B,Other,https://example.org,Europe/Oslo\n"}, "zones_differ", ("agency.txt", 3, "Europe/Oslo")),
        ({"frequencies": "trip_id,start_time,end_time,headway_secs\nE1,09:00:00,08:00:00,600\n"}, "frequency_empty", ("frequencies.txt", 2, "09:00:00 - 08:00:00")),
        ({"frequencies": "trip_id,start_time,end_time,headway_secs\nE1,08:00:00,09:00:00,600\nE1,08:30:00,10:00:00,300\n"}, "frequency_overlap", ("frequencies.txt", 3, "08:30:00 - 10:00:00")),
        ({"frequencies": "trip_id,start_time,end_time,headway_secs\nE1,08:00:00,09:00:00,5\n"}, "headway_too_short", ("frequencies.txt", 2, "5")),
        ({"frequencies": "trip_id,start_time,end_time,headway_secs\nE1,08:00:00,09:00:00,0\n"}, "value_wrong", ("frequencies.txt", 2, "0")),
        ({"frequencies": "trip_id,start_time,end_time,headway_secs\nE9,08:00:00,09:00:00,60\n"}, "reference_unknown", ("frequencies.txt", 2, "E9")),
        ({"transfers": "from_stop_id,to_stop_id,transfer_type,min_transfer_time\nM1,X,2,60\n"}, "reference_unknown", ("transfers.txt", 2, "X")),
        ({"transfers": "from_stop_id,to_stop_id,transfer_type,min_transfer_time\nM1,M2,2,\n"}, "transfer_without_time", ("transfers.txt", 2, "")),
        ({"transfers": "from_stop_id,to_stop_id,transfer_type,from_trip_id,to_trip_id\n,,4,E1,E9\n"}, "linked_trips_incomplete", ("transfers.txt", 2, "E9")),
        ({"transfers": "from_stop_id,to_stop_id,transfer_type,from_route_id\nM1,M2,2,R1\n"}, "transfer_rule_unused", ("transfers.txt", 2, "R1")),
        ({"shapes": "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\nS,60.1,24.9,1\n"}, "shape_too_short", ("shapes.txt", 2, "S")),
        ({"stops": LITTLE["stops.txt"] + '"X,Xanadu,60.1,24.9,0,,\n'}, "quote_open", ("stops.txt", 7, '"X,Xanadu,60.1,24.9,0,,')),
        ({"stops": LITTLE["stops.txt"] + "X,Xanadu,60.1,24.9,0,,1,surplus\n"}, "row_too_long", ("stops.txt", 7, "X,Xanadu,60.1,24.9,0,,1,surplus")),
        ({"stops": LITTLE["stops.txt"] + "X,Xanadu,60.1,24.9\n"}, "row_too_short", ("stops.txt", 7, "X,Xanadu,60.1,24.9")),
        ({"stops": LITTLE["stops.txt"] + '"X","Xana\ndu",60.1,24.9,0,,1\n'}, "value_newline", ("stops.txt", 7, "Xana\ndu")),
        ({"stops": LITTLE["stops.txt"].replace("W,West", " W , West")}, "value_spaces", ("stops.txt", 2, "")),
        ({"agency": LITTLE["agency.txt"].replace(",", ", ", 1)}, "column_spaces", ("agency.txt", 1, "agency_id,  agency_name, agency_url, agency_timezone")),
        ({"agency": LITTLE["agency.txt"].replace("agency_url", "agency_name")}, "column_twice", ("agency.txt", 1, "")),
        ({"agency": LITTLE["agency.txt"].replace("agency_url", "motto")}, "column_unknown", ("agency.txt", 1, "")),
        ({"agency": LITTLE["agency.txt"].replace("https://example.org", "example")}, "value_passed_over", ("agency.txt", 2, "example")),
        ({"agency": LITTLE["agency.txt"].replace("https://example.org", "")}, "value_wanted", ("agency.txt", 2, "")),
        ({"feed_info": "feed_publisher_name,feed_lang\nA,ko\n"}, "column_wanted", ("feed_info.txt", 1, "")),
        ({"trips": LITTLE["trips.txt"].replace("trip_headsign", "shape_id")}, "reference_passed_over", ("trips.txt", 4, "East")),
        ({"feed_info": ""}, "file_empty", ("feed_info.txt", 0, "")),
        ({"notes": "hello"}, "file_unknown", ("notes.txt", 0, "notes.txt")),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_file_line_and_value_and_the_rest_is_used(
    files: dict[str, str], rule: str, found: tuple[str, int, str]
) -> None:
    feed, report = good(change(**files))
    assert found in told(report, rule)
    assert {"E1", "W1", "BUS", "NIGHT"} <= {trip.id for trip in feed.trips}
    for fault in report.faults:
        assert fault.severity is RULES[fault.rule].severity is not Severity.FATAL


def test_every_row_is_used_or_named() -> None:
    """Nothing is left out silently: rows = used + dropped, in a feed with many faults."""
    wrong = "E1,08:20:00,08:20:00,NOWHERE,9\nE1,08:11:00,08:11:00,W,10\nE1,x,y,W,11\nLOST,1:00:00,1:00:00,E,1\n,,,,\nE1,,,,\n"
    feed, report = good(change(stop_times=STOP_TIMES + wrong))
    dropped = {
        fault.line for fault in report.faults if fault.file == "stop_times.txt" and fault.severity is Severity.DROPPED
    }
    assert report.rows["stop_times.txt"] - report.used["stop_times.txt"] == len(dropped) == 5
    assert len(feed.stop_times.trip) == 11


def test_a_fault_in_many_rows_is_named_in_each() -> None:
    routes = (
        LITTLE["routes.txt"].replace("route_type", "route_color").replace(",1\n", ",red\n").replace(",3\n", ",red\n")
    )
    routes = "".join(
        f"{line},3\n" if number else f"{line},route_type\n" for number, line in enumerate(routes.splitlines())
    )
    _, report = good(change(routes=routes))
    assert told(report, "value_passed_over") == [("routes.txt", 2, "red"), ("routes.txt", 3, "red")]


def test_of_a_trip_that_goes_back_in_time_the_fewest_calls_are_left_out() -> None:
    rows = "".join(
        f"E1,{h}:00:00,{h}:00:00,{stop},{n}\n"
        for n, (h, stop) in enumerate(((6, "W"), (22, "M1"), (7, "E"), (8, "W")), 1)
    )
    feed, report = good(change(stop_times=STOP_TIMES.partition("E1")[0] + rows + STOP_TIMES.partition("E,3\n")[2]))
    assert told(report, "time_backwards") == [("stop_times.txt", 3, "22:00:00")]
    assert [feed.stops[stop].id for stop in feed.stop_times.stop[:3]] == ["W", "E", "W"]


def test_rows_out_of_order_are_sorted_and_said_once() -> None:
    head, *lines = STOP_TIMES.splitlines(keepends=True)
    feed, report = good(change(stop_times=head + "".join(lines[::-1])))
    assert [fault.rule for fault in report.faults] == ["rows_unsorted"]
    for trip in feed.trips:
        assert list(feed.stop_times.sequence[trip.first : trip.last]) == sorted(
            feed.stop_times.sequence[trip.first : trip.last]
        )


def test_a_trip_that_comes_back_to_its_stop_is_no_fault() -> None:
    loop = "LOOP,10:00:00,10:00:00,W,1\nLOOP,10:05:00,10:05:00,E,2\nLOOP,10:10:00,10:10:00,W,3\n"
    feed, report = good(change(trips=LITTLE["trips.txt"] + "R1,WEEK,LOOP,0,,\n", stop_times=STOP_TIMES + loop))
    assert report.faults == []
    assert len(feed.trips) == 5


def test_times_between_may_be_missing() -> None:
    feed, report = good(change(stop_times=STOP_TIMES.replace("E1,08:05:00,08:06:00,M1", "E1,,,M1")))
    assert report.faults == []
    assert list(feed.stop_times.arrival_s[:3]) == [28800, -1, 29520]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
def test_utf8_is_right_with_and_without_its_mark(encoding: str) -> None:
    feed, report = good(change(stops=LITTLE["stops.txt"].replace("West", "서쪽").encode(encoding)))
    assert (feed.stops[0].name, report.faults) == ("서쪽", [])


@pytest.mark.parametrize(("encoding", "name"), [("cp949", "서울역"), ("cp1252", "Jääskelä"), ("utf-16", "Ost")])
def test_another_encoding_is_guessed_and_said(encoding: str, name: str) -> None:
    feed, report = good(change(stops=LITTLE["stops.txt"].replace("West", name).encode(encoding)))
    assert feed.stops[0].name == name
    [fault] = report.faults
    assert (fault.rule, fault.file, fault.values) == ("encoding", "stops.txt", {"encoding": encoding})


def test_files_in_a_folder_and_in_capitals_are_found() -> None:
    feed, report = read(zip_of({f"gtfs/{name.title().replace('.Txt', '.txt')}": text for name, text in LITTLE.items()}))
    assert feed is not None
    assert rules(report) == {"file_in_folder", "file_name_case"}


def test_a_block_whose_trips_are_at_the_same_time_is_named() -> None:
    trips = LITTLE["trips.txt"].replace("trip_headsign", "block_id").replace(",East", ",B").replace(",West", ",B")
    _, report = good(change(trips=trips))
    assert told(report, "block_overlap") == [("trips.txt", 0, "B")] * 2


def test_frequencies_and_transfers_are_read() -> None:
    body = change(
        frequencies="trip_id,start_time,end_time,headway_secs,exact_times\nE1,10:00:00,12:00:00,600,1\n",
        transfers="from_stop_id,to_stop_id,transfer_type,min_transfer_time\nMID,E,2,90\nW,W,3,\n",
    )
    feed, report = good(body)
    assert report.faults == []
    assert feed.frequencies == (Frequency(0, 36000, 43200, 600, True),)
    found = {(feed.stops[t.from_stop].id, feed.stops[t.to_stop].id, t.type, t.min_s) for t in feed.transfers}
    assert found == {("M1", "E", 2, 90), ("M2", "E", 2, 90), ("W", "W", 3, None)}  # a station's rule is its platforms'


def test_every_rule_has_its_words_in_both_languages_with_the_same_gaps() -> None:
    keys = set(list_text_keys())
    assert {language: set(words) for language, words in WORDS.items()} == {"ko": keys, "en": keys}
    for key in keys:
        gaps = [{name for _, name, _, _ in string.Formatter().parse(words[key]) if name} for words in WORDS.values()]
        assert gaps[0] - {"file"} == gaps[1] - {"file"}, key


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(LITTLE)), st.integers(0, 400), st.binary(min_size=1, max_size=6))
def test_whatever_the_bytes_there_is_a_report_and_never_a_crash(name: str, place: int, noise: bytes) -> None:
    body = LITTLE[name].encode()
    feed, report = read(zip_of({**LITTLE, name: body[:place] + noise + body[place + len(noise) :]}))
    assert (feed is not None) == report.usable
    for fault in report.faults:
        for words in WORDS.values():
            gaps = {"file": fault.file, "column": fault.column, "value": fault.value, **fault.values}
            assert words[f"gtfs.fault.{fault.rule}"].format(**gaps)
            assert words[f"gtfs.remedy.{fault.rule}"].format(**gaps)
