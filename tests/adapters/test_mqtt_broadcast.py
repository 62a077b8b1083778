"""What happens in the city, heard at a broker beside it by clients that know nothing of Dongne."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.listening import ROOT, T0, as_get, change, observe, selector, store, stream
from tests.adapters.test_mqtt import LIMIT_S, Device, broker, observation, until

from dongne.adapters.mqtt import MqttAdapter, MqttConfig
from dongne.adapters.mqtt.mosquitto import Mosquitto
from dongne.model.entities import EntityType, Remove, Thing
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.model.times import to_us
from dongne.runtime.intake import Intake
from dongne.runtime.ports import Entry, Transaction
from dongne.stores.embedded.select import Selector
from dongne.stores.embedded.store import EmbeddedStore

__all__ = ["broker", "selector", "store"]  # fixtures
TOPIC = "v1.1/Datastreams(7)/Observations"


@contextmanager
def speaking(store: EmbeddedStore, selector: Selector, broker: Mosquitto, **config: Any) -> Iterator[MqttAdapter]:
    """An adapter that is connected and says what happens; ends in order."""
    given = {"port": broker.port, "retry_min_s": 0.05, "retry_max_s": 0.2, "measure": False, **config}
    adapter = MqttAdapter(store, Intake(store), MqttConfig(**given))
    adapter.tell_changes(selector.select, ROOT)
    adapter.start()
    try:
        until(lambda: adapter.status().connected, "connected")
        yield adapter
    finally:
        adapter.close()


def said_on(device: Device, topic: str) -> list[Any]:
    return [json.loads(m.payload) for m in device.heard if m.topic == topic and m.payload]


@pytest.fixture
def device(broker: Mosquitto) -> Iterator[Device]:
    made = Device(broker)
    yield made
    made.close()


@pytest.mark.parametrize("protocol", [4, 5])
def test_what_came_by_any_way_is_heard_at_the_broker_and_the_last_value_is_retained(
    store: EmbeddedStore, selector: Selector, broker: Mosquitto, device: Device, protocol: int
) -> None:
    before = observe(store, 7, 0, 20.5)
    device.subscribe("v1.1/#")
    with speaking(store, selector, broker, protocol=protocol) as adapter:
        until(lambda: said_on(device, TOPIC), "what was there before")
        number = observe(store, 7, 1, 21)
        until(lambda: len(said_on(device, TOPIC)) == 2, "what is new")
        assert said_on(device, TOPIC) == [as_get(before, 0, 20.5), as_get(number, 1, 21)]
        until(lambda: [d for d in said_on(device, "v1.1/Datastreams(7)") if "08:31" in d["phenomenonTime"]], "entity")
        observe(store, 7, -5, 1)  # late: heard, but not the last value
        until(lambda: len(said_on(device, TOPIC)) == 3, "the late one")
        change(store, Thing(id=1, name="renamed"))
        until(lambda: said_on(device, "v1.1/Things(1)"), "an entity that changed")
        device.say(
            TOPIC, json.dumps(observation(2, 22)) if isinstance(observation(2, 22), dict) else observation(2, 22)
        )
        until(lambda: store.latest(7).result == 22, "a device's own is stored")  # type: ignore[union-attr]
        stored = until(lambda: [d for d in said_on(device, TOPIC) if d.get("@iot.id", 0) > number + 1], "and said")
        assert stored[0]["result"] == 22
        if protocol == 4:  # without No Local it hears itself, and knows it
            until(lambda: adapter.status().ignored >= 4, "ignored")
    assert store.latest(7).number == stored[0]["@iot.id"]  # type: ignore[union-attr]
    late = Device(broker)
    try:
        late.subscribe(TOPIC)
        until(lambda: late.heard, "the last value of a city that is gone")
        assert late.heard[0].retain and said_on(late, TOPIC)[0]["result"] == 22
    finally:
        late.close()


def test_mosquitto_sub_hears_what_was_stored_over_http(
    store: EmbeddedStore, selector: Selector, broker: Mosquitto
) -> None:
    sub = shutil.which("mosquitto_sub")
    if sub is None:
        pytest.skip("the clients of mosquitto are not installed")
    with speaking(store, selector, broker):
        number = observe(store, 7, 0, 20.5)
        command = [sub, "-p", str(broker.port), "-C", "1", "-W", str(int(LIMIT_S)), "-t", TOPIC]
        heard = subprocess.run(command, capture_output=True, text=True, check=True)
        assert json.loads(heard.stdout) == as_get(number, 0, 20.5)


def test_personal_datastreams_are_never_said_and_what_becomes_personal_is_taken_back(
    store: EmbeddedStore, selector: Selector, broker: Mosquitto, device: Device
) -> None:
    observe(store, 9, 0, 20)
    observe(store, 8, 0, 30)
    device.subscribe("#")
    with speaking(store, selector, broker):
        observe(store, 9, 1, 21)
        until(lambda: said_on(device, "v1.1/Datastreams(8)/Observations"), "the public one")
        until(lambda: said_on(device, "v1.1/Datastreams(8)"), "and its Datastream")
        change(store, stream(8, properties={"access": "internal"}))
        until(
            lambda: (
                {m.topic for m in device.heard if not m.payload}
                >= {"v1.1/Datastreams(8)/Observations", "v1.1/Datastreams(8)"}
            ),
            "taken back",
        )
        observe(store, 8, 5, 31)
        observe(store, 9, 5, 31)
        observe(store, 7, 5, 40)
        until(lambda: said_on(device, TOPIC), "the next public one")
    assert not [m for m in device.heard if "(9)" in m.topic or b"bed" in m.payload or b'"result":31' in m.payload]
    late = Device(broker)
    try:
        late.subscribe("#")
        until(lambda: said_on(late, TOPIC), "what is retained")
        assert not [m for m in late.heard if "Datastreams(8)" in m.topic or "(9)" in m.topic]
    finally:
        late.close()


def test_what_becomes_personal_while_the_city_or_the_broker_is_away_is_taken_back_when_they_meet(
    store: EmbeddedStore, selector: Selector, broker: Mosquitto, device: Device, tmp_path: Path
) -> None:
    file = tmp_path / "mqtt-told.json"
    topics = {f"v1.1/Datastreams({number}){rest}" for number in (7, 8) for rest in ("", "/Observations")}
    gone = {topic for topic in topics if "(8)" in topic}
    observe(store, 7, 0, 20)
    observe(store, 8, 0, 30)
    device.subscribe("v1.1/#")
    with speaking(store, selector, broker, told_file=file):
        until(lambda: {m.topic for m in device.heard if m.payload} >= topics, "said")
    assert file.stat().st_mode & 0o777 == 0o600
    change(store, stream(8, properties={"access": "personal"}))  # nobody hears this
    with speaking(store, selector, broker, told_file=file):
        until(lambda: {m.topic for m in device.heard if not m.payload} >= gone, "taken back")
        until(lambda: json.loads(file.read_text())["Datastreams"] == [7], "what the broker confirmed is forgotten")
    late = Device(broker)
    try:
        late.subscribe("v1.1/#")
        until(lambda: said_on(late, TOPIC), "what is retained")
        assert not [m for m in late.heard if "(8)" in m.topic]
    finally:
        late.close()


def test_nothing_is_retained_that_could_not_be_noted_before(
    store: EmbeddedStore, selector: Selector, broker: Mosquitto, device: Device, tmp_path: Path
) -> None:
    folder = tmp_path / "later"
    device.subscribe("v1.1/#")
    observe(store, 7, 0, 20)
    with speaking(store, selector, broker, told_file=folder / "mqtt-told.json") as adapter:
        until(lambda: adapter.status().left_out, "it can't be noted")
        assert not device.heard and adapter.status().connected
        folder.mkdir()
        observe(store, 7, 1, 21)
        until(lambda: said_on(device, TOPIC), "said as soon as it can")


def test_what_is_removed_is_not_retained(
    store: EmbeddedStore, selector: Selector, broker: Mosquitto, device: Device
) -> None:
    import msgspec

    device.subscribe("v1.1/#")
    with speaking(store, selector, broker):
        change(store, stream(10))
        observe(store, 10, 0, 20)
        until(lambda: said_on(device, "v1.1/Datastreams(10)/Observations"), "said")
        until(lambda: said_on(device, "v1.1/Datastreams(10)"), "said")
        body = msgspec.msgpack.encode([Remove(EntityType.DATASTREAM, 10)])
        store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()
        gone = {"v1.1/Datastreams(10)/Observations", "v1.1/Datastreams(10)"}
        until(lambda: {m.topic for m in device.heard if not m.payload} >= gone, "taken back")


def test_beyond_the_rate_only_the_newest_of_each_datastream_is_said_and_the_rest_is_counted(
    store: EmbeddedStore, selector: Selector, broker: Mosquitto, device: Device
) -> None:
    import numpy as np

    device.subscribe("v1.1/+/Observations")
    with speaking(store, selector, broker, publish_per_s=100) as adapter:
        count = 4_000
        times = np.array([to_us(T0 + timedelta(seconds=at)) for at in range(count)], np.int64)
        batch = ObservationBatch(np.array([7, 8] * (count // 2), np.int32), times, np.arange(count) % 100.0)
        entry = Entry(RecordKind.OBSERVATIONS, encode_batch(batch), count)
        store.submit(Transaction([entry])).result()
        for topic, result in ((TOPIC, 98), ("v1.1/Datastreams(8)/Observations", 99)):
            last = until(
                lambda topic=topic: [d for d in said_on(device, topic) if d["phenomenonTime"] > "2026-05-01T09:36:37"],
                "the newest",
            )
            assert last[-1]["result"] == result
        status = adapter.status()
        said = len(device.heard)
        assert said <= 210 and status.left_out >= count - 210


def test_a_quiet_adapter_says_nothing(
    store: EmbeddedStore, selector: Selector, broker: Mosquitto, device: Device
) -> None:
    device.subscribe("v1.1/#")
    with speaking(store, selector, broker, publish_per_s=0) as adapter:
        observe(store, 7, 0, 20)
        device.say(TOPIC, "nonsense")
        until(lambda: [m for m in device.heard if m.topic.startswith("v1.1/errors")], "what is said all the same")
        assert adapter.status().published == 0 and len(device.heard) == 2
