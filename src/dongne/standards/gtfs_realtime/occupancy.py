"""How full a car is, in the words of GTFS Realtime.

Seoul's four classes are no OccupancyStatus: "relaxed" goes up to 80 %, 128 people in a car with 54 seats, most of whom stand. GTFS
Realtime asks first whether there are seats, then how people stand. So up to the number of seats it follows the seats, as
`FEW_SEATS_AVAILABLE` from half of them on; beyond, Seoul's steps: relaxed and normal stand with room (`STANDING_ROOM_ONLY`), caution is
`CRUSHED_STANDING_ROOM_ONLY`, crowded is `FULL`, "considered full by most measures, but may still be allowing passengers to board".

https://gtfs.org/documentation/realtime/reference/#enum-occupancystatus
"""

from dongne.methods.crowding_scale import Crowding, class_of
from dongne.standards.gtfs_realtime.message import OccupancyStatus

STEP_PERCENT = 5  # "low enough that individual passengers cannot be tracked": 5 % are 8 people


def occupancy_status(percent: float, people: float, seats: float) -> OccupancyStatus:
    """The status of a car with so many people and seats, `percent` on Seoul's scale."""
    if people < 0.5:
        return OccupancyStatus.EMPTY
    if people <= seats / 2.0:
        return OccupancyStatus.MANY_SEATS_AVAILABLE
    if people < seats:
        return OccupancyStatus.FEW_SEATS_AVAILABLE
    crowding = class_of(percent)
    if crowding is Crowding.CROWDED:
        return OccupancyStatus.FULL
    if crowding is Crowding.CAUTION:
        return OccupancyStatus.CRUSHED_STANDING_ROOM_ONLY
    return OccupancyStatus.STANDING_ROOM_ONLY


def occupancy_percent(percent: float) -> int:
    """In steps of 5 %; above 100 where more are in than it was designed for."""
    return STEP_PERCENT * round(max(percent, 0.0) / STEP_PERCENT)
