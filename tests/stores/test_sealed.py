"""What only the sealed store promises: nothing personal in the clear, and nothing left when a key is destroyed."""

import hashlib
import shutil
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.faults import services
from tests.stores.homes import START, entities_of, entry, live, observations, settle, stream_of

from dongne.model.cases import chain_hash
from dongne.model.entities import EntityChange, Location, Put, Thing, entity_of, put
from dongne.model.errors import BadSetup, NotFound
from dongne.model.notices import NoticeEvent, event_of
from dongne.model.records import Correction, Record, RecordKind, decode_batch
from dongne.runtime.live import Live
from dongne.runtime.ports import CaseFilter, Lane, NoticeFilter, StateRow, Transaction
from dongne.runtime.replay import recorded, replay
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.sealed import SealedStore
from dongne.stores.sealed.recent import Recent

Reopen = Callable[..., SealedStore]


class Now:
    def __init__(self) -> None:
        self.us = int(START.timestamp() * 1e6)

    def now_us(self) -> int:
        self.us += 1_000_000
        return self.us


@pytest.fixture
def reopen(tmp_path: Path) -> Iterator[Reopen]:
    opened: list[SealedStore] = []
    clock = Now()

    def again(**options: Any) -> SealedStore:
        while opened:
            opened.pop().close()
        opened.append(SealedStore.open(tmp_path / "homes", clock, **options))
        return opened[-1]

    yield again
    while opened:
        opened.pop().close()


def submit(store: SealedStore, *entries: Any, **more: Any) -> tuple[int, ...]:
    return store.submit(Transaction(entries, **more)).result(20).numbers


def read_all(store: SealedStore) -> list[Record]:
    return store.read(0, limit=100_000)


def raw(folder: Path) -> bytes:
    """Every byte that lies in the folder's files."""
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file())


def key_slot(folder: Path, subject: int) -> bytes:
    """The wrapped key of a subject as it lies in the file, read without the store."""
    content = (folder / "keys").read_bytes()
    for at in range(128, len(content), 128):
        if struct.unpack_from("<q", content, at)[0] == subject:
            return content[at + 24 : at + 84]
    raise AssertionError(f"no slot of {subject}")


# --- what lies on the disk


def test_nothing_personal_lies_in_the_clear(reopen: Reopen) -> None:
    store = reopen(keep_latest_every_s=0.0)
    settle(store, 2)
    live(store, 1)
    live(store, 2)
    for moment in ("while it is open", "when it is closed"):
        found = raw(store.folder)
        assert len(found) > 50_000, moment
        for word in (b"Secret", b"warfarin", b"street", b"motion", b"acknowledge", b"guardian", b"rhythm/"):
            assert word not in found, (moment, word)
        assert np.array([72.5]).tobytes() not in found, moment
        if moment == "while it is open":
            assert (store.folder / "truth.db-wal").stat().st_size > 0
            store.close()


def test_the_same_in_the_embedded_store_would_be_found(tmp_path: Path) -> None:
    store = EmbeddedStore.open(tmp_path / "city", Now(), follow=False)
    settle(store, 1)
    live(store, 1)
    found = raw(store.folder)
    store.close()
    assert b"Secret1" in found and b"warfarin" in found and np.array([72.5]).tobytes() in found


def test_all_of_it_is_read_back_after_opening_again(reopen: Reopen) -> None:
    store = reopen()
    settle(store, 2)
    live(store, 1)
    before = read_all(store)
    things = dict(store.graph.things)
    for _ in range(2):
        assert read_all(store) == before
        assert store.graph.things == things
        (case,) = store.list_cases(CaseFilter(thing=1))
        assert (case.values, case.state, case.events) == ({"who": "Secret1"}, "acknowledged", 2)
        assert store.list_cases(CaseFilter(is_open=True)) == [case] == [store.find_case(case.key)]
        (notice,) = store.list_notices(NoticeFilter(case=case.key, is_pending=True))
        assert notice.values == {"who": "Secret1"} and store.find_notice(notice.key) == notice
        assert store.list_tasks(thing=1, is_open=True)[0].by == "Secret1"
        assert store.list_settings() == [("home_alarm", "thing:1", {"why": "Secret1"})]
        assert store.list_states("home_alarm") == [StateRow("home_alarm", 1, 1, b'{"who":"Secret1"}', {"check": 5}, "")]
        assert store.list_assets("home_alarm")[0][1].outcome == {"who": "Secret1"}
        assert store.latest(stream_of(1, 1)).result == 72.5  # type: ignore[union-attr]
        store = reopen()


