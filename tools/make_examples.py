"""Writes `example/records.jsonl` of smart_bins and footfall. Seeded; run it again and nothing changes.

    .venv/bin/python tools/make_examples.py && .venv/bin/dongne check smart_bins footfall --write

All values are made up here; names and places are no real ones.
"""

import json
import random
from datetime import UTC, datetime, timedelta
from math import pi, sin
from pathlib import Path
from typing import Any

SERVICES = Path(__file__).parent.parent / "src/dongne/services"
START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday

Line = dict[str, Any]


def at(hours: float) -> str:
    return (START + timedelta(seconds=round(hours * 3600))).strftime("%Y-%m-%dT%H:%M:%SZ")


def thing(number: int, kind: str, name: str) -> Line:
    return {"thing": {"id": number, "kind": kind, "name": name, "lon": 24.94 + number / 1000, "lat": 60.17}}


def write(service: str, things: list[Line], events: list[tuple[float, Line]]) -> None:
    events.sort(key=lambda event: event[0])
    lines = [*things, *({"at": at(hours), **body} for hours, body in events)]
    file = SERVICES / service / "example/records.jsonl"
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    print(f"{file}: {len(lines)} lines")  # noqa: T201


def bin_readings(number: int, rate: float, emptied: list[float], hours: range) -> list[tuple[float, Line]]:
    """Two-hourly readings of a bin that fills more by day; one reading in fifty is an echo."""
    chance = random.Random(number)
    level, events = 10.0, []
    for hour in range(hours.stop):
        level += rate * (1 + sin(2 * pi * (hour % 24 - 8) / 24)) * chance.uniform(0.3, 1.7)
        if hour in emptied:
            level = chance.uniform(0, 3)
        if hour in hours and hour % 2 == 0:
            said = chance.uniform(0, 100) if chance.random() < 0.02 else level + chance.gauss(0, 2.5)
            wander = chance.uniform(0, 0.2)
            value = round(min(max(said, 0.0), 100.0), 1)
            events.append((hour + wander, {"observe": [[number, "fill_level", value]]}))
    return events


def smart_bins() -> None:
    things = [thing(1, "waste_basket", "Bin by the fountain"), thing(2, "waste_basket", "Bin at the tram stop"),
              thing(3, "waste_basket", "Bin in the park"), thing(4, "bench", "No bin")]  # fmt: skip
    days = range(10 * 24)
    events = bin_readings(1, 1.4, [68.0, 139.0, 207.0], days)
    events += bin_readings(2, 2.2, [45.0, 88.0, 132.0, 178.0, 220.0], days)
    silent = bin_readings(3, 0.8, [], days)
    events += [event for event in silent if not 60 <= event[0] < 150]
    done = {"thing": 2, "kind": "work_order", "name": "collect", "once": "round 2", "action": "done", "by": "crew"}
    events.append((88.05, {"case": done}))
    events.append((120.0, {"setting": {"level": "thing:1", "values": {"full_percent": 70.0}}}))
    events.append((121.0, {"observe": [[1, "fill_level", 99.0, at(30.0)], [4, "fill_level", 50.0]]}))  # late; no bin
    events += [(day * 24.0, {"wake": True}) for day in range(1, 11)]
    write("smart_bins", things, events)


if __name__ == "__main__":
    smart_bins()
