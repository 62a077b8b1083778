"""A third city is a timetable alone: its stops are Things, and its days are those of now."""

from datetime import date
from itertools import count
from pathlib import Path

import pytest

from dongne.adapters.gtfs_city import load_transit, plan_stops
from dongne.adapters.sources import load_city
from dongne.model.errors import BadSetup
from dongne.model.graph import ThingGraph

KUOPIO = Path(__file__).parents[2] / "cities" / "kuopio"


def test_kuopio_is_data_alone() -> None:
    assert {file.suffix for file in KUOPIO.rglob("*") if file.is_file()} <= {".toml", ".po"}
    assert load_city(KUOPIO).zone == "Europe/Helsinki"


def test_without_its_timetable_the_city_says_where_to_get_it() -> None:
    with pytest.raises(BadSetup, match=r"--data FOLDER with gtfs_kuopio/gtfs_kuopio_finland\.zip"):
        load_transit(KUOPIO, None, KUOPIO)


def test_its_stops_are_taken_in_once(data_folder: Path) -> None:
    graph, ids = ThingGraph(), count(1)
    for part in plan_stops(KUOPIO, data_folder, lambda _: next(ids), graph):
        graph.apply(part)
    stops = [thing for thing in graph.things.values() if thing.kind == "stop"]
    assert len(stops) == 1355
    keys = {graph.property_key(stream) for stream in graph.list_datastreams(stops[0].id)}
    assert keys == {"departure_delay", "call_cancelled", "disruption"}
    assert list(plan_stops(KUOPIO, data_folder, lambda _: next(ids), graph)) == []


def test_its_timetable_is_moved_by_whole_weeks(data_folder: Path) -> None:
    transit = load_transit(KUOPIO, data_folder, KUOPIO)
    assert transit.feed.get_span() == (date(2026, 10, 26), date(2027, 6, 6))
    assert transit.moved_weeks == 522
