"""The newest of many in one answer."""

import csv
import io

import pyarrow as pa
from tests.api.conftest import LAMP, NOW, Client, StandingClock

from dongne.model.times import parse_instant


def test_each_datastream_has_one_row_with_age_unit_and_place(client: Client, lamp: int) -> None:
    document = client.get("/api/latest", params={"thing": str(lamp)}).json()
    first, second = document["value"]
    newest = client.json("Datastreams(1)/Observations", orderby="phenomenonTime desc", top="1")["value"][0]
    assert (first["id"], first["result"], first["phenomenonTime"]) == (
        newest["@iot.id"], newest["result"], newest["phenomenonTime"],
    )  # fmt: skip
    assert first["age_s"] == (NOW - parse_instant("2026-04-30T21:00:00Z")).total_seconds()
    assert (first["name"], first["property"], first["unit"]) == ("Lamp 7", "light_level", "%")
    assert first["position"] == LAMP["Locations"][0]["location"]["coordinates"]
    assert (second["id"], second["phenomenonTime"], second["age_s"], second["result"]) == (None, None, None, None)


def test_results_that_are_no_numbers_are_there_too(client: Client, lamp: int) -> None:
    client.create(
        "Datastreams(2)/Observations", {"result": {"state": "open"}, "phenomenonTime": "2026-04-30T21:00:00Z"}
    )
    (row,) = client.get("/api/latest", params={"datastream": "2"}).json()["value"]
    assert row["result"] == {"state": "open"}
    lines = client.get("/api/latest", params={"datastream": "2", "format": "csv"}).text.splitlines()
    (told,) = csv.DictReader(line for line in lines if not line.startswith("#"))
    assert (told["result"], told["other"]) == ("", '{"state":"open"}')


def test_the_forms_hold_the_same(client: Client, lamp: int) -> None:
    rows = client.get("/api/latest", params={"kind": "street_lamp"}).json()["value"]
    collection = client.get("/api/latest", params={"kind": "street_lamp", "format": "geojson"})
    assert collection.headers["content-type"] == "application/geo+json"
    features = collection.json()["features"]
    assert [feature["properties"]["result"] for feature in features] == [row["result"] for row in rows]
    assert features[0]["geometry"] == LAMP["Locations"][0]["location"]
    arrow = client.get("/api/latest", params={"kind": "street_lamp", "format": "arrow"}).content
    table = pa.ipc.open_stream(io.BytesIO(arrow)).read_all()
    assert table["result"].to_pylist() == [row["result"] for row in rows]
    assert table["lon"].to_pylist() == [24.94, 24.94]


def test_whoever_has_it_already_is_told_so(client: Client, lamp: int, clock: StandingClock) -> None:
    first = client.get("/api/latest", params={"thing": str(lamp)})
    again = {"params": {"thing": str(lamp)}, "headers": {"If-None-Match": first.headers["etag"]}}
    assert client.get("/api/latest", **again).status_code == 304
    client.create("Datastreams(1)/Observations", {"result": 31, "phenomenonTime": "2026-05-01T11:00:00Z"})
    newer = client.get("/api/latest", **again)
    assert (newer.status_code, newer.json()["value"][0]["result"]) == (200, 31)
    assert newer.headers["etag"] != first.headers["etag"]


def test_what_is_not_there_is_said(client: Client, lamp: int) -> None:
    for params, status, says in (
        ({}, 400, "say which Datastreams"),
        ({"datastream": "99"}, 404, "there is no Datastream 99"),
        ({"thing": "99"}, 404, "there is no Thing 99"),
        ({"thing": "1", "format": "xml"}, 400, "there is no format 'xml' here"),
        ({"thing": "1", "interval": "P1D"}, 400, "there is no option 'interval'"),
    ):
        answer = client.get("/api/latest", params=params)
        assert (answer.status_code, says in answer.json()["message"]) == (status, True)
    assert client.get("/api/nothing").status_code == 404
    assert client.get("/api/latest", params={"property": "nobody_has_this"}).json()["value"] == []
