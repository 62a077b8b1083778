"""Journeys in words."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from dongne.runtime.answer import Sentence
from dongne.services.journeys.journeys import Leg, Told

TIGHT_S = 120  # a change with less to spare than this is said to be tight


def say(start: str, end: str, journeys: Sequence[Told], moved_weeks: int, zone: ZoneInfo) -> Iterator[Sentence]:
    """Each journey in a line, and its parts behind it."""
    ends = {"start": start, "end": end, "count": len(journeys)}
    yield Sentence("journeys.head" if journeys else "journeys.nothing", ends)
    for one in journeys:
        times = {"departure": _clock(one.departure, zone), "arrival": _clock(one.arrival, zone), "minutes": one.minutes}
        if not any(leg.trip_id for leg in one.legs):
            yield Sentence("journeys.walk_all" if one.legs else "journeys.here", ends | times)
            continue
        yield Sentence(
            f"journeys.line.{'direct' if one.transfers == 0 else 'changes'}", times | {"transfers": one.transfers}
        )
        for leg in one.legs:
            yield _part(leg, zone)
    if moved_weeks:
        yield Sentence("journeys.moved", {"weeks": moved_weeks})


def _part(leg: Leg, zone: ZoneInfo) -> Sentence:
    times = {
        "departure": _clock(leg.departure, zone),
        "arrival": _clock(leg.arrival, zone),
        "start": leg.from_stop,
        "end": leg.to_stop,
    }
    if not leg.trip_id:
        minutes = (datetime.fromisoformat(leg.arrival) - datetime.fromisoformat(leg.departure)).total_seconds() // 60
        return Sentence("journeys.walk", times | {"minutes": int(minutes)})
    spare = leg.spare_s
    kind = "ride" if spare is None or spare >= TIGHT_S else "tight"
    keys = {"mode_key": f"transit.mode.{leg.mode}", "step_free_key": f"transit.step_free.{leg.step_free}"}
    return Sentence(f"journeys.{kind}", times | keys | {"route": leg.route, "spare": (spare or 0) // 60})


def _clock(text: str, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(text).astimezone(zone):%H:%M}"
