"""The runtime as the pages see it (implements runtime.ports.Runtime): live services, answers, jobs."""

import logging
import threading
from concurrent.futures import Future
from typing import Any

import msgspec
import numpy as np

from dongne.model.access import EVERYTHING, PUBLIC, Hidden, Sight, Veil
from dongne.model.case_kinds import OPEN
from dongne.model.cases import Case, CaseEvent
from dongne.model.city import CityConfig
from dongne.model.entities import EntityType
from dongne.model.errors import NotFound
from dongne.model.records import ObservationBatch, Record, RecordKind, decode_batch
from dongne.runtime.answer import Layers
from dongne.runtime.live import Live
from dongne.runtime.pool import JobPool
from dongne.runtime.ports import CaseFilter, ServiceStatus, SettingInForce, Store
from dongne.runtime.registry import LoadedAnswer, LoadedService
from dongne.runtime.settings import SettingsBook
from dongne.runtime.wanted import seen_event

log = logging.getLogger("dongne.answers")
NO_LAYERS: Layers = {}
OPEN_CASES = 100_000  # that an answer takes in at the start
MOST_VIEWS = 4  # of an answer, for as many sights: each is kept up with the sequence


class AnswerHost:
    """One answer with its view of what a sight reaches, kept up with the sequence. What is hidden never gets into the view;
    where more or less is hidden than before, the view begins anew. Questions are answered one at a time."""

    def __init__(
        self,
        store: Store,
        loaded: LoadedAnswer,
        veil: Veil | None = None,
        sight: Sight = EVERYTHING,
        layers: Layers = NO_LAYERS,
    ) -> None:
        self._layers = {name: layers[name] for name in loaded.cls.needs}
        self._store, self._veil, self._sight = store, veil or Veil(store.graph), sight
        self.loaded = loaded
        self._answer = loaded.cls()
        self._reads = {p.key for p in loaded.cls.reads}
        self._lock = threading.Lock()
        self._preparing = threading.Lock()
        self.error = ""  # the first record it could not take in, and why
        self._begin()

    def _begin(self) -> None:
        self._read = self._store.head()
        self._hidden = self._veil.hidden(self._sight)
        self._graph = self._veil.graph(self._sight)
        self._view: Any = self._answer.start(self._graph, self._layers)
        self._answer.update(self._view, self._latest())
        for case in reversed(self._store.list_cases(CaseFilter(is_open=True, limit=OPEN_CASES))):
            if self._veil.sees_case_of(self._sight, case.thing, case.access):
                self._answer.update(self._view, _as_opened(case))

    def _latest(self) -> ObservationBatch:
        """The city as it is: the newest value of each Datastream, as one batch."""
        streams = np.array(sorted(i for i in list(self._graph.datastreams) if self._is_read(i)), np.int64)
        numbers, times, results = self._store.latest_of(streams)
        there = numbers > 0
        return ObservationBatch(streams[there].astype(np.int32), times[there], results[there])

    def _is_read(self, stream: int) -> bool:
        found = self._graph.datastreams.get(stream)
        return found is not None and (not self._reads or self._graph.property_key(found) in self._reads)

    @property
    def lag(self) -> int:
        """Numbers of the sequence not taken in yet."""
        return max(self._store.head() - self._read, 0)

    def catch_up(self) -> None:
        """Takes in everything there is."""
        with self._lock:
            self._catch_up()

    def _catch_up(self) -> None:
        while self._store.head() > self._read and (records := self._store.read(self._read, None, 1_000)):
            for record in records:
                self._see()
                if record.last <= self._read:
                    continue  # in the view already: it began anew
                self._read = record.last
                try:
                    self._take(record)
                except Exception as error:  # what one record does to a view must not end all answers
                    log.exception("answer %s could not take in record %d", self.loaded.id, record.number)
                    self.error = self.error or f"record {record.number}: {type(error).__name__}: {error}"
        self._see()

    def _see(self) -> None:
        """The view has the graph as it is now."""
        hidden = self._veil.hidden(self._sight)
        if hidden is not self._hidden and hidden != self._hidden:
            self._begin()
        elif (graph := self._veil.graph(self._sight)) is not self._graph:
            self._graph = graph
            self._answer.update(self._view, graph)

    def _take(self, record: Record) -> None:
        match record.kind:
            case RecordKind.OBSERVATIONS:
                batch = decode_batch(record.body, record.count)
                if self._reads or self._hidden:
                    rows = [i for i, d in enumerate(batch.datastream.tolist()) if self._is_read(d)]
                    extras = {at: batch.extras[row] for at, row in enumerate(rows) if row in batch.extras}
                    batch = ObservationBatch(batch.datastream[rows], batch.time_us[rows], batch.result[rows], extras)
                if len(batch):
                    self._answer.update(self._view, batch)
            case RecordKind.CASE:
                event = msgspec.msgpack.decode(record.body, type=CaseEvent)
                if (seen := seen_event(self._store, self._veil, self._sight, event)) is not None:
                    self._answer.update(self._view, seen)
            case RecordKind.ENTITIES:
                self._answer.update(self._view, self._graph)
            case _:
                pass

    def refresh(self) -> None:
        """Works out what the view wants, while questions are answered."""
        with self._lock:
            work = self._answer.refresh(self._view, self._store.clock.now_us())
        if work is not None:
            work()

    def ask(self, question: Any) -> Any:
        """The answer, over everything that was committed before the question."""
        found = self.ask_at_once(question)
        if found is not None:
            return found
        with self._preparing:  # who waits here for the same finds it done
            with self._lock:
                work = self._answer.prepare(question, self._view, self._store.clock.now_us())
            if work is not None:
                work()
        with self._lock:
            self._catch_up()
            return self._answer.answer(question, self._view, self._store.clock.now_us())

    def ask_at_once(self, question: Any) -> Any:
        """The same; None where something has to be worked out first."""
        with self._lock:
            self._catch_up()
            now_us = self._store.clock.now_us()
            if self._answer.prepare(question, self._view, now_us) is not None:
                return None
            return self._answer.answer(question, self._view, now_us)


