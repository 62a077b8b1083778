"""The question and the answer."""

from dataclasses import dataclass
from math import inf

import msgspec

from dongne.model.errors import BadInput
from dongne.model.geometry import Point
from dongne.runtime.answer import Sentence

LONGEST, MOST = 120, 50


@dataclass(frozen=True)
class Find:
    """Which places are called so? `text` is a name or an address, or its beginning; with `near` (`lon,lat` in degrees WGS 84) the nearest come
    first among equals; at most `limit` (1 to 50)."""

    text: str
    near: str = ""
    limit: int = 8

    def __post_init__(self) -> None:
        if len(self.text) > LONGEST:
            raise BadInput(f"text is longer than {LONGEST} characters; a name or an address is enough")
        if not 1 <= self.limit <= MOST:
            raise BadInput(f"limit = {self.limit} is out of 1..{MOST}; give limit in that range")
        _ = self.point

    @property
    def point(self) -> Point | None:
        """(lon, lat) near which is asked. Raises BadInput for what is none."""
        if not self.near:
            return None
        try:
            lon, lat = map(float, self.near.split(","))
        except ValueError:
            lon, lat = inf, inf
        if not (abs(lon) <= 180 and abs(lat) <= 90):
            raise BadInput(f"near = {self.near[:60]!r} is no place; give lon,lat in degrees, lon first")
        return lon, lat


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
