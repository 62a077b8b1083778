"""Reading through the real app: sets, options, expansion, pages, links, and attempts to get SQL through."""

import itertools
import json
from typing import Any

import pytest
from tests.api.conftest import CITY, LAMP, Client, Standing

from dongne.runtime.intake import Intake
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.embedded.select import Limits, Selector
from dongne.web.api import ApiContext, create_api


def test_the_root_lists_the_sets_of_part_1_and_claims_only_what_is_there(client: Client) -> None:
    root = client.json("")
    assert [one["name"] for one in root["value"]] == [
        "Datastreams", "FeaturesOfInterest", "HistoricalLocations", "Locations", "MultiDatastreams",
        "Observations", "ObservedProperties", "Sensors", "Things",
    ]  # fmt: skip
    claims = root["serverSettings"]["conformance"]
    assert not [claim for claim in claims if "mqtt" in claim]
    assert client.get("/v1.1/").json() == root


def test_every_link_of_every_entity_leads_somewhere(lit: Standing) -> None:
    seen: set[str] = set()
    waiting = [one["url"] for one in lit.client.json("")["value"]]
    while waiting:
        url = waiting.pop()
        if url in seen or len(seen) > 200:
            continue
        seen.add(url)
        response = lit.client.get(url)
        if response.status_code == 404:
            assert url.endswith("/FeatureOfInterest")  # these Observations have none
            continue
        assert response.status_code == 200, url
        for entity in response.json().get("value", [response.json()]):
            waiting += [link for name, link in entity.items() if name.endswith(("Link",)) and isinstance(link, str)]
    assert len(seen) > 40


def test_next_links_lead_through_all_once_and_in_order(client: Client, lamp: int) -> None:
    rows = [[f"2026-04-01T{hour:02}:00:00Z", hour] for hour in range(23)]
    group = {"Datastream": {"@iot.id": 2}, "components": ["phenomenonTime", "result"], "dataArray": rows}
    assert client.post("/v1.1/CreateObservations", json=[group]).status_code == 201
    url = "/v1.1/Datastreams(2)/Observations?$orderby=result desc&$top=5&$count=true&$filter=result ne 7 and not (result eq 8)"
    results, pages = [], 0
    while url:
        page = client.get(url).json()
        assert page["@iot.count"] == 21
        results += [one["result"] for one in page["value"]]
        url, pages = page.get("@iot.nextLink", ""), pages + 1
    assert results == [hour for hour in range(22, -1, -1) if hour not in (7, 8)]
    assert pages == 5


def test_an_expanded_set_has_its_own_next_link(lit: Standing) -> None:
    thing = lit.client.json("Things(1)", expand="Datastreams($top=1;$select=name;$orderby=id desc)")
    assert [one for one in thing["Datastreams"]] == [{"name": "Presence at lamp 7"}]
    following = lit.client.get(thing["Datastreams@iot.nextLink"]).json()
    assert following["value"] == [{"name": "Light of lamp 7"}]
    assert "@iot.nextLink" not in following


def test_select_gives_what_was_selected_and_nothing_else(lit: Standing) -> None:
    (one,) = lit.client.json("Things", select="id,name,Datastreams")["value"]
    assert set(one) == {"@iot.id", "name", "Datastreams@iot.navigationLink"}


def test_single_properties_and_values_can_be_read(lit: Standing) -> None:
    assert lit.client.json("Things(1)/name") == {"name": "Lamp 7"}
    assert lit.client.get("/v1.1/Things(1)/name/$value").text == "Lamp 7"
    assert lit.client.json("Things(1)/properties/tags") == {"tags": {"owner": "city"}}
    assert lit.client.get("/v1.1/Things(1)/properties/height_m/$value").text == "6.5"
    assert lit.client.json("Datastreams(1)/unitOfMeasurement/symbol") == {"symbol": "%"}
    assert lit.client.get("/v1.1/Things(1)/properties/nothing").status_code == 404
    assert lit.client.get("/v1.1/Observations(2)/parameters").status_code == 204
    assert lit.client.get("/v1.1/Observations(2)/resultTime").json() == {"resultTime": None}
    assert lit.client.json("Things(1)/Datastreams/$ref")["value"][1] == {
        "@iot.selfLink": "http://city.test/v1.1/Datastreams(2)"
    }


