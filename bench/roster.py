"""From alarm to the first person: thousands of drawn duty rosters, channels that fail, and how many have somebody within 60 s.

    dongne bench roster --rosters 4000 --seed 4

Each roster has one alarm of each class, through the real service. Two times are taken: since the evidence came, and since anybody
beside the resident was first told. Parameters and their sources: bench/roster.toml; nothing in it was measured on real rosters.
What is asked of monitoring centres (TSA, EN 50134-7): 97.5 % within 60 s.
"""

import argparse
import heapq
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from bench._home_people import S, spread_s
from bench._home_year import STREAMS, ZONE, entities

from dongne.methods.proportions import wilson
from dongne.model.notices import ANSWERED, DEAD, FINE, HELP, REQUESTED, Notice
from dongne.model.times import to_us
from dongne.runtime.manifest import define_case_kinds
from dongne.runtime.registry import LoadedService, load
from dongne.runtime.rehearsal import Rehearsal

PARAMETERS = Path(__file__).with_name("roster.toml")
START_US = to_us(datetime(2026, 3, 2, 3, tzinfo=UTC))
WITHIN_S, ASKED = 60.0, 0.975
GIVEN_UP_S = 3600.0
CLASSES: dict[str, list[tuple[float, str]]] = {
    "fire, two detectors": [(0.0, "smoke kitchen"), (1.0, "smoke hall")],
    "one smoke detector": [(0.0, "smoke kitchen")],
    "button": [(0.0, "button")],
    "chest pain": [(0.0, "chest pain")],
    "fall": [(0.0, "fall")],
}


class Duty:
    """One drawn roster, and one alarm on it."""

    def __init__(self, service: LoadedService, given: Mapping[str, Any], chance: Random) -> None:
        self.given, self.chance = given, chance
        self.world = Rehearsal([service], ZONE, entities(), START_US)
        self.heap: list[tuple[int, int, Callable[[], None]]] = []
        duty, channels = given["duty"], given["channels"]
        self.count = {name: chance.randint(*duty[name]) for name in ("operators", "guardians", "responders")}
        self.share = {name: chance.uniform(*duty[f"{name}_share"]) for name in ("guardian", "responder", "dispatch")}
        self.busy, self.sees = chance.uniform(*duty["busy_share"]), chance.uniform(*channels["sees_share"])
        self.fails = {name: chance.uniform(*channels[name]["fails"]) for name in ("sms", "voice", "desk", "dispatch")}
        if chance.random() < channels["none_share"]:
            self.fails["dispatch"] = 1.0
        self.told_us: int | None = None
        self.human_us: int | None = None

    def alarm(self, rows: list[tuple[float, str]]) -> tuple[float, float]:
        """Seconds from the evidence, and from when anybody beside the resident was told, to the first of these who answers."""
        for after_s, device in rows:
            us = START_US + int(after_s * S)
            self._at(us, lambda us=us, device=device: self.world.observe([(STREAMS[device], us, 1.0)]))  # type: ignore[misc]
        end_us = START_US + int(GIVEN_UP_S * S)
        while self.human_us is None and self.world.now_us < end_us:
            next_us = self.heap[0][0] if self.heap else end_us
            wake_us = self.world.engine.next_wake_us()
            if wake_us is not None and wake_us < next_us:
                self.world.pass_until(wake_us)
            else:
                self.world.pass_until(next_us)
                if self.heap:
                    heapq.heappop(self.heap)[2]()
            facts, self.world.facts = self.world.facts, []
            for fact in facts:
                if fact.what == "notice" and fact.action == "requested":
                    self._deliver(self.world.told.notices[fact.name])
        human_us = self.human_us or end_us
        return (human_us - START_US) / S, (human_us - (self.told_us or START_US)) / S

    def _at(self, us: int, do: Callable[[], None]) -> None:
        heapq.heappush(self.heap, (us, len(self.heap) + us % 997 * 1_000_000 + self.chance.randrange(1_000_000), do))

    def _deliver(self, notice: Notice) -> None:
        """Through the channels of who it is for, one after the other, to who looks at it."""
        if notice.to != "resident" and self.told_us is None:
            self.told_us = self.world.now_us
        ways = {"119": ("dispatch", "dispatch"), "unit:care_desk": ("desk", "voice", "sms")}.get(
            notice.to, ("sms", "voice")
        )
        after_s = 0.0
        for way in ways:
            took_s = spread_s(self.given["channels"][way]["s"], self.chance)
            if self.chance.random() >= self.fails[way]:
                seen = self.chance.random() < self.sees or notice.to == "119"
                if seen:
                    self._answers(notice, after_s + took_s)
                    return
                took_s = self.given["channels"]["failover_s"]
            after_s += min(took_s, self.given["channels"]["failover_s"])
        self._at(self.world.now_us + int(after_s * S), lambda: self._dies(notice.key))

    def _answers(self, notice: Notice, arrived_s: float) -> None:
        duty, chance = self.given["duty"], self.chance
        delays: list[float] = []
        match notice.to:
            case "119":
                delays = [spread_s(duty["dispatch"], chance)] if chance.random() < self.share["dispatch"] else []
            case "unit:care_desk":
                free = [one for one in range(self.count["operators"]) if chance.random() >= self.busy]
                delays = [spread_s(duty["desk"], chance) for _ in free]
            case "resident":
                if chance.random() < duty["resident_answers_share"]:
                    delays = [spread_s(duty["resident"], chance)]
            case "guardian" | "responder":
                people = range(self.count[f"{notice.to}s"])
                delays = [spread_s(duty[notice.to], chance) for _ in people if chance.random() < self.share[notice.to]]
            case _:
                return
        if delays:
            us = self.world.now_us + int((arrived_s + min(delays)) * S)
            word = HELP if notice.to == "resident" else "acknowledged"
            self._at(us, lambda: self._says(notice.key, word))

    def _says(self, key: str, answer: str) -> None:
        notice = self.world.told.notices[key]
        if notice.to != "resident" and self.human_us is None:
            self.human_us = self.world.now_us
        self.world.notice(notice, ANSWERED, answer=answer if answer != FINE else FINE, by=notice.to)

    def _dies(self, key: str) -> None:
        notice = self.world.told.notices[key]
        if notice.state == REQUESTED:
            self.world.notice(notice, DEAD, error="every channel failed")


