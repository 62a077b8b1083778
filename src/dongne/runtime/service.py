"""What the author of a service writes with: Service, @on, @wake, @daily, @on_case, @on_notice, @on_job, needs, and emissions.

A handler is a synchronous generator over one record and the state of one key (a Thing). It has no clock, chance,
network, database, file, thread or global: time is an input.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.cases import CaseEvent
from dongne.model.entities import Thing
from dongne.model.geometry import Point
from dongne.model.notices import NoticeEvent
from dongne.model.observed import ObservedProperty

S = TypeVar("S")  # Settings: a frozen dataclass with defaults
K = TypeVar("K")  # the state of one key: a dataclass with defaults
F = TypeVar("F", bound=Callable[..., Any])


# --- what a handler may emit ------------------------------------------------------------------------------------


class Result(msgspec.Struct, frozen=True, gc=False):
    """A value of a derived property at the key: becomes an Observation of a Datastream of this service.

    `value` is in the property's unit and must lie in its range. `time` is the phenomenonTime, the record's where it
    is None. `part` says which part of the key it is about, as a car of a train: each has a Datastream of its own. A second
    Result of the same property, part and time is a revision of the first.
    """

    property: ObservedProperty
    value: float
    time: datetime | None = None
    parameters: Mapping[str, Any] | None = None
    part: str = ""


class Alert(msgspec.Struct, frozen=True):
    """Opens a Case of kind alert, once for each `once`. Words come from the catalogue under "<service>.<name>"."""

    name: str
    once: str
    values: Mapping[str, Any] = {}
    severity: str = "minor"  # CAP 1.2: extreme, severe, moderate, minor


class WorkOrder(msgspec.Struct, frozen=True):
    """Opens a Case of kind work_order, once for each `once`; `due` is when it must be done."""

    name: str
    once: str
    due: datetime | None = None
    values: Mapping[str, Any] = {}


class Open(msgspec.Struct, frozen=True):
    """Opens a Case of any kind there is (dongne.model.cases), once for each `once`.

    `priority` is that of the kind where it is None; 0 is life safety. `unit` is who it goes to first. `access`
    ("internal", "personal") closes it more than its Thing.
    """

    kind: str
    name: str
    once: str
    values: Mapping[str, Any] = {}
    severity: str = ""
    priority: int | None = None
    unit: str = ""
    due: datetime | None = None
    access: str = ""


class Step(msgspec.Struct, frozen=True):
    """A step of a Case this service opened: Step("work_order", "collect", "round 3", "done"). `cause` is why, where the kind
    asks for one."""

    kind: str
    name: str
    once: str
    action: str
    values: Mapping[str, Any] = {}
    cause: str = ""


class Notify(msgspec.Struct, frozen=True):
    """Something that must reach somebody, once for each `once`: `to` the "resident" of the key, a "guardian", "responder",
    "neighbour" or "nurse" of theirs, "unit:<id>", or "119".

    Words come from the catalogue under "<service>.<name>" with `values` filled in. `case` is the Case it belongs to, as (kind,
    name, once). `asks`: an answer is wanted. `urgent`: quiet hours don't count. `exercise`: it never reaches 119. `channels`
    are those to try, in order; empty means those the recipient has. `follows` is the `once` of the notice of the same name which
    this one goes on with, at the same receiver; with `ends` it takes that one back there.
    """

    name: str
    once: str
    to: str
    values: Mapping[str, Any] = {}
    case: tuple[str, str, str] | None = None
    asks: bool = False
    urgent: bool = False
    exercise: bool = False
    channels: tuple[str, ...] = ()
    follows: str = ""
    ends: bool = False


class TakeBack(msgspec.Struct, frozen=True):
    """A Notify that nobody needs any more: it is not sent again. What a receiver has, it keeps: follow it with another."""

    name: str
    once: str


class Command(msgspec.Struct, frozen=True):
    """A Task for the key's device: bring `capability` to `value` (in its unit), until `until` where it ends by itself."""

    capability: ObservedProperty
    value: float
    once: str
    until: datetime | None = None


class TaskUpdate(msgspec.Struct, frozen=True):
    """What became of a Command of this key: state "done", "failed" or "expired"."""

    capability: ObservedProperty
    once: str
    state: str


class Wake(msgspec.Struct, frozen=True, gc=False):
    """Call the key's @wake(name) handler at `at`; replaces an earlier Wake of that name; None takes it back."""

    at: datetime | None
    name: str


class Start(msgspec.Struct, frozen=True):
    """Start the service's job of this name for the key; its outcome comes back to @on_job(name)."""

    job: str


Emission = Result | Alert | WorkOrder | Open | Step | Notify | TakeBack | Command | TaskUpdate | Wake | Start
EMISSION_CLASSES = (Result, Alert, WorkOrder, Open, Step, Notify, TakeBack, Command, TaskUpdate, Wake, Start)


# --- what a handler may need to know of others --------------------------------------------------------------------


@dataclass(frozen=True)
class Neighbours:
    """The Things that can be reached from the key over relations of this kind, in at most `hops` steps."""

    relation: str
    hops: int = 1


@dataclass(frozen=True)
class Latest:
    """The latest values of a property at or near the key; `within_m` 0 means at the key itself. With `of`, at the Things that
    are among these neighbours instead."""

    property: ObservedProperty
    within_m: float = 0.0
    of: Neighbours | None = None


