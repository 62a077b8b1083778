"""What is observed and what was observed."""

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any

import msgspec


class ObservedProperty(msgspec.Struct, frozen=True, eq=True):
    """A quantity by its key, with the unit and range in which services see and emit it.

    `unit` is a UCUM code ("%", "h", "1", "lx", "W/m2"); `low`..`high` is inclusive and in that unit.
    `definition` is the address of its meaning; empty where there is none. The key is the field's word and
    the `name` of the SensorThings ObservedProperty.
    """

    key: str
    unit: str
    low: float = float("-inf")
    high: float = float("inf")
    definition: str = ""

    def clip(self, value: float) -> float:
        """The value, brought into the range."""
        return min(max(value, self.low), self.high)

    def holds(self, value: float) -> bool:
        """Whether the value is a finite number inside the range."""
        return isfinite(value) and self.low <= value <= self.high


class Observation(msgspec.Struct, frozen=True, gc=False):
    """One value of an observed property at a Thing, as a service gets it.

    `result` is in the unit of `property`. `time` is the phenomenonTime (the start, where it is an interval),
    `arrived` when the city got it. `thing` is the id of the Thing observed, `part` which of its parts (a car of a train), empty
    where it is the whole: what `properties.part` of the Datastream says.
    """

    number: int
    thing: int
    datastream: int
    property: str
    time: datetime
    result: float
    arrived: datetime
    parameters: Mapping[str, Any] | None = None
    part: str = ""
