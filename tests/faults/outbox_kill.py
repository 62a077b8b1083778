"""Kills a store with a service and an outbox on it at random moments, and looks whether 119 heard of every alarm.

    python tests/faults/outbox_kill.py --kills 200 [--seed 7] [--faults none|channels] [--folder FOLDER]

A child process takes alarms in and says on a pipe which were acknowledged; its service asks for 119 (and, for each third alarm, for
a guardian), and its outbox sends to two desks of this process, which count every identifier that arrives. This process kills the
child with SIGKILL, starts the next on the same folder, and at the end lets one run until nothing is pending. With `channels` the
desks fail, hang, are busy, or drop the connection after they took an alarm, by the seed; so does the channel to guardians.

What must hold: every acknowledged alarm has arrived; an identifier arrived more than once at a desk only where the outbox has
counted as many repeats of that notice; without faults of channels only where a crash broke an attempt off; always the same bytes.
"""

import argparse
import asyncio
import hashlib
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess as Process
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from dongne.adapters.dispatch.channel import DispatchChannel
from dongne.adapters.dispatch.desk import Desk
from dongne.adapters.outbox import Means, Outbox
from dongne.model.entities import Datastream, Location, Property, Sensor, Thing, Unit, put
from dongne.model.notices import RECEIVED, Notice
from dongne.model.observed import Observation, ObservedProperty
from dongne.model.outbox import Rules
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.runtime.channels import Message, Outcome
from dongne.runtime.declared import declare
from dongne.runtime.delivery import BROKEN, Said
from dongne.runtime.directory import CityDirectory
from dongne.runtime.live import Live
from dongne.runtime.manifest import Manifest
from dongne.runtime.ports import Entry, Lane, NoticeFilter, Transaction
from dongne.runtime.registry import LoadedService
from dongne.runtime.service import City, Emission, Notify, Service, on
from dongne.standards.dispatch.alarm import DispatchHome, identifier_of
from dongne.stores.embedded import EmbeddedStore

ZONE = ZoneInfo("Asia/Seoul")
SENDER = "test.example"
ALARM = ObservedProperty("alarm", "1", 0.0, 1e9)
RULES = Rules(
    failover_s=0.2, retry_s=(0.05,), dispatch_retry_s=(0.02, 0.05, 0.1), send_s=10.0, record_s=60.0, quiet_to="21:00"
)
HOMES = 20
Say = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    pass


@dataclass
class State:
    alarms: int = 0


class Toy(Service[Settings, State]):
    """Asks for 119 at each alarm."""

    emits = (Notify,)

    @on(ALARM)
    def raised(self, obs: Observation, state: State, city: City) -> Iterator[Emission]:
        state.alarms += 1
        yield Notify("fire", f"{obs.result:.0f}", "119", urgent=True)
        if int(obs.result) % 3 == 0:
            yield Notify("told", f"{obs.result:.0f}", "guardian", urgent=True)


class Clock:
    def now_us(self) -> int:
        return time.time_ns() // 1000


class Homes:
    """What the channel to 119 knows of homes."""

    def find_home(self, thing: int) -> DispatchHome:
        return DispatchHome(properties={"simulated": True}, point=(127.0, 37.5))

    def find_notice(self, key: str) -> Notice | None:
        return None

    def name_device(self, datastream: int) -> str:
        return ""


class Chance:
    """A channel which fails, hangs or takes it, by chance."""

    name = "sms"

    def __init__(self, seed: int, is_faulty: bool) -> None:
        self._chance, self._is_faulty = random.Random(seed), is_faulty

    async def send(self, message: Message) -> Outcome:
        drawn = self._chance.random() if self._is_faulty else 1.0
        if drawn < 0.1:
            await asyncio.sleep(3600)
        return Outcome(ok=drawn > 0.3, error="by chance")

    async def close(self) -> None:
        pass


def loaded() -> LoadedService:
    manifest = Manifest(id="toy", area="care", origin="test", privacy="public", owner="test", maturity="lab")
    return LoadedService(manifest, declare("toy", Toy, manifest, []))


def fill(store: EmbeddedStore) -> None:
    contacts = [{"id": "d", "role": "guardian", "addresses": [["sms", "+821012345678"]]}]
    things: list[Any] = [
        Sensor(id=1, name="alarm"),
        Property(id=1, name="alarm"),
        Location(id=1, name="x", location={"type": "Point", "coordinates": [127.0, 37.5]}),
    ]
    for n in range(1, HOMES + 1):
        things.append(Thing(id=n, name=f"home {n}", properties={"contacts": contacts}, location_ids=(1,)))
        things.append(
            Datastream(id=n, name="alarm", unit_of_measurement=Unit(symbol="1"), thing_id=n, sensor_id=1, observed_property_id=1)
        )  # fmt: skip
    store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([put(t) for t in things]))])).result(20)


