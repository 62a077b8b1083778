"""A rehearsal: services over records that are made up as they go, without a store. What they say becomes Cases and notices as a
store would keep them, and time goes on from Wake to Wake as it does live."""

from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from dongne.model.cases import Case, CaseEvent, apply_event
from dongne.model.entities import Entity, put
from dongne.model.errors import Conflict
from dongne.model.graph import ThingGraph
from dongne.model.notices import Notice, apply_notice_event, event_of
from dongne.model.records import ObservationBatch, ObservationExtra, Record, RecordKind, SettingChange, encode_batch
from dongne.model.times import from_us
from dongne.runtime.engine import Engine
from dongne.runtime.facts import Fact, Telling
from dongne.runtime.ports import StateRow
from dongne.runtime.registry import LoadedService

_encode = msgspec.msgpack.encode
Row = tuple[int, int, float]
"""Datastream, microseconds, result."""


class Rehearsal:
    """`now_us` is the city's clock; `facts` is what was said, oldest first, until somebody clears it."""

    def __init__(
        self, services: Sequence[LoadedService], zone: ZoneInfo, entities: Iterable[Entity], now_us: int
    ) -> None:
        self.services, self.zone = list(services), zone
        self.engine = Engine(self.services, ThingGraph(), zone)
        self.told = Telling()
        self.facts: list[Fact] = []
        self.now_us = now_us
        self._number = 0
        self._primed: list[Record] = []
        self._rows: dict[tuple[str, int], StateRow] = {}
        self._add(RecordKind.ENTITIES, _encode([put(entity) for entity in entities]))

    def _add(self, kind: RecordKind, body: bytes, count: int = 1) -> None:
        record = Record(self._number + 1, count, kind, self.now_us, body)
        self._number += count
        if kind in (RecordKind.ENTITIES, RecordKind.SETTING):
            self._primed.append(record)
        emitted = self.engine.turn(record)
        self.told.note_case(record)
        if emitted:
            self.facts += self.told.of_emissions(emitted)

    # --- time ----------------------------------------------------------------------------------------------------------

    def pass_until(self, us: int) -> None:
        """Time goes on; each Wake comes when it is due."""
        while (due_us := self.engine.next_wake_us()) is not None and due_us <= us:
            self.now_us = max(self.now_us, due_us)
            self._add(RecordKind.WAKE, b"")
        self.now_us = max(self.now_us, us)

    def skip_until(self, us: int) -> None:
        """Time goes on and nobody is there; what was due comes all at once."""
        self.now_us = max(self.now_us, us)
        self._add(RecordKind.WAKE, b"")

    def restart(self) -> None:
        """The process ends, and another goes on with what was stored."""
        self._rows |= {(row.service, row.thing): row for row in self.engine.take_changed()}
        self.engine = Engine(self.services, ThingGraph(), self.zone)
        for record in self._primed:
            self.engine.prime(record)
        self.engine.load(self._rows.values())

    # --- what comes from outside ---------------------------------------------------------------------------------------

    def observe(self, rows: Sequence[Row], parameters: dict[str, Any] | None = None) -> None:
        """Observations arrive, with these `parameters` each."""
        streams, times, results = zip(*rows, strict=True)
        extras = {number: ObservationExtra(parameters=parameters) for number in range(len(rows))} if parameters else {}
        batch = ObservationBatch(
            np.array(streams, np.int32), np.array(times, np.int64), np.array(results, np.float64), extras
        )
        self._add(RecordKind.OBSERVATIONS, encode_batch(batch), len(rows))

    def change(self, service: str, level: str, values: dict[str, Any]) -> None:
        """A setting is changed."""
        self._add(RecordKind.SETTING, _encode(SettingChange(service, level, values)))

    def notice(self, notice: Notice, action: str, **more: Any) -> bool:
        """A further step of a notice; whether it changes anything (a store keeps no other, and no service hears of it)."""
        event = event_of(notice, action, from_us(self.now_us), **more)
        try:
            after = apply_notice_event(self.told.notices.get(notice.key), event, self._number + 1)
        except Conflict:
            return False
        if after is not None:
            self._add(RecordKind.NOTICE, _encode(event))
        return after is not None

    def step(self, case: Case, action: str, cause: str = "", by: str = "operator") -> None:
        """A person takes a step of a Case. Raises what a store raises."""
        event = CaseEvent(
            key=case.key, kind=case.kind, action=action, name=case.name, time=from_us(self.now_us), thing=case.thing,
            service=case.service, cause=cause, by=by,
        )  # fmt: skip
        applied = apply_event(self.told.cases.get(case.key), event, self._number + 1)
        if applied is not None:
            self._add(RecordKind.CASE, _encode(applied[1]))
