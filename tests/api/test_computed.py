"""What is worked out from Observations: phenomenonTime, resultTime and observedArea of Datastreams, and what an
Observation is about where it names nothing."""

from typing import Any

import pytest
from tests.api.conftest import Client

from dongne.stores.embedded import EmbeddedStore
from dongne.stores.embedded.select import Selector
from dongne.web.api import create_api


def _stream(name: str, *observations: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "unitOfMeasurement": {"name": None, "symbol": None, "definition": None},
        "Sensor": {"name": "sensor", "encodingType": "text/plain", "metadata": "m"},
        "ObservedProperty": {"name": f"property {name}", "definition": "https://example.org/p"},
        "Observations": list(observations),
    }


def _at(hour: int, result: Any = 1, **more: Any) -> dict[str, Any]:
    return {"phenomenonTime": f"2026-04-30T{hour:02}:00:00Z", "result": result, **more}


def _place(name: str, *point: float) -> dict[str, Any]:
    return {"name": name, "encodingType": "application/geo+json", "location": {"type": "Point", "coordinates": point}}


@pytest.fixture
def streams(client: Client) -> None:
    """Datastreams 1 to 4: early, late, with results made later, empty."""
    interval = {"phenomenonTime": "2026-04-30T03:00:00Z/2026-04-30T05:30:00Z", "result": 2}
    client.create("Things", {"name": "here", "Locations": [_place("here", 24.0, 60.0)], "Datastreams": [
        _stream("early", _at(2), _at(1), interval),
        _stream("late", _at(20), _at(22)),
        _stream("made", _at(10, resultTime="2026-04-30T11:00:00Z"), _at(9, resultTime="2026-04-30T15:00:00Z")),
        _stream("empty"),
    ]})  # fmt: skip


def _names(client: Client, **options: str) -> list[str]:
    return [one["name"] for one in client.json("Datastreams", **options)["value"]]


def test_a_datastream_says_from_when_to_when(client: Client, streams: None) -> None:
    found = {one["name"]: (one["phenomenonTime"], one["resultTime"]) for one in client.json("Datastreams")["value"]}
    assert found == {
        "early": ("2026-04-30T01:00:00Z/2026-04-30T05:30:00Z", None),
        "late": ("2026-04-30T20:00:00Z/2026-04-30T22:00:00Z", None),
        "made": ("2026-04-30T09:00:00Z/2026-04-30T10:00:00Z", "2026-04-30T11:00:00Z/2026-04-30T15:00:00Z"),
        "empty": (None, None),
    }
    assert client.json("Datastreams(1)/phenomenonTime")["phenomenonTime"] == found["early"][0]
    assert client.get("/v1.1/Datastreams(4)/phenomenonTime").status_code == 204
    assert client.json("Datastreams(3)", select="resultTime") == {"resultTime": found["made"][1]}


def test_it_follows_what_comes_changes_and_goes(client: Client, streams: None) -> None:
    def first_stream() -> Any:
        return client.json("Datastreams(1)")["phenomenonTime"]

    assert first_stream().startswith("2026-04-30T01")
    made = client.create("Datastreams(1)/Observations", _at(0))
    assert first_stream().startswith("2026-04-30T00")
    changed = client.request("PATCH", f"/v1.1/Observations({made})", json={"phenomenonTime": "2026-04-29T00:00:00Z"})
    assert changed.status_code < 300, changed.text
    assert first_stream().startswith("2026-04-29T00")
    assert client.request("DELETE", f"/v1.1/Observations({made})").status_code < 300
    assert first_stream().startswith("2026-04-30T01")


