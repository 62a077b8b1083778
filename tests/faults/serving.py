"""A city's API and MQTT reception in a process of their own, as `dongne run` serves them, to be overloaded and killed.

    python tests/faults/serving.py FOLDER [--rows 50] [--broker PORT] [--streams 40]

Says on the first line of its output at which port it listens. `--rows` is how many may wait in each lane and door.
"""

import argparse
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import uvicorn

from dongne.adapters.clock import CityClock
from dongne.adapters.mqtt import MqttAdapter, MqttConfig
from dongne.adapters.webhooks import Rules, Webhooks
from dongne.compose.hooks import TokenOwners
from dongne.model.city import CityConfig
from dongne.model.entities import Datastream, Entity, Location, Property, Sensor, Thing, Unit, put
from dongne.model.records import RecordKind
from dongne.model.who import BENCH
from dongne.runtime.intake import Intake
from dongne.runtime.ports import Entry, Transaction
from dongne.stores.access import AccessBook
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.embedded.select import Selector
from dongne.stores.lanes import MAX_WAITING_ROWS
from dongne.stores.webhooks import WebhookFile
from dongne.web.api import ApiContext, append_protocol, create_api
from dongne.web.server import Server

CITY = CityConfig(id="faults", name={"en": "Faults"}, zone="UTC", bounds=(0.0, 0.0, 1.0, 1.0))


def fill(store: EmbeddedStore, streams: int) -> None:
    """A Thing with so many Datastreams."""
    found: list[Entity] = [
        Location(id=1, name="here", location={"type": "Point", "coordinates": [0.5, 0.5]}),
        Thing(id=1, name="t", location_ids=(1,)),
        Sensor(id=1, name="s"),
        Property(id=1, name="anything"),
        *(
            Datastream(id=i, name=f"d{i}", thing_id=1, sensor_id=1, observed_property_id=1, unit_of_measurement=Unit())
            for i in range(1, streams + 1)
        ),
    ]
    body = msgspec.msgpack.encode([put(entity) for entity in found])
    store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result(20)


def main() -> None:
    """Serves until it is killed or told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=MAX_WAITING_ROWS)
    parser.add_argument("--broker", type=int, default=0)
    parser.add_argument("--pace", type=float, default=0.0, help="webhooks too, with waits so much shorter")
    parser.add_argument("--disk", type=float, default=0.0, help="s that the disk takes longer for each commit")
    parser.add_argument("--streams", type=int, default=40)
    given = parser.parse_args()
    store = EmbeddedStore.open(given.folder, CityClock(), max_waiting_rows=given.rows)
    if not store.graph.datastreams:
        fill(store, given.streams)
    if given.disk:
        store.subscribe(lambda records: time.sleep(given.disk))  # the writer's thread waits, as for a slow disk
    intake = Intake(store)
    mqtt = None
    if given.broker:
        mqtt = MqttAdapter(store, intake, MqttConfig(port=given.broker, measure=False, retry_max_s=0.2))
        mqtt.start()
    selector = Selector(store, store.history)
    status = (lambda: {"broker": mqtt.status()}) if mqtt else dict
    webhooks = None
    if given.pace:
        owners = TokenOwners(AccessBook(given.folder), BENCH, lambda: True)
        rules = Rules(inside=True, pace=given.pace, gather_s=0.01)
        webhooks = Webhooks(store, WebhookFile(given.folder), owners, rules, CITY.id)
        webhooks.start()
    api = create_api(ApiContext(store, CITY, intake, selector, mqtt=status, webhooks=webhooks))
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        api, http=append_protocol(api), log_level="error", lifespan="off", timeout_graceful_shutdown=2
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = Server(config, lambda: print(listener.getsockname()[1], flush=True), api.events.close)
    try:
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    finally:
        if webhooks:
            webhooks.close()
        if mqtt:
            mqtt.close()
        selector.close()
        store.close()


if __name__ == "__main__":
    main()
