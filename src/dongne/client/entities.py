"""The entities of SensorThings 1.1 and Tasking as typed values, as they are sent and as they come back.

What is left out is not sent. A link to what exists is an entity with its id alone: `Datastream(..., thing=Thing(id=3))`.
"""

from typing import Any

import msgspec

from dongne.model.entities import OM_COMPLEX, OM_MEASUREMENT

GEOJSON = "application/geo+json"


class Entity(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """What all have. `id` is 0 before it is stored, `self_link` its address."""

    id: int = msgspec.field(name="@iot.id", default=0)
    self_link: str = msgspec.field(name="@iot.selfLink", default="")


class Location(Entity):
    """A place; `location` is GeoJSON, (lon, lat) WGS 84."""

    name: str = ""
    description: str = ""
    encoding_type: str = ""
    location: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    things: list["Thing"] = msgspec.field(name="Things", default=[])


class HistoricalLocation(Entity):
    """Where a Thing was from `time` on."""

    time: str = ""
    thing: "Thing | None" = msgspec.field(name="Thing", default=None)
    locations: list[Location] = msgspec.field(name="Locations", default=[])


class Thing(Entity):
    """A thing or place of the city."""

    name: str = ""
    description: str = ""
    properties: dict[str, Any] | None = None
    locations: list[Location] = msgspec.field(name="Locations", default=[])
    historical_locations: list[HistoricalLocation] = msgspec.field(name="HistoricalLocations", default=[])
    datastreams: list["Datastream"] = msgspec.field(name="Datastreams", default=[])
    multi_datastreams: list["MultiDatastream"] = msgspec.field(name="MultiDatastreams", default=[])
    tasking_capabilities: list["TaskingCapability"] = msgspec.field(name="TaskingCapabilities", default=[])


class Sensor(Entity):
    """What measures, or the service that computes."""

    name: str = ""
    description: str = ""
    encoding_type: str = ""
    metadata: Any = None
    properties: dict[str, Any] | None = None


class ObservedProperty(Entity):
    """What is observed."""

    name: str = ""
    definition: str = ""
    description: str = ""
    properties: dict[str, Any] | None = None


class Unit(msgspec.Struct, kw_only=True):
    """unitOfMeasurement; `symbol` is the UCUM code."""

    name: str | None = None
    symbol: str | None = None
    definition: str | None = None


class Datastream(Entity):
    """Observations of one property at one Thing by one Sensor."""

    name: str = ""
    description: str = ""
    observation_type: str = ""
    unit_of_measurement: Unit | None = None
    observed_area: dict[str, Any] | None = None
    phenomenon_time: str | None = None
    result_time: str | None = None
    properties: dict[str, Any] | None = None
    thing: Thing | None = msgspec.field(name="Thing", default=None)
    sensor: Sensor | None = msgspec.field(name="Sensor", default=None)
    observed_property: ObservedProperty | None = msgspec.field(name="ObservedProperty", default=None)
    observations: list["Observation"] = msgspec.field(name="Observations", default=[])


class MultiDatastream(Entity):
    """Observations whose result is a list, one value for each observed property."""

    name: str = ""
    description: str = ""
    observation_type: str = ""
    multi_observation_data_types: list[str] = []
    unit_of_measurements: list[Unit] = []
    observed_area: dict[str, Any] | None = None
    phenomenon_time: str | None = None
    result_time: str | None = None
    properties: dict[str, Any] | None = None
    thing: Thing | None = msgspec.field(name="Thing", default=None)
    sensor: Sensor | None = msgspec.field(name="Sensor", default=None)
    observed_properties: list[ObservedProperty] = msgspec.field(name="ObservedProperties", default=[])
    observations: list["Observation"] = msgspec.field(name="Observations", default=[])


class FeatureOfInterest(Entity):
    """What an Observation is about; `feature` is GeoJSON."""

    name: str = ""
    description: str = ""
    encoding_type: str = ""
    feature: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None


class Observation(Entity):
    """A value at a time. Times are ISO 8601, an instant or an interval."""

    phenomenon_time: str | None = None
    result: Any = None
    result_time: str | None = None
    result_quality: Any = None
    valid_time: str | None = None
    parameters: dict[str, Any] | None = None
    datastream: Datastream | None = msgspec.field(name="Datastream", default=None)
    multi_datastream: MultiDatastream | None = msgspec.field(name="MultiDatastream", default=None)
    feature_of_interest: FeatureOfInterest | None = msgspec.field(name="FeatureOfInterest", default=None)


class Actuator(Entity):
    """What carries a Task out."""

    name: str = ""
    description: str = ""
    encoding_type: str = ""
    metadata: Any = None
    properties: dict[str, Any] | None = None


class TaskingCapability(Entity):
    """What a Thing can be told to do; `tasking_parameters` is the JSON Schema of a Task's parameters."""

    name: str = ""
    description: str = ""
    tasking_parameters: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    thing: Thing | None = msgspec.field(name="Thing", default=None)
    actuator: Actuator | None = msgspec.field(name="Actuator", default=None)
    tasks: list["Task"] = msgspec.field(name="Tasks", default=[])


class Task(Entity):
    """A command to a device, and what became of it: created, accepted, executing, done, failed or expired."""

    creation_time: str | None = None
    tasking_parameters: dict[str, Any] | None = None
    state: str = ""
    state_time: str | None = None
    properties: dict[str, Any] | None = None
    tasking_capability: TaskingCapability | None = msgspec.field(name="TaskingCapability", default=None)


SETS: dict[type[Entity], str] = {
    Thing: "Things",
    Location: "Locations",
    HistoricalLocation: "HistoricalLocations",
    Datastream: "Datastreams",
    MultiDatastream: "MultiDatastreams",
    Sensor: "Sensors",
    ObservedProperty: "ObservedProperties",
    Observation: "Observations",
    FeatureOfInterest: "FeaturesOfInterest",
    Actuator: "Actuators",
    TaskingCapability: "TaskingCapabilities",
    Task: "Tasks",
}

# What the standard requires and nearly everybody means; sent where the entity does not say it.
FILLED: dict[type[Entity], dict[str, Any]] = {
    Location: {"encodingType": GEOJSON},
    FeatureOfInterest: {"encodingType": GEOJSON},
    Sensor: {"encodingType": "text/plain", "metadata": ""},
    Actuator: {"encodingType": "text/plain", "metadata": ""},
    Datastream: {"observationType": OM_MEASUREMENT, "unitOfMeasurement": Unit()},
    MultiDatastream: {"observationType": OM_COMPLEX},
    ObservedProperty: {"definition": ""},
}
