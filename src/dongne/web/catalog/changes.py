"""When Datastreams first appeared, and when their unit, observed property or type changed: out of the records."""

import threading

import msgspec

from dongne.model.access import Access, access_said
from dongne.model.entities import Datastream, EntityChange, EntityType, Property, Put, Thing, entity_of
from dongne.model.records import RecordKind
from dongne.model.units import code_of
from dongne.runtime.ports import Store

AT_ONCE = 1_000
_READ = frozenset({EntityType.THING, EntityType.OBSERVED_PROPERTY, EntityType.DATASTREAM})
_decode = msgspec.msgpack.Decoder(list[EntityChange]).decode


class Schema(msgspec.Struct, frozen=True):
    """What a Datastream's values are."""

    property: str
    unit: str
    type: str


class Change(msgspec.Struct, frozen=True):
    """What changed in a Datastream, and when: `what` is property, unit or type."""

    at_us: int
    stream: int
    what: str
    before: str
    after: str


class SchemaHistory:
    """Follows the sequence when it is asked. A change is told only if the Datastream could be seen before and after it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read_to = 0
        self._properties: dict[int, str] = {}
        self._closed_things: set[int] = set()
        self._known: dict[int, tuple[Schema, bool]] = {}
        self._since: dict[int, int] = {}
        self._changes: dict[int, list[Change]] = {}
        self.began_us = 0  # when the first record arrived that is still there

    def catch_up(self) -> None:
        """Up to the end of the sequence."""
        with self._lock:
            head = self._store.head()
            while self._read_to < head:
                records = self._store.read(self._read_to, head, AT_ONCE, [RecordKind.ENTITIES])
                for record in records:
                    self.began_us = self.began_us or record.at_us
                    for change in _decode(record.body):
                        self._take(change, record.at_us)
                self._read_to = records[-1].last if len(records) == AT_ONCE else head

    def since_us(self, stream: int) -> int:
        """When the Datastream appeared; 0 where nobody knows."""
        return self._since.get(stream, 0)

    def list_changes(self, stream: int) -> list[Change]:
        """Oldest first."""
        return list(self._changes.get(stream, ()))

    def _take(self, change: EntityChange, at_us: int) -> None:
        if change.type not in _READ:
            return
        if not isinstance(change, Put):
            if change.type is EntityType.DATASTREAM:
                for known in (self._known, self._since, self._changes):
                    known.pop(change.id, None)
            return
        match entity_of(change):
            case Property() as observed:
                self._properties[observed.id] = observed.name
            case Thing() as thing:
                is_closed = access_said(thing.properties) > Access.PUBLIC
                (self._closed_things.add if is_closed else self._closed_things.discard)(thing.id)
            case Datastream() as stream:
                self._take_stream(stream, at_us)

    def _take_stream(self, stream: Datastream, at_us: int) -> None:
        unit = code_of(stream.unit_of_measurement.symbol, stream.unit_of_measurement.definition)
        now = Schema(self._properties.get(stream.observed_property_id, ""), unit, stream.observation_type)
        is_open = access_said(stream.properties) is Access.PUBLIC and stream.thing_id not in self._closed_things
        before, was_open = self._known.get(stream.id, (now, is_open))
        self._known[stream.id] = now, is_open
        self._since.setdefault(stream.id, at_us)
        if not (is_open and was_open):
            return
        for what in Schema.__struct_fields__:
            old, new = getattr(before, what), getattr(now, what)
            if old != new:
                self._changes.setdefault(stream.id, []).append(Change(at_us, stream.id, what, old, new))
