"""What a city is made of, as its folder `cities/<id>/city.toml` says."""

from math import inf
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.channels import ChannelsConfig
from dongne.model.duty import Unit
from dongne.model.geometry import Point
from dongne.model.limits import Limits
from dongne.model.outbox import Rules


class HomesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What homes observed is taken out after `keep_days`."""

    keep_days: Annotated[float, msgspec.Meta(gt=0, le=36_500)] = 90.0


class CityConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One city: names by language, bounds (west, south, east, north) in degrees, zone, services switched on, settings.

    `settings[service][name]` are the city's values over a service's defaults. `lists_tasking`: the root of the
    SensorThings service lists the sets of Part 2. `publisher` answers for the data (its English name where empty), at
    `contact` (an address, or mailto:); `licence` (SPDX) holds for what the city itself measures, simulates and derives.
    `limits`: how much one client may ask. `ahead_h`: how far ahead of the clock the phenomenonTime of an Observation may
    be; 0 is no bound. `channels`: how messages reach people, `outbox`: how persistently. `units`: who Cases go to, and when somebody is there. `homes`: how long what they observed is kept.
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
    limits: Limits = Limits()
    ahead_h: Annotated[float, msgspec.Meta(ge=0)] = 24.0
    publisher: str = ""
    contact: str = ""
    licence: str = ""
    channels: ChannelsConfig = ChannelsConfig()
    outbox: Rules = Rules()
    units: dict[str, Unit] = {}
    homes: HomesConfig = HomesConfig()

    @property
    def publisher_name(self) -> str:
        """Who answers for the data."""
        return self.publisher or self.name.get("en", self.id)

    @property
    def credit(self) -> str:
        """Whom to name for the city's own data; nobody where they have no licence."""
        return self.publisher_name if self.licence else ""

    @property
    def ahead_s(self) -> float:
        """How far ahead of the clock a phenomenonTime may be; infinity without a bound."""
        return self.ahead_h * 3_600 or inf

    @property
    def zone_info(self) -> ZoneInfo:
        """The time zone as the standard library has it."""
        return ZoneInfo(self.zone)

    @property
    def centre(self) -> Point:
        """The middle of the bounds."""
        west, south, east, north = self.bounds
        return ((west + east) / 2, (south + north) / 2)
