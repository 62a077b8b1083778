"""Which Datastream leads to which handlers, in what unit and range; kept up as Things come."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.entities import Datastream, EntityChange, EntityType, Put, Relation, Remove, Thing
from dongne.model.errors import BadInput
from dongne.model.observed import ObservedProperty
from dongne.model.units import IDENTITY, Conversion, code_of, get_conversion
from dongne.runtime.runner import Runner
from dongne.runtime.service import Handler, OnObservation
from dongne.runtime.surroundings import Surroundings

MAX = float(np.finfo(np.float64).max)  # an infinite value is not in an unlimited range


class Route(msgspec.Struct, frozen=True, gc=False):
    """A handler of one key that an observed (Thing, property) leads to."""

    runner: Runner
    key: int
    handler: Handler


class Stream(msgspec.Struct, frozen=True, gc=False):
    """A Datastream that somebody reads or needs; `key` is its property's, `part` which part of the Thing it observes."""

    thing: int
    key: str
    routes: tuple[Route, ...]
    needed: bool
    part: str = ""


class _HasId(msgspec.Struct):
    id: int


class _Heard:
    """A handler, and for each Thing that is observed the keys which hear it: the Thing itself where `trigger.of` is None, else
    those that have it as a neighbour, in order."""

    def __init__(self, runner: Runner, trigger: OnObservation, handler: Handler) -> None:
        self.runner, self.trigger, self.handler = runner, trigger, handler
        self.keys: dict[int, list[int]] = {}

    def routes_at(self, thing: int) -> list[Route]:
        """Where an Observation at this Thing leads."""
        if self.trigger.of is None:
            return [Route(self.runner, thing, self.handler)] if self.runner.serves(thing) else []
        return [Route(self.runner, key, self.handler) for key in self.keys.get(thing, ())]

    def add(self, key: int, thing: int) -> None:
        """From now on this key hears it."""
        keys = self.keys.setdefault(thing, [])
        at = bisect_left(keys, key)
        if at == len(keys) or keys[at] != key:
            keys.insert(at, key)

    def drop(self, key: int, thing: int) -> None:
        """From now on it does not."""
        keys = self.keys.get(thing, [])
        if key in keys:
            keys.remove(key)


