"""What is wrong with a Bundle of Observations: the value sets and rules that a reader of the types alone does not see."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dongne.standards.fhir.codes import (
    CATEGORIES,
    CATEGORY,
    CODED,
    LOINC,
    PANEL,
    PRESSURES,
    PROFILE,
    STATUSES,
    UCUM,
)

UNITS = {code: coded.unit for coded in CODED.values() for code, _ in coded.codes}
COMPONENTS = {CODED[key].codes[0][0] for key in PRESSURES}
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
PROFILES = {
    code: PROFILE + coded.profile for key, coded in CODED.items() if coded.profile and key not in PRESSURES
    for code, _ in coded.codes[:1]
} | {PANEL[0]: PROFILE + "bp"}  # fmt: skip


def list_faults(bundle: Mapping[str, Any]) -> list[str]:
    """What is wrong, each with its place; empty where nothing is. For Observations of the codes we know (value sets
    observation-status, observation-category, the vital signs profiles' LOINC and UCUM codes)."""
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "collection":
        return ["Bundle: resourceType and type must be Bundle and collection"]
    found, seen = [], set[str]()
    for at, entry in enumerate(bundle.get("entry", [])):
        place, url = f"entry[{at}]", str(entry.get("fullUrl", ""))
        if url in seen:
            found.append(f"{place}.fullUrl: {url!r} is there twice (bdl-7)")
        seen.add(url)
        found += [f"{place}.resource.{fault}" for fault in _observation(entry.get("resource", {}))]
    return found


def _observation(one: Mapping[str, Any]) -> Iterator[str]:
    if one.get("resourceType") != "Observation":
        yield f"resourceType: {one.get('resourceType')!r} is no Observation"
        return
    if not ID.fullmatch(str(one.get("id", ""))):
        yield f"id: {one.get('id')!r} is no id"
    if one.get("status") not in STATUSES:
        yield f"status: {one.get('status')!r} is not of observation-status"
    categories = [coding.get("code") for found in one.get("category", []) for coding in found.get("coding", [])
                  if coding.get("system") == CATEGORY]  # fmt: skip
    if not categories or not set(categories) <= CATEGORIES:
        yield f"category: {categories} is not of observation-category"
    if not one.get("subject"):
        yield "subject: missing"
    if not TIME.fullmatch(str(one.get("effectiveDateTime", ""))):
        yield f"effectiveDateTime: {one.get('effectiveDateTime')!r} is no instant with a zone"
    codes = _loinc(one)
    if PANEL[0] in codes:
        yield from _panel(one)
    else:
        yield from _value(one, codes)
    wanted = [PROFILES[code] for code in codes if code in PROFILES]
    if wanted and (wanted[0] not in one.get("meta", {}).get("profile", []) or "vital-signs" not in categories):
        yield f"meta.profile: {wanted[0]} and category vital-signs are missing"


def _panel(one: Mapping[str, Any]) -> Iterator[str]:
    """Blood pressure: components and no value of its own."""
    if "valueQuantity" in one:
        yield "valueQuantity: a panel has none"
    components = one.get("component", [])
    codes = [code for component in components for code in _loinc(component)]
    if not codes or len(set(codes)) != len(codes) or not set(codes) <= COMPONENTS:
        yield f"component: {codes} must be of {sorted(COMPONENTS)}, each once"
    for at, component in enumerate(components):
        for fault in _value(component, _loinc(component)):
            yield f"component[{at}].{fault}"


def _value(one: Mapping[str, Any], codes: list[str]) -> Iterator[str]:
    if not codes:
        if not {"valueQuantity", "valueInteger"} & set(one):
            yield "value: missing"
        return
    unknown = sorted(set(codes) - set(UNITS))
    if unknown:
        yield f"code: {unknown} is not known here"
        return
    quantity = one.get("valueQuantity", {})
    wanted = UNITS[codes[0]]
    if quantity.get("system") != UCUM or quantity.get("code") != wanted or quantity.get("value") is None:
        yield f"valueQuantity: must have a value in {wanted} of {UCUM}"


def _loinc(one: Mapping[str, Any]) -> list[str]:
    return [
        str(coding.get("code")) for coding in one.get("code", {}).get("coding", []) if coding.get("system") == LOINC
    ]
