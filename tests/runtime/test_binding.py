"""Who hears whom, worked out as Things come and go, is what it would be if all were worked out at once."""

import random
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dongne.model.entities import (
    Datastream,
    Entity,
    EntityChange,
    EntityType,
    Property,
    Relation,
    Remove,
    Sensor,
    Thing,
    Unit,
    put,
)
from dongne.model.graph import ThingGraph
from dongne.model.records import Record, RecordKind
from dongne.runtime.binding import Binding
from dongne.runtime.engine import Engine
from dongne.runtime.registry import LoadedService, load_all

ZONE = ZoneInfo("Asia/Seoul")
HOMES, AREAS = range(1, 6), (8, 9)
KEYS = ("heartbeat", "home_silent", "link_outage")


@pytest.fixture(scope="module")
def services() -> list[LoadedService]:
    return load_all(["home_link", "link_outage"])[0]


def everything() -> list[Entity]:
    """Five homes, two areas, each home served by both."""
    found: list[Entity] = [Thing(id=home, name=f"home {home}", properties={"kind": "home"}) for home in HOMES]
    found += [Thing(id=area, name=f"area {area}", properties={"kind": "link_area"}) for area in AREAS]
    for home in HOMES:
        for number, key in enumerate(KEYS, 1):
            found.append(
                Datastream(
                    id=10 * home + number, name=key, unit_of_measurement=Unit(symbol="1"), thing_id=home, sensor_id=1,
                    observed_property_id=number,
                )
            )  # fmt: skip
        for area in AREAS:
            found.append(Relation(id=100 * area + home, kind="serves", from_id=area, to_id=home))
            found.append(Relation(id=100 * area + 50 + home, kind="served_by", from_id=home, to_id=area))
    return found


def shown(engine: Engine) -> object:
    engine._binding.catch_up()
    binding = engine._binding
    routes = {
        (thing, key): [(route.runner.id, route.key) for route in binding.routes_at(thing, key)]
        for thing in (*HOMES, *AREAS)
        for key in KEYS
    }
    streams = {i: (s.thing, s.key, [r.key for r in s.routes]) for i, s in binding.streams.items()}
    return routes, streams, [i for i in range(len(binding.is_bound)) if binding.is_bound[i]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1_000_000))
def test_what_is_bound_as_things_come_and_go_is_what_is_bound_at_once(services: list[LoadedService], seed: int) -> None:
    chance = random.Random(seed)
    shared: list[Entity] = [Sensor(id=1, name="s"), *(Property(id=n, name=key) for n, key in enumerate(KEYS, 1))]
    changing = Engine(services, ThingGraph(shared), ZONE)
    there: dict[tuple[EntityType, int], Entity] = {}
    kinds = {Thing: EntityType.THING, Datastream: EntityType.DATASTREAM, Relation: EntityType.RELATION}
    for number in range(1, 12):
        changes: list[EntityChange] = []
        for entity in chance.sample(everything(), chance.randint(1, 12)):
            at = (kinds[type(entity)], entity.id)
            if at in there and chance.random() < 0.4:
                del there[at]
                changes.append(Remove(*at))
            else:
                there[at] = entity
                changes.append(put(entity))
        changing.turn(Record(number, 1, RecordKind.ENTITIES, number, msgspec.msgpack.encode(changes)))
        if chance.random() < 0.6:
            shown(changing)
    assert shown(changing) == shown(Engine(services, ThingGraph([*shared, *there.values()]), ZONE))


def test_a_home_that_goes_does_not_bind_all_others_anew(
    services: list[LoadedService], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared: list[Entity] = [Sensor(id=1, name="s"), *(Property(id=n, name=key) for n, key in enumerate(KEYS, 1))]
    engine = Engine(services, ThingGraph([*shared, *everything()]), ZONE)
    monkeypatch.setattr(Binding, "rebind", lambda self: pytest.fail("all was bound anew"))
    gone = [Remove(EntityType.DATASTREAM, 10 * 3 + n) for n in (1, 2, 3)]
    gone += [Remove(EntityType.RELATION, 100 * area + more + 3) for area in AREAS for more in (0, 50)]
    gone.append(Remove(EntityType.THING, 3))
    engine.turn(Record(1, 1, RecordKind.ENTITIES, 1, msgspec.msgpack.encode(gone)))
    engine._binding.catch_up()
    assert not engine.acts(3, "heartbeat")
    assert engine.acts(4, "heartbeat")


def test_asking_who_acts_changes_nothing_as_another_thread_may_handle_records_meanwhile(
    services: list[LoadedService], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared: list[Entity] = [Sensor(id=1, name="s"), *(Property(id=n, name=key) for n, key in enumerate(KEYS, 1))]
    engine = Engine(services, ThingGraph([*shared, *everything()]), ZONE)
    new = put(Thing(id=6, name="home 6", properties={"kind": "home"}))
    engine.turn(Record(1, 1, RecordKind.ENTITIES, 1, msgspec.msgpack.encode([new])))
    with monkeypatch.context() as watched:
        watched.setattr(Binding, "catch_up", lambda self: pytest.fail("it was worked in by who asks"))
        known = dict(engine._binding._routes)
        assert engine.acts(6, "heartbeat") and not engine.acts(6, "smoke") and not engine.acts(7, "heartbeat")
        assert engine._binding._routes == known
