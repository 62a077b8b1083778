"""The stores under test. A store that comes later is added to STORES and has to pass test_contract_*.py unchanged."""

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from dongne.model.cases import CaseEvent
from dongne.model.entities import Entity, EntityChange, put
from dongne.model.records import ObservationBatch, ObservationExtra, RecordKind, Removal, SettingChange, encode_batch
from dongne.model.tasks import TaskEvent
from dongne.runtime.ports import Clock, Entry, Lane, Store, Transaction
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.sealed import SealedStore

STORES: dict[str, Callable[[Path, Clock], Store]] = {
    "embedded": EmbeddedStore.open,
    "embedded without a thread for history": lambda folder, clock: EmbeddedStore.open(folder, clock, follow=False),
    "sealed": SealedStore.open,
}
START = datetime(2026, 3, 1, tzinfo=UTC)


class Ticking:
    """A clock that moves by one second whenever somebody looks."""

    def __init__(self) -> None:
        self._us = itertools.count(1_772_323_200_000_000, 1_000_000)

    def now_us(self) -> int:
        return next(self._us)


class Make:
    """Short ways to make what a store takes."""

    start = START

    @staticmethod
    def entry(kind: RecordKind, body: Any, **more: Any) -> Entry:
        return Entry(kind, msgspec.msgpack.encode(body), **more)

    @staticmethod
    def batch(
        *rows: tuple[int, int, float], extras: Mapping[int, ObservationExtra] | None = None, **more: Any
    ) -> Entry:
        """Rows of (Datastream, seconds after START, result)."""
        streams, seconds, results = zip(*rows, strict=True)
        start_us = int(START.timestamp()) * 1_000_000
        batch = ObservationBatch(
            np.array(streams, np.int32),
            np.array([start_us + int(s * 1_000_000) for s in seconds], np.int64),
            np.array(results, np.float64),
            dict(extras or {}),
        )
        return Entry(RecordKind.OBSERVATIONS, encode_batch(batch), len(rows), **more)

    @classmethod
    def observations(cls, *rows: tuple[int, int, float]) -> Transaction:
        return Transaction([cls.batch(*rows)])

    @classmethod
    def entities(cls, *changes: EntityChange | Entity) -> Transaction:
        found = [c if isinstance(c, EntityChange) else put(c) for c in changes]
        return Transaction([cls.entry(RecordKind.ENTITIES, found)])

    @classmethod
    def case(cls, action: str, key: str = "k", kind: str = "alert", origin: str = "", **more: Any) -> Entry:
        event = CaseEvent(key=key, kind=kind, action=action, name="n", time=START, thing=7, service="s", **more)
        return cls.entry(RecordKind.CASE, event, origin=origin)

    @classmethod
    def task(cls, state: str, key: str = "t", origin: str = "") -> Entry:
        event = TaskEvent(key=key, thing=7, capability="light_level", state=state, time=START, parameters={"value": 5})
        return cls.entry(RecordKind.TASK, event, origin=origin)

    @classmethod
    def setting(cls, **values: Any) -> Transaction:
        return Transaction([cls.entry(RecordKind.SETTING, SettingChange("s", "city", values))])

    @classmethod
    def removal(cls, *numbers: int, datastream: int | None = None) -> Transaction:
        return Transaction([cls.entry(RecordKind.REMOVAL, Removal(numbers, datastream))])

    @staticmethod
    def day(number: int) -> datetime:
        return START + timedelta(days=number)


class Held:
    """While this is held the writer stands still inside a call back, so that what is submitted waits."""

    def __init__(self, store: Store) -> None:
        self._store, self._inside, self._free = store, threading.Event(), threading.Event()

    def __enter__(self) -> "Held":
        def hold(_: object) -> None:
            self._inside.set()
            assert self._free.wait(20)

        self._store.submit_soon(Transaction(position=("held", 1)), hold, Lane.LIFE_SAFETY)
        assert self._inside.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._free.set()


@pytest.fixture
def make() -> type[Make]:
    return Make


@pytest.fixture(params=list(STORES))
def opener(request: pytest.FixtureRequest) -> Callable[[Path, Clock], Store]:
    return STORES[request.param]


@pytest.fixture
def open_store(opener: Callable[[Path, Clock], Store], tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the store of this test; called again it first closes it."""
    opened: list[Store] = []
    clock = Ticking()

    def again() -> Store:
        if opened:
            opened.pop().close()
        opened.append(opener(tmp_path / "city", clock))
        return opened[-1]

    yield again
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    return open_store()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """The embedded store alone, for what only it promises."""
    store = EmbeddedStore.open(tmp_path / "city", Ticking())
    yield store
    store.close()


@pytest.fixture
def held() -> type[Held]:
    return Held