@dataclass(frozen=True)
class Asset:
    """The newest outcome of this service's job for the key."""

    job: str


Need = Neighbours | Latest | Asset


class Neighbour(msgspec.Struct, frozen=True):
    """A Thing reached over relations; `path` are the ids on the way, itself last; `distance_m` along it."""

    thing: int
    hops: int
    distance_m: float
    path: tuple[int, ...]


class Reading(msgspec.Struct, frozen=True):
    """The latest value of a property at a Thing, or at a part of it, in the property's unit."""

    thing: int
    distance_m: float
    time: datetime
    value: float
    part: str = ""


class City(Protocol):
    """What a handler may know of the city beside its key's state: only what `needs` declares. Frozen while it runs."""

    @property
    def zone(self) -> ZoneInfo:
        """The city's time zone."""

    @property
    def now(self) -> datetime:
        """The city's clock: when the record arrived that is handled now. A Wake may fire later than it was due."""

    @property
    def thing(self) -> Thing:
        """The key."""

    @property
    def point(self) -> Point | None:
        """Where the key is; None where nobody said."""

    def neighbours(self, need: Neighbours) -> Sequence[Neighbour]:
        """Nearest first by hops, then by distance."""

    def readings(self, need: Latest) -> Sequence[Reading]:
        """Nearest first, the parts of a Thing in the order of their first value; only those which have one."""

    def find_asset(self, need: Asset) -> Any | None:
        """The newest outcome, of the job's outcome class."""


# --- when a handler runs ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OnObservation:
    """Runs for each Observation of a property; at the key itself, or at the Things that have it as a neighbour."""

    property: ObservedProperty
    of: Neighbours | None = None


@dataclass(frozen=True)
class OnWake:
    """Runs when a Wake of this name is due."""

    name: str


@dataclass(frozen=True)
class OnDaily:
    """Runs for each key that has a state, at this local time of every day."""

    local_time: str


@dataclass(frozen=True)
class OnCase:
    """Runs when a Case this service opened for the key reaches this state."""

    kind: str
    state: str


@dataclass(frozen=True)
class OnNotice:
    """Runs when a notice of this name, which this service asked for, was received, answered, or given up."""

    name: str


@dataclass(frozen=True)
class OnJob:
    """Runs with the outcome of a job for the key."""

    job: str


Trigger = OnObservation | OnWake | OnDaily | OnCase | OnNotice | OnJob


def _marked(trigger: Trigger) -> Callable[[F], F]:
    def mark(handler: F) -> F:
        triggers: list[Trigger] = list(getattr(handler, "dongne_triggers", ()))
        handler.dongne_triggers = [*triggers, trigger]  # type: ignore[attr-defined]  # a mark on the function
        return handler

    return mark


def on(observed: ObservedProperty, *, of: Neighbours | None = None) -> Callable[[F], F]:
    """Marks `handler(self, obs: Observation, state, city)`. With `of`, the key is each Thing that has the observed one
    among these neighbours (and not the observed one itself)."""
    return _marked(OnObservation(observed, of))


def wake(name: str) -> Callable[[F], F]:
    """Marks `handler(self, now: datetime, state, city)` for Wakes of this name; `now` is the instant it was due."""
    return _marked(OnWake(name))


def daily(local_time: str) -> Callable[[F], F]:
    """Marks `handler(self, now: datetime, state, city)` to run every day at this time ("03:00") in the city's zone."""
    return _marked(OnDaily(local_time))


def on_case(kind: str, state: str) -> Callable[[F], F]:
    """Marks `handler(self, event: CaseEvent, state, city)` for Cases of this service that a person brought to a state."""
    return _marked(OnCase(kind, state))


def on_notice(name: str) -> Callable[[F], F]:
    """Marks `handler(self, event: NoticeEvent, state, city)` for notices of this name: `event.action` is "received" (by a
    provider), "answered" (`event.answer` is fine, help or acknowledged) or "dead" (nobody could be reached)."""
    return _marked(OnNotice(name))


def on_job(job: str) -> Callable[[F], F]:
    """Marks `handler(self, outcome, state, city)`; `outcome` is of the job's outcome class."""
    return _marked(OnJob(job))


class Service(Generic[S, K]):
    """Base of a service: a keyed reducer with `Settings` S and the state K of one key.

    `version` counts up when the meaning of the state changes: a state of another version is rebuilt by a silent replay
    (new fields with defaults need no new version). `kinds` names the kinds of Thing it serves; empty means any.
    """

    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[Need, ...]] = ()
    emits: ClassVar[tuple[ObservedProperty | type, ...]] = ()

    def __init__(self, settings: S) -> None:
        self.settings = settings


Handler = Callable[[Any, Any, Any, City], Iterator[Emission]]

__all__ = [
    "Alert", "Asset", "CaseEvent", "City", "Command", "Emission", "Latest", "Neighbour", "Neighbours", "NoticeEvent",
    "Notify", "Open", "Reading", "Result", "Service", "Start", "Step", "TakeBack", "TaskUpdate", "Wake", "WorkOrder",
    "daily", "on", "on_case", "on_job", "on_notice", "wake",
]  # fmt: skip
