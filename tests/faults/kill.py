"""Kills a writing store at random moments, opens what is left, and looks whether it kept its promises.

    python tests/faults/kill.py --kills 50 [--seed 7] [--workload FILE.py:CLASS] [--folder FOLDER]

A child process runs the workload and says on a pipe what was acknowledged; this process kills it with SIGKILL at a
random moment, opens the store, checks everything, and starts the next child on the same folder. kill -9 is the death
of a process, not of the power: the page cache survives.

A workload is a class with `run(store, seed, round_number, say)` for the child (it calls `say(line)` for what was
acknowledged and never returns) and `check(store, lines)` for this process, which returns what is wrong, in words.
"""

import argparse
import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from dongne.model.records import ObservationBatch, Record, RecordKind, decode_batch, encode_batch
from dongne.runtime.ports import Entry, Lane, Receipt, StateRow, Transaction
from dongne.stores.embedded import EmbeddedStore, compaction

Say = Callable[[str], None]
READER = "toy"
DERIVED = 1_000  # the derived Datastream of i is DERIVED + i


class Workload(Protocol):
    """What a child does and how its traces are checked."""

    def run(self, store: EmbeddedStore, seed: int, round_number: int, say: Say) -> None: ...

    def check(self, store: EmbeddedStore, lines: list[str]) -> list[str]: ...


class Clock:
    def now_us(self) -> int:
        return time.time_ns() // 1000


def value_of(seed: int, stream: int, second: int) -> float:
    """What a client sends: known beforehand, so that a wrong value shows."""
    return float((seed * 7919 + stream * 104_729 + second * 1_299_709) % 1_000_003)


class IngestAndDerive:
    """Clients send single Observations (through a door and as Transactions) and arrays; a reader derives from each
    Observation another, with a state per Datastream, emission, state and position in one Transaction."""

    singles, doors, arrays, rows = 4, 4, 2, 200

    def run(self, store: EmbeddedStore, seed: int, round_number: int, say: Say) -> None:
        """Never returns."""
        first = round_number * 1_000_000
        for client in range(self.singles):
            self._thread(self._send_singles, store, seed, 1 + client, first, say)
        self._thread(self._send_through_door, store, seed, first, say)
        for client in range(self.arrays):
            self._thread(self._send_arrays, store, seed, 21 + client, first, say)
        self._derive(store)

    @staticmethod
    def _thread(target: Callable[..., None], *values: object) -> None:
        threading.Thread(target=target, args=values, daemon=True).start()

    @staticmethod
    def _send_singles(store: EmbeddedStore, seed: int, stream: int, second: int, say: Say) -> None:
        while True:
            futures = [(s, store.submit(observations(seed, stream, [s]))) for s in range(second, second + 8)]
            for s, future in futures:
                say(f"{stream} {s} 1 {future.result(60).numbers[0]}")
            second += 8

    def _send_through_door(self, store: EmbeddedStore, seed: int, second: int, say: Say) -> None:
        room = threading.Semaphore(64)

        def on_commit(tokens: list[tuple[int, int]], first: int, error: Exception | None) -> None:
            assert error is None, error
            for number, (stream, s) in enumerate(tokens, first):
                say(f"{stream} {s} 1 {number}")
                room.release()

        door = store.open_door(on_commit)
        while True:
            for stream in range(11, 11 + self.doors):
                room.acquire()
                door.append(stream, second * 1_000_000, value_of(seed, stream, second), None, (stream, second))
            second += 1

    def _send_arrays(self, store: EmbeddedStore, seed: int, stream: int, second: int, say: Say) -> None:
        while True:
            seconds = list(range(second, second + self.rows))
            number = store.submit(observations(seed, stream, seconds), Lane.BULK).result(60).numbers[0]
            say(f"{stream} {second} {self.rows} {number}")
            second += self.rows

    @staticmethod
    def _emit(store: EmbeddedStore, transaction: Transaction) -> None:
        receipt: Receipt = store.submit(transaction).result(60)
        assert all(receipt.numbers)

    def _derive(self, store: EmbeddedStore) -> None:
        position = store.position(READER)
        counts = {row.thing: msgspec.json.decode(row.body) for row in store.list_states(READER)}
        while True:
            store.wait_beyond(position, 1.0)
            for record in store.read(position, limit=50):
                entries: list[Entry] = []
                changed: set[int] = set()
                if record.kind is RecordKind.OBSERVATIONS and not record.origin:
                    batch = decode_batch(record.body, record.count)
                    derived = derive(batch, counts)
                    changed = set(batch.datastream.tolist())
                    entries = [
                        Entry(record.kind, encode_batch(derived), len(derived), READER, record.number, record.at_us)
                    ]
                states = [StateRow(READER, key, 1, msgspec.json.encode(counts[key])) for key in changed]
                position = record.last
                self._emit(store, Transaction(entries, states, position=(READER, position)))

    def check(self, store: EmbeddedStore, lines: list[str]) -> list[str]:
        """What is wrong, in words."""
        records = read_all(store)
        return [
            *check_sequence(store, records),
            *check_acknowledged(records, lines),
            *check_emissions(store, records),
            *check_latest(store, records),
            *check_history(store, records),
        ]


