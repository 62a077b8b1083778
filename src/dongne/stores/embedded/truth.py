"""The truth: one SQLite file (WAL, synchronous=FULL). It only appends, and looks up by key."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from dongne.model.cases import Case, CaseEvent
from dongne.model.entities import ENTITY_CLASSES, Entity, EntityType, Put
from dongne.model.notices import Notice
from dongne.model.records import Correction, JobResult, ObservationBatch, Record, RecordKind, Removal, decode_batch
from dongne.model.tasks import OLD_STATES, Task
from dongne.runtime.ports import CaseFilter, NoticeFilter, StateRow
from dongne.stores.effects import Draft, is_open
from dongne.stores.embedded.truth_tables import LATER, SCHEMA, SCHEMA_VERSION
from dongne.stores.truth_file import TruthFile, select_records

RECORD_COLUMNS = "number, count, kind, at_us, origin, cause, body"


def _said(name: str) -> str:
    """What the JSON of a row says; a blob would be taken for SQLite's own binary JSON."""
    return f"json_extract(cast(body as text), '$.{name}')"


# A Case from before there were priorities counts as one of the middle; a time that is not there comes last.
URGENT_FIRST = (
    f"coalesce({_said('priority')}, 5), "
    f"min(coalesce({_said('due')}, '~'), coalesce({_said('respond_by')}, '~')), id desc"
)

_json = msgspec.json.encode
_case = msgspec.json.Decoder(Case)
_case_event = msgspec.json.Decoder(CaseEvent)
_task = msgspec.json.Decoder(Task)
_notice = msgspec.json.Decoder(Notice)
_values = msgspec.json.Decoder(dict[str, Any])
_wakes = msgspec.json.Decoder(dict[str, int])
_removal = msgspec.json.Decoder(Removal)
_msgpack = msgspec.msgpack.encode  # NaN is none of JSON's numbers
_correction = msgspec.msgpack.Decoder(Correction)
_job_result = msgspec.msgpack.Decoder(JobResult)


