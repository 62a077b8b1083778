"""Footfall: persons an hour in; how crowded it is against usual, unusual crowds, and the next six hours out."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from dongne.methods.forecasts import HORIZONS, METHOD, WEEK, predict
from dongne.methods.rhythm import Rhythm, find_usual, hour_of_week, learn, week_until
from dongne.methods.windows import HOUR_US, Tumbling, Window
from dongne.model.cases import CaseEvent
from dongne.model.observed import Observation, ObservedProperty
from dongne.model.properties import PEDESTRIANS
from dongne.model.times import format_instant, from_us, to_us
from dongne.runtime.service import (
    Alert,
    Asset,
    City,
    Emission,
    Result,
    Service,
    Start,
    Step,
    Wake,
    daily,
    on,
    on_case,
    on_job,
    wake,
)
from dongne.services.footfall.jobs import Fitted

CROWDING = ObservedProperty("crowding", "1", 0.0, 1000.0)
USUAL_PEDESTRIANS = ObservedProperty("usual_pedestrians", "{person}/h", 0.0, 100_000.0)
PEDESTRIANS_FORECAST = ObservedProperty("pedestrians_forecast", "{person}/h", 0.0, 100_000.0)
FORECAST_ERROR = ObservedProperty("forecast_error", "{person}/h", 0.0, 100_000.0)
FORECAST_ERROR_LAST_WEEK = ObservedProperty("forecast_error_last_week", "{person}/h", 0.0, 100_000.0)

FIT = Asset("fit")
OPEN_HOURS = 6  # an hour may be corrected for so long; then it becomes part of what is usual
LEAST_HOURS_TO_FIT = 9 * WEEK  # the job holds four weeks back and needs four before them
LEAST_RECENT = WEEK // 2  # hours known of the last week, for a forecast
CLOCKS_APART = timedelta(hours=1)  # a counter whose clock is ahead by more would make all others late
REST = timedelta(hours=20)  # between two requests for a fit
QUIET_H = 3  # an alert without new counts for so long is over


@cache
def hours_of_parts(part_min: int) -> Tumbling:
    """Hours that are counted in parts of so many minutes."""
    return Tumbling(part_us=part_min * 60_000_000, keep=OPEN_HOURS)


@dataclass(frozen=True)
class Settings:
    """What a city may tune."""

    alert_ratio: float = 2.0  # so many times as crowded as usual is unusual
    clear_ratio: float = 1.5  # and below this it is over
    alert_z: float = 3.0  # standard deviations from usual, at least
    least_people: float = 100.0  # persons an hour, at least
    part_min: int = 60  # how long one value of the counter is
    enough_share: float = 0.5  # the share of an hour that must be counted before it is judged
    refit_days: int = 7  # a forecast is fitted anew after so long


@dataclass
class Place:
    """What we remember of one place. `windows` are the hours that may still be corrected; `recent` the counts of the last
    168 hours, each at its number since 1970 modulo 168."""

    windows: list[Window] = field(default_factory=list)
    rhythm: Rhythm = field(default_factory=Rhythm)
    recent: list[float | None] = field(default_factory=lambda: [None] * WEEK)
    newest: int = 0  # number of the newest hour
    hours: int = 0  # hours ever counted
    alert: str = ""  # the open alert's `once`
    muted: bool = False  # a person dismissed it: nothing more until it is over
    forecast_from: int = 0  # the hour after which the last forecast was made
    asked: datetime | None = None  # for a fit
    fitted: datetime | None = None


class Footfall(Service[Settings, Place]):
    """Says how crowded a place is against usual, warns of unusual crowds, and forecasts the next six hours.

    Methods: methods/windows.py, methods/rhythm.py, methods/forecasts.py; the page tells them in words.
    """

    needs = (FIT,)
    emits = (
        CROWDING, USUAL_PEDESTRIANS, PEDESTRIANS_FORECAST, FORECAST_ERROR, FORECAST_ERROR_LAST_WEEK, Alert, Start,
    )  # fmt: skip

    # --- counts ----------------------------------------------------------------------------------------------------

    @on(PEDESTRIANS)
    def counted(self, obs: Observation, state: Place, city: City) -> Iterator[Emission]:
        """One count. Late and corrected ones revise their hour; those of a closed hour change nothing."""
        if obs.time > obs.arrived + CLOCKS_APART:
            return
        tumbling = hours_of_parts(self.settings.part_min)
        window = tumbling.add(state.windows, to_us(obs.time), obs.result)
        if window is None:
            return
        for closed in tumbling.close(state.windows):
            if tumbling.share(closed) >= self.settings.enough_share:
                learn(state.rhythm, hour_of_week(closed.number, city.zone), closed.mean)
        if window.number > state.newest:
            yield from self._next_hour(window.number, obs.arrived, state, city)
        state.recent[window.number % WEEK] = round(window.mean, 2)
        share = tumbling.share(window)
        if share < self.settings.enough_share:
            return
        yield from self._judge(window, obs.arrived, state, city.zone)
        if share >= 1.0 and window.number == state.newest:
            yield from self._forecast(state, city)

    def _next_hour(self, number: int, now: datetime, state: Place, city: City) -> Iterator[Emission]:
        """The clock of the place goes on: hours between are unknown, and the hour before is as whole as it gets."""
        if state.newest:
            yield from self._forecast(state, city)
            for hour in range(max(state.newest + 1, number - WEEK + 1), number):
                state.recent[hour % WEEK] = None
        state.newest = number
        state.hours += 1
        if state.asked is None and state.hours >= LEAST_HOURS_TO_FIT:
            state.asked = now
            yield Start("fit")

    def _judge(self, window: Window, now: datetime, state: Place, zone: ZoneInfo) -> Iterator[Emission]:
        usual = find_usual(state.rhythm, hour_of_week(window.number, zone))
        if usual is None:
            return
        value, start = window.mean, from_us(window.number * HOUR_US)
        ratio = (value + 1.0) / (usual.value + 1.0)  # one more on both sides: nobody instead of one is not "0 times"
        yield Result(CROWDING, round(CROWDING.clip(ratio), 3), start)
        yield Result(USUAL_PEDESTRIANS, round(USUAL_PEDESTRIANS.clip(usual.value), 1), start)
        if window.number != state.newest:
            return
        s = self.settings
        is_unusual = ratio >= s.alert_ratio and usual.z(value) >= s.alert_z and value >= s.least_people
        if is_unusual and not state.alert and not state.muted:
            state.alert = format_instant(start)
            values = {"ratio": round(ratio, 2), "people_h": round(value), "usual_people_h": round(usual.value)}
            yield Alert("unusual_crowd", state.alert, values)
        elif ratio < min(s.clear_ratio, s.alert_ratio):
            yield from self._over(state)
        if state.alert:
            yield Wake(now + timedelta(hours=QUIET_H), "quiet")

    # --- alerts ----------------------------------------------------------------------------------------------------

    def _over(self, state: Place) -> Iterator[Emission]:
        state.muted = False
        if state.alert:
            yield Step("alert", "unusual_crowd", state.alert, "clear")
            yield Wake(None, "quiet")
            state.alert = ""

    @wake("quiet")
    def quiet(self, now: datetime, state: Place, city: City) -> Iterator[Emission]:
        """A counter that stops counting does not leave an alert open."""
        yield from self._over(state)

    @on_case("alert", "dismissed")
    def dismissed(self, event: CaseEvent, state: Place, city: City) -> Iterator[Emission]:
        """A person says it is nothing: no further alert before this crowd is over."""
        if state.alert and event.key.endswith(f"/{state.alert}"):
            state.alert, state.muted = "", True
            yield Wake(None, "quiet")

    # --- forecasts -------------------------------------------------------------------------------------------------

    @daily("03:00")
    def fit_in_the_night(self, now: datetime, state: Place, city: City) -> Iterator[Emission]:
        """Asks for a new fit where there is none or it is old, and history suffices."""
        due = state.fitted is None or now - state.fitted >= timedelta(days=self.settings.refit_days)
        rested = state.asked is None or now - state.asked >= REST
        if due and rested and state.hours >= LEAST_HOURS_TO_FIT:
            state.asked = now
            yield Start("fit")

    @on_job("fit")
    def has_fit(self, outcome: Fitted, state: Place, city: City) -> Iterator[Emission]:
        """A new model: says its errors on held-back weeks, and forecasts with it at once."""
        state.fitted = outcome.trained_until
        errors, until = outcome.errors, outcome.trained_until
        yield Result(FORECAST_ERROR, round(sum(errors.mae) / HORIZONS, 2), until)
        yield Result(FORECAST_ERROR_LAST_WEEK, round(sum(errors.mae_last_week) / HORIZONS, 2), until)
        state.forecast_from = 0
        yield from self._forecast(state, city)

    def _forecast(self, state: Place, city: City) -> Iterator[Emission]:
        """The hours after the newest, once for each newest hour."""
        fitted: Fitted | None = city.find_asset(FIT)
        last = state.newest
        if fitted is None or fitted.model.method != METHOD or state.forecast_from >= last:
            return
        oldest = (last + 1) % WEEK
        recent = state.recent[oldest:] + state.recent[:oldest]
        if recent[-1] is None or recent.count(None) > WEEK - LEAST_RECENT:
            return
        state.forecast_from = last
        # hour by hour, as a clock change may lie between
        ahead = [hour_of_week(hour, city.zone) for hour in range(last + 1, last + HORIZONS + 1)]
        for horizon, value in enumerate(predict(fitted.model, recent, week_until(last, city.zone), ahead), 1):
            start = from_us((last + horizon) * HOUR_US)
            yield Result(
                PEDESTRIANS_FORECAST, round(PEDESTRIANS_FORECAST.clip(value), 1), start, {"horizon_h": horizon}
            )
