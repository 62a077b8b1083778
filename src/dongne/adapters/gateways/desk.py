"""The one door for what homes say: a message is checked, stored and only then told ok.

Nothing is dropped silently: what can't be taken is answered with why, counted, and a message that is sent again is known by its
number. Times stay those at which things happened; a clock that is wrong is corrected by how wrong it is when the message is sent.
"""

import logging
import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime

import msgspec
import numpy as np

from dongne.adapters.gateways.book import HomeBook, Seen, puts, unpacked
from dongne.model.errors import BadInput, DongneError, NotAllowed, NotFound, RetryLater, TooMany
from dongne.model.home import (
    ANSWERED,
    HEARTBEAT,
    HOME_PROPERTIES,
    LIFE_SAFETY,
    TECHNICAL,
    DeviceEvent,
    GatewayMessage,
    GatewayReply,
)
from dongne.model.records import ObservationBatch, ObservationExtra, RecordKind, encode_batch
from dongne.model.times import from_us, to_us
from dongne.model.who import Right, Who
from dongne.runtime.ports import Entry, Lane, Receipt, Store, Transaction

log = logging.getLogger(__name__)
HEARTBEAT_S = 300.0
SKEW_US = 5_000_000  # less is the way it took
AGAIN_US = 60_000_000  # within which a gateway whose clock is wrong says the same again
OLDEST_US = 30 * 86_400_000_000  # what no gateway keeps: its clock was not set yet
MOST_WAITING = 200_000
GATEWAY = "gateway"  # the device of a heartbeat
POSITION = "gateway/"  # and the home: whose messages came, as a reader of the store

ALWAYS = LIFE_SAFETY | TECHNICAL
MOST_IN_LINE = 100  # of one home

MayObserve = Callable[[int, str], bool]  # home, key of a property

_decoder = msgspec.json.Decoder(GatewayMessage)


class Waiting(msgspec.Struct, frozen=True):
    """A message that waits for the one before it of the same home."""

    message: GatewayMessage
    arrived_us: int
    told: "Future[GatewayReply]"


