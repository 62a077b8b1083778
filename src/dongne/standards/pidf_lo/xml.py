"""PIDF-LO as XML: `encode` and `decode`.

What is written has the order of the schemas of RFC 3863, 4119 and 5139. What is read may have more in it: elements of
namespaces that are not known here are passed over, as those RFCs demand; a shape that is not known is not, as a place that is
missed is worse than an error.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from xml.etree.ElementTree import Element

from dongne.model.errors import BadInput, TooLarge
from dongne.model.geometry import Point
from dongne.standards.pidf_lo.place import CIVIC_NAMES, Circle, Civic, Geopriv, Presence, Spot
from dongne.standards.xml_text import UNWRITABLE, escaped
from dongne.standards.xml_tree import parse

MEDIA_TYPE = "application/pidf+xml"
PIDF = "urn:ietf:params:xml:ns:pidf"
GP = "urn:ietf:params:xml:ns:pidf:geopriv10"
GBP = "urn:ietf:params:xml:ns:pidf:geopriv10:basicPolicy"
CA = "urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr"
GML = "http://www.opengis.net/gml"
GS = "http://www.opengis.net/pidflo/1.0"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
FLAT, SOLID = "urn:ogc:def:crs:EPSG::4326", "urn:ogc:def:crs:EPSG::4979"  # latitude first in both
METRES = "urn:ogc:def:uom:EPSG::9001"
MOST_BYTES = 200_000
DEEPEST = 24
REASON = "pidf_lo"
_NUMBER = re.compile(r"[-+]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][-+]?\d{1,3})?")
_ID = re.compile(r"[^\W\d][\w.\-]{0,200}")  # xs:ID
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[-+]\d\d:\d\d)")


def _bad(place: str, value: object, remedy: str) -> BadInput:
    return BadInput(f"{place}: {str(value)[:80]!r} {remedy}", reason=REASON)


# --- writing


def encode(presence: Presence) -> bytes:
    """The document. Raises BadInput with value, place and remedy."""
    check(presence)
    place = presence.geopriv
    uses = [("", PIDF), ("gp", GP), ("gbp", GBP)]
    if place.shape is not None:
        uses.append(("gml", GML))
    if isinstance(place.shape, Circle):
        uses.append(("gs", GS))
    if place.civic is not None:
        uses.append(("ca", CA))
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' if prefix else f'xmlns="{uri}"' for prefix, uri in uses)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<presence {spaces} entity="{escaped(presence.entity)}">',
        f'  <tuple id="{presence.tuple_id}">',
        "    <status>",
        "      <gp:geopriv>",
        "        <gp:location-info>",
        *(f"          {line}" for line in (*_shape_lines(place.shape), *_civic_lines(place.civic))),
        "        </gp:location-info>",
        "        <gp:usage-rules>",
        *(f"          {line}" for line in _rule_lines(place)),
        "        </gp:usage-rules>",
        *((f"        <gp:method>{escaped(place.method)}</gp:method>",) if place.method else ()),
        "      </gp:geopriv>",
        "    </status>",
        *((f"    <timestamp>{_write_instant(presence.timestamp)}</timestamp>",) if presence.timestamp else ()),
        "  </tuple>",
        "</presence>",
    ]
    return ("\n".join(lines) + "\n").encode()


def _shape_lines(shape: Spot | Circle | None) -> Iterator[str]:
    if isinstance(shape, Circle):
        yield f'<gs:Circle srsName="{FLAT}">'
        yield f"  <gml:pos>{_write_position(shape.centre)}</gml:pos>"
        yield f'  <gs:radius uom="{METRES}">{_write_number(shape.radius_m)}</gs:radius>'
        yield "</gs:Circle>"
    elif shape is not None:
        height = "" if shape.altitude_m is None else f" {_write_number(shape.altitude_m)}"
        yield f'<gml:Point srsName="{SOLID if height else FLAT}">'
        yield f"  <gml:pos>{_write_position(shape.point)}{height}</gml:pos>"
        yield "</gml:Point>"


def _civic_lines(civic: Civic | None) -> Iterator[str]:
    if civic is None:
        return
    yield f'<ca:civicAddress xml:lang="{escaped(civic.language)}">' if civic.language else "<ca:civicAddress>"
    for name in CIVIC_NAMES:
        if name in civic.parts:
            yield f"  <ca:{name}>{escaped(civic.parts[name])}</ca:{name}>"
    yield "</ca:civicAddress>"


def _rule_lines(place: Geopriv) -> Iterator[str]:
    if place.retransmission_allowed is not None:
        said = "yes" if place.retransmission_allowed else "no"
        yield f"<gbp:retransmission-allowed>{said}</gbp:retransmission-allowed>"
    if place.retention_expiry is not None:
        yield f"<gbp:retention-expiry>{_write_instant(place.retention_expiry)}</gbp:retention-expiry>"
    if place.note_well:
        yield f"<gbp:note-well>{escaped(place.note_well)}</gbp:note-well>"


def _write_position(point: Point) -> str:
    return f"{_write_number(point[1])} {_write_number(point[0])}"


def _write_number(value: float) -> str:
    return format(Decimal(repr(float(value))), "f").removesuffix(".0")


def _write_instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


# --- what holds for both


def check(presence: Presence) -> None:
    """What the RFCs demand of the values. Raises BadInput."""
    place = presence.geopriv
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+", presence.entity):
        raise _bad("presence/@entity", presence.entity, "is no URI; write one such as pres:someone@example.org")
    if not _ID.fullmatch(presence.tuple_id):
        raise _bad("tuple/@id", presence.tuple_id, "is no id of XML; begin with a letter, without blanks")
    if place.shape is None and place.civic is None:
        raise BadInput("location-info is empty; give a shape or a civicAddress", reason=REASON)
    if place.shape is not None:
        _check_shape(place.shape)
    if place.civic is not None:
        _check_civic(place.civic)
    for name, text in (("method", place.method), ("note-well", place.note_well)):
        _check_text(name, text)
    for name, instant in (("timestamp", presence.timestamp), ("retention-expiry", place.retention_expiry)):
        if instant is not None and instant.tzinfo is None:
            raise _bad(name, instant, "has no zone; give an aware datetime")


def _check_shape(shape: Spot | Circle) -> None:
    lon, lat = shape.centre if isinstance(shape, Circle) else shape.point
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise _bad("pos", f"{lat} {lon}", "lies nowhere on earth; latitude (-90 to 90) comes before longitude")
    if isinstance(shape, Circle) and not (isfinite(shape.radius_m) and shape.radius_m > 0):
        raise _bad("Circle/radius", shape.radius_m, "is no radius; give metres above 0, or a Point")
    if isinstance(shape, Spot) and shape.altitude_m is not None and not isfinite(shape.altitude_m):
        raise _bad("pos", shape.altitude_m, "is no altitude; give metres or leave it out")


def _check_civic(civic: Civic) -> None:
    if not civic.parts:
        raise BadInput("civicAddress is empty; give at least its country", reason=REASON)
    for name, text in civic.parts.items():
        if name not in CIVIC_NAMES:
            raise _bad("civicAddress", name, f"is no part of an address; RFC 5139 has {', '.join(CIVIC_NAMES)}")
        if not text.strip() or text != " ".join(text.split()):
            raise _bad(f"civicAddress/{name}", text, "is empty or has blanks too many; leave them out")
        _check_text(f"civicAddress/{name}", text)
    if not re.fullmatch("[A-Z]{2}", civic.parts.get("country", "XX")):
        raise _bad("civicAddress/country", civic.parts["country"], "is no country; write two capitals, as KR")
    if civic.language and not re.fullmatch(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*", civic.language):
        raise _bad("civicAddress/@xml:lang", civic.language, 'is no code of a language; write one such as "ko"')


def _check_text(place: str, text: str) -> None:
    if bad := UNWRITABLE.search(text):
        raise _bad(place, text, f"has the character U+{ord(bad[0]):04X}, which XML cannot hold; leave it out")


# --- reading


def decode(document: bytes) -> Presence:
    """The document's first tuple that has a place. Raises BadInput with value, place and remedy; TooLarge above MOST_BYTES."""
    if len(document) > MOST_BYTES:
        raise TooLarge(f"the document has {len(document)} bytes; send at most {MOST_BYTES}", reason=REASON)
    root = parse(document, REASON, DEEPEST)
    if root.tag != f"{{{PIDF}}}presence":
        raise _bad("the root", root.tag, f"is no presence document; its root is presence in {PIDF}")
    for one in root.iter(f"{{{PIDF}}}tuple"):
        found = one.find(f"{{{PIDF}}}status/{{{GP}}}geopriv")
        if found is not None:
            when = one.find(f"{{{PIDF}}}timestamp")
            presence = Presence(
                entity=root.get("entity", "").strip(), tuple_id=one.get("id", "").strip(), geopriv=_geopriv(found),
                timestamp=None if when is None else _read_instant("timestamp", _text(when)),
            )  # fmt: skip
            check(presence)
            return presence
    raise BadInput("presence has no tuple with a geopriv in its status; give where it is", reason=REASON)


