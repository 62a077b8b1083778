"""Routes on foot: equal to Dijkstra's, how many a second, how soon a crowd is in them, and what the profiles give.

dongne bench walk [--data FOLDER] [--pairs 1000] [--star 50] [--trips 200] [--seed 1] [--only SECTION,...] [--http URL]

Sections: equal (costs beside scipy's Dijkstra, for each profile), speed (routes a second, igraph beside if it is installed), change (from a new
crowd to answers with it), growth (cost of order, metric and question as networks grow), trips (profiles on a fixed set of trips), spread (the
same question asked often: over how many routes people are sent). Times are of the
processor, one core. igraph is under the GPL and no part of Dongne: who wants it beside runs `pip install igraph`. With --http
questions are put to a running city's answer `calm_walk`.
"""

import argparse
import resource
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from bench._client import keep_busy
from bench._running import machine
from bench._walk_networks import draw_spots, draw_trips, list_networks, put_side_by_side
from bench._walk_spread import show_spread
from bench._walk_trips import show_trips
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from dongne.methods.crowd_field import CrowdField
from dongne.methods.shortest_paths import BARRED, Graph, Hierarchy, Star, contraction_order
from dongne.methods.walk_choices import choose
from dongne.methods.walk_costs import Fields, Prices, get_profile, list_profiles, price
from dongne.methods.walk_metrics import Metrics, profiles_of
from dongne.methods.walk_network import Floats, Ints, WalkNetwork
from dongne.methods.walk_routes import Finder, Router, Spot, connected_edges

SECTIONS = ("equal", "speed", "change", "growth", "trips", "spread")
COUNTERS = 60
ASKED_PER_S = 100


def crowded(network: WalkNetwork, chance: np.random.Generator, field: CrowdField | None = None) -> Fields:
    """A crowd that is drawn, at dusk: nothing of it was measured."""
    field = field or CrowdField(network, chance.choice(network.edges, COUNTERS).tolist())
    crowd = field.crowd(field.flow_per_h(chance.uniform(0.0, 6000.0, COUNTERS)))
    return Fields(crowd, chance.random(network.edges) < 0.002, 0.5)


def as_matrix(network: WalkNetwork, costs: Ints) -> Any:
    """For scipy: of arcs side by side the cheapest, what is barred left out."""
    open_arcs = np.flatnonzero(costs < BARRED)
    tail, head, cost = network.tail[open_arcs], network.head[open_arcs], costs[open_arcs]
    by_pair = np.lexsort((cost, head, tail))
    tail, head, cost = tail[by_pair], head[by_pair], cost[by_pair]
    first = np.append(True, (np.diff(tail) != 0) | (np.diff(head) != 0))
    shape = (network.nodes, network.nodes)
    return csr_array((cost[first].astype(np.float64), (tail[first], head[first])), shape=shape)


def reference(network: WalkNetwork, prices: Prices, far: Floats, nodes: Sequence[int], a: Spot, b: Spot) -> float:
    """The least cost from spot to spot, out of scipy's distances `far` from `nodes`, the two ends of `a`'s edge."""
    best = np.inf
    along, at_head = prices.along, prices.at_head

    def part(arc: int, share: float) -> float:
        return round(int(along[arc]) * share) if along[arc] < BARRED else np.inf

    def met(arc: int) -> float:
        return float(at_head[arc]) if at_head[arc] < BARRED else np.inf

    if a.edge == b.edge:
        arc, share = (2 * a.edge, b.share - a.share) if b.share >= a.share else (2 * a.edge + 1, a.share - b.share)
        best = part(arc, share)
    for leave, rest in ((2 * a.edge, 1 - a.share), (2 * a.edge + 1, a.share)):
        row = nodes.index(int(network.head[leave]))
        for arrive, share in ((2 * b.edge, b.share), (2 * b.edge + 1, 1 - b.share)):
            best = min(best, part(leave, rest) + met(leave) + far[row, network.tail[arrive]] + part(arrive, share))
    return best


