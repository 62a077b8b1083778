"""Where things are, by the Thing graph and its index."""

import random

import pytest

from dongne.model.entities import Location, Thing, put
from dongne.model.geometry import Point, PointIndex, distance_m
from dongne.model.graph import ThingGraph


@pytest.mark.parametrize("first", [(0.0, 0.0), (24.94, 60.17), (18.9, 69.6), (126.98, -37.57)])
@pytest.mark.parametrize("radius_m", [30.0, 400.0, 2_000.0])
def test_all_within_a_radius_are_found_wherever_the_first_thing_is(first: Point, radius_m: float) -> None:
    chance = random.Random(7)
    points = [(1, first)]
    for middle in ((24.94, 60.17), (18.9, 69.6), (126.98, 37.57)):
        for _ in range(1_000):
            point = middle[0] + chance.uniform(-0.05, 0.05), middle[1] + chance.uniform(-0.02, 0.02)
            points.append((len(points) + 1, point))
    index = PointIndex(points)
    for _, centre in chance.sample(points, 30):
        wanted = sorted((key for key, point in points if distance_m(centre, point) <= radius_m))
        assert sorted(key for key, _ in index.within(centre, radius_m)) == wanted


def test_a_thing_is_where_its_location_says_now_also_where_somebody_looked_while_it_moved() -> None:
    def at(lon: float) -> Location:
        return Location(id=1, name="here", location={"type": "Point", "coordinates": [lon, 60.0]})

    graph = ThingGraph([at(24.0), Thing(id=1, name="bus", location_ids=(1,))])
    assert graph.find_point(1) == (24.0, 60.0)
    looked_up_before = dict(graph._centres)
    graph.apply([put(at(25.0))])
    graph._centres.update(looked_up_before)  # what a slow reader writes after the move
    assert graph.find_point(1) == (25.0, 60.0)
