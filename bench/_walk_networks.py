"""Walking networks for measurements: of the cities at hand, and several copies of one side by side."""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from dongne.adapters.osm_walking import read_walk_network
from dongne.adapters.places import get_city_folder
from dongne.adapters.sources import find_file, load_sources
from dongne.methods.walk_network import WalkNetwork, find_components
from dongne.methods.walk_routes import Spot

JOINTS = 40  # edges between two copies
OF_NODES = ("node_lon", "node_lat", "node_kerb", "node_crossing", "node_barrier", "node_road")
POINTS = ("shape_lon", "shape_lat")


def list_networks(data: Path | None) -> Iterator[tuple[str, WalkNetwork]]:
    """Helsinki, and with --data Krems and Porto Alegre."""
    for name, city in (("Helsinki", "helsinki"), ("Krems", "krems")):
        path = find_file(load_sources(get_city_folder(city))["osm"], data)
        if path is not None:
            yield name, read_walk_network(path)
    if data is not None and (path := data / "porto_alegre/poa_osm.pbf").exists():
        yield "Porto Alegre", read_walk_network(path)


def put_side_by_side(network: WalkNetwork, copies: int) -> WalkNetwork:
    """Copies of a network from west to east, neighbours joined at their rims: not a real city, as large as one."""
    west, _, east, _ = network.bounds
    columns: dict[str, Any] = {}
    for field in fields(network):
        value = getattr(network, field.name)
        if field.name == "names":
            continue
        parts = [value] * copies
        if field.name in ("node_lon", "shape_lon"):
            parts = [value + i * (east - west) for i in range(copies)]
        elif field.name in ("start", "end"):
            parts = [value + i * network.nodes for i in range(copies)]
        elif field.name == "shape_from":
            parts = [value[:-1] + i * value[-1] for i in range(copies)] + [np.array([copies * value[-1]])]
        columns[field.name] = np.concatenate(parts)
    joined = _join(replace(network, **columns), network, copies)
    return replace(joined, component=find_components(joined.nodes, joined.start, joined.end))


def _join(many: WalkNetwork, one: WalkNetwork, copies: int) -> WalkNetwork:
    main = np.flatnonzero(one.component == 0)
    by_lon = main[np.argsort(one.node_lon[main], kind="stable")]
    rim = [part[np.argsort(one.node_lat[part], kind="stable")] for part in (by_lon[-JOINTS:], by_lon[:JOINTS])]
    starts = np.concatenate([rim[0] + i * one.nodes for i in range(copies - 1)] or [np.zeros(0, np.int64)])
    ends = np.concatenate([rim[1] + (i + 1) * one.nodes for i in range(copies - 1)] or [np.zeros(0, np.int64)])
    if not len(starts):
        return many
    both = np.stack([starts, ends], axis=1).ravel()
    grown: dict[str, Any] = {}
    for field in fields(many):
        value = getattr(many, field.name)
        if field.name in (*OF_NODES, "names", "component"):
            continue
        if field.name == "permitted":
            grown[field.name] = np.concatenate([value, np.full(2 * len(starts), True)])
        elif field.name == "shape_from":
            grown[field.name] = np.concatenate([value, value[-1] + 2 * np.arange(1, len(starts) + 1)])
        elif field.name in POINTS:
            grown[field.name] = np.concatenate([value, getattr(many, field.name.replace("shape", "node"))[both]])
        else:
            grown[field.name] = np.concatenate([value, value[: len(starts)]])
    apart = many.node_m[ends] - many.node_m[starts]
    grown |= {"start": np.concatenate([many.start, starts]), "end": np.concatenate([many.end, ends])}
    grown["length_m"] = np.concatenate([many.length_m, np.maximum(np.hypot(apart[:, 0], apart[:, 1]), 1.0)])
    return replace(many, **grown)


def draw_spots(network: WalkNetwork, connected: Any, chance: np.random.Generator, count: int) -> list[Spot]:
    """Spots anywhere on connected edges."""
    edges = chance.choice(np.flatnonzero(connected), count)
    return [
        Spot(int(e), float(s), network.shape(int(e))[0], 0.0) for e, s in zip(edges, chance.random(count), strict=True)
    ]


def draw_trips(
    network: WalkNetwork, connected: Any, chance: np.random.Generator, count: int, metres: tuple[float, float]
) -> list[tuple[Spot, Spot]]:
    """Pairs of spots so many metres apart as the crow flies."""
    edges = np.flatnonzero(connected)
    at = network.node_m[network.start[edges]]
    trips: list[tuple[Spot, Spot]] = []
    for first in chance.choice(len(edges), 50 * count).tolist():
        away = np.hypot(*(at - at[first]).T)
        near = np.flatnonzero((away >= metres[0]) & (away <= metres[1]))
        if len(near):
            pair = int(edges[first]), int(edges[chance.choice(near)])
            a, b = (Spot(e, float(chance.random()), network.shape(e)[0], 0.0) for e in pair)
            trips.append((a, b))
        if len(trips) == count:
            break
    return trips
