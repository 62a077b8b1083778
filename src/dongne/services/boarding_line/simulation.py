"""What can be set of a simulated line, with the reason for each value.

All values were chosen before any forecast was measured against them; none was changed afterwards. [S] is a source, [A] our assumption.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from dongne.model.errors import BadSetup

SECOND_US = 1_000_000


@dataclass(frozen=True)
class StationLoads:
    """What was recorded at a station: its number on its line, and by kind of day (working, saturday, sunday) 48 half-hours of the mean
    load of trains leaving it, in %, towards rising numbers (`up`) and falling ones (`down`)."""

    number: int
    up: dict[str, list[float]]
    down: dict[str, list[float]]


@dataclass(frozen=True)
class StationGates:
    """People through the gates of a station on a mean working day: 24 hours of those who get on, and off."""

    on: list[float]
    off: list[float]


@dataclass(frozen=True)
class Parameters:
    """The table [boarding_line] of `cities/<city>/simulated.toml`."""

    zone: str = "UTC"

    # --- timetable
    headway_s: float = 360.0  # [A] ten trains on 11 km: 30 minutes a way with the turn
    cruise_m_s: float = 16.0  # [A] metro between stations, about 58 km/h
    stop_loss_s: float = 30.0  # [A] braking and starting
    late_s: float = 25.0  # [A] mean of how late a train leaves its first stop, exponential
    late_max_s: float = 120.0
    run_spread_s: float = 6.0  # [A] sd of the time between two stops
    incident_share: float = 0.03  # [A] of the trips lose `incident_s` somewhere (door held, slow zone)
    incident_s: tuple[float, float] = (60.0, 150.0)
    closest_s: float = 75.0  # [A] signals keep trains apart

    # --- demand
    loads: dict[str, StationLoads] = field(default_factory=dict)
    loads_origin: str = ""
    gates: dict[str, StationGates] = field(default_factory=dict)
    gates_origin: str = ""
    loads_cars: float = 10.0  # [S] the recorded loads are of trains of ten cars
    loads_trains_per_h: tuple[float, float] = (24.0, 11.0)  # [A] Seoul Line 2 each way in the peaks, and between
    transfers: tuple[str, ...] = (
        "사당",
        "교대",
        "강남",
        "선릉",
    )  # [S] stations where other lines meet Seoul's Line 2 ...
    transfer_factor: float = 2.0  # [A] ... and as many change trains, whom no gate counts, as go through the gates
    least_turnover: float = 0.04  # [A] this share of a full load gets off and on even where the load doesn't change
    people_at_100: float = 160.0  # [S] Seoul Metro's scale, see methods/crowding_scale.py
    crush_percent: float = (
        230.0  # [A] what was reported of the fullest trains in Seoul; no more get in, they take another way
    )
    day_spread: float = 0.08  # [A] cv of the boardings of a day and direction (weather, weekday)
    boarding_spread: float = 0.20  # [A] cv of the rate of boardings of one train at one stop (a bus or train that came before); beyond Poisson
    alighting_day_spread: float = 0.10  # [A] sd of the log-odds of getting off at a stop on a day
    alighting_spread: float = (
        0.25  # [A] sd of the log-odds of getting off, from train to train: a class or shift that goes together
    )
    alighting_car_spread: float = 0.15  # [A] the same, from car to car of a train
    short_rides: tuple[float, ...] = (0.35, 0.75)  # [A] how much less likely people get off after one stop, two stops

    # --- where on the platform
    by_entrance: float = 0.45  # [A] of those who wait stand near the stairs they came down ...
    by_exit: float = 0.35  # [A] ... where they want to get off ... [S] commuters know their exit; shares differ by study; the rest anywhere
    exit_reach: float = 2.0  # [A] positions over which that thins out to 1/e
    exit_pull: float = 0.35  # [A] exponent by which cars at the stairs let more people off
    car_spread: float = 0.25  # [A] sd of the log-share of a car, from train to train and stop to stop
    shuns_crowd: float = 0.5  # [A] boarders of a car at 100 % more than the train's mean: fewer by exp of this

    # --- at the doors
    doors_s: tuple[float, float] = (20.0, 60.0)  # [S] the range asked for
    settle_s: float = 12.0  # [A] doors open and close, last looks
    door_s_per_person: float = 1.0  # [S] about one person a second through a door 1.3 m wide (Weidmann 1992 gives 1.2 to 1.5 /s a metre for stairs' feet)
    weigh_s: float = 5.0  # between two weighings while doors are open
    after_departure_s: float = 12.0

    # --- mass
    body_kg: float = 65.0  # [S] adults of Korea, men 72.7 and women 57.8 kg (health examinations 2018), half and half
    worn_kg: tuple[float, float] = (1.2, 4.0)  # [A] clothes and shoes in July and in January
    carried_kg: tuple[float, float] = (
        2.0,
        6.0,
    )  # [A] mean of bags, drawn for each station: offices to shops and schools
    person_spread_kg: float = 14.0  # [S] sd of adults' mass, about 13 to 15 kg
    trip_spread_kg: float = 0.8  # [A] sd of the mean from train to train

    # --- scales; `noise` multiplies all of this part but tare and gain
    noise: float = 1.0  # 0.5 half, 1 normal, 2 double
    tare_spread_kg: float = 300.0  # [A] sd of an empty car against its papers: fittings, wheels, water
    gain_spread: float = 0.01  # [A] sd of the gain of a car's scales
    drift_kg: float = 120.0  # [A] amplitude of the slow drift of a zero ...
    drift_days: tuple[float, float] = (6.0, 40.0)  # ... and its periods
    temperature_kg_per_k: float = 5.0  # [A] sd of the dependence of a zero on temperature
    stop_spread_kg: float = 90.0  # [A] sd of what friction in the springs adds for a whole stop
    weighing_spread_kg: float = 130.0  # [A] sd of a single weighing, about two people
    moving_factor: float = 1.5  # [A] a weighing while the train moves is so much noisier

    # --- faults of scales
    faults_per_day: float = 0.02  # [A] for each car: one in fifty days, high, so that there is something to find
    fault_h: tuple[float, float] = (8.0, 30.0)  # how long until it is mended
    jump_kg: tuple[float, float] = (1_500.0, 6_000.0)
    noisy_factor: float = 8.0

    # --- empty runs
    night: tuple[float, float] = (1.0, 5.0)  # local hours in which each train makes one
    midday: tuple[float, float] = (10.5, 14.5)
    weigh_empty_s: float = 30.0
    weigh_empty: int = 20


def read_parameters(given: Mapping[str, Any]) -> Parameters:
    """The parameters, defaults where nothing is given. Raises BadSetup naming what is unknown or wrong."""
    names = Parameters.__dataclass_fields__
    if unknown := set(given) - set(names):
        raise BadSetup(f"simulated.toml [boarding_line] has {min(unknown)!r}; parameters: {', '.join(names)}")
    try:
        return msgspec.convert(dict(given), Parameters, from_attributes=True)
    except msgspec.ValidationError as error:
        raise BadSetup(f"simulated.toml [boarding_line]: {error}") from error
