"""CAP 1.2 messages as XML: `encode` and `decode`, held to the schema's order and numbers, its enumerations, and what the
text of the standard demands beyond them (section 3.2). What is written is also a document that `decode` reads as the same.
"""

from typing import Any
from xml.etree.ElementTree import Element

import msgspec

from dongne.model.errors import BadInput, TooLarge
from dongne.standards.cap import message as cap
from dongne.standards.cap.values import (
    BARE,
    CIRCLE,
    DECIMAL,
    GROUPED,
    LANGUAGE_CODE,
    POLYGON,
    REFERENCES,
    SIZE,
    TEXT,
    TOKEN,
    WHEN,
    Kind,
    one_of,
)
from dongne.standards.xml_text import escaped
from dongne.standards.xml_tree import parse

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}"
MEDIA_TYPE = "application/cap+xml"
MOST_BYTES = 4_000_000
DEEPEST = 24
NEED_REFERENCES = frozenset({"Update", "Cancel", "Ack", "Error"})


class Part(msgspec.Struct, frozen=True):
    """An element: its name, the field it fills, and what is in it (a sort of value, or parts for a Struct)."""

    tag: str
    field: str
    kind: "Kind | Composite"
    required: bool = False
    many: bool = False


class Composite(msgspec.Struct, frozen=True):
    """An element of elements, in the order of the schema."""

    made: Any
    parts: tuple[Part, ...]


NAMED = Composite(cap.Named, (Part("valueName", "value_name", BARE, True), Part("value", "value", TEXT, True)))
RESOURCE = Composite(
    cap.Resource,
    (
        Part("resourceDesc", "resource_desc", TEXT, True),
        Part("mimeType", "mime_type", BARE, True),
        Part("size", "size", SIZE),
        Part("uri", "uri", BARE),
        Part("derefUri", "deref_uri", BARE),
        Part("digest", "digest", BARE),
    ),
)
AREA = Composite(
    cap.Area,
    (
        Part("areaDesc", "area_desc", TEXT, True),
        Part("polygon", "polygons", POLYGON, many=True),
        Part("circle", "circles", CIRCLE, many=True),
        Part("geocode", "geocodes", NAMED, many=True),
        Part("altitude", "altitude", DECIMAL),
        Part("ceiling", "ceiling", DECIMAL),
    ),
)
INFO = Composite(
    cap.Info,
    (
        Part("language", "language", LANGUAGE_CODE),
        Part("category", "categories", one_of(cap.Category), True, True),
        Part("event", "event", TEXT, True),
        Part("responseType", "response_types", one_of(cap.ResponseType), many=True),
        Part("urgency", "urgency", one_of(cap.Urgency), True),
        Part("severity", "severity", one_of(cap.Severity), True),
        Part("certainty", "certainty", one_of(cap.Certainty), True),
        Part("audience", "audience", TEXT),
        Part("eventCode", "event_codes", NAMED, many=True),
        Part("effective", "effective", WHEN),
        Part("onset", "onset", WHEN),
        Part("expires", "expires", WHEN),
        Part("senderName", "sender_name", TEXT),
        Part("headline", "headline", TEXT),
        Part("description", "description", TEXT),
        Part("instruction", "instruction", TEXT),
        Part("web", "web", BARE),
        Part("contact", "contact", TEXT),
        Part("parameter", "parameters", NAMED, many=True),
        Part("resource", "resources", RESOURCE, many=True),
        Part("area", "areas", AREA, many=True),
    ),
)
ALERT = Composite(
    cap.Alert,
    (
        Part("identifier", "identifier", TOKEN, True),
        Part("sender", "sender", TOKEN, True),
        Part("sent", "sent", WHEN, True),
        Part("status", "status", one_of(cap.Status), True),
        Part("msgType", "msg_type", one_of(cap.MsgType), True),
        Part("source", "source", TEXT),
        Part("scope", "scope", one_of(cap.Scope), True),
        Part("restriction", "restriction", TEXT),
        Part("addresses", "addresses", GROUPED),
        Part("code", "codes", BARE, many=True),
        Part("note", "note", TEXT),
        Part("references", "references", REFERENCES),
        Part("incidents", "incidents", GROUPED),
        Part("info", "infos", INFO, many=True),
    ),
)


# --- writing


def encode(alert: cap.Alert) -> bytes:
    """The message as an XML document. Raises BadInput with value, place and remedy."""
    check(alert)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<alert xmlns="{NAMESPACE}">']
    _write(lines, ALERT, alert, ("alert",), "  ")
    return ("\n".join(lines) + "\n</alert>\n").encode()


