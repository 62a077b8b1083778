"""/cases/watch.json: what a control-room page asks again and again: whether a life is at stake and nobody has taken it on,
whether anything changed in the inbox, and whether the Case on this page did."""

import re
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dongne.model.case_kinds import kind_of
from dongne.model.cases import Case
from dongne.model.errors import NotFound
from dongne.model.records import Record, RecordKind
from dongne.model.who import Right
from dongne.runtime.ports import CaseFilter, Store
from dongne.web.control_room.cases import count_hidden_alarms, say_who
from dongne.web.frame import HOMES, Page, open_page

MOST_RINGING = 200
_PLACE = re.compile(rf"({HOMES})?/cases/(\d{{1,18}})")


class LastChange:
    """The number of the last record of a Case in a store, since the start."""

    def __init__(self, store: Store) -> None:
        self.number = 0
        store.subscribe(self._see)

    def _see(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.kind is RecordKind.CASE:
                self.number = record.number


def is_ringing(case: Case) -> bool:
    """Whether it is about a life, and nobody has taken it on yet: it is where its kind begins, and with no person."""
    return case.rank == 0 and not case.is_closed and case.state == kind_of(case.kind).initial and not case.assignee


def list_ringing(page: Page) -> list[tuple[Page, Case]]:
    """Those that ring, of all books who asks may see, the longest open first."""
    which = CaseFilter(is_open=True, limit=MOST_RINGING, urgent_first=True)
    found = [(at, case) for at in page.books for case in at.seen.list_cases(which) if is_ringing(case)]
    return sorted(found, key=lambda one: one[1].opened)


def get_watch(request: Request) -> Response:
    """GET /cases/watch.json?case=<address of a Case>. It says nothing of what a Case of a home is about."""
    page = open_page(request)
    page.who.must(Right.CASE)
    ringing = list_ringing(page)
    said = {
        "revision": "-".join(str(change.number) for change in request.app.state.changes),
        "ringing": len(ringing),
        "first": ringing[0][0].case_path(ringing[0][1]) if ringing else "",
        "hidden": count_hidden_alarms(page),
        "case": watch_case(page, request.query_params.get("case", "")),
    }
    return JSONResponse(said, headers={"cache-control": "no-store"})


def watch_case(page: Page, path: str) -> dict[str, object] | None:
    """How many events the Case at this address has, and what the last one was; None where there is none that may be seen."""
    match = _PLACE.fullmatch(path)
    if match is None:
        return None
    try:
        at = page.in_homes() if match[1] else page
        case = at.seen.get_case(int(match[2]))
    except NotFound:
        return None
    _, event, _ = at.seen.list_case_events(case.id)[-1]
    did = page.names.case_word(case.kind, "did", event.action)
    return {"events": case.events, "said": page.words.say("watch.said", did=did, who=say_who(at, event))}


ROUTES = [Route("/cases/watch.json", get_watch)]
