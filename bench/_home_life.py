"""The life of one person alone at home, drawn from a seed: what each device would say, day by day, and where the person is."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from bench._home_people import S, spread_s

from dongne.model.times import to_us

HOUR_US, MINUTE_US, DAY_US = 3600 * S, 60 * S, 86_400 * S
AWAKE, ASLEEP, AWAY = "awake", "asleep", "away"
PIR = ("motion living", "motion bath")
Event = tuple[int, str, float]
"""Microseconds, device, value."""


@dataclass
class Day:
    """What happens on one day. `places` are (from when, AWAKE, ASLEEP or AWAY), in order."""

    events: list[Event] = field(default_factory=list)
    places: list[tuple[int, str]] = field(default_factory=list)
    told_away: bool | None = None  # from this day on the care desk knows that nobody is there, or no longer


class Life:
    """A person and the home, for one noise level."""

    def __init__(
        self, given: Mapping[str, Any], noise: Mapping[str, float], seed: int, home: int, zone: ZoneInfo
    ) -> None:
        self.chance = Random(f"{seed} {home} life")
        self.given, self.noise, self.zone = given, noise, zone
        life = given["life"]
        self.own = {
            name: self.chance.uniform(*life[name])
            for name in (
                "wake_h", "bed_h", "shift_h", "night_visits", "motion_gap_min", "sit_per_day", "nap_share", "outing_share",
                "visits_per_week",
            )
        }  # fmt: skip
        self.wears = self.chance.random() < given["emergencies"]["wears_share"]
        self.pulse = self.chance.uniform(58.0, 78.0)
        self._away_until: date | None = None
        self.is_told = False
        self._dead: dict[str, tuple[int, int]] = {}

    def place_at(self, day: Day, us: int) -> str:
        """Where the person is."""
        at = bisect_right([start for start, _ in day.places], us) - 1
        return day.places[max(at, 0)][1]

    @property
    def is_travelling(self) -> bool:
        """Whether the person is away for more than a night."""
        return self._away_until is not None

    # --- a day ---------------------------------------------------------------------------------------------------------

    def live(self, at: date) -> Day:
        """The next day."""
        day = Day()
        start_us = to_us(datetime.combine(at, time(0), self.zone))
        end_us = to_us(datetime.combine(at + timedelta(days=1), time(0), self.zone))
        was_away = self._away_until is not None
        is_away = self._is_on_holiday(at, day)
        if is_away and was_away:
            day.places.append((start_us, AWAY))
        else:
            self._at_home(day, start_us, end_us)
        if is_away != was_away:
            self._travels(day, start_us, is_leaving=is_away)
        self._spoil(day, start_us, end_us)
        day.events.sort()
        return day

    def _is_on_holiday(self, at: date, day: Day) -> bool:
        life, chance = self.given["life"], self.chance
        if self._away_until is not None and at < self._away_until:
            return True
        if self._away_until is not None:
            self._away_until = None
            if self.is_told:
                self.is_told, day.told_away = False, False
            return False
        for rate, days, told in (
            (
                life["holiday_per_year"],
                chance.uniform(*life["holiday_days"]),
                chance.random() < life["holiday_told_share"],
            ),
            (life["night_away_per_year"], 1.0, False),
        ):
            if chance.random() < rate / 365.0:
                self._away_until = at + timedelta(days=max(round(days), 1))
                if told:
                    self.is_told, day.told_away = True, True
                return True
        return False

    def _travels(self, day: Day, start_us: int, *, is_leaving: bool) -> None:
        """The person leaves at ten or comes back at four, by the door."""
        at_us = start_us + int((10.0 if is_leaving else 16.0) * HOUR_US)
        if is_leaving:
            day.events = [event for event in day.events if event[0] < at_us]
            day.places = [*((us, place) for us, place in day.places if us < at_us), (at_us, AWAY)]
        else:
            day.events = [event for event in day.events if event[0] > at_us]
            later = [(us, place) for us, place in day.places if us > at_us]
            day.places = [(start_us, AWAY), (at_us, AWAKE), *later]
        self._open_door(day, at_us)
        self._move(day, at_us + (-40 if is_leaving else 25) * S, PIR[0])

    def _at_home(self, day: Day, start_us: int, end_us: int) -> None:
        life, chance, own = self.given["life"], self.chance, self.own
        wake_us = start_us + int((own["wake_h"] + chance.gauss(0.0, own["shift_h"])) * HOUR_US)
        if chance.random() < life["ill_days_per_year"] / 365.0:
            wake_us += int(chance.uniform(*life["ill_h"]) * HOUR_US)
        wake_us = max(wake_us, start_us + HOUR_US)
        bed_us = min(
            start_us + int((own["bed_h"] + chance.gauss(0.0, own["shift_h"])) * HOUR_US), end_us - 5 * MINUTE_US
        )
        day.places += [(start_us, ASLEEP), (wake_us, AWAKE), (bed_us, ASLEEP)]
        for _ in range(self._poisson(own["night_visits"])):
            self._move(day, int(chance.uniform(start_us, wake_us)), PIR[1])
        still = self._still(wake_us, bed_us)
        outings = self._outings(day, wake_us, bed_us)
        self._visits(day, wake_us, bed_us)
        at_us = wake_us
        while at_us < bed_us:
            busy = next((end for begin, end in (*still, *outings) if begin <= at_us < end), None)
            if busy is not None:
                at_us = busy
                continue
            self._move(day, at_us, PIR[chance.random() < 0.3])
            at_us += int((5.0 + chance.expovariate(1.0 / max(own["motion_gap_min"] - 5.0, 1.0))) * MINUTE_US)
        if self.wears:
            self._vitals(day, wake_us, bed_us)

    def _still(self, wake_us: int, bed_us: int) -> list[tuple[int, int]]:
        life, chance, own = self.given["life"], self.chance, self.own
        spells = []
        for _ in range(self._poisson(own["sit_per_day"])):
            begin_us = int(chance.uniform(wake_us, bed_us))
            spells.append((begin_us, begin_us + int(chance.uniform(*life["sit_h"]) * HOUR_US)))
        if chance.random() < own["nap_share"]:
            begin_us = wake_us + int(chance.gauss(7.5, 1.0) * HOUR_US)
            spells.append((begin_us, begin_us + int(chance.uniform(*life["nap_h"]) * HOUR_US)))
        return spells

    def _outings(self, day: Day, wake_us: int, bed_us: int) -> list[tuple[int, int]]:
        life, chance = self.given["life"], self.chance
        if chance.random() < life["long_outing_share"]:
            hours = chance.uniform(*life["long_outing_h"])
        elif chance.random() < self.own["outing_share"]:
            hours = spread_s(life["outing_h"], chance)
        else:
            return []
        begin_us = int(chance.uniform(wake_us + HOUR_US, max(bed_us - 5 * HOUR_US, wake_us + 2 * HOUR_US)))
        end_us = min(begin_us + int(hours * HOUR_US), bed_us - 30 * MINUTE_US)
        if end_us <= begin_us + 10 * MINUTE_US:
            return []
        for at_us in (begin_us, end_us):
            self._open_door(day, at_us)
        self._move(day, begin_us - 40 * S, PIR[0])
        self._move(day, end_us + 25 * S, PIR[0])
        day.places += [(begin_us, AWAY), (end_us, AWAKE)]
        day.places.sort()
        return [(begin_us, end_us)]

    def _visits(self, day: Day, wake_us: int, bed_us: int) -> None:
        if self.chance.random() >= self.own["visits_per_week"] / 7.0:
            return
        begin_us = int(self.chance.uniform(wake_us, bed_us))
        end_us = begin_us + int(self.chance.uniform(*self.given["life"]["visit_h"]) * HOUR_US)
        self._open_door(day, begin_us)
        self._open_door(day, end_us)
        for us in range(begin_us + 30 * S, end_us, 12 * MINUTE_US):
            self._move(day, us, PIR[0])

    def _vitals(self, day: Day, wake_us: int, bed_us: int) -> None:
        """A wearable that says its pulse every hour."""
        for hour in range(24):
            us = day.places[0][0] + int((hour + self.chance.random()) * HOUR_US)
            rest = -8.0 if us < wake_us or us > bed_us else 0.0
            day.events.append((us, "heart_rate", round(max(self.pulse + rest + self.chance.gauss(0.0, 5.0), 40.0))))
            day.events.append((us, "oxygen", round(min(96.0 + self.chance.gauss(0.0, 1.0), 100.0))))

    # --- devices -------------------------------------------------------------------------------------------------------

    def _move(self, day: Day, us: int, device: str) -> None:
        if self.chance.random() >= self.noise["motion_lost_share"]:
            day.events.append((us, device, 1.0))

    def _open_door(self, day: Day, us: int) -> None:
        if self.chance.random() >= self.noise["door_lost_share"]:
            day.events += [(us, "door", 1.0), (us + 8 * S, "door", 0.0)]

    def _spoil(self, day: Day, start_us: int, end_us: int) -> None:
        """Motion that nobody made, and motion detectors that are dead for days."""
        for _ in range(self._poisson(self.noise["false_motions_per_day"])):
            day.events.append((int(self.chance.uniform(start_us, end_us)), PIR[0], 1.0))
        for device in PIR:
            if self.chance.random() < self.noise["motion_dead_per_year"] / 365.0:
                days = self.chance.uniform(*self.given["nuisance"]["motion_dead_days"])
                self._dead[device] = (start_us, start_us + int(days * DAY_US))
            begin_us, until_us = self._dead.get(device, (0, 0))
            if until_us > start_us:
                day.events = [one for one in day.events if one[1] != device or not begin_us <= one[0] < until_us]

    def _poisson(self, mean: float) -> int:
        count, left = 0, self.chance.expovariate(1.0)
        while left < mean:
            count += 1
            left += self.chance.expovariate(1.0)
        return count