class Truth(TruthFile):
    """The file, in the clear. See TruthFile for who may call what."""

    def __init__(self, file: Path) -> None:
        self._found: Record | None = None  # the last that was asked for by number
        super().__init__(file, SCHEMA, SCHEMA_VERSION, later=LATER)

    # writing
    def write(self, draft: Draft) -> None:
        """Everything of the draft, durable when this returns. Raises sqlite3.Error or OSError with nothing written."""
        with self.writing() as connection:
            self._insert(connection, draft)

    def _insert(self, connection: sqlite3.Connection, draft: Draft) -> None:
        many = connection.executemany
        many(
            f"insert into sequence ({RECORD_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?)",
            [
                (r.number, r.count, r.kind, r.at_us, r.origin, r.cause, r.body)
                for r in [w.record for w in draft.written]
            ],
        )
        if draft.dropped_states:
            many("delete from states where service = ?", [(service,) for service in draft.dropped_states])
        if draft.states:
            many(
                "insert or replace into states values (?, ?, ?, ?, ?, ?)",
                [(s.service, s.thing, s.version, s.body, _json(s.wakes), s.parked) for s in draft.states.values()],
            )
        if draft.positions:
            many("insert or replace into positions values (?, ?)", draft.positions.items())
        if draft.ids:
            self._insert_entities(connection, draft)
        if draft.cases:
            many(
                "insert or replace into cases values (?, ?, ?, ?, ?, ?, ?)",
                [(c.id, c.key, c.kind, c.thing, c.service, is_open(c), _json(c)) for c in draft.cases.values()],
            )
            many(
                "insert into case_events values (?, ?, ?, ?)",
                [(number, case, _json(event), digest) for number, case, event, digest in draft.case_events],
            )
        if draft.tasks:
            many(
                "insert or replace into tasks values (?, ?, ?, ?, ?)",
                [(t.id, t.key, t.thing, t.is_open, _json(t)) for t in draft.tasks.values()],
            )
        if draft.notices:
            many(
                "insert or replace into notices values (?, ?, ?, ?, ?, ?)",
                [(n.id, n.key, n.thing, n.case, n.is_pending, _json(n)) for n in draft.notices.values()],
            )
        if draft.settings:
            rows = [(service, level, _json(values)) for (service, level), values in draft.settings.items()]
            many("insert or replace into settings values (?, ?, ?)", rows)
        if draft.assets:
            many(
                "insert or replace into assets values (?, ?, ?, ?, ?)",
                [(*key, number, body) for key, (number, body) in draft.assets.items()],
            )
        if draft.removals:
            many("insert into removals values (?, ?)", [(number, _json(what)) for number, what in draft.removals])
        if draft.corrections:
            found = [(what.number, number, _msgpack(what)) for number, what in draft.corrections]
            many("insert or replace into corrections values (?, ?, ?)", found)

    def _insert_entities(self, connection: sqlite3.Connection, draft: Draft) -> None:
        latest: dict[tuple[str, int], bytes | None] = {}
        for change in draft.entities:
            if isinstance(change, Put):
                latest[change.type, msgspec.json.decode(change.body, type=_HasId).id] = change.body
            else:
                latest[change.type, change.id] = None
        puts = [(str(kind), entity_id, body) for (kind, entity_id), body in latest.items() if body is not None]
        gone = [(str(kind), entity_id) for (kind, entity_id), body in latest.items() if body is None]
        connection.executemany("insert or replace into entities values (?, ?, ?)", puts)
        connection.executemany("delete from entities where type = ? and id = ?", gone)
        connection.executemany(
            "insert into last_ids values (?, ?) on conflict (type) do update set id = max(id, excluded.id)",
            [(str(kind), last) for kind, last in draft.ids.items()],
        )

    def keep_latest(self, position: int, chunks: Sequence[tuple[int, bytes]]) -> None:
        """The checkpoint of the latest values with its position in the sequence."""
        with self.writing() as connection:
            connection.executemany("insert or replace into latest values (?, ?)", chunks)
            connection.execute("insert or replace into meta values ('latest_position', ?)", (position,))

    # reading: what the writer's thread looks up while it works a Draft out (dongne.stores.effects.Present)
    def find_case(self, key: str) -> Case | None:
        """By lasting identity."""
        rows = self.rows("select body from cases where key = ?", key)
        return _case.decode(rows[0][0]) if rows else None

    def find_task(self, key: str) -> Task | None:
        """By lasting identity."""
        rows = self.rows("select body from tasks where key = ?", key)
        return _task_of(rows[0][0]) if rows else None

    def find_notice(self, key: str) -> Notice | None:
        """By lasting identity."""
        rows = self.rows("select body from notices where key = ?", key)
        return _notice.decode(rows[0][0]) if rows else None

    def list_notices(self, which: NoticeFilter) -> list[Notice]:
        """Newest first."""
        wanted: list[tuple[str, Any]] = [
            ("thing = ?", which.thing), ("case_key = ?", which.case), ("is_pending = ?", which.is_pending),
            ("id < ?", which.before_id),
        ]  # fmt: skip
        return [_notice.decode(body) for body in self._filtered("notices", wanted, which.limit)]

    def setting_values(self, service: str, level: str) -> dict[str, Any]:
        """Values in force at that level."""
        rows = self.rows("select body from settings where service = ? and level = ?", service, level)
        return _values.decode(rows[0][0]) if rows else {}

    # the sequence
    def read(
        self, after: int, until: int | None = None, limit: int = 1000, kinds: Sequence[RecordKind] | None = None
    ) -> list[Record]:
        """Up to `limit` records whose first number is > `after` (and <= `until`), in order; only these kinds, where given."""
        sql, values = select_records(RECORD_COLUMNS, after, until, limit, kinds)
        return [record_of(row) for row in self.rows(sql, *values)]

    def find_record(self, number: int) -> Record | None:
        """The record which covers this number."""
        known = self._found  # a record never changes, and whoever asks for one number often wants its neighbours
        if known is not None and known.number <= number <= known.last:
            return known
        sql = f"select {RECORD_COLUMNS} from sequence where number <= ? order by number desc limit 1"
        found = [record_of(row) for row in self.rows(sql, number)]
        if not found or found[0].last < number:
            return None
        self._found = found[0]
        return found[0]

    def iterate_batches(self, after: int = 0, records_at_once: int = 1000) -> Iterator[tuple[int, ObservationBatch]]:
        """First number and batch of all records of Observations after this number."""
        sql = "select number, count, kind, body from sequence where number > ? order by number limit ?"
        while rows := self.rows(sql, after, records_at_once):
            for number, count, kind, body in rows:
                if kind == RecordKind.OBSERVATIONS:
                    yield number, decode_batch(body, count)
            after = rows[-1][0]

    # tables
    def latest_chunks(self) -> list[tuple[int, bytes]]:
        """The checkpoint of the latest values."""
        return self.rows("select chunk, body from latest order by chunk")

    def list_entities(self) -> Iterator[Entity]:
        """All entities, by type and id."""
        for kind, body in self.rows("select type, body from entities order by type, id"):
            yield msgspec.json.decode(body, type=ENTITY_CLASSES[EntityType(kind)])

    def last_ids(self) -> dict[EntityType, int]:
        """The highest id ever stored, by type."""
        return {EntityType(kind): last for kind, last in self.rows("select type, id from last_ids")}

    def list_removals(self, after: int = 0) -> list[tuple[int, Removal]]:
        """All removals by number."""
        rows = self.rows("select number, body from removals where number > ? order by number", after)
        return [(number, _removal.decode(body)) for number, body in rows]

    def list_corrections(self, after: int = 0) -> list[tuple[int, Correction]]:
        """The last correction of each Observation, as (number of the record, correction)."""
        rows = self.rows("select record, body from corrections where record > ? order by record", after)
        return [(record, _correction.decode(body)) for record, body in rows]

    def list_cases(self, which: CaseFilter) -> list[Case]:
        """Newest first."""
        wanted: list[tuple[str, Any]] = [
            ("kind = ?", which.kind),
            ("thing = ?", which.thing),
            ("service = ?", which.service),
            ("is_open = ?", which.is_open),
            ("id < ?", which.before_id),
            *((f"{_said(name)} = ?", value) for name, value in (
                ("unit", which.unit), ("assignee", which.assignee), ("state", which.state)
            )),
        ]  # fmt: skip
        order = URGENT_FIRST if which.urgent_first else "id desc"
        return [_case.decode(body) for body in self._filtered("cases", wanted, which.limit, order, which.skip)]

    def _filtered(
        self, table: str, wanted: list[tuple[str, Any]], limit: int, order: str = "id desc", skip: int = 0
    ) -> Iterator[bytes]:
        given = [(condition, value) for condition, value in wanted if value is not None]
        where = " and ".join(condition for condition, _ in given) or "true"
        values = [value for _, value in given]
        sql = f"select body from {table} where {where} order by {order} limit ? offset ?"
        for (body,) in self.rows(sql, *values, limit, skip):
            yield body

    def find_case_by_id(self, case_id: int) -> Case | None:
        """The Case."""
        rows = self.rows("select body from cases where id = ?", case_id)
        return _case.decode(rows[0][0]) if rows else None

    def list_case_events(self, case_id: int) -> list[tuple[int, CaseEvent, str]]:
        """Number, event and chained hash, oldest first."""
        rows = self.rows("select number, body, hash from case_events where case_id = ? order by number", case_id)
        return [(number, _case_event.decode(body), digest) for number, body, digest in rows]

    def list_tasks(self, thing: int | None, open_ones: bool | None, limit: int) -> list[Task]:
        """Newest first."""
        wanted: list[tuple[str, Any]] = [("thing = ?", thing), ("is_open = ?", open_ones)]
        return [_task_of(body) for body in self._filtered("tasks", wanted, limit)]

    def list_tasks_by_id(self, ids: Sequence[int]) -> list[Task]:
        """Those of these Tasks that are there, by id."""
        found: list[Task] = []
        for at in range(0, len(ids), 500):
            part = ids[at : at + 500]
            sql = f"select body from tasks where id in ({', '.join('?' * len(part))}) order by id"
            found += [_task_of(body) for (body,) in self.rows(sql, *part)]
        return found

    def list_states(self, service: str) -> list[StateRow]:
        """All keys of a service."""
        sql = "select thing, version, body, wakes, parked from states where service = ? order by thing"
        return [
            StateRow(service, thing, version, body, _wakes.decode(wakes), parked)
            for thing, version, body, wakes, parked in self.rows(sql, service)
        ]

    def list_settings(self) -> list[tuple[str, str, dict[str, Any]]]:
        """(service, level, values in force at that level)."""
        rows = self.rows("select service, level, body from settings order by service, level")
        return [(service, level, _values.decode(body)) for service, level, body in rows]

    def list_assets(self, service: str, job: str | None) -> list[tuple[int, JobResult]]:
        """Version and outcome, by job and Thing."""
        sql = "select number, body from assets where service = ? and job = coalesce(?, job) order by job, thing"
        return [(number, _job_result.decode(body)) for number, body in self.rows(sql, service, job)]


def _task_of(body: bytes) -> Task:
    task = _task.decode(body)
    state = OLD_STATES.get(task.state)
    return task if state is None else msgspec.structs.replace(task, state=state)


class _HasId(msgspec.Struct):
    id: int


def record_of(row: tuple[int, int, int, int, str, int, bytes]) -> Record:
    """The record of a row of RECORD_COLUMNS."""
    number, count, kind, at_us, origin, cause, body = row
    return Record(number, count, RecordKind(kind), at_us, body, origin, cause)
