"""Writes `example/records.jsonl` of car_load and boarding_line. Seeded; run it again and nothing changes.

    .venv/bin/python tools/make_line_examples.py && .venv/bin/dongne check car_load boarding_line --write

A made-up line of four stops with trains of three and two cars; all values are made up here.
"""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SERVICES = Path(__file__).parent.parent / "src/dongne/services"
START = datetime(2026, 11, 2, 5, 0, tzinfo=UTC)  # a Monday, 7:00 in Helsinki
STOPS, TARE_KG, PERSON_KG, LEG_S, DOORS_S = 4, 33_000, 71.0, 90, 25

Line = dict[str, Any]
Row = tuple[float, list[Any]]


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(service: str, things: list[Line], events: list[tuple[float, Line]]) -> None:
    lines = [*things]
    for seconds, body in sorted(events, key=lambda event: event[0]):
        if "observe" in body and "observe" in lines[-1] and lines[-1]["at"] == at(seconds):
            lines[-1]["observe"] += body["observe"]
        else:
            lines.append({"at": at(seconds), **body})
    file = SERVICES / service / "example/records.jsonl"
    file.parent.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    print(f"{file}: {len(lines)} lines")


def train(number: int, cars: int, name: str) -> Line:
    properties = {"vehicle_id": name, "line": "example", "cars": cars, "seats_per_car": 54, "tare_kg": TARE_KG}
    return {"thing": {"id": number, "kind": "train", "name": f"Train {name}", "properties": properties}}


class Ride:
    """A train that goes up and down the line, weighed car by car; what is wrong with its scales is said by `fault`."""

    def __init__(self, thing: int, cars: int, seed: int, fault: tuple[int, str, int] | None = None) -> None:
        self.thing, self.cars, self.chance, self.fault = thing, cars, random.Random(seed), fault
        self.zero_kg = [TARE_KG + self.chance.gauss(0, 250) for _ in range(cars)]
        self.people = [0] * cars
        self.rows: list[Row] = []
        self.visits = 0

    def say(self, seconds: float, key: str, value: float) -> None:
        self.rows.append((seconds, [self.thing, key, value]))

    def weigh(self, seconds: float, direction_id: int, people: list[float]) -> None:
        for part in range(1, self.cars + 1):
            car = part - 1 if direction_id == 0 else self.cars - part
            kg = self.zero_kg[car] + people[car] * PERSON_KG + self.chance.gauss(0, 110)
            if self.fault is not None and self.fault[0] == car and self.visits >= self.fault[2]:
                if self.fault[1] == "dead":
                    continue
                kg += 9_000.0
            self.rows.append((seconds, [self.thing, "car_mass", round(kg, -1), None, "", str(part)]))

    def run_empty(self, seconds: float) -> float:
        self.say(seconds, "in_service", 0)
        for number in range(6):
            self.weigh(seconds + 30 * (number + 1), 0, [0.0] * self.cars)
        return seconds + 240

    def stop(self, seconds: float, direction_id: int, sequence: int) -> float:
        place = [("direction_id", direction_id), ("current_stop_sequence", sequence)]
        for key, value in [*place, ("current_status", 1)]:
            self.say(seconds, key, value)
        share = 1.0 if sequence == STOPS else 0.25
        off = [round(people * share) for people in self.people]
        on = [0 if sequence == STOPS else self.chance.randint(5, 60) for _ in self.people]
        for second in range(1, DOORS_S, 5):
            gone = min(second / 8.0, 1.0)
            come = min(max((second - 8.0) / 14.0, 0.0), 1.0)
            inside = [p - o * gone + b * come for p, o, b in zip(self.people, off, on, strict=True)]
            self.weigh(seconds + second, direction_id, inside)
        self.people = [p - o + b for p, o, b in zip(self.people, off, on, strict=True)]
        leaves = seconds + DOORS_S
        self.visits += 1
        if sequence < STOPS:
            for key, value in [("current_stop_sequence", sequence + 1), ("current_status", 2)]:
                self.say(leaves, key, value)
            self.weigh(leaves + 8, direction_id, [float(p) for p in self.people])
        return leaves + LEG_S

    def run(self, seconds: float, rounds: int) -> list[Row]:
        seconds = self.run_empty(seconds)
        self.say(seconds, "in_service", 1)
        for _ in range(rounds):
            for direction_id in (0, 1):
                for sequence in range(1, STOPS + 1):
                    seconds = self.stop(seconds, direction_id, sequence)
        return self.rows


