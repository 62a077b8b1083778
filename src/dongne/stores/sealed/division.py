"""Whose each part of a commit is: a Draft, divided by subject before it is sealed.

A record of Observations of several homes becomes several records (their numbers follow on each other, as they would have); a
record of entities keeps its one number and is sealed in parts. What is of a subject whose key is destroyed is left out.
"""

from collections.abc import Callable, Collection, Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from dongne.model.entities import EntityChange, EntityType, Put, Remove
from dongne.model.graph import ThingGraph
from dongne.model.records import FORMAT, ObservationBatch, Record, RecordKind
from dongne.stores.effects import Draft, Written
from dongne.stores.sealed.keys import COMMON

THING_LEVEL = "thing:"
_encode = msgspec.msgpack.Encoder().encode
_changes = msgspec.msgpack.Decoder(list[EntityChange])
_FORMAT = bytes((FORMAT,))


class _About(msgspec.Struct):
    """What says whose a record is."""

    thing: int | None = None
    datastream: int | None = None
    level: str = ""


class _Places(msgspec.Struct):
    """What says whose an entity is."""

    id: int
    thing_id: int | None = None
    from_id: int = 0
    location_ids: tuple[int, ...] = ()


_about = msgspec.msgpack.Decoder(_About)
_places = msgspec.json.Decoder(_Places)
Part = tuple[int, list[EntityChange]]


class Piece(msgspec.Struct, frozen=True, gc=False):
    """A record of one subject, or of several in parts. `subject` is None where there are several or none is left."""

    record: Record
    subject: int | None
    parts: list[Part] | None = None
    extra: bytes = b""


class Taken(msgspec.Struct, frozen=True):
    """A batch as it came, with its first number and which of its rows were stored (None: all)."""

    first: int
    batch: ObservationBatch
    kept: NDArray[np.bool_] | None


