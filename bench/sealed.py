"""What it costs to seal homes' data: the sealed store and the embedded one side by side, on the same records.

    taskset -c 0 dongne bench sealed [--homes 100000] [--messages 20000] [--alarms 500] [--folder FOLDER]

Three kinds of work, each stored durably in the lane of life safety with some 1,000 Transactions under way:

    homes/200  a Thing, a Location and five Datastreams of each, 200 homes in one record
    messages   what gateways say: each of another home, two Observations and the number of the message
    alarms     fifteen small records each: an Observation, five events of a Case, eight of notices, a state beside each

Then each store is opened in a process of its own. Prints records for each second of processor time (all threads of the
store), how long the start took and how much memory that process has. All data are made up.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from dongne.model.cases import CaseEvent
from dongne.model.entities import Datastream, EntityChange, Location, Property, Sensor, Thing, Unit, put
from dongne.model.notices import NoticeEvent
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.runtime.ports import Entry, Lane, Receipt, StateRow, Store, Transaction
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.sealed import SealedStore

STREAMS = 5
UNDER_WAY = 1_000
AT_ONCE = 200  # homes in one record of entities
TIME = datetime(2026, 11, 2, tzinfo=UTC)
TIME_US = int(TIME.timestamp() * 1e6)
STEPS = ("open", "assign", "note", "acknowledge", "clear")
NOTICES = ("ask", "tell")


class Clock:
    def now_us(self) -> int:
        return time.time_ns() // 1000


OPENERS: dict[str, Callable[[Path], Store]] = {
    "embedded": lambda folder: EmbeddedStore.open(folder, Clock(), follow=False),
    "sealed": lambda folder: SealedStore.open(folder, Clock()),
}


class Figure(msgspec.Struct, frozen=True):
    """What one kind of work took."""

    name: str
    records: int
    took_s: float
    processor_s: float
    commits: int


def homes(count: int) -> Iterator[Transaction]:
    """The entities of so many homes."""
    first: list[EntityChange] = [put(Sensor(id=1, name="sensor")), put(Property(id=1, name="motion"))]
    for at in range(1, count + 1, AT_ONCE):
        changes = first if at == 1 else []
        for home in range(at, min(at + AT_ONCE, count + 1)):
            changes = changes + entities_of(home)
        yield Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode(changes))])


def entities_of(home: int) -> list[EntityChange]:
    """One made up home."""
    properties = {
        "kind": "home", "access": "personal", "simulated": True, "gateway": f"gw-{home:06}", "person": f"p{home:08x}",
        "language": "ko", "address": {"country": "KR", "A1": "서울특별시", "A3": "가상동", "RD": "모의로", "HNO": str(home)},
        "contacts": [{"id": "1", "role": "guardian", "language": "ko", "addresses": [["sms", f"+8210{home:08}"]]}],
    }  # fmt: skip
    place = Location(id=home, name="home", location={"type": "Point", "coordinates": [127.0, 37.5]})
    streams = [
        Datastream(
            id=home * STREAMS + i, name="motion", unit_of_measurement=Unit(symbol="1"), thing_id=home, sensor_id=1,
            observed_property_id=1, properties={"device": f"d{i}"},
        )
        for i in range(STREAMS)
    ]  # fmt: skip
    return [
        put(place),
        put(Thing(id=home, name="home", properties=properties, location_ids=(home,))),
        *map(put, streams),
    ]


def observed(home: int, rows: int, number: int) -> Entry:
    """So many Observations of one home."""
    streams = np.arange(rows, dtype=np.int32) + home * STREAMS
    batch = ObservationBatch(streams, np.full(rows, TIME_US + number * 1_000_000), np.ones(rows))
    return Entry(RecordKind.OBSERVATIONS, encode_batch(batch), rows)


def messages(count: int, among: int) -> Iterator[Transaction]:
    """What gateways say, each home in turn."""
    for number in range(count):
        home = 1 + number * 7_919 % among
        yield Transaction([observed(home, 2, number)], position=(f"gateway:{home}", number + 1))


def alarms(count: int, among: int) -> Iterator[Transaction]:
    """Fifteen records each, one to a Transaction, as service, staff and outbox write them."""
    for number in range(count):
        home = 1 + number * 104_729 % among
        key = f"home_alarm/{home}/fall/{number}"
        state = StateRow(
            "home_alarm", home, 1, b'{"stage":"asked","evidence":[["fall",1.0,1763020800]],"since":1763020800}'
        )
        yield Transaction([observed(home, 2, number)])
        for step in STEPS:
            event = CaseEvent(
                key=key, kind="alert", action=step, name="fall", time=TIME, thing=home, service="home_alarm",
                values={"room": "bathroom", "confidence": 0.93}, unit="care-1" if step == "assign" else "", by="service:home_alarm",
            )  # fmt: skip
            yield Transaction([Entry(RecordKind.CASE, msgspec.msgpack.encode(event))], [state])
        for name in NOTICES:
            for action in ("requested", "attempted", "received", "answered"):
                notice = NoticeEvent(
                    key=f"{key}/{name}", action=action, name=name, time=TIME, thing=home, to="guardian", case=key,
                    attempt=1 if action in ("attempted", "received") else 0, answer="help" if action == "answered" else "",
                )  # fmt: skip
                yield Transaction([Entry(RecordKind.NOTICE, msgspec.msgpack.encode(notice))], [state])
        yield Transaction([observed(home, 1, number)])


def measure(store: Store, name: str, work: Iterator[Transaction]) -> Figure:
    """Stores it all; what making it takes is not counted."""
    ready = list(work)
    room, failed = threading.Semaphore(UNDER_WAY), []

    def done(outcome: Receipt | Exception) -> None:
        if isinstance(outcome, Exception) or not all(outcome.numbers):
            failed.append(outcome)
        room.release()

    commits = store.counts()["commits"]
    began_s, processor_s = time.perf_counter(), time.process_time()
    for transaction in ready:
        room.acquire()
        store.submit_soon(transaction, done, Lane.LIFE_SAFETY)
    for _ in range(UNDER_WAY):
        room.acquire()
    took_s, processor_s = time.perf_counter() - began_s, time.process_time() - processor_s
    if failed:
        raise SystemExit(f"{name}: {len(failed)} were not stored, the first: {failed[0]}")
    return Figure(name, len(ready), took_s, processor_s, int(store.counts()["commits"] - commits))


def resident_mb() -> float:
    """What of this process lies in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def start(which: str, folder: Path) -> str:
    """Opens the store in this process; how long that took and how much memory there is then."""
    before_mb = resident_mb()
    began_s, processor_s = time.perf_counter(), time.process_time()
    store = OPENERS[which](folder)
    took_s, processor_s = time.perf_counter() - began_s, time.process_time() - processor_s
    after_mb = resident_mb()
    things = len(store.graph.things)
    store.close()
    return f"{which:9} opened with {things:,} homes in {took_s:5.1f} s ({processor_s:.1f} s of processor), {after_mb - before_mb:6.0f} MB more than without"


