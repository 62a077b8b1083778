"""A walk told turn by turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dongne.methods.walk_directions import Stretch, Way, list_steps, spoken_m, turn_of, turned_deg

NORTH, EAST, SOUTH, WEST = 0.0, 90.0, 180.0, 270.0


def along(
    length_m: float, heading: float, name: str = "", way: Way = Way.STREET, leaves: float | None = None, **more: int
) -> Stretch:
    return Stretch(length_m, length_m / 1.3, heading, heading if leaves is None else leaves, way, name, **more)


def told(*route: Stretch) -> list[tuple[str, str, float]]:
    return [(step.turn, step.name or step.way, step.length_m) for step in list_steps(route)]


def test_a_street_of_many_stretches_is_one_step() -> None:
    assert told(*(along(40, 10.0 * i, "Kaivokatu") for i in range(5))) == [("depart", "Kaivokatu", 200)]


def test_a_turn_into_another_street_is_a_step() -> None:
    route = (
        along(100, NORTH, "A"),
        along(50, EAST, "B"),
        along(60, NORTH, "C"),
        along(20, NORTH + 30, "D"),
        along(30, 40, "E"),
    )
    assert [turn for turn, *_ in told(*route)] == ["depart", "right", "left", "slight_right", "straight"]


def test_a_street_that_turns_its_corner_is_told_though_its_name_stays() -> None:
    assert told(along(80, NORTH, "A"), along(80, WEST, "A")) == [("depart", "A", 80), ("left", "A", 80)]


def test_two_half_turns_over_a_short_stretch_are_one_turn() -> None:
    assert told(along(80, NORTH, "A"), along(8, 45.0), along(80, EAST, "B")) == [
        ("depart", "A", 80),
        ("right", "B", 88),
    ]


def test_a_jog_over_a_side_street_leaves_one_on_the_same_street() -> None:
    assert told(along(80, NORTH, "A"), along(4, EAST, "B"), along(80, NORTH, "A")) == [("depart", "A", 164)]


def test_a_street_of_short_stretches_is_no_corner() -> None:
    route = along(80, NORTH, "A"), *(along(9, EAST, "B") for _ in range(3)), along(80, NORTH, "C")
    assert told(*route) == [("depart", "A", 80), ("right", "B", 27), ("left", "C", 80)]


def test_a_corner_at_the_end_belongs_to_the_last_way() -> None:
    assert told(along(80, NORTH, "A"), along(8, EAST)) == [("depart", "A", 88)]


def test_streets_crossed_straight_ahead_are_counted_and_not_told() -> None:
    over_an_island = along(9, NORTH, way=Way.CROSSING), along(4, 5.0), along(9, 0, way=Way.CROSSING)
    route = along(50, NORTH), *over_an_island, along(70, NORTH), along(8, NORTH, way=Way.CROSSING), along(20, NORTH)
    (step,) = list_steps(route)
    assert (step.crossings, step.length_m, step.turn) == (2, 170, "depart")


def test_a_street_crossed_to_the_other_side_is_told() -> None:
    route = along(50, NORTH, "A"), along(9, EAST, way=Way.CROSSING), along(70, NORTH, "A")
    assert told(*route) == [("depart", "A", 50), ("right", "crossing", 9), ("left", "A", 70)]


def test_flights_of_stairs_are_added_up_and_one_uncounted_flight_makes_them_unknown() -> None:
    flights = along(5, NORTH, way=Way.STEPS, stairs=12, rises=1), along(5, NORTH, way=Way.STEPS, stairs=8, rises=1)
    step = list_steps([along(50, NORTH, "A"), *flights])[1]
    assert (step.way, step.stairs, step.rises) == (Way.STEPS, 20, 1)
    step = list_steps([along(50, NORTH, "A"), *flights, along(5, NORTH, way=Way.STEPS, rises=-1)])[1]
    assert (step.stairs, step.rises) == (0, 0)


@pytest.mark.parametrize(
    ("leaves", "enters", "word"),
    [
        (350, 10, "straight"), (10, 350, "straight"), (0, 45, "slight_right"), (0, 90, "right"), (0, 150, "sharp_right"),
        (90, 0, "left"), (0, 180, "back"), (355, 310, "slight_left"), (10, 230, "sharp_left"),
    ],
)  # fmt: skip
def test_turns_have_their_words_also_across_north(leaves: float, enters: float, word: str) -> None:
    assert turn_of(turned_deg(leaves, enters)) == word


@pytest.mark.parametrize(
    ("metres", "said"),
    [(2, 10), (14, 10), (88, 90), (96, 100), (140, 150), (470, 450), (480, 500), (949, 900), (960, 1000), (1249, 1200)],
)
def test_distances_are_said_as_people_say_them(metres: float, said: float) -> None:
    assert spoken_m(metres) == said


stretches = st.builds(
    Stretch, st.floats(0, 500), st.floats(0, 400), st.floats(0, 360, exclude_max=True), st.floats(0, 360, exclude_max=True),
    st.sampled_from(list(Way)), st.sampled_from(["", "A", "B"]), st.integers(0, 30), st.sampled_from([-1, 0, 1]),
)  # fmt: skip


@given(st.lists(stretches, max_size=30))
def test_nothing_of_the_way_is_lost(route: list[Stretch]) -> None:
    steps = list_steps(route)
    assert sum(s.length_m for s in steps) == pytest.approx(sum(s.length_m for s in route))
    assert sum(s.duration_s for s in steps) == pytest.approx(sum(s.duration_s for s in route))
    assert [s.turn == "depart" for s in steps] == [True] * bool(steps) + [False] * (len(steps) - 1)
    firsts = [s.first for s in steps]
    assert firsts == sorted(firsts) and (not firsts or firsts[0] == 0)
