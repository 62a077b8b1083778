# ruff: noqa: DTZ001  local times have no zone here
"""Recorded times become times of the city: whole weeks, same weekday, same local hour, also when clocks are changed."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dongne.adapters.series.recording import (
    DAY_US,
    HOUR_US,
    NAIVE_EPOCH,
    WEEK_US,
    Loop,
    Recording,
    choose_loop,
    local_of_us,
    naive_us,
    recording,
    to_instants,
)
from dongne.model.times import from_us, to_us

HELSINKI = ZoneInfo("Europe/Helsinki")
ZONES = [HELSINKI, ZoneInfo("Asia/Seoul"), ZoneInfo("America/Sao_Paulo"), ZoneInfo("Australia/Lord_Howe")]
START = naive_us(datetime(2023, 1, 2))  # a Monday


def hourly(weeks: int) -> Recording:
    """The value of each hour is its number, so that a value says from where it came."""
    hours = np.arange(weeks * 7 * 24, dtype=np.int64)
    return Recording(START + hours * HOUR_US, hours.astype(float))


@given(
    zone=st.sampled_from(ZONES),
    at=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
    weeks=st.integers(1, 60),
    hours=st.integers(1, 400),
)
def test_weekday_and_local_hour_are_kept(zone: ZoneInfo, at: datetime, weeks: int, hours: int) -> None:
    after = to_us(at.replace(tzinfo=UTC))
    instants, values = Loop(hourly(weeks), zone, START, weeks).between(after, after + hours * HOUR_US)
    for instant, value in zip(instants.tolist(), values.tolist(), strict=True):
        local = NAIVE_EPOCH + timedelta(microseconds=local_of_us(instant, zone))
        source = NAIVE_EPOCH + timedelta(microseconds=START + int(value) * HOUR_US)
        assert (local.weekday(), local.time()) == (source.weekday(), source.time())
        assert (local - source) % timedelta(weeks=1) == timedelta()
    assert (np.diff(instants) > 0).all()
    assert ((instants > after) & (instants <= after + hours * HOUR_US)).all()


@given(
    zone=st.sampled_from(ZONES),
    at=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
    cuts=st.lists(st.integers(1, 40 * HOUR_US), min_size=1, max_size=6),
)
def test_the_same_rows_come_whatever_the_steps(zone: ZoneInfo, at: datetime, cuts: list[int]) -> None:
    loop = Loop(hourly(3), zone, START, 3)
    start = to_us(at.replace(tzinfo=UTC))
    edges = np.cumsum([start, *cuts]).tolist()
    whole = loop.between(edges[0], edges[-1])
    parts = [loop.between(a, b) for a, b in pairwise(edges)]
    assert np.concatenate([times for times, _ in parts]).tolist() == whole[0].tolist()
    assert np.concatenate([values for _, values in parts]).tolist() == whole[1].tolist()


def test_an_hour_that_the_city_skips_has_no_value() -> None:
    # Helsinki, 29 March 2026: at 03:00 the clocks show 04:00
    night = to_us(datetime(2026, 3, 28, 22, tzinfo=UTC))
    instants, _ = Loop(hourly(52), HELSINKI, START, 52).between(night - 1, night + 5 * HOUR_US)
    shown = [from_us(us).astimezone(HELSINKI).strftime("%H") for us in instants.tolist()]
    assert shown == ["00", "01", "02", "04", "05", "06"]


def test_an_hour_that_the_city_has_twice_has_its_value_once_in_the_first() -> None:
    # Helsinki, 25 October 2026: at 04:00 the clocks show 03:00 again
    night = to_us(datetime(2026, 10, 24, 22, tzinfo=UTC))
    instants, _ = Loop(hourly(52), HELSINKI, START, 52).between(night - 1, night + 4 * HOUR_US)
    assert [from_us(us).hour for us in instants.tolist()] == [22, 23, 0, 2]  # 01:00 UTC is 03:00 the second time


@given(st.sampled_from(ZONES), st.lists(st.integers(0, 80 * 365 * 24), min_size=1, max_size=50))
def test_an_instant_shows_the_local_time_it_was_made_from(zone: ZoneInfo, hours: list[int]) -> None:
    local = np.array(sorted(hours), np.int64) * HOUR_US
    instants, there = to_instants(local, zone)
    shown = [local_of_us(us, zone) for us in instants[there].tolist()]
    assert shown == local[there].tolist()


def test_a_loop_is_whole_weeks_and_whole_years_where_it_can() -> None:
    assert choose_loop(hourly(9)) == (START, 9)
    assert choose_loop(hourly(160)) == (START, 156)
    assert choose_loop(hourly(160), START + DAY_US, START + 3 * WEEK_US) == (START + DAY_US, 2)
    with pytest.raises(ValueError, match="shorter than a week"):
        choose_loop(recording([(0, 1.0), (DAY_US, 2.0)]))


def test_a_recording_is_sorted_without_gaps_and_without_doubles() -> None:
    record = recording([(3, 3.0), (1, 1.0), (2, float("nan")), (1, 9.0)])
    assert record.local_us.tolist() == [1, 3]
    assert record.value.tolist() == [1.0, 3.0]
