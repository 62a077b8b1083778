"""Data arrays, CSV and GeoJSON."""

import csv
import io

from tests.api.conftest import LAMP, Client


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
    assert "resultFormat=dataArray" in chosen["@iot.nextLink"]


def test_a_data_array_goes_far_beyond_a_page(client: Client, lamp: int) -> None:
    rows = [[f"2026-03-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z", n % 100] for n in range(25_000)]
    body = [{"Datastream": {"@iot.id": 1}, "components": ["phenomenonTime", "result"], "dataArray": rows}]
    assert client.post("/v1.1/CreateObservations", json=body).status_code == 201
    found = client.json("Datastreams(1)/Observations", resultFormat="dataArray")
    assert found["value"][0]["dataArray@iot.count"] == 25_002
    assert "@iot.nextLink" not in found


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
