"""What is done with the sealed sequence now and then: taking out what is old, and walking along its chain."""

from collections.abc import Iterator

from dongne.model.records import RecordKind
from dongne.stores.sealed import chain
from dongne.stores.sealed.truth import SealedTruth

_MOST_PURGED = 2_000  # records in one commit: life safety waits for no longer


def purge_truth(truth: SealedTruth, until: int) -> int:
    """Takes out what Observations (and their corrections) up to this number said; how many records that were. The
    chain holds on, by what it keeps of each."""
    kinds = f"({int(RecordKind.OBSERVATIONS)}, {int(RecordKind.CORRECTION)})"
    sql = (
        f"select number, body from sequence where number > ? and number <= ? and kind in {kinds} "
        f"and body is not null order by number limit {_MOST_PURGED}"
    )
    after, purged = int(truth.meta("purged") or 0), 0
    while rows := truth.rows(sql, after, until):
        with truth.turn, truth.writing() as connection:
            connection.executemany(
                "update sequence set body = null, digest = ? where number = ?",
                [(chain.digest_of(body), number) for number, body in rows],
            )
            after = rows[-1][0]
            connection.execute("insert or replace into meta values ('purged', ?)", (after,))
        purged += len(rows)
    with truth.turn:
        with truth.writing() as connection:
            connection.execute("delete from corrections where record <= ?", (until,))
            connection.execute("insert or replace into meta values ('purged', ?)", (until,))
        truth.recent.forget()
        truth.empty_wal()
    return purged


def verify_truth(truth: SealedTruth) -> chain.ChainReport:
    """Walks along the whole sequence. What a running store adds meanwhile is not looked at."""
    with truth.turn:
        end, (_, last, _) = truth.meta("chain"), truth.ends()
    return chain.verify(_links(truth, last), end, truth.sealer.chain_key)


def _links(truth: SealedTruth, last: int) -> Iterator[chain.Link]:
    sql = (
        "select number, count, kind, at_us, subject, before, body, digest, chain from sequence "
        "where number > ? and number <= ? order by number limit 5000"
    )
    after = 0
    while rows := truth.rows(sql, after, last):
        yield from rows
        after = rows[-1][0]