def test_observations_of_several_homes_become_a_record_for_each_with_the_numbers_they_would_have(
    reopen: Reopen,
) -> None:
    store = reopen()
    settle(store, 3)
    heard: list[Record] = []
    store.subscribe(heard.extend)
    rows = [(stream_of(1), 0, 1.0), (stream_of(1, 1), 0, 2.0), (stream_of(2), 0, 3.0), (stream_of(1), 1, 4.0)]
    (first,) = submit(store, observations(*rows, origin="s", cause=1))
    records = [r for r in read_all(store) if r.kind is RecordKind.OBSERVATIONS]
    assert [(r.number - first, r.count, r.origin, r.cause) for r in records] == [
        (0, 2, "s", 1),
        (2, 1, "s", 1),
        (3, 1, "s", 1),
    ]
    assert [decode_batch(r.body, r.count).result.tolist() for r in records] == [[1.0, 2.0], [3.0], [4.0]]
    assert heard == records
    assert store.head() == first + 3
    assert [store.get_observation(first + i)[1] for i in range(4)] == [0, 1, 0, 0]
    assert store.series(stream_of(1), START, START + timedelta(days=1))[1].tolist() == [1.0, 4.0]


def test_a_location_that_comes_before_its_home_goes_with_it(reopen: Reopen) -> None:
    store = reopen()
    place, thing, *_ = entities_of(7)
    submit(store, entry(RecordKind.ENTITIES, [place]))
    submit(store, entry(RecordKind.ENTITIES, [thing]))
    assert store.graph.find_point(7) == (126.9, 37.5)
    store.withdraw(7)
    for _ in range(2):
        assert store.graph.locations == {} and store.graph.things == {}
        assert all("Secret7" not in str(r.body) for r in read_all(store))
        store = reopen()


def test_two_homes_with_the_same_values_look_nothing_alike(reopen: Reopen) -> None:
    store = reopen()
    settle(store, 2)
    submit(store, observations((stream_of(1), 5, 1.0)))
    submit(store, observations((stream_of(1), 5, 1.0)))
    sql = "select body from sequence where kind = 1 order by number"
    one, two = (body for (body,) in sqlite3.connect(store.folder / "truth.db").execute(sql))
    assert one != two and one[:12] != two[:12]


# --- withdrawal


def test_withdrawal_leaves_nothing_of_a_home_and_all_of_the_others(reopen: Reopen) -> None:
    store = reopen(keep_latest_every_s=0.0)
    settle(store, 3)
    for home in (1, 2, 3):
        live(store, home)
    submit(store, observations((stream_of(1), 9, 5.0), (stream_of(2), 9, 6.0), (stream_of(3), 9, 7.0)))
    before = read_all(store)
    wrapped, other = key_slot(store.folder, 2), key_slot(store.folder, 3)
    assert wrapped in raw(store.folder)
    began_s = time.perf_counter()
    store.withdraw(2)
    assert time.perf_counter() - began_s < 60  # what is asked for; it takes milliseconds
    assert wrapped not in raw(store.folder)
    assert other in raw(store.folder)
    for _ in range(2):
        check_gone(store, before)
        assert store.verify_chain().wrong == ()
        store = reopen()
    assert wrapped not in raw(store.folder)
    with pytest.raises(NotFound):
        store.withdraw(99)


