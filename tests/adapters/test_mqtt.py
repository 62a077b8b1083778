"""MQTT with a real broker and a real store; clients are paho and mosquitto_pub, which nobody here wrote."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dongne.adapters.clock import CityClock
from dongne.adapters.mqtt import MqttAdapter, MqttConfig, MqttStatus, parse_address
from dongne.adapters.mqtt.mosquitto import Mosquitto, mosquitto_conf
from dongne.model.entities import Datastream, Property, Sensor, Thing, Unit, put
from dongne.model.errors import BadSetup, RetryLater
from dongne.model.records import RecordKind
from dongne.model.tasks import TaskEvent
from dongne.model.times import from_us
from dongne.runtime.desk import TaskDesk
from dongne.runtime.intake import Intake
from dongne.runtime.ports import Entry, Transaction
from dongne.stores.embedded.store import EmbeddedStore

LIMIT_S = 15.0
T0 = datetime(2026, 5, 1, 8, 30, tzinfo=UTC)


def until(reached: Callable[[], Any], what: str) -> Any:
    """What it gave when it was true."""
    end_s = time.monotonic() + LIMIT_S
    while time.monotonic() < end_s:
        if found := reached():
            return found
        time.sleep(0.005)
    raise AssertionError(f"not within {LIMIT_S} s: {what}")


@pytest.fixture
def broker(mosquitto: str, tmp_path: Path) -> Iterator[Mosquitto]:
    made = Mosquitto(tmp_path / "broker", extra="sys_interval 1\n")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore.open(tmp_path / "city", CityClock(), follow=False)
    entities = [
        Thing(id=1, name="bin"),
        Sensor(id=1, name="s"),
        Property(id=1, name="level", properties={"low": 0.0, "high": 100.0, "unit": "%"}),
        *(
            Datastream(
                id=i,
                name=f"d{i}",
                thing_id=1,
                sensor_id=1,
                observed_property_id=1,
                unit_of_measurement=Unit(symbol="%"),
            )
            for i in (7, 8)
        ),
    ]
    body = msgspec.msgpack.encode([put(entity) for entity in entities])
    opened.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()
    yield opened
    opened.close()


@contextmanager
def running(store: Any, broker: Mosquitto, **config: Any) -> Iterator[MqttAdapter]:
    """An adapter that is connected; ends in order."""
    settings: dict[str, Any] = {"port": broker.port, "retry_min_s": 0.05, "retry_max_s": 0.2, "measure": False}
    adapter = MqttAdapter(store, Intake(store), MqttConfig(**{**settings, **config}))
    adapter.start()
    try:
        until(lambda: adapter.status().connected, "connected")
        yield adapter
    finally:
        adapter.close()


class Device:
    """A paho client that hears and says."""

    def __init__(self, broker: Mosquitto, version: int = 5) -> None:
        self.heard: list[paho.MQTTMessage] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion(version))
        self.client.on_message = lambda _c, _d, message: self.heard.append(message)
        self._ready = threading.Event()
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_connect = lambda *_: self._ready.set()
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert self._ready.wait(LIMIT_S)

    def subscribe(self, topic: str) -> None:
        self._ready.clear()
        self.client.subscribe(topic, 1)
        assert self._ready.wait(LIMIT_S)

    def say(self, topic: str, body: str | bytes, answer_to: str = "", retain: bool = False) -> None:
        said = None
        if answer_to:
            said = Properties(PacketTypes.PUBLISH)
            said.ResponseTopic, said.CorrelationData = answer_to, b"42"
        self.client.publish(topic, body, 1, retain=retain, properties=said).wait_for_publish(LIMIT_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def device(broker: Mosquitto) -> Iterator[Device]:
    made = Device(broker)
    yield made
    made.close()


def observation(minute: float, result: object, **more: object) -> str:
    time_text = (T0 + timedelta(minutes=minute)).isoformat()
    return json.dumps({"phenomenonTime": time_text, "result": result, **more})


def rows(store: EmbeddedStore, datastream: int) -> list[tuple[datetime, float]]:
    times, results = store.series(datastream, datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    return [(from_us(t), r) for t, r in zip(times.tolist(), results.tolist(), strict=True)]


def stored(adapter: MqttAdapter, count: int) -> MqttStatus:
    until(lambda: adapter.status().observations_stored >= count and not adapter.status().waiting, f"{count} stored")
    return adapter.status()


@pytest.mark.parametrize("protocol", [5, 4])
def test_every_form_of_message_is_stored(
    store: EmbeddedStore, broker: Mosquitto, device: Device, protocol: int
) -> None:
    with running(store, broker, protocol=protocol) as adapter:
        device.say("v1.1/Datastreams(7)/Observations", observation(0, 20))
        device.say("v1.1/Observations", observation(1, 21.5, Datastream={"@iot.id": 7}, parameters={"battery": 3.1}))
        array = [{"Datastream": {"@iot.id": 7}, "components": ["phenomenonTime", "result"],
                  "dataArray": [["2026-05-01T09:00:00Z", 30], ["2026-05-01T09:01:00Z", 31]]}]  # fmt: skip
        device.say("v1.1/CreateObservations", json.dumps(array))
        before = datetime.now(UTC)
        device.say("dongne/8", "44.5")
        status = stored(adapter, 5)
    assert [result for _, result in rows(store, 7)] == [20.0, 21.5, 30.0, 31.0]
    ((when, result),) = rows(store, 8)
    assert result == 44.5 and before - timedelta(seconds=1) <= when <= datetime.now(UTC)
    assert (status.received, status.acknowledged, status.rejected) == (4, 4, {})


def test_mosquitto_pub_gets_its_value_in(store: EmbeddedStore, broker: Mosquitto, need: Any) -> None:
    program = shutil.which("mosquitto_pub")
    need("mqtt", program is not None, "mosquitto_pub is not installed")
    with running(store, broker) as adapter:
        command = [str(program), "-p", str(broker.port), "-q", "1", "-t", "v1.1/Datastreams(7)/Observations"]
        subprocess.run([*command, "-m", '{"result": 55}'], check=True, timeout=LIMIT_S)
        lines = "".join(f"{value}\n" for value in range(100))
        command = [str(program), "-p", str(broker.port), "-q", "1", "-t", "dongne/8", "-l"]
        subprocess.run(command, input=lines, text=True, check=True, timeout=LIMIT_S)
        stored(adapter, 101)
    assert [result for _, result in rows(store, 7)] == [55.0]
    assert sorted(result for _, result in rows(store, 8)) == [float(value) for value in range(100)]


@pytest.mark.parametrize(
    ("topic", "body", "reason"),
    [
        ("v1.1/Datastreams(7)/Observations", "{", "json"),
        ("v1.1/Datastreams(7)/Observations", b"\xff\xfe", "json"),
        ("v1.1/Datastreams(7)/Observations", "{}", "missing"),
        ("v1.1/Observations", '{"result": 1}', "missing"),
        ("v1.1/Datastreams(99)/Observations", '{"result": 1}', "unknown_datastream"),
        ("v1.1/Datastreams(7)/Observations", '{"result": 101}', "out_of_range"),
        ("v1.1/Datastreams(7)/Observations", '{"result": 1, "phenomenonTime": "2999-01-01T00:00:00Z"}', "future"),
        ("v1.1/Datastreams(7)/Observations", '{"result": "NaN"}', "not_finite"),
        ("v1.1/Things(1)/Observations", '{"result": 1}', "topic"),
        ("v1.1/CreateObservations", "[1]", "json"),
        ("dongne/7", "warm", "number"),
        ("dongne/7", "nan", "number"),
        ("dongne/7", "", "number"),
        ("dongne/seven", "1", "topic"),
        ("dongne/7", " " * (1 << 20) + "1", "too_large"),
    ],
)
def test_what_is_refused_is_counted_answered_and_never_comes_again(
    store: EmbeddedStore, broker: Mosquitto, device: Device, topic: str, body: str | bytes, reason: str
) -> None:
    device.subscribe("v1.1/errors/#")
    with running(store, broker) as adapter:
        device.say(topic, body)
        until(lambda: adapter.status().rejected, "refused")
        assert adapter.status().rejected == {reason: 1}
        until(lambda: device.heard, "told")
        assert adapter.status().acknowledged == 1
    told = json.loads(device.heard[0].payload)
    assert device.heard[0].topic == f"v1.1/errors/{topic}"
    assert told["reason"] == reason and told["topic"] == topic and len(told["message"]) > 20
    with running(store, broker) as again:
        device.say("dongne/7", "5")
        assert stored(again, 1).received == 1
    assert store.head() == 2


def test_mqtt_5_senders_are_answered_where_they_asked_for_it(
    store: EmbeddedStore, broker: Mosquitto, device: Device
) -> None:
    device.subscribe("answers/1")
    with running(store, broker):
        device.say("v1.1/Datastreams(7)/Observations", observation(0, 20), "answers/1")
        until(lambda: len(device.heard) == 1, "told")
        device.say("v1.1/Datastreams(7)/Observations", observation(1, 120), "answers/1")
        until(lambda: len(device.heard) == 2, "told")
        body = [{"Datastream": {"@iot.id": 7}, "components": ["result"], "dataArray": [[1], [120], [3]]}]
        device.say("v1.1/CreateObservations", json.dumps(body), "answers/1")
        until(lambda: len(device.heard) == 3, "told")
    answers = [json.loads(message.payload) for message in device.heard]
    assert answers[0] == {"code": 201, "@iot.id": 2} and store.get_observation(2)
    assert answers[1]["code"] == 400 and answers[1]["reason"] == "out_of_range"
    assert answers[2][0] == "v1.1/Observations(3)" and answers[2][2] == "v1.1/Observations(4)"
    assert answers[2][1].startswith("error: ") and "120" in answers[2][1]
    assert {message.properties.CorrelationData for message in device.heard} == {b"42"}


def test_an_answer_to_an_impossible_topic_harms_nobody(store: EmbeddedStore, broker: Mosquitto, device: Device) -> None:
    with running(store, broker) as adapter:
        device.say("dongne/7", "1", "dongne/7")  # answered to where we listen ourselves: no circle
        device.say("dongne/7", "2")
        assert stored(adapter, 2).connected
        assert adapter.status().received == 2


def test_nothing_is_lost_while_the_city_is_away(store: EmbeddedStore, broker: Mosquitto, device: Device) -> None:
    with running(store, broker):
        pass
    for minute in range(50):
        device.say("v1.1/Datastreams(7)/Observations", observation(minute, minute))
    with running(store, broker) as adapter:
        status = stored(adapter, 50)
    assert status.session_kept
    assert [result for _, result in rows(store, 7)] == [float(minute) for minute in range(50)]


def test_a_restart_of_the_broker_loses_nothing_and_the_subscription_is_there_again(
    store: EmbeddedStore, broker: Mosquitto
) -> None:
    with running(store, broker) as adapter:
        first = Device(broker)
        first.say("v1.1/Datastreams(7)/Observations", observation(0, 10))
        stored(adapter, 1)
        first.close()
        broker.stop()
        until(lambda: not adapter.status().connected and adapter.status().trouble, "lost")
        broker.start()
        second = Device(broker)
        second.say("v1.1/Datastreams(7)/Observations", observation(1, 11))
        status = stored(adapter, 2)
        second.close()
    assert status.connections == 2 and status.session_kept
    assert {check.name: check.state for check in status.checks}["session_kept"] == "ok"


class Stubborn:
    """A store that takes nothing for a while, at the door (queue full) or at the commit (disk full)."""

    def __init__(self, store: EmbeddedStore, *, at_commit: bool = False) -> None:
        self._store, self._at_commit, self.shut, self.turned_away = store, at_commit, True, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def open_door(self, on_commit: Any) -> "Stubborn":
        self._door, self._on_commit = self._store.open_door(on_commit), on_commit
        return self

    def append(self, *given: Any) -> None:
        if self.shut:
            self.turned_away += 1
            if not self._at_commit:
                raise RetryLater("full", reason="queue_full")
            failed = [given[-1]], 0, RetryLater("full", reason="disk_full")
            threading.Thread(target=self._on_commit, args=failed).start()
        else:
            self._door.append(*given)


@pytest.mark.parametrize("at_commit", [False, True])
def test_a_full_store_holds_the_acknowledgements_back_and_drops_nothing(
    store: EmbeddedStore, broker: Mosquitto, device: Device, at_commit: bool
) -> None:
    stubborn = Stubborn(store, at_commit=at_commit)
    with running(stubborn, broker, receive_maximum=10) as adapter:
        for minute in range(40):
            device.say("v1.1/Datastreams(7)/Observations", observation(minute, minute))
        until(lambda: stubborn.turned_away > 3, "tried again")
        status = adapter.status()
        assert status.acknowledged == 0 and 0 < status.waiting <= 10
        stubborn.shut = False
        stored(adapter, 40)
        assert adapter.status().acknowledged == 40 and adapter.status().rejected == {}
    assert [result for _, result in rows(store, 7)] == [float(minute) for minute in range(40)]


def test_what_was_held_back_when_the_city_ended_comes_again(
    store: EmbeddedStore, broker: Mosquitto, device: Device
) -> None:
    with running(Stubborn(store), broker) as adapter:
        for minute in range(5):
            device.say("v1.1/Datastreams(7)/Observations", observation(minute, minute))
        until(lambda: adapter.status().held_back == 5, "held back")
    with running(store, broker) as adapter:
        stored(adapter, 5)
    assert len(rows(store, 7)) == 5


@pytest.mark.parametrize("recent_rows", [200_000, 0])
def test_redelivered_messages_are_stored_once(
    store: EmbeddedStore, broker: Mosquitto, device: Device, recent_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored, and the process is gone before it could acknowledge; found in what came last, or in history."""
    monkeypatch.setattr("dongne.adapters.mqtt.known.RECENT_ROWS", recent_rows)
    with running(store, broker) as adapter:
        adapter._reception._acknowledge = lambda _parcel: None  # type: ignore[method-assign]
        for minute in range(20):
            device.say("v1.1/Datastreams(7)/Observations", observation(minute, minute % 3))
        array = [{"Datastream": {"@iot.id": 8}, "components": ["phenomenonTime", "result"],
                  "dataArray": [[f"2026-05-01T09:{minute:02}:00Z", minute] for minute in range(60)]}]  # fmt: skip
        device.say("v1.1/CreateObservations", json.dumps(array))
        stored(adapter, 80)
    with running(store, broker) as again:
        device.say("v1.1/Datastreams(7)/Observations", observation(30, 50))
        status = stored(again, 1)
    assert (status.received, status.acknowledged, status.duplicates) == (22, 22, 80)
    assert len(rows(store, 7)) == 21 and len(rows(store, 8)) == 60


