"""/cases: what is to be done, most urgent first, live; /cases/<id>: its history, and the steps there are."""

from datetime import UTC, datetime
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.model.case_kinds import ATTACH, CASE_KINDS, LINKING, MERGE, OVERDUE, STAYING, kind_of
from dongne.model.cases import Case, CaseEvent, chain_hash
from dongne.model.times import to_us
from dongne.runtime.ports import CaseFilter
from dongne.web.control_room.roster import list_people
from dongne.web.frame import Page, is_id, open_page, render

PER_PAGE = 50
MOST_PAGES = 10_000
MOST_ALARMS = 1_000  # that are counted
NEVER = datetime.max.replace(tzinfo=UTC)
MOST_UNITS = 500  # open Cases that are looked at for the units there are
MOST_OTHERS = 30  # that are offered to link to or to merge into
QUIET_STEPS = frozenset({"dismiss", "cancel", "reopen"})
FORMS = STAYING | {MERGE}  # steps with a form of their own, or none: `update` is for services
OFFERED_RELATIONS = ("related", "caused_by", "causes", "part_of", "has_part")
EMPTY = dict.fromkeys(("action", "cause", "note", "who", "unit", "assignee", "relation", "other"), "")  # of a form


def list_states() -> list[str]:
    """The states of all kinds."""
    return sorted({state for kind in CASE_KINDS.values() for state in kind.steps})


def list_cases(request: Request) -> Response:
    """GET /cases."""
    page = open_page(request)
    params, states = request.query_params, list_states()
    kind = params.get("kind", "") if params.get("kind") in CASE_KINDS else ""
    state = params.get("state", "") if params.get("state") in states else ""
    service, unit = params.get("service", ""), params.get("unit", "")
    shown = params.get("show", "open") if params.get("show") in {"open", "closed", "all"} else "open"
    is_mine = bool(params.get("mine")) and page.who.is_known
    number = params.get("page", "")
    at = min(int(number), MOST_PAGES) if is_id(number) and int(number) else 1
    which = CaseFilter(
        kind=kind or None, service=service or None, is_open={"open": True, "closed": False}.get(shown),
        limit=at * PER_PAGE + 1, unit=unit or None, assignee=page.who.name if is_mine else None, state=state or None,
        urgent_first=shown == "open",
    )  # fmt: skip
    found = list_together(page, which)[(at - 1) * PER_PAGE :]
    cases, more = found[:PER_PAGE], found[PER_PAGE:]
    return render(
        page, "cases.html", cases=cases, more=page.link(page=at + 1) if more else "", kind=kind, service=service, state=state,
        unit=unit, is_mine=is_mine, shown=shown, kinds=sorted(CASE_KINDS), states=states, late=is_late,
        older=at > 1, units=sorted({*list_units(page), *([unit] if unit else [])}), named=shows_people(page),
        state_word=lambda s: name_state(page, s, kind), services=list_services(page), hidden_alarms=count_hidden_alarms(page),
    )  # fmt: skip


def list_together(page: Page, which: CaseFilter) -> list[tuple[Page, Case]]:
    """The Cases of all books that who asks may see, each with the page over its book. What is shown of homes is written down."""
    found = [(at, case) for at in page.books for case in at.seen.list_cases(which)]
    if any(at.book for at, _ in found):
        page.context.gate.note_seen(page.who, "cases of homes listed", page.path)
    if len(page.books) > 1:
        found.sort(key=_urgency if which.urgent_first else _newest)
    return found[: which.limit]


def _urgency(found: tuple[Page, Case]) -> tuple[int, datetime, float]:
    case = found[1]
    return case.rank, case.deadline or NEVER, -case.opened.timestamp()


def _newest(found: tuple[Page, Case]) -> float:
    return -found[1].opened.timestamp()


def count_hidden_alarms(page: Page) -> int:
    """How many open matters of life safety there are in homes that who asks may not see; 0 for everybody but staff."""
    homes = page.context.homes
    if homes is None or not page.may("case") or page.books[-1].seen.sight.is_all:
        return 0
    which = CaseFilter(is_open=True, limit=MOST_ALARMS, urgent_first=True)
    seen = {case.id for at in page.books[1:] for case in at.seen.list_cases(which)}
    return sum(case.rank == 0 and case.id not in seen for case in homes.list_cases(which))


def list_services(page: Page) -> list[str]:
    """The services that may have opened a Case."""
    there = {status.id for status in page.context.runtime.statuses() if status.shape == "service"}
    for at in page.books[1:]:
        there |= {
            case.service for case in at.seen.list_cases(CaseFilter(is_open=True, limit=MOST_UNITS)) if case.service
        }
    return sorted(there)


def name_state(page: Page, state: str, kind: str = "") -> str:
    """What a state is called: by this kind, else by the first that has it."""
    kinds = [kind] if kind else [found.name for found in CASE_KINDS.values() if state in found.steps]
    return page.names.case_word(kinds[0] if kinds else "", "state", state)


def list_units(page: Page) -> list[str]:
    """The units of the roster, and those that open Cases are with."""
    which = CaseFilter(is_open=True, limit=MOST_UNITS, urgent_first=True)
    cases = [case for at in page.books for case in at.seen.list_cases(which)]
    return sorted({*page.context.roster.units, *(case.unit for case in cases if case.unit)})


