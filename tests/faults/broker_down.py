"""Takes the broker away for a while as people press their buttons, and looks whether 119 hears of each when it is back.

    python tests/faults/broker_down.py --down-s 600 [--gateways 40] [--folder FOLDER]

A whole city is started as `dongne run` does it, on a Mosquitto of its own. Each home's gateway is an MQTT client that keeps what it
has to say (QoS 1). A quarter press before the broker ends, half while it is away, spread over the time, and a quarter when it is back.

What must hold: each alarm comes to 119, once, under an identifier of its own; those from before at once, all others within
`LATE_S` of the broker's return, which is the longest a gateway and the city wait before they connect again.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from dongne.adapters.mqtt.mosquitto import Mosquitto, free_port

LATE_S = 90.0
CITY = """zone = "Asia/Seoul"
bounds = [126.9, 37.4, 127.1, 37.6]
services = ["home_alarm", "home_link", "link_outage"]
[name]
ko = "고장 시험"
en = "Fault city"
[channels.dispatch]
sender = "dongne@faults.example"
desks = [{{ name = "desk", url = "http://127.0.0.1:{port}", takes_tests = true, timeout_s = 5 }}]
"""


def until(reached: Callable[[], Any], what: str, within_s: float) -> Any:
    """What it gives as soon as it is true."""
    end_s = time.monotonic() + within_s
    while not (found := reached()):
        if time.monotonic() > end_s:
            raise AssertionError(f"not within {within_s:g} s: {what}")
        time.sleep(0.02)
    return found


def is_past(moment_s: float) -> bool:
    """Whether that moment is over."""
    return time.monotonic() >= moment_s


class Desk(ThreadingHTTPServer):
    """A 119 that notes which identifier came for which home, and when first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), DeskHandler)
        self.first_s: dict[int, float] = {}
        self.identifiers: defaultdict[int, Counter[str]] = defaultdict(Counter)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class DeskHandler(BaseHTTPRequestHandler):
    """Takes every alarm."""

    protocol_version = "HTTP/1.1"
    server: Desk

    def do_POST(self) -> None:
        """An alarm."""
        body = self.rfile.read(int(self.headers["content-length"]))
        home, identifier = re.search(rb"HNO>(\d+)<", body), re.search(rb"<identifier>([^<]+)<", body)
        if home and identifier and b"<msgType>Alert<" in body:
            self.server.first_s.setdefault(int(home[1]), time.monotonic())
            self.server.identifiers[int(home[1])][identifier[1].decode()] += 1
        self._answer(b'{"receipt":"r"}')

    def do_GET(self) -> None:
        """Nothing has happened at the desk."""
        self._answer(b'{"events":[],"last":0}')

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quietly."""


class Gateway:
    """A home's gateway: what it has to say waits in it until the broker has taken it."""

    def __init__(self, number: int, broker: int) -> None:
        self.number, self._seq = number, 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"gw-{number:06}", clean_session=False)
        self._client.reconnect_delay_set(1, 10)
        self._client.connect("127.0.0.1", broker, keepalive=10)
        self._client.loop_start()

    def press(self) -> None:
        """The button."""
        self._seq += 1
        now = datetime.now(UTC).isoformat()
        event = {"device": "button-1", "property": "button", "time": now, "value": 1}
        message = {"gateway": f"gw-{self.number:06}", "seq": self._seq, "sent": now, "events": [event]}
        self._client.publish(f"homes/gw-{self.number:06}/messages", json.dumps(message), qos=1)

    def close(self) -> None:
        """It is gone."""
        self._client.disconnect()
        self._client.loop_stop()


class RunningCity:
    """`dongne run` in a process of its own."""

    def __init__(self, folder: Path, broker: int, desk: int) -> None:
        (folder / "city").mkdir(parents=True)
        (folder / "city" / "city.toml").write_text(CITY.format(port=desk), encoding="utf-8")
        self._folder, port = folder, free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log = (folder / "log").open("wb")
        command = [
            sys.executable,
            "-m",
            "dongne",
            "run",
            "--city",
            str(folder / "city"),
            "--folder",
            str(folder / "data"),
        ]
        command += ["--port", str(port), "--mqtt", f"127.0.0.1:{broker}", "--mqtt-listen", "off", "--webhooks", "off"]
        self.process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)

    def is_connected(self) -> bool:
        """Whether it answers, and has the broker."""
        try:
            return bool(self.ask("GET", "/status")["mqtt"]["broker"]["connected"])
        except (OSError, KeyError, TypeError):
            return False

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        """The JSON of the answer."""
        token = (self._folder / "data" / "token").read_text().strip().strip('"')
        body = None if document is None else json.dumps(document).encode()
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "accept": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = answer.read()
        return json.loads(said) if said else None

    def close(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.wait(30)
        self._log.close()


def home_of(number: int) -> dict[str, Any]:
    """A simulated home with a button."""
    return {
        "gateway": f"gw-{number:06}", "person": f"p-{number:06}", "point": [127.0, 37.5], "simulated": True,
        "address": {"country": "KR", "A1": "Seoul", "RD": "Fault", "HNO": str(number)}, "agrees": [], "contacts": [],
        "devices": [{"device": "gateway", "properties": ["heartbeat"]}, {"device": "button-1", "properties": ["button"]}],
    }  # fmt: skip


def take_away(folder: Path, count: int, down_s: float) -> str:
    """What was seen, in words. Raises AssertionError where an alarm is lost, late or told under two identifiers."""
    desk, broker = Desk(), Mosquitto(folder / "broker")
    broker.start()
    city = RunningCity(folder, broker.port, desk.server_address[1])
    gateways: list[Gateway] = []
    try:
        until(city.is_connected, "the city has the broker", 60.0)
        city.ask("POST", "/api/homes", [home_of(number) for number in range(count)])
        gateways = [Gateway(number, broker.port) for number in range(count)]
        before, while_away, after = range(count // 4), range(count // 4, 3 * count // 4), range(3 * count // 4, count)
        for number in before:
            gateways[number].press()
        until(lambda: len(desk.first_s) == len(before), "alarms of before came to 119", 20.0)
        broker.stop()
        until(lambda: not city.is_connected(), "the city notices", 30.0)
        ended_s = time.monotonic()
        for at, number in enumerate(while_away, 1):
            gateways[number].press()
            until(partial(is_past, ended_s + down_s * at / len(while_away)), "time passes", down_s + 1)
        missed = set(desk.first_s) - set(before)
        assert not missed, f"119 heard of {missed} without a broker"
        broker.start()
        back_s = time.monotonic()
        for number in after:
            gateways[number].press()
        until(lambda: len(desk.first_s) == count, f"all came to 119; {len(desk.first_s)} of {count}", LATE_S)
        again = {home: dict(told) for home, told in desk.identifiers.items() if len(told) > 1 or max(told.values()) > 1}
        assert not again, f"told more than once: {again}"
        last_s = max(desk.first_s.values()) - back_s
    finally:
        for gateway in gateways:
            gateway.close()
        city.close()
        broker.stop()
        desk.shutdown()
        desk.server_close()
    return f"the broker was away for {down_s:g} s: no alarm of {count} lost, each told once, the last {last_s:.1f} s after its return"


def main() -> int:
    """Says what was seen; 1 where something is lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--down-s", type=float, default=600.0)
    parser.add_argument("--gateways", type=int, default=40)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        try:
            print(take_away(given.folder or Path(made), given.gateways, given.down_s))
        except AssertionError as error:
            print(error)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
