"""What the pages ask of the running services, over a real store."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from dongne.adapters.clock import CityClock
from dongne.model.city import CityConfig
from dongne.model.graph import ThingGraph
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.model.times import to_us
from dongne.runtime.answer import Answer, Change, Layers
from dongne.runtime.host import RuntimeHost
from dongne.runtime.manifest import Manifest
from dongne.runtime.ports import Entry, Transaction
from dongne.runtime.registry import LoadedAnswer
from dongne.stores.embedded import EmbeddedStore

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


class Squeamish(Answer[list[float], None, float]):
    """The sum of all values; it can't bear 13."""

    def start(self, graph: ThingGraph, layers: Layers) -> list[float]:
        return []

    def update(self, view: list[float], change: Change) -> None:
        assert isinstance(change, ObservationBatch)
        view += [20.0 / (13.0 - value) and value for value in change.result.tolist()]

    def answer(self, question: None, view: list[float], now_us: int) -> float:
        return sum(view)


def test_an_answer_goes_on_after_a_record_it_can_not_take_in(tmp_path: Path) -> None:
    store = EmbeddedStore.open(tmp_path / "city", CityClock(), follow=False)
    manifest = Manifest(id="sum", shape="answer", area="a", origin="o", privacy="public", owner="o", maturity="lab")
    config = CityConfig(id="toy", name={"en": "Toy"}, zone="Asia/Seoul", bounds=(0.0, 0.0, 1.0, 1.0))
    host = RuntimeHost(store, config, [], [LoadedAnswer(manifest, Squeamish, type(None), str)])
    host.start()
    host.open()
    try:
        for value in (1.0, 13.0, 2.0):
            batch = ObservationBatch(np.array([1], np.int32), np.array([to_us(NOW)], np.int64), np.array([value]))
            entry = Entry(RecordKind.OBSERVATIONS, encode_batch(batch), origin="elsewhere")
            store.submit(Transaction([entry])).result()
        assert host.ask("sum", None) == 3.0
        deadline_s = time.monotonic() + 10
        while host.statuses()[0].running and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert not host.statuses()[0].running
    finally:
        host.close()
        store.close()


class Slow(Answer[dict[str, Any], None, str]):
    """Says what was worked out last; the work waits until the test lets it go on."""

    needs = ("layer",)

    def start(self, graph: ThingGraph, layers: Layers) -> dict[str, Any]:
        return {"layer": layers["layer"], "said": "at the start"}

    def update(self, view: dict[str, Any], change: Change) -> None:
        pass

    def refresh(self, view: dict[str, Any], now_us: int) -> Callable[[], None] | None:
        started, go_on = view["layer"]

        def work() -> None:
            started.set()
            go_on.wait(10)
            view["said"] = "worked out"

        return None if view["said"] == "worked out" else work

    def answer(self, question: None, view: dict[str, Any], now_us: int) -> str:
        return str(view["said"])


def test_questions_are_answered_while_the_view_is_worked_out(tmp_path: Path) -> None:
    store = EmbeddedStore.open(tmp_path / "city", CityClock(), follow=False)
    manifest = Manifest(id="slow", shape="answer", area="a", origin="o", privacy="public", owner="o", maturity="lab")
    config = CityConfig(id="toy", name={"en": "Toy"}, zone="Asia/Seoul", bounds=(0.0, 0.0, 1.0, 1.0))
    started, go_on = threading.Event(), threading.Event()
    answers = [LoadedAnswer(manifest, Slow, type(None), str)]
    host = RuntimeHost(store, config, [], answers, {"layer": (started, go_on), "another": None})
    host.start()
    host.open()
    try:
        assert started.wait(10)
        assert host.ask("slow", None) == "at the start"
        go_on.set()
        deadline_s = time.monotonic() + 10
        while host.ask("slow", None) != "worked out" and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert host.ask("slow", None) == "worked out"
    finally:
        go_on.set()
        host.close()
        store.close()
