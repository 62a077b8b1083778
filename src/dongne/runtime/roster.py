"""Who is on duty when. A shift begins and ends at an instant that the city's clocks show: at a change of the clocks a night is an
hour longer or shorter, and nobody is missing or there twice. Where clocks show a time twice, the first one counts.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from dongne.model.duty import DAYS, Member, Shift, Unit
from dongne.model.errors import BadSetup, NotFound

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True)
class Turn:
    """From `start` until before `end` (UTC) these people are on duty, in the order in which to try them; nobody where it is
    empty."""

    start: datetime
    end: datetime
    people: tuple[Member, ...]


class Roster:
    """The units of a city and their people. Raises BadSetup for days, times, people or units that there are not."""

    def __init__(self, units: Mapping[str, Unit], people: Mapping[str, Member], zone: ZoneInfo) -> None:
        self.units, self.people, self.zone = dict(units), dict(people), zone
        for unit_id, unit in self.units.items():
            self._check(unit_id, unit)

    def get_unit(self, unit_id: str) -> Unit:
        """Raises NotFound."""
        if unit_id not in self.units:
            raise NotFound(f"there is no unit {unit_id[:40]!r}; units: {', '.join(sorted(self.units)) or 'none'}")
        return self.units[unit_id]

    def on_duty(self, unit_id: str, at: datetime) -> list[Member]:
        """Who of this unit is on duty at that instant, in the order in which to try them. Raises NotFound."""
        turns = self._list_turns(self.get_unit(unit_id), at, at + timedelta(microseconds=1))
        people = [person for start, end, shift in turns if start <= at < end for person in shift.people]
        return [self.people[person] for person in dict.fromkeys(people)]

    def next_unit(self, unit_id: str) -> str:
        """The unit that takes over from this one; empty where there is none, or where nobody knows this one."""
        return self.units[unit_id].next if unit_id in self.units else ""

    def find_on_duty(self, unit_id: str, at: datetime) -> tuple[str, list[Member]]:
        """The unit itself where somebody is on duty, else the first after it where somebody is; the last one with nobody
        where there is none. Raises NotFound."""
        people = self.on_duty(unit_id, at)
        while not people and (after := self.next_unit(unit_id)):
            unit_id, people = after, self.on_duty(after, at)
        return unit_id, people

    def list_turns(self, unit_id: str, start: datetime, end: datetime) -> list[Turn]:
        """Who is on duty from `start` to `end`, without a gap: a Turn ends where the people change. Raises NotFound."""
        turns = list(self._list_turns(self.get_unit(unit_id), start, end))
        edges = {max(start, min(end, edge)) for first, last, _ in turns for edge in (first, last)} | {start, end}
        ordered = sorted(edges)
        found: list[Turn] = []
        for first, last in pairwise(ordered):
            people = tuple(self.on_duty(unit_id, first))
            if found and found[-1].people == people:
                found[-1] = Turn(found[-1].start, last, people)
            else:
                found.append(Turn(first, last, people))
        return found

    def _list_turns(self, unit: Unit, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, Shift]]:
        """The shifts that touch this time, each with its instants; in the order of the unit's table."""
        day, last = start.astimezone(self.zone).date() - timedelta(days=1), end.astimezone(self.zone).date()
        days = [day + timedelta(days=n) for n in range((last - day).days + 1)]
        for shift in unit.shifts:
            for at in days:
                if DAYS[at.weekday()] in shift.days:
                    first = self._instant(at, shift.start)
                    until = self._instant(at + timedelta(days=shift.end <= shift.start), shift.end)
                    if first < end and until > start:
                        yield first, until, shift

    def _instant(self, day: date, text: str) -> datetime:
        return datetime.combine(day, time.fromisoformat(text), self.zone).astimezone(UTC)

    def _check(self, unit_id: str, unit: Unit) -> None:
        where = f"[units.{unit_id}]"
        if unit.next and unit.next not in self.units:
            raise BadSetup(f"{where}: next is {unit.next!r}; units: {', '.join(sorted(self.units))}")
        seen = [unit_id]
        while after := self.units[seen[-1]].next:
            if after in seen:
                raise BadSetup(
                    f"{where}: {' -> '.join([*seen, after])} goes round in a circle; the last one has no next"
                )
            if after not in self.units:
                break  # said where that unit is looked at
            seen.append(after)
        for shift in unit.shifts:
            for text in (shift.start, shift.end):
                if not _TIME.fullmatch(text):
                    raise BadSetup(f"{where}: {text!r} is no time of day; write it as 08:00")
            if wrong := sorted(set(shift.days) - set(DAYS)):
                raise BadSetup(f"{where}: there is no day {wrong[0]!r}; days: {', '.join(DAYS)}")
            if missing := sorted(set(shift.people) - set(self.people)):
                raise BadSetup(
                    f"{where}: nobody knows how to reach {missing[0]!r}; add [people.{missing[0]}] to people.toml"
                )
