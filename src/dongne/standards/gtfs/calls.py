"""Trips and their calls: in order, in time, at stops that are there."""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dongne.standards.gtfs.fault import Report
from dongne.standards.gtfs.feed import NO_TIME, Stop, StopTimes, Trip
from dongne.standards.gtfs.rows import Row, read_rows
from dongne.standards.gtfs.table import Table

STOP_TIMES = "stop_times.txt"


@dataclass(frozen=True)
class Call:
    """A row of stop_times.txt."""

    line: int
    sequence: int
    stop: int
    arrival_s: int
    departure_s: int
    pickup: int
    drop_off: int
    headsign: str
    distance: float | None


@dataclass(frozen=True)
class Ids:
    """What trips and their calls may refer to; indices by id."""

    stops: dict[str, int]
    routes: dict[str, int]
    services: dict[str, int]
    shapes: frozenset[str]


def read_calls(
    tables: dict[str, Table],
    stops: tuple[Stop, ...],
    ids: Ids,
    report: Report,
) -> tuple[tuple[Trip, ...], StopTimes, dict[str, int]]:
    """Trips that can be used, their calls, and the index of each trip by its id."""
    rows = _read_trips(tables["trips.txt"], ids, report)
    calls = _read_stop_times(tables[STOP_TIMES], stops, ids.stops, set(rows), report)
    trips: list[Trip] = []
    kept: list[Call] = []
    owner: list[int] = []
    for id_, (line, row) in rows.items():
        good = _in_time(id_, _with_ends(id_, calls.get(id_, []), report), report)
        if len(good) < 2:
            report.add(
                "trip_too_short", "trips.txt", line, "trip_id", id_, count=len(calls.get(id_, [])), used=len(good)
            )
            continue
        _find_oddities(id_, good, report)
        trips.append(_trip(row, ids, len(kept), len(kept) + len(good)))
        owner.extend([len(trips) - 1] * len(good))
        kept.extend(good)
    _find_overlaps(trips, kept, report)
    return tuple(trips), _columns(owner, kept), {trip.id: number for number, trip in enumerate(trips)}


def _trip(row: Row, ids: Ids, first: int, last: int) -> Trip:
    return Trip(
        row["trip_id"], ids.routes[row["route_id"]], ids.services[row["service_id"]], row["trip_headsign"],
        -1 if row["direction_id"] is None else row["direction_id"], row["block_id"], row["shape_id"],
        row["wheelchair_accessible"] or 0, first, last,
    )  # fmt: skip


def _read_trips(table: Table, ids: Ids, report: Report) -> dict[str, tuple[int, Row]]:
    found: dict[str, tuple[int, Row]] = {}
    for line, row in read_rows(table, report):
        for name, known, target in (
            ("route_id", ids.routes, "routes.txt"),
            ("service_id", ids.services, "calendar.txt, calendar_dates.txt"),
        ):
            if row[name] not in known:
                report.add("reference_unknown", table.name, line, name, row[name], target=target)
                break
        else:
            if row["shape_id"] and row["shape_id"] not in ids.shapes:
                report.add("reference_passed_over", table.name, line, "shape_id", row["shape_id"], target="shapes.txt")
            found[row["trip_id"]] = (line, row)
    return found


def _read_stop_times(
    table: Table, stops: tuple[Stop, ...], stop_ids: dict[str, int], trips: set[str], report: Report
) -> dict[str, list[Call]]:
    calls: dict[str, list[Call]] = {}
    unsorted = 0
    for line, row in read_rows(table, report):
        if row["trip_id"] not in trips:
            report.add("reference_unknown", STOP_TIMES, line, "trip_id", row["trip_id"], target="trips.txt")
            continue
        stop = stop_ids.get(row["stop_id"], -1)
        if stop < 0:
            report.add("reference_unknown", STOP_TIMES, line, "stop_id", row["stop_id"], target="stops.txt")
            continue
        if stops[stop].location_type:
            report.add(
                "stop_not_boardable", STOP_TIMES, line, "stop_id", row["stop_id"], kind=stops[stop].location_type
            )
            continue
        arrival, departure = row["arrival_time"], row["departure_time"]
        if arrival is not None and departure is not None and departure < arrival:
            written = f"{write_time(arrival)} > {write_time(departure)}"
            report.add("departure_before_arrival", STOP_TIMES, line, "departure_time", written)
            continue
        one = Call(
            line, row["stop_sequence"], stop, _either(arrival, departure), _either(departure, arrival),
            row["pickup_type"] or 0, row["drop_off_type"] or 0, row["stop_headsign"], row["shape_dist_traveled"],
        )  # fmt: skip
        held = calls.setdefault(row["trip_id"], [])
        if held and one.sequence < held[-1].sequence:
            unsorted = unsorted or line
        held.append(one)
    if unsorted:
        report.add("rows_unsorted", STOP_TIMES, unsorted, "stop_sequence")
        for held in calls.values():
            held.sort(key=lambda call: call.sequence)
    return calls


