"""What a feed says of single calls at stops: delays go on along a trip, as trip-updates.md of GTFS Realtime has it."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple

from dongne.standards.gtfs.feed import NO_TIME, Feed, Trip
from dongne.standards.gtfs_realtime.message import (
    Alert,
    Selector,
    StopRelationship,
    StopTimeUpdate,
    TripRelationship,
    TripUpdate,
)
from dongne.standards.gtfs_realtime.message import Feed as Realtime

GONE = (TripRelationship.CANCELED, TripRelationship.DELETED)
LONGEST_LATE = timedelta(hours=6)  # a trip so long over is one of another day


class CallWord(NamedTuple):
    """One call: `delay_s` of its departure, or that it is `cancelled`. `start_date` is YYYYMMDD, the day of service."""

    trip_id: str
    start_date: str
    stop_sequence: int
    stop_id: str
    delay_s: int | None
    cancelled: bool


def list_call_words(feed: Feed, realtime: Realtime) -> Iterator[CallWord]:
    """What the trip updates say of the calls of the timetable. Trips that were added, or run by headways, are passed over."""
    trips = {trip.id: (number, trip) for number, trip in enumerate(feed.trips)}
    headways = {frequency.trip for frequency in feed.frequencies}
    for update in realtime.trip_updates:
        number, trip = trips.get(update.trip.trip_id, (-1, None))
        if trip is None or number in headways or update.trip.relationship not in (TripRelationship.SCHEDULED, *GONE):
            continue
        day = _day_of(feed, trip, update, realtime.time)
        if day is not None:
            yield from _words_of(feed, trip, update, day)


def _day_of(feed: Feed, trip: Trip, update: TripUpdate, now: datetime) -> date | None:
    """The day of service that is meant: the one named, else the one on which the trip is nearest to now."""
    text = update.trip.start_date
    if text:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if text.isdigit() and len(text) == 8 else None
    today = now.astimezone(feed.zone).date()
    found = []
    for day in (today - timedelta(days=1), today, today + timedelta(days=1)):
        if feed.services[trip.service].runs_on(day):
            middle = int(feed.stop_times.departure_s[trip.first] + feed.stop_times.arrival_s[trip.last - 1]) // 2
            found.append((abs(_instant(feed, day, middle) - now), day))
    best = min(found, default=None)
    return best[1] if best and best[0] < LONGEST_LATE else None


def _instant(feed: Feed, day: date, seconds: int) -> datetime:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=feed.zone)
    return datetime.fromtimestamp(noon.timestamp() - 43_200 + seconds, feed.zone)


def _words_of(feed: Feed, trip: Trip, update: TripUpdate, day: date) -> Iterator[CallWord]:
    times = feed.stop_times
    said = _by_row(feed, trip, update)
    delay = update.delay_s
    gone = update.trip.relationship in GONE
    for row in range(trip.first, trip.last):
        call = said.get(row)
        skipped = call is not None and call.relationship is StopRelationship.SKIPPED
        if call is not None and call.relationship is StopRelationship.NO_DATA:
            delay = None
        elif call is not None and not skipped:
            delay = _delay(feed, row, day, call)
        if gone or skipped or delay is not None:
            stop = feed.stops[times.stop[row]].id
            yield CallWord(
                trip.id,
                f"{day:%Y%m%d}",
                int(times.sequence[row]),
                stop,
                None if gone or skipped else delay,
                gone or skipped,
            )


def _by_row(feed: Feed, trip: Trip, update: TripUpdate) -> dict[int, StopTimeUpdate]:
    """The updates by the row of the call they are of: by stop_sequence, else the first call at the stop that is still free."""
    times = feed.stop_times
    found: dict[int, StopTimeUpdate] = {}
    for call in update.calls:
        for row in range(trip.first, trip.last):
            is_it = (
                times.sequence[row] == call.stop_sequence
                if call.stop_sequence is not None
                else feed.stops[times.stop[row]].id == call.stop_id
            )
            if is_it and row not in found:
                found[row] = call
                break
    return found


def _delay(feed: Feed, row: int, day: date, call: StopTimeUpdate) -> int | None:
    """Of the departure, else of the arrival; a time wins over a delay."""
    for event, scheduled in (
        (call.departure, feed.stop_times.departure_s[row]),
        (call.arrival, feed.stop_times.arrival_s[row]),
    ):
        if event is None:
            continue
        if event.time is not None and scheduled != NO_TIME:
            return round((event.time - _instant(feed, day, int(scheduled))).total_seconds())
        if event.delay_s is not None:
            return event.delay_s
    return None


def list_alerts_by_stop(feed: Feed, realtime: Realtime) -> dict[tuple[str, str], dict[str, str]]:
    """(stop_id, alert id) -> texts by language, of alerts that are active when the feed was made."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for alert in realtime.alerts:
        if alert.is_active(realtime.time):
            for selector in alert.informed:
                for stop_id in _stops_of(feed, selector):
                    found[stop_id, alert.id] = _texts(alert)
    return found


def _texts(alert: Alert) -> dict[str, str]:
    """Header and description as sentences, by language."""
    found = {}
    for language in dict.fromkeys((*alert.header, *alert.description)):
        parts = [texts.get(language, "").strip() for texts in (alert.header, alert.description)]
        found[language] = " ".join(part if part[-1] in ".!?" else f"{part}." for part in parts if part)
    return found


def _stops_of(feed: Feed, selector: Selector) -> set[str]:
    """The stops at which people are concerned: the stop with its platforms, else those of the route, of the trip, or all."""
    if selector.stop_id:
        number = next((n for n, stop in enumerate(feed.stops) if stop.id == selector.stop_id), -1)
        return {selector.stop_id} | {stop.id for stop in feed.stops if number >= 0 and stop.parent == number}
    trips = [trip for trip in feed.trips if _concerns(feed, trip, selector)]
    served: dict[int, None] = defaultdict()
    for trip in trips:
        for stop in feed.stop_times.stop[trip.first : trip.last]:
            served[int(stop)] = None
    return {feed.stops[stop].id for stop in served}


def _concerns(feed: Feed, trip: Trip, selector: Selector) -> bool:
    route = feed.routes[trip.route]
    wanted = selector.trip
    return (
        (not selector.route_id or route.id == selector.route_id)
        and (selector.route_type is None or route.type == selector.route_type)
        and (not selector.agency_id or feed.agencies[route.agency].id == selector.agency_id)
        and (selector.direction_id is None or trip.direction_id == selector.direction_id)
        and (wanted is None or trip.id == wanted.trip_id or (not wanted.trip_id and route.id == wanted.route_id))
    )