def check_gone(store: SealedStore, before: list[Record]) -> None:
    """Home 2 is gone, 1 and 3 are as they were."""
    assert sorted(store.graph.things) == [1, 3] and 2 not in store.graph.locations
    assert store.graph.find_stream(stream_of(2)) is None
    assert store.latest(stream_of(2)) is None and store.latest(stream_of(3)).result == 7.0  # type: ignore[union-attr]
    assert store.latest_of(np.array([stream_of(2, 1)]))[0].tolist() == [0]
    assert store.series(stream_of(2), START, START + timedelta(days=1))[1].tolist() == []
    assert [c.thing for c in store.list_cases(CaseFilter())] == [3, 1]
    assert store.find_case("home_alarm/2/Secret2") is None and store.list_cases(CaseFilter(thing=2)) == []
    assert [n.thing for n in store.list_notices(NoticeFilter())] == [3, 1]
    assert [t.thing for t in store.list_tasks()] == [3, 1]
    assert [row.thing for row in store.list_states("home_alarm")] == [1, 3]
    assert [level for _, level, _ in store.list_settings()] == ["thing:1", "thing:3"]
    assert [asset.thing for _, asset in store.list_assets("home_alarm")] == [1, 3]
    for case in store.list_cases(CaseFilter()):
        digest = ""
        for _, event, said in store.list_case_events(case.id):
            digest = chain_hash(digest, event)
            assert said == digest
        assert case.hash == digest and case.events == 2
    now = read_all(store)[: len(before)]
    assert [(r.number, r.count, r.at_us) for r in now] == [(r.number, r.count, r.at_us) for r in before]
    for was, is_now in zip(before, now, strict=True):
        assert "Secret2" not in str(is_now.body)
        if "Secret2" not in str(was.body) and is_now.kind is not RecordKind.WAKE:
            assert is_now == was
    assert sum(r.kind is RecordKind.WAKE for r in now) == 8  # seven of its own, and its row of those of all three
    kept: list[EntityChange] = msgspec.msgpack.decode(now[0].body, type=list[EntityChange])
    assert {entity_of(c).id for c in kept if isinstance(c, Put) and isinstance(entity_of(c), Thing)} == {1, 3}


def test_what_still_comes_for_a_home_that_withdrew_is_not_kept(reopen: Reopen) -> None:
    store = reopen()
    settle(store, 2)
    store.withdraw(1)
    head = store.head()
    state = StateRow("home_alarm", 1, 1, b'"Secret1"')
    numbers = live(store, 1)  # its Datastreams are nobody's now, and the intake would refuse them
    submit(store, entry(RecordKind.ENTITIES, [*entities_of(1), *entities_of(2)]), states=[state])
    assert numbers[0] == head + 1
    assert store.graph.find_stream(stream_of(1)) is None and 1 not in store.graph.things and 2 in store.graph.things
    assert (store.list_states("home_alarm"), store.list_cases(CaseFilter()), store.list_tasks()) == ([], [], [])
    kinds = [r.kind for r in store.read(numbers[1] - 1, numbers[-1])]
    assert kinds == [RecordKind.WAKE] * 6
    store = reopen()
    assert 1 not in store.graph.things and store.verify_chain().wrong == ()


def test_a_withdrawal_that_was_broken_off_is_brought_to_its_end(reopen: Reopen) -> None:
    store = reopen()
    settle(store, 2)
    live(store, 1)
    store._truth.ring.destroy(1, 5)  # and the process dies here
    store = reopen()
    (left,) = sqlite3.connect(store.folder / "truth.db").execute(
        "select (select count(*) from cases) + (select count(*) from states) + (select count(*) from entities where subject = 1)"
    )
    assert left == (0,)
    assert sorted(store.graph.things) == [2]


def test_a_key_that_comes_back_with_an_old_copy_goes_again(reopen: Reopen, tmp_path: Path) -> None:
    store = reopen()
    settle(store, 2)
    live(store, 1)
    store.close()
    shutil.copy(store.folder / "keys", tmp_path / "old")
    store = reopen()
    store.withdraw(1)
    store.close()
    shutil.copy(tmp_path / "old", store.folder / "keys")
    wrapped = key_slot(store.folder, 1)
    store = reopen()
    assert sorted(store.graph.things) == [2] and wrapped not in raw(store.folder)
    assert all("Secret1" not in str(r.body) for r in read_all(store))


def test_a_withdrawal_waits_for_no_commit_and_no_commit_is_lost(reopen: Reopen) -> None:
    store = reopen()
    settle(store, 2)
    futures = [
        store.submit(Transaction([observations((stream_of(1 + i % 2), i, float(i)))]), Lane.BULK) for i in range(400)
    ]
    store.withdraw(1)
    futures += [store.submit(Transaction([observations((stream_of(2), 1000 + i, float(i)))])) for i in range(10)]
    numbers = [future.result(20).numbers[0] for future in futures]
    assert len(set(numbers)) == len(numbers)
    assert store.latest(stream_of(1)) is None
    assert len(store.series(stream_of(2), START, START + timedelta(days=1))[1]) == 210
    assert store.verify_chain().wrong == ()


# --- retention


