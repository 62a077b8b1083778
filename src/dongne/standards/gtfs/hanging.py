"""What hangs on trips and stops: shapes, frequencies, transfers."""

import numpy as np
from numpy.typing import NDArray

from dongne.standards.gtfs.calls import write_time
from dongne.standards.gtfs.fault import Report
from dongne.standards.gtfs.feed import Frequency, Stop, Transfer
from dongne.standards.gtfs.rows import Row, read_rows
from dongne.standards.gtfs.table import Table

LINKED = (4, 5)  # transfer_type: trips of one vehicle
LEAST_HEADWAY_S = 10  # a gondola lift; shorter ones are minutes that were taken for seconds


def read_shapes(table: Table | None, report: Report) -> dict[str, NDArray[np.float64]]:
    """The points of each shape in their order."""
    points: dict[str, list[tuple[int, float, float, int]]] = {}
    for line, row in read_rows(table, report) if table is not None else ():
        point = (row["shape_pt_sequence"], row["shape_pt_lon"], row["shape_pt_lat"], line)
        points.setdefault(row["shape_id"], []).append(point)
    shapes = {}
    for id_, held in points.items():
        if len(held) < 2:
            report.add("shape_too_short", "shapes.txt", held[0][3], "shape_id", id_)
            continue
        shapes[id_] = np.array([(lon, lat) for _, lon, lat, _ in sorted(held)], np.float64)
    return shapes


def read_frequencies(table: Table | None, trips: dict[str, int], report: Report) -> tuple[Frequency, ...]:
    """The headways of trips, without those that end before they begin, overlap another, or are shorter than
    LEAST_HEADWAY_S: each run of such is planned, and a day would be full of them."""
    found: list[Frequency] = []
    by_trip: dict[int, list[Frequency]] = {}
    for line, row in read_rows(table, report) if table is not None else ():
        trip = trips.get(row["trip_id"])
        if trip is None:
            report.add("reference_unknown", "frequencies.txt", line, "trip_id", row["trip_id"], target="trips.txt")
            continue
        one = Frequency(trip, row["start_time"], row["end_time"], row["headway_secs"], row["exact_times"] == 1)
        span = f"{write_time(one.start_s)} - {write_time(one.end_s)}"
        if one.end_s <= one.start_s:
            report.add("frequency_empty", "frequencies.txt", line, "end_time", span)
            continue
        if one.headway_s < LEAST_HEADWAY_S:
            said = str(one.headway_s)
            report.add("headway_too_short", "frequencies.txt", line, "headway_secs", said, trip=row["trip_id"])
            continue
        if any(one.start_s < other.end_s and other.start_s < one.end_s for other in by_trip.get(trip, ())):
            report.add("frequency_overlap", "frequencies.txt", line, "start_time", span, trip=row["trip_id"])
            continue
        by_trip.setdefault(trip, []).append(one)
        found.append(one)
    return tuple(found)


def read_transfers(
    table: Table | None, stops: tuple[Stop, ...], stop_ids: dict[str, int], trips: dict[str, int], report: Report
) -> tuple[Transfer, ...]:
    """Rules for changing, those of stations for each of their platforms. Rules for single trips and routes are named and
    not used, but for links between trips of one vehicle."""
    children: dict[int, list[int]] = {}
    for number, stop in enumerate(stops):
        if stop.parent >= 0 and stop.location_type == 0:
            children.setdefault(stop.parent, []).append(number)
    found: list[Transfer] = []
    for line, row in read_rows(table, report) if table is not None else ():
        kind = row["transfer_type"] or 0
        if kind in LINKED:
            if (link := _read_link(line, row, kind, stop_ids, trips, report)) is not None:
                found.append(link)
            continue
        ends = []
        for name in ("from_stop_id", "to_stop_id"):
            number = stop_ids.get(row[name], -1)
            if number < 0:
                report.add("reference_unknown", "transfers.txt", line, name, row[name], target="stops.txt")
                break
            ends.append(children.get(number, [number]))
        if len(ends) < 2:
            continue
        if used := [n for n in ("from_trip_id", "to_trip_id", "from_route_id", "to_route_id") if row[n]]:
            report.add("transfer_rule_unused", "transfers.txt", line, ", ".join(used), row[used[0]])
            continue
        if kind == 2 and row["min_transfer_time"] is None:
            report.add("transfer_without_time", "transfers.txt", line, "min_transfer_time")
        found.extend(Transfer(a, b, kind, row["min_transfer_time"]) for a in ends[0] for b in ends[1])
    return tuple(found)


def _read_link(
    line: int, row: Row, kind: int, stop_ids: dict[str, int], trips: dict[str, int], report: Report
) -> Transfer | None:
    linked = [trips.get(row[name]) for name in ("from_trip_id", "to_trip_id")]
    if linked[0] is None or linked[1] is None:
        lacking = "from_trip_id" if linked[0] is None else "to_trip_id"
        report.add("linked_trips_incomplete", "transfers.txt", line, lacking, row[lacking], kind=kind)
        return None
    ends = (stop_ids.get(row["from_stop_id"], -1), stop_ids.get(row["to_stop_id"], -1))
    return Transfer(*ends, kind, None, (linked[0], linked[1]))
