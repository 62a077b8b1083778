"""The sealed truth: the same sequence and tables as the embedded one, with whatever is personal under its subject's key."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from dongne.model.cases import Case, CaseEvent
from dongne.model.entities import ENTITY_CLASSES, Entity, EntityType
from dongne.model.errors import BadSetup
from dongne.model.graph import ThingGraph
from dongne.model.notices import Notice
from dongne.model.records import Correction, JobResult, ObservationBatch, Record, RecordKind, Removal, decode_batch
from dongne.model.tasks import Task
from dongne.runtime.ports import CaseFilter, NoticeFilter, StateRow
from dongne.stores.effects import Draft, is_open
from dongne.stores.sealed import chain
from dongne.stores.sealed.division import Divider, Division, Taken, void_of
from dongne.stores.sealed.keys import KeyRing
from dongne.stores.sealed.known import Known
from dongne.stores.sealed.recent import Recent
from dongne.stores.sealed.rows import RowSealer
from dongne.stores.sealed.sealing import Column, Sealing, place_of
from dongne.stores.sealed.tables import SCHEMA, SCHEMA_VERSION
from dongne.stores.truth_file import PRAGMAS, TruthFile, select_records

MOST_NOTICES = 10_000  # kept at hand, some 10 MB
ROW = "number, count, kind, at_us, subject, body"
_CASE_WORDS = ("kind", "thing", "service", "unit", "assignee", "state")
_NEVER = datetime.max.replace(tzinfo=UTC)
_json = msgspec.json.encode
_msgpack = msgspec.msgpack.Encoder().encode
_parts = msgspec.msgpack.Decoder(list[tuple[int, bytes]])
_case = msgspec.json.Decoder(Case)
_task = msgspec.json.Decoder(Task)
_notice = msgspec.json.Decoder(Notice)
_values = msgspec.json.Decoder(dict[str, Any])
_state = msgspec.msgpack.Decoder(tuple[int, bytes, dict[str, int], str])
_case_event = msgspec.msgpack.Decoder(CaseEvent)
_removal = msgspec.msgpack.Decoder(Removal)
_correction = msgspec.msgpack.Decoder(Correction)
_job_result = msgspec.msgpack.Decoder(JobResult)


class SealedTruth(TruthFile):
    """The file and its keys: what is written, and what is destroyed. One lock holds for all that changes the file, as keys
    are destroyed by whoever asks for it, and at once."""

    def __init__(self, file: Path, master: bytes) -> None:
        super().__init__(file, SCHEMA, SCHEMA_VERSION, pragmas=("secure_delete=on", *PRAGMAS, "temp_store=memory"))
        self.turn = threading.RLock()
        keys = file.with_name("keys")
        if not keys.exists() and self.ends()[1]:
            raise BadSetup(
                f"{keys} is missing, and without the keys the homes' data can't be read; put a copy of it back"
            )
        self.ring = KeyRing(keys, master, self.meta("identity"))
        self.sealing = Sealing(self.ring)
        self._known = Known()
        self._known.put_many([key for (key,) in self.rows("select key from cases union all select key from notices")])
        self.sealer = RowSealer(self.ring, self.sealing, self._known.put)
        self._chain: bytes | None = None  # None: it is what the file says
        self.last_of: dict[int, int] = {}  # subject -> the number of its last record
        self.open_cases: dict[str, Case] = {}
        self.dirty: set[int] = set()  # subjects whose latest values or last record changed since the checkpoint
        self.loose: set[int] = set()  # Datastreams of nobody
        self.taken: list[Taken] = []  # of the last commit, for the latest values
        self.recent = Recent()
        self._notices_of: dict[str, bytes] = {}  # the newest, as they lie in their table when they are opened
        self.left_out = 0
        self._divider = Divider(ThingGraph(), self.ring.destroyed, self._find_owner)

    def close(self) -> None:
        """Empties the WAL into the file and lets go of all."""
        super().close()
        self.ring.close()

    def follow_graph(self, graph: ThingGraph) -> None:
        """Whose what is, is looked up here from now on."""
        self._divider = Divider(graph, self.ring.destroyed, self._find_owner)

    def owner_of_stream(self, stream: int) -> int:
        """The subject of a Datastream; COMMON where it is nobody's."""
        return self._divider.owner_of_stream(stream)

    def _find_owner(self, location: int) -> int | None:
        rows = self.rows("select subject from entities where type = ? and id = ?", str(EntityType.LOCATION), location)
        return int(rows[0][0]) if rows else None

    # writing
    def write(self, draft: Draft) -> None:
        """Everything of the draft, durable when this returns; what is of a destroyed subject is taken out of it.
        Raises sqlite3.Error or OSError with nothing written."""
        with self.turn:
            division = self._divider.divide(draft)
            self.ring.make(sorted(division.subjects - self.ring.destroyed.keys()), draft.now_us)
            before, self._chain = self._chain, None  # where this raises, the file says what it is
            if before is None:
                before = chain.open_end(self.meta("chain"))[1]
            last_of: dict[int, int] = {}
            try:
                with self.writing() as connection:
                    after = self.sealer.insert_records(connection, division.pieces, before, self.last_of, last_of)
                    self.sealer.insert(connection, draft, division)
                self._chain = after
            except (sqlite3.Error, OSError):
                if not draft.written or self.ends()[1] != draft.next - 1:
                    raise
            self._remember(draft, division, last_of)

    def _remember(self, draft: Draft, division: Division, last_of: dict[int, int]) -> None:
        self.last_of |= last_of
        self.dirty.update(last_of)  # in place: with |= of keys it would be made anew
        self.loose |= division.loose
        self.taken = division.taken
        self.left_out += division.left_out
        self.recent.put([written.record for written in draft.written])
        self._remember_notices(division)
        for case in draft.cases.values():
            if is_open(case):
                self.open_cases[case.key] = _case.decode(division.cases[case.key])  # as it is read after a restart
            else:
                self.open_cases.pop(case.key, None)

    def _remember_notices(self, division: Division) -> None:
        known = self._notices_of
        for key, plain in division.notices.items():
            known.pop(key, None)  # so that the newest stands last
            known[key] = plain
        if len(known) > MOST_NOTICES:
            self._notices_of = dict(islice(known.items(), len(known) // 2, None))

    # destroying
    def forget(self, subjects: Iterable[int]) -> None:
        """Nothing of these is left in memory."""
        gone = set(subjects)
        self.recent.forget()
        self._notices_of = {}
        self.open_cases = {key: case for key, case in self.open_cases.items() if case.thing not in gone}
        self.last_of = {subject: last for subject, last in self.last_of.items() if subject not in gone}
        self.dirty -= gone

    def empty_wal(self) -> None:
        """What changed stands in the file itself, and the WAL is overwritten and empty. Where somebody reads at this moment
        it is done with the next checkpoint."""
        with self.turn:
            self._writer.execute("pragma wal_checkpoint(truncate)").fetchall()

    # what is in the tables at the start
    def list_entities(self) -> Iterator[Entity]:
        """All entities that can be read, home by home (so that each key is made ready once)."""
        sql = (
            "select subject, type, id, body from entities where (subject, type, id) > (?, ?, ?) "
            "order by subject, type, id limit 20000"
        )
        after: tuple[int, str, int] = (-(1 << 62), "", 0)
        while rows := self.rows(sql, *after):
            for subject, kind, entity_id, sealed in rows:
                body = self.sealing.open(subject, sealed, place_of(Column.ENTITY, subject, entity_id, kind))
                if body is not None:
                    yield msgspec.json.decode(body, type=ENTITY_CLASSES[EntityType(kind)])
            after = rows[-1][:3]

    def load_open_cases(self) -> None:
        """Cases that somebody must still close, into memory."""
        for case in self._cases("is_open = 1"):
            self.open_cases[case.key] = case

    def last_ids(self) -> dict[EntityType, int]:
        """The highest id ever stored, by type."""
        return {EntityType(kind): last for kind, last in self.rows("select type, id from last_ids")}

    def list_removals(self, after: int = 0) -> list[tuple[int, Removal]]:
        """All removals by number that can be read."""
        rows = self.rows("select number from removals where number > ? order by number", after)
        found = [(number, self.find_record(number)) for (number,) in rows]
        return [(n, _removal.decode(r.body)) for n, r in found if r is not None and r.kind is RecordKind.REMOVAL]

    def list_corrections(self, after: int = 0) -> list[tuple[int, Correction]]:
        """The last correction of each Observation that can be read, as (number of the record, correction)."""
        rows = self.rows("select record from corrections where record > ? order by record", after)
        found = [(number, self.find_record(number)) for (number,) in rows]
        return [(n, _correction.decode(r.body)) for n, r in found if r is not None and r.kind is RecordKind.CORRECTION]

    # the sequence
    def read(
        self, after: int, until: int | None = None, limit: int = 1000, kinds: Sequence[RecordKind] | None = None
    ) -> list[Record]:
        """Up to `limit` records whose first number is > `after` (and <= `until`), in order; only these kinds, where given.
        In the place of one that can't be read any more stands a WAKE over the same numbers."""
        if (recent := self.recent.read(after, until, limit, kinds)) is not None:
            return recent
        with_voids = kinds is None or RecordKind.WAKE in kinds
        out: list[Record] = []
        while len(out) < limit:
            wanted = limit - len(out)
            sql, values = select_records(ROW, after, until, wanted, kinds)
            rows = self.rows(sql, *values)
            for row in rows:
                record = self._opened(row)
                if with_voids or int(record.kind) == row[2]:
                    out.append(record)
            if len(rows) < wanted:
                break
            after = rows[-1][0]
        return out

    def _opened(self, row: Sequence[Any]) -> Record:
        found = self._open(row)
        return void_of(row[0], row[1], row[3]) if found is None else found[0]

    def _open(self, row: Sequence[Any]) -> tuple[Record, bytes] | None:
        number, count, kind, at_us, subject, body = row
        if body is None:
            return None
        if subject is None:
            return self._open_parts(number, at_us, body), b""
        if not body:
            return Record(number, count, RecordKind(kind), at_us, b""), b""
        return self.sealing.open_record(subject, (number, count, kind, at_us), body)

    def _open_parts(self, number: int, at_us: int, body: bytes) -> Record:
        """A record of entities without the parts of those who withdrew."""
        changes: list[Any] = []
        record = Record(number, 1, RecordKind.ENTITIES, at_us, b"")
        for at, (subject, sealed) in enumerate(_parts.decode(body), 1):
            row = (number, 1, int(RecordKind.ENTITIES), at_us)
            found = self.sealing.open_record(subject, row, sealed, at)
            if found is not None:
                record = found[0]
                changes += msgspec.msgpack.decode(record.body)
        return msgspec.structs.replace(record, body=_msgpack(changes))

    def find_record(self, number: int) -> Record | None:
        """The record which covers this number."""
        sql = f"select {ROW} from sequence where number <= ? order by number desc limit 1"
        rows = self.rows(sql, number)
        if not rows or rows[0][0] + rows[0][1] <= number:
            return None
        return self._opened(rows[0])

    def iterate_batches(self, after: int = 0) -> Iterator[tuple[int, ObservationBatch]]:
        """First number and batch of all records of Observations after this number that can be read."""
        while records := self.read(after, kinds=(RecordKind.OBSERVATIONS,)):
            for record in records:
                yield record.number, decode_batch(record.body, record.count)
            after = records[-1].number

    def walk_back(self, subject: int, since_us: int, most: int) -> Iterator[Record]:
        """This subject's own records that can be read, the newest first, as far as they arrived at this instant or after;
        at most so many."""
        number = self.last_of.get(subject, 0)
        sql = f"select {ROW}, before from sequence where number = ?"
        while number and most:
            row = self.rows(sql, number)[0]
            if row[3] < since_us:
                return
            if (found := self._open(row[:6])) is not None:
                yield found[0]
            number, most = row[6], most - 1

    # tables
    def find_case(self, key: str) -> Case | None:
        """By lasting identity."""
        if (open_case := self.open_cases.get(key)) is not None:
            return open_case
        hashed = self.sealer.hash_of(key)
        return next(self._cases("key = ?", hashed), None) if self._known.may_have(hashed) else None

    def find_case_by_id(self, case_id: int) -> Case | None:
        """The Case."""
        return next(self._cases("id = ?", case_id), None)

    def _cases(self, where: str, *values: Any) -> Iterator[Case]:
        for body in self._bodies("cases", Column.CASE, where, *values):
            yield _case.decode(body)

    def _bodies(self, table: str, column: Column, where: str, *values: Any) -> Iterator[bytes]:
        """What lies in a table, opened, the newest first; without what can't be opened."""
        sql = f"select id, thing, body from {table} where ({where}) and id < ? order by id desc limit 500"
        before = 1 << 62
        while rows := self.rows(sql, *values, before):
            for before, subject, sealed in rows:
                plain = self.sealing.open(subject, sealed, place_of(column, subject, before))
                if plain is not None:
                    yield plain

    def list_cases(self, which: CaseFilter) -> list[Case]:
        """Newest first, or the most urgent."""
        if which.is_open:
            cases: Iterable[Case] = sorted(list(self.open_cases.values()), key=lambda case: -case.id)
        else:
            where, values = _conditions(("thing = ?", which.thing), ("is_open = ?", which.is_open))
            cases = self._cases(where, *values)
        wanted = [(name, value) for name in _CASE_WORDS if (value := getattr(which, name)) is not None]
        found = (
            case
            for case in cases
            if (which.before_id is None or case.id < which.before_id)
            and all(getattr(case, name) == value for name, value in wanted)
        )
        in_order = sorted(found, key=_urgency) if which.urgent_first else found
        return list(islice(in_order, which.skip, which.skip + which.limit))

    def list_case_events(self, case_id: int) -> list[tuple[int, CaseEvent, str]]:
        """Number, event and chained hash, oldest first."""
        sql = (
            "select s.number, s.count, s.kind, s.at_us, s.subject, s.body from case_events e "
            "join sequence s on s.number = e.number where e.case_id = ? order by s.number"
        )
        opened = [found for row in self.rows(sql, case_id) if (found := self._open(row)) is not None]
        return [(record.number, _case_event.decode(record.body), digest.decode()) for record, digest in opened]

    def find_task(self, key: str) -> Task | None:
        """By lasting identity."""
        return next(self._tasks("key = ?", self.sealer.hash_of(key)), None)

    def _tasks(self, where: str, *values: Any) -> Iterator[Task]:
        for body in self._bodies("tasks", Column.TASK, where, *values):
            yield _task.decode(body)

    def list_tasks(self, thing: int | None, open_ones: bool | None, limit: int) -> list[Task]:
        """Newest first."""
        where, values = _conditions(("thing = ?", thing), ("is_open = ?", open_ones))
        return list(islice(self._tasks(where, *values), limit))

    def list_tasks_by_id(self, ids: Sequence[int]) -> list[Task]:
        """Those of these Tasks that are there, by id."""
        return [task for number in sorted(set(ids)) for task in self._tasks("id = ?", number)]

    def find_notice(self, key: str) -> Notice | None:
        """By lasting identity."""
        plain = self._notices_of.get(key)
        if plain is not None:
            return _notice.decode(plain)
        hashed = self.sealer.hash_of(key)
        return next(self._notices("key = ?", hashed), None) if self._known.may_have(hashed) else None

    def _notices(self, where: str, *values: Any) -> Iterator[Notice]:
        for body in self._bodies("notices", Column.NOTICE, where, *values):
            yield _notice.decode(body)

    def list_notices(self, which: NoticeFilter) -> list[Notice]:
        """Newest first."""
        case = None if which.case is None else self.sealer.hash_of(which.case)
        where, values = _conditions(
            ("thing = ?", which.thing), ("case_key = ?", case), ("is_pending = ?", which.is_pending),
            ("id < ?", which.before_id),
        )  # fmt: skip
        return list(islice(self._notices(where, *values), which.limit))

    def list_states(self, service: str) -> list[StateRow]:
        """All keys of a service."""
        out = []
        for thing, sealed in self.rows("select thing, body from states where service = ? order by thing", service):
            plain = self.sealing.open(thing, sealed, place_of(Column.STATE, thing, 0, service))
            if plain is not None:
                version, body, wakes, parked = _state.decode(plain)
                out.append(StateRow(service, thing, version, body, wakes, parked))
        return out

    def setting_values(self, service: str, level: str) -> dict[str, Any]:
        """Values in force at that level."""
        found = self._settings("service = ? and level = ?", service, level)
        return found[0][2] if found else {}

    def list_settings(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(service, level, values in force at that level)."""
        return self._settings("true")

    def _settings(self, where: str, *values: Any) -> list[tuple[str, str, dict[str, Any]]]:
        out = []
        sql = f"select service, level, subject, body from settings where {where} order by service, level"
        for service, level, subject, sealed in self.rows(sql, *values):
            plain = self.sealing.open(subject, sealed, place_of(Column.SETTING, subject, 0, service, level))
            if plain is not None:
                out.append((service, level, _values.decode(plain)))
        return out

    def list_assets(self, service: str, job: str | None) -> list[tuple[int, JobResult]]:
        """Version and outcome, by job and Thing."""
        sql = "select number from assets where service = ? and job = coalesce(?, job) order by job, thing"
        found = [(number, self.find_record(number)) for (number,) in self.rows(sql, service, job)]
        return [(n, _job_result.decode(r.body)) for n, r in found if r is not None and r.kind is RecordKind.JOB]


def _conditions(*pairs: tuple[str, Any]) -> tuple[str, list[Any]]:
    given = [(condition, value) for condition, value in pairs if value is not None]
    return " and ".join(condition for condition, _ in given) or "true", [value for _, value in given]


def _urgency(case: Case) -> tuple[int, datetime, int]:
    """By priority, then by when the next thing must have happened; then the newest."""
    priority = 5 if case.priority is None else case.priority  # as from before there were priorities
    return priority, case.deadline or _NEVER, -case.id
