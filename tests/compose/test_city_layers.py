"""Layers of a city for the answers that need them."""

from pathlib import Path
from typing import Any

import pytest

from dongne.compose.city_layers import load_layers
from dongne.methods.walk_network import WalkNetwork
from dongne.model.errors import BadSetup
from dongne.runtime.answer import Answer
from dongne.runtime.manifest import Manifest
from dongne.runtime.registry import LoadedAnswer

TOWN = """<osm version="0.6">
  <node id="1" version="1" lat="60.17" lon="24.94"/><node id="2" version="1" lat="60.17" lon="24.95"/>
  <way id="1" version="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="footway"/></way>
</osm>
"""


class Walks(Answer[Any, Any, Any]):
    needs = ("walk_network",)


class Flies(Answer[Any, Any, Any]):
    needs = ("air",)


def loaded(cls: type[Answer[Any, Any, Any]]) -> LoadedAnswer:
    manifest = Manifest(id="a", shape="answer", area="a", origin="o", privacy="public", owner="o", maturity="lab")
    return LoadedAnswer(manifest, cls, type(None), str)


@pytest.fixture
def city(tmp_path: Path) -> Path:
    (tmp_path / "town.osm").write_text(TOWN, encoding="utf-8")
    folder = tmp_path / "town"
    folder.mkdir()
    (folder / "sources.toml").write_text(
        '[[source]]\nid = "osm"\nused_for = "Things"\nlicence = "l"\nattribution = "a"\norigin = "o"\nfolder_file = "town.osm"\n'
    )
    return folder


def test_a_layer_is_made_for_who_needs_it_and_kept(city: Path, tmp_path: Path) -> None:
    layers = load_layers([loaded(Walks)], city, tmp_path, tmp_path / "layers")
    assert isinstance(layers["walk_network"], WalkNetwork)
    assert layers["walk_network"].edges == 1
    assert len(list((tmp_path / "layers").iterdir())) == 1
    assert load_layers([], city, tmp_path, tmp_path / "layers") == {}


def test_a_layer_there_is_not_is_refused_at_the_start(city: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSetup, match=r"needs the layer 'air'; layers: .*walk_network"):
        load_layers([loaded(Flies)], city, tmp_path, tmp_path / "layers")
    (city / "sources.toml").unlink()
    with pytest.raises(BadSetup, match="there is no source 'osm'; the walking network is read from it"):
        load_layers([loaded(Walks)], city, tmp_path, tmp_path / "layers")
