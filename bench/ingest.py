"""Durable Observations through HTTP: one per POST, and data arrays; counted at the sender, then in the store.

dongne bench ingest [--seconds 10] [--array-seconds 20] [--connections 64,512] [--datastreams 10000]

The server (API and store, no services, no pages) has core 0, the client core 1. One per POST is sent by wrk where it is
installed, else by the Python client in bench/_client.py, which is slower than the server. Beside each: the floor, the
same bytes in the same number of commits appended with fdatasync and no server, in the same run on the same core.

Figures asked for: >= 20,000 durable observations/s one per POST at 64 and 512 connections; data arrays of 1,000 rows
over 10,000 Datastreams at random >= 300,000 rows/s sustained 20 s, all queryable at the end.
"""

import argparse
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from bench._client import Tally, keep_busy
from bench._running import CLIENT_CORE, SERVER_CORE, Running, machine
from bench.floor import commits_per_s

SINGLES_ASKED, ROWS_ASKED = 20_000, 300_000
STAMP = b"@@@@-@@-@@T@@:@@:@@"
BODIES = 24
_LUA = """
math.randomseed({seed})
local n, base = 0, {base}
wrk.method, wrk.path = "POST", "/v1.1/Observations"
wrk.headers["Content-Type"] = "application/json"
request = function()
  n = n + 1
  local stamp = os.date("!%Y-%m-%dT%H:%M:%S", base + math.floor(n / 1000))
  return wrk.format(nil, nil, nil, string.format(
    '{{"phenomenonTime":"%s.%03dZ","result":%.2f,"Datastream":{{"@iot.id":%d}}}}',
    stamp, n % 1000, math.random() * 40, math.random({datastreams})))
end
"""


def with_wrk(port: int, connections: int, seconds: float, datastreams: int, base_s: int, seed: int = 0) -> Tally:
    """wrk's own count: answers that were 2xx. Requests under way at the end are stored but not counted."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_LUA.format(seed=seed + connections, base=base_s, datastreams=datastreams))
        script.flush()
        command = [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds:g}s",
            "--latency",
            "-s",
            script.name,
            f"http://127.0.0.1:{port}",
        ]
        said = subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {CLIENT_CORE}),
        ).stdout
    requests, took, unit = re.findall(r"(\d+) requests in ([\d.]+)(ms|s|m)", said)[0]
    refused = re.findall(r"Non-2xx or 3xx responses: (\d+)", said)
    shares = {share: _ms(text) for share, text in re.findall(r"(50|99)%\s+([\d.]+\w+)", said)}
    tally = Tally(
        acknowledged=int(requests) - sum(map(int, refused)),
        answers=int(requests),
        others={0: sum(map(int, refused))} if refused else {},
        taken_s=[shares["50"] / 1000] * 98 + [shares["99"] / 1000] * 2,
        seconds=float(took) * {"ms": 0.001, "s": 1.0, "m": 60.0}[unit],
    )
    errors = re.findall(r"Socket errors: (.*)", said)
    if errors:
        print(f"  wrk: socket errors {errors[0]}")
    return tally


def _ms(text: str) -> float:
    number, unit = re.findall(r"([\d.]+)(us|ms|s|m)", text)[0]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[unit]


def with_python(port: int, connections: int, seconds: float, datastreams: int, base_s: int, seed: int = 0) -> Tally:
    """The same by the Python client."""
    chance, begin = random.Random(seed + connections), datetime.fromtimestamp(base_s, UTC)
    sent = 0

    def make() -> bytes:
        nonlocal sent
        sent += 1
        stamp = (begin + timedelta(milliseconds=sent)).isoformat(timespec="milliseconds")[:-6]
        body = b'{"phenomenonTime":"%bZ","result":%.2f,"Datastream":{"@iot.id":%d}}' % (
            stamp.encode(), chance.random() * 40, chance.randint(1, datastreams),
        )  # fmt: skip
        return b"POST /v1.1/Observations HTTP/1.1\r\nhost: bench\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    return keep_busy(port, connections, seconds, make, lambda status, body: int(status == 201))


def arrays(
    port: int, seconds: float, datastreams: int, rows: int, per_group: int, connections: int, seed: int = 7
) -> Tally:
    """Data arrays over random Datastreams; an Observation counts when its address came back."""
    chance = random.Random(seed)
    bodies = []
    for _ in range(BODIES):
        groups = [
            {
                "Datastream": {"@iot.id": chance.randint(1, datastreams)},
                "components": ["phenomenonTime", "result"],
                "dataArray@iot.count": per_group,
                "dataArray": [
                    [f"{STAMP.decode()}.{at + n:03}Z", round(chance.gauss(20, 5), 2)] for n in range(per_group)
                ],
            }
            for at in range(0, rows, per_group)
        ]
        bodies.append(msgspec.json.encode(groups))
    begin, sent = datetime.now(UTC) - timedelta(days=1), 0

    def make() -> bytes:
        nonlocal sent
        sent += 1
        stamp = (begin + timedelta(seconds=sent)).isoformat()[:19].encode()
        body = bodies[sent % BODIES].replace(STAMP, stamp)
        return b"POST /v1.1/CreateObservations HTTP/1.1\r\nhost: bench\r\ncontent-length: %d\r\n\r\n%b" % (
            len(body),
            body,
        )

    return keep_busy(
        port, connections, seconds, make, lambda status, body: body.count(b'"http') if status == 201 else 0
    )


def _in_client(work: "multiprocessing.Queue[Tally]", what: object, *given: object) -> None:
    os.sched_setaffinity(0, {CLIENT_CORE})
    work.put(what(*given))  # type: ignore[operator]


def elsewhere(what: object, *given: object) -> Tally:
    """The client's part in a process of its own, on its core."""
    context = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[Tally] = context.Queue()
    process = context.Process(target=_in_client, args=(answers, what, *given))
    process.start()
    tally = answers.get(timeout=600)
    process.join()
    return tally


