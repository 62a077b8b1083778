"""What a city is made of, as its folder `cities/<id>/city.toml` says."""

from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.geometry import Point


class CityConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One city: names by language, bounds (west, south, east, north) in degrees, zone, services switched on, settings.

    `settings[service][name]` are the city's values over a service's defaults. `lists_tasking`: the root of the
    SensorThings service lists the sets of Part 2.
    """

    id: str
    name: dict[str, str]
    zone: str
    bounds: tuple[float, float, float, float]
    languages: tuple[str, ...] = ("ko", "en")
    services: tuple[str, ...] = ()
    settings: dict[str, dict[str, Any]] = {}
    attribution: str = ""
    lists_tasking: bool = False

    @property
    def zone_info(self) -> ZoneInfo:
        """The time zone as the standard library has it."""
        return ZoneInfo(self.zone)

    @property
    def centre(self) -> Point:
        """The middle of the bounds."""
        west, south, east, north = self.bounds
        return ((west + east) / 2, (south + north) / 2)