def main(arguments: list[str]) -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(
        prog="dongne bench sealed", description=__doc__.partition("\n")[0] if __doc__ else ""
    )
    parser.add_argument("--homes", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--alarms", type=int, default=500)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--start", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.start:
        print(start(given.start[0], Path(given.start[1])))
        return 0
    folder = given.folder or Path(tempfile.mkdtemp(prefix="dongne-sealed-"))
    print(f"{platform.machine()}, Python {platform.python_version()}, {folder}")
    print(f"{'store':9} {'work':10} {'records':>9} {'1/s':>9} {'1/s of processor':>17} {'us each':>8} {'commits':>8}")
    for which, opener in OPENERS.items():
        store = opener(folder / which)
        works = (
            ("homes/200", homes(given.homes)),
            ("messages", messages(given.messages, given.homes)),
            ("alarms", alarms(given.alarms, given.homes)),
        )
        for name, work in works:
            figure = measure(store, name, work)
            per_s, each_us = figure.records / figure.processor_s, 1e6 * figure.processor_s / figure.records
            print(
                f"{which:9} {name:10} {figure.records:9,} {figure.records / figure.took_s:9,.0f} {per_s:17,.0f} "
                f"{each_us:8.1f} {figure.commits:8,}",
                flush=True,
            )
        store.close()
        size_mb = sum(file.stat().st_size for file in (folder / which).rglob("*") if file.is_file()) / 1e6
        print(f"{which:9} takes {size_mb:,.0f} MB on the disk")
    for which in OPENERS:
        command = [sys.executable, "-m", "dongne", "bench", "sealed", "--start", which, str(folder / which)]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip(), flush=True)
    sealed = SealedStore.open(folder / "sealed", Clock())
    began_s = time.perf_counter()
    report = sealed.verify_chain()
    took_s = time.perf_counter() - began_s
    print(
        f"the chain of {report.records:,} records verified in {took_s:.1f} s: {'; '.join(report.wrong) or 'it holds'}"
    )
    began_s = time.perf_counter()
    sealed.withdraw(1)
    print(f"a home withdrew in {1000 * (time.perf_counter() - began_s):.0f} ms")
    sealed.close()
    if not given.folder:
        shutil.rmtree(folder)
    return 0