def _write(lines: list[str], composite: Composite, made: Any, place: tuple[Any, ...], indent: str) -> None:
    """`place` is put into words only where something is wrong: most messages are right, and somebody waits for them."""
    for part in composite.parts:
        found = getattr(made, part.field)
        if (
            found is None or found == () or (found.__class__ is str and not found.strip())
        ):  # most parts of most messages are
            if part.required:
                raise BadInput(f"{_shown(place)} has no {part.tag}; it needs one", reason="cap")
            continue
        tag, kind = part.tag, part.kind
        for number, value in enumerate(found, 1) if part.many else ((0, found),):
            at = (place, tag, number)
            if isinstance(kind, Composite):
                lines.append(f"{indent}<{tag}>")
                _write(lines, kind, value, at, indent + "  ")
                lines.append(f"{indent}</{tag}>")
                continue
            try:
                text = kind.write(value)
            except ValueError:
                text = _made(kind.write, value, _shown(at))
            lines.append(f"{indent}<{tag}>{escaped(text)}</{tag}>")


def _shown(place: tuple[Any, ...]) -> str:
    if len(place) == 1:
        return str(place[0])
    outer, tag, number = place
    return f"{_shown(outer)}/{tag}[{number}]" if number else f"{_shown(outer)}/{tag}"


def _made(make: Any, value: Any, place: str) -> Any:
    try:
        return make(value)
    except ValueError as error:
        raise BadInput(f"{place}: {str(value)[:80]!r} {error}", reason="cap") from None


def check(alert: cap.Alert) -> None:
    """What the standard demands between elements (3.2.1, 3.2.4). Raises BadInput."""
    if alert.scope == "Private" and not alert.addresses:
        raise BadInput("alert/addresses is missing; scope Private needs to whom the message goes", reason="cap")
    if alert.scope == "Restricted" and not alert.restriction:
        raise BadInput("alert/restriction is missing; scope Restricted needs the rule for whom it is", reason="cap")
    if alert.msg_type in NEED_REFERENCES and not alert.references:
        raise BadInput(
            f"alert/references is missing; msgType {alert.msg_type} needs the earlier messages it is about",
            reason="cap",
        )
    for i, info in enumerate(alert.infos, 1):
        for k, area in enumerate(info.areas, 1):
            if area.ceiling is not None and area.altitude is None:
                place = f"alert/info[{i}]/area[{k}]"
                raise BadInput(f"{place}/ceiling stands without altitude; give the altitude too", reason="cap")


# --- reading


def decode(document: bytes) -> cap.Alert:
    """The message. Raises BadInput with value, place and remedy; TooLarge above MOST_BYTES. A signature is not read."""
    if len(document) > MOST_BYTES:
        raise TooLarge(f"the message has {len(document)} bytes; send at most {MOST_BYTES}", reason="cap")
    root = parse(document, "cap", DEEPEST)
    if root.tag != f"{{{NAMESPACE}}}alert":
        raise BadInput(f"{root.tag[:120]!r} is no alert of CAP 1.2; its root is alert in {NAMESPACE}", reason="cap")
    alert: cap.Alert = _read(ALERT, root, "alert")
    check(alert)
    return alert


def _read(composite: Composite, element: Element, place: str) -> Any:
    fields: dict[str, Any] = {}
    order = {f"{{{NAMESPACE}}}{part.tag}": number for number, part in enumerate(composite.parts)}
    reached = 0
    for child in element:
        if composite is ALERT and child.tag.startswith(SIGNATURE):
            reached = len(order)
            continue
        number = order.get(child.tag, -1)
        if number < 0:
            raise BadInput(f"{place} has {child.tag[:120]!r}, which CAP 1.2 does not know; leave it out", reason="cap")
        part = composite.parts[number]
        if number < reached or (part.field in fields and not part.many):
            names = ", ".join(one.tag for one in composite.parts)
            raise BadInput(f"{place}/{part.tag} is there twice, or too late; the order is {names}", reason="cap")
        reached = number
        before = fields.get(part.field, ())
        at = f"{place}/{part.tag}[{len(before) + 1}]" if part.many else f"{place}/{part.tag}"
        value = _value(part, child, at)
        if part.many:
            fields[part.field] = (*before, value)
        elif value is not None:
            fields[part.field] = value
    for part in composite.parts:
        if part.required and part.field not in fields:
            raise BadInput(f"{place}/{part.tag} is missing; it must be there", reason="cap")
    return composite.made(**fields)


def _value(part: Part, element: Element, place: str) -> Any:
    if isinstance(part.kind, Composite):
        if (element.text or "").strip():
            raise BadInput(f"{place} has text of its own; it holds elements only", reason="cap")
        return _read(part.kind, element, place)
    if len(element):
        raise BadInput(f"{place} has elements in it; it holds text only", reason="cap")
    text = element.text or ""
    if not part.many and not text.strip():
        return None  # an optional one that is empty says nothing; a required one is missing
    return _made(part.kind.read, text, place)
