"""What is remembered of one person, and which measurements there are."""

from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from dongne.methods.vital_trends import Day
from dongne.model import home as said
from dongne.model.observed import ObservedProperty

QUESTIONS = said.ANSWERED
MEASUREMENTS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType({
    "blood_pressure": (said.BLOOD_PRESSURE_SYSTOLIC.key, said.BLOOD_PRESSURE_DIASTOLIC.key),
    "heart_rate": (said.HEART_RATE.key,),
    "oxygen": (said.OXYGEN_SATURATION.key,),
    "weight": (said.BODY_WEIGHT.key,),
    "glucose": (said.GLUCOSE.key,),
    "temperature": (said.BODY_TEMPERATURE.key,),
    "questions": QUESTIONS,
})  # fmt: skip
"""What a plan may ask for, each with the properties that answer it."""
MEASUREMENT_OF = {key: name for name, keys in MEASUREMENTS.items() for key in keys}
WELLBEING_SCORE = ObservedProperty("wellbeing_score", "%", 0.0, 100.0)


@dataclass(slots=True)
class Appointment:
    """The next planned measurement, or the one that is waited for."""

    at: datetime
    is_reminded: bool = False


@dataclass(slots=True)
class Doubt:
    """A reading that is to be repeated before anybody is bothered."""

    at: datetime  # when it was measured
    until: datetime  # waited for
    name: str
    value: float
    severity: str
    limit: float | None = None
    values: dict[str, float] = field(default_factory=dict)  # of the finding


@dataclass(slots=True)
class Review:
    """The reviews of one sort: how many, and whether the last one is still open."""

    count: int = 0
    severity: str = ""
    is_open: bool = False
    rests_until: datetime | None = None


@dataclass(slots=True)
class Latest:
    """The newest reading of a property."""

    time: datetime
    value: float


@dataclass(slots=True)
class Person:
    """The state of one home. By measurement: `next`, `missed` in a row; by property: the rest; by sort of review: `reviews`."""

    plan: str = ""  # the one that `next` follows
    next: dict[str, Appointment] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)
    latest: dict[str, Latest] = field(default_factory=dict)
    days: dict[str, list[Day]] = field(default_factory=dict)
    doubts: dict[str, Doubt] = field(default_factory=dict)
    reviews: dict[str, Review] = field(default_factory=dict)
