"""What can be set of a simulated night."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dongne.model.errors import BadSetup

SECOND_US = 1_000_000


@dataclass(frozen=True)
class Parameters:
    """The table [lamp_ahead] of `cities/<city>/simulated.toml`; shares are 0..1, `zone` says when people go to bed.

    `walkers_per_hour` counts those who set out in the whole district in its busiest hour.
    """

    walkers_per_hour: float = 60.0
    cyclist_share: float = 0.2
    walk_m_s: float = 1.3
    walk_spread_m_s: float = 0.5
    cycle_m_s: float = 4.5
    cycle_spread_m_s: float = 1.5
    lamps_per_walk: int = 20
    sensor_range_m: float = 6.0
    missed_share: float = 0.01
    silent_share: float = 0.005
    answer_min_s: float = 0.2
    answer_max_s: float = 2.0
    report_s: float = 900.0
    light_sensor_every_m: float = 250.0
    weather_s: float = 300.0
    showers_per_day: float = 2.0
    zone: str = "UTC"


def read_parameters(given: Mapping[str, Any]) -> Parameters:
    """The parameters, defaults where nothing is given. Raises BadSetup naming what is unknown or wrong."""
    names = Parameters.__dataclass_fields__
    if unknown := set(given) - set(names):
        raise BadSetup(f"simulated.toml [lamp_ahead] has {min(unknown)!r}; parameters: {', '.join(names)}")
    try:
        return msgspec.convert(dict(given), Parameters)
    except msgspec.ValidationError as error:
        raise BadSetup(f"simulated.toml [lamp_ahead]: {error}") from error