def test_a_new_reader_finds_the_same(client: Client, streams: None, store: EmbeddedStore, make_context: Any) -> None:
    late = Selector(store, store.history)  # it has not heard the commits before
    reader = Client(create_api(make_context(select=late)))
    try:
        assert reader.json("Datastreams") == client.json("Datastreams")
        client.create("Datastreams(2)/Observations", _at(23))
        assert reader.json("Datastreams(2)") == client.json("Datastreams(2)")
    finally:
        reader.close()
        late.close()


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("phenomenonTime gt 2026-04-30T08:00:00Z", ["late", "made"]),
        ("phenomenonTime lt 2026-04-30T10:30:00Z", ["early", "made"]),
        ("phenomenonTime ge 2026-04-30T20:00:00Z", ["late"]),
        ("phenomenonTime eq 2026-04-30T09:00:00Z/2026-04-30T10:00:00Z", ["made"]),
        ("overlaps(phenomenonTime,2026-04-30T05:00:00Z/2026-04-30T09:30:00Z)", ["early", "made"]),
        ("during(phenomenonTime,2026-04-30T00:00:00Z/2026-04-30T12:00:00Z)", ["early", "made"]),
        ("phenomenonTime eq null", ["empty"]),
        ("phenomenonTime ne null and resultTime eq null", ["early", "late"]),
        ("resultTime gt 2026-04-30T10:00:00Z", ["made"]),
        ("hour(phenomenonTime) eq 20", ["late"]),
        ("st_within(observedArea,geography'POLYGON ((23 59, 25 59, 25 61, 23 61, 23 59))')", ["early", "late", "made"]),
        ("geo.distance(observedArea,geography'POINT (24 61)') gt 1", []),
    ],
)
def test_datastreams_are_found_by_it(client: Client, streams: None, condition: str, names: list[str]) -> None:
    assert _names(client, filter=condition) == names
    assert client.json("Datastreams", filter=condition, count="true", top="0")["@iot.count"] == len(names)
    through = client.json(
        "Observations", filter=condition.replace("phenomenonTime", "Datastream/phenomenonTime")
        .replace("resultTime", "Datastream/resultTime").replace("observedArea", "Datastream/observedArea"),
        expand="Datastream", top="100",
    )["value"]  # fmt: skip
    assert {one["Datastream"]["name"] for one in through} == {name for name in names if name != "empty"}


def test_datastreams_are_sorted_by_it(client: Client, streams: None) -> None:
    assert _names(client, orderby="phenomenonTime") == ["empty", "early", "made", "late"]
    assert _names(client, orderby="phenomenonTime desc") == ["late", "made", "early", "empty"]
    assert _names(client, orderby="resultTime,id desc") == ["empty", "late", "early", "made"]
    assert client.get("/v1.1/Datastreams?$orderby=observedArea").status_code == 400


def test_an_observation_is_about_where_its_thing_was(client: Client, streams: None) -> None:
    (feature,) = client.json("FeaturesOfInterest")["value"]
    assert feature["feature"] == {"type": "Point", "coordinates": [24.0, 60.0]}
    moved = client.create("Things(1)/Locations", _place("there", 25.0, 61.0))
    assert moved
    number = client.create("Datastreams(2)/Observations", _at(23))
    other = client.json(f"Observations({number})/FeatureOfInterest")
    assert other["feature"]["coordinates"] == [25.0, 61.0]
    own = client.create("FeaturesOfInterest", {"name": "own", "encodingType": "application/geo+json",
                                               "feature": {"type": "Point", "coordinates": [26.0, 60.0]}})  # fmt: skip
    named = client.create("Datastreams(3)/Observations", _at(11, FeatureOfInterest={"@iot.id": own}))

    everything = client.json("Observations", expand="FeatureOfInterest", top="100")["value"]
    about = {one["@iot.id"]: one["FeatureOfInterest"]["@iot.id"] for one in everything}
    assert set(about.values()) == {feature["@iot.id"], other["@iot.id"], own}
    assert (about[number], about[named]) == (other["@iot.id"], own)
    for one in (feature["@iot.id"], other["@iot.id"], own):
        theirs = sorted(o for o, f in about.items() if f == one)
        found = client.json(f"FeaturesOfInterest({one})/Observations", count="true")
        assert (sorted(o["@iot.id"] for o in found["value"]), found["@iot.count"]) == (theirs, len(theirs))
        filtered = client.json("Observations", filter=f"FeatureOfInterest/id eq {one}")["value"]
        assert sorted(o["@iot.id"] for o in filtered) == theirs
        (expanded,) = client.json(
            "FeaturesOfInterest", filter=f"id eq {one}", expand="Observations($count=true;$orderby=id)"
        )["value"]
        assert [o["@iot.id"] for o in expanded["Observations"]] == theirs
        assert expanded["Observations@iot.count"] == len(theirs)
        by_observation = client.json("FeaturesOfInterest", filter=f"Observations/id eq {theirs[0]}")["value"]
        assert [f["@iot.id"] for f in by_observation] == [one]
    area = client.json("Datastreams(2)/observedArea")["observedArea"]
    assert area["type"] == "Polygon"
    assert {tuple(point) for point in area["coordinates"][0]} == {(24, 60), (25, 60), (25, 61), (24, 61)}
    assert client.json("Datastreams(3)/observedArea")["observedArea"] == {"type": "Point", "coordinates": [26.0, 60.0]}


