"""The entity sets of SensorThings 1.1: their properties and how they hang together (18-088, clause 8.2).

One table for the parsers, the JSON and the SQL, so that a further set is one entry here.
"""

from enum import StrEnum

import msgspec

from dongne.model.entities import EntityType
from dongne.model.errors import BadInput


class Kind(StrEnum):
    """What a property's value is, as `$filter` and `$orderby` see it."""

    ID = "id"
    TEXT = "text"
    TIME = "time"  # an instant, or an interval where `Property.end` is set
    JSON = "json"  # an object into which a path may lead
    RESULT = "result"  # a number mostly; else any JSON
    PERIOD = "period"  # an interval which is not a column of its own
    COMPUTED = "computed"  # worked out by the store from the Observations; nobody sets it


class PropertyInfo(msgspec.Struct, frozen=True):
    """A property by its name on the wire. `attribute` is its name in the model and its column in a store."""

    name: str
    attribute: str
    kind: Kind


class Navigation(msgspec.Struct, frozen=True):
    """A way from one set to another. `many`: it leads to a set and not to one entity."""

    name: str
    target: str
    many: bool


class EntitySet(msgspec.Struct, frozen=True):
    """One set: its name on the wire ("Things"), the type's ("Thing"), and what an entity has. Observations and Tasks have
    no EntityType: they live in the sequence."""

    name: str
    type_name: str
    entity_type: EntityType | None
    properties: dict[str, PropertyInfo]
    navigations: dict[str, Navigation]
    required: tuple[str, ...] = ()
    optional_links: tuple[str, ...] = ()
    """Navigations whose links an entity shows only in a city that has entities behind them (MultiDatastreams, Tasking)."""

    @property
    def one(self) -> str:
        """The type's name with its article, for messages."""
        return f"{'an' if self.type_name[0] in 'AO' else 'a'} {self.type_name}"


def _set(
    name: str,
    type_name: str,
    entity_type: EntityType | None,
    properties: tuple[tuple[str, str, Kind], ...],
    navigations: tuple[tuple[str, str], ...],
    required: tuple[str, ...],
    optional_links: tuple[str, ...] = (),
) -> EntitySet:
    return EntitySet(
        name,
        type_name,
        entity_type,
        {wire: PropertyInfo(wire, attribute, kind) for wire, attribute, kind in properties},
        {way: Navigation(way, target, way == target) for way, target in navigations},
        required,
        optional_links,
    )


_NAME = ("name", "name", Kind.TEXT)
_DESCRIPTION = ("description", "description", Kind.TEXT)
_ENCODING = ("encodingType", "encoding_type", Kind.TEXT)
_PROPERTIES = ("properties", "properties", Kind.JSON)
_COMPUTED = (
    ("observedArea", "observed_area", Kind.COMPUTED),
    ("phenomenonTime", "phenomenon_time", Kind.COMPUTED),
    ("resultTime", "result_time", Kind.COMPUTED),
)

THINGS = _set(
    "Things", "Thing", EntityType.THING,
    (_NAME, _DESCRIPTION, _PROPERTIES),
    (("Locations", "Locations"), ("HistoricalLocations", "HistoricalLocations"), ("Datastreams", "Datastreams"),
     ("MultiDatastreams", "MultiDatastreams"), ("TaskingCapabilities", "TaskingCapabilities")),
    ("name",),
    ("MultiDatastreams", "TaskingCapabilities"),
)  # fmt: skip
LOCATIONS = _set(
    "Locations", "Location", EntityType.LOCATION,
    (_NAME, _DESCRIPTION, _ENCODING, ("location", "location", Kind.JSON), _PROPERTIES),
    (("Things", "Things"), ("HistoricalLocations", "HistoricalLocations")),
    ("name", "encodingType", "location"),
)  # fmt: skip
HISTORICAL_LOCATIONS = _set(
    "HistoricalLocations", "HistoricalLocation", EntityType.HISTORICAL_LOCATION,
    (("time", "time", Kind.TIME),),
    (("Thing", "Things"), ("Locations", "Locations")),
    ("time",),
)  # fmt: skip
DATASTREAMS = _set(
    "Datastreams", "Datastream", EntityType.DATASTREAM,
    (_NAME, _DESCRIPTION, ("observationType", "observation_type", Kind.TEXT),
     ("unitOfMeasurement", "unit_of_measurement", Kind.JSON), *_COMPUTED, _PROPERTIES),
    (("Thing", "Things"), ("Sensor", "Sensors"), ("ObservedProperty", "ObservedProperties"),
     ("Observations", "Observations")),
    ("name", "unitOfMeasurement"),
)  # fmt: skip
SENSORS = _set(
    "Sensors", "Sensor", EntityType.SENSOR,
    (_NAME, _DESCRIPTION, _ENCODING, ("metadata", "metadata", Kind.JSON), _PROPERTIES),
    (("Datastreams", "Datastreams"), ("MultiDatastreams", "MultiDatastreams")),
    ("name", "encodingType", "metadata"),
    ("MultiDatastreams",),
)  # fmt: skip
OBSERVED_PROPERTIES = _set(
    "ObservedProperties", "ObservedProperty", EntityType.OBSERVED_PROPERTY,
    (_NAME, ("definition", "definition", Kind.TEXT), _DESCRIPTION, _PROPERTIES),
    (("Datastreams", "Datastreams"), ("MultiDatastreams", "MultiDatastreams")),
    ("name", "definition"),
    ("MultiDatastreams",),
)  # fmt: skip
OBSERVATIONS = _set(
    "Observations", "Observation", None,
    (("phenomenonTime", "phenomenon_time", Kind.TIME), ("result", "result", Kind.RESULT),
     ("resultTime", "result_time", Kind.TIME), ("resultQuality", "resultQuality", Kind.JSON),
     ("validTime", "validTime", Kind.PERIOD), ("parameters", "parameters", Kind.JSON)),
    (("Datastream", "Datastreams"), ("FeatureOfInterest", "FeaturesOfInterest"),
     ("MultiDatastream", "MultiDatastreams")),
    ("result",),
    ("MultiDatastream",),
)  # fmt: skip
FEATURES_OF_INTEREST = _set(
    "FeaturesOfInterest", "FeatureOfInterest", EntityType.FEATURE_OF_INTEREST,
    (_NAME, _DESCRIPTION, _ENCODING, ("feature", "feature", Kind.JSON), _PROPERTIES),
    (("Observations", "Observations"),),
    ("name", "encodingType", "feature"),
)  # fmt: skip

