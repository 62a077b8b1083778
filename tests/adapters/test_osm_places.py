"""OpenStreetMap read into places that people ask for."""

from pathlib import Path

import pytest

from dongne.adapters.osm_places import read_places
from dongne.model.errors import BadSetup

TOWN = """<osm version="0.6">
 <node id="1" lat="60.0000" lon="25.0000"><tag k="amenity" v="cafe"/><tag k="name" v="Kahvila"/><tag k="name:ko" v="카페"/></node>
 <node id="2" lat="60.0002" lon="25.0000"><tag k="addr:street" v="Asemakatu"/><tag k="addr:housenumber" v="2"/></node>
 <node id="3" lat="60.0100" lon="25.0000"><tag k="railway" v="tram_stop"/><tag k="name" v="Asema"/></node>
 <node id="4" lat="60.0101" lon="25.0000"><tag k="railway" v="tram_stop"/><tag k="name" v="Asema"/></node>
 <node id="5" lat="60.0101" lon="25.0000"><tag k="railway" v="switch"/><tag k="name" v="V2"/></node>
 <node id="6" lat="60.0200" lon="25.0000"><tag k="amenity" v="bench"/></node>
 <node id="7" lat="60.0200" lon="25.0000"><tag k="amenity" v="atm"/></node>
 <node id="11" lat="60.0300" lon="25.0000"/><node id="12" lat="60.0310" lon="25.0000"/><node id="13" lat="60.0320" lon="25.0000"/>
 <node id="14" lat="60.0400" lon="25.0000"/><node id="15" lat="60.0400" lon="25.0020"/><node id="16" lat="60.0410" lon="25.0010"/>
 <way id="21"><nd ref="11"/><nd ref="12"/><tag k="highway" v="residential"/><tag k="name" v="Asemakatu"/><tag k="name:sv" v="Stationsgatan"/></way>
 <way id="22"><nd ref="12"/><nd ref="13"/><tag k="highway" v="residential"/><tag k="name" v="Asemakatu"/><tag k="name:sv" v="Stationsgatan"/></way>
 <way id="23"><nd ref="14"/><nd ref="15"/><nd ref="16"/><nd ref="14"/><tag k="leisure" v="park"/><tag k="name" v="Puisto"/></way>
</osm>"""


def test_a_file_gives_each_place_once_with_its_kind_names_and_address(tmp_path: Path) -> None:
    file = tmp_path / "town.osm"
    file.write_text(TOWN, encoding="utf-8")
    places = read_places(file)
    assert sorted((place.name, place.kind, place.address) for place in places) == [
        ("", "bench", ""), ("Asema", "stop", ""), ("Asemakatu", "street", ""), ("Asemakatu 2", "address", ""),
        ("Kahvila", "cafe", "Asemakatu 2"), ("Puisto", "park", ""),
    ]  # fmt: skip
    named = {place.name: place for place in places}
    assert named["Kahvila"].names == {"ko": "카페"} and named["Asemakatu"].names == {"sv": "Stationsgatan"}
    assert named["Puisto"].point == pytest.approx(
        (25.00075, 60.00025 + 0.04), abs=1e-5
    )  # its middle, its first corner counted twice
    assert named["Asemakatu"].point in [(25.0, 60.031), (25.0, 60.032)]  # on the street


def test_what_is_no_map_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "town.osm.pbf"
    file.write_text("no", encoding="utf-8")
    with pytest.raises(BadSetup, match=r"town\.osm\.pbf: not read"):
        read_places(file)
