"""Intervals of the calendar, against the local clock."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from dongne.methods.intervals import (
    Interval,
    bounds,
    list_slots,
    offsets,
    parse_interval,
    slot_of,
    start_of_day,
)
from dongne.model.errors import BadInput
from dongne.model.times import from_us, parse_instant, to_us

ZONES = ["Europe/Helsinki", "Asia/Seoul", "Pacific/Auckland", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
START, END = to_us(parse_instant("2026-01-01T00:00:00Z")), to_us(parse_instant("2027-01-01T00:00:00Z"))
HOUR_US = 3_600_000_000


@pytest.mark.parametrize("zone", ZONES)
def test_offsets_are_those_of_every_hour(zone: str) -> None:
    info = ZoneInfo(zone)
    found = offsets(info, START, END)
    for us in range(START, END, HOUR_US // 2):
        _, offset = [one for one in found if one[0] <= us][-1]
        expected = from_us(us).astimezone(info).utcoffset()
        assert expected is not None
        assert offset == expected.total_seconds()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("text", ["PT15M", "PT1H", "PT6H", "P1D", "P2D", "P1W", "P1M", "P3M", "P1Y"])
def test_intervals_cover_a_year_without_a_gap(zone: str, text: str) -> None:
    info, interval = ZoneInfo(zone), parse_interval(text)
    times = [bounds(interval, *slot, info) for slot in list_slots(interval, info, START, END, 100_000)]
    assert times[0][0] <= START
    assert times[-1][1] >= END
    cut = zone == "Australia/Lord_Howe" and text == "PT1H"  # clocks change by half an hour there
    for (_, end), (start, _) in pairwise(times):
        assert end == start or (cut and abs(end - start) == HOUR_US // 2)
    if not interval.is_short and text != "PT6H":
        assert all(from_us(start).astimezone(info).hour == 0 for start, _ in times)


def test_a_local_day_has_23_to_25_hours() -> None:
    zone = ZoneInfo("Europe/Helsinki")
    slots = list_slots(parse_interval("P1D"), zone, START, END, 1_000)
    lengths = {
        from_us(start).astimezone(zone).date(): (end - start) // HOUR_US
        for start, end in (bounds(parse_interval("P1D"), *slot, zone) for slot in slots)
    }
    others = {day: hours for day, hours in lengths.items() if hours != 24}
    assert others == {date(2026, 3, 29): 23, date(2026, 10, 25): 25}


def test_the_hour_that_comes_twice_is_two() -> None:
    zone = ZoneInfo("Europe/Helsinki")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 03:30 summer time
    slots = [slot_of(Interval(seconds=3_600), to_us(first + timedelta(hours=n)), zone) for n in range(2)]
    assert [
        from_us(bounds(Interval(seconds=3_600), *slot, zone)[0]).astimezone(zone).isoformat() for slot in slots
    ] == [
        "2026-10-25T03:00:00+03:00",
        "2026-10-25T03:00:00+02:00",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("PT1S", Interval(seconds=1)), ("PT30M", Interval(seconds=1_800)), ("P1W", Interval(seconds=604_800)),
     ("P1Y", Interval(months=12)), ("P3M", Interval(months=3)), ("PT90M", Interval(seconds=5_400))],
)  # fmt: skip
def test_durations_of_iso_8601_are_read(text: str, expected: Interval) -> None:
    assert parse_interval(text) == expected


@pytest.mark.parametrize("text", ["", "P", "PT0S", "PT7M", "PT7H", "P1M2D", "PT-1H", "1h", "P99999Y", "PT1H "])
def test_what_does_not_divide_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_interval(text)


def test_too_many_intervals_are_refused_before_they_are_made() -> None:
    with pytest.raises(BadInput, match="more than 1000 intervals"):
        list_slots(Interval(seconds=1), ZoneInfo("UTC"), START, END, 1_000)


def test_a_day_begins_at_local_midnight() -> None:
    assert start_of_day(date(2026, 7, 1), ZoneInfo("Asia/Seoul")) == to_us(parse_instant("2026-06-30T15:00:00Z"))
