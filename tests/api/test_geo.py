"""Places in filters, against distances worked out by hand."""

import math

import pytest
from tests.api.conftest import Client

PLACES = {"a": [0.0, 0.0], "b": [3.0, 4.0], "c": [10.0, 0.0]}


@pytest.fixture
def places(client: Client) -> None:
    for name, point in PLACES.items():
        place = {
            "name": name,
            "encodingType": "application/geo+json",
            "location": {"type": "Point", "coordinates": point},
        }
        stream = {"name": name, "unitOfMeasurement": {}, "ObservedProperty": {"name": f"o{name}", "definition": "urn:o"},
                  "Sensor": {"name": "s", "encodingType": "text/plain", "metadata": "m"},
                  "Observations": [{"result": 1, "phenomenonTime": "2026-04-01T00:00:00Z"}]}  # fmt: skip
        client.create("Things", {"name": name, "Locations": [place], "Datastreams": [stream]})
    line = {"type": "LineString", "coordinates": [[0, 0], [0, 5]]}
    client.create("Locations", {"name": "line", "encodingType": "application/vnd.geo+json",
                                "location": {"type": "Feature", "properties": {}, "geometry": line}})  # fmt: skip


SQUARE = "geography'POLYGON ((-1 -1, 5 -1, 5 5, -1 5, -1 -1))'"


@pytest.mark.parametrize(
    ("path", "condition", "names"),
    [
        ("Locations", "geo.distance(location,geography'POINT (0 0)') lt 5.5", ["a", "b", "line"]),
        ("Locations", "geo.distance(location, geography'POINT (3 0)') eq 4", ["b"]),
        ("Locations", "geo.length(location) eq 5", ["line"]),
        ("Locations", f"geo.intersects(location,{SQUARE})", ["a", "b", "line"]),
        ("Locations", f"st_within(location,{SQUARE})", ["a", "b", "line"]),
        ("Locations", f"st_disjoint(location,{SQUARE})", ["c"]),
        ("Locations", f"st_contains({SQUARE},location) and name ne 'a'", ["b", "line"]),
        ("Locations", "st_equals(location,geography'POINT (3 4)')", ["b"]),
        ("Locations", "st_touches(geography'POINT (0 5)',location)", ["line"]),
        ("Locations", "st_crosses(location,geography'LINESTRING (-1 2, 1 2)')", ["line"]),
        ("Locations", f"st_relate(location,{SQUARE},'T*F**F***') and not st_equals(location,geography'POINT (0 0)')", ["b", "line"]),
        ("Things", f"st_within(Locations/location,{SQUARE})", ["a", "b"]),
        ("Datastreams", f"st_within(Thing/Locations/location,{SQUARE})", ["a", "b"]),
        ("FeaturesOfInterest", f"st_within(feature,{SQUARE})", ["a", "b"]),
        ("Locations", f"st_within(geography'POINT (1 1)',{SQUARE}) and name eq 'c'", ["c"]),
    ],
)  # fmt: skip
def test_places_are_found(client: Client, places: None, path: str, condition: str, names: list[str]) -> None:
    found = client.json(path, filter=condition, orderby="name", count="true")
    assert [one["name"] for one in found["value"]] == names
    assert found["@iot.count"] == len(names)


def test_the_nearest_come_first(client: Client, places: None) -> None:
    here = "geo.distance(location,geography'POINT (9 0)')"
    found = client.json("Locations", orderby=here, filter="name ne 'line'")["value"]
    wanted = sorted(PLACES, key=lambda name: math.dist(PLACES[name], (9, 0)))
    assert [one["name"] for one in found] == wanted
    about = client.json("Observations", filter="geo.distance(FeatureOfInterest/feature,geography'POINT (3 4)') lt 1")
    assert len(about["value"]) == 1


@pytest.mark.parametrize(
    "condition",
    ["st_within(location,geography'POLYGON ((0 0, 1'))", "geo.distance(name,geography'POINT (1 1)') lt 5",
     "st_relate(location,geography'POINT (1 1)','nonsense')", "geo.length(location)"],
)  # fmt: skip
def test_what_is_no_place_is_refused(client: Client, places: None, condition: str) -> None:
    assert client.get("/v1.1/Locations", params={"$filter": condition}).status_code == 400
