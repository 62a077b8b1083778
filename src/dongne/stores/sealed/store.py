"""The sealed store as the rest of Dongne sees it (`runtime.ports.Store`), and what it can destroy."""

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.entities import EntityType, Remove
from dongne.model.errors import NotFound
from dongne.model.graph import ThingGraph
from dongne.model.records import ObservationBatch, Record, RecordKind, decode_batch
from dongne.model.times import to_us
from dongne.runtime.ports import Clock, Entry, Lane, Transaction
from dongne.stores.base import SequenceStore
from dongne.stores.counters import count_writer, size_files
from dongne.stores.effects import Draft, batch_of_correction
from dongne.stores.lanes import MAX_WAITING_ROWS
from dongne.stores.sealed.chain import ChainReport
from dongne.stores.sealed.checkpoint import LATEST_ROW, follow_subjects, keep_latest, list_latest
from dongne.stores.sealed.keys import COMMON, load_master
from dongne.stores.sealed.truth import SealedTruth
from dongne.stores.sealed.upkeep import purge_truth, verify_truth
from dongne.stores.sealed.withdrawal import agree_on_withdrawn, destroy
from dongne.stores.writer import Writer

log = logging.getLogger(__name__)

MASTER = "master.key"
MOST_WALKED = 200_000  # records of a home that are looked through for one series
EARLY = timedelta(days=1)  # an Observation of a time to come is not further ahead than that


