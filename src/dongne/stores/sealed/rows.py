"""A divided Draft as rows of the sealed tables."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec

from dongne.model.entities import EntityType, Put, id_of
from dongne.model.records import RecordKind
from dongne.runtime.ports import StateRow
from dongne.stores.effects import Draft, is_open
from dongne.stores.sealed import chain
from dongne.stores.sealed.division import Division, Piece, thing_of_level
from dongne.stores.sealed.keys import COMMON, KeyRing
from dongne.stores.sealed.sealing import Column, Sealing, place_of
from dongne.stores.truth_file import put_rows

_json = msgspec.json.encode
_msgpack = msgspec.msgpack.Encoder().encode


class RowSealer:
    """Seals what goes into the tables and puts it there; `note` is told what each case and notice is looked up by."""

    def __init__(self, ring: KeyRing, sealing: Sealing, note: Callable[[bytes], None]) -> None:
        self.sealing, self._note = sealing, note
        self._index_key = ring.derive(b"index")
        self.chain_key = ring.derive(b"chain")

    def hash_of(self, key: str) -> bytes:
        """What a lasting identity is looked up by: who has no key can't find out what it says."""
        return hashlib.blake2b(key.encode(), key=self._index_key, digest_size=16).digest()

    def insert_records(
        self,
        connection: sqlite3.Connection,
        pieces: Iterable[Piece],
        link: bytes,
        known: dict[int, int],
        last_of: dict[int, int],
    ) -> bytes:
        """The records, sealed and chained; returns the chain's hash after the last. `known` is each subject's last record
        before, `last_of` gets those which are last now."""
        rows: list[list[Any]] = []
        follow, digest_of = chain.follow, chain.digest_of
        for piece in pieces:
            record, subject = piece.record, piece.subject
            before = 0
            if subject is not None:
                before = last_of.get(subject) or known.get(subject, 0)
                last_of[subject] = record.number
            body = self._seal_piece(piece)
            row = [record.number, record.count, int(record.kind), record.at_us, subject, before]
            link = follow(link, row, digest_of(body))
            rows.append([*row, body, None, None])
        if rows:
            rows[-1][-1] = link
            put_rows(connection, "insert into sequence", rows)
            last = rows[-1][0] + rows[-1][1] - 1
            end = chain.seal_end(self.chain_key, last, link)
            connection.execute("insert or replace into meta values ('chain', ?)", (end,))
        return link

    def _seal_piece(self, piece: Piece) -> bytes | None:
        record = piece.record
        if piece.parts is not None:
            sealed = self.sealing.seal_record
            parts = [
                (subject, sealed(subject, record, _msgpack(changes), b"", at))
                for at, (subject, changes) in enumerate(piece.parts, 1)
            ]
            return _msgpack(parts)
        if piece.subject is None:
            return None
        if record.kind is RecordKind.WAKE and not record.origin and not record.body:
            return b""  # nothing to hide
        return self.sealing.seal_record(piece.subject, record, record.body, piece.extra)

    def insert(self, connection: sqlite3.Connection, draft: Draft, division: Division) -> None:
        many, put = connection.executemany, partial(put_rows, connection)
        if draft.dropped_states:
            many("delete from states where service = ?", [(service,) for service in draft.dropped_states])
        if draft.states:
            put("insert or replace into states", [self._state(s) for s in draft.states.values()])
        if draft.positions:
            put("insert or replace into positions", list(draft.positions.items()))
        if draft.ids:
            self._insert_entities(connection, draft, division)
        if draft.cases:
            division.cases = {key: _json(case) for key, case in draft.cases.items()}
            put(
                "insert or replace into cases",
                [
                    self._row(Column.CASE, c.id, c.key, c.thing, is_open(c), division.cases[c.key])
                    for c in draft.cases.values()
                ],
            )
            put("insert into case_events", [(case, number) for number, case, _, _ in draft.case_events])
        if draft.tasks:
            put(
                "insert or replace into tasks",
                [self._row(Column.TASK, t.id, t.key, t.thing, t.is_open, _json(t)) for t in draft.tasks.values()],
            )
        if draft.notices:
            division.notices = {key: _json(notice) for key, notice in draft.notices.items()}
            put(
                "insert or replace into notices",
                [
                    (
                        *self._row(Column.NOTICE, n.id, n.key, n.thing, n.is_pending, division.notices[n.key]),
                        self.hash_of(n.case),
                    )
                    for n in draft.notices.values()
                ],
            )
        if draft.settings:
            put(
                "insert or replace into settings",
                [self._setting(service, level, values) for (service, level), values in draft.settings.items()],
            )
        if draft.assets:
            rows = [(thing, service, job, found[0]) for (service, job, thing), found in draft.assets.items()]
            put("insert or replace into assets", rows)
        if draft.removals:
            put("insert into removals", [(number,) for number, _ in draft.removals])
        if draft.corrections:
            found = [(what.number, number) for number, what in draft.corrections]
            put("insert or replace into corrections", found)

    def _state(self, row: StateRow) -> tuple[int, str, bytes]:
        plain = _msgpack((row.version, row.body, row.wakes, row.parked))
        place = place_of(Column.STATE, row.thing, 0, row.service)
        return row.thing, row.service, self.sealing.seal(row.thing, plain, place)

    def _row(
        self, column: Column, number: int, key: str, thing: int | None, still: bool, plain: bytes
    ) -> tuple[int, bytes, int, bool, bytes]:
        subject, hashed = thing or COMMON, self.hash_of(key)
        self._note(hashed)
        return number, hashed, subject, still, self.sealing.seal(
            subject, plain, place_of(column, subject, number)
        )  # fmt: skip

    def _setting(self, service: str, level: str, values: dict[str, Any]) -> tuple[str, str, int, bytes]:
        subject = thing_of_level(level)
        place = place_of(Column.SETTING, subject, 0, service, level)
        return service, level, subject, self.sealing.seal(subject, _json(values), place)

    def _insert_entities(self, connection: sqlite3.Connection, draft: Draft, division: Division) -> None:
        latest: dict[tuple[EntityType, int], bytes | None] = {}
        for change in draft.entities:
            if isinstance(change, Put):
                latest[change.type, id_of(change)] = change.body
            else:
                latest[change.type, change.id] = None
        puts = []
        for (kind, entity_id), body in latest.items():
            if body is not None:
                subject = division.owners[kind, entity_id]
                place = place_of(Column.ENTITY, subject, entity_id, kind)
                puts.append((str(kind), entity_id, subject, self.sealing.seal(subject, body, place)))
        gone = [(str(kind), entity_id) for (kind, entity_id), body in latest.items() if body is None]
        put_rows(connection, "insert or replace into entities", puts)
        connection.executemany("delete from entities where type = ? and id = ?", gone)
        connection.executemany(
            "insert into last_ids values (?, ?) on conflict (type) do update set id = max(id, excluded.id)",
            [(str(kind), last) for kind, last in draft.ids.items()],
        )