def test_an_entity_without_properties_of_its_own_shows_none(client: Client, lamp: int) -> None:
    sensor = {"name": "Bare", "encodingType": "text/plain", "metadata": "m"}
    empty = client.create("Sensors", {**sensor, "properties": {}})
    one = client.create("Sensors", sensor)
    full = client.create("Sensors", {**sensor, "properties": {"legs": 3}})
    for number in (empty, one):  # zero-to-one (18-088, 8.2.5); 204 where there is no value (9.2.4)
        assert "properties" not in client.json(f"Sensors({number})")
        assert client.get(f"/v1.1/Sensors({number})/properties").status_code == 204
        assert client.get(f"/v1.1/Sensors({number})/properties/$value").status_code == 204
        assert client.json(f"Sensors({number})", select="properties") == {"properties": None}
    ids = {"select": "id", "orderby": "id"}
    found = client.json("Sensors", filter="name eq 'Bare' and properties eq null", **ids)["value"]
    assert [row["@iot.id"] for row in found] == [empty, one]
    found = client.json("Sensors", filter="name eq 'Bare' and properties ne null", **ids)["value"]
    assert [row["@iot.id"] for row in found] == [full]
    patch = json.dumps([{"op": "add", "path": "/properties/legs", "value": 4}])
    kind = {"content-type": "application/json-patch+json"}
    assert client.request("PATCH", f"/v1.1/Sensors({one})", content=patch, headers=kind).status_code == 200
    assert client.json(f"Sensors({one})")["properties"] == {"legs": 4}


def test_the_latest_is_the_newest_by_its_time_with_all_that_belongs_to_it(client: Client, lamp: int) -> None:
    sent = {
        "phenomenonTime": "2026-04-30T23:00:00Z/2026-04-30T23:10:00Z",
        "resultTime": "2026-04-30T23:11:00Z",
        "result": 12,
        "parameters": {"raw": 3},
        "resultQuality": "good",
        "validTime": "2026-05-01T00:00:00Z/2026-05-02T00:00:00Z",
    }
    newest = client.create("Datastreams(1)/Observations", sent)
    client.create("Datastreams(1)/Observations", {"phenomenonTime": "2026-04-29T23:00:00Z", "result": 1})
    latest = {"top": "1", "orderby": "phenomenonTime desc"}
    (one,) = client.json("Datastreams(1)/Observations", **latest)["value"]
    assert {name: one[name] for name in sent} == sent
    assert one["@iot.id"] == newest
    from_history = client.json("Datastreams(1)/Observations", **latest, filter="id gt 0")["value"]
    assert from_history == [one] == [client.json(f"Observations({newest})")]
    found = client.json("Datastreams", expand="Observations($top=1;$orderby=phenomenonTime desc)")["value"]
    assert [[inner["@iot.id"] for inner in stream["Observations"]] for stream in found] == [[newest], []]


def test_a_question_about_entities_sees_them_at_once_and_does_not_wait_for_observations(
    tmp_path: Any, clock: Any
) -> None:
    """History follows only when it is asked here: a question about entities must bring it as far as they need."""
    store = EmbeddedStore.open(tmp_path / "still", clock, follow=False)
    selector = Selector(store, store.history)
    asking = Client(create_api(ApiContext(store, CITY, Intake(store), selector)))
    try:
        for number in range(1, 4):
            made = asking.create("Things", {**LAMP, "name": f"Lamp {number}"})
            assert [one["@iot.id"] for one in asking.json("Things", filter=f"name eq 'Lamp {number}'")["value"]] == [
                made
            ]
            asking.create("Datastreams(1)/Observations", {"result": number, "phenomenonTime": "2026-05-01T10:00:00Z"})
            lag = store.history_lag()
            assert lag > 0
            inner = "Observations($top=1;$orderby=phenomenonTime desc)"
            (found,) = asking.json("Datastreams", filter="id eq 1", expand=inner)["value"]
            assert found["Observations"][0]["result"] == number
            assert store.history_lag() == lag  # nothing of it was needed
            results = [one["result"] for one in asking.json("Datastreams(1)/Observations")["value"]]
            assert results[-1] == number
            assert store.history_lag() == 0
            over_many = asking.json("Things", filter=f"Datastreams/Observations/result eq {number} and id eq 1")[
                "value"
            ]
            assert len(over_many) == 1
    finally:
        asking.close()
        selector.close()
        store.close()


