"""A walking network drawn by hand, and those of real maps."""

from pathlib import Path

import numpy as np
import pytest

from dongne.adapters.osm_foot_tags import (
    STEPS_PERCENT,
    find_directions,
    find_incline,
    find_surface,
    find_walk_kind,
    read_incline,
    read_node,
)
from dongne.adapters.osm_walking import load_walk_network, read_walk_network
from dongne.methods.shortest_paths import Graph, make_engine
from dongne.methods.walk_costs import Fields, get_profile, price
from dongne.methods.walk_network import CROSSINGS, KINDS, NO, ROADS, SURFACES, YES, WalkNetwork
from dongne.methods.walk_routes import Finder, Router, connected_edges
from dongne.model.errors import BadSetup, NotFound

OSM = """<?xml version='1.0' encoding='UTF-8'?>
<osm version="0.6" generator="hand">
  <node id="1" version="1" lat="60.1700" lon="24.9400"/>
  <node id="2" version="1" lat="60.1710" lon="24.9400"/>
  <node id="3" version="1" lat="60.1720" lon="24.9400"/>
  <node id="4" version="1" lat="60.1710" lon="24.9380"/>
  <node id="5" version="1" lat="60.1710" lon="24.9420"><tag k="highway" v="crossing"/><tag k="crossing" v="traffic_signals"/></node>
  <node id="6" version="1" lat="60.1720" lon="24.9420"/>
  <node id="7" version="1" lat="60.1715" lon="24.9420"><tag k="barrier" v="gate"/><tag k="access" v="private"/></node>
  <way id="10" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/>
    <tag k="highway" v="residential"/><tag k="name" v="Aleksi"/><tag k="lit" v="yes"/></way>
  <way id="11" version="1"><nd ref="4"/><nd ref="2"/><nd ref="5"/>
    <tag k="highway" v="footway"/><tag k="surface" v="sett"/></way>
  <way id="12" version="1"><nd ref="5"/><nd ref="7"/><nd ref="6"/><tag k="highway" v="footway"/></way>
  <way id="13" version="1"><nd ref="3"/><nd ref="6"/><tag k="highway" v="steps"/><tag k="step_count" v="20"/></way>
  <way id="14" version="1"><nd ref="1"/><nd ref="4"/><tag k="highway" v="service"/><tag k="access" v="private"/></way>
</osm>
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "walk.osm"
    path.write_text(OSM, encoding="utf-8")
    return path


def test_ways_are_cut_where_they_meet_and_where_something_is_met(file: Path) -> None:
    network = read_walk_network(file)
    assert sorted(network.way.tolist()) == [10, 10, 11, 11, 12, 12, 13]
    assert (network.nodes, network.arcs) == (7, 14)
    assert [network.name_of(2 * e) for e in range(7)] == ["Aleksi", "Aleksi", "", "", "", "", ""]
    assert network.length_m[0] == pytest.approx(111.2, abs=0.1)
    steps = network.way.tolist().index(13)
    assert (KINDS[network.kind[steps]], network.steps[steps]) == ("steps", 20)
    assert network.lit.tolist()[:2] == [YES, YES]
    signals = network.node_crossing == CROSSINGS.index("signals")
    assert network.node_lon[signals].tolist() == [24.942]
    assert network.arc_shape(1) == network.shape(0)[::-1]


def test_nobody_gets_through_a_private_gate(file: Path) -> None:
    network = read_walk_network(file)
    gate = int(np.flatnonzero((network.node_lat > 60.1714) & (network.node_lat < 60.1716))[0])
    assert network.permitted[network.head == gate].tolist() == [False, False]
    assert network.permitted.sum() == network.arcs - 2


def test_a_way_on_foot_knows_the_road_it_crosses(file: Path) -> None:
    network = read_walk_network(file)
    middle = int(network.end[0])
    assert ROADS[network.node_road[middle]] == "street"


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"highway": "footway"}, "footway"),
        ({"highway": "footway", "footway": "crossing"}, "crossing"),
        ({"highway": "footway", "access": "private"}, None),
        ({"highway": "footway", "access": "private", "foot": "yes"}, "footway"),
        ({"highway": "motorway"}, None),
        ({"highway": "trunk"}, None),
        ({"highway": "trunk", "sidewalk": "both"}, "road"),
        ({"highway": "trunk", "sidewalk": "separate"}, None),
        ({"highway": "primary", "motorroad": "yes"}, None),
        ({"highway": "residential", "foot": "no"}, None),
        ({"highway": "cycleway"}, None),
        ({"highway": "cycleway", "foot": "designated"}, "cycleway"),
        ({"highway": "cycleway", "segregated": "yes"}, "cycleway"),
        ({"highway": "construction", "construction": "footway"}, None),
        ({"highway": "steps", "conveying": "yes"}, "escalator"),
        ({"highway": "footway", "construction": "yes"}, None),
        ({"highway": "bridleway"}, None),
        ({"railway": "platform"}, "platform"),
    ],
)
def test_what_is_open_to_people_on_foot(tags: dict[str, str], kind: str | None) -> None:
    assert find_walk_kind(tags) == kind


def test_tags_that_have_a_direction() -> None:
    assert find_directions({"highway": "residential", "oneway": "yes"}) == (True, True)
    assert find_directions({"highway": "footway", "oneway:foot": "yes"}) == (True, False)
    assert find_directions({"highway": "footway", "oneway:foot": "-1"}) == (False, True)
    assert find_directions({"highway": "steps", "conveying": "backward"}) == (False, True)
    assert find_directions({"highway": "footway", "conveying": "forward"}) == (True, False)
    assert find_directions({"highway": "footway", "conveying": "yes", "oneway": "-1"}) == (False, True)
    assert find_directions({"highway": "footway", "conveying": "reversible"}) == (True, True)
    assert find_directions({"highway": "footway", "oneway": "yes"}) == (True, True)
    assert find_directions({"highway": "path", "foot:forward": "no"}) == (False, True)
    assert find_directions({"highway": "footway", "foot:backward": "no"}) == (True, False)
    assert read_incline("-5.5 %") == -5.5
    assert read_incline("45°") == pytest.approx(100.0)
    assert np.isnan(read_incline("up"))


def test_the_worse_of_surface_and_smoothness_holds() -> None:
    assert find_surface({"surface": "asphalt"}) == "smooth"
    assert find_surface({"surface": "asphalt", "smoothness": "very_bad"}) == "loose"
    assert find_surface({"surface": "concrete:plates"}) == "smooth"
    assert find_surface({}) == "unknown"


def test_what_is_met_at_a_node() -> None:
    assert read_node({"highway": "crossing", "crossing": "island;uncontrolled"}).crossing == "marked"
    assert read_node({"highway": "crossing"}).crossing == "unmarked"
    assert read_node({"barrier": "kerb", "kerb": "lowered"}).kerb == "lowered"
    assert read_node({"barrier": "kerb"}).kerb == "raised"
    assert read_node({"barrier": "gate", "access": "private", "foot": "yes"}).closed is False
    assert read_node({"barrier": "fence"}).closed is True


def test_a_network_is_kept_and_read_again_the_same(city_folder: Path, tmp_path: Path) -> None:
    made = load_walk_network(city_folder, tmp_path, tmp_path / "layers")
    (kept,) = (tmp_path / "layers").glob("walk-*.npz")
    again = load_walk_network(city_folder, tmp_path, tmp_path / "layers")
    assert made.names == again.names == ("", "Aleksi")
    assert all(
        np.array_equal(getattr(made, n), getattr(again, n), equal_nan=True)
        for n in ("length_m", "width_m", "permitted")
    )
    kept.write_bytes(b"broken")
    assert load_walk_network(city_folder, tmp_path, tmp_path / "layers").edges == made.edges


def test_a_map_without_ways_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.osm"
    empty.write_text("<osm version='0.6'></osm>", encoding="utf-8")
    with pytest.raises(BadSetup, match="no way in it that is open to people on foot"):
        read_walk_network(empty)
    empty.write_text("no map", encoding="utf-8")
    with pytest.raises(BadSetup, match="not read as an OpenStreetMap file"):
        read_walk_network(empty)


SQUARE = """<?xml version='1.0' encoding='UTF-8'?>
<osm version="0.6" generator="hand">
  <node id="1" version="1" lat="1.0000" lon="0.0000"/><node id="2" version="1" lat="1.0000" lon="0.0010"/>
  <node id="3" version="1" lat="1.0010" lon="0.0010"/><node id="4" version="1" lat="1.0010" lon="0.0000"/>
  <node id="5" version="1" lat="0.9990" lon="0.0000"/><node id="6" version="1" lat="1.0020" lon="0.0010"/>
  <node id="7" version="1" lat="1.0015" lon="0.0010"/>
  <node id="8" version="1" lat="1.0022" lon="0.0000"/><node id="9" version="1" lat="1.0022" lon="0.0030"/>
  <node id="21" version="1" lat="1.0004" lon="0.0004"/><node id="22" version="1" lat="1.0004" lon="0.0006"/>
  <node id="23" version="1" lat="1.0006" lon="0.0006"/><node id="24" version="1" lat="1.0006" lon="0.0004"/>
  <way id="10" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="4"/><nd ref="1"/>{tags}</way>
  <way id="11" version="1"><nd ref="5"/><nd ref="1"/><tag k="highway" v="footway"/></way>
  <way id="12" version="1"><nd ref="3"/><nd ref="7"/><nd ref="6"/><tag k="highway" v="footway"/></way>
  <way id="13" version="1"><nd ref="8"/><nd ref="9"/><tag k="highway" v="primary"/><tag k="foot" v="no"/></way>
  <way id="14" version="1"><nd ref="21"/><nd ref="22"/><nd ref="23"/><nd ref="24"/><nd ref="21"/></way>
  {more}
