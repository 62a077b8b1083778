"""A stop and a time: what departs next, how sure that is, and whether one catches it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from dongne.methods.delays import Spread, chance_of_change
from dongne.methods.timetable import Pattern, Timetable, list_departures, read_time
from dongne.model.errors import NotFound
from dongne.model.graph import ThingGraph
from dongne.model.properties import CALL_CANCELLED, DEPARTURE_DELAY, DISRUPTION
from dongne.model.records import ObservationBatch
from dongne.model.times import format_instant, from_us, to_us
from dongne.runtime.answer import Answer, Layers
from dongne.runtime.answer import Change as Changed
from dongne.services.stop_board.board import Board, Change, Departure, StopBoard
from dongne.services.stop_board.live import LiveStops
from dongne.services.stop_board.words import say, say_aloud
from dongne.standards.gtfs.feed import Feed, step_free
from dongne.standards.gtfs.lookup import StopNames

LATE_MIN = 60  # a vehicle so late may still come
FURTHER_MIN = (120, 12 * 60)  # how far ahead is looked, until there is enough
LOW, HIGH = 0.1, 0.9


class Row(NamedTuple):
    """A departure in the timetable, by its place there."""

    scheduled_min: int
    pattern: Pattern
    run: int
    place: int
    day: int

    @property
    def trip(self) -> int:
        """The trip one boards."""
        return int(self.pattern.trips[self.run, self.place])


class View:
    """The timetable, and what is said of it now."""

    def __init__(self, feed: Feed, timetable: Timetable, moved_weeks: int) -> None:
        self.feed, self.timetable, self.moved_weeks = feed, timetable, moved_weeks
        self.live = LiveStops(feed, timetable.day_start_min)
        self.names = StopNames(feed)


class StopBoards(Answer[View, Board, StopBoard]):
    """The next departures of a stop: from the timetable, as operators say, or as they were late before."""

    reads = (DEPARTURE_DELAY, CALL_CANCELLED, DISRUPTION)
    needs = ("transit",)

    def start(self, graph: ThingGraph, layers: Layers) -> View:
        """The timetable, without any word of an operator."""
        transit = layers["transit"]
        view = View(transit.feed, transit.timetable, transit.moved_weeks)
        view.live.graph = graph
        return view

    def update(self, view: View, change: Changed) -> None:
        """Takes in what operators say of calls and stops."""
        match change:
            case ObservationBatch():
                view.live.take(change)
            case ThingGraph():
                view.live.graph = change

    def answer(self, question: Board, view: View, now_us: int) -> StopBoard:
        """The departures from `at` on. Raises NotFound for a stop that there is not, with names much like it."""
        stop = view.names.get(question.stop)
        at_us = to_us(read_time(question.at, view.feed.zone)) if question.at else now_us
        stops = view.names.list_platforms(stop)
        found: list[tuple[int, Departure]] = []
        for further in FURTHER_MIN:
            found = sorted(_list_departures(view, stops, at_us, further, now_us), key=lambda one: one[0])
            if len(found) >= question.count:
                break
        departures = [departure for _, departure in found[: question.count]]
        if question.arriving:
            departures = list(_with_changes(view, question.arriving, stops, departures, at_us, now_us))
        newest = view.live.newest_us
        name = view.feed.stops[stop].name
        disruptions = view.live.list_disruptions(view.feed.stops[number].id for number in (stop, *stops))
        spoken_name = view.feed.stops[stop].spoken_name or name
        return StopBoard(
            stop_id=view.feed.stops[stop].id, name=name, time_us=at_us, departures=tuple(departures), disruptions=disruptions,
            real_time_age_s=None if newest is None else max(0, (now_us - newest) // 1_000_000), moved_weeks=view.moved_weeks,
            sentences=tuple(say(name, departures, view.moved_weeks, view.feed.zone)),
            spoken=tuple(say_aloud(spoken_name, departures, view.feed.zone)),
        )  # fmt: skip


def _list_departures(
    view: View, stops: list[int], at_us: int, further_min: int, now_us: int
) -> Iterator[tuple[int, Departure]]:
    at_min = at_us // 60_000_000
    for stop in stops:
        for day, rows in list_departures(view.timetable, stop, at_min - LATE_MIN, at_min + further_min):
            start = view.timetable.day_start_min(day)
            for pattern, run, place in rows:
                row = Row(start + int(pattern.departure[run, place]), pattern, run, place, day)
                expected_us, departure = _tell(view, stop, row, at_us, now_us)
                if expected_us // 60_000_000 >= at_min:
                    yield expected_us, departure


def _tell(view: View, stop: int, row: Row, at_us: int, now_us: int) -> tuple[int, Departure]:
    feed, trip = view.feed, view.feed.trips[row.trip]
    scheduled_us = row.scheduled_min * 60_000_000
    live = view.live.find_live((row.trip, row.day, _sequence(view, row, stop)), now_us)
    learned = view.live.book.find_spread(trip.route, view.live.hour_of(scheduled_us))
    delay_s = round(live.delay_s) if live else None
    expected_us = scheduled_us + (delay_s or 0) * 1_000_000
    route = feed.routes[trip.route]
    last = row.pattern.stops[-1]
    departure = Departure(
        trip_id=trip.id, route=route.name, mode=route.mode, headsign=trip.headsign or feed.stops[last].name,
        stop_id=feed.stops[stop].id, platform=feed.stops[stop].platform_code,
        scheduled=format_instant(from_us(scheduled_us)), expected=format_instant(from_us(expected_us)),
        minutes=max(0, (expected_us - at_us) // 60_000_000),
        certainty="real_time" if live else "learned" if learned else "timetable",
        delay_s=delay_s,
        low_s=round(learned[0].quantile(LOW)) if learned and not live else None,
        high_s=round(learned[0].quantile(HIGH)) if learned and not live else None,
        seen=len(learned[0].delays_s) if learned else 0, hour_alone=learned[1] if learned else True,
        cancelled=bool(live and live.cancelled), step_free=step_free(feed.stops[stop].wheelchair_boarding, trip.wheelchair_accessible),
    )  # fmt: skip
    return expected_us, departure


def _sequence(view: View, row: Row, stop: int) -> int:
    """The stop_sequence of the call; of several at one stop, the one at this time. -1 where the run has headways."""
    trip = view.feed.trips[row.trip]
    minute = int(row.pattern.departure[row.run, row.place])
    times = view.feed.stop_times
    at = [n for n in range(trip.first, trip.last) if times.stop[n] == stop]
    right = [n for n in at if times.departure_s[n] // 60 == minute] or (
        at if len(at) == 1 and times.departure_s[at[0]] < 0 else []
    )
    return int(times.sequence[right[0]]) if right else -1


def _with_changes(
    view: View, trip_id: str, stops: list[int], departures: list[Departure], at_us: int, now_us: int
) -> Iterator[Departure]:
    """The departures with how likely one catches them out of this trip. Raises NotFound where it does not call here or near."""
    trip = view.live.find_trip(trip_id)
    if trip is None:
        raise NotFound(f"there is no trip {trip_id[:60]!r}; give a trip_id that a board tells")
    arrivals = list(_list_arrivals(view, trip, stops, at_us))
    if not arrivals:
        raise NotFound(
            f"trip {trip_id[:60]!r} does not arrive here in these hours, nor at a stop from which one can walk"
        )
    for departure in departures:
        stop = view.names.ids[departure.stop_id]
        here = [(arrival, minutes[stop], live) for arrival, minutes, live in arrivals if stop in minutes]
        if not here or departure.trip_id == trip_id:
            yield departure
            continue
        arrival_us, walk_min, call = min(here, key=lambda one: one[0] + one[1] * 60_000_000)
        scheduled_us = to_us(datetime.fromisoformat(departure.scheduled))
        slack_s = (scheduled_us - arrival_us) // 1_000_000 - walk_min * 60
        arriving = _delays(view, call, view.feed.trips[trip].route, arrival_us, now_us)
        leaving = view.live.find_trip(departure.trip_id)
        departing = (
            (float(departure.delay_s),)
            if departure.delay_s is not None
            else _delays(view, None, view.feed.trips[leaving or 0].route, scheduled_us, now_us)
        )
        holds = None
        if departure.cancelled:
            holds = 0
        elif arriving and departing:
            holds = round(100 * chance_of_change(arriving, departing, slack_s))
        yield msgspec.structs.replace(departure, change=Change(slack_s=slack_s, holds_percent=holds))


def _list_arrivals(
    view: View, trip: int, stops: list[int], at_us: int
) -> Iterator[tuple[int, dict[int, int], tuple[int, int, int]]]:
    """(scheduled arrival, minutes to each of the stops, the call) of a trip where one can change to these stops."""
    one, times = view.feed.trips[trip], view.feed.stop_times
    for row in range(one.first, one.last):
        stop = int(times.stop[row])
        near = {stop: view.timetable.change_min[stop], **dict(view.timetable.footpaths[stop])}
        minutes = {other: near[other] for other in stops if other in near}
        if not minutes or times.arrival_s[row] < 0:
            continue
        today = view.timetable.local_day(at_us // 60_000_000)
        for day in (today - 1, today, today + 1):
            arrival_us = (view.timetable.day_start_min(day) * 60 + int(times.arrival_s[row])) * 1_000_000
            if view.feed.services[one.service].runs_on(datetime.fromordinal(day).replace(tzinfo=UTC).date()) and abs(
                arrival_us - at_us
            ) <= timedelta(hours=12) // timedelta(microseconds=1):
                yield arrival_us, minutes, (trip, day, int(times.sequence[row]))


def _delays(view: View, call: tuple[int, int, int] | None, route: int, at_us: int, now_us: int) -> tuple[float, ...]:
    """The delays a vehicle may have: what is said of it now, else those learned of its route; none where nothing is known."""
    live = view.live.find_live(call, now_us) if call else None
    if live is not None:
        return (live.delay_s,)
    found: tuple[Spread, bool] | None = view.live.book.find_spread(route, view.live.hour_of(at_us))
    return found[0].delays_s if found else ()
