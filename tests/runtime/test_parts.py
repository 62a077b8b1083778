"""Parts of a Thing: several Datastreams of one property, each heard, said and remembered apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from dongne.adapters.streaming import Streams
from dongne.model.entities import Datastream, Entity, Property, Relation, Sensor, Thing, Unit, entity_of, put
from dongne.model.graph import ThingGraph
from dongne.model.observed import Observation, ObservedProperty
from dongne.model.properties import CAR_MASS, PEOPLE_ABOARD
from dongne.model.records import ObservationBatch, Record, RecordKind, encode_batch
from dongne.model.times import to_us
from dongne.runtime.declared import declare
from dongne.runtime.engine import Engine, decode_changes
from dongne.runtime.examples import read_example
from dongne.runtime.live import Live
from dongne.runtime.manifest import Manifest, PropertyEntry
from dongne.runtime.ports import Entry, Transaction
from dongne.runtime.registry import LoadedService
from dongne.runtime.replay import recorded, replay
from dongne.runtime.runner import Emitted
from dongne.runtime.service import City, Emission, Latest, Neighbours, Result, Service, on
from dongne.stores.embedded import EmbeddedStore

ZONE = ZoneInfo("Asia/Seoul")
START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
ABOARD_HERE = Latest(PEOPLE_ABOARD)
TRAINS = Neighbours("served_by")
MASS_OF_TRAINS = Latest(CAR_MASS, of=TRAINS)
FULLEST = ObservedProperty("fullest_car", "1", 0.0, 20.0)


@dataclass(frozen=True)
class NoSettings:
    pass


@dataclass
class Cars:
    heard: int = 0


class Counting(Service[NoSettings, Cars]):
    """People of each car, at 70 kg each."""

    kinds = ("train",)
    emits = (PEOPLE_ABOARD,)

    @on(CAR_MASS)
    def weighed(self, obs: Observation, cars: Cars, city: City) -> Iterator[Emission]:
        cars.heard += 1
        yield Result(PEOPLE_ABOARD, obs.result / 70.0, part=obs.part)


class Fullest(Service[NoSettings, Cars]):
    """Which car of the train that comes is the fullest."""

    kinds = ("train", "platform")
    needs = (ABOARD_HERE, TRAINS, MASS_OF_TRAINS)
    emits = (FULLEST,)

    @on(PEOPLE_ABOARD)
    def counted(self, obs: Observation, cars: Cars, city: City) -> Iterator[Emission]:
        fullest = max(city.readings(ABOARD_HERE), key=lambda reading: reading.value)
        yield Result(FULLEST, float(fullest.part))

    @on(PEOPLE_ABOARD, of=TRAINS)
    def coming(self, obs: Observation, cars: Cars, city: City) -> Iterator[Emission]:
        fullest = max(city.readings(MASS_OF_TRAINS), key=lambda reading: reading.value)
        yield Result(FULLEST, float(fullest.part), part=obs.part)


def loaded(service_id: str, cls: type, observed: ObservedProperty) -> LoadedService:
    manifest = Manifest(
        id=service_id, area="test", origin="test", privacy="public", owner="test", maturity="lab",
        properties={observed.key: PropertyEntry(observed.unit, observed.low, observed.high)}, cases={}, settings={},
    )  # fmt: skip
    return LoadedService(manifest, declare(service_id, cls, manifest, []))


def services() -> list[LoadedService]:
    return [loaded("counting", Counting, PEOPLE_ABOARD), loaded("fullest", Fullest, FULLEST)]


def entities() -> list[Entity]:
    """A train, Thing 1, with scales under three cars, Datastreams 1 to 3, and the platform it serves, Thing 2."""
    found: list[Entity] = [Property(id=1, name="car_mass"), Sensor(id=1, name="scale")]
    found += [Thing(id=1, name="train", properties={"kind": "train"})]
    found += [Thing(id=2, name="platform", properties={"kind": "platform"})]
    found += [Relation(id=1, kind="served_by", from_id=2, to_id=1)]
    for car in (1, 2, 3):
        found.append(
            Datastream(
                id=car, name=f"car {car}", unit_of_measurement=Unit(symbol="t"), thing_id=1, sensor_id=1,
                observed_property_id=1, properties={"part": str(car)},
            )
        )  # fmt: skip
    return found


class Clock:
    def __init__(self) -> None:
        self.us = to_us(START)

    def now_us(self) -> int:
        return self.us


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore.open(tmp_path / "city", Clock())
    body = msgspec.msgpack.encode([put(entity) for entity in entities()])
    opened.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()
    yield opened
    opened.close()


def weigh(store: EmbeddedStore, minute: int, *tonnes: float) -> None:
    time_us = to_us(START + timedelta(minutes=minute))
    batch = ObservationBatch(
        np.arange(1, len(tonnes) + 1, dtype=np.int32), np.full(len(tonnes), time_us), np.array(tonnes)
    )
    store.submit(Transaction([Entry(RecordKind.OBSERVATIONS, encode_batch(batch), len(tonnes))])).result()


def record(number: int, *tonnes: float) -> Record:
    time_us = to_us(START) + number
    batch = ObservationBatch(
        np.arange(1, len(tonnes) + 1, dtype=np.int32), np.full(len(tonnes), time_us), np.array(tonnes)
    )
    return Record(number, len(tonnes), RecordKind.OBSERVATIONS, time_us, encode_batch(batch))


def results(emitted: list[Emitted]) -> list[tuple[int, str, float]]:
    return [(e.thing, e.emission.part, e.emission.value) for e in emitted if isinstance(e.emission, Result)]


def test_each_part_has_a_derived_datastream_of_its_own(store: EmbeddedStore) -> None:
    live = Live(store, services(), ZONE)
    weigh(store, 1, 7.0, 3.5, 0.7)
    weigh(store, 2, 0.7, 1.4, 2.1)
    live.drain()
    graph = store.graph
    derived = {d.part: d for d in graph.list_datastreams(1) if graph.property_key(d) == "people_aboard"}
    assert {part: d.properties for part, d in derived.items()} == {
        part: {"service": "counting", "part": part} for part in ("1", "2", "3")
    }
    assert derived["2"].name == "people_aboard 2, train"
    latest = {part: store.latest(d.id) for part, d in derived.items()}
    assert {part: round(found.result, 6) for part, found in latest.items() if found} == {"1": 10, "2": 20, "3": 30}
    (whole,) = [d for d in graph.list_datastreams(1) if graph.property_key(d) == "fullest_car"]
    assert whole.properties == {"service": "fullest"}


def test_the_latest_of_each_part_is_known_here_and_at_neighbours() -> None:
    engine = Engine(services(), ThingGraph(entities()), ZONE)
    emitted = results(engine.turn(record(2, 3.0, 9.0, 6.0)))
    assert [(part, value) for thing, part, value in emitted if thing == 1 and part == ""] == [("", 1), ("", 2), ("", 2)]
    assert [(part, value) for thing, part, value in emitted if thing == 2] == [("1", 1), ("2", 2), ("3", 2)]
    assert [(r.part, r.value) for r in engine.around.readings(1, Latest(CAR_MASS))] == [
        ("1", 3000.0), ("2", 9000.0), ("3", 6000.0),
    ]  # fmt: skip


def test_a_restart_and_a_replay_say_of_each_part_the_same(store: EmbeddedStore) -> None:
    live = Live(store, services(), ZONE)
    weigh(store, 1, 7.0, 3.5, 0.7)
    live.drain()
    live = Live(store, services(), ZONE)  # the parts heard before are known
    weigh(store, 2, 0.7)
    live.drain()
    said = sorted(recorded(store, {"counting", "fullest"}))
    again = sorted(replay(store, services(), ZONE))
    assert said == again
    assert [(fact.time.minute, fact.value) for fact in said if fact.thing == 1 and fact.name == "fullest_car"] == [
        (1, 1.0), (1, 1.0), (1, 1.0), (2, 2.0),
    ]  # fmt: skip
    assert {fact.more for fact in said if fact.name == "people_aboard"} == {f'{{"part":"{n}"}}' for n in (1, 2, 3)}


def test_what_was_stored_before_things_had_parts_is_still_known() -> None:
    around = Engine(services(), ThingGraph(entities()), ZONE).around
    around.load(1, b'{"car_mass": [1000000, 5.5]}')
    assert [(r.part, r.value) for r in around.readings(1, Latest(CAR_MASS))] == [("", 5.5)]


def test_a_part_that_is_no_text_parks_the_key() -> None:
    class Numbering(Counting):
        @on(CAR_MASS)
        def weighed(self, obs: Observation, cars: Cars, city: City) -> Iterator[Emission]:
            yield Result(PEOPLE_ABOARD, 1.0, part=3)  # type: ignore[arg-type]  # the mistake

    Numbering.__orig_bases__ = Counting.__orig_bases__  # type: ignore[attr-defined]  # as a service that stands alone
    engine = Engine([loaded("counting", Numbering, PEOPLE_ABOARD)], ThingGraph(entities()), ZONE)
    assert engine.turn(record(2, 3.0)) == []
    assert "a part is a text" in engine.runners["counting"].cells[1].parked


def test_an_example_and_a_simulator_name_parts(tmp_path: Path) -> None:
    file = tmp_path / "records.jsonl"
    file.write_text(
        '{"thing": {"id": 1, "kind": "train"}}\n'
        '{"at": "2026-11-02T08:00:00Z", "observe": [[1, "car_mass", 700, null, "", "1"], [1, "car_mass", 70, null, "", "2"]]}'
    )
    graph = ThingGraph()
    first, second = read_example(file, "counting", [])
    graph.apply(decode_changes(first.body))
    assert [stream.part for stream in graph.list_datastreams(1)] == ["1", "2"]
    assert second.count == 2
    streams = Streams(graph, lambda kind: 10 + len(streams.changes))
    numbers = [streams.simulated("counting", graph.get_thing(1), CAR_MASS, "Scale", {}, part) for part in ("1", "2")]
    made = [entity for change in streams.changes if isinstance(entity := entity_of(change), Datastream)]
    assert [(stream.id, stream.part, stream.properties["source_id"]) for stream in made] == [
        (numbers[0], "1", "simulated/counting/1/car_mass/1"),
        (numbers[1], "2", "simulated/counting/1/car_mass/2"),
    ]
