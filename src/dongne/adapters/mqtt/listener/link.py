"""One client's connection: packets in, packets out, and the end with a reason."""

import asyncio
import logging
import socket
import time
from contextlib import suppress
from typing import Any, Protocol

from dongne.adapters.mqtt import wire
from dongne.adapters.mqtt.listener import packets
from dongne.adapters.mqtt.listener.packets import Connect, Refusal, Wish
from dongne.adapters.mqtt.listener.session import Outgoing, Session
from dongne.adapters.mqtt.parcels import Parcel
from dongne.adapters.mqtt.wire import V5, V311, Message, Packet, publish_packet
from dongne.model.errors import DongneError, NotAllowed
from dongne.model.who import ANYBODY, Who

log = logging.getLogger(__name__)
CONNECT_WITHIN_S = 10.0
PACKETS_A_TURN = 512
WAIT_MIN_S = 0.02  # of who asks too often
LINGER_S = 2.0  # for the client to close what is over
OUT_BYTES = 256 << 10  # on their way, in the process and again in the socket, before the session waits
_HOLDS = 0x83  # implementation specific error: a PUBLISH that is not taken


class Desk(Protocol):
    """The server, as a connection sees it. What it raises as Refusal ends the connection."""

    most_bytes: int
    paused: "set[Link]"  # from which nothing is read just now
    lingering: "set[Link]"  # which are over, but not yet closed by their clients

    @property
    def may_read(self) -> bool:
        """Whether messages are taken."""

    def wait_s(self, link: "Link", what: str) -> float:
        """How long a client that asked once more must wait before more is read; `what` is write or costly_read."""

    def opened(self, link: "Link") -> None:
        """A connection was made."""

    def failed(self) -> None:
        """A fault of ours, not the client's."""

    def connect(self, link: "Link", asked: Connect) -> None:
        """CONNECT came."""

    def publish(self, link: "Link", message: Message) -> None:
        """PUBLISH came."""

    def subscribe(self, link: "Link", mid: int, wishes: list[Wish]) -> None:
        """SUBSCRIBE came."""

    def unsubscribe(self, link: "Link", mid: int, names: list[str]) -> None:
        """UNSUBSCRIBE came."""

    def room(self, link: "Link") -> None:
        """There is room for further messages to this client."""

    def closed(self, link: "Link", code: int, why: str) -> None:
        """The connection is over; `code` 0 where the client ended it in order."""


