from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dongne.adapters.clock import CityClock
from dongne.stores.embedded.store import EmbeddedStore

OSM = """<?xml version='1.0' encoding='UTF-8'?>
<osm version="0.6" generator="hand">
  <node id="1" version="1" lat="60.1700" lon="24.9400"/>
  <node id="2" version="1" lat="60.1700" lon="24.9420"/>
  <node id="3" version="1" lat="60.1703" lon="24.9401"/>
  <node id="4" version="1" lat="60.1703" lon="24.9405"/>
  <node id="5" version="1" lat="60.1705" lon="24.9405"/>
  <node id="6" version="1" lat="60.1705" lon="24.9401"/>
  <node id="11" version="1" lat="60.17005" lon="24.9402"><tag k="highway" v="street_lamp"/></node>
  <node id="12" version="1" lat="60.17005" lon="24.9406"><tag k="highway" v="street_lamp"/></node>
  <node id="13" version="1" lat="60.17005" lon="24.9410"><tag k="highway" v="street_lamp"/></node>
  <node id="21" version="1" lat="60.1701" lon="24.9403"><tag k="amenity" v="waste_basket"/></node>
  <node id="22" version="1" lat="60.1701" lon="24.9404">
    <tag k="addr:street" v="Aleksi"/><tag k="addr:housenumber" v="7"/><tag k="shop" v="bakery"/>
  </node>
  <node id="23" version="1" lat="60.1702" lon="24.9404">
    <tag k="addr:street" v="Aleksi"/><tag k="addr:housenumber" v="7"/><tag k="amenity" v="cafe"/>
  </node>
  <node id="24" version="1" lat="60.1702" lon="24.9408">
    <tag k="railway" v="tram_stop"/><tag k="name" v="Lasipalatsi"/>
  </node>
  <node id="25" version="1" lat="60.1703" lon="24.9401"><tag k="building" v="entrance"/></node>
  <way id="100" version="1"><nd ref="1"/><nd ref="2"/>
    <tag k="highway" v="residential"/><tag k="name" v="Aleksi"/></way>
  <way id="101" version="1"><nd ref="2"/><nd ref="4"/><tag k="highway" v="footway"/></way>
  <way id="102" version="1"><nd ref="3"/><nd ref="4"/><nd ref="5"/><nd ref="6"/><nd ref="3"/>
    <tag k="building" v="yes"/><tag k="building:levels" v="6"/><tag k="height" v="21.5 m"/></way>
  <way id="103" version="1"><nd ref="3"/><nd ref="4"/><nd ref="999"/><nd ref="3"/><tag k="building" v="yes"/></way>
</osm>
"""


@pytest.fixture
def osm_file(tmp_path: Path) -> Path:
    """A street with three lamps, a basket, a stop, two buildings (one cut off) and an address twice."""
    file = tmp_path / "town.osm"
    file.write_text(OSM, encoding="utf-8")
    return file


@pytest.fixture
def city_folder(tmp_path: Path, osm_file: Path) -> Path:
    """A city of that file, read with --data tmp_path."""
    folder = tmp_path / "town"
    folder.mkdir()
    (folder / "city.toml").write_text(
        'zone = "Europe/Helsinki"\nbounds = [24.93, 60.16, 24.95, 60.18]\n[name]\nen = "Town"\nko = "읍내"\n',
        encoding="utf-8",
    )
    (folder / "sources.toml").write_text(
        '[[source]]\nid = "osm"\nused_for = "Things"\nlicence = "ODbL-1.0"\nattribution = "OSM"\norigin = "hand"\n'
        f'folder_file = "{osm_file.name}"\n',
        encoding="utf-8",
    )
    return folder


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., EmbeddedStore]]:
    """Opens the store of this test, again and again if wanted; closes what is left open."""
    opened: list[EmbeddedStore] = []

    def open_it(clock: CityClock | None = None) -> EmbeddedStore:
        store = EmbeddedStore.open(tmp_path / "store", clock or CityClock(), follow=False)
        opened.append(store)
        return store

    yield open_it
    for store in opened:
        store.close()
