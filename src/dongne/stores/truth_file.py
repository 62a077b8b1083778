"""What every store's truth is on disk: one SQLite file (WAL, synchronous=FULL) with a numbered sequence in it."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from dongne.model.errors import BadSetup
from dongne.model.records import RecordKind

MOST_AT_ONCE = 64
PRAGMAS = ("journal_mode=wal", "synchronous=full", "journal_size_limit=67108864", "cache_size=-65536")


def select_records(
    columns: str, after: int, until: int | None, limit: int, kinds: Sequence[RecordKind] | None
) -> tuple[str, tuple[int, int, int]]:
    """The statement which reads these columns of records (see runtime.ports.Store.read), and its values."""
    last = (1 << 62) if until is None else until
    only = ""
    if kinds is not None:
        only = f"and kind in ({', '.join(str(int(kind)) for kind in kinds)})"
        if RecordKind.OBSERVATIONS not in kinds:
            only += f" and kind <> {int(RecordKind.OBSERVATIONS)}"  # word for word what the partial index says
    sql = f"select {columns} from sequence where number > ? and number <= ? {only} order by number limit ?"
    return sql, (after, last, limit)


def put_rows(connection: sqlite3.Connection, into: str, rows: Sequence[Sequence[Any]]) -> None:
    """Puts rows in ("insert into TABLE"), many by one statement. Where other threads are busy a statement costs most by what
    comes after it: Python's sqlite3 lets go of the interpreter, and has to wait until it gets it back."""
    at = 0
    while at < len(rows):
        size = min(MOST_AT_ONCE, 1 << (len(rows) - at).bit_length() - 1)  # few sizes: each statement is kept ready
        values = [value for row in rows[at : at + size] for value in row]
        connection.execute(_statement(into, len(rows[0]), size), values)
        at += size


@cache
def _statement(into: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"{into} values {', '.join([row] * rows)}"


class TruthFile:
    """The file. What writes is the writer thread's alone; everything else may be called from any thread and leaves no read
    transaction open (one would let the WAL grow).

    `schema` makes the tables of a new file, among them `sequence` (number, count, kind, at_us), `positions` and `meta`;
    `later` what an older file lacks. Raises BadSetup where the file is of another `version`.
    """

    def __init__(
        self, file: Path, schema: str, version: int, *, later: str = "", pragmas: Sequence[str] = PRAGMAS
    ) -> None:
        self.file = file
        self._own = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._writer = sqlite3.connect(file, isolation_level=None, check_same_thread=False, cached_statements=256)
        for pragma in pragmas:
            self._writer.execute(f"pragma {pragma}").fetchall()
        (found,) = self._writer.execute("pragma user_version").fetchone()
        if found == 0:
            identity = f"insert into meta values ('identity', '{uuid4()}')"
            self._writer.executescript(f"begin; {schema} {identity}; pragma user_version={version}; commit;")
        elif found != version:
            raise BadSetup(
                f"{file} has format {found}, this version of Dongne reads {version}; "
                "start the version that wrote it, or another folder"
            )
        self._writer.executescript(later)

    def close(self) -> None:
        """Empties the WAL into the file and lets go of it."""
        with self._lock:
            for reader in self._readers:
                reader.close()
            self._readers.clear()
        self._writer.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when it is left; nothing of it is written where something raises."""
        connection = self._writer
        connection.execute("begin immediate")
        try:
            yield connection
            connection.execute("commit")
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise

    def set_max_pages(self, pages: int) -> None:
        """Limits the file to so many pages (0: no limit): a write beyond is refused as on a full disk."""
        self._writer.execute(f"pragma max_page_count={pages or 4294967294}").fetchall()

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """All rows of a query, on this thread's read-only connection."""
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            address = f"{self.file.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
            with self._lock:
                self._readers.append(connection)
            self._own.connection = connection
        return connection.execute(sql, values).fetchall()

    def ends(self) -> tuple[int, int, int]:
        """First number (1 when empty), last number (0 when empty), and the last instant in microseconds."""
        rows = self.rows("select number + count - 1, at_us from sequence order by number desc limit 1")
        if not rows:
            return 1, 0, 0
        return self.rows("select min(number) from sequence")[0][0], rows[0][0], rows[0][1]

    def find_number_at(self, at_us: int) -> int:
        """The last number that arrived before this instant; 0 where there is none. By halving: `at_us` never falls."""
        low, (_, high, _) = 0, self.ends()
        sql = "select number, count, at_us from sequence where number <= ? order by number desc limit 1"
        while low < high:  # all numbers up to `low` are before, all above `high` are not
            middle = (low + high + 1) // 2
            rows = self.rows(sql, middle)
            if not rows:
                return low
            number, count, then_us = rows[0]
            if then_us < at_us:
                low = number + count - 1
            else:
                high = number - 1
        return low

    def position(self, reader: str) -> int:
        """How far this reader has come."""
        rows = self.rows("select number from positions where reader = ?", reader)
        return int(rows[0][0]) if rows else 0

    def list_positions(self, beginning: str) -> dict[str, int]:
        """How far each reader has come whose name begins so, by what comes behind it."""
        end = beginning[:-1] + chr(ord(beginning[-1]) + 1)
        rows = self.rows("select reader, number from positions where reader >= ? and reader < ?", beginning, end)
        return {reader.removeprefix(beginning): number for reader, number in rows}

    def meta(self, name: str) -> Any:
        """A value kept by name; None where there is none."""
        rows = self.rows("select value from meta where name = ?", name)
        return rows[0][0] if rows else None
