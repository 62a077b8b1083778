"""The question and the answer."""

from dataclasses import dataclass

import msgspec

from dongne.model.errors import BadInput
from dongne.runtime.answer import Sentence

MOST_TRANSFERS, LONGEST, LONGEST_WINDOW_MIN = 7, 120, 240


@dataclass(frozen=True)
class Travel:
    """How does one get from here to there? `from_stop` and `to_stop` are stop_ids (a station's has all its platforms) or names, `at` a
    local time such as 2026-11-30T08:00 (now, where it is empty), `within_min` how long after it one may depart (0 to 240),
    `most_transfers` how often one would change (0 to 7)."""

    from_stop: str
    to_stop: str
    at: str = ""
    within_min: int = 60
    most_transfers: int = 4

    def __post_init__(self) -> None:
        for name, text in (("from_stop", self.from_stop), ("to_stop", self.to_stop)):
            if not text.strip() or len(text) > LONGEST:
                raise BadInput(f"{name} = {text[:40]!r} is no stop; give its stop_id or its name")
        for name, value, most in (
            ("within_min", self.within_min, LONGEST_WINDOW_MIN),
            ("most_transfers", self.most_transfers, MOST_TRANSFERS),
        ):
            if not 0 <= value <= most:
                raise BadInput(f"{name} = {value} is out of 0..{most}; give {name} in that range")


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a journey: a ride (with `trip_id`) or a walk. `spare_s` is what the timetable leaves beyond the time for changing
    into this vehicle; None for the first. `step_free` is "yes", "no" or "unknown"."""

    from_stop_id: str
    from_stop: str
    to_stop_id: str
    to_stop: str
    departure: str
    arrival: str
    trip_id: str = ""
    route: str = ""
    mode: str = ""
    headsign: str = ""
    spare_s: int | None = None
    step_free: str = "unknown"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A journey: no other departs as late, arrives as early and has as few transfers."""

    departure: str
    arrival: str
    minutes: int
    transfers: int
    legs: tuple[Leg, ...]


class Journeys(msgspec.Struct, frozen=True, kw_only=True):
    """The journeys worth taking, by departure, by the timetable. `moved_weeks` other than 0: the timetable is that of other weeks.
    `sentences` say it in words."""

    from_stop: str
    to_stop: str
    time_us: int
    journeys: tuple[Told, ...]
    moved_weeks: int
    sentences: tuple[Sentence, ...]
