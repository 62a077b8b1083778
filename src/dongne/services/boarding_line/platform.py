"""What is remembered of one platform, and what a city may set."""

from dataclasses import dataclass, field

import msgspec

from dongne.methods.boarding_forecast import CarLoad, Expected, Habits, Outcome

MOST_COMING = 8


@dataclass(frozen=True)
class Settings:
    """What a city may tune."""

    people_at_100: float = 160.0  # in a car; Seoul's scale
    lost_min: float = 60.0  # a train that has not come for so long is not waited for


class Coming(msgspec.Struct, array_like=True):
    """A train on its way here: when it left the stop before, how many cars it has, the half-hour and hours its forecast was made for, its cars as
    they left, what was said of them, and what was found so far. An outcome without people is none."""

    left_us: int
    cars: int
    slot: str
    hours: float
    loads: list[CarLoad] = []
    said: list[Expected] = []
    weighed: list[bool] = []
    found: list[Outcome | None] = []


@dataclass(slots=True)
class Platform:
    """`coming` by the Thing of the train."""

    habits: Habits = field(default_factory=Habits)
    coming: dict[str, Coming] = field(default_factory=dict)
