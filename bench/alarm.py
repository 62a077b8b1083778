"""From an alarm at home to the first attempt at 119, with 100,000 homes and the city's data beside it.

dongne bench alarm [--homes 100000] [--alarms-per-s 200] [--seconds 60] [--bulk-rows-per-s 10000] [--seed 1] [--json FILE]

A whole city is started as `dongne run` does it; all who speak to it run on core 1. Homes are taken in over the open interface, each sends
a heartbeat every five minutes over HTTP, and so many homes a second press the button. A desk of 119 on loopback notes when each alarm first
comes; a gateway for short messages takes what goes to relatives. Beside it arrays of 1,000 Observations are stored in the city's own data, at
the pace given (0: none, -1: as fast as they are taken). 10,000 rows a second is more than a city of that size says: where 100,000 live alone
with a gateway, some 2.5 million live, with a million meters each quarter of an hour (1,100 rows a second), 200,000 lamps with three values each
five minutes (2,000), 5,000 buses with three each ten seconds (1,500), 5,000 loops in streets with nine each half minute (1,500) and 2,000
weather stations with ten each minute (330).

Measured is from the moment the gateway sends the message to the moment the POST has come to 119, both by this machine's clock: it holds the
answer's way in, the store, the services, the outbox and the way out. Judged: none is missing, p50 below 100 ms, p99 below 1 s, and 95 % of
the alarms asked for were taken.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench._client import keep_busy
from bench._running import CLIENT_CORE, machine, memory_mib

CITY = """zone = "Asia/Seoul"
bounds = [126.9, 37.4, 127.1, 37.6]
services = ["home_alarm", "home_link", "link_outage"]
[name]
ko = "측정 도시"
en = "Bench city"
[channels.sms]
url = "http://127.0.0.1:{port}/sms"
[channels.dispatch]
sender = "dongne@bench.example"
desks = [{{ name = "bench", url = "http://127.0.0.1:{port}", takes_tests = true, timeout_s = 5 }}]
[limits]
writes_per_s = 0
[units.care_desk]
[[units.care_desk.shifts]]
people = ["one"]
from = "00:00"
to = "00:00"
"""
PEOPLE = """[people.one]
name = "One"
addresses = [["sms", "+821000000001"]]
simulated = true
"""
HEARTBEAT_S, ARRAY_ROWS, STREAMS = 300, 1_000, 100
LINES = 200  # gateways that speak at once: fewer would hold back those that have something to say
ASKED_P50_MS, ASKED_P99_MS, ASKED_SHARE, LAST_S = 100.0, 1_000.0, 0.95, 20.0
_HOUSE = re.compile(rb"HNO>(\d+)<")


def now_s() -> float:
    """This machine's clock, the same in every process."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


# --- the desk and the gateway, in a process of their own -----------------------------------------------------------


class Receiver(asyncio.Protocol):
    """Answers each POST with 200, and notes when the first of each home came to /alarms; to GET /events it says nothing for a while."""

    first_s: dict[int, float]
    counts: Counter[str]

    def connection_made(self, transport: Any) -> None:
        """A connection."""
        self._transport, self._read = transport, b""

    def data_received(self, data: bytes) -> None:
        """Part of a request."""
        at_s = now_s()
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:end]
            found = re.search(rb"(?i)content-length: *(\d+)", head)
            size = end + 4 + (int(found[1]) if found else 0)
            if len(self._read) < size:
                return
            body, self._read = self._read[end + 4 : size], self._read[size:]
            self._take(head, body, at_s)

    def _take(self, head: bytes, body: bytes, at_s: float) -> None:
        if head.startswith(b"POST /alarms"):
            self.counts["alarms"] += 1
            if found := _HOUSE.search(body):
                self.first_s.setdefault(int(found[1]), at_s)
        elif head.startswith(b"POST"):
            self.counts["messages"] += 1
        else:
            after = re.search(rb"after=(\d+)", head)
            said = b'{"events":[],"last":%b}' % (after[1] if after else b"0")
            asyncio.get_running_loop().call_later(20.0, self._answer, said)
            return
        self._answer(b'{"receipt":"r","id":"r"}')

    def _answer(self, body: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )


