"""Questions to 10 million Observations through HTTP: quiet, and while 5,000 a second arrive one per POST.

dongne bench query [--rows 10000000] [--datastreams 10000] [--times 200] [--per-s 5000] [--folder FOLDER]

The server (API and store, no services, no pages) has core 0, the clients core 1. A folder given is filled once and kept.
"""

import argparse
import http.client
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from bench._client import keep_busy
from bench._running import CLIENT_CORE, Running, machine

DAYS = 30


@dataclass(frozen=True)
class Question:
    """What is asked, how often of `--times`, and what was asked for: p50 (and p99) in ms, quiet or under load."""

    name: str
    path: Callable[[random.Random], str]
    share: float
    quiet_p50_ms: float
    load_p50_ms: float
    load_p99_ms: float | None = None
    least_bytes: int = 100


def options(**given: object) -> str:
    """A query string of options without their $."""
    return "&".join(f"${name}={quote(str(value))}" for name, value in given.items())


def questions(datastreams: int) -> list[Question]:
    """The questions of the issue."""
    latest = {"top": 1, "orderby": "phenomenonTime desc"}

    def one(chance: random.Random) -> int:
        return chance.randint(1, datastreams)

    def of_400(chance: random.Random) -> str:
        start = chance.randint(0, datastreams - 400)
        inner = "Observations($top=1;$orderby=phenomenonTime desc;$select=phenomenonTime,result)"
        return "/v1.1/Datastreams?" + options(
            filter=f"id gt {start} and id le {start + 400}", top=400, select="id", expand=inner
        )

    def day(chance: random.Random) -> str:
        since = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"/v1.1/Datastreams({one(chance)})/Observations?" + options(
            filter=f"phenomenonTime ge {since}", top=1000
        )

    def hourly(streams: Iterable[int]) -> str:
        since = (datetime.now(UTC) - timedelta(days=30)).isoformat().replace("+00:00", "Z")
        ids = ",".join(map(str, streams))
        return f"/api/aggregates?datastream={ids}&interval=PT1H&values=n,mean&from={since}"

    def many(chance: random.Random) -> str:
        start = chance.randint(1, datastreams - 1000)
        return hourly(range(start, start + 1000)) + "&format=arrow"

    return [
        Question("latest of one", lambda c: f"/v1.1/Datastreams({one(c)})/Observations?" + options(**latest), 5, 2, 2),
        Question("latest of 400 in one request", of_400, 1, 10, 10, None, 20_000),
        Question("last 24 h of one", day, 1, 10, 10, 25),
        Question("hourly means, 30 days of one", lambda c: hourly([one(c)]), 1, 20, 20, None, 1_000),
        Question("hourly means, 30 days of 1,000", many, 0.1, 500, 500, None, 1_000_000),
        Question("$top=1000 of one", lambda c: f"/v1.1/Datastreams({one(c)})/Observations?" + options(top=1000), 1, 20, 20, None, 50_000),
        Question("$top=1000, newest of all", lambda c: "/v1.1/Observations?" + options(top=1000, orderby="phenomenonTime desc"), 0.5, 30, 30, None, 100_000),
        Question("$count of all", lambda c: "/v1.1/Observations?" + options(count="true", top=0), 1, 20, 20, None, 10),
    ]  # fmt: skip


def ask(port: int, question: Question, times: int, seed: int) -> list[float]:
    """How long each answer took, in ms and in order of length, on one open connection."""
    chance = random.Random(seed)
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    taken = []
    for _ in range(times + 3):
        path = question.path(chance)
        began_s = time.perf_counter()
        line.request("GET", path)
        answer = line.getresponse()
        body = answer.read()
        taken.append((time.perf_counter() - began_s) * 1000)
        if answer.status != 200 or len(body) < question.least_bytes:
            raise RuntimeError(f"{question.name}: {answer.status} {body[:300]!r}")
    line.close()
    return sorted(taken[3:])


def send(
    port: int, per_s: float, datastreams: int, seconds: float, told: "multiprocessing.Queue[tuple[int, float]]"
) -> None:
    """Sends single Observations at a steady pace."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    chance, sent = random.Random(3), 0

    def make() -> bytes:
        nonlocal sent
        sent += 1
        stamp = datetime.now(UTC).isoformat(timespec="microseconds")[:-6]
        body = b'{"phenomenonTime":"%bZ","result":%.2f,"Datastream":{"@iot.id":%d}}' % (
            stamp.encode(), chance.random() * 40, chance.randint(1, datastreams),
        )  # fmt: skip
        return b"POST /v1.1/Observations HTTP/1.1\r\nhost: bench\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    tally = keep_busy(port, 64, seconds, make, lambda status, body: int(status == 201), per_s)
    told.put((tally.acknowledged, tally.seconds))


def main(arguments: list[str]) -> int:
    """Runs all and says PASS or MISS for each."""
    parser = argparse.ArgumentParser(
        prog="dongne bench query", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--datastreams", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--per-s", type=float, default=5_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args(arguments)
    print(machine())
    print("filling the store ...", file=sys.stderr)
    good = True
    kept = tempfile.TemporaryDirectory(prefix="dongne-bench-") if given.folder is None else nullcontext(given.folder)
    with (
        kept as folder,
        Running(Path(folder) / "store", datastreams=given.datastreams, rows=given.rows, days=DAYS) as running,
    ):
        os.sched_setaffinity(0, {CLIENT_CORE})
        print(
            f"{running.count():,} Observations in {given.datastreams:,} Datastreams; "
            f"memory {running.peak_mib():,.0f} MiB at most"
        )
        for loaded in (False, True):
            good &= _round(running, given, loaded)
    return 0 if good else 1


def _round(running: Running, given: argparse.Namespace, loaded: bool) -> bool:
    good = True
    context = multiprocessing.get_context("spawn")
    for question in questions(given.datastreams):
        times = max(5, int(given.times * question.share))
        told: multiprocessing.Queue[tuple[int, float]] = context.Queue()
        sender = None
        if loaded:
            seconds = max(4.0, times * question.load_p50_ms / 1000 * 1.5)
            sender = context.Process(target=send, args=(running.port, given.per_s, given.datastreams, seconds, told))
            sender.start()
            time.sleep(2.0)
        taken = ask(running.port, question, times, 1 + loaded)
        if sender is not None:
            acknowledged, over_s = told.get(timeout=300)
            sender.join()
        p50, p99 = taken[len(taken) // 2], taken[min(len(taken) - 1, int(len(taken) * 0.99))]
        asked_ms = question.load_p50_ms if loaded else question.quiet_p50_ms
        passed = p50 < asked_ms and not (loaded and question.load_p99_ms is not None and p99 >= question.load_p99_ms)
        good &= passed
        limit = f"asked {asked_ms:g}" + (f" / {question.load_p99_ms:g}" if loaded and question.load_p99_ms else "")
        beside = f"  beside {acknowledged / over_s:,.0f} POSTs/s" if sender is not None else ""
        print(
            f"{'under load' if loaded else 'quiet':10} {question.name:32} p50 {p50:8.2f}  p99 {p99:8.2f} ms  n {times:5}  "
            f"{limit} ms: {'PASS' if passed else 'MISS'}{beside}",
            flush=True,
        )
    return good
