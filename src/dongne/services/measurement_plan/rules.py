"""What a reading says beside the person's limits and days: a finding, or nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dongne.methods.vital_limits import find_out_of_limits
from dongne.methods.vital_trends import find_drift, find_home_mean, gain_within
from dongne.services.measurement_plan.person import MEASUREMENT_OF, QUESTIONS, Person
from dongne.services.measurement_plan.settings import Settings

SEVERE, MODERATE, MINOR = "severe", "moderate", "minor"
RANK = (MINOR, MODERATE, SEVERE)
DRIFTS = {
    "blood_pressure_systolic": ("blood_pressure_drift", 15.0),
    "heart_rate": ("heart_rate_drift", 10.0),
    "oxygen_saturation": ("oxygen_drift", 3.0),
    "body_weight": ("weight_drift", 3.0),
}
"""How much within four weeks is worth a look, in the unit of the property."""
SHORT_OF_BREATH = 1.0
LEAST_SCORES = 7  # days that make a usual well-being
LOW_SCORE = 25.0


@dataclass(frozen=True)
class Finding:
    """Something a nurse should look at: the sort of review, how grave, and what it is about. A trend rests longer."""

    name: str
    severity: str
    values: dict[str, Any] = field(default_factory=dict)
    limit: float | None = None
    is_trend: bool = False


def find_in_reading(person: Person, settings: Settings, key: str, value: float, today: int) -> Finding | None:
    """What is wrong with this single reading: it is repeated before anybody hears of it."""
    if key == "body_weight":
        return _find_gain(person, settings, value, today)
    measurement, low, high = _limits(settings, key)
    found = find_out_of_limits(key, value, low, high)
    if found is None:
        return None
    name = f"{measurement}_{'high' if found.is_high else 'low'}"
    return Finding(name, SEVERE if found.is_critical else MODERATE, {}, found.limit)


def find_doubtful(settings: Settings, key: str, value: float) -> Finding:
    """A reading that can hardly be: of the device, until it is repeated; severe where it would be if it were so."""
    found = None if key == "body_weight" else find_out_of_limits(key, value, *_limits(settings, key)[1:])
    is_severe = found is not None and found.is_critical
    return Finding(f"doubtful_{MEASUREMENT_OF[key]}", SEVERE if is_severe else MINOR)


def _limits(s: Settings, key: str) -> tuple[str, float | None, float | None]:
    return {
        "blood_pressure_systolic": ("blood_pressure", s.systolic_low, s.systolic_high),
        "blood_pressure_diastolic": ("blood_pressure", None, s.diastolic_high),
        "heart_rate": ("heart_rate", s.heart_rate_low, s.heart_rate_high),
        "oxygen_saturation": ("oxygen", s.oxygen_low, None),
        "glucose": ("glucose", s.glucose_low, s.glucose_high),
        "body_temperature": ("temperature", s.temperature_low, s.temperature_high),
    }[key]


def _find_gain(person: Person, settings: Settings, value: float, today: int) -> Finding | None:
    """Heart failure: more than 2 kg in three days (ESC guidelines 2021, supplementary table 23), or 1.3 kg (3 lb) in a day (AHA,
    Self-check plan for heart failure management)."""
    days = person.days.get("body_weight", [])
    for within_d, limit in ((1, settings.gain_day_kg), (3, settings.gain_days_kg)):
        gain = gain_within(days, today, value, within_d)
        if gain is not None and round(gain, 3) > limit:
            return Finding("weight_gain", MODERATE, {"gain_kg": round(gain, 1), "within_d": within_d}, limit)
    return None


def list_trends(person: Person, settings: Settings, key: str, today: int) -> Iterator[Finding]:
    """What the days say together; nobody measures again for it."""
    days = person.days.get(key, [])
    highest = {
        "blood_pressure_systolic": settings.systolic_mean_high,
        "blood_pressure_diastolic": settings.diastolic_mean_high,
    }.get(key)
    mean = find_home_mean(days, today) if highest is not None else None
    if mean is not None and highest is not None and mean[0] >= highest:
        values: dict[str, Any] = {"mean": round(mean[0], 1), "readings": mean[1]}
        yield Finding("blood_pressure_mean", MINOR, values, highest, is_trend=True)
    if key in DRIFTS:
        name, least = DRIFTS[key]
        drift = find_drift(days)
        if drift is not None and abs(drift.change) >= least:
            values = {"change": f"{drift.change:+.1f}", "within_d": drift.days}
            yield Finding(name, MINOR, values, least, is_trend=True)


def find_score(person: Person) -> float | None:
    """The sum of the four answers as a share of the most there can be, in percent; None where they are not all of one time
    of answering (within an hour)."""
    given = [person.latest.get(key) for key in QUESTIONS]
    times = [one.time for one in given if one is not None]
    if len(times) < len(QUESTIONS) or (max(times) - min(times)).total_seconds() > 3_600:
        return None
    return sum(one.value for one in given if one is not None) / (4.0 * len(QUESTIONS)) * 100.0


def find_in_answers(person: Person, settings: Settings, score: float, today: int) -> Finding | None:
    """Breathing that got hard, a score that is low, or one that is far below what this person says usually."""
    breath = person.latest["wellbeing_breathing"].value
    before = [one.mean for one in person.days.get("wellbeing_score", []) if one.day < today]
    usual = sum(before) / len(before) if len(before) >= LEAST_SCORES else None
    values: dict[str, Any] = {"score": round(score), "breathing": breath}
    if usual is not None:
        values["usual"] = round(usual)
    if breath < SHORT_OF_BREATH:
        return Finding("breathing_hard", SEVERE, values)
    if (
        score <= LOW_SCORE
        or breath <= SHORT_OF_BREATH
        or (usual is not None and usual - score >= settings.wellbeing_drop)
    ):
        return Finding("wellbeing_low", MODERATE, values)
    return None