def observations(seed: int, stream: int, seconds: list[int]) -> Transaction:
    """A Transaction of one Datastream."""
    n = len(seconds)
    batch = ObservationBatch(
        np.full(n, stream, np.int32),
        np.array(seconds, np.int64) * 1_000_000,
        np.array([value_of(seed, stream, s) for s in seconds]),
    )
    return Transaction([Entry(RecordKind.OBSERVATIONS, encode_batch(batch), n)])


def derive(batch: ObservationBatch, counts: dict[int, int]) -> ObservationBatch:
    """Each result doubled plus how many came before it of its Datastream; counts them."""
    results = []
    for stream, result in zip(batch.datastream.tolist(), batch.result.tolist(), strict=True):
        counts[stream] = counts.get(stream, 0) + 1
        results.append(2 * result + counts[stream])
    return ObservationBatch(batch.datastream + np.int32(DERIVED), batch.time_us, np.array(results))


def read_all(store: EmbeddedStore) -> list[Record]:
    """The whole sequence."""
    records: list[Record] = []
    while found := store.read(records[-1].last if records else 0, limit=20_000):
        records += found
    return records


def check_sequence(store: EmbeddedStore, records: list[Record]) -> list[str]:
    """Numbers without gap, time that never falls, a file without damage."""
    wrong = []
    if [r.number for r in records] != [1, *(r.last + 1 for r in records[:-1])][: len(records)]:
        wrong.append("numbers skip or repeat")
    if any(b.at_us < a.at_us for a, b in pairwise(records)):
        wrong.append("the time of arrival falls")
    if store._truth.rows("pragma quick_check") != [("ok",)]:
        wrong.append("SQLite's quick_check is not ok")
    return wrong


