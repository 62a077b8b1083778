"""From the mass of a car to the people in it: the tare and its drift, the mass of a person, and how sure the number is.

The technique is that of Nielsen et al., "Estimating passenger numbers in trains using existing weighing capabilities", Transportmetrica A
10 (2014) 502: people = (mass - tare) / mean mass of a person.

**Zero.** What an empty car's scales say (its tare and the drift of the scales) is a random walk, seen through a scalar Kalman filter. Its
observations are empty runs, each the median of its weighings (they share the friction of the springs, so that many of them are hardly surer than a few); one that is too far off counts only as much as one at
HUBER standard deviations (Huber's weight on the innovation), and two in a row that are far off mean that the zero has moved.
Between them it is bounded: no car carries less than nobody, so the zero lies below what was weighed, or above by no more than BOUND_SD standard
deviations of the weighing; an estimate beyond is projected onto the bound (Simon, IET Control Theory Appl. 4 (2010) 1303, estimate projection). Cutting the density off
instead takes each load as equally likely, and is wrong for cars that are empty every night. The gain of the scales is taken as nominal, right to GAIN_SD.

**Mass of a person.** BODY_KG is the mean of adults examined in Korea in 2018: 72.7 kg for men, 57.8 for women (National Health Insurance Service,
77 % of all who were invited). Seoul Metro divides by 65 kg. What people wear and carry comes on top, and changes with the season: see
WORN_KG (in the middle of July and of January, a cosine between) and CARRIED_KG, which are our assumptions. A city with figures of its own sets
them. PERSON_SD_KG is how persons differ from each other, MEAN_SD_KG how unsure the mean is: the first averages out over the people of a car, the second does
not. Four to six men in ten people move the mean by 1.5 kg, coats and bags by 1 kg each: together 2 kg.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sqrt
from statistics import median

HUBER = 2.5
BOUND_SD = 2.5
FAR_OFF = 6.0  # standard deviations of an innovation
MOVED_AFTER = 2
MOVED_SD_KG = 4_000.0
LEAST_SD_KG = 5.0  # errors of weighings at one place hang together: a zero never gets surer than this

BODY_KG = {"adults": (72.7 + 57.8) / 2, "men": 72.7, "women": 57.8}
WORN_KG = (1.2, 4.0)
CARRIED_KG = {"commuters": 3.0, "students": 4.0, "travellers": 12.0}
PERSON_SD_KG = 13.0
MEAN_SD_KG = 2.0
GAIN_SD = 0.015
COLDEST_DAY = 15  # of the year; the middle of January


@dataclass(slots=True)
class Zero:
    """What the empty car weighs by its own scales, and the variance of that; `far` counts weighings in a row that were far off."""

    kg: float
    variance_kg2: float
    far: int = 0


@dataclass(frozen=True, slots=True)
class Person:
    """The mass of a person with what they wear and carry: the mean, how unsure it is, and how persons differ."""

    mean_kg: float
    mean_sd_kg: float = MEAN_SD_KG
    sd_kg: float = PERSON_SD_KG


@dataclass(frozen=True, slots=True)
class Load:
    """The people in a car: how many, with the standard deviations of the weighing and of what errs alike at every stop."""

    people: float
    noise_sd: float
    lasting_sd: float


def coldness(day_of_year: int, *, is_southern: bool = False) -> float:
    """How much of winter it is, 0 in the middle of summer to 1 in the middle of winter."""
    turn = 0.5 if is_southern else 0.0
    return 0.5 + 0.5 * cos(2.0 * pi * ((day_of_year - COLDEST_DAY) / 365.25 + turn))


def person_mass(body_kg: float, carried: str, cold: float) -> Person:
    """The mean mass of a person who carries what these do ("commuters", "students", "travellers"), dressed for this `coldness`."""
    return Person(body_kg + WORN_KG[0] + (WORN_KG[1] - WORN_KG[0]) * cold + CARRIED_KG[carried])


def let_drift(zero: Zero, hours: float, drift_kg_per_day: float) -> None:
    """Time has passed since the zero was looked at: a random walk that moves by so many kg (1 sd) in a day."""
    zero.variance_kg2 += max(hours, 0.0) / 24.0 * drift_kg_per_day**2


def weigh_empty(zero: Zero, kg: float, noise_kg: float) -> None:
    """A weighing of the car while it is known to be empty, or the median of one run."""
    spread2 = zero.variance_kg2 + noise_kg**2
    off = (kg - zero.kg) / sqrt(spread2)
    zero.far = zero.far + 1 if abs(off) > FAR_OFF else 0
    if zero.far >= MOVED_AFTER:
        zero.variance_kg2, zero.far = MOVED_SD_KG**2, 0
        spread2 = zero.variance_kg2 + noise_kg**2
        off = 0.0  # taken as it is
        zero.kg += zero.variance_kg2 / spread2 * (kg - zero.kg)
    else:
        gain = zero.variance_kg2 / spread2
        zero.kg += gain * min(max(off, -HUBER), HUBER) * sqrt(spread2)
    if abs(off) <= HUBER:
        zero.variance_kg2 = max(zero.variance_kg2 * (1.0 - zero.variance_kg2 / spread2), LEAST_SD_KG**2)


def bound_by(zero: Zero, kg: float, noise_kg: float) -> None:
    """The car weighed this with whoever was in it: the empty car does not weigh more."""
    zero.kg = min(zero.kg, kg + BOUND_SD * noise_kg)


def empty_run(weighed_kg: Sequence[float], noise_kg: float, stop_kg: float) -> tuple[float, float]:
    """The median of the weighings of one empty run and its standard deviation: that of a median of normal draws
    (sqrt(pi / 2) times that of their mean), and the friction that all of them share."""
    return median(weighed_kg), sqrt(pi / 2.0 * noise_kg**2 / len(weighed_kg) + stop_kg**2)


def lasting_kg2(person: Person) -> float:
    """The variance, for each person squared, of what is wrong by as much for all of them: their mean mass, and the gain."""
    return person.mean_sd_kg**2 + (GAIN_SD * person.mean_kg) ** 2


def count_people(kg: float, variance_kg2: float, zero: Zero, person: Person) -> Load:
    """The people in a car that weighs `kg` (with this variance of the weighing), not fewer than none.

    Of the mass between car and zero, each person accounts for their own: with n people its variance is n sd^2. The zero, the mean mass (n mean_sd) and
    the gain of the scales err alike at every stop.
    """
    people = max(kg - zero.kg, 0.0) / person.mean_kg
    noise_kg2 = variance_kg2 + people * person.sd_kg**2
    lasting = zero.variance_kg2 + people**2 * lasting_kg2(person)
    return Load(people, sqrt(noise_kg2) / person.mean_kg, sqrt(lasting) / person.mean_kg)