def events(rows: list[Row]) -> list[tuple[float, Line]]:
    return [(seconds, {"observe": [row]}) for seconds, row in rows]


def car_load() -> None:
    things = [
        train(1, 3, "101"),
        train(2, 2, "102"),
        train(3, 3, "103"),
        {"thing": {"id": 4, "kind": "bench", "name": "No train"}},
    ]
    found = events(Ride(1, 3, 1).run(0, 3))
    found += events(Ride(2, 2, 2).run(40, 2))
    found += events(Ride(3, 3, 3, fault=(1, "dead", 6)).run(75, 2))
    found.append((900, {"observe": [[2, "car_mass", 34_000, None, "", "7"]]}))  # a car that it has not
    found.append((905, {"observe": [[1, "current_status", 1, at(300)], [4, "current_status", 1]]}))  # late; no train
    found += [(hour * 3600.0, {"wake": True}) for hour in (1, 2)]
    write("car_load", things, found)


def platform(number: int, direction_id: int, sequence: int) -> Line:
    properties = {"stop_id": f"{sequence}", "line": "example", "direction_id": direction_id, "stop_sequence": sequence,
                  "positions": 3, "doors_per_car": 4}  # fmt: skip
    return {"thing": {"id": number, "kind": "platform", "name": f"Stop {sequence}", "properties": properties}}


def boarding_line() -> None:
    chance = random.Random(5)
    things = [platform(11, 0, 2), platform(12, 0, 3), train(1, 3, "101"), train(2, 2, "102")]
    things += [{"relation": {"kind": "served_by", "from": p, "to": t}} for p in (11, 12) for t in (1, 2)]
    found: list[tuple[float, Line]] = []
    for number in range(24):
        thing, cars = (1, 3) if number % 2 == 0 else (2, 2)
        people = [chance.randint(60, 200) for _ in range(cars)]
        for sequence, seconds in ((2, 240.0 * number), (3, 240.0 * number + 115)):
            common = {"vehicle_id": f"10{thing}", "trip": at(240.0 * number), "cars": cars, "direction_id": 0}
            going = {**common, "stop_sequence": sequence - 1, "to_direction_id": 0, "to_stop_sequence": sequence}
            source = "estimated" if number == 9 else "sensor"
            known = {"noise_sd": 1.8, "lasting_sd": 2.5, "source": source}
            for part, count in enumerate(people, 1):
                parameters = {**going, **known, "boarded": round(count * 0.2, 1)}
                row = [thing, "people_aboard", float(count), None, "", str(part), parameters]
                found.append((seconds, {"observe": [row]}))
            off = [
                round(count * (0.1 if part == 2 else 0.35) * chance.uniform(0.7, 1.3))
                for part, count in enumerate(people, 1)
            ]
            people = [count - gone for count, gone in zip(people, off, strict=True)]
            if number == 6:
                continue  # the train went unheard
            for part, (count, gone) in enumerate(zip(people, off, strict=True), 1):
                parameters = {**common, **known, "stop_sequence": sequence, "alighted": gone, "alighted_sd": 2.0}
                row = [thing, "people_after_alighting", float(count), at(seconds + 90), "", str(part), parameters]
                found.append((seconds + 110, {"observe": [row]}))
    found.append((5_900.0, {"observe": [[1, "people_aboard", 90.0, None, "", "1"]]}))  # says nothing of where it goes
    write("boarding_line", things, found)


if __name__ == "__main__":
    car_load()
    boarding_line()
