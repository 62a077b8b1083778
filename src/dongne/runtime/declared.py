"""What a service class declares, read once and checked: handlers by trigger, types, needs, emissions."""

import inspect
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dongne.model.case_kinds import CASE_KINDS, define_case_kind
from dongne.model.cases import CaseEvent
from dongne.model.errors import BadSetup
from dongne.model.notices import NoticeEvent
from dongne.model.observed import Observation, ObservedProperty
from dongne.runtime.job import Job
from dongne.runtime.manifest import Manifest
from dongne.runtime.service import (
    EMISSION_CLASSES,
    Alert,
    Asset,
    City,
    Command,
    Emission,
    Handler,
    Latest,
    Notify,
    OnCase,
    OnDaily,
    OnJob,
    OnNotice,
    OnObservation,
    OnWake,
    Open,
    Service,
    Trigger,
    WorkOrder,
)

ALWAYS_EMITTED = {"Wake", "Step", "TakeBack", "TaskUpdate"}  # they only follow up on what was emitted or read


@dataclass(frozen=True)
class Declared:
    """A service class in tables. Emission classes are those the class lists in `emits`; properties by key."""

    id: str
    cls: type[Service[Any, Any]]
    settings: type
    state: type
    on: tuple[tuple[OnObservation, Handler], ...]
    wakes: dict[str, Handler]
    daily: tuple[tuple[str, Handler], ...]
    on_case: tuple[tuple[OnCase, Handler], ...]
    on_job: dict[str, Handler]
    results: dict[str, ObservedProperty]
    emission_classes: frozenset[type]
    jobs: dict[str, type[Job[Any]]] = field(default_factory=dict)
    on_notice: dict[str, Handler] = field(default_factory=dict)
    opens: tuple[str, ...] = ()  # the kinds of Case in service.toml

    @property
    def reads(self) -> tuple[str, ...]:
        """The keys of the properties that reach a handler."""
        return tuple(dict.fromkeys(trigger.property.key for trigger, _ in self.on))

    @property
    def hears(self) -> tuple[str, ...]:
        """The keys of the properties it knows anything of: those that reach a handler, and those it needs the latest of."""
        return (*self.reads, *(need.property.key for need in self.cls.needs if isinstance(need, Latest)))

    @property
    def emits(self) -> tuple[str, ...]:
        """The keys of derived properties, the kinds of Case it opens, and "command" where it commands devices."""
        words: dict[type, str] = {Alert: "alert", WorkOrder: "work_order", Command: "command", Notify: "notice"}
        found = [*self.results, *(word for cls, word in words.items() if cls in self.emission_classes)]
        return tuple(dict.fromkeys([*found, *(self.opens if Open in self.emission_classes else ())]))


def _parameters(cls: type) -> tuple[type, type]:
    for base in getattr(cls, "__orig_bases__", ()):
        if typing.get_origin(base) is Service:
            settings, state = typing.get_args(base)
            return settings, state
    raise BadSetup(f"{cls.__name__} must name its classes: class {cls.__name__}(Service[Settings, State])")


def _check_types(where: str, handler: Any, first: object, state: type) -> None:
    hints = typing.get_type_hints(handler)
    names = list(inspect.signature(handler).parameters)
    if len(names) != 4 or not inspect.isgeneratorfunction(handler):
        raise BadSetup(f"{where} must be a generator: def {handler.__name__}(self, record, state, city)")
    wanted: list[tuple[str, object]] = [(names[1], first), (names[2], state), (names[3], City)]
    for name, cls in wanted:
        if cls is not None and hints.get(name) is not cls:
            given = getattr(hints.get(name), "__name__", hints.get(name))
            raise BadSetup(f"{where}: parameter {name!r} is {given}, but must be {getattr(cls, '__name__', cls)}")
    if hints.get("return") != Iterator[Emission]:
        raise BadSetup(f"{where} must return Iterator[Emission]")


