"""A second city is a folder of data: it comes up like the first, with no line of code of its own."""

from itertools import count
from pathlib import Path

from dongne.adapters.cityfile import plan_city
from dongne.adapters.sources import load_city
from dongne.adapters.streaming import load_series
from dongne.model.graph import ThingGraph

KREMS = Path(__file__).parents[2] / "cities" / "krems"


def test_krems_is_data_alone() -> None:
    assert {file.suffix for file in KREMS.rglob("*") if file.is_file()} <= {".toml", ".po"}
    assert load_city(KREMS).zone == "Europe/Vienna"


def test_krems_has_its_things_and_the_footways_its_series_name(data_folder: Path) -> None:
    graph, ids = ThingGraph(), count(1)
    for part in plan_city(load_city(KREMS), KREMS, data_folder, lambda _: next(ids), graph):
        graph.apply(part)
    assert sum(thing.kind == "building" for thing in graph.things.values()) > 1100
    for one in load_series(KREMS):
        assert all(graph.find_by_source(source) for source in one.at.values())
