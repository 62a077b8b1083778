"""A long run at half of what the server takes at most, with everything else beside it: does it stay as it was?

dongne bench soak [--minutes 30] [--share 0.5] [--per-s N] [--json FILE] [--size-mib 8192] [--seed 1]

First, how many single Observations a second the server takes at most is measured (or given with `--per-s`). Then, for so
many minutes, a share of that is sent one per POST, 1,000 a second more over MQTT, and questions, aggregates and a stream
of events go on beside it. At 40 % of the time the broker is ended and started again; at 60 % the disk is full for ten
seconds, where a small file system (tmpfs) can be mounted, which takes root. Server on core 0, all else on core 1.

Judged: what senders were told is stored is what the server says it stored, and what its history has; memory is flat
(its slope over the last two thirds); p99 of the minutes in which nothing was broken is stable; both come back.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import queue
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from bench._client import keep_busy
from bench._running import CLIENT_CORE, Running, machine
from bench.ingest import elsewhere, with_python, with_wrk
from bench.mqtt import pin, send
from bench.platform import questions
from bench.query import Question

from dongne.adapters.mqtt.mosquitto import Mosquitto, find_mosquitto

STREAMS, CONNECTIONS, MESSAGES_PER_S = 1_000, 64, 1_000
BROKER_AT, FULL_AT, FULL_S = 0.4, 0.6, 10.0
MOST_GROWTH, MOST_P99 = 0.10, 3.0  # of the memory over what is judged; of the median p99
QUESTIONS_PER_S, LONG_ENOUGH_MIN = 10.0, 10


# --- the clients, each in a process of its own ---------------------------------------------------------------------


def post_singles(port: int, per_s: float, minutes: float, seed: int, told: Any) -> None:
    """Single Observations at a steady pace; a word after each minute. What is refused is not sent again."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    chance, sent = random.Random(seed), 0

    def make() -> bytes:
        nonlocal sent
        sent += 1
        stamp = datetime.now(UTC).isoformat(timespec="microseconds")[:-6].encode()
        body = b'{"phenomenonTime":"%bZ","result":%d.5,"Datastream":{"@iot.id":%d}}' % (
            stamp, sent % 50_000, chance.randint(1, STREAMS),
        )  # fmt: skip
        return b"POST /v1.1/Observations HTTP/1.1\r\nhost: soak\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    for seconds in _slices(minutes):
        tally = keep_busy(port, CONNECTIONS, seconds, make, lambda status, body: int(status == 201), per_s)
        told.put({
            "what": "posts", "sent": tally.answers, "stored": tally.acknowledged, "refused": dict(tally.others),
            "per_s": tally.acknowledged / tally.seconds, "p50_ms": tally.at(0.5), "p99_ms": tally.at(0.99),
        })  # fmt: skip


def publish(port: int, per_s: float, minutes: float, told: Any) -> None:
    """Messages with QoS 1 at a steady pace; those the broker did not confirm are sent again."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    said = send(port, 0, int(per_s * minutes * 60), STREAMS, per_s)
    told.put({"what": "messages", **said})


def put_questions(port: int, minutes: float, seed: int, told: Any) -> None:
    """Questions and aggregates, one after the other; a word after each minute."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    chance = random.Random(seed)
    events: Counter[str] = Counter()
    ended = threading.Event()
    ear = threading.Thread(target=_listen, args=(port, events, ended), daemon=True)
    ear.start()
    asked = [*questions(STREAMS), Question("hourly means", _hourly, 1, 0, 0)]
    for seconds in _slices(minutes):
        taken: list[float] = []
        refused: Counter[str] = Counter()
        until_s = time.monotonic() + seconds
        while (began_s := time.monotonic()) < until_s:
            status = _ask(port, chance.choice(asked).path(chance))
            took_s = time.monotonic() - began_s
            if status == "200":
                taken.append(took_s * 1000)
            else:
                refused[status] += 1
            time.sleep(max(0.0, 1 / QUESTIONS_PER_S - took_s))
        taken.sort()
        p50, p99 = (taken[min(len(taken) - 1, int(len(taken) * share))] if taken else 0.0 for share in (0.5, 0.99))
        told.put({
            "what": "questions", "answered": len(taken), "refused": dict(refused), "p50_ms": p50, "p99_ms": p99,
            "events": events["seen"], "streams_opened": events["opened"],
        })  # fmt: skip
    ended.set()
    ear.join()


