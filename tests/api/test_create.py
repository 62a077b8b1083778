"""Creating entities through the real app: deep insert, links, places in history, and what is refused."""

from typing import Any

import pytest
from tests.api.conftest import LAMP, Client

from dongne.stores.embedded import EmbeddedStore

STREAM: dict[str, Any] = {
    "name": "Level",
    "unitOfMeasurement": {"name": "percent", "symbol": "%", "definition": "http://unitsofmeasure.org/%"},
    "ObservedProperty": {"name": "fill_level", "definition": "https://example.org/fill"},
    "Sensor": {"name": "Sonar", "encodingType": "text/plain", "metadata": "S1"},
}


def test_a_deep_insert_makes_the_whole_tree_at_once(client: Client, lamp: int, store: EmbeddedStore) -> None:
    expand = (
        "Datastreams($expand=Sensor,ObservedProperty,Observations),Locations,HistoricalLocations($expand=Locations)"
    )
    thing = client.json(f"Things({lamp})", expand=expand)
    assert thing["properties"] == LAMP["properties"]
    light, presence = thing["Datastreams"]
    assert [one["result"] for one in light["Observations"]] == [30, 80.5]
    assert light["ObservedProperty"]["name"] == "light_level"
    assert presence["Sensor"]["metadata"] == {"model": "R1"}
    assert presence["observationType"].endswith("OM_Measurement")
    assert thing["Locations"][0]["encodingType"] == "application/vnd.geo+json"
    assert [place["@iot.id"] for place in thing["HistoricalLocations"][0]["Locations"]] == [
        thing["Locations"][0]["@iot.id"]
    ]
    assert store.head() == 3  # one record of entities, then two Observations: one Transaction


def test_the_answer_names_the_new_entity_and_links_lead_to_it(client: Client, lamp: int) -> None:
    response = client.post(f"/v1.1/Things({lamp})/Datastreams", json=STREAM)
    assert response.status_code == 201
    assert response.headers["location"] == "http://city.test/v1.1/Datastreams(3)"
    found = client.get("/v1.1/Datastreams(3)").json()
    assert found["@iot.selfLink"] == response.headers["location"]
    assert found["Thing@iot.navigationLink"] == "http://city.test/v1.1/Datastreams(3)/Thing"
    assert client.json("Datastreams(3)/Thing")["@iot.id"] == lamp


def test_links_to_what_is_there_may_bring_other_members_along(client: Client, lamp: int) -> None:
    linked = {
        **STREAM,
        "Thing": {"@iot.id": lamp, "name": "not read", "@iot.selfLink": "not read either"},
        "Sensor": {"@iot.id": 1, "name": "another name"},
        "ObservedProperty": {"@iot.id": 1},
        "Thing@iot.navigationLink": "http://elsewhere",
    }
    stream = client.create("Datastreams", linked)
    assert client.json(f"Datastreams({stream})/Sensor")["name"] == "Driver"
    assert client.json("Things", count="true")["@iot.count"] == 1


def test_a_thing_that_moves_keeps_where_it_was(client: Client, lamp: int) -> None:
    place = {**LAMP["Locations"][0], "name": "Next corner"}
    moved = client.create(f"Things({lamp})/Locations", place)
    assert [one["@iot.id"] for one in client.json(f"Things({lamp})/Locations")["value"]] == [moved]
    history = client.json(f"Things({lamp})/HistoricalLocations", expand="Locations")["value"]
    assert [[inner["@iot.id"] for inner in one["Locations"]] for one in history] == [[1], [moved]]


def test_sensors_properties_and_features_can_be_made_alone_or_with_what_hangs_on_them(
    client: Client, lamp: int
) -> None:
    sensor = client.create("Sensors", {**STREAM["Sensor"], "Datastreams": [{**STREAM, "Thing": {"@iot.id": lamp}}]})
    assert client.json(f"Sensors({sensor})/Datastreams")["value"][0]["name"] == "Level"
    observed = client.create("ObservedProperties", {**STREAM["ObservedProperty"], "Datastreams": [{"@iot.id": 1}]})
    assert client.json("Datastreams(1)/ObservedProperty")["@iot.id"] == observed
    feature = {
        "name": "Yard",
        "encodingType": "application/geo+json",
        "feature": {"type": "Point", "coordinates": [1, 2]},
    }
    made = client.create(
        "FeaturesOfInterest", {**feature, "Observations": [{"result": 5, "Datastream": {"@iot.id": 2}}]}
    )
    (one,) = client.json(f"FeaturesOfInterest({made})/Observations", expand="Datastream,FeatureOfInterest")["value"]
    assert (one["Datastream"]["@iot.id"], one["FeatureOfInterest"]["@iot.id"]) == (2, made)
    past = {"time": "2025-01-01T01:00:00+01:00", "Thing": {"@iot.id": lamp}, "Locations": [{"@iot.id": 1}]}
    assert (
        client.json(f"HistoricalLocations({client.create('HistoricalLocations', past)})")["time"]
        == "2025-01-01T00:00:00Z"
    )


