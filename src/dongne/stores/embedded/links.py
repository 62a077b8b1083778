"""How the entity sets of SensorThings hang together in the tables of history."""

from dataclasses import dataclass

from dongne.model.entities import EntityType
from dongne.standards.sensorthings.schema import SETS


@dataclass(frozen=True)
class ToOne:
    """The source has the target's id in a column."""

    column: str


@dataclass(frozen=True)
class Of:
    """The targets have the source's id in a column."""

    column: str


@dataclass(frozen=True)
class Pairs:
    """A table (or a query in brackets) has pairs of ids of source and target; in the order of `place` where it has one."""

    table: str
    source: str
    target: str
    place: str = ""


@dataclass(frozen=True)
class About:
    """From FeaturesOfInterest to their Observations: those which name it, and those of its Thing which name none."""


# Which FeatureOfInterest holds for the Observations of a Datastream that name none: numbers from `since` to before `until`.
EPOCHS = (
    "(select s.id as datastream_id, f.id as feature_id, "
    "case when row_number() over span = 1 then 0 else f.since end as since, "
    "lead(f.since, 1, 9223372036854775807) over span as until "
    "from (select id, thing_id from datastreams union all select id, thing_id from multi_datastreams) s "
    "join features_of_interest f on f.thing_id = s.thing_id window span as (partition by s.id order by f.since, f.id))"
)


def about(observations: str, epochs: str) -> str:
    """The join which brings the epoch of each Observation that names no FeatureOfInterest; aliases."""
    return (
        f"left join {EPOCHS} {epochs} on {epochs}.datastream_id = {observations}.datastream_id and "
        f"{observations}.id >= {epochs}.since and {observations}.id < {epochs}.until"
    )


_PLACES = "(select id as historical_location_id, unnest(location_ids) as location_id from historical_locations)"
_OBSERVED = (
    "(select id as multi_datastream_id, unnest(observed_property_ids) as observed_property_id, "
    "unnest(range(len(observed_property_ids))) as place from multi_datastreams)"
)
LINKS: dict[tuple[str, str], ToOne | Of | Pairs | About] = {
    ("Things", "Locations"): Pairs("thing_locations", "thing_id", "location_id"),
    ("Things", "HistoricalLocations"): Of("thing_id"),
    ("Things", "Datastreams"): Of("thing_id"),
    ("Locations", "Things"): Pairs("thing_locations", "location_id", "thing_id"),
    ("Locations", "HistoricalLocations"): Pairs(_PLACES, "location_id", "historical_location_id"),
    ("HistoricalLocations", "Thing"): ToOne("thing_id"),
    ("HistoricalLocations", "Locations"): Pairs(_PLACES, "historical_location_id", "location_id"),
    ("Datastreams", "Thing"): ToOne("thing_id"),
    ("Datastreams", "Sensor"): ToOne("sensor_id"),
    ("Datastreams", "ObservedProperty"): ToOne("observed_property_id"),
    ("Datastreams", "Observations"): Of("datastream_id"),
    ("Sensors", "Datastreams"): Of("sensor_id"),
    ("ObservedProperties", "Datastreams"): Of("observed_property_id"),
    ("Observations", "Datastream"): ToOne("datastream_id"),
    ("Observations", "FeatureOfInterest"): ToOne("feature_id"),
    ("FeaturesOfInterest", "Observations"): About(),
    ("Things", "MultiDatastreams"): Of("thing_id"),
    ("Things", "TaskingCapabilities"): Of("thing_id"),
    ("Sensors", "MultiDatastreams"): Of("sensor_id"),
    ("ObservedProperties", "MultiDatastreams"): Pairs(_OBSERVED, "observed_property_id", "multi_datastream_id"),
    ("Observations", "MultiDatastream"): ToOne("datastream_id"),
    ("MultiDatastreams", "Thing"): ToOne("thing_id"),
    ("MultiDatastreams", "Sensor"): ToOne("sensor_id"),
    ("MultiDatastreams", "ObservedProperties"): Pairs(
        _OBSERVED, "multi_datastream_id", "observed_property_id", "place"
    ),
    ("MultiDatastreams", "Observations"): Of("datastream_id"),
    ("Actuators", "TaskingCapabilities"): Of("actuator_id"),
    ("TaskingCapabilities", "Thing"): ToOne("thing_id"),
    ("TaskingCapabilities", "Actuator"): ToOne("actuator_id"),
    ("TaskingCapabilities", "Tasks"): Of("capability_id"),
    ("Tasks", "TaskingCapability"): ToOne("capability_id"),
}
LISTED: dict[tuple[str, str], str] = {  # a source has its targets' ids in this attribute
    ("Things", "Locations"): "location_ids",
    ("HistoricalLocations", "Locations"): "location_ids",
    ("MultiDatastreams", "ObservedProperties"): "observed_property_ids",
}
TABLES: dict[str, str] = {
    "Things": "things",
    "Locations": "locations",
    "HistoricalLocations": "historical_locations",
    "Datastreams": "datastreams",
    "Sensors": "sensors",
    "ObservedProperties": "observed_properties",
    "FeaturesOfInterest": "features_of_interest",
    "MultiDatastreams": "multi_datastreams",
    "Actuators": "actuators",
    "TaskingCapabilities": "tasking_capabilities",
    "Tasks": "tasks",
}
OBSERVATION_TABLES = ("recent", "hist")
HIDES: dict[str, tuple[EntityType, str]] = {  # table -> whose hidden ids count, and in which column
    **{table: (SETS[name].entity_type or EntityType.THING, "id") for name, table in TABLES.items() if name != "Tasks"},
    "tasks": (EntityType.TASKING_CAPABILITY, "capability_id"),
    "recent": (EntityType.DATASTREAM, "datastream_id"),
    "hist": (EntityType.DATASTREAM, "datastream_id"),
}
