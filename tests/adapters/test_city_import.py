"""A map made by hand becomes Things, Locations and Relations; importing it again changes nothing."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from dongne.adapters.cityfile import plan_city
from dongne.adapters.layers import map_layers
from dongne.adapters.osm import read_osm
from dongne.adapters.sources import load_city, load_sources
from dongne.model.entities import Thing, put
from dongne.model.errors import BadSetup
from dongne.model.graph import ThingGraph
from dongne.model.records import RecordKind
from dongne.runtime.ports import Entry, Store, Transaction
from dongne.stores.embedded.store import EmbeddedStore

OpenStore = Callable[..., EmbeddedStore]


def import_into(store: Store, folder: Path, slices: int | None = None) -> int:
    """Takes the slices of the plan in (or only so many); how many changes there were."""
    changes = 0
    plan = plan_city(load_city(folder), folder, folder.parent, store.new_id, store.graph)
    for number, part in enumerate(plan):
        if slices is not None and number >= slices:
            break
        store.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode(part))])).result(10)
        changes += len(part)
    return changes


def thing(graph: ThingGraph, source: str) -> Thing:
    found = graph.find_by_source(source)
    assert found is not None, source
    return found


@pytest.fixture
def town(city_folder: Path, open_store: OpenStore) -> EmbeddedStore:
    store = open_store()
    import_into(store, city_folder)
    return store


def test_features_become_things_of_their_kind(town: EmbeddedStore) -> None:
    kinds = sorted(t.kind for t in town.graph.things.values())
    assert kinds == ["address", "building", "building", "footway", "stop", "street_lamp", "street_lamp", "street_lamp",
                     "waste_basket"]  # fmt: skip
    basket = thing(town.graph, "osm:node/21")
    assert basket.name == "Waste basket, Aleksi 7"
    assert basket.properties["name_ko"] == "휴지통, Aleksi 7"
    assert basket.properties["near"] == "Aleksi 7"
    assert town.graph.find_point(basket.id) == (24.9403, 60.1701)
    assert thing(town.graph, "osm:node/24").name == "Lasipalatsi"
    assert thing(town.graph, "osm:node/24").properties["mode"] == "tram"


def test_a_building_has_its_shape_levels_and_height(town: EmbeddedStore) -> None:
    whole, cut = thing(town.graph, "osm:way/102"), thing(town.graph, "osm:way/103")
    assert (whole.properties["levels"], whole.properties["height_m"]) == (6.0, 21.5)
    assert town.graph.locations[whole.location_ids[0]].location["type"] == "Polygon"
    assert town.graph.locations[cut.location_ids[0]].location["type"] == "Point"
    assert cut.properties["osm"]["dongne:geometry"] == "centre only"


def test_an_address_is_there_once_and_keeps_no_shop(town: EmbeddedStore) -> None:
    address = thing(town.graph, "osm:node/22")
    assert address.name == "Aleksi 7"
    assert set(address.properties["osm"]) == {"addr:street", "addr:housenumber"}
    assert town.graph.find_by_source("osm:node/23") is None


def test_lamps_are_linked_along_the_street_both_ways(town: EmbeddedStore) -> None:
    first, second, third = (thing(town.graph, f"osm:node/{n}").id for n in (11, 12, 13))
    links = town.graph.list_related(second, "next_lamp")
    assert {link.to_id for link in links} == {first, third}
    assert all(link.distance_m == pytest.approx(22.1, abs=0.2) for link in links)


def test_importing_twice_changes_nothing(town: EmbeddedStore, city_folder: Path) -> None:
    assert import_into(town, city_folder) == 0


def test_an_import_stopped_in_the_middle_is_finished_by_the_next(
    city_folder: Path, open_store: OpenStore, tmp_path: Path
) -> None:
    store = open_store()
    import_into(store, city_folder, slices=1)
    assert not store.graph.relations
    store.close()
    store = open_store()
    import_into(store, city_folder)
    assert len(store.graph.things) == 9
    assert len(store.graph.relations) == 4


def test_what_others_added_to_a_thing_stays(town: EmbeddedStore, city_folder: Path, osm_file: Path) -> None:
    basket = thing(town.graph, "osm:node/21")
    changed = msgspec.structs.replace(basket, properties={**basket.properties, "volume_l": 90})
    town.submit(Transaction([Entry(RecordKind.ENTITIES, msgspec.msgpack.encode([put(changed)]))])).result(10)
    osm_file.write_text(osm_file.read_text().replace('lat="60.1701" lon="24.9403"', 'lat="60.1701" lon="24.9404"'))
    assert import_into(town, city_folder) == 1  # its Location
    assert thing(town.graph, "osm:node/21").properties["volume_l"] == 90


def test_map_layers_hold_each_kind_and_the_links(town: EmbeddedStore) -> None:
    layers = map_layers(town.graph)
    assert len(layers["street_lamp"]["features"]) == 3
    assert len(layers["next_lamp"]["features"]) == 2
    heights = {f["properties"]["id"]: f["properties"]["render_height"] for f in layers["building"]["features"]}
    assert heights[thing(town.graph, "osm:way/102").id] == 21.5
    assert set(map_layers(town.graph, frozenset({"stop"}))) == {"stop"}


def test_a_file_that_is_no_map_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "broken.osm"
    file.write_text("<html>", encoding="utf-8")
    with pytest.raises(BadSetup, match=r"broken\.osm"):
        read_osm(file)


def test_an_unknown_key_names_the_one_that_was_meant(city_folder: Path) -> None:
    file = city_folder / "city.toml"
    file.write_text('zones = "x"\n' + file.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(BadSetup, match=r"city\.toml: unknown key 'zones'; did you mean 'zone'\?"):
        load_city(city_folder)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("zone", '"Europe/Atlantis"', "IANA"),
        ("bounds", "[25.0, 60.0, 24.0, 61.0]", "west, south"),
        ("zone", "3", "zone"),
    ],
)
def test_a_wrong_value_in_city_toml_is_named(city_folder: Path, key: str, value: str, said: str) -> None:
    file = city_folder / "city.toml"
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith(key)]
    file.write_text("\n".join([f"{key} = {value}", *lines]), encoding="utf-8")
    with pytest.raises(BadSetup, match=said):
        load_city(city_folder)


def test_a_missing_map_says_how_to_get_it(city_folder: Path, open_store: OpenStore) -> None:
    store = open_store()
    with pytest.raises(BadSetup, match="--data FOLDER"):
        next(plan_city(load_city(city_folder), city_folder, None, store.new_id, store.graph))


def test_a_file_with_another_content_is_refused(city_folder: Path, open_store: OpenStore) -> None:
    file = city_folder / "sources.toml"
    file.write_text(file.read_text(encoding="utf-8") + 'sha256 = ["00"]\n', encoding="utf-8")
    assert load_sources(city_folder)["osm"].sha256 == ("00",)
    store = open_store()
    with pytest.raises(BadSetup, match="SHA-256"):
        import_into(store, city_folder)
