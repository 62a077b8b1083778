"""Fills a small file system with a store on it until it is full, frees space, and looks whether it goes on.

    unshare --map-root-user --mount sh -c 'mount -t tmpfs -o size=40m tmpfs DIR && python tests/faults/full.py DIR'

Prints one JSON object of what happened; `test_disk_full.py` judges it.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from dongne.model.errors import RetryLater
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.runtime.ports import Entry, Transaction
from dongne.stores.embedded import EmbeddedStore


class Clock:
    def now_us(self) -> int:
        return time.time_ns() // 1000


def batch(number: int) -> Transaction:
    """1,000 Observations of values that don't compress."""
    chance = np.random.default_rng(number)
    times = np.arange(1000, dtype=np.int64) + number * 1000
    body = encode_batch(ObservationBatch(np.full(1000, 7, np.int32), times, chance.random(1000)))
    return Transaction([Entry(RecordKind.OBSERVATIONS, body, 1000)])


def fill(store: EmbeddedStore, sent: int) -> tuple[int, str]:
    """Writes until refused; returns how many batches were stored, and why no more."""
    for number in range(sent, sent + 5_000):
        try:
            store.submit(batch(number)).result(60)
        except RetryLater as error:
            return number, f"{error.reason}: {error.message}"
    return sent + 5_000, "never full"


def recovers(store: EmbeddedStore, number: int) -> bool:
    """Whether the same batch is taken before long, sent again as a client would."""
    end_s = time.monotonic() + 20
    while time.monotonic() < end_s:
        try:
            store.submit(batch(number)).result(60)
        except RetryLater:
            time.sleep(0.05)
        else:
            return True
    return False


def main(folder: Path) -> None:
    ballast = folder / "ballast"
    ballast.write_bytes(b"x" * (20 << 20))
    store = EmbeddedStore.open(folder / "city", Clock())
    stored, why = fill(store, 0)
    said = store.counts()
    head, latest = store.head(), store.latest(7)
    ballast.unlink()
    found = {
        "why": why, "stored": stored, "head": head, "latest_number": latest.number if latest else 0,
        "disk_full": said["disk_full"], "rejected": said.get("rejected_disk_full", 0),
        "recovers": recovers(store, stored), "disk_full_after": store.counts()["disk_full"],
    }  # fmt: skip
    store.history.catch_up(60)
    with store.history.reading(60) as cursor:
        sql = "select count(*), count(distinct id), max(id) from (from recent union all from hist)"
        found["history"] = cursor.execute(sql).fetchall()[0]
    store.close()
    store = EmbeddedStore.open(folder / "city", Clock())
    latest = store.latest(7)
    found |= {"head_again": store.head(), "latest_again": latest.number if latest else 0}
    store.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
