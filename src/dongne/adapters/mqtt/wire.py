"""MQTT 3.1.1 and 5.0 packets as bytes (OASIS standards of 2014 and 2019; clause numbers below are of 5.0).

What the client of a broker needs, and what both sides share; the server's own packets are in listener/packets.py.
Written for this because decoding took most of the time of a message with paho-mqtt; docs/mqtt.md has the figures.
"""

from typing import Any

import msgspec

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 0x80, 0x90, 0xA0, 0xB0
PINGREQ, PINGRESP, DISCONNECT, AUTH = 0xC0, 0xD0, 0xE0, 0xF0
PINGREQ_PACKET, DISCONNECT_PACKET = b"\xc0\x00", b"\xe0\x00"
V311, V5 = 4, 5
MOST_LENGTH = 268_435_455

# properties, clause 2.2.2.2
SESSION_EXPIRY, RECEIVE_MAXIMUM, MAXIMUM_QOS, MAXIMUM_PACKET, SERVER_KEEPALIVE = 0x11, 0x21, 0x24, 0x27, 0x13
RESPONSE_TOPIC, CORRELATION, REASON_TEXT = 0x08, 0x09, 0x1F
_BYTES, _TEXT, _PAIR, _VARINT = 0, -1, -2, -3
_FORMS = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
    **dict.fromkeys((0x03, 0x08, 0x12, 0x15, 0x1A, 0x1C, 0x1F), _TEXT),
    **dict.fromkeys((0x09, 0x16), _BYTES),
    0x0B: _VARINT,
    0x26: _PAIR,
}
_REASONS = {
    0x00: "normal disconnection", 0x80: "unspecified error", 0x81: "malformed packet", 0x82: "protocol error", 0x84: "protocol version not supported",
    0x85: "client identifier not valid", 0x86: "bad user name or password", 0x87: "not authorized",
    0x88: "server unavailable", 0x89: "server busy", 0x8A: "banned", 0x8B: "server shutting down",
    0x8D: "keep alive timeout", 0x8F: "topic filter not valid", 0x90: "topic name not valid", 0x94: "topic alias not valid",
    0x9E: "shared subscriptions not offered", 0xA1: "subscription identifiers not offered", 0x8E: "session taken over by another client of the same identifier",
    0x93: "receive maximum exceeded", 0x95: "packet too large", 0x97: "quota exceeded", 0x98: "administrative action",
}  # fmt: skip
_REASONS_311 = {
    1: "protocol version not supported", 2: "client identifier not valid", 3: "server unavailable",
    4: "bad user name or password", 5: "not authorized",
}  # fmt: skip


class Malformed(Exception):
    """These bytes are no MQTT."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """A PUBLISH. `mid`, its packet identifier, is 0 for QoS 0."""

    topic: str
    payload: bytes
    qos: int
    mid: int
    dup: bool
    retain: bool
    answer_to: str = ""
    correlation: bytes | None = None


class Packet(msgspec.Struct, frozen=True):
    """Any other packet: its kind, what follows the length, and its flags."""

    kind: int
    body: bytes
    flags: int = 0


def read_packets(data: bytearray, version: int, most: int) -> tuple[list[Message | Packet], int]:
    """Up to `most` whole packets at the start of the data, and how many bytes they took. Raises Malformed."""
    found: list[Message | Packet] = []
    at, size = 0, len(data)
    while size - at >= 2 and len(found) < most:
        head, length, start = data[at], data[at + 1], at + 2
        if length > 0x7F:
            try:
                length, start = _varint(data, at + 1)
            except IndexError:
                break
        end = start + length
        if end > size:
            break
        if head & 0xF0 == PUBLISH:
            found.append(_message(data, head, start, end, version))
        else:
            found.append(Packet(head & 0xF0, bytes(data[start:end]), head & 0x0F))
        at = end
    return found, at


def _message(data: bytearray, head: int, start: int, end: int, version: int) -> Message:
    try:
        at = start + 2 + (data[start] << 8 | data[start + 1])
        topic = data[start + 2 : at].decode("utf-8", "replace")
        qos, mid = head >> 1 & 3, 0
        if qos:
            mid = data[at] << 8 | data[at + 1]
            at += 2
        answer_to, correlation = "", None
        if version == V5:
            if data[at]:
                said, at = read_properties(data, at)
                answer_to, correlation = said.get(RESPONSE_TOPIC, ""), said.get(CORRELATION)
            else:
                at += 1
    except IndexError:
        raise Malformed("a PUBLISH ends too early") from None
    if at > end or qos > 2 or (qos and not mid):
        raise Malformed(f"a PUBLISH of {end - start} bytes with QoS {qos} and packet identifier {mid}")
    return Message(topic, bytes(data[at:end]), qos, mid, head & 0x08 != 0, head & 0x01 != 0, answer_to, correlation)


def announced(data: bytearray) -> int:
    """How many bytes the packet at the start of the data will have, with its head; 0 where that can't be seen yet."""
    try:
        length, start = _varint(data, 1)
    except IndexError:
        return 0
    return start + length


