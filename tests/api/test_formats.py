"""Data arrays, CSV and GeoJSON."""

import csv
import io
import json
from typing import Any

import pytest
from tests.api.conftest import LAMP, Client

from dongne.model.entities import OM_MEASUREMENT
from dongne.stores.embedded.select import Limits, Selector


def test_a_data_array_says_names_once_and_rows_by_datastream(client: Client, lamp: int) -> None:
    plain = client.json("Observations", orderby="id")["value"]
    found = client.json("Observations", orderby="id", resultFormat="dataArray", count="true")
    assert found["@iot.count"] == len(plain)
    (group,) = found["value"]
    assert group["Datastream@iot.navigationLink"] == "http://city.test/v1.1/Datastreams(1)"
    rows = [dict(zip(group["components"], row, strict=True)) for row in group["dataArray"]]
    assert [(row["id"], row["result"]) for row in rows] == [(one["@iot.id"], one["result"]) for one in plain]
    assert group["dataArray@iot.count"] == len(plain)
    chosen = client.json(
        "Datastreams(1)/Observations", resultFormat="dataArray", select="result,phenomenonTime", top="1"
    )
    assert chosen["value"][0]["components"] == ["result", "phenomenonTime"]
    assert set(group) == {"Datastream@iot.navigationLink", "components", "dataArray@iot.count", "dataArray"}
    assert set(group["components"]) == {
        "id", "phenomenonTime", "resultTime", "result", "resultQuality", "validTime", "parameters",
    }  # fmt: skip
    assert "resultFormat=dataArray" in chosen["@iot.nextLink"]


def test_a_data_array_goes_far_beyond_a_page(client: Client, lamp: int) -> None:
    rows = [[f"2026-03-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z", n % 100] for n in range(25_000)]
    body = [{"Datastream": {"@iot.id": 1}, "components": ["phenomenonTime", "result"], "dataArray": rows}]
    assert client.post("/v1.1/CreateObservations", json=body).status_code == 201
    found = client.json("Datastreams(1)/Observations", resultFormat="dataArray")
    assert found["value"][0]["dataArray@iot.count"] == 25_002
    assert "@iot.nextLink" not in found


SENT = 1_000


@pytest.fixture
def many(client: Client, selector: Selector, lamp: int) -> list[int]:
    """Observations of two Datastreams and a MultiDatastream, far more than are read at once; their ids."""
    selector.limits = Limits(slice_rows=90, slice_rows_expanded=20)
    multi = {
        "name": "M", "unitOfMeasurements": [{"name": "a"}], "multiObservationDataTypes": [OM_MEASUREMENT],
        "Thing": {"@iot.id": lamp}, "Sensor": {"@iot.id": 1}, "ObservedProperties": [{"@iot.id": 1}],
    }  # fmt: skip
    client.create("MultiDatastreams", multi)
    rows = [[f"2026-03-01T00:{n // 60:02}:{n % 60:02}Z", (n * 37) % 101] for n in range(SENT)]
    body: list[dict[str, Any]] = [
        {"Datastream": {"@iot.id": n % 2 + 1}, "components": ["phenomenonTime", "result"], "dataArray": [row]}
        for n, row in enumerate(rows)
    ]
    body.append({"MultiDatastream": {"@iot.id": 3}, "components": ["phenomenonTime", "result"],
                 "dataArray": [[time, [result]] for time, result in rows[:5]]})  # fmt: skip
    answer = client.post("/v1.1/CreateObservations", json=body)
    assert answer.status_code == 201
    sent = [int(link.rpartition("(")[2].rstrip(")")) for link in answer.json()]
    return sorted([*sent, *(one["@iot.id"] for one in client.json("Observations", orderby="id", top="2")["value"])])