def test_memory_and_history_agree_after_a_restart(
    client: Client, lamp: int, store: EmbeddedStore, make_context: Any
) -> None:
    client.create("Datastreams(2)/Observations", {"result": "wet", "phenomenonTime": "2026-04-30T23:00:00Z"})
    late = Selector(store, store.history)  # it has not heard the commits before
    reader = Client(create_api(make_context(select=late)))
    try:
        for asking in (client, reader):
            (one,) = asking.json("Datastreams(2)/Observations", top="1", orderby="phenomenonTime desc")["value"]
            assert one["result"] == "wet"
    finally:
        reader.close()
        late.close()


def test_the_newest_of_all_are_found_also_when_late_ones_came_last(client: Client, lamp: int) -> None:
    def send(*rows: list[Any]) -> None:
        group = {"Datastream": {"@iot.id": 2}, "components": ["phenomenonTime", "result"], "dataArray": list(rows)}
        assert client.post("/v1.1/CreateObservations", json=[group]).status_code == 201

    send(*([f"2026-04-{day:02}T00:00:00Z", day] for day in range(1, 29)))
    send(*([f"2020-01-{day:02}T00:00:00Z", -day] for day in range(1, 11)))
    for top in (1, 3, 5, 7, 30, 100):
        found = client.json("Observations", orderby="phenomenonTime desc", top=str(top))["value"]
        everything = client.json("Observations", top="1000")["value"]
        newest = sorted(everything, key=lambda one: one["phenomenonTime"], reverse=True)
        assert [one["phenomenonTime"] for one in found] == [one["phenomenonTime"] for one in newest][:top]


def test_results_of_any_sort_come_back_as_they_were_sent(client: Client, lamp: int) -> None:
    sent = [1, 2.5, -0.001, 10**15, "text", "", True, None, [1, 2], {"a": {"b": "ㄱ"}}]
    for at, result in enumerate(sent):
        client.create("Datastreams(2)/Observations", {"result": result, "phenomenonTime": f"2026-04-30T00:00:{at:02}Z"})
    found = client.json("Datastreams(2)/Observations", orderby="phenomenonTime")["value"]
    assert [one["result"] for one in found] == sent
    assert [client.json(f"Observations({one['@iot.id']})") for one in found] == found


