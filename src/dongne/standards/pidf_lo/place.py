"""A location object as values. Names are those of the RFCs; points are (lon, lat), lengths metres; `xml` turns both into the
order and text of GML."""

from datetime import datetime
from typing import Literal

import msgspec

from dongne.model.geometry import Point

CIVIC_NAMES = (  # in the order of the schema (RFC 5139, section 4)
    "country", "A1", "A2", "A3", "A4", "A5", "A6", "PRM", "PRD", "RD", "STS", "POD", "POM", "RDSEC", "RDBR", "RDSUBBR",
    "HNO", "HNS", "LMK", "LOC", "FLR", "NAM", "PC", "BLD", "UNIT", "ROOM", "SEAT", "PLC", "PCN", "POBOX", "ADDCODE",
)  # fmt: skip

Method = Literal[
    "GPS", "A-GPS", "Manual", "DHCP", "Triangulation", "Cell", "802.11", "Derived"
]  # what this city's sources can mean, of IANA's registry "Method Tokens"; any other is read too


class Spot(msgspec.Struct, frozen=True):
    """gml:Point (RFC 5491, 5.2.1). `altitude_m` is above the WGS 84 ellipsoid; a reference system of its own has it."""

    point: Point
    altitude_m: float | None = None


class Circle(msgspec.Struct, frozen=True):
    """gs:Circle (RFC 5491, 5.2.3): somewhere within `radius_m` of the centre."""

    centre: Point
    radius_m: float


class Civic(msgspec.Struct, frozen=True):
    """A civic address: parts by their names (CIVIC_NAMES) in one language (BCP 47; empty where nobody said)."""

    parts: dict[str, str]
    language: str = ""


class Geopriv(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is, and what may be done with that (RFC 4119, 2.2). A shape and an address are of the same place: the address
    inside what the shape covers (RFC 5491, rule 4)."""

    shape: Spot | Circle | None = None
    civic: Civic | None = None
    method: str = ""
    retransmission_allowed: bool | None = None
    retention_expiry: datetime | None = None
    note_well: str = ""


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """A document about one entity with one tuple (RFC 5491, rules 1 and 2). `entity` is a URI, such as pres:someone@host;
    `timestamp` is when the place was found so."""

    entity: str
    tuple_id: str
    geopriv: Geopriv
    timestamp: datetime | None = None
