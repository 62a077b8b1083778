"""How somebody sends a value to a Datastream: lines to copy, with the address by which they came."""

import shlex
from dataclasses import dataclass
from urllib.parse import urlsplit

from dongne.web.frame import Page
from dongne.web.readings import Reading

MQTT_TOPIC = "v1.1/Datastreams({id})/Observations"  # OGC SensorThings 1.1, clause 14.2


@dataclass(frozen=True)
class Sending:
    """Two lines for a shell, each sends the value `example` in `unit` now."""

    curl: str
    mqtt: str
    unit: str


def how_to_send(page: Page, reading: Reading) -> Sending:
    """The lines for a Datastream; its latest value is the example."""
    example = f"{reading.value:g}" if reading.is_there else "1"
    payload = f'{{"result": {example}}}'
    topic = MQTT_TOPIC.format(id=reading.stream.id)
    address = shlex.quote(f"{page.base_url}/{topic}")
    curl = f"curl {address} \\\n  -H 'Content-Type: application/json' \\\n  -d {shlex.quote(payload)}"
    host, port = find_broker(page)
    mqtt = f"mosquitto_pub -h {host} -p {port} -q 1 \\\n  -t {shlex.quote(topic)} \\\n  -m {shlex.quote(payload)}"
    return Sending(curl, mqtt, page.names.unit(reading.unit))


def find_broker(page: Page) -> tuple[str, str]:
    """Host and port of the broker; the host that was asked and MQTT's usual port where none was named."""
    if page.context.mqtt:
        host, _, port = page.context.mqtt.rpartition(":")
        return host, port
    return urlsplit(page.base_url).hostname or "localhost", "1883"
