"""POST /cases/<id>/step: what somebody does with a Case. Two at once don't tread on each other: a form carries how many
events its Case had, and where there are more by now it is answered 409 with what changed, and nothing is done."""

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dongne.model.case_kinds import ATTACH, CASE_KINDS, MERGE, MERGED, OVERDUE, REOPEN, kind_of
from dongne.model.cases import RELATIONS, Case, CaseEvent, CaseLink
from dongne.model.errors import BadInput, Conflict, NotFound
from dongne.model.records import RecordKind
from dongne.model.times import from_us
from dongne.model.who import Right
from dongne.runtime.ports import Entry, Transaction
from dongne.web.control_room.cases import OFFERED_RELATIONS, case_page, say_by
from dongne.web.frame import HOMES, Page, is_id, open_page, read_form

NOT_BY_FORM = {"update", OVERDUE, ATTACH}  # for services and the clock; what is attached comes with its file
NOTE_LENGTH = 500
WHO_LENGTH = 80


class Unfit(Exception):
    """What somebody filled in can't be done; the text is for them."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.text, self.status = text, status


async def take_step(request: Request) -> Response:
    """See the head of this file. Fields: action, events, who, note, and those of the action."""
    page = open_page(request)
    if request.url.path.startswith(HOMES):
        page = page.in_homes()
    case = await asyncio.to_thread(page.seen.get_case, request.path_params["id"])
    kind = kind_of(case.kind)
    rights = [right for right in (Right.CASE, *kind.rights.values()) if right in page.who.rights]
    form = await read_form(page, rights[0] if rights else Right.CASE)
    action, known = form.get("action", ""), form.get("events", "")
    page.who.must(kind.right_of(action), case.thing)
    _check_known(action)
    if is_id(known) and int(known) != case.events:
        return await asyncio.to_thread(_stale, page, case.id, int(known), form)
    try:
        if action not in kind.list_actions(case.state) or action in NOT_BY_FORM:
            raise Unfit(page.words.say("case.conflict", step=page.names.case_word(case.kind, "step", action)), 409)
        events = await asyncio.to_thread(list_events, page, case, form)
        entries = [Entry(RecordKind.CASE, msgspec.msgpack.encode(event)) for event in events]
        await asyncio.wrap_future(page.store.submit(Transaction(entries)))
    except Unfit as unfit:
        return await asyncio.to_thread(case_page, page, case.id, unfit.status, unfit.text, kept=form)
    except Conflict:
        return await asyncio.to_thread(_stale, page, case.id, case.events, form)
    await asyncio.to_thread(
        page.context.gate.write_down, page.who, f"Case {action}", page.case_path(case).removeprefix("/cases/")
    )
    is_from_home = page.book and form.get("back") == "home"
    return RedirectResponse(f"{f'{HOMES}/{case.thing}' if is_from_home else page.case_path(case)}?saved={action}", 303)


def _stale(page: Page, case_id: int, known: int, form: dict[str, str]) -> Response:
    return case_page(page, case_id, 409, page.words.say("case.stale"), kept=form, since=known)


def list_events(page: Page, case: Case, form: dict[str, str]) -> list[CaseEvent]:
    """What becomes of a form: the step, and what it does to the other Case. Raises Unfit."""
    action = form.get("action", "")
    take = _Taking(page, case, form)
    match action:
        case "note":
            if not take.note:
                raise Unfit(page.words.say("case.needs_note"))
            return [take.event(case)]
        case "assign":
            return [take.event(case, **_assignment(page, form))]
        case "link" | "unlink":
            return _linked(take, action)
        case "merge":
            return _merged(take)
    causes = kind_of(case.kind).causes.get(action, ())
    cause = form.get("cause", "") if causes else ""
    if causes and cause not in causes:
        raise Unfit(page.words.say("case.needs_cause", step=page.names.case_word(case.kind, "step", action)))
    events = [take.event(case, cause=cause)]
    if action == REOPEN and case.state == MERGED:
        other = page.seen.find_case(case.merged_into)
        if other is not None:
            events.append(take.event(other, action="unlink", links=(CaseLink("merged_from", case.key),)))
    return events


class _Taking:
    """Who does it, when, with which note."""

    def __init__(self, page: Page, case: Case, form: dict[str, str]) -> None:
        self.page, self.case, self.form = page, case, form
        self.note = form.get("note", "").strip()[:NOTE_LENGTH]
        self.by = say_by(page, form)[:WHO_LENGTH]

    def event(self, case: Case, **more: Any) -> CaseEvent:
        """A step of this form at a Case, as it was looked at."""
        given: dict[str, Any] = {
            "key": case.key, "kind": case.kind, "action": self.form["action"], "name": case.name,
            "time": from_us(self.page.now_us), "thing": case.thing, "service": case.service, "by": self.by,
            "note": self.note if case is self.case else "",  # the other one may be seen by more people
            "expects": case.events if case is not self.case or "events" in self.form else 0,
        }  # fmt: skip
        return CaseEvent(**{**given, **more})

    def other(self) -> Case:
        """The Case whose number was filled in. Raises Unfit where there is none that may be seen and changed."""
        number = self.form.get("other", "").strip()
        try:
            found = self.page.seen.get_case(int(number)) if is_id(number) else None
        except NotFound as error:
            raise Unfit(self.page.words.say("case.no_other", id=number[:20])) from error
        if found is None or found.id == self.case.id:
            raise Unfit(self.page.words.say("case.no_other", id=number[:20]))
        self.page.who.must(kind_of(found.kind).right_of("link"), found.thing)
        return found


def _assignment(page: Page, form: dict[str, str]) -> dict[str, str]:
    person = form.get("assignee", "").strip()
    if form.get("me"):
        person = say_by(page, form)
        if not person:
            raise Unfit(page.words.say("case.needs_name"))
    return {"unit": form.get("unit", "").strip()[:WHO_LENGTH], "assignee": person[:WHO_LENGTH]}


def _linked(take: _Taking, action: str) -> list[CaseEvent]:
    """The link at both ends."""
    relation = take.form.get("relation", "")
    if relation not in OFFERED_RELATIONS:
        raise BadInput(f"there is no relation {relation[:40]!r}; relations: {', '.join(OFFERED_RELATIONS)}")
    case, other = take.case, take.other()
    return [
        take.event(case, links=(CaseLink(relation, other.key),)),
        take.event(other, action=action, links=(CaseLink(RELATIONS[relation], case.key),)),
    ]


def _merged(take: _Taking) -> list[CaseEvent]:
    """This one is closed, and the other one says so."""
    case, other = take.case, take.other()
    if other.kind != case.kind or other.is_closed:
        raise Unfit(take.page.words.say("case.no_merge", id=other.id))
    return [
        take.event(case, action=MERGE, merged_into=other.key),
        take.event(other, action="link", links=(CaseLink("merged_from", case.key),)),
    ]


def _check_known(action: str) -> None:
    if not any(action in kind.list_actions(state) for kind in CASE_KINDS.values() for state in kind.steps):
        raise BadInput(f"there is no step {action[:40]!r}")


ROUTES = [Route(f"{book}/cases/{{id:int}}/step", take_step, methods=["POST"]) for book in ("", HOMES)]
