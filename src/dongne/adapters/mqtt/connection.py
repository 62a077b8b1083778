"""One connection to the broker, by paho without its own thread.

A new one is made after each loss: an acknowledgement belongs to the connection its message came by, and one that is
too late must never meet another message which has the same packet identifier by then.
"""

import logging
import select
import socket
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from dongne.adapters.mqtt.config import V5, MqttConfig

CONNACK_WAIT_S = 10.0
PACKETS_A_TURN = 256
_READ = select.POLLIN | select.POLLPRI | select.POLLHUP | select.POLLERR

log = logging.getLogger(__name__)


class Connection:
    """Opened with the first `turn`s; `is_up` once the broker said yes, `is_lost` when it is over, `trouble` says why.

    All methods belong to one thread. `on_message(connection, message)` and `on_sent(mid)` are called in `turn`.
    """

    def __init__(
        self,
        config: MqttConfig,
        on_message: Callable[["Connection", paho.MQTTMessage], None],
        on_sent: Callable[[int], None],
    ) -> None:
        self.config = config
        self.is_up = self.is_lost = self.session_kept = False
        self.trouble = ""
        self.granted: dict[str, Any] = {}  # what the broker says of itself (MQTT 5)
        self.refused_filters: list[str] = []
        self.opened_s = time.monotonic()
        self._on_message, self._on_sent = on_message, on_sent
        self._progress = 0
        self._misc_s = 0.0
        self._subscribed: dict[int, list[str]] = {}
        self._poll = select.poll()
        self._fd = -1
        self._client = self._make()

    def _make(self) -> paho.Client:
        config = self.config
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=config.client_id,
            clean_session=None if config.protocol == V5 else False,
            protocol=MQTTProtocolVersion(config.protocol),
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = config.connect_timeout_s
        if config.username:
            client.username_pw_set(config.username, config.password)
        if config.tls:
            client.tls_set()
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed_to
        client.on_message = self._came
        client.on_publish = lambda _client, _data, mid, _reason, _properties: self._on_sent(mid)
        client.on_socket_register_write = lambda *_: None  # so that paho queues and `turn` writes
        client.on_socket_unregister_write = lambda *_: None
        return client

    def open(self) -> None:
        """Raises OSError where nobody listens."""
        config = self.config
        if config.protocol == V5:
            said = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            said.SessionExpiryInterval = config.session_expiry_s
            said.ReceiveMaximum = config.receive_maximum
            self._client.connect(config.host, config.port, config.keepalive_s, clean_start=False, properties=said)
        else:
            self._client.connect(config.host, config.port, config.keepalive_s)
        sock: Any = self._client.socket()
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._fd = sock.fileno()

    # --- what paho says

    def _connected(self, _client: Any, _data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self.trouble, self.is_lost = f"the broker refuses the connection: {reason}", True
            return
        self.is_up, self.session_kept = True, bool(flags.session_present)
        if properties is not None:
            self.granted = dict(properties.json())

    def _disconnected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._lose(f"the connection was lost: {reason}")

    def _lose(self, why: str) -> None:
        self.trouble = self.trouble or why
        self.is_up, self.is_lost = False, True

    def _subscribed_to(self, _client: Any, _data: Any, mid: int, reasons: Any, _properties: Any) -> None:
        filters = self._subscribed.pop(mid, [])
        self.refused_filters += [name for name, reason in zip(filters, reasons, strict=False) if reason.is_failure]

    def _came(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self._progress += 1
        self._on_message(self, message)

    # --- what the adapter does

    def turn(self, bell_fd: int, timeout_s: float, *, reads: bool = True) -> None:
        """Waits for the bell or the network, reads and writes what there is. Without `reads` the broker must wait."""
        wanted = (_READ if reads else 0) | (select.POLLOUT if self._client.want_write() else 0)
        self._poll.register(bell_fd, select.POLLIN)
        self._poll.register(self._fd, wanted)
        decrypted = reads and self._holds_decrypted()
        events = dict(self._poll.poll(0 if decrypted else timeout_s * 1_000)).get(self._fd, 0)
        if reads and (decrypted or events & _READ):
            self._read()
        elif events & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
            self._lose("the connection was lost")
        self.write()
        now_s = time.monotonic()
        if now_s - self._misc_s >= 1.0 and not self.is_lost:
            self._misc_s = now_s
            if self._client.loop_misc() != paho.MQTT_ERR_SUCCESS:
                self._lose("the broker does not answer")
            if not self.is_up and now_s - self.opened_s > CONNACK_WAIT_S:
                self._lose("the broker does not answer to CONNECT; is it an MQTT broker?")

    def _holds_decrypted(self) -> bool:
        """Whether TLS has bytes which the network no longer shows."""
        sock: Any = self._client.socket()
        return self.config.tls and sock is not None and bool(sock.pending())

    def _read(self) -> None:
        for _ in range(PACKETS_A_TURN):
            before = self._progress
            if self._client.loop_read() != paho.MQTT_ERR_SUCCESS:
                self._lose("the connection was lost")
                return
            if self._progress == before or self.is_lost:  # nothing more, or something that is not a message
                return

    def write(self) -> None:
        """Sends what waits, as far as the network takes it."""
        if not self.is_lost and self._client.want_write() and self._client.loop_write() != paho.MQTT_ERR_SUCCESS:
            self._lose("the connection was lost")

    def subscribe(self, filters: list[str], qos: int, *, own_too: bool = False) -> None:
        """With MQTT 5 what this client publishes itself does not come back unless `own_too`, and retained messages come
        with the first subscription only."""
        if self.config.protocol == V5:
            options = SubscribeOptions(qos=qos, noLocal=not own_too, retainHandling=1)
            _, mid = self._client.subscribe([(name, options) for name in filters])
        else:
            _, mid = self._client.subscribe([(name, qos) for name in filters])
        if mid is not None:
            self._subscribed[mid] = filters

    def unsubscribe(self, name: str) -> None:
        """No more of this."""
        self._client.unsubscribe(name)

    def acknowledge(self, mid: int) -> None:
        """The broker need not send this one again."""
        self._client.ack(mid, 1)

    def publish(self, topic: str, body: bytes, qos: int, correlation: bytes | None = None) -> int:
        """Its packet identifier, by which `on_sent` comes. Raises ValueError for a topic nobody may publish to."""
        properties = None
        if self.config.protocol == V5 and correlation is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = correlation
        return self._client.publish(topic, body, qos, properties=properties).mid

    def close(self) -> None:
        """Says good-bye where it can; the session at the broker stays."""
        self._client.on_disconnect = None
        if self.is_up:
            self._client.disconnect()
            self._client.loop_write()
        elif (sock := self._client.socket()) is not None:
            sock.close()
        self.is_up, self.is_lost = False, True
