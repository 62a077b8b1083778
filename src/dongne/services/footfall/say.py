"""What a place's card says."""

from collections.abc import Mapping
from typing import Any

CALM, BUSIER, CROWDED = 0.75, 1.3, 2.0  # times usual


def say(values: Mapping[str, float]) -> tuple[str, str, dict[str, Any]]:
    """(state, catalogue key, its values) of a place's latest values by property key."""
    people = values.get("pedestrians")
    ratio = values.get("crowding")
    if people is None and ratio is None:
        return "stale", "footfall.say.unknown", {}
    if ratio is None:
        return "calm", "footfall.say.learning", {"people_h": people}
    given = {"ratio": ratio, "people_h": people or 0.0, "usual_people_h": values.get("usual_pedestrians", 0.0)}
    if ratio >= CROWDED:
        return "crowded", "footfall.say.crowded", given
    if ratio >= BUSIER:
        return "busy", "footfall.say.busier", given
    if ratio <= CALM:
        return "calm", "footfall.say.calm", given
    return "calm", "footfall.say.usual", given
