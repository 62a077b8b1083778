"""MQTT packets as bytes, against paho's reader and any division of the stream."""

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import _packet
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dongne.adapters.mqtt.topics import Form, Topics
from dongne.adapters.mqtt.wire import (
    CORRELATION,
    PUBACK,
    RESPONSE_TOPIC,
    V5,
    V311,
    Malformed,
    Message,
    Packet,
    connect_packet,
    publish_packet,
    read_packets,
    read_properties,
)
from dongne.model.errors import BadInput

TOPICS = st.text(st.characters(exclude_characters="+#\0", exclude_categories=["Cs"]), min_size=1, max_size=40)
VERSIONS = st.sampled_from([V311, V5])


def body_of(packet: bytes) -> bytes:
    """What follows the length."""
    at = 1
    while packet[at] & 0x80:
        at += 1
    return packet[at + 1 :]


@given(TOPICS, st.binary(max_size=400), st.integers(0, 65_535), VERSIONS)
def test_what_is_published_is_what_paho_reads_and_what_is_read_here(
    topic: str, payload: bytes, mid: int, version: int
) -> None:
    packet = publish_packet(topic, payload, mid, version)
    reference = _packet.decode_publish(packet[0], bytearray(body_of(packet)), version)
    assert (reference.topic.decode(), reference.payload, reference.mid, reference.qos) == (
        topic, payload, mid, int(mid > 0)
    )  # fmt: skip
    ((message,), used) = read_packets(bytearray(packet), version, 10)
    assert message == Message(topic, payload, int(mid > 0), mid, dup=False, retain=False) and used == len(packet)


@given(TOPICS, st.binary(max_size=40))
def test_properties_which_paho_writes_are_read(topic: str, correlation: bytes) -> None:
    said = Properties(PacketTypes.PUBLISH)
    said.ResponseTopic, said.CorrelationData, said.ContentType = topic, correlation, "text/plain"
    said.MessageExpiryInterval, said.UserProperty, said.SubscriptionIdentifier = 70_000, [("a", "b"), ("c", "d")], 300
    packed = said.pack()
    found, end = read_properties(packed, 0)
    assert (found[RESPONSE_TOPIC], found[CORRELATION], end) == (topic, correlation, len(packed))


@given(st.lists(st.tuples(TOPICS, st.binary(max_size=300), st.integers(0, 9)), max_size=8), VERSIONS, st.data())
def test_the_stream_may_be_cut_anywhere(said: list[tuple[str, bytes, int]], version: int, data: st.DataObject) -> None:
    stream = b"".join([publish_packet(*one, version) + b"\x40\x02\x00\x07" for one in said])
    whole, _ = read_packets(bytearray(stream), version, 100)
    assert [one.topic for one in whole if isinstance(one, Message)] == [topic for topic, _, _ in said]
    assert [one for one in whole if isinstance(one, Packet)] == [Packet(PUBACK, b"\0\x07")] * len(said)
    buffer, pieces, at = bytearray(), [], 0
    while at < len(stream):
        step = data.draw(st.integers(1, len(stream) - at))
        buffer += stream[at : at + step]
        at += step
        found, used = read_packets(buffer, version, 2)
        while found:
            pieces += found
            del buffer[:used]
            found, used = read_packets(buffer, version, 2)
    assert pieces == whole and not buffer


@given(st.binary(max_size=200), VERSIONS)
def test_any_bytes_are_packets_or_malformed(stream: bytes, version: int) -> None:
    try:
        _, used = read_packets(bytearray(stream), version, 100)
        assert 0 <= used <= len(stream)
    except Malformed:
        pass


@pytest.mark.parametrize("topic", ["", "a/+/b", "a/#", "a\0b", "x" * 70_000])
def test_a_topic_nobody_may_publish_to_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match=r"topic|too many"):
        publish_packet(topic, b"", 0, V5)


def test_the_connect_packet_is_what_paho_sends() -> None:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "city", clean_session=False, protocol=paho.MQTTv311)
    client.username_pw_set("us", "pä")
    client._send_connect(30)
    assert connect_packet("city", "us", "pä", 30, V311, 0, 0) == bytes(client._out_packet[0]["packet"])


def test_topics_say_form_and_datastream() -> None:
    topics = Topics("v1.1", "dongne")
    assert topics.read("v1.1/Datastreams(7)/Observations") == (Form.OBSERVATION, 7)
    assert topics.read("v1.1/Observations") == (Form.OBSERVATION, None)
    assert topics.read("v1.1/CreateObservations") == (Form.DATA_ARRAY, None)
    assert topics.read("dongne/12") == (Form.NUMBER, 12)
    for wrong in ("v1.1/Datastreams(-7)/Observations", "v1x1/Observations", "dongne/٣", "dongne/" + "9" * 16):
        with pytest.raises(BadInput, match="publish to"):
            topics.read(wrong)
