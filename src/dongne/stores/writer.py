"""The writer: one thread that commits whatever waits, as soon as its last commit is done. There is no timer, but where the
store says how long what is not about somebody's life may wait for others to come along."""

import errno
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from dongne.model.errors import DongneError, RetryLater
from dongne.model.records import FORMAT, ObservationBatch, ObservationExtra, Record, RecordKind, encode_batch
from dongne.runtime.ports import Clock, Entry, Lane, Receipt, Transaction
from dongne.stores.effects import Draft, Present, check_batch
from dongne.stores.lanes import (
    BULK_ROWS,
    LANE_ROWS,
    MAX_WAITING_BYTES,
    MAX_WAITING_ROWS,
    Done,
    Door,
    LaneQueue,
    OnCommit,
    Row,
    Wakeup,
    Work,
)

log = logging.getLogger(__name__)
Committed = Callable[[Draft], None]


class Grounds(Present, Protocol):
    """The file the writer writes to."""

    file: Path

    def ends(self) -> tuple[int, int, int]:
        """First number, last number and last instant (microseconds) of the sequence."""

    def write(self, draft: Draft) -> None:
        """Everything of the draft, durable when this returns. Raises with nothing written."""

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """All rows of a query."""


class Writer:
    """Owns the end of the sequence. `committed` is called in the writer's thread after each durable commit and before
    anybody hears of it; `keep` every `keep_every_s` and at the end. What is in no lane of life safety waits `gather_s` for
    others: a commit costs more than a record, and many small ones would take the time of those that are urgent."""

    def __init__(
        self,
        truth: Grounds,
        clock: Clock,
        committed: Committed,
        keep: Callable[[], None],
        *,
        keep_every_s: float = 30.0,
        gather_s: float = 0.0,
        max_rows: int = MAX_WAITING_ROWS,
        max_bytes: int = MAX_WAITING_BYTES,
    ) -> None:
        self._truth, self._clock, self._committed, self._keep = truth, clock, committed, keep
        self._keep_every_s, self.max_rows, self.max_bytes = keep_every_s, max_rows, max_bytes
        self._gather_s = gather_s
        self._wakeup = Wakeup()
        self._lanes = [LaneQueue(lane, self._wakeup, max_rows, max_bytes) for lane in Lane]
        self._singles = [queue.open_door(_tell_each, max_rows) for queue in self._lanes]
        self._closing = False
        _, self._last, self._last_at_us = truth.ends()
        self._kept_at_s = time.monotonic()
        self.commits = self.rows = self.failed_commits = self.callback_errors = 0
        self.observations_before = self.observations = _count_observations(truth)
        self.emitted = 0
        self.disk_full = False
        self.last_commit_s = 0.0
        self.rejected: dict[str, int] = {}
        self.dropped: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, name="dongne-writer", daemon=True)
        self._thread.start()

    # for everybody
    def put(self, transaction: Transaction, done: Done, lane: Lane) -> None:
        """Queues it. Raises RetryLater when the lane is full or the store is closing."""
        if _is_single(transaction):
            batch = check_batch(transaction.entries[0])
            stream, time_us, result = batch.datastream.item(), batch.time_us.item(), batch.result.item()
            self._singles[lane].append(stream, time_us, result, batch.extras.get(0), done)
        else:
            self._lanes[lane].put(transaction, done)

    def append(self, datastream: int, time_us: int, result: float, extra: ObservationExtra | None, done: Done) -> None:
        """A single Observation in the NORMAL lane."""
        self._singles[Lane.NORMAL].append(datastream, time_us, result, extra, done)

    def open_door(self, on_commit: OnCommit, lane: Lane) -> Door:
        """A door for single Observations."""
        return self._lanes[lane].open_door(on_commit, self.max_rows)

    def close(self) -> None:
        """Commits what waits, then stops."""
        for queue in self._lanes:
            queue.refuse(RetryLater("the store is closing; send it again when it runs", reason="closing"))
        self._closing = True
        self._wakeup.call()
        while self._thread.is_alive():
            self._wakeup.call()
            self._thread.join(0.05)

    def depth(self) -> int:
        """Rows that wait."""
        return sum(queue.depth() for queue in self._lanes)

    def depths(self) -> dict[Lane, int]:
        """The same by lane."""
        return {queue.lane: queue.depth() for queue in self._lanes}

    def turned_away(self) -> int:
        """How often the queue was full."""
        return sum(q.turned_away + sum(d.turned_away for d in q.doors) for q in self._lanes)

    # the thread
    def _waits(self) -> bool:
        return self._closing or any(queue.waits() for queue in self._lanes)

    def _is_pressed(self) -> bool:
        return self._closing or self._lanes[Lane.LIFE_SAFETY].waits()

    def _run(self) -> None:
        while True:
            if not self._waits():
                self._wakeup.sleep(self._waits, max(0.01, self._kept_at_s + self._keep_every_s - time.monotonic()))
            if self._gather_s and self._waits() and not self._is_pressed():
                self._wakeup.sleep(self._is_pressed, self._gather_s, patiently=True)
            groups = self._take()
            if any(map(len, groups)):
                self._call(self._commit, groups)
            elif self._closing:
                break
            if time.monotonic() - self._kept_at_s >= self._keep_every_s:
                self._keep_now()
        self._keep_now()

    def _keep_now(self) -> None:
        self._kept_at_s = time.monotonic()
        try:
            self._keep()
        except (sqlite3.Error, OSError):
            log.exception("the checkpoint of the latest values was not stored; it is tried again")

    def _take(self) -> "list[Group]":
        taken = []
        for queue in self._lanes:
            room = BULK_ROWS if queue.lane is Lane.BULK else LANE_ROWS
            taken.append(Group(queue.take(room), [(door, rows) for door in queue.doors if (rows := door.take(room))]))
        return taken

    def _commit(self, groups: "Sequence[Group]") -> None:
        began_s = time.perf_counter()
        draft = Draft(self._truth, self._last + 1, self._last_at_us, self._clock.now_us())
        outcomes: list[tuple[Done, Receipt | Exception]] = []
        told: list[tuple[Door, list[Any], int]] = []
        try:
            for group in groups:
                outcomes += [(work.done, self._take_in(draft, work)) for work in group.works]
                told += _take_singles(draft, group.singles)
            if not draft.empty():
                self._truth.write(draft)
        except Exception as error:  # noqa: BLE001  whoever waits is told, and the thread lives on
            if not self._is_stored(draft):
                self._failed(groups, error)
                return
        if not draft.empty():
            self._last, self._last_at_us = draft.next - 1, draft.last_at_us
            self.commits += 1
            self._count([written.record for written in draft.written])
            self.disk_full = False
            _add(self.dropped, draft.dropped)
            self._call(self._committed, draft)
        self.last_commit_s = time.perf_counter() - began_s
        for door, tokens, first in told:
            self._call(door.on_commit, tokens, first, None)
        for done, outcome in outcomes:
            self._call(done, outcome)

    def _count(self, records: Sequence[Record]) -> None:
        for record in records:
            self.rows += record.count
            if record.kind is RecordKind.OBSERVATIONS:
                self.observations += record.count
                self.emitted += record.count if record.origin else 0

    def _is_stored(self, draft: Draft) -> bool:
        """Whether a commit that raised is in the file nevertheless."""
        try:
            return bool(draft.written) and self._truth.ends()[1] == draft.next - 1
        except (sqlite3.Error, OSError):
            return False

    def _take_in(self, draft: Draft, work: Work) -> Receipt | Exception:
        try:
            return draft.take(work.transaction)
        except DongneError as error:
            _add(self.rejected, {error.reason: 1})
            return error

    def _failed(self, groups: "Sequence[Group]", error: Exception) -> None:
        self.failed_commits += 1
        disk = _is_disk(error)
        if not disk and sum(map(len, groups)) > 1:
            log.warning("a commit failed (%r); each of its transactions is tried alone", error)
            for group in groups:
                for alone in group.split():
                    self._commit([alone])
            return
        if disk:
            if not self.disk_full:
                log.error("nothing can be stored: %s. Free space on the disk of %s", error, self._truth.file)
            self.disk_full = True
            why = RetryLater(
                f"nothing was stored: {error}. Free space on the disk of {self._truth.file} (or give it a bigger one); "
                "the store goes on by itself, then send it again",
                reason="disk_full",
            )
        else:
            log.error("a transaction could not be stored", exc_info=error)
            why = RetryLater(f"nothing was stored: {error!r}; the log of the store has more", reason="store_error")
        _add(self.rejected, {why.reason: sum(map(len, groups))})
        for group in groups:
            for work in group.works:
                self._call(work.done, why)
            for door, rows in group.singles:
                self._call(door.on_commit, [row[4] for row in rows], 0, why)

    def _call(self, what: Callable[..., None], *values: Any) -> None:
        try:
            what(*values)
        except Exception:  # nothing, least of all a client's callback, ever stops the writer
            self.callback_errors += 1
            log.exception("%r raised in the writer's thread, which goes on", what)


