"""The packets of a server: what clients say read strictly, and what they are told (MQTT 3.1.1 and 5.0).

Clause numbers are of 5.0. What a client must not send is a `Refusal` with its reason code (clause 2.4).
"""

from typing import Any

import msgspec

from dongne.adapters.mqtt import wire
from dongne.adapters.mqtt.wire import V5, V311, binary, sized, text_bytes

NORMAL, NO_SUBSCRIPTION, GOOD = 0x00, 0x11, 0x00
UNSPECIFIED, MALFORMED, PROTOCOL_ERROR, VERSION, CLIENT_ID, BAD_LOGIN, NOT_ALLOWED = (
    0x80, 0x81, 0x82, 0x84, 0x85, 0x86, 0x87,
)  # fmt: skip
BUSY, CLOSING, KEEPALIVE, TAKEN_OVER, BAD_FILTER, BAD_TOPIC, MID_UNKNOWN, RECEIVE_EXCEEDED = (
    0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x92, 0x93,
)  # fmt: skip
ALIAS, TOO_LARGE, QUOTA, NO_SHARED, NO_SUBSCRIPTION_ID = 0x94, 0x95, 0x97, 0x9E, 0xA1
_CONNACK_311 = {VERSION: 1, CLIENT_ID: 2, BUSY: 3, CLOSING: 3, BAD_LOGIN: 4, NOT_ALLOWED: 5}

SUBSCRIPTION_ID, ASSIGNED_ID, WANTS_REASONS, REASON, IDS_AVAILABLE, SHARED_AVAILABLE = (
    0x0B, 0x12, 0x17, 0x1F, 0x29, 0x2A,
)  # fmt: skip


class Refusal(Exception):
    """The connection has to end: a reason code of MQTT 5, and why in words."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


class Connect(msgspec.Struct, frozen=True):
    """CONNECT (clause 3.1). `expiry_s`: how long the session outlives the connection; `most_out` messages of QoS 1 may
    be without their acknowledgement; `most_bytes` is the longest packet the client takes."""

    version: int
    client_id: str
    clean: bool
    keepalive_s: int
    expiry_s: int
    most_out: int
    most_bytes: int
    wants_reasons: bool
    has_will: bool
    username: str | None
    password: bytes | None


class Wish(msgspec.Struct, frozen=True):
    """One topic filter of a SUBSCRIBE with its options (clause 3.8.3.1)."""

    filter: str
    qos: int
    no_local: bool
    retain_handling: int


class Reader:
    """Takes fields from the start of a packet's body. Raises Refusal where it ends too early."""

    def __init__(self, body: bytes) -> None:
        self._body, self.at = body, 0

    def take(self, count: int) -> bytes:
        """So many bytes."""
        end = self.at + count
        if end > len(self._body):
            raise Refusal(MALFORMED, "the packet ends too early")
        found, self.at = self._body[self.at : end], end
        return found

    def number(self, count: int) -> int:
        """An unsigned integer of so many bytes."""
        return int.from_bytes(self.take(count), "big")

    def bytes(self) -> bytes:
        """Bytes with their count before them."""
        return self.take(self.number(2))

    def text(self) -> str:
        """A UTF-8 string (clause 1.5.4)."""
        try:
            found = self.bytes().decode()
        except UnicodeDecodeError:
            raise Refusal(MALFORMED, "a text is not UTF-8") from None
        if "\0" in found:
            raise Refusal(MALFORMED, "a text holds a zero")
        return found

    def properties(self) -> dict[int, Any]:
        """Properties by identifier."""
        try:
            found, end = wire.read_properties(self._body, self.at)
        except (wire.Malformed, IndexError) as error:
            raise Refusal(MALFORMED, f"the properties cannot be read: {error}") from None
        if end > len(self._body):
            raise Refusal(MALFORMED, "the properties end too early")
        self.at = end
        return found

    @property
    def has_more(self) -> bool:
        """Whether something is left."""
        return self.at < len(self._body)


def read_connect(body: bytes) -> Connect:
    """Raises Refusal."""
    reader = Reader(body)
    name, version = reader.text(), reader.number(1)
    if name != "MQTT" or version not in (V311, V5):
        raise Refusal(VERSION, f"{name[:20]!r} version {version} is not spoken here; MQTT 3.1.1 and 5 are")
    flags, keepalive_s = reader.number(1), reader.number(2)
    has_will, will_qos = bool(flags & 0x04), flags >> 3 & 3
    if flags & 0x01 or will_qos > 2 or (not has_will and flags & 0x38):
        raise Refusal(MALFORMED, f"the flags of CONNECT are {flags:#04x}")
    said = reader.properties() if version == V5 else {}
    client_id = reader.text()
    if has_will:
        if version == V5:
            reader.properties()
        reader.text()
        reader.bytes()
    username = reader.text() if flags & 0x80 else None
    password = reader.bytes() if flags & 0x40 else None
    if reader.has_more:
        raise Refusal(MALFORMED, "there is more after CONNECT's fields")
    clean = bool(flags & 0x02)
    lasting_s = 0xFFFF_FFFF if version == V311 and not clean else 0
    most_out = said.get(wire.RECEIVE_MAXIMUM, 65_535)
    most_bytes = said.get(wire.MAXIMUM_PACKET, wire.MOST_LENGTH)
    if not most_out or not most_bytes:
        raise Refusal(PROTOCOL_ERROR, "Receive Maximum and Maximum Packet Size are more than 0")
    return Connect(
        version, client_id, clean, keepalive_s, said.get(wire.SESSION_EXPIRY, lasting_s), most_out, most_bytes,
        bool(said.get(WANTS_REASONS, 1)), has_will, username, password,
    )  # fmt: skip


