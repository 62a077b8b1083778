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

import msgspec
import numpy as np

from dongne.methods.windows import HOUR_US
from dongne.model.times import to_us
from dongne.runtime.job import JobInput, Series
from dongne.services.footfall.jobs import FitForecast

SERVICES = Path(__file__).parent.parent / "src/dongne/services"
START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday

Line = dict[str, Any]


def at(hours: float) -> str:
    return (START + timedelta(seconds=round(hours * 3600))).strftime("%Y-%m-%dT%H:%M:%SZ")


def thing(number: int, kind: str, name: str) -> Line:
    return {"thing": {"id": number, "kind": kind, "name": name, "lon": 24.94 + number / 1000, "lat": 60.17}}


def write(service: str, things: list[Line], events: list[tuple[float, Line]]) -> None:
    events.sort(key=lambda event: event[0])
    lines = [*things]
    for hours, body in events:
        if "observe" in body and "observe" in lines[-1] and lines[-1]["at"] == at(hours):
            lines[-1]["observe"] += body["observe"]
        else:
            lines.append({"at": at(hours), **body})
    file = SERVICES / service / "example/records.jsonl"
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    print(f"{file}: {len(lines)} lines")


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


def people(number: int, hour: int, chance: random.Random) -> float:
    """Persons in an hour at a place with offices (1) or a promenade (2): more by day, another weekend."""
    local = hour + 2  # Helsinki in winter
    day, time = local // 24 % 7, local % 24
    weekend = (0.4 if number == 1 else 1.8) if day >= 5 else 1.0
    mean = 400 * weekend * max(0.03, sin(pi * (time - 5) / 18)) if 5 <= time < 23 else 12.0
    return max(0.0, round(chance.gauss(mean, 0.08 * mean + mean**0.5)))


def fitted(number: int) -> dict[str, Any]:
    """What the job finds in twelve weeks of such a place."""
    chance = random.Random(100 + number)
    first = to_us(START) // HOUR_US - 84 * 24
    hours = [(first + hour) * HOUR_US for hour in range(84 * 24)]
    counts = [people(number, hour - 84 * 24, chance) for hour in range(84 * 24)]
    series = Series(np.array(hours, np.int64), np.array(counts))
    given = JobInput(number, to_us(START), "Europe/Helsinki", None, {"pedestrians": series})
    outcome = msgspec.to_builtins(FitForecast().run(given))
    model = outcome["model"]
    rounded = {"profile": [round(v, 3) for v in model["profile"]],
               "weights": [[round(v, 4) for v in row] for row in model["weights"]]}  # fmt: skip
    return {**outcome, "model": {**model, **rounded}}


def footfall() -> None:
    things = [thing(1, "footway", "By the offices"), thing(2, "square", "Promenade")]
    events: list[tuple[float, Line]] = []
    for number in (1, 2):
        chance = random.Random(number)
        for hour in range(23 * 24):
            count = people(number, hour, chance)
            if number == 2 and 22 * 24 + 14 <= hour < 22 * 24 + 19:
                count *= 3.0  # a festival
            if number == 1 and 300 <= hour < 310:
                continue  # the counter was off
            if number == 2 and hour >= 21 * 24:  # from now on in half hours
                parts = [(hour + 0.5, hour), (hour + 1.0, hour + 0.5)]
            else:
                parts = [(hour + 1.0, hour)]
            for arrives, starts in parts:
                events.append((arrives, {"observe": [[number, "pedestrians", count, at(starts)]]}))
    events.append((21 * 24 + 0.1, {"setting": {"level": "thing:2", "values": {"part_min": 30}}}))
    events += [(22 * 24.0 + 2.5, {"job": {"thing": n, "job": "fit", "outcome": fitted(n)}}) for n in (1, 2)]
    late = [[1, "pedestrians", 333, at(22 * 24 + 8)], [1, "pedestrians", 9999, at(24)]]  # corrected; far too late
    events.append((22 * 24 + 11.5, {"observe": late}))
    events.append((23 * 24 + 4.0, {"wake": True}))
    write("footfall", things, events)


if __name__ == "__main__":
    smart_bins()
    footfall()
