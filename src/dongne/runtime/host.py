"""The runtime as the pages see it (implements runtime.ports.Runtime): live services, answers, jobs."""

import logging
import threading
from typing import Any

import msgspec
import numpy as np

from dongne.model.cases import OPEN, Case, CaseEvent
from dongne.model.city import CityConfig
from dongne.model.errors import NotFound
from dongne.model.records import ObservationBatch, Record, RecordKind, decode_batch
from dongne.runtime.live import Live
from dongne.runtime.pool import JobPool
from dongne.runtime.ports import CaseFilter, ServiceStatus, SettingInForce, Store
from dongne.runtime.registry import LoadedAnswer, LoadedService
from dongne.runtime.settings import SettingsBook

log = logging.getLogger("dongne.answers")
OPEN_CASES = 100_000  # that an answer takes in at the start


class AnswerHost:
    """One answer with its view, kept up with the sequence. Questions are answered one at a time."""

    def __init__(self, store: Store, loaded: LoadedAnswer) -> None:
        self._store = store
        self.loaded = loaded
        self._answer = loaded.cls()
        self._reads = {p.key for p in loaded.cls.reads}
        self._lock = threading.Lock()
        self._read = store.head()
        self._view: Any = self._answer.start(store.graph)
        self.error = ""  # the first record it could not take in, and why
        self._answer.update(self._view, self._latest())
        for case in reversed(store.list_cases(CaseFilter(is_open=True, limit=OPEN_CASES))):
            self._answer.update(self._view, _as_opened(case))

    def _latest(self) -> ObservationBatch:
        """The city as it is: the newest value of each Datastream, as one batch."""
        streams = np.array(sorted(i for i in list(self._store.graph.datastreams) if self._is_read(i)), np.int64)
        numbers, times, results = self._store.latest_of(streams)
        there = numbers > 0
        return ObservationBatch(streams[there].astype(np.int32), times[there], results[there])

    def _is_read(self, stream: int) -> bool:
        graph = self._store.graph
        found = graph.datastreams.get(stream)
        return found is not None and (not self._reads or graph.property_key(found) in self._reads)

    @property
    def lag(self) -> int:
        """Numbers of the sequence not taken in yet."""
        return max(self._store.head() - self._read, 0)

    def catch_up(self) -> None:
        """Takes in everything there is."""
        with self._lock:
            self._catch_up()

    def _catch_up(self) -> None:
        while records := self._store.read(self._read, None, 1_000):
            for record in records:
                self._read = record.last
                try:
                    self._take(record)
                except Exception as error:  # what one record does to a view must not end all answers
                    log.exception("answer %s could not take in record %d", self.loaded.id, record.number)
                    self.error = self.error or f"record {record.number}: {type(error).__name__}: {error}"

    def _take(self, record: Record) -> None:
        match record.kind:
            case RecordKind.OBSERVATIONS:
                batch = decode_batch(record.body, record.count)
                if self._reads:
                    rows = [i for i, d in enumerate(batch.datastream.tolist()) if self._is_read(d)]
                    batch = ObservationBatch(batch.datastream[rows], batch.time_us[rows], batch.result[rows])
                if len(batch):
                    self._answer.update(self._view, batch)
            case RecordKind.CASE:
                self._answer.update(self._view, msgspec.msgpack.decode(record.body, type=CaseEvent))
            case RecordKind.ENTITIES:
                self._answer.update(self._view, self._store.graph)
            case _:
                pass

    def ask(self, question: Any) -> Any:
        """The answer, over everything that was committed before the question."""
        with self._lock:
            self._catch_up()
            return self._answer.answer(question, self._view, self._store.clock.now_us())


def _as_opened(case: Case) -> CaseEvent:
    """An open Case as one event: opened when it was, with what is known of it now."""
    return CaseEvent(
        key=case.key, kind=case.kind, action=OPEN, name=case.name, time=case.opened, thing=case.thing, service=case.service,
        state=case.state, values=case.values, due=case.due, severity=case.severity,
    )  # fmt: skip


class RuntimeHost:
    """Services, answers and jobs of one running city."""

    def __init__(
        self, store: Store, config: CityConfig, services: list[LoadedService], answers: list[LoadedAnswer]
    ) -> None:
        self.store = store
        self.config = config
        self._services = {s.id: s for s in services}
        self.pool = JobPool(store, services, config.zone, self._settings_of)
        self.live = Live(store, services, config.zone_info, self.pool.request)
        self._answers = {a.id: a for a in answers}
        self._hosts: dict[str, AnswerHost] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Services run from here on; call `open` when history is in place."""
        self.live.start()

    def open(self) -> None:
        """Wakes fire, jobs run, answers answer."""
        self.live.holds_wakes = False
        self.pool.recover()
        self.pool.open()
        self._hosts = {i: AnswerHost(self.store, a) for i, a in self._answers.items()}
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
            for name, host in self._hosts.items():
                try:
                    host.catch_up()
                except Exception:  # the store's; it is asked again
                    log.exception("answer %s could not read on", name)
            self.store.wait_beyond(before, 0.5)

    # --- runtime.ports.Runtime -----------------------------------------------------------------------------------------

    def statuses(self) -> list[ServiceStatus]:
        """One for each service that is switched on, by id."""
        found = [self._service_status(s) for s in self._services.values()]
        found += [self._answer_status(a) for a in self._answers.values()]
        return sorted(found, key=lambda s: s.id)

    def _service_status(self, service: LoadedService) -> ServiceStatus:
        runner = self.live.engine.runners[service.id]
        parked = tuple((key, cell.parked) for key, cell in sorted(runner.cells.copy().items()) if cell.parked)
        manifest = service.manifest
        return ServiceStatus(
            id=service.id, shape="service", area=manifest.area, maturity=manifest.maturity,
            reads=service.declared.reads, emits=service.declared.emits, keys=len(runner.cells), lag=self.live.lag,
            parked=parked, running=not self.live.error,
        )  # fmt: skip

    def _answer_status(self, answer: LoadedAnswer) -> ServiceStatus:
        host = self._hosts.get(answer.id)
        manifest = answer.manifest
        return ServiceStatus(
            id=answer.id, shape="answer", area=manifest.area, maturity=manifest.maturity,
            reads=tuple(p.key for p in answer.cls.reads), emits=(), keys=0, lag=host.lag if host else 0, parked=(),
            running=host is None or not host.error,
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

    def ask(self, answer: str, question: Any) -> Any:
        """The answer to a question of its class. Raises BadInput."""
        self.question_class(answer)
        if answer not in self._hosts:
            raise NotFound(f"answer {answer!r} is not ready yet; try again in a moment")
        return self._hosts[answer].ask(question)
