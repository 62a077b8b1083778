"""What only the embedded store promises: its files, its follower, its archive."""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from dongne.model.entities import Datastream, Location, Relation, Remove, Sensor, Thing, Unit
from dongne.model.entities import EntityType as Type
from dongne.model.errors import BadInput, BadSetup, RetryLater
from dongne.model.records import ObservationExtra, RecordKind, Removal
from dongne.runtime.ports import Transaction
from dongne.stores import lanes
from dongne.stores.embedded import EmbeddedStore, compaction


class Now:
    def now_us(self) -> int:
        return time.time_ns() // 1000


@pytest.fixture
def reopen(tmp_path: Path) -> Any:
    opened: list[EmbeddedStore] = []

    def again(**options: Any) -> EmbeddedStore:
        while opened:
            opened.pop().close()
        opened.append(EmbeddedStore.open(tmp_path / "city", Now(), **options))
        return opened[-1]

    yield again
    while opened:
        opened.pop().close()


def submit(store: EmbeddedStore, transaction: Transaction) -> tuple[int, ...]:
    return store.submit(transaction).result(20).numbers


def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come true in time"
        threading.Event().wait(0.005)


def rows_of(store: EmbeddedStore, sql: str) -> list[Any]:
    with store.history.reading() as cursor:
        found: list[Any] = cursor.execute(sql).fetchall()
        return found


def where_rows_are(store: EmbeddedStore) -> tuple[int, int]:
    ((recent, hist),) = rows_of(store, "select (select count(*) from recent), (select count(*) from hist)")
    return recent, hist


# --- the door


def test_a_door_calls_back_once_per_commit_with_contiguous_numbers(embedded: EmbeddedStore, held: Any) -> None:
    calls: list[tuple[list[Any], int, Exception | None]] = []
    door = embedded.open_door(lambda tokens, first, error: calls.append((tokens, first, error)))
    with held(embedded):
        for i in range(100):
            door.append(1 + i, i, i / 2, ObservationExtra(parameters={"i": i}) if i == 7 else None, f"token {i}")
    until(lambda: bool(calls))
    ((tokens, first, error),) = calls
    assert (first, error) == (1, None)
    assert tokens == [f"token {i}" for i in range(100)]
    for i in (0, 7, 99):
        latest = embedded.latest(1 + i)
        assert latest is not None and (latest.number, latest.result) == (first + i, i / 2)
    assert [r.count for r in embedded.read(0)] == [100]


def test_several_doors_share_a_record_and_keep_their_own_numbers(embedded: EmbeddedStore, held: Any) -> None:
    calls: dict[str, tuple[list[Any], int]] = {}
    a = embedded.open_door(lambda tokens, first, _: calls.setdefault("a", (tokens, first)))
    b = embedded.open_door(lambda tokens, first, _: calls.setdefault("b", (tokens, first)))
    own: list[Any] = []
    with held(embedded):
        for i in range(6):
            (a if i % 2 else b).append(1, i, i, token=i)
        embedded.append_observation(1, 9, 9, None, own.append)
    until(lambda: len(calls) == 2 and bool(own))
    assert embedded.head() == 7
    assert [r.count for r in embedded.read(0)] == [7]
    for tokens, first in calls.values():
        for i, token in enumerate(tokens):
            record, row = embedded.get_observation(first + i)
            assert record.number + row == first + i
            assert rows_of(embedded, f"select result from recent where id = {first + i}") == [(float(token),)]


@pytest.mark.parametrize(("datastream", "time_us"), [(0, 0), (-1, 0), (2**31, 0), (1, 2**62)])
def test_a_door_refuses_what_cannot_be_stored(embedded: EmbeddedStore, datastream: int, time_us: int) -> None:
    with pytest.raises(BadInput):
        embedded.open_door(lambda *_: None).append(datastream, time_us, 1.0)
    with pytest.raises(BadInput):
        embedded.append_observation(1, 0, 1.0, ObservationExtra(feature_id=2**63), lambda _: None)


