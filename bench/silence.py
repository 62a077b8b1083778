"""How soon a home that is no longer heard from is noticed, and what watching 100,000 of them costs.

dongne bench silence [--homes 100000] [--minutes 25] [--dead 500] [--loss 0.05] [--seed 1] [--json FILE]

Homes send a heartbeat every five minutes, each at its own second. Each packet, message or answer, is lost with the chance given; a
gateway that hears no answer sends the same message again after ten seconds. Some homes fall silent for good at a random instant. The
messages go through the door where gateways are heard, into the store in which homes lie, and the services home_link and link_outage run on
it; time is the bench's own, a second at a time, and goes as fast as that takes. Homes hang on areas of 500, so that those that fall silent
are no outage.

Judged: each silent home is found within two heartbeats and ten seconds (and the second of the bench) of its last message, and no other is.
"""

import argparse
import json
import os
import random
import shutil
import tempfile
import time
from collections import defaultdict
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from bench._running import machine

from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.gateways.register import HomeRegister
from dongne.model.home import HOME_SILENT, GatewayMessage, GatewayReply, HomeDevice, NewHome
from dongne.model.records import Record, RecordKind, decode_batch
from dongne.model.times import from_us, to_us
from dongne.runtime.live import Live
from dongne.runtime.ports import Entry, Transaction
from dongne.runtime.registry import load_all
from dongne.stores.sealed import SealedStore

START = datetime(2026, 11, 2, tzinfo=UTC)
HEARTBEAT_S, AGAIN_S, AREA_HOMES = 300, 10, 500
WITHIN_S = 2 * HEARTBEAT_S + 10 + 1  # and the bench's own second


class Clock:
    """The bench's own time."""

    us = to_us(START)

    def now_us(self) -> int:
        """Where it is."""
        return self.us


class Watch:
    """Which homes are said to be silent, and since when, as the records tell."""

    def __init__(self, store: SealedStore) -> None:
        self._store = store
        self.since_us: dict[int, int] = {}
        self.said = 0
        store.subscribe(self._heard)

    def _heard(self, records: Any) -> None:
        for record in records:
            if record.kind is RecordKind.OBSERVATIONS and record.origin == "home_link":
                self._take(record)

    def _take(self, record: Record) -> None:
        batch = decode_batch(record.body, record.count)
        graph = self._store.graph
        for stream, value in zip(batch.datastream.tolist(), batch.result.tolist(), strict=True):
            found = graph.datastreams[stream]
            if graph.property_key(found) == HOME_SILENT.key and value:
                self.said += 1
                self.since_us.setdefault(found.thing_id, record.at_us)


class Run:
    """The homes, their store and the time."""

    def __init__(self, folder: Path, homes: int, dead: int, loss: float, minutes: float, seed: int) -> None:
        self.chance, self.loss, self.seconds = random.Random(seed), loss, int(minutes * 60)
        self.clock = Clock()
        self.store = SealedStore.open(folder, self.clock)
        services, _ = load_all(["home_link", "link_outage"])
        self.desk = GatewayDesk(self.store, heartbeat_s=HEARTBEAT_S)
        device = HomeDevice("gateway", ("heartbeat",))
        began_s = time.perf_counter()
        register = HomeRegister(self.store, self.desk.book)
        names = [f"gw-{number:06}" for number in range(homes)]
        new = [
            NewHome(gateway=name, person=f"p-{n}", devices=(device,), area=f"cell {n // AREA_HOMES}")
            for n, name in enumerate(names)
        ]
        self.things = dict(zip(names, register.add(new, "bench"), strict=True))
        self.live = Live(self.store, services, ZoneInfo("Asia/Seoul"))
        self.live.drain()
        self.taken_in_s = time.perf_counter() - began_s
        self.watch = Watch(self.store)
        self.dies_s = {
            name: self.chance.uniform(0, self.seconds - WITHIN_S - 60) for name in self.chance.sample(names, dead)
        }
        self.due: dict[int, list[tuple[str, int]]] = defaultdict(list)
        self.firsts = {name: self.chance.randrange(HEARTBEAT_S) for name in names}
        for name, second in self.firsts.items():
            self.due[second].append((name, 1))
        self.last_us: dict[str, int] = {}
        self.sent = self.again = 0
        self.live_cpu_s = self.desk_cpu_s = 0.0

    def play(self) -> None:
        """All the seconds, one after the other."""
        for second in range(self.seconds):
            self.clock.us = to_us(START + timedelta(seconds=second))
            began_s = time.process_time()
            waiting = [
                (name, seq, told) for name, seq in self.due.pop(second, []) if (told := self.say(name, seq, second))
            ]
            for _, _, told in waiting:
                if isinstance(told, Future):
                    told.result(60)
            for name, seq, told in waiting:
                self.hear(name, seq, second, told)
            middle_s = time.process_time()
            self.store.submit(Transaction([Entry(RecordKind.WAKE, b"")])).result(60)
            self.live.drain()
            self.desk_cpu_s += middle_s - began_s
            self.live_cpu_s += time.process_time() - middle_s

    def say(self, name: str, seq: int, second: int) -> "Future[GatewayReply] | str | None":
        """The message on its way; "lost" where it never arrives, None where there is nobody to send it."""
        if self.dies_s.get(name, self.seconds) <= second:
            return None
        self.sent += 1
        if self.chance.random() < self.loss:
            return "lost"
        self.last_us[name] = self.clock.us
        return self.desk.take(GatewayMessage(name, seq, from_us(self.clock.us)))

    def hear(self, name: str, seq: int, second: int, told: Any) -> None:
        """The answer, or the next try."""
        if told == "lost" or self.chance.random() < self.loss:
            self.again += 1
            self.due[second + AGAIN_S].append((name, seq))
        else:
            self.due[self.firsts[name] + seq * HEARTBEAT_S].append((name, seq + 1))

    def close(self) -> None:
        """Lets go of the store."""
        self.desk.close()
        self.store.close()