def show_equality(name: str, network: WalkNetwork, pairs: int, star: int, seed: int) -> bool:
    """Prints how many costs are equal; whether all are."""
    graph = Graph(network.tail, network.head, network.node_m)
    root, slow = Hierarchy(graph), Star(graph)
    good = True
    for profile in list_profiles():
        chance = np.random.default_rng(seed)
        prices = price(network, profile, crowded(network, chance))
        connected = connected_edges(network, prices)
        root.customise(prices.total)
        slow.customise(prices.total)
        routers = Router(network, root, prices), Router(network, slow, prices)
        matrix = as_matrix(network, prices.total)
        equal = equal_star = barred = 0
        sources, targets = (draw_spots(network, connected, chance, pairs) for _ in range(2))
        for i, (a, b) in enumerate(zip(sources, targets, strict=True)):
            nodes = [int(network.start[a.edge]), int(network.end[a.edge])]
            wanted = reference(network, prices, dijkstra(matrix, indices=nodes), nodes, a, b)
            found = routers[0].find(a, b)
            equal += (np.inf if found is None else found.cost_ms) == wanted
            if found is not None:
                barred += int(routers[0].felt(found).sum()) != found.cost_ms
            if i < star:
                other = routers[1].find(a, b)
                equal_star += (np.inf if other is None else other.cost_ms) == wanted
        good &= equal == pairs and equal_star == min(star, pairs) and not barred
        print(
            f"  {name:13} {profile.id:10} {equal:5} of {pairs} equal; A* {equal_star} of {min(star, pairs)}; sums that differ {barred}",
            flush=True,
        )
    return good


def per_second(seconds: float, count: int) -> str:
    """Times of the processor, said both ways."""
    return f"{count / seconds:9,.0f}/s ({1e6 * seconds / count:7.0f} us)"