class Division:
    """The pieces of a Draft in order, whom they need keys for, and what becomes of the latest values."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.subjects: set[int] = {COMMON}
        self.taken: list[Taken] = []
        self.loose: set[int] = set()  # Datastreams of nobody
        self.owners: dict[tuple[EntityType, int], int] = {}
        self.left_out = 0
        self.cases: dict[str, bytes] = {}  # as JSON, by key
        self.notices: dict[str, bytes] = {}


class Divider:
    """Knows whose what is: by the graph as of the last commit, by what this commit changes, and by `find_owner`, which says
    whose a stored Location is."""

    def __init__(self, graph: ThingGraph, gone: Collection[int], find_owner: Callable[[int], int | None]) -> None:
        self._graph, self._gone, self._find_owner = graph, gone, find_owner

    def divide(self, draft: Draft) -> Division:
        """The draft, from which what is of gone subjects has been taken out."""
        out = Division()
        streams = self._note_entities(draft, out)
        events = {number: digest for number, _, _, digest in draft.case_events}
        written: list[Written] = []
        for one in draft.written:
            if one.batch is not None:
                written += self._observations(one.record, one.batch, streams, out)
                continue
            record = one.record
            if record.kind is RecordKind.ENTITIES:
                written.append(Written(self._entities(record, out)))
                continue
            subject = self._subject_of(record, draft, streams)
            if subject in self._gone:
                written.append(Written(self._void(record, out)))
                continue
            digest = events.get(record.number)
            out.pieces.append(Piece(record, subject, None, digest.encode() if digest else b""))
            out.subjects.add(subject)
            written.append(one)
        draft.written = written
        if self._gone:
            self._leave_out(draft, out)
        out.subjects.update(thing for _, thing in draft.states)
        return out

    def _void(self, record: Record, out: Division) -> Record:
        """In the place of what may not be stored: the moment, and nothing else."""
        out.left_out += record.count
        out.pieces.append(Piece(record, None))
        return void_of(record.number, record.count, record.at_us)

    # entities
    def _note_entities(self, draft: Draft, out: Division) -> dict[int, int]:
        """Whose the changed entities are; the owners of the Datastreams among them."""
        homes: dict[int, int] = {}
        puts: list[tuple[EntityType, _Places]] = []
        for change in draft.entities:
            if isinstance(change, Put):
                found = _places.decode(change.body)
                puts.append((change.type, found))
                if change.type is EntityType.THING:
                    homes.update(dict.fromkeys(found.location_ids, found.id))
        streams: dict[int, int] = {}
        for kind, found in puts:
            subject = self._owner(kind, found, homes)
            out.owners[kind, found.id] = subject
            if kind in (EntityType.DATASTREAM, EntityType.MULTI_DATASTREAM):
                streams[found.id] = subject
            if subject not in self._gone:
                out.subjects.add(subject)
        return streams

    def _owner(self, kind: EntityType, found: _Places, homes: dict[int, int]) -> int:
        if kind is EntityType.THING:
            return found.id
        if kind is EntityType.LOCATION:
            known = homes.get(found.id)
            if known is None:
                known = self._find_owner(found.id)
            return -found.id if known is None else known  # nobody's yet: under a key of its own
        return found.thing_id or found.from_id or COMMON

    def _entities(self, record: Record, out: Division) -> Record:
        parts: list[Part] = []
        left_out = False
        for change in _changes.decode(record.body):
            subject = COMMON if isinstance(change, Remove) else self._owner_in(change, out)
            if subject in self._gone:
                left_out = True
            elif parts and parts[-1][0] == subject:
                parts[-1][1].append(change)
            else:
                parts.append((subject, [change]))
        if left_out:
            record = msgspec.structs.replace(record, body=_encode([change for _, part in parts for change in part]))
        if len(parts) == 1:
            out.pieces.append(Piece(record, parts[0][0]))
        else:
            out.pieces.append(Piece(record, None, parts))
        return record

    @staticmethod
    def _owner_in(change: Put, out: Division) -> int:
        return out.owners[change.type, _places.decode(change.body).id]

    # Observations
    def _observations(
        self, record: Record, batch: ObservationBatch, streams: dict[int, int], out: Division
    ) -> Iterable[Written]:
        owners = [self._owner_of_stream(stream, streams) for stream in batch.datastream.tolist()]
        first = owners[0]
        if COMMON in owners:
            ids = batch.datastream.tolist()
            out.loose.update(stream for stream, owner in zip(ids, owners, strict=True) if owner == COMMON)
        kept = None
        if self._gone and any(owner in self._gone for owner in owners):
            kept = np.fromiter((owner not in self._gone for owner in owners), bool, len(owners))
        out.taken.append(Taken(record.number, batch, kept))
        if kept is None and owners.count(first) == len(owners):
            out.pieces.append(Piece(record, first))
            out.subjects.add(first)
            return (Written(record, batch),)
        return [self._run(record, batch, owners, start, end, out) for start, end in _runs(owners)]

    def _run(
        self, record: Record, batch: ObservationBatch, owners: list[int], start: int, end: int, out: Division
    ) -> Written:
        """The rows [start, end) as a record of their own."""
        body, count, size = record.body, record.count, end - start
        part = _FORMAT + b"".join([
            body[1 + 4 * start : 1 + 4 * end],
            body[1 + 4 * count + 8 * start : 1 + 4 * count + 8 * end],
            body[1 + 12 * count + 8 * start : 1 + 12 * count + 8 * end],
        ])  # fmt: skip
        if batch.extras:
            extras = {row - start: extra for row, extra in batch.extras.items() if start <= row < end}
            part += _encode(extras) if extras else b""
        own = Record(record.number + start, size, record.kind, record.at_us, part, record.origin, record.cause)
        subject = owners[start]
        if subject in self._gone:
            return Written(self._void(own, out))
        out.pieces.append(Piece(own, subject))
        out.subjects.add(subject)
        return Written(own)

    def _owner_of_stream(self, stream: int, changed: dict[int, int]) -> int:
        found = changed.get(stream)
        if found is not None:
            return found
        known = self._graph.datastreams.get(stream) or self._graph.multi_datastreams.get(stream)
        return known.thing_id if known is not None else COMMON

    def owner_of_stream(self, stream: int) -> int:
        """The subject of a Datastream; COMMON where it is nobody's."""
        return self._owner_of_stream(stream, {})

    # the others
    def _subject_of(self, record: Record, draft: Draft, streams: dict[int, int]) -> int:
        if record.kind is RecordKind.WAKE:
            return COMMON
        if record.number in draft.things:
            return draft.things[record.number] or COMMON
        about = _about.decode(record.body)
        thing = about.thing
        match record.kind:
            case RecordKind.SETTING:
                return thing_of_level(about.level)
            case RecordKind.CORRECTION | RecordKind.REMOVAL if about.datastream is not None:
                return self._owner_of_stream(about.datastream, streams)
        return COMMON if thing is None else thing

    def _leave_out(self, draft: Draft, out: Division) -> None:
        """Takes out of the tables' rows what is of gone subjects."""
        gone = self._gone
        draft.states = {key: row for key, row in draft.states.items() if key[1] not in gone}
        dropped = {case.id for case in draft.cases.values() if case.thing in gone}
        draft.cases = {key: case for key, case in draft.cases.items() if case.id not in dropped}
        draft.case_events = [event for event in draft.case_events if event[1] not in dropped]
        draft.tasks = {key: task for key, task in draft.tasks.items() if task.thing not in gone}
        draft.notices = {key: notice for key, notice in draft.notices.items() if notice.thing not in gone}
        draft.settings = {k: values for k, values in draft.settings.items() if thing_of_level(k[1]) not in gone}
        draft.assets = {key: found for key, found in draft.assets.items() if key[2] not in gone}
        draft.entities = [
            change for change in draft.entities if isinstance(change, Remove) or self._owner_in(change, out) not in gone
        ]


def void_of(number: int, count: int, at_us: int) -> Record:
    """What is read where a record can't be any more: the instant goes by, as it did, and nothing is said."""
    return Record(number, count, RecordKind.WAKE, at_us, b"")


def thing_of_level(level: str) -> int:
    """The Thing that a level of settings is of; COMMON where it is of none."""
    return int(level.removeprefix(THING_LEVEL)) if level.startswith(THING_LEVEL) else COMMON


def _runs(owners: list[int]) -> Iterable[tuple[int, int]]:
    """Rows next to each other of the same owner, as [start, end)."""
    start = 0
    for at in range(1, len(owners) + 1):
        if at == len(owners) or owners[at] != owners[start]:
            yield start, at
            start = at
