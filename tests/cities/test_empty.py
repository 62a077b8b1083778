"""A city without sources is a server to fill: it starts by itself, its pages answer, and it takes what is sent."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60.0


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    log = tmp_path / "log"
    command = [sys.executable, "-m", "dongne", "run", "--city", "empty", "--folder", str(tmp_path / "data")]
    with log.open("w") as out:
        process = subprocess.Popen([*command, "--port", "0", "--mqtt", "off"], stdout=out, stderr=out, cwd=ROOT)
    until = time.monotonic() + WAIT_S
    while not (found := re.search(r"is live: +(http://\S+)", log.read_text("utf-8"))):
        assert process.poll() is None and time.monotonic() < until, log.read_text("utf-8")
        time.sleep(0.05)
    yield found[1]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=WAIT_S) == 0
    assert "Traceback" not in log.read_text("utf-8")


def test_a_city_with_nothing_in_it_is_a_server_to_fill(url: str) -> None:
    with httpx.Client(base_url=url) as client:
        for path in ("/", "/things", "/map", "/cases", "/services", "/data", "/status", "/metrics", "/v1.1"):
            assert client.get(path).status_code == 200, path
        assert client.get("/v1.1/Things?$count=true").json() == {"@iot.count": 0, "value": []}
        made = client.post("/v1.1/Things", json={"name": "Gauge 1", "description": "at the bridge"})
        assert made.status_code == 201
        assert client.get(made.headers["location"]).json()["name"] == "Gauge 1"
        assert "Gauge 1" in client.get("/things").text
