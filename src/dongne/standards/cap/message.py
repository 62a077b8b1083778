"""A message of the Common Alerting Protocol as values (CAP 1.2, OASIS Standard, 1 July 2010, section 3.2).

Names are CAP's. Points are (lon, lat), lengths kilometres as CAP has them; `xml` turns both into CAP's order and text.
An optional text that is empty is not in the message.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec

from dongne.model.geometry import Point

Status = Literal["Actual", "Exercise", "System", "Test", "Draft"]
MsgType = Literal["Alert", "Update", "Cancel", "Ack", "Error"]
Scope = Literal["Public", "Restricted", "Private"]
Category = Literal[
    "Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other"
]
ResponseType = Literal[
    "Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"
]  # fmt: skip
Urgency = Literal["Immediate", "Expected", "Future", "Past", "Unknown"]
Severity = Literal["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
Certainty = Literal["Observed", "Likely", "Possible", "Unlikely", "Unknown"]
Ring = tuple[Point, ...]


class Reference(msgspec.Struct, frozen=True):
    """Which earlier message is meant. Instants keep their offset here, as receivers compare the text of `sent`."""

    sender: str
    identifier: str
    sent: datetime


class Named(msgspec.Struct, frozen=True):
    """A value of a system beside CAP: `value_name` says which (eventCode, parameter, geocode)."""

    value_name: str
    value: str


class Circle(msgspec.Struct, frozen=True):
    """All within `radius_km` of the centre; 0 is the point itself."""

    centre: Point
    radius_km: float


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A file beside the text; `deref_uri` is its content in base64, `digest` its SHA-1 in hex."""

    resource_desc: str
    mime_type: str
    size: int | None = None
    uri: str = ""
    deref_uri: str = ""
    digest: str = ""


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is: the union of all its parts. A polygon's first and last points are the same. `altitude` and `ceiling` are
    feet above mean sea level, as CAP has them."""

    area_desc: str
    polygons: tuple[Ring, ...] = ()
    circles: tuple[Circle, ...] = ()
    geocodes: tuple[Named, ...] = ()
    altitude: float | None = None
    ceiling: float | None = None


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """What is said in one language."""

    categories: tuple[Category, ...]
    event: str
    urgency: Urgency
    severity: Severity
    certainty: Certainty
    language: str = "en-US"
    response_types: tuple[ResponseType, ...] = ()
    audience: str = ""
    event_codes: tuple[Named, ...] = ()
    effective: datetime | None = None
    onset: datetime | None = None
    expires: datetime | None = None
    sender_name: str = ""
    headline: str = ""
    description: str = ""
    instruction: str = ""
    web: str = ""
    contact: str = ""
    parameters: tuple[Named, ...] = ()
    resources: tuple[Resource, ...] = ()
    areas: tuple[Area, ...] = ()


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One message. `incidents` name what several messages are about together."""

    identifier: str
    sender: str
    sent: datetime
    status: Status
    msg_type: MsgType
    scope: Scope
    source: str = ""
    restriction: str = ""
    addresses: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    note: str = ""
    references: tuple[Reference, ...] = ()
    incidents: tuple[str, ...] = ()
    infos: tuple[Info, ...] = ()

    @property
    def reference(self) -> Reference:
        """How a later message refers to this one."""
        return Reference(self.sender, self.identifier, self.sent)


def list_in_force(messages: Iterable[Alert]) -> list[Alert]:
    """What a receiver of these still has to show, in their order: an Update stands for the messages it refers to, a Cancel
    takes them away (3.2.1, msgType)."""
    given = list(messages)
    gone = {one for message in given if message.msg_type in {"Update", "Cancel"} for one in message.references}
    return [one for one in given if one.msg_type in {"Alert", "Update"} and one.reference not in gone]
