"""/cases/roster: who is on duty now, and in the days to come."""

from dataclasses import dataclass
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.model.duty import Member
from dongne.model.times import from_us
from dongne.model.who import Right
from dongne.runtime.roster import Turn
from dongne.web.frame import Page, open_page, render

AHEAD = timedelta(days=7)


@dataclass(frozen=True)
class Duty:
    """A unit: who is there now, and every turn of the coming week."""

    id: str
    name: str
    after: str
    now: tuple[Member, ...]
    turns: tuple[Turn, ...]


def show_roster(request: Request) -> Response:
    """GET /cases/roster. Raises NotKnown or NotAllowed for who may not move Cases: it names people."""
    page = open_page(request)
    page.who.must(Right.CASE)
    found = list_duties(page)
    is_simulated = any(person.simulated for person in page.context.roster.people.values())
    return render(page, "roster.html", duties=found, is_simulated=is_simulated)


def list_duties(page: Page) -> list[Duty]:
    """The units of the city, in the order of its file."""
    roster, now = page.context.roster, from_us(page.now_us)
    return [
        Duty(
            unit_id, page.unit_name(unit_id), page.unit_name(unit.next) if unit.next else "",
            tuple(roster.on_duty(unit_id, now)), tuple(roster.list_turns(unit_id, now, now + AHEAD)),
        )
        for unit_id, unit in roster.units.items()
    ]  # fmt: skip


def list_people(page: Page) -> list[tuple[str, str, bool]]:
    """Those who may be given a Case: name, unit, whether on duty; those on duty first."""
    found: dict[tuple[str, str], bool] = {}
    roster, now = page.context.roster, from_us(page.now_us)
    for unit_id, unit in roster.units.items():
        there = {person.id for person in roster.on_duty(unit_id, now)}
        for person in dict.fromkeys(person for shift in unit.shifts for person in shift.people):
            found[roster.people[person].name, unit_id] = person in there
    return sorted(((name, unit, is_there) for (name, unit), is_there in found.items()), key=lambda one: not one[2])


ROUTES = [Route("/cases/roster", show_roster)]