def _as_opened(case: Case) -> CaseEvent:
    """An open Case as one event: opened when it was, with what is known of it now."""
    return CaseEvent(
        key=case.key, kind=case.kind, action=OPEN, name=case.name, time=case.opened, thing=case.thing, service=case.service,
        state=case.state, values=case.values, due=case.due, severity=case.severity,
        priority=case.priority, unit=case.unit, assignee=case.assignee, access=case.access,
    )  # fmt: skip


class RuntimeHost:
    """Services, answers and jobs of one running city."""

    def __init__(
        self,
        store: Store,
        config: CityConfig,
        services: list[LoadedService],
        answers: list[LoadedAnswer],
        layers: Layers = NO_LAYERS,
    ) -> None:
        self.store = store
        self.config = config
        self._services = {s.id: s for s in services}
        self.pool = JobPool(store, services, config.zone, self._settings_of)
        self.live = Live(store, services, config.zone_info, self.pool.request)
        self._answers = {a.id: a for a in answers}
        self._layers = layers
        self._veil = Veil(store.graph)
        self._hosts: dict[tuple[str, Sight], Future[AnswerHost]] = {}  # the one asked last at the end
        self._finding = threading.Lock()
        self._is_open = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Services run from here on; call `open` when history is in place."""
        self.live.start()

    def revive(self) -> None:
        """Where the services' thread has ended by itself, they begin anew from what is stored, as at a start."""
        if self.live.is_stopped:
            live = Live(self.store, list(self._services.values()), self.config.zone_info, self.pool.request)
            live.start()
            self.live = live

    def open(self) -> None:
        """Wakes fire, jobs run, answers answer."""
        self.live.holds_wakes = False
        self.pool.recover()
        self.pool.open()
        for answer in self._answers:
            self._host(answer, PUBLIC)
        self._is_open = True
        if not self._answers:
            return
        self._thread = threading.Thread(target=self._keep_up, name="answers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops everything; the store stays open."""
        self._stopping.set()
        self.pool.close()
        self.live.stop()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _keep_up(self) -> None:
        while not self._stopping.is_set():
            before = self.store.head()
            for host in self._ready():
                try:
                    host.catch_up()
                    host.refresh()
                except Exception:  # the store's, or the view's; it is tried again
                    log.exception("answer %s could not be kept up", host.loaded.id)
            self.store.wait_beyond(before, 0.5, self._stopping.is_set)

    def _ready(self) -> list[AnswerHost]:
        """Those that are made."""
        with self._finding:
            made = list(self._hosts.values())
        return [host.result() for host in made if host.done() and host.exception() is None]

    def _key(self, answer: str, sight: Sight) -> tuple[str, Sight]:
        """The view of this sight; where no Thing is hidden from it, the one of its class."""
        return answer, sight if self._veil.hidden(sight) else Sight(sight.most)

    def _host(self, answer: str, sight: Sight) -> AnswerHost:
        """The answer with the view of this sight. Who asks first makes it, while other sights are answered; the one that nobody asked for longest
        makes room for it."""
        key = self._key(answer, sight)
        with self._finding:
            found = self._hosts.pop(key, None)
            is_new = found is None
            if found is None:
                found = Future()
                mine = [other for other in self._hosts if other[0] == answer]
                if len(mine) >= MOST_VIEWS:
                    del self._hosts[mine[0]]
            self._hosts[key] = found
        if is_new:
            self._make(key, found)
        return found.result()

    def _make(self, key: tuple[str, Sight], made: "Future[AnswerHost]") -> None:
        answer, sight = key
        try:
            made.set_result(AnswerHost(self.store, self._answers[answer], self._veil, sight, self._layers))
        except Exception as error:  # those who wait for it must hear; the next one tries again
            with self._finding:
                if self._hosts.get(key) is made:
                    del self._hosts[key]
            made.set_exception(error)
            raise

    # --- runtime.ports.Runtime -----------------------------------------------------------------------------------------

    def statuses(self, sight: Sight = PUBLIC) -> list[ServiceStatus]:
        """One for each service that is switched on, by id; keys and parked ones as far as this sight reaches."""
        hidden = self._veil.hidden(sight)
        found = [self._service_status(s, hidden) for s in self._services.values()]
        found += [self._answer_status(a) for a in self._answers.values()]
        return sorted(found, key=lambda s: s.id)

    def _service_status(self, service: LoadedService, hidden: Hidden) -> ServiceStatus:
        runner = self.live.engine.runners[service.id]
        gone = hidden.of(EntityType.THING)
        cells = {key: cell for key, cell in runner.cells.copy().items() if key not in gone}
        told = self._told(hidden)
        parked = tuple(
            (key, cell.parked if key not in told else "") for key, cell in sorted(cells.items()) if cell.parked
        )
        manifest = service.manifest
        return ServiceStatus(
            id=service.id, shape="service", area=manifest.area, maturity=manifest.maturity,
            reads=service.declared.reads, emits=service.declared.emits, keys=len(cells), lag=self.live.lag,
            parked=parked, running=not self.live.error, kinds=service.declared.cls.kinds,
        )  # fmt: skip

    def _told(self, hidden: Hidden) -> set[int]:
        """Things with a hidden Datastream: why one is parked may say its value."""
        streams = (self.store.graph.find_stream(stream) for stream in hidden.of(EntityType.DATASTREAM))
        return {stream.thing_id for stream in streams if stream is not None}

    def _answer_status(self, answer: LoadedAnswer) -> ServiceStatus:
        hosts = [host for host in self._ready() if host.loaded is answer]
        manifest = answer.manifest
        return ServiceStatus(
            id=answer.id, shape="answer", area=manifest.area, maturity=manifest.maturity,
            reads=tuple(p.key for p in answer.cls.reads), emits=(), keys=0, lag=max((h.lag for h in hosts), default=0),
            parked=(), running=not any(host.error for host in hosts),
        )  # fmt: skip

    def _book(self, service: str) -> SettingsBook:
        if service not in self._services:
            raise NotFound(f"there is no service {service!r} here; services: {', '.join(self._services)}")
        return self.live.engine.runners[service].book

    def _settings_of(self, service: str, thing: int) -> Any:
        return self._book(service).resolve(thing)

    def settings_in_force(self, service: str, thing: int | None = None) -> list[SettingInForce]:
        """The settings of a service for the city or for a Thing."""
        if service in self._answers:
            return []
        return self._book(service).in_force(thing)

    def check_settings(self, service: str, values: dict[str, Any]) -> dict[str, Any]:
        """The values as they would hold. Raises BadInput naming setting, value and range."""
        return self._book(service).check(values)

    def services_of(self, thing: int) -> list[str]:
        """The services that act on this Thing."""
        return [i for i, runner in self.live.engine.runners.items() if thing in runner.cells]

    def list_answers(self) -> list[tuple[str, type, type]]:
        """Id, question class and reply class of each answer."""
        return [(answer.id, answer.question, answer.reply) for answer in self._answers.values()]

    def question_class(self, answer: str) -> type:
        """The question dataclass of an answer. Raises NotFound."""
        if answer not in self._answers:
            raise NotFound(f"there is no answer {answer!r}; answers: {', '.join(self._answers) or 'none'}")
        return self._answers[answer].question

    def ask(self, answer: str, question: Any, sight: Sight = PUBLIC) -> Any:
        """The answer to a question of its class, out of what this sight reaches. Raises BadInput."""
        self._check_open(answer)
        return self._host(answer, sight).ask(question)

    def ask_at_once(self, answer: str, question: Any, sight: Sight = PUBLIC) -> Any:
        """The same; None where something has to be worked out first. Raises BadInput."""
        self._check_open(answer)
        found = self._hosts.get(self._key(answer, sight))
        if found is None or not found.done():
            return None
        return self._host(answer, sight).ask_at_once(question)

    def _check_open(self, answer: str) -> None:
        self.question_class(answer)
        if not self._is_open:
            raise NotFound(f"answer {answer!r} is not ready yet; try again in a moment")
