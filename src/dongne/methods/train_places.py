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
