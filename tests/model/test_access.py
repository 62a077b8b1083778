"""What may be seen of one entity, against what is hidden of all."""

from random import Random

from dongne.model.access import Access, Sight, find_hidden, may_see
from dongne.model.entities import (
    Actuator,
    Datastream,
    Entity,
    EntityType,
    FeatureOfInterest,
    HistoricalLocation,
    Location,
    MultiDatastream,
    Property,
    Relation,
    Sensor,
    TaskingCapability,
    Thing,
)
from dongne.model.graph import ThingGraph


def any_graph(chance: Random) -> ThingGraph:
    def said() -> dict[str, str]:
        return chance.choice([{}, {}, {"access": "internal"}, {"access": "personal"}, {"access": "nobody knows"}])

    def thing() -> int:
        return chance.randint(1, 8)

    def places() -> tuple[int, ...]:
        return tuple(chance.sample(range(1, 7), chance.randint(0, 2)))

    found: list[Entity] = [Sensor(id=1, name="s"), Property(id=1, name="p"), Actuator(id=1, name="a")]
    found += [Location(id=at, name="l") for at in range(1, 7)]
    found += [
        Thing(id=at, name="t", properties=said(), location_ids=places()) for at in range(1, 7)
    ]  # 7 and 8 are gone
    for at in range(1, 9):
        links = {"thing_id": thing(), "sensor_id": 1}
        found += [
            Datastream(id=at, name="d", properties=said(), observed_property_id=1, **links),
            MultiDatastream(id=20 + at, name="m", properties=said(), observed_property_ids=(1,), **links),
            HistoricalLocation(id=at, time="2026-05-01T00:00:00Z", thing_id=thing(), location_ids=places()),
            FeatureOfInterest(id=at, name="f", properties=said(), thing_id=chance.choice([None, thing()])),
            TaskingCapability(id=at, name="c", thing_id=thing(), actuator_id=1),
            Relation(id=at, kind="k", from_id=thing(), to_id=thing()),
        ]
    return ThingGraph(found)


def test_one_entity_is_seen_exactly_where_it_is_not_among_the_hidden() -> None:
    chance = Random(7)
    for _ in range(200):
        graph = any_graph(chance)
        sight = Sight(chance.choice(list(Access)), frozenset(chance.sample(range(1, 7), chance.randint(0, 2))))
        hidden = find_hidden(graph, sight)
        for kind in EntityType:
            for entity_id in graph.entities(kind):
                seen = may_see(graph, sight, kind, entity_id)
                assert seen == (entity_id not in hidden.of(kind)), (kind, entity_id)
