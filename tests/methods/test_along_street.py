"""Lamps along streets made by hand, in metres east and north of a place."""

from math import cos, radians

from dongne.methods.along_street import METRES_PER_DEGREE, Street, link_lamps

ORIGIN = (24.94, 60.17)


def at(east_m: float, north_m: float) -> tuple[float, float]:
    return (
        ORIGIN[0] + east_m / METRES_PER_DEGREE / cos(radians(ORIGIN[1])),
        ORIGIN[1] + north_m / METRES_PER_DEGREE,
    )


def street(first_node: int, *places: tuple[float, float], name: str = "", **more: object) -> Street:
    nodes = tuple(range(first_node, first_node + len(places)))
    return Street(nodes, tuple(at(*p) for p in places), name, "residential", **more)  # type: ignore[arg-type]


def pairs(lamps: dict[int, tuple[float, float]], streets: list[Street]) -> dict[tuple[int, int], float]:
    links = link_lamps({lamp: at(*place) for lamp, place in lamps.items()}, streets)
    return {(link.from_, link.to): link.distance_m for link in links}


def test_lamps_of_one_side_are_linked_in_order_and_both_ways() -> None:
    found = pairs({3: (10, 5), 1: (40, 5), 2: (75, 5)}, [street(1, (0, 0), (100, 0), name="Aleksi")])
    assert found == {(3, 1): 30.0, (1, 3): 30.0, (1, 2): 35.0, (2, 1): 35.0}


def test_lamps_of_both_sides_are_one_row() -> None:
    found = pairs({1: (10, 6), 2: (25, -6), 3: (40, 6)}, [street(1, (0, 0), (100, 0))])
    assert set(found) == {(1, 2), (2, 1), (2, 3), (3, 2)}


def test_a_street_cut_into_ways_of_one_name_is_one_line_whatever_their_direction() -> None:
    first = street(1, (0, 0), (50, 0), name="Aleksi")
    second = Street((3, 2), (at(100, 0), at(50, 0)), "Aleksi", "residential")
    assert pairs({1: (40, 5), 2: (60, 5)}, [first, second]) == {(1, 2): 20.0, (2, 1): 20.0}


def test_a_gap_of_more_than_80_m_is_not_linked() -> None:
    assert pairs({1: (0, 5), 2: (81, 5)}, [street(1, (0, 0), (200, 0))]) == {}


def test_a_lamp_farther_than_25_m_from_every_street_is_not_linked() -> None:
    assert pairs({1: (10, 26), 2: (30, 5)}, [street(1, (0, 0), (100, 0))]) == {}


def test_a_lamp_at_a_crossing_belongs_to_both_streets() -> None:
    east, north = street(1, (-100, 0), (100, 0), name="East"), street(11, (0, -100), (0, 100), name="North")
    found = pairs({1: (-40, 4), 2: (4, 4), 3: (4, 50), 4: (40, 4)}, [east, north])
    assert {(1, 2), (2, 4), (2, 3)} <= set(found)


def test_a_parallel_street_near_by_takes_no_second_lamp() -> None:
    one, other = street(1, (0, 0), (100, 0), name="One"), street(11, (0, 12), (100, 12), name="Other")
    found = pairs({1: (10, 5), 2: (30, 7), 3: (50, 5)}, [one, other])
    assert set(found) == {(1, 3), (3, 1)}


def test_a_row_goes_on_where_the_street_changes_its_name() -> None:
    one, other = street(1, (0, 0), (50, 0), name="One"), street(2, (50, 0), (100, 0), name="Other")
    assert pairs({1: (40, 5), 2: (60, 5)}, [one, other]) == {(1, 2): 20.0, (2, 1): 20.0}


def test_a_sidewalk_counts_only_where_there_is_no_street() -> None:
    road = street(1, (0, 0), (100, 0), name="Road")
    walk = street(11, (0, 8), (50, 8), beside=True)
    assert pairs({1: (20, 7), 2: (60, 7)}, [road, walk])[1, 2] == 40.0
    assert pairs({1: (10, 7), 2: (40, 7)}, [walk])[1, 2] == 30.0


def test_a_ring_of_ways_is_walked_once() -> None:
    ring = [
        Street((1, 2, 3), (at(0, 0), at(40, 10), at(60, 40)), "Ring", "residential"),
        Street((3, 4, 1), (at(60, 40), at(10, 50), at(0, 0)), "Ring", "residential"),
    ]
    found = pairs({1: (20, 8), 2: (52, 22)}, ring)
    assert set(found) == {(1, 2), (2, 1)}


def test_no_lamps_or_no_streets_give_no_links() -> None:
    assert link_lamps({}, [street(1, (0, 0), (1, 0))]) == []
    assert link_lamps({1: ORIGIN}, []) == []
