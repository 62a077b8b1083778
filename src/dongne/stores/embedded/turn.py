"""One turn of the follower: some records of the sequence into DuckDB, with the position, in one transaction."""

from collections.abc import Sequence

import duckdb
import msgspec

from dongne.model.entities import EntityChange
from dongne.model.records import RecordKind, Removal
from dongne.stores.effects import Written
from dongne.stores.embedded.tables import (
    delete_datastream,
    delete_observations,
    insert_observations,
    mirror_entities,
    transaction,
)

_changes = msgspec.msgpack.Decoder(list[EntityChange])
_removal = msgspec.msgpack.Decoder(Removal)


def apply_turn(connection: duckdb.DuckDBPyConnection, found: Sequence[Written]) -> int:
    """Applies records which follow on the position; returns how many Observations were among them.

    Removals come after the Observations of the turn: they name lower numbers only.
    """
    with transaction(connection):
        rows = insert_observations(connection, [(w.record.number, w.batch) for w in found if w.batch is not None])
        changes: list[EntityChange] = []
        for written in found:
            if written.record.kind is RecordKind.ENTITIES:
                changes += _changes.decode(written.record.body)
            elif written.record.kind is RecordKind.REMOVAL:
                removal = _removal.decode(written.record.body)
                if removal.numbers:
                    delete_observations(connection, removal.numbers)
                if removal.datastream is not None:
                    delete_datastream(connection, removal.datastream, written.record.number)
        if changes:
            mirror_entities(connection, changes)
        connection.execute("update follower set position = ?", [found[-1].record.last]).fetchall()
    return rows
