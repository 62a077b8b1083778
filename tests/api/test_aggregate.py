"""Means by interval against the same computed row by row."""

import csv
import io
import statistics
from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.api.conftest import LAMP, Client, Standing

from dongne.methods.intervals import Grouping, Interval, bounds, parse_interval, slot_of
from dongne.model.times import parse_instant, to_us
from dongne.stores.embedded.select import Selector

HOUR_US = 3_600_000_000


def test_hourly_columns_are_those_of_the_rows(client: Client, lamp: int, selector: Selector) -> None:
    chance = np.random.default_rng(5)
    expected: dict[tuple[int, int], list[float]] = defaultdict(list)
    start, end = to_us(parse_instant("2026-04-01T00:00:00Z")), to_us(parse_instant("2026-04-03T00:00:00Z"))
    groups: list[dict[str, Any]] = []
    for stream in (1, 2):
        rows: list[list[Any]] = []
        for minute in chance.choice(4 * 24 * 60, 300, replace=False).tolist():
            us = start - 24 * HOUR_US + minute * 60_000_000
            value = round(float(chance.uniform(0, 100)), 2)
            stamp = np.datetime64(us, "us").astype("M8[s]").item().isoformat() + "Z"
            rows.append([stamp, value])
            if start <= us < end:
                expected[stream, us // HOUR_US * HOUR_US].append(value)
        groups.append(
            {"Datastream": {"@iot.id": stream}, "components": ["phenomenonTime", "result"], "dataArray": rows}
        )
    assert client.post("/v1.1/CreateObservations", json=groups).status_code == 201
    client.create("Datastreams(2)/Observations", {"result": "not a number", "phenomenonTime": "2026-04-01T00:10:00Z"})
    for streams in ([1], [2, 1], [1, 2, 99]):
        grouping = Grouping(Interval(seconds=3_600), ZoneInfo("UTC"), ("n", "mean", "min", "max"))
        found = selector.by_interval(streams, start, end, grouping, 1_000).to_pylist()
        wanted = sorted(key for key in expected if key[0] in streams)
        assert [(row["datastream"], to_us(row["start"])) for row in found] == wanted
        for row, key in zip(found, wanted, strict=True):
            values = expected[key]
            assert (row["n"], row["min"], row["max"]) == (len(values), min(values), max(values))
            assert abs(row["mean"] - sum(values) / len(values)) < 1e-9


DAYS = [
    ("Europe/Helsinki", "2026-03-27T00:00:00Z"), ("Europe/Helsinki", "2025-10-24T00:00:00Z"),
    ("Asia/Seoul", "2026-03-27T00:00:00Z"), ("Pacific/Auckland", "2026-04-03T00:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-03T00:00:00Z"), ("Asia/Kathmandu", "2026-01-01T00:00:00Z"),
    ("America/New_York", "2025-10-31T00:00:00Z"),
]  # fmt: skip


def rows_from(first: str) -> list[tuple[str, int]]:
    """An Observation every seven minutes of five days."""
    start = parse_instant(first)
    return [
        ((start + timedelta(minutes=7 * n)).isoformat().replace("+00:00", "Z"), n % 97) for n in range(5 * 24 * 60 // 7)
    ]


@pytest.fixture(scope="module")
def counted(lit: Standing) -> dict[str, int]:
    """Datastreams with the rows of these days, by their first."""
    found = {}
    for first in sorted({first for _, first in DAYS}):
        thing = lit.client.create("Things", {**LAMP, "name": first, "Datastreams": []})
        light = {name: value for name, value in LAMP["Datastreams"][0].items() if name != "Observations"}
        found[first] = lit.client.create(f"Things({thing})/Datastreams", light)
        rows = {"components": ["phenomenonTime", "result"], "dataArray": rows_from(first)}
        group = {"Datastream": {"@iot.id": found[first]}, **rows}
        assert lit.client.post("/v1.1/CreateObservations", json=[group]).status_code == 201
    return found


@pytest.mark.parametrize(("zone", "first"), DAYS)
@pytest.mark.parametrize("interval", ["PT15M", "PT1H", "PT6H", "P1D", "P1W", "P1M", "P1Y"])
def test_intervals_are_those_of_the_local_calendar(
    lit: Standing, counted: dict[str, int], zone: str, first: str, interval: str
) -> None:
    """Against a loop that asks zoneinfo about every Observation."""
    if (zone, interval) == ("Australia/Lord_Howe", "PT1H"):
        pytest.skip("its clocks change by half an hour: one hour of the year is cut in two")
    rows, end = rows_from(first), parse_instant(first) + timedelta(days=5)
    params = {"datastream": str(counted[first]), "interval": interval, "zone": zone, "values": "n,sum,min,max,first,last,p50,stddev,mean",
              "from": first, "to": end.isoformat().replace("+00:00", "Z")}  # fmt: skip
    answer = lit.client.get("/api/aggregates", params=params)
    assert answer.status_code == 200, answer.text
    expected: dict[str, list[int]] = {}
    for text, value in rows:
        expected.setdefault(local_start(parse_instant(text).astimezone(ZoneInfo(zone)), interval), []).append(value)
    found = answer.json()["value"]
    assert [row["start"] for row in found] == list(expected)
    for row, values in zip(found, expected.values(), strict=True):
        assert (row["n"], row["sum"], row["min"], row["max"]) == (len(values), sum(values), min(values), max(values))
        assert (row["first"], row["last"]) == (values[0], values[-1])
        assert row["p50"] == statistics.median(values)
        assert row["mean"] == pytest.approx(statistics.fmean(values))
        if len(values) > 1:
            assert row["stddev"] == pytest.approx(statistics.stdev(values))
    for row, after in pairwise(found):
        if interval in ("PT1H", "P1D"):
            assert row["end"] == after["start"]


def local_start(local: datetime, interval: str) -> str:
    """The beginning of the interval by the local clock alone."""
    if interval in ("PT15M", "PT1H"):
        step = 15 if interval == "PT15M" else 60
        return local.replace(minute=local.minute // step * step, second=0).isoformat()
    day = local.replace(hour=0, minute=0, second=0, fold=0)
    match interval:
        case "PT6H":
            begin = day.replace(hour=local.hour // 6 * 6)
        case "P1D":
            begin = day
        case "P1W":
            begin = day - timedelta(days=local.weekday())
        case "P1M":
            begin = day.replace(day=1)
        case _:
            begin = day.replace(day=1, month=1)
    return begin.isoformat()


def test_a_local_day_has_23_or_25_hours(client: Client, lamp: int) -> None:
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)):
        zone = ZoneInfo("Europe/Helsinki")
        begin = datetime.fromisoformat(day).replace(tzinfo=zone)
        slot, _ = slot_of(parse_interval("P1D"), to_us(begin), zone)
        start_us, end_us = bounds(parse_interval("P1D"), slot, 0, zone)
        assert (end_us - start_us) / HOUR_US == hours


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"interval": "P1D"}, "say which Datastreams"),
        ({"datastream": "1"}, "say the interval"),
        ({"datastream": "1", "interval": "PT7H"}, "does not divide the day"),
        ({"datastream": "1", "interval": "PT0S"}, "does not divide"),
        ({"datastream": "1", "interval": "P1D", "values": "mean,drop table"}, "there is no value 'drop table'"),
        ({"datastream": "1", "interval": "P1D", "zone": "../../etc/passwd"}, "there is no zone"),
        ({"datastream": "1;2", "interval": "P1D"}, "is not an id"),
        ({"datastream": "99", "interval": "P1D"}, "there is no Datastream 99"),
        ({"datastream": "1", "interval": "P1D", "format": "xls"}, "there is no format"),
        ({"datastream": "1", "interval": "P1D", "color": "red"}, "there is no option"),
        ({"datastream": "1", "interval": "P1D", "from": "2026-05-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}, "swap"),
    ],
)
def test_what_is_wrong_is_named(lit: Standing, params: dict[str, str], says: str) -> None:
    answer = lit.client.get("/api/aggregates", params=params)
    assert answer.status_code in (400, 404)
    assert says in answer.json()["message"]