def test_a_door_with_too_much_waiting_says_try_later(
    reopen: Any, make: Any, held: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = reopen(max_waiting_rows=10)
    done: list[Any] = []
    door = store.open_door(lambda tokens, *_: done.extend(tokens))
    with held(store):
        for i in range(10):
            door.append(1, i, 1.0, token=i)
        with pytest.raises(RetryLater, match="10 Observations wait"):
            door.append(1, 10, 1.0)
        futures = [store.submit(make.observations((1, 0, 0), (1, 1, 0))) for _ in range(7)]
        refused = [f for f in futures if f.done()]
        assert len(refused) == 2
        alarm = store.submit(make.observations((1, 0, 0), (1, 1, 0)), lanes.Lane.LIFE_SAFETY)
    assert isinstance(refused[0].exception(), RetryLater)
    assert alarm.result(20).numbers == (1,)
    until(lambda: len(done) == 10)
    assert store.counts()["rejected_queue_full"] == 3


def test_a_call_back_that_raises_does_not_stop_the_writer(embedded: EmbeddedStore, make: Any) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("a broken client")

    embedded.submit_soon(make.observations((1, 0, 0), (1, 1, 0)), broken)
    embedded.submit_soon(make.observations((1, 0, 0)), broken)
    embedded.open_door(broken).append(1, 0, 0.0)
    assert submit(embedded, make.observations((1, 0, 0), (1, 1, 1)))
    assert embedded.head() == 6


def test_a_transaction_that_the_file_refuses_fails_alone(embedded: EmbeddedStore, make: Any, held: Any) -> None:
    """2**64 is no SQLite integer: the commit of all fails, and each is then tried alone."""
    with held(embedded):
        good = [embedded.submit(make.observations((1, i, i), (1, i, i))) for i in range(3)]
        bad = embedded.submit(Transaction([make.batch((1, 0, 0))], position=("s", 2**64)))
        single = embedded.submit(make.observations((2, 0, 0)))
    assert sorted(f.result(20).numbers[0] for f in [*good, single]) == [1, 3, 5, 7]
    with pytest.raises(RetryLater):
        bad.result(20)
    assert embedded.head() == 7
    assert embedded.counts()["rejected_store_error"] == 1


# --- the files


def test_only_one_process_has_a_folder_open(embedded: EmbeddedStore) -> None:
    with pytest.raises(BadSetup, match="another process"):
        EmbeddedStore.open(embedded.folder, Now())


def test_a_newer_format_is_refused(reopen: Any) -> None:
    import sqlite3

    folder = reopen().folder
    reopen().close()
    with sqlite3.connect(folder / "truth.db") as connection:
        connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(BadSetup, match="format 99"):
        EmbeddedStore.open(folder, Now())


@pytest.mark.parametrize("damage", ["missing", "rubbish", "of another city", "ahead", "cut"])
def test_a_history_that_cannot_be_used_is_made_anew(reopen: Any, make: Any, damage: str, tmp_path: Path) -> None:
    store = reopen()
    file = store.folder / "history.duckdb"
    submit(store, make.observations(*[(1, i, i) for i in range(1000)]))
    submit(store, make.entities(Thing(id=1, name="lamp")))
    store.history.catch_up()
    store.close()
    if damage == "missing":
        file.unlink()
    elif damage == "rubbish":
        file.write_bytes(b"not a database" * 1000)
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:5000])
    elif damage == "of another city":
        other = EmbeddedStore.open(tmp_path / "other", Now())
        submit(other, make.observations((1, 0, 99)))
        other.history.catch_up()
        other.close()
        file.write_bytes((tmp_path / "other" / "history.duckdb").read_bytes())
    else:
        with duckdb.connect(str(file)) as connection:
            connection.execute("update follower set position = 5000").fetchall()
    store = reopen()
    assert store.series(1, make.start, make.day(1))[1].tolist() == list(range(1000))
    assert rows_of(store, "select name from things") == [("lamp",)]


def test_the_checkpoint_of_the_latest_values_is_used_and_completed(reopen: Any, make: Any) -> None:
    store = reopen(keep_latest_every_s=0.0)
    submit(store, make.observations((1, 5, 5), (20_000, 5, 6)))
    until(lambda: store._truth.meta("latest_position") == 2)  # written by a timer of 0 s, without closing
    submit(store, make.observations((1, 6, 7)))
    store = reopen()
    assert [store.latest(i).result for i in (1, 20_000)] == [7, 6]
    assert store.latest(2) is None


# --- the follower


