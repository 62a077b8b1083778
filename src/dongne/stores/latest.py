"""The latest value of each Datastream, in memory: arrays indexed by the Datastream's id."""

import threading
from collections.abc import Iterable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from dongne.model.records import ObservationBatch
from dongne.runtime.ports import LatestValue

NEVER = np.iinfo(np.int64).min
CHUNK = 16_384  # Datastreams in a row of the checkpoint
FEW = 200  # below this many rows a loop is quicker than numpy

_DTYPE = np.dtype([("number", "<i8"), ("time_us", "<i8"), ("result", "<f8")])


class LatestValues:
    """Newest phenomenonTime wins, the higher number where equal. One thread writes, any thread reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = np.zeros(0, np.int64)
        self._time = np.zeros(0, np.int64)
        self._result = np.zeros(0, np.float64)
        self._dirty: set[int] = set()  # chunks changed since the checkpoint
        self._grow(CHUNK)

    def _grow(self, size: int) -> None:
        size = max(CHUNK * -(-size // CHUNK), 2 * len(self._number))
        for name, empty in (("_number", 0), ("_time", NEVER), ("_result", np.nan)):
            old = getattr(self, name)
            new = np.full(size, empty, old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)
        # the same memory: reading and writing one value is several times quicker than through numpy
        self._number_at, self._time_at = self._number.data, self._time.data
        self._result_at = cast("memoryview[float]", self._result.data)

    def update(self, first: int, batch: ObservationBatch, kept: NDArray[np.bool_] | None = None) -> None:
        """Takes in a batch whose first number is `first`; of it, only the rows `kept`. Numbers must rise."""
        streams, times, results = batch.datastream, batch.time_us, batch.result
        if kept is None and len(streams) < FEW:
            self._update_few(first, streams.tolist(), times.tolist(), results.tolist())
            return
        numbers = np.arange(first, first + len(streams))
        if kept is not None:
            streams, times, results, numbers = streams[kept], times[kept], results[kept], numbers[kept]
        if not len(streams):
            return
        with self._lock:
            self._reach(int(streams.max()))
            np.maximum.at(self._time, streams, times)
            newest = times == self._time[streams]
            winners = streams[newest]  # where a Datastream comes twice, numpy keeps the last: the higher number
            self._number[winners] = numbers[newest]
            self._result[winners] = results[newest]
            self._dirty.update(np.unique(winners // CHUNK).tolist())

    def _update_few(self, first: int, streams: list[int], times: list[int], results: list[float]) -> None:
        with self._lock:
            self._reach(max(streams, default=0))
            time_at, number_at, result_at, dirty = self._time_at, self._number_at, self._result_at, self._dirty
            for number, (stream, time_us, result) in enumerate(zip(streams, times, results, strict=True), first):
                if time_us >= time_at[stream]:
                    number_at[stream], time_at[stream], result_at[stream] = number, time_us, result
                    dirty.add(stream // CHUNK)

    def _reach(self, top: int) -> None:
        if top >= len(self._number):
            self._grow(top + 1)

    def replace(self, stream: int, value: LatestValue | None) -> None:
        """What is the newest after Observations were taken out."""
        with self._lock:
            if stream < len(self._number):
                found = value or LatestValue(0, int(NEVER), float("nan"))
                self._number[stream], self._time[stream] = found.number, found.time_us
                self._result[stream] = found.result
                self._dirty.add(stream // CHUNK)

    def find(self, stream: int) -> LatestValue | None:
        """The newest of a Datastream."""
        with self._lock:
            if not 0 <= stream < len(self._number_at) or not (number := self._number_at[stream]):
                return None
            return LatestValue(number, self._time_at[stream], self._result_at[stream])

    def find_many(self, streams: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Numbers, times and results; number 0 where there is none (its time is 0)."""
        streams = np.asarray(streams, np.int64)
        with self._lock:
            known = (streams >= 0) & (streams < len(self._number))
            at = np.where(known, streams, 0)
            numbers = np.where(known, self._number[at], 0)
            times, results = self._time[at], self._result[at]
        some = numbers > 0
        return numbers, np.where(some, times, 0), np.where(some, results, np.nan)

    def of_numbers(self, numbers: Iterable[int]) -> list[int]:
        """The Datastreams whose newest is one of these."""
        with self._lock:
            return [int(s) for s in np.flatnonzero(np.isin(self._number, np.fromiter(numbers, np.int64))) if s]

    def up_to(self, number: int) -> list[int]:
        """The Datastreams whose newest has this number or a lower one."""
        with self._lock:
            return [int(s) for s in np.flatnonzero((self._number > 0) & (self._number <= number))]

    def load_rows(
        self,
        streams: NDArray[np.int32],
        numbers: NDArray[np.int64],
        times: NDArray[np.int64],
        results: NDArray[np.float64],
    ) -> None:
        """Takes in values as they are; where a Datastream comes twice, the last holds."""
        with self._lock:
            self._reach(int(streams.max(initial=0)))
            self._number[streams], self._time[streams], self._result[streams] = numbers, times, results

    # the checkpoint
    def changed_chunks(self) -> list[tuple[int, bytes]]:
        """What changed since the last call, as rows of the checkpoint; `changed_again` takes the call back."""
        with self._lock:
            chunks, self._dirty = sorted(self._dirty), set()
            return [(chunk, self._encode(chunk)) for chunk in chunks]

    def changed_again(self, chunks: Iterable[int]) -> None:
        """These were not stored after all."""
        with self._lock:
            self._dirty.update(chunks)

    def _encode(self, chunk: int) -> bytes:
        part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        rows = np.empty(CHUNK, _DTYPE)
        rows["number"], rows["time_us"], rows["result"] = self._number[part], self._time[part], self._result[part]
        return rows.tobytes()

    def load(self, chunks: Iterable[tuple[int, bytes]]) -> None:
        """Takes in a checkpoint."""
        for chunk, body in chunks:
            if (chunk + 1) * CHUNK > len(self._number):
                self._grow((chunk + 1) * CHUNK)
            rows, part = np.frombuffer(body, _DTYPE), slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            self._number[part], self._time[part], self._result[part] = rows["number"], rows["time_us"], rows["result"]