def test_a_retained_number_of_unknown_age_is_refused(store: EmbeddedStore, broker: Mosquitto, device: Device) -> None:
    device.say("dongne/7", "5", retain=True)
    device.say("v1.1/Datastreams(7)/Observations", observation(0, 6), retain=True)
    with running(store, broker) as adapter:
        stored(adapter, 1)
        until(lambda: adapter.status().received == 2, "both")
        assert adapter.status().rejected == {"retained": 1}


def test_a_large_data_array_goes_in_by_slices(store: EmbeddedStore, broker: Mosquitto, device: Device) -> None:
    times = np.datetime_as_string(np.datetime64("2026-05-01T00:00:00") + np.arange(12_000).astype("m8[s]")).tolist()
    frame = {"Datastream": {"@iot.id": 7}, "components": ["phenomenonTime", "result"],
             "dataArray": [[f"{text}Z", row % 100] for row, text in enumerate(times)]}  # fmt: skip
    device.subscribe("answers/2")
    with running(store, broker) as adapter:
        device.say("v1.1/CreateObservations", json.dumps([frame], separators=(",", ":")), "answers/2")
        stored(adapter, 12_000)
        until(lambda: device.heard, "told")
    answer = json.loads(device.heard[0].payload)
    assert len(set(answer)) == 12_000 and answer[-1] == "v1.1/Observations(12001)"
    assert len(rows(store, 7)) == 12_000


