"""Two stops and a time: which vehicles to take, and how tight the changes are."""

from collections.abc import Iterator
from typing import Any

from dongne.methods.journeys import plan_while
from dongne.methods.timetable import Journey, Planner, Ride, Timetable, Walk, read_time
from dongne.model.graph import ThingGraph
from dongne.model.times import format_instant, from_us, to_us
from dongne.runtime.answer import Answer, Change, Layers
from dongne.services.journeys.journeys import Journeys, Leg, Told, Travel
from dongne.services.journeys.words import say
from dongne.standards.gtfs.feed import Feed, step_free
from dongne.standards.gtfs.lookup import StopNames

MINUTE_US = 60_000_000


class View:
    """The timetable, and who plans in it; nothing that happens changes them."""

    def __init__(self, feed: Feed, timetable: Timetable, planner: Planner, moved_weeks: int) -> None:
        self.feed, self.timetable, self.planner, self.moved_weeks = feed, timetable, planner, moved_weeks
        self.names = StopNames(feed)


class JourneyPlanner(Answer[View, Travel, Journeys]):
    """Journeys by public transport, by the timetable."""

    needs = ("transit", "transit_planner")

    def start(self, graph: ThingGraph, layers: Layers) -> View:
        """The timetable and its planner."""
        transit = layers["transit"]
        return View(transit.feed, transit.timetable, layers["transit_planner"], transit.moved_weeks)

    def update(self, view: View, change: Change) -> None:
        """What is late or cancelled does not change journeys."""

    def answer(self, question: Travel, view: View, now_us: int) -> Journeys:
        """The journeys worth taking. Raises NotFound for a stop that there is not, with names much like it."""
        start, end = view.names.get(question.from_stop), view.names.get(question.to_stop)
        at_us = to_us(read_time(question.at, view.feed.zone)) if question.at else now_us
        at_min = -(-at_us // MINUTE_US)
        sources, targets = (dict.fromkeys(view.names.list_platforms(stop), 0) for stop in (start, end))
        found = plan_while(
            view.planner, sources, targets, at_min, at_min + question.within_min, question.most_transfers
        )
        told = tuple(_tell(view, journey, at_min) for journey in found)
        names = (view.feed.stops[start].name, view.feed.stops[end].name)
        return Journeys(
            from_stop=view.feed.stops[start].id, to_stop=view.feed.stops[end].id, time_us=at_us, journeys=told,
            moved_weeks=view.moved_weeks, sentences=tuple(say(*names, told, view.moved_weeks, view.feed.zone)),
        )  # fmt: skip


def _instant(minute: int) -> str:
    return format_instant(from_us(minute * MINUTE_US))


def _tell(view: View, journey: Journey, at_min: int) -> Told:
    departure_min = next((leg.departure_min for leg in journey.legs), at_min)
    return Told(
        departure=_instant(departure_min), arrival=_instant(journey.arrival_min), minutes=journey.arrival_min - departure_min,
        transfers=journey.transfers, legs=tuple(_list_legs(view, journey)),
    )  # fmt: skip


def _list_legs(view: View, journey: Journey) -> Iterator[Leg]:
    stops = view.feed.stops
    ready_min: int | None = None  # when one could board the next vehicle
    for leg in journey.legs:
        here, there = stops[leg.from_stop], stops[leg.to_stop]
        ends: dict[str, Any] = {
            "from_stop_id": here.id, "from_stop": here.name, "to_stop_id": there.id, "to_stop": there.name,
            "departure": _instant(leg.departure_min), "arrival": _instant(leg.arrival_min),
        }  # fmt: skip
        if isinstance(leg, Walk):
            ready_min = leg.arrival_min if ready_min is not None else None
            yield Leg(**ends)
            continue
        trip = view.feed.trips[leg.trip]
        route = view.feed.routes[trip.route]
        spare = None if ready_min is None else (leg.departure_min - ready_min) * 60
        yield Leg(
            **ends, trip_id=trip.id, route=route.name, mode=route.mode, headsign=trip.headsign, spare_s=spare,
            step_free=step_free(here.wheelchair_boarding, trip.wheelchair_accessible, there.wheelchair_boarding),
        )  # fmt: skip
        ready_min = leg.arrival_min + (0 if _walks_on(journey, leg) else view.timetable.change_min[leg.to_stop])


def _walks_on(journey: Journey, ride: Ride) -> bool:
    place = journey.legs.index(ride)
    return place + 1 < len(journey.legs) and isinstance(journey.legs[place + 1], Walk)
