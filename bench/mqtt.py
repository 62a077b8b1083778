"""MQTT, QoS 1: how many messages a second get into the store, and whether one is missing; also when something is killed.

dongne bench mqtt [--messages 200000] [--variant plain|city|broker|all] [--protocol 5|4] [--streams 1000]

plain   sends and counts
city    the process with the adapter and the store is killed (SIGKILL) twice meanwhile
broker  the broker is ended and started again (its sessions kept) twice meanwhile

Each value is sent once. The sender counts what the broker confirmed; afterwards the stored values are read from the
sequence and compared with those as a set. City on one core, broker and sender on another, where there are two.
Figures asked for: 200,000 messages with none missing; 12,000 a second.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from dongne.adapters.clock import CityClock
from dongne.adapters.mqtt import MqttAdapter, MqttConfig
from dongne.adapters.mqtt.mosquitto import Mosquitto
from dongne.model.entities import Datastream, Property, Sensor, Thing, Unit, put
from dongne.model.records import RecordKind, decode_batch
from dongne.model.times import format_instant, from_us
from dongne.runtime.intake import Intake
from dongne.runtime.ports import Entry, Transaction
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.embedded.select import Selector

START_US = 1_780_000_000_000_000
WINDOW = 1_000  # messages the sender lets wait for their PUBACK; beyond 65,535 there are no packet identifiers
QUIET_S = 3.0
LONGEST_S = 300.0


def main(argv: list[str]) -> int:
    """Runs the variants; 1 where something is missing."""
    parser = argparse.ArgumentParser(
        "dongne bench mqtt", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--variant", choices=["plain", "city", "broker", "all"], default="all")
    parser.add_argument("--protocol", type=int, choices=[4, 5], default=5, help="of the adapter: 5, or 4 for 3.1.1")
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--quiet", action="store_true", help="nothing is said at the broker of what is stored")
    parser.add_argument("--part", choices=["sender", "city"], help=argparse.SUPPRESS)
    parser.add_argument("--broker-port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.part == "sender":
        print(json.dumps(send(given.broker_port, given.first, given.messages, given.streams)))
        return 0
    if given.part == "city":
        run_city(given.folder, given.broker_port, given.streams, given.protocol, quiet=given.quiet)
        return 0
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}; QoS 1")
    names = ["plain", "city", "broker"] if given.variant == "all" else [given.variant]
    return max([measure(name, given) for name in names])


def measure(variant: str, given: argparse.Namespace) -> int:
    """One variant with a broker and a store of its own; 1 where something is missing."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder) / "broker")
        broker.start()
        pin(broker.pid, -1)
        city = City(given, broker.port, Path(folder) / "city")
        try:
            city.wait(lambda said: said["connected"] and not said["measuring"])
            began_s = time.monotonic()
            sender = part("sender", given, broker.port)
            pin(sender.pid, -1)
            for share in (0.1, 0.6) if variant != "plain" else ():
                city.wait(lambda said, share=share: city.stored_before + said["stored"] >= share * given.messages)
                if variant == "city":
                    city.kill()
                    city.start()
                else:
                    broker.stop()
                    broker.start()
                    pin(broker.pid, -1)
            told = json.loads(sender.communicate(timeout=LONGEST_S)[0])
            city.wait_until_quiet()
            took_s = city.last_stored_s - began_s
            said = city.stop()
        finally:
            city.end()
            broker.stop()
        return report(variant, given, told, said, city, took_s)


def report(
    variant: str, given: argparse.Namespace, told: dict[str, Any], said: dict[str, Any], city: "City", took_s: float
) -> int:
    """Prints the figures; 1 where a value is missing."""
    stored = stored_values(city.folder)
    wanted = set(range(given.messages))
    missing = len(wanted - stored.keys())
    strange = len(stored.keys() - wanted)
    print(
        f"{variant:7} sent {told['sent']} (again {told['again']}), confirmed by the broker {told['confirmed']}, "
        f"received {city.received_before + said['received']}, stored {sum(stored.values())}, "
        f"distinct {len(stored)}, recognised as duplicates {city.duplicates_before + said['duplicates']}, "
        f"stored twice {sum(stored.values()) - len(stored)}, never sent {strange}, MISSING {missing}; "
        f"{took_s:.1f} s, {given.messages / took_s:,.0f}/s (sender {told['confirmed'] / told['s']:,.0f}/s)"
        + (f", city {said['cpu_s'] / given.messages * 1e6:.0f} us of CPU each" if variant != "city" else "")
    )
    for check in said["checks"]:
        if variant == "plain":
            print(f"        {check['name']}: {check['state']} {check['value']}")
    return int(missing > 0 or strange > 0 or told["confirmed"] < given.messages)


