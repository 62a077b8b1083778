"""Who may see what: the access class of Things and Datastreams, and the sight of one who asks.

A Thing or Datastream says its class under `properties["access"]`; a Datastream has at least that of its Thing. What only
hangs on hidden Things and Datastreams (Locations, HistoricalLocations, FeaturesOfInterest, Tasks, Sensors, Actuators) is
hidden with them.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any, cast

import msgspec

from dongne.model.entities import (
    Actuator,
    Datastream,
    EntityType,
    FeatureOfInterest,
    Location,
    MultiDatastream,
    Property,
    Relation,
    Sensor,
    Thing,
)
from dongne.model.graph import ThingGraph

ACCESS = "access"
MOST_COPIES = 8  # of a graph, for as many sights; few differ but those of devices


class Access(IntEnum):
    """How closely something is kept; each class includes those before it."""

    PUBLIC = 0  # open data
    INTERNAL = 1  # staff
    PERSONAL = 2  # of one person: only with a purpose


_BY_NAME = {access.name.lower(): access for access in Access}


def access_said(properties: dict[str, Any]) -> Access:
    """The class that properties say; PUBLIC where they say none. A class nobody knows is PERSONAL: kept, not shown."""
    said = properties.get(ACCESS)
    return Access.PUBLIC if said is None else _BY_NAME.get(str(said), Access.PERSONAL)


class Sight(msgspec.Struct, frozen=True):
    """How much one who asks may see: everything up to the class `most`, and of the Things in `things` all of it."""

    most: Access = Access.PUBLIC
    things: frozenset[int] = frozenset()

    @property
    def is_all(self) -> bool:
        """Whether nothing is hidden."""
        return self.most is Access.PERSONAL


PUBLIC = Sight()
EVERYTHING = Sight(Access.PERSONAL)


class Hidden(msgspec.Struct, frozen=True):
    """The ids that one who asks must not meet, by type; MultiDatastreams are among the Datastreams' ids too, as
    Observations name both alike."""

    ids: dict[EntityType, frozenset[int]] = {}

    def __bool__(self) -> bool:
        return bool(self.ids)

    def of(self, kind: EntityType) -> frozenset[int]:
        """The hidden ids of a type."""
        return self.ids.get(kind, frozenset())

    def and_also(self, other: "Hidden") -> "Hidden":
        """What either hides."""
        return Hidden({kind: self.of(kind) | other.of(kind) for kind in self.ids | other.ids})


NOTHING_HIDDEN = Hidden()


class Veil:
    """What of a graph is hidden from whom; worked out again when the graph has changed."""

    def __init__(self, graph: ThingGraph) -> None:
        self._graph = graph
        self._known: tuple[int, dict[Sight, Hidden]] = (-1, {})  # of one revision
        self._seen: dict[Sight, tuple[int, ThingGraph]] = {}  # with its revision

    def hidden(self, sight: Sight) -> Hidden:
        """What this sight does not reach."""
        if sight.is_all:
            return NOTHING_HIDDEN
        revision, known = self._known
        if revision != self._graph.revision or len(known) > 256:
            revision, known = self._known = (self._graph.revision, {})
        found = known.get(sight)
        if found is None:  # where the graph changes meanwhile, this is kept for a revision that nobody asks for again
            found = known[sight] = find_hidden(self._graph, sight)
        return found

    def graph(self, sight: Sight) -> ThingGraph:
        """What this sight reaches: the graph itself where nothing is hidden, else a copy without what is, as it is now."""
        revision, hidden = self._graph.revision, self.hidden(sight)
        if not hidden:
            return self._graph
        found = self._seen.get(sight)
        if found is None or found[0] != revision:
            if len(self._seen) >= MOST_COPIES:
                self._seen = {}
            found = self._seen[sight] = (revision, seen_graph(self._graph, hidden))
        return found[1]

    def sees_case_of(self, sight: Sight, thing_id: int | None, access: str = "") -> bool:
        """Whether a Case at this Thing may be seen, which itself says `access`. Of a Thing that was deleted nobody knows any
        more how closed it was: only who sees everything sees its Cases."""
        if sight.is_all:
            return True
        if access and thing_id not in sight.things and access_said({ACCESS: access}) > sight.most:
            return False
        return thing_id is None or (
            thing_id in self._graph.things and thing_id not in self.hidden(sight).of(EntityType.THING)
        )


def seen_graph(graph: ThingGraph, hidden: Hidden) -> ThingGraph:
    """A copy without what is hidden."""
    return ThingGraph(
        entity
        for kind in EntityType
        for entity_id, entity in list(graph.entities(kind).items())
        if entity_id not in hidden.of(kind)
    )


def find_hidden(graph: ThingGraph, sight: Sight) -> Hidden:
    """What of this graph the sight does not reach."""
    if sight.is_all:
        return NOTHING_HIDDEN
    things = {
        thing.id
        for thing in list(graph.things.values())
        if access_said(thing.properties) > sight.most and thing.id not in sight.things
    }
    all_streams = [*list(graph.datastreams.values()), *list(graph.multi_datastreams.values())]
    streams = {
        stream.id
        for stream in cast("list[Datastream | MultiDatastream]", all_streams)
        if stream.thing_id in things
        or (access_said(stream.properties) > sight.most and stream.thing_id not in sight.things)
    }
    features = {
        feature.id
        for feature in list(graph.features.values())
        if feature.thing_id in things
        or (access_said(feature.properties) > sight.most and feature.thing_id not in sight.things)
    }
    found = {
        EntityType.THING: things,
        EntityType.DATASTREAM: streams,
        EntityType.MULTI_DATASTREAM: streams & graph.multi_datastreams.keys(),
        EntityType.FEATURE_OF_INTEREST: features,
    }
    if things:
        found |= _hanging_on(graph, things)
    found[EntityType.SENSOR] = _only_there(
        (stream.sensor_id, stream.id in streams) for stream in cast("list[Datastream | MultiDatastream]", all_streams)
    )
    capabilities = found.get(EntityType.TASKING_CAPABILITY, set())
    found[EntityType.ACTUATOR] = _only_there(
        (one.actuator_id, one.id in capabilities) for one in list(graph.capabilities.values())
    )
    return Hidden({kind: frozenset(ids) for kind, ids in found.items() if ids})


def may_see(graph: ThingGraph, sight: Sight, kind: EntityType, entity_id: int) -> bool:
    """The same for one entity, without looking at all others; only Locations, Sensors and Actuators need a walk. True for what
    is not there."""
    entity: Any = graph.entities(kind).get(entity_id)
    if entity is None or sight.is_all or isinstance(entity, Property):  # a vocabulary is for all
        return True
    match entity:
        case Thing():
            return not _is_closed(sight, entity.properties, entity.id)
        case Location():
            return _see_location(graph, sight, entity_id)
        case Sensor() | Actuator():
            return _see_what_hangs_on(graph, sight, entity)
        case Relation():
            ends = (entity.from_id, entity.to_id)
            return all(may_see(graph, sight, EntityType.THING, end) for end in ends)
    says = isinstance(entity, Datastream | MultiDatastream | FeatureOfInterest)
    is_closed = says and _is_closed(sight, entity.properties, entity.thing_id)
    return not is_closed and (entity.thing_id is None or may_see(graph, sight, EntityType.THING, entity.thing_id))


def _see_location(graph: ThingGraph, sight: Sight, location_id: int) -> bool:
    there = [thing for thing in list(graph.things.values()) if location_id in thing.location_ids]
    if there:
        return any(not _is_closed(sight, thing.properties, thing.id) for thing in there)
    were = [past.thing_id for past in list(graph.historical_locations.values()) if location_id in past.location_ids]
    return all(may_see(graph, sight, EntityType.THING, thing_id) for thing_id in were)


def _see_what_hangs_on(graph: ThingGraph, sight: Sight, entity: Sensor | Actuator) -> bool:
    hanging: list[tuple[EntityType, int]]
    if isinstance(entity, Sensor):
        streams = [s for s in list(graph.datastreams.values()) if s.sensor_id == entity.id]
        multi = [s for s in list(graph.multi_datastreams.values()) if s.sensor_id == entity.id]
        hanging = [(EntityType.DATASTREAM, s.id) for s in streams] + [
            (EntityType.MULTI_DATASTREAM, s.id) for s in multi
        ]
    else:
        told = [c for c in list(graph.capabilities.values()) if c.actuator_id == entity.id]
        hanging = [(EntityType.TASKING_CAPABILITY, c.id) for c in told]
    return not hanging or any(may_see(graph, sight, kind, entity_id) for kind, entity_id in hanging)


def _is_closed(sight: Sight, properties: dict[str, Any], thing_id: int | None) -> bool:
    return access_said(properties) > sight.most and thing_id not in sight.things


def _hanging_on(graph: ThingGraph, things: set[int]) -> dict[EntityType, set[int]]:
    seen = {place for thing in list(graph.things.values()) if thing.id not in things for place in thing.location_ids}
    theirs = {place for thing_id in things if (thing := graph.things.get(thing_id)) for place in thing.location_ids}
    past = {found.id: found for found in list(graph.historical_locations.values()) if found.thing_id in things}
    theirs |= {place for found in past.values() for place in found.location_ids}
    return {
        EntityType.LOCATION: theirs - seen,
        EntityType.HISTORICAL_LOCATION: set(past),
        EntityType.TASKING_CAPABILITY: _ids(
            found.id for found in list(graph.capabilities.values()) if found.thing_id in things
        ),
        EntityType.RELATION: _ids(
            found.id for found in list(graph.relations.values()) if found.from_id in things or found.to_id in things
        ),
    }


def _only_there(hanging: Iterable[tuple[int, bool]]) -> set[int]:
    """Of (id, whether what hangs on it is hidden): the ids on which nothing hangs that is not."""
    pairs = list(hanging)
    return {one for one, is_hidden in pairs if is_hidden} - {one for one, is_hidden in pairs if not is_hidden}


def _ids(found: Iterable[int]) -> set[int]:
    return set(found)
