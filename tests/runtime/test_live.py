"""Live on a real store: what it commits, what a restart finds, and that a replay says the same."""

import importlib.util
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from dongne.model.cases import CaseEvent
from dongne.model.errors import BadSetup
from dongne.model.notices import REQUESTED, NoticeEvent
from dongne.model.observed import Observation
from dongne.model.records import JobResult, Record, RecordKind, Resume, SettingChange
from dongne.model.times import to_us
from dongne.runtime.declared import declare
from dongne.runtime.delivery import ORIGIN
from dongne.runtime.live import READER, Live
from dongne.runtime.ports import CaseFilter, Entry, Transaction
from dongne.runtime.registry import LoadedService
from dongne.runtime.replay import recorded, replay
from dongne.runtime.service import Alert, City, Emission, Latest, Result, Service, WorkOrder, on
from dongne.stores.embedded import EmbeddedStore

_spec = importlib.util.spec_from_file_location("runtime_toy", Path(__file__).with_name("toy.py"))
assert _spec is not None and _spec.loader is not None
toy = importlib.util.module_from_spec(_spec)
sys.modules["runtime_toy"] = toy
_spec.loader.exec_module(toy)

ZONE = ZoneInfo("Europe/Helsinki")
START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


class HandClock:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.us = to_us(START)

    def now_us(self) -> int:
        return self.us

    def go(self, **by: float) -> datetime:
        self.us += int(timedelta(**by).total_seconds() * 1e6)
        return START + timedelta(microseconds=self.us - to_us(START))


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(tmp_path: Path, clock: HandClock) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore.open(tmp_path / "city", clock)
    body = msgspec.msgpack.encode([toy.put(e) for e in toy.entities(4)])
    opened.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()
    yield opened
    opened.close()


def services() -> list[LoadedService]:
    return [toy.tanks(), toy.doubler()]


def observe(store: EmbeddedStore, *rows: tuple[int, datetime, float]) -> None:
    store.submit(Transaction([Entry(RecordKind.OBSERVATIONS, toy.batch(list(rows)), len(rows))])).result()


def test_what_services_say_is_stored_with_their_state_and_position(store: EmbeddedStore, clock: HandClock) -> None:
    live = Live(store, services(), ZONE)
    observe(store, (1, clock.go(minutes=1), 90.0))
    live.drain()
    names = {store.graph.property_key(d): d for d in store.graph.list_datastreams(1)}
    assert {"mean_level", "double_mean"} <= set(names)
    latest = store.latest(names["double_mean"].id)
    assert latest is not None and latest.result == 180.0
    (alert,) = store.list_cases(CaseFilter(kind="alert"))
    assert (alert.name, alert.state, alert.values) == ("high", "new", {"level_percent": 90.0})
    assert store.position(READER) == live.position > 0
    assert [r.thing for r in store.list_states("tanks")] == [1]


def test_a_wake_is_a_record_when_the_clock_has_come_to_it(store: EmbeddedStore, clock: HandClock) -> None:
    live = Live(store, services(), ZONE)
    observe(store, (1, clock.go(minutes=1), 50.0))
    live.drain()
    clock.go(hours=3)
    live.drain()
    assert [c.name for c in store.list_cases(CaseFilter())] == ["silent"]


def test_what_a_record_of_the_outbox_makes_due_is_stored_though_nothing_else_comes(
    store: EmbeddedStore, clock: HandClock
) -> None:
    live = Live(store, services(), ZONE)
    observe(store, (1, clock.go(minutes=1), 50.0))
    live.drain()
    asked = NoticeEvent(key="n", action=REQUESTED, name="n", time=clock.go(hours=3), to="guardian")
    store.submit(Transaction([Entry(RecordKind.NOTICE, msgspec.msgpack.encode(asked), origin=ORIGIN)])).result()
    live.drain()
    assert [c.name for c in store.list_cases(CaseFilter())] == ["silent"]


def test_states_of_records_on_which_nobody_said_anything_wait_for_others(
    store: EmbeddedStore, clock: HandClock
) -> None:
    live = Live(store, services(), ZONE)
    live.drain()
    before = store.position(READER)
    change = SettingChange("tanks", "city", {"silent_h": 1.0})
    store.submit(Transaction([Entry(RecordKind.SETTING, msgspec.msgpack.encode(change))])).result()
    assert live.step() and not live.step()
    assert store.position(READER) == before
    observe(store, (1, clock.go(minutes=1), 90.0))
    assert live.step()
    assert before < store.position(READER) == live.position
    live.drain()
    assert live.lag == 0


def test_while_history_is_filled_in_no_wake_of_the_present_fires(store: EmbeddedStore, clock: HandClock) -> None:
    live = Live(store, services(), ZONE)
    live.holds_wakes = True
    observe(store, (1, clock.go(minutes=1), 50.0))
    clock.go(hours=3)
    live.drain()
    assert store.list_cases(CaseFilter()) == []


