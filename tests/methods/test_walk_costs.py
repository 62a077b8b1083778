"""Seconds and equivalent time of single arcs, by hand."""

from math import exp

import numpy as np
import pytest
from tests.methods.walk_grid import make_network

from dongne.methods.shortest_paths import BARRED
from dongne.methods.walk_costs import (
    Fields,
    Prices,
    Profile,
    blend,
    darkness_of,
    draw_factors,
    get_profile,
    list_profiles,
    price,
    tobler_factor,
)
from dongne.methods.walk_network import BARRIERS, COVERS, CROSSINGS, KERBS, KINDS, NO, ROADS, SURFACES, YES, WalkNetwork
from dongne.model.errors import NotFound

ROW = [(0.0, 0.0), (134.0, 0.0)]  # 100 s at 1.34 m/s


def one_edge(**columns: object) -> WalkNetwork:
    return make_network(ROW, [(0, 1)], **columns)


def priced(network: WalkNetwork, profile: str = "fast", **fields: object) -> Prices:
    given = Fields.none(network)
    return price(network, get_profile(profile), Fields(**{"crowd": given.crowd, "closed": given.closed, **fields}))  # type: ignore[arg-type]


def test_a_flat_edge_takes_its_length_over_the_speed() -> None:
    prices = priced(one_edge())
    assert prices.along.tolist() == prices.along_time.tolist() == [100_000, 100_000]
    assert prices.at_head.tolist() == [0, 0]


def test_on_a_slope_one_walks_as_tobler_says() -> None:
    factors = tobler_factor(np.array([0.0, 10.0, -5.0, np.nan]))
    assert factors == pytest.approx([1.0, exp(-3.5 * 0.1), exp(3.5 * 0.05), 1.0])
    up, down = priced(one_edge(incline_percent=[10.0])).along_time.tolist()
    assert up == round(100_000 / exp(-0.35))
    assert down == round(100_000 * exp(3.5 * 0.05 - 3.5 * 0.05))  # 10 % down: as far from -5 % as the flat


def test_steps_are_slower_up_than_down_and_worst_with_a_pram() -> None:
    steps = {"kind": [KINDS.index("steps")], "steps": [20], "incline_percent": [48.0]}
    assert priced(one_edge(**steps)).along.tolist() == [round(134_000 / 0.61), round(134_000 / 0.694)]
    pram = priced(one_edge(**steps), "pram")
    slower = 1.34 / 1.2
    rough = 1.0  # the surface is smooth
    assert pram.along.tolist()[0] == round(134_000 / 0.61 * slower * rough) + 90_000 + 20 * 3_000
    with_ramp = priced(one_edge(**steps, ramp=[True]), "pram")
    assert pram.along[0] - with_ramp.along[0] == round((90_000 + 60_000) * 0.75)
    assert priced(one_edge(**steps), "step_free").along.tolist() == [BARRED, BARRED]
    assert priced(one_edge(**steps, ramp=[True]), "step_free").along.tolist() == [BARRED, BARRED]


@pytest.mark.parametrize(
    "columns",
    [
        {"kind": [KINDS.index("escalator")]}, {"wheelchair": [NO]}, {"width_m": [0.8]}, {"incline_percent": [-9.0]},
        {"node_kerb": [KERBS.index("raised")] * 2}, {"node_barrier": [BARRIERS.index("step")] * 2},
    ],
)  # fmt: skip
def test_what_is_barred_without_steps_is_open_to_the_others(columns: dict[str, list[int]]) -> None:
    network = one_edge(**columns)
    assert (priced(network, "step_free").total == BARRED).all()
    assert (priced(network).total < BARRED).all()


def test_who_is_exposed_counts_a_second_as_more() -> None:
    calm = get_profile("calm")
    crowd = priced(one_edge(), "calm", crowd=np.array([0.5]))
    assert crowd.along[0] == 100_000 * (1 + 0.5 * calm.crowd_weight)
    assert crowd.along_time[0] == 100_000
    loud = priced(one_edge(road=[ROADS.index("primary")]), "calm")
    assert loud.along[0] == 100_000 * (1 + calm.noise_weight)
    rough = priced(one_edge(surface=[SURFACES.index("cobbled")]), "step_free")
    assert rough.along[0] == 134_000 * (1 + 0.6 * get_profile("step_free").surface_weight)


