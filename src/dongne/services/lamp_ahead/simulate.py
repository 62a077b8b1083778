"""A simulated night for lamps: people on the streets, lamps that answer, sky and showers."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dongne.model.graph import ThingGraph
from dongne.model.observed import ObservedProperty
from dongne.model.properties import ILLUMINANCE, LIGHT_LEVEL, PRECIPITATION, PRESENCE
from dongne.model.tasks import Task
from dongne.model.times import to_us
from dongne.runtime.simulate import SimulatedRow, SimulatedStream, Step, chance
from dongne.services.lamp_ahead.simulated_people import People
from dongne.services.lamp_ahead.simulated_sky import SimulatedSky
from dongne.services.lamp_ahead.simulation import SECOND_US, Parameters, read_parameters

STEP_US = SECOND_US  # an order is noticed at most this long after it was given


class Simulator:
    """Lamps, their presence sensors, light sensors on some of them, and a rain gauge (implements
    runtime.simulate.Simulator). What a lamp was ordered is remembered only until the next start: a lamp that starts
    again gives full light in the dark until it is told otherwise, as a real one does."""

    def __init__(self, graph: ThingGraph, parameters: Mapping[str, Any], seed: int) -> None:
        self.parameters = read_parameters(parameters)
        self.seed = seed
        self.lamps = sorted(t.id for t in graph.things.values() if t.kind == "street_lamp" and graph.find_point(t.id))
        self._names = {t: graph.things[t].name for t in self.lamps}
        self.people = People(graph, self.lamps, self.parameters, seed)
        self.sky = SimulatedSky(graph, self.lamps, self.parameters, seed)
        self._names |= {t: graph.things[t].name for t in self.sky.rain_things}
        self._mark: int | None = None
        self._level: dict[int, float] = {}
        self._answered: set[str] = set()
        self._phases = sorted(
            (int(self._chance("phase", t) * self.parameters.report_s * SECOND_US), t) for t in self.lamps
        )

    def _chance(self, *what: object) -> float:
        return chance(self.seed, "lamp_ahead", *what)

    def is_silent(self, thing: int) -> bool:
        """Whether this lamp never answers."""
        return self._chance("silent", thing) < self.parameters.silent_share

    def datastreams(self) -> list[SimulatedStream]:
        """Presence and light level of every lamp, light at some, rain."""
        p = self.parameters
        streets = {"walkers_per_hour": p.walkers_per_hour, "missed_share": p.missed_share}
        lamps = {"silent_share": p.silent_share, "answer_max_s": p.answer_max_s}
        rain = {"showers_per_day": p.showers_per_day}
        sets: tuple[tuple[ObservedProperty, list[int], dict[str, Any]], ...] = (
            (PRESENCE, self.lamps, streets),
            (LIGHT_LEVEL, self.lamps, lamps),
            (ILLUMINANCE, self.sky.light_things, {}),
            (PRECIPITATION, self.sky.rain_things, rain),
        )
        return [
            SimulatedStream(thing, observed, f"{observed.key}, {self._names[thing]}", {"seed": self.seed, **given})
            for observed, things, given in sets
            for thing in things
        ]

    def step(self, now_us: int, tasks: Sequence[Task] = ()) -> Step:
        """What the devices say since the last step; orders are carried out 0.2 to 2 s after they were given."""
        if self._mark is None:
            self._mark = now_us
            return Step((), now_us + STEP_US)
        since, self._mark = self._mark, now_us
        rows = [
            *self.people.rows(since, now_us),
            *self.sky.rows(since, now_us),
            *self._answers(tasks, since, now_us),
            *self._reports(since, now_us),
        ]
        rows.sort(key=lambda row: (row.time_us, row.thing, row.property, row.value))
        return Step(rows, now_us + STEP_US)

    def _answers(self, tasks: Sequence[Task], since: int, now_us: int) -> Iterator[SimulatedRow]:
        """A lamp reports the newest order that is due by now; older ones are overtaken."""
        p = self.parameters
        self._answered &= {task.key for task in tasks}
        newest: dict[int, tuple[int, int, float]] = {}
        for task in tasks:
            if task.capability != LIGHT_LEVEL.key or task.key in self._answered or task.thing not in self._names:
                continue
            if self.is_silent(task.thing):
                self._answered.add(task.key)
                continue
            delay_s = p.answer_min_s + (p.answer_max_s - p.answer_min_s) * self._chance("answer", task.key)
            at_us = to_us(task.created) + int(delay_s * SECOND_US)
            if at_us > now_us:
                continue
            self._answered.add(task.key)
            given = (task.id, max(at_us, since + 1), float(task.parameters["value"]))
            newest[task.thing] = max(given, newest.get(task.thing, given))
        for thing, (_, at_us, value) in sorted(newest.items()):
            self._level[thing] = value
            yield SimulatedRow(thing, LIGHT_LEVEL.key, at_us, value)

    def _reports(self, since: int, now_us: int) -> Iterator[SimulatedRow]:
        """Every lamp says from time to time how bright it is."""
        cycle_us = int(self.parameters.report_s * SECOND_US)
        for cycle in range(since // cycle_us, now_us // cycle_us + 1):
            first = bisect_right(self._phases, (since - cycle * cycle_us, 1 << 62))
            last = bisect_right(self._phases, (now_us - cycle * cycle_us, 1 << 62))
            for phase, thing in self._phases[first:last]:
                if not self.is_silent(thing):
                    at_us = cycle * cycle_us + phase
                    yield SimulatedRow(thing, LIGHT_LEVEL.key, at_us, self._level_now(thing, at_us))

    def _level_now(self, thing: int, at_us: int) -> float:
        by_itself = 100.0 if self.sky.is_dark(at_us) else 0.0
        return self._level.get(thing, by_itself)


__all__ = ["Parameters", "Simulator"]