def test_entities_are_mirrored(embedded: EmbeddedStore, make: Any) -> None:
    thing = Thing(id=1, name="lamp", properties={"kind": "street_lamp"}, location_ids=(4, 5))
    stream = Datastream(
        id=2, name="level", thing_id=1, sensor_id=3, observed_property_id=6, unit_of_measurement=Unit("%")
    )
    relation = Relation(id=8, kind="next_lamp", from_id=1, to_id=9, distance_m=21.5)
    place = Location(id=4, name="here", location={"type": "Point", "coordinates": [24.9, 60.2]})
    submit(embedded, make.entities(thing, stream, relation, place, Sensor(id=3, name="s")))
    assert rows_of(embedded, "select name, properties->>'kind', location_ids from things") == [
        ("lamp", "street_lamp", [4, 5])
    ]
    assert rows_of(embedded, "select id, thing_id, unit_of_measurement->>'name' from datastreams") == [(2, 1, "%")]
    assert rows_of(embedded, "select from_id, to_id, distance_m from relations") == [(1, 9, 21.5)]
    assert rows_of(embedded, "select (location->'coordinates'->>0)::double from locations") == [(24.9,)]
    assert rows_of(embedded, "select * from thing_locations order by all") == [(1, 4), (1, 5)]
    moved = msgspec.structs.replace(thing, name="lamp 2", location_ids=(5,))
    submit(embedded, make.entities(moved, Remove(Type.RELATION, 8), thing, moved))
    assert rows_of(embedded, "select name from things") == [("lamp 2",)]
    assert rows_of(embedded, "select * from thing_locations") == [(1, 5)]
    assert rows_of(embedded, "select * from relations") == []


def test_history_has_all_columns_of_an_observation(embedded: EmbeddedStore, make: Any) -> None:
    extra = ObservationExtra(
        result={"state": "on"}, phenomenon_end_us=2_000_000, result_time_us=3_000_000, result_quality="good",
        valid_start_us=0, valid_end_us=1_000_000, parameters={"a": [1]}, feature_id=77,
    )  # fmt: skip
    submit(embedded, Transaction([make.batch((1, 0, float("nan")), (1, 1, 2.5), extras={0: extra})]))
    first, second = rows_of(embedded, "select * from recent order by id")
    at = datetime(1970, 1, 1)  # noqa: DTZ001  naive, as history has it
    assert first[:2] == (1, 1) and first[3:7] == (at.replace(second=2), None, at.replace(second=3), 77)
    assert json.loads(first[7]) == {
        "result": {"state": "on"}, "resultQuality": "good", "parameters": {"a": [1]},
        "validTime": ["1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z"],
    }  # fmt: skip
    assert second[3:] == (None, 2.5, None, None, None)