</osm>
"""
PLAZA = '<tag k="highway" v="pedestrian"/>'


def read(tmp_path: Path, tags: str, more: str = "") -> WalkNetwork:
    path = tmp_path / "square.osm"
    path.write_text(SQUARE.replace("{tags}", tags).replace("{more}", more), encoding="utf-8")
    return read_walk_network(path)


def test_a_square_is_walked_straight_across(tmp_path: Path) -> None:
    network = read(tmp_path, PLAZA + '<tag k="area" v="yes"/><tag k="surface" v="sett"/>')
    across = np.flatnonzero(network.kind == KINDS.index("square"))
    assert len(across) == 1
    assert network.length_m[across[0]] == pytest.approx(157.3, abs=0.1)  # the diagonal of 111.2 m
    assert SURFACES[network.surface[across[0]]] == "cobbled"
    assert not (read(tmp_path, PLAZA).kind == KINDS.index("square")).any()  # a street that goes round


def test_a_square_with_something_in_its_middle_is_walked_round(tmp_path: Path) -> None:
    relation = (
        '<relation id="1" version="1"><member type="way" ref="10" role="outer"/><member type="way" ref="14" role="inner"/>'
        '<tag k="type" v="multipolygon"/><tag k="highway" v="pedestrian"/></relation>'
    )
    network = read(tmp_path, "", relation)
    assert not (network.kind == KINDS.index("square")).any()
    assert (network.way == 1).sum() >= 2  # its edge, of the relation


def test_a_path_beside_a_road_is_as_loud_as_the_road(tmp_path: Path) -> None:
    network = read(tmp_path, PLAZA)
    north = [e for e in range(network.edges) if network.way[e] == 12]
    assert [ROADS[network.road[e]] for e in north] == ["none"]  # its middle is 78 m from the road
    near = read(
        tmp_path, PLAZA, '<way id="15" version="1"><nd ref="6"/><nd ref="9"/><tag k="highway" v="footway"/></way>'
    )
    assert [ROADS[near.road[e]] for e in range(near.edges) if near.way[e] == 15] == ["primary"]


def test_steps_and_lifts_that_are_nodes_are_met() -> None:
    assert read_node({"highway": "steps"}).barrier == "step"
    assert read_node({"highway": "elevator"}).barrier == "elevator"
    assert find_incline({"highway": "steps", "incline": "down"}) == -STEPS_PERCENT
    assert np.isnan(find_incline({"highway": "footway", "incline": "up"}))


@pytest.mark.parametrize(
    ("name", "file", "largest"),
    [
        ("Helsinki", "helsinki/Helsinki.osm.pbf", 0.96), ("Krems", "osm_krems/krems_austria.osm.gz", 0.85),
        ("Porto Alegre", "porto_alegre/poa_osm.pbf", 0.97),
    ],
)  # fmt: skip
def test_real_maps_are_one_network_for_nearly_everybody(
    data_folder: Path, name: str, file: str, largest: float
) -> None:
    network = read_walk_network(data_folder / file)
    assert (network.component == 0).mean() > largest
    assert (network.length_m > 0).all()
    straight = network.node_m[network.end] - network.node_m[network.start]
    assert (np.hypot(straight[:, 0], straight[:, 1]) <= network.length_m * 1.01 + 0.1).all()
    assert (network.start != network.end).all()


def test_in_a_real_city_nobody_is_sent_over_steps_who_can_not_take_them(data_folder: Path) -> None:
    network = read_walk_network(data_folder / "helsinki/Helsinki.osm.pbf")
    prices = price(network, get_profile("step_free"), Fields.none(network))
    engine = make_engine(Graph(network.tail, network.head, network.node_m))
    engine.customise(prices.total)
    router, connected = Router(network, engine, prices), connected_edges(network, prices)
    finder, chance = Finder(network), np.random.default_rng(3)
    west, south, east, north = 24.9352, 60.1642, 24.9534, 60.1791
    walked: set[int] = set()
    for _ in range(150):
        places = np.stack([chance.uniform(west, east, 2), chance.uniform(south, north, 2)], axis=1)
        try:
            spots = [finder.find((float(lon), float(lat)), connected) for lon, lat in places]
        except NotFound:
            continue  # in the harbour
        route = router.find(spots[0], spots[1])
        assert route is not None
        walked |= {arc >> 1 for arc in route.arcs}
    edges = sorted(walked)
    assert len(edges) > 500
    assert network.steps[edges].sum() == 0
    assert not np.isin(network.kind[edges], [KINDS.index("steps"), KINDS.index("escalator")]).any()
    assert not (network.wheelchair[edges] == NO).any()


def test_a_count_of_steps_that_is_no_number_is_guessed_from_the_length(file: Path) -> None:
    file.write_text(OSM.replace('"step_count" v="20"', '"step_count" v="2²"'), encoding="utf-8")
    assert read_walk_network(file).steps.max() > 1