def receive(port: int, told: Any, end: Any) -> None:
    """Until `end` is set."""
    os.sched_setaffinity(0, {CLIENT_CORE})

    async def serve() -> None:
        Receiver.first_s, Receiver.counts = {}, Counter()
        server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", port)
        while not end.is_set():
            await asyncio.sleep(0.1)
        told.put((Receiver.first_s, dict(Receiver.counts)))
        server.close()

    asyncio.run(serve())


# --- the gateways, and the city's own data -------------------------------------------------------------------------


def speak(port: int, homes: int, alarms_per_s: float, seconds: float, seed: int, told: Any) -> None:
    """Heartbeats of all homes at their pace, and buttons pressed at random homes; when each was sent."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    chance = random.Random(seed)
    alarms = iter(chance.sample(range(homes), int(alarms_per_s * seconds)))
    beats = homes / HEARTBEAT_S
    share, sent_s, seqs, beat = alarms_per_s / (alarms_per_s + beats), {}, Counter[int](), chance.randrange(homes)

    def make() -> bytes:
        nonlocal beat
        stamp = datetime.now(UTC).isoformat()
        home = next(alarms, None) if chance.random() < share else None
        events = ""
        if home is None:
            beat = home = (beat + 1) % homes
        else:
            events = f'{{"device":"button-1","property":"button","time":"{stamp}","value":1}}'
        seqs[home] += 1
        body = f'{{"gateway":"gw-{home:06}","seq":{seqs[home]},"sent":"{stamp}","events":[{events}]}}'.encode()
        if events:
            sent_s[home] = now_s()
        return b"POST /api/homes/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )

    tally = keep_busy(port, LINES, seconds, make, lambda status, body: int(status == 200), alarms_per_s + beats)
    told.put({
        "sent_s": sent_s, "answers": tally.answers, "refused": tally.others, "p50_ms": tally.at(0.5), "p99_ms": tally.at(0.99),
        "per_s": tally.answers / tally.seconds,
    })  # fmt: skip


def store_bulk(port: int, streams: list[int], rows_per_s: float, seconds: float, told: Any) -> None:
    """Arrays for the city's own data."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    at = 0

    def make() -> bytes:
        nonlocal at
        at += 1
        stamp = datetime.now(UTC).isoformat(timespec="seconds")[:19]
        each = ARRAY_ROWS // len(streams)
        parts = [
            {"Datastream": {"@iot.id": stream}, "components": ["phenomenonTime", "result"],
             "dataArray": [[f"{stamp}.{n:03}{at % 1000:03}Z", n + 0.5] for n in range(each)]}
            for stream in streams
        ]  # fmt: skip
        body = json.dumps(parts).encode()
        return b"POST /v1.1/CreateObservations HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )

    per_s = rows_per_s / ARRAY_ROWS if rows_per_s > 0 else None
    tally = keep_busy(port, 2, seconds, make, lambda status, body: ARRAY_ROWS if status == 201 else 0, per_s)
    told.put({"rows_per_s": tally.acknowledged / tally.seconds, "refused": tally.others})


# --- the city ------------------------------------------------------------------------------------------------------