class Binding:
    """Where Observations lead, by (Thing, property key) and by Datastream, with unit and range as columns, so that whole batches are
    checked at once. `problems` says of a Datastream why it can't be bound.

    What comes and goes is worked in; a change of a Thing's kind, and of relations that are heard over several hops, makes
    `is_stale` true until `rebind`.
    """

    def __init__(self, runners: Mapping[str, Runner], around: Surroundings, needed: Iterable[ObservedProperty]) -> None:
        self._around = around
        self._properties = {p.key: p for p in needed}
        self._heard: dict[str, list[_Heard]] = {}
        for runner in runners.values():
            for trigger, handler in runner.declared.on:
                self._properties[trigger.property.key] = trigger.property
                self._heard.setdefault(trigger.property.key, []).append(_Heard(runner, trigger, handler))
        self._runners = runners
        self._over_relations = [one for found in self._heard.values() for one in found if one.trigger.of is not None]
        self.problems: dict[int, str] = {}
        self.streams: dict[int, Stream] = {}
        self.rebind()

    def rebind(self) -> None:
        """Finds everything anew."""
        graph = self._around.graph
        self.is_stale = False
        self._routes: dict[tuple[int, str], tuple[Route, ...]] = {}
        self._things: set[int] = set()  # whose routes have to be found anew
        self._new_keys: set[int] = set()
        self._new_streams: set[int] = set()
        self._relations: dict[tuple[int, str, int], None] = {}  # that came or went: from, kind, to
        self.problems.clear()
        self.streams.clear()
        for one in self._over_relations:
            one.keys = {}
            for key in one.runner.list_keys(graph):
                self._listen(one, key)
        size = max(graph.datastreams, default=-1) + 1
        self.is_bound: NDArray[np.bool_] = np.zeros(size, bool)
        self.factor, self.offset = np.ones(size), np.zeros(size)
        self.low, self.high = np.full(size, -np.inf), np.full(size, np.inf)
        for stream in graph.datastreams.values():
            self._bind(stream)

    def routes_at(self, thing: int, key: str) -> tuple[Route, ...]:
        """Where an Observation of this property at this Thing leads, in the order of the services."""
        at = (thing, key)
        found = self._routes.get(at)
        if found is None:
            heard = self._heard.get(key, ())
            found = self._routes[at] = tuple([route for one in heard for route in one.routes_at(thing)])
        return found

    def hears(self, thing: int, key: str) -> bool:
        """Whether some handler hears this property at this Thing. Changes nothing, so that any thread may ask while another one
        handles records; what came last may not be worked in yet."""
        return any(one.routes_at(thing) for one in self._heard.get(key, ()))

    def _listen(self, one: _Heard, key: int) -> list[int]:
        """The key hears its neighbours; those are returned."""
        assert one.trigger.of is not None
        targets = [there.thing for there in self._around.reach(key, one.trigger.of)]
        for thing in targets:
            one.add(key, thing)
        return targets

    def catch_up(self) -> None:
        """Brings the binding to the graph as it is now."""
        if self.is_stale:
            self.rebind()
        if not (self._things or self._new_keys or self._new_streams or self._relations):
            return
        graph = self._around.graph
        for from_id, kind, to_id in self._relations:
            self._relate(from_id, kind, to_id)
        for key in sorted(self._new_keys):
            for one in self._over_relations:
                if one.runner.serves(key):
                    self._things.update(self._listen(one, key))
        for thing in self._things:
            for name in self._heard:
                self._routes.pop((thing, name), None)
            self._new_streams.update(stream.id for stream in graph.list_datastreams(thing))
        for stream_id in sorted(self._new_streams):
            self._make_room(stream_id)
            if (stream := graph.datastreams.get(stream_id)) is not None:
                self._bind(stream)
            else:
                self._unbind(stream_id)
        for done in (self._relations, self._new_keys, self._things, self._new_streams):
            done.clear()

    def _relate(self, from_id: int, kind: str, to_id: int) -> None:
        """Who has the other end as a neighbour now hears what is observed there, and no longer where the last relation went."""
        is_there = any(found.to_id == to_id for found in self._around.graph.list_related(from_id, kind))
        for one in self._over_relations:
            assert one.trigger.of is not None
            if one.trigger.of.relation == kind:
                if is_there and one.runner.serves(from_id):
                    one.add(from_id, to_id)
                else:
                    one.drop(from_id, to_id)
                self._things.add(to_id)

    # --- changes, before the graph has them

    def note(self, changes: Iterable[EntityChange]) -> None:
        """Takes note of changes; to be told BEFORE the graph has them."""
        for change in changes:
            entity_id = change.id if isinstance(change, Remove) else msgspec.json.decode(change.body, type=_HasId).id
            match change.type:
                case EntityType.THING if isinstance(change, Put):
                    self._note_thing(msgspec.json.decode(change.body, type=Thing))
                case EntityType.THING:
                    self._note_gone(entity_id)
                case EntityType.DATASTREAM:
                    self._new_streams.add(entity_id)
                case EntityType.RELATION:
                    self._note_relation(change, entity_id)
                case EntityType.OBSERVED_PROPERTY:
                    self.is_stale |= entity_id in self._around.graph.properties

    def _note_thing(self, thing: Thing) -> None:
        known = self._around.graph.things.get(thing.id)
        if known is None:
            self._new_keys.add(thing.id)
            self._things.add(thing.id)
        elif known.kind != thing.kind:
            self.is_stale = True

    def _note_gone(self, thing: int) -> None:
        self._things.add(thing)
        self._new_keys.discard(thing)
        for one in self._over_relations:
            if one.runner.serves(thing) and one.trigger.of is not None:
                for there in self._around.reach(thing, one.trigger.of):
                    one.drop(thing, there.thing)
                    self._things.add(there.thing)

    def _note_relation(self, change: EntityChange, relation_id: int) -> None:
        """One that comes or goes reaches no further than its end where nobody listens over several hops."""
        after = msgspec.json.decode(change.body, type=Relation) if isinstance(change, Put) else None
        for relation in (self._around.graph.relations.get(relation_id), after):
            if relation is None:
                continue
            heard = [
                one.trigger.of
                for one in self._over_relations
                if one.trigger.of and one.trigger.of.relation == relation.kind
            ]
            if any(of.hops > 1 for of in heard):
                self.is_stale = True
            elif heard:
                self._relations[relation.from_id, relation.kind, relation.to_id] = None

    # --- Datastreams

    def _unbind(self, stream_id: int) -> None:
        self.is_bound[stream_id] = False
        self.streams.pop(stream_id, None)
        self.problems.pop(stream_id, None)

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
        self._unbind(stream.id)
        observed = self._properties.get(self._around.graph.property_key(stream))
        if observed is None or stream.properties.get("service") in self._runners:
            return
        routes = self.routes_at(stream.thing_id, observed.key)
        needed = observed.key in self._around.needed
        if not routes and not needed:
            return
        try:
            conversion = self._conversion(stream, observed)
        except BadInput as error:
            self.problems[stream.id] = error.message
            return
        self.streams[stream.id] = Stream(stream.thing_id, observed.key, routes, needed, stream.part)
        self.is_bound[stream.id] = True
        self.factor[stream.id], self.offset[stream.id] = conversion.factor, conversion.offset
        self.low[stream.id], self.high[stream.id] = max(observed.low, -MAX), min(observed.high, MAX)

    @staticmethod
    def _conversion(stream: Datastream, observed: ObservedProperty) -> Conversion:
        code = code_of(stream.unit_of_measurement.symbol, stream.unit_of_measurement.definition)
        return get_conversion(code, observed.unit) if code else IDENTITY
