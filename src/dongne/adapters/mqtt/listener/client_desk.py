"""The desk at which clients are served: what their packets ask for, and what becomes of their sessions."""

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any

from dongne.adapters.mqtt import wire
from dongne.adapters.mqtt.listener import packets
from dongne.adapters.mqtt.listener.config import ListenConfig
from dongne.adapters.mqtt.listener.filters import RefusedFilter, read_filter
from dongne.adapters.mqtt.listener.hub import Hub
from dongne.adapters.mqtt.listener.link import Link
from dongne.adapters.mqtt.listener.packets import Connect, Refusal, Wish
from dongne.adapters.mqtt.listener.session import Session, Subscription
from dongne.adapters.mqtt.listener.sessions import Sessions
from dongne.adapters.mqtt.parcels import refusal_of
from dongne.adapters.mqtt.reception import Reception
from dongne.adapters.mqtt.wire import V5, Message
from dongne.model.errors import DongneError, NotKnown
from dongne.model.who import ANYBODY, Who

FIRST_AT_ONCE = 100  # last values told before others are served again
RETRY_S = 1.0  # after the sequence could not be read

log = logging.getLogger(__name__)
WhoOf = Callable[[str | None], Who]
Note = Callable[[Who, str], None]
WaitS = Callable[[str, Who, str], float]