def _either(time: int | None, other: int | None) -> int:
    return time if time is not None else other if other is not None else NO_TIME


def write_time(time_s: int) -> str:
    """Seconds of a day of service as GTFS writes them: HH:MM:SS, also past 24:00."""
    return f"{time_s // 3600:02}:{time_s // 60 % 60:02}:{time_s % 60:02}"


def _with_ends(trip: str, calls: list[Call], report: Report) -> list[Call]:
    """Without the calls before the first and behind the last time: nothing says when they are."""
    timed = [number for number, call in enumerate(calls) if call.arrival_s != NO_TIME]
    first, last = (timed[0], timed[-1]) if timed else (len(calls), -1)
    for number, call in enumerate(calls):
        if not first <= number <= last:
            report.add("time_missing", STOP_TIMES, call.line, "arrival_time", "", trip=trip)
    return calls[first : last + 1]


def _in_time(trip: str, calls: list[Call], report: Report) -> list[Call]:
    """Without the fewest calls that make time go back along the trip (a longest chain of the others)."""
    if all(
        before.departure_s <= after.arrival_s or NO_TIME in (before.departure_s, after.arrival_s)
        for before, after in pairwise(calls)
    ) and all(call.arrival_s != NO_TIME for call in calls):
        return calls
    timed = [number for number, call in enumerate(calls) if call.arrival_s != NO_TIME]
    kept = set(_longest_chain([(calls[n].arrival_s, calls[n].departure_s) for n in timed]))
    wrong = {timed[place] for place in range(len(timed)) if place not in kept}
    for number in sorted(wrong):
        call = calls[number]
        report.add("time_backwards", STOP_TIMES, call.line, "arrival_time", write_time(call.arrival_s), trip=trip)
    return [call for number, call in enumerate(calls) if number not in wrong]


def _longest_chain(spans: list[tuple[int, int]]) -> list[int]:
    """The places of a longest run of spans in which none begins before the one before has ended."""
    ends: list[int] = []  # the earliest end of a chain of each length
    tails: list[int] = []
    before: list[int] = []
    for place, (start, end) in enumerate(spans):
        length = bisect_right(ends, start)
        before.append(tails[length - 1] if length else -1)
        if length == len(ends):
            ends.append(end)
            tails.append(place)
        elif end < ends[length]:
            ends[length], tails[length] = end, place
    chain, place = [], tails[-1] if tails else -1
    while place >= 0:
        chain.append(place)
        place = before[place]
    return chain[::-1]


def _find_oddities(trip: str, calls: list[Call], report: Report) -> None:
    for before, after in pairwise(calls):
        if before.stop == after.stop:
            report.add("stop_repeated", STOP_TIMES, after.line, "stop_id", "", trip=trip)
        if None not in (before.distance, after.distance) and (after.distance or 0.0) < (before.distance or 0.0):
            report.add(
                "distance_backwards", STOP_TIMES, after.line, "shape_dist_traveled", str(after.distance), trip=trip
            )


def _find_overlaps(trips: list[Trip], calls: list[Call], report: Report) -> None:
    """Trips of a block and a service that one vehicle can't run, as they are at the same time."""
    blocks: dict[tuple[str, int], list[Trip]] = {}
    for trip in trips:
        if trip.block_id:
            blocks.setdefault((trip.block_id, trip.service), []).append(trip)
    for (block, _), members in blocks.items():
        members.sort(key=lambda trip: calls[trip.first].departure_s)
        for before, after in pairwise(members):
            if calls[after.first].departure_s < calls[before.last - 1].arrival_s:
                report.add("block_overlap", "trips.txt", 0, "block_id", block, trip=before.id, other=after.id)


def _columns(owner: list[int], calls: list[Call]) -> StopTimes:
    return StopTimes(
        np.array(owner, np.int32),
        np.array([call.stop for call in calls], np.int32),
        np.array([call.sequence for call in calls], np.int32),
        np.array([call.arrival_s for call in calls], np.int32),
        np.array([call.departure_s for call in calls], np.int32),
        np.array([call.pickup for call in calls], np.int8),
        np.array([call.drop_off for call in calls], np.int8),
        {number: call.headsign for number, call in enumerate(calls) if call.headsign},
    )
