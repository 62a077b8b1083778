"""What the store costs over the floor: the same bytes appended to a file with fdatasync, and nothing else.

    taskset -c 0 dongne bench store_floor [--seconds 5] [--folder FOLDER] [--datastreams 10000]

Rows go in without HTTP: one by one through a door (64 and 512 outstanding) and as arrays of 1,000 rows (64 outstanding),
history following. After each run all rows must be in history, counted there. Then the floor: as many appends of the
mean size of a commit. Prints rows/s, commits/s, and which share of the floor that is.
"""

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgspec
import numpy as np

from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.runtime.ports import Entry, Receipt, Transaction
from dongne.stores.embedded import EmbeddedStore


class Floor(msgspec.Struct, frozen=True):
    """Appends of `size` bytes, each durable before the next: how many a second, and the median of one."""

    size: int
    commits_per_s: float
    p50_ms: float


class Run(msgspec.Struct, frozen=True):
    """What a run stored; `caught_up_s` is how long history took after the last acknowledgement."""

    name: str
    rows: int
    rows_per_s: float
    commits: int
    commits_per_s: float
    bytes_per_commit: int
    caught_up_s: float


class Clock:
    def now_us(self) -> int:
        return time.time_ns() // 1000


def measure_floor(folder: Path, size: int, seconds: float = 2.0) -> Floor:
    """Appends and fdatasyncs for so long."""
    body = os.urandom(size)
    file = folder / "floor"
    took: list[float] = []
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    end_s = time.perf_counter() + seconds
    while (began_s := time.perf_counter()) < end_s:
        os.write(descriptor, body)
        os.fdatasync(descriptor)
        took.append(time.perf_counter() - began_s)
    os.close(descriptor)
    file.unlink()
    return Floor(size, len(took) / sum(took), 1000 * float(np.median(took)))


def measured(store: EmbeddedStore, name: str, rows: int, began_s: float, commits: int, size: int) -> Run:
    """The figures of a run that has just been acknowledged. Raises where history has not all of it."""
    took_s = time.perf_counter() - began_s
    commits = int(store.counts()["commits"]) - commits
    again_s = time.perf_counter()
    store.history.catch_up(120)
    caught_up_s = time.perf_counter() - again_s
    with store.history.reading() as cursor:
        ((there,),) = cursor.execute("select count(*) from (from recent union all from hist)").fetchall()
    if there != store.head():
        raise SystemExit(f"{name}: {store.head()} rows acknowledged, {there} in history")
    return Run(name, rows, rows / took_s, commits, commits / took_s, size // commits, caught_up_s)


def run_singles(store: EmbeddedStore, outstanding: int, seconds: float, datastreams: int) -> Run:
    """One by one through a door."""
    room = threading.Semaphore(outstanding)
    acknowledged = [0]

    def on_commit(tokens: list[None], first: int, error: Exception | None) -> None:
        if error is not None:
            raise error
        acknowledged[0] += len(tokens)
        room.release(len(tokens))

    door = store.open_door(on_commit)
    streams = np.random.default_rng(1).integers(1, datastreams + 1, 1 << 16).tolist()
    began_s, commits, sent = time.perf_counter(), int(store.counts()["commits"]), 0
    now_us = time.time_ns() // 1000
    while time.perf_counter() - began_s < seconds:
        for _ in range(256):
            room.acquire()
            door.append(streams[sent & 0xFFFF], now_us + sent, 20.25)
            sent += 1
    for _ in range(outstanding):
        room.acquire()
    if acknowledged[0] != sent:
        raise SystemExit(f"{sent} sent, {acknowledged[0]} acknowledged")
    return measured(store, f"singles, {outstanding} outstanding", sent, began_s, commits, 21 * sent)


def run_arrays(store: EmbeddedStore, outstanding: int, seconds: float, datastreams: int) -> Run:
    """Arrays of 1,000 rows at random over the Datastreams."""
    chance = np.random.default_rng(2)
    room = threading.Semaphore(outstanding)
    failed: list[Exception] = []

    def done(outcome: Receipt | Exception) -> None:
        if isinstance(outcome, Exception):
            failed.append(outcome)
        room.release()

    bodies = []
    now_us = time.time_ns() // 1000
    for number in range(200):
        streams = chance.integers(1, datastreams + 1, 1000).astype(np.int32)
        times = now_us + np.arange(1000, dtype=np.int64) + number * 1000
        bodies.append(encode_batch(ObservationBatch(streams, times, chance.random(1000).round(2))))
    began_s, commits, sent = time.perf_counter(), int(store.counts()["commits"]), 0
    while time.perf_counter() - began_s < seconds:
        room.acquire()
        body = bodies[sent % len(bodies)]
        store.submit_soon(Transaction([Entry(RecordKind.OBSERVATIONS, body, 1000)]), done)
        sent += 1
    for _ in range(outstanding):
        room.acquire()
    if failed:
        raise failed[0]
    return measured(store, f"arrays of 1,000, {outstanding} outstanding", 1000 * sent, began_s, commits, 20_001 * sent)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--datastreams", type=int, default=10_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args(arguments)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="dongne-store-floor-"))
    store = EmbeddedStore.open(folder / "city", Clock())
    runs = [
        run_singles(store, 64, given.seconds, given.datastreams),
        run_singles(store, 512, given.seconds, given.datastreams),
        run_arrays(store, 64, given.seconds, given.datastreams),
    ]
    store.close()
    print(
        "| run | rows/s | commits/s | B a commit | floor, same bytes: commits/s, p50 | share | history caught up after |"
    )
    print("|---|---|---|---|---|---|---|")
    for run in runs:
        floor = measure_floor(folder, run.bytes_per_commit)
        print(
            f"| {run.name} | {run.rows_per_s:,.0f} | {run.commits_per_s:,.0f} | {run.bytes_per_commit:,} "
            f"| {floor.commits_per_s:,.0f}, {floor.p50_ms:.2f} ms | {run.commits_per_s / floor.commits_per_s:.0%} "
            f"| {run.caught_up_s:.2f} s |"
        )
    if not given.folder:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
