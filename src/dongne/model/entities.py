"""The Thing graph's entities, with the attributes of OGC SensorThings 1.1 (18-088, clause 8.2).

Ids are integers, given by the store, unique by type. Links are ids; a link to a Thing's own set (its Datastreams,
say) is found by the other end. Times inside are ISO 8601 texts as they were sent.
"""

from enum import StrEnum
from typing import Any

import msgspec


class EntityType(StrEnum):
    """The sets of SensorThings which are entities here; Observations live in the sequence."""

    THING = "Thing"
    LOCATION = "Location"
    HISTORICAL_LOCATION = "HistoricalLocation"
    DATASTREAM = "Datastream"
    SENSOR = "Sensor"
    OBSERVED_PROPERTY = "ObservedProperty"
    FEATURE_OF_INTEREST = "FeatureOfInterest"
    RELATION = "Relation"
    MULTI_DATASTREAM = "MultiDatastream"  # shares its ids with DATASTREAM: an Observation has one of the two
    ACTUATOR = "Actuator"
    TASKING_CAPABILITY = "TaskingCapability"


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """A thing or place of the city.

    `properties["kind"]` says what it is in the field's word (street_lamp, waste_basket, footway ...);
    `properties["source_id"]` is its lasting name at its origin ("osm:node/25470940"), unique where present.
    """

    id: int
    name: str
    description: str = ""
    properties: dict[str, Any] = {}
    location_ids: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        """What it is, in the field's word; empty where nobody said."""
        return str(self.properties.get("kind", ""))


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """Where a Thing is; `location` is GeoJSON, (lon, lat) WGS 84."""

    id: int
    name: str
    description: str = ""
    encoding_type: str = "application/geo+json"
    location: Any = None
    properties: dict[str, Any] = {}


class HistoricalLocation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a Thing was from `time` on."""

    id: int
    time: str
    thing_id: int
    location_ids: tuple[int, ...] = ()


class Sensor(msgspec.Struct, frozen=True, kw_only=True):
    """What measures, or the service that computes."""

    id: int
    name: str
    description: str = ""
    encoding_type: str = "text/plain"
    metadata: Any = ""
    properties: dict[str, Any] = {}


class Property(msgspec.Struct, frozen=True, kw_only=True):
    """SensorThings' ObservedProperty as an entity; `name` is the key of a `model.observed.ObservedProperty`."""

    id: int
    name: str
    definition: str = ""
    description: str = ""
    properties: dict[str, Any] = {}


class Unit(msgspec.Struct, frozen=True):
    """SensorThings' unitOfMeasurement; `symbol` or the end of `definition` is the UCUM code."""

    name: str | None = None
    symbol: str | None = None
    definition: str | None = None


OM_MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
OM_COMPLEX = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_ComplexObservation"


class Datastream(msgspec.Struct, frozen=True, kw_only=True):
    """Observations of one property at one Thing by one Sensor.

    `properties` may say `origin` (what was really measured and where, for re-homed data), `simulated`, `attribution`,
    `licence`, `service` (the service which derives it), `part` (which part of the Thing it observes, where the Thing has several:
    the cars of a train).
    """

    id: int
    name: str
    description: str = ""
    observation_type: str = OM_MEASUREMENT
    unit_of_measurement: Unit = Unit()
    thing_id: int
    sensor_id: int
    observed_property_id: int
    properties: dict[str, Any] = {}

    @property
    def part(self) -> str:
        """Which part of the Thing it observes; empty where it is the whole."""
        return str(self.properties.get("part", ""))


class MultiDatastream(msgspec.Struct, frozen=True, kw_only=True):
    """Observations whose result is a list: one value for each of several properties (18-088, clause 10.2).

    Units, data types and observed properties are in the order of the result's values. Ids are never those of a Datastream.
    """

    id: int
    name: str
    description: str = ""
    observation_type: str = OM_COMPLEX
    multi_observation_data_types: tuple[str, ...] = ()
    unit_of_measurements: tuple[Unit, ...] = ()
    thing_id: int
    sensor_id: int
    observed_property_ids: tuple[int, ...]
    properties: dict[str, Any] = {}