def main(argv: list[str] | None = None) -> int:
    """Prints, for each class, how many rosters had somebody within 60 s; 1 where too few had."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rosters", type=int, default=4000, help="drawn for each class")
    parser.add_argument("--seed", type=int, default=4)
    arguments = parser.parse_args(argv)
    given = tomllib.loads(PARAMETERS.read_text(encoding="utf-8"))
    define_case_kinds()
    service = load("home_alarm")
    assert isinstance(service, LoadedService)
    print(
        f"{arguments.rosters} rosters for each class, seed {arguments.seed}; asked: {ASKED:.1%} within {WITHIN_S:.0f} s of being told\n"
    )
    failed, together = 0, 0
    for name, rows in CLASSES.items():
        times = np.array(
            [Duty(service, given, Random(f"{arguments.seed} {name} {n}")).alarm(rows) for n in range(arguments.rosters)]
        )
        hits = int(np.count_nonzero(times[:, 1] <= WITHIN_S))
        low, high = wilson(hits, len(times))
        together += hits
        failed += hits / len(times) < ASKED
        p50, p975, p999 = np.percentile(times[:, 0], [50, 97.5, 99.9])
        print(
            f"{name:22} within {WITHIN_S:.0f} s: {hits / len(times):.2%} ({low:.2%} to {high:.2%}); "
            f"since the evidence {p50:.0f} s (median), {p975:.0f} s (97.5 %), {p999:.0f} s (99.9 %)"
        )
    low, high = wilson(together, arguments.rosters * len(CLASSES))
    print(
        f"{'together':22} within {WITHIN_S:.0f} s: {together / (arguments.rosters * len(CLASSES)):.2%} ({low:.2%} to {high:.2%})"
    )
    return 1 if failed else 0
