"""The listener: MQTT clients connect to Dongne itself, publish Observations, and hear what changes (18-088, clause 14).

A thread of its own with an event loop; what clients publish goes the same way as what a broker brings (reception.py).
"""

import asyncio
import logging
import secrets
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dongne.adapters.mqtt import wire
from dongne.adapters.mqtt.config import MqttConfig
from dongne.adapters.mqtt.listener import packets
from dongne.adapters.mqtt.listener.config import ListenConfig, bind
from dongne.adapters.mqtt.listener.filters import RefusedFilter, read_filter
from dongne.adapters.mqtt.listener.hub import Hub
from dongne.adapters.mqtt.listener.link import Link
from dongne.adapters.mqtt.listener.packets import Connect, Refusal, Wish
from dongne.adapters.mqtt.listener.session import Session, Subscription
from dongne.adapters.mqtt.listener.sessions import Sessions
from dongne.adapters.mqtt.listener.status import ListenStatus
from dongne.adapters.mqtt.parcels import refusal_of
from dongne.adapters.mqtt.reception import DoorStore, Reception
from dongne.adapters.mqtt.task_reception import Audit, unwritten
from dongne.adapters.mqtt.views import Select, Views
from dongne.adapters.mqtt.wire import V5, Message
from dongne.model.errors import DongneError, NotKnown
from dongne.model.records import Record
from dongne.model.who import Who
from dongne.runtime.desk import TaskDesk
from dongne.runtime.intake import Intake

SAVE_EVERY_S = 5.0
CLOSING_S = 1.5
BACKLOG = 256  # connections not yet accepted

log = logging.getLogger(__name__)
WhoOf = Callable[[str | None], Who]


