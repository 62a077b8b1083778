"""A few routes worth choosing from: none is both slower and less pleasant than another, and none nearly the same as another.

Routes are looked for with all that a profile minds, with half of it, with none of it, and with what others mind who walk alike (weighted sums find
the convex part of the Pareto set: M. Ehrgott, Multicriteria Optimization, 2005, chapter 3); and with costs drawn by street (simulated costs: Y. Sheffi, W.
Powell, An algorithm for the equilibrium assignment problem with random link times, Networks 12, 1982), which finds other streets that are nearly as good. Each
is then priced as it will be when one gets to each arc.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dongne.methods.advised_load import AdvisedLoad
from dongne.methods.shortest_paths import BARRED
from dongne.methods.walk_costs import Profile, list_profiles
from dongne.methods.walk_metrics import SLICE_US, Board, draws_of, list_companions, profiles_of
from dongne.methods.walk_network import WalkNetwork
from dongne.methods.walk_routes import Spot, WalkRoute, priced, side_by_side

MOST_OVERLAP = 0.75  # of the shorter of two routes, by length
MOST_LONGER = 1.5  # a route that takes so much longer than the quickest one is none to choose
LONGER_MS = 120_000  # and a few minutes never matter
COMPARABLE = 1.1  # nobody is sent along what feels longer than this beside the best, for the sake of others
ALIKE = 1.05  # within so much two routes are equal


class Choice(NamedTuple):
    """A route as it will be when it is walked. `felt_ms` is what the profile minds, in equivalent time; `crowd`, `dark`, `noise` are means over the time
    walked, from 0 to 1; `sent_ms` is what was added by others who were sent along it."""

    route: WalkRoute
    time_ms: int
    felt_ms: int
    length_m: float
    crowd: float
    dark: float
    noise: float
    steps: int
    edges: frozenset[int]
    sent_ms: float = 0.0


def choose(
    board: Board,
    profile: Profile,
    source: Spot,
    target: Spot,
    depart_us: int,
    load: AdvisedLoad | None = None,
    most: int = 3,
) -> list[Choice]:
    """Up to `most` routes, the one to be advised first; empty where there is none. With a `load` those before are taken into account, and the
    first route is added to it."""
    whole = profiles_of(profile)[-1]
    routes = list(_search(board, profile, source, target, depart_us))
    kept = select(board, whole, measure(board, profile, routes, depart_us), most)
    if load is not None and kept:
        kept = spread(board.slices[0].routers[whole].network, kept, whole, load, depart_us)
    return kept


def _search(board: Board, profile: Profile, source: Spot, target: Spot, depart_us: int) -> Iterator[WalkRoute]:
    """Routes at each share of what the profile and its companions mind, each once, as it is when one sets out and half way."""
    known: set[tuple[int, ...]] = set()
    now = board.slice_of(depart_us)
    parts = [now]
    looked_for = *reversed(profiles_of(profile)), *draws_of(profile), *list_companions(profile, list_profiles())
    for one in looked_for:
        for part in parts:
            router = part.routers[one]
            if part is not now and router is now.routers[one]:
                continue  # it will be then as it is now
            route = router.find(source, target)
            if route is None:
                continue
            if not known:
                later = board.slice_of(depart_us + route.time_ms * 500)
                parts += [later] if later is not now else []
            if (key := tuple(route.arcs)) not in known:
                known.add(key)
                yield route


def measure(board: Board, profile: Profile, routes: Sequence[WalkRoute], depart_us: int) -> list[Choice]:
    """What routes are like for a profile at the time at which each arc is reached, in the same order; those that are barred then are left out."""
    if not routes:
        return []
    here = board.number_of(depart_us)
    router = board.slices[here].routers[profiles_of(profile)[-1]]
    network, prices = router.network, router.prices
    walked = side_by_side(routes)
    arcs, first = walked.arcs, walked.first
    edges = arcs >> 1
    times = priced(walked, prices.along_time[arcs], prices.at_head_time[arcs])
    time_ms = np.add.reduceat(times, first)
    along, at_head = prices.along[arcs], prices.at_head[arcs]
    exposed = board.slices[here].columns[edges]
    if board.number_of(depart_us + int(time_ms.max()) * 1000) != here:
        before_ms = np.cumsum(times) - times
        before_ms -= np.repeat(before_ms[first], np.diff(first, append=len(arcs)))
        reached = np.minimum((depart_us + before_ms * 1000) // SLICE_US - board.first, len(board.slices) - 1)
        for number in range(here + 1, int(reached.max()) + 1):
            then, part = reached == number, board.slices[number]
            along[then] = part.routers[profiles_of(profile)[-1]].prices.along[arcs[then]]
            exposed[then] = part.columns[edges[then]]
    costs = priced(walked, along, at_head)
    barred = np.maximum.reduceat(np.maximum(along, costs), first) >= BARRED
    means = np.add.reduceat(times[:, None] * exposed, first) / np.maximum(time_ms, 1)[:, None]
    columns = (
        routes,
        time_ms.tolist(),
        np.add.reduceat(costs, first).tolist(),
        np.add.reduceat(network.length_m[edges] * walked.share, first).tolist(),
        means.tolist(),
        np.add.reduceat(network.steps[edges], first).tolist(),
        barred.tolist(),
    )
    return [
        Choice(route, took, felt, metres, crowd, dark, noise, steps, frozenset([arc >> 1 for arc in route.arcs]))
        for route, took, felt, metres, (crowd, dark, noise), steps, is_barred in zip(*columns, strict=True)
        if not is_barred
    ]


def select(board: Board, whole: Profile, found: Sequence[Choice], most: int) -> list[Choice]:
    """The best by what is felt, and those that are neither beaten by another, nor much longer, nor nearly the same as one before."""
    if not found:
        return []
    network = board.slices[0].routers[whole].network
    ranked = sorted(found, key=lambda one: (one.felt_ms, one.time_ms, one.route.arcs))
    quickest_ms = min(one.time_ms for one in found)
    kept = ranked[:1]
    for one in ranked[1:]:
        beaten = any(_beats(other, one) for other in kept)
        long = one.time_ms > quickest_ms * MOST_LONGER + LONGER_MS
        if not beaten and not long and all(overlap(network, one, other) <= MOST_OVERLAP for other in kept):
            kept.append(one)
    return kept[:most]


def _beats(one: Choice, other: Choice) -> bool:
    """Whether one is no worse in time, in what is minded beyond it, and in crowds, and better by enough to matter in time or in what is felt."""
    better = one.time_ms * ALIKE < other.time_ms or one.felt_ms * ALIKE < other.felt_ms
    return (
        better
        and one.time_ms <= other.time_ms
        and one.felt_ms - one.time_ms <= other.felt_ms - other.time_ms
        and one.crowd * one.time_ms <= other.crowd * other.time_ms
    )


def overlap(network: WalkNetwork, one: Choice, other: Choice) -> float:
    """The share of the shorter of two routes that both have, by length of the edges; whichever way they are walked."""
    both = one.edges & other.edges
    shorter_m = min(one.length_m, other.length_m)
    return min(sum(map(network.lengths_m.__getitem__, both)) / max(shorter_m, 0.1), 1.0)


def spread(
    network: WalkNetwork, kept: Sequence[Choice], whole: Profile, load: AdvisedLoad, now_us: int
) -> list[Choice]:
    """The same routes; first the comparable one that feels least with all who were sent along it, to which one more is added."""
    weighed = []
    for one in kept:
        edges = np.array(sorted(one.edges), np.int64)
        metres = network.length_m[edges]
        crowd = float((load.crowd(edges, now_us) * metres).sum() / metres.sum())
        weighed.append(one._replace(sent_ms=one.time_ms * crowd * max(whole.crowd_weight, 1.0)))
    best = min(one.felt_ms for one in weighed)
    fair = [one for one in weighed if one.felt_ms <= best * COMPARABLE]
    first = min(fair, key=lambda one: (one.felt_ms + one.sent_ms, one.felt_ms, one.route.arcs))
    load.add(np.array(sorted(first.edges), np.int64), now_us)
    return [first, *(one for one in weighed if one is not first)]
