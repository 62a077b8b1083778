"""All Observations of a range as a file, made while it is sent."""

import asyncio
import csv
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.api.conftest import Client

from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.model.times import parse_instant, to_us
from dongne.runtime.ports import Entry, Lane, Transaction
from dongne.stores.embedded import EmbeddedStore
from dongne.web.api import ApiContext, create_api
from dongne.web.api.context import Asgi
from dongne.web.api.data import observations

FORMS = ("json", "csv", "parquet", "arrow")
ALL = {"from": "2026-01-01", "to": "2026-12-31"}
SAID = {"properties": {"licence": "CC-BY-4.0", "attribution": "City of Test", "simulated": True}}


def rows_of(content: bytes, form: str) -> list[dict[str, Any]]:
    """The rows of a file, as whoever gets it would read it."""
    match form:
        case "json":
            return list(json.loads(content)["value"])
        case "csv":
            text = "\n".join(line for line in content.decode().splitlines() if not line.startswith("#"))
            return [
                {**row, "id": int(row["id"]), "result": float(row["result"]) if row["result"] else None}
                for row in csv.DictReader(io.StringIO(text))
            ]
        case "parquet":
            return list(pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist())
    return list(pa.ipc.open_stream(io.BytesIO(content)).read_all().to_pylist())


