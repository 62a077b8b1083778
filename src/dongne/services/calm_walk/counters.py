"""Counters of people along the ways: what they say now and for the hours to come, and where it was measured."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isnan, nan

import numpy as np

from dongne.methods.crowd_field import interpolate
from dongne.methods.walk_network import Floats, WalkNetwork
from dongne.model.entities import Datastream
from dongne.model.geometry import Point
from dongne.model.graph import ThingGraph
from dongne.model.observed import ObservedProperty
from dongne.model.properties import PEDESTRIANS
from dongne.model.records import ObservationBatch

FORECAST = ObservedProperty("pedestrians_forecast", "{person}/h", 0.0, 100_000.0)  # as `footfall` says it
HERE, SIMULATED = "here", "simulated"
HOUR_US = 3_600_000_000
KEPT_HOURS = 12  # of each Datastream
HOLDS_US = 3 * HOUR_US  # so long a count is taken for what is, where nothing newer and no forecast is there
BESIDE_M = 30.0  # a counter whose Thing is no way on the map counts on the nearest one within this


@dataclass
class Counter:
    """A Thing at which people are counted, on an edge. Hours by their start in microseconds: persons an hour."""

    edge: int
    origin: str  # "here", "simulated", or where it was measured and from where it is replayed here
    counted: dict[int, float] = field(default_factory=dict)
    forecast: dict[int, float] = field(default_factory=dict)

    def at(self, time_us: int) -> tuple[float, bool]:
        """Persons an hour at an instant, and whether a forecast says so; NaN where nothing does."""
        newest = max(self.counted, default=0)
        ahead = {hour: value for hour, value in self.forecast.items() if hour > newest}
        value = interpolate([*self.counted.items(), *ahead.items()], time_us)
        if not isnan(value):
            return value, time_us > newest + HOUR_US
        if newest and 0 <= time_us - newest <= HOLDS_US:
            return self.counted[newest], False
        return nan, False


class Counters:
    """All of them, by the Datastreams that speak of them."""

    def __init__(self, network: WalkNetwork, graph: ThingGraph) -> None:
        self.all: list[Counter] = []
        self._of: dict[int, dict[int, float]] = {}  # Datastream -> the hours it fills
        for thing_id in sorted(graph.things):
            self._take_thing(network, graph, thing_id)

    def _take_thing(self, network: WalkNetwork, graph: ThingGraph, thing_id: int) -> None:
        streams = list(_streams(graph, thing_id))
        counting = [stream for key, stream in streams if key == PEDESTRIANS.key]
        if not counting:
            return
        edge = find_edge(network, graph, thing_id)
        if edge is None:
            return
        counter = Counter(edge, _origin(counting[0]))
        self.all.append(counter)
        for key, stream in streams:
            self._of[stream.id] = counter.counted if key == PEDESTRIANS.key else counter.forecast

    @property
    def edges(self) -> list[int]:
        """Where they stand."""
        return [counter.edge for counter in self.all]

    def take(self, batch: ObservationBatch) -> bool:
        """Takes counts in; whether there were any."""
        taken = False
        rows = zip(batch.datastream.tolist(), batch.time_us.tolist(), batch.result.tolist(), strict=True)
        for stream, time_us, result in rows:
            hours = self._of.get(stream)
            if hours is None or isnan(result):
                continue
            hours[time_us // HOUR_US * HOUR_US] = result
            taken = True
            if len(hours) > KEPT_HOURS:
                del hours[min(hours)]
        return taken

    def keep(self, before: "Counters") -> None:
        """Takes over what was known before the graph changed."""
        for stream, hours in before._of.items():
            if stream in self._of:
                self._of[stream].update(hours)

    def counts_at(self, time_us: int) -> tuple[Floats, bool]:
        """Persons an hour of each counter at an instant (NaN: not known), and whether any is a forecast."""
        said = [counter.at(time_us) for counter in self.all]
        return np.array([value for value, _ in said], np.float64), any(ahead for _, ahead in said)


def _streams(graph: ThingGraph, thing_id: int) -> Iterator[tuple[str, Datastream]]:
    for stream in graph.list_datastreams(thing_id):
        if (key := graph.property_key(stream)) in (PEDESTRIANS.key, FORECAST.key):
            yield key, stream


def _origin(stream: Datastream) -> str:
    if stream.properties.get("simulated"):
        return SIMULATED
    said = stream.properties.get("origin")
    return str((said.get("where") if isinstance(said, dict) else said) or HERE)


def find_edges(network: WalkNetwork, graph: ThingGraph, thing_id: int) -> list[int]:
    """The edges of a Thing: those of its way on the map, else the nearest one within 30 m."""
    source = str(graph.get_thing(thing_id).properties.get("source_id", ""))
    if source.startswith("osm:way/"):
        own = np.flatnonzero(network.way == int(source.removeprefix("osm:way/"))).tolist()
        if own:
            return own
    point = graph.find_point(thing_id)
    if point is None:
        return []
    away_m = _middles_away_m(network, point)
    nearest = int(away_m.argmin())
    return [nearest] if away_m[nearest] <= BESIDE_M + float(network.length_m[nearest]) / 2 else []


def find_edge(network: WalkNetwork, graph: ThingGraph, thing_id: int) -> int | None:
    """The one of them that is nearest to the Thing's middle."""
    edges, point = find_edges(network, graph, thing_id), graph.find_point(thing_id)
    if not edges or point is None:
        return None
    away_m = _middles_away_m(network, point)
    return min(edges, key=lambda edge: (float(away_m[edge]), edge))


def _middles_away_m(network: WalkNetwork, point: Point) -> Floats:
    """How far the middle of each edge is, between its ends."""
    x, y = network.plane.flatten_point(point)
    middle = (network.node_m[network.start] + network.node_m[network.end]) / 2
    return np.asarray(np.hypot(middle[:, 0] - x, middle[:, 1] - y))
