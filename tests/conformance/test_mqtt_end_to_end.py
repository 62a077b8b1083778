"""A city started as a person starts it, and the clients of Mosquitto as their makers ship them (18-088, A.7 and A.8)."""

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

import httpx
import pytest

WAIT_S = 60.0
HTTP = httpx.Client(timeout=WAIT_S)
ROOT = Path(__file__).resolve().parents[2]
ON_MQTT = "http://www.opengis.net/spec/iot_sensing/1.1/req/receive-updates-via-mqtt/receive-updates"
MADE = "http://www.opengis.net/spec/iot_sensing/1.1/req/create-observations-via-mqtt/observations-creation"


def thing(name: str, **properties: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": "",
        "properties": properties,
        "Locations": [
            {
                "name": "corner",
                "description": "",
                "encodingType": "application/geo+json",
                "location": {"type": "Point", "coordinates": [24.94, 60.17]},
            }
        ],
        "Datastreams": [
            {
                "name": f"light of {name}",
                "description": "",
                "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
                "unitOfMeasurement": {"name": "percent", "symbol": "%", "definition": "ucum:%"},
                "ObservedProperty": {"name": "brightness", "definition": "https://example.org/b", "description": ""},
                "Sensor": {"name": "driver", "description": "", "encodingType": "text/plain", "metadata": "D4i"},
            }
        ],
    }


