import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dongne.methods.local_times import PATTERN, next_time, parse_local_times

HELSINKI = ZoneInfo("Europe/Helsinki")


def upcoming(text: str, after: str, count: int = 3) -> list[str]:
    times, at, found = parse_local_times(text), datetime.fromisoformat(after), []
    assert times is not None
    for _ in range(count):
        at = next_time(times, at, HELSINKI)
        found.append(at.isoformat()[:16])
    return found


def test_times_of_every_day_follow_each_other() -> None:
    found = upcoming("20:00 08:00", "2026-11-02T06:00:00+00:00")
    assert found == ["2026-11-02T18:00", "2026-11-03T06:00", "2026-11-03T18:00"]


def test_days_of_the_week_are_kept() -> None:
    # 2 November 2026 is a Monday
    found = upcoming("mon thu 07:30", "2026-11-02T05:30:00+00:00")
    assert found == ["2026-11-05T05:30", "2026-11-09T05:30", "2026-11-12T05:30"]


def test_local_time_stays_when_clocks_change() -> None:
    # summer time ends in Finland on 25 October 2026
    assert upcoming("08:00", "2026-10-24T00:00:00+00:00", 2) == ["2026-10-24T05:00", "2026-10-25T06:00"]


def test_a_time_the_clocks_leave_out_comes_later_once() -> None:
    # 03:30 of 29 March 2026 is not there in Finland
    assert upcoming("03:30", "2026-03-28T12:00:00+00:00", 2) == ["2026-03-29T01:30", "2026-03-30T00:30"]


def test_empty_is_never() -> None:
    assert parse_local_times("") is None


@pytest.mark.parametrize("text", ["08:00", "mon 08:00", "mon thu 07:30 19:30", ""])
def test_the_pattern_allows_what_can_be_read(text: str) -> None:
    assert re.fullmatch(PATTERN, text)
    parse_local_times(text)


@pytest.mark.parametrize("text", ["8:00", "24:00", "mon", "08:60", "daily 08:00", "08:00 ", "08:00 mon"])
def test_the_pattern_refuses_the_rest(text: str) -> None:
    assert not re.fullmatch(PATTERN, text)


def test_words_without_a_time_are_refused() -> None:
    with pytest.raises(ValueError, match="no time of day"):
        parse_local_times("mon thu")


def test_what_is_due_at_this_instant_is_not_due_again() -> None:
    times = parse_local_times("08:00")
    assert times is not None
    at = datetime(2026, 11, 2, 6, tzinfo=UTC)
    assert next_time(times, at, HELSINKI) == datetime(2026, 11, 3, 6, tzinfo=UTC)