def read_subscribe(body: bytes, version: int) -> tuple[int, list[Wish]]:
    """The packet identifier and what is asked for. Raises Refusal."""
    reader, mid = _numbered(body, version, subscribes=True)
    wishes = []
    while reader.has_more:
        name, options = reader.text(), reader.number(1)
        if options & 3 > 2 or (options & 0xFC if version == V311 else options & 0xC0 or options >> 4 & 3 == 3):
            raise Refusal(MALFORMED, f"the options of a subscription are {options:#04x}")
        wishes.append(Wish(name, options & 3, bool(options & 0x04), options >> 4 & 3))
    if not wishes:
        raise Refusal(PROTOCOL_ERROR, "a SUBSCRIBE names no topic filter")
    return mid, wishes


def read_unsubscribe(body: bytes, version: int) -> tuple[int, list[str]]:
    """The packet identifier and the topic filters. Raises Refusal."""
    reader, mid = _numbered(body, version)
    names = []
    while reader.has_more:
        names.append(reader.text())
    if not names:
        raise Refusal(PROTOCOL_ERROR, "an UNSUBSCRIBE names no topic filter")
    return mid, names


def _numbered(body: bytes, version: int, *, subscribes: bool = False) -> tuple[Reader, int]:
    reader = Reader(body)
    mid = reader.number(2)
    if not mid:
        raise Refusal(PROTOCOL_ERROR, "the packet identifier is 0")
    if version == V5 and SUBSCRIPTION_ID in reader.properties() and subscribes:
        raise Refusal(NO_SUBSCRIPTION_ID, "subscription identifiers are not offered, as CONNACK says")
    return reader, mid


def read_mid(body: bytes) -> int:
    """The packet identifier of an acknowledgement. Raises Refusal."""
    return Reader(body).number(2)


def read_disconnect(body: bytes, version: int) -> tuple[int, int | None]:
    """The reason code, and the session's new expiry where the client gives one. Raises Refusal."""
    if version != V5 or not body:
        return NORMAL, None
    reader = Reader(body)
    code = reader.number(1)
    return code, reader.properties().get(wire.SESSION_EXPIRY) if reader.has_more else None


# --- what is sent ----------------------------------------------------------------------------------------------------


def connack(code: int, version: int, *, session: bool = False, said: bytes = b"") -> bytes:
    """CONNACK (clause 3.2). `said` are its properties."""
    if version == V5:
        return b"\x20" + sized(bytes((session, code)) + sized(said))
    return b"\x20\x02" + bytes((session, _CONNACK_311.get(code, 5) if code else 0))


def offers(asked: Connect, client_id: str, expiry_s: int, receive_maximum: int, most_bytes: int) -> bytes:
    """The properties of a CONNACK: what this server takes, and what it gives otherwise than was asked for."""
    said = number_property(wire.RECEIVE_MAXIMUM, receive_maximum, 2)
    said += number_property(wire.MAXIMUM_PACKET, most_bytes, 4)
    said += number_property(IDS_AVAILABLE, 0, 1) + number_property(SHARED_AVAILABLE, 0, 1)
    if expiry_s != asked.expiry_s:
        said += number_property(wire.SESSION_EXPIRY, expiry_s, 4)
    if not asked.client_id:
        said += text_property(ASSIGNED_ID, client_id)
    return said


def number_property(name: int, value: int, count: int) -> bytes:
    """A property that is a number of so many bytes."""
    return bytes((name,)) + value.to_bytes(count, "big")


def text_property(name: int, text: str) -> bytes:
    """A property that is a text."""
    return bytes((name,)) + text_bytes(text)


def reason_property(why: str) -> bytes:
    """Why, where somebody says so; never longer than a packet of any client may be."""
    return bytes((REASON,)) + binary(why.encode()[:1_000].decode(errors="ignore").encode()) if why else b""


def answered(kind: int, mid: int, codes: list[int], version: int, why: str = "") -> bytes:
    """SUBACK or UNSUBACK (clauses 3.9 and 3.11); in 3.1.1 a failure is 0x80, and an UNSUBACK has no codes."""
    body = mid.to_bytes(2, "big")
    if version == V5:
        return bytes((kind,)) + sized(body + sized(reason_property(why)) + bytes(codes))
    if kind == wire.SUBACK:
        body += bytes(min(code, 0x80) for code in codes)
    return bytes((kind,)) + sized(body)


def acknowledged(kind: int, mid: int, version: int, code: int = GOOD) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""
    head = kind | (0x02 if kind == wire.PUBREL else 0)
    if version == V5 and code:
        return bytes((head, 3)) + mid.to_bytes(2, "big") + bytes((code,))
    return bytes((head, 2)) + mid.to_bytes(2, "big")


def disconnect(code: int, why: str = "") -> bytes:
    """DISCONNECT of MQTT 5 (clause 3.14); in 3.1.1 a server only closes."""
    return b"\xe0" + sized(bytes((code,)) + sized(reason_property(why)))
