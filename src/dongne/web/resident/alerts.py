"""/alerts: what the city warns of, as CAP 1.2: a feed, and one message for each alert. Only what everybody may see is in
them, whoever asks: they are passed on.

A Case of kind alert is one incident. Each event after which something that is published differs is a message of its chain;
what people note, and who they are, is never published.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, get_args
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dongne.model.access import PUBLIC, Veil
from dongne.model.case_kinds import ALERT
from dongne.model.cases import Case, CaseEvent
from dongne.model.errors import BadInput, NotFound
from dongne.model.geometry import find_centre, list_positions
from dongne.model.times import from_us
from dongne.runtime.ports import CaseFilter, ServiceStatus
from dongne.standards import atom
from dongne.standards.atom import Link
from dongne.standards.cap import message as cap
from dongne.standards.cap import xml as cap_xml
from dongne.standards.cap.chain import Said, Turn, chain
from dongne.standards.cap.values import in_seconds, is_on_earth, is_ring, is_token
from dongne.standards.openapi import AS_PAGE, Answer, Operation, Parameter, Schema
from dongne.standards.xml_text import writable
from dongne.web.context import WebContext
from dongne.web.frame import Page, is_id, open_page
from dongne.web.names import Names
from dongne.web.readings import origin_of
from dongne.web.seen import SeenCity

FEED = "/alerts/cap.atom"
PER_PAGE = 100
STAYS_FOR = timedelta(hours=48)  # in the feed, after it is over
CLOSED_READ = 500
SOON = timedelta(hours=1)  # CAP's "Expected"
CATEGORIES: dict[str, cap.Category] = {
    "public space": "Safety",
    "lighting": "Infra",
    "waste": "Infra",
}  # by service area
HEADERS = {"access-control-allow-origin": "*", "cache-control": "no-cache"}
CERTAINTY: dict[Turn, cap.Certainty] = {Turn.HOLDS: "Observed", Turn.OVER: "Observed", Turn.REVOKED: "Unlikely"}
RESPONSES: dict[Turn, tuple[cap.ResponseType, ...]] = {
    Turn.HOLDS: (),
    Turn.OVER: ("AllClear",),
    Turn.REVOKED: ("None",),
}


@dataclass(frozen=True)
class Alerts:
    """The city's alerts as everybody may see them, with addresses that begin with `base_url`."""

    context: WebContext
    seen: SeenCity
    base_url: str

    @cached_property
    def languages(self) -> list[str]:
        """Of the city's, those there are texts in."""
        return [one for one in self.context.config.languages if one in self.context.texts.languages]

    @cached_property
    def services(self) -> dict[str, ServiceStatus]:
        """By id."""
        return {one.id: one for one in self.context.runtime.statuses(PUBLIC)}

    @cached_property
    def sender(self) -> str:
        """Whom the city names as contact, by mail address or host; else its own host, else its id."""
        config = self.context.config
        contact = urlsplit(config.contact)
        wishes = (
            contact.path if contact.scheme == "mailto" else contact.hostname or "",
            urlsplit(self.context.public_url).hostname,
        )
        return next((one for one in wishes if one and is_token(one)), config.id)

    def names(self, language: str) -> Names:
        """What things and cases are called."""
        return Names(self.seen.graph, self.context.texts.words(language))

    def list_cases(self, before_id: int | None) -> tuple[list[Case], int | None]:
        """Open alerts, newest first, and where the next page begins; on the first page also those that ended a while ago."""
        wanted = CaseFilter(kind=ALERT.name, is_open=True, limit=PER_PAGE + 1, before_id=before_id)
        found = self.seen.list_cases(wanted)
        cases, more = found[:PER_PAGE], found[PER_PAGE:]
        if before_id is None:
            since = from_us(self.seen.clock.now_us()) - STAYS_FOR
            ended = self.seen.list_cases(CaseFilter(kind=ALERT.name, is_open=False, limit=CLOSED_READ))
            cases += [case for case in ended if case.changed >= since]
        return cases, cases[PER_PAGE - 1].id if more else None

    def list_said(self, case: Case) -> list[Said]:
        """Its messages so far, oldest first."""
        zone = self.context.config.zone_info
        turns = (
            (number, in_seconds(event.time.astimezone(zone)), turn_of(event.state))
            for number, event in list_published(self.seen.list_case_events(case.id))
        )
        return chain(f"{self.context.config.id}.case.{case.id}", self.sender, turns)

    def message(self, case: Case) -> cap.Alert:
        """Its newest message."""
        said = self.list_said(case)[-1]
        words = self.context.texts.words(self.languages[0])
        return cap.Alert(
            identifier=said.reference.identifier,
            sender=said.reference.sender,
            sent=said.reference.sent,
            status="Test" if self.is_acted(case) else "Actual",
            msg_type=said.msg_type,
            scope="Public",
            note=words.say("alert.revoked.note") if said.turn is Turn.REVOKED else "",
            references=said.references,
            incidents=(said.reference.identifier.rpartition(".")[0],),
            infos=tuple(self.info(case, said, language) for language in self.languages),
        )

    def is_acted(self, case: Case) -> bool:
        """Whether what it is about is not so: the clock is not the world's, or the values its service reads there are
        simulated, or were recorded elsewhere."""
        status = self.services.get(case.service)
        graph = self.context.store.graph
        streams = graph.list_datastreams(case.thing) if status and case.thing is not None else []
        kinds = {origin_of(one).kind for one in streams if status and graph.property_key(one) in status.reads}
        return self.context.speed != 1.0 or bool(kinds & {"simulated", "rehomed"})

    def info(self, case: Case, said: Said, language: str) -> cap.Info:
        """What it says in one language."""
        names, config, sent = self.names(language), self.context.config, said.reference.sent
        service = self.services.get(case.service)
        text = writable(names.case(case))
        is_over = said.turn is not Turn.HOLDS
        words = self.context.texts.words(language)
        return cap.Info(
            language=language,
            categories=(CATEGORIES.get(service.area, "Other") if service else "Other",),
            event=writable(names.alert(case)),
            response_types=RESPONSES[said.turn],
            urgency="Past" if is_over else urgency_of(case.due, sent),
            severity=severity_of(case.severity),
            certainty=CERTAINTY[said.turn],
            event_codes=(cap.Named("case", writable(f"{case.service}/{case.name}")),),
            effective=sent,
            onset=in_seconds(case.opened.astimezone(sent.tzinfo)),
            expires=sent + STAYS_FOR if is_over else None,
            sender_name=writable(config.publisher_name),
            headline=words.say(f"alert.{said.turn.value}.headline", what=text),
            description=text,
            web=f"{self.base_url}/cases/{case.id}",
            contact=writable(config.contact.removeprefix("mailto:")),
            parameters=(cap.Named("state", case.state), *list_parameters(case.values)),
            areas=(self.area(case, names),),
        )

    def area(self, case: Case, names: Names) -> cap.Area:
        """Where its Thing is, as its Locations draw it; the city where it is at none."""
        thing = self.seen.graph.things.get(case.thing) if case.thing is not None else None
        if thing is None:
            config = self.context.config
            west, south, east, north = config.bounds
            ring = ((west, south), (east, south), (east, north), (west, north), (west, south))
            return cap.Area(area_desc=writable(config.name.get("en", config.id)), polygons=(ring,))
        places = self.seen.graph.locations
        shapes = [places[one].location for one in thing.location_ids if one in places]
        rings = [list_rings(shape) for shape in shapes]
        points = [find_centre(shape) for shape, found in zip(shapes, rings, strict=True) if not found]
        circles = tuple(cap.Circle(point, 0.0) for point in points if point is not None and is_on_earth(point))
        return cap.Area(
            area_desc=writable(names.thing(thing)).strip() or str(thing.id),
            polygons=tuple(ring for found in rings for ring in found),
            circles=circles,
        )


