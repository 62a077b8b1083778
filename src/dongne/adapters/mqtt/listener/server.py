"""The listener: MQTT clients connect to Dongne itself, publish Observations, and hear what changes (18-088, clause 14).

A thread of its own with an event loop; what clients publish goes the same way as what a broker brings (reception.py).
"""

import asyncio
import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.mqtt import wire
from dongne.adapters.mqtt.config import MqttConfig
from dongne.adapters.mqtt.listener import packets
from dongne.adapters.mqtt.listener.client_desk import ClientDesk, Note, WaitS, WhoOf
from dongne.adapters.mqtt.listener.config import ListenConfig, bind
from dongne.adapters.mqtt.listener.hub import Hub
from dongne.adapters.mqtt.listener.link import Link
from dongne.adapters.mqtt.listener.status import ListenStatus
from dongne.adapters.mqtt.ports import DoorStore
from dongne.adapters.mqtt.reception import Reception
from dongne.adapters.mqtt.views import Select, Views
from dongne.adapters.mqtt.wire import V5
from dongne.model.records import Record
from dongne.model.who import Audit, Who, unwritten
from dongne.runtime.desk import TaskDesk
from dongne.runtime.intake import Intake

SAVE_EVERY_S = 5.0
CLOSING_S = 1.5
BACKLOG = 256  # connections not yet accepted

log = logging.getLogger(__name__)


class MqttListener:
    """Answers MQTT clients. `who_of(password)` says who they are, and raises NotKnown for a token that does not hold;
    set `note(who, topic)` to write down what they subscribe to, and `wait_s(what, who, address)` to hold them to
    a rate: how long who asks once more must wait."""

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
        self.note: Note = lambda who, topic: None
        self.wait_s: WaitS = lambda what, who, address: 0.0
        self._store = store
        self._socket = sock or bind(config)
        self.config = replace(config, port=self._socket.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        receiving = MqttConfig(
            root=config.root,
            short=config.short,
            receive_maximum=config.receive_maximum,
            max_body_bytes=config.most_bytes,
        )
        self._hub = Hub(store, Views(store, select, config.service_root), config.root)
        self._clients = ClientDesk(config, self._hub, who_of, self._loop, self._after, self._note, self._must_wait_s)
        self._reception = Reception(store, intake, receiving, self._ring, self._clients.tell, desk, audit)
        self._clients.reception = self._reception
        self._records: deque[Sequence[Record]] = deque()
        self._rung = False
        self._thread: threading.Thread | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._server: asyncio.Server | None = None
        self._flushing = self._retrying = False
        self._tokens_at_s = self._saved_at_s = 0.0

    # --- from any thread

    def hear_homes(self, desk: GatewayDesk) -> None:
        """Takes in what gateways of homes say. To be called before `start`."""
        self._reception.hear_homes(desk)

    def start(self) -> None:
        """From here on clients are answered."""
        self._socket.listen(BACKLOG)
        self._hub.position = self._store.head()
        if self.config.file is not None:
            self._clients.sessions.load(self.config.file, self._hub.position)
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
        took, clients = self._reception, self._clients
        counts, sessions = clients.counts, list(clients.sessions)
        return ListenStatus(
            address=self.config.address,
            connections=len(clients.links),
            sessions=len(sessions),
            subscriptions=sum(len(session.subscriptions) for session in sessions),
            behind=len(clients.behind),
            received=took.received,
            observations_stored=took.stored,
            duplicates=took.duplicates,
            rejected=dict(took.rejected),
            delivered=clients.sessions.delivered_before + sum(session.delivered for session in sessions),
            refused_subscriptions=counts["refused_subscriptions"],
            answers=counts["answers"],
            answers_dropped=counts["answers_dropped"],
            too_large=counts["too_large"],
            wills_ignored=counts["wills_ignored"],
            failed=counts["failed"] + self._hub.teller.failed,
            ended={wire.reason_text(code, V5): count for code, count in sorted(clients.ended.items())},
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

    def _note(self, who: Who, topic: str) -> None:
        self.note(who, topic)

    def _must_wait_s(self, what: str, who: Who, address: str) -> float:
        return self.wait_s(what, who, address)

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        self._server = loop.run_until_complete(
            loop.create_server(lambda: Link(self._clients), sock=self._socket, backlog=BACKLOG)
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
        for link in list(self._clients.links):
            link.end(packets.CLOSING, "the city stops; connect again when it runs")
        loop.run_until_complete(asyncio.sleep(0.02))
        for link in list(self._clients.lingering):
            link.drop()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    def _turn(self) -> None:
        """What the store says is heard: first who is told, then who is acknowledged."""
        self._rung = False
        while self._records:
            for record in self._records.popleft():
                try:
                    self._hub.hear(record)
                except Exception:  # one record never stops the others
                    log.exception("record %d could not be told", record.number)
                    self._clients.counts["failed"] += 1
        self._reception.settle()
        self._reception.retry()
        self._after()

    def _after(self) -> None:
        self._clients.pump()
        if self._hub.has_dirty and not self._flushing:
            self._flushing = True
            self._loop.call_later(self.config.flush_every_s, self._flush)
        if self._reception.held_back and not self._retrying:
            self._retrying = True
            self._loop.call_later(self._reception.pause_s(0.5), self._retry)
        if self._clients.paused and self._reception.may_read:
            for link in list(self._clients.paused):
                link.hold()

    def _retry(self) -> None:
        self._retrying = False
        self._turn()

    def _flush(self) -> None:
        self._flushing = False
        self._hub.flush()
        self._after()

    def _check_times(self) -> None:
        self._loop.call_later(self.config.check_every_s, self._check_times)
        now_s = time.monotonic()
        self._clients.check_times(now_s)
        if now_s - self._tokens_at_s >= self.config.check_tokens_every_s:
            self._tokens_at_s = now_s
            self._clients.check_tokens()
        if now_s - self._saved_at_s >= SAVE_EVERY_S:
            self._saved_at_s = now_s
            self._save()

    def _save(self) -> None:
        try:
            if self.config.file is not None:
                self._clients.sessions.save(self.config.file, self._hub.position)
        except OSError as error:
            log.warning("the MQTT sessions could not be kept: %s; it is tried again", error)
