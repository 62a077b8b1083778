"""A little city with an entity of each type, on a port of its own, and what it says of its interface."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from tests.web.little_city import LittleCity, open_little_city, wait_until

from dongne.web.server import Server

OM = "http://www.opengis.net/def/observationType/OGC-OM/2.0"
PERCENT = {"name": "percent", "symbol": "%", "definition": "ucum:%"}
THING = {
    "name": "Bin 12",
    "Locations": [
        {
            "name": "here",
            "encodingType": "application/geo+json",
            "location": {"type": "Point", "coordinates": [24.94, 60.17]},
        }
    ],
}
PROBE = {
    "Sensor": {"name": "probe", "encodingType": "text/plain", "metadata": "P1"},
}
SEEN = {"name": "fullness", "definition": "urn:fullness"}
STREAM = {"name": "how full", "unitOfMeasurement": PERCENT, "ObservedProperty": SEEN, **PROBE}
MULTI = {
    "name": "level and weight",
    "observationType": f"{OM}/OM_ComplexObservation",
    "multiObservationDataTypes": [f"{OM}/OM_Measurement"],
    "unitOfMeasurements": [PERCENT],
    "ObservedProperties": [SEEN],
    **PROBE,
}
PLATFORM = {
    "name": "Platform 1",
    "description": "towards the east",
    "properties": {
        "kind": "platform",
        "line": "m",
        "stop_id": "m:1",
        "direction_id": 0,
        "stop_sequence": 1,
        "positions": 4,
    },
}
CAPABILITY = {
    "name": "lid",
    "taskingParameters": {"type": "object", "properties": {"open": {"type": "boolean"}}, "required": ["open"]},
    "Actuator": {"name": "motor", "encodingType": "text/plain", "metadata": "M1"},
}


class RunningCity:
    """The city behind a socket; its `document` is asked for anew each time, as its examples name what is there."""

    def __init__(self, city: LittleCity) -> None:
        self.city = city
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(city.app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        self._server = Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started)
        self.client = httpx.Client(base_url=self.url, timeout=20)

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("/openapi.json").raise_for_status().json()
        return found

    def fill(self, times: int = 1) -> None:
        """What the little city has not: Tasking, a MultiDatastream, features, a history of places, an alert."""
        self.client.post("/api/webhooks", json={"url": "https://192.0.2.1/"})  # nobody is there (RFC 5737)
        self._create("Things", PLATFORM)
        self.city.open_case("sensor_silent", {"silent_h": 7.0}, kind="alert")
        for _ in range(times):
            thing = self._create("Things", THING)
            link = {"@iot.id": thing}
            self._create(
                "Observations",
                {"result": 50, "Datastream": {"@iot.id": self._create("Datastreams", {**STREAM, "Thing": link})}},
            )
            multi = self._create("MultiDatastreams", {**MULTI, "Thing": link})
            self._create(f"MultiDatastreams({multi})/Observations", {"result": [50]})
            capability = self._create("TaskingCapabilities", {**CAPABILITY, "Thing": link})
            self._create("Tasks", {"taskingParameters": {"open": True}, "TaskingCapability": {"@iot.id": capability}})

    def _create(self, path: str, sent: dict[str, Any]) -> int:
        response = self.client.post(f"/v1.1/{path}", json=sent)
        assert response.status_code == 201, response.text
        return int(response.headers["location"].rpartition("(")[2].rstrip(")"))

    def close(self) -> None:
        self.client.close()
        self._server.stop()
        self._thread.join(10)


@contextlib.contextmanager
def running_city(folder: Path) -> Iterator[RunningCity]:
    with open_little_city(folder / "store") as city:
        running = RunningCity(city)
        try:
            running.fill()
            yield running
        finally:
            running.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    with running_city(tmp_path_factory.mktemp("described")) as found:
        yield found
