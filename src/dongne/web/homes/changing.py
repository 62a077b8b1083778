"""POST below /homes/<id>: what somebody changes of a home: consents, links, a play in a simulated one; and that a person leaves."""

import asyncio

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dongne.model.cases import CaseEvent
from dongne.model.entities import Thing, put
from dongne.model.errors import BadInput, NotFound
from dongne.model.home import contacts_of
from dongne.model.records import RecordKind
from dongne.model.times import from_us
from dongne.model.who import Right
from dongne.runtime.consents import KIND, consent_key
from dongne.runtime.ports import Entry, Transaction
from dongne.web.frame import HOMES, Page, read_form, render
from dongne.web.homes.care import care_of, find_purpose, get_home, note, open_home, open_homes, private
from dongne.web.homes.chain import KIND as ALARM
from dongne.web.homes.chain import list_alarms
from dongne.web.homes.linked import SCREENS_SINCE, find_consent, make_family_link, make_screen_link
from dongne.web.homes.pages import home_page, list_agreed

MOST_ROUNDS = 10_000
WITHDRAW_CAUSE = "by_person"


async def play(request: Request) -> Response:
    """POST play: play (empty: all is cleared) and answer, in a simulated home. Raises NotFound for another."""
    page, home, form = await _take(request, Right.CASE)
    demo = page.context.demonstration
    if demo is None or not demo.plays_at(home.id):
        raise NotFound("nothing can be played in this home")
    what = form.get("play", "")
    if what:
        demo.play(home.id, what, form.get("answer", ""))
    else:
        demo.clear(home.id)
        await _close_alarms(page, home)
    await asyncio.to_thread(note, page, f"played {what or 'clear'}", _path(home))
    return RedirectResponse(_path(home), 303)


async def consent(request: Request) -> Response:
    """POST consents: what, action=give|withdraw."""
    page, home, form = await _take(request, Right.CONSENT)
    what, action = form.get("what", ""), form.get("action", "")
    if action not in ("give", "withdraw") or what not in {one.what for one in list_agreed(page, home)}:
        raise BadInput(
            f"{action[:20]!r} of {what[:40]!r} is no consent of this home; give or withdraw one on its page",
            reason="consent",
        )
    event = await asyncio.to_thread(_consent_event, page, home, what, action)
    if event is not None:
        entry = Entry(RecordKind.CASE, msgspec.msgpack.encode(event))
        await asyncio.wrap_future(page.store.submit(Transaction([entry])))
        await asyncio.to_thread(note, page, f"consent {action}", f"{_path(home)} {what}")
    return RedirectResponse(f"{_path(home)}?saved=consent#consents", 303)


def _consent_event(page: Page, home: Thing, what: str, action: str) -> CaseEvent | None:
    """The step; None where it is so already."""
    now, standing = from_us(page.now_us), find_consent(page.store, home.id, what)
    if (standing is not None) == (action == "give"):
        return None
    if standing is not None:
        return CaseEvent(
            key=standing,
            kind=KIND,
            action="withdraw",
            name=KIND,
            time=now,
            cause=WITHDRAW_CAUSE,
            by=page.who.name,
            thing=home.id,
        )
    rounds = range(1, MOST_ROUNDS)
    key = next(
        key for key in (consent_key(home.id, what, number) for number in rounds) if page.store.find_case(key) is None
    )
    return CaseEvent(
        key=key, kind=KIND, action="open", name=KIND, time=now, thing=home.id, values={"what": what}, by=page.who.name,
        access="personal",
    )  # fmt: skip


async def make_link(request: Request) -> Response:
    """POST links: use=screen, end (all links to the screen end), or family with a contact. The link is shown once and not stored."""
    page, home, form = await _take(request, Right.CONSENT)
    use, contact = form.get("use", ""), form.get("contact", "")
    made: str | None = ""
    if use == "screen":
        made = make_screen_link(page.context, home)
    elif use == "family" and contact in {one.id for one in contacts_of(home.properties)}:
        made = make_family_link(page.context, home, contact)
        if made is None:
            raise BadInput(
                "the person has not agreed that this contact is told; write the consent down first", reason="consent"
            )
    elif use == "end":
        since_s = page.now_us // 1_000_000 + 1
        changed = msgspec.structs.replace(home, properties={**home.properties, SCREENS_SINCE: since_s})
        entry = Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([put(changed)]))
        await asyncio.wrap_future(page.store.submit(Transaction([entry])))
    else:
        raise BadInput("a link is for the screen, or for a contact of this home", reason="link")
    await asyncio.to_thread(note, page, f"link {use}", f"{_path(home)} {contact}".strip())
    if use == "end":
        return RedirectResponse(f"{_path(home)}?saved=links", 303)
    page.path = _path(home)
    return await asyncio.to_thread(home_page, page, home, made=f"{page.base_url}{made}")


def ask_to_leave(request: Request) -> Response:
    """GET leave: whether the person's data are really to be given up."""
    page, home = open_home(request)
    page.who.must(Right.CONSENT)
    return private(render(page, "home_leave.html", home=home, gateway=home.properties.get("gateway", "")))


async def leave(request: Request) -> Response:
    """POST leave: gateway, written out: the key of this home's data is destroyed."""
    page, home, form = await _take(request, Right.CONSENT)
    gateway = str(home.properties.get("gateway", ""))
    if form.get("gateway", "").strip() != gateway:
        answer = render(page, "home_leave.html", 400, home=home, gateway=gateway)
        return private(answer)
    await asyncio.to_thread(care_of(page).withdraw, gateway)
    await asyncio.to_thread(note, page, "home withdrawn", _path(home))
    return RedirectResponse(f"{HOMES}?saved=left", 303)


async def _take(request: Request, right: Right) -> tuple[Page, Thing, dict[str, str]]:
    """The home, and the form; only where a purpose has been said."""
    page = await asyncio.to_thread(open_homes, request)
    home = get_home(page, request.path_params["id"])
    form = await read_form(page, right)
    if not find_purpose(page):
        raise BadInput("say first what you open this home for; its page asks", reason="purpose")
    return page, home, form


async def _close_alarms(page: Page, home: Thing) -> None:
    """What was only played is over."""
    cases = [case for case in await asyncio.to_thread(list_alarms, page.store, home.id) if not case.is_closed]
    now = from_us(page.now_us)
    events = [
        CaseEvent(
            key=case.key, kind=ALARM, action="close", name=case.name, time=now, cause="exercise", by=page.who.name,
            thing=home.id, service=case.service,
        )
        for case in cases
    ]  # fmt: skip
    entries = [Entry(RecordKind.CASE, msgspec.msgpack.encode(event)) for event in events]
    if entries:
        await asyncio.wrap_future(page.store.submit(Transaction(entries)))


def _path(home: Thing) -> str:
    return f"{HOMES}/{home.id}"


ROUTES = [
    Route("/homes/{id:int}/play", play, methods=["POST"]),
    Route("/homes/{id:int}/consents", consent, methods=["POST"]),
    Route("/homes/{id:int}/links", make_link, methods=["POST"]),
    Route("/homes/{id:int}/leave", ask_to_leave),
    Route("/homes/{id:int}/leave", leave, methods=["POST"]),
]
