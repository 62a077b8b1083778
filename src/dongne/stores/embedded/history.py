"""History: DuckDB follows the sequence, exactly once, and catches up before it answers.

A query over history is written so (`store.history` is a History):

    with store.history.reading() as cursor:
        rows = cursor.execute("select result from recent where datastream_id = ?", [7]).fetchall()

`cursor` is this thread's DuckDB cursor inside a read transaction: all its queries see one state, which holds everything
that was acknowledged before `reading()` was called. Fetch every result whole (`fetchall`, `fetchnumpy`, `arrow`) before
the next `execute`: DuckDB 2 keeps an open result and refuses the next statement. Never write through it. An Observation
is in `recent` OR in `hist` (`tables.py`); ask both, with the limit inside each: a sorted limit over a UNION ALL of
them is slow.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from dongne.model.errors import BadSetup, RetryLater
from dongne.model.times import to_us
from dongne.runtime.ports import LatestValue
from dongne.stores.effects import Written, decode_written
from dongne.stores.embedded import compaction
from dongne.stores.embedded.tables import VERSION, columns_of, create_tables, empty_tables, transaction
from dongne.stores.embedded.tail import Tail
from dongne.stores.embedded.truth import Truth
from dongne.stores.embedded.turn import apply_turn

log = logging.getLogger(__name__)
TURN_ROWS = 1_000_000  # in one DuckDB transaction
TURN_RECORDS = 100_000  # read from the file at once
ENOUGH_ROWS = 10_000  # that many waiting are worth a turn at once
CATCH_UP_S = 10.0
MOST_THREADS = 2


def count_cores() -> int:
    """How many cores this process may use: on a single one, several threads of DuckDB only hinder each other."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class History:
    """The follower and its readers. `head` gives the last number of the sequence.

    With `follow` False there is no thread: whoever asks brings history up to date first.
    """

    def __init__(
        self,
        file: Path,
        truth: Truth,
        head: Callable[[], int],
        *,
        follow: bool = True,
        memory_limit: str = "512MB",
        threads: int | None = None,
        linger_s: float = 0.1,
    ) -> None:
        self.file, self._truth, self._head = file, truth, head
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads or min(MOST_THREADS, count_cores()),
            "temp_directory": str(file.with_suffix(".tmp")),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        self._linger_s = linger_s
        self._tail = Tail()
        self._turn_lock = threading.Lock()  # one turn, compaction or rebuild at a time
        self._moved = threading.Condition()
        self._wanted = 0  # the number somebody waits for
        self._stop = False
        self._own = threading.local()
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._position = 0
        self._recent_rows = 0
        self._turn_rows = TURN_ROWS
        self.errors = self.turns = self.compactions = 0
        self.last_error = ""
        self._thread: threading.Thread | None = None
        if follow:
            with self._turn_lock:
                self._opened()
            self._thread = threading.Thread(target=self._follow, name="dongne-history", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stops following; everything is in the file, and the file alone."""
        with self._moved:
            self._stop = True
            self._moved.notify_all()
        if self._thread is not None:
            self._thread.join()
        with self._turn_lock:
            if self._connection is not None:
                with suppress(duckdb.Error):
                    self._connection.execute("checkpoint").fetchall()
            self._release()

    # --- the file
    def _opened(self) -> duckdb.DuckDBPyConnection:
        """The follower's connection; a file that is missing, broken or of another sequence is made anew."""
        if self._connection is None:
            try:
                self._connection = self._connect()
            except duckdb.Error as error:
                if "No space left" in str(error):
                    raise  # nothing is wrong with the file
                if "lock" in str(error).lower():
                    raise BadSetup(f"{self.file} is open in another program; close it there: {error}") from error
                log.warning("%s can't be used and is made anew from the sequence: %s", self.file, error)
                self._release()
                for file in (self.file, self.file.with_name(self.file.name + ".wal")):
                    file.unlink(missing_ok=True)
                self._connection = self._connect()
        return self._connection

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(str(self.file), config=self._config)
        self._cursors.append(connection)
        identity = str(self._truth.meta("identity"))
        create_tables(connection, identity)
        ((position, whose, version),) = connection.execute(
            "select position, identity, version from follower"
        ).fetchall()
        if (whose, version) != (identity, VERSION) or position > self._truth.ends()[1]:
            raise duckdb.DataError(f"it follows {whose} (format {version}) up to {position}, not {identity}")
        ((self._recent_rows,),) = connection.execute("select count(*) from recent").fetchall()
        self._position = position
        return connection

    def _release(self) -> None:
        """Closes every connection; readers get theirs anew."""
        self._connection = None
        self._own = threading.local()
        cursors, self._cursors = self._cursors, []
        for cursor in cursors:
            with suppress(duckdb.Error):
                cursor.close()

    # --- following
    def put(self, written: list[Written]) -> None:
        """What was committed; called by the writer."""
        if self._thread is not None:
            self._tail.put(written)
            if self._tail.rows() >= ENOUGH_ROWS:
                with self._moved:
                    self._moved.notify_all()

    def lag(self) -> int:
        """How many numbers history is behind the sequence."""
        return max(0, self._head() - self._position)

    @property
    def position(self) -> int:
        """The last number in history."""
        return self._position

    def catch_up(self, timeout_s: float = CATCH_UP_S, until: int | None = None) -> None:
        """Returns when history holds everything up to the head as of now, or up to `until` where the question is about
        nothing later. Raises RetryLater when that takes longer."""
        target = self._head() if until is None else until
        if self._position >= target and self._connection is not None:
            return
        if self._thread is None:
            while self._advance() < target:
                pass
            return
        with self._moved:
            self._wanted = max(self._wanted, target)
            self._moved.notify_all()
            in_time = self._moved.wait_for(lambda: self._position >= target or self._stop, timeout_s)
            if self._stop:
                raise RetryLater("the store is closing; ask again when it runs", reason="closing")
            if not in_time:
                why = f": {self.last_error}" if self.last_error else ""
                raise RetryLater(
                    f"history is {self.lag()} numbers behind the sequence{why}; ask again in a moment",
                    reason="history_lag",
                )

    def _advance(self) -> int:
        """One turn; returns the position after it."""
        with self._turn_lock:
            connection = self._opened()
            found = self._tail.take(self._position, self._turn_rows)
            if not found and self._position < self._head():
                records = self._truth.read(self._position, self._position + self._turn_rows, TURN_RECORDS)
                found = [decode_written(record) for record in records]
            if found:
                rows = apply_turn(connection, found)
                self._recent_rows += rows
                self.turns += 1
                self._turn_rows = min(TURN_ROWS, 2 * self._turn_rows)
                with self._moved:
                    self._position = found[-1].record.last
                    self._moved.notify_all()
            if self._recent_rows >= compaction.RUN_ROWS:
                self._compact(connection)
            return self._position

    def _compact(self, connection: duckdb.DuckDBPyConnection) -> None:
        compaction.sort_recent(connection)
        self._recent_rows = 0
        self.compactions += 1

    def _follow(self) -> None:
        pause_s = 0.05
        while not self._stop:
            try:
                if self.lag():
                    self._advance()
                    self.last_error, pause_s = "", 0.05
                self._rest()
            except Exception as error:  # it must never die unheard: count, say, try again
                self.errors += 1
                self.last_error = f"{type(error).__name__}: {error}"
                log.exception("history can't follow the sequence at %d; tried again in %.1f s", self._position, pause_s)
                self._recover(error)
                with self._moved:
                    self._moved.wait_for(lambda: self._stop, pause_s)
                pause_s = min(5.0, pause_s * 2)

    def _rest(self) -> None:
        """Lets some rows gather, unless somebody waits for them or there are enough."""
        with self._moved:
            self._moved.wait_for(
                lambda: self._stop or self._wanted > self._position or self.lag() >= ENOUGH_ROWS, self._linger_s
            )

    def _recover(self, error: Exception) -> None:
        """Smaller turns and a smaller WAL, where the disk is nearly full; a new connection, where the old one is lost."""
        self._tail.clear()
        self._turn_rows = max(1000, self._turn_rows // 4)
        with self._turn_lock:
            try:
                if isinstance(error, (duckdb.FatalException, duckdb.InternalException, duckdb.ConnectionException)):
                    self._release()
                elif self._connection is not None:
                    self._connection.execute("checkpoint").fetchall()
            except duckdb.Error:  # a checkpoint that fails leaves the database unusable until it is opened again
                self._release()

    def rebuild(self, progress: Callable[[int, int], None] | None = None) -> None:
        """History made anew from the sequence. Killed in between, it goes on from where it was."""
        with self._turn_lock:
            connection = self._opened()
            with transaction(connection):
                empty_tables(connection)
            connection.execute("checkpoint").fetchall()
            self._position = self._recent_rows = 0
            self._tail.clear()
        target = self._head()
        while (done := self._advance()) < target:
            if progress:
                progress(done, target)
        if progress:
            progress(target, target)

    # --- reading
    @contextmanager
    def reading(self, timeout_s: float = CATCH_UP_S, until: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """This thread's cursor in a read transaction, after catching up (see the head of this file); see `catch_up` for
        `until`."""
        self.catch_up(timeout_s, until)
        cursor = self.cursor()
        if getattr(self._own, "inside", False):
            yield cursor
            return
        cursor.execute("begin").fetchall()
        self._own.inside = True
        try:
            yield cursor
        except (duckdb.ConnectionException, duckdb.FatalException) as error:
            raise RetryLater(
                f"history had to be opened again: {error}; ask again", reason="history_reopened"
            ) from error
        finally:
            self._own.inside = False
            try:
                cursor.rollback()
            except duckdb.Error:
                self._own.cursor = None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's cursor, outside of any transaction; without catching up."""
        found: duckdb.DuckDBPyConnection | None = getattr(self._own, "cursor", None)
        if found is None:
            connection = self._connection
            if connection is None:
                with self._turn_lock:
                    connection = self._opened()
            found = self._own.cursor = connection.cursor()
            self._cursors.append(found)
        return found

    def series(self, datastream: int, start: datetime, end: datetime) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Times (microseconds) and numbers of [start, end), ascending; of equal times the higher number."""
        where = "datastream_id = ? and phenomenon_time >= make_timestamp(?) and phenomenon_time < make_timestamp(?)"
        values = [datastream, to_us(start), to_us(end)]
        times, results, ids = [], [], []
        with self.reading() as cursor:
            for table in ("hist", "recent"):
                sql = f"select epoch_us(phenomenon_time) t, result r, id from {table} where {where} and result is not null"
                found = columns_of(cursor, sql, values)
                times.append(found["t"].astype(np.int64))
                results.append(found["r"].astype(np.float64))
                ids.append(found["id"])
        time_us, result = np.concatenate(times), np.concatenate(results)
        order = np.lexsort((np.concatenate(ids), time_us))
        time_us, result = time_us[order], result[order]
        last = np.ones(len(time_us), bool)
        last[:-1] = time_us[1:] != time_us[:-1]
        return time_us[last], result[last]

    def find_latest(self, datastream: int) -> LatestValue | None:
        """The newest by phenomenonTime, the higher number where equal; from the tables, after catching up."""
        sql = "select epoch_us(phenomenon_time), id, result from {} where datastream_id = ? order by all desc limit 1"
        with self.reading() as cursor:
            found = [row for t in ("recent", "hist") for row in cursor.execute(sql.format(t), [datastream]).fetchall()]
        if not found:
            return None
        time_us, number, result = max(found, key=lambda row: row[:2])
        return LatestValue(number, time_us, float("nan") if result is None else result)