def task(key: str, ago: timedelta = timedelta(0), state: str = "created", **parameters: Any) -> Entry:
    event = TaskEvent(
        key=key, thing=1, capability="light_level", state=state, time=datetime.now(UTC) - ago,
        parameters={"value": 80.0, **parameters},
    )  # fmt: skip
    return Entry(RecordKind.TASK, msgspec.msgpack.encode(event))


def test_a_device_says_over_the_broker_what_became_of_its_task_and_nobody_makes_one_there(
    store: EmbeddedStore, broker: Mosquitto, device: Device
) -> None:
    written: list[Any] = []
    desk = TaskDesk(store, ZoneInfo("UTC"))
    config = MqttConfig(port=broker.port, measure=False)
    adapter = MqttAdapter(store, Intake(store), config, desk, lambda who, changed: written.append((who.name, changed)))
    adapter.start()
    try:
        until(lambda: adapter.status().connected, "connected")
        device.subscribe("v1.1/Tasks/1")
        device.subscribe("answers")
        store.submit(Transaction([task("a")])).result()
        number = json.loads(until(lambda: device.heard, "the Task")[0].payload)["@iot.id"]
        device.say(f"v1.1/Tasks({number})/status", '{"state": "failed", "message": "no power"}', answer_to="answers")
        device.say(f"v1.1/Tasks({number})/status", '{"state": "executing"}', answer_to="answers")
        until(lambda: len(device.heard) == 3, "both answered")
        (found,) = store.list_tasks_by_id([number])
        assert (found.state, found.reason, found.changed_by) == ("failed", "no power", "broker")
        assert json.loads(device.heard[2].payload)["code"] == 409
        assert written == [("broker", [("put", "Task", number)])]
    finally:
        adapter.close()


