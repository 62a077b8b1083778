"""How a subject's key is destroyed, and with it all that is kept of the subject."""

from collections.abc import Sequence

from dongne.stores.sealed.truth import SealedTruth


def destroy(truth: SealedTruth, subjects: Sequence[int], now_us: int) -> None:
    """These subjects' keys are gone when this returns, and all rows of the tables that are theirs. What lies sealed in
    the sequence stays, and nobody reads it any more."""
    with truth.turn:
        for subject in subjects:
            truth.ring.destroy(subject, now_us)
        truth.forget(subjects)
        _delete_rows(truth, subjects)
        truth.empty_wal()


def _delete_rows(truth: SealedTruth, subjects: Sequence[int]) -> None:
    with truth.writing() as connection:
        for subject in subjects:
            connection.execute(
                "delete from case_events where case_id in (select id from cases where thing = ?)", (subject,)
            )
            for table in ("states", "cases", "tasks", "notices", "assets"):
                connection.execute(f"delete from {table} where thing = ?", (subject,))
            for table in ("entities", "settings", "latest"):
                connection.execute(f"delete from {table} where subject = ?", (subject,))
            at_us = truth.ring.destroyed[subject]
            connection.execute("insert or replace into withdrawn values (?, ?)", (subject, at_us))


def agree_on_withdrawn(truth: SealedTruth) -> None:
    """A withdrawal that was broken off is brought to its end; a key that came back with an old copy goes again."""
    noted = dict(truth.rows("select subject, at_us from withdrawn"))
    for subject, at_us in noted.items():
        if subject not in truth.ring.destroyed:
            truth.ring.destroy(subject, at_us)
    if late := [subject for subject in truth.ring.destroyed if subject not in noted]:
        _delete_rows(truth, late)
        truth.empty_wal()
