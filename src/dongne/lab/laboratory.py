"""What-ifs of a running city: replayed in a process of their own, beside the live services, and remembered."""

import multiprocessing
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from typing import Any

import msgspec

from dongne.model.city import CityConfig
from dongne.model.errors import RetryLater
from dongne.runtime.ports import RecordReader
from dongne.runtime.what_if import WhatIf, compare

REMEMBERED = 32
WAITING = 4


def run(open_records: Callable[[], RecordReader], *question: Any) -> WhatIf:
    """One comparison, in the worker process."""
    return compare(open_records(), *question)


def _is_broken(future: Future[WhatIf]) -> bool:
    """Whether the worker died over it (a process that was killed takes its whole pool with it)."""
    return future.done() and isinstance(future.exception(), BrokenProcessPool)


class Laboratory:
    """Answers what-ifs one after the other. `open_records` opens the sequence for reading and must be picklable, since
    it is called in another process."""

    def __init__(self, config: CityConfig, open_records: Callable[[], RecordReader]) -> None:
        self._config = config
        self._open_records = open_records
        self._asked: OrderedDict[bytes, Future[WhatIf]] = OrderedDict()
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def ask(
        self, service: str, values: dict[str, Any], since: datetime, until: datetime, number: int,
        without: frozenset[int] = frozenset(),
    ) -> Future[WhatIf]:  # fmt: skip
        """The comparison of the settings as they were with `values` for everything, over facts of [since, until) up to
        the record `number`, of all Things but those in `without`; the same Future when the same is asked for again.

        Raises RetryLater when too many wait.
        """
        key = msgspec.json.encode([service, values, since, until, sorted(without)], order="sorted")
        with self._lock:
            found = self._asked.get(key)
            if found is not None and not (found.done() and found.exception()):
                self._asked.move_to_end(key)
                return found
            if sum(not future.done() for future in self._asked.values()) >= WAITING:
                raise RetryLater(f"{WAITING} comparisons are being worked out; ask again when one is done")
            if self._pool is None or any(_is_broken(future) for future in self._asked.values()):
                self._pool = ProcessPoolExecutor(
                    1, multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
                )
            question = (service, self._config.zone, values, since, until, number, without)
            future = self._pool.submit(run, self._open_records, *question)
            self._asked = OrderedDict((k, f) for k, f in self._asked.items() if not _is_broken(f))
            self._asked[key] = future
            for old in [key for key, one in self._asked.items() if one.done()][: max(len(self._asked) - REMEMBERED, 0)]:
                del self._asked[old]
            return future

    def close(self) -> None:
        """Gives up what is being worked out."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