def stored_values(folder: Path, after: int = 0) -> Counter[int]:
    """How often each value is in the sequence, after this number."""
    store = EmbeddedStore.open(folder, CityClock(), follow=False)
    values: Counter[int] = Counter()
    at = after
    while records := store.read(at, None, 1_000, (RecordKind.OBSERVATIONS,)):
        for record in records:
            values.update(decode_batch(record.body, record.count).result.astype(int).tolist())
        at = records[-1].number
    store.close()
    return values


def pin(pid: int, core: int) -> None:
    """To one core, where there are two and the system can."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            os.sched_setaffinity(pid, {cores[core]})


def part(
    name: str, given: argparse.Namespace, port: int, folder: Path | None = None, first: int = 0
) -> "subprocess.Popen[str]":
    """Another process of this file; a sender begins with the number `first`."""
    command = [sys.executable, "-m", "bench.mqtt", "--part", name, "--broker-port", str(port)]
    command += ["--messages", str(given.messages), "--streams", str(given.streams), "--protocol", str(given.protocol)]
    command += ["--first", str(first)]
    command += ["--folder", str(folder)] if folder else []
    command += ["--quiet"] if given.quiet else []
    here = Path(__file__).resolve().parent.parent
    return subprocess.Popen(command, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


# --- the city ------------------------------------------------------------------------------------------------------


class City:
    """The process with the adapter, seen from outside: a line of figures every 50 ms."""

    def __init__(self, given: argparse.Namespace, port: int, folder: Path) -> None:
        self._given, self._port, self.folder = given, port, folder
        self._moved = threading.Condition()
        self.stored_before = self.received_before = self.duplicates_before = 0  # of processes that were killed
        self.last_stored_s = self.last_moved_s = time.monotonic()
        self.start()

    def start(self) -> None:
        """Begins a process."""
        self.said: dict[str, Any] = {"connected": False, "measuring": True, "stored": 0, "received": 0, "duplicates": 0}
        self.process = part("city", self._given, self._port, self.folder)
        pin(self.process.pid, 0)
        self._ears = threading.Thread(target=self._listen, args=(self.process,), daemon=True)
        self._ears.start()

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if not line.endswith("\n"):
                return
            with self._moved:
                before, self.said = self.said, json.loads(line)
                if self.said["stored"] != before["stored"]:
                    self.last_stored_s = time.monotonic()
                if self.said["received"] != before["received"] or self.said["connected"] != before["connected"]:
                    self.last_moved_s = time.monotonic()
                self._moved.notify_all()

    def wait(self, reached: Any) -> None:
        """Until its figures say so."""
        with self._moved:
            until_s = time.monotonic() + LONGEST_S
            while not reached(self.said):
                self._moved.wait(1.0)
                if self.process.poll() is not None or time.monotonic() > until_s:
                    raise RuntimeError(f"the city ended or stands still: {self.said}")

    def wait_until_quiet(self) -> None:
        """Until it is connected, nothing came for a while, and nothing waits."""
        while not self.said["connected"] or self.said["waiting"] or time.monotonic() - self.last_moved_s < QUIET_S:
            time.sleep(0.1)
            if self.process.poll() is not None or time.monotonic() - self.last_moved_s > LONGEST_S:
                raise RuntimeError(f"the city ended or stands still: {self.said}")

    def kill(self) -> None:
        """SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._ears.join()
        self.stored_before += self.said["stored"]
        self.received_before += self.said["received"]
        self.duplicates_before += self.said["duplicates"]

    def stop(self) -> dict[str, Any]:
        """Ends it in order; its last figures."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)
        self._ears.join()
        return self.said

    def end(self) -> None:
        """Whatever happened, it no longer runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def run_city(folder: Path, port: int, streams: int, protocol: int, *, quiet: bool) -> None:
    """A store and the adapter, until standard input ends."""
    store = EmbeddedStore.open(folder, CityClock())
    if not store.head():
        entities = [
            Thing(id=1, name="bench"),
            Sensor(id=1, name="bench"),
            Property(id=1, name="bench"),
            *(
                Datastream(
                    id=stream, name=f"stream {stream}", thing_id=1, sensor_id=1, observed_property_id=1,
                    unit_of_measurement=Unit(symbol="1"),
                )
                for stream in range(1, streams + 1)
            ),
        ]  # fmt: skip
        body = msgspec.msgpack.encode([put(entity) for entity in entities])
        store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()
    adapter = MqttAdapter(
        store, Intake(store), MqttConfig(port=port, client_id="bench", protocol=protocol, retry_max_s=1.0)
    )
    selector = Selector(store, store.history)
    if not quiet:
        adapter.tell_changes(selector.select, "http://127.0.0.1:8000/v1.1")
    adapter.start()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.wait(0.05):
        say(adapter)
    adapter.close()
    say(adapter)
    selector.close()
    store.close()