class City:
    """`dongne run` of an empty city with a listener on a free port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data"
        log = folder / "log"
        command = [sys.executable, "-m", "dongne", "run", "--city", "empty", "--folder", str(self.folder)]
        command += ["--port", "0", "--mqtt", "off", "--mqtt-listen", "127.0.0.1:0"]
        with log.open("w") as sink:
            self.process = subprocess.Popen(command, stdout=sink, stderr=sink, cwd=ROOT, env=os.environ)
        end_s = time.monotonic() + WAIT_S
        while not (found := re.search(r"is live: +(http://\S+)\s+MQTT clients may connect: +(\S+)", log.read_text())):
            assert self.process.poll() is None and time.monotonic() < end_s, log.read_text()
            time.sleep(0.02)
        self.url, self.mqtt = found[1], found[2]
        self.where = ["-h", "127.0.0.1", "-p", self.mqtt.rpartition(":")[2]]

    def json(self, path: str) -> Any:
        return HTTP.get(f"{self.url}/v1.1/{path}").raise_for_status().json()

    def create(self, path: str, document: Any) -> int:
        answer = HTTP.post(f"{self.url}/v1.1/{path}", json=document).raise_for_status()
        return int(answer.headers["location"].rpartition("(")[2].rstrip(")"))

    def close(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_S)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, mosquitto: str) -> Iterator[City]:
    if shutil.which("mosquitto_sub") is None:
        pytest.skip("the clients of mosquitto are not installed")
    running = City(tmp_path_factory.mktemp("city"))
    yield running
    HTTP.close()
    assert running.close() == 0


def hear(city: City, count: int, *topics: str) -> "subprocess.Popen[str]":
    """mosquitto_sub that ends after so many messages; returns when it is subscribed."""
    before = HTTP.get(f"{city.url}/status").json()["mqtt"]["listener"]["subscriptions"]
    command = ["mosquitto_sub", *city.where, "-q", "1", "-C", str(count), "-W", "30", "-v"]
    hearing = subprocess.Popen(
        [*command, *(word for topic in topics for word in ("-t", topic))], stdout=subprocess.PIPE, text=True
    )
    end_s = time.monotonic() + WAIT_S
    while HTTP.get(f"{city.url}/status").json()["mqtt"]["listener"]["subscriptions"] < before + len(topics):
        assert hearing.poll() is None and time.monotonic() < end_s
        time.sleep(0.02)
    return hearing


def heard(hearing: "subprocess.Popen[str]") -> list[tuple[str, Any]]:
    said, _ = hearing.communicate(timeout=WAIT_S)
    lines = [line.partition(" {") for line in said.splitlines()]
    return [(topic, json.loads("{" + rest)) for topic, _, rest in lines]


def test_the_root_says_where_mqtt_clients_connect(city: City) -> None:
    settings = city.json("")["serverSettings"]
    assert {MADE, ON_MQTT} <= set(settings["conformance"])
    assert settings[MADE] == settings[ON_MQTT] == {"endpoints": [city.mqtt]}


def test_what_comes_over_http_and_mqtt_is_heard_as_a_get_of_it(city: City) -> None:
    lamp = city.create("Things", thing("lamp"))
    (stream,) = city.json(f"Things({lamp})/Datastreams")["value"]
    topic = f"v1.1/Datastreams({stream['@iot.id']})/Observations"
    observations = hear(city, 2, topic)
    entity = hear(city, 3, f"v1.1/Datastreams({stream['@iot.id']})")
    city.create(topic.removeprefix("v1.1/"), {"phenomenonTime": "2026-05-01T08:00:00Z", "result": 40})
    body = json.dumps({"phenomenonTime": "2026-05-01T09:00:00Z", "result": 41.5})
    time.sleep(0.3)  # else the two are one change of the Datastream
    subprocess.run(["mosquitto_pub", *city.where, "-q", "1", "-t", topic, "-m", body], check=True)
    found = heard(observations)
    assert [name for name, _ in found] == [topic] * 2 and [d["result"] for _, d in found] == [40, 41.5]
    assert [document for _, document in found] == [city.json(f"Observations({d['@iot.id']})") for _, d in found]
    first, _, last = (document for _, document in heard(entity))
    assert first == stream and last == city.json(f"Datastreams({stream['@iot.id']})")


def test_entities_made_and_changed_over_http_are_heard(city: City) -> None:
    hearing = hear(city, 3, "v1.1/Things?$select=id,name", "v1.1/Locations?$select=name")
    post = city.create("Things", thing("post"))
    HTTP.patch(f"{city.url}/v1.1/Things({post})", json={"name": "gate post"}).raise_for_status()
    found = heard(hearing)
    assert ("v1.1/Things?$select=id,name", {"@iot.id": post, "name": "gate post"}) in found
    assert ("v1.1/Locations?$select=name", {"name": "corner"}) in found


def test_what_is_personal_is_never_heard_nor_said_to_be_there(city: City) -> None:
    lamp = city.create("Things", thing("lamp of all"))
    everything = hear(city, 1, "v1.1/Observations")
    bed = city.create("Things", thing("bed", access="personal"))
    token = json.loads((city.folder / "server.json").read_text())["token"]
    head = {"authorization": f"Bearer {token}"}
    (hidden,) = HTTP.get(f"{city.url}/v1.1/Things({bed})/Datastreams", headers=head).json()["value"]
    topic = f"v1.1/Datastreams({hidden['@iot.id']})/Observations"
    command = ["mosquitto_sub", *city.where, "-W", "5", "-t", topic]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "denied" in refused.stderr
    staff = subprocess.Popen(
        [*command, "-C", "1", "-W", "30", "-u", "admin", "-P", token], stdout=subprocess.PIPE, text=True
    )
    path = f"{city.url}/{topic}"
    end_s = time.monotonic() + WAIT_S
    while staff.poll() is None and time.monotonic() < end_s:
        HTTP.post(path, json={"result": 33}, headers=head).raise_for_status()
        time.sleep(0.05)
    assert json.loads(staff.communicate()[0])["result"] == 33  # who may see it hears it
    (public,) = city.json(f"Things({lamp})/Datastreams")["value"]
    city.create(f"Datastreams({public['@iot.id']})/Observations", {"result": 34})
    ((_, document),) = heard(everything)
    assert document["result"] == 34  # the first that others hear


def test_the_status_page_says_how_it_is_doing(city: City) -> None:
    page = (
        HTTP.get(f"{city.url}/status", headers={"accept": "text/html", "accept-language": "en"}).raise_for_status().text
    )
    assert city.mqtt in page and "Messages delivered" in page
