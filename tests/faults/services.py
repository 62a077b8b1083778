"""The workload of running services for `kill.py`: ingest beside the runtime, killed anywhere; emissions compared with a replay.

python tests/faults/kill.py --kills 50 --workload tests/faults/services.py:RunningServices
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from dongne.model.entities import Datastream, Entity, Location, Property, Relation, Sensor, Thing, Unit, put
from dongne.model.records import ObservationBatch, Record, RecordKind, decode_batch, encode_batch
from dongne.runtime.facts import Fact
from dongne.runtime.live import READER, Live
from dongne.runtime.ports import Entry, Transaction
from dongne.runtime.registry import LoadedService, load
from dongne.runtime.replay import recorded, replay
from dongne.stores.embedded import EmbeddedStore

Say = Callable[[str], None]
ZONE = ZoneInfo("Europe/Helsinki")
SERVICES = ("smart_bins", "lamp_ahead", "footfall")
THINGS = 12  # of each kind
KINDS = (
    ("waste_basket", "fill_level", "%"),
    ("street_lamp", "presence", "1"),
    ("footway", "pedestrians", "{person}/h"),
)
START_US = int(datetime(2026, 11, 2, tzinfo=UTC).timestamp() * 1e6)
STEP_US = 600_000_000  # a client's clock goes ten minutes a value


def entities() -> list[Entity]:
    """Bins, lamps in a row, counted footways; Datastream i is of Thing i."""
    found: list[Entity] = [Sensor(id=1, name="client")]
    for kind_index, (kind, key, unit) in enumerate(KINDS):
        found.append(Property(id=kind_index + 1, name=key))
        for i in range(1, THINGS + 1):
            number = kind_index * THINGS + i
            point = {"type": "Point", "coordinates": [24.94 + i * 5e-4, 60.17 + kind_index * 1e-3]}
            found.append(Location(id=number, name=f"at {number}", location=point))
            found.append(Thing(id=number, name=f"{kind} {i}", properties={"kind": kind}, location_ids=(number,)))
            found.append(
                Datastream(
                    id=number, name=f"{key} {i}", unit_of_measurement=Unit(symbol=unit), thing_id=number, sensor_id=1,
                    observed_property_id=kind_index + 1,
                )
            )  # fmt: skip
    for i in range(THINGS + 1, 2 * THINGS):
        found.append(Relation(id=2 * i, kind="next_lamp", from_id=i, to_id=i + 1, distance_m=30.0))
        found.append(Relation(id=2 * i + 1, kind="next_lamp", from_id=i + 1, to_id=i, distance_m=30.0))
    return found


def value_of(stream: int, step: int) -> float:
    """What a client sends: known beforehand, so that a wrong value shows."""
    if stream <= THINGS:
        return float((step * (1 + stream % 5)) % 97)
    if stream <= 2 * THINGS:
        return float((step + stream) % 3 == 0)
    return float(100 + (step * 37 + stream * 11) % 900)


class RunningServices:
    """Clients send single Observations, a value every ten minutes of their own clock; three services run."""

    def run(self, store: EmbeddedStore, seed: int, round_number: int, say: Say) -> None:
        """Never returns."""
        if not store.graph.datastreams:
            body = msgspec.msgpack.encode([put(e) for e in entities()])
            store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()
        for stream in range(1, 3 * THINGS + 1):
            target = self._send
            threading.Thread(target=target, args=(store, stream, round_number, say), daemon=True).start()
        Live(store, loaded(), ZONE)._run()

    @staticmethod
    def _send(store: EmbeddedStore, stream: int, round_number: int, say: Say) -> None:
        step = round_number * 100_000
        while True:
            batch = ObservationBatch(
                np.array([stream], np.int32),
                np.array([START_US + step * STEP_US // 100], np.int64),
                np.array([value_of(stream, step)]),
            )
            receipt = store.submit(Transaction([Entry(RecordKind.OBSERVATIONS, encode_batch(batch), 1)])).result(60)
            say(f"{stream} {step} {receipt.numbers[0]}")
            step += 1

    def check(self, store: EmbeddedStore, lines: list[str]) -> list[str]:
        """What is wrong, in words."""
        records: list[Record] = []
        while found := store.read(records[-1].last if records else 0, limit=20_000):
            records += found
        return [*check_acknowledged(records, lines), *check_emissions(store)]


def loaded() -> list[LoadedService]:
    """The services, feeders first."""
    return [one for one in map(load, SERVICES) if isinstance(one, LoadedService)]


def check_acknowledged(records: list[Record], lines: list[str]) -> list[str]:
    """No acknowledged Observation lost or changed, none doubled."""
    there: dict[int, tuple[int, int, float]] = {}
    for record in records:
        if record.kind is RecordKind.OBSERVATIONS and not record.origin:
            batch = decode_batch(record.body, record.count)
            rows = zip(batch.datastream.tolist(), batch.time_us.tolist(), batch.result.tolist(), strict=True)
            there |= {record.number + i: row for i, row in enumerate(rows)}
    wrong = []
    if len(set(there.values())) != len(there):
        wrong.append("an Observation is doubled")
    for line in lines[1:]:
        stream, step, number = map(int, line.split())
        if there.get(number) != (stream, START_US + step * STEP_US // 100, value_of(stream, step)):
            wrong.append(f"acknowledged and lost: number {number}, Datastream {stream}, step {step}")
    return wrong


def check_emissions(store: EmbeddedStore) -> list[str]:
    """What the killed services said up to their position is what one run without a kill says: nothing doubled or missing."""
    position = store.position(READER)
    said = sorted(recorded(store, set(SERVICES)))
    wanted: list[Fact] = sorted(replay(store, loaded(), ZONE, until=position)) if position else []
    if said == wanted:
        return []
    missing = [f for f in wanted if f not in set(said)]
    extra = [f for f in said if f not in set(wanted)]
    return [
        f"{len(said)} emissions, a replay up to {position} has {len(wanted)}; missing {missing[:2]}, extra {extra[:2]}"
    ]