class City:
    """`dongne run` on a folder of the bench, in a process of its own."""

    def __init__(self, folder: Path, desk_port: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        (folder / "city").mkdir()
        (folder / "city" / "city.toml").write_text(CITY.format(port=desk_port), encoding="utf-8")
        (folder / "city" / "people.toml").write_text(PEOPLE, encoding="utf-8")
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "dongne", "run", "--city", str(folder / "city"), "--folder", str(folder / "data"), "--port",
                str(self.port), "--mqtt", "off", "--mqtt-listen", "off", "--webhooks", "off",
            ],
            stdout=self._log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._folder = folder
        until_s = time.monotonic() + 120
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until_s:
                raise RuntimeError(f"the city did not start: {(folder / 'log').read_text()[-2_000:]}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            self.ask("GET", "/status")
        except OSError:
            return False
        return True

    def ask(self, method: str, path: str, document: Any = None) -> tuple[Any, str]:
        """The JSON of the answer, and its Location."""
        token = (self._folder / "data" / "token").read_text().strip().strip('"')
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", None if document is None else json.dumps(document).encode(),
            {"authorization": f"Bearer {token}", "content-type": "application/json"}, method=method,
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=300) as answer:
            body = answer.read()
            return json.loads(body) if body else None, answer.headers.get("location", "")

    def add_homes(self, homes: int) -> float:
        """Takes them in; how long that took."""
        began_s = time.monotonic()
        for start in range(0, homes, 2_000):
            self.ask("POST", "/api/homes", [_home(n) for n in range(start, min(start + 2_000, homes))])
            print(f"\r{start + 2_000:,} of {homes:,} homes", end="", flush=True)
        print()
        return time.monotonic() - began_s

    def add_streams(self) -> list[int]:
        """Datastreams of the city's own data."""
        _, at = self.ask(
            "POST",
            "/v1.1/Things",
            {"name": "bench", "description": "", "Datastreams": [_stream(n) for n in range(STREAMS)]},
        )
        thing = at.rpartition("(")[2].rstrip(")")
        found, _ = self.ask("GET", f"/v1.1/Things({thing})/Datastreams?$select=@iot.id&$top={STREAMS}")
        return [one["@iot.id"] for one in found["value"]]

    def cpu_s(self) -> float:
        """CPU seconds it has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> float:
        """The most it has had."""
        return memory_mib(self._process.pid, "VmHWM:")

    def close(self) -> None:
        """Ends it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._log.close()


def _home(number: int) -> dict[str, Any]:
    return {
        "gateway": f"gw-{number:06}", "person": f"p-{number:06}", "point": [127.0, 37.5], "simulated": True,
        "address": {"country": "KR", "A1": "Seoul", "RD": "Bench", "HNO": str(number)}, "agrees": ["child"],
        "contacts": [{"id": "child", "role": "guardian", "name": "C", "addresses": [["sms", "+821000000000"]]}],
        "devices": [{"device": "gateway", "properties": ["heartbeat"]}, {"device": "button-1", "properties": ["button"]}],
    }  # fmt: skip