def columns(records: list[Record], origin: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Number, Datastream, second and result of all Observations of an origin."""
    mine = [r for r in records if r.kind is RecordKind.OBSERVATIONS and r.origin == origin]
    batches = [decode_batch(r.body, r.count) for r in mine]
    if not batches:
        return tuple(np.zeros(0) for _ in range(4))  # type: ignore[return-value]
    return (
        np.concatenate([np.arange(r.number, r.last + 1) for r in mine]),
        np.concatenate([b.datastream for b in batches]).astype(np.int64),
        np.concatenate([b.time_us for b in batches]) // 1_000_000,
        np.concatenate([b.result for b in batches]),
    )


def check_acknowledged(records: list[Record], lines: list[str]) -> list[str]:
    """No acknowledged Observation lost or changed, none doubled. The first line says the seed."""
    seed = int(lines[0])
    numbers, streams, seconds, results = columns(records, "")
    there = {int(n): i for i, n in enumerate(numbers)}
    wrong = []
    if len(np.unique(streams * 10**12 + seconds)) != len(streams):
        wrong.append("an Observation is doubled")
    expected = (seed * 7919 + streams * 104_729 + seconds * 1_299_709) % 1_000_003
    if not np.array_equal(results, expected):
        wrong.append("a value is not what was sent")
    for line in lines[1:]:
        stream, second, count, number = map(int, line.split())
        for i in range(count):
            at = there.get(number + i)
            if at is None or (streams[at], seconds[at]) != (stream, second + i):
                wrong.append(f"acknowledged and lost: number {number + i}, Datastream {stream}, second {second + i}")
    return wrong


def check_emissions(store: EmbeddedStore, records: list[Record]) -> list[str]:
    """Each record before the reader's position was derived once, each after it never; the states agree."""
    position = store.position(READER)
    emitted: dict[int, list[Record]] = {}
    for record in records:
        if record.origin == READER:
            emitted.setdefault(record.cause, []).append(record)
    counts: dict[int, int] = {}
    wrong = []
    for record in records:
        if record.origin or record.kind is not RecordKind.OBSERVATIONS:
            continue
        found = emitted.pop(record.number, [])
        if len(found) != (record.number <= position):
            wrong.append(f"record {record.number} was derived {len(found)} times; the reader is at {position}")
        elif found:
            expected = derive(decode_batch(record.body, record.count), counts)
            if found[0].body != encode_batch(expected):
                wrong.append(f"what was derived from record {record.number} is wrong")
    if emitted:
        wrong.append(f"emissions without a cause: {sorted(emitted)[:5]}")
    states = {row.thing: msgspec.json.decode(row.body) for row in store.list_states(READER)}
    if states != counts:
        wrong.append("the states are not those of the position")
    return wrong


def check_latest(store: EmbeddedStore, records: list[Record]) -> list[str]:
    """The latest of each Datastream is the newest in the sequence."""
    wrong = []
    for origin in ("", READER):
        _, streams, seconds, results = columns(records, origin)
        for stream in np.unique(streams).tolist():
            mine = streams == stream
            at = int(np.argmax(np.where(mine, seconds, -1)))
            latest = store.latest(stream)
            if latest is None or (latest.time_us // 1_000_000, latest.result) != (seconds[at], results[at]):
                wrong.append(f"the latest of {stream} is {latest}, not second {seconds[at]}")
    return wrong


def check_history(store: EmbeddedStore, records: list[Record]) -> list[str]:
    """History has each Observation of the sequence once."""
    expected = sum(r.count for r in records if r.kind is RecordKind.OBSERVATIONS)
    total = sum(columns(records, origin)[3].sum() for origin in ("", READER))
    sql = "select count(*), count(distinct id), coalesce(sum(result), 0) from (from recent union all from hist)"
    with store.history.reading(120) as cursor:
        ((count, distinct, result),) = cursor.execute(sql).fetchall()
    if not (count == distinct == expected and result == total):
        return [f"history has {count} rows, {distinct} numbers, sum {result}; the sequence {expected}, sum {total}"]
    return []


class Careless(IngestAndDerive):
    """Stores emissions and position apart: what the check must notice."""

    @staticmethod
    def _emit(store: EmbeddedStore, transaction: Transaction) -> None:
        store.submit(Transaction(transaction.entries)).result(60)
        store.submit(Transaction(states=transaction.states, position=transaction.position)).result(60)


# --- the two processes ------------------------------------------------------------------------------------------------


def load_workload(name: str) -> Workload:
    """`FILE.py:CLASS`, or the one of this file."""
    if not name:
        return IngestAndDerive()
    file, _, cls = name.rpartition(":")
    spec = importlib.util.spec_from_file_location("workload", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["workload"] = module
    spec.loader.exec_module(module)
    workload: Workload = getattr(module, cls)()
    return workload


def open_with(workload: Workload) -> Callable[..., EmbeddedStore]:
    """How the store under test is opened: the embedded one, unless the workload has its own `open_store`."""
    return getattr(workload, "open_store", EmbeddedStore.open)


def child(folder: Path, seed: int, round_number: int, workload: Workload) -> None:
    """Runs until it is killed. Small runs and frequent checkpoints: more to be interrupted in."""
    compaction.RUN_ROWS = 10_000
    lock = threading.Lock()

    def say(line: str) -> None:
        with lock:
            os.write(1, f"{line}\n".encode())

    say("starting")
    store = open_with(workload)(folder, Clock(), keep_latest_every_s=0.1)
    say("open")
    workload.run(store, seed, round_number, say)


def kill_once(folder: Path, seed: int, round_number: int, chance: random.Random, workload: str) -> list[str]:
    """Starts a child and kills it; returns what it said before."""
    command = [sys.executable, __file__, "--child", str(round_number), "--seed", str(seed), "--folder", str(folder)]
    process = subprocess.Popen([*command, "--workload", workload], stdout=subprocess.PIPE)
    assert process.stdout
    said: list[bytes] = []
    reader = threading.Thread(target=lambda: said.extend(process.stdout), daemon=True)  # type: ignore[arg-type]
    began = process.stdout.readline()  # not before it has started; then while it opens, or later
    assert began == b"starting\n", began
    reader.start()
    time.sleep(chance.uniform(0.0, 0.1) if chance.random() < 0.2 else chance.uniform(0.1, 1.2))
    assert process.poll() is None, "the child ended by itself"
    process.send_signal(signal.SIGKILL)
    process.wait()
    reader.join(30)
    process.stdout.close()
    lines = [line.decode().strip() for line in said if line.endswith(b"\n")]
    return [line for line in lines if line != "open"]


def run(kills: int, seed: int, folder: Path, workload_name: str = "", report: Say = print) -> list[str]:
    """Kills so often; returns what is wrong, in words."""
    chance, workload = random.Random(seed), load_workload(workload_name)
    lines = [str(seed)]
    for round_number in range(kills):
        new = kill_once(folder, seed, round_number, chance, workload_name)
        lines += new
        began_s = time.perf_counter()
        store = open_with(workload)(folder, Clock())
        opened_s = time.perf_counter() - began_s
        try:
            wrong = workload.check(store, lines)
        finally:
            store.close()
        report(
            f"kill {round_number + 1}/{kills}: {len(new)} acknowledgements, head {store.head()}, "
            f"opened in {opened_s:.2f} s, checked in {time.perf_counter() - began_s:.1f} s: "
            + ("; ".join(wrong[:3]) or "sound")
        )
        if wrong:
            return [f"seed {seed}, kill {round_number + 1}: {one}" for one in wrong]
    return []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--workload", default="")
    parser.add_argument("--child", type=int, default=-1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child >= 0:
        child(given.folder, given.seed, given.child, load_workload(given.workload))
        return 0
    print(f"seed {given.seed}")
    folder = given.folder or Path(tempfile.mkdtemp(prefix="dongne-kill-"))
    wrong = run(given.kills, given.seed, folder, given.workload)
    print("\n".join(wrong) or f"{given.kills} kills, nothing lost, nothing doubled")
    if not wrong and not given.folder:
        shutil.rmtree(folder)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
