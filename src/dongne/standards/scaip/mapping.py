"""What a request says of a home, as a GatewayMessage: `to_message`. Tables, not rules: which property a device type
observes, and what a status says of it.

A status that names its own subject (battery, power, link, tamper, bed, door, movement) says so whatever device sends it.
Otherwise a status is an alarm raised or over, and the device type says which. That of a device which watches whether
somebody is up and about (activity, bed, chair, mat, bath) counts as a fall: somebody may lie helpless, and is asked first.
What has no place here (flood, intruders, pills) is answered "not treated", so that its gateway can say it elsewhere.
SCAIP has no time of its own and no sequence number; both are the receiver's.
"""

from datetime import datetime

from dongne.model import home
from dongne.model.home import DeviceEvent, GatewayMessage
from dongne.standards.scaip.codes import DEVICE_TYPES, NOT_TREATED, STATUS_CODES
from dongne.standards.scaip.message import Mrq, Refused

Said = tuple[str, float]  # a property's key and its value

PRESENT, GONE = 1.0, 0.0
BATTERY_FAILED_PERCENT, BATTERY_LOW_PERCENT, BATTERY_OK_PERCENT = (
    0.0,
    10.0,
    100.0,
)  # SCAIP says no number; these stand in

DEVICES = {  # dty -> what its alarm is
    kind: alarm.key
    for alarm, kinds in (
        (home.BUTTON, ("local_unit_and_controller", "personal_trigger", "fixed_trigger", "personal_attack_trigger",
                       "panic_button", "bogus_caller_switch", "local_unit")),
        (home.FALL, ("fall_detector", "automatic_man_down_detector", "activity_detector", "occupancy_detector",
                     "bed_monitor", "chair_monitor", "mat_sensor", "bath_sensor")),
        (home.HELP_CALL, ("unknown", "undefined", "wandering_sensor", "epilepsy_detector", "heart_rate_monitor",
                          "controller", "monitoring_device", "tracking_device")),
        (home.SMOKE, ("smoke_detector", "fire_alarm_system")), (home.HEAT, ("heat_detector", "sprinkler")),
        (home.GAS, ("gas_detector",)), (home.CARBON_MONOXIDE, ("carbon_monoxide_detector",)),
        (home.TAMPER, ("tamper",)),
    )
    for kind in kinds
}  # fmt: skip
LACKS = {  # dty -> what is gone in its alarm
    "power_supply": home.MAINS_POWER.key, "communication_link_monitor": home.LINK.key, "system_monitor": home.LINK.key,
    "router": home.LINK.key, "radio_unit": home.LINK.key,
}  # fmt: skip

