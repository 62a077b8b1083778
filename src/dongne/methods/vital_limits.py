"""Single readings: which can't be, which are out of a person's limits, and which of those are of urgent concern."""

from dataclasses import dataclass
from types import MappingProxyType

PLAUSIBLE = MappingProxyType({
    "blood_pressure_systolic": (50.0, 280.0),
    "blood_pressure_diastolic": (25.0, 180.0),
    "heart_rate": (25.0, 250.0),
    "oxygen_saturation": (50.0, 100.0),
    "body_weight": (25.0, 300.0),
    "glucose": (0.6, 33.3),
    "body_temperature": (32.0, 43.0),
})  # fmt: skip
"""What devices for the home can measure of a person who speaks (mm[Hg], /min, %, kg, mmol/L, Cel). What lies outside is of the
device rather than of the person, until it is repeated."""

CRITICAL = MappingProxyType({
    "blood_pressure_systolic": (90.0, 180.0),
    "blood_pressure_diastolic": (None, 110.0),
    "heart_rate": (40.0, 131.0),
    "oxygen_saturation": (91.0, None),
    "glucose": (2.9, None),
    "body_temperature": (35.0, 39.1),
})  # fmt: skip
"""At or beyond these a reading that is also out of the person's own limits is severe. Heart rate, oxygen, temperature and the low
end of blood pressure: 3 points, for temperature upwards 2, of NEWS2 (Royal College of Physicians 2017). The high end of blood
pressure: grade 3 (ESH guidelines 2023). Glucose: level 2 hypoglycaemia, below 3.0, by meters of one decimal (American Diabetes Association, Standards of
Care, section 6)."""

MOST_WEIGHT_CHANGE_KG = 10.0  # against the last day; more is another person, or another scale


@dataclass(frozen=True)
class OutOfLimits:
    """A reading below or above a limit."""

    is_high: bool
    limit: float
    is_critical: bool


def is_plausible(key: str, value: float, last: float | None = None, systolic: float | None = None) -> bool:
    """Whether a reading can be of this person; `last` is their last day's mean, `systolic` the other value of the same cuff."""
    low, high = PLAUSIBLE[key]
    if not low <= value <= high:
        return False
    if key == "body_weight" and last is not None and abs(value - last) > MOST_WEIGHT_CHANGE_KG:
        return False
    return not (key == "blood_pressure_diastolic" and systolic is not None and value >= systolic)


def find_out_of_limits(key: str, value: float, low: float | None, high: float | None) -> OutOfLimits | None:
    """What is wrong with the reading by the person's own limits (below `low`, above `high`); None where nothing is."""
    critical_low, critical_high = CRITICAL.get(key, (None, None))
    if low is not None and value < low:
        return OutOfLimits(False, low, critical_low is not None and value <= critical_low)
    if high is not None and value > high:
        return OutOfLimits(True, high, critical_high is not None and value >= critical_high)
    return None
