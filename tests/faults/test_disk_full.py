"""A full disk: the store says so, keeps what it acknowledged, and goes on when there is space."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dongne.model.entities import EntityType, Thing, put
from dongne.model.errors import RetryLater
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.runtime.ports import Entry, StateRow, Transaction
from dongne.stores.embedded import EmbeddedStore

SCRIPT = Path(__file__).with_name("full.py")
NAMESPACE = ["unshare", "--map-root-user", "--mount"]


class Clock:
    def now_us(self) -> int:
        return time.time_ns() // 1000


def batch(count: int = 1000, stream: int = 1) -> Entry:
    columns = ObservationBatch(
        np.full(count, stream, np.int32), np.arange(count), np.random.default_rng(1).random(count)
    )
    return Entry(RecordKind.OBSERVATIONS, encode_batch(columns), count)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore.open(tmp_path / "city", Clock())
    yield opened
    opened.close()


def test_a_full_file_is_said_and_survived(store: EmbeddedStore) -> None:
    """SQLITE_FULL by `pragma max_page_count`: what SQLite reports on a full disk, on every machine."""
    store.submit(Transaction([batch()])).result(20)
    (pages,) = store._truth.rows("pragma page_count")[0]
    store._truth.set_max_pages(pages + 10)
    refused = None
    for _ in range(20):
        try:
            store.submit(Transaction([batch()], [StateRow("s", 1, 1, b"{}")], position=("s", 1))).result(20)
        except RetryLater as error:
            refused = error
            break
    assert refused is not None and refused.reason == "disk_full"
    assert "full" in refused.message and "Free space" in refused.message
    head = store.head()
    assert store.counts()["disk_full"] == 1
    waiting = [store.submit(Transaction([batch(3000, 2)])) for _ in range(5)]  # all fail, none hangs
    assert all(isinstance(future.exception(20), RetryLater) for future in waiting)
    outcomes: list[Exception | None] = []
    door = store.open_door(lambda tokens, first, error: outcomes.append(error))
    things = [put(Thing(id=store.new_id(EntityType.THING), name="x" * 50_000))]
    import msgspec

    entities = store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode(things))]))
    assert isinstance(entities.exception(20), RetryLater)
    assert store.graph.things == {}  # nothing of it is to be seen
    latest = store.latest(2)
    assert (store.head(), latest) == (head, None)

    store._truth.set_max_pages(0)
    assert store.submit(Transaction([batch(10, 2)])).result(20).numbers == (head + 1,)
    door.append(2, 99, 5.0)
    assert store.wait_beyond(head + 10, 20)
    assert store.counts()["disk_full"] == 0
    wait_until(lambda: outcomes == [None])
    times, _ = store.series(2, datetime_of(0), datetime_of(1))
    assert len(times) == 11


def wait_until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end_s
        threading.Event().wait(0.005)


def datetime_of(day: int) -> "object":
    from datetime import UTC, datetime

    return datetime(1970, 1, 1 + day, tzinfo=UTC)


def test_a_full_file_system_is_said_and_survived(tmp_path: Path) -> None:
    """ENOSPC of a real file system (a tmpfs of 40 MB in a mount namespace of its own) for SQLite and DuckDB alike."""
    try:
        subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no tmpfs can be mounted here: {error}")
    shell = 'mount -t tmpfs -o size=40m tmpfs "$1" && exec "$2" "$3" "$1"'
    command = [*NAMESPACE, "sh", "-c", shell, "sh", str(tmp_path), sys.executable, str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    stored = found["stored"]
    assert found["why"].startswith("disk_full: nothing was stored")
    assert stored > 50
    assert found["head"] == found["latest_number"] == 1000 * stored
    assert found["disk_full"] == 1 and found["rejected"] >= 1
    assert found["recovers"] is True and found["disk_full_after"] == 0
    assert found["history"] == [1000 * (stored + 1)] * 3
    assert found["head_again"] == found["latest_again"] == 1000 * (stored + 1)
