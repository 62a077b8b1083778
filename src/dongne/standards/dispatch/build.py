"""What a control centre is handed: a CAP 1.2 alert, the place as PIDF-LO, and what the person agreed to be told (RFC 7852).

An alarm of a sensor that nobody calls about is what RFC 8876 (Non-interactive Emergency Calls) is for: the alert says what
happened, the location object beside it where.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import msgspec

from dongne.model.geometry import Point
from dongne.standards.cap.message import (
    Alert,
    Area,
    Certainty,
    Circle,
    Info,
    MsgType,
    Named,
    Reference,
    Status,
)
from dongne.standards.cap.values import in_seconds, write_instant
from dongne.standards.dispatch.alarm import (
    BY_A_PERSON,
    CAUSES,
    CONTACTS,
    MEDICAL_NOTE,
    OTHER_CAUSE,
    Alarm,
    DispatchHome,
    Says,
    identifier_of,
)
from dongne.standards.pidf_lo import place
from dongne.standards.pidf_lo.call_data import Comment, Related, Subscriber, Text
from dongne.standards.pidf_lo.place import CIVIC_NAMES, Civic, Geopriv, Presence
from dongne.standards.xml_text import writable

RETENTION = timedelta(hours=24)  # RFC 4119, 2.2.2: what holds where nobody says otherwise
KINDS_OF_CONTACT = {"neighbour": ("emergency", "neighbor")}  # RFC 6350, 6.6.6; a guardian need be no kin
UNKNOWN = "?"


class Dispatch(msgspec.Struct, frozen=True, kw_only=True):
    """All that goes out at once. `presence` is None where nobody knows the place; the blocks, where nothing may be told."""

    alert: Alert
    presence: Presence | None = None
    subscriber: Subscriber | None = None
    comment: Comment | None = None


def build_dispatch(alarm: Alarm, home: DispatchHome, says: Says, *, sender: str, zone: tzinfo) -> Dispatch:
    """What is handed over. The same values give the same bytes, whenever it is built.

    `sender` is the city as CAP names it, a mail address or host; `zone` is that of the place.
    """
    identifier = identifier_of(sender, alarm.key)
    earlier = tuple(
        Reference(sender, identifier_of(sender, one.key), _instant(one.sent, zone)) for one in alarm.earlier
    )
    incident = earlier[0].identifier if earlier else identifier
    msg_type: MsgType = "Alert"
    if earlier:
        msg_type = "Cancel" if alarm.ends else "Update"
    civic = civic_of(home.properties)
    alert = Alert(
        identifier=identifier, sender=sender, sent=_instant(alarm.sent, zone), status=status_of(alarm, home),
        msg_type=msg_type, scope="Private", addresses=("119",), references=earlier, incidents=(incident,),
        note=writable(says.headline) if msg_type == "Cancel" else "",
        infos=(_info(alarm, says, civic, home, zone),),
    )  # fmt: skip
    return Dispatch(
        alert=alert, presence=_presence(alarm, home, civic, incident, sender), comment=_comment(home, sender),
        subscriber=_subscriber(alarm, home, sender),
    )  # fmt: skip


def status_of(alarm: Alarm, home: DispatchHome) -> Status:
    """Actual for people only: a home where nobody lives is a Test, whatever happens there (CAP 1.2, 3.2.1)."""
    if alarm.exercise:
        return "Exercise"
    return "Test" if home.is_simulated or alarm.simulated else "Actual"


def certainty_of(alarm: Alarm) -> Certainty:
    """How sure it is, by the evidence: somebody says so, or two devices agree, or one alone (most automatic alarms of one
    detector are mistaken)."""
    if alarm.ends:
        return "Unlikely"
    if any(one.property in BY_A_PERSON for one in alarm.evidence):
        return "Observed"
    sources = {(one.device, one.property) for one in alarm.evidence}
    return "Likely" if len(sources) > 1 else "Possible"


def _instant(instant: datetime, zone: tzinfo) -> datetime:
    return in_seconds(instant.astimezone(zone))


def _info(alarm: Alarm, says: Says, civic: Civic | None, home: DispatchHome, zone: tzinfo) -> Info:
    cause = CAUSES.get(alarm.kind, OTHER_CAUSE)
    headline = writable(says.headline).strip() or _word(alarm.kind) or UNKNOWN
    return Info(
        language=says.language, categories=cause.categories, event=headline, urgency="Past" if alarm.ends else "Immediate",
        severity=cause.severity, certainty=certainty_of(alarm), headline=headline, description=writable(says.text),
        onset=_instant(alarm.raised, zone), event_codes=(Named("dongne:home_alarm", _word(alarm.kind) or UNKNOWN),),
        contact=_telephone(alarm, home), areas=(_area(civic, home),), parameters=_parameters(alarm, home, zone),
    )  # fmt: skip


def _area(civic: Civic | None, home: DispatchHome) -> Area:
    circles = (Circle(home.point, home.radius_m / 1000),) if home.point is not None else ()
    return Area(area_desc=line_of(civic) or UNKNOWN, circles=circles)


def _parameters(alarm: Alarm, home: DispatchHome, zone: tzinfo) -> tuple[Named, ...]:
    call_back = _telephone(alarm, home)
    lines = [Named("callBack", call_back)] if call_back else []
    for one in sorted(alarm.evidence, key=lambda one: one.time):
        value = "" if one.value is None else f"{one.value:g}"
        words = (write_instant(_instant(one.time, zone)), _word(one.property), _word(one.device), value)
        lines.append(Named("evidence", " ".join(word for word in words if word)))
    return tuple(lines)


def _word(text: str) -> str:
    return re.sub(r"\s+", "_", writable(text).strip())


def _telephone(alarm: Alarm, home: DispatchHome) -> str:
    return writable(alarm.call_back or str(home.properties.get("telephone") or "")).strip()


# --- the place


def civic_of(properties: Mapping[str, Any]) -> Civic | None:
    """The home's address; parts that RFC 5139 does not have, or that are empty, are left out rather than refused."""
    given = properties.get("address")
    if not isinstance(given, Mapping):
        return None
    parts = {
        name: " ".join(writable(str(given[name])).split())
        for name in CIVIC_NAMES
        if (said := given.get(name)) and writable(str(said)).strip()
    }
    country = parts.get("country", "").upper()
    parts.pop("country", None)
    if re.fullmatch("[A-Z]{2}", country):
        parts = {"country": country, **parts}
    return Civic(parts, _language(properties)) if parts else None


