"""POST /things/<id>/closure: a way is closed to people on foot, until somebody opens it again; no walk leads over it from then on."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dongne.model.cases import CaseEvent
from dongne.model.entities import Thing
from dongne.model.errors import BadInput
from dongne.model.records import RecordKind
from dongne.model.times import format_instant, from_us
from dongne.model.who import Right
from dongne.runtime.facts import case_key
from dongne.runtime.ports import CaseFilter, Entry, Transaction
from dongne.web.control_room.cases import say_by
from dongne.web.frame import Page, open_page, read_form

SERVICE, KIND = "calm_walk", "closure"
WAYS = frozenset({"footway", "steps", "pedestrian_street", "elevator"})  # kinds of Thing that are walked on
REASON_LENGTH, WHO_LENGTH = 200, 80


def is_closable(page: Page, thing: Thing) -> bool:
    """Whether who asks may close this Thing: a way that people walk on, which is open, in a city that answers how to walk."""
    if thing.kind not in WAYS or not page.may("case", thing.id):
        return False
    is_asked = any(answer == SERVICE for answer, *_ in page.context.runtime.list_answers())
    return is_asked and not page.seen.list_cases(CaseFilter(thing=thing.id, kind=KIND, is_open=True, limit=1))


async def close(request: Request) -> Response:
    """Fields: reason (what people are told), who. Raises BadInput without a reason, and for what is no way."""
    page = open_page(request)
    thing = await asyncio.to_thread(page.seen.graph.get_thing, request.path_params["id"])
    form = await read_form(page, Right.CASE)
    page.who.must(Right.CASE, thing.id)
    reason = form.get("reason", "").strip()[:REASON_LENGTH]
    if not reason:
        raise BadInput("reason is empty; say why the way is closed, in words for those who would walk there")
    if not await asyncio.to_thread(is_closable, page, thing):
        raise BadInput(
            f"Thing {thing.id} ({thing.kind}) is no way that is open to people on foot; ways: {', '.join(sorted(WAYS))}"
        )
    now = from_us(page.now_us)
    event = CaseEvent(
        key=case_key(SERVICE, thing.id, KIND, KIND, format_instant(now)), kind=KIND, action="open", name=KIND, time=now, thing=thing.id,
        service=SERVICE, values={"reason": reason}, by=say_by(page, form)[:WHO_LENGTH],
    )  # fmt: skip
    await asyncio.wrap_future(page.store.submit(Transaction([Entry(RecordKind.CASE, msgspec.msgpack.encode(event))])))
    await asyncio.to_thread(page.context.gate.write_down, page.who, "Case open", f"Things/{thing.id}", KIND)
    return RedirectResponse(f"/things/{thing.id}?saved={KIND}#cases", 303)


ROUTES = [Route("/things/{id:int}/closure", close, methods=["POST"])]
