"""A city started as a person starts it, and the commands that go through it while it runs."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from dongne.adapters.basemap import find_tippecanoe
from dongne.model.errors import BadSetup

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 120.0


class Running:
    """`dongne run` of a small city: Helsinki's Things with one service, without what streams in."""

    def __init__(self, folder: Path) -> None:
        self.city = folder / "helsinki"
        self.folder = folder / "data"
        shutil.copytree(ROOT / "cities/helsinki", self.city)
        for name in ("series.toml", "simulated.toml"):
            (self.city / name).unlink(missing_ok=True)
        config = (self.city / "city.toml").read_text("utf-8")
        (self.city / "city.toml").write_text(
            re.sub(r"^services = .*$", 'services = ["smart_bins"]', config, flags=re.MULTILINE), "utf-8"
        )
        self.log = folder / "log"
        self.url = ""

    def start(self) -> None:
        """Returns when it says where it is live."""
        with self.log.open("w") as log:
            self.process = subprocess.Popen([*self.command("run"), "--port", "0"], stdout=log, stderr=log, cwd=ROOT)
        until = time.monotonic() + WAIT_S
        while not (found := re.search(r"is live: +(http://\S+)", self.log.read_text("utf-8"))):
            assert self.process.poll() is None, self.log.read_text("utf-8")
            assert time.monotonic() < until, self.log.read_text("utf-8")
            time.sleep(0.05)
        self.url = found[1]

    def stop(self, how: signal.Signals) -> int:
        """The exit code after a signal."""
        self.process.send_signal(how)
        return self.process.wait(timeout=WAIT_S)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "dongne", *words, "--city", str(self.city), "--folder", str(self.folder)]

    def dongne(self, *words: str) -> tuple[int, str]:
        """Exit code and everything a command says."""
        environment = {**os.environ, "COLUMNS": "200"}
        done = subprocess.run(
            self.command(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            check=False,
        )
        return done.returncode, done.stdout

    def get(self, path: str) -> Any:
        with urlopen(self.url + path) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    city = Running(tmp_path_factory.mktemp("city"))
    city.start()
    yield city
    if city.process.poll() is None:
        city.process.kill()
        city.process.wait()


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """2,500 good rows, one that is no number, and one out of range."""
    rows = [f"2026-03-{1 + i // 1440:02}T{i // 60 % 24:02}:{i % 60:02}:00,{i % 30}" for i in range(2500)]
    file = tmp_path / "roof.csv"
    file.write_text("\n".join(["time,celsius", *rows, "2026-03-09T00:00:00,warm", "2026-03-09T00:01:00,900", ""]))
    return file


IMPORT = ("--thing", "School roof", "--place", "24.941,60.171", "--property", "temperature", "--unit", "Cel")
COUNT = (
    "/v1.1/Things?$filter=name eq 'School roof'&$expand=Datastreams($expand=Observations($count=true;$top=1)),Locations"
)


def look_at_roof(running: Running) -> tuple[str, str, int, list[float]]:
    """Property, unit, number of Observations and place of what was imported; exactly one of each."""
    (thing,) = running.get(COUNT.replace(" ", "%20").replace("'", "%27"))["value"]
    (stream,) = thing["Datastreams"]
    place = thing["Locations"][0]["location"]["coordinates"]
    return stream["name"], stream["unitOfMeasurement"]["symbol"], stream["Observations@iot.count"], place


def test_own_rows_are_taken_in_once_and_what_is_wrong_is_named(running: Running, csv: Path) -> None:
    command = ("import", str(csv), *IMPORT, "--zone", "Europe/Helsinki")
    code, said = running.dongne(*command, "--dry-run")
    assert (code, "School roof (new Thing): temperature [Cel]" in said, "would be stored" in said) == (1, True, True)

    code, said = running.dongne(*command)
    assert code == 1
    assert f"refused: {csv}: line 2502, celsius: 'warm' is no finite number" in said
    assert f"refused: {csv}: line 2503, temperature: " in said
    assert "2,500 observations were stored" in said
    assert look_at_roof(running) == ("temperature", "Cel", 2500, [24.941, 60.171])

    code, said = running.dongne(*command)
    assert "0 observations were stored; 2,500 were there already" in said

    shorter = csv.with_name("part.csv")
    shorter.write_text("time,celsius\n2026-03-01T00:00:00,0\n2026-04-01T00:00:00,1\n")
    assert "1 observations were stored; 1 were there already" in running.dongne("import", str(shorter), *command[2:])[1]
    assert look_at_roof(running)[2] == 2501


def test_services_say_how_they_are_doing(running: Running) -> None:
    code, said = running.dongne("services")
    assert code == 0, said
    assert "smart_bins" in said
    assert "0 parked" in said


def test_the_store_says_how_it_is_doing_while_the_city_runs(running: Running) -> None:
    code, said = running.dongne("store", "status")
    assert code == 0, said
    assert "history_lag" in said


def test_the_map_gets_its_tiles_while_the_city_runs(running: Running, need: Any) -> None:
    try:
        find_tippecanoe()
    except BadSetup as error:
        need("browser", False, error.message)
    until = time.monotonic() + WAIT_S
    while "tiles" not in (layers := running.get("/map/layers.json")):
        assert time.monotonic() < until, running.log.read_text("utf-8")
        time.sleep(0.05)
    with urlopen(Request(running.url + layers["tiles"], headers={"Range": "bytes=0-7"})) as answer:
        assert (answer.status, answer.read()) == (206, b"PMTiles\x03")


def test_work_that_needs_the_store_for_itself_is_refused_while_the_city_runs(running: Running) -> None:
    code, said = running.dongne("store", "rebuild")
    assert code == 2
    assert "stop it first" in said


def test_history_can_be_replayed_while_the_city_runs(running: Running) -> None:
    code, said = running.dongne("replay", "smart_bins", "--set", "full_percent=70", "--count")
    assert code == 0, said


def test_the_containers_health_check_is_content_with_a_running_city_and_with_nothing_else(running: Running) -> None:
    file = (ROOT / "deploy/Containerfile").read_text("utf-8")
    (code,) = re.findall(r'^HEALTHCHECK .*"-c", "(.+)"\]$', file, re.MULTILINE)
    for address, healthy in ((running.url, True), ("http://127.0.0.1:9", False)):
        asked = code.replace("http://127.0.0.1:8000", address)
        done = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=False, timeout=30)
        assert (done.returncode == 0) is healthy, done.stderr


def test_a_second_city_in_the_same_folder_is_refused(running: Running) -> None:
    code, said = running.dongne("run", "--port", "0")
    assert code == 2, said
    assert "Traceback" not in said


def test_it_stops_when_asked_and_goes_on_where_it_was(running: Running) -> None:
    """Last: what was imported is still there after a stop, a rebuild of history, and a second start."""
    things = running.get("/status")["entities"]
    assert running.stop(signal.SIGINT) == 0, running.log.read_text("utf-8")
    assert not (running.folder / "server.json").exists()
    code, said = running.dongne("store", "rebuild")
    assert code == 0, said
    code, said = running.dongne("store", "seal", "--before", "2026-03-02")
    assert code == 0, said
    running.start()
    assert running.get("/status")["entities"] == things
    assert running.get("/v1.1/Observations?$count=true&$top=1")["@iot.count"] == 2501
    assert len(running.get("/api/latest?property=temperature")["value"]) >= 1
    assert running.stop(signal.SIGTERM) == 0, running.log.read_text("utf-8")
    assert not (running.folder / "server.json").exists()
