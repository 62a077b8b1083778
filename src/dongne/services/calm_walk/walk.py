"""The question and the answer."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from dongne.model.errors import BadInput
from dongne.runtime.answer import Sentence

LONGEST_PLACE = 120
MOST_MIN = 30


@dataclass(frozen=True)
class Walk:
    """How does one walk there, and how calm is it? `start` and `end` are a place's name, an address, or `lon,lat` in degrees WGS 84;
    `profile` is one of fast, calm, step_free, lit, pram; `when` is when one sets out (ISO 8601 with its zone), now where it is missing. Without
    `end`: which calm places are there within `within_min` minutes (1 to 30)?"""

    start: str
    end: str = ""
    profile: str = "calm"
    when: datetime | None = None
    within_min: int = 15

    def __post_init__(self) -> None:
        if not 1 <= self.within_min <= MOST_MIN:
            raise BadInput(f"within_min = {self.within_min} is out of 1..{MOST_MIN}; give within_min in that range")
        if not self.start.strip():
            raise BadInput("start is empty; give a place's name, an address, or lon,lat", reason="no_start")
        for name, value in (("start", self.start), ("end", self.end)):
            if len(value) > LONGEST_PLACE:
                raise BadInput(
                    f"{name} is longer than {LONGEST_PLACE} characters; give a place's name, an address, or lon,lat"
                )
        if self.when is not None and self.when.tzinfo is None:
            raise BadInput(
                f"when = {self.when.isoformat()} does not say its zone; add it: {self.when.isoformat()}Z, or +09:00 (in an address %2B09:00)"
            )


class Spot(msgspec.Struct, frozen=True):
    """Where a walk begins or ends: what was asked for, as what it was taken, and the place on the way nearest to it."""

    asked: str
    name: str
    names: dict[str, str]
    lon: float
    lat: float
    away_m: int = 0


class Direction(msgspec.Struct, frozen=True):
    """What to do next, from (lon, lat) on; `turn` and `way` as in methods.walk_directions."""

    said: Sentence
    turn: str
    way: str
    name: str
    length_m: int
    duration_s: int
    lon: float
    lat: float


class Line(msgspec.Struct, frozen=True):
    """A GeoJSON LineString. `coordinates` are written already: a list of [lon, lat]."""

    coordinates: msgspec.Raw
    type: str = "LineString"


class Route(msgspec.Struct, frozen=True):
    """A way to walk. `role` is "advised" for the profile asked for, "fastest" or "other"; `crowd_percent` is how full it is on the mean of the time,
    when one gets there; `dark_m` and `loud_m` are the metres in the dark and beside a loud road; `spares` says what it is like beside the fastest one."""

    role: str
    duration_s: int
    length_m: int
    crowd_percent: float
    dark_m: int
    loud_m: int
    steps: int
    crossings: int
    spares: tuple[Sentence, ...]
    directions: tuple[Direction, ...]
    geometry: Line


class Nearby(msgspec.Struct, frozen=True):
    """A calm place. `name` is empty where it has none, as a bench; `crowd_percent` is how full it is there now."""

    name: str
    names: dict[str, str]
    kind: str
    address: str
    lon: float
    lat: float
    duration_s: int
    crowd_percent: float


class Reach(msgspec.Struct, frozen=True):
    """How far one gets within some minutes. `places` are the calm ones, nearest first, a few of each kind; `area` is a GeoJSON Polygon."""

    within_min: int
    places: tuple[Nearby, ...]
    area: msgspec.Raw


class Routes(msgspec.Struct, frozen=True):
    """The routes, the one to be advised first. `closures` are the Things whose ways are closed now; `crowd_from` is where the crowd was measured ("here",
    "simulated", or a place from which it is replayed here), empty where nobody counts; `sentences` say that in words. Where calm places were asked for, they are in `reach`, and there is no end and no route."""

    start: Spot
    end: Spot | None
    profile: str
    departs: datetime
    routes: tuple[Route, ...]
    closures: tuple[int, ...]
    crowd_from: tuple[str, ...]
    sentences: tuple[Sentence, ...]
    reach: Reach | None = None
