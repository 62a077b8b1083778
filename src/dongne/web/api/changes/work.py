"""What one request changes, worked out before anything is stored: entities as they will be, what goes, and Observations."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from dongne.model.entities import (
    ENTITY_TYPES,
    Datastream,
    Entity,
    EntityChange,
    EntityType,
    FeatureOfInterest,
    HistoricalLocation,
    MultiDatastream,
    Remove,
    Thing,
    put,
)
from dongne.model.errors import BadInput, NotFound
from dongne.model.features import make_feature, no_feature
from dongne.model.records import (
    Correction,
    ObservationBatch,
    ObservationExtra,
    RecordKind,
    Removal,
    decode_batch,
    encode_batch,
)
from dongne.model.who import BENCH, Right, Who
from dongne.runtime.intake import Intake
from dongne.runtime.ports import Entry, Store, Transaction
from dongne.standards.sensorthings.observations import ObservationRow
from dongne.standards.sensorthings.times import format_us

MOST_ENTITIES = 50_000
Key = tuple[EntityType, int]
ListAbout = Callable[[int], list[int]]  # FeatureOfInterest -> the numbers of its Observations
Sees = Callable[[EntityType, int], bool]  # whether who asks may know of this entity


def _none(_feature: int) -> list[int]:
    return []


def _all(_kind: EntityType, _entity_id: int) -> bool:
    return True


class Work:
    """Entities are looked up here first, then in the graph: what the request made or changed before is seen."""

    def __init__(
        self, store: Store, intake: Intake, who: Who = BENCH, list_about: ListAbout = _none, sees: Sees = _all
    ) -> None:
        self.store, self.intake, self.who, self.list_about, self._sees = store, intake, who, list_about, sees
        self._graph = store.graph
        self.now_us = store.clock.now_us()
        self._entities: dict[Key, Entity | None] = {}  # None: it goes
        self._kept: dict[EntityType, dict[int, Any]] = {}  # those of them that stay, by type
        self._indexes: dict[tuple[EntityType, str], dict[int, list[int]]] = {}
        self.tried = 0  # Observations sent, for the ledger
        self.rows: list[ObservationRow] = []
        self._removals: list[Removal] = []
        self._corrections: list[Correction] = []
        self._made = 0

    # --- looking

    def find(self, kind: EntityType, entity_id: int) -> Any:
        """The entity as it will be; None where there is none."""
        key = kind, entity_id
        return self._entities[key] if key in self._entities else self._graph.entities(kind).get(entity_id)

    def get(self, kind: EntityType, entity_id: int, place: str = "$") -> Any:
        """The same; raises BadInput, as it is named inside a body; also for what may not be seen."""
        found = self.find(kind, entity_id)
        if found is None or ((kind, entity_id) not in self._entities and not self._sees(kind, entity_id)):
            raise BadInput(f"{place}: there is no {kind.value} {entity_id}; create it first", reason="unknown_link")
        return found

    def list_where(self, kind: EntityType, attribute: str, entity_id: int) -> list[Any]:
        """Those whose link, or one of whose links, leads there."""
        stored = self._graph.entities(kind)
        found = [
            entity
            for at in self._index(kind, attribute).get(entity_id, ())
            if (kind, at) not in self._entities and (entity := stored.get(at)) is not None
        ]
        kept = self._kept.get(kind, {}).values()
        return found + [entity for entity in kept if entity_id in _links(entity, attribute)]

    def _index(self, kind: EntityType, attribute: str) -> dict[int, list[int]]:
        """From where a link leads to the ids of the stored entities that have it; made when first asked for."""
        found = self._indexes.get((kind, attribute))
        if found is None:
            found = self._indexes[kind, attribute] = {}
            for entity in list(self._graph.entities(kind).values()):
                for there in _links(entity, attribute):
                    found.setdefault(there, []).append(entity.id)
        return found

    def get_stream(self, stream_id: int, place: str = "$") -> Datastream | MultiDatastream:
        """A Datastream or MultiDatastream. Raises BadInput."""
        found = self.find(EntityType.DATASTREAM, stream_id) or self.find(EntityType.MULTI_DATASTREAM, stream_id)
        if not isinstance(found, Datastream | MultiDatastream):
            raise BadInput(f"{place}: there is no Datastream {stream_id}; create it first", reason="unknown_datastream")
        return found

    # --- changing

    def count_one(self, place: str) -> None:
        """One more is made. Raises BadInput where that is too many."""
        self._made += 1
        if self._made > MOST_ENTITIES:
            raise BadInput(f"{place}: more than {MOST_ENTITIES} entities at once; send them in several requests")

    def keep(self, entity: Entity) -> None:
        """The entity will be so."""
        kind = ENTITY_TYPES[type(entity)]
        self._entities[kind, entity.id] = entity
        self._kept.setdefault(kind, {})[entity.id] = entity

    def drop(self, kind: EntityType, entity_id: int) -> None:
        """The entity goes."""
        self._entities[kind, entity_id] = None
        self._kept.get(kind, {}).pop(entity_id, None)

    def remove(self, removal: Removal) -> None:
        """Observations go."""
        self._removals.append(removal)

    def remove_observations(self, numbers: Sequence[int]) -> None:
        """These Observations go."""
        self.remove(Removal(tuple(numbers), why=self.who.name))

    def correct(self, correction: Correction) -> None:
        """An Observation will be so."""
        self._corrections.append(correction)

    def was_at(self, thing_id: int, places: tuple[int, ...]) -> None:
        """A Thing's new place goes into its history by itself (18-088, clause 8.2.3)."""
        self.keep(
            HistoricalLocation(
                id=self.store.new_id(EntityType.HISTORICAL_LOCATION),
                time=format_us(self.now_us),
                thing_id=thing_id,
                location_ids=places,
            )
        )

    def move(self, thing: Thing, places: tuple[int, ...]) -> None:
        """The Thing is there now."""
        self.keep(msgspec.structs.replace(thing, location_ids=places))
        if places:
            self.was_at(thing.id, places)

    def feature_for(self, thing_id: int, place: str) -> None:
        """Sees to it that the Thing's Observations have a FeatureOfInterest (18-088, clause 8.2.8): of its Location, where
        none was made of that yet. Raises BadInput where it has no Location."""
        thing = self.find(EntityType.THING, thing_id)
        places = [found for at in thing.location_ids if (found := self.find(EntityType.LOCATION, at))] if thing else []
        features = [f for f in self._features_of(thing_id) if f is not None]
        if features and (not places or features[-1].location_id in {found.id for found in places}):
            return
        if not places:
            error = no_feature(thing_id)
            raise BadInput(f"{place}: {error.message}", reason=error.reason)
        feature_id = self.store.new_id(EntityType.FEATURE_OF_INTEREST)
        self.keep(make_feature(thing, places[0], feature_id, self.store.head() + 1))

    def _features_of(self, thing_id: int) -> list[FeatureOfInterest]:
        old = [f for f in self._graph.list_features_of(thing_id) if self.find(EntityType.FEATURE_OF_INTEREST, f.id)]
        new = [f for f in self._kept.get(EntityType.FEATURE_OF_INTEREST, {}).values() if f.thing_id == thing_id]
        return sorted({f.id: f for f in (*old, *new)}.values(), key=lambda feature: (feature.since, feature.id))

    # --- rights

    def must(self, right: Right, thing_id: int | None = None) -> None:
        """Raises NotKnown or NotAllowed where whoever asks may not."""
        self.who.must(right, thing_id)

    def must_change(self, entity: Entity) -> None:
        """The same for an entity that is, or will be, so: a token for some Things changes only what is theirs."""
        thing_id = entity.id if isinstance(entity, Thing) else getattr(entity, "thing_id", None)
        self.who.must(Right.MODEL, thing_id)

    def must_correct(self, number: int) -> None:
        """The same for an Observation. Raises NotFound too."""
        record, row = self.store.get_observation(number)
        stream = self._graph.find_stream(int(decode_batch(record.body, record.count).datastream[row]))
        self.who.must(Right.MODEL, stream.thing_id if stream else None)

    # --- the end of it

    def transaction(self) -> Transaction:
        """All of it: entities first, Observations last, so that the last number of the receipt is that of the first of them."""
        entries = [Entry(RecordKind.REMOVAL, msgspec.msgpack.encode(removal)) for removal in self._removals]
        if self._entities:
            entries.append(Entry(RecordKind.ENTITIES, msgspec.msgpack.encode(self._changes())))
        entries += [Entry(RecordKind.CORRECTION, msgspec.msgpack.encode(found)) for found in self._corrections]
        if self.rows:
            entries.append(Entry(RecordKind.OBSERVATIONS, encode_batch(batch_of(self.rows)), len(self.rows)))
        return Transaction(tuple(entries))

    def _changes(self) -> list[EntityChange]:
        return [
            Remove(kind, entity_id) if entity is None else put(entity)
            for (kind, entity_id), entity in self._entities.items()
        ]

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        return not (self._entities or self.rows or self._removals or self._corrections)

    @property
    def has_entities(self) -> bool:
        """Whether it changes more than Observations."""
        return bool(self._entities or self._removals or self._corrections)

    def list_changed(self) -> list[tuple[str, str, int]]:
        """("put" or "remove", type, id) of each entity and Observation, for the audit log."""
        found = [
            ("remove" if entity is None else "put", kind.value, entity_id)
            for (kind, entity_id), entity in self._entities.items()
        ]
        found += [("correct", "Observation", correction.number) for correction in self._corrections]
        found += [("remove", "Observation", number) for removal in self._removals for number in removal.numbers]
        return found


def _links(entity: Entity, attribute: str) -> tuple[int, ...]:
    found = getattr(entity, attribute)
    return found if isinstance(found, tuple) else (found,)


def get_entity(work: Work, kind: EntityType, entity_id: int) -> Any:
    """An entity that the path names. Raises NotFound."""
    found = work.find(kind, entity_id)
    if found is None:
        raise NotFound(f"there is no {kind.value} {entity_id}")
    return found


def batch_of(rows: list[ObservationRow]) -> ObservationBatch:
    """Rows as columns."""
    extras: dict[int, ObservationExtra] = {at: row.extra for at, row in enumerate(rows) if row.extra is not None}
    return ObservationBatch(
        np.array([row.datastream for row in rows], np.int32),
        np.array([row.time_us for row in rows], np.int64),
        np.array([row.result for row in rows], np.float64),
        extras,
    )
