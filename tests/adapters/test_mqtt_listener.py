"""The listener with clients that nobody here wrote (mosquitto_sub, mosquitto_pub, paho), a real store and real sockets."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import paho.mqtt.client as paho
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from dongne.adapters.clock import CityClock
from dongne.adapters.mqtt.listener import ListenConfig, MqttListener
from dongne.adapters.mqtt.wire import sized
from dongne.model.access import Access, Sight
from dongne.model.entities import (
    Actuator,
    Datastream,
    Entity,
    Property,
    Sensor,
    TaskingCapability,
    Thing,
    Unit,
    put,
)
from dongne.model.errors import NotKnown
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.model.times import to_us
from dongne.model.who import ANYBODY, BENCH, ROLES, Who
from dongne.runtime.desk import TaskDesk
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


# --- what is heard


@pytest.mark.parametrize("version", [4, 5])
def test_who_subscribes_gets_the_last_value_at_once_and_each_new_one_as_a_get_of_it(
    store: EmbeddedStore, listen: Make, connect: Connect, version: int
) -> None:
    first = observe(store, 7, 0, 20.5)
    client = connect(listen(), version)
    assert client.subscribe("v1.1/Datastreams(7)/Observations") == [1]
    until(lambda: client.heard, "the last value")
    second = observe(store, 7, 1, 30)
    observe(store, 8, 1, 31)
    until(lambda: len(client.heard) == 2, "the new value")
    assert client.documents() == [as_get(first, 0, 20.5), as_get(second, 1, 30)]
    assert [bool(message.retain) for message in client.heard] == [True, False]
    assert {message.topic for message in client.heard} == {"v1.1/Datastreams(7)/Observations"}


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_mosquitto_sub_hears_what_mosquitto_pub_publishes(
    mosquitto: str, store: EmbeddedStore, listen: Make, version: str
) -> None:
    sub, pub = shutil.which("mosquitto_sub"), shutil.which("mosquitto_pub")
    if sub is None or pub is None:
        pytest.skip("the clients of mosquitto are not installed")
    listener = listen()
    where = ["-h", "127.0.0.1", "-p", str(listener.config.port), "-V", version]
    topic = "v1.1/Datastreams(7)/Observations"
    hearing = subprocess.Popen([sub, *where, "-q", "1", "-C", "3", "-t", topic], stdout=subprocess.PIPE, text=True)
    until(lambda: listener.status().subscriptions, "subscribed")
    for qos in (0, 1, 2):
        body = json.dumps(observation(qos, 10 + qos))
        subprocess.run([pub, *where, "-q", str(qos), "-t", topic, "-m", body], check=True, timeout=LIMIT_S)
    said, _ = hearing.communicate(timeout=LIMIT_S)
    assert [json.loads(line)["result"] for line in said.splitlines()] == [10, 11, 12]
    assert listener.status().observations_stored == 3


def test_a_set_a_navigation_and_wildcards_hear_each_observation_once(
    store: EmbeddedStore, listen: Make, connect: Connect
) -> None:
    client = connect(listen())
    for topic in ("v1.1/Observations", "v1.1/Things(1)/Datastreams(7)/Observations", "v1.1/+/Observations", "v1.1/#"):
        assert client.subscribe(topic) == [1]
    number = observe(store, 7, 0, 20)
    until(lambda: len(client.heard) == 4, "all four")
    observe(store, 8, 0, 21)
    until(lambda: len(client.heard) == 7, "three of the other Datastream")
    assert sorted(message.topic for message in client.heard) == sorted(
        [
            *["v1.1/Observations"] * 2,
            "v1.1/Things(1)/Datastreams(7)/Observations",
            *["v1.1/Datastreams(7)/Observations"] * 2,
            *["v1.1/Datastreams(8)/Observations"] * 2,
        ]
    )
    assert [d for d in client.documents() if d["@iot.id"] == number] == [as_get(number, 0, 20)] * 4


def test_wildcards_bring_the_last_value_of_each_datastream_that_may_be_seen(
    store: EmbeddedStore, listen: Make, connect: Connect
) -> None:
    for datastream in (7, 8, 9):
        observe(store, datastream, 0, 20, 21)
    client = connect(listen())
    client.subscribe("v1.1/+/Observations")
    until(lambda: len(client.heard) == 2, "both")
    observe(store, 8, 5, 30)
    until(lambda: len(client.heard) == 3, "the live one")
    assert [(m.topic, json.loads(m.payload)["result"], bool(m.retain)) for m in client.heard] == [
        ("v1.1/Datastreams(7)/Observations", 21, True),
        ("v1.1/Datastreams(8)/Observations", 21, True),
        ("v1.1/Datastreams(8)/Observations", 30, False),
    ]


def test_an_entity_and_a_property_are_heard_when_they_are_not_as_before(
    store: EmbeddedStore, listen: Make, connect: Connect
) -> None:
    observe(store, 7, 0, 20)
    client = connect(listen())
    topics = (
        "v1.1/Things(1)",
        "v1.1/Things(1)/properties",
        "v1.1/Things(1)/properties/kind",
        "v1.1/Datastreams(7)/Thing?$select=name",
        "v1.1/Datastreams(7)/phenomenonTime",
        "v1.1/Things(1)/Datastreams?$select=name",
        "v1.1/Things?$select=name,id",
    )
    for topic in topics:
        assert client.subscribe(topic) == [1]
    until(lambda: len(client.heard) == 5, "what is, of each but the sets")
    client.heard.clear()
    change(store, Thing(id=1, name="basket", properties={"kind": "waste_basket"}))
    until(lambda: len(client.heard) == 3, "the renamed Thing")
    assert {m.topic: json.loads(m.payload) for m in client.heard if "$" in m.topic} == {
        "v1.1/Datastreams(7)/Thing?$select=name": {"name": "basket"},
        "v1.1/Things?$select=name,id": {"name": "basket", "@iot.id": 1},
    }
    client.heard.clear()
    change(store, stream(10))
    observe(store, 7, 9, 20)
    until(lambda: len(client.heard) == 2, "the new Datastream and the longer period")
    assert {m.topic: json.loads(m.payload) for m in client.heard} == {
        "v1.1/Things(1)/Datastreams?$select=name": {"name": "d10"},
        "v1.1/Datastreams(7)/phenomenonTime": {"phenomenonTime": "2026-05-01T08:30:00Z/2026-05-01T08:39:00Z"},
    }


def test_select_filter_and_expand_are_those_of_a_get(
    store: EmbeddedStore, selector: Selector, listen: Make, connect: Connect
) -> None:
    client = connect(listen())
    filtered = (
        "v1.1/Observations?$select=result&$filter=result gt 30 and Datastream/Thing/name eq 'bin' and "
        "Datastream/Thing/properties/kind eq 'waste_basket' and year(phenomenonTime) eq 2026"
    )
    expanded = (
        "v1.1/Datastreams(8)/Observations?$select=result&$expand=Datastream($select=name;$expand=Thing($select=name))"
    )
    assert client.subscribe(filtered) == client.subscribe(expanded) == [1]
    observe(store, 7, 0, 20, 31)
    observe(store, 8, 0, 30)
    until(lambda: len(client.heard) == 2, "the two")
    assert {m.topic: json.loads(m.payload) for m in client.heard} == {
        filtered: {"result": 31},
        expanded: {"result": 30, "Datastream": {"name": "d8", "Thing": {"name": "bin"}}},
    }


@pytest.mark.parametrize(
    ("topic", "why"),
    [
        ("v1.1/Datastreams(77)/Observations", "no Datastream 77"),
        ("v1.1/Datastreams(9)/Observations", "no Datastream 9"),
        ("v1.1/Things(2)", "no Thing 2"),
        ("v1.1/Things(2)/Datastreams", "no Thing 2"),
        ("v1.1/Things(1)/Datastreams(9)", "no Datastream 9"),
        ("v1.1/Thinges", "no entity set"),
        ("v1.1/Things(1)/properties/colour", "nothing at 'colour'"),
        ("v1.1/Observations?$top=3", "and no other option"),
        ("v1.1/Observations?$select=colour", "to select"),
        ("v1.1/Observations?$filter=result gt", "\\$filter"),
        ("v1.1/Things?$filter=Datastreams/name eq 'x'", "is a set"),
        ("v1.1/Things?$expand=Datastreams", "not sent along"),
        ("v1.1/Things(1)/$ref", "not sent over MQTT"),
        ("dongne/7", "nothing is sent"),
        ("v1.1/Observations?nonsense", "after \\?"),
    ],
)  # fmt: skip
def test_a_topic_that_names_nothing_is_refused_with_the_reason(
    listen: Make, connect: Connect, topic: str, why: str
) -> None:
    listener = listen()
    new, old = connect(listener), connect(listener, 4)
    old.subscribe("v1.1/errors/subscribe")
    assert new.subscribe(topic) == [0x8F]
    assert old.subscribe(topic) == [0x80]
    said = until(lambda: [d for d in old.documents() if d["topic"] == topic], "the error")
    import re

    assert re.search(why, new.why) and re.search(why, said[0]["message"])
    assert new.subscribe("v1.1/Observations") == [1]  # the connection goes on


def test_retain_handling_no_local_and_unsubscribe_are_kept_to(
    store: EmbeddedStore, listen: Make, connect: Connect
) -> None:
    observe(store, 7, 0, 20)
    topic = "v1.1/Datastreams(7)/Observations"
    listener = listen()
    client, other = connect(listener), connect(listener)
    client.subscribe(topic, retainHandling=2)
    client.subscribe("v1.1/Datastreams(8)/Observations", retainHandling=1, noLocal=True)
    other.subscribe("v1.1/Datastreams(8)/Observations")
    client.subscribe(topic, retainHandling=1)  # not new
    client.say("v1.1/Datastreams(8)/Observations", observation(1, 40))
    until(lambda: len(other.heard) == 1, "the other hears it")
    client.say(topic, observation(1, 41))
    until(lambda: client.heard, "its own, without No Local")
    assert [d["result"] for d in client.documents()] == [41]
    client.subscribe(topic)
    until(lambda: len(client.heard) == 2, "the last value again")
    client.unsubscribe(topic)
    observe(store, 7, 9, 50)
    client.subscribe("v1.1/Things(1)/name")
    until(lambda: len(client.heard) == 3, "what is asked for now")
    assert client.documents()[2] == {"name": "bin"}


# --- who may


def test_a_device_publishes_for_its_things_only_and_hears_why_not(
    store: EmbeddedStore, listen: Make, connect: Connect
) -> None:
    change(store, Thing(id=3, name="x", properties={"access": "internal"}), stream(11, thing=3))
    listener = listen(who_of)
    gate, other, nobody = connect(listener, token="gate"), connect(listener, token="other"), connect(listener)
    for client in (gate, other, nobody):
        client.subscribe("v1.1/errors/#")
    gate.say("v1.1/Datastreams(7)/Observations", observation(0, 20))
    gate.say("v1.1/Datastreams(11)/Observations", observation(0, 21))
    gate.say("v1.1/Datastreams(9)/Observations", observation(0, 22))
    other.say("v1.1/Datastreams(7)/Observations", observation(1, 23))
    other.say("v1.1/Datastreams(11)/Observations", observation(1, 24))
    nobody.say("v1.1/Datastreams(7)/Observations", observation(2, 25))
    until(lambda: len(gate.heard) == 2 and len(other.heard) == 1 and len(nobody.heard) == 1, "the errors")
    assert [d["reason"] for d in gate.documents()] == ["unknown_datastream"] * 2  # not even that they are there
    assert [d["code"] for d in (*other.documents(), *nobody.documents())] == [403, 401]
    assert listener.status().observations_stored == 2
    assert store.latest(7).result == 20 and store.latest(11).result == 24  # type: ignore[union-attr]


def test_personal_datastreams_are_never_heard_of_and_what_becomes_personal_ends(
    store: EmbeddedStore, listen: Make, connect: Connect
) -> None:
    observe(store, 9, 0, 20)
    client = connect(listen())
    for topic in ("#", "v1.1/Observations", "v1.1/Datastreams", "v1.1/Things", "v1.1/Datastreams(8)/Observations"):
        client.subscribe(topic)
    observe(store, 9, 1, 21)
    change(store, Thing(id=2, name="bed", description="moved", properties={"access": "personal"}), stream(9, thing=2))
    observe(store, 7, 1, 22)
    until(lambda: [m for m in client.heard if m.topic == "v1.1/Observations"], "the public one")
    change(store, stream(8, properties={"access": "personal"}))
    observe(store, 8, 2, 23)
    observe(store, 7, 2, 24)
    until(lambda: [d for d in client.documents() if d.get("result") == 24], "the next public one")
    said = [message.topic + message.payload.decode() for message in client.heard]
    hidden = ('"bed"', "Datastreams(9)", "Things(2)", '"result":20', '"result":21', '"result":23')
    assert not [text for text in said if any(word in text for word in hidden)]


def test_a_token_that_does_not_hold_is_not_let_in_and_one_that_is_revoked_is_thrown_out(
    listen: Make, connect: Connect
) -> None:
    listener = listen(who_of, check_tokens_every_s=0.05)
    for version in (4, 5):
        assert "not auth" in str(connect(listener, version, token="guess").connected).lower() or (
            "bad user" in str(connect(listener, version, token="guess").connected).lower()
        )
    client = connect(listener, token="gate")
    gone = TOKENS.pop("gate")
    try:
        code = until(lambda: client.disconnected, "thrown out")[0]
        assert "Not authorized" in str(code)
    finally:
        TOKENS["gate"] = gone


# --- what is published


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_what_is_published_is_stored_once_and_answered(
    store: EmbeddedStore, listen: Make, connect: Connect, qos: int
) -> None:
    listener = listen()
    client = connect(listener)
    client.subscribe("answers/1")
    client.say("v1.1/Datastreams(7)/Observations", observation(0, 20), qos, answer_to="answers/1")
    client.say("v1.1/Observations", observation(1, 200, Datastream={"@iot.id": 7}), qos, answer_to="answers/1")
    client.say("dongne/8", "21.5", qos)
    until(lambda: len(client.heard) == 2 and listener.status().observations_stored == 2, "answers")
    stored, refused = client.documents()
    assert stored == {"code": 201, "@iot.id": store.latest(7).number}  # type: ignore[union-attr]
    assert (refused["code"], refused["reason"]) == (400, "out_of_range")
    assert [m.properties.CorrelationData for m in client.heard] == [b"42", b"42"]
    assert store.latest(8).result == 21.5  # type: ignore[union-attr]


def test_a_refused_publish_has_a_reason_code_in_mqtt_5(listen: Make, connect: Connect) -> None:
    client = connect(listen())
    codes: list[int] = []
    client.client.on_publish = lambda *said: codes.append(said[3].value)
    for topic, qos in (("v1.1/Datastreams(7)/Observations", 1), ("v1.1/Nothing", 1), ("v1.1/Nothing", 2)):
        client.say(topic, observation(0, 20), qos)
    assert codes[:2] == [0, 0x90]


# --- slow and absent


def test_a_session_that_lasts_goes_on_where_its_last_acknowledgement_was(
    store: EmbeddedStore, listen: Make, connect: Connect
) -> None:
    listener = listen()
    for version in (4, 5):
        client = connect(listener, version, name=f"hall-{version}", clean=False, expiry_s=600)
        client.subscribe("v1.1/Datastreams(7)/Observations", 1)
        start = 100 * version
        observe(store, 7, start, *range(3))
        until(lambda client=client: client.documents()[-3:] and client.documents()[-1]["result"] == 2, "the first")
        client.close(breaks=True)
        until(lambda: listener.status().connections == 0, "away")
        observe(store, 7, start + 10, *range(10, 60))
        observe(store, 8, start + 10, 5)
        again = connect(listener, version, name=f"hall-{version}", clean=False, expiry_s=600)
        assert again.session_present
        observe(store, 7, start + 70, 70, 71)
        until(lambda again=again: again.heard and again.documents()[-1]["result"] == 71, "the rest")
        assert [d["result"] for d in again.documents()] == [*range(10, 60), 70, 71]
        again.close()
        fresh = connect(listener, version, name=f"hall-{version}", clean=True)
        assert not fresh.session_present
        fresh.close()
        until(lambda: listener.status().connections == 0, "gone")


def test_who_reads_slowly_is_given_everything_from_the_sequence(
    store: EmbeddedStore, listen: Make, connect: Connect
) -> None:
    listener = listen()
    client = connect(listener)
    held = threading.Event()
    count = 0

    def slow(_c: Any, _d: Any, message: Any) -> None:
        nonlocal count
        count += 1
        if count == 1:
            held.wait(LIMIT_S)
        client.heard.append(message)

    client.client.on_message = slow
    client.subscribe("v1.1/Datastreams(7)/Observations", 0)
    observe(store, 7, -1, 0)
    for block in range(4):
        observe(store, 7, 1000 * block, *[float(at % 100) for at in range(1000)])
    until(lambda: listener.status().behind == 1, "it fell behind")
    held.set()
    until(lambda: len(client.heard) == 4001, "all of them")
    numbers = [d["@iot.id"] for d in client.documents()]
    assert numbers == sorted(set(numbers)) and listener.status().behind == 0


def test_who_is_too_far_behind_without_a_lasting_session_is_told_and_counted(
    store: EmbeddedStore, listen: Make, connect: Connect
) -> None:
    listener = listen(most_behind=2_000)
    client = connect(listener)
    held = threading.Event()
    client.client.on_message = lambda *_: held.wait(LIMIT_S)
    client.subscribe("v1.1/Datastreams(7)/Observations", 1)
    for block in range(5):
        observe(store, 7, 1000 * block, *[float(at % 100) for at in range(1000)])
    assert until(lambda: listener.status().ended.get("quota exceeded"), "counted") == 1
    held.set()
    assert "Quota exceeded" in str(until(lambda: client.disconnected, "thrown out")[0])


def test_another_client_of_the_same_name_takes_the_session_over(listen: Make, connect: Connect) -> None:
    listener = listen()
    first = connect(listener, name="one", clean=False, expiry_s=60)
    first.subscribe("v1.1/Observations")
    first.client.reconnect_delay_set(100, 100)
    second = connect(listener, name="one", clean=False, expiry_s=60)
    assert second.session_present
    assert "taken over" in str(until(lambda: first.disconnected, "thrown out")[0])
    assert listener.status().subscriptions == 1


def test_a_lasting_session_outlives_the_listener(
    store: EmbeddedStore, tmp_path: Path, listen: Make, connect: Connect
) -> None:
    file = tmp_path / "sessions.json"
    listener = listen(file=file)
    client = connect(listener, name="hall", clean=False, expiry_s=600)
    client.subscribe("v1.1/Datastreams(7)/Observations", 1)
    observe(store, 7, 0, 1)
    until(lambda: client.heard, "the first")
    client.close()
    listener.close()
    observe(store, 7, 1, 2, 3)
    again = connect(listen(file=file), name="hall", clean=False, expiry_s=600)
    observe(store, 7, 4, 4)
    until(lambda: len(again.heard) >= 3, "what it missed")
    assert again.session_present and [d["result"] for d in again.documents()] == [2, 3, 4]


# --- what is no MQTT


def exchange(listener: MqttListener, *parts: bytes) -> bytes:
    """What a listener says to these bytes, until it closes."""
    import socket

    with socket.create_connection(("127.0.0.1", listener.config.port), LIMIT_S) as sock:
        said = b""
        try:
            for part in parts:
                sock.sendall(part)
            sock.shutdown(socket.SHUT_WR)
            while found := sock.recv(65_536):
                said += found
        except OSError:  # it has closed already
            pass
        return said


CONNECT_5 = b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x02me"
CONNECT_4 = b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02me"


@pytest.mark.parametrize(
    ("first", "then", "code"),
    [
        (b"", b"\xc0\x00", None),  # a PINGREQ before CONNECT
        (b"", b"GET / HTTP/1.1\r\n\r\n" + b"x" * 300, None),
        (b"", b"\x10\x0c\x00\x04MQTT\x06\x02\x00\x00\x00\x00", 1),  # MQTT 6, told in the words of 3.1.1
        (CONNECT_5, CONNECT_5, 0x82),
        (CONNECT_5, b"\x30\xff\xff\xff\xff\x01", 0x81),  # a length of five bytes
        (CONNECT_5, b"\x30\xff\xff\xff\x7f", 0x95),  # 256 MiB
        (CONNECT_5, b"\x36\x05\x00\x01a\x00\x01", 0x81),  # QoS 3
        (CONNECT_5, b"\x30\x04\x00\x00\x00\x00", 0x94),  # a topic alias
        (CONNECT_5, b"\x30\x04\x00\x01#\x00", 0x90),
        (CONNECT_5, b"\x80\x05\x00\x01\x00\x00\x00", 0x81),  # flags of SUBSCRIBE
        (CONNECT_5, b"\x82\x03\x00\x01\x00", 0x82),  # of nothing
        (CONNECT_5, b"\x82\x09\x00\x01\x02\x0b\x01\x00\x01a\x00", 0xA1),  # a subscription identifier
        (CONNECT_5, b"\x82\x07\x00\x01\x00\x00\x01\xff\x00", 0x81),  # not UTF-8
        (CONNECT_5, b"\xf0\x00", 0x82),  # AUTH
        (CONNECT_4, b"\x82\x06\x00\x01\x00\x01a\x04", None),  # No Local in 3.1.1
    ],
)
def test_what_is_no_mqtt_ends_the_connection_with_a_reason_and_is_counted(
    listen: Make, first: bytes, then: bytes, code: int | None
) -> None:
    listener = listen()
    said = exchange(listener, first, then)
    if first == CONNECT_5:
        assert said[0] == 0x20 and said[3] == 0
        end = said[2 + said[1] :]
        assert end[0] == 0xE0 and end[2] == code and len(end) > 4  # with words
    elif code is not None:
        assert said == bytes((0x20, 2, 0, code))
    else:
        assert said in (b"", b"\x20\x02\x00\x00")
    assert sum(until(lambda: listener.status().ended, "counted").values()) == 1


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MqttListener]:
    store = EmbeddedStore.open(tmp_path_factory.mktemp("fuzzed"), CityClock(), follow=False)
    change(store, Thing(id=1, name="bin"), Sensor(id=1, name="s"), Property(id=1, name="level"), stream(7))
    selector = Selector(store, store.history)
    config = ListenConfig(port=0, check_every_s=0.05)
    listener = MqttListener(store, Intake(store), selector.select, lambda _: BENCH, config)
    listener.start()
    yield listener
    listener.close()
    selector.close()
    store.close()


def packet(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + sized(body)


KINDS = st.sampled_from([0x10, 0x30, 0x32, 0x34, 0x3D, 0x40, 0x50, 0x62, 0x70, 0x82, 0xA2, 0xC0, 0xD0, 0xE0, 0xF0])
BODIES = st.binary(max_size=60) | st.sampled_from(
    [
        b"\0\x01\0\0\x0dv1.1/Things(1)\x01",
        b"\0\x01\0\0\x03v1.\x01",
        b'\0\x20v1.1/Datastreams(7)/Observations\0\x09\0{"result": 1}',
        CONNECT_5[2:],
        b"\0\x01\0",
    ]
)


@given(
    st.sampled_from([b"", CONNECT_4, CONNECT_5]),
    st.lists(st.builds(packet, KINDS, BODIES) | st.binary(max_size=40), max_size=6),
    st.integers(1, 50),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_stop_the_listener(fuzzed: MqttListener, first: bytes, parts: list[bytes], cut: int) -> None:
    before = sum(fuzzed.status().ended.values())
    stream_of = first + b"".join(parts)
    exchange(fuzzed, stream_of[:cut], stream_of[cut:])
    until(lambda: sum(fuzzed.status().ended.values()) == before + 1, "ended and counted, once")
    assert exchange(fuzzed, CONNECT_5, b"\xc0\x00", b"\xe0\x00").endswith(b"\xd0\x00")  # others go on
    until(lambda: sum(fuzzed.status().ended.values()) == before + 2, "the other too")
    assert fuzzed.status().failed == 0


# --- Tasks

SCHEMA = {"type": "object", "properties": {"level": {"type": "number", "maximum": 100}}, "required": ["level"]}
OPERATOR = Who("kim", "operator", ROLES["operator"][0], None, Sight(Access.INTERNAL), is_known=True)


@pytest.fixture
def tasked(store: EmbeddedStore) -> EmbeddedStore:
    """A store with a Thing that can be told how bright to be, and a personal one."""
    change(
        store,
        Actuator(id=1, name="driver"),
        TaskingCapability(id=3, name="light", tasking_parameters=SCHEMA, thing_id=1, actuator_id=1),
        TaskingCapability(id=4, name="door", tasking_parameters=SCHEMA, thing_id=2, actuator_id=1),
        TaskingCapability(
            id=5, name="slow", tasking_parameters=SCHEMA, thing_id=1, actuator_id=1,
            properties={"interlocks": [{"min_interval_s": 600}]},
        ),
    )  # fmt: skip
    return store


@pytest.fixture
def audit() -> list[tuple[str, list[tuple[str, str, int]]]]:
    return []


@pytest.fixture
def listen_tasks(tasked: EmbeddedStore, selector: Selector, audit: list[Any]) -> Iterator[MqttListener]:
    def who(token: str | None) -> Who:
        return OPERATOR if token == "kim" else who_of(token)

    config = ListenConfig(port=0, service_root=ROOT, check_every_s=0.05)
    desk = TaskDesk(tasked, ZoneInfo("UTC"))

    def write(who: Who, changed: list[tuple[str, str, int]]) -> None:
        audit.append((who.name, changed))

    listener = MqttListener(tasked, Intake(tasked), selector.select, who, config, desk=desk, audit=write)
    listener.start()
    yield listener
    listener.close()


def test_a_task_is_made_heard_done_and_written_down_over_mqtt(
    tasked: EmbeddedStore, listen_tasks: MqttListener, connect: Connect, audit: list[Any]
) -> None:
    device, kim = connect(listen_tasks, token="gate"), connect(listen_tasks, token="kim")
    kim.subscribe("answers")
    device.subscribe("v1.1/TaskingCapabilities(3)/Tasks?$select=id,taskingParameters,state")
    kim.say("v1.1/TaskingCapabilities(3)/Tasks", {"taskingParameters": {"level": 40}}, answer_to="answers")
    task = until(device.documents, "the device hears it")[0]
    assert (task["taskingParameters"], task["state"]) == ({"level": 40}, "created")
    number = task["@iot.id"]
    assert until(kim.documents, "answered") == [{"code": 201, "@iot.id": number}]
    late = connect(listen_tasks, token="gate")
    late.subscribe("v1.1/TaskingCapabilities(3)/Tasks")
    assert until(lambda: late.heard, "who comes late gets what is open")[0].retain
    kim.subscribe(f"v1.1/Tasks({number})/state")
    device.say(f"v1.1/Tasks({number})/status", {"state": "executing"})
    device.say(f"v1.1/Tasks({number})/status", {"state": "failed", "message": "no power"})
    until(lambda: [d for d in kim.documents() if d.get("state") == "failed"], "who asked hears what became of it")
    states = [d["state"] for d in kim.documents() if "state" in d]
    assert states == ["created", "executing", "failed"]
    (found,) = tasked.list_tasks_by_id([number])
    assert (found.by, found.changed_by, found.reason) == ("kim", "gate", "no power")
    assert audit == [(name, [("put", "Task", number)]) for name in ("kim", "gate", "gate")]
    assert listen_tasks.status().observations_stored == 0


@pytest.mark.parametrize(
    ("token", "topic", "body", "code"),
    [
        ("kim", "v1.1/TaskingCapabilities(3)/Tasks", {"taskingParameters": {"level": 140}}, 400),
        ("kim", "v1.1/Tasks", {"taskingParameters": {"level": 40}}, 400),
        ("kim", "v1.1/TaskingCapabilities(4)/Tasks", {"taskingParameters": {"level": 40}}, 404),
        ("other", "v1.1/TaskingCapabilities(3)/Tasks", {"taskingParameters": {"level": 40}}, 403),
        ("", "v1.1/TaskingCapabilities(3)/Tasks", {"taskingParameters": {"level": 40}}, 401),
        ("kim", "v1.1/Tasks(77)/status", {"state": "done"}, 404),
        ("kim", "v1.1/Tasks", "nonsense", 400),
    ],
)  # fmt: skip
def test_a_task_that_may_not_be_is_refused_with_the_reason(
    tasked: EmbeddedStore, listen_tasks: MqttListener, connect: Connect, token: str, topic: str, body: Any, code: int
) -> None:
    client = connect(listen_tasks, token=token)
    client.subscribe("answers")
    client.say(topic, body, answer_to="answers")
    assert until(client.documents, "refused")[0]["code"] == code
    assert tasked.list_tasks() == []


def test_interlocks_hold_also_for_tasks_that_come_at_once(
    tasked: EmbeddedStore, listen_tasks: MqttListener, connect: Connect
) -> None:
    client = connect(listen_tasks, token="kim")
    client.subscribe("answers")
    for _ in range(5):
        said = Properties(PacketTypes.PUBLISH)
        said.ResponseTopic = "answers"
        document = {"taskingParameters": {"level": 1}, "TaskingCapability": {"@iot.id": 5}}
        client.client.publish("v1.1/Tasks", json.dumps(document), 1, properties=said)
    until(lambda: len(client.heard) == 5, "all answered")
    assert sorted(d["code"] for d in client.documents()) == [201, 409, 409, 409, 409]
    assert len(tasked.list_tasks()) == 1
