"""Counts at points become how full every edge is."""

from math import exp, isnan

import numpy as np
import pytest
from tests.methods.walk_grid import make_network

from dongne.methods.crowd_field import CrowdField, interpolate, widths_m

HOUR = 3_600_000_000
# A street of four edges of 80 m, with the counter on the first; a side street of 40 m at the end of the first edge.
PLACES = [(0.0, 0.0), (80.0, 0.0), (160.0, 0.0), (240.0, 0.0), (80.0, 40.0), (400.0, 0.0)]
ROWS = [(0, 1), (1, 2), (2, 3), (3, 5), (1, 4)]
NAMED = {"names": ("", "High Street", "Lane"), "name": [1, 1, 1, 1, 2]}


def test_a_count_spreads_along_its_street_and_less_off_it() -> None:
    field = CrowdField(make_network(PLACES, ROWS, **NAMED), [0])
    flow = field.flow_per_h(np.array([1000.0]))
    weights = [
        exp(-(d**2) / 20_000) for d in (0.0, 80.0, 160.0, 280.0, 90.0)
    ]  # to the middles; the lane: 40 + 2.5 x 20
    assert flow == pytest.approx([1000 * w for w in weights])
    assert field.known(np.array([1000.0])) == pytest.approx(weights)
    far = make_network([(0.0, 0.0), (80.0, 0.0), (680.0, 0.0)], [(0, 1), (1, 2)])
    assert CrowdField(far, [0]).flow_per_h(np.array([1000.0])).tolist() == [1000.0, 0.0]  # its middle is 340 m away


def test_where_two_counters_reach_they_share_by_weight() -> None:
    field = CrowdField(make_network(PLACES, ROWS, **NAMED), [0, 2])
    flow = field.flow_per_h(np.array([1000.0, 200.0]))
    near, far = exp(-(80**2) / 20_000), exp(-(160**2) / 20_000)
    assert flow[1] == pytest.approx((1000 + 200) / 2)  # between both
    assert flow[0] == pytest.approx((1000 + 200 * far) / (1 + far))
    assert near * 2 > 1.0


def test_a_counter_that_says_nothing_changes_nothing() -> None:
    network = make_network(PLACES, ROWS, **NAMED)
    both, one = CrowdField(network, [0, 2]), CrowdField(network, [0])
    assert both.flow_per_h(np.array([1000.0, np.nan])).tolist() == one.flow_per_h(np.array([1000.0])).tolist()
    assert both.flow_per_h(np.array([np.nan, np.nan])).tolist() == [0.0] * 5
    assert CrowdField(network, []).flow_per_h(np.zeros(0)).tolist() == [0.0] * 5


def test_full_is_by_width() -> None:
    network = make_network(PLACES, ROWS, width_m=[np.nan, 4.0, 0.1, 99.0, np.nan])
    assert widths_m(network).tolist() == [2.0, 4.0, 0.5, 30.0, 2.0]
    field = CrowdField(network, [0])
    assert field.crowd(np.full(5, 4320.0)).tolist() == [1.0, 0.5, 1.0, 0.07, 1.0]  # 36 a minute and metre on 2 m


def test_a_count_between_hours_lies_between_their_means() -> None:
    hours = [(0, 100.0), (HOUR, 300.0)]
    assert interpolate(hours, HOUR // 2) == 100.0
    assert interpolate(hours, HOUR) == 200.0
    assert interpolate(hours, HOUR * 3 // 2) == 300.0
    assert interpolate(hours, 0) == 100.0
    assert interpolate(hours, 2 * HOUR) == 300.0
    assert isnan(interpolate(hours, 2 * HOUR + 1))
    assert isnan(interpolate([], 0))
    gap = [(0, 100.0), (3 * HOUR, 300.0)]
    assert interpolate(gap, HOUR) == 100.0
    assert isnan(interpolate(gap, 2 * HOUR))
    assert interpolate(gap, 3 * HOUR) == 300.0
