"""A city as it was: what was answered then is answered again, whatever came, changed or went since."""

import itertools
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.api.conftest import LAMP, NOW, Client, StandingClock

from dongne.model.access import EVERYTHING
from dongne.model.who import Right, Who
from dongne.stores.embedded import EmbeddedStore
from dongne.web.api import create_api

QUESTIONS = [
    "Things", "Things(1)", "Things(1)/name", "Things(1)/Locations", "Locations", "HistoricalLocations?$expand=Thing,Locations",
    "Datastreams?$count=true", "Datastreams(1)", "Sensors?$expand=Datastreams", "ObservedProperties", "FeaturesOfInterest",
    "Observations?$count=true", "Observations?$orderby=phenomenonTime desc&$top=1", "Datastreams(1)/Observations",
    "Datastreams(1)/Observations?$orderby=phenomenonTime desc&$top=1", "Observations?$top=1",
    "Datastreams?$expand=Observations($orderby=phenomenonTime desc;$top=3)", "Observations/$ref",
    "Things?$expand=Locations,Datastreams($expand=Observations($count=true;$top=1),Sensor)",
    "Things?$filter=Locations/name eq 'Corner'", "Things?$filter=properties/height_m gt 6",
    "Observations?$filter=Datastream/Thing/name eq 'Lamp 7'", "Observations?$expand=FeatureOfInterest,Datastream",
    "Datastreams?$filter=phenomenonTime gt 2026-04-30T20:30:00Z", "Datastreams?$orderby=phenomenonTime desc",
    "Locations?$filter=geo.distance(location,geography'POINT (24.94 60.17)') lt 0.1",
    "Things?$filter=Datastreams/Observations/result gt 50&$count=true", "FeaturesOfInterest?$expand=Observations",
    "ObservedProperties(1)/Datastreams(1)/Observations(2)", "Things(1)/HistoricalLocations?$orderby=time desc",
    "Observations?$resultFormat=dataArray&$orderby=id", "Observations(2)", "Observations(3)/FeatureOfInterest",
]  # fmt: skip


def _without_as_of(text: str) -> str:
    return re.sub(r"&\$upTo=\d+", "", text.replace("&$asOf=2026-05-01T12:00:00Z", ""))


@pytest.fixture
def everybody(make_context: Callable[..., Any]) -> Iterator[Client]:
    """Somebody who may do and see all."""
    found = Client(
        create_api(make_context(who_of=lambda scope: Who("all", "admin", frozenset(Right), sight=EVERYTHING)))
    )
    yield found
    found.close()


def _ask(client: Client, question: str, as_of: str | None) -> Any:
    address = f"/v1.1/{question}"
    if as_of:
        address += ("&" if "?" in question else "?") + f"$asOf={as_of}"
    response = client.get(address)
    assert response.status_code == 200, (question, response.text)
    return _without_as_of(response.text)


def _change_everything(client: Client) -> None:
    """Moves the lamp, renames it, adds, changes and deletes."""
    client.request("PATCH", "/v1.1/Things(1)", json={"name": "Lamp 8", "properties": {"height_m": 3}})
    client.request("PATCH", "/v1.1/Locations(1)", json={"name": "Old corner"})
    client.create("Things(1)/Locations", {
        "name": "Far", "encodingType": "application/geo+json", "location": {"type": "Point", "coordinates": [30, 50]}
    })  # fmt: skip
    client.create("Datastreams(1)/Observations", {"phenomenonTime": "2026-05-01T12:10:00Z", "result": 99})
    client.create("Datastreams(1)/Observations", {"phenomenonTime": "2026-04-01T12:10:00Z", "result": 1})
    client.create("Things", {**LAMP, "name": "Another"})
    client.request("PATCH", "/v1.1/Datastreams(1)", json={"name": "Other light"})
    assert client.request("DELETE", "/v1.1/Datastreams(2)").status_code == 200


def test_what_was_answered_then_is_answered_again(client: Client, lamp: int, clock: StandingClock) -> None:
    then = {question: _ask(client, question, None) for question in QUESTIONS}
    clock.now = NOW + timedelta(hours=1)
    _change_everything(client)
    changed = [question for question in QUESTIONS if _ask(client, question, None) != then[question]]
    assert len(changed) > 0.8 * len(QUESTIONS)
    for question in QUESTIONS:
        assert _ask(client, question, "2026-05-01T12:00:00Z") == then[question], question
    assert client.json("Things", count="true", asOf="2026-05-01T11:59:59Z") == {"@iot.count": 0, "value": []}
    assert client.get("/v1.1/Things(1)?$asOf=2026-05-01T11:59:59Z").status_code == 404
    assert _ask(client, "Things?$orderby=id", "2026-05-01T13:00:00Z") == _ask(client, "Things?$orderby=id", None)


