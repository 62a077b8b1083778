"""A board in words, to read and to hear."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dongne.runtime.answer import Sentence
from dongne.services.stop_board.board import Departure

SPOKEN = 3  # departures that are read aloud


def say(name: str, departures: Sequence[Departure], moved_weeks: int, zone: ZoneInfo) -> Iterator[Sentence]:
    """The stop, each departure with its certainty, and where the timetable is from."""
    yield Sentence("stop_board.head" if departures else "stop_board.nothing", {"stop": name, "count": len(departures)})
    for one in departures:
        values = _values(one, zone)
        yield Sentence(f"stop_board.line.{_kind(one)}", values)
        if one.change is not None:
            holds = one.change.holds_percent
            kind = "unknown" if holds is None else "holds" if holds >= 80 else "breaks" if holds < 20 else "may_hold"
            yield Sentence(
                f"stop_board.change.{kind}", values | {"percent": holds or 0, "slack": one.change.slack_s // 60}
            )
    if moved_weeks:
        yield Sentence("stop_board.moved", {"weeks": moved_weeks})


def say_aloud(name: str, departures: Sequence[Departure], zone: ZoneInfo) -> Iterator[Sentence]:
    """The next three, as one says them: no signs, no abbreviations."""
    if not departures:
        yield Sentence("stop_board.spoken.nothing", {"stop": name})
        return
    yield Sentence("stop_board.spoken.head", {"stop": name})
    for one in departures[:SPOKEN]:
        kind = "cancelled" if one.cancelled else "now" if one.minutes == 0 else "soon" if one.minutes < 60 else "later"
        yield Sentence(f"stop_board.spoken.{kind}", _values(one, zone))


def _kind(one: Departure) -> str:
    if one.cancelled:
        return "cancelled"
    if one.certainty != "real_time":
        return one.certainty
    late_min = round((one.delay_s or 0) / 60)
    return "late" if late_min > 0 else "early" if late_min < 0 else "on_time"


def _values(one: Departure, zone: ZoneInfo) -> dict[str, Any]:
    scheduled, expected = (datetime.fromisoformat(text).astimezone(zone) for text in (one.scheduled, one.expected))
    return {
        "time": f"{scheduled:%H:%M}", "expected": f"{expected:%H:%M}", "route": one.route, "headsign": one.headsign,
        "mode_key": f"transit.mode.{one.mode}", "step_free_key": f"transit.step_free.{one.step_free}",
        "minutes": one.minutes, "late": abs(round((one.delay_s or 0) / 60)), "seen": one.seen,
        "low": round((one.low_s or 0) / 60), "high": round((one.high_s or 0) / 60),
        "hour": expected.hour, "minute": expected.minute,
    }  # fmt: skip
