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

from dongne.model.case_kinds import STAYING
from dongne.model.cases import CaseEvent
from dongne.model.entities import EntityChange, EntityType, Remove
from dongne.model.graph import ThingGraph
from dongne.model.notices import HEARD, NoticeEvent
from dongne.model.observed import Observation
from dongne.model.records import (
    JobResult,
    Record,
    RecordKind,
    Resume,
    SettingChange,
    decode_batch,
)
from dongne.model.times import EPOCH, to_us
from dongne.runtime.binding import Binding
from dongne.runtime.ports import StateRow
from dongne.runtime.registry import LoadedService
from dongne.runtime.runner import Emitted, Runner
from dongne.runtime.service import Latest, Result
from dongne.runtime.settings import CITY
from dongne.runtime.surroundings import Surroundings

log = logging.getLogger("dongne.engine")

decode_changes = msgspec.msgpack.Decoder(list[EntityChange]).decode
_setting = msgspec.msgpack.Decoder(SettingChange)
_case = msgspec.msgpack.Decoder(CaseEvent)
_notice = msgspec.msgpack.Decoder(NoticeEvent)
_job = msgspec.msgpack.Decoder(JobResult)
_resume = msgspec.msgpack.Decoder(Resume)

DERIVED = frozenset({RecordKind.OBSERVATIONS, RecordKind.CASE, RecordKind.TASK, RecordKind.START, RecordKind.NOTICE})


class Engine:
    """Services over records. Feed it records in order with `turn`; take changed states with `take_changed`.

    `tried` are settings by service that hold at every level, whatever the records say. `graph` is the engine's own and
    must be as of the first record. `keeps` limits it to some keys (a partition); it still
    needs every record, for what its keys know of the others.
    """

    def __init__(
        self,
        services: Iterable[LoadedService],
        graph: ThingGraph,
        zone: ZoneInfo,
        tried: dict[str, dict[str, Any]] | None = None,
        *,
        keeps: Callable[[int], bool] | None = None,
    ) -> None:
        loaded = list(services)
        needs = {n.property for s in loaded for n in s.declared.cls.needs if isinstance(n, Latest)}
        self.around = Surroundings(graph, zone, {p.key for p in needs})
        self.runners = {s.id: Runner(s, self.around, keeps, (tried or {}).get(s.id, {})) for s in loaded}
        self.skipped = 0  # values out of range or not numbers
        self._takers: dict[RecordKind, Callable[[Record, list[Emitted]], None]] = {
            RecordKind.OBSERVATIONS: self._observations,
            RecordKind.ENTITIES: self._entities,
            RecordKind.SETTING: self._setting,
            RecordKind.CASE: self._case_event,
            RecordKind.NOTICE: self._notice_event,
            RecordKind.JOB: self._job_result,
            RecordKind.RESUME: self._resume,
        }
        self._binding = Binding(self.runners, self.around, needs)

    @property
    def problems(self) -> dict[int, str]:
        """Datastreams that can't be bound, and why."""
        return self._binding.problems

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

    def acts(self, thing: int, key: str) -> bool:
        """Whether some service hears this property at this Thing. Any thread may ask."""
        return self._binding.hears(thing, key)

    def _is_due(self, at_us: int) -> bool:
        due_us = self.next_wake_us()
        return due_us is not None and due_us <= at_us

    # --- records ---------------------------------------------------------------------------------------------------

    def turn(self, record: Record) -> list[Emitted]:
        """Everything the services emit on this record, in order. What a service of this engine emitted before comes by
        again as a record and is passed over: it was handled with its cause."""
        if record.origin in self.runners and record.kind in DERIVED:
            return []
        if record.kind is not RecordKind.ENTITIES or self._is_due(record.at_us):
            self._binding.catch_up()  # once for many changes that follow on each other
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
        self._binding.note(changes)
        self.around.graph.apply(changes)
        for change in changes:
            if isinstance(change, Remove) and change.type is EntityType.THING:
                self._forget(change.id)

    def _forget(self, thing: int) -> None:
        """Nothing is remembered of a Thing that is gone."""
        for runner in self.runners.values():
            runner.forget(thing)
        self.around.forget(thing)

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
        batch, binding = decode_batch(record.body, record.count), self._binding
        rows = np.flatnonzero(batch.datastream < len(binding.is_bound))
        rows = rows[binding.is_bound[batch.datastream[rows]]]
        if not len(rows):
            return
        datastream = batch.datastream[rows]
        value = batch.result[rows] * binding.factor[datastream] + binding.offset[datastream]
        good = (value >= binding.low[datastream]) & (value <= binding.high[datastream])  # a NaN is not
        if not good.all():
            self.skipped += int(len(good) - np.count_nonzero(good))
            rows, datastream, value = rows[good], datastream[good], value[good]
        first, arrived, extras, streams = record.number, record.at, batch.extras, binding.streams
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
                stream.part,
            )
            if stream.needed:
                self.around.observe(stream.key, stream.thing, stream.part, time_us, result)
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
        routes = self._binding.routes_at(emitted.thing, key)
        needed = key in self.around.needed
        if not routes and not needed:
            return
        time = result.time or emitted.time
        if needed:
            self.around.observe(key, emitted.thing, result.part, to_us(time), result.value)
        obs = Observation(0, emitted.thing, 0, key, time, result.value, record.at, result.parameters, result.part)
        for route in routes:
            for further in route.runner.handle(route.key, route.handler, obs, record.number, time, record.at):
                self._follow(further, record, out)

    def _case_event(self, record: Record, out: list[Emitted]) -> None:
        event = _case.decode(record.body)
        runner = self.runners.get(event.service)
        if runner is None or event.thing is None or not runner.serves(event.thing):
            return
        for trigger, handler in runner.declared.on_case:
            if trigger.kind == event.kind and trigger.state == event.state and event.action not in STAYING:
                for emitted in runner.handle(event.thing, handler, event, record.number, event.time, record.at):
                    self._follow(emitted, record, out)

    def _notice_event(self, record: Record, out: list[Emitted]) -> None:
        event = _notice.decode(record.body)
        runner = self.runners.get(event.service)
        if event.action not in HEARD or runner is None or event.thing is None or not runner.serves(event.thing):
            return
        handler = runner.declared.on_notice.get(event.name)
        if handler is not None:
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
