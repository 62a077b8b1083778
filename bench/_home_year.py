"""A year of one simulated home through the real service: devices speak, people answer, and what is true is known."""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from bench import _home_people as people
from bench._home_life import ASLEEP, AWAKE, AWAY, DAY_US, HOUR_US, PIR, Day, Life
from bench._home_people import S, spread_s

from dongne.model.cases import Case
from dongne.model.entities import Datastream, Entity, Location, Property, Sensor, Thing, Unit
from dongne.model.errors import DongneError
from dongne.model.home import HOME_PROPERTIES
from dongne.model.notices import ANSWERED, DEAD, FINE, HELP, REQUESTED, Notice
from dongne.model.times import from_us, to_us
from dongne.runtime.registry import LoadedService
from dongne.runtime.rehearsal import Rehearsal, Row

ZONE = ZoneInfo("Asia/Seoul")
DEVICES = {
    "motion living": "motion", "motion bath": "motion", "door": "door", "smoke kitchen": "smoke", "smoke hall": "smoke",
    "heat kitchen": "heat", "button": "button", "chest pain": "chest_pain", "fall": "fall", "heart_rate": "heart_rate",
    "oxygen": "oxygen_saturation", "rhythm": "rhythm", "quality": "signal_quality",
}  # fmt: skip
STREAMS = {name: number for number, name in enumerate(DEVICES, 1)}
KINDS = ("fire", "fall", "heart_stops", "chest_pain", "collapse", "calls")
AFTER_US = 3 * DAY_US  # an emergency that reached nobody until then was missed
MOST_ROWS = 32
SENT_IN_BUNCHES = ("motion", "heart_rate", "oxygen")


def entities() -> list[Entity]:
    """One home with its devices."""
    keys = sorted(set(DEVICES.values()))
    made: list[Entity] = [
        Location(id=1, name="", location={"type": "Point", "coordinates": [126.98, 37.56]}),
        Thing(id=1, name="home", properties={"kind": "home", "simulated": True}, location_ids=(1,)),
        *(Property(id=number, name=key) for number, key in enumerate(keys, 1)),
    ]
    for name, key in DEVICES.items():
        number, unit = STREAMS[name], Unit(symbol=HOME_PROPERTIES[key].unit)
        made.append(Sensor(id=number, name=name))
        made.append(
            Datastream(
                id=number,
                name=name,
                unit_of_measurement=unit,
                thing_id=1,
                sensor_id=number,
                observed_property_id=keys.index(key) + 1,
            )
        )
    return made


@dataclass
class Emergency:
    """One that was injected, and what came of it: when an alarm was open, when 119 was told and the first person beside the
    resident had it."""

    home: int
    kind: str
    us: int
    is_able: bool
    wears: bool
    alarm_us: int | None = None
    told_us: int | None = None
    human_us: int | None = None
    over: bool = False


@dataclass
class Year:
    """What came of one home's year."""

    emergencies: list[Emergency] = field(default_factory=list)
    wrongful: list[tuple[str, str]] = field(
        default_factory=list
    )  # sort of Case and reason of each wrongful call to 119
    checks: dict[str, int] = field(default_factory=dict)  # by reason: of quiet, where nothing was wrong
    alarms: int = 0
    unclosed: int = 0
    cancelled: int = 0  # of the wrongful, those that were told twice "fine" within five minutes