def test_queries_are_right_while_history_is_sorted(
    embedded: EmbeddedStore, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "RUN_ROWS", 500)
    stop = threading.Event()
    wrong: list[Any] = []
    sql = "select count(*), count(distinct id), coalesce(sum(id), 0) from (from recent union all from hist)"

    def read() -> None:
        while not stop.is_set():
            head = embedded.head()
            ((count, distinct, total),) = rows_of(embedded, sql)
            if not (count == distinct >= head and total == count * (count + 1) // 2):
                wrong.append((head, count, distinct, total))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for i in range(120):
        submit(embedded, make.observations(*[(1 + j % 5, i * 50 + j, i * 50 + j) for j in range(50)]))
    until(lambda: where_rows_are(embedded)[1] > 5000)
    stop.set()
    for reader in readers:
        reader.join(20)
    assert wrong == []
    recent, hist = where_rows_are(embedded)
    assert recent + hist == 6000 and hist >= 500
    results = embedded.series(3, make.start, make.day(1))[1].tolist()
    assert results == [i for i in range(6000) if i % 5 == 2]


def test_a_reader_inside_sees_one_state(embedded: EmbeddedStore, make: Any) -> None:
    submit(embedded, make.observations((1, 0, 0)))
    with embedded.history.reading() as cursor:
        before = cursor.execute("select count(*) from recent").fetchall()
        threading.Thread(target=lambda: submit(embedded, make.observations((1, 1, 1)))).start()
        embedded.wait_beyond(1, 20)
        until(lambda: embedded.history_lag() == 0)
        assert cursor.execute("select count(*) from recent").fetchall() == before == [(1,)]
        with embedded.history.reading() as inner:
            assert inner is cursor
    assert where_rows_are(embedded) == (2, 0)


def test_a_failing_follower_says_so_and_goes_on_when_it_can(
    embedded: EmbeddedStore, make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    submit(embedded, make.observations((1, 0, 0)))
    embedded.history.catch_up()
    cursor = embedded.history.cursor()
    cursor.execute("alter table recent rename to hidden").fetchall()
    submit(embedded, make.observations((1, 1, 1)))
    until(lambda: embedded.counts()["history_failing"] == 1)
    with pytest.raises(RetryLater, match="1 numbers behind"):
        embedded.history.catch_up(0.2)
    assert embedded.counts()["history_errors"] >= 1
    assert "can't follow" in caplog.text
    latest = embedded.latest(1)
    assert latest is not None and latest.result == 1  # all else goes on
    cursor.execute("alter table hidden rename to recent").fetchall()
    assert embedded.series(1, make.start, make.day(1))[1].tolist() == [0, 1]
    until(lambda: embedded.counts()["history_failing"] == 0)


def test_a_follower_far_behind_reads_the_file(
    embedded: EmbeddedStore, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dongne.stores.embedded.tail.MAX_ROWS", 20)
    futures = [embedded.submit(make.observations(*[(1, i * 10 + j, 1) for j in range(10)])) for i in range(200)]
    for future in futures:
        future.result(20)
    assert len(embedded.series(1, make.start, make.day(1))[0]) == 2000


# --- the archive


def fill_days(store: EmbeddedStore, make: Any, *days: int) -> None:
    for day in days:
        submit(store, make.observations(*[(1 + i % 3, day * 86_400 + i * 600, i) for i in range(144)]))


def test_whole_days_are_sealed_once(embedded: EmbeddedStore, make: Any) -> None:
    fill_days(embedded, make, 0, 1, 2)
    noon = make.day(2).replace(hour=12)
    assert embedded.seal(noon) == ["2026-03-01.0.parquet", "2026-03-02.0.parquet"]
    assert embedded.seal(noon) == []
    assert embedded.verify_archive() == []
    folder = embedded.folder / "days"
    assert sorted(p.name for p in folder.iterdir()) == ["2026-03-01.0.parquet", "2026-03-02.0.parquet", "manifest.json"]
    with duckdb.connect() as connection:
        file = folder / "2026-03-02.0.parquet"
        found = connection.execute(f"select id, datastream_id, result from '{file}'").fetchall()
    assert len(found) == 144
    assert [row[1] for row in found] == sorted(row[1] for row in found)
    assert {row[0] for row in found} == set(range(145, 289))
    described = json.loads((folder / "manifest.json").read_text())["files"][1]
    assert (described["rows"], described["first_id"], described["last_id"]) == (144, 145, 288)


def test_late_observations_become_a_further_part(embedded: EmbeddedStore, make: Any) -> None:
    fill_days(embedded, make, 0, 1)
    embedded.seal(make.day(1))
    submit(embedded, make.observations((9, 5, 5)))
    assert embedded.seal(make.day(1)) == ["2026-03-01.1.parquet"]
    assert embedded.verify_archive() == []
    assert embedded.seal(make.day(2)) == ["2026-03-02.0.parquet"]


def test_a_day_from_which_some_were_removed_is_sealed_anew(embedded: EmbeddedStore, make: Any) -> None:
    fill_days(embedded, make, 0)
    embedded.seal(make.day(1))
    submit(embedded, make.observations((9, 5, 5)))
    embedded.seal(make.day(1))
    submit(embedded, Transaction([make.entry(RecordKind.REMOVAL, Removal((3, 145)))]))
    assert any("seal again" in problem for problem in embedded.verify_archive())
    assert embedded.seal(make.day(1)) == ["2026-03-01.2.parquet"]
    assert embedded.verify_archive() == []
    assert sorted(p.name for p in (embedded.folder / "days").glob("*.parquet")) == ["2026-03-01.2.parquet"]


def test_a_damaged_archive_is_noticed(embedded: EmbeddedStore, make: Any) -> None:
    fill_days(embedded, make, 0, 1, 2)
    first, second, _ = embedded.seal(make.day(3))
    (embedded.folder / "days" / first).unlink()
    body = bytearray((embedded.folder / "days" / second).read_bytes())
    body[100] ^= 1
    (embedded.folder / "days" / second).write_bytes(body)
    assert embedded.verify_archive() == [
        f"{first} is missing",
        f"{second} is not what was sealed: its SHA-256 differs",
    ]


def test_sealing_again_after_a_crash_before_the_manifest(embedded: EmbeddedStore, make: Any) -> None:
    fill_days(embedded, make, 0)
    (embedded.folder / "days").mkdir()
    (embedded.folder / "days" / "2026-03-01.0.parquet").write_bytes(b"half of it")
    assert embedded.seal(datetime(2026, 3, 2, tzinfo=UTC)) == ["2026-03-01.0.parquet"]
    assert embedded.verify_archive() == []
