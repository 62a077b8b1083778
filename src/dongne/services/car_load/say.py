"""What a train's card says."""

from collections.abc import Mapping
from typing import Any


def say(values: Mapping[str, float]) -> tuple[str, str, dict[str, Any]]:
    """(state, catalogue key, its values) of a train's latest values by property key; of its cars the mean."""
    if values.get("in_service", 1.0) < 0.5:
        return "calm", "car_load.say.empty", {}
    people = values.get("people_aboard")
    if people is None:
        return "calm", "car_load.say.unknown", {}
    return "calm", "car_load.say.aboard", {"people": people}
