"""What is remembered of one train, and what a city may set.

Scales belong to a car. A train that turns at the end of its line has its head where its tail was, so the car that is `carriage_sequence` 1 in
one direction is the last in the other: `Train.cars` are counted from the head in direction 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dongne.methods.car_mass import Zero
from dongne.methods.scale_faults import Scales

MOST_CARS = 40
MOST_ROWS = 32
MOST_EMPTY = 24
SAME_S = 1.0  # weighings of a train that are so near in time are one row


@dataclass(frozen=True)
class Settings:
    """What a city may tune."""

    body_kg: float = 65.25  # mean of adults, see methods/car_mass.py
    carried: str = "commuters"  # what they carry: commuters, students, travellers
    seasons: str = "north"  # whose winter it is: north or south
    tare_sd_kg: float = 300.0  # how far a car may be from its papers
    drift_kg_per_day: float = 80.0  # of the scales' zero
    noise_kg: float = 130.0  # of a weighing, until the weighings show their own
    friction_share: float = 0.7  # an error that stays for a whole stop, as a share of the noise
    doors: float = 4  # of a car, on a side
    least_kg: float = -2000.0  # below tare by more: no car weighs that
    most_people: float = 450.0  # nor this many
    wait_s: float = 30.0  # for the weighing after departure
    repair_h: float = 24.0  # a faulty sensor is to be mended within


@dataclass(slots=True)
class Car:
    """One car with its scales. `left_kg` is what it weighed when it left the last stop, with its variance (-1: unknown); `order` the open work
    order's `once`; `moved`: its zero may be anywhere until the next empty run."""

    zero: Zero
    scales: Scales = field(default_factory=Scales)
    noise_kg: float = 130.0
    left_kg: float = 0.0
    left_kg2: float = -1.0
    order: str = ""
    moved: bool = False
    empty_kg: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Place:
    """A stop in one direction of going; -1 is unknown."""

    direction_id: int = -1
    stop_sequence: int = -1


@dataclass(slots=True)
class Train:
    """`phase`: "" under way, "dwell" with its doors open, "leaving" until it was weighed after departure. `said` is what was heard of direction and stop
    since the last status, `at` the stop of this dwell, `to` where it goes. `rows` are the weighings of this stop: seconds since the doors opened, then what each car weighed (None: nothing), from the
    head of the train. `shares` by "direction/stop": how many times it was seen, then each car's share of the train, in ten-thousandths, from the head."""

    cars: list[Car] = field(default_factory=list)
    phase: str = ""
    empty: bool = False
    said: Place = field(default_factory=Place)
    at: Place = field(default_factory=Place)
    to: Place = field(default_factory=Place)
    trip: str = ""
    seen_us: int = 0
    drifted_us: int = 0
    opened_us: int = 0
    departed_us: int = 0
    rows: list[list[float | None]] = field(default_factory=list)
    shares: dict[str, list[int]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    is_behind: bool = False


def read_cars(properties: Mapping[str, Any]) -> tuple[int, list[float]]:
    """How many cars the Thing says the train has, and the tare of each from the head in direction 0; (0, []) where it does not say
    so in a way that can be."""
    cars, tare = properties.get("cars"), properties.get("tare_kg")
    if not isinstance(cars, int) or isinstance(cars, bool) or not 1 <= cars <= MOST_CARS:
        return 0, []
    if isinstance(tare, list) and len(tare) == cars and all(isinstance(one, int | float) for one in tare):
        return cars, [float(one) for one in tare]
    return (cars, [float(tare)] * cars) if isinstance(tare, int | float) else (0, [])


def fit_length(train: Train, properties: Mapping[str, Any], settings: Settings) -> int:
    """How many cars the train has; where that changed, nothing that was known of them holds any more."""
    cars, tare_kg = read_cars(properties)
    if len(train.cars) != cars:
        train.cars = [Car(Zero(kg, settings.tare_sd_kg**2), noise_kg=settings.noise_kg) for kg in tare_kg]
        train.rows, train.shares = [], {}
    return cars


def car_of(train: Train, carriage: int, direction_id: int) -> Car:
    """The car that is this far from the head of the train, 1 the first."""
    return train.cars[carriage - 1] if direction_id != 1 else train.cars[len(train.cars) - carriage]


def cars_from_head(train: Train, direction_id: int) -> list[Car]:
    """The cars from the head in the direction of going."""
    return train.cars if direction_id != 1 else train.cars[::-1]


def note_weighing(train: Train, carriage: int, seconds: float, kg: float) -> None:
    """Takes a weighing down; of a long stop every second row is kept, again and again."""
    last = train.rows[-1] if train.rows else None
    if last is None or last[0] is None or seconds - last[0] > SAME_S or last[carriage] is not None:
        if len(train.rows) >= MOST_ROWS:
            train.rows = train.rows[::2]
        last = [seconds, *([None] * len(train.cars))]
        train.rows.append(last)
    last[carriage] = kg
