"""What waits for the writer: Transactions by lane, and doors for single Observations.

Each lane has bounds of its own, so that bulk can't shut out life safety.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from dongne.model.errors import BadInput, DongneError, RetryLater, TooMany
from dongne.model.records import ObservationExtra
from dongne.runtime.ports import Lane, Receipt, Transaction
from dongne.stores.effects import MAX_DATASTREAM, MAX_TIME_US, MIN_TIME_US, check_extra

Done = Callable[[Receipt | Exception], None]
OnCommit = Callable[[list[Any], int, Exception | None], None]
Row = tuple[int, int, float, ObservationExtra | None, Any]  # datastream, time, result, extra, token

MAX_WAITING_ROWS = 200_000
MAX_WAITING_BYTES = 256 << 20
BULK_ROWS = 5_000  # of BULK in one commit
LANE_ROWS = 20_000  # of any other lane in one commit: bounds what life safety may wait for


class Work(msgspec.Struct, frozen=True, gc=False):
    """A Transaction that waits, with what is called when it is durable or has failed."""

    transaction: Transaction
    done: Done
    rows: int
    size: int


class Wakeup:
    """Wakes the writer; costs next to nothing while it is awake."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.asleep = self._is_patient = False

    def call(self, *, can_wait: bool = False) -> None:
        """There is something to do; what `can_wait` wakes nobody who sleeps patiently."""
        if self.asleep and not (can_wait and self._is_patient):
            self.asleep = False  # once is enough
            self._event.set()

    def sleep(self, anything: Callable[[], bool], timeout_s: float, *, patiently: bool = False) -> None:
        """Until called, or at once where there is something."""
        self._event.clear()
        self._is_patient = patiently
        self.asleep = True  # from here on every call sets the event; what came before is seen by the next line
        if not anything():
            self._event.wait(timeout_s)
        self.asleep = False


class Door:
    """The quick way in for single Observations: those which wait become one record at the next commit.

    `append` may be called from any thread and gives a token back with the outcome. After each commit `on_commit` is
    called ONCE in the writer's thread as `on_commit(tokens, first, error)` (a list of tokens, in order): token i got the number `first + i`, or,
    where `error` is not None, none of them was stored. So an asyncio server needs one `loop.call_soon_threadsafe`
    per commit:

        def on_commit(tokens, first, error):
            loop.call_soon_threadsafe(answer, tokens, first, error)

        door = store.open_door(on_commit)
        door.append(datastream=7, time_us=1_700_000_000_000_000, result=21.5, token=waiting_request)
    """

    def __init__(self, wakeup: Wakeup, on_commit: OnCommit, max_rows: int = MAX_WAITING_ROWS) -> None:
        self._wakeup, self.on_commit, self._max_rows = wakeup, on_commit, max_rows
        self._rows: deque[Row] = deque()  # append and popleft are atomic
        self.refused: DongneError | None = None  # why nothing may enter any more
        self.turned_away = 0

    def __len__(self) -> int:
        return len(self._rows)

    def append(
        self,
        datastream: int,
        time_us: int,
        result: float,
        extra: ObservationExtra | None = None,
        token: Any = None,
    ) -> None:
        """Raises RetryLater (queue full, closing) or BadInput (an id or a time that can't be stored) at once."""
        if not (0 < datastream < MAX_DATASTREAM and MIN_TIME_US <= time_us <= MAX_TIME_US):
            raise BadInput(
                f"Datastream {datastream} at {time_us} us: ids lie in 1..{MAX_DATASTREAM - 1}, times in years 1..9999",
                reason="id_or_time",
            )
        if extra is not None:
            check_extra(extra)
        if result.__class__ is not float:
            result = float(result)
        rows = self._rows
        if len(rows) >= self._max_rows:
            self.turned_away += 1
            raise queue_full(len(rows), "Observations")
        if self.refused is not None:
            raise self.refused
        rows.append((datastream, time_us, result, extra, token))
        self._wakeup.call()

    def take(self, limit: int) -> list[Row]:
        """Up to `limit` of those which wait, in order; for the writer."""
        popleft = self._rows.popleft
        return [popleft() for _ in range(min(limit, len(self._rows)))]


def queue_full(waiting: int, what: str) -> RetryLater:
    """The refusal when too much waits."""
    return TooMany(f"{waiting} {what} wait to be stored; send it again in a second", reason="queue_full")


class LaneQueue:
    """What waits in one lane. The writer takes, everybody puts."""

    def __init__(self, lane: Lane, wakeup: Wakeup, max_rows: int, max_bytes: int) -> None:
        self.lane = lane
        self._lock = threading.Lock()
        self._works: deque[Work] = deque()
        self._wakeup, self._max_rows, self._max_bytes = wakeup, max_rows, max_bytes
        self.rows = self.size = 0
        self.doors: tuple[Door, ...] = ()
        self.refused: DongneError | None = None
        self.turned_away = 0

    def put(self, transaction: Transaction, done: Done) -> None:
        """Raises RetryLater when the lane is full."""
        entries = transaction.entries
        rows = sum([entry.count for entry in entries]) + len(transaction.states)
        size = sum([len(entry.body) for entry in entries]) + sum([len(row.body) for row in transaction.states])
        with self._lock:
            if self.refused is not None:
                raise self.refused
            too_much = self.rows + rows > self._max_rows or self.size + size > self._max_bytes
            if too_much and self._works:  # one that is bigger than the bounds goes alone
                self.turned_away += 1
                raise queue_full(self.rows, "rows")
            self.rows += rows
            self.size += size
            self._works.append(Work(transaction, done, rows, size))
        self._wakeup.call(can_wait=self.lane is not Lane.LIFE_SAFETY)

    def take(self, max_rows: int) -> list[Work]:
        """Those in front, until they have `max_rows`; at least one where any waits."""
        taken: list[Work] = []
        with self._lock:
            room = max_rows
            while self._works and (room >= self._works[0].rows or not taken):
                work = self._works.popleft()
                room -= work.rows
                self.rows -= work.rows
                self.size -= work.size
                taken.append(work)
        return taken

    def open_door(self, on_commit: OnCommit, max_rows: int) -> Door:
        """A new door of this lane."""
        door = Door(self._wakeup, on_commit, max_rows)
        with self._lock:
            door.refused = self.refused
            self.doors = (*self.doors, door)
        return door

    def refuse(self, why: DongneError) -> None:
        """From now on nothing enters."""
        with self._lock:
            self.refused = why
            for door in self.doors:
                door.refused = why

    def waits(self) -> bool:
        """Whether anything is here."""
        return bool(self._works) or any(map(len, self.doors))

    def depth(self) -> int:
        """Rows that wait."""
        return self.rows + sum(map(len, self.doors))
