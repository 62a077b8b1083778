"""A night tried out: the service and its simulator together, without a store, and what came of it."""

from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from dongne.model.cases import CaseEvent
from dongne.model.entities import Datastream, Property, Unit, put
from dongne.model.graph import ThingGraph
from dongne.model.properties import LIGHT_LEVEL
from dongne.model.records import ObservationBatch, Record, RecordKind, encode_batch
from dongne.model.tasks import Task, TaskEvent
from dongne.model.times import to_us
from dongne.runtime.engine import Engine
from dongne.runtime.facts import case_event, task_event
from dongne.runtime.registry import LoadedService
from dongne.runtime.runner import Emitted
from dongne.runtime.service import Result
from dongne.runtime.simulate import SimulatedRow, Simulator


class Order(msgspec.Struct, frozen=True, gc=False):
    """From `at_us` on this lamp is to give this level."""

    thing: int
    at_us: int
    percent: float


class Trial:
    """Runs a simulator's rows through an engine and hands the orders back to it. `graph` must hold no Datastreams of its
    own. Afterwards: `orders`, `events` of Cases, and `results` of the service as (thing, property key, value)."""

    def __init__(self, loaded: LoadedService, graph: ThingGraph, simulator: Simulator, zone: ZoneInfo) -> None:
        self.simulator = simulator
        self._streams: dict[tuple[int, str], int] = {}
        keys: dict[str, int] = {}
        for number, stream in enumerate(simulator.datastreams(), 1):
            observed = stream.property
            if observed.key not in keys:
                keys[observed.key] = len(keys) + 1
                graph.apply([put(Property(id=keys[observed.key], name=observed.key))])
            self._streams[stream.thing, observed.key] = number
            datastream = Datastream(
                id=number, name=stream.name, unit_of_measurement=Unit(symbol=observed.unit), thing_id=stream.thing,
                sensor_id=1, observed_property_id=keys[observed.key], properties={"simulated": True},
            )  # fmt: skip
            graph.apply([put(datastream)])
        self.engine = Engine([loaded], graph, zone)
        self.orders: list[Order] = []
        self.events: list[CaseEvent] = []
        self.results: list[tuple[int, str, float]] = []
        self.parameters: list[dict[str, float]] = []  # of the results
        self.observations = 0
        self._tasks: dict[str, Task] = {}
        self._number = 1

    def run(self, start_us: int, end_us: int) -> None:
        """The city's clock from start to end; Wakes fire when they are due."""
        now_us = start_us
        while now_us <= end_us:
            step = self.simulator.step(now_us, list(self._tasks.values()))
            self._turn(step.rows, now_us)
            while (due := self.engine.next_wake_us()) is not None and due < min(step.next_us, end_us):
                self._turn((), max(due, now_us))
            now_us = step.next_us

    def _turn(self, rows: Iterable[SimulatedRow], at_us: int) -> None:
        taken = list(rows)
        if not taken and (self.engine.next_wake_us() or at_us + 1) > at_us:
            return
        if taken:
            batch = ObservationBatch(
                np.array([self._streams[r.thing, r.property] for r in taken], np.int32),
                np.array([r.time_us for r in taken], np.int64),
                np.array([r.value for r in taken], np.float64),
            )
            record = Record(self._number, len(taken), RecordKind.OBSERVATIONS, at_us, encode_batch(batch))
        else:
            record = Record(self._number, 1, RecordKind.WAKE, at_us, b"")
        self._number += record.count
        self.observations += len(taken)
        for emitted in self.engine.turn(record):
            self._take(emitted, at_us)

    def _take(self, emitted: Emitted, at_us: int) -> None:
        if isinstance(emitted.emission, Result):
            self.results.append((emitted.thing, emitted.emission.property.key, emitted.emission.value))
            self.parameters.append(dict(emitted.emission.parameters or {}))
        elif (event := case_event(emitted)) is not None:
            self.events.append(event)
        elif (task := task_event(emitted)) is not None and task.capability == LIGHT_LEVEL.key:
            self._task(task, at_us)

    def _task(self, event: TaskEvent, at_us: int) -> None:
        if event.state != "created":
            self._tasks.pop(event.key, None)
            return
        self._number += 1
        self._tasks[event.key] = Task(
            id=self._number, key=event.key, thing=event.thing, capability=event.capability, state=event.state,
            created=event.time, changed=event.time, service=event.service, parameters=event.parameters,
        )  # fmt: skip
        self.orders.append(Order(event.thing, max(at_us, to_us(event.time)), float(event.parameters["value"])))


class Levels:
    """What every lamp was ordered, to be asked for any instant."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self._times: dict[int, list[int]] = {}
        self._percents: dict[int, list[float]] = {}
        for order in orders:
            self._times.setdefault(order.thing, []).append(order.at_us)
            self._percents.setdefault(order.thing, []).append(order.percent)

    def at(self, thing: int, time_us: int) -> float:
        """The level ordered last, in %; 0 before the first order."""
        index = int(np.searchsorted(self._times.get(thing, []), time_us, "right"))
        return self._percents[thing][index - 1] if index else 0.0

    def full_since_s(self, thing: int, time_us: int, full_percent: float) -> float | None:
        """For how many seconds it has been in full light at this instant; None where it is not."""
        found = None
        for at_us, percent in self._backwards(thing, time_us):
            if percent < full_percent:
                break
            found = (time_us - at_us) / 1e6
        return found

    def _backwards(self, thing: int, time_us: int) -> Iterator[tuple[int, float]]:
        index = int(np.searchsorted(self._times.get(thing, []), time_us, "right"))
        for i in range(index - 1, -1, -1):
            yield self._times[thing][i], self._percents[thing][i]