def main(argv: list[str] | None = None) -> int:
    """Measures and judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homes", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--dead", type=int, default=500)
    parser.add_argument("--loss", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(argv)
    print(machine())
    folder = Path(tempfile.mkdtemp(prefix="dongne-silence-"))
    try:
        run = Run(folder, given.homes, given.dead, given.loss, given.minutes, given.seed)
        began_s = time.perf_counter()
        run.play()
        said = report(run, given, time.perf_counter() - began_s)
        run.close()
    finally:
        shutil.rmtree(folder)
    if given.json:
        given.json.write_bytes(msgspec.json.format(json.dumps(said).encode()))
    return 0 if said["passed"] else 1


def report(run: Run, given: argparse.Namespace, took_s: float) -> dict[str, Any]:
    """What was found, printed."""
    things = {thing: name for name, thing in run.things.items()}
    found = {things[thing]: us for thing, us in run.watch.since_us.items()}
    false = sorted(set(found) - set(run.dies_s))
    missed = sorted(name for name in run.dies_s if name not in found and name in run.last_us)
    after_s = sorted((found[name] - run.last_us[name]) / 1e6 for name in run.dies_s if name in found)
    counts = run.store.counts()
    said = {
        "homes": given.homes, "seconds": run.seconds, "loss": given.loss, "seed": given.seed, "messages": run.sent,
        "sent_again": run.again, "dead": len(run.dies_s), "found": len(after_s), "missed": len(missed), "false": len(false),
        "after_s_median": after_s[len(after_s) // 2] if after_s else None, "after_s_most": after_s[-1] if after_s else None,
        "taken_in_s": run.taken_in_s, "took_s": took_s, "intake_cpu_share": run.desk_cpu_s / run.seconds,
        "services_cpu_share": run.live_cpu_s / run.seconds, "commits": counts.get("commits"),
        "load": os.getloadavg()[0],
    }  # fmt: skip
    said["passed"] = not missed and not false and bool(after_s) and after_s[-1] <= WITHIN_S
    print(
        f"{given.homes:,} homes taken in in {run.taken_in_s:.0f} s; {run.seconds / 60:.0f} min played in {took_s:.0f} s"
    )
    print(f"messages {run.sent:,}, of these sent again {run.again:,} ({given.loss:.0%} of packets lost)")
    print(
        f"fell silent after they were heard {len(after_s) + len(missed)}, missed {len(missed)}; others called silent {len(false)}"
    )
    if after_s:
        print(
            f"found {said['after_s_median']:.1f} s after the last message (median), {after_s[-1]:.1f} s at most; asked {WITHIN_S - 1} + 1 s"
        )
    print(
        f"of one core: {said['intake_cpu_share']:.1%} taking messages in and storing them, {said['services_cpu_share']:.1%} the "
        "services and their states"
    )
    print("PASS" if said["passed"] else "MISS")
    return said


if __name__ == "__main__":
    raise SystemExit(main())
