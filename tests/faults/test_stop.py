"""SIGTERM while much comes in: what is under way is answered, listeners hear where to go on, and it ends soon."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
from tests.api.conftest import LAMP
from tests.faults.test_overload import list_stored

sys.path.insert(0, str(Path(__file__).parents[1] / "adapters"))
from receiver import Receiver

SENDERS = 4


def start(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """`dongne run` of a city with nothing in it; returns when it is live."""
    options = ["--port", "0", "--mqtt", "off", "--mqtt-listen", "off", "--webhooks", "anywhere"]
    command = [sys.executable, "-m", "dongne", "run", "--city", "empty", "--folder", str(folder), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"live: +(http://\S+)", line):
            return process, found[1]
    raise AssertionError("".join(said))


class Senders:
    """Threads that send one Observation after the other until the city is away."""

    def __init__(self, url: str) -> None:
        self.acknowledged: list[int] = []  # seconds
        self.codes: set[int] = set()
        self._url = url
        self.threads = [threading.Thread(target=self._send, args=(n,), daemon=True) for n in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def _send(self, number: int) -> None:
        with httpx.Client(timeout=10) as client:
            for second in range(number, 80_000, SENDERS):
                at = f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
                try:
                    sent = {"phenomenonTime": at, "result": second % 100}
                    code = client.post(f"{self._url}/v1.1/Datastreams(1)/Observations", json=sent).status_code
                except httpx.TransportError:
                    return
                self.codes.add(code)
                if code == 201:
                    self.acknowledged.append(second)


def listen(url: str, heard: list[str], ready: threading.Event) -> None:
    with httpx.stream("GET", f"{url}/events/observations", timeout=20) as answer:
        for line in answer.iter_lines():
            ready.set()
            if line.startswith(("event: closing", "data: ", "id: ")):
                heard.append(line)


def test_it_stops_within_five_seconds_under_load_and_loses_nothing(tmp_path: Path) -> None:
    receiver = Receiver()
    process, url = start(tmp_path / "city")
    try:
        assert (
            httpx.post(f"{url}/v1.1/Things", json={**LAMP, "Datastreams": LAMP["Datastreams"][:1]}).status_code == 201
        )
        assert httpx.post(f"{url}/api/webhooks", json={"url": f"{receiver.url}/a"}).status_code == 201
        heard: list[str] = []
        ready = threading.Event()
        listening = threading.Thread(target=listen, args=(url, heard, ready), daemon=True)
        listening.start()
        assert ready.wait(10)
        senders = Senders(url)
        until_s = time.monotonic() + 20
        while len(senders.acknowledged) < 100 or not receiver.came:
            assert time.monotonic() < until_s
            time.sleep(0.01)
        began_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait(20)
        took_s = time.monotonic() - began_s
        for thread in (*senders.threads, listening):
            thread.join(10)
            assert not thread.is_alive()
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        rest = process.stdout.read()
        process.stdout.close()
        receiver.close()
    assert code == 0, rest
    assert took_s < 5, f"{took_s:.1f} s\n{rest}"
    assert "Traceback" not in rest and "Cancel" not in rest, rest
    assert senders.codes <= {200, 201, 503}, senders.codes
    stored = {second for stream, second in list_stored(tmp_path / "city") if stream == 1}
    assert set(senders.acknowledged) - stored == set(), "acknowledged and lost"
    closing = heard.index("event: closing")
    last: Any = json.loads(heard[closing + 1].removeprefix("data: "))["last"]
    told = [int(line.removeprefix("id: ")) for line in heard[:closing] if line.startswith("id: ")]
    assert told == list(range(told[0], told[-1] + 1)), "a gap before the end"
    assert last == told[-1]
