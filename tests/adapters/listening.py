"""A listener over a real store, and a client nobody here wrote, for the tests of both."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from dongne.adapters.clock import CityClock
from dongne.adapters.mqtt.listener import ListenConfig, MqttListener
from dongne.model.access import Sight
from dongne.model.entities import (
    Datastream,
    Entity,
    Property,
    Sensor,
    Thing,
    Unit,
    put,
)
from dongne.model.errors import NotKnown
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.model.times import to_us
from dongne.model.who import ANYBODY, BENCH, ROLES, Who
from dongne.runtime.intake import Intake
from dongne.runtime.ports import Entry, Transaction
from dongne.stores.embedded.select import Selector
from dongne.stores.embedded.store import EmbeddedStore

LIMIT_S = 15.0
T0 = datetime(2026, 5, 1, 8, 30, tzinfo=UTC)
ROOT = "http://city.test/v1.1"


def until(reached: Callable[[], Any], what: str) -> Any:
    """What it gave when it was true."""
    end_s = time.monotonic() + LIMIT_S
    while time.monotonic() < end_s:
        if found := reached():
            return found
        time.sleep(0.005)
    raise AssertionError(f"not within {LIMIT_S} s: {what}")


def change(store: EmbeddedStore, *entities: Entity) -> None:
    body = msgspec.msgpack.encode([put(entity) for entity in entities])
    store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()


def stream(number: int, thing: int = 1, **more: Any) -> Datastream:
    return Datastream(
        id=number, name=f"d{number}", thing_id=thing, sensor_id=1, observed_property_id=1,
        unit_of_measurement=Unit(symbol="%"), **more,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore.open(tmp_path / "city", CityClock())
    change(
        opened,
        Thing(id=1, name="bin", properties={"kind": "waste_basket"}),
        Thing(id=2, name="bed", properties={"access": "personal"}),
        Sensor(id=1, name="s"),
        Property(id=1, name="level", properties={"low": 0.0, "high": 100.0, "unit": "%"}),
        stream(7),
        stream(8),
        stream(9, thing=2),
    )
    yield opened
    opened.close()


@pytest.fixture
def selector(store: EmbeddedStore) -> Iterator[Selector]:
    found = Selector(store, store.history)
    yield found
    found.close()


TOKENS = {
    "gate": Who("gate", "device", ROLES["device"][0], frozenset({1}), Sight(things=frozenset({1})), is_known=True),
    "other": Who("other", "device", ROLES["device"][0], frozenset({3}), Sight(things=frozenset({3})), is_known=True),
}


def who_of(token: str | None) -> Who:
    """On this bench tokens count; who brings none reads."""
    if token is None:
        return ANYBODY
    if token not in TOKENS:
        raise NotKnown("this token does not hold", reason="token")
    return TOKENS[token]


Make = Callable[..., MqttListener]


@pytest.fixture
def listen(store: EmbeddedStore, selector: Selector) -> Iterator[Make]:
    """Starts a listener on a free port; ends it in order."""
    made: list[MqttListener] = []

    def make(who: Callable[[str | None], Who] = lambda _: BENCH, **config: Any) -> MqttListener:
        settings = {"port": 0, "service_root": ROOT, "check_every_s": 0.05, "flush_every_s": 0.02, **config}
        listener = MqttListener(store, Intake(store), selector.select, who, ListenConfig(**settings))
        listener.start()
        made.append(listener)
        return listener

    yield make
    for listener in made:
        listener.close()


def observe(store: EmbeddedStore, datastream: int, minute: float, *results: float) -> int:
    """Stores Observations as if they came over HTTP; the number of the first."""
    times = [to_us(T0 + timedelta(minutes=minute + at)) for at in range(len(results))]
    batch = ObservationBatch(*_columns([datastream] * len(results), times, list(results)))
    entry = Entry(RecordKind.OBSERVATIONS, encode_batch(batch), len(batch))
    return store.submit(Transaction([entry])).result().numbers[0]


def _columns(streams: list[int], times: list[int], results: list[float]) -> Any:
    import numpy as np

    return np.array(streams, np.int32), np.array(times, np.int64), np.array(results, float)


class Client:
    """A paho client that hears and says."""

    def __init__(
        self, listener: MqttListener, version: int = 5, name: str = "", token: str = "", clean: bool = True,
        expiry_s: int = 0,
    ) -> None:  # fmt: skip
        self.heard: list[paho.MQTTMessage] = []
        self.codes: list[Any] = []
        self.why = ""
        self.session_present = False
        self.disconnected: list[Any] = []
        extra = {} if version == 5 else {"clean_session": clean}
        self.client = paho.Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion(version), **extra)
        if token:
            self.client.username_pw_set("device", token)
        self._ready, self._done = threading.Event(), threading.Event()
        self.client.on_message = lambda _c, _d, message: self.heard.append(message)
        self.client.on_subscribe = self._on_subscribe
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = lambda *said: self.disconnected.append(said[3])
        self.client.on_unsubscribe = lambda *_: self._done.set()
        properties = None
        if version == 5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = expiry_s
        more = {"clean_start": clean, "properties": properties} if version == 5 else {}
        self.client.connect("127.0.0.1", listener.config.port, **more)
        self.client.loop_start()
        assert self._ready.wait(LIMIT_S)

    def _on_connect(self, _c: Any, _d: Any, flags: Any, code: Any, _p: Any) -> None:
        self.session_present, self.connected = flags.session_present, code
        self._ready.set()

    def _on_subscribe(self, _c: Any, _d: Any, _mid: Any, codes: Any, properties: Any) -> None:
        self.codes = codes
        self.why = getattr(properties, "ReasonString", "")
        self._done.set()

    def subscribe(self, topic: str, qos: int = 1, **options: Any) -> list[int]:
        self._done.clear()
        if options:
            self.client.subscribe(topic, options=SubscribeOptions(qos, **options))
        else:
            self.client.subscribe(topic, qos)
        assert self._done.wait(LIMIT_S)
        return [code.value for code in self.codes]

    def unsubscribe(self, topic: str) -> None:
        self._done.clear()
        self.client.unsubscribe(topic)
        assert self._done.wait(LIMIT_S)

    def say(self, topic: str, body: Any, qos: int = 1, answer_to: str = "", retain: bool = False) -> None:
        said = None
        if answer_to:
            said = Properties(PacketTypes.PUBLISH)
            said.ResponseTopic, said.CorrelationData = answer_to, b"42"
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        self.client.publish(topic, text, qos, retain=retain, properties=said).wait_for_publish(LIMIT_S)

    def documents(self) -> list[Any]:
        return [json.loads(message.payload) for message in self.heard]

    def close(self, *, breaks: bool = False) -> None:
        if breaks:
            self.client.loop_stop()
            self.client._sock_close()  # no DISCONNECT
        else:
            self.client.disconnect()
            self.client.loop_stop()


Connect = Callable[..., Client]


@pytest.fixture
def connect() -> Iterator[Connect]:
    made: list[Client] = []

    def make(*given: Any, **more: Any) -> Client:
        made.append(Client(*given, **more))
        return made[-1]

    yield make
    for client in made:
        client.close()


def observation(minute: float, result: object, **more: object) -> dict[str, object]:
    return {"phenomenonTime": (T0 + timedelta(minutes=minute)).isoformat(), "result": result, **more}


def as_get(number: int, minute: int, result: float, datastream: int = 7) -> dict[str, Any]:
    link = f"{ROOT}/Observations({number})"
    return {
        "@iot.id": number,
        "@iot.selfLink": link,
        "Datastream@iot.navigationLink": f"{link}/Datastream",
        "FeatureOfInterest@iot.navigationLink": f"{link}/FeatureOfInterest",
        "phenomenonTime": f"2026-05-01T08:{30 + minute}:00Z",
        "result": result,
        "resultTime": None,
        "resultQuality": None,
        "validTime": None,
        "parameters": None,
    }
