"""Notices of a service, live on a real store: requested once, heard of again, the same in a replay."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from dongne.model.entities import Datastream, Property, Sensor, Thing, Unit, put
from dongne.model.notices import NoticeEvent, event_of
from dongne.model.observed import Observation, ObservedProperty
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.model.times import to_us
from dongne.runtime.declared import declare
from dongne.runtime.live import Live
from dongne.runtime.manifest import CaseEntry, Manifest
from dongne.runtime.ports import CaseFilter, Entry, NoticeFilter, Transaction
from dongne.runtime.registry import LoadedService
from dongne.runtime.replay import recorded, replay
from dongne.runtime.service import Alert, City, Emission, Notify, Service, TakeBack, on, on_notice
from dongne.stores.embedded import EmbeddedStore

ZONE = ZoneInfo("Asia/Seoul")
NOON = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
BELL = ObservedProperty("bell", "1", 0.0, 1.0)


@dataclass(frozen=True)
class Settings:
    pass


@dataclass
class Door:
    rings: int = 0
    heard: str = ""


class Bells(Service[Settings, Door]):
    """Asks the resident who rings, and tells a guardian where nobody can be reached."""

    emits = (Notify, Alert)

    @on(BELL)
    def rung(self, obs: Observation, door: Door, city: City) -> Iterator[Emission]:
        if obs.result == 0.0:
            yield TakeBack("ask", str(door.rings))
            return
        door.rings += 1
        yield Notify("ask", str(door.rings), "resident", {"rings": door.rings}, asks=True)

    @on_notice("ask")
    def told(self, event: NoticeEvent, door: Door, city: City) -> Iterator[Emission]:
        door.heard = f"{event.action} {event.answer}".strip()
        if event.action == "dead":
            yield Alert("nobody", str(door.rings))


class FixedClock:
    us = to_us(NOON)

    def now_us(self) -> int:
        return self.us


def loaded() -> LoadedService:
    manifest = Manifest(
        id="bells", area="care", origin="test", privacy="public", owner="test", maturity="lab",
        cases={"nobody": CaseEntry("alert")},
    )  # fmt: skip
    return LoadedService(manifest, declare("bells", Bells, manifest, []))


def opened(folder: Path) -> EmbeddedStore:
    store = EmbeddedStore.open(folder, FixedClock(), follow=False)
    if not store.head():
        entities = [
            Thing(id=1, name="door"), Sensor(id=1, name="bell"), Property(id=1, name="bell"),
            Datastream(id=1, name="bell", unit_of_measurement=Unit(symbol="1"), thing_id=1, sensor_id=1, observed_property_id=1),
        ]  # fmt: skip
        body = msgspec.msgpack.encode([put(entity) for entity in entities])
        store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()
    return store


def ring(store: EmbeddedStore, value: float = 1.0) -> None:
    batch = ObservationBatch(np.array([1], np.int32), np.array([to_us(NOON)], np.int64), np.array([value]))
    store.submit(Transaction([Entry(RecordKind.OBSERVATIONS, encode_batch(batch))])).result()


def say(store: EmbeddedStore, action: str, **more: object) -> None:
    notice = store.find_notice("bells/1/ask/1")
    assert notice is not None
    body = msgspec.msgpack.encode(event_of(notice, action, NOON, **more))
    store.submit(Transaction([Entry(RecordKind.NOTICE, body)])).result()


def test_a_service_hears_what_became_of_its_notice_and_a_replay_says_the_same(tmp_path: Path) -> None:
    store = opened(tmp_path)
    live = Live(store, [loaded()], ZONE)
    ring(store)
    live.drain()
    (notice,) = store.list_notices(NoticeFilter(is_pending=True))
    assert (notice.to, notice.values, notice.asks) == ("resident", {"rings": 1}, True)
    say(store, "attempted", attempt=1, channel="screen", recipient="resident")
    say(store, "failed", attempt=1, error="no screen")
    say(store, "dead", error="every channel failed")
    live.drain()
    assert [case.name for case in store.list_cases(CaseFilter())] == ["nobody"]
    say(store, "answered", answer="fine", by="resident")
    live.drain()
    assert live.engine.runners["bells"].cells[1].state.heard == "answered fine"
    assert not store.list_notices(NoticeFilter(is_pending=True))
    said = list(recorded(store, {"bells"}))
    assert list(replay(store, [loaded()], ZONE)) == said
    assert [(fact.what, fact.action) for fact in said] == [("notice", "requested"), ("case", "open")]
    store.close()


def test_a_notice_outlives_the_process(tmp_path: Path) -> None:
    store = opened(tmp_path)
    live = Live(store, [loaded()], ZONE)
    ring(store)
    live.drain()
    say(store, "attempted", attempt=1, channel="screen", recipient="resident")
    store.close()
    store = opened(tmp_path)
    (notice,) = store.list_notices(NoticeFilter(thing=1))
    assert notice.unsettled is not None and notice.unsettled.channel == "screen"
    store.close()


def test_what_was_taken_back_is_not_pending(tmp_path: Path) -> None:
    store = opened(tmp_path)
    live = Live(store, [loaded()], ZONE)
    ring(store)
    ring(store, 0.0)
    live.drain()
    assert [notice.state for notice in store.list_notices(NoticeFilter())] == ["withdrawn"]
    store.close()
