"""What services may know of the city: the `city` of a handler, kept from the same records the handlers get."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.entities import Thing
from dongne.model.errors import BadSetup
from dongne.model.geometry import Point, distance_m
from dongne.model.graph import ThingGraph
from dongne.model.times import from_us
from dongne.runtime.service import Asset, Latest, Neighbour, Neighbours, Reading

Known = tuple[int, float]
"""Microseconds and value."""


class Surroundings:
    """The graph, the latest values of properties that any service needs, and assets; one for an engine."""

    def __init__(self, graph: ThingGraph, zone: ZoneInfo, needed: set[str]) -> None:
        self.graph = graph
        self.zone = zone
        self.at_us = 0  # the city's clock, by the record being handled
        self.needed = needed
        self._latest: dict[str, dict[int, dict[str, Known]]] = {key: {} for key in needed}
        self._assets: dict[tuple[str, str, int], Any] = {}
        self._reach: dict[tuple[int, Neighbours], tuple[Neighbour, ...]] = {}
        self._near: dict[tuple[int, Latest], tuple[tuple[int, int], list[tuple[int, float]]]] = {}
        self._revision = graph.shape_revision
        self._changed: dict[int, None] = {}

    def observe(self, key: str, thing: int, part: str, time_us: int, value: float) -> None:
        """A value in its property's unit at a part of a Thing ("" is the whole); the newest phenomenonTime stays."""
        parts = self._latest[key].setdefault(thing, {})
        known = parts.get(part)
        if known is None or time_us >= known[0]:
            parts[part] = (time_us, value)
            self._changed[thing] = None

    def take_changed(self) -> Iterator[tuple[int, bytes]]:
        """What is known of Things since the last call, as JSON: property key -> part -> [microseconds, value]."""
        changed, self._changed = self._changed, {}
        for thing in changed:
            yield thing, msgspec.json.encode({k: v[thing] for k, v in self._latest.items() if thing in v})

    def load(self, thing: int, body: bytes) -> None:
        """What was known of a Thing; a row that was stored before Things had parts has the pair alone."""
        for key, known in msgspec.json.decode(body, type=dict[str, dict[str, Known] | Known]).items():
            if key in self.needed:
                self._latest[key][thing] = known if isinstance(known, dict) else {"": known}

    def forget(self, thing: int) -> None:
        """Nothing is known of this Thing any more."""
        for values in self._latest.values():
            values.pop(thing, None)
        self._assets = {key: outcome for key, outcome in self._assets.items() if key[2] != thing}
        self._changed.pop(thing, None)
        self._near.clear()

    def note_all_changed(self) -> None:
        """`take_changed` gives everything that is known."""
        self._changed = dict.fromkeys(thing for values in self._latest.values() for thing in values)

    def set_asset(self, service: str, job: str, thing: int, outcome: Any) -> None:
        """The newest outcome of a job."""
        self._assets[service, job, thing] = outcome

    def find_asset(self, service: str, job: str, thing: int) -> Any | None:
        """See City.find_asset."""
        return self._assets.get((service, job, thing))

    def reach(self, thing: int, need: Neighbours) -> tuple[Neighbour, ...]:
        """All Things within the hops, breadth first; the shortest way in hops, then in metres."""
        if self._revision != self.graph.shape_revision:
            self._revision = self.graph.shape_revision
            self._reach.clear()
        found = self._reach.get((thing, need))
        if found is None:
            found = self._reach[thing, need] = self._walk(thing, need)
        return found

    def _walk(self, start: int, need: Neighbours) -> tuple[Neighbour, ...]:
        best = {start: Neighbour(start, 0, 0.0, ())}
        queue = deque([best[start]])
        while queue:
            here = queue.popleft()
            if here is not best[here.thing] or here.hops == need.hops:
                continue
            for relation in self.graph.list_related(here.thing, need.relation):
                there = Neighbour(
                    relation.to_id,
                    here.hops + 1,
                    here.distance_m + (relation.distance_m or 0.0),
                    (*here.path, relation.to_id),
                )
                known = best.get(there.thing)
                if known is None or (there.hops, there.distance_m) < (known.hops, known.distance_m):
                    best[there.thing] = there
                    queue.append(there)
        del best[start]
        return tuple(sorted(best.values(), key=lambda n: (n.hops, n.distance_m, n.thing)))

    def readings(self, thing: int, need: Latest) -> list[Reading]:
        """The latest values of the property at or near the Thing, nearest first."""
        values = self._latest.get(need.property.key)
        if not values:
            return []
        if need.of is not None:
            return [
                reading
                for there in self.reach(thing, need.of)
                for reading in _readings_at(there.thing, there.distance_m, values)
            ]
        if need.within_m == 0:
            return list(_readings_at(thing, 0.0, values))
        near = self._near.get((thing, need))
        if near is None or near[0] != (self.graph.shape_revision, len(values)):
            near = (self.graph.shape_revision, len(values)), self._find_near(thing, need, values)
            self._near[thing, need] = near
        return [reading for other, metres in near[1] for reading in _readings_at(other, metres, values)]

    def _find_near(self, thing: int, need: Latest, others: Iterable[int]) -> list[tuple[int, float]]:
        """(Thing, metres) of those within the distance, nearest first."""
        here = self.graph.find_point(thing)
        if here is None:
            return []
        found = []
        for other in others:
            there = self.graph.find_point(other)
            if there is not None and (metres := distance_m(here, there)) <= need.within_m:
                found.append((other, metres))
        return sorted(found, key=lambda pair: (pair[1], pair[0]))


def _readings_at(thing: int, distance_m: float, values: Mapping[int, Mapping[str, Known]]) -> Iterator[Reading]:
    """One for each part of the Thing that has a value."""
    for part, (time_us, value) in values.get(thing, {}).items():
        yield Reading(thing, distance_m, from_us(time_us), value, part)


class KeyCity:
    """The `city` of one service and one key (implements runtime.service.City): only declared needs are answered."""

    __slots__ = ("_around", "_needs", "_service", "_thing")

    def __init__(self, around: Surroundings, service: str, needs: Sequence[object], thing: int) -> None:
        self._around, self._service, self._needs, self._thing = around, service, needs, thing

    @property
    def zone(self) -> ZoneInfo:
        """The city's time zone."""
        return self._around.zone

    @property
    def now(self) -> datetime:
        """The city's clock: when the record arrived that is handled now. A Wake may fire later than it was due."""
        return from_us(self._around.at_us)

    @property
    def thing(self) -> Thing:
        """The key."""
        return self._around.graph.get_thing(self._thing)

    @property
    def point(self) -> Point | None:
        """Where the key is; None where nobody said."""
        return self._around.graph.find_point(self._thing)

    def _declared(self, need: object) -> None:
        if need not in self._needs:
            raise BadSetup(f"{self._service} asks for {need} but does not declare it in needs")

    def neighbours(self, need: Neighbours) -> Sequence[Neighbour]:
        """Nearest first by hops, then by distance."""
        self._declared(need)
        return self._around.reach(self._thing, need)

    def readings(self, need: Latest) -> Sequence[Reading]:
        """Nearest first, the parts of a Thing in the order of their first value; only those which have one."""
        self._declared(need)
        return self._around.readings(self._thing, need)

    def find_asset(self, need: Asset) -> Any | None:
        """The newest outcome, of the job's outcome class."""
        self._declared(need)
        return self._around.find_asset(self._service, need.job, self._thing)
