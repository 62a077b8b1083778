"""Where a train is, seen from a stop, and about when it comes."""

import pytest

from dongne.methods.train_places import (
    DWELL_S,
    TURN_S,
    StopStatus,
    TrainPlace,
    error_s,
    run_s,
    seconds_round,
    seconds_to,
    stops_away,
    stops_away_round,
)

DISTANCES_M = (800.0, 1600.0, 400.0)  # four stops
S = 1_000_000


def place(sequence: int, status: StopStatus, direction_id: int = 0) -> TrainPlace:
    return TrainPlace(direction_id, sequence, status, 0)


def test_a_train_is_so_many_stops_away_until_it_has_left() -> None:
    assert stops_away(place(2, StopStatus.IN_TRANSIT_TO), 0, 4) == 2
    assert stops_away(place(4, StopStatus.STOPPED_AT), 0, 4) == 0
    assert stops_away(place(5, StopStatus.IN_TRANSIT_TO), 0, 4) is None
    assert stops_away(place(2, StopStatus.STOPPED_AT, 1), 0, 4) is None


def test_the_time_is_the_way_that_is_left_and_the_stops_between() -> None:
    leaving = place(2, StopStatus.IN_TRANSIT_TO)
    assert seconds_to(leaving, 2, DISTANCES_M, 0) == pytest.approx(800 / 16 + 30)
    assert seconds_to(leaving, 2, DISTANCES_M, 20 * S) == pytest.approx(800 / 16 + 30 - 20)
    assert seconds_to(leaving, 4, DISTANCES_M, 0) == pytest.approx(run_s(800) + run_s(1600) + run_s(400) + 2 * DWELL_S)
    standing = place(3, StopStatus.STOPPED_AT)
    assert seconds_to(standing, 4, DISTANCES_M, 10 * S) == pytest.approx(run_s(400) + DWELL_S - 10)


def test_a_train_that_stands_is_there_and_a_late_one_is_about_to_come() -> None:
    assert seconds_to(place(3, StopStatus.STOPPED_AT), 3, DISTANCES_M, 99 * S) == 0
    assert seconds_to(place(2, StopStatus.IN_TRANSIT_TO), 2, DISTANCES_M, 900 * S) == 0
    assert seconds_to(place(3, StopStatus.STOPPED_AT), 4, DISTANCES_M, 900 * S) == pytest.approx(run_s(400))


def test_a_stop_out_of_the_line_costs_no_error() -> None:
    assert seconds_to(place(9, StopStatus.IN_TRANSIT_TO), 9, DISTANCES_M, 0) >= 0
    assert seconds_to(place(0, StopStatus.IN_TRANSIT_TO), 2, DISTANCES_M, 0) >= 0


def test_what_is_further_away_is_less_sure() -> None:
    assert error_s(60) < error_s(600)


def test_a_train_that_turns_counts_the_end_once_and_takes_the_turn_and_the_way_back() -> None:
    there_m, back_m = (900.0, 1_100.0), (1_100.0, 900.0)
    at_the_end = TrainPlace(1, 3, StopStatus.STOPPED_AT, 0)
    assert stops_away_round(at_the_end, 0, 1, 3) == 0
    assert stops_away_round(at_the_end, 0, 2, 3) == 1
    assert stops_away_round(TrainPlace(1, 2, StopStatus.IN_TRANSIT_TO, 0), 0, 2, 3) == 2
    assert stops_away_round(TrainPlace(0, 1, StopStatus.STOPPED_AT, 0), 0, 2, 3) is None
    assert seconds_round(at_the_end, 2, there_m, back_m, 60_000_000) == TURN_S - 60.0 + run_s(1_100.0) + DWELL_S
    before = TrainPlace(1, 3, StopStatus.INCOMING_AT, 0)
    assert seconds_round(before, 1, there_m, back_m, 0) == seconds_to(before, 3, there_m, 0) + TURN_S
