"""What a store promises to whoever reads: the sequence, the latest values and history."""

import math
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dongne.model.errors import NotFound
from dongne.model.records import ObservationExtra, RecordKind, decode_batch
from dongne.runtime.ports import Entry, Store, Transaction

Open = Callable[[], Store]
Rows = list[tuple[int, int, float]]
rows = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 8), st.integers(-5, 5).map(float)), min_size=1, max_size=30)
quickly = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def submit(store: Store, transaction: Transaction) -> tuple[int, ...]:
    return store.submit(transaction).result(20).numbers


def before_and_after(store: Store, open_store: Open) -> Iterator[Store]:
    """The store, and then the store opened again."""
    yield store
    yield open_store()


def newest(stored: list[tuple[int, int, float, int]]) -> dict[int, tuple[int, float]]:
    """The naive oracle: (number, result) of the newest of each Datastream."""
    found: dict[int, tuple[int, int, float]] = {}
    for stream, second, result, number in stored:
        if stream not in found or (second, number) > found[stream][:2]:
            found[stream] = (second, number, result)
    return {stream: (number, result) for stream, (_, number, result) in found.items()}


@quickly
@given(st.lists(rows, min_size=1, max_size=12), st.data())
def test_latest_is_what_a_naive_search_finds(open_store: Open, make: Any, batches: list[Rows], data: Any) -> None:
    store = open_store()
    head = store.head()
    if head:  # each example goes on with the store of the one before: start it afresh
        submit(store, Transaction([make.removal(datastream=i).entries[0] for i in range(1, 7)]))
    stored = []
    for batch in batches:
        (first,) = submit(store, make.observations(*batch))
        stored += [(*row, first + i) for i, row in enumerate(batch)]
    gone = data.draw(st.sets(st.sampled_from([number for *_, number in stored]), max_size=10))
    if gone:
        submit(store, make.removal(*gone))
    stored = [row for row in stored if row[3] not in gone]
    if data.draw(st.booleans()):
        store = open_store()
    expected = newest(stored)
    for stream in range(1, 7):
        found = store.latest(stream)
        assert (None if found is None else (found.number, found.result)) == expected.get(stream)
    numbers, times, results = store.latest_of(np.array([3, 1, 2, 99_999, 3]))
    for i, stream in enumerate([3, 1, 2, 99_999, 3]):
        number, result = expected.get(stream, (0, math.nan))
        assert numbers[i] == number
        assert (times[i] == 0) == (number == 0)
        assert results[i] == result or (number == 0 and math.isnan(results[i]))


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
times_us = st.none() | st.integers(0, 4_000_000_000_000_000)
extras = st.builds(
    ObservationExtra, result=values, phenomenon_end_us=times_us, result_time_us=times_us, result_quality=values,
    valid_start_us=times_us, valid_end_us=times_us, feature_id=st.none() | st.integers(1, 2**53 - 1),
    parameters=st.none() | st.dictionaries(st.text(max_size=5), values, max_size=3),
)  # fmt: skip


@quickly
@given(st.lists(st.none() | extras, min_size=1, max_size=6))
def test_what_an_observation_has_comes_back_as_it_was(store: Store, make: Any, given_extras: list[Any]) -> None:
    found = {i: extra for i, extra in enumerate(given_extras) if extra is not None}
    batch = [(9, i, float(i)) for i in range(len(given_extras))]
    (first,) = submit(store, Transaction([make.batch(*batch, extras=found)]))
    for i, extra in enumerate(given_extras):
        record, row = store.get_observation(first + i)
        decoded = decode_batch(record.body, record.count)
        assert decoded.extras.get(row) == extra
        assert decoded.result[row] == i
    start = make.start
    assert store.series(9, start, start + timedelta(seconds=len(batch)))[1].tolist() == [r for _, _, r in batch]


@quickly
@given(st.lists(st.integers(0, 50), min_size=1, max_size=25), st.integers(-5, 60))
def test_the_number_at_an_instant_is_what_a_naive_search_finds(
    open_store: Open, make: Any, steps: list[int], probe: int
) -> None:
    store = open_store()
    now_us = store.clock.now_us() + 10**9
    for step in steps:
        now_us += step
        submit(store, Transaction([make.batch((1, 0, 0), (1, 1, 0), at_us=now_us)]))
    at_us = now_us - sum(steps) + probe
    expected = max((r.last for r in store.read(0, limit=100_000) if r.at_us < at_us), default=0)
    assert store.find_number_at(at_us) == expected