class _Tables:
    """Handlers by trigger, filled one mark at a time."""

    def __init__(self, service_id: str, cls: type[Service[Any, Any]], jobs: list[type[Job[Any]]]) -> None:
        self.service_id, self.cls = service_id, cls
        self.settings, self.state = _parameters(cls)
        self.jobs = {job.name: job for job in jobs}
        self.on: list[tuple[OnObservation, Handler]] = []
        self.wakes: dict[str, Handler] = {}
        self.daily: list[tuple[str, Handler]] = []
        self.on_case: list[tuple[OnCase, Handler]] = []
        self.on_job: dict[str, Handler] = {}
        self.on_notice: dict[str, Handler] = {}

    def add(self, name: str, trigger: Trigger, handler: Handler) -> None:
        """Files a handler under its trigger after checking its types."""
        where = f"{self.service_id}: {self.cls.__name__}.{name}"
        match trigger:
            case OnObservation():
                _check_types(where, handler, Observation, self.state)
                if trigger.of is not None and trigger.of not in self.cls.needs:
                    raise BadSetup(f"{where}: add {trigger.of} to needs")
                self.on.append((trigger, handler))
            case OnWake():
                _check_types(where, handler, datetime, self.state)
                self.wakes[trigger.name] = handler
            case OnDaily():
                _check_types(where, handler, datetime, self.state)
                _check_local_time(where, trigger.local_time)
                self.daily.append((trigger.local_time, handler))
            case OnCase():
                _check_types(where, handler, CaseEvent, self.state)
                _check_case(where, trigger)
                self.on_case.append((trigger, handler))
            case OnNotice():
                _check_types(where, handler, NoticeEvent, self.state)
                self.on_notice[trigger.name] = handler
            case OnJob():
                if trigger.job not in self.jobs:
                    raise BadSetup(f"{where}: there is no job {trigger.job!r} in jobs.py")
                _check_types(where, handler, self.jobs[trigger.job].outcome, self.state)
                self.on_job[trigger.job] = handler


def declare(service_id: str, cls: type[Service[Any, Any]], manifest: Manifest, jobs: list[type[Job[Any]]]) -> Declared:
    """The tables of a service class. Raises BadSetup naming class, handler and remedy."""
    for kind in manifest.list_case_kinds():
        define_case_kind(kind)
    for name, entry in manifest.cases.items():
        if entry.kind not in CASE_KINDS:
            raise BadSetup(
                f"{service_id}: [cases.{name}] is of kind {entry.kind!r}; kinds: {', '.join(sorted(CASE_KINDS))}"
            )
    tables = _Tables(service_id, cls, jobs)
    for name, handler in inspect.getmembers(cls, inspect.isfunction):
        for trigger in getattr(handler, "dongne_triggers", ()):
            tables.add(name, trigger, handler)
    for need in cls.needs:
        if isinstance(need, Asset) and need.job not in tables.jobs:
            raise BadSetup(f"{service_id}: needs {need} but there is no such job in jobs.py")
        if isinstance(need, Latest) and need.within_m < 0:
            raise BadSetup(f"{service_id}: {need} has a negative distance")
    results, classes = _emits(service_id, cls, manifest)
    return Declared(
        id=service_id,
        cls=cls,
        settings=tables.settings,
        state=tables.state,
        on=tuple(tables.on),
        wakes=tables.wakes,
        daily=tuple(tables.daily),
        on_case=tuple(tables.on_case),
        on_job=tables.on_job,
        on_notice=tables.on_notice,
        results=results,
        emission_classes=classes,
        jobs=tables.jobs,
        opens=tuple(dict.fromkeys(case.kind for case in manifest.cases.values())),
    )


def _check_local_time(where: str, text: str) -> None:
    try:
        datetime.strptime(text, "%H:%M")  # noqa: DTZ007  a local time of day, without a day
    except ValueError as error:
        raise BadSetup(f"{where}: {text!r} is no time of day; write it as 03:00") from error


def _check_case(where: str, trigger: OnCase) -> None:
    kind = CASE_KINDS.get(trigger.kind)
    if kind is None or trigger.state not in kind.steps:
        raise BadSetup(f"{where}: there is no case kind {trigger.kind!r} with a state {trigger.state!r}")


def _emits(
    service_id: str, cls: type[Service[Any, Any]], manifest: Manifest
) -> tuple[dict[str, ObservedProperty], frozenset[type]]:
    results: dict[str, ObservedProperty] = {}
    classes: set[type] = {c for c in EMISSION_CLASSES if c.__name__ in ALWAYS_EMITTED}
    own = {p.key: p for p in manifest.list_properties()}
    for item in cls.emits:
        if isinstance(item, ObservedProperty):
            declared = own.get(item.key)
            if declared is None:
                raise BadSetup(f"{service_id}: service.toml needs [properties.{item.key}]")
            if (declared.unit, declared.low, declared.high) != (item.unit, item.low, item.high):
                raise BadSetup(
                    f"{service_id}: property {item.key} differs between code {item} and service.toml {declared}"
                )
            results[item.key] = item
        elif item in EMISSION_CLASSES:
            classes.add(item)
        else:
            raise BadSetup(f"{service_id}: {item!r} in emits is neither a property nor an emission class")
    return results, frozenset(classes - {c for c in classes if c.__name__ == "Result"})
