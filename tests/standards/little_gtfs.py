"""A timetable of our own, small enough to know by heart: a line of three stations there and back, and a bus beside it."""

import io
import zipfile
from collections.abc import Mapping

LITTLE: dict[str, str] = {
    "agency.txt": "agency_id,agency_name,agency_url,agency_timezone\nA,Little Lines,https://example.org,Europe/Helsinki\n",
    "stops.txt": (
        "stop_id,stop_name,stop_lat,stop_lon,location_type,parent_station,wheelchair_boarding\n"
        "W,West,60.1700,24.9300,0,,1\n"
        "MID,Middle,60.1700,24.9400,1,,1\n"
        "M1,Middle 1,60.1701,24.9400,0,MID,0\n"
        "M2,Middle 2,60.1699,24.9400,0,MID,2\n"
        "E,East,60.1700,24.9500,0,,1\n"
    ),
    "routes.txt": (
        "route_id,agency_id,route_short_name,route_long_name,route_type\nR1,A,1,West - East,1\nB7,A,7,Bus to the east,3\n"
    ),
    "calendar.txt": (
        "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
        "WEEK,1,1,1,1,1,0,0,20261001,20261231\n"
    ),
    "calendar_dates.txt": "service_id,date,exception_type\nWEEK,20261206,1\nWEEK,20261207,2\n",
    "trips.txt": (
        "route_id,service_id,trip_id,direction_id,trip_headsign,wheelchair_accessible\n"
        "R1,WEEK,E1,0,East,1\nR1,WEEK,W1,1,West,1\nB7,WEEK,BUS,0,East,2\nR1,WEEK,NIGHT,0,East,0\n"
    ),
    "stop_times.txt": (
        "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
        "E1,08:00:00,08:00:00,W,1\nE1,08:05:00,08:06:00,M1,2\nE1,08:12:00,08:12:00,E,3\n"
        "W1,08:02:00,08:02:00,E,1\nW1,08:08:00,08:09:00,M2,2\nW1,08:14:00,08:14:00,W,3\n"
        "BUS,08:10:00,08:10:00,M2,1\nBUS,08:30:00,08:30:00,E,2\n"
        "NIGHT,23:55:00,23:55:00,W,1\nNIGHT,24:02:00,24:03:00,M1,2\nNIGHT,24:09:00,24:09:00,E,3\n"
    ),
    "transfers.txt": "from_stop_id,to_stop_id,transfer_type,min_transfer_time\nM1,M2,2,120\nM2,M1,2,120\n",
}


def zip_of(tables: Mapping[str, str | bytes]) -> bytes:
    """The files as a zip, as a feed is published."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as out:
        for name, text in tables.items():
            out.writestr(name, text)
    return held.getvalue()


def change(**tables: str | bytes | None) -> bytes:
    """The little feed with other files: `change(stops="...")`; None leaves one out."""
    held: dict[str, str | bytes] = dict(LITTLE)
    for name, text in tables.items():
        if text is None:
            held.pop(f"{name}.txt", None)
        else:
            held[f"{name}.txt"] = text
    return zip_of(held)
