"""What a platform's card says."""

from collections.abc import Mapping
from typing import Any

from dongne.methods.crowding_scale import Crowding, class_of

STATES = {Crowding.RELAXED: "calm", Crowding.NORMAL: "calm", Crowding.CAUTION: "busy", Crowding.CROWDED: "crowded"}


def say(values: Mapping[str, float]) -> tuple[str, str, dict[str, Any]]:
    """(state, catalogue key, its values) of a platform's latest values by property key; of the positions along it the mean."""
    percent = values.get("expected_load")
    if percent is None:
        return "stale", "boarding_line.say.unknown", {}
    crowding = class_of(percent)
    return STATES[crowding], f"boarding_line.say.{crowding.name.lower()}", {"percent": percent}
