"""From when to when each Datastream has Observations, its first and last numbers, and which FeaturesOfInterest they name: in
memory, so that an answer with many Datastreams needs no look into history."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import duckdb
import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.access import Hidden
from dongne.model.entities import EntityType
from dongne.model.graph import ThingGraph
from dongne.model.records import ObservationBatch, Record, RecordKind, decode_batch
from dongne.runtime.ports import Store
from dongne.stores.embedded.links import OBSERVATION_TABLES
from dongne.stores.latest import FEW

Periods = tuple[list[int], list[int], list[int]]  # ids of Datastreams, from, to in microseconds
NONE = np.iinfo(np.int64).max  # "no first one yet"; its negative: "no last one yet"
_CHANGES = (RecordKind.REMOVAL, RecordKind.CORRECTION)
_READ = 1_000


class Extent(msgspec.Struct, frozen=True):
    """Of one Datastream, in microseconds: phenomenonTime from first to last, resultTime where any was said, the
    FeaturesOfInterest that Observations name, the numbers of the first and last that arrived, and the first number with the
    latest resultTime."""

    first_us: int
    last_us: int
    result_first_us: int | None = None
    result_last_us: int | None = None
    features: frozenset[int] = frozenset()
    first_number: int = 0
    last_number: int = 0
    result_number: int = 0


def list_geometries(graph: ThingGraph, stream_id: int, extent: Extent, hidden: Hidden) -> list[Any]:
    """What a Datastream's Observations are about: the FeaturesOfInterest that they name, or those made for its Thing."""
    gone, stream = hidden.of(EntityType.FEATURE_OF_INTEREST), graph.find_stream(stream_id)
    features = [found for feature in extent.features if (found := graph.features.get(feature))]
    if not features and stream is not None:
        features = graph.list_features_of(stream.thing_id)
    return [feature.feature for feature in features if feature.id not in gone]


