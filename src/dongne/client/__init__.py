"""A city's data from Python: `from dongne.client import City`. docs/client.md shows it at work."""

from dongne.client.calls import Sent
from dongne.client.concurrent import AsyncCity
from dongne.client.entities import (
    Actuator,
    Datastream,
    FeatureOfInterest,
    HistoricalLocation,
    Location,
    MultiDatastream,
    Observation,
    ObservedProperty,
    Sensor,
    Task,
    TaskingCapability,
    Thing,
    Unit,
)
from dongne.client.errors import BadRequest, CityError, NoSuchThing, NotAllowed, TryLater
from dongne.client.events import Event
from dongne.client.plain import City
from dongne.client.tables import Table

__all__ = [
    "Actuator",
    "AsyncCity",
    "BadRequest",
    "City",
    "CityError",
    "Datastream",
    "Event",
    "FeatureOfInterest",
    "HistoricalLocation",
    "Location",
    "MultiDatastream",
    "NoSuchThing",
    "NotAllowed",
    "Observation",
    "ObservedProperty",
    "Sensor",
    "Sent",
    "Table",
    "Task",
    "TaskingCapability",
    "Thing",
    "TryLater",
    "Unit",
]
