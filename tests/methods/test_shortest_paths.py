"""Two engines, and scipy's Dijkstra beside them: one cost."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from dongne.methods.shortest_paths import BARRED, Engine, Found, Graph, Hierarchy, Star


@st.composite
def graphs(draw: Any) -> tuple[Graph, list[int]]:
    """A graph of up to 12 nodes, also with arcs side by side and nodes nobody reaches, and its costs."""
    nodes = draw(st.integers(2, 12))
    node = st.integers(0, nodes - 1)
    pairs = draw(st.lists(st.tuples(node, node).filter(lambda p: p[0] != p[1]), min_size=1, max_size=40))
    costs = draw(st.lists(st.one_of(st.integers(0, 50), st.just(BARRED)), min_size=len(pairs), max_size=len(pairs)))
    places = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=nodes, max_size=nodes))
    tail, head = (np.array([p[i] for p in pairs], np.int64) for i in (0, 1))
    return Graph(tail, head, np.array(places, np.float64)), costs


def reference(graph: Graph, costs: list[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """All distances by scipy; arcs side by side are the cheaper one, and a cost of 0 is a stored 0."""
    nodes = len(graph.place_m)
    least: dict[tuple[int, int], int] = {}
    for a, b, cost in zip(graph.tail.tolist(), graph.head.tolist(), costs, strict=True):
        if cost < BARRED:
            least[a, b] = min(cost, least.get((a, b), BARRED))
    rows, columns = [a for a, _ in least], [b for _, b in least]
    stored = csr_array((np.array(list(least.values()), np.float64) + 1e-9, (rows, columns)), shape=(nodes, nodes))
    return np.asarray(dijkstra(stored))


def check_path(graph: Graph, costs: list[int], found: Found, source: int, target: int) -> None:
    at = source
    for arc in found.arcs:
        assert graph.tail[arc] == at
        at = int(graph.head[arc])
    assert at == target
    assert sum(costs[arc] for arc in found.arcs) == found.cost


@pytest.mark.parametrize("kind", [Hierarchy, Star])
@settings(max_examples=60, deadline=None)
@given(case=graphs())
def test_an_engine_costs_what_dijkstra_costs(kind: type[Engine], case: tuple[Graph, list[int]]) -> None:
    graph, costs = case
    engine = kind(graph)  # type: ignore[call-arg]
    engine.customise(np.array(costs, np.int64))
    wanted = reference(graph, costs)
    for source in range(len(graph.place_m)):
        reached = engine.reach([(source, 0)], 10**6)
        assert reached == {n: round(float(w)) for n, w in enumerate(wanted[source].tolist()) if np.isfinite(w)}
        for target in range(len(graph.place_m)):
            found = engine.route([(source, 0)], [(target, 0)])
            assert (found is None) == (not np.isfinite(wanted[source, target]))
            if found is not None:
                assert found.cost == round(float(wanted[source, target]))
                check_path(graph, costs, found, source, target)


@settings(max_examples=60, deadline=None)
@given(case=graphs(), data=st.data())
def test_ends_with_costs_of_their_own_are_equal_in_both(case: tuple[Graph, list[int]], data: Any) -> None:
    graph, costs = case
    ends = st.lists(st.tuples(st.integers(0, len(graph.place_m) - 1), st.integers(0, 30)), min_size=1, max_size=3)
    sources, targets = data.draw(ends), data.draw(ends)
    costs_of = [
        (e.customise(np.array(costs, np.int64)), e.route(sources, targets))[1] for e in (Hierarchy(graph), Star(graph))
    ]
    assert len({None if found is None else found.cost for found in costs_of}) == 1


@pytest.mark.parametrize("kind", [Hierarchy, Star])
def test_costs_change_as_a_whole_in_part_and_only_in_one_twin(kind: type[Engine]) -> None:
    graph = Graph(np.array([0, 1, 0]), np.array([1, 2, 2]), np.array([[0.0, 0], [1, 0], [2, 0]]))
    engine = kind(graph)  # type: ignore[call-arg]
    assert engine.route([(0, 0)], [(2, 0)]) is None  # all barred at first
    engine.customise(np.array([1, 1, 5]))
    twin = engine.twin()
    twin.customise(np.array([9, 9, 5]))
    assert engine.route([(0, 0)], [(2, 0)]) == Found(2, 0, [0, 1])
    assert twin.route([(0, 0)], [(2, 0)]) == Found(5, 0, [2])
    engine.update(np.array([1]), np.array([BARRED]))
    assert engine.route([(0, 0)], [(2, 0)]) == Found(5, 0, [2])
    assert engine.reach([(0, 0)], 4) == {0: 0, 1: 1}


@pytest.mark.parametrize("kind", [Hierarchy, Star])
def test_costs_that_are_none_are_refused(kind: type[Engine]) -> None:
    engine = kind(Graph(np.array([0]), np.array([1]), np.zeros((2, 2))))  # type: ignore[call-arg]
    for wrong in ([1, 1], [-1], [BARRED + 1]):
        with pytest.raises(ValueError, match="whole numbers from 0"):
            engine.customise(np.array(wrong))


def test_an_engine_answers_in_whatever_thread_asks() -> None:
    """Questions come by the threads of a pool; the kit ties a query to the one that made it."""
    engine = Hierarchy(Graph(np.array([0]), np.array([1]), np.array([[0.0, 0.0], [1.0, 0.0]])))
    engine.customise(np.array([7]))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(engine.route, [(0, 0)], [(1, 0)]).result() == Found(7, 0, [0])
    assert engine.route([(0, 0)], [(1, 0)]) == Found(7, 0, [0])
