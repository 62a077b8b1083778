"""/metrics as Prometheus reads it, and /status."""

import re
from typing import Any

from tests.api.conftest import Client

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")
NOON = "2026-05-01T12:00:00Z"


def read_metrics(text: str) -> dict[tuple[str, str], float]:
    """By name and labels. Fails at what the text format 0.0.4 does not allow: samples of one metric together, behind one
    HELP and one TYPE; names of counters with _total; no sample twice."""
    found: dict[tuple[str, str], float] = {}
    seen: set[str] = set()
    name = kind = ""
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    for at, line in enumerate(lines):
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert re.fullmatch(NAME, name) and name not in seen, line
            seen.add(name)
            assert lines[at + 1].startswith(f"# TYPE {name} "), lines[at + 1]
        elif line.startswith("# TYPE "):
            _, _, typed, kind = line.split(" ")
            assert typed == name and kind in ("counter", "gauge"), line
            assert (kind == "counter") == name.endswith("_total"), line
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample and sample[1] == name, line
            key = (sample[1], sample[2] or "")
            assert key not in found, line
            assert kind == "gauge" or float(sample[3]) >= 0, line
            found[key] = float(sample[3])
    return found


def test_metrics_are_in_the_text_format_of_prometheus(client: Client, lamp: int) -> None:
    client.post("/v1.1/Datastreams(1)/Observations", json={"phenomenonTime": NOON, "result": 900})
    client.post("/v1.1/Datastreams(1)/Observations", json={"phenomenonTime": NOON, "result": 9})
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = read_metrics(answer.text)
    assert found["dongne_observations_total", 'way="single",became="received"'] == 2
    assert found["dongne_observations_total", 'way="deep_insert",became="stored"'] == 2  # the lamp's
    assert found["dongne_rejected_total", 'way="single",reason="out_of_range"'] == 1
    assert found["dongne_store_observations_total", ""] == 3
    assert found["dongne_queue_limit_rows", 'lane="bulk"'] == 200_000
    assert found["process_resident_memory_bytes", ""] > 1_000_000


def test_each_way_in_has_its_account_and_the_sum_is_the_sequences(client: Client, lamp: int) -> None:
    def part(at: int, **more: Any) -> dict[str, Any]:
        sent = {"phenomenonTime": f"2026-05-01T11:0{at}:00Z", "result": at, "Datastream": {"@iot.id": 1}, **more}
        return {"id": str(at), "method": "post", "url": "Observations", "body": sent}

    group = {
        "Datastream": {"@iot.id": 1},
        "components": ["phenomenonTime", "result"],
        "dataArray": [[NOON, 7], [NOON, 700]],
    }
    client.post("/v1.1/CreateObservations", json=[group])
    client.post("/v1.1/Observations", json={"phenomenonTime": NOON, "result": 7, "Datastream": {"@iot.id": 1}})
    unread = {"id": "3", "method": "post", "url": "Observations", "body": {"result": []}}
    unmet = {**part(4), "dependsOn": ["3"]}
    client.post("/v1.1/$batch", json={"requests": [part(1), part(2, result=-5), unread, unmet]})
    lost = [
        {**part(5), "atomicityGroup": "g"},
        {**part(6, result=-5), "atomicityGroup": "g"},
        {**part(7), "atomicityGroup": "g"},
    ]
    client.post("/v1.1/$batch", json={"requests": lost})
    ledger = client.get("/status").json()["ledger"]
    short = {
        way: (a["received"], a["stored"], a["duplicate"], a["rejected"], a["waiting"])
        for way, a in ledger["ways"].items()
        if a["received"]
    }
    assert short == {
        "single": (1, 0, 1, 0, 0), "data_array": (2, 1, 0, 1, 0), "batch": (7, 1, 0, 6, 0), "deep_insert": (2, 2, 0, 0, 0)
    }  # fmt: skip
    assert ledger["sequence"] == {"observations": 4, "before_the_start": 0, "from_services": 0, "unaccounted": 0}
    assert ledger["total"]["received"] == 12
