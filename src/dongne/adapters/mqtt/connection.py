"""One connection to the broker.

A new one is made after each loss: an acknowledgement belongs to the connection its message came by, and one that is
too late must never meet another message which has the same packet identifier by then.
"""

import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable

from dongne.adapters.mqtt import wire
from dongne.adapters.mqtt.config import MqttConfig
from dongne.adapters.mqtt.parcels import Parcel
from dongne.adapters.mqtt.wire import V5
from dongne.model.errors import DongneError
from dongne.model.who import Who

CONNACK_WAIT_S = 10.0
PACKETS_A_TURN = 512
READ_BYTES = 256 << 10
MOST_OUT = 100  # messages of ours without the broker's PUBACK; or fewer, where it says so
_READ = select.POLLIN | select.POLLPRI | select.POLLHUP | select.POLLERR
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Connection:
    """Open it, then give it turns: `is_up` once the broker said yes, `is_lost` when it is over, `trouble` says why.

    All methods belong to one thread. `on_message(connection, message)` and `on_sent(mid)` are called in `turn`.
    """

    def __init__(
        self,
        config: MqttConfig,
        on_message: Callable[["Connection", wire.Message], None],
        on_sent: Callable[[int], None],
    ) -> None:
        self.config = config
        self.who: Who | None = None  # the broker's own rules say who may publish
        self.own: set[Parcel] | None = None
        self.is_up = self.is_lost = self.session_kept = False
        self.trouble = ""
        self.granted: dict[int, int | str] = {}  # what the broker says of itself (MQTT 5), by property
        self.refused_filters: list[str] = []
        self._on_message, self._on_sent = on_message, on_sent
        self._version = config.protocol
        self._keepalive_s = float(config.keepalive_s)
        self._opened_s = self._sent_s = self._heard_s = time.monotonic()
        self._in, self._leaving = bytearray(), bytearray()
        self._has_more = False  # whole packets may lie in `_in` which the last turn left
        self._next_mid = 0
        self._most_out = MOST_OUT
        self._out: set[int] = set()  # ours which the broker has not confirmed
        self._queue: deque[tuple[int, bytes]] = deque()  # those which are not even sent
        self._subscribed: dict[int, list[str]] = {}
        self._poll = select.poll()
        self._sock: socket.socket | None = None

    def open(self) -> None:
        """Raises OSError where nobody listens."""
        config = self.config
        sock = socket.create_connection((config.host, config.port), config.connect_timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if config.tls:
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=config.host)
        sock.setblocking(False)
        self._sock = sock
        self._leaving += wire.connect_packet(
            config.client_id, config.username, config.password, config.keepalive_s, self._version,
            config.session_expiry_s, config.receive_maximum,
        )  # fmt: skip

    def turn(self, bell_fd: int, timeout_s: float, *, reads: bool = True) -> None:
        """Waits for the bell or the network, reads and writes what there is. Without `reads` the broker must wait."""
        sock = self._sock
        if sock is None:
            return
        decrypted = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0  # what the network no longer shows
        at_once = reads and (decrypted or self._has_more)
        self._poll.register(bell_fd, select.POLLIN)
        self._poll.register(sock.fileno(), (_READ if reads else 0) | (select.POLLOUT if self._leaving else 0))
        events = dict(self._poll.poll(0 if at_once else timeout_s * 1_000)).get(sock.fileno(), 0)
        if reads and (at_once or events & _READ):
            self._read(sock)
        elif events & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
            self._lose("the connection was lost")
        self.write()
        self._keep_alive(reads)

    def _read(self, sock: socket.socket) -> None:
        if not self._has_more:
            try:
                heard = sock.recv(READ_BYTES)
            except _NOT_NOW:
                heard = None
            except OSError as error:
                self._lose(f"the connection was lost: {error}")
                return
            if heard is not None:
                if not heard:
                    name = self.config.client_id
                    self._lose(
                        f"the broker closed the connection; it does so when another client calls itself {name!r}"
                    )
                    return
                self._heard_s = time.monotonic()
                self._in += heard
        try:
            packets, used = wire.read_packets(self._in, self._version, PACKETS_A_TURN if self.is_up else 1)
            del self._in[:used]
            self._has_more = bool(packets) and bool(self._in)
            for packet in packets:
                if isinstance(packet, wire.Message):
                    if packet.qos > 1:  # nobody asked for it
                        raise wire.Malformed(f"a PUBLISH with QoS {packet.qos}")
                    self._on_message(self, packet)
                else:
                    self._control(packet)
        except (wire.Malformed, IndexError) as error:
            self._lose(f"the broker sent what is no MQTT: {error}")

    # --- what the broker says

    def _control(self, packet: wire.Packet) -> None:
        kind, body = packet.kind, packet.body
        if kind == wire.PUBACK:
            self._confirmed(int.from_bytes(body[:2], "big"))
        elif kind == wire.CONNACK:
            self._connected(body)
        elif kind == wire.SUBACK:
            filters = self._subscribed.pop(int.from_bytes(body[:2], "big"), [])
            at = 2 if self._version != V5 else wire.read_properties(body, 2)[1]
            self.refused_filters += [name for name, code in zip(filters, body[at:], strict=False) if code >= 0x80]
        elif kind == wire.DISCONNECT:
            code = body[0] if body else 0
            self._lose(f"the broker ended the connection: {wire.reason_text(code, self._version)}")
        elif kind not in (wire.UNSUBACK, wire.PINGRESP):
            raise wire.Malformed(f"a packet of kind {kind:#04x}")

    def _connected(self, body: bytes) -> None:
        said = wire.read_properties(body, 2)[0] if self._version == V5 and len(body) > 2 else {}
        if body[1]:
            reason = said.get(wire.REASON_TEXT) or wire.reason_text(body[1], self._version)
            self._lose(f"the broker refuses the connection: {reason}")
            return
        self.granted = said
        self._most_out = min(MOST_OUT, int(said.get(wire.RECEIVE_MAXIMUM, MOST_OUT)))
        self._keepalive_s = float(said.get(wire.SERVER_KEEPALIVE, self._keepalive_s))
        self.is_up, self.session_kept = True, bool(body[0] & 1)

    def _confirmed(self, mid: int) -> None:
        if mid in self._out:
            self._out.discard(mid)
            if self._queue:
                mid_next, packet = self._queue.popleft()
                self._out.add(mid_next)
                self._leaving += packet
            self._on_sent(mid)

    def _lose(self, why: str) -> None:
        self.trouble = self.trouble or why
        self.is_up, self.is_lost = False, True

    def _keep_alive(self, reads: bool) -> None:
        now_s = time.monotonic()
        if not self.is_up:
            if now_s - self._opened_s > CONNACK_WAIT_S and not self.is_lost:
                self._lose("there is no answer to CONNECT; is it an MQTT broker?")
            return
        if not reads:
            self._heard_s = now_s  # nobody listened
        if not self._keepalive_s:
            return
        if now_s - self._heard_s > 1.5 * self._keepalive_s:
            self._lose("the broker does not answer")
        elif now_s - min(self._sent_s, self._heard_s) > self._keepalive_s / 2 and now_s - self._sent_s > 1.0:
            self._leaving += wire.PINGREQ_PACKET
            self.write()

    # --- what the adapter does

    def write(self) -> None:
        """Sends what waits, as far as the network takes it."""
        sock = self._sock
        if sock is None or not self._leaving or self.is_lost:
            return
        try:
            sent = sock.send(self._leaving)
        except _NOT_NOW:
            return
        except OSError as error:
            self._lose(f"the connection was lost: {error}")
            return
        del self._leaving[:sent]
        self._sent_s = time.monotonic()

    def subscribe(self, filters: list[str], qos: int, *, own_too: bool = False) -> None:
        """With MQTT 5 what this client publishes itself does not come back unless `own_too`, and retained messages come
        with the first subscription only."""
        mid = self._new_mid()
        options = qos | (0x10 | (0 if own_too else 0x04) if self._version == V5 else 0)
        self._subscribed[mid] = filters
        self._leaving += wire.subscribe_packet(mid, filters, options, self._version)

    @property
    def is_subscribed(self) -> bool:
        """Whether the broker has answered to all `subscribe`s: before, a new session gets nothing."""
        return self.is_up and not self._subscribed

    def unsubscribe(self, name: str) -> None:
        """No more of this."""
        self._leaving += wire.unsubscribe_packet(self._new_mid(), name, self._version)

    def acknowledge(self, mid: int, refusal: DongneError | None = None) -> None:
        """The broker need not send this one again."""
        self._leaving += b"\x40\x02" + mid.to_bytes(2, "big")

    def publish(self, topic: str, body: bytes, qos: int, correlation: bytes | None = None) -> int:
        """Its packet identifier, by which `on_sent` comes; 0 for QoS 0. Raises ValueError for a topic nobody may
        publish to."""
        return self._publish(topic, body, qos, correlation)

    def take_back(self, topic: str) -> int:
        """The broker retains nothing there, once `on_sent` comes with this packet identifier."""
        return self._publish(topic, b"", 1, None, retain=True)

    def _publish(self, topic: str, body: bytes, qos: int, correlation: bytes | None, *, retain: bool = False) -> int:
        mid = self._new_mid() if qos else 0
        packet = wire.publish_packet(topic, body, mid, self._version, correlation, retain=retain)
        if mid and len(self._out) >= self._most_out:
            self._queue.append((mid, packet))
        else:
            self._leaving += packet
            if mid:
                self._out.add(mid)
        return mid

    @property
    def leaving_bytes(self) -> int:
        """What waits for the network."""
        return len(self._leaving)

    def retain(self, topic: str, body: bytes, *, retained: bool) -> None:
        """Publishes with QoS 0, and has the broker keep it as the last value where `retained`."""
        self._leaving += wire.publish_packet(topic, body, 0, self._version, retain=retained)

    def _new_mid(self) -> int:
        while True:
            self._next_mid = self._next_mid % 65_535 + 1
            if self._next_mid not in self._out:
                return self._next_mid

    def close(self) -> None:
        """Says good-bye where it can; the session at the broker stays."""
        if self.is_up:
            self._leaving += wire.DISCONNECT_PACKET
            self.write()
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        self.is_up, self.is_lost = False, True
