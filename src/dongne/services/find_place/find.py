"""The question and the answer."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import msgspec

from dongne.model.errors import BadInput

LONGEST, MOST = 120, 50


@dataclass(frozen=True)
class Find:
    """Which places are called so? `text` is a name or an address, or its beginning; with `lon` and `lat` (degrees WGS 84) the nearest come
    first among equals; at most `limit` (1 to 50)."""

    text: str
    lon: float | None = None
    lat: float | None = None
    limit: int = 8

    def __post_init__(self) -> None:
        if len(self.text) > LONGEST:
            raise BadInput(f"text is longer than {LONGEST} characters; a name or an address is enough")
        if not 1 <= self.limit <= MOST:
            raise BadInput(f"limit = {self.limit} is out of 1..{MOST}; give limit in that range")
        if (self.lon is None) != (self.lat is None):
            raise BadInput("lon and lat go together; give both, or none")
        for name, value, most in (("lon", self.lon, 180.0), ("lat", self.lat, 90.0)):
            if value is not None and not (isfinite(value) and abs(value) <= most):
                raise BadInput(f"{name} = {value:g} is out of {-most:g}..{most:g}; give {name} in that range")


class Sentence(msgspec.Struct, frozen=True):
    """A sentence by its catalogue key. A value named `<x>_key` is itself a catalogue key: its text fills in `{<x>}`."""

    key: str
    values: dict[str, Any] = {}


class Match(msgspec.Struct, frozen=True):
    """A place. `names` are its names by language; `address` tells it from others of its name; `distance_m` from the place near which was
    asked, where there was one."""

    name: str
    names: dict[str, str]
    kind: str
    address: str
    lon: float
    lat: float
    distance_m: int | None = None


class Matches(msgspec.Struct, frozen=True):
    """The places whose names have all that was typed, best first; where there is none, `instead` has names much like it."""

    text: str
    places: tuple[Match, ...]
    instead: tuple[Match, ...]
    sentences: tuple[Sentence, ...]
