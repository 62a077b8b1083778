"""Small walking networks made by hand, for tests."""

from typing import Any

import numpy as np

from dongne.methods.walk_network import UNKNOWN, WalkNetwork, find_components

Row = tuple[int, int]
M = 1 / 111_195.0  # of a degree of latitude, at the equator also of longitude


def make_network(places_m: list[tuple[float, float]], rows: list[Row], **columns: Any) -> WalkNetwork:
    """Nodes at metres east and north of (0, 0); edges between them, straight, all as plain as can be but for `columns`."""
    at = np.array(places_m, np.float64) * M
    start, end = np.array([a for a, _ in rows], np.int64), np.array([b for _, b in rows], np.int64)
    many, nodes = len(rows), len(places_m)
    length = np.hypot(*(np.array(places_m)[end] - np.array(places_m)[start]).T)
    ends = np.stack([start, end], axis=1).ravel()
    none, zeros, unknown = np.zeros(many, np.int64), np.zeros(nodes, np.int64), np.full(many, np.nan)
    given: dict[str, Any] = {
        "node_lon": at[:, 0], "node_lat": at[:, 1], "node_kerb": zeros, "node_crossing": zeros, "node_barrier": zeros, "node_road": zeros,
        "component": find_components(nodes, start, end), "start": start, "end": end, "way": np.arange(many), "name": none, "kind": none,
        "length_m": length, "steps": none, "ramp": none > 0, "handrail": none > 0, "incline_percent": unknown, "surface": none + 1,
        "lit": none + UNKNOWN, "width_m": unknown, "cover": none, "road": none, "wheelchair": none + UNKNOWN, "permitted": np.full(2 * many, True),
        "shape_from": np.arange(0, 2 * many + 1, 2), "shape_lon": at[ends, 0], "shape_lat": at[ends, 1], "names": ("",),
    }  # fmt: skip
    for key, value in columns.items():
        given[key] = value if key == "names" else np.array(value)
    return WalkNetwork(**given)
