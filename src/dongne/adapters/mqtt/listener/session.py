"""What a client subscribed to, and what waits for it.

The record sequence is the memory: a session's queue is short, and where it is full the session falls behind and reads on
from the number it has come to, at the pace of its client; so also after the connection was lost. Nothing is left out.
"""

from collections import deque
from typing import Protocol

import msgspec

from dongne.adapters.mqtt.listener.filters import About, Asked
from dongne.adapters.mqtt.parcels import Parcel
from dongne.model.who import Who
from dongne.standards.sensorthings.query import ResourcePath
from dongne.standards.sensorthings.schema import OBSERVATIONS

MOST_WAITING = 1_000  # messages in a queue
MOST_WAITING_BYTES = 8 << 20
MOST_BYTES = 32 << 20  # with the last values that are told at once; who wants more is let go
MOST_OUT = 200  # without the client's PUBACK


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A message on its way. `number` is that of its record or Observation, 0 where it is of none."""

    number: int
    topic: str
    payload: bytes
    qos: int
    retain: bool = False
    correlation: bytes | None = None


class Subscription:
    """One granted topic filter."""

    def __init__(self, asked: Asked, qos: int, *, no_local: bool) -> None:
        self.asked, self.qos, self.no_local = asked, qos, no_local
        self.sent: bytes | None = None  # of one entity or property, what the client was told last
        self.entity_set = asked.entity_set if asked.path.steps else None
        self.of_observations = asked.about is About.SET and self.entity_set is OBSERVATIONS
        self.streams: frozenset[int] | None = None  # of those Observations; None means any
        self.feature: int | None = None
        self.revision = -1  # of the graph, when streams and feature were worked out

    @property
    def parent(self) -> ResourcePath:
        """The entity on which the set hangs; no steps where the set stands alone."""
        return ResourcePath(self.asked.path.steps[:-1])


class Wire(Protocol):
    """The connection of a session."""

    can_write: bool
    own: set[Parcel] | None  # what this client published and is not yet stored
    most_out: int

    def end(self, code: int, why: str) -> None:
        """Ends the connection with a reason."""

    def send(self, message: Outgoing, mid: int) -> bool:
        """Whether the client takes a packet of this length."""


class Session:
    """Of one client id and the one who uses it. `position`: up to this number all was told, while it is behind or away."""

    def __init__(self, client_id: str, who: Who, position: int) -> None:
        self.client_id, self.who, self.position = client_id, who, position
        self.subscriptions: dict[str, Subscription] = {}
        self.link: Wire | None = None
        self.behind = False
        self.expiry_s = 0.0
        self.ends_at_s = 0.0  # while it is away
        self.received_2: dict[int, bool] = {}  # QoS 2: packet identifiers without a PUBREL; whether it is stored
        self.queue: deque[Outgoing] = deque()
        self.unacknowledged: dict[int, int] = {}  # packet identifier -> number
        self._bytes = 0
        self._next_mid = 0
        self.delivered = 0

    @property
    def lasts(self) -> bool:
        """Whether it outlives its connection."""
        return self.expiry_s > 0

    @property
    def is_full(self) -> bool:
        """Whether it has to fall behind."""
        return len(self.queue) >= MOST_WAITING or self._bytes >= MOST_WAITING_BYTES

    @property
    def is_flooded(self) -> bool:
        """Whether more last values wait than memory is kept for."""
        return self._bytes >= MOST_BYTES

    @property
    def has_room(self) -> bool:
        """Whether a session that is behind may read on."""
        return len(self.queue) < MOST_WAITING // 2 and self._bytes < MOST_WAITING_BYTES // 2

    def add(self, message: Outgoing) -> None:
        """Puts a message in the queue; `pump` sends."""
        self.queue.append(message)
        self._bytes += len(message.payload)

    def pump(self) -> int:
        """Sends what the connection takes; returns how many messages the client can't take, for their length."""
        link, queue, left_out = self.link, self.queue, 0
        if link is None:
            return 0
        most_out = min(MOST_OUT, link.most_out)
        while queue and link.can_write:
            message = queue[0]
            mid = 0
            if message.qos:
                if len(self.unacknowledged) >= most_out:
                    break
                mid = self._new_mid()
            queue.popleft()
            self._bytes -= len(message.payload)
            if not link.send(message, mid):
                left_out += 1
                continue
            if mid:
                self.unacknowledged[mid] = message.number
            self.delivered += 1
        return left_out

    def acknowledged(self, mid: int) -> bool:
        """Whether the client had this one to acknowledge."""
        return self.unacknowledged.pop(mid, None) is not None

    def _new_mid(self) -> int:
        while True:
            self._next_mid = self._next_mid % 65_535 + 1
            if self._next_mid not in self.unacknowledged:
                return self._next_mid

    def resumes_after(self, head: int) -> int:
        """Up to this number its client has acknowledged all, or was never to be told."""
        waiting = [message.number for message in self.queue] + list(self.unacknowledged.values())
        first = min((number for number in waiting if number), default=0)
        reached = self.position if self.behind else head
        return min(reached, first - 1) if first else reached

    def leave(self, head: int) -> None:
        """The connection is gone: what was not acknowledged is told again from the sequence."""
        self.position = self.resumes_after(head)
        self.queue.clear()
        self.unacknowledged.clear()
        self._bytes = 0
        self.behind = True
        self.link = None
        self.received_2 = {mid: True for mid, stored in self.received_2.items() if stored}

    def fall_behind(self, position: int) -> None:
        """From here on it reads by itself."""
        self.behind, self.position = True, position
