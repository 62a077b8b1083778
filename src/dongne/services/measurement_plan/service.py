"""Measurements at home: asked for by a plan, looked at by rules, brought before a nurse where there is something to see."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from dongne.methods.vital_limits import is_plausible
from dongne.methods.vital_trends import note_reading
from dongne.model import home as said
from dongne.model.cases import CaseEvent
from dongne.model.observed import Observation
from dongne.runtime.service import (
    City,
    Emission,
    Latest,
    Notify,
    Open,
    Result,
    Service,
    TakeBack,
    Wake,
    on,
    on_case,
    wake,
)
from dongne.services.measurement_plan import plan
from dongne.services.measurement_plan.person import MEASUREMENT_OF, MEASUREMENTS, WELLBEING_SCORE, Doubt, Person, Review
from dongne.services.measurement_plan.person import Latest as Newest
from dongne.services.measurement_plan.rules import (
    MINOR,
    MODERATE,
    RANK,
    SEVERE,
    Finding,
    find_doubtful,
    find_in_answers,
    find_in_reading,
    find_score,
    list_trends,
)
from dongne.services.measurement_plan.settings import Settings

KIND = "telehealth_review"
SILENT = Latest(said.HOME_SILENT)
SHOWN_D = 14  # days of means in a review
LAST_D = 14  # a weight is compared with the last day's, if that is not longer ago


def _on_all(*names: str) -> Callable[[Any], Any]:
    def mark(handler: Any) -> Any:
        for name in names:
            for key in MEASUREMENTS[name]:
                handler = on(said.HOME_PROPERTIES[key])(handler)
        return handler

    return mark


class MeasurementPlan(Service[Settings, Person]):
    """Reminds of planned measurements, has doubtful ones repeated, and opens reviews for the nurses."""

    kinds = (said.HOME,)
    needs = (SILENT,)
    emits = (WELLBEING_SCORE, Open, Notify)

    # --- the plan ------------------------------------------------------------------------------------------------------

    @on(said.HEARTBEAT)
    def heard(self, obs: Observation, state: Person, city: City) -> Iterator[Emission]:
        """The home is there: what a nurse planned since begins to hold."""
        if state.plan != plan.signature(self.settings):
            yield from plan.begin(state, self.settings, city.now, city.zone)

    @wake("plan")
    def plan_due(self, now: datetime, state: Person, city: City) -> Iterator[Emission]:
        """Time to remind, or over."""
        if state.plan != plan.signature(self.settings):
            yield from plan.begin(state, self.settings, city.now, city.zone)
            return
        is_silent = any(reading.value for reading in city.readings(SILENT))
        for due in plan.time_over(state, self.settings, city.now, city.zone, is_silent):
            if isinstance(due, str):
                yield from self._review(Finding(f"missed_{due}", MINOR, {"missed": self.settings.missed}), state, city)
            else:
                yield due

    def _came(self, obs: Observation, state: Person, city: City) -> Iterator[Emission] | None:
        """What follows from it for the plan; None where it is not planned, or older than what we have."""
        name = MEASUREMENT_OF[obs.property]
        newest = state.latest.get(obs.property)
        is_old = newest is not None and obs.time <= newest.time
        if not plan.plan_of(self.settings, name) or is_old or obs.time > obs.arrived:
            return None
        return self._kept(name, obs, state, city)

    def _kept(self, name: str, obs: Observation, state: Person, city: City) -> Iterator[Emission]:
        if state.plan != plan.signature(self.settings):
            yield from plan.begin(state, self.settings, obs.time - timedelta(seconds=1), city.zone)
        yield from plan.measured(state, self.settings, name, obs.time, city.zone)

    # --- measurements --------------------------------------------------------------------------------------------------

    @_on_all("blood_pressure", "heart_rate", "oxygen", "weight", "glucose", "temperature")
    def measured(self, obs: Observation, state: Person, city: City) -> Iterator[Emission]:
        """A reading: kept, repeated, or brought before a nurse."""
        kept = self._came(obs, state, city)
        if kept is None:
            return
        today, days = _day(obs.time, city), state.days.get(obs.property, [])
        systolic = state.latest.get(said.BLOOD_PRESSURE_SYSTOLIC.key)
        beside = systolic.value if systolic is not None and systolic.time == obs.time else None
        doubt = state.doubts.get(obs.property)
        if doubt is not None and obs.time < doubt.at + timedelta(seconds=self.settings.again_min_s):
            return
        state.latest[obs.property] = Newest(obs.time, obs.result)
        last = days[-1].mean if days and days[-1].day > today - LAST_D else None
        finding: Finding | None = find_doubtful(self.settings, obs.property, obs.result)
        if is_usable := is_plausible(obs.property, obs.result, last, beside):
            yield from kept
            finding = find_in_reading(state, self.settings, obs.property, obs.result, today)
        if doubt is not None:
            yield from self._settled(obs, state, city)
        is_sure = finding is None or (doubt is not None and doubt.name == finding.name)
        if is_usable and (is_sure or (finding is not None and self._rests(finding, state, city.now))):
            note_reading(state.days.setdefault(obs.property, []), today, obs.result)
        if finding is None:
            for trend in list_trends(state, self.settings, obs.property, today):
                yield from self._review(trend, state, city, obs.property)
        elif doubt is not None and is_sure:
            values = {**finding.values, "first": doubt.value, "value": obs.result, "times": 2}
            sure = Finding(finding.name, finding.severity, values, finding.limit)
            yield from self._review(sure, state, city, obs.property)
        else:
            yield from self._doubt(obs, finding, state, city)

    def _doubt(self, obs: Observation, finding: Finding, person: Person, city: City) -> Iterator[Emission]:
        """Before anybody is bothered it is measured again."""
        if self._rests(finding, person, city.now):
            return
        until = city.now + timedelta(minutes=self.settings.again_within_min)
        person.doubts[obs.property] = Doubt(
            obs.time, until, finding.name, obs.result, finding.severity, finding.limit, finding.values
        )
        yield Notify(
            f"again_{MEASUREMENT_OF[obs.property]}", _once(obs.time), "resident", urgent=finding.severity == SEVERE
        )
        yield self._look(person)

    def _settled(self, obs: Observation, person: Person, city: City) -> Iterator[Emission]:
        """It was measured again."""
        doubt = person.doubts.pop(obs.property)
        yield TakeBack(f"again_{MEASUREMENT_OF[obs.property]}", _once(doubt.at))
        yield self._look(person)

    def _look(self, person: Person) -> Wake:
        return Wake(min((doubt.until for doubt in person.doubts.values()), default=None), "again")

    @wake("again")
    def not_repeated(self, now: datetime, state: Person, city: City) -> Iterator[Emission]:
        """Nobody measured again: a nurse asks why."""
        for key, doubt in list(state.doubts.items()):
            if doubt.until <= city.now:
                del state.doubts[key]
                values = {**doubt.values, "value": doubt.value, "times": 1}
                yield from self._review(Finding(doubt.name, doubt.severity, values, doubt.limit), state, city, key)
        yield self._look(state)

    # --- questions -----------------------------------------------------------------------------------------------------

    @_on_all("questions")
    def answered(self, obs: Observation, state: Person, city: City) -> Iterator[Emission]:
        """An answer; when all four are there they have a score."""
        kept = self._came(obs, state, city)
        if kept is None or obs.result != int(obs.result):
            return
        state.latest[obs.property] = Newest(obs.time, obs.result)
        score = find_score(state)
        if score is None:
            return
        yield from kept
        yield Result(WELLBEING_SCORE, score, obs.time)
        today = _day(obs.time, city)
        finding = find_in_answers(state, self.settings, score, today)
        note_reading(state.days.setdefault(WELLBEING_SCORE.key, []), today, score)
        if finding is not None:
            yield from self._review(finding, state, city, WELLBEING_SCORE.key)

    # --- reviews -------------------------------------------------------------------------------------------------------

    def _rests(self, finding: Finding, person: Person, now: datetime) -> bool:
        """A nurse has it before them, or had it not long ago; what got graver does not rest."""
        review = person.reviews.get(finding.name)
        if review is None or RANK.index(finding.severity) > RANK.index(review.severity):
            return False
        return review.is_open or (review.rests_until is not None and now < review.rests_until)

    def _review(self, finding: Finding, person: Person, city: City, key: str = "") -> Iterator[Emission]:
        if self._rests(finding, person, city.now):
            return
        review = person.reviews.setdefault(finding.name, Review())
        review.count, review.severity, review.is_open = review.count + 1, finding.severity, True
        once = str(review.count)
        values = dict(finding.values)
        if key:
            values |= {"property": key, "days": _means(person, key)}
        if finding.limit is not None:
            values["limit"] = finding.limit
        due = city.now + self._patience(finding.severity)
        yield Open(
            KIND,
            finding.name,
            once,
            values,
            severity=finding.severity,
            unit=self.settings.unit,
            due=due,
            access="personal",
        )
        if finding.severity == SEVERE:
            case = (KIND, finding.name, once)
            yield Notify(
                "review_severe", f"{finding.name}.{once}", f"unit:{self.settings.unit}", case=case, urgent=True
            )
            yield Notify("nurse_calls", _once(city.now), "resident", case=case, urgent=True)

    def _patience(self, severity: str) -> timedelta:
        if severity == SEVERE:
            return timedelta(minutes=self.settings.severe_within_min)
        return timedelta(
            hours=self.settings.moderate_within_h if severity == MODERATE else self.settings.minor_within_h
        )

    @on_case(KIND, "resolved")
    @on_case(KIND, "merged")
    def resolved(self, event: CaseEvent, state: Person, city: City) -> Iterator[Emission]:
        """A nurse is done with it. What a faulty device said is forgotten, with what it said before."""
        review = state.reviews.get(event.name)
        if review is not None and event.key.endswith(f"/{review.count}"):
            review.is_open = False
            is_trend = event.name.endswith(("_drift", "_mean"))
            rest = timedelta(days=self.settings.rest_trend_d) if is_trend else timedelta(hours=self.settings.rest_h)
            review.rests_until = event.time + rest
        if event.cause == "device_fault":
            for key in KEYS_OF.get(event.name, ()):
                state.days.pop(key, None)
        yield from ()

    @on_case(KIND, "new")
    @on_case(KIND, "in_review")
    def reopened(self, event: CaseEvent, state: Person, city: City) -> Iterator[Emission]:
        """A nurse has it before them, perhaps again."""
        review = state.reviews.get(event.name)
        if review is not None and event.key.endswith(f"/{review.count}"):
            review.is_open = True
        yield from ()


KEYS_OF = {
    name: keys
    for measurement, keys in MEASUREMENTS.items()
    for name in (
        *(f"{measurement}_{what}" for what in ("high", "low", "gain", "mean", "drift")),
        f"doubtful_{measurement}",
    )
}
"""Which properties a sort of review is about, where a device may be at fault."""


def _day(time: datetime, city: City) -> int:
    return time.astimezone(city.zone).toordinal()


def _once(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _means(person: Person, key: str) -> list[list[Any]]:
    """(day, mean, readings) of the last days."""
    return [
        [datetime.fromordinal(one.day).date().isoformat(), round(one.mean, 1), one.count]
        for one in person.days.get(key, [])[-SHOWN_D:]
    ]
