"""The replayer against the real store: nothing missing, nothing twice, whatever the speed and wherever it was stopped."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from dongne.adapters.clock import CityClock
from dongne.adapters.feeds import Feed, RecordedFeed, SimulatedFeed
from dongne.adapters.replayer import WINDOW_US, Replayer
from dongne.adapters.series.recording import HOUR_US, WEEK_US, Loop, Recording
from dongne.model.errors import RetryLater
from dongne.model.properties import PRESENCE
from dongne.model.records import RecordKind, decode_batch
from dongne.model.tasks import Task
from dongne.model.times import to_us
from dongne.runtime.ports import Store
from dongne.runtime.simulate import SimulatedRow, SimulatedStream, Step
from dongne.stores.embedded.store import EmbeddedStore

OpenStore = Callable[..., EmbeddedStore]
ZONE = ZoneInfo("Europe/Helsinki")
NOW = to_us(datetime(2026, 11, 20, 12, tzinfo=UTC))
MINUTE_US = 60_000_000
Row = tuple[int, int, float]


class Stopped(Exception):
    """In place of a kill."""


class Beat:
    """A simulator: the thing 7 is present every 17 minutes."""

    EVERY_US = 17 * MINUTE_US

    def __init__(self) -> None:
        self.mark_us: int | None = None

    def datastreams(self) -> list[SimulatedStream]:
        return [SimulatedStream(7, PRESENCE, "Presence")]

    def step(self, now_us: int, tasks: Sequence[Task] = ()) -> Step:
        after_us, self.mark_us = self.mark_us, now_us
        slots = range((now_us if after_us is None else after_us) // self.EVERY_US + 1, now_us // self.EVERY_US + 1)
        rows = [SimulatedRow(7, "presence", slot * self.EVERY_US, float(slot % 2)) for slot in slots]
        return Step(rows, (now_us // self.EVERY_US + 1) * self.EVERY_US)


def make_feeds() -> list[Feed]:
    hours = np.arange(2 * 7 * 24, dtype=np.int64)
    record = Recording(hours * HOUR_US, hours.astype(float))
    loop = Loop(record, ZONE, 0, 2)
    return [
        RecordedFeed("a", 1, loop, HOUR_US),
        RecordedFeed("b", 2, loop, HOUR_US + 7 * MINUTE_US),
        SimulatedFeed("beat", Beat, {(7, "presence", ""): 3}),
    ]


def rows_of(store: Store) -> list[Row]:
    rows: list[Row] = []
    for record in store.read(0, limit=1_000_000):
        if record.kind is RecordKind.OBSERVATIONS:
            batch = decode_batch(record.body, record.count)
            rows += zip(batch.datastream.tolist(), batch.time_us.tolist(), batch.result.tolist(), strict=True)
    return rows


def held_clock(at_us: int) -> CityClock:
    clock = CityClock(wall=lambda: NOW)
    clock.hold(at_us)
    return clock


def expected(start_us: int, until_us: int) -> list[Row]:
    """All arrivals in (start, until] by the definition of the feeds, hour by hour."""
    rows = []
    for feed in make_feeds():
        edges = [*range(start_us, until_us, HOUR_US), until_us]
        for after_us, end_us in pairwise(edges):
            part = feed.between(after_us, end_us)
            rows += zip(part.datastream.tolist(), part.time_us.tolist(), part.value.tolist(), strict=True)
    return sorted(rows)


def test_the_past_is_written_in_the_order_and_at_the_time_of_arrival(open_store: OpenStore) -> None:
    clock = held_clock(NOW - 2 * WEEK_US)
    store = open_store(clock)
    progress: list[tuple[int, int]] = []
    count = Replayer(store, make_feeds(), weeks=2).backfill(NOW, clock, lambda *p: progress.append(p))
    rows = rows_of(store)
    assert count == len(rows)
    assert sorted(rows) == expected(NOW - 2 * WEEK_US, NOW)
    assert len(rows) > 2 * 330 + 1180
    records = store.read(0, limit=1_000_000)
    at = [record.at_us for record in records]
    assert at == sorted(at)
    for record in records:
        batch = decode_batch(record.body, record.count)
        for stream, time_us in zip(batch.datastream.tolist(), batch.time_us.tolist(), strict=True):
            arrived = time_us + {1: HOUR_US, 2: HOUR_US + 7 * MINUTE_US, 3: 0}[stream]
            assert arrived <= record.at_us < arrived + WINDOW_US
    assert progress[-1] == (1_209_600, 1_209_600)
    assert clock.now_us() == NOW


def test_a_backfill_stopped_anywhere_goes_on_without_a_row_lost_or_doubled(open_store: OpenStore) -> None:
    def stop_at(share: float) -> Callable[[int, int], None]:
        def progress(done: int, total: int) -> None:
            if done > total * share:
                raise Stopped

        return progress

    clock = held_clock(NOW - 2 * WEEK_US)
    for share in (0.1, 0.101, 0.5, 0.9):
        store = open_store(clock)
        with pytest.raises(Stopped):
            Replayer(store, make_feeds(), weeks=2).backfill(NOW, clock, stop_at(share))
        store.close()
    store = open_store(clock)
    Replayer(store, make_feeds(), weeks=2).backfill(NOW, clock)
    assert sorted(rows_of(store)) == expected(NOW - 2 * WEEK_US, NOW)


@pytest.mark.parametrize("step_us", [MINUTE_US // 20, 50_000 * 1000, 7 * HOUR_US], ids=["1x", "1000x", "asleep"])
def test_live_rows_are_the_same_at_every_speed(open_store: OpenStore, step_us: int) -> None:
    store = open_store(held_clock(NOW))
    replayer = Replayer(store, make_feeds(), weeks=1)
    replayer.backfill(NOW)
    past = len(rows_of(store))
    now_us = NOW
    while now_us < NOW + 21 * HOUR_US:
        due_us = replayer.step(now_us)
        assert due_us > now_us
        now_us += max(step_us, (due_us - now_us) // step_us * step_us)  # sleep until something is due
    replayer.step(NOW + 28 * HOUR_US)
    assert sorted(rows_of(store)[past:]) == expected(NOW, NOW + 28 * HOUR_US)


def test_live_goes_on_after_a_restart_where_it_was(open_store: OpenStore) -> None:
    store = open_store(held_clock(NOW))
    first = Replayer(store, make_feeds(), weeks=1)
    first.backfill(NOW)
    first.step(NOW + 3 * HOUR_US)
    store.close()
    clock = held_clock(NOW)
    store = open_store(clock)
    second = Replayer(store, make_feeds(), weeks=1)
    second.backfill(NOW + 5 * HOUR_US, clock)
    second.step(NOW + 9 * HOUR_US)
    assert sorted(rows_of(store)) == expected(NOW - WEEK_US, NOW + 9 * HOUR_US)


def test_what_could_not_be_stored_is_written_by_the_next_step(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(held_clock(NOW))
    replayer = Replayer(store, make_feeds(), weeks=1)
    replayer.backfill(NOW)

    def full(*_: object, **__: object) -> None:
        raise RetryLater("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "submit", full)
        with pytest.raises(RetryLater):
            replayer.step(NOW + 3 * HOUR_US)
    replayer.step(NOW + 4 * HOUR_US)
    assert sorted(rows_of(store)) == expected(NOW - WEEK_US, NOW + 4 * HOUR_US)


def test_a_feed_that_comes_later_brings_its_past_late(open_store: OpenStore) -> None:
    clock = held_clock(NOW - WEEK_US)
    store = open_store(clock)
    Replayer(store, make_feeds()[:1], weeks=1).backfill(NOW, clock)
    until_us = NOW + 2 * HOUR_US
    Replayer(store, make_feeds(), weeks=1).backfill(until_us, clock)
    assert sorted(rows_of(store)) == expected(NOW - WEEK_US, until_us)


def test_a_feed_with_a_short_past_brings_only_that(open_store: OpenStore) -> None:
    clock = held_clock(NOW - WEEK_US)
    store = open_store(clock)
    beat = SimulatedFeed("beat", Beat, {(7, "presence", ""): 3}, history_us=2 * HOUR_US)
    Replayer(store, [*make_feeds()[:2], beat], weeks=1).backfill(NOW, clock)
    times = [time_us for stream, time_us, _ in rows_of(store) if stream == 3]
    assert len(times) in (7, 8)  # two hours of every 17 minutes
    assert min(times) > NOW - 2 * HOUR_US


def test_a_city_without_feeds_sleeps(open_store: OpenStore) -> None:
    store = open_store(held_clock(NOW))
    replayer = Replayer(store, [], weeks=1)
    assert replayer.backfill(NOW) == 0
    assert replayer.step(NOW + 1) > NOW + HOUR_US


class Ticks:
    """The machine's clock and its ticks, moved by hand."""

    def __init__(self) -> None:
        self.wall_us, self.ns = NOW, 0

    def pass_s(self, seconds: float) -> None:
        self.wall_us += int(seconds * 1e6)
        self.ns += int(seconds * 1e9)

    def clock(self, speed: float = 1.0, start_us: int = 0) -> CityClock:
        return CityClock(speed, start_us, lambda: self.wall_us, lambda: self.ns)


