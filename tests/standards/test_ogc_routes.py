"""OGC API - Routes: definitions in, routes out."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dongne.model.errors import BadInput
from dongne.standards.ogc_routes import Route, Segment, parse_definition, route_document

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
PREFERENCES = ("fastest", "calm")
POINTS = {"type": "MultiPoint", "coordinates": [[24.94, 60.17], [24.95, 60.171, 7.5]]}


def parse(**inputs: Any) -> Any:
    return parse_definition(json.dumps({"inputs": {"waypoints": POINTS, **inputs}}).encode(), PREFERENCES)


def test_a_definition_is_read_with_what_it_leaves_out() -> None:
    found = parse(name="Home", weight=3.5)
    assert found.waypoints.points == [(24.94, 60.17), (24.95, 60.171)]
    assert (found.name, found.preference, found.mode, found.when) == ("Home", "fastest", "walk", None)
    assert parse(when={"timestamp": "2026-05-01T12:00:00Z"}).when.type == "departure"


def test_a_bare_definition_of_earlier_drafts_is_read_too() -> None:
    body = json.dumps({"waypoints": POINTS, "preference": "calm"}).encode()
    assert parse_definition(body, PREFERENCES).preference == "calm"


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"waypoints": {"type": "MultiPoint", "coordinates": [[1, 2]]}}, "inputs.waypoints.coordinates"),
        ({"waypoints": {"type": "Point", "coordinates": [1, 2]}}, "inputs.waypoints.type"),
        ({"waypoints": {"type": "MultiPoint", "coordinates": [[1, 2], ["x", 2]]}}, "coordinates[1][0]"),
        ({"preference": "scenic"}, "there are fastest, calm"),
        ({"mode": "on-road"}, "there are walk"),
        ({"when": {"timestamp": "noon"}}, "inputs.when.timestamp`; a time is written as 2026-05-01T08:30:00Z"),
        ({"when": {"timestamp": "2026-05-01T12:00:00"}}, "inputs.when.timestamp"),
    ],
)
def test_a_wrong_definition_is_told_where(inputs: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(**inputs)
    assert says in caught.value.message


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"\xff", b'{"inputs": 3}', b"[" * 60_000])
def test_what_is_no_definition_is_refused(body: bytes) -> None:
    with pytest.raises(BadInput):
        parse_definition(body, PREFERENCES)


lengths = st.floats(0, 3000)


@given(st.lists(st.tuples(lengths, lengths), min_size=1, max_size=30))
def test_a_route_keeps_the_rules_of_the_exchange_model(parts: list[tuple[float, float]]) -> None:
    line = [(24.0 + i / 1000, 60.0) for i in range(len(parts) + 1)]
    segments = [Segment(line[i + 1], *part, "Kaivokatu", "left") for i, part in enumerate(parts)]
    document = json.loads(json.dumps(route_document(Route(line, segments, NOON, NOON, "Home"))))
    overview, start, *middle, end = document["features"]
    assert document["type"] == "FeatureCollection" and document["status"] == "successful"
    kinds = [feature["properties"]["featureType"] for feature in document["features"]]
    assert kinds == ["overview", "start", *(["segment"] * len(parts)), "end"]
    drawn = overview["geometry"]["coordinates"]
    assert start["geometry"]["coordinates"] == drawn[0]
    assert end["geometry"]["coordinates"] == drawn[-1] == middle[-1]["geometry"]["coordinates"]
    assert all(one["geometry"]["coordinates"] in drawn for one in middle)
    for name in ("length_m", "duration_s"):
        assert sum(one["properties"][name] for one in middle) == overview["properties"][name]
    assert overview["properties"]["length_m"] == round(sum(length for length, _ in parts))
    assert start["properties"]["timestamp"] == "2026-05-01T12:00:00Z"
