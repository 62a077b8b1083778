"""A timetable as a GTFS zip, for planners that read nothing else: stops and runs are named by their numbers."""

import csv
import io
import zipfile
from collections.abc import Iterable
from datetime import date

from dongne.methods.timetable import Timetable

PLAIN_DATE = (1980, 1, 1, 0, 0, 0)  # the same timetable is the same bytes


def write(timetable: Timetable) -> bytes:
    """The zip. Each run is a trip, each calendar a list of dates; times are whole minutes, and footpaths are transfers."""
    trips, calls = [], []
    for number, pattern in enumerate(timetable.patterns):
        for run, calendar in enumerate(pattern.calendar):
            id_ = f"{number}.{run}"
            trips.append((number, int(calendar), id_))
            for place, stop in enumerate(pattern.stops):
                times = (_time(int(pattern.arrival[run, place])), _time(int(pattern.departure[run, place])))
                doors = (int(not pattern.boarding[place]), int(not pattern.alighting[place]))
                calls.append((id_, *times, stop, place, *doors))
    tables: dict[str, tuple[str, Iterable[tuple[object, ...]]]] = {
        "agency.txt": (
            "agency_id,agency_name,agency_url,agency_timezone",
            [("a", "a", "https://example.org", timetable.zone.key)],
        ),
        "stops.txt": (
            "stop_id,stop_name,stop_lat,stop_lon",
            (
                (stop, stop, f"{10 + stop // 1000 * 0.1:.1f}", f"{10 + stop % 1000 * 0.1:.1f}")
                for stop in range(len(timetable.change_min))
            ),
        ),
        "routes.txt": (
            "route_id,agency_id,route_short_name,route_long_name,route_type",
            ((n, "a", n, n, 3) for n in range(len(timetable.patterns))),
        ),
        "trips.txt": ("route_id,service_id,trip_id", trips),
        "stop_times.txt": (
            "trip_id,arrival_time,departure_time,stop_id,stop_sequence,pickup_type,drop_off_type",
            calls,
        ),
        "calendar_dates.txt": (
            "service_id,date,exception_type",
            (
                (n, f"{date.fromordinal(day):%Y%m%d}", 1)
                for n, days in enumerate(timetable.calendars)
                for day in sorted(days)
            ),
        ),
        "transfers.txt": (
            "from_stop_id,to_stop_id,transfer_type,min_transfer_time",
            ((a, b, 2, minutes * 60) for a, near in enumerate(timetable.footpaths) for b, minutes in near),
        ),
    }
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, (header, rows) in tables.items():
            text = io.StringIO()
            text.write(header + "\n")
            csv.writer(text, lineterminator="\n").writerows(rows)
            archive.writestr(zipfile.ZipInfo(name, PLAIN_DATE), text.getvalue())
    return held.getvalue()


def _time(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}:00"