def test_what_is_purged_is_gone_from_the_files_and_its_numbers_stay(reopen: Reopen) -> None:
    store = reopen(keep_latest_every_s=0.0)
    settle(store, 2)
    old = [submit(store, observations((stream_of(1), i, float(i)), (stream_of(1, 1), i, 2.0)))[0] for i in range(300)]
    submit(store, entry(RecordKind.CORRECTION, Correction(old[0], stream_of(1), int(START.timestamp() * 1e6), 55.0)))
    live(store, 1)
    rows = "select number, body from sequence where number <= ? and kind in (1, 11) order by number"
    sealed = [body for _, body in sqlite3.connect(store.folder / "truth.db").execute(rows, (old[-1],))]
    before = datetime.fromtimestamp(read_all(store)[-4].at_us / 1e6, UTC)
    (number,) = submit(store, observations((stream_of(2), 500, 9.0)))
    assert all(body in raw(store.folder) for body in sealed)
    assert store.purge(before) == 301
    for _ in range(2):
        found = raw(store.folder)
        assert not any(body in found for body in sealed)
        assert not any(body[:40] in found for body in sealed)
        assert store.head() == number
        assert [r.number for r in read_all(store)] == [1, *(r.last + 1 for r in read_all(store)[:-1])]
        with pytest.raises(NotFound):
            store.get_observation(old[5])
        assert store.get_observation(number)[1] == 0
        assert store.latest(stream_of(1, 2)) is None and store.latest(stream_of(2)).result == 9.0  # type: ignore[union-attr]
        report = store.verify_chain()
        assert (report.wrong, report.without_body) == ((), 301)
        assert len(store.list_cases(CaseFilter())) == 1
        assert store.purge(before) == 0
        store = reopen(keep_latest_every_s=0.0)


# --- the chain


def test_the_chain_is_what_its_definition_says(reopen: Reopen) -> None:
    store = reopen()
    settle(store, 2)
    live(store, 1)
    chain = bytes(32)
    rows = sqlite3.connect(store.folder / "truth.db").execute(
        "select number, count, kind, at_us, coalesce(subject, -9223372036854775808), before, body from sequence order by number"
    )
    for *numbers, body in rows:
        chain = hashlib.sha256(chain + struct.pack("<6q", *numbers) + hashlib.sha256(body).digest()).digest()
    assert store.verify_chain().end == chain.hex()


@pytest.mark.parametrize(
    "change",
    [
        "update sequence set body = cast(substr(body, 1, 20) || x'00' || substr(body, 22) as blob) where number = 12",
        "update sequence set at_us = at_us - 1 where number = 12",
        "update sequence set subject = 2 where number = 12",
        "update sequence set number = 100 where number = 12",
        "delete from sequence where number = 12",
        "delete from sequence where number = (select max(number) from sequence)",
        "update sequence set body = null where number = 12",
        "insert into sequence select max(number) + 1, 1, 5, max(at_us), 0, 0, x'', null, null from sequence",
        "update meta set value = cast(substr(value, 1, 50) || x'00' || substr(value, 52) as blob) where name = 'chain'",
    ],
)
def test_a_record_that_somebody_changed_is_found(reopen: Reopen, change: str) -> None:
    store = reopen()
    settle(store, 2)
    for home in (1, 2, 1):
        live(store, home) if home == 2 else submit(store, observations((stream_of(home), home, 1.0)))
    submit(store, *[observations((stream_of(1), i, 1.0)) for i in range(5)])
    assert store.verify_chain().wrong == ()
    store.close()
    with sqlite3.connect(store.folder / "truth.db") as file:
        assert file.execute(change).rowcount == 1
    file.close()
    store = reopen()
    assert store.verify_chain().wrong != ()


def test_a_value_that_was_moved_to_another_home_or_row_does_not_open(reopen: Reopen) -> None:
    store = reopen()
    settle(store, 2)
    one, two = submit(store, observations((stream_of(1), 1, 1.0)), observations((stream_of(1), 2, 2.0)))
    store.close()
    with sqlite3.connect(store.folder / "truth.db") as file:
        file.execute(
            "update sequence set body = (select body from sequence where number = ?) where number = ?", (one, two)
        )
    file.close()
    store = reopen()
    assert [r.kind for r in store.read(one - 1)] == [RecordKind.OBSERVATIONS, RecordKind.WAKE]
    assert store.counts()["records_damaged"] > 0


# --- keys


