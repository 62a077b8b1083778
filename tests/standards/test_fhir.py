"""FHIR R4: what is made is right by fhir.resources (R4B, which differs from R4 in nothing an Observation uses) and by our own
value sets, which that library does not look at."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dongne.standards.fhir import Measurement, list_faults, make_bundle

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
VALUES = {
    "heart_rate": 72.0, "oxygen_saturation": 96.0, "body_weight": 81.4, "body_temperature": 36.6, "glucose": 6.1,
    "blood_pressure_diastolic": 82.0, "blood_pressure_systolic": 134.0, "wellbeing_sleep": 3.0,
}  # fmt: skip


def everything() -> dict[str, Any]:
    given = [Measurement(f"1-{at}", key, NOW, value, "dev-1") for at, (key, value) in enumerate(VALUES.items())]
    return make_bundle("p-4711", given, NOW, is_simulated=True)


def codes(bundle: dict[str, Any]) -> list[list[str]]:
    return [[c["code"] for c in entry["resource"]["code"]["coding"]] for entry in bundle["entry"]]


def test_what_is_made_holds_in_the_value_sets() -> None:
    assert list_faults(everything()) == []


def test_fhir_resources_reads_it_and_keeps_all_of_it() -> None:
    module = pytest.importorskip("fhir.resources.R4B.bundle", reason="fhir.resources is not installed")
    made = everything()
    read = module.Bundle.model_validate(made)
    assert len(read.entry) == len(made["entry"])
    pressure = next(e.resource for e in read.entry if e.resource.component)
    assert [float(c.valueQuantity.value) for c in pressure.component] == [134.0, 82.0]
    kept = read.model_dump(mode="json")
    assert [entry["resource"]["code"] for entry in kept["entry"]] == [
        entry["resource"]["code"] for entry in made["entry"]
    ]


def test_each_property_has_the_code_of_its_profile() -> None:
    assert sorted(codes(everything())) == [
        ["15074-8"], ["2708-6", "59408-5"], ["29463-7"], ["8310-5"], ["85354-9"], ["8867-4"], ["wellbeing_sleep"],
    ]  # fmt: skip


def test_the_two_values_of_a_cuff_are_one_observation_and_those_of_two_cuffs_are_two() -> None:
    def cuff(device: str, later_s: float) -> list[Measurement]:
        return [
            Measurement(f"{device}-u", "blood_pressure_systolic", NOW, 134.0, device),
            Measurement(f"{device}-l", "blood_pressure_diastolic", NOW + timedelta(seconds=later_s), 82.0, device),
        ]

    made = make_bundle("p", [*cuff("a", 1), *cuff("b", 0)], NOW)
    assert [len(entry["resource"]["component"]) for entry in made["entry"]] == [2, 2]
    apart = make_bundle("p", cuff("a", 60), NOW)
    assert [len(entry["resource"]["component"]) for entry in apart["entry"]] == [1, 1]
    assert list_faults(made) == list_faults(apart) == []


def test_what_has_no_code_is_left_out_and_nothing_is_an_empty_bundle() -> None:
    made = make_bundle("p", [Measurement("1", "motion", NOW, 1.0)], NOW)
    assert "entry" not in made and list_faults(made) == []


def test_simulated_data_say_so() -> None:
    assert all(e["resource"]["meta"]["security"][0]["code"] == "HTEST" for e in everything()["entry"])
    real = make_bundle("p", [Measurement("1", "glucose", NOW, 6.1)], NOW)
    assert "meta" not in real["entry"][0]["resource"]


def spoiled(change: Any, key: str) -> list[str]:
    bundle = copy.deepcopy(everything())
    for entry in bundle["entry"]:
        if any(c["code"] == key for c in entry["resource"]["code"]["coding"]):
            change(entry["resource"])
    return list_faults(bundle)


@pytest.mark.parametrize(
    ("key", "change", "wanted"),
    [
        ("8867-4", lambda one: one.update(status="bogus"), "status"),
        ("8867-4", lambda one: one["category"][0]["coding"][0].update(code="vitals"), "category"),
        ("8867-4", lambda one: one["valueQuantity"].update(code="bpm"), "valueQuantity"),
        ("8867-4", lambda one: one.pop("valueQuantity"), "valueQuantity"),
        ("8867-4", lambda one: one.pop("meta"), "meta.profile"),
        ("8867-4", lambda one: one.update(effectiveDateTime="2026-11-02T08:00:00"), "effectiveDateTime"),
        ("8867-4", lambda one: one.pop("subject"), "subject"),
        ("8867-4", lambda one: one.update(id="a b"), "id"),
        ("15074-8", lambda one: one["valueQuantity"].update(code="mg/dL"), "valueQuantity"),
        ("85354-9", lambda one: one["component"].append(one["component"][0]), "component"),
        ("85354-9", lambda one: one["component"][1]["valueQuantity"].update(code="kPa"), "component[1].valueQuantity"),
        ("85354-9", lambda one: one.update(valueQuantity={}), "valueQuantity"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(key: str, change: Any, wanted: str) -> None:
    faults = spoiled(change, key)
    assert faults and f"].resource.{wanted}" in faults[0]