class History(Protocol):
    """The follower, brought up to date."""

    def reading(
        self, timeout_s: float = ..., until: int | None = None
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """A cursor that sees all that was acknowledged before, or at least all up to `until`."""


class Extents:
    """Worked out from history when first asked for, and kept by listening. After a removal or correction: anew."""

    def __init__(self, store: Store, history: History) -> None:
        self._store, self._history = store, history
        self._lock = threading.Lock()
        self._building = threading.Lock()
        self._ready = False
        self._listens = False  # what comes is taken in, also while history is read
        self._empty()
        self.stop = store.subscribe(self._hear)

    def _empty(self) -> None:
        names = ("first", "last", "first_number", "last_number")  # the last ones negative: of all the least counts
        self._least: dict[str, NDArray[np.int64]] = {name: np.full(0, NONE, np.int64) for name in names}
        self._results: dict[int, tuple[int, int, int]] = {}  # first, last, the first number that has the last
        self._features: dict[int, set[int]] = {}

    @property
    def is_ready(self) -> bool:
        """Whether an answer comes from memory alone."""
        return self._ready

    def of(self, datastreams: Sequence[int]) -> list[Extent | None]:
        """The extent of each; None where it has no Observations."""
        self._must_be_ready()
        with self._lock:
            return [self._one(stream) for stream in datastreams]

    def all(self) -> dict[int, Extent]:
        """Those of all Datastreams that have Observations."""
        self._must_be_ready()
        with self._lock:
            streams = np.flatnonzero(self._least["first"] != NONE).tolist()
            return {stream: found for stream in streams if (found := self._one(stream)) is not None}

    def periods(self, *, of_results: bool) -> Periods:
        """From when to when all Datastreams have Observations that have any; or were their results made, where said."""
        self._must_be_ready()
        with self._lock:
            if of_results:
                found = self._results
                return list(found), [one[0] for one in found.values()], [one[1] for one in found.values()]
            streams = np.flatnonzero(self._least["first"] != NONE)
            first, last = self._least["first"][streams], -self._least["last"][streams]
            return streams.tolist(), first.tolist(), last.tolist()

    def _must_be_ready(self) -> None:
        if not self._ready:
            with self._building:
                if not self._ready:
                    self._build()

    def _one(self, stream: int) -> Extent | None:
        first = self._least["first"]
        if stream >= len(first) or first[stream] == NONE:
            return None
        begin, end, number = self._results.get(stream, (None, None, 0))
        features = frozenset(self._features.get(stream, ()))
        least = self._least
        return Extent(
            int(first[stream]),
            -int(least["last"][stream]),
            begin,
            end,
            features,
            int(least["first_number"][stream]),
            -int(least["last_number"][stream]),
            number,
        )

    # --- taking in

    def _hear(self, records: Sequence[Record]) -> None:
        if not self._listens:
            return
        for record in records:
            if record.kind is RecordKind.OBSERVATIONS:
                self._fold(record.number, decode_batch(record.body, record.count))
            elif record.kind in _CHANGES:
                self._ready = self._listens = False
                return

    def _fold(self, number: int, batch: ObservationBatch) -> None:
        with self._lock:
            if len(batch) < FEW:
                self._fold_few(number, batch.datastream.tolist(), batch.time_us.tolist())
            else:
                self._fold_many(np.arange(number, number + len(batch)), batch.datastream, batch.time_us)
            for row, extra in batch.extras.items():
                stream = int(batch.datastream[row])
                if extra.phenomenon_end_us is not None:
                    last = self._least["last"]
                    last[stream] = min(int(last[stream]), -extra.phenomenon_end_us)
                if extra.result_time_us is not None:
                    self._add_result(stream, extra.result_time_us, extra.result_time_us, number + row)
                if extra.feature_id is not None:
                    self._features.setdefault(stream, set()).add(extra.feature_id)

    def _fold_many(self, numbers: NDArray[np.int64], streams: NDArray[np.int32], times_us: NDArray[np.int64]) -> None:
        self._grow(int(streams.max()) + 1)
        least = self._least
        for name, values in (
            ("first", times_us), ("last", -times_us), ("first_number", numbers), ("last_number", -numbers)
        ):  # fmt: skip
            np.minimum.at(least[name], streams, values)

    def _fold_few(self, number: int, streams: list[int], times_us: list[int]) -> None:
        """The same, quicker for few."""
        self._grow(max(streams) + 1)
        first, last, first_number, last_number = (column.data for column in self._least.values())
        for stream, time_us in zip(streams, times_us, strict=True):
            first[stream] = min(first[stream], time_us)
            last[stream] = min(last[stream], -time_us)
            first_number[stream] = min(first_number[stream], number)
            last_number[stream] = min(last_number[stream], -number)
            number += 1

    def _grow(self, size: int) -> None:
        for name, old in self._least.items():
            if size > len(old):
                self._least[name] = np.concatenate((old, np.full(max(size, 2 * len(old)) - len(old), NONE, np.int64)))

    def _add_result(self, stream: int, begin: int, end: int, number: int) -> None:
        first, last, known = self._results.get(stream, (begin, end, number))
        if end > last or (end == last and number < known):
            last, known = end, number
        self._results[stream] = min(first, begin), last, known

    # --- from history

    def _build(self) -> None:
        if not self._read(0):  # history as far as it is, the rest from the sequence
            self._read(None)

    def _read(self, until: int | None) -> bool:
        """Whether it is right; else something was removed or corrected which history has not met, and it is at most too
        wide."""
        with self._lock:
            self._empty()
        self._listens = True
        head = self._store.head()
        with self._history.reading(until=until) as cursor:
            ((position,),) = cursor.execute("select position from follower").fetchall()
            found = cursor.execute(_EXTENTS).fetchall()
            results = cursor.execute(_RESULTS).fetchall()
            named = cursor.execute(_NAMED).fetchall()
        with self._lock:
            for stream, *least in found:
                self._take(stream, least)
            for one in results:
                self._add_result(*one)
            for stream, feature in named:
                self._features.setdefault(stream, set()).add(feature)
        changed = False
        while position < head:  # came while history was read; what is taken in twice changes nothing
            records = self._store.read(position, head, _READ)
            if not records:
                break
            for record in records:
                if record.kind is RecordKind.OBSERVATIONS:
                    self._fold(record.number, decode_batch(record.body, record.count))
                changed = changed or record.kind in _CHANGES
            position = records[-1].last
        self._ready = self._listens and not changed
        return not changed

    def _take(self, stream: int, least: list[int]) -> None:
        self._grow(stream + 1)
        for column, value in zip(self._least.values(), least, strict=True):
            column[stream] = min(int(column[stream]), value)


def _of_both(columns: str, where: str = "") -> str:
    return " union all ".join(
        f"(select datastream_id, {columns} from {t} {where} group by 1)" for t in OBSERVATION_TABLES
    )


_LEAST = _of_both(
    "min(phenomenon_time) as a, max(coalesce(phenomenon_end, phenomenon_time)) as b, min(id) as c, max(id) as d"
)
_EXTENTS = f"select datastream_id, epoch_us(min(a)), -epoch_us(max(b)), min(c), -max(d) from ({_LEAST}) group by 1"
_SAID = _of_both(
    "min(result_time) as a, max({'time': epoch_us(result_time), 'number': -id}) as b", "where result_time is not null"
)
_RESULTS = f"select datastream_id, epoch_us(min(a)), max(b).time, -max(b).number from ({_SAID}) group by 1"
_NAMED = " union ".join(
    f"(select distinct datastream_id, feature_id from {table} where feature_id is not null)"
    for table in OBSERVATION_TABLES
)