@pytest.fixture
def many(client: Client, lamp: int, monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """Results by id of two Datastreams, one of which needs several slices."""
    monkeypatch.setattr(observations, "SLICE_ROWS", 7)
    rows = [[f"2026-04-0{1 + n // 12}T{n % 12:02}:00:00Z", n / 4] for n in range(50)]
    groups = [{"Datastream": {"@iot.id": stream}, "components": ["phenomenonTime", "result"], "dataArray": part}
              for stream, part in ((1, rows[:45]), (2, rows[45:]))]  # fmt: skip
    assert client.post("/v1.1/CreateObservations", json=groups).status_code == 201
    return {one["@iot.id"]: one["result"] for one in client.json("Observations", top="1000")["value"]}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_has_every_row_once_and_in_order(
    client: Client, lamp: int, many: dict[int, float], form: str
) -> None:
    answer = client.get("/api/observations", params={"thing": str(lamp), "format": form, **ALL})
    assert answer.status_code == 200
    rows = rows_of(answer.content, form)
    assert {row["id"]: row["result"] for row in rows} == many
    assert len(rows) == len(many)
    keys = [(int(row["datastream"]), str(row["phenomenonTime"]), row["id"]) for row in rows]
    assert keys == sorted(keys)
    assert (rows[0]["property"], rows[0]["unit"], int(rows[0]["thing"])) == ("light_level", "%", lamp)


def test_many_at_the_same_instant_are_all_there(client: Client, lamp: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observations, "SLICE_ROWS", 5)
    rows = [["2026-04-01T00:00:00Z", n] for n in range(23)]
    body = [{"Datastream": {"@iot.id": 1}, "components": ["phenomenonTime", "result"], "dataArray": rows}]
    assert client.post("/v1.1/CreateObservations", json=body).status_code == 201
    answer = client.get("/api/observations", params={"datastream": "1", "format": "json", **ALL})
    assert [row["result"] for row in answer.json()["value"]] == [*range(23), 30, 80.5]


@pytest.mark.parametrize("form", FORMS)
def test_licence_attribution_and_origin_are_inside(client: Client, lamp: int, form: str) -> None:
    assert client.request("PATCH", "/v1.1/Datastreams(1)", json=SAID).status_code == 200
    content = client.get("/api/observations", params={"datastream": "1", "format": form, **ALL}).content
    expected = {"licence": "CC-BY-4.0", "attribution": "City of Test", "origin": "light_level: simulated"}
    match form:
        case "json":
            found = {name: json.loads(content)[name] for name in expected}
        case "csv":
            lines = (line[2:].split(": ", 1) for line in content.decode().splitlines() if line.startswith("# "))
            found = {name: text for name, text in lines if name in expected}
        case _:
            schema = (
                pyarrow.parquet.read_schema(io.BytesIO(content)) if form == "parquet"
                else pa.ipc.open_stream(io.BytesIO(content)).schema
            )  # fmt: skip
            found = {name: schema.metadata[name.encode()].decode() for name in expected}
    assert found == expected


def test_a_csv_can_come_without_comments_and_with_a_description(client: Client, lamp: int) -> None:
    assert client.request("PATCH", "/v1.1/Datastreams(1)", json=SAID).status_code == 200
    answer = client.get("/api/observations", params={"datastream": "1", "format": "csv", "comments": "no", **ALL})
    header = answer.text.splitlines()[0].split(",")
    assert header[0] == "datastream"
    link = answer.headers["link"]
    assert link.endswith('>; rel="describedby"; type="application/csvm+json"')
    told = client.get(link.partition(">")[0].removeprefix("<http://city.test"))
    assert told.headers["content-type"] == "application/csvm+json"
    assert [column["name"] for column in told.json()["tableSchema"]["columns"]] == header
    assert told.json()["dc:license"] == "CC-BY-4.0"


def test_other_programs_read_the_files(client: Client, lamp: int, tmp_path: Path) -> None:
    quoted = {"properties": {"attribution": 'The "City", of Test\nand others'}}
    assert client.request("PATCH", "/v1.1/Datastreams(1)", json=quoted).status_code == 200
    for form in ("csv", "parquet"):
        content = client.get("/api/observations", params={"datastream": "1", "format": form, **ALL}).content
        file = tmp_path / f"x.{form}"
        file.write_bytes(content)
        read = f"read_csv('{file}', comment='#')" if form == "csv" else f"'{file}'"
        columns = {name: str(kind) for name, kind, *_ in duckdb.sql(f"describe select * from {read}").fetchall()}
        assert (columns["result"], columns["datastream"], len(columns)) == ("DOUBLE", "BIGINT", 9)
        assert duckdb.sql(f"select count(*), sum(result) from {read}").fetchall() == [(2, 110.5)]


def test_results_that_are_no_numbers_and_intervals_are_kept(client: Client, lamp: int) -> None:
    for result, time in (("open", "2026-04-01T00:00:00Z"), ([1, 2], "2026-04-02T00:00:00Z/2026-04-02T01:00:00Z")):
        client.create("Datastreams(2)/Observations", {"result": result, "phenomenonTime": time})
    answer = client.get("/api/observations", params={"datastream": "2", "format": "json", **ALL}).json()
    assert [(row["result"], row["other"], row["phenomenonTimeEnd"]) for row in answer["value"]] == [
        (None, "open", None), (None, [1, 2], "2026-04-02T01:00:00Z"),
    ]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_range_without_observations_is_an_empty_file(client: Client, lamp: int, form: str) -> None:
    params = {"datastream": "1", "format": form, "from": "2020-01-01", "to": "2020-01-01"}
    answer = client.get("/api/observations", params=params)
    assert answer.status_code == 200
    assert rows_of(answer.content, form) == []


def test_what_is_closed_while_it_is_sent_ends_there(
    client: Client, lamp: int, many: dict[int, float], make_context: Callable[..., ApiContext]
) -> None:
    """The slices made after that leave it out."""

    async def ask() -> bytes:
        app = create_api(make_context())
        got = []
        async for part in parts_of(app, "datastream=1&from=2026-01-01&format=csv"):
            if not got:
                closed = {"properties": {"access": "personal"}}
                await asyncio.to_thread(client.request, "PATCH", "/v1.1/Datastreams(1)", json=closed)
            got.append(part)
        return b"".join(got)

    assert 0 < len(rows_of(asyncio.run(ask()), "csv")) < 30


async def parts_of(app: Asgi, query: str) -> Any:
    """The parts of an answer, each taken when it is there."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(1)
    forever = asyncio.Event()
    asked = iter([{"type": "http.request", "body": b""}])

    async def receive() -> Any:
        for message in asked:
            return message
        await forever.wait()
        return None

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200
        else:
            await queue.put(message.get("body", b""))
            if not message.get("more_body"):
                await queue.put(None)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/observations",
        "query_string": query.encode(),
        "headers": [],
    }
    task = asyncio.create_task(app(scope, receive, send))  # type: ignore[arg-type]
    while (part := await queue.get()) is not None:
        yield part
    await task


ROWS = 300_000


@pytest.fixture
def full(store: EmbeddedStore, client: Client, lamp: int) -> None:
    """300,000 Observations of one Datastream."""
    start = to_us(parse_instant("2026-01-01T00:00:00Z"))
    for part in range(0, ROWS, 50_000):
        times = start + np.arange(part, part + 50_000, dtype=np.int64) * 1_000_000
        batch = ObservationBatch(np.full(50_000, 2, np.int32), times, np.arange(50_000) % 97 / 2)
        entry = Entry(RecordKind.OBSERVATIONS, encode_batch(batch), 50_000)
        store.submit(Transaction((entry,)), Lane.BULK).result(60)


@pytest.mark.parametrize(("form", "row"), [("csv", b"\n"), ("json", b'"datastream"'), ("parquet", b""), ("arrow", b"")])
def test_memory_does_not_grow_with_the_answer(api: Asgi, full: None, form: str, row: bytes) -> None:
    """What Python and Arrow hold is at most as much for the last slices as for the first."""

    async def ask() -> tuple[int, list[int]]:
        rows, held = 0, []
        async for part in parts_of(api, f"datastream=2&from=2026-01-01&format={form}"):
            rows += part.count(row) if row else 0
            held.append(tracemalloc.get_traced_memory()[1] + pa.total_allocated_bytes())
            tracemalloc.reset_peak()
        return rows, held

    tracemalloc.start()
    try:
        rows, held = asyncio.run(ask())
    finally:
        tracemalloc.stop()
    assert len(held) >= ROWS // observations.SLICE_ROWS
    assert max(held[3:]) < 1.2 * max(held[:3]) + (2 << 20)
    if row:
        assert ROWS <= rows <= ROWS + 20
