"""A walk that spares crowds, darkness, noise or steps, told turn by turn."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np

from dongne.methods.place_search import Place, PlaceSearch
from dongne.methods.walk_choices import Choice, choose
from dongne.methods.walk_costs import Profile, get_profile
from dongne.methods.walk_directions import Way, list_steps
from dongne.methods.walk_metrics import Board, profiles_of
from dongne.methods.walk_network import COVERS, Flags, WalkNetwork
from dongne.methods.walk_routes import Finder, side_by_side
from dongne.methods.walk_routes import Spot as Found
from dongne.methods.walk_stretches import Stretches
from dongne.model.cases import CaseEvent
from dongne.model.errors import BadInput, NotFound, RetryLater
from dongne.model.geometry import Point, distance_m
from dongne.model.graph import ThingGraph
from dongne.model.properties import PEDESTRIANS
from dongne.model.records import ObservationBatch
from dongne.model.times import from_us, to_us
from dongne.runtime.answer import Answer, Change, Layers
from dongne.services.calm_walk.counters import FORECAST
from dongne.services.calm_walk.drawn import Drawing, written
from dongne.services.calm_walk.live import Live
from dongne.services.calm_walk.reach import CalmPlaces
from dongne.services.calm_walk.said import say_closures, say_crowd, say_directions, say_spared
from dongne.services.calm_walk.walk import Route, Routes, Spot, Walk

SAME_PLACE_M = 10.0
TRIED, AT_M = 200, 50.0  # of the places nearest to one without a way, and how near to a way they must be
LOUD, DARK = 0.7, 0.5  # exposures from which on one would say so
FARTHEST_AHEAD = timedelta(hours=6)  # so far `footfall` forecasts
BACK = timedelta(hours=1)


class View:
    """The network with what was made of it once, and what walking is like now."""

    def __init__(self, graph: ThingGraph, network: WalkNetwork, places: PlaceSearch) -> None:
        self.network, self.places = network, places
        self.stretches, self.drawing, self.finder = Stretches(network), Drawing(network), Finder(network)
        self.live = Live(network, graph)
        self.calm = CalmPlaces(network, self.finder, places.places)
        self._above = ~np.isin(network.cover, [COVERS.index("tunnel"), COVERS.index("indoor")])
        self._connected: dict[str, tuple[Flags, Flags]] = {}  # by profile: all, and those of them under the sky

    def connected(self, board: Board, profile: str) -> tuple[Flags, Flags]:
        """The edges that lead on, and those of them under the sky; the same arrays as long as they are equal, as the finder keeps a tree for each."""
        found = board.connected[profile]
        known = self._connected.get(profile)
        if known is None or known[0] is not found:
            known = self._connected[profile] = found, found & self._above
        return known


class CalmWalk(Answer[View, Walk, Routes]):
    """Routes on foot that trade time against crowds, noise, darkness and steps, in words and as lines.

    Methods: methods/walk_network.py, walk_costs.py, walk_choices.py, crowd_field.py, walk_directions.py.
    """

    reads = (PEDESTRIANS, FORECAST)
    needs = ("places", "walk_network")

    def start(self, graph: ThingGraph, layers: Layers) -> View:
        """The network of the city, with nobody counted yet."""
        return View(graph, layers["walk_network"], layers["places"])

    def update(self, view: View, change: Change) -> None:
        """Takes in counts of people, the Thing graph after a change, or a closure."""
        match change:
            case ObservationBatch():
                view.live.take_batch(change)
            case ThingGraph():
                view.live.take_graph(change)
            case CaseEvent():
                view.live.take_case(change)

    def refresh(self, view: View, now_us: int) -> Callable[[], None] | None:
        """Prices anew, where counts, closures or the hour have changed."""
        return view.live.plan(now_us)

    def prepare(self, question: Walk, view: View, now_us: int) -> Callable[[], None] | None:
        """Prices for a later time, where nobody asked for that quarter of an hour of late. Raises BadInput for a time too far ahead."""
        if question.when is None:
            return None
        return view.live.plan_later(_find_departure(question, now_us), now_us)

    def answer(self, question: Walk, view: View, now_us: int) -> Routes:
        """The routes at `now_us`. Raises BadInput for two equal places or a time too far ahead, NotFound for a profile or a place there is not, or
        to which no way leads."""
        profile = get_profile(question.profile)
        depart_us = _find_departure(question, now_us)
        start = _find_place(view, question.start, "start")
        board = view.live.board(depart_us, now_us)
        source = _find_spot(view, board, profile.id, start.point)
        crowd_from, is_forecast = view.live.known_at(depart_us)
        said = (*say_crowd(crowd_from, is_forecast), *say_closures(len(view.live.closed_things)))
        walk = Routes(
            start=_spot(start, question.start, source), end=None, profile=profile.id, departs=from_us(depart_us), routes=(),
            closures=view.live.closed_things, crowd_from=tuple(crowd_from), sentences=said,
        )  # fmt: skip
        if not question.end.strip():
            reach = view.calm.within(board, profile, source, depart_us, question.within_min)
            return msgspec.structs.replace(walk, reach=reach)
        end = _find_place(view, question.end, "end")
        if distance_m(start.point, end.point) < SAME_PLACE_M:
            raise BadInput("start and end are the same place; give two places", reason="same_place")
        target = _find_spot(view, board, profile.id, end.point)
        chosen = _choose(view.live, board, profile, (source, target), (depart_us, now_us))
        if not chosen:
            raise NotFound(
                f"no way leads from {start.name!r} to {end.name!r} for the profile {profile.id}; try another profile",
                reason="no_route",
            )
        there = _spot(end, question.end, target)
        return msgspec.structs.replace(walk, end=there, routes=_told(view, board, chosen, walk, there))


def _find_departure(question: Walk, now_us: int) -> int:
    """When one sets out. Raises BadInput for a time of which nothing is known."""
    if question.when is None:
        return now_us
    low, high = from_us(now_us) - BACK, from_us(now_us) + FARTHEST_AHEAD
    if not low <= question.when <= high:
        raise BadInput(
            f"when = {question.when.isoformat()} is out of {low.isoformat(timespec='minutes')}..{high.isoformat(timespec='minutes')}; "
            "what people will be about is not known then", reason="when",
        )  # fmt: skip
    return max(to_us(question.when), now_us)


def _find_place(view: View, text: str, side: str) -> Place:
    """What is meant by a text: a pair of degrees, or the best of what is called so."""
    if (point := read_point(text)) is not None:
        return Place(text.strip(), *point)
    found = view.places.find_best(text)
    if found is not None:
        return found
    alike = ", ".join(place.name for place in view.places.suggest(text))
    remedy = f"; alike: {alike}" if alike else "; give another name, an address, or lon,lat"
    raise NotFound(f"{side} = {text[:60]!r} is no place that is known here{remedy}", reason="unknown_place")


def read_point(text: str) -> Point | None:
    """(lon, lat) where the text is a pair of degrees. Raises BadInput for a pair that is on no globe."""
    parts = text.split(",")
    if len(parts) != 2:
        return None
    try:
        lon, lat = float(parts[0]), float(parts[1])
    except ValueError:
        return None
    if not (abs(lon) <= 180 and abs(lat) <= 90):
        raise BadInput(f"{text[:60]!r} is no place on the globe; give lon,lat in degrees, lon first")
    return lon, lat


def _find_spot(view: View, board: Board, profile: str, point: Point) -> Found:
    """The nearest way under the sky that leads on, else any. Raises NotFound with the place by name that is nearest to where one gets."""
    connected, above = view.connected(board, profile)
    try:
        return view.finder.find(point, above)
    except NotFound:
        pass
    try:
        return view.finder.find(point, connected)
    except NotFound as error:
        near = _find_reachable(view, connected, point) if error.reason == "not_connected" else None
        raise NotFound(error.message + (f", near {near.name}" if near else ""), reason=error.reason) from None


def _find_reachable(view: View, connected: Flags, point: Point) -> Place | None:
    """The nearest place with a name that one can walk to."""
    named = sorted(
        (distance_m(point, place.point), number) for number, place in enumerate(view.places.places) if place.name
    )
    for _, number in named[:TRIED]:
        place = view.places.places[number]
        try:
            if view.finder.find(place.point, connected).away_m < AT_M:
                return place
        except NotFound:
            continue
    return None


def _choose(
    live: Live, board: Board, profile: Profile, ends: tuple[Found, Found], when: tuple[int, int]
) -> list[Choice]:
    """The routes to choose from, for who sets out at the first instant, asked at the second. Raises RetryLater where all lead over
    what has just been closed."""
    load = live.load if live.is_soon(*when) else None
    chosen = choose(board, profile, *ends, when[0], load)
    new = live.closed & ~board.slices[0].fields.closed
    if not new.any():
        return chosen
    open_still = [one for one in chosen if not new[np.array(one.route.arcs) >> 1].any()]
    if chosen and not open_still:
        raise RetryLater(
            "a way has just been closed, and other ways are being worked out; ask again in a moment",
            reason="just_closed",
        )
    return open_still


def _spot(place: Place, asked: str, found: Found) -> Spot:
    return Spot(asked, place.name, place.names, *written(found.point), round(found.away_m))


def _told(view: View, board: Board, chosen: list[Choice], walk: Routes, end: Spot) -> tuple[Route, ...]:
    """The routes with what they are like, each beside the fastest."""
    columns = _columns(view, board, chosen, walk)
    bare = [_route(view, one, told, walk, end) for one, told in zip(chosen, columns, strict=True)]
    fastest = min(bare, key=lambda one: one.duration_s)
    roles = ["advised", *("fastest" if one is fastest else "other" for one in bare[1:])]
    return tuple(
        msgspec.structs.replace(
            one, role=role, spares=say_spared(one, fastest, walk.profile, has_crowd=bool(walk.crowd_from))
        )
        for one, role in zip(bare, roles, strict=True)
    )


class _Column(NamedTuple):
    """Of each arc of a route how much is walked and how long it takes; and how much of the route is dark, or loud."""

    metres: list[float]
    seconds: list[float]
    dark_m: float
    loud_m: float


def _columns(view: View, board: Board, chosen: list[Choice], walk: Routes) -> Iterator[_Column]:
    """Those of each route, worked out at once."""
    part = board.slice_of(to_us(walk.departs))
    walked = side_by_side([one.route for one in chosen])
    edges, first = walked.arcs >> 1, walked.first
    metres = view.network.length_m[edges] * walked.share
    seconds = (part.routers[profiles_of(get_profile(walk.profile))[-1]].times(walked) / 1000).tolist()
    dark_m, loud_m = (
        np.add.reduceat(metres * (exposed[edges] >= least), first).tolist()
        for exposed, least in ((part.exposed.dark, DARK), (part.exposed.noise, LOUD))
    )
    metres_m, begins = metres.tolist(), [*first.tolist(), len(edges)]
    for number, (begin, end) in enumerate(pairwise(begins)):
        yield _Column(metres_m[begin:end], seconds[begin:end], dark_m[number], loud_m[number])


def _route(view: View, choice: Choice, column: _Column, walk: Routes, end: Spot) -> Route:
    network, route = view.network, choice.route
    stretches, begins = view.stretches.of(route.arcs, column.metres, column.seconds)
    steps = list_steps(stretches)
    tails = network.tail[[route.arcs[begins[step.first]] for step in steps[1:]]]
    turns = zip(network.node_lon[tails].tolist(), network.node_lat[tails].tolist(), strict=True)
    points = [(walk.start.lon, walk.start.lat), *map(written, turns), (end.lon, end.lat)]
    return Route(
        role="",
        duration_s=round(choice.time_ms / 1000),
        length_m=round(choice.length_m),
        crowd_percent=round(100 * choice.crowd, 1),
        dark_m=round(column.dark_m),
        loud_m=round(column.loud_m),
        steps=choice.steps,
        crossings=sum([step.crossings + (step.way is Way.CROSSING) for step in steps]),
        spares=(),
        directions=say_directions(steps, points, end.name),
        geometry=view.drawing.line(route),
    )
