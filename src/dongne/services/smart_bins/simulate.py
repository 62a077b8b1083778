"""Waste baskets with an ultrasonic level sensor, for a city that has the baskets and not the sensors.

A basket fills by the rhythm of people in a street, more on some days than on others, and is emptied on rounds of its
own interval, now and then left out. Where real collections are given (`collections`: site -> times and levels before
and after), the level runs between those instead. The sensor reads it with noise, sometimes an echo, sometimes nothing.
The level at an instant is a function of the seed, the basket and the instant alone.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import exp
from statistics import NormalDist
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from dongne.model.graph import ThingGraph
from dongne.model.properties import FILL_LEVEL
from dongne.model.tasks import Task
from dongne.model.times import from_us
from dongne.runtime.simulate import SimulatedRow, SimulatedStream, Step, chance

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
WEEK_US = 7 * DAY_US
# People in a street by the hour, as shares of the day: quiet until 6, rising to the evening.
RHYTHM = (1, 1, 1, 1, 1, 2, 4, 8, 12, 12, 13, 15, 18, 18, 17, 17, 19, 20, 18, 14, 10, 8, 5, 3)
WEEKDAYS = (0.9, 0.9, 0.95, 1.0, 1.2, 1.25, 0.8)  # Monday first
SPREAD = 0.25  # standard deviation of the logarithm of a day's filling
LOOK_BACK_DAYS = 40
_CUMULATED = tuple(sum(RHYTHM[:hour]) / sum(RHYTHM) for hour in range(25))


class Emptying(Protocol):
    """A collection as it was: local microseconds, levels in percent."""

    local_us: int
    before_percent: float
    after_percent: float


class Simulator:
    """The sensors of all waste baskets; see `runtime.simulate.Simulator`. `parameters` as in `simulated.toml`."""

    def __init__(self, graph: ThingGraph, parameters: Mapping[str, Any], seed: int) -> None:
        things = sorted(thing.id for thing in graph.things.values() if thing.kind == "waste_basket")
        sites: dict[str, Sequence[Emptying]] = parameters.get("collections", {})
        names = list(sites)
        self._baskets = []
        for number, thing in enumerate(things):
            lasting = str(graph.things[thing].properties.get("source_id", thing))
            site = names[number * len(names) // len(things)] if names else ""
            filling = Collected(sites[site], seed, lasting) if site else Rounds(parameters, seed, lasting)
            self._baskets.append(Basket(thing, lasting, filling, parameters, seed, site))
        self._mark_us: int | None = None

    def datastreams(self) -> list[SimulatedStream]:
        """A fill level for each basket."""
        return [SimulatedStream(b.thing, FILL_LEVEL, "Fill level", b.describe()) for b in self._baskets]

    def step(self, now_us: int, tasks: Sequence[Task] = ()) -> Step:
        """The readings since the last step; bins carry out no Tasks."""
        after_us, self._mark_us = self._mark_us, now_us
        rows: list[SimulatedRow] = []
        if after_us is not None:
            for basket in self._baskets:
                rows += basket.readings(after_us, now_us)
        rows.sort(key=lambda row: (row.time_us, row.thing))
        return Step(rows, min((b.next_after(now_us) for b in self._baskets), default=now_us + DAY_US))


class Filling(Protocol):
    """How full a basket really is."""

    def level_percent(self, local_us: int) -> float:
        """At this local time."""

    def describe(self) -> dict[str, Any]:
        """What it was drawn from."""


class Basket:
    """One basket and its sensor."""

    def __init__(
        self, thing: int, lasting: str, filling: Filling, parameters: Mapping[str, Any], seed: int, site: str
    ) -> None:
        self.thing, self.lasting, self.filling, self.site, self.seed = thing, lasting, filling, site, seed
        self.zone = ZoneInfo(parameters["zone"])
        self.noise_percent = float(parameters["noise_percent"])
        self.echo_share, self.lost_share = float(parameters["echo_share"]), float(parameters["lost_share"])
        self.silent_days = parameters["silent_days"]
        self.falls_silent = chance(seed, lasting, "silent") < float(parameters["silent_share"])
        self.interval_us = int(_between(parameters["interval_min"], chance(seed, lasting, "interval")) * MINUTE_US)
        self.origin = str(parameters.get("collections_origin", ""))

    def describe(self) -> dict[str, Any]:
        """The parameters that people see beside the simulated values."""
        found: dict[str, Any] = {
            "interval_min": round(self.interval_us / MINUTE_US, 1),
            "noise_percent": self.noise_percent,
        }
        found |= self.filling.describe()
        if self.site:
            found |= {"emptied_like": self.site, "emptied_like_origin": self.origin}
        return found

    def readings(self, after_us: int, until_us: int) -> list[SimulatedRow]:
        """What the sensor sends in (after, until]."""
        rows = []
        for slot in range(after_us // self.interval_us - 1, until_us // self.interval_us + 1):
            time_us = self._time_us(slot)
            if after_us < time_us <= until_us and not self._is_lost(slot, time_us):
                rows.append(SimulatedRow(self.thing, FILL_LEVEL.key, time_us, self._reading(slot, time_us)))
        return rows

    def next_after(self, us: int) -> int:
        """When the next reading may come."""
        slot = us // self.interval_us - 1
        while (time_us := self._time_us(slot)) <= us:
            slot += 1
        return time_us

    def _time_us(self, slot: int) -> int:
        """Slots begin at another instant for each basket, and a reading wanders by up to a minute."""
        phase = chance(self.seed, self.lasting, "phase")
        wander_us = int(chance(self.seed, self.lasting, "wander", slot) * MINUTE_US)
        return int((slot + phase) * self.interval_us) + wander_us

    def _is_lost(self, slot: int, time_us: int) -> bool:
        if chance(self.seed, self.lasting, "lost", slot) < self.lost_share:
            return True
        if not self.falls_silent:
            return False
        fortnight = time_us // (2 * WEEK_US)
        start = 11.0 * chance(self.seed, self.lasting, "silent from", fortnight)
        days = _between(self.silent_days, chance(self.seed, self.lasting, "silent for", fortnight))
        return start <= (time_us / DAY_US) % 14.0 < start + days

    def _reading(self, slot: int, time_us: int) -> float:
        if chance(self.seed, self.lasting, "echo", slot) < self.echo_share:
            return round(100.0 * chance(self.seed, self.lasting, "echo level", slot), 1)
        noise = NormalDist(0.0, self.noise_percent).inv_cdf(
            min(max(chance(self.seed, self.lasting, "noise", slot), 1e-6), 1.0 - 1e-6)
        )
        return round(FILL_LEVEL.clip(self.filling.level_percent(_local_us(time_us, self.zone)) + noise), 1)


class Rounds:
    """A basket emptied every few days on a round in the morning, sometimes left out."""

    def __init__(self, parameters: Mapping[str, Any], seed: int, lasting: str) -> None:
        self.seed, self.lasting = seed, lasting
        self.days_to_full = _between(parameters["days_to_full"], chance(seed, lasting, "days to full"))
        share = _between((0.5, 1.1), chance(seed, lasting, "interval of rounds"))  # some are emptied too late
        self.every_days = max(1, round(share * self.days_to_full))
        self.offset_days = int(self.every_days * chance(seed, lasting, "first round"))
        self.emptied_hour = parameters["emptied_hour"]
        self.missed_share = float(parameters["missed_share"])
        self._emptied = lru_cache(maxsize=256)(self._find_emptied)
        self._filled = lru_cache(maxsize=256)(self._filled_on)

    def describe(self) -> dict[str, Any]:
        """See Filling."""
        return {"days_to_full": round(self.days_to_full, 2), "emptied_every_days": self.every_days}

    def level_percent(self, local_us: int) -> float:
        """See Filling."""
        day = local_us // DAY_US
        emptied_us = self._emptied(day) or 0
        if emptied_us == 0 or emptied_us > local_us:
            emptied_us = next((us for back in range(1, LOOK_BACK_DAYS) if (us := self._emptied(day - back))), local_us)
        first = emptied_us // DAY_US
        whole = sum(self._filled(d) for d in range(first, day))
        fresh = whole + self._filled(day) * _share(local_us) - self._filled(first) * _share(emptied_us)
        return min(100.0, fresh)

    def _find_emptied(self, day: int) -> int | None:
        if (day + self.offset_days) % self.every_days:
            return None
        if chance(self.seed, self.lasting, "missed", day) < self.missed_share:
            return None
        return day * DAY_US + int(_between(self.emptied_hour, chance(self.seed, self.lasting, "hour", day)) * HOUR_US)

    def _filled_on(self, day: int) -> float:
        """Percent that a whole day adds."""
        return 100.0 / self.days_to_full * _day_factor(self.seed, self.lasting, day)


class Collected:
    """A basket emptied when a real one was, from its level before to its level after; the weeks of the record repeat."""

    def __init__(self, collections: Sequence[Emptying], seed: int, lasting: str) -> None:
        self.seed, self.lasting = seed, lasting
        first, last = collections[0].local_us, collections[-1].local_us
        self.period_us = max(1, (last - first) // WEEK_US) * WEEK_US
        self.kept = [c for c in collections if c.local_us < first + self.period_us]
        self.times = [c.local_us for c in self.kept]

    def describe(self) -> dict[str, Any]:
        """See Filling."""
        return {"collections": len(self.kept), "repeated_weeks": self.period_us // WEEK_US}

    def level_percent(self, local_us: int) -> float:
        """See Filling."""
        start_us = self.times[0]
        at_us = start_us + (local_us - start_us) % self.period_us
        index = bisect_right(self.times, at_us)
        before = self.kept[index - 1]
        wraps = index == len(self.kept)
        after = self.kept[0 if wraps else index]
        until_us = after.local_us + (self.period_us if wraps else 0)
        passed, whole = _rhythm(at_us) - _rhythm(before.local_us), _rhythm(until_us) - _rhythm(before.local_us)
        share = min(1.0, passed / whole) if whole > 0.0 else 1.0
        return min(100.0, before.after_percent + share * max(0.0, after.before_percent - before.after_percent))


def _between(bounds: Sequence[float], share: float) -> float:
    low, high = bounds
    return float(low) + (float(high) - float(low)) * share


def _local_us(utc_us: int, zone: ZoneInfo) -> int:
    return utc_us + _offset_us(utc_us // (15 * MINUTE_US), zone)


@lru_cache(maxsize=4096)
def _offset_us(quarter: int, zone: ZoneInfo) -> int:
    offset = from_us(quarter * 15 * MINUTE_US).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) * 1_000_000 if offset else 0


def _share(local_us: int) -> float:
    """How much of a day's filling is done by this time of day."""
    hours = (local_us % DAY_US) / HOUR_US
    hour = int(hours)
    return _CUMULATED[hour] + (hours - hour) * (_CUMULATED[hour + 1] - _CUMULATED[hour])


def _rhythm(local_us: int) -> float:
    """Days' fillings since 1970."""
    return local_us // DAY_US + _share(local_us)


def _day_factor(seed: int, lasting: str, day: int) -> float:
    spread = NormalDist(0.0, SPREAD).inv_cdf(min(max(chance(seed, lasting, "day", day), 1e-6), 1.0 - 1e-6))
    return WEEKDAYS[(day + 3) % 7] * exp(spread)  # 1 January 1970 was a Thursday
