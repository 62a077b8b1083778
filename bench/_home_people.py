"""How people answer notices in a simulation: residents, guardians, responders, nurses, operators, 119."""

from collections.abc import Mapping
from math import log
from random import Random
from typing import Any

from dongne.model.notices import ACKNOWLEDGED, FINE, HELP

S = 1_000_000
Answer = tuple[int, str]
"""Microseconds after the notice, and what is answered."""


def delay_us(given: Mapping[str, float], chance: Random) -> int | None:
    """After so long they answer; None where they never do."""
    if chance.random() >= given["share"]:
        return None
    return int(chance.lognormvariate(log(given["median"]), given["spread"]) * S)


def spread_s(given: Mapping[str, float], chance: Random) -> float:
    """A lognormal duration by its median."""
    return chance.lognormvariate(log(given["median"]), given["spread"])


def resident(
    people: Mapping[str, Any],
    name: str,
    place: str,
    *,
    in_danger: bool,
    is_able: bool,
    is_confused: bool,
    chance: Random,
) -> Answer | None:
    """`place` is "awake", "asleep" or "away"."""
    if in_danger and not is_able:
        return None
    sort = "resident_called" if name == "ask_inactivity" else f"resident_{place}"
    after = delay_us(people[sort], chance)
    if after is None:
        return None
    return after, FINE if is_confused or not in_danger else HELP


def others(people: Mapping[str, Any], to: str, name: str, *, in_danger: bool, chance: Random) -> list[Answer]:
    """What a guardian, nurse, responder, operator or 119 answers, in order."""
    sort = {"119": "dispatch", "unit:care_desk": "desk"}.get(to, to)
    after = delay_us(people[sort], chance)
    if after is None:
        return []
    if name == "phone":  # they phone the person, and say what they heard
        spoken = after + int(chance.uniform(60, 240) * S)
        return [(spoken, HELP if in_danger else FINE)]
    if name in ("go", "visit"):
        there = after + int(chance.uniform(*people["arrive_min"]) * 60 * S)
        return [(after, ACKNOWLEDGED), (there, HELP if in_danger else FINE)]
    return [(after, ACKNOWLEDGED)]
