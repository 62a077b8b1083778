"""`lines.toml` becomes platforms, trains and relations; taking it in again changes nothing."""

import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import msgspec
import pytest

from dongne.adapters.feeds import Feed
from dongne.adapters.lines import load_lines, plan_lines
from dongne.adapters.sources import load_city
from dongne.adapters.streaming import build_feeds
from dongne.model.errors import BadSetup
from dongne.model.graph import ThingGraph
from dongne.model.records import RecordKind
from dongne.model.times import to_us
from dongne.runtime.ports import Entry, Transaction
from dongne.services.boarding_line.simulate import Simulator
from dongne.stores.embedded import EmbeddedStore

HELSINKI = Path(__file__).parents[2] / "cities" / "helsinki"


def take_in(graph: ThingGraph, folder: Path = HELSINKI, data: Path | None = None) -> int:
    ids = count(10_000 + len(graph.things) + len(graph.relations))
    changes = 0
    for part in plan_lines(folder, data, lambda _: next(ids), graph):
        graph.apply(part)
        changes += len(part)
    return changes


@pytest.fixture
def graph() -> ThingGraph:
    found = ThingGraph()
    take_in(found)
    return found


def test_a_line_becomes_platforms_of_both_directions_and_trains(graph: ThingGraph) -> None:
    kinds = Counter(thing.kind for thing in graph.things.values())
    assert kinds == {"platform": 20, "train": 10}
    platform = graph.find_by_source("line:metro/hakaniemi/1")
    assert platform is not None and graph.find_point(platform.id) == (24.9512, 60.1796)
    assert platform.name == "Hakaniemi → Kamppi"
    known = platform.properties
    assert (known["stop_id"], known["direction_id"], known["stop_sequence"]) == ("metro:hakaniemi:1", 1, 7)
    assert known["station"] == {"name": "Hakaniemi", "name_ko": "하카니에미"}
    assert (known["positions"], known["doors_per_car"], known["exits"]) == (10, 4, [3.0, 9.5])
    train = graph.find_by_source("line:metro/train/104")
    assert train is not None
    assert [train.properties[key] for key in ("vehicle_id", "cars", "seats_per_car", "tare_kg")] == [
        "104",
        6,
        54,
        33_000,
    ]


def test_each_platform_leads_to_the_next_and_to_every_train(graph: ThingGraph) -> None:
    for direction_id, first in ((0, "kamppi"), (1, "itakeskus")):
        here = graph.find_by_source(f"line:metro/{first}/{direction_id}")
        assert here is not None
        sequence, metres = [1], 0.0
        while there := graph.list_related(here.id, "next_platform"):
            here = graph.get_thing(there[0].to_id)
            sequence.append(here.properties["stop_sequence"])
            metres += there[0].distance_m or 0.0
            assert here.properties["direction_id"] == direction_id
        assert sequence == list(range(1, 11))
        assert 10_000 < metres < 12_000
    platform = graph.find_by_source("line:metro/kamppi/0")
    assert platform is not None
    served = {graph.get_thing(relation.to_id).kind for relation in graph.list_related(platform.id, "served_by")}
    assert served == {"train"} and len(graph.list_related(platform.id, "served_by")) == 10


def test_everything_says_that_it_is_simulated_or_replayed(graph: ThingGraph, data_folder: Path) -> None:
    assert all(thing.properties["simulated"] is True for thing in graph.things.values())
    assert {thing.description for thing in graph.things.values()} == {load_lines(HELSINKI)[0].simulated}
    assert take_in(graph, data=data_folder) == 30  # the same Things say something else
    assert {thing.description for thing in graph.things.values()} == {load_lines(HELSINKI)[0].replayed}


def test_taking_it_in_again_changes_nothing_and_what_others_added_stays(graph: ThingGraph) -> None:
    assert take_in(graph) == 0
    train = graph.find_by_source("line:metro/train/104")
    assert train is not None
    train.properties["depot"] = "north"
    assert take_in(graph) == 0


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("cars = 10", "cars = 12", "train '101' has 12 cars; its platforms have room for 1 to 10"),
        ('id = "101"', 'id = "110"', "train '110' is there twice"),
        ("[24.9319, 60.1687]", "[60.1687, 249.319]", "station 'kamppi' is at [60.1687, 249.319]"),
        ("positions = 10", "position = 10", "unknown key 'line.position'; did you mean 'positions'?"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    text = (HELSINKI / "lines.toml").read_text(encoding="utf-8")
    (tmp_path / "lines.toml").write_text(text.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(BadSetup) as error:
        load_lines(tmp_path)
    assert said in error.value.message


def test_a_city_without_the_file_has_no_lines(tmp_path: Path) -> None:
    assert load_lines(tmp_path) == ()
    assert take_in(ThingGraph(), tmp_path) == 0


# --- what trains say ------------------------------------------------------------------------------------------------


@pytest.fixture
def metro(tmp_path: Path) -> Path:
    """A city that has nothing but Helsinki's demonstration metro."""
    folder = tmp_path / "metro"
    folder.mkdir()
    for name in ("lines.toml", "sources.toml", "simulated.toml", "city.toml"):
        shutil.copy(HELSINKI / name, folder)
    return folder


def fill(metro: Path, store: EmbeddedStore, data: Path | None) -> list[Feed]:
    for part in plan_lines(metro, data, store.new_id, store.graph):
        store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode(part))])).result(10)
    return build_feeds(load_city(metro), metro, data, store, {"boarding_line": Simulator}).feeds


def test_every_car_has_a_marked_datastream_and_an_hour_of_trains_streams_in(
    metro: Path, open_store: Callable[..., EmbeddedStore]
) -> None:
    store = open_store()
    (feed,) = fill(metro, store, None)
    streams = [s for s in store.graph.datastreams.values() if store.graph.property_key(s) == "car_mass"]
    assert Counter(stream.part for stream in streams)["1"] == 10
    assert Counter(stream.part for stream in streams)["10"] == 5
    for stream in streams:
        assert stream.properties["simulated"] is True and stream.unit_of_measurement.symbol == "kg"
        assert stream.properties["parameters"]["loads"] == "invented"
    start_us = to_us(datetime(2026, 11, 2, 6, 0, tzinfo=UTC))
    arrived = feed.between(start_us, start_us + 3_600_000_000)
    assert len(arrived) > 10_000
    assert set(arrived.datastream.tolist()) <= set(store.graph.datastreams)
    assert (
        len(fill(metro, store, None)) == 1 and len(store.graph.datastreams) == len(streams) + 40
    )  # nothing is made twice


def test_with_recorded_loads_the_scales_say_whose_they_are(
    metro: Path, open_store: Callable[..., EmbeddedStore], data_folder: Path
) -> None:
    store = open_store()
    fill(metro, store, data_folder)
    said = {stream.properties["parameters"]["loads"] for stream in store.graph.datastreams.values()}
    assert said == {"Seoul Metro, data.go.kr 15071311"}
