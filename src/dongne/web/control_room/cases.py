"""/cases: what is to be done, live; /cases/<id>: its history, and the steps there are."""

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dongne.model.cases import CASE_KINDS, Case, CaseEvent, chain_hash
from dongne.model.errors import BadInput, Conflict
from dongne.model.records import RecordKind
from dongne.model.times import from_us, to_us
from dongne.model.who import Right
from dongne.runtime.ports import CaseFilter, Entry, Transaction
from dongne.web.frame import Page, is_id, open_page, read_form, render

PER_PAGE = 50
NOTE_LENGTH = 500
WHO_LENGTH = 80
QUIET_STEPS = frozenset({"dismiss", "cancel", "reopen"})
NOT_OFFERED = frozenset({"update"})  # a step for services: it changes values and nothing a person decides


def list_cases(request: Request) -> Response:
    """GET /cases."""
    page = open_page(request)
    params = request.query_params
    kind = params.get("kind", "") if params.get("kind") in CASE_KINDS else ""
    service = params.get("service", "")
    shown = params.get("show", "open") if params.get("show") in {"open", "closed", "all"} else "open"
    before = params.get("before", "")
    found = page.seen.list_cases(
        CaseFilter(
            kind=kind or None, service=service or None, is_open={"open": True, "closed": False}.get(shown),
            limit=PER_PAGE + 1, before_id=int(before) if is_id(before) else None,
        )
    )  # fmt: skip
    cases, more = found[:PER_PAGE], found[PER_PAGE:]
    if shown == "open":
        cases = sorted(cases, key=lambda c: urgency(page, c))
    return render(
        page, "cases.html", cases=cases, more=found[PER_PAGE - 1].id if more else None, kind=kind, service=service,
        shown=shown, kinds=sorted(CASE_KINDS), late=lambda c: is_late(page, c), older=bool(before),
        services=[s.id for s in page.context.runtime.statuses() if s.shape == "service"],
    )  # fmt: skip


def urgency(page: Page, case: Case) -> tuple[Any, ...]:
    """Sorts the most urgent first: severe, overdue, alerts, soonest due, newest."""
    severe = case.severity in {"extreme", "severe"}
    due_us = to_us(case.due) if case.due else float("inf")
    return not severe, not is_late(page, case), case.kind != "alert", due_us, -case.id


def is_late(page: Page, case: Case) -> bool:
    """Whether it should have been done by now."""
    return case.due is not None and not case.is_closed and to_us(case.due) < page.now_us


def list_steps(case: Case) -> list[str]:
    """The steps somebody may take from here, forward ones first."""
    steps = [s for s in CASE_KINDS[case.kind].steps.get(case.state, {}) if s not in NOT_OFFERED]
    return sorted(steps, key=lambda s: s in QUIET_STEPS)


def show_case(request: Request) -> Response:
    """GET /cases/<id>."""
    return _case_page(open_page(request), request.path_params["id"])


def _case_page(page: Page, case_id: int, status: int = 200, error: str = "") -> Response:
    page.path = f"/cases/{case_id}"
    case = page.seen.get_case(case_id)
    events = page.seen.list_case_events(case_id)
    before, unbroken = "", True
    for _, event, digest in events:
        unbroken = unbroken and chain_hash(before, event) == digest
        before = digest
    return render(
        page, "case.html", status, case=case, events=events[::-1], steps=list_steps(case), unbroken=unbroken,
        late=is_late(page, case), error=error, quiet=QUIET_STEPS, by=lambda e: say_who(page, e),
        values=[(k, v) for k, v in case.values.items() if isinstance(v, int | float | str)],
        saved=page.request.query_params.get("saved", ""),
    )  # fmt: skip


def say_who(page: Page, event: CaseEvent) -> str:
    """Who took a step."""
    kind, _, name = event.by.partition(":")
    if kind == "service":
        return page.words.say("case.by_service", service=page.names.service(name))
    return event.by or page.words.say("case.by_nobody")


async def take_step(request: Request) -> Response:
    """POST /cases/<id>/step: action, who, note. 409 with the present state where somebody was quicker."""
    page = open_page(request)
    form = await read_form(page, Right.CASE)
    action = form.get("action", "")
    store = page.context.store
    case = await asyncio.to_thread(page.seen.get_case, request.path_params["id"])
    page.who.must(Right.CASE, case.thing)
    if action not in CASE_KINDS[case.kind].steps.get(case.state, {}):
        return _case_page(page, case.id, 409, page.words.say("case.conflict", step=_step(page, action)))
    event = CaseEvent(
        key=case.key, kind=case.kind, action=action, name=case.name, time=from_us(page.now_us), thing=case.thing,
        service=case.service, by=say_by(page, form)[:WHO_LENGTH],
        note=form.get("note", "").strip()[:NOTE_LENGTH],
    )  # fmt: skip
    entry = Entry(RecordKind.CASE, msgspec.msgpack.encode(event))
    try:
        await asyncio.wrap_future(store.submit(Transaction([entry])))
    except Conflict:
        return _case_page(page, case.id, 409, page.words.say("case.conflict", step=_step(page, action)))
    await asyncio.to_thread(page.context.gate.write_down, page.who, f"Case {action}", str(case.id))
    return RedirectResponse(f"/cases/{case.id}?saved={action}", 303)


def say_by(page: Page, form: dict[str, str]) -> str:
    """Who takes the step: the name of the token, and where there is none the name in the form."""
    return page.who.name if page.who.is_known else form.get("who", "").strip()


def _step(page: Page, action: str) -> str:
    if f"case.step.{action}" not in page.words:
        raise BadInput(f"there is no step {action[:40]!r}")
    return page.words.say(f"case.step.{action}")


ROUTES = [
    Route("/cases", list_cases),
    Route("/cases/{id:int}", show_case),
    Route("/cases/{id:int}/step", take_step, methods=["POST"]),
]