def test_intervals_without_numbers_are_filled_where_asked(client: Client, lamp: int) -> None:
    params = {"datastream": "1,2", "interval": "PT1H", "zone": "UTC", "values": "n,mean,sum", "fill": "null",
              "from": "2026-04-30T19:30:00Z", "to": "2026-04-30T23:00:00Z"}  # fmt: skip
    rows = client.get("/api/aggregates", params=params).json()["value"]
    found = [(row["datastream"], row["start"][11:13], row["n"], row["mean"]) for row in rows]
    assert found == [
        (1, "19", 0, None), (1, "20", 1, 30), (1, "21", 1, 80.5), (1, "22", 0, None),
        (2, "19", 0, None), (2, "20", 0, None), (2, "21", 0, None), (2, "22", 0, None),
    ]  # fmt: skip
    plain = client.get("/api/aggregates", params={n: v for n, v in params.items() if n != "fill"}).json()["value"]
    assert plain == [row for row in rows if row["n"]]


def test_what_is_no_number_is_counted_apart(client: Client, lamp: int) -> None:
    for minute, result in enumerate(("open", "shut", 4)):
        body = {"result": result, "phenomenonTime": f"2026-04-30T21:0{minute}:00Z"}
        client.create("Datastreams(2)/Observations", body)
    params = {
        "datastream": "2",
        "interval": "PT1H",
        "values": "n,mean,not_numbers",
        "from": "2026-04-30",
        "to": "2026-04-30",
    }
    (row,) = client.get("/api/aggregates", params=params).json()["value"]
    assert (row["n"], row["mean"], row["not_numbers"]) == (1, 4, 2)


