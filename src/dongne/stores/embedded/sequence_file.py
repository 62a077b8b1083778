"""A folder's sequence, read by another process while the city runs (SQLite's WAL allows it)."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dongne.model.errors import BadInput
from dongne.model.records import Record, RecordKind
from dongne.stores.embedded.truth import RECORD_COLUMNS, record_of
from dongne.stores.truth_file import select_records


class SequenceFile:
    """Reads the sequence of a folder (implements runtime.ports.RecordReader); empty where nothing was stored yet."""

    def __init__(self, folder: Path) -> None:
        file = folder / "truth.db"
        self._connection: sqlite3.Connection | None = None
        if file.exists():
            self._connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
            if not self._rows("select 1 from sqlite_master where name = 'sequence'"):
                self.close()
                raise BadInput(f"{file} holds no city; name the folder of one with --folder")

    def _rows(self, sql: str, values: Sequence[int] = ()) -> list[Any]:
        return self._connection.execute(sql, values).fetchall() if self._connection else []

    def read(
        self, after: int, until: int | None = None, limit: int = 1000, kinds: Sequence[RecordKind] | None = None
    ) -> list[Record]:
        """See runtime.ports.Store.read."""
        return [record_of(row) for row in self._rows(*select_records(RECORD_COLUMNS, after, until, limit, kinds))]

    def last_at_us(self) -> int:
        """When its last record arrived, on the city's clock; 0 where it is empty."""
        rows = self._rows("select at_us from sequence order by number desc limit 1")
        return int(rows[0][0]) if rows else 0

    def close(self) -> None:
        """Lets go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