class MqttListener:
    """Answers MQTT clients. `who_of(password)` says who they are, and raises NotKnown for a token that does not hold;
    set `note(who, topic)` to write down what they subscribe to."""

    def __init__(
        self,
        store: DoorStore,
        intake: Intake,
        select: Select,
        who_of: WhoOf,
        config: ListenConfig,
        sock: socket.socket | None = None,
        desk: TaskDesk | None = None,
        audit: Audit = unwritten,
    ) -> None:
        self.note: Callable[[Who, str], None] = lambda who, topic: None
        self.config, self._who_of, self._store = config, who_of, store
        self._socket = sock or bind(config)
        self.config = replace(config, port=self._socket.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        receiving = MqttConfig(
            root=config.root,
            short=config.short,
            receive_maximum=config.receive_maximum,
            max_body_bytes=config.most_bytes,
        )
        self._reception = Reception(store, intake, receiving, self._ring, self._tell, desk, audit)
        self.hub = Hub(store, Views(store, select, config.service_root), config.root)
        self.most_bytes = config.most_bytes + 4_096  # a topic, properties and the head beside the payload
        self._records: deque[Sequence[Record]] = deque()
        self._rung = False
        self._links: set[Link] = set()
        self.paused: set[Link] = set()
        self.lingering: set[Link] = set()
        self._sessions = Sessions(config)
        self._behind: set[Session] = set()
        self._thread: threading.Thread | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._server: asyncio.Server | None = None
        self._flushing = self._retrying = False
        self._counts: Counter[str] = Counter()
        self._ended: Counter[int] = Counter()  # connections, by reason code
        self._tokens_at_s = self._saved_at_s = 0.0

    # --- from any thread

    def start(self) -> None:
        """From here on clients are answered."""
        self._socket.listen(BACKLOG)
        self.hub.position = self._store.head()
        if self.config.file is not None:
            self._sessions.load(self.config.file, self.hub.position)
        self._unsubscribe = self._store.subscribe(self._heard)
        self._thread = threading.Thread(target=self._run, name="mqtt-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Says good-bye to all clients. Close it before the store."""
        if self._thread is None:
            self._socket.close()
            return
        self._unsubscribe()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._thread = None

    def status(self) -> ListenStatus:
        """How it is doing."""
        took, counts = self._reception, self._counts
        sessions = list(self._sessions)
        return ListenStatus(
            address=self.config.address,
            connections=len(self._links),
            sessions=len(sessions),
            subscriptions=sum(len(session.subscriptions) for session in sessions),
            behind=len(self._behind),
            received=took.received,
            observations_stored=took.stored,
            duplicates=took.duplicates,
            rejected=dict(took.rejected),
            delivered=self._sessions.delivered_before + sum(session.delivered for session in sessions),
            refused_subscriptions=counts["refused_subscriptions"],
            answers=counts["answers"],
            answers_dropped=counts["answers_dropped"],
            too_large=counts["too_large"],
            wills_ignored=counts["wills_ignored"],
            failed=counts["failed"],
            ended={wire.reason_text(code, V5): count for code, count in sorted(self._ended.items())},
        )

    def _heard(self, records: Sequence[Record]) -> None:
        self._records.append(records)
        self._ring()

    def _ring(self) -> None:
        if not self._rung:
            self._rung = True
            try:
                self._loop.call_soon_threadsafe(self._turn)
            except RuntimeError:  # the loop is closed
                self._rung = False

    # --- the thread

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        self._server = loop.run_until_complete(
            loop.create_server(lambda: Link(self), sock=self._socket, backlog=BACKLOG)
        )
        loop.call_later(self.config.check_every_s, self._check_times)
        try:
            loop.run_forever()
        finally:
            self._finish(loop)

    def _finish(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self._server is not None
        self._server.close()
        until_s = time.monotonic() + CLOSING_S
        while self._reception.waiting > self._reception.held_back and time.monotonic() < until_s:
            self._turn()
            loop.run_until_complete(asyncio.sleep(0.005))
        self._save()
        for link in list(self._links):
            link.end(packets.CLOSING, "the city stops; connect again when it runs")
        loop.run_until_complete(asyncio.sleep(0.02))
        for link in list(self.lingering):
            link.drop()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    def _turn(self) -> None:
        """What the store says is heard: first who is told, then who is acknowledged."""
        self._rung = False
        while self._records:
            for record in self._records.popleft():
                try:
                    self.hub.hear(record)
                except Exception:  # one record never stops the others
                    log.exception("record %d could not be told", record.number)
                    self._counts["failed"] += 1
        self._reception.settle()
        self._reception.retry()
        self._after()

    def _after(self) -> None:
        for session in self.hub.sessions:
            if session.queue:
                self._counts["too_large"] += session.pump()
            if session.behind:
                self._behind.add(session)
        if self._behind:
            self._loop.call_soon(self._catch_up)
        if self.hub.has_dirty and not self._flushing:
            self._flushing = True
            self._loop.call_later(self.config.flush_every_s, self._flush)
        if self._reception.held_back and not self._retrying:
            self._retrying = True
            self._loop.call_later(self._reception.pause_s(0.5), self._retry)
        if self.paused and self._reception.may_read:
            for link in list(self.paused):
                link.hold()

    def _retry(self) -> None:
        self._retrying = False
        self._turn()

    def _flush(self) -> None:
        self._flushing = False
        self.hub.flush()
        self._after()

    def _catch_up(self) -> None:
        """A step for each session that is behind and has room."""
        for session in list(self._behind):
            if session.link is None or not session.behind:
                self._behind.discard(session)
            elif session.has_room:
                if self.hub.catch_up(session):
                    self._behind.discard(session)
                self._counts["too_large"] += session.pump()
        if any(session.has_room for session in self._behind):
            self._loop.call_soon(self._catch_up)

    def _end_slow(self, session: Session) -> None:
        self._behind.discard(session)
        if link := session.link:
            left = self.hub.position - session.position
            link.end(packets.QUOTA, f"you read too slowly: {left} numbers of the sequence wait; subscribe to less")

    def _check_times(self) -> None:
        self._loop.call_later(self.config.check_every_s, self._check_times)
        now_s = time.monotonic()
        for link in (*self._links, *self.lingering):
            link.check_time(now_s)
        for session in list(self._behind):
            if not session.lasts and self.hub.position - session.position > self.config.most_behind:
                self._end_slow(session)
        if now_s - self._tokens_at_s >= self.config.check_tokens_every_s:
            self._tokens_at_s = now_s
            for link in list(self._links):
                self._check_token(link)
        self._sessions.prune(now_s)
        if now_s - self._saved_at_s >= SAVE_EVERY_S:
            self._saved_at_s = now_s
            self._save()

    def _save(self) -> None:
        try:
            if self.config.file is not None:
                self._sessions.save(self.config.file, self.hub.position)
        except OSError as error:
            log.warning("the MQTT sessions could not be kept: %s; it is tried again", error)

    def _check_token(self, link: Link) -> None:
        if link.token is None or not link.is_up or link.session is None:
            return
        try:
            who = self._who_of(link.token)
        except DongneError as error:
            link.end(packets.NOT_ALLOWED, error.message)
            return
        if who != link.who:
            link.end(packets.NOT_ALLOWED, "what this token allows has changed; connect again")

    # --- the desk of its connections

    @property
    def may_read(self) -> bool:
        """Whether messages are taken just now."""
        return self._reception.may_read

    def opened(self, link: Link) -> None:
        """See link.Desk."""
        self._links.add(link)

    def closed(self, link: Link, code: int, why: str) -> None:
        """See link.Desk."""
        self._links.discard(link)
        self.paused.discard(link)
        self._ended[code] += 1
        if code:
            log.info("MQTT client %s: %s", link.peer, why)
        session = link.session
        if session is None or session.link is not link:
            return
        self.hub.sessions.discard(session)
        self.hub.changed()
        self._behind.discard(session)
        session.leave(self.hub.position)
        if link.expiry_s is not None and session.expiry_s:
            session.expiry_s = float(min(link.expiry_s, self.config.longest_expiry_s))
        session.ends_at_s = time.monotonic() + session.expiry_s
        if not session.lasts:
            self._sessions.forget(session)

    def failed(self) -> None:
        """See link.Desk."""
        self._counts["failed"] += 1

    def connect(self, link: Link, asked: Connect) -> None:
        """See link.Desk."""
        if len(self._links) > self.config.most_connections:
            raise Refusal(packets.BUSY, f"{self.config.most_connections} clients are connected; come back later")
        try:
            link.token = None if asked.password is None else asked.password.decode("utf-8", "replace")
            who = self._who_of(link.token)
        except NotKnown as error:
            raise Refusal(packets.BAD_LOGIN, error.message) from None
        if not asked.client_id and not asked.clean and asked.version != V5:
            raise Refusal(packets.CLIENT_ID, "a lasting session needs a client identifier")
        client_id = asked.client_id or f"dongne-{secrets.token_hex(8)}"
        session, was_there = self._sessions.take(client_id, who, self.hub.position, clean=asked.clean)
        expiry_s = min(asked.expiry_s, self.config.longest_expiry_s)
        session.expiry_s = float(expiry_s)
        session.who, session.link = who, link
        link.session, link.who, link.is_up = session, who, True
        if any(subscription.no_local for subscription in session.subscriptions.values()):
            link.own = set()
        self._counts["wills_ignored"] += asked.has_will
        said = packets.offers(asked, client_id, expiry_s, self.config.receive_maximum, self.most_bytes)
        link.write(packets.connack(packets.GOOD, link.version, session=was_there, said=said))
        self.hub.sessions.add(session)
        self.hub.changed()
        if session.behind:
            self._behind.add(session)
            self._loop.call_soon(self._catch_up)

    def publish(self, link: Link, message: Message) -> None:
        """See link.Desk."""
        session = link.session
        assert session is not None
        if message.qos:
            link.waiting_in += 1
            if link.waiting_in > self.config.receive_maximum and link.version == V5:
                raise Refusal(packets.RECEIVE_EXCEEDED, f"more than {self.config.receive_maximum} messages at once")
        if message.qos == 2:
            stored = session.received_2.get(message.mid)
            if stored is not None:  # it came before
                link.waiting_in -= 1
                if stored:
                    link.write(packets.acknowledged(wire.PUBREC, message.mid, link.version))
                return
            session.received_2[message.mid] = False
        self._reception.take(link, message)

    def subscribe(self, link: Link, mid: int, wishes: list[Wish]) -> None:
        """See link.Desk."""
        session = link.session
        assert session is not None
        codes: list[int] = []
        granted: list[tuple[Subscription, bool]] = []
        why = ""
        for wish in wishes:
            try:
                subscription = self._grant(session, wish)
            except DongneError as error:
                codes.append(error.code if isinstance(error, RefusedFilter) else packets.BAD_FILTER)
                why = why or error.message
                self._counts["refused_subscriptions"] += 1
                self._tell(link, f"{self.config.root}/errors/subscribe", refusal_of(error, wish.filter), 0, None)
                continue
            codes.append(subscription.qos)
            is_new = wish.filter not in session.subscriptions
            session.subscriptions[wish.filter] = subscription
            if wish.no_local and link.own is None:
                link.own = set()
            if wish.retain_handling == 0 or (wish.retain_handling == 1 and is_new):
                granted.append((subscription, is_new))
        self.hub.changed()
        link.write(packets.answered(wire.SUBACK, mid, codes, link.version, why))
        for subscription, _ in granted:
            self.hub.teller.tell_first(session, subscription)
        self._after()

    def _grant(self, session: Session, wish: Wish) -> Subscription:
        if wish.filter not in session.subscriptions and len(session.subscriptions) >= self.config.most_subscriptions:
            raise RefusedFilter(f"a client has at most {self.config.most_subscriptions} subscriptions", packets.QUOTA)
        subscription = Subscription(
            read_filter(wish.filter, self.config.root, self.config.short), min(wish.qos, 1), no_local=wish.no_local
        )
        self.hub.teller.check(session, subscription)
        self.note(session.who, wish.filter)
        return subscription

    def unsubscribe(self, link: Link, mid: int, names: list[str]) -> None:
        """See link.Desk."""
        session = link.session
        assert session is not None
        there = [session.subscriptions.pop(name, None) is not None for name in names]
        self.hub.changed()
        codes = [packets.GOOD if found else packets.NO_SUBSCRIPTION for found in there]
        link.write(packets.answered(wire.UNSUBACK, mid, codes, link.version))

    def room(self, link: Link) -> None:
        """See link.Desk."""
        session = link.session
        if session is None or session.link is not link:
            return
        self._counts["too_large"] += session.pump()
        if session.behind and session.has_room:
            self._behind.add(session)
            self._loop.call_soon(self._catch_up)

    def _tell(self, line: Any, topic: str, body: bytes, qos: int, correlation: bytes | None) -> None:
        told, dropped = self.hub.answer(line.who, topic, body, qos, correlation)
        self._counts["answers"] += told
        self._counts["answers_dropped"] += dropped
