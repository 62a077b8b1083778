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

from dongne.adapters.sources import load_city
from dongne.model.errors import BadSetup

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60.0


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where it is; nothing is in it when the first test comes."""
    folder = tmp_path_factory.mktemp("empty")
    log = folder / "log"
    command = [sys.executable, "-m", "dongne", "run", "--city", "empty", "--folder", str(folder / "data")]
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


def test_a_server_to_fill_takes_forecasts_of_any_time(url: str) -> None:
    """18-088, table 12: the phenomenonTime is when the Observation happens, and nothing bounds it."""
    stream = {
        "name": "Water level tomorrow",
        "description": "",
        "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
        "unitOfMeasurement": {"name": "metre", "symbol": "m", "definition": "ucum:m"},
        "Sensor": {"name": "Model", "description": "", "encodingType": "text", "metadata": "m"},
        "ObservedProperty": {"name": "level", "description": "", "definition": "urn:level"},
    }
    with httpx.Client(base_url=url) as client:
        thing = client.post("/v1.1/Things", json={"name": "Gauge", "description": "", "Datastreams": [stream]})
        found = client.get(f"{thing.headers['location']}/Datastreams?$select=id").json()["value"][0]
        rows = [["2099-06-01T00:00:00Z", 1.5], ["9999-12-31T23:59:59Z", 2.5]]
        group = {"Datastream": found, "components": ["phenomenonTime", "result"], "dataArray": rows}
        made = client.post("/v1.1/CreateObservations", json=[group]).json()
        assert [client.get(address).json()["phenomenonTime"] for address in made] == [time for time, _ in rows]
        for path in ("/", "/things", "/data", "/status"):
            assert client.get(path).status_code == 200, path


def test_a_bound_below_the_clock_is_refused_with_its_key(tmp_path: Path) -> None:
    folder = tmp_path / "behind"
    folder.mkdir()
    text = (ROOT / "cities" / "empty" / "city.toml").read_text("utf-8")
    (folder / "city.toml").write_text(text.replace("ahead_h = 0 ", "ahead_h = -1 "), "utf-8")
    with pytest.raises(BadSetup, match="ahead_h"):
        load_city(folder)