def test_a_range_of_the_sequence_is_read_in_order(store: Store, make: Any) -> None:
    for i in range(10):
        submit(store, make.observations((1, i, i), (1, i, i)))
    assert [r.number for r in store.read(0)] == list(range(1, 21, 2))
    assert [r.number for r in store.read(5, 9)] == [7, 9]
    assert [r.number for r in store.read(6, limit=2)] == [7, 9]
    assert store.read(20) == []
    first = store.read(0, limit=1)[0]
    assert (first.count, first.kind, first.last, first.origin, first.cause) == (2, RecordKind.OBSERVATIONS, 2, "", 0)


def test_history_has_what_was_acknowledged(store: Store, make: Any) -> None:
    for i in range(40):
        submit(store, make.observations((1, i, i), (2, i, -i)))
        times, results = store.series(1, make.start, make.day(1))
        assert results.tolist() == list(range(i + 1))
        assert times[-1] == int(make.start.timestamp() + i) * 1_000_000
    assert store.history_lag() == 0


def test_a_series_is_a_half_open_interval_in_order_of_time(store: Store, make: Any) -> None:
    submit(store, make.observations(*[(1, second, second) for second in (5, 3, 9, 1, 7)], (2, 4, 4)))
    start = make.start
    _, results = store.series(1, start + timedelta(seconds=3), start + timedelta(seconds=9))
    assert results.tolist() == [3, 5, 7]
    assert [len(column) for column in store.series(1, make.day(1), make.day(2))] == [0, 0]


def test_a_revision_replaces_what_it_revises(store: Store, make: Any) -> None:
    submit(store, Transaction([make.batch((1, 0, 10), (1, 1, 11), origin="s", cause=1)]))
    submit(store, Transaction([make.batch((1, 0, 12), origin="s", cause=2)]))
    assert store.series(1, make.start, make.day(1))[1].tolist() == [12, 11]
    submit(store, Transaction([make.batch((1, 1, 13), origin="s", cause=2)]))
    latest = store.latest(1)
    assert latest is not None and latest.result == 13


def test_results_that_are_not_numbers_are_left_out_of_a_series(store: Store, make: Any) -> None:
    extra = {0: ObservationExtra(result="open")}
    submit(store, Transaction([make.batch((1, 0, math.nan), (1, 1, 5), extras=extra)]))
    assert store.series(1, make.start, make.day(1))[1].tolist() == [5]


def test_a_removed_observation_is_gone_everywhere(store: Store, open_store: Open, make: Any) -> None:
    submit(store, make.observations((1, 0, 10), (1, 1, 11), (1, 2, 12), (2, 0, 20)))
    submit(store, make.removal(3))
    for opened in before_and_after(store, open_store):
        latest = opened.latest(1)
        assert latest is not None and latest.result == 11
        assert opened.series(1, make.start, make.day(1))[1].tolist() == [10, 11]
        assert opened.get_observation(2)[1] == 1
        with pytest.raises(NotFound):
            opened.get_observation(3)


def test_a_removed_datastream_may_begin_again(store: Store, open_store: Open, make: Any) -> None:
    submit(store, make.observations((1, 5, 10), (2, 5, 20)))
    submit(store, make.removal(datastream=1))
    assert store.latest(1) is None
    assert store.series(1, make.start, make.day(1))[1].tolist() == []
    (number,) = submit(store, make.observations((1, 3, 30), (1, 2, 31)))
    for opened in before_and_after(store, open_store):
        latest = opened.latest(1)
        assert latest is not None and latest.result == 30
        assert opened.series(1, make.start, make.day(1))[1].tolist() == [31, 30]
        assert opened.get_observation(number)[1] == 0
        other = opened.latest(2)
        assert other is not None and other.result == 20


def test_history_made_anew_is_the_same(store: Store, make: Any) -> None:
    for i in range(30):
        submit(store, make.observations(*[(1 + j % 3, i * 10 + j, i + j) for j in range(10)]))
    submit(store, make.removal(4, 5, datastream=3))
    before = [tuple(c.tolist() for c in store.series(stream, make.start, make.day(1))) for stream in (1, 2, 3)]
    steps: list[tuple[int, int]] = []
    store.rebuild_history(lambda done, of: steps.append((done, of)))
    after = [tuple(c.tolist() for c in store.series(stream, make.start, make.day(1))) for stream in (1, 2, 3)]
    assert before == after
    assert [len(times) for times, _ in before] == [119, 89, 0]
    assert steps[-1] == (store.head(), store.head())


def test_all_is_there_after_opening_again(store: Store, open_store: Open, make: Any) -> None:
    submit(store, make.observations(*[(1, i, i) for i in range(100)]))
    submit(store, Transaction([Entry(RecordKind.WAKE, b"")]))
    before = store.read(0)
    store = open_store()
    assert store.read(0) == before
    latest = store.latest(1)
    assert latest is not None and (store.head(), latest.number, latest.result) == (101, 100, 99)
    assert store.series(1, make.start, make.day(1))[1].tolist() == list(range(100))
    assert submit(store, make.observations((1, 0, 0))) == (102,)
