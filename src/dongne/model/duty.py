"""Who is on duty: units, the people in them, and the shifts of a week, as data."""

import msgspec

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who works for the city, and how to reach them: (channel, address), the one to try first in front. `language` is
    a BCP 47 tag. `simulated`: nobody real; the addresses lead nowhere."""

    id: str
    name: str
    language: str = "ko"
    addresses: tuple[tuple[str, str], ...] = ()
    simulated: bool = False


class Shift(msgspec.Struct, frozen=True, kw_only=True, rename={"start": "from", "end": "to"}):
    """These people are on duty on these days from `start` to `end`, by the city's clocks ("20:00"). Where `end` is not after
    `start`, it is of the next day; "08:00" to "08:00" is a whole day."""

    people: tuple[str, ...]
    days: tuple[str, ...] = DAYS
    start: str
    end: str


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A desk or team that Cases go to: its names by language, its shifts. `next` is the unit that takes over what this one did not
    see to in time; empty where there is none."""

    name: dict[str, str] = {}
    next: str = ""
    shifts: tuple[Shift, ...] = ()
