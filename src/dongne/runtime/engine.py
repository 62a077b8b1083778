"""The engine: services over records. Synchronous and pure, so live, replay and parts are the same.

A record is handled whole, with everything that follows from it, before the next: first the Wakes that were due when it
arrived, then its handlers, then what their emissions set off in other services (depth first). What comes out is a
function of the records from outside and of nothing else.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from dongne.model.cases import CaseEvent
from dongne.model.entities import EntityChange, EntityType, Put
from dongne.model.errors import BadInput
from dongne.model.graph import ThingGraph
from dongne.model.observed import Observation, ObservedProperty
from dongne.model.records import (
    JobResult,
    Record,
    RecordKind,
    Resume,
    SettingChange,
    decode_batch,
)
from dongne.model.times import EPOCH, to_us
from dongne.model.units import IDENTITY, Conversion, get_conversion
from dongne.runtime.ports import StateRow
from dongne.runtime.registry import LoadedService
from dongne.runtime.runner import Emitted, Runner
from dongne.runtime.service import Handler, Latest, Result
from dongne.runtime.settings import CITY
from dongne.runtime.surroundings import Surroundings

log = logging.getLogger("dongne.engine")

decode_changes = msgspec.msgpack.Decoder(list[EntityChange]).decode
_setting = msgspec.msgpack.Decoder(SettingChange)
_case = msgspec.msgpack.Decoder(CaseEvent)
_job = msgspec.msgpack.Decoder(JobResult)
_resume = msgspec.msgpack.Decoder(Resume)

MAX = float(np.finfo(np.float64).max)  # an infinite value is not in an unlimited range

DERIVED = frozenset({RecordKind.OBSERVATIONS, RecordKind.CASE, RecordKind.TASK, RecordKind.START})


class _HasId(msgspec.Struct):
    id: int


class _Route(msgspec.Struct, frozen=True, gc=False):
    """A handler of one key that an observed (Thing, property) leads to."""

    runner: Runner
    key: int
    handler: Handler
    observed: ObservedProperty


class _Stream(msgspec.Struct, frozen=True, gc=False):
    """A Datastream that somebody reads or needs."""

    thing: int
    key: str
    routes: tuple[_Route, ...]
    needed: bool


class Engine:
    """Services over records. Feed it records in order with `turn`; take changed states with `take_changed`.

    `graph` is the engine's own and must be as of the first record. `keeps` limits it to some keys (a partition); it still
    needs every record, for what its keys know of the others.
    """

    def __init__(
        self,
        services: Iterable[LoadedService],
        graph: ThingGraph,
        zone: ZoneInfo,
        city_settings: dict[str, dict[str, Any]] | None = None,
        *,
        keeps: Callable[[int], bool] | None = None,
    ) -> None:
        loaded = list(services)
        self._needs = {n.property for s in loaded for n in s.declared.cls.needs if isinstance(n, Latest)}
        self.around = Surroundings(graph, zone, {p.key for p in self._needs})
        self.runners = {s.id: Runner(s, self.around, keeps, (city_settings or {}).get(s.id, {})) for s in loaded}
        self._properties = {p.key: p for p in self._needs}
        for runner in self.runners.values():
            self._properties.update({t.property.key: t.property for t, _ in runner.declared.on})
        self.problems: dict[int, str] = {}  # Datastreams that can't be bound, and why
        self.skipped = 0  # values out of range or not numbers
        self._takers: dict[RecordKind, Callable[[Record, list[Emitted]], None]] = {
            RecordKind.OBSERVATIONS: self._observations,
            RecordKind.ENTITIES: self._entities,
            RecordKind.SETTING: self._setting,
            RecordKind.CASE: self._case_event,
            RecordKind.JOB: self._job_result,
            RecordKind.RESUME: self._resume,
        }
        self.rebind()

    # --- binding ---------------------------------------------------------------------------------------------------

    def rebind(self) -> None:
        """Finds anew which Datastreams lead to which handlers."""
        graph = self.around.graph
        self._stale = False
        self.problems.clear()
        self._routes: dict[tuple[int, str], tuple[_Route, ...]] = {}
        self._streams: dict[int, _Stream] = {}
        wanted: dict[tuple[int, str], list[_Route]] = {}
        for runner in self.runners.values():
            for trigger, handler in runner.declared.on:
                for key in runner.list_keys(graph):
                    targets = [key] if trigger.of is None else [n.thing for n in self.around.reach(key, trigger.of)]
                    for thing in targets:
                        route = _Route(runner, key, handler, trigger.property)
                        wanted.setdefault((thing, trigger.property.key), []).append(route)
        self._routes = {at: tuple(routes) for at, routes in wanted.items()}
        bound: dict[int, tuple[ObservedProperty, Conversion]] = {}
        for stream in graph.datastreams.values():
            observed = self._properties.get(graph.property_key(stream))
            if observed is None or stream.properties.get("service") in self.runners:
                continue
            routes = self._routes.get((stream.thing_id, observed.key), ())
            needed = observed.key in self.around.needed
            if not routes and not needed:
                continue
            unit = stream.unit_of_measurement.symbol
            try:
                bound[stream.id] = observed, IDENTITY if unit is None else get_conversion(unit, observed.unit)
            except BadInput as error:
                self.problems[stream.id] = error.message
                continue
            self._streams[stream.id] = _Stream(stream.thing_id, observed.key, routes, needed)
        self._tabulate(bound)

    def _tabulate(self, bound: dict[int, tuple[ObservedProperty, Conversion]]) -> None:
        """Units and ranges as columns by Datastream id, so that whole batches are checked at once."""
        size = max(bound, default=-1) + 1
        self._bound = np.zeros(size, bool)
        self._factor, self._offset = np.ones(size), np.zeros(size)
        self._low, self._high = np.full(size, -np.inf), np.full(size, np.inf)
        for stream_id, (observed, conversion) in bound.items():
            self._bound[stream_id] = True
            self._factor[stream_id], self._offset[stream_id] = conversion.factor, conversion.offset
            self._low[stream_id], self._high[stream_id] = max(observed.low, -MAX), min(observed.high, MAX)

    # --- states ----------------------------------------------------------------------------------------------------

    def load(self, rows: Iterable[StateRow]) -> list[str]:
        """Takes stored states in; returns the services whose states are of another version and must be rebuilt."""
        stale = set()
        for row in rows:
            if row.service == CITY:
                self.around.load(row.thing, row.body)
                continue
            runner = self.runners.get(row.service)
            if runner is None:
                continue
            if row.version != runner.declared.cls.version:
                stale.add(row.service)
            else:
                runner.load(row)
        return sorted(stale)

    def take_changed(self) -> list[StateRow]:
        """The states changed since the last call, ready to store; with them what is known of needed properties."""
        rows = [row for runner in self.runners.values() for row in runner.take_changed()]
        rows += (StateRow(CITY, thing, 1, body) for thing, body in self.around.take_changed())
        return rows

    def prime(self, record: Record) -> None:
        """Takes in what a record changes of Things, settings and assets, and runs nothing: with `load` of the states
        stored at that point, the engine is as if it had handled every record up to there."""
        match record.kind:
            case RecordKind.ENTITIES:
                self._entities(record, [])
            case RecordKind.SETTING:
                self._setting(record, [])
            case RecordKind.JOB:
                self._take_outcome(record)
            case _:
                pass

    def next_wake_us(self) -> int | None:
        """When the next Wake is due."""
        return min((us for r in self.runners.values() if (us := r.next_wake_us()) is not None), default=None)

    def _is_due(self, at_us: int) -> bool:
        due_us = self.next_wake_us()
        return due_us is not None and due_us <= at_us

    # --- records ---------------------------------------------------------------------------------------------------

    def turn(self, record: Record) -> list[Emitted]:
        """Everything the services emit on this record, in order. What a service of this engine emitted before comes by
        again as a record and is passed over: it was handled with its cause."""
        if record.origin in self.runners and record.kind in DERIVED:
            return []
        if self._stale and (record.kind is not RecordKind.ENTITIES or self._is_due(record.at_us)):
            self.rebind()  # once for many changes that follow on each other
        self.around.at_us = record.at_us
        out: list[Emitted] = []
        for runner in self.runners.values():
            for emitted in runner.fire(record.at_us, record.number):
                self._follow(emitted, record, out)
        take = self._takers.get(record.kind)
        if take is not None:
            take(record, out)
        return out

    def _entities(self, record: Record, out: list[Emitted]) -> None:
        changes = decode_changes(record.body)
        self.around.graph.apply(changes)
        self._stale = self._stale or any(map(self._is_binding, changes))

    def _is_binding(self, change: EntityChange) -> bool:
        """Whether a change may lead other Datastreams to handlers: not where a service of this engine made it."""
        if isinstance(change, Put) and change.type in (EntityType.SENSOR, EntityType.OBSERVED_PROPERTY):
            return False
        if isinstance(change, Put) and change.type is EntityType.DATASTREAM:
            stream = self.around.graph.datastreams.get(msgspec.json.decode(change.body, type=_HasId).id)
            return stream is None or stream.properties.get("service") not in self.runners
        return True

    def _setting(self, record: Record, out: list[Emitted]) -> None:
        change = _setting.decode(record.body)
        if change.service in self.runners:
            self.runners[change.service].change_setting(change)

    def _resume(self, record: Record, out: list[Emitted]) -> None:
        resume = _resume.decode(record.body)
        if resume.service in self.runners:
            self.runners[resume.service].resume(resume)

    def _observations(self, record: Record, out: list[Emitted]) -> None:
        """Runs the handlers of every row somebody reads. Units and ranges are checked for all rows at once."""
        batch = decode_batch(record.body, record.count)
        rows = np.flatnonzero(batch.datastream < len(self._bound))
        rows = rows[self._bound[batch.datastream[rows]]]
        if not len(rows):
            return
        datastream = batch.datastream[rows]
        value = batch.result[rows] * self._factor[datastream] + self._offset[datastream]
        good = (value >= self._low[datastream]) & (value <= self._high[datastream])  # a NaN is not
        if not good.all():
            self.skipped += int(len(good) - np.count_nonzero(good))
            rows, datastream, value = rows[good], datastream[good], value[good]
        first, arrived, extras, streams, observe = (
            record.number,
            record.at,
            batch.extras,
            self._streams,
            self.around.observe,
        )
        for row, stream_id, time_us, result in zip(
            rows.tolist(), datastream.tolist(), batch.time_us[rows].tolist(), value.tolist(), strict=True
        ):
            stream = streams[stream_id]
            time = EPOCH + timedelta(0, 0, time_us)
            extra = extras.get(row) if extras else None
            obs = Observation(
                first + row,
                stream.thing,
                stream_id,
                stream.key,
                time,
                result,
                arrived,
                extra.parameters if extra else None,
            )
            if stream.needed:
                observe(stream.key, stream.thing, time_us, result)
            for route in stream.routes:
                emissions = route.runner.handle(route.key, route.handler, obs, first, time, arrived)
                for emitted in emissions:
                    self._follow(emitted, record, out)

    def _follow(self, emitted: Emitted, record: Record, out: list[Emitted]) -> None:
        """Takes an emission out, and with it what it sets off in services that read it."""
        out.append(emitted)
        if not isinstance(emitted.emission, Result):
            return
        result = emitted.emission
        key = result.property.key
        routes = self._routes.get((emitted.thing, key), ())
        needed = key in self.around.needed
        if not routes and not needed:
            return
        time = result.time or emitted.time
        if needed:
            self.around.observe(key, emitted.thing, to_us(time), result.value)
        obs = Observation(0, emitted.thing, 0, key, time, result.value, record.at, result.parameters)
        for route in routes:
            for further in route.runner.handle(route.key, route.handler, obs, record.number, time, record.at):
                self._follow(further, record, out)

    def _case_event(self, record: Record, out: list[Emitted]) -> None:
        event = _case.decode(record.body)
        runner = self.runners.get(event.service)
        if runner is None or event.thing is None or not runner.serves(event.thing):
            return
        for trigger, handler in runner.declared.on_case:
            if trigger.kind == event.kind and trigger.state == event.state:
                for emitted in runner.handle(event.thing, handler, event, record.number, event.time, record.at):
                    self._follow(emitted, record, out)

    def _job_result(self, record: Record, out: list[Emitted]) -> None:
        taken = self._take_outcome(record)
        if taken is None:
            return
        runner, result, outcome = taken
        handler = runner.declared.on_job.get(result.job)
        if handler is not None:
            for emitted in runner.handle(result.thing, handler, outcome, record.number, record.at, record.at):
                self._follow(emitted, record, out)

    def _take_outcome(self, record: Record) -> tuple[Runner, JobResult, Any] | None:
        result = _job.decode(record.body)
        runner = self.runners.get(result.service)
        job = runner.declared.jobs.get(result.job) if runner else None
        if runner is None or job is None or result.error or not runner.serves(result.thing):
            return None
        try:
            outcome: Any = msgspec.convert(result.outcome, job.outcome, strict=False)
        except msgspec.ValidationError as error:  # recorded when the job's outcome was of another class
            log.warning(
                "left out: the outcome of %s.%s of Thing %d: %s", result.service, result.job, result.thing, error
            )
            return None
        self.around.set_asset(result.service, result.job, result.thing, outcome)
        return runner, result, outcome