def _hourly(chance: random.Random) -> str:
    return f"/api/aggregates?datastream={chance.randint(1, STREAMS)}&interval=PT1H&values=n,mean,max"


def _ask(port: int, path: str) -> str:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        line.request("GET", path)
        answer = line.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        line.close()
    return str(answer.status)


def _listen(port: int, events: "Counter[str]", ended: threading.Event) -> None:
    """Counts the events of some Datastreams; comes back where the stream ends."""
    while not ended.is_set():
        events["opened"] += 1
        try:
            with socket.create_connection(("127.0.0.1", port), 1.0) as line:
                line.sendall(b"GET /events/observations?datastream=1,2,3,4,5 HTTP/1.1\r\nhost: soak\r\n\r\n")
                while heard := _hear(line, ended):
                    events["seen"] += heard.count(b"data:")
        except OSError:
            pass
        ended.wait(0.5)


def _hear(line: socket.socket, ended: threading.Event) -> bytes:
    while not ended.is_set():
        try:
            return line.recv(65_536)
        except TimeoutError:
            continue
    return b""


def _slices(minutes: float) -> Iterator[float]:
    """Seconds: whole minutes and the rest."""
    left_s = minutes * 60
    while left_s > 0.5:
        yield min(60.0, left_s)
        left_s -= 60.0


# --- the run -------------------------------------------------------------------------------------------------------


class Disk:
    """A file system of its own for the store, which can be made full and free; without root an ordinary folder."""

    def __init__(self, folder: Path, size_mib: int) -> None:
        self.folder, self._size_mib = folder, size_mib
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(folder)], capture_output=True, check=False
        )
        self.can_be_full = done.returncode == 0

    def fill(self) -> None:
        """From now on nothing more can be written."""
        self._resize(f"{shutil.disk_usage(self.folder).used // 1024}k")

    def free(self) -> None:
        """There is space again."""
        self._resize(f"{self._size_mib}m")

    def _resize(self, size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.folder)], check=True)

    def close(self) -> None:
        """Unmounts it."""
        if self.can_be_full:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)


