"""Places on a small network: exact rests of edges, both directions, closures, and what is not connected."""

import numpy as np
import pytest
from tests.methods.walk_grid import M, make_network

from dongne.methods.shortest_paths import Engine, Graph, Hierarchy, Star
from dongne.methods.walk_costs import Fields, get_profile, price
from dongne.methods.walk_network import KERBS, KINDS, WalkNetwork
from dongne.methods.walk_routes import Finder, Leg, Router, Spot, connected_edges
from dongne.model.errors import NotFound

# A square of 134 m, walked in 100 s a side at 1.34 m/s; node 4 hangs at node 2, nodes 5 and 6 are an island.
PLACES = [(0.0, 0.0), (134.0, 0.0), (134.0, 134.0), (0.0, 134.0), (134.0, 268.0), (500.0, 500.0), (600.0, 500.0)]
ROWS = [(0, 1), (1, 2), (2, 3), (3, 0), (2, 4), (5, 6)]


def make_router(
    network: WalkNetwork, profile: str = "fast", kind: type[Engine] = Hierarchy, fields: Fields | None = None
) -> Router:
    prices = price(network, get_profile(profile), fields or Fields.none(network))
    engine = kind(Graph(network.tail, network.head, network.node_m))  # type: ignore[call-arg]
    engine.customise(prices.total)
    return Router(network, engine, prices)


def at(edge: int, share: float) -> Spot:
    return Spot(edge, share, (0.0, 0.0), 0.0)


@pytest.mark.parametrize("kind", [Hierarchy, Star])
def test_the_rests_of_edges_are_priced_exactly(kind: type[Engine]) -> None:
    router = make_router(make_network(PLACES, ROWS), kind=kind)
    found = router.find(at(0, 0.25), at(1, 0.5))
    assert found is not None
    assert (found.cost_ms, found.time_ms) == (125_000, 125_000)  # 75 s to the corner, 50 s beyond
    assert found.legs == (Leg(0, 0.25, 1.0), Leg(2, 0.0, 0.5))
    back = router.find(at(1, 0.5), at(0, 0.25))
    assert back is not None
    assert back.cost_ms == 125_000
    assert back.legs == (Leg(3, 0.5, 1.0), Leg(1, 0.0, 0.75))


def test_two_places_on_one_edge_are_joined_along_it_in_both_directions() -> None:
    router = make_router(make_network(PLACES, ROWS))
    for source, target, leg in (
        (0.2, 0.7, Leg(0, 0.2, 0.7)),
        (0.7, 0.2, Leg(1, pytest.approx(0.3), pytest.approx(0.8))),
    ):
        found = router.find(at(0, source), at(0, target))
        assert found is not None
        assert (found.cost_ms, found.legs) == (50_000, (leg,))
    there = router.find(at(0, 0.4), at(0, 0.4))
    assert there is not None
    assert there.cost_ms == 0


def test_against_a_way_for_one_direction_one_goes_round() -> None:
    permitted = np.full(2 * len(ROWS), True)
    permitted[1] = False  # edge 0 only from node 0 to node 1
    found = make_router(make_network(PLACES, ROWS, permitted=permitted)).find(at(0, 0.7), at(0, 0.2))
    assert found is not None
    assert found.cost_ms == 350_000  # 30 s to the corner, three sides, 20 s


def test_a_closed_edge_is_walked_by_nobody() -> None:
    network = make_network(PLACES, ROWS)
    closed = np.zeros(network.edges, np.bool_)
    closed[1] = True
    router = make_router(network, fields=Fields(np.zeros(network.edges), closed))
    found = router.find(at(0, 0.75), at(4, 1.0))
    assert found is not None
    assert found.cost_ms == 375_000
    assert not any(leg.arc >> 1 == 1 for leg in found.legs)
    assert router.find(at(1, 0.5), at(0, 0.5)) is None  # who stands inside gets no advice


def test_nobody_in_a_wheelchair_is_sent_over_steps_or_a_raised_kerb() -> None:
    kinds = [0] * len(ROWS)
    kinds[1] = KINDS.index("steps")
    network = make_network(PLACES, ROWS, kind=kinds)
    found = make_router(network, "step_free").find(at(0, 0.75), at(2, 0.25))
    assert found is not None
    assert {leg.arc >> 1 for leg in found.legs} == {0, 3, 2}
    kerb = [0] * len(PLACES)
    kerb[3] = KERBS.index("raised")
    barred = make_router(make_network(PLACES, ROWS, kind=kinds, node_kerb=kerb), "step_free")
    assert barred.find(at(0, 0.75), at(4, 0.25)) is None


def test_a_place_is_found_on_the_nearest_connected_edge() -> None:
    network = make_network(PLACES, ROWS)
    router = make_router(network)
    connected = connected_edges(network, router.prices)
    assert connected.tolist() == [True] * 5 + [False]
    spot = Finder(network).find((33.5 * M, -10 * M), connected)
    assert spot.edge == 0
    assert spot.share == pytest.approx(0.25)
    assert spot.away_m == pytest.approx(10.0, rel=1e-3)
    assert spot.point == pytest.approx((33.5 * M, 0.0), abs=1e-9)


def test_a_place_that_is_far_or_not_connected_is_told_what_is() -> None:
    network = make_network(PLACES, ROWS)
    finder, connected = Finder(network), connected_edges(network, make_router(network).prices)
    with pytest.raises(
        NotFound, match=r"no way within 500 m of lon = 1, lat = 0; ask for places with lon 0\.0000\.\.0\.0054"
    ):
        finder.find((1.0, 0.0), connected)
    with pytest.raises(NotFound, match=r"nearest place that is: lon = 0\.0012\d, lat = 0\.00241, 4\d\d m away"):
        finder.find((550 * M, 500 * M), connected)
