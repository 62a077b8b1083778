"""Parts of `dongne bench boarding`: how classes are scored, who could sit, whom the line moves, which faults count as found."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bench._boarding_behaviour import Followers
from bench._boarding_score import Ridden, Sheet, coverage, macro_f1, score, score_faults

from dongne.methods.crowding_scale import Crowding
from dongne.services.boarding_line.simulated_ride import Stop
from dongne.services.boarding_line.simulated_scales import Fault

A, B, C, D = Crowding


def a_stop(*left: int) -> Stop:
    people = np.array(left)
    return Stop(2, 0, 10, people, people, people, np.array([1]), people[:, None] * 70.0)


def test_macro_f1_is_the_mean_over_classes_that_were_there() -> None:
    truth, said = [A, A, A, B, B, D], [A, A, B, B, D, D]
    a, b, d = 2 * 2 / (3 + 2), 2 * 1 / (2 + 2), 2 * 1 / (1 + 2)
    assert macro_f1(truth, said) == pytest.approx((a + b + d) / 3)
    assert macro_f1(truth, truth) == 1.0
    assert macro_f1([C], [A]) == 0.0


def test_all_methods_are_compared_on_the_same_cars() -> None:
    sheet = Sheet(truth=[50.0, 100.0, 160.0], low=[40.0, np.nan, 170.0], high=[60.0, np.nan, 180.0])
    sheet.said = {name: [np.nan] * 3 for name in sheet.said}
    sheet.said["forecast"], sheet.said["as it is now"] = [50.0, np.nan, 150.0], [60.0, 100.0, 160.0]
    forecast, now = score(sheet, "forecast"), score(sheet, "as it is now")
    assert forecast is not None and now is not None
    assert forecast.mae_people == pytest.approx(8.0)  # 10 % of 160, on one car of two
    assert now.mae_people == pytest.approx(8.0)  # the second car is left out for both
    assert coverage(sheet) == 0.5
    assert score(sheet, "usual load") is None


def test_who_stands_while_a_seat_is_free_could_sit() -> None:
    ridden = Ridden()
    ridden.add(a_stop(70, 30, 54), 54)  # 16 stand, 24 seats are free
    ridden.add(a_stop(250, 200, 50), 54)  # 342 stand, 4 seats are free
    assert (ridden.people, ridden.standing, ridden.could_sit, ridden.crowded) == (654, 358, 20, 250)


def follow(loads: list[float], wanted: list[int], *, by_number: bool) -> list[int]:
    """What becomes of people at positions with these loads on the line."""
    cars = len(loads)
    platform, train = SimpleNamespace(thing=9), SimpleNamespace(thing=1)
    line = SimpleNamespace(platforms=((platform, platform), ()), positions_of=lambda *_: np.arange(1, cars + 1))
    expected = {(9, p): (0, load, load, load) for p, load in enumerate(loads, 1)}
    city: Any = SimpleNamespace(line=SimpleNamespace(line=line), said=SimpleNamespace(expected=expected))
    trip: Any = SimpleNamespace(number=3, direction_id=0, train=train)
    return Followers(city, 1, by_number=by_number).choose(trip, 2, np.array(wanted)).tolist()


def test_half_of_those_at_a_full_car_go_to_an_emptier_one_beside() -> None:
    got = follow([150.0, 40.0, 150.0], [0, 0, 1_000], by_number=False)
    assert sum(got) == 1_000 and got[0] == 0
    assert got[1] == pytest.approx(500, abs=50)


def test_nobody_walks_further_than_three_cars_or_for_little() -> None:
    assert follow([20.0, 150.0, 150.0, 150.0, 150.0], [0, 0, 0, 0, 100], by_number=True) == [0, 0, 0, 0, 100]
    assert follow([55.0, 60.0], [0, 100], by_number=True) == [0, 100]
    assert follow([20.0, 70.0], [0, 100], by_number=False) == [0, 100]  # the same class
    assert follow([20.0, 70.0], [0, 100], by_number=True)[0] > 30


def a_judge(faults: list[Fault], reports: list[tuple[int, int, int, int]], left_us: list[int]) -> Any:
    train = SimpleNamespace(thing=1, cars=2)
    scales = SimpleNamespace(list_faults=lambda train, car, *_: [f for f in faults if f.car == car])
    line = SimpleNamespace(line=SimpleNamespace(trains=[train]), scales=scales)
    found = [SimpleNamespace(thing=t, car=c, begins_us=b, ends_us=e) for t, c, b, e in reports]
    said = SimpleNamespace(reports=dict(enumerate(found)))
    return SimpleNamespace(city=SimpleNamespace(line=line, said=said), stops=[(1, us) for us in left_us])


def test_a_fault_is_found_at_the_stop_at_which_it_is_reported() -> None:
    stops = list(range(0, 1000, 100))
    faults = [Fault(1, 1, "dead", 150, 900), Fault(1, 2, "stuck", 150, 900), Fault(1, 2, "jump", 950, 990)]
    judge = a_judge(faults, [(1, 1, 300, 1 << 62), (1, 2, 50, 120)], stops)
    found = score_faults(judge)
    assert (found.faults, found.stops_until_found, found.missed) == (
        2,
        (2,),
        ("stuck",),
    )  # the jump is over before it could be found
    assert (found.false_reports, found.car_stops) == (1, 20)


def test_scales_already_reported_when_they_break_are_found_at_the_first_stop() -> None:
    judge = a_judge([Fault(1, 1, "dead", 150, 900)], [(1, 1, 50, 400)], list(range(0, 1000, 100)))
    assert score_faults(judge).stops_until_found == (1,)
