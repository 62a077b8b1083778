"""What the stores of one folder have in common: one writer, who hears of its commits, and what is read the same way."""

import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.cases import Case, CaseEvent
from dongne.model.entities import EntityType
from dongne.model.errors import DongneError, NotFound
from dongne.model.graph import ThingGraph
from dongne.model.notices import Notice
from dongne.model.records import (
    Correction,
    JobResult,
    ObservationBatch,
    ObservationExtra,
    Record,
    RecordKind,
    decode_batch,
    encode_batch,
)
from dongne.model.tasks import Task
from dongne.runtime.manifest import define_case_kinds
from dongne.runtime.ports import CaseFilter, Clock, Lane, LatestValue, NoticeFilter, Receipt, StateRow, Transaction
from dongne.stores.effects import Draft, batch_of_correction
from dongne.stores.hold import hold_folder
from dongne.stores.lanes import Door, OnCommit
from dongne.stores.latest import LatestValues
from dongne.stores.removals import Removals
from dongne.stores.writer import Grounds, Writer

log = logging.getLogger(__name__)
Listener = Callable[[Sequence[Record]], None]


class Truths(Grounds, Protocol):
    """What is asked of the truth below, whether it lies there in the clear or sealed. See runtime.ports.Store."""

    def close(self) -> None: ...

    def last_ids(self) -> dict[EntityType, int]: ...

    def list_removals(self, after: int = 0) -> list[tuple[int, Any]]: ...

    def list_corrections(self, after: int = 0) -> list[tuple[int, Correction]]: ...

    def read(
        self, after: int, until: int | None = None, limit: int = 1000, kinds: Sequence[RecordKind] | None = None
    ) -> list[Record]: ...

    def find_record(self, number: int) -> Record | None: ...

    def iterate_batches(self, after: int = 0) -> Iterator[tuple[int, ObservationBatch]]: ...

    def find_number_at(self, at_us: int) -> int: ...

    def list_cases(self, which: CaseFilter) -> list[Case]: ...

    def find_case_by_id(self, case_id: int) -> Case | None: ...

    def list_case_events(self, case_id: int) -> list[tuple[int, CaseEvent, str]]: ...

    def list_notices(self, which: NoticeFilter) -> list[Notice]: ...

    def list_tasks(self, thing: int | None, open_ones: bool | None, limit: int) -> list[Task]: ...

    def list_tasks_by_id(self, ids: Sequence[int]) -> list[Task]: ...

    def position(self, reader: str) -> int: ...

    def list_positions(self, beginning: str) -> dict[str, int]: ...

    def list_states(self, service: str) -> list[StateRow]: ...

    def list_settings(self) -> list[tuple[str, str, dict[str, Any]]]: ...

    def list_assets(self, service: str, job: str | None) -> list[tuple[int, JobResult]]: ...