MULTI_DATASTREAMS = _set(
    "MultiDatastreams", "MultiDatastream", EntityType.MULTI_DATASTREAM,
    (_NAME, _DESCRIPTION, ("observationType", "observation_type", Kind.TEXT),
     ("multiObservationDataTypes", "multi_observation_data_types", Kind.JSON),
     ("unitOfMeasurements", "unit_of_measurements", Kind.JSON), *_COMPUTED, _PROPERTIES),
    (("Thing", "Things"), ("Sensor", "Sensors"), ("ObservedProperties", "ObservedProperties"),
     ("Observations", "Observations")),
    ("name", "multiObservationDataTypes", "unitOfMeasurements"),
)  # fmt: skip
# Part 2, Tasking (17-079r1)
ACTUATORS = _set(
    "Actuators", "Actuator", EntityType.ACTUATOR,
    (_NAME, _DESCRIPTION, _ENCODING, ("metadata", "metadata", Kind.JSON), _PROPERTIES),
    (("TaskingCapabilities", "TaskingCapabilities"),),
    ("name", "encodingType", "metadata"),
)  # fmt: skip
TASKING_CAPABILITIES = _set(
    "TaskingCapabilities", "TaskingCapability", EntityType.TASKING_CAPABILITY,
    (_NAME, _DESCRIPTION, ("taskingParameters", "tasking_parameters", Kind.JSON), _PROPERTIES),
    (("Thing", "Things"), ("Actuator", "Actuators"), ("Tasks", "Tasks")),
    ("name", "taskingParameters"),
)  # fmt: skip
TASKS = _set(
    "Tasks", "Task", None,
    (("creationTime", "created", Kind.TIME), ("taskingParameters", "parameters", Kind.JSON),
     ("state", "state", Kind.TEXT), ("stateTime", "changed", Kind.TIME), _PROPERTIES),
    (("TaskingCapability", "TaskingCapabilities"),),
    ("taskingParameters",),
)  # fmt: skip
TASKING = ("Actuators", "TaskingCapabilities", "Tasks")

SETS: dict[str, EntitySet] = {
    found.name: found
    for found in (
        THINGS,
        LOCATIONS,
        HISTORICAL_LOCATIONS,
        DATASTREAMS,
        SENSORS,
        OBSERVED_PROPERTIES,
        OBSERVATIONS,
        FEATURES_OF_INTEREST,
        MULTI_DATASTREAMS,
        ACTUATORS,
        TASKING_CAPABILITIES,
        TASKS,
    )
}


def get_set(name: str) -> EntitySet:
    """The set by its name. Raises BadInput with the names there are."""
    if name not in SETS:
        raise BadInput(f"there is no entity set {name!r}; sets: {', '.join(SETS)}", reason="path")
    return SETS[name]


def target_of(source: EntitySet, navigation: str) -> EntitySet:
    """The set a navigation leads to. Raises BadInput with the ways there are."""
    if navigation not in source.navigations:
        there = ", ".join(source.navigations)
        raise BadInput(f"{source.type_name} has no {navigation!r}; it leads to: {there}", reason="path")
    return SETS[source.navigations[navigation].target]
