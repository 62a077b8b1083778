"""/homes/family/<token>: a relative's page: what happened at the home of whom they look after, in words, and what was done. Nothing
of health, of other contacts, of devices. It holds while the person agrees that this relative is told."""

from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dongne.model.cases import Case
from dongne.model.notices import DISPATCH
from dongne.model.times import from_us
from dongne.web.frame import render
from dongne.web.homes.care import private
from dongne.web.homes.chain import KIND, Moment, begun_at, find_chain, list_alarms
from dongne.web.homes.linked import Linked, open_link
from dongne.web.homes.screen import RESIDENT

TOLD_STEPS = frozenset({"open", "respond", "dispatch", "acknowledge", "close"})
OF_OTHERS = frozenset({RESIDENT, "responder", "neighbour", "nurse", DISPATCH})
DAYS_SHOWN = 30


@dataclass(frozen=True)
class Told:
    """One thing that a relative is told: a key of the catalogue, and what fills it in."""

    time: datetime
    since_s: float
    key: str
    values: dict[str, str]


def show(request: Request) -> Response:
    """GET. Each view is in the audit log; what the page fetches anew is one entry a minute."""
    linked = open_link(request, "family")
    gate, is_anew = linked.page.context.gate, request.headers.get("sec-fetch-dest") == "empty"
    (gate.note_seen if is_anew else gate.write_down)(linked.who, "home seen by a relative", f"/homes/{linked.home.id}")
    case = find_shown(linked)
    told = list_told(linked, case) if case is not None else []
    page = linked.page
    return private(
        render(
            page, "family.html", linked=linked, case=case, told=told, begun=begun_at(case) if case is not None else None,
            about=say_case(linked, case) if case is not None else "", revision=revision_of(linked),
            cause=page.names.case_word(KIND, "cause", case.cause) if case is not None and case.cause else "",
        )
    )  # fmt: skip


def get_now(request: Request) -> Response:
    """GET now.json: another revision whenever the page would be another."""
    return private(JSONResponse({"revision": revision_of(open_link(request, "family"))}))


def find_shown(linked: Linked) -> Case | None:
    """The newest alarm, while it is of interest."""
    alarms = list_alarms(linked.store, linked.home.id)
    if not alarms or alarms[0].values.get("exercise"):
        return None
    age = from_us(linked.page.now_us) - alarms[0].changed
    return alarms[0] if not alarms[0].is_closed or age.days < DAYS_SHOWN else None


def say_case(linked: Linked, case: Case) -> str:
    """What the alarm is about; of what concerns health, only that it is one."""
    words = linked.page.words
    return words.find([f"family.about.{case.name}"]) or words.say("family.about.other")


def list_told(linked: Linked, case: Case) -> list[Told]:
    """What a relative is told of this alarm, in order."""
    return [told for moment in find_chain(linked.store, case).moments if (told := tell(linked, moment)) is not None]


def tell(linked: Linked, moment: Moment) -> Told | None:
    """This moment for a relative; None where it is not for them."""
    words, notice, values = linked.page.words, moment.notice, dict[str, str]()
    mine = f"guardian:{linked.link.contact}"
    if moment.sort == "step" and moment.action in TOLD_STEPS:
        key = f"step.{moment.action}"
    elif notice is None:
        return None
    elif moment.sort == "answered" and (notice.to in OF_OTHERS or moment.by in (mine, linked.link.contact)):
        key, values = "answered", {"answer": words.say(f"home.answer.{moment.answer}")}
        values["who"] = words.say(f"home.to.{notice.to}" if notice.to in OF_OTHERS else "family.you")
    elif moment.sort == "asked" and notice.asks and notice.to in (RESIDENT, "responder"):
        key = f"asked.{notice.to}"
    elif moment.sort == "taken" and notice.to == DISPATCH:
        key = "reached_119"
    elif moment.sort == "sent" and moment.recipient == mine:
        key, values = "told_you", {"channel": words.say(f"channel.{moment.channel}")}
    else:
        return None
    return Told(moment.time, moment.since_s, f"family.{key}", values)


def revision_of(linked: Linked) -> str:
    """Another text whenever the page would be another."""
    case = find_shown(linked)
    return "0" if case is None else f"{case.id}-{case.events}-{len(list_told(linked, case))}"


ROUTES = [Route("/homes/family/{token}", show), Route("/homes/family/{token}/now.json", get_now)]
