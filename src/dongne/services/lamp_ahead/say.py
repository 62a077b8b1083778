"""What a lamp's card says."""

from collections.abc import Mapping
from typing import Any

FULL_PERCENT = 95.0


def say(values: Mapping[str, float]) -> tuple[str, str, dict[str, Any]]:
    """(state, catalogue key, its values) of a lamp's latest values by property key."""
    level = values.get("light_level")
    if level is None:
        return "stale", "lamp_ahead.say.unknown", {}
    given = {"level_percent": level}
    if values.get("presence", 0.0) >= 0.5:
        return "busy", "lamp_ahead.say.somebody", given
    if level >= FULL_PERCENT:
        return "calm", "lamp_ahead.say.full", given
    if level > 0:
        return "calm", "lamp_ahead.say.dim", given
    return "calm", "lamp_ahead.say.off", given