class Group(msgspec.Struct, frozen=True):
    """What of one lane goes into a commit: its Transactions in order, then its single Observations as one record."""

    works: list[Work]
    singles: list[tuple[Door, list[Row]]]

    def __len__(self) -> int:
        return len(self.works) + sum(len(rows) for _, rows in self.singles)

    def split(self) -> "list[Group]":
        """Each Transaction and each door's rows alone; of one door alone, each row."""
        if not self.works and len(self.singles) == 1:
            door, rows = self.singles[0]
            return [Group([], [(door, [row])]) for row in rows]
        return [Group([work], []) for work in self.works] + [Group([], [single]) for single in self.singles]


def _take_singles(draft: Draft, singles: list[tuple[Door, list[Row]]]) -> list[tuple[Door, list[Any], int]]:
    """One record of all these rows; returns each door's tokens with the number of the first."""
    if not singles:
        return []
    rows = singles[0][1] if len(singles) == 1 else [row for _, rows in singles for row in rows]
    streams, times, results, extras, tokens = zip(*rows, strict=True)
    found = {i: extra for i, extra in enumerate(extras) if extra is not None} if any(extras) else {}
    batch = ObservationBatch(np.array(streams, np.int32), np.array(times, np.int64), np.array(results, float), found)
    body = encode_batch(batch)
    kind = RecordKind.OBSERVATIONS
    first = draft.write(kind, body, Entry(kind, body, len(rows)), batch)
    if len(singles) == 1:
        return [(singles[0][0], list(tokens), first)]
    told, at = [], 0
    for door, own in singles:
        told.append((door, list(tokens[at : at + len(own)]), first + at))
        at += len(own)
    return told


