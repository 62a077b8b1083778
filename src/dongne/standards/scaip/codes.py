"""The code tables of SCAIP: what each code is called here, in the words of the standard's English names.

Source: the enumerations published with Syntilio/Datahub-Scaip-Proxy (SPEC.md), after SS 91100:2014. There `inactive` and
`initiated` both say 0050; 0049 is left out, and is taken as `inactive` here. 0042 of the device types is left out there.
Widths: dty and stc have four digits, dco and lco three; devices also send them without leading zeros, and are read.
"""

DEVICE_TYPES = {  # dty
    "0000": "unknown", "0001": "undefined", "0002": "local_unit_and_controller", "0003": "personal_trigger",
    "0004": "fixed_trigger", "0005": "fall_detector", "0006": "personal_attack_trigger", "0007": "panic_button",
    "0008": "duty_switch_remote", "0009": "duty_switch_local", "0010": "activity_detector", "0011": "pill_dispenser",
    "0012": "bed_monitor", "0013": "mat_sensor", "0014": "door_sensor", "0015": "wandering_sensor",
    "0016": "enuresis_detector", "0017": "epilepsy_detector", "0018": "occupancy_detector", "0019": "heart_rate_monitor",
    "0020": "environmental_monitor", "0021": "gas_detector", "0022": "lighting_circuit_monitor", "0023": "smoke_detector",
    "0024": "heating_system_monitor", "0025": "heat_detector", "0026": "carbon_monoxide_detector",
    "0027": "bogus_caller_switch", "0028": "intruder_detector", "0029": "boundary_detector",
    "0030": "automatic_man_down_detector", "0031": "system_monitor", "0032": "communication_link_monitor",
    "0033": "flood_detector", "0034": "bath_sensor", "0035": "latch_key", "0036": "perimeter", "0037": "sprinkler",
    "0038": "tamper", "0039": "printer", "0040": "router", "0041": "power_supply", "0043": "access_controller",
    "0044": "chair_monitor", "0045": "controller", "0046": "elevator_alarm_unit", "0047": "fire_alarm_system",
    "0048": "local_unit", "0049": "monitoring_device", "0050": "radio_unit", "0051": "tracking_device",
}  # fmt: skip
DEVICE_COMPONENTS = {  # dco
    "000": "unknown", "001": "undefined", "002": "button_1", "003": "button_2", "004": "button_3", "005": "button_4",
    "006": "button_5", "007": "switch_1", "008": "switch_2", "009": "switch_3", "010": "switch_4", "011": "switch_5",
    "012": "output_1", "013": "output_2", "014": "output_3", "015": "output_4", "016": "output_5",
    "017": "automatic_circuit_1", "018": "automatic_circuit_2", "019": "automatic_circuit_3",
    "020": "automatic_circuit_4", "021": "automatic_circuit_5", "022": "ethernet_circuit", "023": "memory_circuit",
    "024": "microcontroller", "025": "module_1", "026": "module_2", "027": "module_3", "028": "module_4",
    "029": "module_5",
}  # fmt: skip
STATUS_CODES = {  # stc
    "0000": "unknown", "0001": "undefined", "0002": "abort", "0003": "absent", "0004": "accepted", "0005": "acknowledge",
    "0006": "activated", "0007": "active", "0008": "added", "0009": "automatic_alarm", "0010": "manual_alarm",
    "0011": "alert", "0012": "armed", "0013": "assigned", "0014": "battery_failure", "0015": "battery_ok",
    "0016": "battery_low", "0017": "busy", "0018": "bypass", "0019": "cancel", "0020": "charged", "0021": "closed",
    "0022": "closed_too_long", "0023": "ip_connection_failure", "0024": "mobile_network_connection_failure",
    "0025": "pots_connection_failure", "0026": "primary_communication_link_failure",
    "0027": "redundant_communication_link_failure", "0028": "deleted", "0029": "denied", "0030": "disarmed",
    "0031": "disconnected", "0032": "error_code_1", "0033": "error_code_2", "0034": "error_code_3",
    "0035": "error_code_4", "0036": "error_code_5", "0037": "error_code_6", "0038": "error_code_7",
    "0039": "error_code_8", "0040": "error_code_9", "0041": "executed", "0042": "failure", "0043": "frequency_drifted",
    "0044": "frequency_drifted_to_lower_level", "0045": "frequency_drifted_to_upper_level", "0046": "high_level",
    "0047": "in_progress", "0048": "in_service", "0049": "inactive", "0050": "initiated", "0051": "interrupted",
    "0052": "jammed", "0053": "level_1", "0054": "level_2", "0055": "level_3", "0056": "level_4", "0057": "level_5",
    "0058": "level_6", "0059": "level_7", "0060": "level_8", "0061": "level_9", "0062": "log", "0063": "loss",
    "0064": "low_level", "0065": "maintenance_needed", "0066": "urgent_maintenance_needed", "0067": "malfunction",
    "0068": "memory_full", "0069": "non_active", "0070": "normal_state", "0071": "occupied", "0072": "off",
    "0073": "offline", "0074": "on", "0075": "online", "0076": "open", "0077": "open_too_long", "0078": "out_of_service",
    "0079": "overflow", "0080": "pending", "0081": "pill_not_taken", "0082": "pill_reminder", "0083": "pill_taken",
    "0084": "planned", "0085": "power_failure", "0086": "power_restored", "0087": "planned_presence",
    "0088": "presence_after_alarm", "0089": "privacy_switch_operated", "0090": "pulse", "0091": "reestablished",
    "0092": "automatic_reset", "0093": "manual_reset", "0094": "restoral", "0095": "rf_interference", "0096": "started",
    "0097": "ended", "0098": "substituted", "0099": "succeeded", "0100": "temperature_high", "0101": "temperature_low",
    "0102": "test_transmission_over_primary_channel", "0103": "test_transmission_over_redundant_channel",
    "0104": "time_out", "0105": "trouble", "0106": "trespass", "0107": "unauthorized_access", "0108": "unbypass",
    "0109": "verified", "0110": "assistance", "0111": "intervention_complete", "0112": "ip_connection_reestablished",
    "0113": "mobile_network_connection_reestablished", "0114": "pots_connection_reestablished",
    "0115": "primary_communication_link_reestablished", "0116": "redundant_communication_link_reestablished",
    "0117": "lying_in_bed", "0118": "locked", "0119": "movement", "0120": "occupancy", "0121": "present",
    "0122": "radio_interference", "0123": "radio_test_transmission_missing",
    "0124": "radio_test_transmission_reestablished", "0125": "tamper_alarm", "0126": "temperature_rate_of_rise",
    "0127": "unlocked",
}  # fmt: skip
LOCATION_CODES = {  # lco
    "000": "unknown", "001": "undefined", "002": "home", "003": "away", "004": "indoors", "005": "outdoors",
    "006": "inside", "007": "outside", "008": "area", "009": "zone", "010": "basement", "011": "bathroom",
    "012": "bedroom", "013": "dining_room", "014": "floor", "015": "garage", "016": "garden", "017": "garden_back",
    "018": "garden_front", "019": "geo_fence", "020": "gym", "021": "kitchen", "022": "laundry", "023": "relax",
    "024": "sauna", "025": "stairs", "026": "study_room", "027": "workshop", "028": "loft", "029": "shed",
    "030": "temporary_address", "031": "summer_house", "032": "winter_cottage", "033": "mobile",
    "034": "geo_position_attached", "035": "gps_position_attached", "036": "property", "037": "accessible_bathroom",
    "038": "door", "039": "front_door", "040": "back_door", "041": "fire_door", "042": "hallway", "043": "living_room",
    "044": "apartment", "045": "bungalow", "046": "lounge", "047": "communal_area", "048": "office", "049": "room",
    "050": "site", "051": "ward", "052": "wing",
}  # fmt: skip
MESSAGE_TYPES = {"ME": "message", "RE": "reset", "IN": "information", "PI": "heartbeat"}  # mty
SYSTEM_CONFIGURATIONS = {  # sco
    "0": "local_unit_and_controller", "1": "grouped_supervisor_off_duty", "2": "grouped_supervisor_on_duty",
    "3": "grouped_supervisor_receives_alarms",
}  # fmt: skip
CALL_HANDLING = {"0": "outgoing_call", "1": "callback"}  # cha
STATUS_NUMBERS = {  # snu
    "0": "ok", "1": "message_too_long", "2": "invalid_format", "3": "wrong_data_content", "4": "hold",
    "5": "not_treated", "6": "busy", "7": "mandatory_tag_missing",
}  # fmt: skip
OK, TOO_LONG, INVALID_FORMAT, WRONG_DATA, HOLD, NOT_TREATED, BUSY, TAG_MISSING = STATUS_NUMBERS
MEDIA_REPLIES = {"0": "no_voice_call", "1": "duplex", "2": "microphone_only", "3": "speaker_only"}  # mre
CALL_HANDLING_REPLIES = {"61": "pre_defined_receiver", "62": "transferred_number"}  # cre


def padded(code: str, width: int) -> str:
    """The code with its leading zeros, and no more of them."""
    return code.lstrip("0").rjust(width, "0") if code.isdigit() else code
