"""Simulated homes: what their devices would say, by the hour and by chance of a seed, and what is played in them."""

import tomllib
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.home import BATTERY_LEVEL, BED, DOOR, MAINS_POWER, MOTION, DeviceEvent, NewHome

FILE = Path(__file__).parent / "home_life.toml"
Span = tuple[float, float]


class Day(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Between which local hours what happens; how far apart in seconds motions are."""

    up_h: Span
    sleeps_h: Span
    moves_every_s: Span
    leaves_h: Span
    returns_h: Span


class Battery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often a battery says its level, and between which levels."""

    every_s: float
    lowest_percent: float
    highest_percent: float


class Cue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a play does: `after_s` from its beginning, the `which`-th device with this property says `value`."""

    after_s: float
    property: str
    value: float = 1.0
    which: int = 1


class Life(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All parameters; see home_life.toml."""

    seed: int
    heartbeat_s: float
    answers_after_s: float
    first_fire_s: float
    day: Day
    battery: Battery
    plays: dict[str, tuple[Cue, ...]]


def load_life(file: Path = FILE) -> Life:
    """The parameters of a file."""
    return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Life)


def list_devices(home: NewHome, key: str) -> list[str]:
    """The devices of a home that observe this property."""
    return [device.device for device in home.devices if key in device.properties]


def play_events(life: Life, home: NewHome, play: str, begun: datetime) -> list[DeviceEvent]:
    """What is said in a play, in order. What no device of the home observes is left out."""
    found = []
    for cue in life.plays[play]:
        devices = list_devices(home, cue.property)
        if len(devices) >= cue.which:
            at = begun + timedelta(seconds=cue.after_s)
            found.append(DeviceEvent(devices[cue.which - 1], cue.property, at, cue.value))
    return sorted(found, key=lambda event: event.time)


def live(life: Life, home: NewHome, zone: ZoneInfo, since: datetime) -> Iterator[DeviceEvent]:
    """What the devices of a quiet home say from `since` on, in order and without end. The same home has the same day."""
    day = since.astimezone(zone).date()
    while True:
        events = sorted(_day_of(life, home, datetime.combine(day, time(), zone)), key=lambda event: event.time)
        yield from (event for event in events if event.time >= since)
        day += timedelta(days=1)


def list_standing(life: Life, home: NewHome, zone: ZoneInfo, now: datetime) -> list[DeviceEvent]:
    """What the devices say when they are asked how it stands: door, bed, batteries, mains; as of the last day, at `now`."""
    midnight = datetime.combine(now.astimezone(zone).date(), time(), zone)
    days = [*_day_of(life, home, midnight - timedelta(days=1)), *_day_of(life, home, midnight)]
    last: dict[tuple[str, str], float] = {}
    for event in sorted(days, key=lambda event: event.time):
        if event.time <= now and event.property != MOTION.key:
            last[event.device, event.property] = event.value
    return [DeviceEvent(device, key, now, value) for (device, key), value in last.items()]


def _day_of(life: Life, home: NewHome, midnight: datetime) -> Iterator[DeviceEvent]:
    chance = Random(f"{life.seed} {home.gateway} {midnight.date()}")

    def between(hours: Span) -> datetime:
        return midnight + timedelta(hours=chance.uniform(*hours))

    up, sleeps, leaves, returns = (
        between(hours) for hours in (life.day.up_h, life.day.sleeps_h, life.day.leaves_h, life.day.returns_h)
    )
    doors, motions = list_devices(home, DOOR.key), list_devices(home, MOTION.key)
    for device in list_devices(home, BED.key):
        yield DeviceEvent(device, BED.key, up, 0.0)
        yield DeviceEvent(device, BED.key, sleeps, 1.0)
    for device in doors:
        for at in (leaves, returns):
            yield DeviceEvent(device, DOOR.key, at, 1.0)
            yield DeviceEvent(device, DOOR.key, at + timedelta(seconds=8), 0.0)
    at = up
    while motions and at < sleeps:
        if not doors or not leaves < at < returns:
            yield DeviceEvent(chance.choice(motions), MOTION.key, at, 1.0)
        at += timedelta(seconds=chance.uniform(*life.day.moves_every_s))
    yield from _batteries(life, home, midnight, chance)


def _batteries(life: Life, home: NewHome, midnight: datetime, chance: Random) -> Iterator[DeviceEvent]:
    every = timedelta(seconds=life.battery.every_s)
    for device in list_devices(home, BATTERY_LEVEL.key):
        level = round(chance.uniform(life.battery.lowest_percent, life.battery.highest_percent))
        for number in range(int(timedelta(days=1) / every)):
            yield DeviceEvent(device, BATTERY_LEVEL.key, midnight + number * every, float(level))
    for device in list_devices(home, MAINS_POWER.key):
        yield DeviceEvent(device, MAINS_POWER.key, midnight, 1.0)