def _count_observations(truth: Grounds) -> int:
    """How many Observations were ever stored: every number up to the last, but those of records of other kinds."""
    first, last, _ = truth.ends()
    ((others,),) = truth.rows("select count(*) from sequence where kind <> 1")  # from the partial index alone
    return last - first + 1 - int(others)


def _is_single(transaction: Transaction) -> bool:
    """Whether it is one Observation from outside and nothing else: such are merged into one record."""
    if len(transaction.entries) != 1 or transaction.states or transaction.position or transaction.drop_states_of:
        return False
    entry = transaction.entries[0]
    return (
        entry.kind is RecordKind.OBSERVATIONS
        and entry.count == 1
        and not entry.origin
        and not entry.cause
        and entry.at_us is None
        and len(entry.body) >= 21
        and entry.body[0] == FORMAT
    )


def _tell_each(tokens: list[Any], first: int, error: Exception | None) -> None:
    for number, done in enumerate(tokens, first):
        try:
            done(Receipt((number,)) if error is None else error)
        except Exception:  # the others are told all the same
            log.exception("a callback after a commit raised")


def _is_disk(error: Exception) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
    name = getattr(error, "sqlite_errorname", "") or ""
    return name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN"))


def _add(counts: dict[str, int], more: dict[str, int]) -> None:
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count
