"""What a bin's card says."""

from collections.abc import Mapping
from typing import Any

FULL_PERCENT = 95.0
SOON_H = 12.0
DAY_H = 24.0
LONG_H = 336.0


def say(values: Mapping[str, float]) -> tuple[str, str, dict[str, Any]]:
    """(state, catalogue key, its values) of a bin's latest values by property key."""
    level = values.get("fill_level_filtered")
    if level is None:
        return "stale", "smart_bins.say.unknown", {}
    hours = values.get("hours_to_full", LONG_H)
    given = {"level_percent": level, "hours": hours, "days": hours / DAY_H}
    if level >= FULL_PERCENT:
        return "crowded", "smart_bins.say.full", given
    if hours <= SOON_H:
        return "busy", "smart_bins.say.full_in_hours", given
    if hours <= DAY_H * 2:
        return "calm", "smart_bins.say.full_in_a_day", given
    if hours < LONG_H:
        return "calm", "smart_bins.say.full_in_days", given
    return "calm", "smart_bins.say.room", given