def _geopriv(element: Element) -> Geopriv:
    info = element.find(f"{{{GP}}}location-info")
    if info is None:
        raise BadInput("geopriv has no location-info; give where it is", reason=REASON)
    shape: Spot | Circle | None = None
    civic: Civic | None = None
    for child in info:
        space, _, name = child.tag[1:].partition("}")
        if space == CA and name == "civicAddress" and civic is None:
            civic = _civic(child)
        elif space in {GML, GS} and shape is None:
            shape = _shape(child, name)
        elif space in {CA, GML, GS}:
            raise _bad("location-info", name, "is there twice; give one shape and one address of one place")
    given = element.find(f"{{{GP}}}usage-rules")
    rules = {} if given is None else {_local(child): _text(child) for child in given if _local(child)}
    allowed, expiry = rules.get("retransmission-allowed"), rules.get("retention-expiry")
    if allowed not in {None, "yes", "no", "true", "false", "1", "0"}:
        raise _bad("usage-rules/retransmission-allowed", allowed, "is neither yes nor no; write one of them")
    method = element.find(f"{{{GP}}}method")
    return Geopriv(
        shape=shape, civic=civic, method="" if method is None else _text(method),
        retransmission_allowed=None if allowed is None else allowed in {"yes", "true", "1"},
        retention_expiry=None if expiry is None else _read_instant("usage-rules/retention-expiry", expiry),
        note_well=rules.get("note-well", ""),
    )  # fmt: skip


