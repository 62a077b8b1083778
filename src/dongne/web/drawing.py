"""The city as a drawing: ways, buildings and marked things as SVG."""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from math import cos, radians
from typing import Any

from markupsafe import Markup, escape

from dongne.model.geometry import Point
from dongne.web.shapes import STATE_PATHS

WIDTH = 1000.0
MARKER = 16.0
_STYLE = (
    "@media (prefers-color-scheme: dark){.b{fill:#2a3531}.w{stroke:#46544e}}"
    ".b{fill:#e2dfd3}.w{fill:none;stroke:#cfcabb;stroke-width:2}"
)
BASE_POLICY = f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; frame-ancestors 'none'"


class Projection:
    """From (lon, lat) to a drawing 1000 wide, true to shape in the middle of the bounds."""

    def __init__(self, bounds: tuple[float, float, float, float]) -> None:
        self.west, self.south, self.east, self.north = bounds
        self._scale = WIDTH / (self.east - self.west)
        self._stretch = 1 / cos(radians((self.south + self.north) / 2))
        self.height = round((self.north - self.south) * self._scale * self._stretch, 1)

    def at(self, point: Point) -> tuple[float, float]:
        """Where the point lies in the drawing."""
        x = (point[0] - self.west) * self._scale
        return round(x, 1), round((self.north - point[1]) * self._scale * self._stretch, 1)

    def holds(self, point: Point) -> bool:
        """Whether the point lies within the bounds."""
        return self.west <= point[0] <= self.east and self.south <= point[1] <= self.north


def draw_base(projection: Projection, layers: dict[str, dict[str, Any]]) -> str:
    """Buildings and ways, one path for each kind."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {projection.height:g}"><style>{_STYLE}</style>'
    ]
    for kind, layer in sorted(layers.items()):
        path = "".join(_path(projection, f["geometry"]) for f in layer["features"])
        parts.append(f'<path class="{"b" if kind == "building" else "w"}" d="{path}"/>')
    return "".join(parts) + "</svg>"


def _path(projection: Projection, geometry: dict[str, Any]) -> str:
    coordinates = geometry.get("coordinates", [])
    match geometry.get("type"):
        case "LineString":
            return _line(projection, coordinates, "")
        case "Polygon" | "MultiLineString":
            return "".join(
                _line(projection, ring, "Z" if geometry["type"] == "Polygon" else "") for ring in coordinates
            )
        case "MultiPolygon":
            return "".join(_line(projection, ring, "Z") for polygon in coordinates for ring in polygon)
        case _:
            return ""


def _line(projection: Projection, points: Iterable[Any], end: str) -> str:
    return "M" + "L".join("{} {}".format(*projection.at((p[0], p[1]))) for p in points) + end


def draw_marker(projection: Projection, marker: dict[str, Any], is_chosen: bool) -> Markup:
    """A Thing's state where it is, leading to its page."""
    x, y = projection.at(marker["point"])
    size = MARKER * (1.8 if is_chosen else 1.0 if marker["state"] in ("alarm", "crowded", "busy") else 0.6)
    label = escape(f"{marker['name']}, {marker['word']}")
    return Markup(
        f'<a href="/things/{marker["id"]}" class="{marker["state"]}" aria-label="{label}">'
        f'<title>{label}</title><svg x="{x - size / 2:.1f}" y="{y - size / 2:.1f}" width="{size:g}" height="{size:g}" '
        f'viewBox="0 0 10 10">{STATE_PATHS[marker["state"]]}</svg></a>'
    )
