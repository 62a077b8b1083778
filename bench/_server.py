"""A city with Datastreams and nothing else, served as `dongne run` serves its API: for the measurements."""

import argparse
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import uvicorn

from dongne.adapters.clock import CityClock
from dongne.adapters.mqtt import MqttAdapter, MqttConfig
from dongne.model.city import CityConfig
from dongne.model.entities import Datastream, Entity, Location, Property, Sensor, Thing, Unit, put
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.model.times import to_us
from dongne.runtime.intake import Intake
from dongne.runtime.ports import Entry, Lane, Transaction
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.embedded.select import Selector
from dongne.web.api import ApiContext, append_protocol, create_api, quieten_collector

CITY = CityConfig(id="bench", name={"en": "Bench"}, zone="UTC", bounds=(24.0, 60.0, 25.0, 61.0))
STREAMS_PER_THING = 10
COMMIT_ROWS = 5_000


def fill(store: EmbeddedStore, datastreams: int) -> None:
    """Things with ten Datastreams each."""
    found: list[Entity] = [Sensor(id=1, name="bench"), Property(id=1, name="bench")]
    for thing in range(1, -(-datastreams // STREAMS_PER_THING) + 1):
        place = {"type": "Point", "coordinates": [24.0 + thing * 1e-4, 60.0]}
        found.append(Location(id=thing, name=f"place {thing}", location=place))
        found.append(Thing(id=thing, name=f"thing {thing}", location_ids=(thing,)))
    found += [
        Datastream(
            id=stream,
            name=f"stream {stream}",
            unit_of_measurement=Unit("degree Celsius", "Cel", "http://unitsofmeasure.org/Cel"),
            thing_id=(stream - 1) // STREAMS_PER_THING + 1,
            sensor_id=1,
            observed_property_id=1,
        )
        for stream in range(1, datastreams + 1)
    ]
    for start in range(0, len(found), 2_000):
        body = msgspec.msgpack.encode([put(entity) for entity in found[start : start + 2_000]])
        store.submit(Transaction((Entry(RecordKind.ENTITIES, body),))).result(60)


def load(store: EmbeddedStore, rows: int, datastreams: int, days: float, seed: int) -> None:
    """`rows` Observations up to now over the Datastreams as they would have arrived. What they look like hangs on the
    seed: how unevenly the Datastreams send, how much comes late and by how much, and how the results are spread."""
    chance = np.random.default_rng(seed)
    end_us = to_us(datetime.now(UTC))
    start_us = end_us - int(timedelta(days=days).total_seconds() * 1e6)
    ends = np.cumsum(chance.lognormal(0.0, chance.uniform(0.2, 1.0), datastreams))
    late_share, late_us = chance.uniform(0.0, 0.02), chance.uniform(0.1, 24.0) * 3.6e9
    mean, spread, step_us = chance.uniform(15, 25), chance.uniform(3, 8), (end_us - start_us) / rows
    waiting = []
    for start in range(0, rows, COMMIT_ROWS):
        count = min(COMMIT_ROWS, rows - start)
        time_us = start_us + (np.arange(start, start + count) * step_us).astype(np.int64)
        is_late = chance.random(count) < late_share
        time_us -= (is_late * chance.random(count) * late_us).astype(np.int64)
        streams = np.minimum(np.searchsorted(ends, chance.random(count) * ends[-1]) + 1, datastreams)
        batch = ObservationBatch(streams.astype(np.int32), time_us, np.round(chance.normal(mean, spread, count), 2))
        entry = Entry(RecordKind.OBSERVATIONS, encode_batch(batch), count)
        waiting.append(store.submit(Transaction((entry,)), Lane.BULK))
        if len(waiting) >= 20:
            waiting.pop(0).result(60)
    for future in waiting:
        future.result(60)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--core", type=int, default=-1)
    parser.add_argument("--datastreams", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broker-port", type=int, default=0)
    given = parser.parse_args()
    if given.core >= 0:
        os.sched_setaffinity(0, {given.core})
    store = EmbeddedStore.open(given.folder, CityClock())
    if not store.graph.datastreams:
        fill(store, given.datastreams)
    if given.rows and not store.read(0, None, 1, (RecordKind.OBSERVATIONS,)):
        load(store, given.rows, given.datastreams, given.days, given.seed)
    selector = Selector(store, store.history)
    intake = Intake(store)
    mqtt = (
        MqttAdapter(store, intake, MqttConfig(port=given.broker_port, retry_max_s=1.0)) if given.broker_port else None
    )
    ways = {} if mqtt is None else {"broker": mqtt}
    context = ApiContext(store, CITY, intake, selector, mqtt=lambda: {name: way.status() for name, way in ways.items()})
    app = create_api(context)
    config = uvicorn.Config(
        app, host="127.0.0.1", port=given.port, log_level="warning", access_log=False, proxy_headers=False,
        http=append_protocol(app), server_header=False, date_header=False, lifespan="off", timeout_graceful_shutdown=3,
    )  # fmt: skip
    quieten_collector()
    try:
        if mqtt is not None:
            mqtt.start()
        uvicorn.Server(config).run()
    finally:
        if mqtt is not None:
            mqtt.close()
        selector.close()
        store.close()


if __name__ == "__main__":
    main()