@pytest.mark.parametrize(
    ("path", "document", "says"),
    [
        ("Things", {"description": "x"}, "$: a Thing needs 'name'"),
        ("Things", {"name": 5}, "$.name: expected a text, found a number"),
        ("Things", {"name": "x", "properties": []}, "$.properties: expected an object, found a list"),
        ("Things", [], "$: expected an object of a Thing, found a list"),
        ("Things", {"name": "x", "Locations": [{"name": "y"}]}, "$.Locations[0]: a Location needs 'encodingType'"),
        ("Things", {"name": "x", "Locations": [{"@iot.id": 99}]}, "there is no Location 99"),
        ("Things", {"name": "x", "Locations": [{"@iot.id": "1"}]}, "ids here are whole numbers"),
        ("Datastreams", STREAM, "a Datastream needs a Thing"),
        ("Datastreams", {**STREAM, "Thing": {"@iot.id": 77}}, "there is no Thing 77"),
        (
            "Datastreams",
            {**STREAM, "Thing": {"name": "x"}, "unitOfMeasurement": {"symbol": 5}},
            "unitOfMeasurement: Expected",
        ),
        (
            "Things",
            {"name": "x", "Datastreams": [{**STREAM, "Observations": [{"result": 101}]}]},
            "result 101 is outside 0..100 % of 'fill_level'",
        ),
        (
            "Things",
            {"name": "x", "Datastreams": [{**STREAM, "Observations": [{"result": 1, "phenomenonTime": "now"}]}]},
            "$.Datastreams[0].Observations[0]: 'now' is not an instant",
        ),
        ("HistoricalLocations", {"time": "2025", "Thing": {"name": "x"}}, "is not an instant"),
        ("Things", {"name": "x", "propertys": {}}, "$.propertys: a Thing has no such member; it has: name"),
        (
            "Things",
            {"name": "x", "Datastreams": [{**STREAM, "unit": "%"}]},
            "$.Datastreams[0].unit: a Datastream has no",
        ),
    ],
)
def test_what_is_missing_or_wrong_is_named_with_its_place_and_nothing_is_stored(
    client: Client, store: EmbeddedStore, path: str, document: Any, says: str
) -> None:
    response = client.post(f"/v1.1/{path}", json=document)
    assert response.status_code == 400
    assert response.json()["code"] == 400
    assert says in response.json()["message"]
    assert (store.head(), len(store.graph.things)) == (0, 0)


def test_a_historical_location_may_leave_open_where(client: Client, lamp: int) -> None:
    made = client.create("HistoricalLocations", {"time": "2027-01-01T00:00:00Z", "Thing": {"@iot.id": lamp}})
    assert client.json(f"HistoricalLocations({made})/Locations")["value"] == []
    assert client.json(f"HistoricalLocations({made})/Thing")["@iot.id"] == lamp
    assert len(client.json(f"Things({lamp})/Locations")["value"]) == 1


def test_json_that_breaks_off_is_refused_with_its_byte(client: Client) -> None:
    for path in ("Things", "Observations", "CreateObservations"):
        response = client.post(f"/v1.1/{path}", content=b'{"name": "x", ')
        assert response.status_code == 400
        assert "not JSON" in response.json()["message"]
    deep = b'{"name":"x","properties":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    assert client.post("/v1.1/Things", content=deep).status_code == 400


def test_an_entity_nested_too_deep_is_refused(client: Client) -> None:
    document: dict[str, Any] = {"name": "x"}
    for _ in range(6):
        document = {
            "name": "x",
            "Datastreams": [{**STREAM, "Sensor": {**STREAM["Sensor"], "Datastreams": [{**STREAM, "Thing": document}]}}],
        }
    response = client.post("/v1.1/Things", json=document)
    assert response.status_code == 400
    assert "nested deeper" in response.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("TRACE", "v1.1/Things(1)", "GET, HEAD, PATCH, PUT, DELETE"),
        ("POST", "v1.1/Things(1)", "GET, HEAD, PATCH, PUT, DELETE"),
        ("PATCH", "v1.1/Things", "GET, HEAD, POST, DELETE"),
        ("POST", "v1.1/Datastreams(1)/Thing", "GET, HEAD, PATCH, PUT, DELETE"),
        ("POST", "v1.1/Things(1)/name", "GET, HEAD"),
        ("DELETE", "v1.1/Things(1)/properties/kind", "GET, HEAD"),
        ("POST", "v1.1", "GET, HEAD"),
        ("GET", "v1.1/CreateObservations", "POST"),
        ("DELETE", "v1.1/$batch", "POST"),
        ("PUT", "v1.1/Tasks(1)", "GET, HEAD, PATCH, DELETE"),
        ("DELETE", "v1.1/Things/$ref", "GET, HEAD"),
        ("DELETE", "v1.1/Datastreams(1)/Thing/$ref", "GET, HEAD, POST, PUT"),
        ("PATCH", "v1.1/Things(1)/Locations/$ref", "GET, HEAD, POST, PUT, DELETE"),
        ("POST", "status", "GET, HEAD"),
        ("PUT", "api/latest", "GET, HEAD"),
        ("DELETE", "events/cases", "GET, HEAD"),
    ],
)
def test_a_method_that_an_address_does_not_take_is_answered_with_those_it_does(
    client: Client, lamp: int, method: str, path: str, allowed: str
) -> None:
    response = client.request(method, f"/{path}", json={"name": "x"})
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    assert response.json()["message"].endswith(allowed)


@pytest.mark.parametrize(
    "path", ["Things", "Observations", "Datastreams(1)/Observations", "CreateObservations", "$batch"]
)
def test_a_body_of_an_unknown_content_type_is_refused_and_what_clients_call_json_is_read(
    client: Client, lamp: int, path: str
) -> None:
    sent = {"name": "x", "result": 1}
    for unknown in ("application/xml", "image/png", "text/csv"):
        response = client.post(f"/v1.1/{path}", json=sent, headers={"content-type": unknown})
        assert response.status_code == 415, response.text
        assert "send application/json" in response.json()["message"]
    for known in ("application/json; charset=utf-8", "application/geo+json", "application/x-www-form-urlencoded"):
        assert client.post(f"/v1.1/{path}", json=sent, headers={"content-type": known}).status_code != 415
