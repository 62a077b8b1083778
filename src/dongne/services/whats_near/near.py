"""The question and the answer."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import msgspec

from dongne.model.errors import BadInput
from dongne.runtime.answer import Sentence

LEAST_M, MOST_M = 10.0, 2_000.0


@dataclass(frozen=True)
class Place:
    """What is live around this place? `lon` and `lat` in degrees WGS 84, `radius_m` in metres (10 to 2,000)."""

    lon: float
    lat: float
    radius_m: float = 250.0

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("lon", self.lon, -180.0, 180.0),
            ("lat", self.lat, -90.0, 90.0),
            ("radius_m", self.radius_m, LEAST_M, MOST_M),
        ):
            if not (isfinite(value) and low <= value <= high):
                raise BadInput(f"{name} = {value:g} is out of {low:g}..{high:g}; give {name} in that range")


class LiveValue(msgspec.Struct, frozen=True, kw_only=True):
    """The newest value of a Datastream. `result` is a number, or what was sent where that is none; `unit` is UCUM.

    `origin` says where it was really measured, for a series that is replayed here.
    """

    datastream: int
    property: str
    property_key: str
    result: Any
    unit: str
    age_s: float
    simulated: bool = False
    origin: str = ""


class OpenCase(msgspec.Struct, frozen=True, kw_only=True):
    """A Case that still needs somebody; its words are under `case_key` with `values`."""

    kind: str
    case_key: str
    state: str
    age_s: float
    values: dict[str, Any] = {}


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A Thing that is live: it has values or open Cases. `direction` is one of eight words ("north_east"), seen from the
    place asked about; `names` are its names by language, where it has any."""

    thing: int
    name: str
    names: dict[str, str] = {}
    kind: str
    distance_m: float
    direction: str
    values: tuple[LiveValue, ...] = ()
    cases: tuple[OpenCase, ...] = ()


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """What is live near a place, nearest first; `more` counts live Things beyond those listed, `quiet` by kind those
    without any value. `sentences` say it in plain words, in order."""

    lon: float
    lat: float
    radius_m: float
    time_us: int
    items: tuple[Item, ...]
    more: int
    quiet: dict[str, int]
    sentences: tuple[Sentence, ...]