@pytest.mark.parametrize(
    "path",
    ["Things(99)", "Observations(99)", "Observations(1)", "Things(1)/Datastreams(99)", "Datastreams(2)/Observations(2)",
     "Things(9223372036854775807)", "Observations(9223372036854775807)", "Nothing"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(lit: Standing, path: str) -> None:
    response = lit.client.get(f"/v1.1/{path}")
    assert response.status_code == 404, response.text
    assert response.json()["type"] == "error"


ATTACKS = [
    "' or 1=1 --",
    "'; drop table things; --",
    "1); delete from things; --",
    "$p0",
    "{}",
    "%s",
    "\\",
    "\x00",
    'name" from things; --',
    "read_csv('/etc/passwd')",
    "../../etc/passwd",
]


@pytest.mark.parametrize(
    ("option", "attack"),
    list(itertools.product(["$filter", "$orderby", "$select", "$expand", "$top", "$skip", "$count"], ATTACKS)),
)
def test_sql_in_an_option_is_refused(lit: Standing, option: str, attack: str) -> None:
    response = lit.client.get("/v1.1/Things", params={option: attack})
    assert response.status_code == 400, response.text
    assert lit.client.json("Things", count="true")["@iot.count"] == 1


@pytest.mark.parametrize("attack", ATTACKS)
def test_sql_in_a_quoted_text_is_only_a_text(client: Client, attack: str) -> None:
    client.create("Things", {"name": attack, "properties": {"a": attack}})
    quoted = "'" + attack.replace("'", "''") + "'"
    for condition in (
        f"name eq {quoted}",
        f"properties/a eq {quoted}",
        f"startswith(name,{quoted})",
        f"name in ({quoted})",
    ):
        assert [one["name"] for one in client.json("Things", filter=condition)["value"]] == [attack]
    assert client.get("/v1.1/Things(1)/" + "'; drop table things").status_code == 404


def test_what_would_cost_too_much_is_bounded(
    store: EmbeddedStore, make_context: Any, client: Client, lamp: int
) -> None:
    small = Selector(store, store.history, Limits(default_top=1, max_top=2, max_rows=3))
    bounded = Client(create_api(make_context(select=small)))
    try:
        for number in range(4):
            client.create("Things", {"name": f"t{number}"})
        page = bounded.json("Things", top="1000000")
        assert len(page["value"]) == 2
        assert len(bounded.get(page["@iot.nextLink"]).json()["value"]) == 2
        response = bounded.get(
            "/v1.1/Datastreams?$expand=Observations($top=2),Thing($expand=Datastreams($top=2))&$top=2"
        )
        assert response.status_code == 400
        assert "more than 3 entities" in response.json()["message"]
    finally:
        bounded.close()
        small.close()


def test_a_question_that_takes_too_long_is_stopped_and_said_so(
    store: EmbeddedStore, make_context: Any, lamp: int, client: Client
) -> None:
    for _ in range(3):
        rows = [[f"2026-04-01T00:00:{i % 60:02}.{i // 60:03}Z", i] for i in range(20_000)]
        group = {"Datastream": {"@iot.id": 2}, "components": ["phenomenonTime", "result"], "dataArray": rows}
        client.post("/v1.1/CreateObservations", json=[group])
    hasty = Selector(store, store.history, Limits(slowest_s=0.001))
    asking = Client(create_api(make_context(select=hasty)))
    try:
        steps = "Datastream/Thing/Datastreams/Observations"
        response = asking.get(
            "/v1.1/Observations", params={"$filter": f"{steps}/result mul {steps}/result lt -1", "$count": "true"}
        )
        assert response.status_code == 503, response.text
        assert "takes longer than" in response.json()["message"]
        assert response.headers["retry-after"] == "1"
        assert asking.json("Things(1)")["@iot.id"] == 1
    finally:
        asking.close()
        hasty.close()


def test_get_is_open_to_pages_of_others(lit: Standing) -> None:
    assert lit.client.get("/v1.1/Things").headers["access-control-allow-origin"] == "*"
    preflight = lit.client.request("OPTIONS", "/v1.1/Things")
    assert (preflight.status_code, preflight.headers["access-control-allow-methods"]) == (204, "GET, HEAD, OPTIONS")


def test_a_host_header_that_is_none_is_not_repeated(lit: Standing) -> None:
    response = lit.client.get("/v1.1/Things(1)", headers={"host": 'evil"<script>'})
    assert "<script" not in response.text


def test_what_is_expanded_has_its_own_address_and_no_further_links(lit: Standing) -> None:
    thing = lit.client.json("Things(1)", expand="Datastreams($expand=Sensor;$select=name,Sensor),Locations")
    assert thing["Datastreams@iot.navigationLink"] == thing["@iot.selfLink"] + "/Datastreams"
    (place,) = thing["Locations"]
    assert place["@iot.selfLink"].endswith(f"/Locations({place['@iot.id']})")
    assert not [name for name in place if name.endswith("@iot.navigationLink")]
    stream = thing["Datastreams"][0]
    assert set(stream) == {"name", "Sensor@iot.navigationLink", "Sensor"}  # a link that was selected is there