class Link(asyncio.Protocol):
    """Reads what one client says and hands it to the desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.is_up = False
        self.can_write = True
        self.version = V311
        self.who: Who | None = ANYBODY
        self.own: set[Parcel] | None = None
        self.session: Session | None = None
        self.token: str | None = None
        self.most_out, self._most_bytes = 65_535, wire.MOST_LENGTH
        self._wants_reasons = True
        self.waiting_in = 0  # messages of QoS 1 and 2 without their acknowledgement
        self.expiry_s: int | None = None  # as DISCONNECT says
        self._keepalive_s = 0.0
        self._opened_s = self._heard_s = time.monotonic()
        self._in = bytearray()
        self._transport: Any = None
        self._paused = False
        self._ends: tuple[int, str] | None = None
        self._ended_s = 0.0
        self.peer = self.address = ""
        self._owed = {"write": 0, "costly_read": 0}  # taken, but not yet held to the rate
        self._waiting: asyncio.TimerHandle | None = None

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport, self._loop = transport, asyncio.get_running_loop()
        transport.set_write_buffer_limits(high=OUT_BYTES)  # type: ignore[attr-defined]
        if (sock := transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, OUT_BYTES)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found = transport.get_extra_info("peername")
        self.address = found[0] if found else ""
        self.peer = f"{found[0]}:{found[1]}" if found else ""
        self._desk.opened(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._heard_s = time.monotonic()
        if self._ends is None:
            self._in += data
            self.read()

    def read(self) -> None:
        """Handles what has come, as far as messages are taken."""
        try:
            while self._ends is None and not self._paused:
                found, used = wire.read_packets(self._in, self.version, PACKETS_A_TURN if self.is_up else 1)
                del self._in[:used]
                for packet in found:
                    if isinstance(packet, Message):
                        self._message(packet)
                    else:
                        self._control(packet)
                    if self._ends is not None:
                        return
                if not found:
                    self._check_length()
                    return
                self.hold()
        except Refusal as refusal:
            self.end(refusal.code, refusal.why)
        except (wire.Malformed, IndexError) as error:
            self.end(packets.MALFORMED, f"this is no MQTT: {error}")
        except Exception:  # one client's packet never stops the others
            log.exception("a packet of %s could not be handled", self.peer)
            self._desk.failed()
            self.end(packets.UNSPECIFIED, "something went wrong here; it is in the log")

    def _check_length(self) -> None:
        length = wire.announced(self._in) if len(self._in) > 1 else 0
        if length > self._desk.most_bytes:
            raise Refusal(packets.TOO_LARGE, f"a packet of {length} bytes; at most {self._desk.most_bytes} are taken")

    def hold(self) -> None:
        """Stops reading while nothing more is taken, or this client asks too often, and goes on when it is."""
        if self._ends is not None:
            return
        stops = self._must_wait() or not self._desk.may_read
        if stops and not self._paused and self._transport is not None:
            self._paused = True
            self._desk.paused.add(self)
            self._transport.pause_reading()
        elif not stops and self._paused:
            self._paused = False
            self._desk.paused.discard(self)
            self._heard_s = time.monotonic()
            self._transport.resume_reading()
            self.read()

    def _must_wait(self) -> bool:
        """What came is not refused, for MQTT has no way to say "later"; but no more is read before its time."""
        waits_s = 0.0
        for what in self._owed:
            while self._owed[what]:
                if wait_s := self._desk.wait_s(self, what):
                    waits_s = max(waits_s, wait_s, WAIT_MIN_S)
                    break
                self._owed[what] -= 1
        if waits_s and self._waiting is None:
            self._waiting = self._loop.call_later(waits_s, self._waited)
        return waits_s > 0.0

    def _waited(self) -> None:
        self._waiting = None
        self.hold()

    def pause_writing(self) -> None:
        """See asyncio."""
        self.can_write = False

    def resume_writing(self) -> None:
        """See asyncio."""
        self.can_write = True
        if self.is_up:
            self._desk.room(self)

    def connection_lost(self, _: Exception | None) -> None:
        """See asyncio."""
        if self._ends is None:
            self._over(packets.UNSPECIFIED, "the connection was lost")
        self._desk.lingering.discard(self)

    # --- what the client says

    def _message(self, message: Message) -> None:
        if not self.is_up:
            raise Refusal(packets.PROTOCOL_ERROR, "a PUBLISH came before CONNECT")
        if not message.topic:
            raise Refusal(packets.ALIAS, "topic aliases are not offered, as CONNACK says; name the topic")
        if any(sign in message.topic for sign in "+#\0"):
            raise Refusal(packets.BAD_TOPIC, "a topic to publish to has no wildcards")
        if any(sign in message.answer_to for sign in "+#\0"):
            raise Refusal(packets.BAD_TOPIC, "a response topic has no wildcards")  # MQTT 5, 3.3.2.3.5
        self._owed["write"] += 1
        self._desk.publish(self, message)

    def _control(self, packet: Packet) -> None:  # one for each kind
        kind, body = packet.kind, packet.body
        if kind == wire.CONNECT:
            if self.session is not None:
                raise Refusal(packets.PROTOCOL_ERROR, "a second CONNECT")
            self._connect(body)
            return
        if not self.is_up or self.session is None:
            raise Refusal(packets.PROTOCOL_ERROR, "the first packet of a connection is CONNECT")
        flags = 0x02 if kind in (wire.SUBSCRIBE, wire.UNSUBSCRIBE, wire.PUBREL) else 0
        if packet.flags != flags:
            raise Refusal(packets.MALFORMED, f"the flags of packet {kind:#04x} are {packet.flags:#x}, not {flags:#x}")
        if kind == wire.PUBACK:
            if self.session.acknowledged(packets.read_mid(body)):
                self._desk.room(self)
        elif kind == wire.PINGREQ:
            self.write(b"\xd0\x00")
        elif kind == wire.SUBSCRIBE:
            mid, wishes = packets.read_subscribe(body, self.version)
            self._owed["costly_read"] += len(wishes)
            self._desk.subscribe(self, mid, wishes)
        elif kind == wire.UNSUBSCRIBE:
            self._desk.unsubscribe(self, *packets.read_unsubscribe(body, self.version))
        elif kind == wire.PUBREL:
            mid = packets.read_mid(body)
            known = self.session.received_2.pop(mid, None) is not None
            self.write(
                packets.acknowledged(wire.PUBCOMP, mid, self.version, packets.GOOD if known else packets.MID_UNKNOWN)
            )
        elif kind == wire.DISCONNECT:
            code, self.expiry_s = packets.read_disconnect(body, self.version)
            self._over(packets.NORMAL, "" if code == packets.NORMAL else f"the client left with reason {code:#04x}")
            self._transport.close()
        else:
            raise Refusal(packets.PROTOCOL_ERROR, f"a client does not send packet {kind:#04x}")

    def _connect(self, body: bytes) -> None:
        asked = packets.read_connect(body)
        self.version, self.most_out = asked.version, asked.most_out
        self._most_bytes, self._wants_reasons = asked.most_bytes, asked.wants_reasons
        self._keepalive_s = float(asked.keepalive_s)
        self._desk.connect(self, asked)

    # --- what is sent

    def write(self, data: bytes) -> None:
        """Bytes to the client."""
        if self._ends is None and not self._transport.is_closing():
            self._transport.write(data)

    def send(self, message: Outgoing, mid: int) -> bool:
        """See session.Wire."""
        packet = publish_packet(
            message.topic, message.payload, mid, self.version, message.correlation, retain=message.retain
        )
        if len(packet) > self._most_bytes:
            return False
        self.write(packet)
        return True

    def acknowledge(self, mid: int, refusal: DongneError | None = None) -> None:
        """What was published is stored, or will never be; the reason code says so where MQTT has one."""
        self.waiting_in = max(0, self.waiting_in - 1)
        code = packets.GOOD
        if refusal is not None:
            code = packets.NOT_ALLOWED if isinstance(refusal, NotAllowed) else _HOLDS
            code = packets.BAD_TOPIC if refusal.reason == "topic" else code
        session = self.session
        if session is not None and mid in session.received_2:
            if code:
                del session.received_2[mid]
            else:
                session.received_2[mid] = True
            self.write(packets.acknowledged(wire.PUBREC, mid, self.version, code))
        else:
            self.write(packets.acknowledged(wire.PUBACK, mid, self.version, code))

    def end(self, code: int, why: str) -> None:
        """Ends the connection, saying why: in CONNACK where there was none yet, in MQTT 5 with DISCONNECT."""
        if self._ends is not None:
            return
        said = why if self._wants_reasons else ""
        if not self.is_up:
            if self.version == V5 or code in (packets.VERSION, packets.BAD_LOGIN, packets.NOT_ALLOWED, packets.BUSY,
                                              packets.CLIENT_ID, packets.CLOSING):  # fmt: skip
                self.write(packets.connack(code, self.version, said=packets.reason_property(said)))
        elif self.version == V5:
            self.write(packets.disconnect(code, said))
        self._over(code, why)
        self._desk.lingering.add(self)
        if self._transport.can_write_eof():  # closed at once, what the client still sends would undo what it is told
            with suppress(OSError):  # the client is gone already
                self._transport.write_eof()

    def _over(self, code: int, why: str) -> None:
        self._ends, self._ended_s = (code, why), time.monotonic()
        self.is_up = False
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._desk.closed(self, code, why)

    def check_time(self, now_s: float) -> None:
        """Ends the connection of a client that has said nothing for too long (clause 3.1.2.10)."""
        if self._ends is not None:
            if now_s - self._ended_s > LINGER_S:
                self._transport.abort()
        elif not self.is_up:
            if now_s - self._opened_s > CONNECT_WITHIN_S:
                self.end(packets.KEEPALIVE, f"there was no CONNECT within {CONNECT_WITHIN_S:g} s")
        elif self._keepalive_s and not self._paused and now_s - self._heard_s > 1.5 * self._keepalive_s:
            self.end(packets.KEEPALIVE, f"nothing was heard for 1.5 times the keep alive of {self._keepalive_s:g} s")

    def drop(self) -> None:
        """Closes without waiting for what is not sent."""
        self._transport.abort()
