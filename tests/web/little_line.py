"""A little line in the little city: three stations, platforms with four positions, a train of four cars and one of two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dongne.adapters.lines import plan_lines
from dongne.model.entities import Datastream, Entity, EntityType, Property, Unit, put
from dongne.model.records import ObservationBatch, ObservationExtra, RecordKind, encode_batch
from dongne.model.times import format_instant, to_us
from dongne.runtime.ports import Entry, Transaction

LINES = """
[[line]]
id = "m"
name = "Little metro"
name_ko = "작은 지하철"
positions = 4
doors_per_car = 3
seats_per_car = 54
tare_kg = 33_000
headway_s = 300
simulated = "A simulation."
[[line.station]]
id = "west"
name = "West"
name_ko = "서역"
place = [24.93, 60.17]
[[line.station]]
id = "mid"
name = "Mid"
name_ko = "가운데역"
place = [24.94, 60.17]
[[line.station]]
id = "east"
name = "East"
name_ko = "동역"
place = [24.95, 60.17]
[[line.train]]
id = "long"
cars = 4
[[line.train]]
id = "short"
cars = 2
"""
UNITS = {"expected_load": "%", "car_mass": "kg", "people_aboard": "{person}", "people_after_alighting": "{person}"}
INCOMING_AT, STOPPED_AT, IN_TRANSIT_TO = 0, 1, 2
TRAINS_SAY = ("in_service", "direction_id", "current_stop_sequence", "current_status")
OF_CARS = ("car_mass", "people_aboard", "people_after_alighting")


@dataclass
class LittleLine:
    """The line's Things and Datastreams in a city's store; what is said is stored as it comes."""

    city: Any
    folder: Path
    lines: str = LINES
    loads: str = "invented"
    streams: dict[tuple[int, str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "lines.toml").write_text(self.lines, encoding="utf-8")
        store = self.city.store
        for changes in plan_lines(self.folder, None, store.new_id, store.graph):
            self._submit(RecordKind.ENTITIES, msgspec.msgpack.encode(changes))
        made: list[Entity] = []
        self._properties = {p.name: p.id for p in store.graph.properties.values()}
        for thing in list(store.graph.things.values()):
            if thing.kind == "train":
                for key in TRAINS_SAY:
                    made += self._stream(thing.id, key, "")
                for car in range(1, thing.properties["cars"] + 1):
                    for key in OF_CARS:
                        made += self._stream(thing.id, key, str(car))
            elif thing.kind == "platform":
                for position in range(1, thing.properties["positions"] + 1):
                    made += self._stream(thing.id, "expected_load", str(position))
        self._submit(RecordKind.ENTITIES, msgspec.msgpack.encode([put(entity) for entity in made]))

    def _stream(self, thing: int, key: str, part: str) -> list[Entity]:
        made: list[Entity] = []
        store = self.city.store
        if key not in self._properties:
            self._properties[key] = store.new_id(EntityType.OBSERVED_PROPERTY)
            made.append(Property(id=self._properties[key], name=key))
        services = {"expected_load": "boarding_line", "people_aboard": "car_load", "people_after_alighting": "car_load"}
        simulated = {"simulated": True, "simulator": "boarding_line", "parameters": {"loads": self.loads}}
        properties: dict[str, Any] = {"service": services[key]} if key in services else simulated
        id_ = self.streams[thing, key, part] = store.new_id(EntityType.DATASTREAM)
        made.append(
            Datastream(
                id=id_, name=key, unit_of_measurement=Unit(symbol=UNITS.get(key, "1")), thing_id=thing, sensor_id=1,
                observed_property_id=self._properties[key], properties={**properties, **({"part": part} if part else {})},
            )
        )  # fmt: skip
        return made

    def thing(self, name: str) -> int:
        """The id of "mid/0" or "train/long"."""
        line = self.lines.partition('id = "')[2].partition('"')[0]
        found = self.city.store.graph.find_by_source(f"line:{line}/{name}")
        assert found is not None, name
        return int(found.id)

    def say(
        self, train: str, direction_id: int, stop_sequence: int, status: int, at: datetime, *, in_service: int = 1
    ) -> None:
        """Where a train is."""
        thing = self.thing(f"train/{train}")
        said = dict(zip(TRAINS_SAY, (in_service, direction_id, stop_sequence, status), strict=True))
        self.store([((thing, key, ""), value, None) for key, value in said.items()], at)

    def aboard(self, train: str, people: Sequence[float], at: datetime, **said: Any) -> None:
        """How full its cars left a stop."""
        thing = self.thing(f"train/{train}")
        self.store([((thing, "people_aboard", str(i)), one, said) for i, one in enumerate(people, 1)], at)

    def expect(
        self, platform: str, train: str, loads: Mapping[int, tuple[float, float, float]], at: datetime, **more: Any
    ) -> None:
        """What boarding_line says at a platform of a train: by position (percent, low, high)."""
        thing = self.thing(platform)
        said = {"vehicle_id": train, "trip": format_instant(at - timedelta(minutes=3)), "source": "sensor", **more}
        rows = [
            ((thing, "expected_load", str(p)), percent, {**said, "low_percent": low, "high_percent": high})
            for p, (percent, low, high) in loads.items()
        ]
        self.store(rows, at)

    def store(self, rows: Sequence[tuple[tuple[int, str, str], float, dict[str, Any] | None]], at: datetime) -> None:
        """Rows of (thing, property, part), value and parameters."""
        extras = {i: ObservationExtra(parameters=said) for i, (_, _, said) in enumerate(rows) if said}
        batch = ObservationBatch(
            np.array([self.streams[key] for key, _, _ in rows], np.int32),
            np.full(len(rows), to_us(at), np.int64),
            np.array([value for _, value, _ in rows], np.float64),
            extras,
        )
        self._submit(RecordKind.OBSERVATIONS, encode_batch(batch), len(rows))

    def _submit(self, kind: RecordKind, body: bytes, count: int = 1) -> None:
        self.city.store.submit(Transaction([Entry(kind, body, count)])).result()
