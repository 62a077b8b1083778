"""The sea inside a box, against areas worked out by hand."""

from itertools import pairwise

import pytest

from dongne.methods.coast import sea_rings
from dongne.model.geometry import Point

BOX = (0.0, 0.0, 10.0, 10.0)


def area(ring: list[Point]) -> float:
    """Negative for a clockwise ring, by the shoelace formula."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)) / 2


def test_water_is_to_the_right_of_a_coast_that_runs_north() -> None:
    [ring] = sea_rings([[(4.0, -1.0), (4.0, 11.0)]], BOX)
    assert ring[0] == ring[-1]
    assert abs(area(ring)) == pytest.approx(60.0)
    assert (10.0, 10.0) in ring
    assert (0.0, 0.0) not in ring


def test_a_coast_that_runs_south_has_its_water_in_the_west() -> None:
    [ring] = sea_rings([[(4.0, 11.0), (4.0, -1.0)]], BOX)
    assert abs(area(ring)) == pytest.approx(40.0)


def test_pieces_of_one_coast_are_joined_whatever_their_order() -> None:
    [ring] = sea_rings([[(4.0, 5.0), (4.0, 11.0)], [(4.0, -1.0), (4.0, 5.0)]], BOX)
    assert abs(area(ring)) == pytest.approx(60.0)


def test_two_coasts_of_one_strait_bound_one_sea() -> None:
    [ring] = sea_rings([[(4.0, -1.0), (4.0, 11.0)], [(7.0, 11.0), (7.0, -1.0)]], BOX)
    assert abs(area(ring)) == pytest.approx(30.0)


def test_two_bays_are_two_seas() -> None:
    rings = sea_rings([[(0.0, 2.0), (2.0, 0.0)], [(10.0, 8.0), (8.0, 10.0)]], BOX)
    assert sorted(abs(area(ring)) for ring in rings) == pytest.approx([2.0, 2.0])


def test_a_coast_cut_short_inside_the_box_is_led_to_the_nearest_edge() -> None:
    [ring] = sea_rings([[(4.0, 0.5), (4.0, 9.5)]], BOX)
    assert abs(area(ring)) == pytest.approx(60.0)


def test_islands_and_coasts_outside_make_no_sea() -> None:
    island = [(4.0, 4.0), (5.0, 4.0), (5.0, 5.0), (4.0, 4.0)]
    assert sea_rings([island, [(20.0, 0.0), (20.0, 5.0)]], BOX) == []
    assert sea_rings([], BOX) == []
