"""Entities changed, replaced, patched, linked and deleted, with what follows from it."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.api.conftest import LAMP, NOW, Client

from dongne.model.entities import OM_MEASUREMENT
from dongne.stores.embedded import EmbeddedStore

MULTI: dict[str, Any] = {
    "name": "Weather",
    "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_ComplexObservation",
    "multiObservationDataTypes": ["a", "b"],
    "unitOfMeasurements": [{"name": "C", "symbol": "Cel"}, {"name": "%", "symbol": "%"}],
    "Sensor": {"name": "S", "encodingType": "text/plain", "metadata": "m"},
    "ObservedProperties": [{"name": "t", "definition": "urn:t"}, {"name": "h", "definition": "urn:h"}],
}


def change(client: Client, path: str, document: Any, method: str = "PATCH", content: str = "application/json") -> int:
    body = json.dumps(document)
    return client.request(method, f"/v1.1/{path}", content=body, headers={"content-type": content}).status_code


def test_a_patch_changes_what_it_says_and_leaves_aside_what_clients_send_along(client: Client, lamp: int) -> None:
    before = client.json(f"Things({lamp})")
    assert change(client, f"Things({lamp})", {**before, "name": "Another", "unknown": 1}) == 200
    after = client.json(f"Things({lamp})")
    assert after == {**before, "name": "Another"}
    assert change(client, "Datastreams(1)", {"Sensor": {"@iot.id": 2, "name": "left aside"}}) == 200
    assert client.json("Datastreams(1)/Sensor")["@iot.id"] == 2


@pytest.mark.parametrize(
    ("path", "document", "says"),
    [
        ("Things(1)", {"Locations": [{"name": "new"}]}, "a change only links what is there"),
        ("Things(1)", {"Locations": [{"@iot.id": 99}]}, "there is no Location 99"),
        ("Things(1)", {"name": None}, "a Thing needs it"),
        ("Things(1)", [], "expected an object"),
        ("Datastreams(1)", {"unitOfMeasurement": {"name": 5}}, "unitOfMeasurement"),
        ("Datastreams(1)", {"Observations": [{"@iot.id": 2}]}, "stay where they were made"),
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(
    client: Client, lamp: int, path: str, document: Any, says: str
) -> None:
    before = client.json(path)
    answer = client.request("PATCH", f"/v1.1/{path}", json=document)
    assert answer.status_code == 400
    assert says in answer.json()["message"]
    assert client.json(path) == before
    assert change(client, "Things(99)", {"name": "x"}) == 404


def test_a_put_replaces_and_keeps_the_links_it_does_not_name(client: Client, lamp: int) -> None:
    assert change(client, f"Things({lamp})", {"name": "Bare"}, "PUT") == 200
    found = client.json(f"Things({lamp})", expand="Locations")
    assert (found["name"], found["description"], found.get("properties")) == ("Bare", "", None)
    assert len(found["Locations"]) == 1
    assert change(client, f"Things({lamp})", {"description": "no name"}, "PUT") == 400


def test_a_json_patch_is_applied_whole_or_not_at_all(client: Client, lamp: int) -> None:
    kind = "application/json-patch+json"
    good = [
        {"op": "add", "path": "/properties/colour", "value": "red"},
        {"op": "replace", "path": "/name", "value": "R"},
    ]
    assert change(client, f"Things({lamp})", good, content=kind) == 200
    found = client.json(f"Things({lamp})")
    assert (found["name"], found["properties"]["colour"]) == ("R", "red")
    bad = [{"op": "replace", "path": "/name", "value": "S"}, {"op": "remove", "path": "/properties/nothing"}]
    assert change(client, f"Things({lamp})", bad, content=kind) == 400
    assert client.json(f"Things({lamp})")["name"] == "R"


def test_an_observation_is_corrected_under_its_number(client: Client, lamp: int) -> None:
    first = client.json("Datastreams(1)/Observations", orderby="phenomenonTime")["value"][0]
    assert change(client, f"Observations({first['@iot.id']})", {"result": 55}) == 200
    found = client.json(f"Observations({first['@iot.id']})")
    assert (found["result"], found["phenomenonTime"]) == (55, first["phenomenonTime"])
    assert client.json("Observations", filter="result eq 55", count="true")["@iot.count"] == 1
    assert change(client, f"Observations({first['@iot.id']})", {"result": 155}) == 400  # out of the property's range


def test_what_cannot_be_without_it_goes_with_it(client: Client, lamp: int, store: EmbeddedStore) -> None:
    observations = [one["@iot.id"] for one in client.json("Observations")["value"]]
    assert change(client, f"Things({lamp})", None, "DELETE") == 200
    for name in ("Things", "Datastreams", "HistoricalLocations", "Observations"):
        assert client.json(name, count="true")["@iot.count"] == 0, name
    assert client.json("Locations", count="true")["@iot.count"] == 1
    assert client.get(f"/v1.1/Observations({observations[0]})").status_code == 404
    assert store.latest(1) is None


def test_a_set_is_deleted_by_filter_only(client: Client, lamp: int) -> None:
    assert client.request("DELETE", "/v1.1/Observations").status_code == 400
    bad = client.request("DELETE", "/v1.1/Observations", params={"$filter": "result gt ("})
    assert bad.status_code == 400
    count = client.json("Datastreams(1)/Observations", count="true", filter="result gt 50")["@iot.count"]
    assert count
    done = client.request("DELETE", "/v1.1/Datastreams(1)/Observations", params={"$filter": "result gt 50"})
    assert done.status_code == 200
    assert client.json("Datastreams(1)/Observations", count="true", filter="result gt 50")["@iot.count"] == 0


def test_links_are_added_set_and_taken_away(client: Client, lamp: int) -> None:
    place = client.create("Locations", {**LAMP["Locations"][0], "name": "Other"})
    assert change(client, f"Things({lamp})/Locations/$ref", {"@iot.id": place}, "POST") == 204
    assert len(client.json(f"Things({lamp})/Locations")["value"]) == 2
    assert change(client, f"Things({lamp})/Locations(1)/$ref", None, "DELETE") == 204
    assert [one["@iot.id"] for one in client.json(f"Things({lamp})/Locations")["value"]] == [place]
    assert change(client, "Datastreams(1)/Sensor/$ref", {"@odata.id": "http://x/v1.1/Sensors(2)"}, "PUT") == 204
    assert client.json("Datastreams(1)/Sensor")["@iot.id"] == 2
    assert change(client, "Datastreams(1)/Sensor/$ref", None, "DELETE") == 405


def test_the_service_makes_the_feature_of_interest_of_the_things_location(client: Client, lamp: int) -> None:
    number = client.json("Datastreams(1)/Observations")["value"][0]["@iot.id"]
    feature = client.json(f"Observations({number})/FeatureOfInterest")
    assert feature["feature"] == LAMP["Locations"][0]["location"]
    assert client.json(f"FeaturesOfInterest({feature['@iot.id']})/Observations", count="true")["@iot.count"] > 0
    place = {**LAMP["Locations"][0], "name": "Moved", "location": {"type": "Point", "coordinates": [5, 5]}}
    client.create(f"Things({lamp})/Locations", place)
    client.create("Datastreams(1)/Observations", {"result": 7, "phenomenonTime": NOW.isoformat()})
    expand = "FeatureOfInterest"
    found = client.json("Datastreams(1)/Observations", filter="result eq 7", expand=expand)["value"][0]
    assert found["FeatureOfInterest"]["feature"]["coordinates"] == [5, 5]
    old = client.json(f"Observations({number})/FeatureOfInterest")
    assert old["@iot.id"] == feature["@iot.id"]  # where it was then
    area = client.json("Datastreams(1)")["observedArea"]
    assert area["type"] == "Polygon"
    named = client.json("Observations", filter="FeatureOfInterest/name eq 'Moved'", count="true")
    assert named["@iot.count"] == 1


def test_a_thing_without_a_location_takes_no_observation_without_a_feature(client: Client, lamp: int) -> None:
    thing = client.create("Things", {"name": "Nowhere"})
    stream = {**LAMP["Datastreams"][0], "Thing": {"@iot.id": thing}, "Observations": []}
    made = client.create("Datastreams", stream)
    refused = client.post(f"/v1.1/Datastreams({made})/Observations", json={"result": 5})
    assert (refused.status_code, "has no Location" in refused.json()["message"]) == (400, True)
    feature = {"name": "F", "encodingType": "application/geo+json", "feature": {"type": "Point", "coordinates": [1, 1]}}
    taken = client.post(f"/v1.1/Datastreams({made})/Observations", json={"result": 5, "FeatureOfInterest": feature})
    assert taken.status_code == 201
    where = client.json(f"Datastreams({made})/Observations", expand="FeatureOfInterest")["value"][0]
    assert where["FeatureOfInterest"]["name"] == "F"


def test_a_historical_location_by_hand_says_where_the_thing_is_when_it_is_the_latest(client: Client, lamp: int) -> None:
    place = client.create("Locations", {**LAMP["Locations"][0], "name": "Later"})
    linked = {"Thing": {"@iot.id": lamp}, "Locations": [{"@iot.id": place}]}
    client.create("HistoricalLocations", {"time": "2020-01-01T00:00:00Z", **linked})
    assert client.json(f"Things({lamp})/Locations")["value"][0]["@iot.id"] != place
    client.create("HistoricalLocations", {"time": "2027-01-01T00:00:00Z", **linked})
    assert client.json(f"Things({lamp})/Locations")["value"][0]["@iot.id"] == place


def test_a_multi_datastream_takes_lists_of_the_length_of_its_properties(client: Client, lamp: int) -> None:
    made = client.create(f"Things({lamp})/MultiDatastreams", MULTI)
    assert made not in {one["@iot.id"] for one in client.json("Datastreams")["value"]}
    good = client.create(f"MultiDatastreams({made})/Observations", {"result": [21.5, 40]})
    assert client.json(f"Observations({good})")["result"] == [21.5, 40]
    for result in ([1], 5, "x", [1, 2, 3]):
        assert client.post(f"/v1.1/MultiDatastreams({made})/Observations", json={"result": result}).status_code == 400
    expand = "ObservedProperties,Observations,Thing,Sensor"
    found = client.json(f"MultiDatastreams({made})", expand=expand)
    assert [one["name"] for one in found["ObservedProperties"]] == ["t", "h"]
    assert found["Observations"][0]["result"] == [21.5, 40]
    assert client.json(f"Observations({good})/MultiDatastream")["@iot.id"] == made
    assert client.get(f"/v1.1/Observations({good})/Datastream").status_code == 404
    assert client.json("MultiDatastreams", filter="Observations/id gt 0", count="true")["@iot.count"] == 1
    wrong = {**MULTI, "multiObservationDataTypes": ["a"]}
    assert client.post(f"/v1.1/Things({lamp})/MultiDatastreams", json=wrong).status_code == 400
    assert change(client, f"MultiDatastreams({made})", None, "DELETE") == 200
    assert client.get(f"/v1.1/Observations({good})").status_code == 404


def test_a_multi_datastream_takes_data_arrays_under_its_own_name(client: Client, lamp: int) -> None:
    made = client.create(f"Things({lamp})/MultiDatastreams", MULTI)
    rows = [["2026-05-01T08:30:00Z", [3, 4.5]], ["2026-05-01T08:31:00Z", [3]]]
    frame = {"components": ["phenomenonTime", "result"], "dataArray": rows}
    body = [
        {"MultiDatastream": {"@iot.id": made}, **frame},
        {"Datastream": {"@iot.id": 1}, "components": ["result"], "dataArray": [[3]]},
    ]
    first, second, third = client.post("/v1.1/CreateObservations", json=body).json()
    assert client.json(first.rpartition("/")[2])["result"] == [3, 4.5]
    assert second.startswith(f"error: MultiDatastream {made} takes a list of 2 values")
    assert "Observations(" in third
    for name, number in (("Datastream", made), ("MultiDatastream", 1)):
        for answer in client.post("/v1.1/CreateObservations", json=[{name: {"@iot.id": number}, **frame}]).json():
            assert answer.startswith("error: ") and "MultiDatastream" in answer
        one = {"result": [1, 2], name: {"@iot.id": number}}
        assert client.post("/v1.1/Observations", json=one).status_code == 400
    both = {"result": [1, 2], "MultiDatastream": {"@iot.id": made}, "Datastream": {"@iot.id": 1}}
    assert "not both" in client.post("/v1.1/Observations", json=both).json()["message"]
    late = {"result": [1, 2], "phenomenonTime": "2026-06-01T00:00:00Z"}
    assert "ahead of" in client.post(f"/v1.1/MultiDatastreams({made})/Observations", json=late).json()["message"]
    assert change(client, f"MultiDatastreams({made})", {"observationType": OM_MEASUREMENT}) == 400


def test_changes_at_the_same_moment_all_hold(client: Client, lamp: int) -> None:
    places = [client.create("Locations", {**LAMP["Locations"][0], "name": f"P{n}"}) for n in range(12)]

    def add(place: int) -> int:
        return change(client, f"Things({lamp})/Locations/$ref", {"@iot.id": place}, "POST")

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(add, places)) == {204}
    found = {one["@iot.id"] for one in client.json(f"Things({lamp})/Locations")["value"]}
    assert set(places) <= found


def test_a_link_brings_nothing_hidden_to_light(client: Client, lamp: int) -> None:
    home = client.create("Things", {**LAMP, "name": "Home", "properties": {"access": "personal"}})
    assert client.get(f"/v1.1/Things({home})").status_code == 404
    for document in ({"Locations": [{"@iot.id": 2}]}, {"Datastreams": [{"@iot.id": 3}]}):
        answer = client.request("PATCH", f"/v1.1/Things({lamp})", json=document)
        assert (answer.status_code, "there is no " in answer.json()["message"]) == (400, True)
        assert client.post("/v1.1/Things", json={"name": "Mine", **document}).status_code == 400
    assert change(client, f"Things({lamp})/Locations/$ref", {"@iot.id": 2}, "POST") == 400
    assert change(client, f"Things({home})/Locations/$ref", {"@iot.id": 1}, "POST") == 404
    assert change(client, f"Things({home})", None, "DELETE") == 404
    done = client.request("DELETE", "/v1.1/Things", params={"$filter": "name eq 'Home'"})
    assert done.status_code == 200  # of none
    assert change(client, "Sensors(3)", {"name": "Only its Datastreams hang on it"}) == 404


def test_an_observation_is_linked_to_another_feature(client: Client, lamp: int) -> None:
    feature = {"name": "F", "encodingType": "application/geo+json", "feature": {"type": "Point", "coordinates": [1, 1]}}
    made = client.create("FeaturesOfInterest", feature)
    number = client.json("Datastreams(1)/Observations")["value"][0]["@iot.id"]
    assert change(client, f"Observations({number})/FeatureOfInterest/$ref", {"@iot.id": made}, "PUT") == 204
    assert client.json(f"Observations({number})/FeatureOfInterest")["@iot.id"] == made
    assert change(client, f"Observations({number})/FeatureOfInterest/$ref", None, "DELETE") == 405


def test_a_json_patch_that_would_grow_without_end_is_refused(client: Client, lamp: int) -> None:
    grow = [{"op": "copy", "from": "/properties", "path": f"/properties/x{n}"} for n in range(40)]
    kind = "application/json-patch+json"
    answer = client.request("PATCH", f"/v1.1/Things({lamp})", json=grow, headers={"content-type": kind})
    assert (answer.status_code, "copy less" in answer.json()["message"]) == (400, True)
    for odd in ({}, [{}], [3], [{"op": "add"}], [{"op": "test", "path": "/name", "value": "x"}]):
        assert change(client, f"Things({lamp})", odd, content=kind) == 400


def test_a_result_may_be_nothing_but_is_not_taken_away(client: Client, lamp: int) -> None:
    number = client.create("Datastreams(2)/Observations", {"result": 3})
    assert change(client, f"Observations({number})", {"result": None}) == 200
    assert client.json(f"Observations({number})")["result"] is None
    gone = [{"op": "remove", "path": "/result"}]
    assert change(client, f"Observations({number})", gone, content="application/json-patch+json") == 400
    inner = {"name": "N", "unitOfMeasurement": {}, "Thing": {"@iot.id": lamp}, "Sensor": {"@iot.id": 1},
             "ObservedProperty": {"@iot.id": 2}, "Observations": [{"result": None}]}  # fmt: skip
    made = client.create("Datastreams", inner)
    assert client.json(f"Datastreams({made})/Observations")["value"][0]["result"] is None


def test_a_json_patch_that_adds_what_an_entity_does_not_have_is_refused(client: Client, lamp: int) -> None:
    for operation in ({"op": "add", "path": "/colour", "value": 1}, {"op": "copy", "from": "/name", "path": "/title"}):
        assert change(client, f"Things({lamp})", [operation], content="application/json-patch+json") == 400
    assert change(client, f"Things({lamp})", [{"op": "add", "path": "/properties/colour", "value": 1}],
                  content="application/json-patch+json") == 200  # fmt: skip


def test_a_delete_takes_no_option_but_filter(client: Client, lamp: int) -> None:
    answer = client.request("DELETE", "/v1.1/Observations", params={"$filter": "id gt 0", "$top": "1"})
    assert answer.status_code == 400
    assert client.json("Observations", count="true")["@iot.count"] > 1


def test_many_things_are_deleted_with_all_that_hangs_on_them(client: Client, lamp: int) -> None:
    for n in range(5):
        client.create("Things", {**LAMP, "name": f"N{n}"})
    done = client.request("DELETE", "/v1.1/Things", params={"$filter": "startswith(name,'N')"})
    assert (done.status_code, done.json()) == (200, {"deleted": 5})
    done = client.request("DELETE", "/v1.1/Observations", params={"$filter": "result gt 1e9"})
    assert (done.status_code, done.json()) == (200, {"deleted": 0})
    refused = client.request("DELETE", "/v1.1/Observations")
    assert (refused.status_code, "$filter is required" in refused.json()["message"]) == (400, True)
    counts = {
        name: client.json(name, count="true")["@iot.count"] for name in ("Things", "Datastreams", "HistoricalLocations")
    }
    assert counts == {"Things": 1, "Datastreams": 2, "HistoricalLocations": 1}


def test_a_feature_that_was_deleted_is_made_again_for_the_next_observation(client: Client, lamp: int) -> None:
    sent = {"result": 9, "phenomenonTime": "2026-04-20T00:00:00Z"}
    for _ in range(2):
        made = client.create("Datastreams(1)/Observations", sent)
        feature = client.json(f"Observations({made})/FeatureOfInterest")["@iot.id"]
        assert change(client, f"FeaturesOfInterest({feature})", None, "DELETE") == 200
        assert client.get(f"/v1.1/Observations({made})").status_code == 404


def test_what_is_linked_already_and_says_nothing_new_may_be_sent_back_whole(client: Client, lamp: int) -> None:
    thing = {name: LAMP[name] for name in ("name", "description", "properties")}
    places = LAMP["Locations"]
    for method in ("PATCH", "PUT"):
        assert change(client, f"Things({lamp})", {**thing, "description": method, "Locations": places}, method) == 200
        assert client.json(f"Things({lamp})")["description"] == method
        other = [{**places[0], "name": "Another corner"}]
        assert change(client, f"Things({lamp})", {**thing, "Locations": other}, method) == 400
    sensor = {"name": "Driver", "encodingType": "text/plain", "metadata": "D4i"}
    assert change(client, "Datastreams(1)", {"Sensor": sensor}) == 200
    assert change(client, "Datastreams(1)", {"Sensor": {**sensor, "metadata": "D4i-2"}}) == 400
    assert client.json("Locations", count="true")["@iot.count"] == 1
    assert client.json("Sensors", count="true")["@iot.count"] == 2
