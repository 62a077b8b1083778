"""Jobs in processes of their own."""

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from dongne.adapters.clock import CityClock
from dongne.model.records import JobResult, JobStart, RecordKind
from dongne.runtime.pool import JobPool
from dongne.runtime.ports import Entry, Transaction
from dongne.runtime.registry import load_all
from dongne.stores.embedded import EmbeddedStore


def _wait(until: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not until():
        assert time.monotonic() < deadline_s, "waited for 30 s"
        time.sleep(0.01)


def test_a_process_that_was_killed_is_no_end_of_all_jobs(tmp_path: Path) -> None:
    store = EmbeddedStore.open(tmp_path / "city", CityClock(), follow=False)
    services, _ = load_all(["footfall"])
    pool = JobPool(store, services, "UTC", lambda service, thing: services[0].declared.settings())
    pool.open()

    def run(thing: int) -> str:
        start = JobStart("footfall", "fit", thing)
        entry = Entry(RecordKind.START, msgspec.msgpack.encode(start))
        (number,) = store.submit(Transaction([entry])).result().numbers
        before = pool.failed
        pool.request(number, start)
        _wait(lambda: pool.failed > before)
        (record,) = store.read(number, kinds=(RecordKind.JOB,))
        result = msgspec.msgpack.decode(record.body, type=JobResult)
        assert result.started == number
        return result.error

    others = set(multiprocessing.active_children())
    try:
        too_little = run(1)
        assert "too little history" in too_little
        (worker,) = set(multiprocessing.active_children()) - others
        worker.kill()
        worker.join()
        assert "ended from outside" in run(1)
        assert run(1) == too_little
    finally:
        pool.close()
        store.close()
