"""What the runtime, the pages and the adapters ask of a store. `stores/` has the implementations.

One writer takes Transactions by lane, commits as many as wait in one go (no timer), and resolves their futures after
the commit is durable. Everything a Transaction holds is stored together or not at all.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from enum import IntEnum
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.access import PUBLIC, Sight
from dongne.model.cases import Case, CaseEvent
from dongne.model.entities import EntityType
from dongne.model.graph import ThingGraph
from dongne.model.notices import Notice
from dongne.model.records import JobResult, Record, RecordKind
from dongne.model.tasks import Task


class Clock(Protocol):
    """The city's clock."""

    def now_us(self) -> int:
        """Microseconds since 1970, UTC; never goes back."""


class Lane(IntEnum):
    """Who goes first at the writer."""

    LIFE_SAFETY = 0
    NORMAL = 1
    BULK = 2


class Entry(msgspec.Struct, frozen=True):
    """A record to be: the store gives its number, and its `at_us` unless the entry brings one (emissions do)."""

    kind: RecordKind
    body: bytes
    count: int = 1
    origin: str = ""
    cause: int = 0
    at_us: int | None = None


class StateRow(msgspec.Struct, frozen=True):
    """What is remembered of one key: the state as JSON, its pending Wakes as name -> microseconds, why it is parked."""

    service: str
    thing: int
    version: int
    body: bytes
    wakes: dict[str, int] = {}
    parked: str = ""


class Transaction(msgspec.Struct, frozen=True):
    """What is stored together. `position`: this reader of the sequence has done all up to this number."""

    entries: Sequence[Entry] = ()
    states: Sequence[StateRow] = ()
    drop_states_of: str | None = None
    position: tuple[str, int] | None = None


class Receipt(msgspec.Struct, frozen=True):
    """What became of a Transaction: for each entry the number of its record, 0 where it changed nothing
    (a Case opened before, an illegal step of a service)."""

    numbers: tuple[int, ...]


class CaseFilter(msgspec.Struct, frozen=True):
    """Which cases; None means any."""

    kind: str | None = None
    thing: int | None = None
    service: str | None = None
    is_open: bool | None = None
    limit: int = 200
    before_id: int | None = None
    unit: str | None = None
    assignee: str | None = None
    state: str | None = None
    urgent_first: bool = False  # by priority, then by when the next thing must have happened; else the newest first
    skip: int = 0


class NoticeFilter(msgspec.Struct, frozen=True):
    """Which notices; None means any. `case` is the key of one."""

    thing: int | None = None
    case: str | None = None
    is_pending: bool | None = None
    limit: int = 200
    before_id: int | None = None


class LatestValue(msgspec.Struct, frozen=True):
    """The newest Observation of a Datastream; `result` is NaN where it is not a number (read it by its number)."""

    number: int
    time_us: int
    result: float