def test_another_master_key_opens_nothing_and_says_so(reopen: Reopen, tmp_path: Path) -> None:
    store = reopen()
    settle(store, 1)
    master = store.folder / "master.key"
    assert master.stat().st_mode & 0o777 == 0o600 and len(bytes.fromhex(master.read_text())) == 32
    store.close()
    kept = master.read_text()
    master.write_text("11" * 32)
    with pytest.raises(BadSetup, match="does not open"):
        reopen()
    master.write_text("nonsense")
    with pytest.raises(BadSetup, match="64 hexadecimal"):
        reopen()
    master.unlink()
    with pytest.raises(BadSetup, match="missing"):
        reopen()
    elsewhere = tmp_path / "safe" / "master.key"
    elsewhere.parent.mkdir()
    elsewhere.write_text(kept)
    elsewhere.chmod(0o640)
    with pytest.raises(BadSetup, match="chmod 600"):
        reopen(master_file=elsewhere)
    elsewhere.chmod(0o600)
    assert 1 in reopen(master_file=elsewhere).graph.things


def test_keys_of_another_store_and_a_folder_of_another_kind_are_refused(reopen: Reopen, tmp_path: Path) -> None:
    store = reopen()
    settle(store, 1)
    store.close()
    with pytest.raises(BadSetup, match="format"):
        EmbeddedStore.open(store.folder, Now(), follow=False)
    other = SealedStore.open(tmp_path / "other", Now())
    other.close()
    shutil.copy(tmp_path / "other" / "keys", store.folder / "keys")
    with pytest.raises(BadSetup, match="another store"):
        reopen()


def test_a_truth_without_its_keys_is_refused_and_gets_no_new_ones(reopen: Reopen) -> None:
    store = reopen()
    settle(store, 1)
    store.close()
    (store.folder / "keys").unlink()
    with pytest.raises(BadSetup, match="keys"):
        reopen()
    assert not (store.folder / "keys").exists()


