"""How the entity sets of SensorThings hang together in the tables of history."""

from dataclasses import dataclass


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
    """A table (or a query in brackets) has pairs of ids of source and target."""

    table: str
    source: str
    target: str


_PLACES = "(select id as historical_location_id, unnest(location_ids) as location_id from historical_locations)"
_OBSERVED = (
    "(select id as multi_datastream_id, unnest(observed_property_ids) as observed_property_id from multi_datastreams)"
)
LINKS: dict[tuple[str, str], ToOne | Of | Pairs] = {
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
    ("FeaturesOfInterest", "Observations"): Of("feature_id"),
    ("Things", "MultiDatastreams"): Of("thing_id"),
    ("Things", "TaskingCapabilities"): Of("thing_id"),
    ("Sensors", "MultiDatastreams"): Of("sensor_id"),
    ("ObservedProperties", "MultiDatastreams"): Pairs(_OBSERVED, "observed_property_id", "multi_datastream_id"),
    ("Observations", "MultiDatastream"): ToOne("datastream_id"),
    ("MultiDatastreams", "Thing"): ToOne("thing_id"),
    ("MultiDatastreams", "Sensor"): ToOne("sensor_id"),
    ("MultiDatastreams", "ObservedProperties"): Pairs(_OBSERVED, "multi_datastream_id", "observed_property_id"),
    ("MultiDatastreams", "Observations"): Of("datastream_id"),
    ("Actuators", "TaskingCapabilities"): Of("actuator_id"),
    ("TaskingCapabilities", "Thing"): ToOne("thing_id"),
    ("TaskingCapabilities", "Actuator"): ToOne("actuator_id"),
    ("TaskingCapabilities", "Tasks"): Of("capability_id"),
    ("Tasks", "TaskingCapability"): ToOne("capability_id"),
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
ALL_OBSERVATIONS = "(select * from recent union all select * from hist)"