def make_outbox(store: EmbeddedStore, ports: list[int], seed: int, is_faulty: bool) -> Outbox:
    desks = [
        Desk(name=f"desk {n}", url=f"http://127.0.0.1:{port}", takes_tests=True, timeout_s=1.0 if is_faulty else 20.0)
        for n, port in enumerate(ports)
    ]
    dispatch = DispatchChannel(desks, Homes(), sender=SENDER, zone=ZONE)
    channels: dict[str, Any] = {"dispatch": dispatch, "sms": Chance(seed, is_faulty)}

    def say(notice: Notice, language: str) -> Said:
        return Said("화재", "화재")

    return Outbox(store, Means(channels, CityDirectory(store.graph), say, "test", ZONE, RULES))


def child(folder: Path, seed: int, round_number: int, ports: list[int], is_faulty: bool, said: Connection) -> None:
    """Takes in alarms until it is killed; with a negative round only lets the outbox finish."""
    lock = threading.Lock()

    def tell(line: str) -> None:
        with lock:
            said.send(line)

    tell("starting")
    store = EmbeddedStore.open(folder, Clock(), follow=False)
    if not store.graph.things:
        fill(store)
    live = Live(store, [loaded()], ZONE)
    outbox = make_outbox(store, ports, seed + round_number, is_faulty)
    outbox.start()
    threading.Thread(target=drain, args=(live, store), daemon=True).start()
    if round_number < 0:
        finish(store, live, outbox)
        return
    number = round_number * 100_000 + 1
    while True:
        futures = []
        for n in range(number, number + 4):
            batch = ObservationBatch(
                np.array([1 + n % HOMES], np.int32), np.array([time.time_ns() // 1000]), np.array([float(n)])
            )
            entry = Entry(RecordKind.OBSERVATIONS, encode_batch(batch))
            futures.append((n, store.submit(Transaction([entry]), Lane.LIFE_SAFETY)))
        for n, future in futures:
            future.result(60)
            tell(f"{n}")
        number += 4
        time.sleep(0.04)  # 100 alarms a second at most


def drain(live: Live, store: EmbeddedStore) -> None:
    while True:
        live.drain()
        store.wait_beyond(store.head(), 0.05)


def finish(store: EmbeddedStore, live: Live, outbox: Outbox) -> None:
    end_s = time.monotonic() + 200
    while live.lag or store.list_notices(NoticeFilter(is_pending=True, limit=1)) or outbox.status()["pending"]:
        assert time.monotonic() < end_s, outbox.status()
        store.wait_beyond(store.head(), 0.1)
    outbox.close()
    os._exit(0)  # all is durable


# --- the desks --------------------------------------------------------------------------------------------------------


class Receiver:
    """A desk: counts each identifier that arrives, with a digest of what came. `chance` says how it behaves."""

    def __init__(self, seed: int, is_faulty: bool) -> None:
        self.arrivals: Counter[str] = Counter()
        self.bodies: dict[str, set[str]] = defaultdict(set)
        self._chance, self._is_faulty, self._lock = random.Random(seed), is_faulty, threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.take(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # the other side was killed

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, request: BaseHTTPRequestHandler) -> None:
        """One POST."""
        length = int(request.headers["content-length"])
        body = request.rfile.read(length)
        if len(body) < length:  # whoever sent it was killed, or gave up
            return None
        identifier = request.headers["idempotency-key"].strip('"')
        with self._lock:
            drawn = self._chance.random() if self._is_faulty else 1.0
        if drawn < 0.08:
            return self._say(request, 500)
        if drawn < 0.14:
            return self._say(request, 503, "1")
        if drawn < 0.18:  # hangs, and has not taken it
            time.sleep(2.0)
            request.close_connection = True
            return None
        with self._lock:
            self.arrivals[identifier] += 1
            self.bodies[identifier].add(hashlib.sha256(body).hexdigest())
        if drawn < 0.26:  # took it, and the answer is lost
            request.close_connection = True
            return None
        if drawn < 0.30:  # took it, and answers too late
            time.sleep(1.5)
        return self._say(request, 200)

    def _say(self, request: BaseHTTPRequestHandler, status: int, retry_after: str = "") -> None:
        request.send_response(status)
        if retry_after:
            request.send_header("retry-after", retry_after)
        request.send_header("content-length", "0")
        request.end_headers()

    def close(self) -> None:
        """Takes nothing more."""
        self._server.shutdown()
        self._server.server_close()


# --- this process -----------------------------------------------------------------------------------------------------


def kill_once(start: Callable[[int], tuple[Process, Connection]], number: int, chance: random.Random) -> list[str]:
    """Starts a child and kills it; the numbers it had acknowledged."""
    process, said = start(number)
    assert said.recv() == "starting"
    lines: list[str] = []

    def listen() -> None:
        with suppress(EOFError, OSError):
            while True:
                lines.append(said.recv())

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    time.sleep(chance.uniform(0.0, 0.2) if chance.random() < 0.2 else chance.uniform(0.2, 2.0))
    assert process.is_alive(), "the child ended by itself"
    process.kill()
    process.join()
    reader.join(30)
    return lines


def run(kills: int, seed: int, folder: Path, faults: str, report: Say = print) -> list[str]:
    """Kills so often; returns what is wrong, in words."""
    is_faulty, chance = faults == "channels", random.Random(seed)
    receivers = [Receiver(seed + n, is_faulty) for n in range(2)]
    ports = [one.port for one in receivers]
    context = get_context("forkserver")
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # what a child needs is loaded once, by whoever forks it
    context.set_forkserver_preload([Path(__file__).stem])

    def start(number: int) -> tuple[Process, Connection]:
        said, says = context.Pipe(duplex=False)
        process = context.Process(target=child, args=(folder, seed, number, ports, is_faulty, says), daemon=True)
        process.start()
        says.close()
        return process, said

    acknowledged: list[str] = []
    for n in range(kills):
        acknowledged += kill_once(start, n, chance)
        if (n + 1) % 20 == 0:
            report(f"kill {n + 1}/{kills}: {len(acknowledged)} alarms acknowledged so far")
    process, _ = start(-1)
    process.join(240)
    if process.exitcode:
        return [f"the last run did not finish: it ended with {process.exitcode}"]
    for one in receivers:
        one.close()
    store = EmbeddedStore.open(folder, Clock(), follow=False)
    try:
        return judge(store, acknowledged, receivers, is_faulty, report)
    finally:
        store.close()


def judge(
    store: EmbeddedStore, acknowledged: list[str], receivers: list[Receiver], is_faulty: bool, report: Say
) -> list[str]:
    """What is wrong, in words."""
    wrong: list[str] = []
    arrived, counted, broken, most = 0, 0, 0, 0
    for number in acknowledged:
        key = f"toy/{1 + int(number) % HOMES}/fire/{number}"
        notice = store.find_notice(key)
        identifier = identifier_of(SENDER, key)
        times = [one.arrivals[identifier] for one in receivers]
        if notice is None or notice.state != RECEIVED:
            wrong.append(f"alarm {number} was acknowledged, and its notice is {notice and notice.state}")
            continue
        if not sum(times):
            wrong.append(f"alarm {number} never arrived")
        again = sum(max(0, n - 1) for n in times)
        off = sum(attempt.error == BROKEN for attempt in notice.attempts)
        arrived += again
        counted += notice.repeats
        broken += off
        most = max(most, *times)
        if any(n - 1 > notice.repeats for n in times):
            wrong.append(f"alarm {number} arrived {times} times, the outbox counts {notice.repeats} repeats")
        if not is_faulty and again > off:
            wrong.append(f"alarm {number} arrived {times} times, {off} attempts were broken off")
        if len(set().union(*(one.bodies[identifier] for one in receivers))) != 1:
            wrong.append(f"alarm {number} came with different bytes")
    guardians = [n for n in list_all(store) if n.to == "guardian" and n.state not in (RECEIVED, "dead")]
    wrong += [f"notice {notice.key} was left {notice.state}" for notice in guardians]
    report(
        f"{len(acknowledged)} alarms acknowledged, lost {sum('never' in w or 'its notice' in w for w in wrong)}; attempts broken "
        f"off {broken}; repeats counted by the outbox {counted}, arrived at a desk again {arrived}, the same one at most {most} times"
    )
    return wrong


def list_all(store: EmbeddedStore) -> list[Notice]:
    """All notices there are."""
    found: list[Notice] = []
    while page := store.list_notices(NoticeFilter(limit=1000, before_id=found[-1].id if found else None)):
        found += page
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--faults", choices=("none", "channels"), default="channels")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    print(f"seed {given.seed}")
    folder = given.folder or Path(tempfile.mkdtemp(prefix="dongne-outbox-"))
    wrong = run(given.kills, given.seed, folder, given.faults)
    print("\n".join(wrong[:20]) or f"{given.kills} kills, no alarm lost")
    if not wrong and not given.folder:
        shutil.rmtree(folder)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
