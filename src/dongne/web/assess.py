"""How things are doing: what each service says of each Thing it reads, and how many are in which state."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dongne.model.entities import Datastream
from dongne.runtime.ports import Runtime, ServiceStatus
from dongne.runtime.registry import Say, find_say
from dongne.web.readings import YES_OR_NO, Reading, read_streams
from dongne.web.seen import SeenCity
from dongne.web.shapes import STATES

log = logging.getLogger(__name__)
WORST_FIRST = ("alarm", "crowded", "busy", "calm", "stale")
FRESH_S = 1.0


@dataclass(frozen=True)
class Assessment:
    """A Thing as one service sees it: state, the key of the sentence and what fills it in."""

    thing: int
    state: str
    key: str
    params: dict[str, Any]
    readings: tuple[Reading, ...]

    @property
    def main(self) -> Reading:
        """The reading that stands for the Thing."""
        return self.readings[0]


@dataclass(frozen=True)
class Group:
    """All Things of a service (or, where `service` is empty, all that have a property no service reads)."""

    id: str
    service: str
    area: str
    things: list[Assessment] = field(default_factory=list)

    @property
    def tally(self) -> list[tuple[str, int]]:
        """(state, how many), worst first; states nobody is in are left out."""
        counts = Counter(a.state for a in self.things)
        return [(state, counts[state]) for state in WORST_FIRST if counts[state]]

    @property
    def state(self) -> str:
        """The worst state anything is in; old values count only where all are old."""
        return self.tally[0][0] if self.tally else "stale"

    @property
    def leader(self) -> Assessment | None:
        """The Thing to speak of first: worst state, then youngest value, then most."""
        order = {state: -rank for rank, state in enumerate(WORST_FIRST)}

        def weight(one: Assessment) -> tuple[int, bool, float]:
            return order[one.state], one.main.is_there, one.main.value if one.main.is_there else 0.0

        return max(self.things, key=weight, default=None)


def assess_city(city: SeenCity, runtime: Runtime, now_us: int) -> list[Group]:
    """A group for each service that is on, in the order of the services; then one for each property left over."""
    graph = city.graph
    by_key: dict[str, list[Datastream]] = {}
    for stream in list(graph.datastreams.values()):
        by_key.setdefault(graph.property_key(stream), []).append(stream)
    groups, taken = [], set()
    for status in runtime.statuses(city.sight):
        if status.shape == "service":
            keys = [k for k in (*status.reads, *status.emits) if k in by_key]
            taken.update(keys)
            groups.append(_assess_service(city, status, [s for k in keys for s in by_key[k]], now_us))
    left = [key for key in by_key if key not in taken]
    return groups + [_assess_property(city, key, by_key[key], now_us) for key in sorted(left)]


def _assess_service(city: SeenCity, status: ServiceStatus, streams: list[Datastream], now_us: int) -> Group:
    group = Group(status.id, status.id, status.area)
    by_thing: dict[int, list[Reading]] = {}
    for reading in read_streams(city, [s for s in streams if _serves(city, status, s)], now_us):
        by_thing.setdefault(reading.stream.thing_id, []).append(reading)
    say = find_say(status.id)
    for thing, readings in by_thing.items():
        group.things.append(assess(status.id, say, thing, readings))
    return group


def _serves(city: SeenCity, status: ServiceStatus, stream: Datastream) -> bool:
    """Whether this is at a Thing of the service, and not at a neighbour that it only hears."""
    thing = city.graph.things.get(stream.thing_id)
    return not status.kinds or (thing is not None and thing.kind in status.kinds)


def _assess_property(city: SeenCity, key: str, streams: list[Datastream], now_us: int) -> Group:
    group = Group(f"property:{key}", "", key)
    for reading in read_streams(city, streams, now_us):
        state = "stale" if reading.is_stale or not reading.is_there else "calm"
        group.things.append(Assessment(reading.stream.thing_id, state, "", {}, (reading,)))
    return group


def assess(service: str, say: Say | None, thing: int, readings: list[Reading]) -> Assessment:
    """What the service says of a Thing with these readings; stale where every measured value is."""
    said: tuple[str, str, dict[str, Any]] = ("calm", "", {})
    there = [r for r in readings if r.is_there]
    if say is not None and there:
        try:
            said = say(_values_of(there))
        except (ArithmeticError, LookupError, TypeError, ValueError):
            log.exception("%s can't say how Thing %d is doing", service, thing)
    state, key, params = said
    measured = [r for r in there if r.origin.kind != "derived"]
    if not there or (measured and all(r.is_stale for r in measured)):
        state = "stale"
    elif state not in STATES:
        log.warning("%s says state %r; states are %s", service, state, ", ".join(STATES))
        state = "calm"
    ranked = sorted(
        readings, key=lambda r: (not r.is_there, r.origin.kind == "derived", r.unit in YES_OR_NO, r.stream.id)
    )
    return Assessment(thing, state, key, dict(params), tuple(ranked))


def _values_of(readings: Sequence[Reading]) -> dict[str, float]:
    """The value of each property; of one with parts the mean of those that are as young as the youngest."""
    by_key: dict[str, list[Reading]] = {}
    for reading in readings:
        by_key.setdefault(reading.key, []).append(reading)
    values = {}
    for key, found in by_key.items():
        if any(one.stream.part for one in found):
            latest_us = max(one.time_us for one in found)
            young = [one.value for one in found if one.time_us == latest_us]
            values[key] = sum(young) / len(young)
        else:
            values[key] = found[-1].value
    return values


class Remembered:
    """Results kept for a moment, so that a page that is asked for again and again costs one look."""

    def __init__(self, fresh_s: float = FRESH_S, most: int = 256) -> None:
        self._fresh_s = fresh_s
        self._most = most
        self._kept: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` gave for this key a moment ago, or gives now."""
        found = self._kept.get(key)
        if found is not None and time.monotonic() - found[0] < self._fresh_s:
            return found[1]
        value = make()
        if len(self._kept) >= self._most:
            self._kept.clear()
        self._kept[key] = (time.monotonic(), value)
        return value
