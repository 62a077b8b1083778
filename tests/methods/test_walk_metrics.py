"""Metrics that change while questions are answered, routes to choose from, and advice that is spread."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.methods.walk_grid import make_network

from dongne.methods.advised_load import FADES_S, AdvisedLoad
from dongne.methods.shortest_paths import BARRED, Hierarchy, Star
from dongne.methods.walk_choices import choose, measure, overlap
from dongne.methods.walk_costs import Fields, blend, get_profile, list_profiles
from dongne.methods.walk_metrics import SLICE_US, Metrics, list_companions, profiles_of
from dongne.methods.walk_network import KERBS, KINDS, WalkNetwork
from dongne.methods.walk_routes import Spot, WalkRoute

# Two ways from node 0 to node 3, 268 m along the north and 274 m along the south; a third, far longer, in the west.
PLACES = [
    (0.0, 0.0),
    (134.0, 60.0),
    (134.0, -66.0),
    (268.0, 0.0),
    (-400.0, 0.0),
    (268.0, 900.0),
    (-80.0, 0.0),
    (340.0, 0.0),
]
ROWS = [(0, 1), (1, 3), (0, 2), (2, 3), (0, 4), (4, 5), (5, 3), (6, 0), (3, 7)]
NORTH, SOUTH = (0, 1), (2, 3)
START, END = Spot(7, 0.0, (0.0, 0.0), 0.0), Spot(8, 1.0, (0.0, 0.0), 0.0)
CALM, FAST = get_profile("calm"), get_profile("fast")


def fields_of(network: WalkNetwork, crowd: dict[int, float] | None = None, closed: tuple[int, ...] = ()) -> Fields:
    full, shut = np.zeros(network.edges), np.zeros(network.edges, np.bool_)
    for edge, value in (crowd or {}).items():
        full[edge] = value
    shut[list(closed)] = True
    return Fields(full, shut)


def edges(route: WalkRoute) -> set[int]:
    """Those of which a part is walked."""
    return {leg.arc >> 1 for leg in route.legs if leg.end > leg.begin}


@pytest.fixture(params=[Hierarchy, Star])
def metrics(request: Any) -> Metrics:
    return Metrics(make_network(PLACES, ROWS), make=request.param)


def test_a_crowd_turns_the_calm_away_and_not_the_hasty(metrics: Metrics) -> None:
    metrics.plan(0, [fields_of(metrics.network)])()
    assert edges(choose(metrics.board, CALM, START, END, 0)[0].route) > set(NORTH)
    metrics.plan(0, [fields_of(metrics.network, {0: 0.5, 1: 0.5})])()
    calm = choose(metrics.board, CALM, START, END, 0)
    assert edges(calm[0].route) > set(SOUTH)
    assert edges(calm[1].route) > set(NORTH)  # quicker, and full
    assert calm[1].time_ms < calm[0].time_ms
    assert (calm[0].crowd, calm[1].crowd) == (0.0, pytest.approx(0.33, abs=0.02))
    assert edges(choose(metrics.board, FAST, START, END, 0)[0].route) > set(NORTH)


def test_a_closure_holds_with_the_next_board_and_ends_with_the_one_after(metrics: Metrics) -> None:
    metrics.plan(0, [fields_of(metrics.network)])()
    before = metrics.board
    work = metrics.plan(0, [fields_of(metrics.network, closed=NORTH)])
    assert metrics.board is before  # until the work is done
    work()
    assert edges(choose(metrics.board, FAST, START, END, 0)[0].route) > set(SOUTH)
    assert edges(choose(before, FAST, START, END, 0)[0].route) > set(NORTH)  # who asked before keeps what held then
    metrics.plan(0, [fields_of(metrics.network)])()
    assert edges(choose(metrics.board, FAST, START, END, 0)[0].route) > set(NORTH)
    metrics.plan(0, [fields_of(metrics.network, closed=(0, 2, 4))])()
    assert choose(metrics.board, FAST, START, END, 0) == []


def test_what_stays_the_same_is_not_worked_out_again(metrics: Metrics) -> None:
    metrics.plan(0, [fields_of(metrics.network)])()
    before = metrics.board.slices[0].routers
    metrics.plan(0, [fields_of(metrics.network, {0: 0.5})])()
    after = metrics.board.slices[0].routers
    fast, calm = profiles_of(FAST)[-1], profiles_of(CALM)[-1]
    assert after[fast] is before[fast]
    assert after[calm] is not before[calm]
    metrics.plan(1, [fields_of(metrics.network, {0: 0.5})])()
    assert metrics.board.first == 1


def test_engines_out_of_use_are_used_again_and_never_while_somebody_may_ask_them(metrics: Metrics) -> None:
    calm, used = profiles_of(CALM)[-1], []
    for turn in range(6):
        metrics.plan(0, [fields_of(metrics.network, {0: turn / 10})])()
        used.append(id(metrics.board.slices[0].routers[calm].engine))
    assert len(set(used)) == 2
    assert all(a != b for a, b in pairwise(used))


def test_a_route_is_priced_as_it_will_be_when_one_gets_there(metrics: Metrics) -> None:
    later = fields_of(metrics.network, {1: 1.0, 8: 0.0})
    metrics.plan(0, [fields_of(metrics.network), later])()
    route = choose(metrics.board, CALM, START, END, 0)[0].route
    assert edges(route) > set(NORTH)
    (early,) = measure(metrics.board, CALM, [route], 0)
    (late,) = measure(
        metrics.board, CALM, [route], SLICE_US - 200_000_000
    )  # arc 0 within, arc 1 after 170 s: still within
    (on_the_way,) = measure(metrics.board, CALM, [route], SLICE_US - 150_000_000)
    assert (early.crowd, late.crowd) == (0.0, 0.0)
    assert on_the_way.felt_ms - early.felt_ms == pytest.approx(
        3.0 * 109_600, rel=0.01
    )  # 146.8 m at 1.34 m/s, counted as four
    assert edges(choose(metrics.board, CALM, START, END, SLICE_US)[0].route) > set(SOUTH)


def test_a_route_that_will_be_closed_when_one_gets_there_is_none(metrics: Metrics) -> None:
    metrics.plan(0, [fields_of(metrics.network), fields_of(metrics.network, closed=(1,))])()
    kept = choose(metrics.board, FAST, START, END, SLICE_US - 150_000_000)
    assert kept == [] or all(1 not in edges(one.route) for one in kept)
    assert edges(choose(metrics.board, FAST, START, END, SLICE_US)[0].route) > set(SOUTH)


def test_the_same_question_asked_often_is_spread_over_comparable_routes(metrics: Metrics) -> None:
    def ask(times: int) -> list[bool]:
        load, sent = AdvisedLoad(np.full(metrics.network.edges, 2000.0)), []
        for second in range(times):
            now_us = second * 1_000_000
            if second % 10 == 0:
                fields = fields_of(metrics.network)
                metrics.plan(0, [replace(fields, sent=load.everywhere(now_us))])()
            sent.append(edges(choose(metrics.board, CALM, START, END, now_us, load)[0].route) > set(NORTH))
        return sent

    north = ask(300)
    assert north[0] is True  # the first one gets the best
    assert 0.35 < sum(north[100:]) / 200 < 0.65
    assert north == ask(300)  # the same questions, the same advice


def test_nobody_is_sent_along_what_is_much_worse_for_the_sake_of_others(metrics: Metrics) -> None:
    metrics.plan(0, [fields_of(metrics.network, {2: 0.5, 3: 0.5})])()
    load = AdvisedLoad(np.full(metrics.network.edges, 10.0))
    for i in range(50):
        assert edges(choose(metrics.board, CALM, START, END, i, load)[0].route) > set(NORTH)


def test_advice_fades() -> None:
    load = AdvisedLoad(np.array([600.0, 600.0]))
    for i in range(10):
        load.add(np.array([0]), i)
    assert load.crowd(np.array([0, 1]), 10) == pytest.approx([0.1, 0.0], rel=1e-3)  # 10 in 600 s: 60 an hour
    assert load.crowd(np.array([0]), int(FADES_S * 1e6)) == pytest.approx([0.1 / np.e], rel=1e-3)
    assert load.crowd(np.array([0]), int(40 * FADES_S * 1e6)) == pytest.approx([0.0], abs=1e-12)
    load.add(np.array([1]), int(100 * FADES_S * 1e6))
    assert load.crowd(np.array([1]), int(100 * FADES_S * 1e6)) == pytest.approx([0.01])


def test_who_walks_alike_shares_routes() -> None:
    profiles = list_profiles()
    alike = {one.id: {o.id for o in profiles if blend(o, 0.0) == blend(one, 0.0)} for one in profiles}
    assert alike["fast"] == alike["calm"] == alike["lit"] == {"fast", "calm", "lit"}
    assert alike["step_free"] == {"step_free"}
    assert all(one.steps == "barred" for one in list_companions(get_profile("step_free"), profiles))


@st.composite
def towns(draw: Any) -> WalkNetwork:
    """A grid of 4 x 4 nodes, some edges of which are steps, some nodes raised kerbs, some ways open one way."""
    places = [(100.0 * x, 100.0 * y + 7.0 * x) for y in range(4) for x in range(4)]
    rows = [(n, n + 1) for n in range(16) if n % 4 < 3] + [(n, n + 4) for n in range(12)]
    pick = lambda kinds: st.lists(st.sampled_from(kinds), min_size=len(rows), max_size=len(rows))  # noqa: E731
    kind = draw(pick([0, 0, 0, KINDS.index("steps"), KINDS.index("road")]))
    kerb = draw(
        st.lists(st.sampled_from([0, 0, 0, KERBS.index("raised"), KERBS.index("lowered")]), min_size=16, max_size=16)
    )
    permitted = draw(
        st.lists(st.sampled_from([True, True, True, True, False]), min_size=2 * len(rows), max_size=2 * len(rows))
    )
    return make_network(
        places,
        rows,
        kind=kind,
        node_kerb=kerb,
        permitted=permitted,
        steps=[9 * (k == KINDS.index("steps")) for k in kind],
    )


@settings(max_examples=25, deadline=None)
@given(
    network=towns(), ends=st.tuples(st.integers(0, 23), st.integers(0, 23)), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    closed=st.sets(st.integers(0, 23), max_size=6), crowd=st.lists(st.floats(0, 1), min_size=24, max_size=24),
)  # fmt: skip
def test_whatever_the_town_both_engines_agree_and_what_is_barred_is_never_walked(
    network: WalkNetwork, ends: tuple[int, int], shares: tuple[float, float], closed: set[int], crowd: list[float]
) -> None:
    shut = np.zeros(network.edges, np.bool_)
    shut[list(closed)] = True
    fields = Fields(np.array(crowd), shut)
    source, target = (Spot(e, s, (0.0, 0.0), 0.0) for e, s in zip(ends, shares, strict=True))
    boards = []
    for kind in (Hierarchy, Star):
        made = Metrics(network, make=kind)
        made.plan(0, [Fields.none(network)])()
        made.plan(0, [fields])()
        boards.append(made.board)
    for profile in list_profiles():
        whole = profiles_of(profile)[-1]
        found = [board.slices[0].routers[whole].find(source, target) for board in boards]
        assert len({None if one is None else one.cost_ms for one in found}) == 1
        for board, route in zip(boards, found, strict=True):
            if route is None:
                continue
            router = board.slices[0].routers[whole]
            assert int(router.felt(route).sum()) == route.cost_ms
            at = route.arcs[0]
            for arc in route.arcs[1:]:
                assert network.head[at] == network.tail[arc]
                at = arc
            assert not edges(route) & closed
            assert network.permitted[route.arcs].all()
            if profile.id == "step_free":
                assert not (network.steps[sorted(edges(route))] > 0).any()
                entered = network.head[route.arcs[:-1]]
                assert not (network.node_kerb[entered] == KERBS.index("raised")).any()
        for one in choose(boards[0], profile, source, target, 0):
            assert one.felt_ms < BARRED
            assert not edges(one.route) & closed


def test_routes_measured_together_are_as_each_by_itself(metrics: Metrics) -> None:
    metrics.plan(0, [fields_of(metrics.network, {0: 0.3, 7: 0.6}), fields_of(metrics.network, {1: 1.0, 5: 0.2})])()
    routes = [
        WalkRoute(0, 0, [0, 2], 0.25, 0.5),
        WalkRoute(0, 0, [3], 0.1, 0.7),
        WalkRoute(0, 0, [0, 7, 5], 0.0, 1.0),
    ]
    for depart_us in (0, SLICE_US - 150_000_000, SLICE_US):
        together = measure(metrics.board, CALM, routes, depart_us)
        assert together == [measure(metrics.board, CALM, [route], depart_us)[0] for route in routes]
    assert measure(metrics.board, CALM, [], 0) == []


def test_overlap_is_by_length_whichever_way_it_is_walked(metrics: Metrics) -> None:
    metrics.plan(0, [fields_of(metrics.network)])()
    routes = [WalkRoute(0, 0, arcs, 0.0, 1.0) for arcs in ([0, 2], [3, 1], [0, 7, 5])]
    one, back, part = measure(metrics.board, FAST, routes, 0)
    assert overlap(metrics.network, one, back) == pytest.approx(1.0)
    assert overlap(metrics.network, one, part) == pytest.approx(0.5)  # both edges are 146.8 m