def is_late(page: Page, case: Case) -> bool:
    """Whether the next thing should have happened by now."""
    return case.deadline is not None and not case.is_closed and to_us(case.deadline) < page.now_us


def shows_people(page: Page) -> bool:
    """Whether the page says to which person a Case is assigned: to staff."""
    return page.who.is_known or page.may("case")


def list_steps(page: Page, case: Case) -> list[str]:
    """The steps of its table that who asks may take from here, forward ones first."""
    kind = kind_of(case.kind)
    steps = [s for s in kind.steps.get(case.state, {}) if s not in FORMS and page.may(kind.right_of(s), case.thing)]
    return sorted(steps, key=lambda s: s in QUIET_STEPS)


def list_forms(page: Page, case: Case) -> list[str]:
    """The forms that who asks may send from here."""
    kind = kind_of(case.kind)
    takes_files = page.context.attachments is not None and not page.book
    offered = ["assign", "note", "link", "merge", *([ATTACH] if takes_files else [])]
    offered = [s for s in offered if s in kind.list_actions(case.state)]
    return [s for s in offered if page.may(kind.right_of(s), case.thing) and not (s in LINKING and case.is_closed)]


def show_case(request: Request) -> Response:
    """GET /cases/<id>."""
    return case_page(open_page(request), request.path_params["id"])


def show_home_case(request: Request) -> Response:
    """GET /homes/cases/<id>. Each one is written down."""
    return case_page(open_page(request).in_homes(), request.path_params["id"])


def case_page(
    page: Page, case_id: int, status: int = 200, error: str = "", *, kept: dict[str, str] | None = None, since: int = 0
) -> Response:
    """The page of a Case. `kept` is what somebody had filled in; `since`, where given, how many events they knew."""
    page.path = f"{page.book}/cases/{case_id}"
    case = page.seen.get_case(case_id)
    if page.book:
        page.context.gate.write_down(
            page.who, "case of a home seen", page.path, f"{page.who.role} {page.who.purpose}".strip()
        )
    events = page.seen.list_case_events(case_id)
    before, unbroken = "", True
    for _, event, digest in events:
        unbroken = unbroken and chain_hash(before, event) == digest
        before = digest
    steps, forms, kind = list_steps(page, case), list_forms(page, case), kind_of(case.kind)
    return render(
        page, "case.html", status, case=case, events=events[::-1], unbroken=unbroken, late=is_late(page, case), error=error,
        plain=[s for s in steps if s not in kind.causes], asking=[s for s in steps if s in kind.causes], causes=kind.causes,
        forms=forms, quiet=QUIET_STEPS, by=lambda e: say_who(page, e), links=lambda o: list_links(page, o),
        values=list_values(page, case), named=shows_people(page),
        saved=page.request.query_params.get("saved", ""), kept={**EMPTY, **(kept or {})}, changed=events[since:] if since else [],
        relations=OFFERED_RELATIONS, units=list_units(page) if forms else [], others=list_others(page, case) if forms else [],
        merged=page.seen.find_case(case.merged_into) if case.merged_into else None, is_form=FORMS.__contains__,
        people=list_people(page) if "assign" in forms else [], word=partial(page.names.case_word, case.kind),
    )  # fmt: skip


def list_values(page: Page, case: Case) -> list[tuple[str, float | str]]:
    """What came with it and can be said in a line."""
    found = [(k, v) for k, v in case.values.items() if isinstance(v, int | float | str) and not isinstance(v, bool)]
    return [(k, page.names.property(v) if k == "property" and isinstance(v, str) else v) for k, v in found]


def list_links(page: Page, of: Case | CaseEvent) -> list[tuple[str, Case]]:
    """The Cases it is linked to, as far as they may be seen."""
    found = [(link.relation, page.seen.find_case(link.key)) for link in of.links]
    return [(relation, case) for relation, case in found if case is not None]


def list_others(page: Page, case: Case) -> list[Case]:
    """Open Cases somebody may mean: of the same Thing first, then of the same kind."""
    there: list[Case] = []
    if case.thing is not None:
        there = page.seen.list_cases(CaseFilter(thing=case.thing, is_open=True, limit=MOST_OTHERS))
    there += page.seen.list_cases(CaseFilter(kind=case.kind, is_open=True, limit=MOST_OTHERS, urgent_first=True))
    return list({other.id: other for other in there if other.id != case.id}.values())[:MOST_OTHERS]


def say_who(page: Page, event: CaseEvent) -> str:
    """Who took a step."""
    kind, _, name = event.by.partition(":")
    if event.action == OVERDUE:
        return page.words.say("case.by_clock")
    if kind == "service":
        return page.words.say("case.by_service", service=page.names.service(name))
    return event.by or page.words.say("case.by_nobody")


def say_by(page: Page, form: dict[str, str]) -> str:
    """Who takes the step: the name of the token, and where there is none the name in the form."""
    return page.who.name if page.who.is_known else form.get("who", "").strip()


ROUTES = [
    Route("/cases", list_cases),
    Route("/cases/{id:int}", show_case),
    Route("/homes/cases/{id:int}", show_home_case),
]