def report(
    name: str, running: Running, before: dict[str, float], tally: Tally, cpu_s: float, asked: int, folder: Path
) -> bool:
    """Prints one line, its floor, and what the store has; True where all is as asked."""
    store = running.status()["store"]
    commits, rows = store["commits"] - before["commits"], store["rows"] - before["rows"]
    per_s = tally.acknowledged / tally.seconds
    size = max(1, round(rows / max(commits, 1) * 20))
    floor, floor_ms = commits_per_s(folder, size, 2.0)
    share = per_s / (floor * rows / max(commits, 1))
    passed = per_s >= asked
    print(
        f"{name:32} {per_s:10,.0f}/s  p50 {tally.at(0.5):6.1f} p99 {tally.at(0.99):6.1f} ms  "
        f"cpu {cpu_s / max(tally.acknowledged, 1) * 1e6:5.1f} us each  {commits / tally.seconds:6,.0f} commits/s of "
        f"{rows / max(commits, 1):7,.1f} rows  floor {floor * rows / max(commits, 1):10,.0f}/s (p50 {floor_ms:.2f} ms), "
        f"share {share:4.0%}  asked {asked:,}: {'PASS' if passed else 'MISS'}"
    )
    if tally.others:
        print(f"  answers that acknowledged nothing, by status: {tally.others}")
    return passed


def main(arguments: list[str]) -> int:
    """Runs all and says PASS or MISS for each."""
    parser = argparse.ArgumentParser(
        prog="dongne bench ingest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--array-seconds", type=float, default=20.0)
    parser.add_argument("--connections", default="64,512")
    parser.add_argument("--array-connections", type=int, default=4)
    parser.add_argument("--datastreams", type=int, default=10_000)
    parser.add_argument("--client", choices=("wrk", "python"), default="wrk" if shutil.which("wrk") else "python")
    given = parser.parse_args(arguments)
    print(machine())
    print(f"one per POST is sent by {given.client}; data arrays by the Python client")
    good = True
    with tempfile.TemporaryDirectory(prefix="dongne-bench-") as name:
        os.sched_setaffinity(0, {SERVER_CORE})  # the floor is measured where the server runs
        folder = Path(name)
        with Running(folder / "store", datastreams=given.datastreams) as running:
            acknowledged, under_way = 0, 0
            single = with_wrk if given.client == "wrk" else with_python
            for connections in map(int, given.connections.split(",")):
                before, cpu_s = running.status()["store"], running.cpu_s()
                base_s = int(time.time()) - 86_400 + connections * 60
                tally = elsewhere(single, running.port, connections, given.seconds, given.datastreams, base_s)
                good &= report(
                    f"one per POST, {connections} connections",
                    running,
                    before,
                    tally,
                    running.cpu_s() - cpu_s,
                    SINGLES_ASKED,
                    folder,
                )
                acknowledged += tally.acknowledged
                under_way += connections if given.client == "wrk" else 0
            for per_group in (1, 10):
                before, cpu_s = running.status()["store"], running.cpu_s()
                tally = elsewhere(
                    arrays,
                    running.port,
                    given.array_seconds,
                    given.datastreams,
                    1_000,
                    per_group,
                    given.array_connections,
                )
                good &= report(
                    f"arrays of 1,000, {per_group} per group",
                    running,
                    before,
                    tally,
                    running.cpu_s() - cpu_s,
                    ROWS_ASKED,
                    folder,
                )
                acknowledged += tally.acknowledged
            began_s = time.perf_counter()
            found = running.count()
            caught_s = time.perf_counter() - began_s
            whole = acknowledged <= found <= acknowledged + under_way
            good &= whole
            print(
                f"acknowledged {acknowledged:,}, queryable {found:,} after {caught_s:.2f} s"
                f"{f' (up to {under_way} were under way when wrk stopped)' if under_way else ''}: "
                f"{'PASS' if whole else 'MISS'};  peak memory {running.peak_mib():,.0f} MiB"
            )
    return 0 if good else 1
