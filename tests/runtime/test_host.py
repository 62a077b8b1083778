"""What the pages ask of the running services, over a real store."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from dongne.adapters.clock import CityClock
from dongne.model.access import PUBLIC, Access, Sight
from dongne.model.city import CityConfig
from dongne.model.entities import Thing, put
from dongne.model.graph import ThingGraph
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.model.times import to_us
from dongne.runtime.answer import Answer, Change, Layers
from dongne.runtime.host import MOST_VIEWS, RuntimeHost
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


@contextmanager
def running(
    folder: Path, answer: type[Answer[Any, Any, Any]], layer: Any, things: Sequence[Thing] = ()
) -> Iterator[RuntimeHost]:
    """A city with one answer, "it"."""
    store = EmbeddedStore.open(folder / "city", CityClock(), follow=False)
    manifest = Manifest(id="it", shape="answer", area="a", origin="o", privacy="public", owner="o", maturity="lab")
    config = CityConfig(id="toy", name={"en": "Toy"}, zone="Asia/Seoul", bounds=(0.0, 0.0, 1.0, 1.0))
    if things:
        store.submit(
            Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([put(thing) for thing in things]))])
        ).result()
    host = RuntimeHost(store, config, [], [LoadedAnswer(manifest, answer, type(None), str)], {"layer": layer})
    host.start()
    host.open()
    try:
        yield host
    finally:
        host.close()
        store.close()


class Gate:
    """What waits at it goes on once the test opens it."""

    def __init__(self) -> None:
        self.reached, self.opened, self.times = threading.Event(), threading.Event(), 0

    def wait(self) -> None:
        self.times += 1
        self.reached.set()
        assert self.opened.wait(10)


class Prepared(Answer[dict[str, Any], str, str]):
    """Answers at once, but what is hard: that it works out first."""

    needs = ("layer",)

    def start(self, graph: ThingGraph, layers: Layers) -> dict[str, Any]:
        return {"gate": layers["layer"], "known": {"easy": "easily"}}

    def update(self, view: dict[str, Any], change: Change) -> None:
        pass

    def prepare(self, question: str, view: dict[str, Any], now_us: int) -> Callable[[], None] | None:
        def work() -> None:
            view["gate"].wait()
            view["known"] |= {question: "with an effort"}

        return None if question in view["known"] else work

    def answer(self, question: str, view: dict[str, Any], now_us: int) -> str:
        return str(view["known"][question])


def test_what_one_question_needs_is_worked_out_once_while_others_are_answered(tmp_path: Path) -> None:
    gate = Gate()
    with running(tmp_path, Prepared, gate) as host, ThreadPoolExecutor(2) as others:
        assert host.ask_at_once("it", "hard") is None
        asked = [others.submit(host.ask, "it", "hard") for _ in range(2)]
        assert gate.reached.wait(10)
        assert host.ask("it", "easy") == host.ask_at_once("it", "easy") == "easily"
        gate.opened.set()
        assert [one.result(10) for one in asked] == ["with an effort"] * 2
        assert gate.times == 1
        assert host.ask_at_once("it", "hard") == "with an effort"


class Begun(Answer[int, None, int]):
    """How many Things it began with. Where it sees some, it waits at the gate first."""

    needs = ("layer",)

    def start(self, graph: ThingGraph, layers: Layers) -> int:
        if graph.things:
            layers["layer"].wait()
        return len(graph.things)

    def update(self, view: int, change: Change) -> None:
        pass

    def answer(self, question: None, view: int, now_us: int) -> int:
        return view


HOMES = [Thing(id=n, name=f"home {n}", properties={"access": "personal"}) for n in range(1, MOST_VIEWS + 2)]


def test_a_view_is_made_once_while_others_are_asked(tmp_path: Path) -> None:
    gate, family = Gate(), Sight(Access.PUBLIC, frozenset({1, 2}))
    with running(tmp_path, Begun, gate, HOMES) as host, ThreadPoolExecutor(2) as others:
        assert host.ask_at_once("it", None, family) is None
        asked = [others.submit(host.ask, "it", None, family) for _ in range(2)]
        assert gate.reached.wait(10)
        assert host.ask("it", None, PUBLIC) == 0
        gate.opened.set()
        assert [one.result(10) for one in asked] == [2, 2]
        assert gate.times == 1


def test_the_view_nobody_asked_for_longest_makes_room(tmp_path: Path) -> None:
    gate = Gate()
    gate.opened.set()
    families = [Sight(Access.PUBLIC, frozenset({thing.id})) for thing in HOMES]
    with running(tmp_path, Begun, gate, HOMES) as host:
        for family in families[:MOST_VIEWS]:
            assert host.ask("it", None, family) == 1
        host.ask("it", None, families[0])
        assert gate.times == MOST_VIEWS  # each was made once
        host.ask("it", None, families[-1])
        assert host.ask_at_once("it", None, families[0]) == 1
        assert host.ask_at_once("it", None, families[1]) is None


def test_a_view_that_could_not_be_made_is_tried_again(tmp_path: Path) -> None:
    class Late:
        def wait(self) -> None:
            raise RuntimeError("not yet")

    late, family = Late(), Sight(Access.PUBLIC, frozenset({1}))
    with running(tmp_path, Begun, late, HOMES) as host:
        with pytest.raises(RuntimeError, match="not yet"):
            host.ask("it", None, family)
        late.wait = lambda: None  # type: ignore[method-assign]
        assert host.ask("it", None, family) == 1
