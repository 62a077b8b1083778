"""The observation platform, all that is asked of it: taking in, MQTT and questions, at ten thousand and ten million Observations.

dongne bench platform [--quick] [--rows 10000,10000000] [--rounds 5] [--seed 1] [--json FILE] [--folder FOLDER]

The server (API and store, no services, no pages) has core 0; clients and broker have core 1. Each figure is the median
of the rounds. One per POST is sent by wrk where it is installed, else by the Python client in bench/_client.py. The seed
says which Datastreams are asked and what the Observations look like (bench/_server.py, `load`). A folder given keeps
the filled stores; what is measured runs on copies. `--quick` is a look of some minutes: less of everything.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from bench._client import Tally
from bench._running import CLIENT_CORE, Running, machine, memory_mib
from bench.ingest import arrays, elsewhere, with_python, with_wrk
from bench.mqtt import City, part, pin, stored_values
from bench.query import DAYS, Question, ask, options

from dongne.adapters.clock import CityClock
from dongne.adapters.mqtt.mosquitto import Mosquitto, find_mosquitto
from dongne.stores.embedded import EmbeddedStore

SINGLES_PER_S, ROWS_PER_S, MESSAGES_PER_S = 20_000, 300_000, 12_000
LATEST_MS, LATEST_400_MS, TOP_1000_MS, COUNT_MS, NESTED_MS = 2, 10, 30, 100, 30
STREAMS = 1_000  # of 100 Things; ten thousand where there are millions of Observations
MILLIONS = 1_000_000


@dataclass
class Figure:
    """What was asked, and what each round gave: a rate a second, or how many ms an answer takes at p50."""

    name: str
    asked: float
    unit: str
    rounds: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)  # of the server, for each answer or Observation
    wrong: list[str] = field(default_factory=list)

    @property
    def measured(self) -> float:
        """The median of the rounds."""
        return median(self.rounds)

    @property
    def passed(self) -> bool:
        """Whether it is as asked, and nothing else was wrong."""
        good = self.measured >= self.asked if self.unit == "/s" else self.measured < self.asked
        return good and not self.wrong

    def add_tally(self, tally: Tally, cpu_s: float) -> None:
        """A round of requests."""
        self.cpu_ms.append(cpu_s / max(tally.acknowledged, 1) * 1000)
        self.rounds.append(tally.acknowledged / tally.seconds)
        self.p50_ms.append(tally.at(0.5))
        self.p99_ms.append(tally.at(0.99))
        if tally.others:
            self.wrong.append(f"answers that acknowledged nothing, by status: {tally.others}")

    def show(self) -> None:
        """One line."""
        times = f"p50 {median(self.p50_ms):7.2f}  p99 {median(self.p99_ms):7.2f} ms" if self.p50_ms else ""
        cpu = f"cpu {median(self.cpu_ms):6.2f} ms" if self.unit == "ms" else f"cpu {median(self.cpu_ms) * 1000:6.1f} us"
        asked = f"asked {'>=' if self.unit == '/s' else '<'} {self.asked:,g}"
        measured = f"{self.measured:10,.0f}/s" if self.unit == "/s" else f"{self.measured:10.2f} ms"
        print(
            f"  {self.name:46} {measured}  {times:29}  {cpu}  {asked:16} {'PASS' if self.passed else 'MISS'}",
            flush=True,
        )
        for text in self.wrong:
            print(f"    {text}")

    def document(self) -> dict[str, Any]:
        """For the JSON."""
        return {**asdict(self), "measured": self.measured, "passed": self.passed}


def questions(datastreams: int) -> list[Question]:
    """What is asked, in the spellings that clients use; limits are p50 in ms."""

    def stream(chance: random.Random) -> str:
        return f"/v1.1/Datastreams({chance.randint(1, datastreams)})/Observations?"

    def since(chance: random.Random) -> str:
        at = datetime.now(UTC) - timedelta(days=chance.uniform(0.5, DAYS))
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")

    def newest(key: str, top: int, where: Callable[[random.Random], str]) -> Callable[[random.Random], str]:
        return lambda chance: where(chance) + options(top=top, orderby=f"{key} desc")

    def of_400(chance: random.Random) -> str:
        start = chance.randint(0, datastreams - 400)
        inner = "Observations($top=1;$orderby=phenomenonTime desc;$select=phenomenonTime,result)"
        wanted = f"id gt {start} and id le {start + 400}"
        return "/v1.1/Datastreams?" + options(filter=wanted, top=400, select="id", expand=inner)

    def of_400_ids(chance: random.Random) -> str:
        return "/api/latest?datastream=" + ",".join(map(str, chance.sample(range(1, datastreams + 1), 400)))

    def counted(where: Callable[[random.Random], str], **more: object) -> Callable[[random.Random], str]:
        def path(chance: random.Random) -> str:
            wanted = f"result gt {chance.uniform(20, 30):.1f} and phenomenonTime ge {since(chance)}"
            return where(chance) + options(filter=wanted, count="true", **more)

        return path

    def nested(key: str) -> Callable[[random.Random], str]:
        inner = f"Datastreams($expand=Observations($top=1;$orderby={key} desc))"
        most = datastreams // 10 - 100
        return lambda chance: "/v1.1/Things?" + options(top=100, skip=chance.randint(0, most), expand=inner)

    def everywhere(chance: random.Random) -> str:
        return "/v1.1/Observations?"

    found = [
        ("latest of one", newest("phenomenonTime", 1, stream), LATEST_MS),
        ("latest of one, by resultTime", newest("resultTime", 1, stream), LATEST_MS),
        ("latest of one, by @iot.id", newest("@iot.id", 1, stream), LATEST_MS),
        ("400 latest in one request", of_400, LATEST_400_MS),
        ("400 latest, Datastreams by their ids", of_400_ids, LATEST_400_MS),
        ("$top=1000 of one", lambda chance: stream(chance) + options(top=1000), TOP_1000_MS),
        ("$top=1000 of one, newest first", newest("phenomenonTime", 1000, stream), TOP_1000_MS),
        ("$top=1000 of all, newest first", newest("phenomenonTime", 1000, everywhere), TOP_1000_MS),
        ("$top=1000 of all, by resultTime", newest("resultTime", 1000, everywhere), TOP_1000_MS),
        ("$top=1000 of all, by @iot.id", newest("@iot.id", 1000, everywhere), TOP_1000_MS),
        ("filter and count of all", counted(everywhere), COUNT_MS),
        ("filter and count of all, newest first", counted(everywhere, orderby="phenomenonTime desc"), COUNT_MS),
        ("filter and count of one", counted(stream), COUNT_MS),
        ("100 Things with nested latest", nested("phenomenonTime"), NESTED_MS),
        ("100 Things with nested latest, by resultTime", nested("resultTime"), NESTED_MS),
        ("100 Things with nested latest, by @iot.id", nested("@iot.id"), NESTED_MS),
    ]  # fmt: skip
    return [Question(name, path, 1, limit, limit, None, 10) for name, path, limit in found]


class Size:
    """All measurements at one number of Observations."""

    def __init__(self, rows: int, given: argparse.Namespace, kept: Path) -> None:
        self.rows, self._given, self._seed = rows, given, given.seed
        self.streams = 10 * STREAMS if rows >= MILLIONS else STREAMS
        self._base = kept / f"store-{rows}-{given.seed}"
        self.figures: dict[str, Figure] = {}
        self.memory_mib: dict[str, dict[str, float]] = {}

    def measure(self) -> None:
        """Fills the store where it is not there yet, and measures on copies of it."""
        if not (self._base / "filled").exists():
            shutil.rmtree(self._base, ignore_errors=True)
            print(f"filling a store with {self.rows:,} Observations ...", file=sys.stderr)
            self._base.mkdir(parents=True)
            with self._running(self._base) as running:
                running.count()
            (self._base / "filled").touch()
        with self._copy() as folder, self._running(folder) as running:
            print(f"{running.count():,} Observations in {self.streams:,} Datastreams")
            self._ask(running)
            self._take_in(running)
            self._remember("server", running.peak_mib(), running.now_mib())
        if self._given.messages:
            with self._copy() as folder:
                self._messages(folder)

    @contextmanager
    def _copy(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="dongne-bench-", dir=self._base.parent) as name:
            yield Path(shutil.copytree(self._base, Path(name) / "store"))

    def _running(self, folder: Path) -> Running:
        return Running(folder, datastreams=self.streams, rows=self.rows, days=DAYS, seed=self._seed)

    def _figure(self, name: str, asked: float, unit: str) -> Figure:
        return self.figures.setdefault(name, Figure(name, asked, unit))

    def _remember(self, name: str, peak_mib: float, end_mib: float) -> None:
        self.memory_mib[name] = {"peak": peak_mib, "end": end_mib}
        print(f"  memory of the {name}: {peak_mib:,.0f} MiB at most, {end_mib:,.0f} MiB at the end", flush=True)

    def _ask(self, running: Running) -> None:
        asked = questions(self.streams)
        for turn in range(self._given.rounds):
            for question in asked:
                before_s = running.cpu_s()
                taken = ask(running.port, question, self._given.times, self._seed * 1_000 + turn)
                figure = self._figure(question.name, question.quiet_p50_ms, "ms")
                p50, p99 = taken[len(taken) // 2], taken[min(len(taken) - 1, int(len(taken) * 0.99))]
                figure.rounds.append(p50)
                figure.cpu_ms.append((running.cpu_s() - before_s) / (len(taken) + 3) * 1000)  # three go ahead of those
                figure.p50_ms.append(p50)
                figure.p99_ms.append(p99)
        for figure in self.figures.values():
            figure.show()

    def _take_in(self, running: Running) -> None:
        given = self._given
        before, acknowledged, under_way = running.count(), 0, 0
        single = with_wrk if given.client == "wrk" else with_python
        for turn in range(given.rounds):
            base_s, seed = int(time.time()) - 80_000 + turn * 3_600, self._seed + turn
            cpu_s = running.cpu_s()
            tally = elsewhere(single, running.port, 64, given.seconds, self.streams, base_s, seed)
            self._figure("one per POST", SINGLES_PER_S, "/s").add_tally(tally, running.cpu_s() - cpu_s)
            acknowledged += tally.acknowledged
            under_way += 64 if given.client == "wrk" else 0
            for per_group in (1, 10):
                cpu_s = running.cpu_s()
                tally = elsewhere(arrays, running.port, given.seconds, self.streams, 1_000, per_group, 4, seed)
                name = f"data arrays of 1,000 rows, {per_group} of a Datastream"
                self._figure(name, ROWS_PER_S, "/s").add_tally(tally, running.cpu_s() - cpu_s)
                acknowledged += tally.acknowledged
        stored = running.count() - before
        if not acknowledged <= stored <= acknowledged + under_way:
            text = f"acknowledged {acknowledged:,} but stored {stored:,}"
            self.figures["one per POST"].wrong.append(text)
        for name in [name for name, figure in self.figures.items() if figure.unit == "/s"]:
            self.figures[name].show()
        print(f"  acknowledged {acknowledged:,}, stored {stored:,} (up to {under_way} were under way when wrk stopped)")

    def _messages(self, folder: Path) -> None:
        store = EmbeddedStore.open(folder, CityClock(), follow=False)
        before = store.head()
        store.close()
        each = -(-self._given.messages // self._given.rounds)
        total = each * self._given.rounds
        given = argparse.Namespace(messages=each, streams=self.streams, protocol=5, quiet=False)
        figure = self._figure(f"MQTT QoS 1, {total:,} messages", MESSAGES_PER_S, "/s")
        broker = Mosquitto(folder / "broker")
        broker.start()
        pin(broker.pid, -1)
        city = City(given, broker.port, folder)
        try:
            city.wait(lambda said: said["connected"] and not said["measuring"])
            for turn in range(self._given.rounds):
                began_s, cpu_s = time.monotonic(), city.said.get("cpu_s", 0.0)
                sender = part("sender", given, broker.port, first=turn * each)
                pin(sender.pid, -1)
                confirmed = json.loads(sender.communicate(timeout=600)[0])["confirmed"]
                city.wait_until_quiet()
                figure.rounds.append(each / (city.last_stored_s - began_s))
                figure.cpu_ms.append((city.said["cpu_s"] - cpu_s) / each * 1000)
                if confirmed < each:
                    figure.wrong.append(f"the broker confirmed {confirmed:,} of {each:,}")
            self._remember("city with MQTT", *(memory_mib(city.process.pid, name) for name in ("VmHWM:", "VmRSS:")))
            city.stop()
        finally:
            city.end()
            broker.stop()
        stored = stored_values(folder, before)
        missing = total - len(stored.keys() & set(range(total)))
        twice = sum(stored.values()) - len(stored)
        if missing or twice:
            figure.wrong.append(f"missing {missing:,}, stored twice {twice:,}")
        figure.show()
        print(f"  messages {total:,}, missing {missing:,}, stored twice {twice:,}")

    def document(self) -> dict[str, Any]:
        """For the JSON."""
        return {
            "observations": self.rows,
            "datastreams": self.streams,
            "memory_mib": self.memory_mib,
            "figures": [figure.document() for figure in self.figures.values()],
        }


def read(arguments: list[str]) -> argparse.Namespace:
    """What was given; `--quick` makes what was not given small."""
    parser = argparse.ArgumentParser(
        prog="dongne bench platform", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a look: fewer rows, rounds, requests and messages")
    parser.add_argument("--rows", help="numbers of Observations (10000,10000000)")
    parser.add_argument("--rounds", type=int, help="of which the median counts (5)")
    parser.add_argument("--times", type=int, help="each question is asked in a round (100)")
    parser.add_argument("--seconds", type=float, help="of each round of taking in (5)")
    parser.add_argument("--messages", type=int, help="over MQTT in all rounds together (1000000); 0: without MQTT")
    parser.add_argument("--seed", type=int, default=1, help="which Datastreams, times and values (%(default)s)")
    parser.add_argument("--client", choices=("wrk", "python"), default="wrk" if shutil.which("wrk") else "python")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also writes everything here")
    parser.add_argument("--folder", type=Path, help="keeps the filled stores here")
    given = parser.parse_args(arguments)
    usual = {"rows": "10000,10000000", "rounds": 5, "times": 100, "seconds": 5.0, "messages": 1_000_000}
    quick = {"rows": "10000,1000000", "rounds": 1, "times": 30, "seconds": 3.0, "messages": 50_000}
    for name, value in (quick if given.quick else usual).items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    return given


def main(arguments: list[str]) -> int:
    """Runs all and says PASS or MISS for each."""
    given = read(arguments)
    if given.messages and find_mosquitto() is None:
        print("mosquitto is not installed: without MQTT", file=sys.stderr)
        given.messages = 0
    said = machine()
    print(f"{said}\none per POST is sent by {given.client}; {given.rounds} rounds; seed {given.seed}")
    kept = nullcontext(given.folder) if given.folder else tempfile.TemporaryDirectory(prefix="dongne-bench-")
    sizes = []
    os.sched_setaffinity(0, {CLIENT_CORE})
    with kept as folder:
        for rows in map(int, given.rows.split(",")):
            size = Size(rows, given, Path(folder))
            size.measure()
            sizes.append(size)
    good = all(figure.passed for size in sizes for figure in size.figures.values())
    if given.json:
        document = {
            "machine": said, "at": datetime.now(UTC).isoformat(timespec="seconds"), "seed": given.seed,
            "rounds": given.rounds, "client": given.client, "passed": good,
            "sizes": [size.document() for size in sizes],
        }  # fmt: skip
        given.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print("PASS" if good else "MISS")
    return 0 if good else 1
