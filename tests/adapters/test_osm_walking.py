"""A walking network drawn by hand, and those of real maps."""

from pathlib import Path

import numpy as np
import pytest

from dongne.adapters.osm_foot_tags import find_directions, find_surface, find_walk_kind, read_incline, read_node
from dongne.adapters.osm_walking import load_walk_network, read_walk_network
from dongne.methods.walk_network import CROSSINGS, KINDS, ROADS, YES
from dongne.model.errors import BadSetup

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
