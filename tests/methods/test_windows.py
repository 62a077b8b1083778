"""Windows over event time, whatever the order of arrival."""

import random

import numpy as np
import pytest

from dongne.methods.windows import HOUR_US, Tumbling, Window, hourly_means

MINUTE_US = 60_000_000


def test_parts_in_any_order_and_twice_give_the_same_windows() -> None:
    tumbling = Tumbling(part_us=5 * MINUTE_US, keep=6)
    parts = [(100 * HOUR_US + n * 5 * MINUTE_US, float(n)) for n in range(36)]
    ordered: list[Window] = []
    for time_us, value in parts:
        tumbling.add(ordered, time_us, value)
    shuffled = parts + parts[:7]
    random.Random(1).shuffle(shuffled)
    found: list[Window] = []
    for time_us, value in shuffled:
        tumbling.add(found, time_us, value)
    assert [(w.number, w.mean) for w in found] == [(w.number, w.mean) for w in ordered]
    assert [tumbling.share(w) for w in found] == [1.0, 1.0, 1.0]
    assert found[0].mean == pytest.approx(sum(range(12)) / 12)


def test_a_corrected_part_takes_the_place_of_the_first() -> None:
    tumbling, windows = Tumbling(), [Window(5, {0: 10.0})]
    window = tumbling.add(windows, 5 * HOUR_US + MINUTE_US, 20.0)
    assert window is windows[0]
    assert window is not None and window.mean == 20.0


def test_what_comes_after_its_window_has_closed_is_refused() -> None:
    tumbling, windows = Tumbling(keep=3), []
    for hour in (10, 11, 12):
        assert tumbling.add(windows, hour * HOUR_US, 1.0) is not None
    assert tumbling.add(windows, 9 * HOUR_US, 1.0) is None
    assert tumbling.add(windows, 10 * HOUR_US + 1, 2.0) is not None


def test_closed_windows_are_taken_out_once_and_in_order() -> None:
    tumbling, windows = Tumbling(keep=2), []
    closed = []
    for hour in (3, 4, 7, 5, 8):
        tumbling.add(windows, hour * HOUR_US, 1.0)
        closed += [w.number for w in tumbling.close(windows)]
    assert closed == [3, 4]
    assert [w.number for w in windows] == [7, 8]


def test_hourly_means_leave_gaps_as_nan() -> None:
    times = np.array([0, 30, 60, 240], np.int64) * MINUTE_US + 7 * HOUR_US
    first, means = hourly_means(times, np.array([2.0, 4.0, 10.0, 1.0]))
    assert first == 7
    assert means.tolist()[:2] == [3.0, 10.0]
    assert np.isnan(means).tolist() == [False, False, True, True, False]
    assert hourly_means(np.array([], np.int64), np.array([]))[1].tolist() == []
