"""What a feed of GTFS Realtime 2.0 says, in the words of its reference."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from dongne.model.geometry import Point


class OccupancyStatus(IntEnum):
    """How full a vehicle or carriage is, as its operator means it; the values are no scale (that is `occupancy_percent`)."""

    EMPTY = 0
    MANY_SEATS_AVAILABLE = 1
    FEW_SEATS_AVAILABLE = 2
    STANDING_ROOM_ONLY = 3
    CRUSHED_STANDING_ROOM_ONLY = 4
    FULL = 5
    NOT_ACCEPTING_PASSENGERS = 6
    NO_DATA_AVAILABLE = 7
    NOT_BOARDABLE = 8


class VehicleStopStatus(IntEnum):
    """Where a vehicle is, seen from the stop of its `current_stop_sequence`."""

    INCOMING_AT = 0
    STOPPED_AT = 1
    IN_TRANSIT_TO = 2


class TripRelationship(IntEnum):
    """What a trip has to do with the timetable (TripDescriptor.ScheduleRelationship)."""

    SCHEDULED = 0
    ADDED = 1
    UNSCHEDULED = 2
    CANCELED = 3
    REPLACEMENT = 5
    DUPLICATED = 6
    DELETED = 7
    NEW = 8


class StopRelationship(IntEnum):
    """What a call at a stop has to do with the timetable (StopTimeUpdate.ScheduleRelationship)."""

    SCHEDULED = 0
    SKIPPED = 1
    NO_DATA = 2
    UNSCHEDULED = 3


@dataclass(frozen=True)
class Trip:
    """One instance of a trip. `start_date` is YYYYMMDD, the day of service; `start_time` HH:MM:SS, also past 24:00."""

    trip_id: str = ""
    route_id: str = ""
    direction_id: int | None = None
    start_date: str = ""
    start_time: str = ""
    relationship: TripRelationship = TripRelationship.SCHEDULED


@dataclass(frozen=True)
class Carriage:
    """A car of a train. Those of a vehicle are given from the head in the direction of travel; that gives the
    `carriage_sequence`. A car of which nothing is known stands there too, as it is made."""

    id: str = ""
    label: str = ""
    occupancy_status: OccupancyStatus = OccupancyStatus.NO_DATA_AVAILABLE
    occupancy_percent: int | None = None


@dataclass(frozen=True)
class VehiclePosition:
    """A vehicle. `occupancy_percent` is 100 where it is as full as it was designed for, and may be more; give it no finer
    than hides single passengers. With `carriages` it is that of all which passengers may enter."""

    vehicle_id: str
    time: datetime | None = None  # when the position was measured
    trip: Trip | None = None
    label: str = ""
    position: Point | None = None
    bearing_deg: float | None = None
    speed_m_per_s: float | None = None
    current_stop_sequence: int | None = None
    stop_id: str = ""
    current_status: VehicleStopStatus | None = None
    occupancy_status: OccupancyStatus | None = None
    occupancy_percent: int | None = None
    carriages: tuple[Carriage, ...] = ()


@dataclass(frozen=True)
class StopTimeEvent:
    """When a vehicle arrives or departs: `time`, or `delay_s` against the timetable. `uncertainty_s` None: unknown."""

    delay_s: int | None = None
    time: datetime | None = None
    uncertainty_s: int | None = None


@dataclass(frozen=True)
class StopTimeUpdate:
    """A call of a trip at a stop. It holds for the calls behind it too, up to the next one."""

    stop_sequence: int | None = None
    stop_id: str = ""
    arrival: StopTimeEvent | None = None
    departure: StopTimeEvent | None = None
    relationship: StopRelationship = StopRelationship.SCHEDULED


@dataclass(frozen=True)
class TripUpdate:
    """How a trip goes. Calls are in the order of their stops."""

    trip: Trip
    vehicle_id: str = ""
    time: datetime | None = None
    delay_s: int | None = None
    calls: tuple[StopTimeUpdate, ...] = ()


@dataclass(frozen=True)
class Selector:
    """Whom an alert is for: all that is given must hold."""

    agency_id: str = ""
    route_id: str = ""
    route_type: int | None = None
    direction_id: int | None = None
    trip: Trip | None = None
    stop_id: str = ""


@dataclass(frozen=True)
class Alert:
    """A disruption. Texts are by language ("" where the feed names none); `periods` are (start, end), None: open."""

    id: str
    header: dict[str, str] = field(default_factory=dict)
    description: dict[str, str] = field(default_factory=dict)
    spoken: dict[str, str] = field(default_factory=dict)
    url: dict[str, str] = field(default_factory=dict)
    cause: str = "UNKNOWN_CAUSE"
    effect: str = "UNKNOWN_EFFECT"
    severity: str = "UNKNOWN_SEVERITY"
    periods: tuple[tuple[datetime | None, datetime | None], ...] = ()
    informed: tuple[Selector, ...] = ()

    def is_active(self, at: datetime) -> bool:
        """Whether it is to be shown at this time."""
        return not self.periods or any((not a or a <= at) and (not b or at < b) for a, b in self.periods)


@dataclass(frozen=True)
class Feed:
    """A whole feed of `time` (FULL_DATASET: it takes the place of what was said before)."""

    time: datetime
    vehicles: tuple[VehiclePosition, ...] = ()
    trip_updates: tuple[TripUpdate, ...] = ()
    alerts: tuple[Alert, ...] = ()
