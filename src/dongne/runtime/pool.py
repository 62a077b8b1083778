"""Jobs: run in processes of their own, the newest request of each key only; the outcome comes back as a record."""

import logging
import multiprocessing
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np

from dongne.model.errors import DongneError, RetryLater
from dongne.model.observed import ObservedProperty
from dongne.model.records import JobResult, JobStart, RecordKind
from dongne.model.times import from_us
from dongne.model.units import code_of, get_conversion
from dongne.runtime.job import Job, JobInput, Series
from dongne.runtime.ports import Entry, Lane, Store, Transaction
from dongne.runtime.registry import LoadedService

log = logging.getLogger("dongne.jobs")


def run_job(job: type[Job[Any]], given: JobInput) -> Any:
    """A job's outcome as builtins (this runs in a worker process)."""
    return msgspec.to_builtins(job().run(given))


def read_series(store: Store, thing: int, observed: ObservedProperty, days: float, now_us: int) -> Series:
    """The history of a property at a Thing, in the property's unit, from the Datastreams that measure it."""
    start, end = from_us(now_us) - timedelta(days=days), from_us(now_us)
    times, values = [], []
    for stream in store.graph.list_datastreams(thing):
        if store.graph.property_key(stream) != observed.key or stream.properties.get("service"):
            continue
        time_us, value = store.series(stream.id, start, end)
        code = code_of(stream.unit_of_measurement.symbol, stream.unit_of_measurement.definition)
        conversion = get_conversion(code or observed.unit, observed.unit)
        times.append(time_us)
        values.append(value * conversion.factor + conversion.offset)
    if not times:
        return Series(np.array([], np.int64), np.array([], np.float64))
    time_us, value = np.concatenate(times), np.concatenate(values)
    order = np.argsort(time_us, kind="stable")
    return Series(time_us[order], value[order])


class JobPool:
    """Runs what services ask for. `request` may be called from any thread; nothing runs before `open`."""

    def __init__(self, store: Store, services: list[LoadedService], zone: str, settings_of: Any) -> None:
        self._store = store
        self._services = {s.id: s for s in services}
        self._zone = zone
        self._settings_of = settings_of
        self._waiting: dict[tuple[str, str, int], int] = {}
        self._lock = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._is_broken = False  # the process died; the next job gets a new one
        self.running = ""
        self.done = 0
        self.failed = 0

    def request(self, number: int, start: JobStart) -> None:
        """Notes a request; a newer one for the same key takes the place of an older."""
        with self._lock:
            self._waiting[start.service, start.job, start.thing] = number
            self._lock.notify()

    def recover(self) -> None:
        """Notes the requests in the sequence that have no outcome yet."""
        after = 0
        pending: dict[tuple[str, str, int], int] = {}
        while records := self._store.read(after, None, 5_000, kinds=(RecordKind.START, RecordKind.JOB)):
            for record in records:
                if record.kind is RecordKind.START:
                    start = msgspec.msgpack.decode(record.body, type=JobStart)
                    pending[start.service, start.job, start.thing] = record.number
                else:
                    result = msgspec.msgpack.decode(record.body, type=JobResult)
                    if pending.get((result.service, result.job, result.thing), 0) <= result.started:
                        pending.pop((result.service, result.job, result.thing), None)
            after = records[-1].last
        with self._lock:
            for key, number in pending.items():
                self._waiting.setdefault(key, number)

    @property
    def waiting(self) -> int:
        """Requests not yet begun."""
        return len(self._waiting)

    def open(self) -> None:
        """Begins to work."""
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops; what was not finished is asked for again at the next start."""
        with self._lock:
            self._closing = True
            self._lock.notify()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        context = multiprocessing.get_context("spawn")
        pool: ProcessPoolExecutor | None = None
        while True:
            with self._lock:
                while not self._waiting and not self._closing:
                    self._lock.wait()
                if self._closing:
                    break
                (service, name, thing), number = next(iter(self._waiting.items()))
                del self._waiting[service, name, thing]
            pool = pool or ProcessPoolExecutor(1, context, signal.signal, (signal.SIGINT, signal.SIG_IGN))
            self.running = f"{service}.{name} {thing}"
            result = self._one(pool, service, name, thing, number)
            self.running = ""
            if self._is_broken:
                pool.shutdown(wait=False)
                pool, self._is_broken = None, False
            if result is not None:
                self._submit(result)
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def _one(self, pool: ProcessPoolExecutor, service: str, name: str, thing: int, number: int) -> JobResult | None:
        loaded = self._services.get(service)
        job = loaded.declared.jobs.get(name) if loaded else None
        if job is None:
            return None
        try:
            now_us = self._store.clock.now_us()
            series = {p.key: read_series(self._store, thing, p, job.days, now_us) for p in job.reads}
            given = JobInput(thing, now_us, self._zone, self._settings_of(service, thing), series)
            future: Future[Any] = pool.submit(run_job, job, given)
            while not future.done():
                if self._closing:
                    return None
                try:
                    future.exception(timeout=0.5)
                except TimeoutError:
                    continue
            return JobResult(service, name, thing, future.result(), "", number)
        except DongneError as error:
            return JobResult(service, name, thing, None, error.message, number)
        except BrokenProcessPool:
            self._is_broken = True
            error_text = "its process was ended from outside (too little memory?)"
            log.warning("job %s.%s of Thing %d failed: %s", service, name, thing, error_text)
            return JobResult(service, name, thing, None, error_text, number)
        except Exception as error:  # noqa: BLE001  whatever a job raises must not stop the others
            log.warning("job %s.%s of Thing %d failed: %s", service, name, thing, error)
            return JobResult(service, name, thing, None, f"{type(error).__name__}: {error}", number)

    def _submit(self, result: JobResult) -> None:
        entry = Entry(RecordKind.JOB, msgspec.msgpack.encode(result))
        while not self._closing:
            try:
                self._store.submit(Transaction([entry]), Lane.NORMAL).result()
                break
            except RetryLater as error:
                log.warning("the outcome of %s.%s has to wait: %s", result.service, result.job, error.message)
                with self._lock:
                    self._lock.wait_for(lambda: self._closing, timeout=1.0)
            except DongneError as error:
                log.warning("the outcome of %s.%s could not be stored: %s", result.service, result.job, error.message)
                break
        self.failed += bool(result.error)
        self.done += not result.error
