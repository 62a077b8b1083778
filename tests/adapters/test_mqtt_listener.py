"""The listener with clients that nobody here wrote (mosquitto_sub, mosquitto_pub, paho), a real store and real sockets."""

import json
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.listening import (
    LIMIT_S,
    T0,
    TOKENS,
    Connect,
    Make,
    as_get,
    change,
    connect,
    listen,
    observation,
    observe,
    selector,
    store,
    stream,
    until,
    who_of,
)

from dongne.adapters.mqtt.known import Known
from dongne.adapters.mqtt.listener import session
from dongne.model.entities import (
    Thing,
)
from dongne.model.times import to_us
from dongne.model.who import BENCH
from dongne.stores.embedded.select import Selector
from dongne.stores.embedded.store import EmbeddedStore

__all__ = ["connect", "listen", "selector", "store"]  # fixtures

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


@pytest.mark.parametrize("at_once", [1, 100])
def test_wildcards_bring_the_last_value_of_each_datastream_that_may_be_seen(
    store: EmbeddedStore, listen: Make, connect: Connect, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("dongne.adapters.mqtt.listener.client_desk.FIRST_AT_ONCE", at_once)
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
    "condition",
    [
        "result mul 1e308 mul 1e308 mod 2 eq 0",
        "round(result mul 1e308 mul 1e308) eq 0",
        "substring('abc', result mul 1e308 mul 1e308) eq 'b'",
        "year(phenomenonTime add duration'P9999999D') gt 1",
    ],
)
def test_a_filter_that_leads_beyond_numbers_and_calendar_is_not_met_and_keeps_nothing_from_others(
    store: EmbeddedStore, listen: Make, connect: Connect, condition: str
) -> None:
    listener = listen()
    odd, other = connect(listener), connect(listener)
    assert odd.subscribe(f"v1.1/Observations?$filter={condition}") == [1]
    assert odd.subscribe(f"v1.1/Observations?$select=result&$filter=not ({condition}) or result eq 30") == [1]
    assert other.subscribe("v1.1/Observations") == [1]
    observe(store, 7, 0, 20, 30)
    until(lambda: len(other.heard) == 2 and odd.heard, "what the others asked for")
    assert odd.documents() == [{"result": 30}]
    assert listener.status().failed == 0


def test_what_was_stored_is_known_also_where_it_came_after_the_first_look(store: EmbeddedStore) -> None:
    known = Known(store)
    at_us = to_us(T0)
    observe(store, 7, 0, 20)
    observe(store, 7, 9, 29)
    assert known.holds(7, at_us, 20.0) and not known.holds(7, at_us, 21.0)
    observe(store, 7, 0, 21)
    observe(store, 7, 1, 22, 23)
    known.rest()
    assert known.holds(7, at_us, 21.0) and known.holds(7, at_us + 120_000_000, 23.0)
    assert not known.holds(7, at_us + 120_000_000, 22.0) and not known.holds(8, at_us, 20.0)


@pytest.mark.parametrize("topic", ["v1.1/Datastreams(8)/Observations", "dongne/8", "$CONTROL/x", "v1.1/Tasks/1"])
def test_nobody_has_the_city_answer_where_others_listen_for_it(listen: Make, connect: Connect, topic: str) -> None:
    listener = listen()
    client = connect(listener)
    client.subscribe("#")
    client.say("v1.1/Datastreams(7)/Observations", observation(0, 20), answer_to=topic)
    client.say("v1.1/Datastreams(7)/Observations", observation(1, 21), answer_to="answers")
    until(lambda: len(client.heard) == 3, "both, and the one answer")
    assert {message.topic for message in client.heard} == {"v1.1/Datastreams(7)/Observations", "answers"}
    assert listener.status().answers_dropped == 1


def test_who_has_more_last_values_told_than_fit_is_let_go_with_the_reason(
    store: EmbeddedStore, listen: Make, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "MOST_BYTES", 600)
    observe(store, 7, 0, 20)
    observe(store, 8, 0, 20)
    listener = listen()
    small, wide = connect(listener), connect(listener)
    assert small.subscribe("v1.1/Datastreams(7)/Observations") == [1]
    assert wide.subscribe("v1.1/#") == [1]
    until(lambda: "Quota exceeded" in str(wide.disconnected), "told why")
    until(lambda: small.heard, "the others hear")
    until(lambda: listener.status().connections == 1, "the connection is gone")


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


def test_who_may_write_without_a_token_learns_nothing_of_what_is_hidden(
    store: EmbeddedStore, listen: Make, connect: Connect
) -> None:
    client = connect(listen())
    client.subscribe("answers")
    for number in (77, 9):
        array = [
            {
                "Datastream": {"@iot.id": number},
                "components": ["result", "phenomenonTime"],
                "dataArray": [[20, T0.isoformat()]],
            }
        ]
        client.say(f"v1.1/Datastreams({number})/Observations", observation(0, 20), answer_to="answers")
        client.say("v1.1/Observations", observation(0, 20, Datastream={"@iot.id": number}), answer_to="answers")
        client.say(f"dongne/{number}", "20", answer_to="answers")
        client.say("v1.1/CreateObservations", json.dumps(array), answer_to="answers")
    until(lambda: len(client.heard) == 8, "all answers")
    absent, hidden = (
        [m.payload.decode().replace(str(number), "n") for m in client.heard[at : at + 4]]
        for at, number in ((0, 77), (4, 9))
    )
    assert absent == hidden and all("there is no Datastream n" in said for said in absent)
    assert store.latest(9) is None


def test_who_publishes_too_often_is_read_at_the_rate_and_nothing_is_lost(
    store: EmbeddedStore, listen: Make, connect: Connect
) -> None:
    from dongne.model.limits import Limits
    from dongne.web.api.rates import Rates

    rates = Rates(Limits(writes_per_s=100, burst_s=0.2, on_this_machine=True))
    listener = listen()
    listener.wait_s = rates.wait_s
    client, other = connect(listener), connect(listener)
    started_s = time.monotonic()
    for at in range(80):
        client.client.publish("v1.1/Datastreams(7)/Observations", json.dumps(observation(at, 20)), 1)
    other.subscribe("v1.1/Datastreams(7)")  # of the same address, but not a write
    client.say("v1.1/Datastreams(7)/Observations", observation(80, 21))
    assert time.monotonic() - started_s > 0.3
    assert listener.status().observations_stored == 81 and rates.refused["write"]
    assert Rates(Limits(writes_per_s=1)).wait_s("write", BENCH, "127.0.0.1") == 0.0


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
