"""Parts of a Thing on pages: in their order, and one sentence for all of them."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from dongne.adapters.clock import CityClock
from dongne.model.access import EVERYTHING, Veil
from dongne.model.entities import Datastream, Entity, Property, Sensor, Thing, Unit, put
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.runtime.ports import Entry, ServiceStatus, Transaction
from dongne.runtime.registry import find_say
from dongne.stores.embedded import EmbeddedStore
from dongne.web.assess import assess, assess_city
from dongne.web.names import Names
from dongne.web.readings import read_thing
from dongne.web.seen import SeenCity
from dongne.web.texts import Texts

MINUTE_US = 60_000_000
NOW_US = 1_790_000_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """A platform whose positions got their Datastreams in the order in which trains came: 2 and 10 first, and one of the whole."""
    entities: list[Entity] = [Thing(id=1, name="Kamppi", properties={"kind": "platform"}), Sensor(id=1, name="service")]
    entities += [Property(id=1, name="expected_load"), Property(id=2, name="temperature")]
    for number, (observed, part) in enumerate([(1, "10"), (1, "2"), (2, ""), (1, "1")], 1):
        said = {"service": "boarding_line", "part": part} if part else {}
        entities.append(
            Datastream(
                id=number, name=str(number), unit_of_measurement=Unit(symbol="%"), thing_id=1, sensor_id=1,
                observed_property_id=observed, properties=said,
            )
        )  # fmt: skip
    opened = EmbeddedStore.open(tmp_path / "city", CityClock())
    opened.submit(
        Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([put(e) for e in entities]))])
    ).result()
    times = NOW_US + MINUTE_US * np.array([1, 1, 1, 0])
    batch = ObservationBatch(np.array([1, 2, 3, 4], np.int32), times, np.array([100.0, 180.0, 21.0, 10.0]))
    opened.submit(Transaction([Entry(RecordKind.OBSERVATIONS, encode_batch(batch), 4)])).result()
    yield opened
    opened.close()


def test_parts_stand_together_in_their_order(store: EmbeddedStore) -> None:
    readings = read_thing(SeenCity(store, Veil(store.graph), EVERYTHING), 1, NOW_US + 2 * MINUTE_US)
    assert [(reading.key, reading.stream.part) for reading in readings] == [
        ("temperature", ""), ("expected_load", "1"), ("expected_load", "2"), ("expected_load", "10"),
    ]  # fmt: skip
    words = Texts.load(ZoneInfo("Asia/Seoul")).words("ko")
    assert Names(store.graph, words).observed(readings[3].stream).endswith(" 10")


def test_a_service_says_of_all_parts_the_mean_of_the_youngest(store: EmbeddedStore) -> None:
    readings = read_thing(SeenCity(store, Veil(store.graph), EVERYTHING), 1, NOW_US + 2 * MINUTE_US)
    found = assess("boarding_line", find_say("boarding_line"), 1, readings[1:])
    assert (found.state, found.key, found.params) == ("busy", "boarding_line.say.caution", {"percent": 140.0})


def test_a_card_counts_the_things_of_its_service_and_not_those_it_only_hears(store: EmbeddedStore) -> None:
    status = ServiceStatus(
        id="boarding_line", shape="service", area="mobility", maturity="pilot", reads=("temperature",),
        emits=("expected_load",), keys=1, lag=0, parked=(), kinds=("train",),
    )  # fmt: skip
    city = SeenCity(store, Veil(store.graph), EVERYTHING)
    for kinds, things in ((("train",), 0), (("platform",), 1), ((), 1)):
        asked = msgspec.structs.replace(status, kinds=kinds)
        (group,) = assess_city(city, SimpleNamespace(statuses=lambda sight, asked=asked: [asked]), NOW_US)  # type: ignore[arg-type]
        assert len(group.things) == things