class Store(Protocol):
    """One city's data."""

    graph: ThingGraph  # as of the last commit; read it, never change it
    clock: Clock

    # writing
    def submit(self, transaction: Transaction, lane: Lane = Lane.NORMAL) -> Future[Receipt]:
        """Its receipt once it is durable. The future raises RetryLater (queue full, disk full), Conflict or BadInput."""

    def submit_soon(
        self, transaction: Transaction, done: Callable[[Receipt | Exception], None], lane: Lane = Lane.NORMAL
    ) -> None:
        """The same for many small ones: `done` is called in the writer's thread. Raises RetryLater when the queue is full."""

    def new_id(self, kind: EntityType) -> int:
        """A fresh id, never given twice."""

    # the sequence
    def head(self) -> int:
        """The last number given; 0 when empty."""

    def first(self) -> int:
        """The first number the sequence still has; 1 when nothing was archived."""

    def read(
        self, after: int, until: int | None = None, limit: int = 1000, kinds: Sequence[RecordKind] | None = None
    ) -> list[Record]:
        """Up to `limit` records whose first number is > `after` (and <= `until`), in order; only of these kinds, where
        given (quick for any but OBSERVATIONS)."""

    def find_number_at(self, at_us: int) -> int:
        """The last number that arrived before this instant of the city's clock; 0 where there is none."""

    def wait_beyond(self, number: int, timeout_s: float, is_over: Callable[[], bool] = ...) -> bool:
        """Whether the head went beyond `number` within the time; the wait ends early at a `wake` by which `is_over` holds."""

    def wake(self) -> None:
        """Whoever waits looks whether it is over."""

    def get_observation(self, number: int) -> tuple[Record, int]:
        """The record that holds this Observation and its row. Raises NotFound."""

    def subscribe(self, listener: Callable[[Sequence[Record]], None]) -> Callable[[], None]:
        """Calls the listener in the writer's thread with the records of each commit, until the returned function is
        called. A listener that raises is dropped."""

    # now
    def latest(self, datastream: int) -> LatestValue | None:
        """The newest by phenomenonTime, the higher number where equal."""

    def latest_of(
        self, datastreams: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Numbers, times (microseconds) and results; number 0 where a Datastream has none."""

    def list_cases(self, which: CaseFilter) -> list[Case]:
        """Newest first."""

    def get_case(self, case_id: int) -> Case:
        """Raises NotFound."""

    def find_case(self, key: str) -> Case | None:
        """By lasting identity."""

    def list_case_events(self, case_id: int) -> list[tuple[int, CaseEvent, str]]:
        """Number, event and chained hash, oldest first."""

    def list_notices(self, which: NoticeFilter) -> list[Notice]:
        """Newest first."""

    def find_notice(self, key: str) -> Notice | None:
        """By lasting identity."""

    def list_tasks(self, thing: int | None = None, is_open: bool | None = None, limit: int = 200) -> list[Task]:
        """Newest first."""

    def list_tasks_by_id(self, ids: Sequence[int]) -> list[Task]:
        """Those of these Tasks that are there, by id."""

    # services
    def position(self, reader: str) -> int:
        """How far this reader of the sequence has come; 0 at the start."""

    def list_positions(self, beginning: str) -> dict[str, int]:
        """Those of all readers whose name begins so, by what comes behind it."""

    def list_states(self, service: str) -> list[StateRow]:
        """All keys of a service."""

    def list_settings(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(service, level, values in force at that level)."""

    def list_assets(self, service: str, job: str | None = None) -> list[tuple[int, JobResult]]:
        """The newest outcome of each job and Thing, with its version."""

    # history
    def series(self, datastream: int, start: datetime, end: datetime) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Times (microseconds) and numbers of [start, end), ascending; revisions replace what they revise."""

    def history_lag(self) -> int:
        """How many numbers history is behind the sequence."""

    def seal(self, before: datetime) -> list[str]:
        """Writes each whole UTC day before this instant to an archive file; returns the names of the new ones."""

    def rebuild_history(self, progress: Callable[[int, int], None] | None = None) -> None:
        """History made anew from the sequence."""

    def counts(self) -> dict[str, float]:
        """Counters and gauges for the metrics page."""

    def close(self) -> None:
        """Everything durable and released."""


class RecordReader(Protocol):
    """Anything that can be replayed."""

    def read(
        self, after: int, until: int | None = None, limit: int = 1000, kinds: Sequence[RecordKind] | None = None
    ) -> list[Record]:
        """See Store.read."""


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a service is doing. `lag` counts records behind the head; `reads`/`emits` are property keys and case kinds; `kinds` those of
    the Things it serves, empty where any."""

    id: str
    shape: str
    area: str
    maturity: str
    reads: tuple[str, ...]
    emits: tuple[str, ...]
    keys: int
    lag: int
    parked: tuple[tuple[int, str], ...]
    running: bool = True
    kinds: tuple[str, ...] = ()


class SettingInForce(msgspec.Struct, frozen=True):
    """A setting as it holds for a Thing: its value and the level that says so (default, city, thing:<id>, arm:...)."""

    service: str
    name: str
    value: Any
    default: Any
    level: str
    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")


class Runtime(Protocol):
    """What the pages ask of the running services."""

    def statuses(self, sight: Sight = PUBLIC) -> list[ServiceStatus]:
        """One for each service that is switched on, by id; keys and parked ones as far as this sight reaches."""

    def settings_in_force(self, service: str, thing: int | None = None) -> list[SettingInForce]:
        """The settings of a service for the city or for a Thing."""

    def check_settings(self, service: str, values: dict[str, Any]) -> dict[str, Any]:
        """The values as they would hold. Raises BadInput naming setting, value and range."""

    def services_of(self, thing: int) -> list[str]:
        """The services that act on this Thing."""

    def list_answers(self) -> list[tuple[str, type, type]]:
        """Id, question class and reply class of each answer."""

    def question_class(self, answer: str) -> type:
        """The question dataclass of an answer. Raises NotFound."""

    def ask(self, answer: str, question: Any, sight: Sight = PUBLIC) -> Any:
        """The answer to a question of its class, out of what this sight reaches. Raises BadInput."""

    def ask_at_once(self, answer: str, question: Any, sight: Sight = PUBLIC) -> Any:
        """The same; None where something has to be worked out first, for which `ask` takes its time. Raises BadInput."""
