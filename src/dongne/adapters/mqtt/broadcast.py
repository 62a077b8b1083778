"""What happens in the city, said at the broker: Observations and entities that are open data, the last value retained.

A broker does not say who listens, so nothing but open data is ever said there. Everything is QoS 0 and bounded: beyond
the rate only the newest of each Datastream is said, and what is left out is counted. What a device published there itself
is said again, as it is stored: a message with `@iot.id` is the city's, one without the device's. What may no longer be said is
taken back, also after a restart: see told.py.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from dongne.adapters.mqtt.told import Told, Topic
from dongne.adapters.mqtt.views import Select, Views
from dongne.model.access import PUBLIC
from dongne.model.entities import EntityChange, EntityType, Put, id_of
from dongne.model.records import ObservationBatch, Record, RecordKind, decode_batch
from dongne.runtime.ports import Store
from dongne.standards.sensorthings.query import Query
from dongne.standards.sensorthings.schema import DATASTREAMS, MULTI_DATASTREAMS, OBSERVATIONS, SETS, EntitySet

MOST_RECORDS = 2_000  # waiting between two turns; beyond that only which Datastreams they touch is kept
MOST_LEAVING_BYTES = 1 << 20
MOST_TAKEN_BACK = 1_000  # which the broker has not confirmed yet
ENTITY_EVERY_S = 1.0  # of a Datastream that changes by its Observations alone
_BY_TYPE = {found.entity_type: found for found in SETS.values() if found.entity_type}
_TYPES = {found.name: kind for kind, found in _BY_TYPE.items()}
_changes = msgspec.msgpack.Decoder(list[EntityChange])
_ALL = Query()
_VALUE = "/Observations"

log = logging.getLogger(__name__)

Key = tuple[EntityType, int]


class Line(Protocol):
    """The connection to the broker."""

    @property
    def leaving_bytes(self) -> int:
        """What waits for the network."""

    def retain(self, topic: str, body: bytes, *, retained: bool) -> None:
        """Publishes with QoS 0."""

    def take_back(self, topic: str) -> int:
        """Has the broker retain nothing there, with QoS 1; the packet identifier by which it confirms that."""


class Broadcast:
    """Belongs to the adapter's thread but for `heard`, which the store calls in the writer's."""

    def __init__(
        self,
        store: Store,
        select: Select,
        service_root: str,
        root: str,
        per_s: int,
        ring: Callable[[], None],
        file: Path | None = None,
    ) -> None:
        self._store, self._graph, self._root, self._per_s, self._ring = store, store.graph, root, per_s, ring
        self._views = Views(store, select, service_root)
        self._records: deque[Record] = deque()
        self._overflowed = False
        self._newest: dict[int, None] = {}  # Datastreams whose last value is to be said, in order
        self._entities: dict[Key, None] = {}
        self._told = Told(file)
        self._taken_back: dict[int, Topic] = {}  # which the broker has not confirmed, by packet identifier
        self._saying: list[tuple[str, bytes, bool]] = []  # topic, body, retained
        self._is_noted = True
        self._looks_back = True  # something told may have to be taken back
        self._later: dict[int, float] = {}  # Datastreams that changed by Observations -> when they were said last
        self._changed: dict[int, None] = {}
        self._may, self._at_s = float(per_s), time.monotonic()
        self.published = self.left_out = 0

    # --- in the writer's thread

    def heard(self, records: Sequence[Record]) -> None:
        """Records of a commit."""
        if len(self._records) >= MOST_RECORDS:
            self._overflowed = True
        else:
            self._records.extend(records)
        self._ring()

    # --- in the adapter's

    def begin(self) -> None:
        """A connection is up: the last values are said anew, and what may not be said is taken back."""
        self._overflowed = True
        self._taken_back.clear()

    def confirmed(self, mid: int) -> None:
        """The broker has this one."""
        if topic := self._taken_back.pop(mid, None):
            self._told.discard(topic)

    @property
    def waits(self) -> bool:
        """Whether something is to be said when the rate allows."""
        return bool(self._newest or self._entities or self._changed or self._looks_back)

    def turn(self, line: Line) -> None:
        """Says what there is to say, as far as rate and network allow."""
        now_s = time.monotonic()
        self._may = min(float(self._per_s), self._may + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if line.leaving_bytes > MOST_LEAVING_BYTES:
            self._may = 0.0
        while self._records:
            self._take(self._records.popleft())
        if self._overflowed:
            self._overflowed, self._looks_back = False, True
            hidden = self._views.hidden(PUBLIC)
            self._newest |= dict.fromkeys(self._streams() - hidden.of(EntityType.DATASTREAM))
            self._changed |= self._newest
        self._say_pending(now_s)
        self._give(line)
        if self._looks_back:
            self._take_back(line)

    def _give(self, line: Line) -> None:
        """Notes what the broker will retain, then hands it over; what can't be noted is not said, but tried again."""
        saying, self._saying = self._saying, []
        try:
            self._told.save(also_less=not self._taken_back)
        except OSError as error:
            if self._is_noted:
                log.warning("MQTT: nothing new is said at the broker, for it can't be noted: %s; trying again", error)
            self._is_noted, self._overflowed = False, True
            self.left_out += len(saying)
            return
        self._is_noted = True
        for topic, body, retained in saying:
            self.published += 1
            line.retain(topic, body, retained=retained)

    def _streams(self) -> set[int]:
        return {*list(self._graph.datastreams), *list(self._graph.multi_datastreams)}

    def _take(self, record: Record) -> None:
        if record.kind is RecordKind.OBSERVATIONS:
            self._take_batch(record, decode_batch(record.body, record.count))
        elif record.kind is RecordKind.ENTITIES:
            for change in _changes.decode(record.body):
                if isinstance(change, Put) and change.type in _BY_TYPE:
                    self._entities[change.type, id_of(change)] = None
            self._looks_back = True
        elif record.kind in (RecordKind.CORRECTION, RecordKind.REMOVAL):
            self._overflowed = True  # the last values may be others

    def _take_batch(self, record: Record, batch: ObservationBatch) -> None:
        hidden = self._views.hidden(PUBLIC).of(EntityType.DATASTREAM)
        streams = batch.datastream.tolist()
        touched = dict.fromkeys(streams)
        self._changed |= touched if not hidden else {stream: None for stream in touched if stream not in hidden}
        row = 0
        while row < len(streams) and self._may >= 1.0:
            if streams[row] not in hidden:
                self._say_one(record.number + row, batch, row)
            row += 1
        shown = [stream for stream in streams[row:] if stream not in hidden]
        rest = dict.fromkeys(shown)
        self.left_out += len(shown) - len(rest.keys() - self._newest.keys())
        self._newest |= rest

    def _say_one(self, number: int, batch: ObservationBatch, row: int) -> None:
        stream = int(batch.datastream[row])
        if self._graph.find_stream(stream) is None:
            return
        latest = self._store.latest(stream)
        time_us, result = int(batch.time_us[row]), float(batch.result[row])
        body = self._views.observation(number, stream, time_us, result, batch.extras.get(row), _ALL, PUBLIC)
        if body is not None:
            is_last = latest is not None and latest.number == number
            self._say(Topic(self._set_of(stream).name, stream, _VALUE), body, retained=is_last)

    def _set_of(self, stream: int) -> EntitySet:
        return MULTI_DATASTREAMS if stream in self._graph.multi_datastreams else DATASTREAMS

    def _say_pending(self, now_s: float) -> None:
        while self._newest and self._may >= 1.0:
            stream = next(iter(self._newest))
            del self._newest[stream]
            self._say_newest(stream)
        while self._entities and self._may >= 1.0:
            key = next(iter(self._entities))
            del self._entities[key]
            self._say_entity(*key)
        for stream in list(self._changed) if self._may >= 1.0 else ():
            if self._may < 1.0:
                return
            if now_s - self._later.get(stream, 0.0) >= ENTITY_EVERY_S:
                del self._changed[stream]
                self._later[stream] = now_s
                kind = self._set_of(stream).entity_type
                assert kind is not None
                self._say_entity(kind, stream)

    def _say_newest(self, stream: int) -> None:
        latest = self._store.latest(stream)
        if latest is None:
            return
        entity_set = self._set_of(stream)
        if entity_set is DATASTREAMS:
            row = self._views.find_latest(stream, _ALL, PUBLIC)
        else:
            row = self._views.find(OBSERVATIONS, latest.number, _ALL, PUBLIC)
        body = row and self._views.entity(row, OBSERVATIONS, _ALL, PUBLIC)
        if body:
            self._say(Topic(entity_set.name, stream, _VALUE), body, retained=True)

    def _say_entity(self, kind: EntityType, entity_id: int) -> None:
        entity_set = _BY_TYPE[kind]
        row = self._views.find(entity_set, entity_id, _ALL, PUBLIC)
        body = row and self._views.entity(row, entity_set, _ALL, PUBLIC)
        if body:
            self._say(Topic(entity_set.name, entity_id), body, retained=True)

    def _take_back(self, line: Line) -> None:
        """What is gone, or no longer open data, is not retained any more."""
        self._looks_back = False
        hidden = self._views.hidden(PUBLIC)
        under_way = set(self._taken_back.values())
        for topic in self._told.list_other(
            lambda name: self._graph.entities(_TYPES[name]), lambda name: hidden.of(_TYPES[name])
        ):
            if topic in under_way:
                continue
            if len(self._taken_back) >= MOST_TAKEN_BACK:
                self._looks_back = True
                break
            self.published += 1
            self._taken_back[line.take_back(topic.text(self._root))] = topic
        there = self._streams() - hidden.of(EntityType.DATASTREAM)
        for pending in (self._newest, self._changed):
            for stream in pending.keys() - there:
                del pending[stream]

    def _say(self, topic: Topic, body: bytes, *, retained: bool) -> None:
        self._may -= 1.0
        if retained and topic not in self._told:
            self._told.add((topic, *self._soon()))
        if self._taken_back:  # it may be told again
            self._taken_back = {mid: gone for mid, gone in self._taken_back.items() if gone != topic}
        self._saying.append((topic.text(self._root), body, retained))

    def _soon(self) -> Iterator[Topic]:
        """What waits to be said: noted together, the file is written once and not at every turn."""
        yield from (Topic(self._set_of(stream).name, stream, _VALUE) for stream in self._newest)
        yield from (Topic(self._set_of(stream).name, stream) for stream in self._changed)
        yield from (Topic(_BY_TYPE[kind].name, entity_id) for kind, entity_id in self._entities)