def _language(properties: Mapping[str, Any]) -> str:
    language = str(properties.get("language", ""))
    return language if re.fullmatch(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*", language) else ""


def line_of(civic: Civic | None) -> str:
    """The address in one line: from the large to the small in Korean, the other way round elsewhere."""
    if civic is None:
        return ""
    large = [civic.parts[name] for name in ("A1", "A2", "A3", "A4", "A5", "A6") if name in civic.parts]
    street = [civic.parts[name] for name in ("PRD", "RD", "STS", "POD", "HNO", "HNS") if name in civic.parts]
    inside = [civic.parts[name] for name in ("BLD", "NAM", "FLR", "UNIT", "ROOM", "LOC", "LMK") if name in civic.parts]
    if civic.parts.get("country") == "KR" or civic.language.startswith("ko"):
        return " ".join((*large, *street, *inside))
    return ", ".join(filter(None, (" ".join(street), " ".join(inside), " ".join(reversed(large)))))


def _presence(alarm: Alarm, home: DispatchHome, civic: Civic | None, incident: str, sender: str) -> Presence | None:
    if home.point is None and civic is None:
        return None
    shape = None if home.point is None else _shape(home.point, home.radius_m)
    host = sender.rpartition("@")[2]
    return Presence(
        entity=f"pres:{incident}@{host}", tuple_id="home", timestamp=_instant(alarm.sent, UTC),
        geopriv=Geopriv(
            shape=shape, civic=civic, method="Manual", retransmission_allowed=False,
            retention_expiry=_instant(alarm.sent + RETENTION, UTC),
        ),
    )  # fmt: skip


def _shape(point: Point, radius_m: float) -> place.Spot | place.Circle:
    return place.Circle(point, radius_m) if radius_m > 0 else place.Spot(point)


# --- the person


def _comment(home: DispatchHome, sender: str) -> Comment | None:
    note = writable(str(home.properties.get("medical_note") or "")).strip()
    if not note or MEDICAL_NOTE not in home.consented:
        return None
    return Comment(sender, (Text(note, _language(home.properties)),))


def _subscriber(alarm: Alarm, home: DispatchHome, sender: str) -> Subscriber | None:
    person = writable(str(home.properties.get("person") or "")).strip()
    if not person:
        return None
    telephone = _dialled(_telephone(alarm, home))
    return Subscriber(
        provider=sender, name=person, telephones=(f"tel:{telephone}",) if telephone else (),
        languages=tuple(filter(None, (_language(home.properties),))),
        related=_related(home.properties.get("contacts")) if CONTACTS in home.consented else (),
    )  # fmt: skip


def _related(contacts: Any) -> tuple[Related, ...]:
    found = []
    for one in contacts if isinstance(contacts, list | tuple) else ():
        if not isinstance(one, Mapping):
            continue
        name = writable(str(one.get("name") or "")).strip()
        uri = _telephone_of(one.get("addresses"))
        if name or uri:
            found.append(Related(KINDS_OF_CONTACT.get(str(one.get("role")), ("emergency",)), name, uri))
    return tuple(found)


def _telephone_of(addresses: Any) -> str:
    for pair in addresses if isinstance(addresses, list | tuple) else ():
        if isinstance(pair, list | tuple) and len(pair) == 2 and pair[0] in ("voice", "sms") and _dialled(str(pair[1])):
            return f"tel:{_dialled(str(pair[1]))}"
    return ""


def _dialled(number: str) -> str:
    return re.sub(r"[^+0-9]", "", number)
