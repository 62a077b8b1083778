"""The question and the answer."""

from dataclasses import dataclass

import msgspec

from dongne.model.errors import BadInput
from dongne.runtime.answer import Sentence

MOST = 40
LONGEST = 120


@dataclass(frozen=True)
class Board:
    """What departs next from this stop? `stop` is its stop_id (a station's has all its platforms) or its name, `at` a local time
    such as 2026-11-30T08:00 (now, where it is empty), `count` how many (1 to 40). With `arriving`, the trip_id of the vehicle one
    sits in, each departure says how likely the change holds."""

    stop: str
    at: str = ""
    count: int = 8
    arriving: str = ""

    def __post_init__(self) -> None:
        if not self.stop.strip() or len(self.stop) > LONGEST:
            raise BadInput(f"stop = {self.stop[:40]!r} is no stop; give its stop_id or its name")
        if not 1 <= self.count <= MOST:
            raise BadInput(f"count = {self.count} is out of 1..{MOST}; give count in that range")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one catches a departure. `slack_s` is what the timetable leaves beyond the time for changing; `holds_percent` is None
    where nothing is known of one of both vehicles."""

    slack_s: int
    holds_percent: int | None


class Departure(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle that departs, or does not (`cancelled`).

    `scheduled` and `expected` are instants. `certainty` is "real_time" (its operator says so now), "learned" (from how late this
    route was at this hour, `hour_alone`, or all day; `low_s` to `high_s` hold 8 of 10) or "timetable" (nothing is known of it).
    `step_free` is "yes", "no" or "unknown"."""

    trip_id: str
    route: str
    mode: str
    headsign: str
    stop_id: str
    platform: str
    scheduled: str
    expected: str
    minutes: int
    certainty: str
    delay_s: int | None = None
    low_s: int | None = None
    high_s: int | None = None
    seen: int = 0
    hour_alone: bool = True
    cancelled: bool = False
    step_free: str = "unknown"
    change: Change | None = None


class StopBoard(msgspec.Struct, frozen=True, kw_only=True):
    """The departures of a stop, the soonest first. `disruptions` are texts by language. `real_time_age_s` is how old the newest word
    of an operator is, None where there was none; `moved_weeks` other than 0: the timetable is that of other weeks.
    `sentences` say it in words, `spoken` so that it can be read aloud."""

    stop_id: str
    name: str
    time_us: int
    departures: tuple[Departure, ...]
    disruptions: tuple[dict[str, str], ...]
    real_time_age_s: int | None
    moved_weeks: int
    sentences: tuple[Sentence, ...]
    spoken: tuple[Sentence, ...]
