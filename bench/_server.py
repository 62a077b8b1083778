"""A city with Datastreams and nothing else, served as `dongne run` serves its API: for the measurements."""

import argparse
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import uvicorn

from dongne.adapters.clock import CityClock
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
    """`rows` Observations up to now, evenly over the Datastreams, in order of time as they would have arrived."""
    end_us = to_us(datetime.now(UTC))
    start_us = end_us - int(timedelta(days=days).total_seconds() * 1e6)
    chance = np.random.default_rng(seed)
    waiting = []
    for start in range(0, rows, COMMIT_ROWS):
        count = min(COMMIT_ROWS, rows - start)
        at = np.arange(start, start + count)
        time_us = start_us + (at * ((end_us - start_us) / rows)).astype(np.int64)
        batch = ObservationBatch(
            (at % datastreams + 1).astype(np.int32), time_us, np.round(chance.normal(20, 5, count), 2)
        )
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
    given = parser.parse_args()
    if given.core >= 0:
        os.sched_setaffinity(0, {given.core})
    store = EmbeddedStore.open(given.folder, CityClock())
    if not store.graph.datastreams:
        fill(store, given.datastreams)
    if given.rows and not any(store.latest(stream) for stream in (1, given.datastreams)):
        load(store, given.rows, given.datastreams, given.days, given.seed)
    selector = Selector(store, store.history)
    app = create_api(ApiContext(store, CITY, Intake(store), selector))
    config = uvicorn.Config(
        app, host="127.0.0.1", port=given.port, log_level="warning", access_log=False, proxy_headers=False,
        http=append_protocol(app), server_header=False, date_header=False, lifespan="off",
    )  # fmt: skip
    quieten_collector()
    try:
        uvicorn.Server(config).run()
    finally:
        selector.close()
        store.close()


if __name__ == "__main__":
    main()
