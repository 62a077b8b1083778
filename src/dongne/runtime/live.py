"""Live: the engine at the end of the sequence. One thread reads records, lets the services act, and commits what they say,
their changed states and the position in one Transaction."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.errors import BadSetup, RetryLater
from dongne.model.graph import ThingGraph
from dongne.model.records import JobStart, Record, RecordKind
from dongne.runtime.desk import Interlocks
from dongne.runtime.engine import DERIVED, Engine
from dongne.runtime.outlet import Outlet
from dongne.runtime.ports import Entry, Lane, StateRow, Store, Transaction
from dongne.runtime.registry import LoadedService, with_feeders
from dongne.runtime.replay import read_all, rebuild
from dongne.runtime.service import Notify
from dongne.runtime.settings import CITY

log = logging.getLogger("dongne.live")

READER = "services"
KNOWN = "dongne.known"  # the state row that says which services, in which versions, the position speaks for
PRIMING = (RecordKind.ENTITIES, RecordKind.SETTING, RecordKind.JOB)
SLICE_ROWS = 5_000
READ_AHEAD = 500  # records
IDLE_S = 0.25
OWED_S = 1.0  # what changed states and made nobody say anything is stored by then, or with what is said next


class Live:
    """Runs services at the end of a store's sequence. `start` and `stop` its thread, or call `step` yourself.

    While `holds_wakes`, it fires only what records of the past make due: set it while history is being filled in.
    `on_start` is told of jobs that services ask for, after their commit.
    """

    def __init__(
        self,
        store: Store,
        services: list[LoadedService],
        zone: ZoneInfo,
        on_start: Callable[[int, JobStart], None] | None = None,
    ) -> None:
        self.store = store
        self.holds_wakes = False
        self.error = ""
        self._on_start = on_start
        self._interlocks = Interlocks(store, zone)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.position = store.position(READER)
        self._read = self.position
        self._ahead: deque[Record] = deque()  # read from the store and not handled yet
        self._owed_since_s: float | None = None  # since when states wait to be stored
        self.engine = self._restore(services, zone)
        self._outlet = Outlet(store.graph, store.new_id)

    # --- starting ----------------------------------------------------------------------------------------------------

    def _restore(self, services: list[LoadedService], zone: ZoneInfo) -> Engine:
        versions = {s.id: s.declared.cls.version for s in services}
        known_rows = self.store.list_states(KNOWN)
        known = msgspec.json.decode(known_rows[0].body, type=dict[str, int]) if known_rows else {}
        changed = [s for s in services if known.get(s.id) != versions[s.id]]
        engine = Engine(services, ThingGraph(), zone)
        if self.position:
            for record in read_all(self.store, 0, self.position, kinds=PRIMING):
                engine.prime(record)
            kept = [s.id for s in services if s not in changed]
            engine.load(row for service in (*kept, "city") for row in self.store.list_states(service))
        if changed and self.position:
            self._rebuild(changed, with_feeders(changed, services), engine, zone)
        if changed or set(known) != set(versions):
            row = StateRow(KNOWN, 0, 1, msgspec.json.encode(versions))
            self.store.submit(Transaction(states=[row])).result()
        return engine

    def _rebuild(
        self,
        changed: list[LoadedService],
        replayed: list[LoadedService],
        engine: Engine,
        zone: ZoneInfo,
    ) -> None:
        """States of services that are new here, or of another version, by a silent replay up to the position. What feeds
        them is replayed with them: in the sequence its results lie behind their causes, the last beyond the position."""
        ids = {s.id for s in changed}
        names = ", ".join(sorted(ids))
        log.info("rebuilding the states of %s by a silent replay of %d numbers", names, self.position)
        fresh = rebuild(self.store, replayed, zone, self.position)
        rows = [row for row in fresh.take_changed() if row.service in ids or row.service == CITY]
        for service in changed:
            self.store.submit(Transaction(drop_states_of=service.id)).result()
        engine.load(rows)
        engine.around.note_all_changed()  # the row of a Thing has what all services need of it
        known = [row for row in engine.take_changed() if row.service == CITY]
        self.store.submit(Transaction(states=[*(row for row in rows if row.service != CITY), *known])).result()

    # --- running -----------------------------------------------------------------------------------------------------

    @property
    def is_stopped(self) -> bool:
        """Whether its thread has ended by itself; `error` says why."""
        return self._thread is not None and not self._thread.is_alive() and not self._stopping.is_set()

    def check(self) -> None:
        """Raises BadSetup where its thread has ended by itself."""
        if self.is_stopped:
            raise BadSetup(f"{self.error}; the log says where, what was received is kept")

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="services", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops after the step at hand."""
        self._stopping.set()
        self.store.wake()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self.step():
                    self.store.wait_beyond(self._read, self._patience_s(), self._stopping.is_set)
                self.error = ""
            except RetryLater as error:
                self.error = error.message
                log.warning("the store asks to wait: %s", error.message)
                self._stopping.wait(1.0)
            except Exception as error:  # half a record is handled: only a new start knows where it stands
                self.error = f"the services stopped after record {self._read}: {type(error).__name__}: {error}"
                log.exception(self.error)
                return
        try:
            self._settle()
        except Exception:
            log.info("states of the last second were not stored", exc_info=True)

    def _patience_s(self) -> float:
        due_us = self.engine.next_wake_us()
        if due_us is None or self.holds_wakes:
            return IDLE_S
        left_s = (due_us - self.store.clock.now_us()) / 1e6 / max(getattr(self.store.clock, "speed", 1.0), 1.0)
        return min(max(left_s, 0.001), IDLE_S)

    @property
    def lag(self) -> int:
        """Numbers of the sequence not handled yet."""
        return max(self.store.head() - self._read, 0)

    def drain(self) -> None:
        """Handles everything there is (when no thread runs)."""
        while self.step():
            pass
        self._settle()

    def step(self) -> bool:
        """Handles the next records, or fires what is due; False where there is nothing to do now."""
        if self._owed_since_s is not None and time.monotonic() - self._owed_since_s >= OWED_S:
            self._settle()
        if not self._ahead:
            self._ahead += self.store.read(self._read, None, READ_AHEAD)
        if self._ahead:
            self._handle()
            return True
        due_us = self.engine.next_wake_us()
        if due_us is None or self.holds_wakes or due_us > self.store.clock.now_us():
            return False
        self.store.submit(Transaction([Entry(RecordKind.WAKE, b"")])).result()
        return True

    def _handle(self) -> None:
        entries: list[Entry] = []
        last = self._read
        rows, worked, urgent = 0, False, False
        while self._ahead:
            record = self._ahead.popleft()
            passed_over = bool(record.origin) and record.kind in DERIVED
            emitted = self.engine.turn(record)
            entries += self._interlocks.hold(self._outlet.entries(emitted, record), record.at)
            last = record.last
            worked = worked or not passed_over
            urgent = urgent or any(isinstance(one.emission, Notify) and one.emission.urgent for one in emitted)
            rows += record.count
            if rows >= SLICE_ROWS or len(entries) >= SLICE_ROWS:
                break
        if entries:
            self._commit(entries, last, Lane.LIFE_SAFETY if urgent else Lane.NORMAL)
        elif worked and self._owed_since_s is None:
            self._owed_since_s = time.monotonic()
        self._read = last

    def _settle(self) -> None:
        """Stores the states of records on which nobody said anything, as those of most heartbeats. Until then a new start handles these
        records again, and comes to the same."""
        if self._owed_since_s is not None:
            self._commit([], self._read, Lane.NORMAL)

    def _commit(self, entries: list[Entry], last: int, lane: Lane) -> None:
        """Stores everything in one Transaction; tries again for as long as the store asks to wait, since the engine has
        already gone on."""
        transaction = Transaction(entries, self.engine.take_changed(), position=(READER, last))
        while True:
            try:
                receipt = self.store.submit(transaction, lane).result()
                break
            except RetryLater as error:
                self.error = error.message
                if self._stopping.wait(0.5):
                    raise
        self.position, self._owed_since_s = last, None
        self._interlocks.stored()
        if self._on_start is not None:
            for entry, number in zip(entries, receipt.numbers, strict=True):
                if entry.kind is RecordKind.START and number:
                    self._on_start(number, msgspec.msgpack.decode(entry.body, type=JobStart))