def test_a_new_task_goes_out_once_and_after_a_restart_what_had_not_gone_out(
    store: EmbeddedStore, broker: Mosquitto, device: Device
) -> None:
    store.submit(Transaction([task("before anybody listened")])).result()
    device.subscribe("v1.1/Tasks/1")
    with running(store, broker) as adapter:
        store.submit(Transaction([task("a")])).result()
        until(lambda: adapter.status().tasks_sent == 1, "sent")
        store.submit(Transaction([task("a", state="completed")])).result()
        until(lambda: store.position("mqtt:tasks") >= store.head(), "position kept")
    old = task("too old", timedelta(hours=2))
    over = task("over", until=(datetime.now(UTC) - timedelta(seconds=5)).isoformat())
    store.submit(Transaction([task("b"), old, over])).result()
    with running(store, broker) as adapter:
        until(lambda: adapter.status().tasks_sent == 1, "sent")
        assert adapter.status().tasks_skipped == 2
    until(lambda: len(device.heard) == 2, "heard")
    first, second = (json.loads(message.payload) for message in device.heard)
    assert (first["key"], second["key"]) == ("a", "b")
    assert first["taskingParameters"] == {"value": 80.0} and first["Thing"] == {"@iot.id": 1}
    assert first["TaskingCapability"] == {"name": "light_level"} and not device.heard[0].retain