class HomeYear:
    """One home, from a seed. `run` gives its Year."""

    def __init__(
        self, service: LoadedService, given: Mapping[str, Any], level: str, seed: int, home: int, first: date
    ) -> None:
        self.given, self.noise, self.home, self.first = given, given["noise"][level], home, first
        self.life = Life(given, self.noise, seed, home, ZONE)
        self.chance = Random(f"{seed} {home} events")
        self.year = Year()
        self.now: Emergency | None = None
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._day = Day(places=[(0, ASLEEP)])
        self._rows: list[Row] = []
        self._rows_us = 0
        self._offline_until = 0
        self._held: list[Row] = []
        self._is_over = False
        start_us = self._local_us(first)
        self.world = Rehearsal([service], ZONE, entities(), start_us)

    def _local_us(self, day: date) -> int:
        return to_us(datetime.combine(day, time(0), ZONE))

    def run(self, days: int) -> Year:
        """Lives so many days, and three more in which what is open ends."""
        for number in range(days):
            at = self.first + timedelta(days=number)
            self._day = self.life.live(at)
            if self._day.told_away is not None:
                self._flush()
                self.world.change("home_alarm", "thing:1", {"watches_inactivity": not self._day.told_away})
            self._plan_day(self._local_us(at))
            for us, device, value in self._day.events:
                self._pass(us)
                if not self._is_down(us):
                    self._says(us, device, value)
            self._flush()
            self._pass(self._local_us(at + timedelta(days=1)) - 1)
        over = from_us(self.world.now_us)
        self._is_over = True  # nobody lives there any more: quiet is no wonder
        self._pass(self.world.now_us + AFTER_US)
        self._end_emergency(missed=True)
        self.year.unclosed = sum(
            not case.is_closed
            for case in self.world.told.cases.values()
            if case.kind == "home_alarm" and case.opened < over
        )
        return self.year

    # --- time ----------------------------------------------------------------------------------------------------------

    def _at(self, us: int, do: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (us, self._count, do))

    def _pass(self, us: int) -> None:
        """Everything that is due until then, in order."""
        while True:
            wake_us = self.world.engine.next_wake_us()
            next_us = self._heap[0][0] if self._heap else None
            if next_us is not None and next_us <= us and (wake_us is None or next_us <= wake_us):
                self._flush()
                self.world.pass_until(next_us)
                heapq.heappop(self._heap)[2]()
            elif wake_us is not None and wake_us <= us:
                self._flush()
                self.world.pass_until(wake_us)
            else:
                return
            self._react()

    def _says(self, us: int, device: str, value: float) -> None:
        """A device says something; motion and pulse are sent in bunches, as long as nothing is due meanwhile."""
        row = (STREAMS[device], us, value)
        if us < self._offline_until:
            self._held.append(row)
            return
        if self._held:
            self._rows += self._held
            self._held = []
        self._rows.append(row)
        self._rows_us = us
        is_waiting = bool(self._heap) or self.world.engine.next_wake_us() is None
        if is_waiting or not device.startswith(SENT_IN_BUNCHES) or len(self._rows) >= MOST_ROWS:
            self._flush()
            self._react()

    def _flush(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, []
            self.world.now_us = max(self.world.now_us, self._rows_us)
            self.world.observe(rows)

    # --- what happens --------------------------------------------------------------------------------------------------

    def _plan_day(self, start_us: int) -> None:
        chance, given = self.chance, self.given
        if chance.random() < self.noise["offline_per_year"] / 365.0:
            begin_us = start_us + int(chance.random() * DAY_US)
            until_us = begin_us + int(chance.uniform(*given["nuisance"]["offline_h"]) * HOUR_US)
            self._at(begin_us, lambda: setattr(self, "_offline_until", until_us))
        for kind in KINDS:
            if chance.random() < given["emergencies"][kind] / 365.0:
                self._at(start_us + int(chance.random() * DAY_US), lambda kind=kind: self._begin(kind))  # type: ignore[misc]
        rates = {"cooking": self._cooks, "presses": self._presses}
        if self.life.wears:
            rates |= {"false_falls": self._stumbles, "false_rhythms": self._ecg_noise}
        for name, do in rates.items():
            if chance.random() < self.noise[name] / 365.0:
                self._at(start_us + int(chance.uniform(0.3, 0.9) * DAY_US), do)

    @property
    def _place(self) -> str:
        return self.life.place_at(self._day, self.world.now_us)

    def _later(self, seconds: float, device: str, value: float) -> None:
        us = self.world.now_us + int(seconds * S)
        self._at(us, lambda: self._says(us, device, value))

    def _cooks(self) -> None:
        if self.now is not None or self._place != AWAKE:
            return
        long_s = spread_s(self.given["nuisance"]["smoke_s"], self.chance)
        self._later(0, "smoke kitchen", 1.0)
        self._later(long_s, "smoke kitchen", 0.0)
        if self.chance.random() < self.given["nuisance"]["second_detector_share"]:
            self._later(20, "smoke hall", 1.0)
            self._later(20 + long_s, "smoke hall", 0.0)

    def _presses(self) -> None:
        if self.now is None and self._place == AWAKE:
            self._later(0, "button", 1.0)
            self._later(2, "button", 0.0)

    def _stumbles(self) -> None:
        if self.now is None and self._place == AWAKE:
            self._later(0, "fall", 1.0)
            self._later(20, "fall", 0.0)

    def _ecg_noise(self) -> None:
        if self.now is not None or self._place == AWAY:
            return
        good = self.chance.random() < self.given["nuisance"]["rhythm_good_share"]
        long_s = self.chance.uniform(*self.given["nuisance"]["rhythm_s"])
        self._later(0, "quality", 0.9 if good else 0.2)
        self._later(0.1, "rhythm", self.chance.choice([1.0, 2.0, 3.0]))
        self._later(long_s, "rhythm", 0.0)
        if self._place == AWAKE:
            self._later(self.chance.uniform(0, 60), PIR[0], 1.0)

    # --- emergencies ---------------------------------------------------------------------------------------------------

    def _begin(self, kind: str) -> None:
        if self.now is not None or self._place == AWAY:
            return
        able = self.chance.random() < self.given["emergencies"]["able_share"][kind]
        self.now = Emergency(self.home, kind, self.world.now_us, able, self.life.wears)
        self.year.emergencies.append(self.now)
        emergency = self.now
        self._at(self.world.now_us + AFTER_US, lambda: self._miss(emergency))
        {"fire": self._burns, "fall": self._falls, "heart_stops": self._stops, "chest_pain": self._hurts}.get(
            kind, self._calls if kind == "calls" else self._collapses
        )()

    def _burns(self) -> None:
        chance, dead = self.chance, self.noise["detector_dead_share"]
        first_s = chance.uniform(10, 90)
        if chance.random() >= dead:
            self._later(first_s, "smoke kitchen", 1.0)
        if chance.random() < self.given["emergencies"]["second_detector_share"] and chance.random() >= dead:
            second_s = first_s + chance.uniform(*self.given["emergencies"]["second_detector_s"])
            self._later(second_s, chance.choice(["smoke hall", "heat kitchen"]), 1.0)

    def _falls(self) -> None:
        if self.life.wears and self.chance.random() < self.given["emergencies"]["fall_seen_share"]:
            self._later(3, "fall", 1.0)
        self._crawls()
        assert self.now is not None
        if self.now.is_able and self.chance.random() < 0.5:
            self._later(self.chance.uniform(60, 900), "button", 1.0)

    def _stops(self) -> None:
        if self.life.wears:
            good = self.chance.random() < self.given["emergencies"]["ecg_good_share"]
            self._later(0, "quality", 0.9 if good else 0.3)
            self._later(0.1, "rhythm", self.chance.choice([1.0, 2.0]))
            self._later(2, "fall", 1.0)

    def _hurts(self) -> None:
        if self.chance.random() < 0.8:
            self._later(self.chance.uniform(5, 120), "chest pain", 1.0)

    def _collapses(self) -> None:
        self._crawls()

    def _calls(self) -> None:
        self._later(1, "button", 1.0)

    def _crawls(self) -> None:
        if self.chance.random() < self.given["emergencies"]["crawls_share"]:
            for _ in range(3):
                self._later(self.chance.uniform(30, 3600), PIR[0], 1.0)

    def _is_down(self, us: int) -> bool:
        """Whether nobody is there who does what was planned for the day: there is an emergency."""
        return self.now is not None and us > self.now.us

    def _miss(self, emergency: Emergency) -> None:
        if self.now is emergency:
            self._end_emergency(missed=True)

    def _end_emergency(self, *, missed: bool = False) -> None:
        """Help is there, or somebody looked in after three days; the home is as before."""
        emergency, self.now = self.now, None
        if emergency is None:
            return
        emergency.over = not missed
        for device in ("smoke kitchen", "smoke hall", "heat kitchen", "fall", "rhythm"):
            self._later(60, device, 0.0)
        self._later(61, "quality", 0.9)
        self._later(62, "door", 1.0)
        self._later(70, "door", 0.0)
        self._later(90, PIR[0], 1.0)

    # --- people --------------------------------------------------------------------------------------------------------

    def _react(self) -> None:
        """Looks at what the service said, and lets people act on it."""
        facts, self.world.facts = self.world.facts, []
        for fact in facts:
            if fact.what == "notice" and fact.action == "requested":
                self._told(self.world.told.notices[fact.name])
            elif fact.what == "case" and fact.name.split("/")[2] == "home_alarm":
                self._case_moves(self.world.told.cases[fact.name], fact.action)

    def _told(self, notice: Notice) -> None:
        emergency, given, chance = self.now, self.given["people"], self.chance
        if notice.to == "119":
            self._dispatched(notice)
            if notice.ends:
                return
        in_danger = emergency is not None
        if notice.to == "resident":
            confused = in_danger and chance.random() < self.given["emergencies"]["confused_share"]
            answer = people.resident(
                given, notice.name, self._place, in_danger=in_danger,
                is_able=emergency is not None and emergency.is_able, is_confused=confused, chance=chance,
            ) if notice.asks else None  # fmt: skip
            answers = [answer] if answer else []
        else:
            answers = people.others(given, notice.to, notice.name, in_danger=in_danger, chance=chance)
            if not answers and notice.to in ("responder", "nurse", "guardian") and chance.random() < 0.3:
                self._at(self.world.now_us + 60 * S, lambda: self._dies(notice.key))
        for after_us, answer_word in answers:
            self._at(self.world.now_us + after_us, lambda word=answer_word: self._answer(notice.key, word))  # type: ignore[misc]

    def _dies(self, key: str) -> None:
        notice = self.world.told.notices[key]
        if notice.state == REQUESTED:
            self.world.notice(notice, DEAD, error="no channel")

    def _answer(self, key: str, answer: str) -> None:
        notice = self.world.told.notices[key]
        if notice.state == "withdrawn":
            return
        emergency = self.now
        if emergency is None and answer == HELP:
            answer = FINE  # meanwhile it is over
        self.world.notice(notice, ANSWERED, answer=answer, by=notice.to)
        self._react()
        if emergency is None or notice.to == "resident":
            return
        emergency.human_us = emergency.human_us or self.world.now_us
        if notice.to == "responder" and answer == HELP:
            self._end_emergency()
        elif notice.to == "119":
            minutes = self.chance.uniform(*self.given["people"]["rescue_min"])
            self._at(self.world.now_us + int(minutes * 60 * S), lambda: self._rescue(emergency))

    def _rescue(self, emergency: Emergency) -> None:
        if self.now is emergency:
            self._end_emergency()

    def _dispatched(self, notice: Notice) -> None:
        if notice.follows:
            if notice.values.get("reason") == "fine_twice":
                self.year.cancelled += 1
            return
        if self.now is None:
            self.year.wrongful.append((str(notice.name), str(notice.values.get("reason"))))
        elif self.now.told_us is None:
            self.now.told_us = self.world.now_us

    def _case_moves(self, case: Case, action: str) -> None:
        if action == "open":
            self.year.alarms += 1
            if self.now is not None:
                self.now.alarm_us = self.now.alarm_us or self.world.now_us
            elif case.name == "inactivity" and not self._is_over:
                reason = str(case.values["reason"])
                self.year.checks[reason] = self.year.checks.get(reason, 0) + 1
        if action == "close":
            self._hears_of_a_journey(case)
        if action in ("hand_over", "dispatch"):
            minutes = self.chance.uniform(3, 10) if action == "hand_over" else self.chance.uniform(25, 60)
            self._at(self.world.now_us + int(minutes * 60 * S), lambda: self._operator(case.key, self.now))

    def _hears_of_a_journey(self, case: Case) -> None:
        """Who asked learns that nobody will be there for some days."""
        if case.name == "inactivity" and self._place == AWAY and self.life.is_travelling:
            self.life.is_told = True
            self.world.change("home_alarm", "thing:1", {"watches_inactivity": False})

    def _operator(self, key: str, emergency: Emergency | None) -> None:
        """An operator looks at it: tells 119 where something is wrong, else closes it."""
        case = self.world.told.cases[key]
        if case.is_closed:
            return
        try:
            if self.now is None:
                self.world.step(case, "close", "helped" if emergency else "false_alarm")
                self._hears_of_a_journey(case)
            elif case.state in ("operator", "acknowledged") and self.now.told_us is None:
                self.now.human_us = self.now.human_us or self.world.now_us
                self.world.step(case, "dispatch")
            else:
                self._at(self.world.now_us + 600 * S, lambda: self._operator(key, emergency))
        except DongneError:
            self._at(self.world.now_us + 600 * S, lambda: self._operator(key, emergency))
