"""The embedded store as the rest of Dongne sees it (`runtime.ports.Store`)."""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import cast

import duckdb
import numpy as np
from numpy.typing import NDArray

from dongne.model.errors import DongneError
from dongne.model.graph import ThingGraph
from dongne.runtime.ports import Clock
from dongne.stores.base import SequenceStore
from dongne.stores.effects import Draft
from dongne.stores.embedded.archive import Archive
from dongne.stores.embedded.counters import count_all
from dongne.stores.embedded.history import History
from dongne.stores.embedded.truth import Truth
from dongne.stores.lanes import MAX_WAITING_ROWS
from dongne.stores.writer import Writer

log = logging.getLogger(__name__)


class EmbeddedStore(SequenceStore):
    """One city's data in one folder, open in one process. `docs/store.md` says what lies where."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        follow: bool = True,
        history_memory: str = "512MB",
        keep_latest_every_s: float = 30.0,
        max_waiting_rows: int = MAX_WAITING_ROWS,
    ) -> None:
        super().__init__(folder, clock, lambda: Truth(folder / "truth.db"))
        self._truth = cast("Truth", self._base)
        self.graph = ThingGraph(self._truth.list_entities())
        self._kept = self._fold_latest()
        self.history = History(
            folder / "history.duckdb", self._truth, self.head, follow=follow, memory_limit=history_memory
        )
        self._archive = Archive(folder / "days", self.history)
        self._writer = Writer(
            self._truth,
            clock,
            self._committed,
            self._keep_latest,
            keep_every_s=keep_latest_every_s,
            max_rows=max_waiting_rows,
        )

    @classmethod
    def open(
        cls,
        folder: Path,
        clock: Clock,
        *,
        follow: bool = True,
        history_memory: str = "512MB",
        keep_latest_every_s: float = 30.0,
        max_waiting_rows: int = MAX_WAITING_ROWS,
    ) -> "EmbeddedStore":
        """The store in this folder, made where there is none.

        With `follow` False no thread feeds history: each question about history first brings it up to date itself.
        `history_memory` bounds DuckDB, `max_waiting_rows` what waits in each lane and door; the latest values are
        checkpointed `keep_latest_every_s`. Raises BadSetup where another process has it open or wrote another format.
        """
        return cls(
            folder,
            clock,
            follow=follow,
            history_memory=history_memory,
            keep_latest_every_s=keep_latest_every_s,
            max_waiting_rows=max_waiting_rows,
        )

    def _close_more(self) -> None:
        self.history.close()

    # the writer's thread, after a commit
    def _committed(self, draft: Draft) -> None:
        try:
            self._take_in(draft)
        finally:  # whatever happens in memory: it is in the file, so the head moves and history gets it
            if draft.written:
                self.history.put(draft.written)
                self._move_head(draft)
        if draft.removals or draft.corrections:
            self._recompute_latest(draft)
        if draft.written:
            self._tell([written.record for written in draft.written])

    # the latest values
    def _take_latest(self, draft: Draft) -> None:
        for written in draft.written:
            if written.batch is not None:
                self._latest.update(written.record.number, written.batch)

    def _fold_latest(self) -> int:
        """Loads the checkpoint and folds what came after it; returns the position of the checkpoint."""
        position = int(self._truth.meta("latest_position") or 0)
        if position > self._head:
            log.warning("the checkpoint of the latest values is ahead of the sequence; it is made anew")
            position = 0
        elif position:
            self._latest.load(self._truth.latest_chunks())
        for number, batch in self._truth.iterate_batches(position):
            self._latest.update(number, batch, self._removals.kept(number, batch))
        late, corrected = self._truth.list_removals(position), self._truth.list_corrections(position)
        if late or corrected:
            self._scan_latest(self._touched(late, corrected))
        return position

    def _keep_latest(self) -> None:
        if self._head == self._kept:
            return
        chunks = self._latest.changed_chunks()
        try:
            self._truth.keep_latest(self._head, chunks)
            self._kept = self._head
        except BaseException:
            self._latest.changed_again([chunk for chunk, _ in chunks])
            raise

    def _recompute_latest(self, draft: Draft) -> None:
        """From history, which is quick; from the sequence where history can't follow."""
        touched = self._touched(draft.removals, draft.corrections)
        try:
            for stream in touched:
                self._latest.replace(stream, self.history.find_latest(stream))
        except (DongneError, duckdb.Error):
            log.exception("history gave no latest values after a removal; the sequence is read instead")
            self._scan_latest(touched)

    # history
    def series(self, datastream: int, start: datetime, end: datetime) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Times (microseconds) and numbers of [start, end), ascending; revisions replace what they revise. Results that
        are not numbers are left out."""
        return self.history.series(datastream, start, end)

    def history_lag(self) -> int:
        """How many numbers history is behind the sequence."""
        return self.history.lag()

    def rebuild_history(self, progress: Callable[[int, int], None] | None = None) -> None:
        """History made anew from the sequence; `progress(done, all)` in numbers. Killed in between, the next open goes on."""
        self.history.rebuild(progress)

    def seal(self, before: datetime) -> list[str]:
        """Writes each whole UTC day (of phenomenonTime) before this instant to an archive file; returns the names of the
        new ones. Late Observations of a sealed day go to a further file of it, the next time this is called."""
        return self._archive.seal(before)

    def verify_archive(self) -> list[str]:
        """What is wrong with the sealed days, in words; empty where all is well."""
        return self._archive.verify()

    # how it is doing
    def counts(self) -> dict[str, float]:
        """Counters and gauges for the metrics page; `docs/store.md` says what each is."""
        return count_all(self._writer, self.history, self.folder, self._head, self._listeners_dropped)