def _varint(data: bytearray | bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for _ in range(4):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise Malformed("a length of more than four bytes")


def read_properties(data: bytearray | bytes, at: int) -> tuple[dict[int, Any], int]:
    """Properties by identifier and where they end; of those that may be there several times the last."""
    length, at = _varint(data, at)
    end = at + length
    found: dict[int, Any] = {}
    while at < end:
        name = data[at]
        form = _FORMS.get(name)
        at += 1
        if form is None:
            raise Malformed(f"unknown property {name:#04x}")
        if form > 0:
            found[name] = int.from_bytes(data[at : at + form], "big")
            at += form
        elif form == _VARINT:
            found[name], at = _varint(data, at)
        else:
            raw, at = _chunk(data, at)
            if form == _PAIR:
                _, at = _chunk(data, at)
            found[name] = bytes(raw) if form == _BYTES else raw.decode("utf-8", "replace")
    return found, end


def _chunk(data: bytearray | bytes, at: int) -> tuple[bytearray | bytes, int]:
    end = at + 2 + (data[at] << 8 | data[at + 1])
    return data[at + 2 : end], end


def reason_text(code: int, version: int) -> str:
    """A reason code in words, for the log and the status."""
    return (_REASONS if version == V5 else _REASONS_311).get(code, f"reason {code:#04x}")


# --- what is sent ----------------------------------------------------------------------------------------------------


def connect_packet(
    client_id: str, username: str, password: str, keepalive_s: int, version: int, expiry_s: int, receive_maximum: int
) -> bytes:
    """CONNECT to a session that lasts (clause 3.1)."""
    flags = (0x80 if username else 0) | (0x40 if password else 0)
    body = b"\x00\x04MQTT" + bytes((version, flags)) + keepalive_s.to_bytes(2, "big")
    if version == V5:
        said = bytes((SESSION_EXPIRY,)) + expiry_s.to_bytes(4, "big")
        said += bytes((RECEIVE_MAXIMUM,)) + receive_maximum.to_bytes(2, "big")
        body += sized(said)
    body += text_bytes(client_id)
    body += (text_bytes(username) if username else b"") + (text_bytes(password) if password else b"")
    return b"\x10" + sized(body)


def subscribe_packet(mid: int, filters: list[str], options: int, version: int) -> bytes:
    """SUBSCRIBE, the same options for all (clause 3.8)."""
    body = mid.to_bytes(2, "big") + (b"\0" if version == V5 else b"")
    return b"\x82" + sized(body + b"".join([text_bytes(name) + bytes((options,)) for name in filters]))


def unsubscribe_packet(mid: int, name: str, version: int) -> bytes:
    """UNSUBSCRIBE (clause 3.10)."""
    return b"\xa2" + sized(mid.to_bytes(2, "big") + (b"\0" if version == V5 else b"") + text_bytes(name))


def publish_packet(
    topic: str, payload: bytes, mid: int, version: int, correlation: bytes | None = None, *, retain: bool = False
) -> bytes:
    """PUBLISH, QoS 0 where `mid` is 0, else 1. Raises ValueError for a topic nobody may publish to (clause 3.3)."""
    if not topic or any(sign in topic for sign in "+#\0"):
        raise ValueError(f"{topic[:80]!r} is not a topic to publish to")
    body = text_bytes(topic) + (mid.to_bytes(2, "big") if mid else b"")
    if version == V5:
        body += sized(b"" if correlation is None else bytes((CORRELATION,)) + binary(correlation))
    return bytes((PUBLISH | (0x02 if mid else 0) | retain,)) + sized(body + payload)


def sized(body: bytes) -> bytes:
    """With its length before it."""
    length, head = len(body), bytearray()
    if length > MOST_LENGTH:
        raise ValueError(f"{length} bytes are too many for a packet")
    while True:
        byte, length = length & 0x7F, length >> 7
        head.append(byte | (0x80 if length else 0))
        if not length:
            return bytes(head) + body


def text_bytes(text: str) -> bytes:
    """A UTF-8 string of MQTT. Raises ValueError where it is too long."""
    return binary(text.encode())


def binary(raw: bytes) -> bytes:
    """Bytes with their count before them. Raises ValueError where there are too many."""
    if len(raw) > 65_535:
        raise ValueError(f"{len(raw)} bytes are too many for a text of MQTT")
    return len(raw).to_bytes(2, "big") + raw