@pytest.mark.parametrize("orderby", ["", "result desc", "phenomenonTime,result desc", "resultTime desc", "validTime"])
def test_a_long_data_array_has_every_row_once_and_each_datastream_once(
    client: Client, many: list[int], orderby: str
) -> None:
    options = {"resultFormat": "dataArray", "count": "true", **({"orderby": orderby} if orderby else {})}
    found = client.json("Observations", **options)
    assert found["@iot.count"] == len(many)
    links = [next(iter(group)) + group[next(iter(group))].rpartition("/")[2] for group in found["value"]]
    assert sorted(links) == [
        "Datastream@iot.navigationLinkDatastreams(1)",
        "Datastream@iot.navigationLinkDatastreams(2)",
        "MultiDatastream@iot.navigationLinkMultiDatastreams(3)",
    ]
    rows = [dict(zip(group["components"], row, strict=True)) for group in found["value"] for row in group["dataArray"]]
    assert sorted(row["id"] for row in rows) == many
    assert [group["dataArray@iot.count"] for group in found["value"]] == [len(g["dataArray"]) for g in found["value"]]
    if orderby == "result desc":
        for group in found["value"][:2]:
            results = [row[group["components"].index("result")] for row in group["dataArray"]]
            assert results == sorted(results, reverse=True)


def test_the_other_forms_have_every_row_once_too(client: Client, many: list[int]) -> None:
    options = {"$orderby": "result,id desc"}
    answer = client.get("/v1.1/Observations", params={"$resultFormat": "CSV", **options})
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert sorted(int(line["id"]) for line in lines) == many
    assert lines[-1]["other"] == ""
    plain = client.json("Observations", orderby="result,id desc", top="10000")["value"]
    assert [int(line["id"]) for line in lines] == [one["@iot.id"] for one in plain]
    geo = client.get(
        "/v1.1/Observations", params={"$resultFormat": "GeoJSON", "$expand": "FeatureOfInterest", **options}
    )
    features = geo.json()["features"]
    assert [one["id"] for one in features] == [one["@iot.id"] for one in plain]
    top = client.get("/v1.1/Observations", params={"$resultFormat": "GeoJSON", "$top": "200"}).json()
    following = client.get(top["@iot.nextLink"]).json()
    assert sorted(one["id"] for one in (*top["features"], *following["features"])) == many[:400]


def test_columns_that_come_late_are_kept(client: Client, many: list[int]) -> None:
    late = {"result": 5, "phenomenonTime": "2026-04-20T00:00:00Z", "parameters": {"by": "hand"}}
    made = client.create("Datastreams(1)/Observations", late)
    answer = client.get("/v1.1/Observations", params={"$resultFormat": "CSV", "$orderby": "id"})
    last = list(csv.DictReader(io.StringIO(answer.text)))[-1]
    assert (int(last["id"]), json.loads(last["other"])) == (made, {"parameters/by": "hand"})


def test_what_is_read_page_by_page_does_not_move_when_more_comes(client: Client, many: list[int]) -> None:
    seen: list[int] = []
    newer = 0
    page = client.json("Observations", orderby="phenomenonTime desc", top="100", count="true", select="id")
    while True:
        seen += [one["@iot.id"] for one in page["value"]]
        assert page["@iot.count"] == len(many)
        if "@iot.nextLink" not in page:
            break
        newer += 1
        client.create("Datastreams(1)/Observations", {"result": newer})  # the newest of all
        page = client.get(page["@iot.nextLink"]).json()
    assert sorted(seen) == many


def test_csv_has_a_column_for_each_way_into_an_entity(client: Client, lamp: int) -> None:
    answer = client.get("/v1.1/Things", params={"$resultFormat": "CSV", "$expand": "Datastreams"})
    assert answer.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["id"] == str(lamp)
    assert row["properties/kind"] == LAMP["properties"]["kind"]
    assert row["Datastreams/0/name"] == LAMP["Datastreams"][0]["name"]


def test_geojson_has_the_geometry_of_the_place(client: Client, lamp: int) -> None:
    answer = client.get("/v1.1/Things", params={"$resultFormat": "GeoJSON", "$expand": "Locations"})
    assert answer.headers["content-type"] == "application/geo+json"
    (feature,) = answer.json()["features"]
    assert feature["geometry"] == LAMP["Locations"][0]["location"]
    assert feature["properties"]["name"] == LAMP["name"]
    (place,) = client.get("/v1.1/Locations", params={"$resultFormat": "GeoJSON"}).json()["features"]
    assert place["geometry"] == LAMP["Locations"][0]["location"]


def test_a_form_that_is_not_there_is_refused(client: Client, lamp: int) -> None:
    for path, form in (("Things", "dataArray"), ("Things", "xml"), ("Observations", "")):
        answer = client.get(f"/v1.1/{path}", params={"$resultFormat": form})
        assert (answer.status_code, "$resultFormat" in answer.json()["message"]) == (400, True)
