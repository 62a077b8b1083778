"""/status for people: what became of each Observation that came, how full the queues are, and what else runs."""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.model.case_kinds import UNDELIVERED
from dongne.model.errors import NotFound
from dongne.model.times import to_us
from dongne.runtime.ports import CaseFilter
from dongne.web.context import WebContext
from dongne.web.frame import open_page, render

MOST_COUNTED = 1_000


def show(request: Request) -> Response:
    """GET /status by a browser; programs get the same as JSON from the API."""
    page = open_page(request)
    if page.context.status is None:
        raise NotFound("the status is not served here")
    found = page.context.status(page.who.sight)
    ways = {name: way for name, way in found["ledger"]["ways"].items() if way["received"]}
    reasons: dict[str, int] = found["ledger"]["total"]["reasons"]
    return render(
        page, "status.html", doing=found, ways=ways, total=found["ledger"]["total"], sequence=found["ledger"]["sequence"],
        reasons=sorted(reasons.items(), key=lambda reason: -reason[1]), queues=found["queues"], mqtt=found["mqtt"],
        outboxes=found["outboxes"], undelivered=count_undelivered(page.context), since_us=to_us(datetime.fromisoformat(found["since"])),
    )  # fmt: skip


def count_undelivered(context: WebContext) -> int:
    """How many notices reached nobody, that nobody has seen to; only how many, as of whose homes is not for everybody."""
    which = CaseFilter(kind=UNDELIVERED.name, is_open=True, limit=MOST_COUNTED)
    stores = [context.store, *([] if context.homes is None else [context.homes])]
    return sum(len(store.list_cases(which)) for store in stores)


ROUTES = [Route("/status", show)]