class Soak:
    """One run."""

    def __init__(self, given: argparse.Namespace, running: Running, broker: Mosquitto, disk: Disk) -> None:
        self._given, self._running, self._broker, self._disk = given, running, broker, disk
        self.minutes: list[dict[str, Any]] = []
        self.memory: list[tuple[float, float]] = []  # seconds since the start, MiB
        self.events: list[str] = []
        self.messages: dict[str, Any] = {}

    def measure_most(self) -> float:
        """How many a second the server takes at most, by three short runs."""
        single = with_wrk if shutil.which("wrk") else with_python
        base_s = int(time.time()) - 80_000
        found = []
        for turn in range(3):
            tally = elsewhere(single, self._running.port, CONNECTIONS, 5.0, STREAMS, base_s + turn * 3_600)
            found.append(tally.acknowledged / tally.seconds)
        return median(found)

    def run(self, per_s: float) -> None:
        """Everything at once, for so many minutes."""
        given, port = self._given, self._running.port
        context = multiprocessing.get_context("spawn")
        told: Any = context.Queue()
        work: list[tuple[Any, tuple[Any, ...]]] = [
            (post_singles, (port, per_s, given.minutes, given.seed, told)),
            (publish, (self._broker.port, MESSAGES_PER_S, given.minutes, told)),
            (put_questions, (port, given.minutes, given.seed, told)),
        ]
        clients = [context.Process(target=what, args=values) for what, values in work]
        for client in clients:
            client.start()
        began_s = time.monotonic()
        breaking = threading.Thread(target=self._break, args=(began_s,))
        breaking.start()
        self._gather(told, clients, began_s)
        breaking.join()

    def _gather(self, told: Any, clients: list[Any], began_s: float) -> None:
        waiting: dict[str, list[dict[str, Any]]] = {"posts": [], "questions": []}
        while any(client.is_alive() for client in clients) or not told.empty():
            self.memory.append((time.monotonic() - began_s, self._running.now_mib()))
            try:
                said = told.get(timeout=2.0)
            except queue.Empty:
                continue
            if said["what"] == "messages":
                self.messages = said
                continue
            waiting[said["what"]].append(said)
            if all(waiting.values()):
                self._row(waiting["posts"].pop(0), waiting["questions"].pop(0))

    def _row(self, posts: dict[str, Any], asked: dict[str, Any]) -> None:
        status = self._running.status()
        row = {
            "minute": len(self.minutes) + 1, "posts": posts, "questions": asked, "memory_mib": self._running.now_mib(),
            "cpu_s": self._running.cpu_s(), "history_lag": status["history_lag"], "broken": self.events,
        }  # fmt: skip
        self.events = []
        self.minutes.append(row)
        print(
            f"{row['minute']:4} {posts['per_s']:9,.0f} {posts['p50_ms']:7.1f} {posts['p99_ms']:8.1f} "
            f"{sum(posts['refused'].values()):8,} {asked['answered']:6} {asked['p50_ms']:7.1f} {asked['p99_ms']:8.1f} "
            f"{asked['events']:9,} {row['memory_mib']:8,.0f} {row['history_lag']:8,}  {', '.join(row['broken'])}",
            flush=True,
        )

    def _break(self, began_s: float) -> None:
        """Breaks the broker and the disk at their time, and mends them."""
        whole_s = self._given.minutes * 60
        _wait_until(began_s + whole_s * BROKER_AT)
        self.events.append("broker ended and started again")
        self._broker.stop()
        time.sleep(2.0)
        self._broker.start()
        pin(self._broker.pid, -1)
        if self._disk.can_be_full:
            _wait_until(began_s + whole_s * FULL_AT)
            self.events.append("disk full and freed")
            self._disk.fill()
            time.sleep(FULL_S)
            self._disk.free()

    # --- the verdict

    def judge(self, before: dict[str, Any], counted_before: int) -> dict[str, Any]:
        """What is said of the whole, and whether each is good."""
        after = self._settled()
        ways = {
            name: _difference(after["ledger"]["ways"][name], before["ledger"]["ways"][name])
            for name in ("single", "mqtt")
        }
        told = {
            "single": sum(row["posts"]["stored"] for row in self.minutes),
            "mqtt": self.messages.get("confirmed", 0),
        }
        sent = sum(row["posts"]["sent"] for row in self.minutes)
        stored = sum(way["stored"] for way in ways.values())
        in_history = self._running.count() - counted_before
        # a message that comes again after the broker was ended is recognised, or counted as one more
        ledgers = ways["single"]["stored"] == told["single"] and ways["single"]["received"] == sent
        ledgers = ledgers and ways["mqtt"]["stored"] >= told["mqtt"] > 0
        slope, mean = self._memory()
        calm = [row["posts"]["p99_ms"] for row in self.minutes if not row["broken"]]
        is_long = self._given.minutes >= LONG_ENOUGH_MIN
        growth = slope * self._given.minutes * 2 / 3 / mean
        spread = max(calm) / median(calm) if calm else 0.0
        return {
            "told_by_senders": told, "ledger": ways, "stored": stored, "in_history": in_history,
            "ledgers_equal": ledgers and stored == in_history and after["ledger"]["sequence"]["unaccounted"] == 0,
            "stored_twice": ways["mqtt"]["stored"] - told["mqtt"],
            "memory_slope_mib_per_minute": slope, "memory_mean_mib": mean, "memory_peak_mib": self._running.peak_mib(),
            "memory_flat": growth < MOST_GROWTH if is_long else None,
            "p99_spread": spread, "p99_stable": spread <= MOST_P99 if is_long and calm else None,
            "disk": not after["queues"]["disk_full"] if self._disk.can_be_full else None,
            "broker": after["mqtt"]["broker"]["connected"],
            "seconds_until_settled": self._settled_s,
        }  # fmt: skip

    def _settled(self) -> Any:
        """The status when nothing waits any more."""
        began_s = time.monotonic()
        while True:
            status = self._running.status()
            self._settled_s = time.monotonic() - began_s
            waiting = (
                status["ledger"]["total"]["waiting"] or status["mqtt"]["broker"]["waiting"] or status["queues"]["rows"]
            )
            confirmed, stored = self.messages.get("confirmed", 0), status["ledger"]["ways"]["mqtt"]["stored"]
            if (not waiting and stored >= confirmed) or self._settled_s > 120:
                return status
            time.sleep(0.2)

    def _memory(self) -> tuple[float, float]:
        """The slope in MiB a minute over the last two thirds, and the mean."""
        at_s, mib = np.array(self.memory).T
        late = at_s > at_s[-1] / 3
        return float(np.polyfit(at_s[late] / 60, mib[late], 1)[0]), float(mib[late].mean())


