"""What a store promises to whoever writes."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from dongne.model.cases import chain_hash
from dongne.model.entities import EntityType, Location, Remove, Thing
from dongne.model.errors import BadInput, Conflict, NotFound
from dongne.model.records import Correction, JobResult, ObservationExtra, Record, RecordKind, Removal, decode_batch
from dongne.model.times import to_us
from dongne.runtime.ports import CaseFilter, Entry, Lane, Receipt, StateRow, Store, Transaction

Open = Callable[[], Store]


def submit(store: Store, transaction: Transaction) -> tuple[int, ...]:
    return store.submit(transaction).result(20).numbers


def before_and_after(store: Store, open_store: Open) -> Iterator[Store]:
    """The store, and then the store opened again."""
    yield store
    yield open_store()


def all_records(store: Store) -> list[Record]:
    return store.read(0, limit=1_000_000)


def test_an_observation_is_found_by_the_number_of_its_receipt(store: Store, make: Any) -> None:
    submit(store, make.observations((5, 0, 1.5), (6, 1, 2.5)))
    (number,) = submit(store, make.observations((5, 2, 3.5)))
    record, row = store.get_observation(number)
    batch = decode_batch(record.body, record.count)
    assert (number, batch.datastream[row], batch.result[row]) == (3, 5, 3.5)


def test_what_is_no_observation_is_not_found(store: Store, make: Any) -> None:
    submit(store, make.setting(x=1))
    for number in (0, 1, 2):
        with pytest.raises(NotFound):
            store.get_observation(number)


def test_numbers_have_no_gap_and_each_submitter_gets_its_own(store: Store, make: Any, held: Any) -> None:
    numbers: dict[float, int] = {}
    batches: dict[float, int] = {}

    def client(name: int) -> None:
        for i in range(60):
            value = name * 1000.0 + i
            if i % 5 == 4:
                (batches[value],) = submit(store, make.observations((name, i, value), (name, i, value + 0.5)))
            else:
                (numbers[value],) = submit(store, make.observations((name, i, value)))

    threads = [threading.Thread(target=client, args=(name,)) for name in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    records = all_records(store)
    assert [r.number for r in records] == [1, *(r.last + 1 for r in records[:-1])]
    assert records[-1].last == store.head() == 8 * (48 + 12 * 2)
    values = {}
    for record in records:
        batch = decode_batch(record.body, record.count)
        values.update(zip(range(record.number, record.last + 1), batch.result.tolist(), strict=True))
    assert all(values[number] == value for value, number in numbers.items())
    assert all((values[number], values[number + 1]) == (value, value + 0.5) for value, number in batches.items())


def test_single_observations_that_wait_become_one_record(store: Store, make: Any, held: Any) -> None:
    with held(store):
        futures = [store.submit(make.observations((1 + i % 3, i, i))) for i in range(50)]
    numbers = [future.result(20).numbers[0] for future in futures]
    assert numbers == list(range(1, 51))
    (record,) = all_records(store)
    assert decode_batch(record.body, record.count).result.tolist() == list(range(50))


def test_a_single_observation_keeps_what_it_has_beyond_its_columns(store: Store, make: Any) -> None:
    from dongne.model.records import ObservationExtra

    extra = ObservationExtra(result="on", parameters={"by": "hand"}, feature_id=3)
    (number,) = submit(store, Transaction([make.batch((1, 0, float("nan")), extras={0: extra})]))
    record, row = store.get_observation(number)
    assert decode_batch(record.body, record.count).extras == {row: extra}


def test_life_safety_goes_before_normal_before_bulk(store: Store, make: Any, held: Any) -> None:
    with held(store):
        bulk = store.submit(make.observations((1, 0, 0), (1, 1, 0)), Lane.BULK)
        normal = store.submit(make.observations((1, 0, 0), (1, 1, 0)), Lane.NORMAL)
        single = store.submit(make.observations((1, 0, 0)), Lane.LIFE_SAFETY)
        alarm = store.submit(make.setting(x=1), Lane.LIFE_SAFETY)
    assert [f.result(20).numbers[0] for f in (alarm, single, normal, bulk)] == [1, 2, 3, 5]


def test_a_life_safety_record_does_not_wait_for_all_the_bulk(store: Store, make: Any, held: Any) -> None:
    with held(store):
        bulk = [store.submit(make.observations(*[(1, i, 0.0) for i in range(1000)]), Lane.BULK) for _ in range(30)]
        first = threading.Event()
        alarm: list[Receipt | Exception] = []
        store.submit_soon(
            make.observations((1, 0, 0), (1, 1, 0)),
            lambda _: (store.submit_soon(make.setting(x=1), alarm.append, Lane.LIFE_SAFETY), first.set()),  # type: ignore[func-returns-value]
            Lane.LIFE_SAFETY,
        )
    assert first.wait(20)
    for future in bulk:
        future.result(20)
    (receipt,) = alarm
    assert isinstance(receipt, Receipt)
    assert receipt.numbers[0] <= 2 + 5_000 + 1  # at most one slice of bulk went before it


def test_a_refused_transaction_leaves_nothing_and_fails_alone(store: Store, make: Any, held: Any) -> None:
    with held(store):
        before = store.submit(make.observations((1, 0, 1)))
        bad = store.submit(
            Transaction(
                [make.batch((1, 5, 9)), make.setting(x=1).entries[0], make.case("open"), make.case("fly")],
                [StateRow("s", 1, 1, b"{}")],
                position=("s", 99),
            )
        )
        after = store.submit(make.observations((2, 0, 2), (2, 1, 2)))
    with pytest.raises(Conflict, match="fly"):
        bad.result(20)
    assert {*before.result(20).numbers, *after.result(20).numbers} == {1, 3}  # arrays before singles
    assert store.head() == 3
    assert (store.position("s"), store.list_states("s"), store.list_settings()) == (0, [], [])
    assert store.find_case("k") is None
    latest = store.latest(1)
    assert latest is not None and latest.result == 1


@pytest.mark.parametrize(
    "entry",
    [
        Entry(RecordKind.OBSERVATIONS, b"\x01", 1),
        Entry(RecordKind.OBSERVATIONS, b"\x09" + bytes(40), 2),
        Entry(RecordKind.OBSERVATIONS, b"\x01" + bytes(20), 1),  # Datastream 0
        Entry(RecordKind.OBSERVATIONS, b"\x01\x01\0\0\0" + b"\xff" * 7 + b"\x7f" + bytes(8), 1),  # year 294247
        Entry(RecordKind.ENTITIES, b"rubbish"),
        Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([Remove(EntityType.THING, 2**60)])),
        Entry(RecordKind.SETTING, b"", 1),
        Entry(RecordKind.WAKE, b"", 2),
        Entry(RecordKind.TASK, b"\xc0"),
        Entry(RecordKind.REMOVAL, msgspec.msgpack.encode(Removal((1,)))),  # not there yet
    ],
)
def test_a_body_that_cannot_be_read_is_bad_input(store: Store, entry: Entry) -> None:
    with pytest.raises(BadInput):
        store.submit(Transaction([entry])).result(20)
    assert store.head() == 0


def test_time_of_arrival_never_falls(store: Store, make: Any) -> None:
    later = store.clock.now_us() + 10_000_000_000
    submit(store, Transaction([make.batch((1, 0, 0), at_us=later)]))
    submit(store, make.observations((1, 0, 0)))
    submit(store, Transaction([make.batch((1, 0, 0), at_us=5, origin="s", cause=1)]))
    assert [record.at_us for record in all_records(store)] == [later, later, later]


def test_a_case_opened_twice_is_open_once(store: Store, make: Any) -> None:
    assert submit(store, Transaction([make.case("open", origin="s")])) == (1,)
    assert submit(store, Transaction([make.case("open", origin="s"), make.case("open")])) == (0, 0)
    assert store.head() == 1
    (case,) = store.list_cases(CaseFilter())
    assert (case.id, case.state, case.events) == (1, "new", 1)


def test_a_case_opened_twice_in_one_commit_is_open_once(store: Store, make: Any, held: Any) -> None:
    with held(store):
        futures = [store.submit(Transaction([make.case("open", origin="s")])) for _ in range(3)]
    assert [f.result(20).numbers for f in futures] == [(1,), (0,), (0,)]


def test_an_illegal_step_of_a_service_is_dropped_and_of_a_person_refused(store: Store, make: Any) -> None:
    submit(store, Transaction([make.case("open")]))
    assert submit(store, Transaction([make.case("accept", origin="s"), make.batch((1, 0, 0))])) == (0, 2)
    assert submit(store, Transaction([make.case("clear", key="never opened", origin="s")])) == (0,)
    with pytest.raises(Conflict):
        submit(store, Transaction([make.case("accept")]))
    with pytest.raises(BadInput):
        submit(store, Transaction([make.case("clear", key="never opened")]))


def test_each_event_of_a_case_carries_the_hash_of_the_one_before(store: Store, open_store: Open, make: Any) -> None:
    for action in ("open", "acknowledge", "clear", "reopen"):
        submit(store, Transaction([make.case(action, values={action: 1}, note="a word")]))
    store = open_store()
    case = store.find_case("k")
    assert case is not None
    events = store.list_case_events(case.id)
    assert [(number, event.state) for number, event, _ in events] == [
        (1, "new"), (2, "acknowledged"), (3, "cleared"), (4, "new"),
    ]  # fmt: skip
    before = ""
    for _, event, digest in events:
        before = chain_hash(before, event)
        assert digest == before
    assert case.hash == before
    assert store.get_case(case.id) == case
    assert case.values == {"open": 1, "acknowledge": 1, "clear": 1, "reopen": 1}


def test_cases_are_listed_newest_first_by_what_is_asked(store: Store, make: Any) -> None:
    for i in range(6):
        submit(store, Transaction([make.case("open", key=f"k{i}", kind="work_order" if i % 2 else "alert")]))
    submit(store, Transaction([make.case("done", key="k1", kind="work_order")]))

    def keys(**which: Any) -> list[str]:
        return [case.key for case in store.list_cases(CaseFilter(**which))]

    assert keys() == ["k5", "k4", "k3", "k2", "k1", "k0"]
    assert keys(kind="work_order", is_open=True) == ["k5", "k3"]
    assert keys(is_open=False) == ["k1"]
    assert keys(limit=2, before_id=4) == ["k2", "k1"]
    assert keys(thing=8) == keys(service="other") == []
    with pytest.raises(NotFound):
        store.get_case(999)


def test_a_task_follows_its_states(store: Store, make: Any) -> None:
    assert submit(store, Transaction([make.task("created")])) == (1,)
    assert submit(store, Transaction([make.task("created", origin="s"), make.task("delivered")])) == (0, 2)
    (task,) = store.list_tasks(thing=7, is_open=True)
    assert (task.id, task.state, task.parameters) == (1, "accepted", {"value": 5})
    assert submit(store, Transaction([make.task("completed"), make.task("completed")])) == (3, 0)
    assert submit(store, Transaction([make.task("failed", origin="s")])) == (0,)
    with pytest.raises(Conflict):
        submit(store, Transaction([make.task("failed")]))
    assert store.list_tasks(is_open=True) == []
    assert [t.state for t in store.list_tasks()] == ["done"]


def test_a_setting_of_none_is_taken_back(store: Store, open_store: Open, make: Any) -> None:
    submit(store, make.setting(a=1, b=2))
    submit(store, make.setting(a=None, c=3))
    assert store.list_settings() == [("s", "city", {"b": 2, "c": 3})]
    assert open_store().list_settings() == [("s", "city", {"b": 2, "c": 3})]


def test_a_failed_job_leaves_the_asset_before_it(store: Store, make: Any) -> None:
    good = JobResult("s", "fit", 7, {"slope": 2.5})
    assert submit(store, Transaction([make.entry(RecordKind.JOB, good)])) == (1,)
    submit(store, Transaction([make.entry(RecordKind.JOB, JobResult("s", "fit", 7, error="too few days"))]))
    submit(store, Transaction([make.entry(RecordKind.JOB, JobResult("s", "other", 7, 1))]))
    assert store.list_assets("s", "fit") == [(1, good)]
    assert [version for version, _ in store.list_assets("s")] == [1, 3]


def test_states_and_position_are_stored_with_the_emissions(store: Store, open_store: Open, make: Any) -> None:
    rows = [StateRow("s", thing, 2, b'{"n":1}', {"silent": 5}, "") for thing in (1, 2)]
    submit(store, Transaction([make.batch((1, 0, 0))], rows, position=("s", 17)))
    submit(store, Transaction(states=[StateRow("other", 1, 1, b"{}", parked="ValueError")], position=("other", 3)))
    store = open_store()
    assert store.list_states("s") == rows
    assert (store.position("s"), store.position("other"), store.position("unknown")) == (17, 3, 0)
    assert store.list_positions("oth") == {"er": 3} and not store.list_positions("un")
    submit(store, Transaction(drop_states_of="s", states=rows[:1]))
    assert store.list_states("s") == rows[:1]
    assert [row.parked for row in store.list_states("other")] == ["ValueError"]


def test_states_dropped_in_the_same_commit_are_gone(store: Store, held: Any) -> None:
    with held(store):
        futures = [
            store.submit(Transaction(states=[StateRow("s", 1, 1, b"1"), StateRow("s", 2, 1, b"2")])),
            store.submit(Transaction(drop_states_of="s")),
            store.submit(Transaction(states=[StateRow("s", 3, 1, b"3")])),
        ]
    for future in futures:
        assert future.result(20).numbers == ()
    assert [row.thing for row in store.list_states("s")] == [3]


def test_entities_are_in_the_graph_when_the_receipt_comes(store: Store, open_store: Open, make: Any) -> None:
    lamp = store.new_id(EntityType.THING)
    where = store.new_id(EntityType.LOCATION)
    thing = Thing(id=lamp, name="lamp", properties={"source_id": "osm:node/1"}, location_ids=(where,))
    place = Location(id=where, name="here", location={"type": "Point", "coordinates": [24.9, 60.2]})
    submit(store, make.entities(thing, place))
    for opened in before_and_after(store, open_store):
        assert opened.graph.get_thing(lamp) == thing
        assert opened.graph.find_by_source("osm:node/1") == thing
        assert opened.graph.find_point(lamp) == (24.9, 60.2)


def test_an_id_is_never_given_twice(store: Store, open_store: Open, make: Any) -> None:
    ids = [store.new_id(EntityType.THING) for _ in range(3)]
    submit(store, make.entities(*[Thing(id=i, name="x") for i in ids], Thing(id=40, name="chosen")))
    submit(store, make.entities(Remove(EntityType.THING, 40)))
    assert store.new_id(EntityType.THING) == 41
    store = open_store()
    assert store.new_id(EntityType.THING) > 40
    assert 40 not in store.graph.things and set(ids) <= set(store.graph.things)


def test_listeners_hear_each_record_once_and_in_order(store: Store, make: Any) -> None:
    heard: list[Record] = []

    def broken(_: object) -> None:
        raise ValueError("a broken listener")

    store.subscribe(broken)
    stop = store.subscribe(heard.extend)
    for i in range(20):
        submit(store, make.observations(*[(1, i, j) for j in range(1 + i % 3)]))
    stop()
    submit(store, make.observations((1, 0, 0)))
    assert heard == all_records(store)[:-1]


def test_the_head_is_waited_for(store: Store, make: Any) -> None:
    assert not store.wait_beyond(0, 0.01)
    waiting = threading.Thread(target=lambda: submit(store, make.observations((1, 0, 0))))
    waiting.start()
    assert store.wait_beyond(0, 20)
    waiting.join(20)
    assert (store.first(), store.head()) == (1, 1)


def test_what_is_submitted_while_closing_is_refused(store: Store, make: Any) -> None:
    futures = [store.submit(make.observations((1, i, i))) for i in range(100)]
    store.close()
    assert [future.result(20).numbers[0] for future in futures] == list(range(1, 101))
    with pytest.raises(Exception, match="closing"):
        store.submit(make.observations((1, 0, 0))).result(20)


def test_a_corrected_observation_is_so_everywhere_and_keeps_its_number(
    open_store: Callable[[], Store], make: Any
) -> None:
    store = open_store()
    first = store.submit(make.observations((7, 0, 1.0), (7, 10, 2.0), (8, 5, 3.0))).result().numbers[0]
    time_us = to_us(make.start)
    correction = Correction(first + 1, 7, time_us - 60_000_000, 5.0, ObservationExtra(result_quality="good"))
    store.submit(Transaction([make.entry(RecordKind.CORRECTION, correction)])).result()
    for _ in range(2):
        latest = store.latest(7)
        assert latest is not None and (latest.number, latest.result) == (first, 1.0)
        times, results = store.series(7, make.day(-1), make.day(1))
        assert (times - time_us).tolist() == [-60_000_000, 0] and results.tolist() == [5.0, 1.0]
        record, row = store.get_observation(first + 1)
        batch = decode_batch(record.body, record.count)
        assert (batch.result[row], batch.extras[row].result_quality) == (5.0, "good")
        store = open_store()
    store.submit(
        Transaction([make.entry(RecordKind.CORRECTION, Correction(first, 8, time_us + 90_000_000, 9.0))])
    ).result()
    assert store.latest(8).number == first  # type: ignore[union-attr]
    assert store.latest(7).number == first + 1  # type: ignore[union-attr]
    store.submit(make.removal(first)).result()
    with pytest.raises(NotFound):
        store.get_observation(first)
    assert store.latest(8).number == first + 2  # type: ignore[union-attr]
    with pytest.raises(BadInput, match="no Observation 999"):
        store.submit(Transaction([make.entry(RecordKind.CORRECTION, Correction(999, 8, time_us, 9.0))])).result()
