"""One turn of the follower: some records of the sequence into DuckDB, with the position, in one transaction."""

from collections.abc import Sequence

import duckdb
import msgspec

from dongne.model.entities import EntityChange, EntityType, Remove
from dongne.model.records import Correction, RecordKind, Removal
from dongne.model.tasks import TaskEvent
from dongne.stores.effects import Written, batch_of_correction
from dongne.stores.embedded import compaction
from dongne.stores.embedded.tables import (
    delete_datastream,
    delete_observations,
    insert_observations,
    mirror_entities,
    transaction,
)
from dongne.stores.embedded.tasks import forget_tasks, mirror_tasks

_changes = msgspec.msgpack.Decoder(list[EntityChange])
_removal = msgspec.msgpack.Decoder(Removal)
_task_event = msgspec.msgpack.Decoder(TaskEvent)
_correction = msgspec.msgpack.Decoder(Correction)


def apply_turn(connection: duckdb.DuckDBPyConnection, found: Sequence[Written]) -> int:
    """Applies records which follow on the position; returns how many Observations went to `recent`: a turn which is
    long enough for a run of its own goes sorted to `hist` at once.

    Removals and corrections come after the Observations of the turn: they name lower numbers only.
    """
    batches = [(w.record.number, w.batch) for w in found if w.batch is not None]
    is_run = sum([len(batch) for _, batch in batches]) >= compaction.RUN_ROWS
    with transaction(connection):
        rows = insert_observations(connection, batches, sort=is_run)
        changes: list[EntityChange] = []
        events = [
            (w.record.number, _task_event.decode(w.record.body)) for w in found if w.record.kind is RecordKind.TASK
        ]
        if events:
            mirror_tasks(connection, events)
        for written in found:
            if written.record.kind is RecordKind.ENTITIES:
                changes += _changes.decode(written.record.body)
            elif written.record.kind is RecordKind.REMOVAL:
                removal = _removal.decode(written.record.body)
                if removal.numbers:
                    delete_observations(connection, removal.numbers)
                if removal.datastream is not None:
                    delete_datastream(connection, removal.datastream, written.record.number)
            elif written.record.kind is RecordKind.CORRECTION:
                correction = _correction.decode(written.record.body)
                delete_observations(connection, [correction.number])
                rows += insert_observations(connection, [(correction.number, batch_of_correction(correction))])
        if changes:
            mirror_entities(connection, changes)
            gone = [c.id for c in changes if isinstance(c, Remove) and c.type is EntityType.TASKING_CAPABILITY]
            if gone:
                forget_tasks(connection, gone)
        connection.execute("update follower set position = ?", [found[-1].record.last]).fetchall()
    return 0 if is_run else rows