def test_a_restart_goes_on_where_it_was_and_says_nothing_twice(
    store: EmbeddedStore, clock: HandClock, tmp_path: Path
) -> None:
    first = Live(store, services(), ZONE)
    observe(store, (1, clock.go(minutes=1), 50.0), (2, clock.go(minutes=1), 20.0))
    first.drain()
    observe(store, (1, clock.go(minutes=1), 90.0), (5, clock.go(minutes=1), 300.0))
    head = store.head()
    second = Live(store, services(), ZONE)  # the first never saw the second record
    second.drain()
    observe(store, (1, clock.go(hours=1), 95.0))
    second.drain()
    facts = list(recorded(store, {"tanks", "doubler"}))
    assert len([f for f in facts if f.name == "mean_level" and f.thing == 1]) == 3
    assert len(store.list_cases(CaseFilter(kind="alert"))) == 1
    assert store.head() > head


def test_a_replay_says_what_was_said_live(store: EmbeddedStore, clock: HandClock) -> None:
    live = Live(store, services(), ZONE)
    for step in range(60):
        observe(store, (1 + step % 4, clock.go(minutes=37), float(step * 13 % 101)), (5, clock.go(minutes=1), 5.0))
        if step % 7 == 0:
            live.drain()
        if step == 30:
            case = store.list_cases(CaseFilter(kind="alert", is_open=True))[0]
            event = CaseEvent(
                key=case.key, kind="alert", action="dismiss", name=case.name, time=clock.go(), thing=case.thing, cause="known",
                service=case.service, by="operator",
            )  # fmt: skip
            store.submit(Transaction([Entry(RecordKind.CASE, msgspec.msgpack.encode(event))])).result()
    live.drain()
    said = sorted(recorded(store, {"tanks", "doubler"}))
    assert len(said) > 200
    assert sorted(replay(store, services(), ZONE)) == said


def test_a_service_switched_on_later_knows_the_past(store: EmbeddedStore, clock: HandClock) -> None:
    early = Live(store, [toy.doubler()], ZONE)
    observe(store, (1, clock.go(minutes=1), 50.0), (1, clock.go(minutes=1), 70.0))
    early.drain()
    later = Live(store, services(), ZONE)
    assert later.engine.runners["tanks"].cells[1].state.count == 2
    later.drain()
    assert store.list_cases(CaseFilter()) == []


def test_a_service_switched_on_later_heard_all_that_others_said_before(store: EmbeddedStore, clock: HandClock) -> None:
    live = Live(store, [toy.tanks()], ZONE)
    for level in (40.0, 50.0, 60.0):
        observe(store, (5, clock.go(minutes=1), level), (1, clock.go(minutes=1), level))
        live.drain()
    later = Live(store, services(), ZONE)
    assert later.engine.runners["doubler"].cells[1].state.light_lx == 60.0


def test_a_parked_key_survives_a_restart_and_goes_on_when_told(store: EmbeddedStore, clock: HandClock) -> None:
    live = Live(store, services(), ZONE)
    observe(store, (1, clock.go(minutes=1), 50.0))
    live.drain()
    live.engine.runners["tanks"].cells[1].state.total = None
    observe(store, (1, clock.go(minutes=1), 50.0))
    live.drain()
    again = Live(store, services(), ZONE)
    cell = again.engine.runners["tanks"].cells[1]
    assert "TypeError" in cell.parked
    resume = Entry(RecordKind.RESUME, msgspec.msgpack.encode(Resume("tanks", 1, reset=True)))
    store.submit(Transaction([resume])).result()
    observe(store, (1, clock.go(minutes=1), 10.0))
    again.drain()
    cell = again.engine.runners["tanks"].cells[1]
    assert (cell.parked, cell.state.count) == ("", 1)


def test_a_service_replayed_alone_reads_what_others_said_as_it_was_recorded(
    store: EmbeddedStore, clock: HandClock
) -> None:
    live = Live(store, services(), ZONE)
    for step in range(20):
        observe(store, (1 + step % 4, clock.go(minutes=7), float(step * 13 % 101)))
    live.drain()
    said = sorted(recorded(store, {"doubler"}))
    assert any(f.name == "double_mean" for f in said)
    assert sorted(replay(store, [toy.doubler()], ZONE)) == said


def test_services_that_can_not_go_on_say_why(store: EmbeddedStore, clock: HandClock) -> None:
    live = Live(store, services(), ZONE)
    live.engine.turn = lambda record: 1 / 0  # type: ignore[method-assign, return-value]
    live.start()
    observe(store, (1, clock.go(minutes=1), 50.0))
    deadline_s = time.monotonic() + 10
    while not live.is_stopped and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert live.is_stopped
    with pytest.raises(BadSetup, match="what was received is kept"):
        live.check()
    assert live.error == "the services stopped after record 0: ZeroDivisionError: division by zero"
    live.stop()


