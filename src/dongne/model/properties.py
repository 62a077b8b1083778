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
        HOME_SILENT,
        LINK_OUTAGE,
    )
} | HOME_PROPERTIES