def test_next_links_stay_in_the_past(client: Client, lamp: int, clock: StandingClock) -> None:
    clock.now = NOW + timedelta(hours=1)
    _change_everything(client)
    url, seen = "/v1.1/Observations?$top=1&$orderby=id&$asOf=2026-05-01T14:00:00%2B02:00", []
    while url:
        page = client.get(url).json()
        seen += [one["result"] for one in page["value"]]
        url = page.get("@iot.nextLink", "")
    assert seen == [30, 80.5]
    (thing,) = client.json("Things", expand="Datastreams($top=1;$orderby=id)", asOf="2026-05-01T12:00:00Z")["value"]
    page = client.get(thing["Datastreams@iot.nextLink"]).json()
    assert [one["name"] for one in page["value"]] == ["Presence at lamp 7"]


def test_many_instants_are_told_apart(client: Client, clock: StandingClock, store: EmbeddedStore) -> None:
    for at in range(8):
        clock.now = NOW + timedelta(hours=at)
        client.create("Things", {"name": f"t{at}"})
    for at in itertools.chain(range(8), reversed(range(8)), (7, 0, 7, 0)):
        instant = (NOW + timedelta(hours=at, minutes=30)).isoformat().replace("+00:00", "Z")
        if at < 7:
            found = client.json("Things", orderby="id desc", count="true", asOf=instant)
            assert (found["value"][0]["name"], found["@iot.count"]) == (f"t{at}", at + 1)
        assert client.json("Things", count="true")["@iot.count"] == 8
    with store.history.reading() as cursor:
        there = cursor.execute("select count(*) from duckdb_databases() where database_name like 'as_of%'").fetchall()
    assert there == [(3,)]  # of those asked for, only the last few are kept


def test_what_may_not_be_seen_now_cannot_be_seen_as_it_was(
    client: Client, everybody: Client, lamp: int, clock: StandingClock
) -> None:
    """Nor can what could not be seen then."""
    hidden = client.create("Things", {"name": "hidden then", "properties": {"access": "personal"}})
    clock.now = NOW + timedelta(hours=1)
    for thing, access in ((hidden, "public"), (lamp, "internal")):
        changed = everybody.request("PATCH", f"/v1.1/Things({thing})", json={"properties": {"access": access}})
        assert changed.status_code == 200, changed.text
    assert [one["name"] for one in client.json("Things")["value"]] == ["hidden then"]
    for question in QUESTIONS:
        response = client.get(f"/v1.1/{question}" + ("&" if "?" in question else "?") + "$asOf=2026-05-01T12:00:00Z")
        assert not any(word in response.text for word in ("Lamp 7", "lamp 7", "hidden then", "80.5", "Corner")), (
            question
        )
    assert client.json("Things", count="true", asOf="2026-05-01T12:00:00Z") == {"@iot.count": 0, "value": []}
    assert everybody.json("Things", count="true", asOf="2026-05-01T12:00:00Z")["@iot.count"] == 2


def test_what_was_removed_since_is_gone_and_what_was_corrected_is_right(
    client: Client, lamp: int, clock: StandingClock
) -> None:
    clock.now = NOW + timedelta(hours=1)
    client.request("PATCH", "/v1.1/Observations(2)", json={"result": 31})
    client.request("DELETE", "/v1.1/Observations(3)")
    found = client.json("Observations", asOf="2026-05-01T12:00:00Z", count="true")
    assert ([one["result"] for one in found["value"]], found["@iot.count"]) == ([31], 1)


@pytest.mark.parametrize("instant", ["soon", "2026-05-01", "2026-05-01T12:00:00", "2027-01-01T00:00:00Z", ""])
def test_what_is_no_past_instant_is_refused(client: Client, lamp: int, instant: str) -> None:
    response = client.get("/v1.1/Things", params={"$asOf": instant})
    assert response.status_code == 400
    assert response.json()["message"].startswith("$asOf")


@pytest.mark.parametrize("path", ["Tasks", "TaskingCapabilities?$expand=Tasks", "TaskingCapabilities?$filter=Tasks/id eq 1",
                                  "Things?$filter=TaskingCapabilities/Tasks/state eq 'x'", "Tasks(1)"])  # fmt: skip
def test_tasks_have_no_past(client: Client, lamp: int, path: str) -> None:
    client.create("TaskingCapabilities", {"name": "c", "taskingParameters": {"type": "object"}, "Thing": {"@iot.id": 1},
                  "Actuator": {"name": "a", "encodingType": "text/plain", "metadata": "m"}})  # fmt: skip
    address = f"/v1.1/{path}" + ("&" if "?" in path else "?") + "$asOf=2026-05-01T12:00:00Z"
    response = client.get(address)
    assert response.status_code == 400, response.text
    assert "Tasks are known as they are now" in response.json()["message"]