def say(adapter: MqttAdapter) -> None:
    """A line of figures."""
    status = adapter.status()
    told = {
        "connected": status.connected,
        "measuring": not any(check.name == "tcp_nodelay_ms" and check.value for check in status.checks),
        "received": status.received,
        "stored": status.observations_stored,
        "duplicates": status.duplicates,
        "waiting": status.waiting,
        "cpu_s": time.process_time(),
        "checks": [msgspec.to_builtins(check) for check in status.checks],
    }
    print(json.dumps(told), flush=True)


# --- the sender ----------------------------------------------------------------------------------------------------


def send(port: int, first: int, count: int, streams: int, per_s: float | None = None) -> dict[str, Any]:
    """Publishes `count` numbers from `first` on (at most `per_s` a second) with QoS 1 (MQTT 3.1.1) and counts the PUBACKs; after a lost connection what was
    not confirmed is sent again."""
    sender = Sender(port, first, count, streams, per_s)
    began_s = time.monotonic()
    while len(sender.confirmed) < count:
        try:
            sender.run()
        except OSError:
            time.sleep(0.05)
    return {"sent": count, "again": sender.again, "confirmed": len(sender.confirmed), "s": time.monotonic() - began_s}


class Sender:
    """A client of its own, so that the adapter's library is not tested with itself."""

    def __init__(self, port: int, first: int, count: int, streams: int, per_s: float | None = None) -> None:
        self.port, self.first, self.end, self.streams, self.per_s = port, first, first + count, streams, per_s
        self._began_s = time.monotonic()
        self.confirmed: set[int] = set()
        self.again = 0
        self._next = first
        self._out: dict[int, int] = {}  # packet identifier -> number

    def run(self) -> None:
        """One connection. Raises OSError when it is lost."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(b"\x10\x12\x00\x04MQTT\x04\x00\x00\x00\x00\x06sender")  # not clean, no keep-alive
            if sock.recv(4, socket.MSG_WAITALL)[3:] != b"\0":
                raise OSError("refused")
            self.again += len(self._out)
            sock.sendall(b"".join([self._packet(mid, number, 0x3A) for mid, number in self._out.items()]))
            rest = b""
            while self._out or self._next < self.end:
                if room := self._room():
                    sock.sendall(b"".join([self._new() for _ in range(room)]))
                elif not self._out:
                    time.sleep(0.002)  # its pace
                    continue
                heard = sock.recv(65_536)
                if not heard:
                    raise OSError("closed")
                rest = self._hear(rest + heard)
            sock.sendall(b"\xe0\x00")

    def _room(self) -> int:
        room = min(WINDOW - len(self._out), self.end - self._next)
        if self.per_s is None:
            return room
        return max(0, min(room, int((time.monotonic() - self._began_s) * self.per_s) - (self._next - self.first)))

    def _new(self) -> bytes:
        number = self._next
        self._next += 1
        mid = number % 65_535 + 1
        self._out[mid] = number
        return self._packet(mid, number, 0x32)

    def _packet(self, mid: int, number: int, head: int) -> bytes:
        stream = 1 + number % self.streams
        topic = f"v1.1/Datastreams({stream})/Observations".encode()
        time_text = format_instant(from_us(START_US + number * 1_000))
        payload = f'{{"phenomenonTime":"{time_text}","result":{number}}}'.encode()
        size = 4 + len(topic) + len(payload)
        length = bytes((size,)) if size < 128 else bytes((size & 127 | 128, size >> 7))
        return bytes((head,)) + length + len(topic).to_bytes(2) + topic + mid.to_bytes(2) + payload

    def _hear(self, heard: bytes) -> bytes:
        whole = len(heard) - len(heard) % 4
        for at in range(0, whole, 4):
            if heard[at] != 0x40:
                raise OSError(f"unexpected packet {heard[at]:#x}")
            mid = int.from_bytes(heard[at + 2 : at + 4])
            number = self._out.pop(mid, None)
            if number is not None:
                self.confirmed.add(number)
        return heard[whole:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
