"""What there is to say at a platform now: the next train, how full each of its cars will be, where to board, and how old all that is.

While a train is on its way here from the stop before, and while it stands here, its `expected_load` is shown. Before, there is no forecast yet: then
the cars are shown as they are now, some stops away, and never as sure. A train that has left is not shown any more.

What was heard last stays when nothing more is heard. It is `old` once the line was silent for LINE_OLD_S or the train for TRAIN_OLD_S, and
`gone` (shown grey, nobody is advised by it) after LINE_GONE_S and TRAIN_GONE_S. A train says nothing between two stops, so it may
be silent for longer than the line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from dongne.methods.crowding_scale import PEOPLE_AT_100_PERCENT, to_percent
from dongne.methods.platform_board import CarBoard, advise, judge
from dongne.methods.platform_positions import position_of
from dongne.methods.train_places import StopStatus, seconds_round, seconds_to, stops_away, stops_away_round
from dongne.model.entities import Datastream
from dongne.runtime.ports import Runtime
from dongne.web.boarding.lines import EXPECTED_LOAD, Line, Platform, Train, latest_by_part, look_at_line
from dongne.web.seen import SeenCity

LINE_OLD_S, LINE_GONE_S = 60.0, 180.0
TRAIN_OLD_S, TRAIN_GONE_S = 240.0, 600.0
MOST_NEXT = 3


@dataclass(frozen=True)
class Coming:
    """A train on its way here. `eta_s` is about how long until it stands here; `stops_away` how many stops it makes before; `turns`: it goes the
    other way now, and comes when it has turned at the end."""

    train: Train
    stops_away: int
    eta_s: float
    is_here: bool = False
    turns: bool = False


@dataclass(frozen=True)
class Board:
    """A platform now. `phase` is coming, here, away (loads are those of now, some stops away) or unknown. `cars` has one entry for each position, None where
    no car stops. Times are microseconds by the city's clock: `heard_us` is what all of this hangs on, 0 where nothing was ever heard;
    from `old_us` on it is old, from `gone_us` on worth nothing."""

    platform: Platform
    line: Line
    phase: str
    train: Train | None
    cars: tuple[CarBoard | None, ...]
    estimated: frozenset[int]
    trip: str
    coming: tuple[Coming, ...]
    heard_us: int
    old_us: int
    gone_us: int
    now_us: int

    @property
    def age(self) -> str:
        """live, old or gone; never heard is gone."""
        if self.now_us >= self.gone_us or not self.heard_us:
            return "gone"
        return "old" if self.now_us >= self.old_us else "live"

    @property
    def advice(self) -> tuple[int, ...]:
        """The positions where boarding is easiest."""
        return () if self.age == "gone" else advise([car for car in self.cars if car is not None])

    @property
    def revision(self) -> str:
        """Another text whenever what is said of the train is another."""
        cars = "-".join("" if car is None else f"{car.percent:g}" for car in self.cars)
        return f"{self.phase} {self.train.vehicle_id if self.train else ''} {self.trip} {cars}"


def look_at_platform(
    seen: SeenCity, runtime: Runtime, platform: Platform, now_us: int, line: Line | None = None
) -> Board:
    """The board of this platform; `line` where it was looked at already."""
    line = line or look_at_line(seen, platform.line)
    streams = [
        stream
        for stream in seen.graph.list_datastreams(platform.thing.id)
        if seen.graph.property_key(stream) == EXPECTED_LOAD
    ]
    coming = list_coming(line, platform, now_us)
    if line.ends_at(platform):  # how full the cars are is nothing to those who stand here
        shown, coming = _Shown("unknown"), [one for one in coming if not one.is_here]
    else:
        shown = _find_forecast(seen, line, platform, streams) or _see_as_now(coming, platform, people_at_100(runtime))
    phase = shown.phase
    if phase == "coming" and any(one.is_here and one.train is shown.train for one in coming):
        phase = "here"
    coming = sorted(coming, key=lambda one: one.train is not shown.train)
    heard_us, old_us, gone_us = _age_limits(line, shown.train)
    return Board(
        platform, line, phase, shown.train, tuple(shown.cars.get(p) for p in range(1, platform.positions + 1)),
        shown.estimated, shown.trip, tuple(coming[:MOST_NEXT]), heard_us, old_us, gone_us, now_us,
    )  # fmt: skip


def people_at_100(runtime: Runtime) -> float:
    """How many people in a car are 100 %, as the city has set it."""
    if not any(status.id == "boarding_line" for status in runtime.statuses()):
        return PEOPLE_AT_100_PERCENT
    found = {setting.name: setting.value for setting in runtime.settings_in_force("boarding_line")}
    return float(found.get("people_at_100", PEOPLE_AT_100_PERCENT))


def list_coming(line: Line, platform: Platform, now_us: int) -> list[Coming]:
    """Trains on their way here or standing here, soonest first, behind them those that have to turn before. Those not heard of for TRAIN_GONE_S
    while others are, are left out, and those without passengers, but where they turn."""
    heard = [train for train in line.trains if line.heard_us - train.heard_us <= TRAIN_GONE_S * 1e6]
    found = [one for train in heard if (one := _find_coming(line, platform, train, now_us)) is not None]
    return sorted(found, key=lambda one: (one.turns, one.stops_away, not one.is_here, one.eta_s))


def _find_coming(line: Line, platform: Platform, train: Train, now_us: int) -> Coming | None:
    place, way, stop = train.place, platform.direction_id, platform.stop_sequence
    if place is None:
        return None
    if (away := stops_away(place, way, stop)) is not None and not train.is_empty_run:
        eta_s = seconds_to(place, stop, line.distances_m[way], now_us)
        return Coming(train, away, eta_s, is_here=not away and place.status is StopStatus.STOPPED_AT)
    there = line.platforms[1 - way]
    away = stops_away_round(place, way, stop, len(there))
    if away is None or (train.is_empty_run and place.stop_sequence < len(there)):
        return None
    eta_s = seconds_round(place, stop, line.distances_m[1 - way], line.distances_m[way], now_us)
    return Coming(train, away, eta_s, turns=True)


@dataclass(frozen=True)
class _Shown:
    """The train of which there is something to say, and its cars by position."""

    phase: str
    train: Train | None = None
    cars: Mapping[int, CarBoard] = field(default_factory=dict)
    estimated: frozenset[int] = frozenset()
    trip: str = ""


def _find_forecast(seen: SeenCity, line: Line, platform: Platform, streams: Sequence[Datastream]) -> _Shown | None:
    """The train of the newest forecast with its cars, as long as it has not left, and not that of a trip before."""
    values = latest_by_part(seen, streams)
    newest_us = max((value.time_us for _, value in values), default=0)
    cars, estimated, said = {}, set(), dict[str, Any]()
    for stream, value in values:
        position = int(stream.part) if stream.part.isdecimal() and len(stream.part) < 4 else 0
        if value.time_us == newest_us and 1 <= position <= platform.positions and isfinite(value.result):
            said = seen.find_parameters(value.number)
            low, high = _number(said.get("low_percent"), value.result), _number(said.get("high_percent"), value.result)
            cars[position] = judge(position, value.result, low, high)
            if said.get("source") == "estimated":
                estimated.add(position)
    train = line.find_train(str(said.get("vehicle_id", "")))
    if train is None or not train.holds(newest_us) or _has_left(train, platform, newest_us):
        return None
    return _Shown("coming", train, cars, frozenset(estimated), str(said.get("trip", "")))


def _see_as_now(coming: Sequence[Coming], platform: Platform, full: float) -> _Shown:
    """The next train with its cars as they are now."""
    if not coming or coming[0].turns:  # what is in its cars gets off at the end, and while it turns it may be silent
        return _Shown("unknown")
    cars = dict(_as_now(coming[0].train, platform, full))
    return _Shown("away" if cars else "unknown", coming[0].train, cars)


def _has_left(train: Train, platform: Platform, since_us: int) -> bool:
    """Whether the train said after this instant that it goes elsewhere."""
    place = train.place
    if place is None or place.time_us < since_us:
        return False
    return stops_away(place, platform.direction_id, platform.stop_sequence) != 0


def _as_now(train: Train, platform: Platform, full: float) -> list[tuple[int, CarBoard]]:
    """The cars as they are now, at the positions where they will stand."""
    if not 0 < train.cars <= platform.positions:
        return []
    found = []
    for car, load in enumerate(train.loads_now, 1):
        if load is not None and isfinite(load.result):
            position = position_of(car, train.cars, platform.positions, platform.direction_id)
            percent = round(to_percent(load.result, full), 1)
            found.append((position, judge(position, percent, percent, percent)))
    return found


def _age_limits(line: Line, train: Train | None) -> tuple[int, int, int]:
    heard_us = train.heard_us if train else line.heard_us
    limits = [(line.heard_us, LINE_OLD_S, LINE_GONE_S)]
    if train is not None:
        limits.append((train.heard_us, TRAIN_OLD_S, TRAIN_GONE_S))
    old_us = min(at_us + int(old_s * 1e6) for at_us, old_s, _ in limits)
    gone_us = min(at_us + int(gone_s * 1e6) for at_us, _, gone_s in limits)
    return heard_us, old_us, gone_us


def _number(value: object, otherwise: float) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and isfinite(value) else otherwise  # type: ignore[arg-type]