STATES: dict[str, Said] = {  # stc -> what it says by itself
    "battery_failure": (home.BATTERY_LEVEL.key, BATTERY_FAILED_PERCENT),
    "battery_low": (home.BATTERY_LEVEL.key, BATTERY_LOW_PERCENT),
    "battery_ok": (home.BATTERY_LEVEL.key, BATTERY_OK_PERCENT), "charged": (home.BATTERY_LEVEL.key, BATTERY_OK_PERCENT),
    "power_failure": (home.MAINS_POWER.key, GONE), "power_restored": (home.MAINS_POWER.key, PRESENT),
    "tamper_alarm": (home.TAMPER.key, 1.0), "lying_in_bed": (home.BED.key, 1.0), "movement": (home.MOTION.key, 1.0),
    "offline": (home.LINK.key, GONE), "online": (home.LINK.key, PRESENT), "disconnected": (home.LINK.key, GONE),
    "malfunction": (home.LINK.key, GONE), "failure": (home.LINK.key, GONE), "loss": (home.LINK.key, GONE),
    "out_of_service": (home.LINK.key, GONE), "in_service": (home.LINK.key, PRESENT),
    "radio_test_transmission_missing": (home.LINK.key, GONE),
    "radio_test_transmission_reestablished": (home.LINK.key, PRESENT),
    "assistance": (home.HELP_CALL.key, 1.0), "temperature_rate_of_rise": (home.HEAT.key, 1.0),
} | {
    f"{way}_{became}": (home.LINK.key, value)
    for way in ("ip_connection", "mobile_network_connection", "pots_connection", "primary_communication_link",
                "redundant_communication_link")
    for became, value in (("failure", GONE), ("reestablished", PRESENT))
}  # fmt: skip
OF_TYPE: dict[str, dict[str, Said]] = {  # (dty, stc) that say a state, not an alarm
    "door_sensor": {"open": (home.DOOR.key, 1.0), "closed": (home.DOOR.key, 0.0)},
    "bed_monitor": {
        "occupied": (home.BED.key, 1.0), "occupancy": (home.BED.key, 1.0), "present": (home.BED.key, 1.0),
        "absent": (home.BED.key, 0.0),
    },
    "heat_detector": {"temperature_high": (home.HEAT.key, 1.0)},
    "smoke_detector": {"high_level": (home.SMOKE.key, 1.0)},
    "gas_detector": {"high_level": (home.GAS.key, 1.0)},
    "carbon_monoxide_detector": {"high_level": (home.CARBON_MONOXIDE.key, 1.0)},
} | {
    kind: {
        "occupied": (home.MOTION.key, 1.0), "occupancy": (home.MOTION.key, 1.0), "present": (home.MOTION.key, 1.0),
        "active": (home.MOTION.key, 1.0), "activated": (home.MOTION.key, 1.0), "pulse": (home.MOTION.key, 1.0),
        "inactive": (home.MOTION.key, 0.0), "non_active": (home.MOTION.key, 0.0),
    }
    for kind in ("activity_detector", "occupancy_detector")
}  # fmt: skip
RAISED = frozenset(
    {"automatic_alarm", "manual_alarm", "alert", "activated", "active", "verified", "unknown", "undefined", ""}
)
OVER = frozenset({"automatic_reset", "manual_reset", "restoral", "normal_state", "reestablished", "cancel", "abort"})
TESTS = frozenset({"test_transmission_over_primary_channel", "test_transmission_over_redundant_channel"})


def to_message(request: Mrq, seq: int, at: datetime) -> GatewayMessage:
    """What the request says, of the gateway that `cid` names; without events where it is a heartbeat or a test.
    Raises Refused (not treated) where its codes are known and nothing of the kind is looked after here."""
    return GatewayMessage(request.cid, seq, at, events_of(request, at))


def events_of(request: Mrq, at: datetime) -> tuple[DeviceEvent, ...]:
    """What the device observed; nothing for a heartbeat or a test."""
    kind, status = DEVICE_TYPES[request.dty], STATUS_CODES[request.stc] if request.stc else ""
    if request.mty == "PI" or status in TESTS:
        return ()
    said = find_said(kind, status, request.mty)
    if said is None:
        message = f"dty {request.dty} with stc {request.stc} and mty {request.mty} is not looked after here"
        raise Refused(NOT_TREATED, message, ref=request.ref)
    return (DeviceEvent(request.did or kind, said[0], at, said[1]),)


def find_said(kind: str, status: str, mty: str) -> Said | None:
    """The property and its value that a device of this kind says by this status; None where nothing is looked after."""
    is_alarm_of_its_own = kind in DEVICES or kind in LACKS
    if mty == "RE" and is_alarm_of_its_own:
        return _alarm(kind, over=True)
    said = STATES.get(status) or OF_TYPE.get(kind, {}).get(status)
    if said is not None or not is_alarm_of_its_own:
        return said
    if status in OVER:
        return _alarm(kind, over=True)
    return _alarm(kind, over=False) if status in RAISED and mty == "ME" else None


def _alarm(kind: str, over: bool) -> Said:
    if kind in LACKS:
        return LACKS[kind], PRESENT if over else GONE
    return DEVICES[kind], 0.0 if over else 1.0
