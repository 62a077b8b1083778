"""What a home says: the messages of its gateway, and the properties that its devices observe.

A home is a Thing of kind `home`; a device's property is a Datastream of the home whose `properties` name the device. Gateways
of every make, over HTTP, MQTT or SCAIP, say the same: a GatewayMessage.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from dongne.model.observed import ObservedProperty

HOME = "home"  # the kind of Thing

HEARTBEAT = ObservedProperty("heartbeat", "1", 0.0, 1.0)
BUTTON = ObservedProperty("button", "1", 0.0, 1.0)
SMOKE = ObservedProperty("smoke", "1", 0.0, 1.0)
HEAT = ObservedProperty("heat", "1", 0.0, 1.0)
CARBON_MONOXIDE = ObservedProperty("carbon_monoxide", "1", 0.0, 1.0)
GAS = ObservedProperty("gas", "1", 0.0, 1.0)
MOTION = ObservedProperty("motion", "1", 0.0, 1.0)
DOOR = ObservedProperty("door", "1", 0.0, 1.0)
BED = ObservedProperty("bed", "1", 0.0, 1.0)
FALL = ObservedProperty("fall", "1", 0.0, 1.0)
HELP_CALL = ObservedProperty("help_call", "1", 0.0, 1.0)
CHEST_PAIN = ObservedProperty("chest_pain", "1", 0.0, 1.0)
HEART_RATE = ObservedProperty("heart_rate", "/min", 0.0, 400.0)
OXYGEN_SATURATION = ObservedProperty("oxygen_saturation", "%", 0.0, 100.0)
RHYTHM = ObservedProperty("rhythm", "1", 0.0, 3.0)
SIGNAL_QUALITY = ObservedProperty("signal_quality", "1", 0.0, 1.0)
BATTERY_LEVEL = ObservedProperty("battery_level", "%", 0.0, 100.0)
TAMPER = ObservedProperty("tamper", "1", 0.0, 1.0)
MAINS_POWER = ObservedProperty("mains_power", "1", 0.0, 1.0)
LINK = ObservedProperty("link", "1", 0.0, 1.0)
BLOOD_PRESSURE_SYSTOLIC = ObservedProperty("blood_pressure_systolic", "mm[Hg]", 0.0, 400.0)
BLOOD_PRESSURE_DIASTOLIC = ObservedProperty("blood_pressure_diastolic", "mm[Hg]", 0.0, 300.0)
BODY_WEIGHT = ObservedProperty("body_weight", "kg", 0.0, 500.0)
GLUCOSE = ObservedProperty("glucose", "mmol/L", 0.0, 100.0)
BODY_TEMPERATURE = ObservedProperty("body_temperature", "Cel", 10.0, 50.0)
WELLBEING_GENERAL = ObservedProperty("wellbeing_general", "1", 0.0, 4.0)
WELLBEING_BREATHING = ObservedProperty("wellbeing_breathing", "1", 0.0, 4.0)
WELLBEING_SLEEP = ObservedProperty("wellbeing_sleep", "1", 0.0, 4.0)
WELLBEING_APPETITE = ObservedProperty("wellbeing_appetite", "1", 0.0, 4.0)
"""Alarms are 1 when raised and 0 when cleared; a door is 1 when open, a bed 1 when somebody lies in it, power and link 1 when
they are there. `signal_quality` is that of the ECG. Glucose is of the blood. What the person says of their own well-being counts in whole
steps from 0 (very bad) to 4 (very good)."""

HOME_SILENT = ObservedProperty("home_silent", "1", 0.0, 1.0)
LINK_OUTAGE = ObservedProperty("link_outage", "1", 0.0, 1.0)
"""What services say of homes that are not heard from, and of the area which serves them."""

HOME_PROPERTIES: dict[str, ObservedProperty] = {
    one.key: one
    for one in (
        HEARTBEAT, BUTTON, SMOKE, HEAT, CARBON_MONOXIDE, GAS, MOTION, DOOR, BED, FALL, HELP_CALL, CHEST_PAIN, HEART_RATE,
        OXYGEN_SATURATION, RHYTHM, SIGNAL_QUALITY, BATTERY_LEVEL, TAMPER, MAINS_POWER, LINK, BLOOD_PRESSURE_SYSTOLIC,
        BLOOD_PRESSURE_DIASTOLIC, BODY_WEIGHT, GLUCOSE, BODY_TEMPERATURE, WELLBEING_GENERAL, WELLBEING_BREATHING,
        WELLBEING_SLEEP, WELLBEING_APPETITE,
    )
}  # fmt: skip
LIFE_SAFETY = frozenset(
    {"button", "smoke", "heat", "carbon_monoxide", "gas", "fall", "help_call", "chest_pain", "rhythm"}
)
"""Keys of the properties that say by themselves that somebody may be in danger."""
ANSWERED = (WELLBEING_GENERAL.key, WELLBEING_BREATHING.key, WELLBEING_SLEEP.key, WELLBEING_APPETITE.key)
"""Keys of the properties that the person says of themselves."""
TECHNICAL = frozenset({"heartbeat", "battery_level", "tamper", "mains_power", "link"})
"""Keys of the properties that say nothing of the person, only whether the devices work."""

RHYTHM_OTHER, RHYTHM_VF, RHYTHM_ASYSTOLE, RHYTHM_VT = 0.0, 1.0, 2.0, 3.0

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class DeviceEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one device of a home observed: the property by its key, by the gateway's clock; `value` in the property's unit."""

    device: Name
    property: Name
    time: Instant
    value: float


class GatewayMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a gateway sends at once. `seq` names the message: the same one again is the same message. `sent` is its clock when it
    sent this; by it and the time of arrival its clock is known to be wrong. Without events it is a heartbeat."""

    gateway: Name
    seq: Annotated[int, msgspec.Meta(ge=0, lt=(1 << 43) - 1)]  # so much the store can keep with those before it
    sent: Instant
    events: Annotated[tuple[DeviceEvent, ...], msgspec.Meta(max_length=1_000)] = ()


class GatewayReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a gateway hears: by when it must be heard again, the city's time, and for each event that was refused, why (by its
    place in the message). `is_repeat`: it was stored before."""

    seq: int
    heartbeat_s: float
    time: datetime
    stored: int = 0
    is_repeat: bool = False
    refused: dict[int, str] = {}


ContactRole = Literal["guardian", "responder", "neighbour", "nurse"]


class Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Somebody who is told of a home, if the person agreed: addresses as (channel, address), in the order in which to try them."""

    id: Name
    role: ContactRole
    name: str
    addresses: tuple[tuple[str, str], ...]
    language: str = "ko"


class HomeDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device of a home and what it observes."""

    device: Name
    properties: tuple[Name, ...]


class NewHome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A home as it is taken in. `person` is a pseudonym; `point` (lon, lat) in WGS 84; `address` by the names of RFC 4776 and
    5139 (country, A1, A3, RD, HNO, FLR, LOC, PC). `agrees`: keys of properties that may be observed, ids of contacts who may be
    told, and "medical_note" where 119 may have it. `area` names what its link hangs on."""

    gateway: Name
    person: Name
    point: tuple[float, float] | None = None
    address: dict[str, str] = {}
    language: str = "ko"
    contacts: tuple[Contact, ...] = ()
    devices: tuple[HomeDevice, ...] = ()
    agrees: tuple[str, ...] = ()
    medical_note: str = ""
    phone: str = ""
    area: str = ""
    simulated: bool = False

    def properties(self) -> dict[str, Any]:
        """Those of its Thing."""
        said = {
            "kind": HOME, "access": "personal", "gateway": self.gateway, "person": self.person, "language": self.language,
            "address": self.address, "contacts": msgspec.to_builtins(self.contacts), "medical_note": self.medical_note,
            "phone": self.phone, "area": self.area, "simulated": self.simulated,
        }  # fmt: skip
        return {name: value for name, value in said.items() if value}


def contacts_of(properties: dict[str, Any]) -> list[Contact]:
    """The contacts in the properties of a home's Thing."""
    return msgspec.convert(properties.get("contacts", []), list[Contact])
