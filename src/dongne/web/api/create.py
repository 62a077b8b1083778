"""Creating entities: deep insert of a whole tree, or links to what is there; stored as one Transaction."""

from typing import Any

import msgspec
import numpy as np

from dongne.model.entities import (
    ENTITY_TYPES,
    Datastream,
    Entity,
    EntityType,
    FeatureOfInterest,
    HistoricalLocation,
    Location,
    Property,
    Sensor,
    Thing,
    Unit,
    put,
)
from dongne.model.errors import BadInput
from dongne.model.records import ObservationBatch, ObservationExtra, RecordKind, encode_batch
from dongne.runtime.intake import Intake, range_of
from dongne.runtime.ports import Entry, Store, Transaction
from dongne.standards.sensorthings.decode import Draft
from dongne.standards.sensorthings.observations import ObservationBody, ObservationRow, row_of
from dongne.standards.sensorthings.schema import (
    DATASTREAMS,
    FEATURES_OF_INTEREST,
    HISTORICAL_LOCATIONS,
    LOCATIONS,
    OBSERVATIONS,
    OBSERVED_PROPERTIES,
    SENSORS,
    THINGS,
    EntitySet,
)
from dongne.standards.sensorthings.times import format_us, parse_instant_us

MOST_ENTITIES = 50_000


