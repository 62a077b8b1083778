"""Whether the broker is set up as it should be: what can be asked or measured over MQTT, and what can't.

Without `set_tcp_nodelay true` Mosquitto's packets wait for the delayed acknowledgement of the one before (Nagle's
algorithm, RFC 896): four small messages sent at once then take 40 ms instead of one.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from msgspec.structs import replace

from dongne.adapters.mqtt import wire
from dongne.adapters.mqtt.status import OK, UNKNOWN, WRONG, Check

VERSION, DROPPED = "$SYS/broker/version", "$SYS/broker/publish/messages/dropped"
ROUNDS = 12
BURST = 4
SLOW_MS = 25.0  # of a burst beyond a single message: Linux delays an acknowledgement by 40 ms
PAUSE_S = 0.02
GIVE_UP_S = 5.0

REMEDIES = {
    "tcp_nodelay_ms": "small packets wait for each other; write `set_tcp_nodelay true` into mosquitto.conf",
    "dropped_messages": "the broker throws messages away which it has confirmed; write `max_queued_messages 0` and a larger "
    "`max_queued_bytes` into mosquitto.conf",
    "max_inflight_messages": "no more than 20 messages are on their way at once; write `max_inflight_messages 1000` into "
    "mosquitto.conf",
    "session_kept": "the broker forgets sessions, and what waits in them; write `persistence true` and a "
    "`persistence_location` which it may write into mosquitto.conf",
    "maximum_qos": "the broker takes QoS 0 only, which promises nothing; write `max_qos 2` into mosquitto.conf",
}  # deploy/mosquitto.conf has them all

Publish = Callable[[str, bytes, int], Any]


class BrokerChecks:
    """One for each connection; `turn` moves the measurement on."""

    def __init__(self, client_id: str, short: str, *, measure: bool, dropped_before: int | None = None) -> None:
        self.probe_topic = f"{short}/probe/{client_id}"  # a level deeper than what is taken in
        self._measures = measure
        self._began_s = time.monotonic()
        self._sent_s, self._due, self._next_s = 0.0, 0, 0.0
        self._singles_ms: list[float] = []
        self._bursts_ms: list[float] = []
        self._version = ""
        self._dropped_first, self._dropped = dropped_before, None if dropped_before is None else dropped_before

    @property
    def filters(self) -> list[str]:
        """What to subscribe to, QoS 0."""
        return [VERSION, DROPPED, *([self.probe_topic] if self._measures else [])]

    @property
    def dropped(self) -> int | None:
        """Messages the broker threw away, by its own count; None where it doesn't say."""
        return self._dropped

    def takes(self, topic: str, body: bytes) -> bool:
        """Whether the message was for here."""
        if topic == self.probe_topic:
            self._came()
        elif topic == VERSION:
            self._version = body[:60].decode(errors="replace")
        elif topic == DROPPED and body.isdigit():
            self._dropped = int(body)
            if self._dropped_first is None or self._dropped < self._dropped_first:  # the broker began anew
                self._dropped_first = self._dropped
        else:
            return topic.startswith("$SYS/")
        return True

    def _came(self) -> None:
        self._due -= 1
        if self._due == 0:
            ms = (time.perf_counter() - self._sent_s) * 1e3
            (self._singles_ms if len(self._singles_ms) <= len(self._bursts_ms) else self._bursts_ms).append(ms)
            self._next_s = time.monotonic() + PAUSE_S

    @property
    def is_measuring(self) -> bool:
        """Whether rounds are left."""
        return self._measures and len(self._bursts_ms) < ROUNDS and time.monotonic() - self._began_s < GIVE_UP_S

    def turn(self, publish: Publish) -> bool:
        """Sends the next round when its time has come. True once, when the measurement is over."""
        if not self._measures:
            return False
        if not self.is_measuring:
            self._measures = False
            return True
        if self._due <= 0 and time.monotonic() >= self._next_s:
            self._due = 1 if len(self._singles_ms) <= len(self._bursts_ms) else BURST
            self._sent_s = time.perf_counter()
            for _ in range(self._due):
                publish(self.probe_topic, b"probe", 0)
        return False

    def found(
        self,
        protocol: int,
        granted: dict[int, Any],
        most_waiting: int,
        wanted_waiting: int,
        session_kept: bool | None,
    ) -> list[Check]:
        """What is known so far. `session_kept`: whether the session outlived the last loss of the connection; None
        where none was lost yet."""
        found = [
            Check("broker_version", OK if self._version else UNKNOWN, self._version),
            self._nodelay(),
            self._dropping(),
            self._inflight(most_waiting, wanted_waiting),
            Check("max_queued_messages", UNKNOWN),
            Check("session_kept", UNKNOWN if session_kept is None else OK if session_kept else WRONG),
            *(self._told(granted) if protocol == wire.V5 else []),
        ]
        return [replace(one, remedy=REMEDIES.get(one.name, "")) if one.state == WRONG else one for one in found]

    def _nodelay(self) -> Check:
        if len(self._bursts_ms) < ROUNDS // 2:
            return Check("tcp_nodelay_ms", UNKNOWN)
        ms = median(self._bursts_ms) - median(self._singles_ms)
        return Check("tcp_nodelay_ms", WRONG if ms > SLOW_MS else OK, f"{max(0.0, ms):.1f}")

    def _dropping(self) -> Check:
        if self._dropped is None or self._dropped_first is None:
            return Check("dropped_messages", UNKNOWN)
        more = self._dropped - self._dropped_first
        return Check("dropped_messages", WRONG if more else OK, str(more))

    def _inflight(self, most_waiting: int, wanted_waiting: int) -> Check:
        """Never more than 20 at once is what Mosquitto does by itself; with less traffic nothing can be said."""
        if most_waiting > 20:
            return Check("max_inflight_messages", OK, str(most_waiting))
        return Check("max_inflight_messages", WRONG if most_waiting == 20 and wanted_waiting > 20 else UNKNOWN)

    @staticmethod
    def _told(granted: dict[int, Any]) -> list[Check]:
        most = granted.get(wire.MAXIMUM_QOS, 1)
        return [
            Check("maximum_qos", OK if most >= 1 else WRONG, str(most)),
            Check("receive_maximum", OK, str(granted.get(wire.RECEIVE_MAXIMUM, 65_535))),
            Check("maximum_packet_bytes", OK, str(granted.get(wire.MAXIMUM_PACKET, ""))),
        ]
