"""Simulated people: they set out at lamps, go along the street from lamp to lamp, and are noticed on the way."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.graph import ThingGraph
from dongne.model.properties import PRESENCE
from dongne.runtime.simulate import SimulatedRow, chance
from dongne.services.lamp_ahead.simulation import SECOND_US, Parameters

HOUR_US = 3600 * SECOND_US
SLOWEST_M_S = 0.5
LONGEST_M = 3_000.0
# share of the busiest hour's walkers by local hour, from midnight on
BUSY = (0.15, 0.1, 0.06, 0.04, 0.04, 0.08, 0.25, 0.6, 0.8, 0.6, 0.6, 0.7,
        0.9, 0.8, 0.8, 0.9, 1.0, 1.0, 0.9, 0.7, 0.55, 0.45, 0.35, 0.25)  # fmt: skip


class Passing(msgspec.Struct, frozen=True, gc=False):
    """Somebody passes a lamp at `at_us`; its sensor notices them from `from_us` to `until_us`, unless `missed`."""

    walk: tuple[int, int]
    thing: int
    at_us: int
    from_us: int
    until_us: int
    missed: bool


class _Slot:
    """The walks that set out in one hour: passings, and the edges of presence in order of time."""

    def __init__(self, passings: list[Passing]) -> None:
        self.passings = passings
        self.by_thing: dict[int, list[Passing]] = {}
        edges: list[tuple[int, int, float]] = []
        for p in passings:
            if not p.missed:
                self.by_thing.setdefault(p.thing, []).append(p)
                edges += [(p.from_us, p.thing, 1.0), (p.until_us, p.thing, 0.0)]
        self.edges = sorted(edges)


class People:
    """Everything follows from seed and hour: the same walks whenever they are asked for."""

    def __init__(self, graph: ThingGraph, lamps: list[int], parameters: Parameters, seed: int) -> None:
        self._parameters, self._seed = parameters, seed
        self._next = {
            lamp: [(r.to_id, r.distance_m or 30.0) for r in graph.list_related(lamp, "next_lamp")] for lamp in lamps
        }
        self._starts = [lamp for lamp in lamps if self._next[lamp]]
        self._zone = ZoneInfo(parameters.zone)
        self._slots: dict[int, _Slot] = {}

    def _chance(self, *what: object) -> float:
        return chance(self._seed, "people", *what)

    def passings(self, since_us: int, until_us: int) -> list[Passing]:
        """Who passes which lamp in (since, until], in order of time."""
        found = [
            p for slot in self._around(since_us, until_us) for p in slot.passings if since_us < p.at_us <= until_us
        ]
        return sorted(found, key=lambda p: (p.at_us, p.walk))

    def rows(self, since_us: int, until_us: int) -> Iterator[SimulatedRow]:
        """What the sensors say in (since, until]: 1 when somebody comes, 0 when nobody is left."""
        slots = self._around(since_us, until_us)
        for slot in slots:
            first = bisect_right(slot.edges, (since_us, 1 << 62, 2.0))
            last = bisect_right(slot.edges, (until_us, 1 << 62, 2.0))
            for time_us, thing, value in slot.edges[first:last]:
                others = (p for s in slots for p in s.by_thing.get(thing, ()))
                if value or not any(p.from_us < time_us < p.until_us for p in others):
                    yield SimulatedRow(thing, PRESENCE.key, time_us, value)

    def _around(self, since_us: int, until_us: int) -> list[_Slot]:
        longest_us = int(LONGEST_M / SLOWEST_M_S * SECOND_US)
        hours = range((since_us - longest_us) // HOUR_US, until_us // HOUR_US + 1)
        for old in [hour for hour in self._slots if hour < hours.start]:
            del self._slots[old]
        for hour in hours:
            if hour not in self._slots:
                self._slots[hour] = _Slot(list(self._walks(hour)))
        return [self._slots[hour] for hour in hours]

    def _walks(self, hour: int) -> Iterator[Passing]:
        if not self._starts:
            return
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)).astimezone(self._zone)
        expected = self._parameters.walkers_per_hour * BUSY[local.hour]
        count = int(expected) + (self._chance("count", hour) < expected % 1)
        for number in range(count):
            yield from self._walk(hour, number)

    def _walk(self, hour: int, number: int) -> Iterator[Passing]:
        p = self._parameters

        def draw(*what: object) -> float:
            return self._chance(hour, number, *what)

        middle, spread = (
            (p.cycle_m_s, p.cycle_spread_m_s) if draw("cycles") < p.cyclist_share else (p.walk_m_s, p.walk_spread_m_s)
        )
        speed = max(SLOWEST_M_S, middle + spread * (2 * draw("speed") - 1))
        here, before = self._starts[int(draw("start") * len(self._starts))], 0
        near_us = int(p.sensor_range_m / speed * SECOND_US)
        gone_m, start_us = 0.0, hour * HOUR_US + near_us + int(draw("when") * HOUR_US)
        length = 2 + int(draw("length") * (p.lamps_per_walk - 1))
        for index in range(length):
            at_us = start_us + int(gone_m / speed * SECOND_US)
            yield Passing(
                (hour, number), here, at_us, at_us - near_us, at_us + near_us, draw("missed", index) < p.missed_share
            )
            ways = [way for way in self._next[here] if way[0] != before]
            if not ways:
                return
            there, distance_m = ways[int(draw("way", index) * len(ways))]
            before, here, gone_m = here, there, gone_m + distance_m
            if gone_m > LONGEST_M:
                return