def show_speed(name: str, network: WalkNetwork, seed: int, count: int = 2000) -> None:
    """Prints routes a second of the processor, with igraph's beside."""
    chance = np.random.default_rng(seed)
    metrics = Metrics(network)
    metrics.plan(0, [crowded(network, chance)])()
    board, calm = metrics.board, get_profile("calm")
    whole = profiles_of(calm)[-1]
    router = board.slices[0].routers[whole]
    trips = draw_trips(network, board.connected["calm"], chance, count, (300.0, 3000.0))
    began = time.process_time()
    arcs = 0
    for a, b in trips:
        found = router.find(a, b)
        arcs += 0 if found is None else len(found.arcs)
    took = time.process_time() - began
    print(
        f"  {name:13} {network.arcs:7,} arcs: route with its time {per_second(took, len(trips))}, {arcs / len(trips):.0f} arcs each"
    )
    nodes = [(int(network.start[a.edge]), int(network.start[b.edge])) for a, b in trips]
    began = time.process_time()
    costs = [router.engine.route([(a, 0)], [(b, 0)]) for a, b in nodes]
    print(f"  {'':13} path between two junctions     {per_second(time.process_time() - began, len(nodes))}")
    finder = Finder(network)
    began = time.process_time()
    for a, _ in trips:
        finder.find(a.point, board.connected["calm"])
    print(f"  {'':13} spot of a place               {per_second(time.process_time() - began, len(trips))}")
    some = trips[: count // 4]
    began = time.process_time()
    chosen = sum(len(choose(board, calm, a, b, 0)) for a, b in some)
    print(
        f"  {'':13} choice ({chosen / len(some):.1f} routes)           {per_second(time.process_time() - began, len(some))}"
    )
    _show_igraph(network, router.costs, nodes[:200], [-1 if one is None else one.cost for one in costs[:200]])


def _show_igraph(network: WalkNetwork, costs: Ints, nodes: list[tuple[int, int]], wanted: list[int]) -> None:
    if find_spec("igraph") is None:
        print(f"  {'':13} igraph is not here (GPL; `pip install igraph` puts it beside)")
        return
    igraph = import_module("igraph")
    open_arcs = np.flatnonzero(costs < BARRED)
    graph = igraph.Graph(
        network.nodes, np.stack([network.tail[open_arcs], network.head[open_arcs]], axis=1).tolist(), directed=True
    )
    weights = costs[open_arcs].tolist()
    began, equal = time.process_time(), 0
    for (a, b), cost in zip(nodes, wanted, strict=True):
        path = graph.get_shortest_path(a, b, weights=weights, output="epath")
        equal += (sum(weights[arc] for arc in path) if path or a == b else -1) == cost
    print(
        f"  {'':13} igraph {igraph.__version__}, the same paths    {per_second(time.process_time() - began, len(nodes))}, {equal} of {len(nodes)} cost the same"
    )


def show_change(name: str, network: WalkNetwork, seed: int, turns: int = 6) -> bool:
    """Prints how long a crowd takes to be in the answers, and how long a question waits meanwhile; whether it is below a second."""
    chance = np.random.default_rng(seed)
    field = CrowdField(network, chance.choice(network.edges, COUNTERS).tolist())
    metrics = Metrics(network)
    metrics.plan(0, [crowded(network, chance, field)] * 2)()
    trips = draw_trips(network, metrics.board.connected["calm"], chance, 50, (300.0, 3000.0))
    worst_s = 0.0
    for turn in range(turns):
        before = metrics.board.slices[0].fields
        began, began_cpu = time.perf_counter(), time.thread_time()
        what = ("all counters", "one counter", "a closure")[turn % 3]
        crowd, closed = before.crowd.copy(), before.closed.copy()
        if what == "a closure":
            closed[chance.choice(network.edges, 5)] = True
        elif what == "one counter":
            edges = np.flatnonzero(field.known(np.where(np.arange(COUNTERS) == turn, 1.0, np.nan)) > 0)
            crowd[edges] = np.round(1.0 - crowd[edges], 2)
        else:
            crowd = field.crowd(field.flow_per_h(chance.uniform(0.0, 6000.0, COUNTERS)))
        fields = Fields(crowd, closed, 0.5)
        waits: list[float] = []
        later = replace(fields, crowd=np.round(0.9 * crowd, 2))
        asking = Asking(metrics, (fields, later), trips, waits)
        asking.start()
        metrics.plan(0, [fields, later])()
        all_s, took_cpu = time.perf_counter() - began, time.thread_time() - began_cpu
        asking.join()
        took_s = asking.seen_s - began
        print(
            f"  {name:18} {network.arcs:8,} arcs, {what} ({int((fields.crowd != before.crowd).sum() + (fields.closed != before.closed).sum()):,} edges): in the answers after {took_s:5.2f} s, "
            f"in all {len(metrics.board.slices[0].routers)} metrics x 2 quarters of an hour after {all_s:5.2f} s ({took_cpu:5.2f} s of the processor); "
            f"{len(waits)} choices beside it: median {1000 * np.median(waits):.1f}, longest {1000 * max(waits):.0f} ms",
            flush=True,
        )  # fmt: skip
        worst_s = max(worst_s, took_s)
    return worst_s <= 1.0


class Asking(threading.Thread):
    """Asks one question after the other, ASKED_PER_S a second, until all is in force; `seen_s` is when an answer first knew of these fields."""

    def __init__(
        self, metrics: Metrics, fields: tuple[Fields, Fields], trips: list[tuple[Spot, Spot]], waits: list[float]
    ) -> None:
        super().__init__()
        self._metrics, self._fields, self._trips, self._waits = metrics, fields, trips, waits
        self.seen_s = 0.0

    def run(self) -> None:
        """Ends when the later quarter of an hour has the fields too."""
        calm = get_profile("calm")
        for a, b in cycle(self._trips):
            began_s = time.perf_counter()
            board = self._metrics.board
            choose(board, calm, a, b, 0)
            now_s = time.perf_counter()
            self._waits.append(now_s - began_s)
            if board.slices[0].fields is self._fields[0]:
                self.seen_s = self.seen_s or now_s
                if board.slices[1].fields is self._fields[1]:
                    return
            time.sleep(max(0.0, 1 / ASKED_PER_S - (now_s - began_s)))


def show_growth(name: str, network: WalkNetwork, seed: int) -> None:
    """Prints what a network costs as it grows."""
    chance = np.random.default_rng(seed)
    graph = Graph(network.tail, network.head, network.node_m)
    marks = [time.process_time()]
    memory = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]
    order = contraction_order(graph)
    marks.append(time.process_time())
    engine = Hierarchy(graph, order)
    marks.append(time.process_time())
    memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    prices = price(network, get_profile("calm"), crowded(network, chance))
    marks.append(time.process_time())
    engine.customise(prices.total)
    marks.append(time.process_time())
    partial = []
    for share in (0.001, 0.01, 0.05):
        arcs = np.sort(chance.choice(network.arcs, max(int(network.arcs * share), 1), replace=False))
        began = time.process_time()
        engine.update(arcs, chance.integers(1000, 60_000, len(arcs)))
        partial.append(time.process_time() - began)
    main = np.flatnonzero(network.component == 0)
    pairs = chance.choice(main, (500, 2)).tolist()
    began = time.process_time()
    for a, b in pairs:
        engine.route([(a, 0)], [(b, 0)])
    query = (time.process_time() - began) / len(pairs)
    steps = np.diff(marks)
    print(
        f"  {name:18} {network.nodes:8,} nodes {network.arcs:9,} arcs: order {steps[0]:6.2f} s, hierarchy {steps[1]:5.2f} s, metric {1000 * steps[3]:6.1f} ms"
        f" (0.1 / 1 / 5 % of it: {' / '.join(f'{1000 * one:.1f}' for one in partial)}), path across {1e6 * query:5.0f} us, "
        f"at most {memory[1] / 1024:,.0f} MiB by now",
        flush=True,
    )  # fmt: skip


