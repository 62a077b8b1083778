"""What services command is held to interlocks, as Tasks of people are; and a replay says the same all the same."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from tests.runtime.test_live import ZONE, HandClock, clock, observe, store, toy

from dongne.model.entities import put
from dongne.model.observed import Observation, ObservedProperty
from dongne.model.records import RecordKind
from dongne.runtime.declared import declare
from dongne.runtime.live import Live
from dongne.runtime.ports import Entry, Transaction
from dongne.runtime.registry import LoadedService
from dongne.runtime.replay import recorded, replay
from dongne.runtime.service import City, Command, Emission, Service, on
from dongne.stores.embedded import EmbeddedStore

__all__ = ["clock", "store"]  # fixtures
VALVE = ObservedProperty("valve", "%", 0.0, 100.0)


@dataclass(frozen=True)
class NoSettings:
    pass


@dataclass
class Open:
    count: int = 0


class Valves(Service[NoSettings, Open]):
    """Opens the valve by as much as is measured."""

    kinds = ("tank",)
    emits = (Command,)

    @on(toy.LEVEL)
    def measured(self, obs: Observation, state: Open, city: City) -> Iterator[Emission]:
        state.count += 1
        yield Command(VALVE, obs.result, f"{state.count}")


def valves() -> LoadedService:
    manifest = toy._manifest("valves", VALVE)
    return LoadedService(manifest, declare("valves", Valves, manifest, []))


def test_a_command_that_an_interlock_refuses_has_failed_and_says_why(store: EmbeddedStore, clock: HandClock) -> None:
    live = Live(store, [valves()], ZONE)

    def step(*levels: float) -> None:
        observe(store, *[(1, clock.go(minutes=1), level) for level in levels])
        live.drain()

    step(10.0)
    (capability,) = store.graph.capabilities.values()
    interlocks: Any = [{"when": {"datastream": 5, "above": 100}, "refuse": "too bright"}, {"min_interval_s": 90}]
    changed = msgspec.structs.replace(capability, properties={**capability.properties, "interlocks": interlocks})
    body = msgspec.msgpack.encode([put(changed)])
    store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()
    observe(store, (5, clock.go(minutes=1), 500.0))
    step(20.0)  # too bright
    observe(store, (5, clock.go(minutes=1), 50.0))
    clock.go(minutes=2)
    step(30.0, 40.0)  # two at once: the second is too soon
    clock.go(minutes=2)
    step(50.0)
    tasks = sorted(store.list_tasks(), key=lambda task: task.id)
    assert [(task.parameters["value"], task.state) for task in tasks] == [
        (10, "created"), (20, "failed"), (30, "created"), (40, "failed"), (50, "created"),
    ]  # fmt: skip
    assert "too bright" in tasks[1].reason and "not 90 s" in tasks[3].reason
    assert tasks[1].changed_by == "tasking"
    assert tasks[1].changed - tasks[1].created < timedelta(minutes=1)
    said = sorted(recorded(store, {"valves"}))
    assert len(said) == 5 and sorted(replay(store, [valves()], ZONE)) == said
