"""The end of the sequence in memory, so that whoever follows closely need not read it from the file."""

import threading
from collections import deque
from collections.abc import Sequence

from dongne.stores.effects import Written

MAX_ROWS = 1_000_000
MAX_BYTES = 64 << 20


class Tail:
    """What the follower has not taken yet. When it falls too far behind the tail is emptied: then it reads the file."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Written] = deque()
        self._rows = self._size = 0

    def put(self, written: Sequence[Written]) -> None:
        """Adds what was committed."""
        with self._lock:
            self._waiting.extend(written)
            self._rows += sum([one.record.count for one in written])
            self._size += sum([len(one.record.body) for one in written])
            if self._rows > MAX_ROWS or self._size > MAX_BYTES:
                self._waiting.clear()
                self._rows = self._size = 0

    def take(self, after: int, max_rows: int) -> list[Written]:
        """What follows number `after` without a gap, some `max_rows` rows of it; empty where the tail does not have it."""
        taken: list[Written] = []
        with self._lock:
            while self._waiting and max_rows > 0:
                record = self._waiting[0].record
                if record.number > after + 1:
                    break
                one = self._waiting.popleft()
                self._rows -= record.count
                self._size -= len(record.body)
                if record.number == after + 1:
                    taken.append(one)
                    max_rows -= record.count
                    after = record.last
        return taken

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._waiting.clear()
            self._rows = self._size = 0

    def rows(self) -> int:
        """Rows that wait here."""
        return self._rows