class Actuator(msgspec.Struct, frozen=True, kw_only=True):
    """What carries a Task out (17-079r1, clause 8.2.3)."""

    id: int
    name: str
    description: str = ""
    encoding_type: str = "text/plain"
    metadata: Any = ""
    properties: dict[str, Any] = {}


class TaskingCapability(msgspec.Struct, frozen=True, kw_only=True):
    """What a Thing can be told to do (17-079r1, clause 8.2.1). `tasking_parameters` is the JSON Schema of a Task's
    parameters.

    `properties` may say `confirmed_by` (id of the Datastream whose Observation shows that it was done), `tolerance`,
    `expires_s` and `interlocks`.
    """

    id: int
    name: str
    description: str = ""
    tasking_parameters: dict[str, Any] = {}
    thing_id: int
    actuator_id: int
    properties: dict[str, Any] = {}


class FeatureOfInterest(msgspec.Struct, frozen=True, kw_only=True):
    """What an Observation is about, where that is not simply its Thing's Location."""

    id: int
    name: str
    description: str = ""
    encoding_type: str = "application/geo+json"
    feature: Any = None
    properties: dict[str, Any] = {}
    thing_id: int | None = None  # made from this Thing's Location for the Observations that name no feature ...
    location_id: int | None = None
    since: int = 0  # ... with numbers from here on


class Relation(msgspec.Struct, frozen=True, kw_only=True):
    """How one Thing relates to another: "next_lamp", "part_of", "on_street" ... Directed; `distance_m` where it has one."""

    id: int
    kind: str
    from_id: int
    to_id: int
    distance_m: float | None = None


Entity = (
    Thing
    | Location
    | HistoricalLocation
    | Sensor
    | Property
    | Datastream
    | FeatureOfInterest
    | Relation
    | MultiDatastream
    | Actuator
    | TaskingCapability
)

ENTITY_CLASSES: dict[EntityType, type[Entity]] = {
    EntityType.THING: Thing,
    EntityType.LOCATION: Location,
    EntityType.HISTORICAL_LOCATION: HistoricalLocation,
    EntityType.DATASTREAM: Datastream,
    EntityType.SENSOR: Sensor,
    EntityType.OBSERVED_PROPERTY: Property,
    EntityType.FEATURE_OF_INTEREST: FeatureOfInterest,
    EntityType.RELATION: Relation,
    EntityType.MULTI_DATASTREAM: MultiDatastream,
    EntityType.ACTUATOR: Actuator,
    EntityType.TASKING_CAPABILITY: TaskingCapability,
}
ENTITY_TYPES: dict[type[Entity], EntityType] = {cls: kind for kind, cls in ENTITY_CLASSES.items()}


class Put(msgspec.Struct, frozen=True, tag_field="change", tag="put"):
    """An entity is now so (created or replaced)."""

    type: EntityType
    body: bytes  # JSON of the entity, with its id


class Remove(msgspec.Struct, frozen=True, tag_field="change", tag="remove"):
    """An entity is gone."""

    type: EntityType
    id: int


EntityChange = Put | Remove


def put(entity: Entity) -> Put:
    """The change which creates or replaces this entity."""
    return Put(ENTITY_TYPES[type(entity)], msgspec.json.encode(entity))


class _WithId(msgspec.Struct):
    id: int


_id_decoder = msgspec.json.Decoder(_WithId)


def id_of(change: Put) -> int:
    """The id of the entity a Put carries, without reading the rest."""
    return _id_decoder.decode(change.body).id


def entity_of(change: Put) -> Entity:
    """The entity a Put carries."""
    return msgspec.json.decode(change.body, type=ENTITY_CLASSES[change.type])