def list_published(events: list[tuple[int, CaseEvent, str]]) -> Iterator[tuple[int, CaseEvent]]:
    """The events after which something that is published differs, with their numbers."""
    before: Any = None
    values: dict[str, Any] = {}
    severity, due = "", None
    for number, event, _ in events:
        values = {**values, **event.values}
        severity, due = event.severity or severity, event.due or due
        now = (event.state, severity, due, list_parameters(values))
        if now != before:
            yield number, event
        before = now


def list_parameters(values: dict[str, Any]) -> tuple[cap.Named, ...]:
    """What a page of the Case shows of its values."""
    simple = {key: value for key, value in values.items() if isinstance(value, int | float | str) and key.strip()}
    return tuple(cap.Named(writable(key), writable(str(value)) or "-") for key, value in simple.items())


def turn_of(state: str) -> Turn:
    """Cleared says that it is over; whatever else closes an alert says that it should not have been told."""
    if state not in ALERT.closed:
        return Turn.HOLDS
    return Turn.OVER if state == "cleared" else Turn.REVOKED


def urgency_of(due: datetime | None, sent: datetime) -> cap.Urgency:
    """By when something must be done, seen from the message; a Case without that does not say how urgent it is."""
    if due is None:
        return "Unknown"
    return "Immediate" if due <= sent else "Expected" if due - sent <= SOON else "Future"


def severity_of(said: str) -> cap.Severity:
    """The Case's, as CAP spells it."""
    return next((one for one in get_args(cap.Severity) if one.lower() == said), "Unknown")


