"""How single values of CAP are written and read (section 3.3 and the notes of 3.2).

`read` makes a value of an element's text, `write` the text of a value; both raise ValueError with what to do about it.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, get_args

import msgspec

from dongne.model.geometry import Point
from dongne.standards.cap.message import Circle, Reference, Ring
from dongne.standards.xml_text import UNWRITABLE

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
NUMBER = re.compile(r"[-+]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})")
WHOLE = re.compile(r"\d{1,15}")
LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")
GROUP = re.compile(r'"([^"]*)"|([^\s"]+)')
FURTHEST_OFFSET = timedelta(hours=14)  # XML Schema 1.0, 3.2.7.3
FEWEST_CORNERS = 4


class Kind(msgspec.Struct, frozen=True):
    """One sort of value."""

    read: Callable[[str], Any]
    write: Callable[[Any], str]


def _same(check: Callable[[str], str]) -> Kind:
    return Kind(check, check)


def one_of(literal: Any) -> Kind:
    """A value of an enumeration."""
    known = get_args(literal)

    def check(text: str) -> str:
        found = text.strip()
        if found not in known:
            raise ValueError(f"is not one that CAP 1.2 knows; use one of {', '.join(known)}")
        return found

    return _same(check)


def _text(text: str) -> str:
    if not text.isprintable() and (bad := UNWRITABLE.search(text)):
        raise ValueError(f"has the character U+{ord(bad[0]):04X}, which XML cannot hold; leave it out")
    return text


def _token(text: str) -> str:
    found = text.strip()
    if not found or re.search(r"[\s,<&]", _text(found)):
        raise ValueError("must be there, without white space, commas, < and &; write it so")
    return found


def _language(text: str) -> str:
    found = text.strip()
    if not LANGUAGE.fullmatch(found):
        raise ValueError('is no code of a language; write one as RFC 3066 has them, such as "ko" or "en-US"')
    return found


def _bare(text: str) -> str:
    return _text(text).strip()


def read_instant(text: str) -> datetime:
    """The instant with its offset. "Z" is refused (3.3.2)."""
    found = text.strip()
    try:
        if not INSTANT.fullmatch(found):
            raise ValueError
        instant = datetime.fromisoformat(found)
        if abs(instant.utcoffset() or timedelta()) > FURTHEST_OFFSET:
            raise ValueError
    except ValueError:
        raise ValueError(
            "is no instant of CAP; write 2026-11-28T14:05:00+09:00, whole seconds with an offset, and -00:00 for UTC"
        ) from None
    return instant


def write_instant(instant: datetime) -> str:
    """The text, whole seconds; UTC is -00:00 (3.3.2)."""
    offset = instant.utcoffset()
    if offset is None or offset % timedelta(minutes=1) or abs(offset) > FURTHEST_OFFSET or instant.microsecond:
        raise ValueError("is no instant of CAP; give whole seconds, and a zone with an offset of whole minutes")
    text = instant.isoformat(timespec="seconds")
    return text[:-6] + "-00:00" if not offset else text


def _number(text: str) -> float:
    found = text.strip()
    if not NUMBER.fullmatch(found) or not isfinite(value := float(found)):
        raise ValueError("is no decimal number; write it as 24.938")
    return value


def _write_number(value: float) -> str:
    if not isfinite(value):
        raise ValueError("is no number; leave it out")
    return format(Decimal(repr(float(value))), "f").removesuffix(".0")


def _whole(text: str) -> int:
    if not WHOLE.fullmatch(text.strip()):
        raise ValueError("is no whole number of bytes; write digits")
    return int(text)


def _point(text: str) -> Point:
    lat_text, _, lon_text = text.partition(",")
    lat, lon = _number(lat_text), _number(lon_text)
    return _on_earth((lon, lat))


def _on_earth(point: Point) -> Point:
    if not is_on_earth(point):
        raise ValueError("lies nowhere on earth; latitude (-90 to 90) comes before longitude (-180 to 180)")
    return point


def _write_point(point: Point) -> str:
    lon, lat = _on_earth(point)
    return f"{_write_number(lat)},{_write_number(lon)}"


def _closed(ring: Ring) -> Ring:
    if not is_ring(ring):
        raise ValueError(
            "is no polygon; give at least 4 pairs on earth, latitude first, the last the same as the first"
        )
    return ring


def _circle(text: str) -> Circle:
    parts = text.split()
    if len(parts) != 2:
        raise ValueError("is no circle; write latitude,longitude and kilometres, as 60.17,24.94 0.5")
    return _round(Circle(_point(parts[0]), _number(parts[1])))


def _round(circle: Circle) -> Circle:
    if circle.radius_km < 0:
        raise ValueError("has a radius below 0; give kilometres")
    return circle


def _reference(text: str) -> Reference:
    parts = text.split(",")
    if len(parts) != 3:
        raise ValueError("is no reference; write sender,identifier,sent")
    return Reference(_token(parts[0]), _token(parts[1]), read_instant(parts[2]))


def _group(text: str) -> tuple[str, ...]:
    if GROUP.sub("", text).strip():
        raise ValueError('has a " too much; close it, as "two words"')
    return tuple(found[0] or found[1] for found in GROUP.findall(_text(text)) if found[0] or found[1])


def _write_group(values: tuple[str, ...]) -> str:
    if any('"' in one or not one for one in values):
        raise ValueError('has an empty part or a "; leave it out')
    return " ".join(f'"{one}"' if re.search(r"\s", one) else _text(one) for one in values)


TEXT, TOKEN, BARE, LANGUAGE_CODE = _same(_text), _same(_token), _same(_bare), _same(_language)
WHEN = Kind(read_instant, write_instant)
DECIMAL = Kind(_number, _write_number)
SIZE = Kind(_whole, lambda value: str(_whole(str(value))))
POLYGON = Kind(
    lambda text: _closed(tuple(_point(pair) for pair in text.split())),
    lambda ring: " ".join(_write_point(point) for point in _closed(ring)),
)
CIRCLE = Kind(
    _circle, lambda circle: f"{_write_point(_round(circle).centre)} {_write_number(circle.radius_km)}"
)  # fmt: skip
REFERENCES = Kind(
    lambda text: tuple(_reference(one) for one in text.split()),
    lambda found: " ".join(f"{_token(r.sender)},{_token(r.identifier)},{write_instant(r.sent)}" for r in found),
)
GROUPED = Kind(_group, _write_group)


def in_seconds(instant: datetime) -> datetime:
    """The instant as a message holds it: whole seconds; an offset that is not of whole minutes becomes UTC."""
    whole = instant.replace(microsecond=0)
    return whole.astimezone(UTC) if (whole.utcoffset() or timedelta()) % timedelta(minutes=1) else whole


def is_token(text: str) -> bool:
    """Whether the text can be a sender or an identifier as it is."""
    return bool(text) and not re.search(r"[\s,<&]", text) and not UNWRITABLE.search(text)


def is_on_earth(point: Point) -> bool:
    """Whether (lon, lat) are degrees that there are."""
    return -180 <= point[0] <= 180 and -90 <= point[1] <= 90


def is_ring(ring: Ring) -> bool:
    """Whether it is a polygon as CAP has them: closed, at least four points, all on earth."""
    return len(ring) >= FEWEST_CORNERS and ring[0] == ring[-1] and all(map(is_on_earth, ring))