def test_days_are_those_of_the_zone_and_whole(client: Client, lamp: int) -> None:
    """The second Observation is of 2026-05-01 in Seoul."""
    params = {"datastream": "1", "interval": "P1D", "values": "n", "from": "2026-05-01", "to": "2026-05-01"}
    assert client.get("/api/aggregates", params={**params, "zone": "UTC"}).json()["value"] == []
    (row,) = client.get("/api/aggregates", params={**params, "zone": "Asia/Seoul"}).json()["value"]
    assert (row["start"], row["end"], row["n"]) == ("2026-05-01T00:00:00+09:00", "2026-05-02T00:00:00+09:00", 2)


def test_the_forms_hold_the_same_rows(client: Client, lamp: int) -> None:
    params = {"datastream": "1", "interval": "P1D", "zone": "Asia/Seoul", "values": "n,mean,p50,stddev",
              "from": "2026-04-01", "to": "2026-05-01"}  # fmt: skip
    document = client.get("/api/aggregates", params=params).json()
    assert (document["zone"], document["datastreams"][0]["unit"]) == ("Asia/Seoul", "%")
    for form in ("arrow", "parquet", "csv"):
        answer = client.get("/api/aggregates", params={**params, "format": form})
        if form == "csv":
            lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
            rows: list[Any] = [
                {"start": row["start"], **{name: float(row[name]) for name in ("n", "mean", "p50", "stddev")}}
                for row in csv.DictReader(lines)
            ]
        else:
            stream = io.BytesIO(answer.content)
            table = pa.ipc.open_stream(stream).read_all() if form == "arrow" else pyarrow.parquet.read_table(stream)
            assert table.schema.metadata[b"zone"] == b"Asia/Seoul"
            rows = [{**row, "start": row["start"].isoformat()} for row in table.to_pylist()]
        assert [(row["start"], row["n"], row["mean"], row["p50"], row["stddev"]) for row in rows] == [
            (row["start"], row["n"], row["mean"], row["p50"], row["stddev"]) for row in document["value"]
        ]


def test_more_rows_than_are_answered_is_a_clear_refusal(client: Client, lamp: int) -> None:
    params = {"datastream": "1", "interval": "PT1S", "fill": "null", "from": "2025-01-01", "to": "2026-01-01"}
    answer = client.get("/api/aggregates", params=params)
    assert answer.status_code == 400
    assert "more than 1000000 intervals" in answer.json()["message"]


def test_what_is_personal_is_not_summed_up(client: Client, lamp: int) -> None:
    closed = {"properties": {"access": "personal"}}
    assert client.request("PATCH", "/v1.1/Datastreams(1)", json=closed).status_code == 200
    for name in ("aggregates", "latest", "observations"):
        more = {"interval": "P1D"} if name == "aggregates" else {}
        answer = client.get(f"/api/{name}", params={"datastream": "1", **more})
        assert (answer.status_code, answer.json()["message"]) == (404, "there is no Datastream 1")
        for choice in ({"thing": str(lamp)}, {"kind": "street_lamp"}, {"property": "light_level,anything"}):
            answer = client.get(f"/api/{name}", params={**choice, **more, "format": "json"})
            assert "light_level" not in answer.text, answer.text
            assert '"datastream":1,' not in answer.text
    assert client.request("PATCH", f"/v1.1/Things({lamp})", json=closed).status_code == 200
    answer = client.get("/api/latest", params={"thing": str(lamp)})
    assert (answer.status_code, answer.json()["message"]) == (404, f"there is no Thing {lamp}")