class GatewayDesk:
    """Takes messages of gateways in. `may_observe` says what a person has agreed to; what says by itself that somebody is in danger
    is always taken. `heartbeat_s` is by when a gateway is told to be heard again."""

    def __init__(
        self, store: Store, may_observe: MayObserve = lambda home, key: True, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self._store, self._may_observe, self.heartbeat_s = store, may_observe, heartbeat_s
        self.book = HomeBook(store)
        self._lock = threading.Lock()
        self._seen: dict[int, Seen] = {}
        self._before = {int(home): packed for home, packed in store.list_positions(POSITION).items()}  # at the start
        self._lines: dict[int, deque[Waiting]] = {}  # by home, the first is with the store
        self._waiting = 0
        self.messages = self.stored = self.repeats = self.skewed = self.counted_anew = 0
        self.refused: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()  # gateways that no home has

    def close(self) -> None:
        """Hears no more."""
        self.book.close()

    def decode(self, body: bytes) -> GatewayMessage:
        """Raises BadInput, and counts it."""
        try:
            return _decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self.refuse(BadInput(f"this is no message of a gateway: {error}", reason="message")) from None

    def check_sender(self, who: Who, gateway: str) -> None:
        """Raises NotKnown or NotAllowed, and counts it: a device speaks for the gateway that its token names, staff who may
        change entities for all."""
        try:
            who.must(Right.OBSERVE)
            if who.is_known and not who.may(Right.MODEL) and who.name != gateway:
                raise NotAllowed(
                    f"the token {who.name[:40]!r} does not speak for gateway {gateway[:64]!r}; a device's token has the name "
                    "of its gateway",
                    reason="gateway",
                )
        except DongneError as error:
            raise self.refuse(error) from None

    def refuse(self, error: DongneError) -> DongneError:
        """Counts what is not taken, by reason."""
        with self._lock:
            self.refused[error.reason] += 1
        return error

    def take(self, message: GatewayMessage) -> "Future[GatewayReply]":
        """The reply once the message is durable. The future raises RetryLater where the store can't take it now; the gateway sends
        it again. Raises NotFound for a gateway that no home has, TooMany."""
        arrived_us = self._store.clock.now_us()
        home = self.book.find_home(message.gateway)
        if home is None:
            raise self._unknown(message)
        told: Future[GatewayReply] = Future()
        with self._lock:
            self.messages += 1
            line = self._lines.get(home)
            if self._waiting >= MOST_WAITING or (line is not None and len(line) >= MOST_IN_LINE):
                self.refused["queue_full"] += 1
                raise TooMany(f"{self._waiting} messages wait; send it again in a second", reason="queue_full")
            self._waiting += 1
            if line is not None:  # one at a time of a home, so that what was seen is stored in order
                line.append(Waiting(message, arrived_us, told))
                return told
            self._lines[home] = deque([Waiting(message, arrived_us, told)])
        self._begin(home)
        return told

    def press(self, home: int, device: str, key: str) -> "Future[Receipt]":
        """Something that was pressed on a page of the city which belongs to this home, durable when the future has its receipt. It is
        no message of the gateway: it has no number, and says nothing of whether the gateway is heard. The property is one of
        LIFE_SAFETY, as what nobody agreed to may not be written."""
        if key not in LIFE_SAFETY:
            raise BadInput(
                f"{key[:40]!r} is not pressed; what is says that somebody may be in danger", reason="property"
            )
        return self._put(home, device, {key: 1.0}, Lane.LIFE_SAFETY)

    def say(self, home: int, device: str, answers: Mapping[str, float]) -> "Future[Receipt]":
        """What the person says of themselves on a page which belongs to this home, durable when the future has its receipt. Properties are
        those of ANSWERED. Raises BadInput for another, a value out of range, or what the person has not agreed to."""
        for key, value in answers.items():
            if key not in ANSWERED or not HOME_PROPERTIES[key].holds(value):
                raise BadInput(
                    f"{key[:40]!r} = {value:g} is no answer; known are {', '.join(ANSWERED)}, 0 to 4", reason="answer"
                )
            if not self._may_observe(home, key):
                raise BadInput(f"the person has not agreed that {key} is observed", reason="consent")
        return self._put(home, device, answers, Lane.NORMAL)

    def _put(self, home: int, device: str, values: Mapping[str, float], lane: Lane) -> "Future[Receipt]":
        streams, first = self.book.streams_of(home, [(device, key) for key in values])
        now = np.full(len(values), self._store.clock.now_us(), np.int64)
        batch = ObservationBatch(np.array(streams, np.int32), now, np.array(list(values.values())))
        entries = [Entry(RecordKind.ENTITIES, puts(first))] if first else []
        entries.append(Entry(RecordKind.OBSERVATIONS, encode_batch(batch), len(batch)))
        return self._store.submit(Transaction(entries), lane)

    def _unknown(self, message: GatewayMessage) -> DongneError:
        with self._lock:
            if message.gateway in self.unknown or len(self.unknown) < 1_000:
                self.unknown[message.gateway] += 1
        return self.refuse(
            NotFound(
                f"no home has gateway {message.gateway!r}; add the home first (dongne homes add)",
                reason="gateway_unknown",
            )
        )

    # --- one message of a home

    def _begin(self, home: int) -> None:
        """Hands the first message of the home's line to the store; those that came before are told at once. Whatever goes wrong
        with one, the next one's turn comes."""
        while (waiting := self._first_of(home)) is not None:
            try:
                if self._hand_over(home, waiting):
                    return
            except DongneError as error:
                self._tell(home, None, waiting, self.refuse(error))
            except Exception as fault:  # a mistake of ours: the gateway is not told that it made one
                log.exception("a message of home %d could not be handed to the store", home)
                self._tell(home, None, waiting, self.refuse(_fault_here(fault)))

    def _first_of(self, home: int) -> Waiting | None:
        with self._lock:
            line = self._lines[home]
            if line:
                return line[0]
            del self._lines[home]
            return None

    def _hand_over(self, home: int, waiting: Waiting) -> bool:
        """Whether the store has it; else it came before, and was told so."""
        seen = self._seen.get(home)
        if seen is None:
            seen = unpacked(self._before.get(home, 0))
        if seen.has(waiting.message.seq):
            if not self._says_news(home, waiting):
                self._tell(home, seen, waiting, self._reply(waiting, is_repeat=True))
                return False
            self.counted_anew += 1
            seen = Seen()
        transaction, reply = self._work_out(home, seen, waiting)
        after = seen.with_one(waiting.message.seq)
        says_more = bool(waiting.message.events)
        stored = self._store.submit(transaction, Lane.LIFE_SAFETY if says_more else Lane.NORMAL)
        stored.add_done_callback(lambda done: self._stored(home, waiting, reply, after, done))
        return True

    def _says_news(self, home: int, waiting: Waiting) -> bool:
        """Whether a message by a number that came before says what was never heard: its gateway was reset and counts anew, and an
        alarm must not pass for an old one. Better twice than never."""
        skew_us = _skew_us(waiting)
        slack_us = AGAIN_US if skew_us else SKEW_US
        for event in waiting.message.events:
            if self._fault(home, event):
                continue
            stream = self.book.find_stream(home, event.device, event.property)
            latest = None if stream is None else self._store.latest(stream)
            if latest is None:
                return True
            is_old = _corrected(event.time, skew_us, waiting.arrived_us) <= latest.time_us + slack_us
            if not is_old and abs(to_us(event.time) - latest.time_us) > SKEW_US:
                return True
        return False

    def _stored(self, home: int, waiting: Waiting, reply: GatewayReply, after: Seen, done: "Future[Receipt]") -> None:
        error = done.exception()
        if error is None:
            self._tell(home, after, waiting, reply)
        else:
            self._tell(
                home, None, waiting, self.refuse(error if isinstance(error, DongneError) else _fault_here(error))
            )
        self._begin(home)

    def _tell(self, home: int, seen: Seen | None, waiting: Waiting, outcome: GatewayReply | DongneError) -> None:
        with self._lock:
            if seen is not None:
                self._seen[home] = seen
            self._lines[home].popleft()
            self._waiting -= 1
            if isinstance(outcome, GatewayReply):
                self.stored += outcome.stored
                self.repeats += outcome.is_repeat
        if not waiting.told.set_running_or_notify_cancel():
            return
        if isinstance(outcome, GatewayReply):
            waiting.told.set_result(outcome)
        else:
            waiting.told.set_exception(outcome)

    def _reply(self, waiting: Waiting, stored: int = 0, *, is_repeat: bool = False) -> GatewayReply:
        now = from_us(self._store.clock.now_us())
        return GatewayReply(waiting.message.seq, self.heartbeat_s, now, stored, is_repeat)

    def _work_out(self, home: int, seen: Seen, waiting: Waiting) -> tuple[Transaction, GatewayReply]:
        message, arrived_us = waiting.message, waiting.arrived_us
        skew_us = _skew_us(waiting)
        refused: dict[int, str] = {}
        good: list[DeviceEvent] = []
        for at, event in enumerate(message.events):
            if why := self._fault(home, event):
                refused[at] = why
            else:
                good.append(event)
        keys = [(GATEWAY, HEARTBEAT.key), *((event.device, event.property) for event in good)]
        streams, first = self.book.streams_of(home, keys)
        times = [arrived_us, *(_corrected(event.time, skew_us, arrived_us) for event in good)]
        batch = ObservationBatch(
            np.array(streams, np.int32), np.array(times, np.int64), np.array([1.0, *(event.value for event in good)]),
            _extras(good, skew_us, arrived_us),
        )  # fmt: skip
        entries = [Entry(RecordKind.ENTITIES, puts(first))] if first else []
        entries.append(Entry(RecordKind.OBSERVATIONS, encode_batch(batch), len(batch)))
        self._count(skew_us, refused)
        reply = msgspec.structs.replace(self._reply(waiting, len(good)), refused=refused)
        return Transaction(entries, position=(_position(home), seen.with_one(message.seq).packed)), reply

    def _count(self, skew_us: int, refused: dict[int, str]) -> None:
        with self._lock:
            self.skewed += bool(skew_us)
            self.refused["event"] += len(refused)

    def _fault(self, home: int, event: DeviceEvent) -> str:
        """Why this event is not taken; "" where it is."""
        observed = HOME_PROPERTIES.get(event.property)
        if observed is None:
            return f"property {event.property!r} is not known; known are {', '.join(HOME_PROPERTIES)}"
        if not math.isfinite(event.value) or not observed.holds(event.value):
            return f"{event.property} {event.value:g} is out of {observed.low:g}..{observed.high:g} {observed.unit}"
        if event.property not in ALWAYS and not self._may_observe(home, event.property):
            return f"the person has not agreed that {event.property} is observed"
        return ""


def _position(home: int) -> str:
    return f"{POSITION}{home}"


def _fault_here(fault: BaseException) -> RetryLater:
    return RetryLater(f"it is not stored: {type(fault).__name__}; send it again", reason="store")


def _skew_us(waiting: Waiting) -> int:
    """How far the gateway's clock is behind; 0 where it is right."""
    skew_us = waiting.arrived_us - to_us(waiting.message.sent)
    return skew_us if abs(skew_us) > SKEW_US else 0


def _is_unset(time: datetime, skew_us: int, arrived_us: int) -> bool:
    """Whether the gateway's clock was not set when it happened (it begins at 1970 or 2000), though it is right by now."""
    return arrived_us - (to_us(time) + skew_us) > OLDEST_US


def _corrected(time: datetime, skew_us: int, arrived_us: int) -> int:
    """When it happened by the city's clock, not later than it was heard; then where nobody knows."""
    return arrived_us if _is_unset(time, skew_us, arrived_us) else min(to_us(time) + skew_us, arrived_us)


def _extras(events: list[DeviceEvent], skew_us: int, arrived_us: int) -> dict[int, ObservationExtra]:
    """What the gateway's clock said, where it was wrong."""
    return {
        at: ObservationExtra(parameters={"gateway_time": event.time.isoformat(), "skew_s": round(skew_us / 1e6, 3)})
        for at, event in enumerate(events, 1)
        if skew_us or _is_unset(event.time, skew_us, arrived_us)
    }
