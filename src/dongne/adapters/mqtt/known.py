"""Which Observations of redelivered messages are stored already.

QoS 1 is at least once: what was stored but not yet acknowledged when the connection or the process ended comes again.
"""

import logging
import time

import duckdb

from dongne.model.errors import DongneError
from dongne.model.records import RecordKind, decode_batch
from dongne.model.times import from_us
from dongne.runtime.ports import Store

RECENT_ROWS = 200_000  # Mosquitto 2.0.11 was seen to send 100,000 again; docs/mqtt.md
HOUR_US = 3_600_000_000
QUIET_S = 60.0  # after which what was read is forgotten
_MOST_HOURS = 10_000

log = logging.getLogger(__name__)


class Known:
    """Looks at what was stored last, then into history, an hour of a Datastream at a time; it reads on where more was
    stored since, and what it has read is forgotten when for a while nothing was sent again.

    What is newer than the latest can't be stored yet, so only late or repeated times cost a question. Where history
    can't be asked nothing is known: rather stored twice than lost.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recent: set[tuple[int, int, float]] | None = None
        self._read_to = 0
        self._hours: dict[tuple[int, int], set[tuple[int, float]]] = {}
        self._asked_s = 0.0

    def forget(self) -> None:
        """All is sent anew."""
        if self._recent is not None:
            self._recent = None
            self._hours = {}

    def rest(self) -> None:
        """Something came for the first time: perhaps nothing more is sent again."""
        if self._recent is not None and time.monotonic() - self._asked_s > QUIET_S:
            self.forget()

    def holds(self, datastream: int, time_us: int, result: float) -> bool:
        """Whether an Observation of this time and result is stored."""
        latest = self._store.latest(datastream)
        if latest is None or time_us > latest.time_us:
            return False
        if time_us == latest.time_us and result == latest.result:
            return True
        self._asked_s = time.monotonic()
        if (datastream, time_us, result) in self._read_recent():
            return True
        key = datastream, time_us // HOUR_US
        hour = self._hours.get(key)
        if hour is None:
            if len(self._hours) >= _MOST_HOURS:
                self._hours.clear()
            hour = self._hours[key] = self._read_hour(*key)
        return (time_us, result) in hour

    def _read_recent(self) -> set[tuple[int, int, float]]:
        head = self._store.head()
        if self._recent is not None and len(self._recent) > 2 * RECENT_ROWS:
            self.forget()
        if self._recent is None:
            self._recent, self._read_to = set(), max(head - RECENT_ROWS, 0)
        found = self._recent
        while self._read_to < head:
            records = self._store.read(self._read_to, head, 100, (RecordKind.OBSERVATIONS,))
            for record in records:
                batch = decode_batch(record.body, record.count)
                found.update(zip(batch.datastream.tolist(), batch.time_us.tolist(), batch.result.tolist(), strict=True))
            self._read_to = records[-1].last if records else head
        return found

    def _read_hour(self, datastream: int, hour: int) -> set[tuple[int, float]]:
        start_us = hour * HOUR_US
        try:
            times, results = self._store.series(datastream, from_us(start_us), from_us(start_us + HOUR_US))
        except (DongneError, duckdb.Error, OverflowError):
            log.warning("history can't say whether Datastream %d was redelivered", datastream, exc_info=True)
            return set()
        return set(zip(times.tolist(), results.tolist(), strict=True))
