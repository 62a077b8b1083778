"""What gateways of homes say over MQTT: acknowledged when it is durable, answered on `homes/<gateway>/replies`."""

import time
from collections.abc import Callable
from concurrent.futures import Future

import msgspec

from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.mqtt.parcels import Parcel
from dongne.model.errors import BadInput, DongneError, RetryLater
from dongne.model.home import GatewayMessage, GatewayReply
from dongne.model.who import Who

PAUSE_S = 0.5
_encode = msgspec.json.Encoder().encode


class HomeReception:
    """Belongs to the thread of a Reception, but for what `back` is called from: the store's."""

    def __init__(self, desk: GatewayDesk, back: Callable[[Parcel, "Future[GatewayReply]"], None]) -> None:
        self._desk, self._back = desk, back
        self._messages: dict[Parcel, GatewayMessage] = {}  # with the store, or held
        self._held: list[Parcel] = []
        self._retry_at_s = 0.0

    @property
    def held_back(self) -> int:
        """Messages that the store asked to bring later."""
        return len(self._held)

    def take(self, parcel: Parcel, body: bytes) -> bool:
        """Whether the store has it; `back` when that is done. Else it is brought later. Raises DongneError."""
        message = self._desk.decode(body)
        named = parcel.topic.split("/")[1]
        if named != message.gateway:
            error = BadInput(f"gateway {message.gateway!r} speaks on the topic of {named!r}", reason="gateway")
            raise self._desk.refuse(error)
        who: Who | None = parcel.connection.who
        if who is not None:
            self._desk.check_sender(who, message.gateway)
        self._messages[parcel] = message
        return self._hand(parcel)

    def _hand(self, parcel: Parcel) -> bool:
        try:
            told = self._desk.take(self._messages[parcel])
        except RetryLater:
            self.hold(parcel)
            return False
        except DongneError:
            self.settled(parcel)
            raise
        told.add_done_callback(lambda done: self._back(parcel, done))
        return True

    def settled(self, parcel: Parcel) -> None:
        """It has its outcome."""
        self._messages.pop(parcel, None)

    def hold(self, parcel: Parcel) -> None:
        """The store can't take it now: it is brought again, and not acknowledged before."""
        self._held.append(parcel)
        self._retry_at_s = time.monotonic() + PAUSE_S

    def pause_s(self, longest_s: float) -> float:
        """How long nothing is to do here."""
        return min(longest_s, max(0.0, self._retry_at_s - time.monotonic())) if self._held else longest_s

    def retry(self) -> int:
        """Brings what is held when its time has come; how many are with the store then."""
        if not self._held or time.monotonic() < self._retry_at_s:
            return 0
        held, self._held = self._held, []
        return sum([self._hand_again(parcel) for parcel in held])

    def _hand_again(self, parcel: Parcel) -> bool:
        """As `_hand`; what can't be taken any more (its home is gone) has its outcome as what the store refused, and holds up no
        other."""
        try:
            return self._hand(parcel)
        except DongneError as error:
            told: Future[GatewayReply] = Future()
            told.set_exception(error)
            self._back(parcel, told)
            return True


def replies_topic(topic: str) -> str:
    """Where a gateway hears what became of a message."""
    return topic.removesuffix("messages") + "replies"


def reply_body(reply: GatewayReply) -> bytes:
    """What it hears, as JSON."""
    return _encode(reply)
