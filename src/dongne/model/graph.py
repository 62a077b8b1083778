"""The Thing graph in memory: every entity by id, what hangs on what, and where things are."""

from collections.abc import Iterable, Iterator

from dongne.model.entities import (
    ENTITY_TYPES,
    Actuator,
    Datastream,
    Entity,
    EntityChange,
    EntityType,
    FeatureOfInterest,
    HistoricalLocation,
    Location,
    MultiDatastream,
    Property,
    Put,
    Relation,
    Sensor,
    TaskingCapability,
    Thing,
    entity_of,
)
from dongne.model.errors import NotFound
from dongne.model.geometry import Point, PointIndex, find_centre


class ThingGraph:
    """The graph, kept by applying changes in order. `revision` grows with every change, `shape_revision` with those of
    Things, Locations and Relations.

    A store's graph changes in its writer's thread: whoever else walks over one of its dicts takes `list(...)` of it first
    (one step, which no other thread comes into), as the methods here do.
    """

    def __init__(self, entities: Iterable[Entity] = ()) -> None:
        self.revision = 0
        self.shape_revision = 0
        self.things: dict[int, Thing] = {}
        self.locations: dict[int, Location] = {}
        self.historical_locations: dict[int, HistoricalLocation] = {}
        self.sensors: dict[int, Sensor] = {}
        self.properties: dict[int, Property] = {}
        self.datastreams: dict[int, Datastream] = {}
        self.features: dict[int, FeatureOfInterest] = {}
        self.relations: dict[int, Relation] = {}
        self.multi_datastreams: dict[int, MultiDatastream] = {}
        self.actuators: dict[int, Actuator] = {}
        self.capabilities: dict[int, TaskingCapability] = {}
        self._by_type: dict[EntityType, dict[int, Entity]] = {
            EntityType.THING: self.things,  # type: ignore[dict-item]  # values are of one class each
            EntityType.LOCATION: self.locations,  # type: ignore[dict-item]
            EntityType.HISTORICAL_LOCATION: self.historical_locations,  # type: ignore[dict-item]
            EntityType.DATASTREAM: self.datastreams,  # type: ignore[dict-item]
            EntityType.SENSOR: self.sensors,  # type: ignore[dict-item]
            EntityType.OBSERVED_PROPERTY: self.properties,  # type: ignore[dict-item]
            EntityType.FEATURE_OF_INTEREST: self.features,  # type: ignore[dict-item]
            EntityType.RELATION: self.relations,  # type: ignore[dict-item]
            EntityType.MULTI_DATASTREAM: self.multi_datastreams,  # type: ignore[dict-item]
            EntityType.ACTUATOR: self.actuators,  # type: ignore[dict-item]
            EntityType.TASKING_CAPABILITY: self.capabilities,  # type: ignore[dict-item]
        }
        self._streams_of: dict[int, dict[int, Datastream]] = {}
        self._relations_from: dict[tuple[int, str], dict[int, Relation]] = {}
        self._by_source: dict[str, int] = {}
        self._features_of: dict[int, dict[int, FeatureOfInterest]] = {}
        # of Locations, found when first asked for; with the Location, as it may be replaced meanwhile
        self._centres: dict[int, tuple[Location | None, Point | None]] = {}
        self._index: tuple[int, PointIndex] | None = None
        for entity in entities:
            self._put(entity)

    def apply(self, changes: Iterable[EntityChange]) -> None:
        """Take the changes in. The revision grows before and after each: what a reader worked out in between is not the last."""
        for change in changes:
            if isinstance(change, Put):
                self._put(entity_of(change))
            else:
                self._remove(change.type, change.id)
            self.revision += 1

    def _put(self, entity: Entity) -> None:
        self.revision += 1
        self.shape_revision += isinstance(entity, Thing | Location | Relation)
        match entity:
            case Thing():
                self.things[entity.id] = entity
                if source := entity.properties.get("source_id"):
                    self._by_source[str(source)] = entity.id
            case Datastream():
                self._forget_stream(self.datastreams.get(entity.id))
                self.datastreams[entity.id] = entity
                self._streams_of.setdefault(entity.thing_id, {})[entity.id] = entity
            case Relation():
                self._forget_relation(self.relations.get(entity.id))
                self.relations[entity.id] = entity
                self._relations_from.setdefault((entity.from_id, entity.kind), {})[entity.id] = entity
            case Location():
                self.locations[entity.id] = entity
                self._centres.pop(entity.id, None)
            case FeatureOfInterest():
                self.features[entity.id] = entity
                if entity.thing_id is not None:
                    self._features_of.setdefault(entity.thing_id, {})[entity.id] = entity
            case _:
                self._by_type[ENTITY_TYPES[type(entity)]][entity.id] = entity

    def _remove(self, kind: EntityType, entity_id: int) -> None:
        self.revision += 1
        self.shape_revision += kind in (EntityType.THING, EntityType.LOCATION, EntityType.RELATION)
        gone = self._by_type[kind].pop(entity_id, None)
        if isinstance(gone, Datastream):
            self._forget_stream(gone)
        elif isinstance(gone, Relation):
            self._forget_relation(gone)
        elif isinstance(gone, Location):
            self._centres.pop(entity_id, None)
        elif isinstance(gone, FeatureOfInterest):
            self._features_of.get(gone.thing_id or 0, {}).pop(entity_id, None)
        elif isinstance(gone, Thing):
            self._by_source.pop(str(gone.properties.get("source_id")), None)

    def _forget_stream(self, stream: Datastream | None) -> None:
        if stream is not None:
            self._streams_of.get(stream.thing_id, {}).pop(stream.id, None)

    def _forget_relation(self, relation: Relation | None) -> None:
        if relation is not None:
            self._relations_from.get((relation.from_id, relation.kind), {}).pop(relation.id, None)

    def entities(self, kind: EntityType) -> dict[int, Entity]:
        """All entities of a type by id."""
        return self._by_type[kind]

    def get_thing(self, thing_id: int) -> Thing:
        """The Thing. Raises NotFound."""
        if thing_id not in self.things:
            raise NotFound(f"there is no Thing {thing_id}")
        return self.things[thing_id]

    def find_by_source(self, source_id: str) -> Thing | None:
        """The Thing with this lasting name at its origin."""
        found = self._by_source.get(source_id)
        return None if found is None else self.things.get(found)

    def list_datastreams(self, thing_id: int) -> list[Datastream]:
        """A Thing's Datastreams by id."""
        return [stream for _, stream in sorted(self._streams_of.get(thing_id, {}).items())]

    def list_features_of(self, thing_id: int) -> list[FeatureOfInterest]:
        """The features made from a Thing's Locations, in the order in which they held."""
        return sorted(list(self._features_of.get(thing_id, {}).values()), key=lambda feature: feature.since)

    def find_stream(self, stream_id: int) -> "Datastream | MultiDatastream | None":
        """What Observations of this id belong to."""
        return self.datastreams.get(stream_id) or self.multi_datastreams.get(stream_id)

    def property_key(self, stream: Datastream) -> str:
        """The key of what a Datastream observes; empty where its ObservedProperty is gone."""
        found = self.properties.get(stream.observed_property_id)
        return found.name if found else ""

    def list_related(self, thing_id: int, kind: str) -> list[Relation]:
        """The relations of this kind that start at the Thing, by id."""
        return [relation for _, relation in sorted(self._relations_from.get((thing_id, kind), {}).items())]

    def find_point(self, thing_id: int) -> Point | None:
        """Where a Thing is: the centre of its first Location that has one."""
        thing = self.things.get(thing_id)
        for location_id in thing.location_ids if thing else ():
            location = self.locations.get(location_id)
            known = self._centres.get(location_id)
            if known is None or known[0] is not location:
                known = location, find_centre(location.location) if location else None
                self._centres[location_id] = known
            if point := known[1]:
                return point
        return None

    def _points(self) -> Iterator[tuple[int, Point]]:
        for thing_id in list(self.things):
            if point := self.find_point(thing_id):
                yield thing_id, point

    def within(self, centre: Point, radius_m: float) -> list[tuple[int, float]]:
        """(thing id, distance in m) of all Things within the radius, nearest first."""
        if self._index is None or self._index[0] != self.shape_revision:
            self._index = (self.shape_revision, PointIndex(self._points()))
        return self._index[1].within(centre, radius_m)