def checks_of(adapter: MqttAdapter) -> dict[str, str]:
    return {check.name: check.state for check in adapter.status().checks}


@pytest.mark.parametrize(("setting", "found"), [("true", "ok"), ("false", "wrong")])
def test_a_broker_that_delays_small_packets_is_found_out(
    mosquitto: str,
    tmp_path: Path,
    store: EmbeddedStore,
    setting: str,
    found: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = Mosquitto(tmp_path / "broker")
    conf = tmp_path / "broker" / "mosquitto.conf"
    conf.write_text(conf.read_text().replace("nodelay true", f"nodelay {setting}"))
    broker.start()
    try:
        with running(store, broker, measure=True) as adapter:
            until(lambda: checks_of(adapter)["tcp_nodelay_ms"] != "unknown", "measured")
            assert checks_of(adapter)["tcp_nodelay_ms"] == found
            remedies = [check.remedy for check in adapter.status().checks if check.state == "wrong"]
            assert ["set_tcp_nodelay true" in remedy for remedy in remedies] == [True] * (found == "wrong")
            if found == "wrong":
                until(lambda: "set_tcp_nodelay true" in caplog.text, "said in the log, with the remedy")
    finally:
        broker.stop()


def test_a_broker_that_throws_messages_away_is_found_out(mosquitto: str, tmp_path: Path, store: EmbeddedStore) -> None:
    broker = Mosquitto(tmp_path / "broker", extra="max_queued_messages 3\nmax_queued_bytes 0\nsys_interval 1\n")
    broker.start()
    device = Device(broker)
    try:
        with running(Stubborn(store), broker, receive_maximum=2) as adapter:
            until(lambda: checks_of(adapter)["dropped_messages"] == "ok", "$SYS heard")
            for minute in range(60):
                device.say("v1.1/Datastreams(7)/Observations", observation(minute, 1))
            until(lambda: checks_of(adapter)["dropped_messages"] == "wrong", "found out")
    finally:
        device.close()
        broker.stop()


def test_without_a_broker_the_city_runs_and_the_status_says_why(store: EmbeddedStore, mosquitto: str) -> None:
    adapter = MqttAdapter(store, Intake(store), MqttConfig(port=1, retry_min_s=0.05))
    adapter.start()
    until(lambda: "nobody answers" in adapter.status().trouble, "said")
    assert not adapter.status().connected
    adapter.close()


def test_the_second_process_with_the_same_session_is_named(store: EmbeddedStore, broker: Mosquitto) -> None:
    with running(store, broker, retry_min_s=5.0, retry_max_s=5.0) as first:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="dongne", protocol=paho.MQTTv5)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        until(lambda: "another client" in first.status().trouble, "named")
        client.disconnect()
        client.loop_stop()


def test_addresses_are_read_and_wrong_ones_refused() -> None:
    config = parse_address("mqtts://user:p%40ss@broker.example", "dongne-helsinki")
    assert (config.host, config.port, config.tls) == ("broker.example", 8883, True)
    assert (config.username, config.password, config.client_id) == ("user", "p@ss", "dongne-helsinki")
    assert parse_address("127.0.0.1:1999").port == 1999
    assert "p@ss" not in repr(config) + config.broker
    for wrong in ("http://x", "mqtt://", "mqtt://x:port"):
        with pytest.raises(BadSetup):
            parse_address(wrong)


def test_the_settings_that_are_shipped_are_those_which_are_tested_here() -> None:
    shipped = (Path(__file__).parents[2] / "deploy" / "mosquitto.conf").read_text("utf-8")
    settings = "".join(line for line in shipped.splitlines(keepends=True) if not line.startswith("#"))
    assert settings == mosquitto_conf(Path("/var/lib/mosquitto/dongne"))
