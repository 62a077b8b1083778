"""What a city, and for each person a nurse, may tune: the plan, the limits, and how patient to be."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """`..._at` is the plan, by local time: "08:00 20:00" every day, "mon thu 07:30" on two days, empty for never. Nothing is
    asked of anybody, and no reading is judged, that is not in the plan."""

    blood_pressure_at: str = ""
    heart_rate_at: str = ""
    oxygen_at: str = ""
    weight_at: str = ""
    glucose_at: str = ""
    temperature_at: str = ""
    questions_at: str = ""
    early_min: float = 120.0  # so long before its time a measurement counts for it
    remind_min: float = 30.0  # after it the person is reminded, once
    window_min: float = 180.0  # after it the measurement was left out
    missed: int = 3  # left out so often in a row, a nurse is told
    again_min_s: float = 60.0  # a second measurement comes not before: who measured rests
    again_within_min: float = 60.0  # ... and is waited for so long
    systolic_low: float = 95.0
    systolic_high: float = 160.0
    diastolic_high: float = 100.0
    systolic_mean_high: float = 135.0
    diastolic_mean_high: float = 85.0
    heart_rate_low: float = 50.0
    heart_rate_high: float = 110.0
    oxygen_low: float = 92.0
    glucose_low: float = 3.9
    glucose_high: float = 13.9
    temperature_low: float = 35.5
    temperature_high: float = 38.0
    gain_day_kg: float = 1.3
    gain_days_kg: float = 2.0  # in three days
    wellbeing_drop: float = 30.0  # points of 100 below the usual
    severe_within_min: float = 60.0  # a nurse responds
    moderate_within_h: float = 24.0
    minor_within_h: float = 72.0
    rest_h: float = 24.0  # after a review of the same sort was resolved
    rest_trend_d: float = 7.0  # ... and of a trend
    unit: str = "nurses"
