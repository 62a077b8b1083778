"""Which Observations of redelivered messages are stored already.

QoS 1 is at least once: what was stored but not yet acknowledged when the connection or the process ended comes again.
"""

import logging

import duckdb

from dongne.model.errors import DongneError
from dongne.model.times import from_us
from dongne.runtime.ports import Store

HOUR_US = 3_600_000_000
_MOST_HOURS = 10_000

log = logging.getLogger(__name__)


class StoredHours:
    """Looks into history, an hour of a Datastream at a time; the hours are forgotten with each connection.

    What is newer than the latest can't be stored yet, so only late or repeated times cost a question. Where history
    can't be asked nothing is known: rather stored twice than lost.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hours: dict[tuple[int, int], set[tuple[int, float]]] = {}

    def forget(self) -> None:
        """A connection begins."""
        self._hours = {}

    def hold(self, datastream: int, time_us: int, result: float) -> bool:
        """Whether an Observation of this time and result is stored."""
        latest = self._store.latest(datastream)
        if latest is None or time_us > latest.time_us:
            return False
        if time_us == latest.time_us and result == latest.result:
            return True
        key = datastream, time_us // HOUR_US
        hour = self._hours.get(key)
        if hour is None:
            if len(self._hours) >= _MOST_HOURS:
                self._hours.clear()
            hour = self._hours[key] = self._read(*key)
        return (time_us, result) in hour

    def _read(self, datastream: int, hour: int) -> set[tuple[int, float]]:
        start_us = hour * HOUR_US
        try:
            times, results = self._store.series(datastream, from_us(start_us), from_us(start_us + HOUR_US))
        except (DongneError, duckdb.Error, OverflowError):
            log.warning("history can't say whether Datastream %d was redelivered", datastream, exc_info=True)
            return set()
        return set(zip(times.tolist(), results.tolist(), strict=True))