class SealedStore(SequenceStore):
    """Homes' data in one folder, open in one process; each home's lie under a key of their own.
    `docs/homes-privacy.md` says what lies where, and against whom it helps."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        master_file: Path | None = None,
        keep_latest_every_s: float = 5.0,
        gather_s: float = 0.0,
        max_waiting_rows: int = MAX_WAITING_ROWS,
    ) -> None:
        file = master_file or folder / MASTER

        def open_truth() -> SealedTruth:
            is_new = not (folder / "keys").exists() and not (folder / "truth.db").exists()
            truth = SealedTruth(folder / "truth.db", load_master(file, may_make=is_new))
            agree_on_withdrawn(truth)
            return truth

        super().__init__(folder, clock, open_truth)
        self._truth = cast("SealedTruth", self._base)
        self.graph = ThingGraph(self._truth.list_entities())
        self._truth.follow_graph(self.graph)
        self._truth.load_open_cases()
        self._kept = self._load_latest()
        self._writer = Writer(
            self._truth,
            clock,
            self._committed,
            self._keep_latest,
            keep_every_s=keep_latest_every_s,
            gather_s=gather_s,
            max_rows=max_waiting_rows,
        )

    @classmethod
    def open(
        cls,
        folder: Path,
        clock: Clock,
        *,
        master_file: Path | None = None,
        keep_latest_every_s: float = 5.0,
        gather_s: float = 0.0,
        max_waiting_rows: int = MAX_WAITING_ROWS,
    ) -> "SealedStore":
        """The store in this folder, made where there is none, with the master key in `master_file` (the folder's
        `master.key` where none is named). What is in no lane of life safety may wait `gather_s` for others to come along.

        Raises BadSetup where another process has it open, it is of another format, or the master key is not the one.
        """
        return cls(
            folder,
            clock,
            master_file=master_file,
            keep_latest_every_s=keep_latest_every_s,
            gather_s=gather_s,
            max_waiting_rows=max_waiting_rows,
        )

    def _close_more(self) -> None:
        pass  # nothing follows the sequence but the truth

    # the writer's thread, after a commit
    def _committed(self, draft: Draft) -> None:
        try:
            self._take_in(draft)
        finally:
            if draft.written:
                self._move_head(draft)
        if draft.removals or draft.corrections:
            self._recompute(self._touched(draft.removals, draft.corrections))
        if gone := [c.id for c in draft.entities if isinstance(c, Remove) and c.type is EntityType.THING]:
            self._truth.forget(thing for thing in gone if thing in self._truth.ring.destroyed)
        if draft.written:
            self._tell([written.record for written in draft.written])

    def _take_latest(self, draft: Draft) -> None:
        if not draft.written:
            return
        for taken in self._truth.taken:
            self._latest.update(taken.first, taken.batch, taken.kept)

    # the latest values
    def _load_latest(self) -> int:
        """Loads the checkpoint and folds what came after it; returns the position of the checkpoint."""
        position = int(self._truth.meta("latest_position") or 0)
        purged = int(self._truth.meta("purged") or 0)
        found = list(list_latest(self._truth))
        if found:
            rows = np.concatenate(found)
            rows = rows[(rows["number"] > purged) & (rows["number"] <= position)]
            rows = rows[np.lexsort((rows["number"], rows["time_us"], rows["stream"]))]
            self._latest.load_rows(rows["stream"], rows["number"], rows["time_us"], rows["result"])
        follow_subjects(self._truth, position)
        for number, batch in self._truth.iterate_batches(position):
            self._latest.update(number, batch, self._removals.kept(number, batch))
            owners = {stream: self._truth.owner_of_stream(stream) for stream in set(batch.datastream.tolist())}
            self._truth.loose.update(stream for stream, owner in owners.items() if owner == COMMON)
        late, corrected = self._truth.list_removals(position), self._truth.list_corrections(position)
        if late or corrected:
            self._recompute(self._touched(late, corrected))
        return position

    def _keep_latest(self) -> None:
        with self._truth.turn:
            if self._head == self._kept and not self._truth.dirty:
                return
            dirty, self._truth.dirty = self._truth.dirty, set()
            try:
                keep_latest(self._truth, self._head, self._latest_of(dirty))
                self._kept = self._head
            except BaseException:
                self._truth.dirty |= dirty
                raise

    def _latest_of(self, subjects: Iterable[int]) -> Iterator[tuple[int, NDArray[np.void]]]:
        """The latest values of each subject, as LATEST_ROW."""
        loose = sorted(self._truth.loose)
        owned = [(one, loose if one == COMMON else self._list_streams(one)) for one in subjects]
        streams = np.fromiter((stream for _, found in owned for stream in found), np.int64)
        numbers, times, results = self._latest.find_many(streams)
        rows = np.empty(len(streams), LATEST_ROW)
        rows["stream"], rows["number"], rows["time_us"], rows["result"] = streams, numbers, times, results
        at = 0
        for subject, found in owned:
            own, at = rows[at : at + len(found)], at + len(found)
            yield subject, own[own["number"] > 0]

    def _list_streams(self, thing: int) -> list[int]:
        streams = [stream.id for stream in self.graph.list_datastreams(thing)]
        return streams + [many.id for many in self.graph.multi_datastreams.values() if many.thing_id == thing]

    def _recompute(self, streams: set[int]) -> None:
        """The latest of these after something was taken out, from what their homes have said."""
        for stream in streams:
            self._latest.replace(stream, None)
            owner = self._truth.owner_of_stream(stream)
            for number, batch in self._batches_of(owner, -(1 << 62)):
                kept = batch.datastream == stream
                still_there = self._removals.kept(number, batch)
                self._latest.update(number, batch, kept if still_there is None else kept & still_there)
            for found in self._corrections.values():
                if found.datastream == stream and not self._removals.took(found.number, stream):
                    self._latest.update(found.number, batch_of_correction(found))
            self._truth.dirty.add(owner)

    def _batches_of(self, subject: int, since_us: int) -> Iterator[tuple[int, ObservationBatch]]:
        """First number and batch of a subject's Observations which arrived since then, the oldest first."""
        found = [
            record
            for record in self._truth.walk_back(subject, since_us, MOST_WALKED)
            if record.kind is RecordKind.OBSERVATIONS
        ]
        for record in reversed(found):
            yield record.number, decode_batch(record.body, record.count)

    # history
    def series(self, datastream: int, start: datetime, end: datetime) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Times (microseconds) and numbers of [start, end), ascending; revisions replace what they revise. Results that
        are not numbers are left out. Read from the home's part of the sequence, of which the newest records are looked at
        (MOST_WALKED)."""
        start_us, end_us = to_us(start), to_us(end)
        parts = [np.empty(0, LATEST_ROW)]
        for number, batch in self._batches_of(self._truth.owner_of_stream(datastream), to_us(start - EARLY)):
            wanted = batch.datastream == datastream
            still_there = self._removals.kept(number, batch)
            parts.append(_rows_of(number, batch, wanted if still_there is None else wanted & still_there))
        parts += [
            _rows_of(found.number, batch_of_correction(found), np.ones(1, bool))
            for found in self._corrections.values()
            if found.datastream == datastream and not self._removals.took(found.number, datastream)
        ]
        rows = np.concatenate(parts)
        rows = rows[(rows["time_us"] >= start_us) & (rows["time_us"] < end_us)]
        rows = rows[np.lexsort((rows["number"], rows["time_us"]))]
        last_of_time = np.append(rows["time_us"][1:] != rows["time_us"][:-1], np.ones(min(len(rows), 1), bool))
        rows = rows[last_of_time]
        rows = rows[~np.isnan(rows["result"])]
        return rows["time_us"].copy(), rows["result"].copy()

    def history_lag(self) -> int:
        """0: there is nothing beside the sequence."""
        return 0

    def seal(self, before: datetime) -> list[str]:
        """Nothing: homes' days are never laid out as files."""
        return []

    def rebuild_history(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Nothing is to be made anew."""
        if progress is not None:
            progress(self._head, self._head)

    # what is destroyed
    def withdraw(self, thing: int) -> None:
        """Nobody can read any more what is kept of this home, when this returns: its key is destroyed, its states, cases,
        notices, tasks, settings and latest values are gone from the tables and from memory, and the Thing is out of the graph.

        The sequence keeps numbers, kinds and times of its records, and their bodies under a key that is no more. Whoever
        reads them gets an empty moment instead. Raises NotFound where there is no such Thing.
        """
        if thing <= COMMON or (thing not in self.graph.things and thing not in self._truth.ring):
            raise NotFound(f"there is no home {thing}")
        removes = self._list_entities_of(thing)
        streams = [change.id for change in removes if change.type in _STREAMS]
        places = [-change.id for change in removes if change.type is EntityType.LOCATION]
        own = [thing, *[place for place in places if place in self._truth.ring]]
        self._corrections = {n: found for n, found in self._corrections.items() if found.datastream not in streams}
        destroy(self._truth, own, self.clock.now_us())
        self._forget_latest(streams)
        entry = Entry(RecordKind.ENTITIES, msgspec.msgpack.encode(removes))
        if removes:
            self.submit(Transaction([entry]), Lane.LIFE_SAFETY).result()
        self._forget_latest(streams)  # once more: a commit may have been under way
        log.info("home %d withdrew; its key is destroyed", thing)

    def _forget_latest(self, streams: list[int]) -> None:
        for stream in streams:
            self._latest.replace(stream, None)

    def _list_entities_of(self, thing: int) -> list[Remove]:
        """What goes with a Thing, and itself."""
        graph = self.graph
        found = graph.things.get(thing)
        locations = set(found.location_ids) if found else set()
        shared = {i for other in list(graph.things.values()) if other.id != thing for i in other.location_ids}
        out = [Remove(EntityType.DATASTREAM, one.id) for one in graph.list_datastreams(thing)]
        for kind in _OF_THING:
            of_it = [one.id for one in list(graph.entities(kind).values()) if getattr(one, "thing_id", None) == thing]
            out += [Remove(kind, number) for number in of_it]
        ends = [one.id for one in list(graph.relations.values()) if thing in (one.from_id, one.to_id)]
        out += [Remove(EntityType.RELATION, number) for number in ends]
        out += [Remove(EntityType.LOCATION, number) for number in sorted(locations - shared)]
        if found:
            out.append(Remove(EntityType.THING, thing))
        return out

    def purge(self, before: datetime) -> int:
        """Takes out what Observations said that arrived before this instant, also from the raw file; how many records that
        were. Their numbers stay used, and the chain still holds."""
        until = self._truth.find_number_at(to_us(before))
        purged = purge_truth(self._truth, until)
        with self._truth.turn:
            old = self._latest.up_to(until)
            self._forget_latest(old)
            self._truth.dirty.update(self._truth.owner_of_stream(stream) for stream in old)
            self._corrections = {found.number: found for _, found in self._truth.list_corrections()}
            self._keep_latest()
            self._truth.empty_wal()
        return purged

    def verify_chain(self) -> ChainReport:
        """Whether the sequence is as it was written, from the first record to the last, also where keys are destroyed and
        bodies are gone."""
        return verify_truth(self._truth)

    def list_records_of(self, thing: int, since: datetime, most: int = MOST_WALKED) -> list[Record]:
        """All that is kept of one home since then, the newest first: what a person may ask to see."""
        return list(self._truth.walk_back(thing, to_us(since), most))

    # how it is doing
    def counts(self) -> dict[str, float]:
        """Counters and gauges for the metrics page."""
        found = count_writer(self._writer, self._head, self._listeners_dropped)
        found |= {
            "history_lag": 0,
            "keys": len(self._truth.ring),
            "withdrawn": len(self._truth.ring.destroyed),
            "records_damaged": self._truth.sealing.damaged,
            "rows_of_withdrawn_left_out": self._truth.left_out,
        }
        return found | size_files(self.folder, (("truth", "truth.db"), ("wal", "truth.db-wal"), ("keys", "keys")))


_STREAMS = (EntityType.DATASTREAM, EntityType.MULTI_DATASTREAM)
_OF_THING = (
    EntityType.MULTI_DATASTREAM,
    EntityType.TASKING_CAPABILITY,
    EntityType.HISTORICAL_LOCATION,
    EntityType.FEATURE_OF_INTEREST,
)


def _rows_of(first: int, batch: ObservationBatch, kept: NDArray[np.bool_]) -> NDArray[np.void]:
    rows = np.empty(len(batch), LATEST_ROW)
    rows["stream"], rows["time_us"], rows["result"] = batch.datastream, batch.time_us, batch.result
    rows["number"] = np.arange(first, first + len(batch))
    return rows[kept]
