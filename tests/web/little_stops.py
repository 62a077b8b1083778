"""The little timetable as a city of its own: its stops as Things, boards, and words of operators."""

import contextlib
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from little_city import CONFIG, HandClock, wait_until
from tests.standards.little_gtfs import zip_of

from dongne.adapters.gtfs_city import Transit
from dongne.model.entities import Datastream, Property, Sensor, Thing, put
from dongne.model.records import ObservationBatch, ObservationExtra, RecordKind, encode_batch
from dongne.model.times import to_us
from dongne.runtime.host import RuntimeHost
from dongne.runtime.manifest import SERVICES
from dongne.runtime.ports import Entry, Transaction
from dongne.runtime.registry import load_all
from dongne.standards.gtfs.planning import plan_in
from dongne.standards.gtfs.read import read
from dongne.stores.embedded import EmbeddedStore
from dongne.web.app import create_app
from dongne.web.context import WebContext
from dongne.web.texts import Texts

NOW = datetime(2026, 11, 30, 7, 58, tzinfo=ZoneInfo("Europe/Helsinki"))
DELAY, DISRUPTION = 1, 2


class LittleStops:
    """Stop W has a Datastream for delays and one for disruptions."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self.clock.us = to_us(NOW)
        self.store = EmbeddedStore.open(folder, self.clock)
        names = {DELAY: "departure_delay", DISRUPTION: "disruption"}
        made: list[Any] = [
            Sensor(id=1, name="GTFS Realtime"),
            Thing(id=1, name="West", properties={"kind": "stop", "stop_id": "W"}),
        ]
        made += [Property(id=number, name=name) for number, name in names.items()]
        made += [
            Datastream(id=n, name=name, thing_id=1, sensor_id=1, observed_property_id=n) for n, name in names.items()
        ]
        body = msgspec.msgpack.encode([put(one) for one in made])
        self.store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()
        tables = json.loads((SERVICES / "stop_board/example/feed.json").read_text(encoding="utf-8"))
        feed, _ = read(zip_of({name: "\n".join(lines) for name, lines in tables.items()}))
        assert feed is not None
        _, answers = load_all(["stop_board"])
        self.host = RuntimeHost(self.store, CONFIG, [], answers, {"transit": Transit(feed, plan_in(feed), 0)})
        self.host.start()
        self.host.open()
        self.app = create_app(
            WebContext(self.store, self.host, CONFIG, Texts.load(CONFIG.zone_info, strict=True)), None
        )
        self.guard = None

    def say(self, stream: int, result: float, **parameters: Any) -> None:
        """An operator's word, taken in."""
        extras = {0: ObservationExtra(parameters=parameters)}
        batch = ObservationBatch(np.array([stream], np.int32), np.array([self.clock.us]), np.array([result]), extras)
        self.store.submit(Transaction([Entry(RecordKind.OBSERVATIONS, encode_batch(batch), 1)])).result()
        wait_until(lambda: all(status.lag == 0 for status in self.host.statuses()))

    def close(self) -> None:
        self.host.close()
        self.store.close()


@contextlib.contextmanager
def open_little_stops(folder: Path) -> Iterator[LittleStops]:
    stops = LittleStops(folder)
    try:
        yield stops
    finally:
        stops.close()