MULTI = {
    "name": "weather", "description": "",
    "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_ComplexObservation",
    "multiObservationDataTypes": ["http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"] * 3,
    "unitOfMeasurements": [{"name": None, "symbol": None, "definition": None}] * 3,
    "Sensor": {"@iot.id": 1},
    "ObservedProperties": [{"@iot.id": 3}, {"@iot.id": 1}, {"@iot.id": 2}],
}  # fmt: skip


def test_a_multi_datastream_hangs_on_all_it_should(client: Client, streams: None) -> None:
    assert "MultiDatastreams@iot.navigationLink" not in client.json("Things(1)")
    made = client.create("Things(1)/MultiDatastreams", MULTI)
    number = client.create(f"MultiDatastreams({made})/Observations", _at(7, [1, 2, 3]))
    assert "MultiDatastreams@iot.navigationLink" in client.json("Things(1)")
    properties = client.json(f"MultiDatastreams({made})/ObservedProperties")["value"]
    assert [one["@iot.id"] for one in properties] == [3, 1, 2]  # as the values of a result are
    found = client.json(f"MultiDatastreams({made})", expand="ObservedProperties,Observations,Thing,Sensor")
    assert [one["@iot.id"] for one in found["ObservedProperties"]] == [3, 1, 2]
    assert [one["@iot.id"] for one in found["Observations"]] == [number]
    assert found["phenomenonTime"] == "2026-04-30T07:00:00Z/2026-04-30T07:00:00Z"
    observation = client.json(f"Observations({number})")
    assert "Datastream@iot.navigationLink" not in observation
    assert client.get(observation["MultiDatastream@iot.navigationLink"]).json()["@iot.id"] == made
    assert client.get(f"/v1.1/Observations({number})/Datastream").status_code == 404
    expanded = client.json("Observations", expand="Datastream,MultiDatastream", top="100")["value"]
    assert all((one["Datastream"] is None) == (one["MultiDatastream"] is not None) for one in expanded)
    assert [one["@iot.id"] for one in expanded if one["MultiDatastream"]] == [number]
    by_name = client.json("Observations", filter="MultiDatastream/name eq 'weather'")["value"]
    assert [one["@iot.id"] for one in by_name] == [number]
    for path in ("ObservedProperties(2)/MultiDatastreams", "Sensors(1)/MultiDatastreams", "Things(1)/MultiDatastreams"):
        assert [one["@iot.id"] for one in client.json(path)["value"]] == [made]
    assert client.json(f"ObservedProperties(2)/MultiDatastreams({made})/ObservedProperties(3)/name")
    assert client.get(f"/v1.1/ObservedProperties(4)/MultiDatastreams({made})").status_code == 404
    (thing,) = client.json("Things", filter="MultiDatastreams/ObservedProperties/name eq 'property late'")["value"]
    assert thing["name"] == "here"
