"""How far one gets on foot within a limit, along every way."""

from typing import NamedTuple

import numpy as np

from dongne.methods.shortest_paths import BARRED
from dongne.methods.walk_routes import Router, Spot


class Piece(NamedTuple):
    """A part of an edge that is reached, between two shares of its length as it is drawn; `cost_ms` is what its nearest point costs."""

    edge: int
    begin: float
    end: float
    cost_ms: int


def find_reach(router: Router, source: Spot, limit_ms: int) -> list[Piece]:
    """Everything within `limit_ms` at the router's prices (those of `blend(profile, 0)` are real time), by edge."""
    network, along = router.network, router.prices.along
    pieces = _around(router, source, limit_ms)
    nodes = router.reach(source, limit_ms)
    cost = np.full(network.nodes, BARRED, np.int64)
    cost[list(nodes)] = list(nodes.values())
    for side, ends in enumerate((network.start, network.end)):
        leaving = along[side::2]  # the arcs that leave from this end
        edges = np.flatnonzero((cost[ends] <= limit_ms) & (leaving < BARRED))
        spent = cost[ends][edges]
        shares = np.minimum((limit_ms - spent) / np.maximum(leaving[edges], 1), 1.0)
        for edge, share, paid in zip(edges.tolist(), shares.tolist(), spent.tolist(), strict=True):
            begin, end = (0.0, share) if side == 0 else (1.0 - share, 1.0)
            pieces.setdefault(edge, []).append(Piece(edge, begin, end, paid))
    return [piece for edge in sorted(pieces) for piece in _merge(pieces[edge])]


def _around(router: Router, source: Spot, limit_ms: int) -> dict[int, list[Piece]]:
    """What is reached of the edge one stands on without leaving it."""
    forth, back = (int(router.prices.along[arc]) for arc in (2 * source.edge, 2 * source.edge + 1))
    begin = source.share if back >= BARRED else max(source.share - limit_ms / max(back, 1), 0.0)
    end = source.share if forth >= BARRED else min(source.share + limit_ms / max(forth, 1), 1.0)
    return {source.edge: [Piece(source.edge, begin, end, 0)]} if end > begin else {}


def _merge(pieces: list[Piece]) -> list[Piece]:
    """Pieces of one edge that overlap become one."""
    merged: list[Piece] = []
    for piece in sorted(pieces, key=lambda one: (one.begin, one.end)):
        if merged and piece.begin <= merged[-1].end:
            last = merged[-1]
            end, cost_ms = max(last.end, piece.end), min(last.cost_ms, piece.cost_ms)
            merged[-1] = last._replace(end=end, cost_ms=cost_ms)
        elif piece.end > piece.begin:
            merged.append(piece)
    return merged
