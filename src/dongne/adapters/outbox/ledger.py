"""What the outbox writes into the store: all records of a moment in one Transaction, the most pressing first.

A store that can't write now (its disk is full) keeps nobody from being told: what is urgent is sent first and written down
when it can be. Until then it is known only here; a crash meanwhile lets it be sent again, under the same identifier.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from dongne.model.errors import DongneError, RetryLater
from dongne.runtime.ports import Entry, Lane, Receipt, Store, Transaction

log = logging.getLogger(__name__)
AGAIN_S = 0.5
AT_ONCE = 500  # records in one Transaction
GATHER_S = 0.015  # what nobody waits for lets others come along for so long: a commit costs more than a record


class Waiting(NamedTuple):
    """A record to be, and who waits for it. All records about one notice have its rank."""

    entry: Entry
    future: "asyncio.Future[int]"
    rank: int


class Ledger:
    """Writes by rank (0 first), then in the order in which it was told; used in one event loop only."""

    def __init__(self, store: Store, again_s: float = AGAIN_S) -> None:
        self._store, self._again_s = store, again_s
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Waiting] = []
        self._writing: list[Waiting] = []  # those that the store has now
        self._at_once = AT_ONCE
        self._later: asyncio.TimerHandle | None = None  # until it is tried again
        self._soon: asyncio.TimerHandle | None = None  # until what can wait is written
        self._is_rung = False
        self.is_stuck = False  # the last Transaction could not be written
        self.failures = 0
        self._rested = asyncio.Event()

    @property
    def unwritten(self) -> int:
        """How many records wait for the store."""
        return len(self._writing) + len(self._waiting)

    def write(self, entries: Sequence[Entry], rank: int = 0, *, can_wait: bool = False) -> "list[asyncio.Future[int]]":
        """For each the number of its record once it is durable, 0 where it changed nothing. All that is told in one turn of the
        event loop is written together; what `can_wait` goes along with it, within GATHER_S at the latest. The futures never fail:
        what can't be written waits until it can."""
        told = [Waiting(entry, self._loop.create_future(), rank) for entry in entries]
        self._waiting += told
        if not can_wait and not self._is_rung:
            self._is_rung = True
            self._loop.call_soon(self._go_on)
        elif can_wait and self._soon is None:
            self._soon = self._loop.call_later(GATHER_S, self._go_on)
        return [one.future for one in told]

    def _go_on(self) -> None:
        self._is_rung = False
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self._writing or self._later is not None or not self._waiting:
            return
        self._waiting.sort(key=_rank)
        taken = self._writing = self._waiting[: self._at_once]
        del self._waiting[: len(taken)]
        done = self._done(taken)
        try:
            self._store.submit_soon(
                Transaction([one.entry for one in taken]),
                lambda outcome: self._call(done, outcome),
                Lane.LIFE_SAFETY,
            )
        except DongneError as error:
            done(error)

    def _try_again(self) -> None:
        self._later = None
        self._go_on()

    def _call(self, done: "Callable[[Receipt | Exception], None]", outcome: Receipt | Exception) -> None:
        """In the writer's thread."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(done, outcome)

    def _done(self, taken: list[Waiting]) -> "Callable[[Receipt | Exception], None]":
        def done(outcome: Receipt | Exception) -> None:
            self._writing = []
            if not isinstance(outcome, Receipt | RetryLater):
                if len(taken) > 1:
                    self._waiting[:0] = taken
                    self._at_once = 1
                    self._go_on()
                    return
                log.error("a record of the outbox can't be stored, and is left out", exc_info=outcome)
                outcome = Receipt((0,))
            if isinstance(outcome, Receipt):
                self._at_once = AT_ONCE if len(taken) != 1 or not self._waiting else self._at_once
                self.is_stuck = False
                for one, number in zip(taken, outcome.numbers, strict=True):
                    if not one.future.done():
                        one.future.set_result(number)
                if not self._waiting:
                    self._rested.set()
                self._go_on()
                return
            self._waiting[:0] = taken
            if not self.is_stuck:
                log.error("what was sent can't be written down now, and is tried again: %s", outcome)
            self.is_stuck = True
            self.failures += 1
            self._later = self._loop.call_later(self._again_s, self._try_again)

        return done

    async def rest(self, within_s: float) -> bool:
        """Whether everything was written within the time."""
        self._rested.clear()
        if self.unwritten:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._rested.wait()
        return not self.unwritten


def _rank(one: Waiting) -> int:
    return one.rank