class SequenceStore(ABC):
    """One folder, open in one process. Whoever derives from it makes the truth, then the graph and the latest values, then
    starts the writer."""

    graph: ThingGraph
    _writer: Writer

    def __init__(self, folder: Path, clock: Clock, make_truth: Callable[[], Truths]) -> None:
        define_case_kinds()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.clock = folder, clock
        self._lock_file = hold_folder(folder)
        try:
            self._base = make_truth()
        except BaseException:
            os.close(self._lock_file)
            raise
        self._last_ids = self._base.last_ids()
        self._ids_lock = threading.Lock()
        self._removals = Removals(self._base.list_removals())
        self._corrections = {found.number: found for _, found in self._base.list_corrections()}
        self._removals.add_corrected(self._corrections)
        self._latest = LatestValues()
        self._listeners: list[Listener] = []
        self._listeners_dropped = 0
        self._moved = threading.Condition()
        self._first, self._head, _ = self._base.ends()
        self._is_closed = False

    def close(self) -> None:
        """Everything durable and released. May be called twice."""
        if not self._is_closed:
            self._is_closed = True
            self._writer.close()
            self._close_more()
            self._base.close()
            os.close(self._lock_file)

    @abstractmethod
    def _close_more(self) -> None:
        """What has to close between the writer and the truth."""

    @abstractmethod
    def _committed(self, draft: Draft) -> None:
        """In the writer's thread, after each commit."""

    # writing
    def submit(self, transaction: Transaction, lane: Lane = Lane.NORMAL) -> Future[Receipt]:
        """Its receipt once it is durable. The future raises RetryLater (queue full, disk full), Conflict or BadInput."""
        future: Future[Receipt] = Future()

        def done(outcome: Receipt | Exception) -> None:
            if not future.set_running_or_notify_cancel():
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        try:
            self._writer.put(transaction, done, lane)
        except DongneError as error:
            future.set_exception(error)
        return future

    def submit_soon(
        self, transaction: Transaction, done: Callable[[Receipt | Exception], None], lane: Lane = Lane.NORMAL
    ) -> None:
        """The same for many small ones: `done` is called in the writer's thread. Raises RetryLater when the queue is
        full, BadInput for a single Observation that can't be stored. For single Observations `open_door` is quicker."""
        self._writer.put(transaction, done, lane)

    def open_door(self, on_commit: OnCommit, lane: Lane = Lane.NORMAL) -> Door:
        """The quickest way in for single Observations, with one call back per commit; see Door."""
        return self._writer.open_door(on_commit, lane)

    def append_observation(
        self,
        datastream: int,
        time_us: int,
        result: float,
        extra: ObservationExtra | None,
        done: Callable[[Receipt | Exception], None],
    ) -> None:
        """A single Observation in the NORMAL lane, with a call back of its own in the writer's thread. Raises RetryLater
        and BadInput like `Door.append`, which is the same with one call back per commit: use that on hot paths."""
        self._writer.append(datastream, time_us, result, extra, done)

    def new_id(self, kind: EntityType) -> int:
        """A fresh id. One that was given but never stored is given again after a restart; nobody has seen it."""
        if kind is EntityType.MULTI_DATASTREAM:
            kind = EntityType.DATASTREAM  # they share their ids
        with self._ids_lock:
            self._last_ids[kind] = found = self._last_ids.get(kind, 0) + 1
            return found

    # the writer's thread, after a commit
    def _move_head(self, draft: Draft) -> None:
        with self._moved:
            self._head = draft.next - 1
            self._moved.notify_all()

    def _take_in(self, draft: Draft) -> None:
        """What is kept in memory."""
        self._removals.add(draft.removals)
        if draft.corrections:
            self._corrections |= {found.number: found for _, found in draft.corrections}
            self._removals.add_corrected(found.number for _, found in draft.corrections)
        self._take_latest(draft)
        if draft.entities:
            self.graph.apply(draft.entities)
            with self._ids_lock:
                for kind, last in draft.ids.items():
                    self._last_ids[kind] = max(last, self._last_ids.get(kind, 0))

    @abstractmethod
    def _take_latest(self, draft: Draft) -> None:
        """The new Observations into the latest values."""

    def _tell(self, records: list[Record]) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(records)
            except Exception:  # one broken listener must not stop the others
                log.exception("a listener of the sequence raised and is dropped")
                self._listeners_dropped += 1
                self._unsubscribe(listener)

    # the latest values
    def _touched(self, removals: Sequence[tuple[int, Any]], corrections: Sequence[tuple[int, Correction]]) -> set[int]:
        """The Datastreams whose latest value may have been taken out, or corrected."""
        touched = {removal.datastream for _, removal in removals if removal.datastream is not None}
        touched |= {found.datastream for _, found in corrections}
        numbers = [number for _, removal in removals for number in removal.numbers]
        numbers += [found.number for _, found in corrections]
        return touched | set(self._latest.of_numbers(numbers))

    def _scan_latest(self, streams: set[int]) -> None:
        """The latest of these from the whole sequence."""
        if not streams:
            return
        for stream in streams:
            self._latest.replace(stream, None)
        for found in self._corrections.values():
            if found.datastream in streams and not self._removals.took(found.number, found.datastream):
                self._latest.update(found.number, batch_of_correction(found))
        wanted = np.fromiter(streams, np.int32)
        for number, batch in self._base.iterate_batches():
            kept = np.isin(batch.datastream, wanted)
            still_there = self._removals.kept(number, batch)
            self._latest.update(number, batch, kept if still_there is None else kept & still_there)

    def latest(self, datastream: int) -> LatestValue | None:
        """The newest by phenomenonTime, the higher number where equal."""
        return self._latest.find(datastream)

    def latest_of(
        self, datastreams: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Numbers, times (microseconds) and results; number 0 where a Datastream has none."""
        return self._latest.find_many(datastreams)

    # the sequence
    def head(self) -> int:
        """The last number given; 0 when empty."""
        return self._head

    def first(self) -> int:
        """The first number the sequence still has."""
        return self._first

    def read(
        self, after: int, until: int | None = None, limit: int = 1000, kinds: Sequence[RecordKind] | None = None
    ) -> list[Record]:
        """Up to `limit` records whose first number is > `after` (and <= `until`), in order; only these kinds, where given."""
        return self._base.read(after, until, limit, kinds)

    def find_number_at(self, at_us: int) -> int:
        """The last number that arrived before this instant of the city's clock; 0 where there is none."""
        return self._base.find_number_at(at_us)

    def wait_beyond(self, number: int, timeout_s: float, is_over: Callable[[], bool] = lambda: False) -> bool:
        """Whether the head went beyond `number` within the time; the wait ends early at a `wake` by which `is_over` holds."""
        with self._moved:
            self._moved.wait_for(lambda: self._head > number or is_over(), timeout_s)
            return self._head > number

    def wake(self) -> None:
        """Whoever waits looks whether it is over."""
        with self._moved:
            self._moved.notify_all()

    def get_observation(self, number: int) -> tuple[Record, int]:
        """The record that holds this Observation and its row. Raises NotFound."""
        record = self._base.find_record(number)
        if record is not None and record.kind is RecordKind.OBSERVATIONS:
            row = number - record.number
            if corrected := self._corrections.get(number):
                body = encode_batch(batch_of_correction(corrected))
                record, row = msgspec.structs.replace(record, number=number, count=1, body=body), 0
            if not self._removals or not self._removals.took(number, _stream_at(record, row)):
                return record, row
        raise NotFound(f"there is no Observation {number}")

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls the listener in the writer's thread with the records of each commit, until the returned function is
        called. A listener that raises is dropped."""
        self._listeners.append(listener)
        return lambda: self._unsubscribe(listener)

    def _unsubscribe(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    # now
    def list_cases(self, which: CaseFilter) -> list[Case]:
        """Newest first."""
        return self._base.list_cases(which)

    def get_case(self, case_id: int) -> Case:
        """Raises NotFound."""
        found = self._base.find_case_by_id(case_id)
        if found is None:
            raise NotFound(f"there is no case {case_id}")
        return found

    def find_case(self, key: str) -> Case | None:
        """By lasting identity."""
        return self._base.find_case(key)

    def list_case_events(self, case_id: int) -> list[tuple[int, CaseEvent, str]]:
        """Number, event and chained hash, oldest first."""
        return self._base.list_case_events(case_id)

    def list_notices(self, which: NoticeFilter) -> list[Notice]:
        """Newest first."""
        return self._base.list_notices(which)

    def find_notice(self, key: str) -> Notice | None:
        """By lasting identity."""
        return self._base.find_notice(key)

    def list_tasks(self, thing: int | None = None, is_open: bool | None = None, limit: int = 200) -> list[Task]:
        """Newest first."""
        return self._base.list_tasks(thing, is_open, limit)

    def list_tasks_by_id(self, ids: Sequence[int]) -> list[Task]:
        """Those of these Tasks that are there, by id."""
        return self._base.list_tasks_by_id(ids)

    # services
    def position(self, reader: str) -> int:
        """How far this reader of the sequence has come; 0 at the start."""
        return self._base.position(reader)

    def list_positions(self, beginning: str) -> dict[str, int]:
        """Those of all readers whose name begins so, by what comes behind it."""
        return self._base.list_positions(beginning)

    def list_states(self, service: str) -> list[StateRow]:
        """All keys of a service."""
        return self._base.list_states(service)

    def list_settings(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(service, level, values in force at that level)."""
        return self._base.list_settings()

    def list_assets(self, service: str, job: str | None = None) -> list[tuple[int, JobResult]]:
        """The newest outcome (a JobResult without error) of each job and Thing, with its version."""
        return self._base.list_assets(service, job)


def _stream_at(record: Record, row: int) -> int:
    return int(decode_batch(record.body, record.count).datastream[row])
