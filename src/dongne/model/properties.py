"""Properties that more than one service or simulator speaks of. A service's own are in its folder."""

from dongne.model.home import HOME_PROPERTIES, HOME_SILENT, LINK_OUTAGE
from dongne.model.observed import ObservedProperty

FILL_LEVEL = ObservedProperty("fill_level", "%", 0.0, 100.0)
PEDESTRIANS = ObservedProperty("pedestrians", "{person}/h", 0.0, 100_000.0)
PRESENCE = ObservedProperty("presence", "1", 0.0, 1.0)
LIGHT_LEVEL = ObservedProperty("light_level", "%", 0.0, 100.0)
ILLUMINANCE = ObservedProperty("illuminance", "lx", 0.0, 200_000.0)
PRECIPITATION = ObservedProperty("precipitation", "mm/h", 0.0, 500.0)
PARKING_OCCUPANCY = ObservedProperty("parking_occupancy", "%", 0.0, 100.0)
TEMPERATURE = ObservedProperty("temperature", "Cel", -90.0, 60.0)
CAR_MASS = ObservedProperty("car_mass", "kg", -50_000.0, 500_000.0)  # what a faulty scale says is heard as well
IN_SERVICE = ObservedProperty("in_service", "1", 0.0, 1.0)
PEOPLE_ABOARD = ObservedProperty("people_aboard", "{person}", 0.0, 1_000.0)
PEOPLE_AFTER_ALIGHTING = ObservedProperty("people_after_alighting", "{person}", 0.0, 1_000.0)

# GTFS Realtime 2.0, message VehiclePosition, and TripDescriptor for the direction
_GTFS_REALTIME = "https://gtfs.org/documentation/realtime/reference/"
CURRENT_STOP_SEQUENCE = ObservedProperty(
    "current_stop_sequence", "1", 0.0, 10_000.0, f"{_GTFS_REALTIME}#message-vehicleposition"
)
CURRENT_STATUS = ObservedProperty("current_status", "1", 0.0, 2.0, f"{_GTFS_REALTIME}#enum-vehiclestopstatus")
DIRECTION_ID = ObservedProperty("direction_id", "1", 0.0, 1.0, f"{_GTFS_REALTIME}#message-tripdescriptor")

# GTFS Realtime 2.0, TripUpdates and Alerts, at the stop; the parameters name trip_id, start_date and stop_sequence
DEPARTURE_DELAY = ObservedProperty(
    "departure_delay", "s", -86_400.0, 86_400.0, f"{_GTFS_REALTIME}#message-stoptimeevent"
)
CALL_CANCELLED = ObservedProperty("call_cancelled", "1", 0.0, 1.0, f"{_GTFS_REALTIME}#enum-schedulerelationship")
DISRUPTION = ObservedProperty("disruption", "1", 0.0, 1.0, f"{_GTFS_REALTIME}#message-alert")

SHARED = {
    p.key: p
    for p in (
        FILL_LEVEL,
        PEDESTRIANS,
        PRESENCE,
        LIGHT_LEVEL,
        ILLUMINANCE,
        PRECIPITATION,
        PARKING_OCCUPANCY,
        TEMPERATURE,
        CAR_MASS,
        CURRENT_STOP_SEQUENCE,
        CURRENT_STATUS,
        DIRECTION_ID,
        IN_SERVICE,
        PEOPLE_ABOARD,
        DEPARTURE_DELAY,
        CALL_CANCELLED,
        DISRUPTION,
        PEOPLE_AFTER_ALIGHTING,
        HOME_SILENT,
        LINK_OUTAGE,
    )
} | HOME_PROPERTIES
