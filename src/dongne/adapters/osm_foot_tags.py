"""What OpenStreetMap's tags say to people on foot.

Which ways are open follows the wiki's defaults for access (OpenStreetMap wiki, "OSM tags for routing/Access restrictions") and the tags `foot`, `access`,
`sidewalk`, `motorroad`, `oneway:foot`, `foot:backward`; what is private, being built or for customers alone is closed. Trunk roads are taken as closed where
no sidewalk is mapped, as the wiki has it for some countries only.
"""

import re
from collections.abc import Mapping
from math import nan, radians, tan
from typing import NamedTuple

from dongne.methods.walk_network import LIMITED, NO, SURFACES, UNKNOWN, YES

ON_FOOT = {
    "footway": "footway", "pedestrian": "pedestrian", "path": "path", "steps": "steps", "track": "track", "corridor": "corridor",
    "platform": "platform", "elevator": "elevator", "living_street": "living_street", "service": "service", "residential": "road",
    "unclassified": "road", "road": "road", "tertiary": "road", "tertiary_link": "road", "secondary": "road", "secondary_link": "road",
    "primary": "road", "primary_link": "road",
}  # fmt: skip
IF_SAID = {
    "cycleway": "cycleway",
    "bridleway": "path",
    "trunk": "road",
    "trunk_link": "road",
}  # only with foot=yes or a sidewalk
ROAD_CLASS = {
    "motorway": "primary", "motorway_link": "primary", "trunk": "primary", "trunk_link": "primary", "primary": "primary", "primary_link": "primary",
    "secondary": "secondary", "secondary_link": "secondary", "tertiary": "tertiary", "tertiary_link": "tertiary", "residential": "street",
    "unclassified": "street", "road": "street", "living_street": "service", "service": "service",
}  # fmt: skip
ALLOWED = {"yes", "designated", "permissive", "official", "public", "destination"}
FORBIDDEN = {"no", "private", "customers", "delivery", "agricultural", "forestry", "military", "permit", "residents", "employees", "service", "use_sidepath"}  # fmt: skip
SIDEWALKS = ("sidewalk", "sidewalk:both", "sidewalk:left", "sidewalk:right")
SURFACE_CLASS = {
    "smooth": {"asphalt", "concrete", "paving_stones", "paved", "wood", "metal", "tiles", "rubber", "tartan", "concrete:plates", "chipseal", "marble"},
    "firm": {"compacted", "fine_gravel", "metal_grid", "concrete:lanes", "clay", "bricks", "brick", "grass_paver"},
    "cobbled": {"sett", "cobblestone", "unhewn_cobblestone", "pebblestone", "stone", "rock"},
    "loose": {"unpaved", "gravel", "ground", "dirt", "earth", "grass", "sand", "mud", "woodchips", "snow", "shells", "dirt/sand"},
}  # fmt: skip
ROUGH = {"bad": "cobbled", "very_bad": "loose", "horrible": "loose", "very_horrible": "loose", "impassable": "loose"}
BARRIER_CLASS = {
    "bollard": "narrow", "cycle_barrier": "narrow", "block": "narrow", "motorcycle_barrier": "narrow", "chain": "narrow", "planter": "narrow",
    "jersey_barrier": "narrow", "gate": "gate", "swing_gate": "gate", "wicket_gate": "gate", "full-height_turnstile": "step", "turnstile": "step",
    "kissing_gate": "step", "stile": "step", "log": "step",
}  # fmt: skip
CLOSED_BARRIERS = {"fence", "wall", "hedge", "debris"}
TREAD_M = 0.32  # of a step: 630 mm less two risers of 155 mm (F. Blondel, 1675)
STEPS_PERCENT = 48.0  # risers of 155 mm on treads of 320 mm


class FootNode(NamedTuple):
    """What is met at a node: kerb, crossing, barrier; a `closed` one lets nobody through."""

    kerb: str = "none"
    crossing: str = "none"
    barrier: str = "none"
    closed: bool = False


def find_walk_kind(tags: Mapping[str, str]) -> str | None:
    """What a way is to people on foot, one of KINDS; None where they may not go."""
    highway = tags.get("highway", "")
    if not _is_open(tags, highway):
        return None
    if highway == "footway" and tags.get("footway") in ("sidewalk", "crossing"):
        return tags["footway"]
    if highway == "steps" and tags.get("conveying", "no") != "no":
        return "escalator"
    if not highway:
        return "platform" if tags.get("man_made") != "pier" else "path"
    return ON_FOOT.get(highway) or IF_SAID.get(highway)


def _is_open(tags: Mapping[str, str], highway: str) -> bool:
    foot, access = tags.get("foot", ""), tags.get("access", "")
    if tags.get("construction") in ("yes", "1", "true"):
        return False
    if foot in ALLOWED:
        return True
    if foot in FORBIDDEN or access in FORBIDDEN:
        return False
    if any(tags.get(key, "no") not in ("no", "none", "separate") for key in SIDEWALKS):
        return True
    if highway == "cycleway":
        return "segregated" in tags
    return highway not in IF_SAID and tags.get("motorroad") != "yes"


def is_platform(tags: Mapping[str, str]) -> bool:
    """Whether one waits there for a train, tram or bus."""
    return tags.get("railway") == "platform" or tags.get("public_transport") == "platform"


