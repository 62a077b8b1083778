"""The way of a message: read, checked, put through the store's door, and acknowledged after the commit that holds it.

Where the store asks to come again later (queue full, disk full) the message is held back with its acknowledgement, and
tried again: the broker then sends no more than its window, and keeps the rest.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.mqtt.arrays import ArrayReader
from dongne.adapters.mqtt.config import MqttConfig
from dongne.adapters.mqtt.home_reception import HomeReception, replies_topic, reply_body
from dongne.adapters.mqtt.known import Known
from dongne.adapters.mqtt.parcels import Decoder, Parcel, answer_of, refusal_of, slices
from dongne.adapters.mqtt.ports import DoorStore, Line
from dongne.adapters.mqtt.task_reception import TaskReception
from dongne.adapters.mqtt.topics import Form, Topics
from dongne.adapters.mqtt.wire import Message
from dongne.model.errors import BadInput, DongneError, RetryLater
from dongne.model.home import GatewayReply
from dongne.model.records import RecordKind, encode_batch
from dongne.model.who import Audit, Who, unwritten
from dongne.runtime.desk import TaskDesk
from dongne.runtime.features import FeatureMaker
from dongne.runtime.intake import Intake, check_sender
from dongne.runtime.ledger import MQTT
from dongne.runtime.ports import Entry, Lane, Receipt, Transaction
from dongne.standards.sensorthings.observations import ObservationRow

RETRY_MIN_S, RETRY_MAX_S = 0.1, 2.0
REDELIVERY_S = 60.0  # after a connection to a kept session, what comes may have come before, also without the mark
MOST_TRIES = 20  # of what the store can't take for no known reason

log = logging.getLogger(__name__)


class Reception:
    """Belongs to the adapter's thread; `ring` wakes that thread, and `tell(line, topic, body, qos, correlation)` publishes
    an answer to what came by this line."""

    def __init__(
        self,
        store: DoorStore,
        intake: Intake,
        config: MqttConfig,
        ring: Callable[[], None],
        tell: Callable[[Any, str, bytes, int, bytes | None], None],
        desk: TaskDesk | None = None,
        audit: Audit = unwritten,
    ) -> None:
        self._store, self._intake, self._config, self._ring, self._tell = store, intake, config, ring, tell
        self._graph, self._features = store.graph, FeatureMaker(store)
        self._way = intake.ledger.way(MQTT)
        self.topics = Topics(config.root, config.short)
        self._tasks = None if desk is None else TaskReception(desk, audit, self._on_task)
        self._task_outcomes: deque[tuple[Parcel, Future[Receipt]]] = deque()
        self.homes: HomeReception | None = None
        self._home_outcomes: deque[tuple[Parcel, Future[GatewayReply]]] = deque()
        self._decoder = Decoder(store, config.max_body_bytes)
        self._known = Known(store)
        self._arrays = ArrayReader(store.graph, self._decoder, self._known, intake, self._way)
        self._door = store.open_door(self._on_commit)
        self._outcomes: deque[tuple[list[Parcel], int, Exception | None]] = deque()
        self._part_outcomes: deque[tuple[Parcel, int, Receipt | Exception]] = deque()
        self._held: deque[Parcel] = deque()
        self._with_store = 0  # messages handed to the store and not yet back
        self._of_before = 0  # those of them which came by an earlier connection
        self._waiting_bytes = 0
        self._retry_s, self._retry_at_s = RETRY_MIN_S, 0.0
        self._line: Line | None = None
        self._sent_again = False  # the broker sends again what this connection's predecessors left
        self._redelivers_until_s = 0.0
        self._errors_from_s, self._errors_told = 0.0, 0
        self.received = self.acknowledged = self.let_go = self.most_waiting = self.stored = self.duplicates = 0
        self.rejected: Counter[str] = Counter()

    # --- connections

    def begin(self, line: Line, *, session_kept: bool) -> None:
        """A connection is up. Where the broker kept the session it sends again what was not acknowledged, so what is
        held back of before is let go; else it exists nowhere but here, and is stored."""
        self._line, self._sent_again = line, session_kept
        self._of_before = self._with_store
        self._known.forget()
        self._redelivers_until_s = time.monotonic() + REDELIVERY_S if session_kept else 0.0
        held, self._held = self._held, deque()
        for parcel in held:
            self._hold(parcel)

    @property
    def may_read(self) -> bool:
        """Whether there is room, and nothing of an earlier connection is still with the store: what comes could not be
        compared with it. Not all brokers keep to the maximum they are told; one that does is never stopped here, so
        that its confirmations of what we publish are read also while the store takes nothing."""
        config = self._config
        has_room = self.waiting < 2 * config.receive_maximum and self._waiting_bytes < config.max_waiting_bytes
        return has_room and not self._of_before

    @property
    def waiting(self) -> int:
        """Messages without an outcome."""
        return self._with_store + self.held_back

    @property
    def held_back(self) -> int:
        """Those of them which the store asked to bring later."""
        return len(self._held) + (self.homes.held_back if self.homes is not None else 0)

    def pause_s(self, longest_s: float) -> float:
        """How long nothing is to do here."""
        if self.homes is not None:
            longest_s = self.homes.pause_s(longest_s)
        return min(longest_s, max(0.0, self._retry_at_s - time.monotonic())) if self._held else longest_s

    # --- messages come

    def take(self, line: Line, message: Message) -> None:
        """A message that came. Never raises."""
        self.received += 1
        body = message.payload
        parcel = Parcel(line, message, len(body))
        try:
            self._decoder.check_size(body)
            again = message.dup or (self._redelivers_until_s > 0.0 and time.monotonic() < self._redelivers_until_s)
            if not again:
                self._known.rest()
            form, datastream = self.topics.read(message.topic)
            if form is Form.DATA_ARRAY:
                self._take_array(parcel, body, again)
                return
            if form in (Form.TASK, Form.TASK_STATE):
                self._take_task(parcel, form, datastream, message)
                return
            if form is Form.HOME:
                self._take_home(parcel, body)
                return
            if form is Form.NUMBER:
                row = self._decoder.number(body, datastream or 0, message.retain)
            else:
                row = self._decoder.observation(body, datastream, message.retain)
            if who := self._sender_of(parcel):
                check_sender(self._graph, who, row.datastream)
            if not self._intake.has_feature(row.datastream):
                self._features.see_to(row.datastream)
            self._take_row(parcel, row, again)
        except DongneError as error:
            self._refuse(parcel, error)
        except Exception as error:  # one message never stops the others
            log.exception("a message on %r could not be read", parcel.topic)
            self._refuse(parcel, BadInput(f"the message could not be read: {error!r}", reason="unreadable"))

    def _take_row(self, parcel: Parcel, row: ObservationRow, again: bool) -> None:
        number = self._intake.check(row)
        is_number = row.result == row.result  # not NaN
        if number or (again and is_number and self._known.holds(row.datastream, row.time_us, row.result)):
            self._way.count_duplicate()
            self.duplicates += 1
            self._finish(parcel, number)
            return
        self._way.count_received()
        parcel.row = row
        self._bring(parcel)

    def _take_task(self, parcel: Parcel, form: Form, number: int | None, message: Message) -> None:
        parcel.is_task = True
        if self._tasks is None or message.retain:
            why = "Tasks are not retained" if message.retain else "no Tasks are taken here"
            raise BadInput(f"{why}; send it to /v1.1/Tasks over HTTP", reason="task")
        self._tasks.take(parcel, form, number, message.payload)
        self._with_store += 1

    def hear_homes(self, desk: GatewayDesk) -> None:
        """From here on gateways of homes are heard too."""
        self.homes = HomeReception(desk, self._on_home)

    def _take_home(self, parcel: Parcel, body: bytes) -> None:
        parcel.is_task = True  # none of the city's Observations
        if self.homes is None:
            raise BadInput("no homes are heard here", reason="topic")
        self._with_store += self.homes.take(parcel, body)

    def _sender_of(self, parcel: Parcel) -> Who | None:
        """Whose rights are asked; None where a broker asked them already."""
        who: Who | None = parcel.connection.who
        return who

    def _take_array(self, parcel: Parcel, body: bytes, again: bool) -> None:
        checked, duplicates = self._arrays.read(body, self._sender_of(parcel), again=again)
        parcel.checked = checked
        self.duplicates += duplicates
        parcel.parts = slices(checked.batch)
        if parcel.parts:
            self._bring(parcel)
        else:
            self._finish(parcel, 0)

    # --- to the store

    def _bring(self, parcel: Parcel) -> None:
        if parcel.connection.own is not None:
            parcel.connection.own.add(parcel)
        self._waiting_bytes += parcel.size
        self.most_waiting = max(self.most_waiting, self.waiting + 1)
        if self._held:
            self._held.append(parcel)  # behind those which came before
        elif not self._hand(parcel):
            self._hold(parcel)

    def _hand(self, parcel: Parcel) -> bool:
        """Whether the store has it now, or a part of it."""
        row = parcel.row
        try:
            if row is not None:
                self._door.append(row.datastream, row.time_us, row.result, row.extra, parcel)
            for at, part in parcel.parts.items():
                entry = Entry(RecordKind.OBSERVATIONS, encode_batch(part), len(part))
                self._store.submit_soon(Transaction((entry,)), partial(self._on_part, parcel, at), Lane.BULK)
                parcel.out += 1
        except RetryLater:
            if not parcel.out:
                return False
        except DongneError as error:
            if not parcel.out:
                self._waiting_bytes -= parcel.size
                self._refuse(parcel, error, received=False)
                return True
        self._with_store += 1
        return True

    def _hold(self, parcel: Parcel) -> None:
        if parcel.mid and parcel.connection is not self._line and self._sent_again:
            self.let_go += 1
            self._waiting_bytes -= parcel.size
            self._way.count_rejected("sent_again", parcel.rows, received=False)
            return
        self._held.append(parcel)
        self._retry_at_s = time.monotonic() + self._retry_s

    def retry(self) -> None:
        """Brings what is held back, when its time has come."""
        if self.homes is not None:
            self._with_store += self.homes.retry()
        if not self._held or time.monotonic() < self._retry_at_s:
            return
        held = self._held
        while held and self._hand(held[0]):
            held.popleft()
        self._retry_s = min(RETRY_MAX_S, 2 * self._retry_s)
        if held:
            self._retry_at_s = time.monotonic() + self._retry_s

    # --- from the store: in the writer's thread

    def _on_commit(self, parcels: list[Parcel], first: int, error: Exception | None) -> None:
        self._outcomes.append((parcels, first, error))
        self._ring()

    def _on_part(self, parcel: Parcel, at: int, outcome: Receipt | Exception) -> None:
        self._part_outcomes.append((parcel, at, outcome))
        self._ring()

    def _on_task(self, parcel: Parcel, done: Future[Receipt]) -> None:
        self._task_outcomes.append((parcel, done))
        self._ring()

    def _on_home(self, parcel: Parcel, done: "Future[GatewayReply]") -> None:
        self._home_outcomes.append((parcel, done))
        self._ring()

    # --- and in the adapter's

    def settle(self) -> None:
        """Acknowledges what is durable; holds back or refuses what is not."""
        while self._outcomes:
            parcels, first, error = self._outcomes.popleft()
            self._with_store -= len(parcels)
            if error is None:
                self._stored(len(parcels))
            for number, parcel in enumerate(parcels, first):
                self._back(parcel, number, error)
        while self._part_outcomes:
            parcel, at, outcome = self._part_outcomes.popleft()
            parcel.out -= 1
            if isinstance(outcome, Receipt):
                parcel.numbers[at] = outcome.numbers[0]
                self._stored(len(parcel.parts.pop(at)))
            else:
                parcel.trouble = outcome
            if not parcel.out:
                self._with_store -= 1
                trouble = parcel.trouble or (RetryLater("the rest waits") if parcel.parts else None)
                parcel.trouble = None
                self._back(parcel, 0, trouble)
        while self._task_outcomes:
            self._settle_task(*self._task_outcomes.popleft())
        while self._home_outcomes:
            self._settle_home(*self._home_outcomes.popleft())

    def _settle_task(self, parcel: Parcel, done: Future[Receipt]) -> None:
        assert self._tasks is not None
        self._with_store -= 1
        if parcel.connection is not self._line:
            self._of_before = max(0, self._of_before - 1)
        error = done.exception()
        if error is not None:
            self._tasks.failed(parcel)
            refusal = error if isinstance(error, DongneError) else BadInput(f"it can't be stored: {error!r}")
            self._refuse(parcel, refusal, received=False)
            return
        (number,) = done.result().numbers
        self._tasks.done(parcel, number)
        self._finish(parcel, number)

    def _settle_home(self, parcel: Parcel, done: "Future[GatewayReply]") -> None:
        assert self.homes is not None
        self._with_store -= 1
        if parcel.connection is not self._line:
            self._of_before = max(0, self._of_before - 1)
        error = done.exception()
        if not isinstance(error, RetryLater):
            self.homes.settled(parcel)
        if error is None:
            self._acknowledge(parcel)
            self._answer(parcel, parcel.answer_to or replies_topic(parcel.topic), reply_body(done.result()), 1)
        elif isinstance(error, RetryLater):
            self.homes.hold(parcel)
        else:
            refusal = error if isinstance(error, DongneError) else BadInput(f"it can't be stored: {error!r}")
            self._refuse(parcel, refusal)

    def _stored(self, rows: int) -> None:
        self.stored += rows
        self._way.count_stored(rows)
        self._retry_s, self._retry_at_s = RETRY_MIN_S, 0.0

    def _back(self, parcel: Parcel, number: int, error: Exception | None) -> None:
        if parcel.connection is not self._line:
            self._of_before = max(0, self._of_before - 1)
        if error is None:
            self._waiting_bytes -= parcel.size
            self._finish(parcel, number)
            return
        parcel.tries += 1
        known = isinstance(error, RetryLater) and (error.reason != "store_error" or parcel.tries < MOST_TRIES)
        if known:
            self._hold(parcel)
            return
        self._waiting_bytes -= parcel.size
        refusal = error if isinstance(error, DongneError) else BadInput(f"it can't be stored: {error!r}")
        self._refuse(parcel, refusal, received=False)

    def _finish(self, parcel: Parcel, number: int) -> None:
        self._acknowledge(parcel)
        if parcel.answer_to:
            self._answer(parcel, parcel.answer_to, answer_of(parcel, number, self._config.root), 1)

    def _answer(self, parcel: Parcel, topic: str, body: bytes, qos: int) -> None:
        try:
            self._tell(parcel.connection, topic, body, qos, parcel.correlation if qos else None)
        except Exception:  # one answer never stops the acknowledgements of others
            log.exception("an answer on %r could not be given", topic[:80])

    def _acknowledge(self, parcel: Parcel, refusal: DongneError | None = None) -> None:
        line = parcel.connection  # one that was lost never comes up again
        if line.own is not None:
            line.own.discard(parcel)
        if parcel.mid and line.is_up:
            self.acknowledged += 1
            line.acknowledge(parcel.mid, refusal)

    def _refuse(self, parcel: Parcel, error: DongneError, *, received: bool = True) -> None:
        """Counted, answered, and acknowledged: it would be refused for ever."""
        self.rejected[error.reason] += 1
        if not parcel.is_task:
            self._way.count_rejected(error.reason, parcel.rows, received=received)
        self._acknowledge(parcel, error)
        if parcel.answer_to:
            self._answer(parcel, parcel.answer_to, refusal_of(error, parcel.topic), 1)
        elif self._may_tell():
            topic = f"{self._config.errors_topic}/{parcel.topic}"
            self._answer(parcel, topic, refusal_of(error, parcel.topic), 0)

    def _may_tell(self) -> bool:
        now_s = time.monotonic()
        if now_s - self._errors_from_s >= 1.0:
            self._errors_from_s, self._errors_told = now_s, 0
        self._errors_told += 1
        return self._errors_told <= self._config.errors_per_s