def test_dark_is_what_is_unlit_by_night_and_a_tunnel_always() -> None:
    weight = get_profile("lit").dark_weight
    for columns, darkness, dark in (
        ({"lit": [NO]}, 1.0, 1.0), ({"lit": [YES]}, 1.0, 0.0), ({}, 1.0, 0.5), ({"kind": [KINDS.index("road")]}, 1.0, 0.2),
        ({"lit": [NO]}, 0.0, 0.0), ({"cover": [COVERS.index("indoor")]}, 1.0, 0.0),
    ):  # fmt: skip
        prices = priced(one_edge(**columns), "lit", darkness=darkness)
        assert prices.along[0] == pytest.approx(100_000 * (1 + weight * dark))
    tunnel = priced(one_edge(cover=[COVERS.index("tunnel")], lit=[NO]), "lit")
    assert tunnel.along[0] == 100_000 * (1 + weight + get_profile("lit").tunnel_weight)
    burning = priced(one_edge(lit=[NO]), "lit", darkness=1.0, lamps=np.array([1.0]))
    assert burning.along[0] == 100_000
    assert priced(one_edge(lit=[NO]), "lit", darkness=1.0, lamps=np.array([np.nan])).along[0] == 100_000 * (1 + weight)


def test_the_sky_is_dark_from_the_end_of_civil_twilight() -> None:
    assert [darkness_of(d) for d in (10.0, -0.833, -6.0, -30.0)] == [0.0, 0.0, 1.0, 1.0]
    assert darkness_of(-3.4165) == pytest.approx(0.5)


def test_a_crossing_is_waited_for_where_one_comes_on_a_way_of_ones_own() -> None:
    signals = {"node_crossing": [0, CROSSINGS.index("signals")]}
    assert priced(one_edge(**signals)).at_head.tolist() == [20_000, 0]
    assert priced(one_edge(**signals, kind=[KINDS.index("road")])).at_head.tolist() == [0, 0]
    assert priced(one_edge(node_road=[0, ROADS.index("primary")])).at_head.tolist() == [12_000, 0]
    assert priced(one_edge(**signals), "calm").at_head.tolist() == [25_000, 0]
    assert priced(one_edge(**signals), "calm").at_head_time.tolist() == [20_000, 0]
    assert priced(one_edge(node_barrier=[0, BARRIERS.index("gate")])).at_head.tolist() == [4_000, 0]


def test_a_closed_edge_is_barred_in_both_directions_and_for_everybody() -> None:
    for profile in list_profiles():
        assert priced(one_edge(), profile.id, closed=np.array([True])).along.tolist() == [BARRED, BARRED]


def test_a_share_of_what_a_profile_minds() -> None:
    calm = get_profile("calm")
    assert blend(calm, 0.5).crowd_weight == calm.crowd_weight / 2
    assert blend(get_profile("step_free"), 0.0).steps == "barred"
    assert blend(calm, 0.0) == blend(get_profile("lit"), 0.0)


def test_a_draw_is_the_same_along_a_street_and_in_each_run() -> None:
    places = [(100.0 * i, 0.0) for i in range(5)]
    network = make_network(places, [(0, 1), (1, 2), (2, 3), (3, 4)], names=("", "A", "B"), name=[1, 1, 2, 0])
    factors = draw_factors(network, 1)
    assert factors[0] == factors[1] != factors[2]
    assert ((factors >= 1.0) & (factors <= 1.6)).all()
    assert draw_factors(network, 1).tolist() == factors.tolist() != draw_factors(network, 2).tolist()
    many = make_network([(float(i), 0.0) for i in range(2001)], [(i, i + 1) for i in range(2000)])
    assert draw_factors(many, 1).mean() == pytest.approx(1.3, abs=0.01)  # even over ways without names


def test_an_unknown_profile_is_told_which_there_are() -> None:
    with pytest.raises(NotFound, match="no profile 'run'; profiles: fast, calm, step_free, lit, pram"):
        get_profile("run")
    assert all(isinstance(one, Profile) and one.speed_m_s > 0.5 for one in list_profiles())
