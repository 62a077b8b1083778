"""Where a train is, seen from a stop of its line, and about when it will be there.

Between two stops a train takes its way at CRUISE_M_S, and STOP_LOSS_S more for braking and starting; it stands DWELL_S. These are
usual of an underground with stations about 1 km apart (assumed; a line that publishes a timetable knows better), so what is said
is in whole minutes and named "about".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

CRUISE_M_S = 16.0
STOP_LOSS_S = 30.0
DWELL_S = 35.0
TURN_S = 240.0  # from standing at the last stop to leaving the first of the way back
ERROR_SHARE = 0.25  # of what a time was worked out as, it may be wrong
ERROR_S = 20.0


class StopStatus(IntEnum):
    """VehicleStopStatus of GTFS Realtime, seen from the stop that is named with it."""

    INCOMING_AT = 0
    STOPPED_AT = 1
    IN_TRANSIT_TO = 2


@dataclass(frozen=True)
class TrainPlace:
    """What a train said last: its direction, the stop, how it stands to it, and when that was said."""

    direction_id: int
    stop_sequence: int
    status: StopStatus
    time_us: int


def run_s(distance_m: float) -> float:
    """Seconds from stop to stop."""
    return distance_m / CRUISE_M_S + STOP_LOSS_S


def stops_away(place: TrainPlace, direction_id: int, stop_sequence: int) -> int | None:
    """How many stops the train makes before this one: 0 where this is its next, or where it stands; None where it goes another
    way or has left."""
    if place.direction_id != direction_id or place.stop_sequence > stop_sequence:
        return None
    return stop_sequence - place.stop_sequence


def stops_away_round(place: TrainPlace, direction_id: int, stop_sequence: int, stops_there: int) -> int | None:
    """The same of a train that goes the other way, which has `stops_there` stops, and turns at its end; None where it goes this way."""
    if place.direction_id == direction_id or place.stop_sequence > stops_there:
        return None
    return stops_there - place.stop_sequence + stop_sequence - 1


def seconds_round(
    place: TrainPlace, stop_sequence: int, there_m: Sequence[float], back_m: Sequence[float], now_us: int
) -> float:
    """About how long until a train that has to turn stands at this stop of its way back; the ways from stop to stop as in `seconds_to`, those to
    the end and those back."""
    end = len(there_m) + 1
    back_s = sum(run_s(metres) + DWELL_S for metres in back_m[: max(stop_sequence - 1, 0)])
    if place.stop_sequence >= end and place.status is StopStatus.STOPPED_AT:
        return max(TURN_S - max(now_us - place.time_us, 0) / 1e6, 0.0) + back_s
    return seconds_to(place, end, there_m, now_us) + TURN_S + back_s


def seconds_to(place: TrainPlace, stop_sequence: int, distances_m: Sequence[float], now_us: int) -> float:
    """About how long until the train stands at the stop, 0 where it does; `distances_m[i]` is the way from stop i + 1 to stop i + 2 of its
    direction. Not less than 0: a train that is late is about to come."""
    seen_s = max(now_us - place.time_us, 0) / 1e6
    ahead = distances_m[max(place.stop_sequence - 1, 0) : max(stop_sequence - 1, 0)]
    further_s = sum(run_s(metres) for metres in ahead) + DWELL_S * len(ahead)
    if place.status is StopStatus.STOPPED_AT:
        left_s = -min(seen_s, DWELL_S) if ahead else 0.0
    elif place.status is StopStatus.INCOMING_AT:
        left_s = max(STOP_LOSS_S / 2.0 - seen_s, 0.0)
    else:
        behind = max(place.stop_sequence - 2, 0)
        left_s = max(run_s(sum(distances_m[behind : behind + 1])) - seen_s, 0.0)
    return max(left_s + further_s, 0.0)


def error_s(seconds: float) -> int:
    """How wrong such a time may be, either way."""
    return round(ERROR_S + ERROR_SHARE * seconds)
