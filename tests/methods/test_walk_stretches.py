"""Arcs as people see them."""

from pathlib import Path

import pytest

from dongne.adapters.osm_walking import read_walk_network
from dongne.methods.walk_directions import Way
from dongne.methods.walk_stretches import Stretches

# a street along the equator, its pavement 11 m north of it, steps that go up from there, and a path that leaves at a right angle
TOWN = """<osm version="0.6">
 <node id="1" lat="0" lon="0"/><node id="2" lat="0" lon="0.001"/>
 <node id="3" lat="0.0001" lon="0.0002"/><node id="4" lat="0.0001" lon="0.0008"/>
 <node id="5" lat="0.0005" lon="0.0008"/><node id="6" lat="0.0005" lon="0.0002"/>
 <node id="7" lat="0.0001" lon="0.00081"/><node id="8" lat="0.0004" lon="0.0009"/>
 <way id="11"><nd ref="1"/><nd ref="2"/><tag k="highway" v="residential"/><tag k="name" v="High Street"/></way>
 <way id="12"><nd ref="3"/><nd ref="4"/><tag k="highway" v="footway"/><tag k="footway" v="sidewalk"/></way>
 <way id="13"><nd ref="4"/><nd ref="5"/><tag k="highway" v="steps"/><tag k="step_count" v="20"/><tag k="incline" v="10%"/></way>
 <way id="14"><nd ref="5"/><nd ref="6"/><tag k="highway" v="footway"/></way>
 <way id="15"><nd ref="4"/><nd ref="7"/><nd ref="8"/><tag k="highway" v="footway"/></way>
</osm>"""


@pytest.fixture
def town(tmp_path: Path) -> tuple[Stretches, dict[int, int]]:
    file = tmp_path / "town.osm"
    file.write_text(TOWN, encoding="utf-8")
    network = read_walk_network(file)
    return Stretches(network), {way: edge for edge, way in enumerate(network.way.tolist())}


def test_a_pavement_is_called_by_its_street_and_what_leaves_it_is_not(town: tuple[Stretches, dict[int, int]]) -> None:
    stretches, edges = town
    assert {way: stretches.names[edge] for way, edge in edges.items()} == {
        11: "High Street",
        12: "High Street",
        13: "",
        14: "",
        15: "",
    }


def test_the_way_back_has_the_opposite_headings_and_rises_the_other_way(town: tuple[Stretches, dict[int, int]]) -> None:
    stretches, edges = town
    steps = edges[13]
    (there, back), _ = stretches.of([2 * steps, 2 * steps + 1], [44.5, 44.5], [60.0, 60.0])
    assert (there.way, there.stairs, there.rises, back.rises) == (Way.STEPS, 20, 1, -1)
    assert (there.enters_deg, there.leaves_deg) == pytest.approx((0, 0), abs=0.1)
    assert (back.enters_deg, back.leaves_deg) == pytest.approx((180, 180), abs=0.1)


def test_a_kink_at_the_end_of_a_way_is_no_heading(town: tuple[Stretches, dict[int, int]]) -> None:
    stretches, edges = town
    (path,), _ = stretches.of([2 * edges[15]], [35.0], [26.0])  # its first metre goes east, then it goes north
    assert path.enters_deg == pytest.approx(17, abs=15) and path.leaves_deg == pytest.approx(15, abs=2)


def test_arcs_that_go_on_along_the_same_street_are_one_stretch(town: tuple[Stretches, dict[int, int]]) -> None:
    stretches, edges = town
    road, steps = 2 * edges[11], 2 * edges[13]
    found, begins = stretches.of([road, road, steps, road], [10.0, 20.0, 5.0, 30.0], [8.0, 16.0, 9.0, 24.0])
    assert [(one.name, one.length_m, one.duration_s) for one in found] == [
        ("High Street", 30.0, 24.0),
        ("", 5.0, 9.0),
        ("High Street", 30.0, 24.0),
    ]
    assert begins == [0, 2, 3]