def test_more_homes_than_ciphers_are_kept_all_open(reopen: Reopen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dongne.stores.sealed.keys.MOST_CIPHERS", 3)
    store = reopen()
    settle(store, 10)
    for home in range(1, 11):
        live(store, home)
    store = reopen()
    assert len(store.graph.things) == 10
    assert [store.latest(stream_of(home, 1)).result for home in range(1, 11)] == [72.5] * 10  # type: ignore[union-attr]


def test_a_home_may_see_all_that_is_kept_of_it(reopen: Reopen) -> None:
    store = reopen()
    settle(store, 2)
    numbers = live(store, 1)
    live(store, 2)
    assert [r.number for r in store.list_records_of(1, START)] == numbers[::-1]


def test_latest_values_come_from_the_checkpoint_and_from_what_came_after(reopen: Reopen, tmp_path: Path) -> None:
    store = reopen(keep_latest_every_s=3600.0)
    settle(store, 2)
    submit(store, observations((stream_of(1), 1, 1.0), (stream_of(2), 1, 2.0), (5000, 1, 3.0)))
    store = reopen(keep_latest_every_s=3600.0)  # kept at the end
    submit(store, observations((stream_of(1), 2, 4.0)))
    shutil.copytree(store.folder, tmp_path / "copy")  # as a kill would leave it
    copy = SealedStore.open(tmp_path / "copy", Now())
    try:
        assert [copy.latest(s).result for s in (stream_of(1), stream_of(2), 5000)] == [4.0, 2.0, 3.0]  # type: ignore[union-attr]
        assert copy.series(stream_of(1), START, START + timedelta(days=1))[1].tolist() == [1.0, 4.0]
    finally:
        copy.close()


def test_a_moved_location_stays_its_homes(reopen: Reopen) -> None:
    store = reopen()
    settle(store, 1)
    submit(store, entry(RecordKind.ENTITIES, [put(Location(id=1, name="Secret1 lane", location=None))]))
    store.withdraw(1)
    assert reopen().graph.locations == {}


# --- whoever reads


def test_services_go_on_when_one_of_theirs_withdraws_and_a_replay_says_the_same(reopen: Reopen) -> None:
    store = reopen()
    submit(store, entry(RecordKind.ENTITIES, [put(e) for e in services.entities()]))
    runner = Live(store, services.loaded(), services.ZONE)

    def fill(step: int) -> None:
        for stream in range(1, services.THINGS + 1):
            rows = [(stream, (step + i) * 600, services.value_of(stream, step + i)) for i in range(20)]
            submit(store, *[observations(row) for row in rows])
        runner.drain()

    fill(0)
    assert 3 in runner.engine.runners["smart_bins"].cells and runner.engine.next_wake_us() is not None
    assert 3 in [row.thing for row in store.list_states("smart_bins")]
    ahead = submit(store, observations((3, 20 * 600, 50.0)), observations((4, 20 * 600, 50.0)))
    store.withdraw(3)
    runner.drain()
    fill(21)
    assert ahead and runner.error == ""
    assert all(3 not in one.cells for one in runner.engine.runners.values())
    for _ in range(2):
        assert {row.thing for row in store.list_states("smart_bins")} == {*range(1, services.THINGS + 1)} - {3}
        said = sorted(recorded(store, set(services.SERVICES)))
        assert len(said) > 50 and {fact.thing for fact in said}.isdisjoint({3})
        assert said == sorted(replay(store, services.loaded(), services.ZONE))
        store = reopen()
        runner = Live(store, services.loaded(), services.ZONE)
        runner.drain()
        assert all(3 not in one.cells for one in runner.engine.runners.values())


def test_what_is_read_at_the_end_is_what_the_file_has(reopen: Reopen) -> None:
    """Followers get the newest records without opening them again; after a start they come from the file."""
    store = reopen()
    settle(store, 3)
    for home in (1, 2, 3):
        live(store, home)
    kinds = (RecordKind.NOTICE, RecordKind.CASE)
    asked: list[dict[str, Any]] = [
        {"after": 0}, {"after": 4}, {"after": 4, "limit": 3}, {"after": 4, "until": 9}, {"after": 3, "kinds": kinds},
        {"after": 3, "kinds": kinds, "limit": 2}, {"after": store.head()}, {"after": store.head() - 1},
    ]  # fmt: skip
    recent = [store.read(**one) for one in asked]
    notices = [store.find_notice(f"home_alarm/{home}/Secret{home}/ask") for home in (1, 2, 3)]
    assert store._truth.recent.read(0, None, 1_000), "they lie in memory"
    store = reopen()
    assert store._truth.recent.read(0, None, 1_000) is None
    assert [store.read(**one) for one in asked] == recent
    assert [store.find_notice(f"home_alarm/{home}/Secret{home}/ask") for home in (1, 2, 3)] == notices
    assert all(notices)


def test_the_end_in_memory_has_bounds_and_no_gaps() -> None:
    recent = Recent(most_records=10, most_bytes=1_000)
    records = [Record(n * 2 + 1, 2, RecordKind.WAKE, n, b"12345") for n in range(30)]
    for record in records[:25]:
        recent.put([record])
    assert recent.read(0, None, 100) is None
    assert recent.read(records[23].last, None, 100) == [records[24]]
    assert recent.read(records[24].last, None, 100) is None, "what lies behind it, the file knows"
    recent.put(records[26:28])  # one was never told of
    assert recent.read(records[24].last, None, 100) is None
    assert recent.read(records[25].last, None, 100) == records[26:28]
    recent.put([Record(records[27].last + 1, 1, RecordKind.WAKE, 1, b"x" * 2_000)])
    assert recent.read(records[25].last, None, 100) is None


def test_a_commit_of_many_steps_of_a_notice_keeps_the_last(reopen: Reopen) -> None:
    store = reopen()
    settle(store, 1)
    first = NoticeEvent(key="a/1/ask", action="requested", name="ask", time=START, thing=1, service="a", to="guardian")
    submit(store, entry(RecordKind.NOTICE, first))
    asked = store.find_notice("a/1/ask")
    assert asked is not None
    begun = event_of(asked, "attempted", START, attempt=1, channel="sms", recipient="g")
    taken = event_of(asked, "received", START, attempt=1, channel="sms")
    submit(store, entry(RecordKind.NOTICE, begun), entry(RecordKind.NOTICE, taken))
    found = store.find_notice("a/1/ask")
    assert found is not None and found.state == "received"
    assert found == store.list_notices(NoticeFilter(thing=1))[0]
    assert found == reopen().find_notice("a/1/ask")


def test_what_can_wait_is_written_together_and_what_is_urgent_takes_it_along_at_once(reopen: Reopen) -> None:
    store = reopen(gather_s=30.0)
    one = Transaction([observations((stream_of(7), 1, 1.0), (stream_of(7), 2, 1.0))])
    store.submit(one, Lane.LIFE_SAFETY).result(10)
    commits = store.counts()["commits"]
    waiting = [store.submit(one, Lane.NORMAL) for _ in range(3)]
    assert not any(found.done() for found in waiting)
    urgent = store.submit(one, Lane.LIFE_SAFETY)
    for found in (*waiting, urgent):
        found.result(10)
    assert store.counts()["commits"] == commits + 1
    store = reopen(gather_s=0.001)
    assert store.submit(one, Lane.NORMAL).result(10)
