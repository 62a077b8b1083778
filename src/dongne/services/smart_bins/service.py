"""Smart bins: noisy fill levels in; filtered level, rate, time to full and collection orders out."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dongne.methods.levels import Level, LevelFilter, Seen, early_hours_to_full, hours_to_full
from dongne.model.cases import CaseEvent
from dongne.model.observed import Observation, ObservedProperty
from dongne.model.properties import FILL_LEVEL
from dongne.model.times import format_instant
from dongne.runtime.service import (
    Alert,
    City,
    Emission,
    Result,
    Service,
    Step,
    Wake,
    WorkOrder,
    on,
    on_case,
    wake,
)

FILL_LEVEL_FILTERED = ObservedProperty("fill_level_filtered", "%", 0.0, 100.0)
FILL_RATE = ObservedProperty("fill_rate", "%/h", 0.0, 1000.0)
HOURS_TO_FULL = ObservedProperty("hours_to_full", "h", 0.0, 720.0)

CLOCKS_APART = timedelta(hours=1)  # a sensor whose clock was ahead by more once would make all later readings late
ONE_IN_TEN = 1.2816  # the normal distribution's 90 % point: full earlier than said in one case of ten
REPORTED_SD_PERCENT = 15.0  # how empty a bin is which somebody reports as emptied


@dataclass(frozen=True)
class Settings:
    """What a city may tune."""

    full_percent: float = 85.0  # order a collection at this level
    ahead_h: float = 12.0  # ... or when it may be full within this time
    least_percent: float = 50.0  # but never below this level
    emptied_percent: float = 25.0  # a fall of this size means: somebody was here
    silent_h: float = 24.0  # a sensor which says nothing for so long is broken
    settle_h: float = 3.0  # no new order so soon after a reported emptying
    step_percent: float = 4.0  # tell the level again when it has changed by this much
    noise_percent: float = 4.0  # standard deviation of a reading, until the readings show their own
    confirm_readings: int = 2  # readings that must agree before a jump is believed


@dataclass(slots=True)
class Bin:
    """What we remember of one bin. `round` counts its fillings; `order` is the name of the open order."""

    level: Level = field(default_factory=Level)
    seen: datetime | None = None  # phenomenonTime of the newest reading
    heard: datetime | None = None  # when the newest reading arrived
    watched: bool = False  # a Wake "silent" is pending
    silent: str = ""  # the open alert's `once`
    said_percent: float = -1.0
    round: int = 1
    ordered: bool = False
    order: str = ""
    reported: datetime | None = None


class SmartBins(Service[Settings, Bin]):
    """Sends the truck before a bin overflows, once per filling.

    Method: methods/levels.py; the page tells it in words.
    """

    kinds = ("waste_basket",)
    emits = (FILL_LEVEL_FILTERED, FILL_RATE, HOURS_TO_FULL, WorkOrder, Alert)

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._tune(settings)

    def _tune(self, settings: Settings) -> None:
        self._tuned_for = settings
        self._filter = LevelFilter(noise_percent=settings.noise_percent, confirm=settings.confirm_readings)

    # --- readings --------------------------------------------------------------------------------------------------

    @on(FILL_LEVEL)
    def measured(self, obs: Observation, state: Bin, city: City) -> Iterator[Emission]:
        """One reading. A late or doubled one shows that the sensor lives, and changes nothing else."""
        settings = self.settings
        if settings is not self._tuned_for:
            self._tune(settings)
        state.heard = obs.arrived
        if not state.watched:
            yield from self._speaks(obs.arrived, state)
        seen = state.seen
        if seen is None:
            if obs.time > obs.arrived + CLOCKS_APART:
                return
            state.seen, state.level = obs.time, self._filter.start(obs.result)
            yield from self._tell(state.level, state)
            yield from self._maybe_order(obs.time, state)
            return
        hours = (obs.time - seen).total_seconds() / 3600.0
        if hours <= 0.0 or (hours > 1.0 and obs.time > obs.arrived + CLOCKS_APART):
            return
        state.seen = obs.time
        level = state.level
        before = level.percent
        taken_for = self._filter.step(level, hours, obs.result)
        if taken_for is Seen.JUMP and before - level.percent >= settings.emptied_percent:
            yield from self._next_round(state, before)
        moved = level.percent - state.said_percent
        if moved >= settings.step_percent or -moved >= settings.step_percent:
            yield from self._tell(level, state)
        if not state.ordered and level.percent >= settings.least_percent:
            yield from self._maybe_order(obs.time, state)

    def _speaks(self, now: datetime, state: Bin) -> Iterator[Emission]:
        """The sensor is heard for the first time, or again."""
        state.watched = True
        yield Wake(now + timedelta(hours=self.settings.silent_h), "silent")
        if state.silent:
            yield Step("alert", "sensor_silent", state.silent, "clear")
            yield Wake(None, "unseen")
            state.silent = ""

    def _tell(self, level: Level, state: Bin) -> Iterator[Emission]:
        state.said_percent = level.percent
        yield Result(FILL_LEVEL_FILTERED, round(level.percent, 1))
        yield Result(FILL_RATE, round(min(level.rate, FILL_RATE.high), 3))
        yield Result(HOURS_TO_FULL, round(hours_to_full(level, HOURS_TO_FULL.high), 1))

    def _maybe_order(self, now: datetime, state: Bin) -> Iterator[Emission]:
        level, settings = state.level, self.settings
        if level.percent < settings.least_percent or self._is_settling(now, state):
            return
        early_h = early_hours_to_full(level, self._filter.q_level(level.rate), ONE_IN_TEN, HOURS_TO_FULL.high)
        if early_h <= settings.ahead_h or level.percent >= settings.full_percent:
            left_h = hours_to_full(level, HOURS_TO_FULL.high)
            yield self._order("collect", now + timedelta(hours=early_h), level.percent, left_h, state)

    def _is_settling(self, now: datetime, state: Bin) -> bool:
        return state.reported is not None and now - state.reported < timedelta(hours=self.settings.settle_h)

    def _order(self, name: str, due: datetime, percent: float, left_h: float, state: Bin) -> WorkOrder:
        state.ordered, state.order = True, name
        values = {"level_percent": round(percent, 1), "hours_to_full": round(left_h, 1)}
        return WorkOrder(name, f"round {state.round}", due.replace(second=0, microsecond=0), values)

    # --- emptyings -------------------------------------------------------------------------------------------------

    def _next_round(self, state: Bin, before_percent: float) -> Iterator[Emission]:
        if state.order:
            values = {"emptied_at_percent": round(before_percent, 1)}
            yield Step("work_order", state.order, f"round {state.round}", "done", values)
        state.round += 1
        state.ordered, state.order = False, ""

    @on_case("work_order", "done")
    def reported_emptied(self, event: CaseEvent, state: Bin, city: City) -> Iterator[Emission]:
        """A person closed the order: the bin is taken as empty until its readings say otherwise."""
        if not event.key.endswith(f"/round {state.round}"):
            return
        state.round += 1
        state.ordered, state.order, state.reported = False, "", event.time
        if state.seen is None or event.time < state.seen - timedelta(hours=self.settings.settle_h):
            return
        level = state.level
        level.percent, level.p11, level.p12, level.odd_count = 0.0, REPORTED_SD_PERCENT**2, 0.0, 0
        state.seen = max(state.seen, event.time)
        yield from self._tell(level, state)

    @on_case("work_order", "cancelled")
    def refused(self, event: CaseEvent, state: Bin, city: City) -> Iterator[Emission]:
        """A planner took the order back: no other comes before the bin was emptied."""
        if event.key.endswith(f"/round {state.round}"):
            state.order = ""
        yield from ()

    # --- silence ---------------------------------------------------------------------------------------------------

    @wake("silent")
    def maybe_silent(self, now: datetime, state: Bin, city: City) -> Iterator[Emission]:
        """A silent sensor is a fault to repair, not an empty bin."""
        if state.heard is None or state.seen is None:
            return
        until = state.heard + timedelta(hours=self.settings.silent_h)
        if until > now:
            yield Wake(until, "silent")
            return
        state.watched = False
        state.silent = format_instant(state.heard)
        values = {
            "silent_h": round((now - state.heard) / timedelta(hours=1), 1),
            "level_percent": round(state.said_percent, 1),
        }
        yield Alert("sensor_silent", state.silent, values)
        left_h = hours_to_full(state.level, HOURS_TO_FULL.high)
        if not state.ordered and left_h < HOURS_TO_FULL.high:
            yield Wake(max(now, state.seen + timedelta(hours=left_h - self.settings.ahead_h)), "unseen")

    @wake("unseen")
    def full_unseen(self, now: datetime, state: Bin, city: City) -> Iterator[Emission]:
        """A bin whose sensor is silent fills all the same: it is collected by what was last known of it."""
        if state.ordered or not state.silent or state.seen is None:
            return
        left_h = hours_to_full(state.level, HOURS_TO_FULL.high)
        passed_h = (now - state.seen) / timedelta(hours=1)
        percent = min(state.level.percent + passed_h * state.level.rate, 100.0)
        due = max(now, state.seen + timedelta(hours=left_h))
        yield self._order("collect_unseen", due, percent, max(left_h - passed_h, 0.0), state)