def _difference(after: dict[str, Any], before: dict[str, Any]) -> dict[str, int]:
    return {name: after[name] - before[name] for name in ("received", "stored", "duplicate", "rejected", "waiting")}


def _wait_until(at_s: float) -> None:
    time.sleep(max(0.0, at_s - time.monotonic()))


@contextmanager
def _prepared(given: argparse.Namespace) -> Iterator[tuple[Running, Mosquitto, Disk]]:
    with tempfile.TemporaryDirectory(prefix="dongne-bench-") as name:
        (Path(name) / "disk").mkdir()
        disk = Disk(Path(name) / "disk", given.size_mib)
        broker = Mosquitto(Path(name) / "broker")
        try:
            broker.start()
            pin(broker.pid, -1)
            with Running(
                disk.folder / "store", datastreams=STREAMS, seed=given.seed, broker_port=broker.port, log=given.log
            ) as running:
                yield running, broker, disk
        finally:
            broker.stop()
            disk.close()


def _say(verdict: dict[str, Any], disk: Disk) -> bool:
    words = {True: "PASS", False: "MISS", None: "not judged"}
    told, ledger = verdict["told_by_senders"], verdict["ledger"]
    lines = [
        ("ledgers_equal", f"told {told['single']:,} + {told['mqtt']:,}, ledger {ledger['single']['stored']:,} + "
         f"{ledger['mqtt']['stored']:,}, in history {verdict['in_history']:,}; refused {ledger['single']['rejected']:,}"),
        ("memory_flat", f"slope {verdict['memory_slope_mib_per_minute']:+.2f} MiB a minute at "
         f"{verdict['memory_mean_mib']:,.0f} MiB, at most {verdict['memory_peak_mib']:,.0f} MiB"),
        ("p99_stable", f"the worst calm minute has {verdict['p99_spread']:.1f} times the median p99"),
        ("broker", "the city is connected again"),
        ("disk", "it stores again" if disk.can_be_full else "no file system could be mounted here (that takes root)"),
    ]  # fmt: skip
    for name, text in lines:
        print(f"{name.replace('_', ' '):14} {text}: {words[verdict[name]]}")
    return all(verdict[name] is not False for name, _ in lines)


def main(arguments: list[str]) -> int:
    """Runs it, a line for each minute, and says PASS or MISS for each promise."""
    parser = argparse.ArgumentParser(
        prog="dongne bench soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (%(default)s)")
    parser.add_argument("--share", type=float, default=0.5, help="of the most that the server takes (%(default)s)")
    parser.add_argument("--per-s", type=float, help="the most, where it need not be measured")
    parser.add_argument("--size-mib", type=int, default=8_192, help="of the store's file system (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, default=Path(os.devnull), help="where the server's own words go")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also writes everything here")
    given = parser.parse_args(arguments)
    if find_mosquitto() is None:
        print("mosquitto is not installed; apt install mosquitto", file=sys.stderr)
        return 2
    said = machine()
    print(said)
    with _prepared(given) as (running, broker, disk):
        os.sched_setaffinity(0, {CLIENT_CORE})
        soak = Soak(given, running, broker, disk)
        most = given.per_s or soak.measure_most()
        per_s = most * given.share
        print(f"at most {most:,.0f}/s; now {per_s:,.0f}/s one per POST and {MESSAGES_PER_S:,}/s over MQTT")
        print(" min   POSTs/s     p50      p99  refused  asked     p50      p99    events   MiB now      lag")
        time.sleep(1.0)
        before, counted = running.status(), running.count()
        soak.run(per_s)
        verdict = soak.judge(before, counted)
        good = _say(verdict, disk)
    if given.json:
        document = {
            "machine": said, "minutes": given.minutes, "most_per_s": most, "per_s": per_s, "passed": good,
            "verdict": verdict, "by_minute": soak.minutes, "memory_mib_at_s": soak.memory,
        }  # fmt: skip
        given.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if good else 1
