"""Whatever bytes come, the listener goes on, and says why a connection ended."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.adapters.listening import (
    LIMIT_S,
    Make,
    change,
    connect,
    listen,
    selector,
    store,
    stream,
    until,
)

from dongne.adapters.clock import CityClock
from dongne.adapters.mqtt.listener import ListenConfig, MqttListener
from dongne.adapters.mqtt.wire import sized
from dongne.model.entities import (
    Property,
    Sensor,
    Thing,
)
from dongne.model.who import BENCH
from dongne.runtime.intake import Intake
from dongne.stores.embedded.select import Selector
from dongne.stores.embedded.store import EmbeddedStore

__all__ = ["connect", "listen", "selector", "store"]  # fixtures

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
        (CONNECT_5, b"\x30\x0a\x00\x01a\x06\x08\x00\x03a/#", 0x90),  # a response topic
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
