"""boarding_line: how full each car will be at this platform once people got off, for each position of the platform line."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from dongne.methods.boarding_forecast import CarLoad, Outcome, forecast, learn, slot_name
from dongne.methods.crowding_scale import to_percent
from dongne.methods.platform_positions import position_of
from dongne.model.observed import Observation, ObservedProperty
from dongne.model.properties import PEOPLE_ABOARD, PEOPLE_AFTER_ALIGHTING
from dongne.model.times import to_us
from dongne.runtime.service import City, Emission, Neighbours, Result, Service, on
from dongne.services.boarding_line.platform import MOST_COMING, Coming, Platform, Settings

EXPECTED_LOAD = ObservedProperty("expected_load", "%", 0.0, 1_000.0)
TRAINS = Neighbours("served_by")
DAY_TYPES = ("w", "w", "w", "w", "w", "s", "h")  # work days, saturdays, sundays and holidays
UNKNOWN_SD = 1.0
MOST_POSITIONS = 40


class BoardingLine(Service[Settings, Platform]):
    """Learns at each platform how its trains empty, and says it of those that come. Methods: methods/boarding_forecast.py, crowding_scale.py."""

    kinds = ("platform",)
    needs = (TRAINS,)
    emits = (EXPECTED_LOAD,)

    @on(PEOPLE_ABOARD, of=TRAINS)
    def left_a_stop(self, obs: Observation, platform: Platform, city: City) -> Iterator[Emission]:
        """A car of a train of this line left a stop: what will it be here, if it comes here next?"""
        said, here = obs.parameters or {}, city.thing.properties
        key, left_us = str(obs.thing), to_us(obs.time)
        coming = platform.coming.get(key)
        goes_here = _is_place(said.get("to_direction_id"), said.get("to_stop_sequence"), here)
        if coming is not None and left_us < coming.left_us:
            return
        if not goes_here:
            if coming is not None and left_us > coming.left_us:
                del platform.coming[key]
            return
        cars = _whole(said.get("cars"), MOST_POSITIONS)
        position = _find_position(obs.part, cars, here)
        if position is None:
            return
        if coming is None or coming.left_us != left_us:
            self._forget_lost(platform, left_us)
            local = obs.time.astimezone(city.zone)
            slot = slot_name(DAY_TYPES[local.weekday()], local.hour * 60 + local.minute)
            coming = platform.coming[key] = Coming(left_us, cars, slot, round(left_us / 3.6e9, 3))
        if coming.said or any(load.position == position for load in coming.loads):
            return  # said again
        coming.loads.append(_load(obs, position, said))
        coming.weighed.append(said.get("source") != "estimated")
        if len(coming.loads) == coming.cars:
            coming.said = forecast(platform.habits, coming.slot, coming.hours, coming.loads)
            yield from self._tell(coming, said, obs.time)

    def _tell(self, coming: Coming, said: Mapping[str, Any], time: datetime) -> Iterator[Emission]:
        full = self.settings.people_at_100
        for load, expected, is_weighed in zip(coming.loads, coming.said, coming.weighed, strict=True):
            low, high = to_percent(expected.low, full), to_percent(expected.high, full)
            parameters = {
                "low_percent": round(low, 1),
                "high_percent": round(high, 1),
                "vehicle_id": str(said.get("vehicle_id", "")),
                "trip": str(said.get("trip", "")),
                "cars": coming.cars,
                "source": "sensor" if is_weighed else "estimated",
            }
            percent = EXPECTED_LOAD.clip(round(to_percent(expected.people, full), 1))
            yield Result(EXPECTED_LOAD, percent, time, parameters, str(load.position))

    @on(PEOPLE_AFTER_ALIGHTING, of=TRAINS)
    def let_off(self, obs: Observation, platform: Platform, city: City) -> Iterator[Emission]:
        """What a car was found to be after alighting, here: that is learned."""
        said, here = obs.parameters or {}, city.thing.properties
        coming = platform.coming.get(str(obs.thing))
        if coming is None or not _is_place(said.get("direction_id"), said.get("stop_sequence"), here):
            return
        position = _find_position(obs.part, _whole(said.get("cars"), MOST_POSITIONS), here)
        place = next((i for i, load in enumerate(coming.loads) if load.position == position), None)
        if place is None or not coming.said or _whole(said.get("cars"), MOST_POSITIONS) != coming.cars:
            return
        coming.found += [None] * (coming.cars - len(coming.found))
        if said.get("source") != "estimated" and coming.weighed[place]:
            coming.found[place] = _outcome(obs, coming.loads[place], said)
        if int(obs.part) == coming.cars:
            positions = _whole(here.get("positions"), MOST_POSITIONS)
            learn(platform.habits, coming.slot, coming.hours, coming.loads, coming.said, coming.found, positions)
            del platform.coming[str(obs.thing)]
        yield from ()

    def _forget_lost(self, platform: Platform, now_us: int) -> None:
        """Trains that never came, and the oldest where too many are on their way."""
        oldest_us = now_us - int(self.settings.lost_min * 60e6)
        kept = {key: one for key, one in platform.coming.items() if one.left_us >= oldest_us}
        platform.coming = dict(sorted(kept.items(), key=lambda pair: pair[1].left_us)[-MOST_COMING + 1 :])


def _is_place(direction_id: object, stop_sequence: object, here: Mapping[str, Any]) -> bool:
    return direction_id == here.get("direction_id") and stop_sequence == here.get("stop_sequence") is not None


def _whole(value: object, most: int) -> int:
    """A number that can be; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most else 0


def _number(value: object, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and 0.0 <= value < 10_000.0 else otherwise


def _find_position(part: str, cars: int, here: Mapping[str, Any]) -> int | None:
    """Where this car will stand; None for one that the train has not, or that finds no room at the platform."""
    car = int(part) if part.isdecimal() and len(part) < 4 else 0
    positions = _whole(here.get("positions"), MOST_POSITIONS)
    if not 1 <= car <= cars <= positions:
        return None
    return position_of(car, cars, positions, 1 if here.get("direction_id") == 1 else 0)


def _load(obs: Observation, position: int, said: Mapping[str, Any]) -> CarLoad:
    boarded = _number(said.get("boarded"), 0.0)
    return CarLoad(
        position,
        obs.result,
        _number(said.get("noise_sd"), UNKNOWN_SD),
        _number(said.get("lasting_sd"), UNKNOWN_SD),
        min(boarded, obs.result),
    )


def _outcome(obs: Observation, load: CarLoad, said: Mapping[str, Any]) -> Outcome:
    alighted = _number(said.get("alighted"), max(load.people - obs.result, 0.0))
    return Outcome(
        obs.result,
        _number(said.get("noise_sd"), UNKNOWN_SD),
        min(alighted, load.people),
        _number(said.get("alighted_sd"), 2.0 * UNKNOWN_SD),
    )
