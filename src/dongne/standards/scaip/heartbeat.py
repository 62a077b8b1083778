"""The heartbeat interval that the receiver sets (`hbi`). The published schema takes one digit of 0 to 4; which interval each
stands for is in the standard's text alone, which is sold and was not read for this. So the table is a setting, to be
compared with the gateway's manual; INTERVALS_S is what we and our simulator say."""

from collections.abc import Mapping

from dongne.model.errors import BadSetup

INTERVALS_S: Mapping[str, float] = {"1": 300.0, "2": 3_600.0, "3": 43_200.0, "4": 86_400.0}


def code_for(wanted_s: float, intervals_s: Mapping[str, float] = INTERVALS_S) -> str:
    """The code of the longest interval within what is wanted; the shortest there is where none is that short."""
    within = [(length_s, code) for code, length_s in intervals_s.items() if length_s <= wanted_s]
    return max(within)[1] if within else min((length_s, code) for code, length_s in intervals_s.items())[1]


def parse_intervals(text: str) -> dict[str, float]:
    """The table in "1=300,2=3600": seconds by code. Raises BadSetup."""
    found: dict[str, float] = {}
    for part in text.split(","):
        code, equals, length = part.strip().partition("=")
        try:
            length_s = float(length)
        except ValueError:
            length_s = 0.0
        if not equals or code not in {"0", "1", "2", "3", "4"} or not 10 <= length_s <= 7 * 86_400:
            raise BadSetup(f"{part.strip()[:40]!r} is no interval; write code=seconds, as 1=300, with codes 0 to 4")
        found[code] = length_s
    return found
