"""What is reached on a small network, by hand and against routes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.methods.walk_grid import make_network

from dongne.methods.shortest_paths import Graph, Hierarchy
from dongne.methods.walk_costs import Fields, get_profile, price
from dongne.methods.walk_reach import Piece, find_reach
from dongne.methods.walk_routes import Router, Spot

# A street of three edges of 134 m (100 s each) and a loop back to its beginning.
PLACES = [(0.0, 0.0), (134.0, 0.0), (268.0, 0.0), (402.0, 0.0), (201.0, 300.0)]
ROWS = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]


def make_router(permitted: list[bool] | None = None) -> Router:
    network = make_network(PLACES, ROWS, **({"permitted": permitted} if permitted else {}))
    prices = price(network, get_profile("fast"), Fields.none(network))
    engine = Hierarchy(Graph(network.tail, network.head, network.node_m))
    engine.customise(prices.total)
    return Router(network, engine, prices)


def at(edge: int, share: float) -> Spot:
    return Spot(edge, share, (0.0, 0.0), 0.0)


def test_one_gets_as_far_as_the_time_lasts() -> None:
    router = make_router()
    assert find_reach(router, at(1, 0.5), 20_000) == [Piece(1, pytest.approx(0.3), pytest.approx(0.7), 0)]
    assert find_reach(router, at(1, 0.5), 80_000) == [
        Piece(0, pytest.approx(0.7), 1.0, 50_000), Piece(1, 0.0, 1.0, 0), Piece(2, 0.0, pytest.approx(0.3), 50_000),
    ]  # fmt: skip


def test_against_a_way_for_one_direction_nothing_is_reached() -> None:
    permitted = [True] * 10
    permitted[3] = False  # edge 1 only from node 1 to node 2
    assert find_reach(make_router(permitted), at(1, 0.5), 20_000) == [Piece(1, 0.5, pytest.approx(0.7), 0)]


@settings(max_examples=40, deadline=None)
@given(
    source=st.tuples(st.integers(0, 4), st.floats(0.01, 0.99)), target=st.tuples(st.integers(0, 4), st.floats(0.01, 0.99)),
    limit_ms=st.integers(1_000, 900_000),
)  # fmt: skip
def test_what_is_reached_is_what_a_route_leads_to_in_time(
    source: tuple[int, float], target: tuple[int, float], limit_ms: int
) -> None:
    router = make_router()
    route = router.find(at(*source), at(*target))
    assert route is not None
    if abs(route.cost_ms - limit_ms) < 10:
        return  # whole milliseconds
    pieces = find_reach(router, at(*source), limit_ms)
    assert any(p.edge == target[0] and p.begin <= target[1] <= p.end for p in pieces) == (route.cost_ms < limit_ms)
    assert all(np.diff([p.begin, p.end]) > 0 for p in pieces)
