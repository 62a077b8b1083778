"""The checkpoint of each home's latest values, and of where its last record is: what a start need not read again."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from dongne.stores.sealed.keys import COMMON
from dongne.stores.sealed.sealing import Column, place_of
from dongne.stores.sealed.truth import SealedTruth
from dongne.stores.truth_file import put_rows

LATEST_ROW = np.dtype([("stream", "<i4"), ("number", "<i8"), ("time_us", "<i8"), ("result", "<f8")])


def keep_latest(truth: SealedTruth, position: int, rows: Iterable[tuple[int, NDArray[np.void]]]) -> None:
    """The latest values of these subjects (as LATEST_ROW), as of this position in the sequence."""
    with truth.turn:
        sealed = [
            (subject, truth.last_of.get(subject, 0), _seal_latest(truth, subject, found))
            for subject, found in rows
            if subject in truth.ring
        ]
        with truth.writing() as connection:
            put_rows(connection, "insert or replace into latest", sealed)
            connection.execute("insert or replace into meta values ('latest_position', ?)", (position,))


def _seal_latest(truth: SealedTruth, subject: int, found: NDArray[np.void]) -> bytes | None:
    place = place_of(Column.LATEST, subject)
    return truth.sealing.seal(subject, found.tobytes(), place) if len(found) else None


def list_latest(truth: SealedTruth) -> Iterator[NDArray[np.void]]:
    """The checkpoint of the latest values, as LATEST_ROW, with `last_of` as it was then."""
    for subject, last, sealed in truth.rows("select subject, last, body from latest"):
        truth.last_of[subject] = last
        plain = None if sealed is None else truth.sealing.open(subject, sealed, place_of(Column.LATEST, subject))
        if plain is not None:
            found = np.frombuffer(plain, LATEST_ROW)
            if subject == COMMON:
                truth.loose.update(found["stream"].tolist())
            yield found


def follow_subjects(truth: SealedTruth, after: int) -> None:
    """Brings `last_of` up to date with the records after this number."""
    sql = "select number, subject from sequence where number > ? and subject is not null order by number limit 20000"
    while rows := truth.rows(sql, after):
        truth.last_of.update((subject, number) for number, subject in rows)
        truth.dirty.update(subject for _, subject in rows)
        after = rows[-1][0]
