"""Who asks without a token meets only open data, by whatever road: what is hidden is as if it were not there."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.api.conftest import Client, Standing

from dongne.model.access import EVERYTHING, Access, Sight
from dongne.model.who import Who
from dongne.web.api import create_api

SECRET = "zzsecret"


def _stream(name: str, access: str | None = None, *results: Any) -> dict[str, Any]:
    word = SECRET if access or name.startswith(SECRET) else "plain"
    return {
        "name": name,
        "unitOfMeasurement": {"name": None, "symbol": None, "definition": None},
        "Sensor": {"name": "sensor", "encodingType": "text/plain", "metadata": "m"},
        "ObservedProperty": {"name": "seen", "definition": "https://example.org/seen"},
        "properties": {} if access is None else {"access": access},
        "Observations": [
            {"phenomenonTime": f"2026-04-30T1{at}:00:00Z", "result": result, "parameters": {"note": word}}
            for at, result in enumerate(results)
        ],
    }


def _place(name: str, lon: float) -> dict[str, Any]:
    geometry = {"type": "Point", "coordinates": [lon, 60.0]}
    return {"name": name, "encodingType": "application/geo+json", "location": geometry}


class Places:
    """Ids of what the city has, and who reads it."""

    def __init__(self, client: Client, make: Callable[..., Any]) -> None:
        self.client, self._make = client, make
        self._readers: dict[Sight, Client] = {}
        self.square = client.create(
            "Things",
            {
                "name": "square",
                "Locations": [_place("here", 24.0)],
                "Datastreams": [_stream("open", None, 1, 2), _stream(SECRET + "s", "internal", 777)],
            },
        )
        self.home = client.create(
            "Things",
            {
                "name": SECRET + " home",
                "properties": {"access": "personal"},
                "Locations": [_place(SECRET + " street", 25.0)],
                "Datastreams": [_stream(SECRET + " door", None, 888, SECRET)],
            },
        )
        self.open, self.staff, self.door = 1, 2, 3
        self.feature = client.create(
            "FeaturesOfInterest",
            {
                "name": SECRET + " bed",
                "encodingType": "application/geo+json",
                "feature": {"type": "Point", "coordinates": [26.0, 61.0]},
                "properties": {"access": "personal"},
            },
        )
        client.create("Datastreams(1)/Observations", {
            "result": 3, "phenomenonTime": "2026-04-30T13:00:00Z", "FeatureOfInterest": {"@iot.id": self.feature}
        })  # fmt: skip

    def reader(self, sight: Sight) -> Client:
        """A client of somebody with this sight."""
        if sight not in self._readers:
            self._readers[sight] = Client(create_api(self._make(who_of=lambda scope: Who("somebody", sight=sight))))
        return self._readers[sight]

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()


@pytest.fixture(scope="module")
def places(standing: Standing) -> Iterator[Places]:
    """For who only reads."""
    found = Places(standing.client, standing.make_context)
    yield found
    found.close()


@pytest.fixture
def own_places(client: Client, make_context: Callable[..., Any]) -> Iterator[Places]:
    """For who writes."""
    found = Places(client, make_context)
    yield found
    found.close()


def _names(client: Client, path: str, **options: str) -> list[Any]:
    return [one.get("name", one["@iot.id"]) for one in client.json(path, **options)["value"]]


def _secret_in(text: str) -> bool:
    return any(word in text for word in (SECRET, "777", "888", "25.0", "26.0"))


SETS = ["Things", "Locations", "HistoricalLocations", "Datastreams", "Sensors", "ObservedProperties", "Observations",
        "FeaturesOfInterest", "MultiDatastreams", "Actuators", "TaskingCapabilities"]  # fmt: skip


@pytest.mark.parametrize("options", [
    "", "$count=true", "$orderby=id desc", "$top=1&$skip=1", "$filter=id gt 0&$count=true", "$top=1&$orderby=id",
    "$resultFormat=CSV", "$resultFormat=GeoJSON", "$select=id",
])  # fmt: skip
@pytest.mark.parametrize("name", SETS)
def test_no_set_shows_or_counts_it(places: Places, name: str, options: str) -> None:
    response = places.client.get(f"/v1.1/{name}?{options}")
    assert not _secret_in(response.text)
    if response.status_code == 200 and "count" in options:
        found = response.json()
        assert found["@iot.count"] == len(found["value"])


def test_counts_are_of_what_is_seen(places: Places) -> None:
    def counts(client: Client) -> list[int]:
        return [client.json(name, count="true", top="0")["@iot.count"] for name in SETS[:8]]

    assert counts(places.client) == [1, 1, 1, 1, 1, 3, 3, 1]
    assert counts(places.reader(Sight(Access.INTERNAL))) == [1, 1, 1, 2, 2, 3, 4, 1]
    assert counts(places.reader(Sight(Access.PUBLIC, frozenset({places.home})))) == [2, 2, 2, 2, 2, 3, 5, 2]
    assert counts(places.reader(EVERYTHING))[:7] == [2, 2, 2, 3, 3, 3, 6]


def test_by_its_address_it_is_not_there(places: Places) -> None:
    everything = places.reader(EVERYTHING)
    roads = [
        f"Things({places.home})", f"Datastreams({places.staff})", f"Datastreams({places.door})",
        f"FeaturesOfInterest({places.feature})", f"Things({places.square})/Datastreams({places.staff})",
        f"Datastreams({places.door})/Thing", f"Datastreams({places.door})/Observations",
        f"Sensors(3)/Datastreams({places.door})", f"ObservedProperties(2)/Datastreams({places.staff})/Observations",
        f"Things({places.home})/Locations", f"Things({places.home})/HistoricalLocations", f"Things({places.home})/name",
        f"Things({places.home})/name/$value", f"Things({places.home})/$ref", f"Things({places.home})/Datastreams/$ref",
    ]  # fmt: skip
    roads += [f"Locations({one['@iot.id']})" for one in everything.json("Locations")["value"] if SECRET in str(one)]
    for one in everything.json("Observations", expand="Datastream", top="100")["value"]:
        if one["Datastream"]["@iot.id"] != places.open:
            roads += [f"Observations({one['@iot.id']}){end}" for end in ("", "/result", "/Datastream", "/$ref")]
            roads.append(f"Observations({one['@iot.id']})/Datastream/Thing")
        if one["result"] == 3:
            roads.append(f"Observations({one['@iot.id']})/FeatureOfInterest")
    assert len(roads) == 32
    for road in roads:
        assert everything.get(f"/v1.1/{road}").status_code == 200, road
        hidden, missing = places.client.get(f"/v1.1/{road}"), places.client.get("/v1.1/Things(987654)")
        assert hidden.status_code == 404, road
        assert not _secret_in(hidden.text)
        assert hidden.json().keys() == missing.json().keys()
    message = places.client.get(f"/v1.1/Things({places.home})").json()["message"]
    assert message == missing.json()["message"].replace("987654", str(places.home))


@pytest.mark.parametrize("path", [
    "Things?$expand=Datastreams($expand=Observations,Sensor,ObservedProperty),Locations,HistoricalLocations",
    "Sensors?$expand=Datastreams($expand=Thing,Observations($top=1;$orderby=phenomenonTime desc);$count=true)",
    "ObservedProperties?$expand=Datastreams/Thing/Locations,MultiDatastreams",
    "Locations?$expand=Things,HistoricalLocations/Thing",
    "HistoricalLocations?$expand=Thing,Locations",
    "FeaturesOfInterest?$expand=Observations($count=true;$expand=Datastream/Thing)",
    "Observations?$expand=FeatureOfInterest,Datastream/Thing/Datastreams/Observations&$count=true",
    "Things(1)?$expand=Datastreams($count=true;$top=1;$select=name;$orderby=id)",
    "Things(1)/Datastreams?$count=true&$expand=Observations",
        ])  # fmt: skip
def test_no_expansion_leads_to_it(places: Places, path: str) -> None:
    response = places.client.get(f"/v1.1/{path}")
    assert response.status_code == 200, response.text
    assert not _secret_in(response.text)
    assert "@iot.nextLink" not in response.text  # no page follows where only what is hidden would
    if "Observations" in path and "HistoricalLocations" not in path:
        everything = places.reader(EVERYTHING).get(f"/v1.1/{path}")
        assert _secret_in(everything.text)


@pytest.mark.parametrize(("path", "condition"), [
    ("Sensors", f"Datastreams/name eq '{SECRET} door'"),
    ("Sensors", "Datastreams/Thing/properties/access eq 'personal'"),
    ("Sensors", "Datastreams/Observations/result eq 888"),
    ("Sensors", "Datastreams/Observations/result eq 777"),
    ("Sensors", "startswith(Datastreams/Thing/Locations/name,'zz')"),
    ("Things", "Datastreams/properties/access eq 'internal'"),
    ("Things", "Datastreams/Observations/parameters/note eq 'zzsecret'"),
    ("Things", "Datastreams/Sensor/Datastreams/Observations/result gt 500"),
    ("ObservedProperties", "length(Datastreams/name) ge 9"),
    ("Observations", "Datastream/Thing/Datastreams/properties/access ne null"),
    ("Observations", "Datastream/Thing/Datastreams/Observations/result gt 500"),
    ("Observations", "FeatureOfInterest/properties/access eq 'personal'"),
    ("Observations", f"FeatureOfInterest/name eq '{SECRET} bed'"),
    ("Locations", f"Things/name ne null and Things/name eq '{SECRET} home'"),
    ("FeaturesOfInterest", "Observations/result gt 500"),
    ("HistoricalLocations", f"Locations/name eq '{SECRET} street'"),
])  # fmt: skip
def test_no_filter_asks_about_it(places: Places, path: str, condition: str) -> None:
    assert places.reader(EVERYTHING).json(path, filter=condition)["value"], "the condition holds for what is hidden"
    found = places.client.json(path, filter=condition, count="true")
    assert (found["value"], found["@iot.count"]) == ([], 0)
    turned = places.client.json(path, filter=f"not ({condition})", count="true")
    assert not _secret_in(json.dumps(turned))


def test_no_sorting_tells_of_it(places: Places) -> None:
    """Who hangs on something hidden is sorted as one who has nothing there."""
    client = places.client
    numbers = [one["@iot.id"] for one in client.json("Observations", orderby="FeatureOfInterest/name,id")["value"]]
    assert client.json(f"Observations({numbers[0]})/result") == {"result": 3}  # its feature is hidden: below all others
    again = [one["@iot.id"] for one in client.json("Observations", orderby="FeatureOfInterest/name desc,id")["value"]]
    assert again[-1] == numbers[0]


def test_the_latest_and_the_computed_properties_tell_nothing(places: Places) -> None:
    client = places.client
    latest = {"top": "1", "orderby": "phenomenonTime desc"}
    assert (
        client.get(f"/v1.1/Datastreams({places.door})/Observations?$top=1&$orderby=phenomenonTime desc").status_code
        == 404
    )
    (one,) = client.json("Observations", **latest)["value"]
    assert one["result"] == 3
    area = client.json(f"Datastreams({places.open})")["observedArea"]
    assert area is None or not _secret_in(json.dumps(area))


def test_errors_about_it_say_nothing(places: Places) -> None:
    for text in (
        "phenomenonTime add duration'P36525000D' gt now()",
        "substring(Datastreams/Thing/name,0,result) eq 'a'",
        "Datastream/Thing/name mul 2 gt 1",
        "validTime gt 2020-01-01T00:00:00Z",
        "parameters/note gt 5",
    ):
        response = places.client.get("/v1.1/Observations", params={"$filter": text})
        assert not _secret_in(response.text)
        everything = places.reader(EVERYTHING).get("/v1.1/Observations", params={"$filter": text})
        assert response.status_code == everything.status_code


def test_next_links_lead_only_to_what_is_seen(places: Places) -> None:
    url, seen = "/v1.1/Observations?$top=1&$orderby=phenomenonTime desc", []
    while url:
        page = places.client.get(url).json()
        seen += [one["result"] for one in page["value"]]
        url = page.get("@iot.nextLink", "")
    assert seen == [3, 2, 1]


def test_what_is_hidden_later_is_gone_at_once(own_places: Places) -> None:
    everybody = own_places.client
    assert _names(everybody, "Datastreams") == ["open"]
    made = everybody.create("Things", {"name": SECRET, "properties": {"access": "personal"}})
    assert everybody.get(f"/v1.1/Things({made})").status_code == 404
    shown = everybody.create("Things", {"name": "to be hidden"})
    assert _names(everybody, "Things") == ["square", "to be hidden"]
    changed = everybody.request("PATCH", f"/v1.1/Things({shown})", json={"properties": {"access": "internal"}})
    assert changed.status_code < 300, changed.text
    assert _names(everybody, "Things") == ["square"]


def test_what_may_not_be_seen_is_not_written_to_and_the_answer_does_not_say_that_it_is_there(
    own_places: Places,
) -> None:
    places = own_places

    def answers(stream: int) -> list[str]:
        sent = {"result": 5, "phenomenonTime": "2026-04-30T14:00:00Z"}
        named = {**sent, "Datastream": {"@iot.id": stream}}
        array = {
            "Datastream": {"@iot.id": stream},
            "components": ["result", "phenomenonTime"],
            "dataArray": [[5, "2026-04-30T14:00:00Z"]],
        }
        parts = [
            {"id": "1", "method": "post", "url": f"Datastreams({stream})/Observations", "body": sent},
            {"id": "2", "method": "post", "url": "Observations", "body": named},
        ]
        posted = [
            (f"Datastreams({stream})/Observations", sent),
            (f"Things({places.square})/Datastreams({stream})/Observations", sent),
            ("Observations", named),
            ("Observations", {**named, "FeatureOfInterest": {"name": "f", "encodingType": "text", "feature": "f"}}),
            ("CreateObservations", [array]),
            ("$batch", {"requests": parts}),
        ]
        found = [places.client.post(f"/v1.1/{path}", json=body) for path, body in posted]
        return [
            f"{one.status_code} {one.text}".replace(f" {stream}", " n").replace(f"({stream})", "(n)") for one in found
        ]

    absent = answers(99)
    assert answers(places.staff) == absent
    assert answers(places.door) == absent
    assert [one[:3] for one in absent] == ["404", "404", "400", "400", "201", "200"]
    assert "error: there is no Datastream n" in absent[4] and '"status":201' not in absent[5]
    assert places.reader(EVERYTHING).json(f"Datastreams({places.staff})/Observations", count="true")["@iot.count"] == 1
