"""What clients write: days for times, intervals with a length, quoted times, parts of objects; against values worked out
by hand."""

from typing import Any

import pytest
from tests.api.conftest import Client, Standing

HOURS = [0, 6, 12, 18]
PLACE = {"name": "p", "encodingType": "application/geo+json", "location": {"type": "Point", "coordinates": [1, 2]}}


@pytest.fixture(scope="module")
def days(standing: Standing) -> Client:
    """Observations 2 to 9 of two days, every six hours: results 0 to 7."""
    standing.client.create("Things", {"name": "Thing", "Locations": [PLACE], "Datastreams": [{
        "name": "stream",
        "unitOfMeasurement": {"name": None, "symbol": None, "definition": None},
        "Sensor": {"name": "sensor", "encodingType": "text/plain", "metadata": "m"},
        "ObservedProperty": {"name": "property", "definition": "https://example.org/p"},
        "Observations": [
            {"phenomenonTime": f"2026-04-{day}T{hour:02}:00:00Z", "result": 4 * at + HOURS.index(hour)}
            for at, day in enumerate((29, 30)) for hour in HOURS
        ],
    }]})  # fmt: skip
    return standing.client


@pytest.mark.parametrize(
    ("condition", "results"),
    [
        ("phenomenonTime ge 2026-04-30", [4, 5, 6, 7]),
        ("phenomenonTime gt 2026-04-30", [5, 6, 7]),
        ("phenomenonTime lt 2026-04-30", [0, 1, 2, 3]),
        ("phenomenonTime eq 2026-04-30", [4]),
        ("2026-04-30 le phenomenonTime", [4, 5, 6, 7]),
        ("phenomenonTime ge '2026-04-30T12:00:00Z'", [6, 7]),
        ("phenomenonTime ge date(now()) sub duration'P1D'", [4, 5, 6, 7]),
        ("during(phenomenonTime,2026-04-29)", [0, 1, 2, 3]),
        ("overlaps(phenomenonTime,2026-04-30)", [4, 5, 6, 7]),
        ("after(phenomenonTime,2026-04-29)", [4, 5, 6, 7]),
        ("during(phenomenonTime,2026-04-29T06:00:00Z/PT6H)", [1]),
        ("during(phenomenonTime,PT6H/2026-04-29T06:00:00Z)", [0]),
        ("during(phenomenonTime,'2026-04-29T06:00:00Z/2026-04-29T12:00:00Z')", [1]),
        ("phenomenonTime ge 2026-04-30T15:00:00+03:00", [6, 7]),
        ("phenomenonTime sub 2026-04-29T00:00:00Z gt duration'PT6H' mul 5", [6, 7]),
        ("phenomenonTime sub 2026-04-29T00:00:00Z lt duration'P1D' div 2", [0, 1]),
        ("phenomenonTime add duration'PT1H' gt 2026-04-30T18:00:00Z", [7]),
        ("phenomenonTime add duration'P36000000D' gt now()", list(range(8))),
        ("time(phenomenonTime) ge 12:00:00", [2, 3, 6, 7]),
        ("result lt .5", [0]),
        ("result mul .5 eq 1.5", [3]),
    ],
)
def test_times_and_numbers_as_clients_write_them(days: Client, condition: str, results: list[int]) -> None:
    found = days.json("Observations", filter=condition, count="true", orderby="id")
    assert ([one["result"] for one in found["value"]], found["@iot.count"]) == (results, len(results))
    page = days.get(
        "/v1.1/Observations", params={"$filter": condition, "$orderby": "id", "$top": "1"}
    ).json()  # the same condition, written out in the address of the next page
    seen = [one["result"] for one in page["value"]]
    while "@iot.nextLink" in page:
        page = days.get(page["@iot.nextLink"]).json()
        seen += [one["result"] for one in page["value"]]
    assert seen == results


def test_a_plus_that_came_as_a_space_is_a_plus(days: Client) -> None:
    for sign in ("+", "%2B", "%20"):
        found = days.get(f"/v1.1/Observations?$filter=phenomenonTime%20ge%202026-04-30T15:00:00{sign}03:00").json()
        assert [one["result"] for one in found["value"]] == [6, 7]


@pytest.mark.parametrize(
    "condition",
    [
        "during(phenomenonTime,2026-04-30T00:00:00Z/2026-04-29T00:00:00Z)",
        "during(phenomenonTime,2026-04-30T00:00:00Z/PT)",
        "during(phenomenonTime,2026-04-30T00:00:00Z/-PT1H)",
        "phenomenonTime gt 2026-02-31",
        "phenomenonTime gt 'soon'",
        "time(phenomenonTime) gt 2026-04-30",
        "duration'PT1H' mul duration'PT1H' gt duration'PT1H'",
    ],
)
def test_what_is_no_time_is_refused(days: Client, condition: str) -> None:
    response = days.get("/v1.1/Observations", params={"$filter": condition})
    assert response.status_code == 400, response.text
    assert response.json()["message"].startswith("$filter")


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("properties/kind", {"properties": {"kind": "street_lamp"}}),
        ("name,properties/tags/owner,properties/kind",
         {"name": "Lamp 7", "properties": {"kind": "street_lamp", "tags": {"owner": "city"}}}),
        ("properties/nothing/inside", {"properties": {"nothing": {"inside": None}}}),
        ("@iot.id,@iot.selfLink", {"@iot.id": 1, "@iot.selfLink": "http://city.test/v1.1/Things(1)"}),
    ],
)  # fmt: skip
def test_parts_of_objects_can_be_selected(client: Client, lamp: int, select: str, expected: dict[str, Any]) -> None:
    assert client.json("Things", select=select)["value"] == [expected]
    assert client.json("Things(1)", select=select) == expected
    (stream,) = client.json("Datastreams", filter="id eq 1", expand=f"Thing($select={select})", select="id")["value"]
    assert stream == {"@iot.id": 1, "Thing": expected}


def test_a_whole_object_beside_its_part_stays_whole(client: Client, lamp: int) -> None:
    whole = client.json("Things(1)", select="properties")
    assert client.json("Things(1)", select="properties,properties/kind") == whole
    assert client.json("Things(1)", select="properties/kind,properties") == whole


@pytest.mark.parametrize("select", ["name/first", "properties/", "selfLink/x", "nothing/inside", "Datastreams/name"])
def test_what_has_no_parts_is_refused(client: Client, lamp: int, select: str) -> None:
    assert client.get("/v1.1/Things", params={"$select": select}).status_code == 400
