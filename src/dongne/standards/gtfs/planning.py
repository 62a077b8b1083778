"""A feed as the timetable in which journeys are planned: stops keep their indices, and trips theirs.

Trips of a block are one run where the vehicle goes on (passengers may stay seated); headways become single runs; times that
are missing between two others are filled in by distance.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from math import ceil

import numpy as np

from dongne.methods.timetable import CHANGE_MIN, Call, Run, Timetable, build_timetable
from dongne.model.geometry import distance_m
from dongne.standards.gtfs.feed import NO_TIME, Feed, Trip

WALK_M_PER_S = 1.2
DETOUR = 1.3  # a walk is longer than the line
NEAR_M = 150.0  # stops as near as this can be changed between, also where the feed does not say so
LONGEST_WALK_MIN = 5
NO_PICKUP = NO_DROP_OFF = 1
FORBIDDEN, MINIMUM = 3, 2  # transfer_type
STAY, STAY_FORBIDDEN = 4, 5


def plan_in(feed: Feed, near_m: float = NEAR_M) -> Timetable:
    """The timetable of a feed."""
    calendars: dict[frozenset[int], int] = {}
    runs = [
        Run(calls, calendars.setdefault(days, len(calendars)))
        for trips, days in _list_runs(feed)
        for calls in _list_calls(feed, trips)
    ]
    change = [CHANGE_MIN] * len(feed.stops)
    walks = dict(_list_near(feed, near_m))
    longest = LONGEST_WALK_MIN
    for rule in feed.transfers:
        if rule.trips is not None:
            continue
        given = CHANGE_MIN if rule.min_s is None else ceil(rule.min_s / 60)
        pair = (min(rule.from_stop, rule.to_stop), max(rule.from_stop, rule.to_stop))
        if rule.from_stop == rule.to_stop:
            if rule.type == MINIMUM and rule.min_s is not None:
                change[rule.from_stop] = given
        elif rule.type == FORBIDDEN:
            walks.pop(pair, None)
        elif rule.min_s is not None or pair not in walks:
            walks[pair] = max(given, CHANGE_MIN)
            longest = max(longest, given)
    return build_timetable(
        feed.zone, change, ((a, b, m) for (a, b), m in walks.items()), runs, list(calendars), longest
    )


def _list_near(feed: Feed, near_m: float) -> Iterator[tuple[tuple[int, int], int]]:
    """((stop, stop), minutes) of platforms of one station, and of stops that are near each other."""
    stations: dict[int, list[int]] = defaultdict(list)
    cells: dict[tuple[int, int], list[int]] = defaultdict(list)
    places = {number: stop.place for number, stop in enumerate(feed.stops) if stop.location_type == 0 and stop.place}
    cell_deg = (
        near_m / 50_000
    )  # at most half a cell of longitude up to 60 degrees of latitude; more beyond costs time alone
    for number, (lon, lat) in places.items():
        if feed.stops[number].parent >= 0:
            stations[feed.stops[number].parent].append(number)
        cells[int(lon // cell_deg), int(lat // cell_deg)].append(number)
    pairs = {(a, b) for members in stations.values() for a in members for b in members if a < b}
    for a, (lon, lat) in places.items():
        column, row = int(lon // cell_deg), int(lat // cell_deg)
        for x in (column - 1, column, column + 1):
            for y in (row - 1, row, row + 1):
                pairs |= {(a, b) for b in cells.get((x, y), ()) if a < b and distance_m(places[a], places[b]) <= near_m}
    for a, b in sorted(pairs):
        seconds = distance_m(places[a], places[b]) * DETOUR / WALK_M_PER_S
        yield (a, b), max(CHANGE_MIN, ceil(seconds / 60))


def _list_runs(feed: Feed) -> Iterator[tuple[tuple[int, ...], frozenset[int]]]:
    """(trips that one vehicle runs one after the other, days)."""
    days = [frozenset(day.toordinal() for day in service.list_days()) for service in feed.services]
    blocks: dict[str, list[int]] = defaultdict(list)
    linked = _find_links(feed)
    for number, trip in enumerate(feed.trips):
        if block := linked.get(number) or trip.block_id:
            blocks[block].append(number)
        elif days[trip.service]:
            yield (number,), days[trip.service]
    apart = {rule.trips for rule in feed.transfers if rule.type == STAY_FORBIDDEN}
    for members in blocks.values():
        by_trips: dict[tuple[int, ...], set[int]] = defaultdict(set)
        for day in set().union(*(days[feed.trips[number].service] for number in members)):
            going = [number for number in members if day in days[feed.trips[number].service]]
            for chain in _list_chains(feed, going, apart):
                by_trips[chain].add(day)
        for chain, when in by_trips.items():
            yield chain, frozenset(when)


def _find_links(feed: Feed) -> dict[int, str]:
    """Trips without a block that transfers.txt links one to one, as if they had one. Where trains are joined or parted,
    nobody is told to stay seated."""
    links = [rule.trips for rule in feed.transfers if rule.type == STAY and rule.trips is not None]
    before, after = Counter(b for _, b in links), Counter(a for a, _ in links)
    found: dict[int, str] = {}
    for a, b in sorted(links, key=lambda link: int(feed.stop_times.departure_s[feed.trips[link[0]].first])):
        if before[b] == after[a] == 1 and not (feed.trips[a].block_id or feed.trips[b].block_id):
            found[a] = found[b] = found.get(a) or f"linked {a}"
    return found


def _list_chains(feed: Feed, going: list[int], apart: set[tuple[int, int] | None]) -> Iterator[tuple[int, ...]]:
    """The trips of a block on one day, cut where one begins before the last has ended, or where one may not stay seated."""
    chain: list[int] = []
    for number in sorted(going, key=lambda one: int(feed.stop_times.departure_s[feed.trips[one].first])):
        if chain and (not _follows(feed, feed.trips[chain[-1]], feed.trips[number]) or (chain[-1], number) in apart):
            yield tuple(chain)
            chain = []
        chain.append(number)
    if chain:
        yield tuple(chain)


def _follows(feed: Feed, before: Trip, after: Trip) -> bool:
    return bool(feed.stop_times.arrival_s[before.last - 1] <= feed.stop_times.departure_s[after.first])


def _list_calls(feed: Feed, trips: tuple[int, ...]) -> Iterator[tuple[Call, ...]]:
    """The calls of a run; of one with headways, those of each time it runs."""
    calls: list[Call] = []
    for number in trips:
        more = _calls_of(feed, number)
        if calls and calls[-1].stop == more[0].stop:
            calls[-1] = more[0]._replace(arrival_s=calls[-1].arrival_s, alighting=calls[-1].alighting)
            more = more[1:]
        calls.extend(more)
    headways = [frequency for frequency in feed.frequencies if frequency.trip in trips]
    if not headways:
        yield tuple(calls)
        return
    begins = calls[0].departure_s
    for frequency in headways:
        for start_s in range(frequency.start_s, frequency.end_s, frequency.headway_s):
            shift = start_s - begins
            yield tuple(
                call._replace(arrival_s=call.arrival_s + shift, departure_s=call.departure_s + shift) for call in calls
            )


def _calls_of(feed: Feed, number: int) -> list[Call]:
    trip, times = feed.trips[number], feed.stop_times
    rows = slice(trip.first, trip.last)
    arrival, departure = _fill_in(feed, trip)
    last = trip.last - trip.first - 1
    return [
        Call(
            int(stop),
            int(a),
            int(d),
            pickup != NO_PICKUP and place < last,
            drop_off != NO_DROP_OFF and place > 0,
            number,
        )
        for place, (stop, a, d, pickup, drop_off) in enumerate(
            zip(times.stop[rows], arrival, departure, times.pickup[rows], times.drop_off[rows], strict=True)
        )
    ]


def _fill_in(feed: Feed, trip: Trip) -> tuple[np.ndarray, np.ndarray]:
    """Arrivals and departures of all calls of a trip, the missing ones by distance between those that are given."""
    rows = slice(trip.first, trip.last)
    arrival, departure = feed.stop_times.arrival_s[rows].copy(), feed.stop_times.departure_s[rows].copy()
    known = np.flatnonzero(arrival != NO_TIME)
    if len(known) == len(arrival):
        return arrival, departure
    places = [feed.stops[stop].place for stop in feed.stop_times.stop[rows]]
    steps = [0.0] + [distance_m(a, b) if a and b else 1.0 for a, b in pairwise(places)]
    along = np.cumsum(steps) + np.arange(len(steps)) * 1e-6  # stops at one place keep their order
    for before, after in pairwise(known):
        for place in range(before + 1, after):
            share = (along[place] - along[before]) / (along[after] - along[before])
            between = departure[before] + share * (arrival[after] - departure[before])
            arrival[place] = departure[place] = int(between)
    return arrival, departure