def test_a_clock_at_speed_60_lets_an_hour_pass_in_a_minute() -> None:
    ticks = Ticks()
    clock = ticks.clock(60.0)
    assert clock.now_us() == NOW
    assert clock.wait_s(NOW + HOUR_US) == pytest.approx(60.0)
    ticks.pass_s(60.0)
    assert clock.now_us() == NOW + HOUR_US


def test_a_clock_never_goes_back() -> None:
    ticks = Ticks()
    clock = ticks.clock(start_us=NOW + HOUR_US)  # the sequence is ahead: the city ran faster yesterday
    assert clock.now_us() == NOW + HOUR_US
    ticks.wall_us -= HOUR_US
    ticks.ns += 1_000_000_000
    assert clock.now_us() == NOW + HOUR_US + 1_000_000


def test_a_held_clock_moves_only_when_it_is_moved() -> None:
    ticks = Ticks()
    clock = ticks.clock()
    clock.hold(NOW - WEEK_US)
    ticks.pass_s(5.0)
    assert clock.now_us() == NOW - WEEK_US
    clock.advance(NOW - HOUR_US)
    clock.advance(NOW - WEEK_US)
    assert clock.now_us() == NOW - HOUR_US
    clock.release()
    assert clock.now_us() == NOW + 5_000_000


def test_a_running_clock_moved_forward_goes_on_from_there() -> None:
    ticks = Ticks()
    clock = ticks.clock()
    clock.advance(NOW + HOUR_US)
    ticks.pass_s(2.0)
    assert clock.now_us() == NOW + HOUR_US + 2_000_000