def _stream(number: int) -> dict[str, Any]:
    return {
        "name": f"stream {number}", "description": "", "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
        "unitOfMeasurement": {"name": "degree Celsius", "symbol": "Cel", "definition": "http://unitsofmeasure.org/Cel"},
        "ObservedProperty": {"name": f"bench {number}", "definition": "", "description": ""},
        "Sensor": {"name": "bench", "description": "", "encodingType": "text/plain", "metadata": ""},
    }  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Measures and judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homes", type=int, default=100_000)
    parser.add_argument("--alarms-per-s", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--bulk-rows-per-s", type=float, default=10_000.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(argv)
    if given.alarms_per_s * given.seconds > given.homes:
        parser.error("each home has one alarm: take fewer seconds, fewer alarms a second or more homes")
    print(machine())
    folder = Path(tempfile.mkdtemp(prefix="dongne-alarm-"))
    try:
        said = measure(folder, given)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(said)
    if given.json:
        given.json.write_text(json.dumps(said, indent=1), encoding="utf-8")
    return 0 if said["passed"] else 1


def measure(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Everything, with its figures."""
    make = multiprocessing.get_context("spawn")
    with socket.create_server(("127.0.0.1", 0)) as free:
        desk_port = free.getsockname()[1]
    came, end = make.Queue(), make.Event()
    desk = make.Process(target=receive, args=(desk_port, came, end), daemon=True)
    desk.start()
    city = City(folder, desk_port)
    try:
        taken_in_s = city.add_homes(given.homes)
        streams = city.add_streams()
        spoken, stored = make.Queue(), make.Queue()
        asked = (city.port, given.homes, given.alarms_per_s, given.seconds, given.seed, spoken)
        workers = [make.Process(target=speak, args=asked, daemon=True)]
        if given.bulk_rows_per_s:
            asked_bulk = (city.port, streams, given.bulk_rows_per_s, given.seconds, stored)
            workers.append(make.Process(target=store_bulk, args=asked_bulk, daemon=True))
        before_s, began_s = city.cpu_s(), time.monotonic()
        for worker in workers:
            worker.start()
        gateways = spoken.get(timeout=given.seconds + 120)
        bulk = stored.get(timeout=120) if given.bulk_rows_per_s else {"rows_per_s": 0.0, "refused": {}}
        time.sleep(LAST_S)  # what is under way comes to the desk
        end.set()
        first_s, counts = came.get(timeout=30)
        cpu_share = (city.cpu_s() - before_s) / (time.monotonic() - began_s - LAST_S)
        outbox = city.ask("GET", "/status")[0].get("outbox", {})
        memory = city.memory_mib()
    finally:
        city.close()
    return judge(given, gateways, first_s) | {
        "taken_in_s": taken_in_s, "bulk_rows_per_s": bulk["rows_per_s"], "bulk_refused": bulk["refused"], "desk": counts,
        "memory_mib": memory, "cpu_share": cpu_share, "outbox": outbox, "gateways": {k: v for k, v in gateways.items() if k != "sent_s"},
    }  # fmt: skip


def judge(given: argparse.Namespace, gateways: dict[str, Any], first_s: dict[int, float]) -> dict[str, Any]:
    """Times in ms from the gateway to the desk, and what is missing."""
    sent = gateways["sent_s"]
    taken = sorted((first_s[home] - at) * 1000 for home, at in sent.items() if home in first_s)
    at = {
        share: taken[min(len(taken) - 1, int(len(taken) * share))] if taken else None
        for share in (0.5, 0.9, 0.99, 0.999)
    }
    missing, per_s = len(sent) - len(taken), len(sent) / given.seconds
    is_quick = bool(taken) and not missing and at[0.5] < ASKED_P50_MS and at[0.99] < ASKED_P99_MS
    return {
        "homes": given.homes, "alarms": len(sent), "alarms_per_s": per_s, "missing": missing,
        "passed": is_quick and per_s >= ASKED_SHARE * given.alarms_per_s, "asked": vars(given) | {"json": None},
        "p50_ms": at[0.5], "p90_ms": at[0.9], "p99_ms": at[0.99], "p999_ms": at[0.999], "most_ms": taken[-1] if taken else None,
    }  # fmt: skip


def show(said: dict[str, Any]) -> None:
    """In words."""
    gateways = said["gateways"]
    print(
        f"{said['homes']:,} homes taken in in {said['taken_in_s']:.0f} s; the server had {said['memory_mib']:,.0f} MiB at most and used "
        f"{said['cpu_share']:.0%} of a core"
    )
    print(
        f"gateways: {gateways['per_s']:,.0f} messages a second, answered in {gateways['p50_ms']:.0f} ms (p99 {gateways['p99_ms']:.0f}), refused "
        f"{gateways['refused'] or 0}; bulk {said['bulk_rows_per_s']:,.0f} rows a second of {said['asked']['bulk_rows_per_s']:,.0f}, refused {said['bulk_refused'] or 0}"
    )
    if said["p50_ms"] is not None:
        print(
            f"{said['alarms']:,} alarms, {said['alarms_per_s']:,.0f} a second, missing at 119 {said['missing']}: p50 {said['p50_ms']:.0f} ms, p90 {said['p90_ms']:.0f}, p99 "
            f"{said['p99_ms']:.0f}, p99.9 {said['p999_ms']:.0f}, at most {said['most_ms']:.0f}; asked p50 < 100, p99 < 1000"
        )
    print("PASS" if said["passed"] else "MISS")


if __name__ == "__main__":
    raise SystemExit(main())
