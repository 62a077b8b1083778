"""Writes what streams in into the sequence: first the past, so that services have a state, then what is due.

The position in the city's time is stored in the same Transaction as the rows: stopped anywhere, it goes on without a
row lost or doubled.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import pairwise
from typing import Protocol

import numpy as np

from dongne.adapters.feeds import Arrivals, Feed, merge
from dongne.adapters.series.recording import DAY_US, HOUR_US, WEEK_US
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.runtime.ledger import Way
from dongne.runtime.ports import Entry, Lane, Receipt, Store, Transaction

READER = "replayer:"
LIVE = "city"  # the feeds that run together
WINDOW_US = 600_000_000  # of arrivals in one record of the past: its `at` is off by less than ten minutes
ENTRY_ROWS = 5_000
CHUNK_US = 6 * HOUR_US
IDLE_US = DAY_US
Progress = Callable[[int, int], None]


class Clock(Protocol):
    """The part of `adapters.clock.CityClock` that the past needs."""

    def now_us(self) -> int:
        """Microseconds since 1970."""

    def advance(self, to_us: int) -> None:
        """Moves a held clock forward."""


class Replayer:
    """Feeds of one city. `weeks` is how far back the past begins at the very first start; `way` is their account.

    Backfill with the clock held and `step` afterwards; both are synchronous. All positions are in the city's time.
    """

    def __init__(self, store: Store, feeds: Sequence[Feed], weeks: int = 10, way: Way | None = None) -> None:
        self.store = store
        self._way = way or Way()
        self.feeds = list(feeds)
        self.weeks = weeks
        self._due: dict[str, int] = {}
        self._done_us = 0  # nothing was due between the stored position and here

    def position_us(self) -> int:
        """Up to which instant everything is written; 0 before the first backfill."""
        return self.store.position(READER + LIVE)

    def start_us(self, now_us: int) -> int:
        """From which instant a backfill at `now_us` would write; hold the clock there before it."""
        return self.position_us() or now_us - self.weeks * WEEK_US

    def backfill(self, now_us: int, clock: Clock | None = None, progress: Progress | None = None) -> int:
        """Writes everything up to `now_us`, oldest first, each record with the instant at which it arrived; returns the
        number of rows. `progress(done, total)` counts seconds of the city. Moves `clock` along with it.

        A feed that came later than the others brings its past at once and late, as a sensor does that was offline.
        """
        rows = self._backfill_newcomers(clock)
        start_us = self.start_us(now_us)
        if not self.position_us():
            for feed in self.feeds:
                self._write([], ("feed:" + feed.id, start_us)).result()
        waiting: Future[Receipt] | None = None
        for after_us in range(start_us, now_us, CHUNK_US):
            until_us = min(after_us + CHUNK_US, now_us)
            arrivals = merge([_past(feed, after_us, until_us, now_us) for feed in self.feeds])
            rows += len(arrivals)
            ahead = self._write(_cut(arrivals), (LIVE, until_us))
            if waiting is not None:
                waiting.result()  # one in the store's hands while the next is made
            waiting = ahead
            if clock is not None:
                clock.advance(until_us)
            if progress is not None:
                progress((until_us - start_us) // 1_000_000, (now_us - start_us) // 1_000_000)
        if waiting is not None:
            waiting.result()
        self._due.clear()
        return rows

    def _backfill_newcomers(self, clock: Clock | None) -> int:
        until_us = self.position_us()
        if not until_us:
            return 0
        rows = 0
        for feed in self.feeds:
            if self.store.position(f"{READER}feed:{feed.id}"):
                continue
            late_us = until_us if clock is None else max(until_us, clock.now_us())
            arrivals = _past(feed, until_us - self.weeks * WEEK_US, until_us, until_us)
            entries = [_entry(arrivals, part, late_us) for part in _slices(0, len(arrivals))]
            self._write(entries, ("feed:" + feed.id, until_us)).result()
            rows += len(arrivals)
        return rows

    def step(self, now_us: int) -> int:
        """Writes what is due by now; returns when something may be due next. Nothing is written twice."""
        after_us = max(self.position_us(), self._done_us)
        due = [feed for feed in self.feeds if self._due.get(feed.id, 0) <= now_us]
        entries: list[Entry] = []
        for start_us in range(after_us, now_us, CHUNK_US):
            until_us = min(start_us + CHUNK_US, now_us)
            arrivals = merge([feed.between(start_us, until_us) for feed in due])
            entries += [_entry(arrivals, part, None) for part in _slices(0, len(arrivals))]
        if entries or now_us - self.position_us() > HOUR_US:
            self._write(entries, (LIVE, now_us), Lane.NORMAL).result()
        self._done_us = max(after_us, now_us)
        for feed in due:
            self._due[feed.id] = feed.next_after(self._done_us)
        return min(self._due.values(), default=now_us + IDLE_US)

    def _write(self, entries: Sequence[Entry], position: tuple[str, int], lane: Lane = Lane.BULK) -> Future[Receipt]:
        rows = sum(entry.count for entry in entries)
        self._way.count_received(rows)
        waiting = self.store.submit(Transaction(entries, position=(READER + position[0], position[1])), lane)
        waiting.add_done_callback(lambda done: self._count(rows, done))
        return waiting

    def _count(self, rows: int, done: Future[Receipt]) -> None:
        if (error := done.exception()) is None:
            self._way.count_stored(rows)
        else:
            self._way.count_rejected(getattr(error, "reason", "error"), rows, received=False)


def _past(feed: Feed, after_us: int, until_us: int, now_us: int) -> Arrivals:
    """What arrived in (after, until], as far as the feed's past goes back from now."""
    if feed.history_us is not None:
        after_us = min(max(after_us, now_us - feed.history_us), until_us)
    return feed.between(after_us, until_us) if after_us < until_us else merge([])


def _cut(arrivals: Arrivals) -> list[Entry]:
    """Entries of the past: rows that arrived within the same ten minutes, each entry at its last arrival."""
    edges = np.flatnonzero(np.diff(arrivals.arrival_us // WINDOW_US)) + 1
    bounds = [0, *edges.tolist(), len(arrivals)]
    return [
        _entry(arrivals, part, int(arrivals.arrival_us[part.stop - 1]))
        for begin, end in pairwise(bounds)
        for part in _slices(begin, end)
    ]


def _slices(begin: int, end: int) -> Iterator[slice]:
    for start in range(begin, end, ENTRY_ROWS):
        yield slice(start, min(start + ENTRY_ROWS, end))


def _entry(arrivals: Arrivals, part: slice, at_us: int | None) -> Entry:
    batch = ObservationBatch(arrivals.datastream[part], arrivals.time_us[part], arrivals.value[part])
    return Entry(RecordKind.OBSERVATIONS, encode_batch(batch), len(batch), at_us=at_us)
