"""/homes: which homes there are, those with alarms first; /homes/<id>: one home, and the chain of its alarm."""

from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dongne.model.case_kinds import kind_of
from dongne.model.cases import Case
from dongne.model.entities import Datastream, Thing
from dongne.model.home import BATTERY_LEVEL, HEARTBEAT, HOME, HOME_PROPERTIES, LIFE_SAFETY, TECHNICAL, contacts_of
from dongne.model.times import to_us
from dongne.runtime.consents import MEDICAL_NOTE
from dongne.runtime.ports import CaseFilter, LatestValue, NoticeFilter
from dongne.web.control_room.cases import is_late, list_steps
from dongne.web.frame import Page, is_id, render
from dongne.web.homes.care import (
    care_of,
    find_purpose,
    may_consent,
    note,
    open_home,
    open_homes,
    private,
    say_purpose,
)
from dongne.web.homes.chain import ALERT, KIND, Moment, find_chain, list_alarms, list_faults
from dongne.web.homes.measurements import list_streams

PER_PAGE = 50
MOST_PAGES = 10_000
MOST_OPEN = 1_000  # open Cases that are looked at
AGREEABLE = HOME_PROPERTIES.keys() - LIFE_SAFETY - TECHNICAL  # what may be observed only where the person agreed
WHERE = ("RD", "HNO", "FLR", "LOC", "PC", "A3")  # of an address, in the order in which it is read


@dataclass(frozen=True)
class Row:
    """A home in the list: `state` is alarm, fault or quiet; of its most pressing open Case."""

    id: int
    gateway: str
    person: str
    is_simulated: bool
    state: str
    case: Case | None


@dataclass(frozen=True)
class Reading:
    """The newest value of a device's property."""

    stream: Datastream
    key: str
    latest: LatestValue | None


@dataclass(frozen=True)
class Agreed:
    """Something that a person can agree to."""

    what: str
    name: str
    is_given: bool