def test_what_waits_in_bulk_is_read_once(store: EmbeddedStore, clock: HandClock) -> None:
    live = Live(store, services(), ZONE)
    rows = [(1, clock.go(minutes=1), 50.0)] * 3_000
    for _ in range(6):
        observe(store, *rows)
    read, asked = store.read, []

    def counting(*args: Any, **named: Any) -> list[Record]:
        asked.append(read(*args, **named))
        return asked[-1]

    store.read = counting  # type: ignore[method-assign]
    live.drain()
    outside = [record.number for records in asked for record in records if not record.origin]
    assert len(outside) == len(set(outside)) == 6 + 1
    assert live.engine.runners["tanks"].cells[1].state.count == 18_000


def test_settings_and_outcomes_of_another_version_of_a_service_stop_nothing(
    store: EmbeddedStore, clock: HandClock
) -> None:
    values = {"gone_percent": 3, "high_percent": 30, "silent_h": "soon"}
    setting = Entry(RecordKind.SETTING, msgspec.msgpack.encode(SettingChange("tanks", "city", values)))
    outcome = Entry(RecordKind.JOB, msgspec.msgpack.encode(JobResult("tanks", "fit", 1, {"curve": 3})))
    store.submit(Transaction([setting, outcome])).result()
    for _ in range(2):  # as records, and as what a restart takes in
        live = Live(store, services(), ZONE)
        observe(store, (1, clock.go(minutes=1), 40.0))
        live.drain()
        assert live.engine.runners["tanks"].book.resolve(1) == toy.Settings(high_percent=30)
    assert [c.name for c in store.list_cases(CaseFilter())] == ["high"]


@dataclass
class Anything:
    kept: object = None


class Careless(Service[toy.NoSettings, Anything]):
    """Says and keeps what can't be stored, by the level it hears."""

    kinds = ("tank",)
    emits = (toy.MEAN, Alert, WorkOrder)

    @on(toy.LEVEL)
    def heard(self, obs: Observation, state: Anything, city: City) -> Iterator[Emission]:
        match int(obs.result):
            case 1:
                yield Alert("high", "x", {"level_percent": np.int64(3)})
            case 2:
                yield Result(toy.MEAN, 1.0, datetime(2026, 1, 1))  # noqa: DTZ001
            case 3:
                yield WorkOrder("high", "x", due=datetime(2026, 1, 1))  # noqa: DTZ001
            case 4:
                state.kept = object()
            case _:
                yield Result(toy.MEAN, obs.result)


def test_what_can_not_be_stored_stops_its_key_only(store: EmbeddedStore, clock: HandClock) -> None:
    manifest = toy.tanks().manifest
    careless = LoadedService(manifest, declare("tanks", Careless, manifest, []))
    live = Live(store, [careless], ZONE)
    for level in (1.0, 2.0, 3.0, 4.0):
        observe(store, (int(level), clock.go(minutes=1), level))
    live.drain()
    said = {row.thing: row.parked for row in store.list_states("tanks")}
    assert "int64" in said[1]
    assert "offset-naive" in said[2] and "offset-naive" in said[3]
    assert (
        said[4] == "its state can't be stored: Encoding objects of type object is unsupported; resume it with a reset"
    )
    resume = Entry(RecordKind.RESUME, msgspec.msgpack.encode(Resume("tanks", 1)))
    store.submit(Transaction([resume])).result()
    observe(store, (1, clock.go(minutes=1), 50.0))
    live.drain()
    assert [f.value for f in recorded(store, {"tanks"})] == [50.0]


def test_a_service_switched_on_later_takes_nothing_from_what_others_need(
    store: EmbeddedStore, clock: HandClock
) -> None:
    early = Live(store, [toy.doubler()], ZONE)
    observe(store, (5, clock.go(minutes=1), 120.0), (1, clock.go(minutes=1), 50.0))
    early.drain()

    class Curious(Service[toy.NoSettings, Anything]):
        needs = (Latest(toy.LEVEL),)

        @on(toy.LIGHT)
        def heard(self, obs: Observation, state: Anything, city: City) -> Iterator[Emission]:
            yield from ()

    Curious.heard.__annotations__["state"] = Anything
    manifest = toy.tanks().manifest
    curious = LoadedService(manifest, declare("tanks", Curious, manifest, []))
    for _ in range(2):  # as it is rebuilt, and as a restart finds it
        around = Live(store, [toy.doubler(), curious], ZONE).engine.around
        assert [r.value for r in around.readings(1, toy.NEAR)] == [120.0]
        assert [r.value for r in around.readings(1, Latest(toy.LEVEL))] == [50.0]
