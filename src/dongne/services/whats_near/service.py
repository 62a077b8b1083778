"""A place and a radius: what is live there, in words."""

from collections.abc import Iterable
from typing import Any

from dongne.model.cases import CaseEvent
from dongne.model.entities import Datastream, Thing
from dongne.model.errors import NotFound
from dongne.model.geometry import Point
from dongne.model.graph import ThingGraph
from dongne.model.records import ObservationBatch
from dongne.model.times import to_us
from dongne.runtime.answer import Answer, Change, Layers
from dongne.services.whats_near.near import Item, LiveValue, Near, OpenCase, Place
from dongne.services.whats_near.places import Bounds, direction, is_inside
from dongne.services.whats_near.view import View
from dongne.services.whats_near.words import nothing_near, sentences

LISTED = 200  # live Things in one answer
FARTHEST_M = 50_000.0  # where the search for the nearest ends


class WhatsNear(Answer[View, Place, Near]):
    """What is live around a place: nearest first, by kind, with the age of every value and the open Cases."""

    def start(self, graph: ThingGraph, layers: Layers) -> View:
        """The view of a city without Observations."""
        return View(graph)

    def update(self, view: View, change: Change) -> None:
        """Takes in Observations, the Thing graph after a change, or a case event."""
        match change:
            case ObservationBatch():
                view.take_batch(change)
            case ThingGraph():
                view.graph = change
            case CaseEvent():
                view.take_case(change)

    def answer(self, question: Place, view: View, now_us: int) -> Near:
        """What is live there at `now_us`. Raises NotFound with the city's bounds for a place outside."""
        place = (question.lon, question.lat)
        _check_inside(view.bounds(), place)
        found = view.graph.within(place, question.radius_m)
        live = [(thing, metres) for thing, metres in found if view.is_live(thing)]
        items = tuple(_item(view, thing, metres, place, now_us) for thing, metres in live[:LISTED])
        quiet = _count_kinds(view.graph, {thing for thing, _ in found} - {thing for thing, _ in live})
        more = len(live) - len(items)
        if items:
            said = tuple(sentences(question.radius_m, items, more, quiet))
        else:
            said = tuple(nothing_near(question.radius_m, _find_nearest(view, place, question.radius_m, now_us)))
        return Near(
            lon=question.lon, lat=question.lat, radius_m=question.radius_m, time_us=now_us, items=items, more=more,
            quiet=quiet, sentences=said,
        )  # fmt: skip


def _check_inside(bounds: Bounds | None, place: Point) -> None:
    if bounds is None:
        raise NotFound("the city has no Things with a place yet; import it first")
    if not is_inside(bounds, place):
        west, south, east, north = bounds
        raise NotFound(
            f"lon = {place[0]:g}, lat = {place[1]:g} is outside of this city; ask for a place with "
            f"lon {west:.4f}..{east:.4f} and lat {south:.4f}..{north:.4f}"
        )


def _find_nearest(view: View, place: Point, radius_m: float, now_us: int) -> Item | None:
    while radius_m < FARTHEST_M:
        radius_m *= 2
        for thing, metres in view.graph.within(place, radius_m):
            if view.is_live(thing):
                return _item(view, thing, metres, place, now_us)
    return None


def _count_kinds(graph: ThingGraph, things: Iterable[int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for thing in things:
        kind = graph.things[thing].kind
        counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(counts.items()))


def _item(view: View, thing_id: int, metres: float, place: Point, now_us: int) -> Item:
    thing, point = view.graph.get_thing(thing_id), view.graph.find_point(thing_id)
    values = tuple(_live_value(view.graph, s, (now_us - t) / 1e6, r) for s, t, r in view.live_streams(thing_id))
    cases = tuple(
        OpenCase(
            kind=event.kind, case_key=f"{event.service}.case.{event.name}", state=event.state,
            age_s=max(0.0, (now_us - to_us(event.time)) / 1e6), values=event.values,
        )
        for _, event in sorted(view.cases.get(thing_id, {}).items())
    )  # fmt: skip
    return Item(
        thing=thing_id, name=thing.name or f"{thing.kind} {thing_id}", names=_names(thing), kind=thing.kind, distance_m=round(metres, 1),
        direction=direction(place, point or place, metres), values=values, cases=cases,
    )  # fmt: skip


def _names(thing: Thing) -> dict[str, str]:
    """Its names by language: `properties.name_ko` and the like."""
    named = {k.removeprefix("name_"): str(v) for k, v in thing.properties.items() if k.startswith("name_")}
    return dict(sorted(named.items()))


def _live_value(graph: ThingGraph, stream: Datastream, age_s: float, result: Any) -> LiveValue:
    key = graph.property_key(stream)
    service = stream.properties.get("service")
    unit = stream.unit_of_measurement
    return LiveValue(
        datastream=stream.id,
        property=key,
        property_key=f"{service}.property.{key}" if service else f"property.{key}",
        result=result,
        unit=unit.symbol or (unit.definition or "").rpartition("/")[2],
        age_s=max(0.0, age_s),
        simulated=bool(stream.properties.get("simulated")),
        origin=_origin(stream.properties.get("origin")),
    )


def _origin(given: Any) -> str:
    """Where a replayed series was measured, as its Datastream's `origin` says."""
    return str(given.get("where") or "") if isinstance(given, dict) else str(given or "")
