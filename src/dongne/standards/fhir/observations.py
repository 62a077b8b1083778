"""Measurements as a Bundle of FHIR R4 Observations."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dongne.standards.fhir.codes import (
    ACT_REASON,
    ANSWERS,
    CATEGORY,
    CODED,
    LOINC,
    OWN,
    PANEL,
    PRESSURES,
    PROFILE,
    TEST_DATA,
    UCUM,
    Coded,
)

Document = dict[str, Any]
PERSON = "urn:dongne:person"
SECOND = "%Y-%m-%dT%H:%M:%SZ"
LONGEST_PAIR_S = 5.0  # the two values of a cuff


@dataclass(frozen=True)
class Measurement:
    """A value of one of the known properties, in its unit; `id` is of the Observation it becomes ([A-Za-z0-9.-], up to 64)."""

    id: str
    key: str
    time: datetime
    value: float
    device: str = ""


def make_bundle(
    person: str, measurements: Iterable[Measurement], made: datetime, *, is_simulated: bool = False
) -> Document:
    """A Bundle of type collection, in order of time; `person` is the pseudonym. The two values of a cuff are one Observation. What
    has no code is left out."""
    observations = [_observation(person, group, is_simulated) for group in _group(measurements)]
    entries = [{"fullUrl": f"urn:dongne:observation:{one['id']}", "resource": one} for one in observations]
    found: Document = {"resourceType": "Bundle", "type": "collection", "timestamp": _instant(made)}
    return found | ({"entry": entries} if entries else {})


def _group(measurements: Iterable[Measurement]) -> list[list[Measurement]]:
    """Upper and lower value of a cuff together, all else alone."""
    groups: list[list[Measurement]] = []
    waiting: dict[str, list[Measurement]] = {}  # by device: a pressure without its other half
    for one in sorted(measurements, key=lambda m: (m.time, PRESSURES.index(m.key) if m.key in PRESSURES else 9, m.id)):
        if one.key not in CODED and one.key not in ANSWERS:
            continue
        other = waiting.pop(one.device, None) if one.key in PRESSURES else None
        is_pair = other is not None and other[0].key != one.key
        if other is not None and is_pair and abs((one.time - other[0].time).total_seconds()) <= LONGEST_PAIR_S:
            other.append(one)
            continue
        groups.append([one])
        if one.key in PRESSURES:
            waiting[one.device] = groups[-1]
    return groups


def _observation(person: str, group: list[Measurement], is_simulated: bool) -> Document:
    first = group[0]
    coded = CODED.get(first.key)
    found: Document = {
        "resourceType": "Observation",
        "id": first.id,
        "meta": _meta(coded, is_simulated),
        "status": "final",
    }
    if not found["meta"]:
        del found["meta"]
    category = coded.category if coded else "survey"
    found["category"] = [{"coding": [{"system": CATEGORY, "code": category}]}]
    found["code"] = _code(first.key)
    found["subject"] = {"identifier": {"system": PERSON, "value": person}}
    found["effectiveDateTime"] = _instant(first.time)
    if first.device:
        found["device"] = {"display": first.device}
    if first.key in PRESSURES:
        ordered = sorted(group, key=lambda one: PRESSURES.index(one.key))
        found["component"] = [
            {"code": _loinc(CODED[one.key]), **_quantity(CODED[one.key], one.value)} for one in ordered
        ]
    elif coded is not None:
        found |= _quantity(coded, first.value)
    else:
        found["valueInteger"] = int(first.value)
    return found


def _meta(coded: Coded | None, is_simulated: bool) -> Document:
    found: Document = {}
    if coded is not None and coded.profile:
        found["profile"] = [PROFILE + coded.profile]
    if is_simulated:
        found["security"] = [{"system": ACT_REASON, "code": TEST_DATA}]
    return found


def _code(key: str) -> Document:
    if key in PRESSURES:
        return {"coding": [{"system": LOINC, "code": PANEL[0], "display": PANEL[1]}]}
    if key in ANSWERS:
        return {"coding": [{"system": OWN, "code": key, "display": ANSWERS[key]}]}
    return _loinc(CODED[key])


def _loinc(coded: Coded) -> Document:
    return {"coding": [{"system": LOINC, "code": code, "display": said} for code, said in coded.codes]}


def _quantity(coded: Coded, value: float) -> Document:
    return {"valueQuantity": {"value": value, "unit": coded.written, "system": UCUM, "code": coded.unit}}


def _instant(time: datetime) -> str:
    return time.astimezone(UTC).strftime(SECOND)
