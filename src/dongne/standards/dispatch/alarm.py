"""An alarm as it is told to a control centre: what is known, before it is put into anybody's format."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from dongne.model.geometry import Point
from dongne.standards.cap.message import Category, Severity

MEDICAL_NOTE, CONTACTS = "medical_note", "contacts"
"""What a person may agree to that a control centre is told, beside the place: words of `consented`."""

BY_A_PERSON = frozenset({"button", "help_call", "chest_pain"})
"""Properties that somebody raises on purpose."""


class Cause(msgspec.Struct, frozen=True):
    """How an alarm of one class is told."""

    categories: tuple[Category, ...]
    severity: Severity


CAUSES: dict[str, Cause] = {
    "fire": Cause(("Fire", "Rescue"), "Extreme"),
    "gas": Cause(("Fire", "CBRNE"), "Severe"),
    "carbon_monoxide": Cause(("Health", "Rescue"), "Extreme"),
    "heart": Cause(("Health", "Rescue"), "Extreme"),
    "vital": Cause(("Health", "Rescue"), "Severe"),
    "button": Cause(("Rescue",), "Severe"),
    "fall": Cause(("Rescue", "Health"), "Severe"),
    "inactivity": Cause(("Rescue", "Health"), "Moderate"),
}
OTHER_CAUSE = Cause(("Rescue",), "Unknown")  # a class nobody foresaw is told, never dropped


class Evidence(msgspec.Struct, frozen=True):
    """One thing that speaks for the alarm: which device observed what, when. `value` in the property's unit."""

    time: datetime
    property: str
    device: str = ""
    value: float | None = None


class Earlier(msgspec.Struct, frozen=True):
    """A message about the same alarm that went before: the notice's key, and when it was requested."""

    key: str
    sent: datetime


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One notice to 119.

    `key` and `sent` are the notice's own, so that a repeat is the same message. `kind` is a key of CAUSES. `earlier` are the
    messages that this one goes on with, oldest first; with `ends` it takes them back. `call_back` is a telephone number
    (E.164) at which the home, or whoever watches over it, is heard. `simulated`: nobody lives there, also where the home is not known any
    more.
    """

    key: str
    sent: datetime
    kind: str
    raised: datetime
    evidence: tuple[Evidence, ...] = ()
    call_back: str = ""
    earlier: tuple[Earlier, ...] = ()
    ends: bool = False
    exercise: bool = False
    simulated: bool = False


class DispatchHome(msgspec.Struct, frozen=True, kw_only=True):
    """A home as the control centre may know it: `properties` of the Thing, its point, within how many metres it is, and to what
    of MEDICAL_NOTE and CONTACTS the person agreed."""

    properties: Mapping[str, Any]
    point: Point | None
    radius_m: float = 15.0
    consented: frozenset[str] = frozenset()

    @property
    def is_simulated(self) -> bool:
        """Whether nobody lives there."""
        return bool(self.properties.get("simulated"))


class Says(msgspec.Struct, frozen=True):
    """What people at the control centre read, in their language: a line, and a text."""

    headline: str
    text: str
    language: str = "ko"


def identifier_of(sender: str, key: str) -> str:
    """The lasting identifier of a notice's message: 32 characters, the same whenever and by whichever channel it is sent.
    Neither the home nor the person can be read from it."""
    digest = hashlib.sha256(f"{sender}\n{key}".encode()).digest()[:20]
    return base64.b32encode(digest).decode().lower()