def _shape(element: Element, name: str) -> Spot | Circle:
    if name not in {"Point", "Circle"}:
        raise _bad("location-info", name, "is a shape that is not read here; give a Point or a Circle")
    system = element.get("srsName", FLAT)
    if system not in {FLAT, SOLID}:
        raise _bad(f"{name}/@srsName", system, f"is not read here; give {FLAT} or {SOLID} (RFC 5491, 5.1)")
    position = element.find(f"{{{GML}}}pos")
    numbers = [] if position is None else [_read_number(f"{name}/pos", part) for part in _text(position).split()]
    if len(numbers) != (2 if system == FLAT else 3) or (name == "Circle" and system != FLAT):
        raise _bad(
            f"{name}/pos", numbers, "is no position; give latitude and longitude, and in EPSG::4979 the altitude"
        )
    point = (numbers[1], numbers[0])
    if name == "Point":
        return Spot(point, numbers[2] if system == SOLID else None)
    radius = element.find(f"{{{GS}}}radius")
    if radius is None or radius.get("uom", METRES) != METRES:
        raise _bad("Circle/radius", "" if radius is None else radius.get("uom"), f"has to be there, with uom {METRES}")
    return Circle(point, _read_number("Circle/radius", _text(radius)))


def _civic(element: Element) -> Civic:
    parts: dict[str, str] = {}
    for child in element:
        space, _, name = child.tag[1:].partition("}")
        if space != CA:
            continue  # an extension (RFC 6848)
        if name in parts:
            raise _bad("civicAddress", name, "is there twice; give each part once")
        if text := " ".join(_text(child).split()):  # an empty one says nothing
            parts[name] = text
    return Civic(parts, element.get(LANG, "").strip())


def _local(element: Element) -> str:
    space, _, name = element.tag[1:].partition("}")
    return name if space in {GP, GBP} else ""  # gp: as the examples of RFC 4119 have it


def _text(element: Element) -> str:
    if len(element):
        raise _bad(element.tag.rpartition("}")[2], element[0].tag, "is an element; only text is read here")
    return (element.text or "").strip()


def _read_number(place: str, text: str) -> float:
    if not _NUMBER.fullmatch(text) or not isfinite(value := float(text)):
        raise _bad(place, text, "is no number; write it as -34.407")
    return value


def _read_instant(place: str, text: str) -> datetime:
    try:
        if not _INSTANT.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _bad(place, text, "is no instant with a zone; write 2026-11-28T05:05:00Z") from None
