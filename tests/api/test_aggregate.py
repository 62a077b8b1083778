"""Means by interval against the same computed row by row."""

from collections import defaultdict
from typing import Any

import numpy as np
from tests.api.conftest import Client

from dongne.model.times import parse_instant, to_us
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.embedded.aggregate import by_interval

HOUR_US = 3_600_000_000


def test_hourly_columns_are_those_of_the_rows(client: Client, lamp: int, store: EmbeddedStore) -> None:
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
        found = by_interval(store.history, streams, start, end, 3_600).to_pylist()
        wanted = sorted(key for key in expected if key[0] in streams)
        assert [(row["datastream_id"], row["start_us"]) for row in found] == wanted
        for row, key in zip(found, wanted, strict=True):
            values = expected[key]
            assert (row["n"], row["low"], row["high"]) == (len(values), min(values), max(values))
            assert abs(row["mean"] - sum(values) / len(values)) < 1e-9
