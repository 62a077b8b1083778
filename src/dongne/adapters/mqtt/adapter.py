"""The adapter: a thread that keeps the connection, takes messages in, and sends Tasks out."""

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.mqtt.bell import Bell
from dongne.adapters.mqtt.broadcast import Broadcast
from dongne.adapters.mqtt.checks import BrokerChecks
from dongne.adapters.mqtt.config import MqttConfig
from dongne.adapters.mqtt.connection import Connection
from dongne.adapters.mqtt.ports import DoorStore
from dongne.adapters.mqtt.reception import Reception
from dongne.adapters.mqtt.status import WRONG, Check, MqttStatus
from dongne.adapters.mqtt.tasks import TaskSender
from dongne.adapters.mqtt.views import Select
from dongne.adapters.mqtt.wire import V5, Message
from dongne.model.who import Audit, unwritten
from dongne.runtime.desk import TaskDesk
from dongne.runtime.intake import Intake

TURN_S = 0.5
SAY_EVERY_S = 1.0
BROADCAST_TURN_S = 0.05
OF_A_CITY = b'{"@iot.id":'  # how what a city says begins; no device knows the id of what it sends
CLOSING_S = 1.5
MOST_ANSWERS_OUT = 2_000

log = logging.getLogger(__name__)


class MqttAdapter:
    """Takes in what devices publish. `start` returns at once: the broker may come later, and go and come again.

    Everything but `start`, `close` and `status` happens in one thread.
    """

    def __init__(
        self,
        store: DoorStore,
        intake: Intake,
        config: MqttConfig,
        desk: TaskDesk | None = None,
        audit: Audit = unwritten,
    ) -> None:
        self.config = config
        self._store = store
        self._bell = Bell()
        self._reception = Reception(store, intake, config, self._bell.ring, self._tell, desk, audit)
        self._tasks = TaskSender(store, config.root, config.task_age_s, self._bell.ring)
        self._broadcast: Broadcast | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._unsubscribe_broadcast: Callable[[], None] = lambda: None
        self._line: Connection | None = None
        self._checks = BrokerChecks(config.client_id, config.short, measure=config.measure)
        self._granted: dict[int, Any] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._connections = self._answers = self._answers_dropped = self._ignored = 0
        self._answers_out: set[int] = set()
        self._trouble = "it is not connected yet"
        self._said_wrong: set[str] = set()
        self._say_at_s = 0.0
        self._session_kept = False

    def start(self) -> None:
        """From here on it takes messages in."""
        self._unsubscribe = self._store.subscribe(self._tasks.heard)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def hear_homes(self, desk: GatewayDesk) -> None:
        """Takes in what gateways of homes say. To be called before `start`."""
        self._reception.hear_homes(desk)

    def tell_changes(self, select: Select, service_root: str) -> None:
        """From here on what happens in the city is said at the broker too; `service_root` is in the links. Call it once."""
        if self.config.publish_per_s:
            config = self.config
            said = Broadcast(
                self._store, select, service_root, config.root, config.publish_per_s, self._bell.ring, config.told_file
            )
            said.begin()
            self._unsubscribe_broadcast = self._store.subscribe(said.heard)
            self._broadcast = said
            self._bell.ring()

    def close(self) -> None:
        """What is with the store is acknowledged, then the connection ends; the session at the broker stays. Close it
        before the store."""
        self._stopping.set()
        self._bell.ring()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self._unsubscribe()
            self._unsubscribe_broadcast()
            self._bell.close()

    def status(self) -> MqttStatus:
        """How it is doing."""
        line, took, tasks, said = self._line, self._reception, self._tasks, self._broadcast
        return MqttStatus(
            broker=self.config.broker,
            protocol="5.0" if self.config.protocol == V5 else "3.1.1",
            connected=line is not None and line.is_subscribed,
            trouble=self._trouble,
            connections=self._connections,
            session_kept=self._session_kept,
            received=took.received,
            acknowledged=took.acknowledged,
            waiting=took.waiting,
            held_back=took.held_back,
            let_go=took.let_go,
            most_waiting=took.most_waiting,
            observations_stored=took.stored,
            duplicates=took.duplicates,
            rejected=dict(took.rejected),
            answers=self._answers,
            answers_dropped=self._answers_dropped,
            tasks_sent=tasks.sent,
            tasks_skipped=tasks.skipped,
            published=said.published if said else 0,
            left_out=said.left_out if said else 0,
            ignored=self._ignored,
            checks=tuple(self._found()),
        )

    def _found(self) -> list[Check]:
        return self._checks.found(
            self.config.protocol,
            self._granted,
            self._reception.most_waiting,
            self.config.receive_maximum,
            self._session_kept if self._connections > 1 else None,
        )

    # --- the thread

    def _run(self) -> None:
        wait_s = self.config.retry_min_s
        while not self._stopping.is_set():
            try:
                if self._serve():
                    wait_s = self.config.retry_min_s
            except Exception as error:  # whatever it is, the next connection may be better
                log.exception("the connection to %s failed", self.config.broker)
                self._trouble = repr(error)
            if not self._stopping.is_set():
                self._rest(wait_s * random.uniform(0.5, 1.0))  # not all at once after a broker's restart
                wait_s = min(self.config.retry_max_s, 2 * wait_s)

    def _rest(self, wait_s: float) -> None:
        """Between connections: what the store says is heard all the same."""
        until_s = time.monotonic() + wait_s
        while not self._stopping.is_set() and (left_s := until_s - time.monotonic()) > 0:
            self._settle()
            self._stopping.wait(min(left_s, 0.1))

    def _settle(self) -> None:
        self._bell.hush()
        self._reception.settle()
        self._reception.retry()

    def _serve(self) -> bool:
        """One connection from its start to its end; whether it was up."""
        line = Connection(self.config, self._came, self._sent)
        try:
            line.open()
        except OSError as error:
            self._not_connected(f"nobody answers at {self.config.broker}: {error}")
            return False
        was_up = False
        try:
            while not line.is_lost:
                if line.is_up and not was_up:
                    was_up = True
                    self._begin(line)
                self._settle()
                if line.is_up:
                    self._send(line)
                line.write()
                if self._stopping.is_set():
                    self._finish(line)
                    return was_up
                longest_s = BROADCAST_TURN_S if self._broadcast and self._broadcast.waits else TURN_S
                pause_s = self._reception.pause_s(0.005 if self._checks.is_measuring else longest_s)
                line.turn(self._bell.fileno(), pause_s, reads=not line.is_up or self._reception.may_read)
        finally:
            line.close()
            self._line = None
        self._not_connected(line.trouble)
        return was_up

    def _not_connected(self, why: str) -> None:
        if why != self._trouble:
            log.warning("MQTT: %s; trying again", why)
        self._trouble = why

    def _begin(self, line: Connection) -> None:
        config = self.config
        self._line, self._trouble, self._session_kept = line, "", line.session_kept
        self._connections += 1
        self._granted = line.granted
        self._answers_out.clear()
        self._checks = BrokerChecks(
            config.client_id, config.short, measure=config.measure, dropped_before=self._checks.dropped
        )
        self._reception.begin(line, session_kept=line.session_kept)
        self._tasks.begin()
        if self._broadcast:
            self._broadcast.begin()
        line.subscribe(self._reception.topics.filters, 1)
        line.subscribe(self._checks.filters, 0, own_too=True)
        log.info("MQTT: connected to %s (session %s)", config.broker, "kept" if line.session_kept else "new")

    def _send(self, line: Connection) -> None:
        if self._checks.turn(line.publish):
            line.unsubscribe(self._checks.probe_topic)
        self._tasks.send(line.publish)
        if self._broadcast:
            self._broadcast.turn(line)
        now_s = time.monotonic()
        if now_s >= self._say_at_s:
            self._say_at_s = now_s + SAY_EVERY_S
            self._say_what_is_wrong()
        if line.refused_filters:
            self._trouble = f"the broker refuses to give {', '.join(line.refused_filters)}; see its access rules"

    def _say_what_is_wrong(self) -> None:
        """Once for each: what the broker should be set up otherwise."""
        for check in self._found():
            if check.state == WRONG and check.name not in self._said_wrong:
                self._said_wrong.add(check.name)
                log.warning("MQTT broker %s: %s %s: %s", self.config.broker, check.name, check.value, check.remedy)

    def _finish(self, line: Connection) -> None:
        """Before good-bye: what the store has is acknowledged, so that it need not come again."""
        until_s = time.monotonic() + CLOSING_S
        while self._reception.waiting > self._reception.held_back and time.monotonic() < until_s and not line.is_lost:
            self._settle()
            line.turn(self._bell.fileno(), 0.05, reads=False)
        self._settle()
        line.write()

    # --- callbacks of the connection, in the thread

    def _came(self, line: Connection, message: Message) -> None:
        if self._checks.takes(message.topic, message.payload):
            return
        is_end = not message.payload and message.topic.endswith("/Observations")  # of what was retained
        if is_end or message.payload.startswith(OF_A_CITY):
            self._ignored += 1
            if message.mid:
                line.acknowledge(message.mid)
            return
        self._reception.take(line, message)

    def _sent(self, mid: int) -> None:
        self._answers_out.discard(mid)
        self._tasks.confirmed(mid)
        if self._broadcast:
            self._broadcast.confirmed(mid)

    def _tell(self, _: Connection, topic: str, body: bytes, qos: int, correlation: bytes | None) -> None:
        """An answer, also to what came by an earlier connection; where there is none now, too many wait, or the topic is
        reserved, it is dropped and counted."""
        line = self._line
        has_room = line is not None and line.is_up and len(self._answers_out) < MOST_ANSWERS_OUT
        if line is None or not has_room or self._reception.topics.is_reserved(topic):
            self._answers_dropped += 1
            return
        try:
            mid = line.publish(topic, body, qos, correlation)
        except ValueError:  # a topic nobody may publish to
            self._answers_dropped += 1
            return
        self._answers += 1
        if qos:
            self._answers_out.add(mid)
