"""The end of the sequence in memory, opened: whoever follows closely need not read and open it from the file again."""

import threading
from bisect import bisect_right
from collections.abc import Collection, Sequence

from dongne.model.records import Record, RecordKind

MOST_RECORDS = 20_000
MOST_BYTES = 16 << 20


class Recent:
    """The newest records as the file has them, without a gap. Put by one thread, read by any."""

    def __init__(self, most_records: int = MOST_RECORDS, most_bytes: int = MOST_BYTES) -> None:
        self._lock = threading.Lock()
        self._most_records, self._most_bytes = most_records, most_bytes
        self._records: list[Record] = []
        self._numbers: list[int] = []
        self._size = 0

    def put(self, records: Sequence[Record]) -> None:
        """What was committed, in order."""
        if not records:
            return
        with self._lock:
            if self._records and records[0].number != self._records[-1].last + 1:
                self._forget()
            self._records += records
            self._numbers += [record.number for record in records]
            self._size += sum([len(record.body) for record in records])
            if len(self._records) > self._most_records or self._size > self._most_bytes:
                self._shorten()

    def _shorten(self) -> None:
        """The older half goes, so that this is seldom done."""
        half = len(self._records) // 2
        del self._records[:half], self._numbers[:half]
        self._size = sum([len(record.body) for record in self._records])
        if self._size > self._most_bytes:
            self._forget()

    def read(
        self, after: int, until: int | None, limit: int, kinds: Collection[RecordKind] | None = None
    ) -> list[Record] | None:
        """Up to `limit` records whose first number is > `after` (and <= `until`), in order, only these kinds where given; None
        where they do not lie here."""
        with self._lock:
            numbers = self._numbers
            if not numbers or not numbers[0] <= after + 1 <= numbers[-1]:
                return None
            start = bisect_right(numbers, after)
            end = len(numbers) if until is None else bisect_right(numbers, until)
            if kinds is None:
                return self._records[start : min(end, start + limit)]
            found = self._records[start:end]
        return [record for record in found if record.kind in kinds][:limit]

    def forget(self) -> None:
        """Nothing lies here any more."""
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        self._records, self._numbers, self._size = [], [], 0