def show_http(url: str, network: WalkNetwork, seed: int, seconds: float = 10.0) -> None:
    """Prints how many questions to `calm_walk` a running city answers, and how many routes these are."""
    chance = np.random.default_rng(seed)
    prices = price(network, get_profile("calm"), Fields.none(network))
    trips = draw_trips(network, connected_edges(network, prices), chance, 500, (200.0, 1500.0))
    parts = urlsplit(url)
    turn = iter(range(10**9))

    def make() -> bytes:
        a, b = trips[next(turn) % len(trips)]
        asked = f"start={a.point[0]:.6f},{a.point[1]:.6f}&end={b.point[0]:.6f},{b.point[1]:.6f}&profile=calm"
        return f"GET {parts.path.rstrip('/')}?{asked} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: application/json\r\n\r\n".encode()

    tally = keep_busy(parts.port or 80, 8, seconds, make, lambda status, body: body.count(b'"role"') * (status == 200))
    print(
        f"  {tally.answers / tally.seconds:,.0f} answers/s with {tally.acknowledged / tally.seconds:,.0f} routes/s through HTTP, p50 {tally.at(0.5):.1f} ms, p99 {tally.at(0.99):.1f} ms; other answers {tally.others}"
    )


def grow(networks: dict[str, WalkNetwork], section: str) -> dict[str, WalkNetwork]:
    """Copies of the largest network side by side, for sections that are about size."""
    times = {"change": (2,), "growth": (2, 4)}.get(section, ())
    name = max(networks, key=lambda one: networks[one].arcs)
    return {f"{name} x {n}": put_side_by_side(networks[name], n) for n in times}


def show(section: str, city: str, network: WalkNetwork, asked: argparse.Namespace) -> bool:
    """Prints a section for a city; whether it is as it should be."""
    match section:
        case "equal":
            return show_equality(city, network, asked.pairs, asked.star, asked.seed)
        case "speed":
            show_speed(city, network, asked.seed)
        case "change":
            return show_change(city, network, asked.seed)
        case "growth":
            show_growth(city, network, asked.seed)
        case "trips":
            show_trips(city, network, asked.data, asked.trips, asked.seed)
        case _:
            show_spread(city, network, asked.seed)
    return True


def main(argv: list[str] | None = None) -> int:
    """Prints the sections; 1 where a cost differs or a crowd comes too late."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with osm_krems and porto_alegre")
    parser.add_argument("--pairs", type=int, default=1000, help="pairs of places for each profile and city (1000)")
    parser.add_argument("--star", type=int, default=50, help="of which A* answers so many too (50)")
    parser.add_argument("--trips", type=int, default=200, help="trips in the table of profiles (200)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (1)")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"sections, of {', '.join(SECTIONS)}")
    parser.add_argument(
        "--http", help="where `calm_walk` of Helsinki answers, such as http://127.0.0.1:8000/answers/calm_walk"
    )
    arguments = parser.parse_args(argv)
    wanted = arguments.only.split(",")
    if unknown := set(wanted) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}; sections: {', '.join(SECTIONS)}")
    print(machine())
    networks = dict(list_networks(arguments.data))
    if arguments.http:
        show_http(arguments.http, networks["Helsinki"], arguments.seed)
        return 0
    good = True
    for section in wanted:
        print(f"\n{section}", flush=True)
        for city, network in (networks | grow(networks, section)).items():
            good &= show(section, city, network, arguments)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