def list_rings(location: Any) -> list[cap.Ring]:
    """The outer rings of a GeoJSON Polygon or MultiPolygon, or of a Feature of one; none that CAP would not take."""
    shape = location.get("geometry") if isinstance(location, dict) and location.get("type") == "Feature" else location
    parts = shape.get("coordinates") if isinstance(shape, dict) else None
    if not isinstance(shape, dict) or not isinstance(parts, list):
        return []
    polygons = {"Polygon": [parts], "MultiPolygon": parts}.get(shape.get("type", ""), [])
    rings = [tuple(list_positions(polygon[0])) for polygon in polygons if polygon]
    return [ring for ring in rings if is_ring(ring)]


def open_alerts(page: Page) -> Alerts:
    """The alerts as everybody may see them, whoever asks."""
    seen = SeenCity(page.context.store, page.request.app.state.veil, PUBLIC)
    return Alerts(page.context, seen, page.base_url)


def get_feed(request: Request) -> Response:
    """GET /alerts/cap.atom?before=<case id>."""
    page = open_page(request)
    before = request.query_params.get("before", "")
    if before and not is_id(before):
        raise BadInput(
            f"before={before[:40]!r} is not the number of a case; leave it out, or follow the feed's link next"
        )
    alerts = open_alerts(page)
    cases, more = alerts.list_cases(int(before) if before else None)
    names = alerts.names(page.language)
    entries = sorted(
        (write_entry(page, alerts, names, case) for case in cases), key=lambda one: one.updated, reverse=True
    )
    address = f"{page.base_url}{FEED}"
    links = [
        Link("self", address + (f"?before={before}" if before else ""), atom.MEDIA_TYPE),
        Link("alternate", f"{page.base_url}/cases", "text/html"),
    ]
    if more:
        links.append(Link("next", f"{address}?before={more}", atom.MEDIA_TYPE))
    feed = atom.Feed(
        id=f"urn:dongne:{page.context.config.id}:alerts",
        title=page.words.say("alert.feed", city=page.city_name),
        updated=entries[0].updated if entries else from_us(page.now_us),
        author=page.context.config.publisher_name,
        language=page.language,
        links=tuple(links),
        entries=tuple(entries),
    )
    headers = {**HEADERS, "content-language": page.language, "vary": "Accept-Language, Cookie"}
    return Response(atom.encode(feed), headers=headers, media_type=f"{atom.MEDIA_TYPE}; charset=utf-8")


def write_entry(page: Page, alerts: Alerts, names: Names, case: Case) -> atom.Entry:
    """An alert in the feed: its newest message by the address that stays."""
    said = alerts.list_said(case)[-1]
    text = names.case(case)
    return atom.Entry(
        id=f"urn:dongne:{said.reference.identifier.rpartition('.')[0]}",
        title=page.words.say(f"alert.{said.turn.value}.headline", what=text),
        updated=said.reference.sent,
        published=in_seconds(case.opened),
        summary=names.thing(case.thing) if case.thing is not None else page.city_name,
        links=(Link("alternate", f"{alerts.base_url}/alerts/{case.id}.xml", cap_xml.MEDIA_TYPE),),
        categories=(said.msg_type, severity_of(case.severity)),
    )


def get_alert(request: Request) -> Response:
    """GET /alerts/<case id>.xml: the newest message about it."""
    page = open_page(request)
    alerts = open_alerts(page)
    case_id: int = request.path_params["id"]
    case = alerts.seen.get_case(case_id)
    if case.kind != ALERT.name:
        raise NotFound(f"case {case_id} is no alert")
    return Response(cap_xml.encode(alerts.message(case)), headers=HEADERS, media_type=cap_xml.MEDIA_TYPE)


def list_operations(context: WebContext) -> list[Operation]:
    """What programs get here; the newest alert that everybody may see is the example, where there is one."""
    seen = SeenCity(context.store, Veil(context.store.graph), PUBLIC)
    examples = tuple(case.id for case in seen.list_cases(CaseFilter(kind=ALERT.name, limit=1))) or (1,)
    number: Schema = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
    text: Schema = {"type": "string"}
    return [
        Operation(
            "GET", FEED, "getAlerts", "alerts", "The open alerts as an Atom feed",
            {200: Answer("RFC 4287; each entry links its message.", {f"{atom.MEDIA_TYPE}; charset=utf-8": text})},
            "The same for whoever asks: what everybody may see. Alerts that ended stay for 48 hours.",
            parameters=(Parameter("before", number, "Alerts older than this one; the feed's link `next` has it."),),
            errors=(400, 429), refusal=AS_PAGE,
        ),
        Operation(
            "GET", "/alerts/{id}.xml", "getAlert", "alerts", "The newest message about an alert",
            {200: Answer("CAP 1.2.", {cap_xml.MEDIA_TYPE: text})},
            "An Update or Cancel refers to the messages before it; docs/alerts.md says when each is sent.",
            parameters=(Parameter("id", number, "The number of its case.", "path", True, examples),),
            errors=(404, 429), refusal=AS_PAGE,
        ),
    ]  # fmt: skip


ROUTES = [Route(FEED, get_feed), Route("/alerts/{id:int}.xml", get_alert)]