def read_node(tags: Mapping[str, str]) -> FootNode:
    """What of a node is met on foot."""
    crossing = "none"
    if "crossing" in tags.get("highway", "") or "crossing" in tags:
        said = {tags.get("crossing", ""), "signals" if tags.get("crossing:signals") == "yes" else ""}
        marked = {"zebra", "marked", "uncontrolled", "pelican", "toucan"}
        if said & {"traffic_signals", "signals"}:
            crossing = "signals"
        elif any(one in marked for entry in said for one in entry.split(";")):
            crossing = "marked"
        else:
            crossing = "unmarked"
    elif "traffic_signals" in tags.get("highway", ""):
        crossing = "signals"
    kerb = tags.get("kerb", "none")
    kerb = {"lowered": "lowered", "flush": "flush", "no": "flush", "none": "none"}.get(kerb, "raised" if kerb in ("raised", "yes", "regular") else "none")  # fmt: skip
    if kerb == "none" and tags.get("barrier") == "kerb":
        kerb = "raised"
    barrier, foot = tags.get("barrier", ""), tags.get("foot", "")
    met = {"steps": "step", "elevator": "elevator"}.get(tags.get("highway", ""), BARRIER_CLASS.get(barrier, "none"))
    shut = bool(barrier) and (foot in FORBIDDEN or (foot not in ALLOWED and tags.get("access", "") in FORBIDDEN))
    walled = barrier in CLOSED_BARRIERS and foot not in ALLOWED
    return FootNode(kerb, crossing, met, shut or walled or tags.get("locked") == "yes")


def find_directions(tags: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether people on foot may go along a way and against it. A plain `oneway` is for vehicles; an escalator or a moving walkway has only people."""
    conveying = tags.get("conveying", "no") if tags.get("highway") in ("steps", "footway") else "no"
    oneway = tags.get("oneway:foot", tags.get("oneway", "no") if conveying != "no" else "no")
    along = oneway != "-1" and conveying != "backward"
    against = oneway not in ("yes", "1", "true") and conveying != "forward"
    return along and tags.get("foot:forward") not in FORBIDDEN, against and tags.get("foot:backward") not in FORBIDDEN


def has_ramp(tags: Mapping[str, str]) -> bool:
    """Whether steps have a ramp for wheels that are pushed."""
    return any(tags.get(key, "no") != "no" for key in ("ramp", "ramp:wheelchair", "ramp:stroller"))


def find_incline(tags: Mapping[str, str]) -> float:
    """Percent up in the direction of the way; NaN where it is not known. Of steps that only say up or down, that of STEPS_PERCENT."""
    said = tags.get("incline", "")
    if tags.get("highway") == "steps" and said in ("up", "down"):
        return STEPS_PERCENT if said == "up" else -STEPS_PERCENT
    return read_incline(said)


def read_incline(said: str) -> float:
    """Percent up in the direction of the way; NaN where it is not said as a number."""
    found = re.fullmatch(r"\s*([+-]?\d+(?:[.,]\d+)?)\s*(%|°)?\s*", said)
    if not found:
        return nan
    value = float(found[1].replace(",", "."))
    return tan(radians(value)) * 100 if found[2] == "°" else value


def find_surface(tags: Mapping[str, str]) -> str:
    """One of SURFACES, the worse of `surface` and `smoothness`."""
    said = tags.get("surface", "").split(";")[0].split(":")[0]
    by_name = next(
        (name for name, those in SURFACE_CLASS.items() if tags.get("surface") in those or said in those), "unknown"
    )
    by_feel = ROUGH.get(tags.get("smoothness", ""), "unknown")
    return max(by_name, by_feel, key=SURFACES.index)


def find_lit(tags: Mapping[str, str]) -> int:
    """UNKNOWN, NO or YES."""
    said = tags.get("lit", "")
    if not said:
        return UNKNOWN
    return NO if said in ("no", "disused") else YES


def read_width_m(tags: Mapping[str, str]) -> float:
    """How wide it is for people on foot; NaN where that is not said. A road's width is not theirs."""
    for key in ("sidewalk:width", "sidewalk:both:width", "width", "est_width"):
        found = re.fullmatch(r"\s*(\d+(?:[.,]\d+)?)\s*m?\s*", tags.get(key, ""))
        if found and (key.startswith("sidewalk") or tags.get("highway") not in ROAD_CLASS):
            return float(found[1].replace(",", "."))
    return nan


def find_cover(tags: Mapping[str, str]) -> str:
    """One of COVERS."""
    if tags.get("indoor", "no") != "no" or tags.get("highway") == "corridor":
        return "indoor"
    if tags.get("tunnel", "no") not in ("no", "building_passage"):
        return "tunnel"
    return "covered" if tags.get("covered", "no") != "no" or tags.get("tunnel") == "building_passage" else "open"


def find_wheelchair(tags: Mapping[str, str]) -> int:
    """UNKNOWN, NO, YES or LIMITED."""
    return {"yes": YES, "designated": YES, "no": NO, "limited": LIMITED}.get(tags.get("wheelchair", ""), UNKNOWN)


def has_handrail(tags: Mapping[str, str]) -> bool:
    """Whether there is one on any side."""
    return any(
        tags.get(key, "no") != "no" for key in ("handrail", "handrail:left", "handrail:right", "handrail:center")
    )