class Creation:
    """One request's new entities and Observations, worked out before anything is stored."""

    def __init__(self, store: Store, intake: Intake) -> None:
        self._store, self._graph, self._intake = store, store.graph, intake
        self._now_us = store.clock.now_us()
        self._entities: dict[tuple[EntityType, int], Entity] = {}
        self._rows: list[ObservationRow] = []
        self._created = 0

    def make(self, draft: Draft) -> int:
        """The id of the new entity; an Observation's is its place among the rows. Raises BadInput."""
        self._created += 1
        if self._created > MOST_ENTITIES:
            raise BadInput(f"{draft.place}: more than {MOST_ENTITIES} entities at once; send them in several requests")
        maker = _MAKERS[draft.entity_set.name]
        return maker(self, draft)

    def transaction(self) -> Transaction:
        """All of it: entities first, then Observations."""
        entries = []
        if self._entities:
            body = msgspec.msgpack.encode([put(entity) for entity in self._entities.values()])
            entries.append(Entry(RecordKind.ENTITIES, body))
        if self._rows:
            entries.append(Entry(RecordKind.OBSERVATIONS, encode_batch(_batch(self._rows)), len(self._rows)))
        return Transaction(tuple(entries))

    @property
    def observations(self) -> int:
        """How many Observations are among it."""
        return len(self._rows)

    # --- makers, by set

    def _thing(self, draft: Draft) -> int:
        thing_id = self._store.new_id(EntityType.THING)
        places = self._all(draft, "Locations", LOCATIONS)
        self._keep(
            Thing(
                id=thing_id,
                name=draft.values["name"],
                description=draft.values.get("description") or "",
                properties=draft.values.get("properties") or {},
                location_ids=tuple(places),
            )
        )
        if places:
            self._was_at(thing_id, places)
        for link in draft.links.get("Datastreams", ()):
            self._bind_stream(link, thing_id=thing_id)
        return thing_id

    def _location(self, draft: Draft) -> int:
        location_id = self._store.new_id(EntityType.LOCATION)
        self._keep(
            Location(
                id=location_id,
                name=draft.values["name"],
                description=draft.values.get("description") or "",
                encoding_type=draft.values["encodingType"],
                location=draft.values["location"],
                properties=draft.values.get("properties") or {},
            )
        )
        for thing_id in self._all(draft, "Things", THINGS):
            thing = self._get(EntityType.THING, thing_id)
            assert isinstance(thing, Thing)
            self._keep(msgspec.structs.replace(thing, location_ids=(location_id,)))
            self._was_at(thing_id, [location_id])
        return location_id

    def _was_at(self, thing_id: int, places: list[int]) -> None:
        """A Thing's new place goes into its history by itself (18-088, clause 8.2.3)."""
        self._keep(
            HistoricalLocation(
                id=self._store.new_id(EntityType.HISTORICAL_LOCATION),
                time=format_us(self._now_us),
                thing_id=thing_id,
                location_ids=tuple(places),
            )
        )

    def _historical_location(self, draft: Draft) -> int:
        time_us = parse_instant_us(draft.values["time"])
        found = self._store.new_id(EntityType.HISTORICAL_LOCATION)
        self._keep(
            HistoricalLocation(
                id=found,
                time=format_us(time_us),
                thing_id=self._one(draft, "Thing", THINGS),
                location_ids=tuple(self._all(draft, "Locations", LOCATIONS)),
            )
        )
        return found

    def _datastream(self, draft: Draft) -> int:
        stream_id = self._store.new_id(EntityType.DATASTREAM)
        try:
            unit = msgspec.convert(draft.values["unitOfMeasurement"], Unit)
        except msgspec.ValidationError as error:
            raise BadInput(f"{draft.place}.unitOfMeasurement: {error}", reason="json") from None
        self._keep(
            Datastream(
                id=stream_id,
                name=draft.values["name"],
                description=draft.values.get("description") or "",
                observation_type=draft.values["observationType"],
                unit_of_measurement=unit,
                thing_id=self._one(draft, "Thing", THINGS),
                sensor_id=self._one(draft, "Sensor", SENSORS),
                observed_property_id=self._one(draft, "ObservedProperty", OBSERVED_PROPERTIES),
                properties=draft.values.get("properties") or {},
            )
        )
        self._observations_of(draft, "Datastream", stream_id)
        return stream_id

    def _sensor(self, draft: Draft) -> int:
        sensor_id = self._store.new_id(EntityType.SENSOR)
        self._keep(
            Sensor(
                id=sensor_id,
                name=draft.values["name"],
                description=draft.values.get("description") or "",
                encoding_type=draft.values["encodingType"],
                metadata=draft.values["metadata"],
                properties=draft.values.get("properties") or {},
            )
        )
        for link in draft.links.get("Datastreams", ()):
            self._bind_stream(link, sensor_id=sensor_id)
        return sensor_id

    def _observed_property(self, draft: Draft) -> int:
        property_id = self._store.new_id(EntityType.OBSERVED_PROPERTY)
        self._keep(
            Property(
                id=property_id,
                name=draft.values["name"],
                definition=draft.values["definition"],
                description=draft.values.get("description") or "",
                properties=draft.values.get("properties") or {},
            )
        )
        for link in draft.links.get("Datastreams", ()):
            self._bind_stream(link, observed_property_id=property_id)
        return property_id

    def _feature(self, draft: Draft) -> int:
        feature_id = self._store.new_id(EntityType.FEATURE_OF_INTEREST)
        self._keep(
            FeatureOfInterest(
                id=feature_id,
                name=draft.values["name"],
                description=draft.values.get("description") or "",
                encoding_type=draft.values["encodingType"],
                feature=draft.values["feature"],
                properties=draft.values.get("properties") or {},
            )
        )
        self._observations_of(draft, "FeatureOfInterest", feature_id)
        return feature_id

    def _observation(self, draft: Draft) -> int:
        stream_id = self._one(draft, "Datastream", DATASTREAMS)
        values = draft.values
        body = ObservationBody(
            result=values["result"],
            phenomenon_time=values.get("phenomenonTime"),
            result_time=values.get("resultTime"),
            result_quality=values.get("resultQuality"),
            valid_time=values.get("validTime"),
            parameters=values.get("parameters"),
        )
        if draft.links.get("FeatureOfInterest"):
            body.feature_of_interest = {"@iot.id": self._one(draft, "FeatureOfInterest", FEATURES_OF_INTEREST)}
        row = row_of(body, stream_id, self._now_us, draft.place)
        stream = self._get(EntityType.DATASTREAM, stream_id)
        assert isinstance(stream, Datastream)
        observed = self._get(EntityType.OBSERVED_PROPERTY, stream.observed_property_id)
        assert isinstance(observed, Property)
        self._intake.check_values(row, range_of(stream, observed))
        self._rows.append(row)
        return len(self._rows) - 1

    # --- links

    def _observations_of(self, draft: Draft, navigation: str, entity_id: int) -> None:
        for link in draft.links.get("Observations", ()):
            if isinstance(link, int):
                raise BadInput(f"{draft.place}.Observations: Observations stay where they were made; send new ones")
            link.links[navigation] = [entity_id]
            self.make(link)

    def _bind_stream(self, link: "int | Draft", **ids: int) -> None:
        """A Datastream of a new entity: one that is there is bound to it, a draft is made with it."""
        if isinstance(link, int):
            stream = self._get(EntityType.DATASTREAM, link)
            self._keep(msgspec.structs.replace(stream, **ids))
            return
        names = {"thing_id": "Thing", "sensor_id": "Sensor", "observed_property_id": "ObservedProperty"}
        for column, entity_id in ids.items():
            link.links[names[column]] = [entity_id]
        self.make(link)

    def _all(self, draft: Draft, navigation: str, target: EntitySet) -> list[int]:
        """The ids behind a navigation: what is there, and what is made now. Raises BadInput for what is not there."""
        found = []
        for place, link in enumerate(draft.links.get(navigation, ())):
            if isinstance(link, int):
                assert target.entity_type is not None
                self._get(target.entity_type, link, f"{draft.place}.{navigation}[{place}]")
                found.append(link)
            else:
                found.append(self.make(link))
        return found

    def _one(self, draft: Draft, navigation: str, target: EntitySet) -> int:
        found = self._all(draft, navigation, target)
        if not found:
            raise BadInput(
                f'{draft.place}: a {draft.entity_set.type_name} needs a {navigation}; add "{navigation}": '
                f'{{"@iot.id": n}} or a new one',
                reason="missing",
            )
        return found[0]

    def _get(self, kind: EntityType, entity_id: int, place: str = "$") -> Any:
        found = self._entities.get((kind, entity_id)) or self._graph.entities(kind).get(entity_id)
        if found is None:
            raise BadInput(f"{place}: there is no {kind.value} {entity_id}; create it first", reason="unknown_link")
        return found

    def _keep(self, entity: Entity) -> None:
        self._entities[ENTITY_TYPES[type(entity)], entity.id] = entity


_MAKERS = {
    THINGS.name: Creation._thing,
    LOCATIONS.name: Creation._location,
    HISTORICAL_LOCATIONS.name: Creation._historical_location,
    DATASTREAMS.name: Creation._datastream,
    SENSORS.name: Creation._sensor,
    OBSERVED_PROPERTIES.name: Creation._observed_property,
    FEATURES_OF_INTEREST.name: Creation._feature,
    OBSERVATIONS.name: Creation._observation,
}


def _batch(rows: list[ObservationRow]) -> ObservationBatch:
    extras: dict[int, ObservationExtra] = {at: row.extra for at, row in enumerate(rows) if row.extra is not None}
    return ObservationBatch(
        np.array([row.datastream for row in rows], np.int32),
        np.array([row.time_us for row in rows], np.int64),
        np.array([row.result for row in rows], np.float64),
        extras,
    )
