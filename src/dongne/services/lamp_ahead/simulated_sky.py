"""A simulated sky: daylight by the sun's elevation, clouds that come and go, showers."""

from collections.abc import Iterator
from math import pi, sin

from dongne.methods.photometry import clear_sky_lx, cloud_factor
from dongne.methods.sun import sun_elevation_deg
from dongne.model.geometry import Point, distance_m
from dongne.model.graph import ThingGraph
from dongne.model.properties import ILLUMINANCE, PRECIPITATION
from dongne.model.times import from_us
from dongne.runtime.simulate import SimulatedRow, chance
from dongne.services.lamp_ahead.simulation import SECOND_US, Parameters

HOUR_US = 3600 * SECOND_US
SHOWER_SLOT_US = 6 * HOUR_US  # at most one shower in each
HEAVIEST_MM_H = 6.0


class SimulatedSky:
    """Light sensors on lamps about every `light_sensor_every_m`, and a rain gauge at each weather station (on the first
    of those lamps where the city has none). Everything follows from seed and time."""

    def __init__(self, graph: ThingGraph, lamps: list[int], parameters: Parameters, seed: int) -> None:
        self._parameters, self._seed = parameters, seed
        places = {lamp: point for lamp in lamps if (point := graph.find_point(lamp))}
        self.light_things = _spread_out(places, parameters.light_sensor_every_m)
        stations = sorted(t.id for t in graph.things.values() if t.kind == "weather_station")
        self.rain_things = stations or self.light_things[:1]
        self._place: Point = next(iter(places.values()), (0.0, 0.0))

    def _chance(self, *what: object) -> float:
        return chance(self._seed, "sky", *what)

    def is_dark(self, at_us: int) -> bool:
        """Whether the sun is down."""
        return sun_elevation_deg(from_us(at_us), self._place) < 0

    def rain_mm_h(self, at_us: int) -> float:
        """How hard it rains."""
        slot, into_us = divmod(at_us, SHOWER_SLOT_US)
        if self._chance("shower", slot) >= self._parameters.showers_per_day / 4:
            return 0.0
        length_us = int((1 / 3 + 5 / 3 * self._chance("length", slot)) * HOUR_US)
        start_us = int(self._chance("start", slot) * (SHOWER_SLOT_US - length_us))
        if not start_us <= into_us <= start_us + length_us:
            return 0.0
        heaviest = 0.3 + (HEAVIEST_MM_H - 0.3) * self._chance("heavy", slot) ** 2
        return round(heaviest * sin(pi * (into_us - start_us) / length_us), 2)

    def cloud_cover(self, at_us: int) -> float:
        """The part of the sky that is covered, 0..1."""
        if self.rain_mm_h(at_us) > 0:
            return 1.0
        hour, into_us = divmod(at_us, HOUR_US)
        share = into_us / HOUR_US
        return self._chance("cloud", hour) * (1 - share) + self._chance("cloud", hour + 1) * share

    def illuminance_lx(self, thing: int, at_us: int) -> float:
        """Light on the sensor at this Thing."""
        clear = clear_sky_lx(sun_elevation_deg(from_us(at_us), self._place))
        flicker = 0.9 + 0.2 * self._chance("flicker", thing, at_us)
        return round(clear * cloud_factor(self.cloud_cover(at_us)) * flicker, 3)

    def rows(self, since_us: int, until_us: int) -> Iterator[SimulatedRow]:
        """What the sensors say in (since, until]."""
        every_us = int(self._parameters.weather_s * SECOND_US)
        for count in range(since_us // every_us + 1, until_us // every_us + 1):
            at_us = count * every_us
            for thing in self.light_things:
                yield SimulatedRow(thing, ILLUMINANCE.key, at_us, self.illuminance_lx(thing, at_us))
            for thing in self.rain_things:
                yield SimulatedRow(thing, PRECIPITATION.key, at_us, self.rain_mm_h(at_us))


def _spread_out(places: dict[int, Point], every_m: float) -> list[int]:
    """Things so that each of all has one of them within the distance."""
    chosen: list[int] = []
    for thing, place in places.items():
        if all(distance_m(place, places[other]) > every_m for other in chosen):
            chosen.append(thing)
    return chosen
