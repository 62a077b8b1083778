"""Which Datastream leads to which handlers, in what unit and range; kept up as Things come."""

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.entities import Datastream, EntityChange, EntityType, Put, Relation, Thing
from dongne.model.errors import BadInput
from dongne.model.observed import ObservedProperty
from dongne.model.units import IDENTITY, Conversion, code_of, get_conversion
from dongne.runtime.runner import Runner
from dongne.runtime.service import Handler
from dongne.runtime.surroundings import Surroundings

MAX = float(np.finfo(np.float64).max)  # an infinite value is not in an unlimited range


class Route(msgspec.Struct, frozen=True, gc=False):
    """A handler of one key that an observed (Thing, property) leads to."""

    runner: Runner
    key: int
    handler: Handler


class Stream(msgspec.Struct, frozen=True, gc=False):
    """A Datastream that somebody reads or needs; `key` is its property's."""

    thing: int
    key: str
    routes: tuple[Route, ...]
    needed: bool


class _HasId(msgspec.Struct):
    id: int


class Binding:
    """Routes by (Thing, property key), and by Datastream with unit and range as columns, so that whole batches are
    checked at once. `problems` says of a Datastream why it can't be bound.

    A new Thing, its Datastreams and new relations of one hop are added as they come; whatever else changes who hears whom
    makes `is_stale` true until `rebind`.
    """

    def __init__(self, runners: Mapping[str, Runner], around: Surroundings, needed: Iterable[ObservedProperty]) -> None:
        self._runners = runners
        self._around = around
        self._properties = {p.key: p for p in needed}
        for runner in runners.values():
            self._properties.update({t.property.key: t.property for t, _ in runner.declared.on})
        self.problems: dict[int, str] = {}
        self.routes: dict[tuple[int, str], tuple[Route, ...]] = {}
        self.streams: dict[int, Stream] = {}
        self.rebind()

    def rebind(self) -> None:
        """Finds everything anew."""
        graph = self._around.graph
        self.is_stale = False
        self._new_things: set[int] = set()
        self._new_relations: list[Relation] = []
        self._new_streams: set[int] = set()
        self._related = {end for relation in graph.relations.values() for end in (relation.from_id, relation.to_id)}
        self.problems.clear()
        self.streams.clear()
        wanted: dict[tuple[int, str], list[Route]] = {}
        for runner in self._runners.values():
            for trigger, handler in runner.declared.on:
                for key in runner.list_keys(graph):
                    targets = [key] if trigger.of is None else [n.thing for n in self._around.reach(key, trigger.of)]
                    for thing in targets:
                        wanted.setdefault((thing, trigger.property.key), []).append(Route(runner, key, handler))
        self.routes = {at: tuple(routes) for at, routes in wanted.items()}
        size = max(graph.datastreams, default=-1) + 1
        self.is_bound: NDArray[np.bool_] = np.zeros(size, bool)
        self.factor, self.offset = np.ones(size), np.zeros(size)
        self.low, self.high = np.full(size, -np.inf), np.full(size, np.inf)
        for stream in graph.datastreams.values():
            self._bind(stream)

    def catch_up(self) -> None:
        """Brings the binding to the graph as it is now."""
        if self.is_stale:
            self.rebind()
        if not self._new_things and not self._new_streams and not self._new_relations:
            return
        graph = self._around.graph
        for thing in sorted(self._new_things):
            for runner in self._runners.values():
                if runner.serves(thing):
                    for trigger, handler in runner.declared.on:
                        if trigger.of is None:  # relations to others would have made the binding stale
                            at = (thing, trigger.property.key)
                            self.routes[at] = (*self.routes.get(at, ()), Route(runner, thing, handler))
        self._new_things.clear()
        for relation in self._new_relations:
            self._relate(relation)
        self._new_relations.clear()
        for stream_id in sorted(self._new_streams):
            if (stream := graph.datastreams.get(stream_id)) is not None:
                self._make_room(stream_id)
                self._bind(stream)
        self._new_streams.clear()

    def _relate(self, relation: Relation) -> None:
        """Who has the other end as a neighbour now hears what is observed there."""
        for runner in self._runners.values():
            for trigger, handler in runner.declared.on:
                if trigger.of is None or trigger.of.relation != relation.kind or not runner.serves(relation.from_id):
                    continue
                at = (relation.to_id, trigger.property.key)
                route = Route(runner, relation.from_id, handler)
                if route not in self.routes.get(at, ()):
                    self.routes[at] = (*self.routes.get(at, ()), route)
                    self._new_streams.update(
                        stream.id for stream in self._around.graph.list_datastreams(relation.to_id)
                    )

    def note(self, changes: Iterable[EntityChange]) -> None:
        """Takes note of changes; to be told BEFORE the graph has them."""
        for change in changes:
            if not isinstance(change, Put):
                self.is_stale = True
            elif change.type is EntityType.THING:
                self._note_thing(msgspec.json.decode(change.body, type=Thing))
            elif change.type is EntityType.DATASTREAM:
                self._new_streams.add(msgspec.json.decode(change.body, type=_HasId).id)
            elif change.type is EntityType.RELATION:
                self._note_relation(msgspec.json.decode(change.body, type=Relation))
            elif change.type is EntityType.OBSERVED_PROPERTY:
                self.is_stale |= msgspec.json.decode(change.body, type=_HasId).id in self._around.graph.properties

    def _note_thing(self, thing: Thing) -> None:
        known = self._around.graph.things.get(thing.id)
        if known is None and thing.id not in self._related:
            self._new_things.add(thing.id)
        elif known is None:
            self.is_stale = True  # a relation was there before its Thing
        elif known.kind != thing.kind:
            self.is_stale = True

    def _note_relation(self, relation: Relation) -> None:
        """One that is new reaches no further than its end where nobody listens over several hops."""
        hops = [
            trigger.of.hops
            for runner in self._runners.values()
            for trigger, _ in runner.declared.on
            if trigger.of is not None and trigger.of.relation == relation.kind
        ]
        is_new = relation.id not in self._around.graph.relations
        if not is_new or any(hop > 1 for hop in hops) or relation.from_id == relation.to_id:
            self.is_stale = True
        elif hops:
            self._new_relations.append(relation)
        self._related |= {relation.from_id, relation.to_id}

    def _make_room(self, stream_id: int) -> None:
        missing = stream_id + 1 - len(self.is_bound)
        if missing > 0:
            more = max(missing, len(self.is_bound) // 2, 64)
            self.is_bound = np.concatenate([self.is_bound, np.zeros(more, bool)])
            self.factor = np.concatenate([self.factor, np.ones(more)])
            self.offset = np.concatenate([self.offset, np.zeros(more)])
            self.low = np.concatenate([self.low, np.full(more, -np.inf)])
            self.high = np.concatenate([self.high, np.full(more, np.inf)])

    def _bind(self, stream: Datastream) -> None:
        self.is_bound[stream.id] = False
        self.streams.pop(stream.id, None)
        self.problems.pop(stream.id, None)
        observed = self._properties.get(self._around.graph.property_key(stream))
        if observed is None or stream.properties.get("service") in self._runners:
            return
        routes = self.routes.get((stream.thing_id, observed.key), ())
        needed = observed.key in self._around.needed
        if not routes and not needed:
            return
        try:
            conversion = self._conversion(stream, observed)
        except BadInput as error:
            self.problems[stream.id] = error.message
            return
        self.streams[stream.id] = Stream(stream.thing_id, observed.key, routes, needed)
        self.is_bound[stream.id] = True
        self.factor[stream.id], self.offset[stream.id] = conversion.factor, conversion.offset
        self.low[stream.id], self.high[stream.id] = max(observed.low, -MAX), min(observed.high, MAX)

    @staticmethod
    def _conversion(stream: Datastream, observed: ObservedProperty) -> Conversion:
        code = code_of(stream.unit_of_measurement.symbol, stream.unit_of_measurement.definition)
        return get_conversion(code, observed.unit) if code else IDENTITY