class ClientDesk:
    """See link.Desk. Belongs to the listener's thread; `after` is called where subscribers may have something to get."""

    def __init__(
        self,
        config: ListenConfig,
        hub: Hub,
        who_of: WhoOf,
        loop: asyncio.AbstractEventLoop,
        after: Callable[[], None],
        note: Note,
        wait_s: WaitS,
    ) -> None:
        self._config, self._hub, self._loop = config, hub, loop
        self._who_of, self._after, self._note = who_of, after, note
        self._wait_s = wait_s
        self.reception: Reception  # set before the first client comes; its answers go through `tell`
        self.most_bytes = config.most_bytes + 4_096  # a topic, properties and the head beside the payload
        self.links: set[Link] = set()
        self.paused: set[Link] = set()
        self.lingering: set[Link] = set()
        self.sessions = Sessions(config)
        self.behind: set[Session] = set()
        self.counts: Counter[str] = Counter()
        self.ended: Counter[int] = Counter()  # connections, by reason code
        self._catches_up = False

    @property
    def may_read(self) -> bool:
        """Whether messages are taken just now."""
        return self.reception.may_read

    def wait_s(self, link: Link, what: str) -> float:
        """See link.Desk."""
        return self._wait_s(what, link.who or ANYBODY, link.address)

    def opened(self, link: Link) -> None:
        """See link.Desk."""
        self.links.add(link)

    def closed(self, link: Link, code: int, why: str) -> None:
        """See link.Desk."""
        self.links.discard(link)
        self.paused.discard(link)
        self.ended[code] += 1
        if code:
            log.info("MQTT client %s: %s", link.peer, why)
        session = link.session
        if session is None or session.link is not link:
            return
        self._hub.sessions.discard(session)
        self._hub.changed()
        self.behind.discard(session)
        session.leave(self._hub.position)
        if link.expiry_s is not None and session.expiry_s:
            session.expiry_s = float(min(link.expiry_s, self._config.longest_expiry_s))
        session.ends_at_s = time.monotonic() + session.expiry_s
        if not session.lasts:
            self.sessions.forget(session)

    def failed(self) -> None:
        """See link.Desk."""
        self.counts["failed"] += 1

    def connect(self, link: Link, asked: Connect) -> None:
        """See link.Desk."""
        if len(self.links) > self._config.most_connections:
            raise Refusal(packets.BUSY, f"{self._config.most_connections} clients are connected; come back later")
        try:
            link.token = None if asked.password is None else asked.password.decode("utf-8", "replace")
            who = self._who_of(link.token)
        except NotKnown as error:
            raise Refusal(packets.BAD_LOGIN, error.message) from None
        if not asked.client_id and not asked.clean and asked.version != V5:
            raise Refusal(packets.CLIENT_ID, "a lasting session needs a client identifier")
        client_id = asked.client_id or f"dongne-{secrets.token_hex(8)}"
        session, was_there = self.sessions.take(client_id, who, self._hub.position, clean=asked.clean)
        expiry_s = min(asked.expiry_s, self._config.longest_expiry_s)
        session.expiry_s = float(expiry_s)
        session.who, session.link = who, link
        link.session, link.who, link.is_up = session, who, True
        if any(subscription.no_local for subscription in session.subscriptions.values()):
            link.own = set()
        self.counts["wills_ignored"] += asked.has_will
        said = packets.offers(asked, client_id, expiry_s, self._config.receive_maximum, self.most_bytes)
        link.write(packets.connack(packets.GOOD, link.version, session=was_there, said=said))
        self._hub.sessions.add(session)
        self._hub.changed()
        if session.behind:
            self.behind.add(session)
            self._catch_up_soon()

    def publish(self, link: Link, message: Message) -> None:
        """See link.Desk."""
        session = link.session
        assert session is not None
        if message.qos:
            link.waiting_in += 1
            if link.waiting_in > self._config.receive_maximum and link.version == V5:
                raise Refusal(packets.RECEIVE_EXCEEDED, f"more than {self._config.receive_maximum} messages at once")
        if message.qos == 2:
            stored = session.received_2.get(message.mid)
            if stored is not None:  # it came before
                link.waiting_in -= 1
                if stored:
                    link.write(packets.acknowledged(wire.PUBREC, message.mid, link.version))
                return
            session.received_2[message.mid] = False
        self.reception.take(link, message)

    def subscribe(self, link: Link, mid: int, wishes: list[Wish]) -> None:
        """See link.Desk."""
        session = link.session
        assert session is not None
        codes: list[int] = []
        granted: list[Subscription] = []
        why = ""
        for wish in wishes:
            try:
                subscription = self._grant(session, wish)
            except DongneError as error:
                codes.append(error.code if isinstance(error, RefusedFilter) else packets.BAD_FILTER)
                why = why or error.message
                self.counts["refused_subscriptions"] += 1
                self.tell(link, f"{self._config.root}/errors/subscribe", refusal_of(error, wish.filter), 0, None)
                continue
            codes.append(subscription.qos)
            is_new = wish.filter not in session.subscriptions
            session.subscriptions[wish.filter] = subscription
            if wish.no_local and link.own is None:
                link.own = set()
            if wish.retain_handling == 0 or (wish.retain_handling == 1 and is_new):
                granted.append(subscription)
        self._hub.changed()
        link.write(packets.answered(wire.SUBACK, mid, codes, link.version, why))
        teller, told_to = self._hub.teller, session.position if session.behind else self._hub.position
        self._tell_first(
            link, session, chain.from_iterable(teller.tell_first(session, one, told_to) for one in granted)
        )

    def _tell_first(self, link: Link, session: Session, values: Iterator[None]) -> None:
        """So many of the last values; others are served before it goes on."""
        if session.link is not link:
            return
        try:
            told = sum(1 for _ in islice(values, FIRST_AT_ONCE))
        except Exception:
            log.exception("last values could not be told")
            self.counts["failed"] += 1
            told = 0
        if session.is_flooded:
            link.end(packets.QUOTA, "more last values wait than are kept for one client; subscribe to less at once")
        elif told == FIRST_AT_ONCE:
            self._loop.call_soon(self._tell_first, link, session, values)
        self._after()

    def _grant(self, session: Session, wish: Wish) -> Subscription:
        if wish.filter not in session.subscriptions and len(session.subscriptions) >= self._config.most_subscriptions:
            raise RefusedFilter(f"a client has at most {self._config.most_subscriptions} subscriptions", packets.QUOTA)
        subscription = Subscription(
            read_filter(wish.filter, self._config.root, self._config.short), min(wish.qos, 1), no_local=wish.no_local
        )
        self._hub.teller.check(session, subscription)
        self._note(session.who, wish.filter)
        return subscription

    def unsubscribe(self, link: Link, mid: int, names: list[str]) -> None:
        """See link.Desk."""
        session = link.session
        assert session is not None
        there = [session.subscriptions.pop(name, None) is not None for name in names]
        self._hub.changed()
        codes = [packets.GOOD if found else packets.NO_SUBSCRIPTION for found in there]
        link.write(packets.answered(wire.UNSUBACK, mid, codes, link.version))

    def room(self, link: Link) -> None:
        """See link.Desk."""
        session = link.session
        if session is None or session.link is not link:
            return
        self.counts["too_large"] += session.pump()
        if session.behind and session.has_room:
            self.behind.add(session)
            self._catch_up_soon()

    def tell(self, line: Any, topic: str, body: bytes, qos: int, correlation: bytes | None) -> None:
        """An answer to what came by this line."""
        if self.reception.topics.is_reserved(topic):
            self.counts["answers_dropped"] += 1
            return
        told, dropped = self._hub.answer(line.who, topic, body, qos, correlation)
        self.counts["answers"] += told
        self.counts["answers_dropped"] += dropped

    # --- of its own accord

    def pump(self) -> None:
        """Sends what waits and may be sent; who has fallen behind begins to read on."""
        for session in self._hub.sessions:
            if session.queue:
                self.counts["too_large"] += session.pump()
            if session.behind:
                self.behind.add(session)
        if self.behind:
            self._catch_up_soon()

    def _catch_up_soon(self, wait_s: float = 0.0) -> None:
        if not self._catches_up:
            self._catches_up = True
            self._loop.call_later(wait_s, self._catch_up)

    def _catch_up(self) -> None:
        """A step for each session that is behind and has room."""
        self._catches_up, wait_s = False, 0.0
        for session in list(self.behind):
            if session.link is None or not session.behind:
                self.behind.discard(session)
            elif session.has_room:
                try:
                    if self._hub.catch_up(session):
                        self.behind.discard(session)
                except Exception:  # nothing is passed over: it goes on where it was
                    log.exception("a session that is behind could not read on; tried again")
                    self.counts["failed"] += 1
                    wait_s = RETRY_S
                self.counts["too_large"] += session.pump()
        if any(session.has_room for session in self.behind):
            self._catch_up_soon(wait_s)

    def check_times(self, now_s: float) -> None:
        """Ends connections that are silent or too slow, and forgets sessions that were away too long."""
        for link in (*self.links, *self.lingering):
            link.check_time(now_s)
        for session in list(self.behind):
            left = self._hub.position - session.position
            if not session.lasts and left > self._config.most_behind:
                self.behind.discard(session)
                if session.link:
                    why = f"you read too slowly: {left} numbers of the sequence wait; subscribe to less"
                    session.link.end(packets.QUOTA, why)
        self.sessions.prune(now_s)

    def check_tokens(self) -> None:
        """Ends connections whose token no longer allows what it did."""
        for link in list(self.links):
            if link.token is None or not link.is_up:
                continue
            try:
                if self._who_of(link.token) != link.who:
                    link.end(packets.NOT_ALLOWED, "what this token allows has changed; connect again")
            except DongneError as error:
                link.end(packets.NOT_ALLOWED, error.message)