def list_homes(request: Request) -> Response:
    """GET /homes?q=&page=."""
    page = open_homes(request)
    asked, number = request.query_params.get("q", "").strip(), request.query_params.get("page", "")
    at = min(int(number), MOST_PAGES) if is_id(number) and int(number) else 1
    note(page, "homes listed", page.path, is_once=False)
    found = order_homes(page, asked)
    rows, last = found[(at - 1) * PER_PAGE : at * PER_PAGE], max(1, -(-len(found) // PER_PAGE))
    demo = page.context.demonstration
    return private(
        render(
            page, "homes.html", rows=rows, asked=asked, number=at, last=last, total=len(found),
            counts={state: sum(row.state == state for row in found) for state in ("alarm", "fault")},
            demo=demo.home if demo else None,
        )
    )  # fmt: skip


def order_homes(page: Page, asked: str) -> list[Row]:
    """Homes with alarms, then those with faults (silent, a battery), then all others by gateway."""
    pressing: dict[int, tuple[str, Case]] = {}
    for kind, state in ((ALERT, "fault"), (KIND, "alarm")):
        for case in page.seen.list_cases(CaseFilter(kind=kind, is_open=True, limit=MOST_OPEN)):
            if case.thing is not None:
                pressing[case.thing] = (state, case)
    rows = []
    for thing in list(page.seen.graph.things.values()):
        if thing.kind != HOME:
            continue
        gateway, person = str(thing.properties.get("gateway", "")), str(thing.properties.get("person", ""))
        if asked and asked.casefold() not in gateway.casefold() and asked.casefold() not in person.casefold():
            continue
        state, open_case = pressing.get(thing.id, ("quiet", None))
        rows.append(Row(thing.id, gateway, person, thing.properties.get("simulated") is True, state, open_case))
    place = {"alarm": 0, "fault": 1, "quiet": 2}
    rows.sort(key=lambda row: (place[row.state], row.gateway))
    return rows


def show_home(request: Request) -> Response:
    """GET /homes/<id>?alarm=<id of a Case>."""
    page, home = open_home(request)
    return home_page(page, home)


def home_page(page: Page, home: Thing, status: int = 200, error: str = "", **more: object) -> Response:
    """The page of a home, for who has opened it."""
    alarms = list_alarms(page.store, home.id)
    wished = page.request.query_params.get("alarm", "")
    shown = next((case for case in alarms if str(case.id) == wished), alarms[0] if alarms else None)
    chain = find_chain(page.store, shown) if shown is not None else None
    steps = list_steps(page, shown) if shown is not None else []
    kind = kind_of(KIND)
    said = {"phone": "", "medical_note": "", "person": home.name, "gateway": "", **home.properties}
    values = {
        "home": home, "said": said, "alarms": alarms, "case": shown, "chain": chain, "late": is_late, "error": error,
        "plain": [step for step in steps if step not in kind.causes], "asking": [s for s in steps if s in kind.causes],
        "causes": kind.causes, "word": partial(page.names.case_word, KIND), "faults": list_faults(page.store, home.id),
        "devices": list_devices(page, home), "contacts": contacts_of(said), "agreed": list_agreed(page, home),
        "address": [str(said["address"][key]) for key in WHERE if said.get("address", {}).get(key)],
        "point": page.store.graph.find_point(home.id), "purpose": find_purpose(page), "may_consent": may_consent(page),
        "is_simulated": said.get("simulated") is True, "is_measured": bool(list_streams(page, home)), "demo": demo_of(page, home), "revision": revision_of(page, home),
        "saved": page.request.query_params.get("saved", ""), "say": partial(say_moment, page), "who_did": partial(say_by, page), "made": "", "heard": heard_us(page, home),
        **more,
    }  # fmt: skip
    return private(render(page, "home.html", status, **values))


def demo_of(page: Page, home: Thing) -> object:
    """The demonstration, where it can play here."""
    demo = page.context.demonstration
    return demo if demo is not None and demo.plays_at(home.id) else None


def list_devices(page: Page, home: Thing) -> dict[str, list[Reading]]:
    """By device, what it said last; its battery behind all else. Heartbeats are left out."""
    graph, found = page.store.graph, dict[str, list[Reading]]()
    for stream in graph.list_datastreams(home.id):
        key = graph.property_key(stream)
        device = str(stream.properties.get("device", ""))
        if device and key != HEARTBEAT.key:
            found.setdefault(device, []).append(Reading(stream, key, page.store.latest(stream.id)))
    for readings in found.values():
        readings.sort(key=lambda one: (one.key == BATTERY_LEVEL.key, one.key))
    return dict(sorted(found.items()))


def heard_us(page: Page, home: Thing) -> int:
    """When the gateway was heard last; 0 where it never was."""
    graph = page.store.graph
    beats = [s.id for s in graph.list_datastreams(home.id) if graph.property_key(s) == HEARTBEAT.key]
    return max((found.time_us for stream in beats if (found := page.store.latest(stream)) is not None), default=0)


def list_agreed(page: Page, home: Thing) -> list[Agreed]:
    """What this person agreed to, and what they might."""
    given = set(care_of(page).consents.list_given(home.id))
    contacts = {contact.id: contact.name or contact.id for contact in contacts_of(home.properties)}
    observed = {page.store.graph.property_key(s) for s in page.store.graph.list_datastreams(home.id)}
    asked = [
        *contacts,
        MEDICAL_NOTE,
        *sorted((observed & AGREEABLE) | given),
    ]
    names = {what: contacts.get(what) or page.names.property(what) for what in asked}
    names[MEDICAL_NOTE] = page.words.say("home.medical_note")
    return [Agreed(what, names[what], what in given) for what in dict.fromkeys(asked)]


def revision_of(page: Page, home: Thing) -> str:
    """Another text whenever something at this home has changed."""
    store = page.store
    cases = store.list_cases(CaseFilter(thing=home.id, limit=MOST_OPEN))
    notices = store.list_notices(NoticeFilter(thing=home.id, limit=100))
    latest = [store.latest(stream.id) for stream in store.graph.list_datastreams(home.id)]
    parts = (
        sum(case.events for case in cases),
        sum(len(one.attempts) + len(one.answers) for one in notices),
        max((one.id for one in notices), default=0),
        max((to_us(one.changed) for one in notices), default=0),
        max((one.number for one in latest if one is not None), default=0),
    )
    return "-".join(map(str, parts))


def get_now(request: Request) -> Response:
    """GET /homes/<id>/now.json: a revision, which is another one whenever the page would be."""
    page, home = open_home(request)
    return JSONResponse({"revision": revision_of(page, home)}, headers={"cache-control": "no-store"})


def say_moment(page: Page, moment: Moment) -> str:
    """What happened, in words."""
    words, notice = page.words, moment.notice
    if moment.sort == "sensor" and moment.stream is not None:
        key = page.store.graph.property_key(moment.stream)
        value = words.say("home.raised" if moment.value >= 0.5 else "home.cleared")
        return words.say(
            "home.moment.sensor",
            device=moment.stream.properties.get("device", ""),
            property=page.names.property(key),
            value=value,
        )
    if moment.sort == "step":
        did = page.names.case_word(KIND, "did", moment.action)
        cause = page.names.case_word(KIND, "cause", moment.cause) if moment.cause else ""
        state = page.names.case_word(KIND, "state", moment.state) if moment.state else ""
        return words.say("home.moment.step_cause" if cause else "home.moment.step", did=did, state=state, cause=cause)
    assert notice is not None
    return words.say(
        f"home.moment.{moment.sort}", to=name_to(page, notice.to), what=name_notice(page, notice.service, notice.name),
        channel=name_channel(page, moment.channel), recipient=name_recipient(page, moment), receipt=moment.receipt, error=moment.error,
        answer=page.words.say(f"home.answer.{moment.answer}") if moment.answer else "", by=moment.by,
    )  # fmt: skip


def say_by(page: Page, moment: Moment) -> str:
    """Who took a step."""
    kind, _, name = moment.by.partition(":")
    return page.words.say("case.by_service", service=page.names.service(name)) if kind == "service" else moment.by


def name_to(page: Page, to: str) -> str:
    """Whom a notice is for."""
    unit = to.partition(":")[2]
    return page.unit_name(unit) if unit else page.words.find([f"home.to.{to}"]) or to


def name_recipient(page: Page, moment: Moment) -> str:
    """Who was meant: a contact of the home or somebody on duty by name, else as the outbox calls them."""
    role, _, contact_id = moment.recipient.partition(":")
    home = page.store.graph.things.get((moment.notice.thing if moment.notice else 0) or 0)
    contacts = contacts_of(home.properties) if home is not None and contact_id else []
    person = page.context.roster.people.get(role)
    name = next((one.name for one in contacts if one.id == contact_id), "") or (person.name if person else "")
    return name or page.words.find([f"home.recipient.{role}"]) or moment.recipient


def name_channel(page: Page, channel: str) -> str:
    """A way to people."""
    return page.words.find([f"channel.{channel}"]) or channel


def name_notice(page: Page, service: str, name: str) -> str:
    """What a notice is about, in a line."""
    return page.words.find([f"{service}.{name}.subject"]) or name.replace("_", " ")


ROUTES = [
    Route("/homes", list_homes),
    Route("/homes/purpose", say_purpose, methods=["POST"]),
    Route("/homes/{id:int}", show_home),
    Route("/homes/{id:int}/now.json", get_now),
]
