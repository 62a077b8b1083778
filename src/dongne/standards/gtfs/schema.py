"""The files and columns of GTFS Schedule that are read, as its reference has them, and how a value of each type is read."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

TIME = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d)")
DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")
FIRST_YEAR, LAST_YEAR = 1990, 2100  # a day of service out of these is a slip
WHOLE = re.compile(r"[+-]?\d{1,12}")
ADDRESS = re.compile(r"https?://\S+\.\S+|https?://localhost\S*", re.IGNORECASE)
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
COLOR = re.compile(r"[0-9A-Fa-f]{6}")


@dataclass(frozen=True)
class Kind:
    """A type of value: `read` makes it of a text that isn't empty, or raises ValueError; `example` is a right one."""

    name: str
    read: Callable[[str], Any]
    example: str


def _time(text: str) -> int:
    if not (found := TIME.fullmatch(text)):
        raise ValueError
    hours, minutes, seconds = map(int, found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _date(text: str) -> date:
    if not (found := DATE.fullmatch(text)) or not FIRST_YEAR <= int(found[1]) <= LAST_YEAR:
        raise ValueError
    return date(*map(int, found.groups()))


def _whole(text: str) -> int:
    if not WHOLE.fullmatch(text):
        raise ValueError
    return int(text)


def _at_least(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if (number := _whole(text)) < least:
            raise ValueError
        return number

    return read


def _degrees(most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        number = float(text)
        if not (isfinite(number) and -most <= number <= most):
            raise ValueError
        return number

    return read


def _distance(text: str) -> float:
    number = float(text)
    if not (isfinite(number) and number >= 0):
        raise ValueError
    return number


def _color(text: str) -> str:
    if not COLOR.fullmatch(text):
        raise ValueError
    return text.upper()


def _zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(text) from error


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError
        return text

    return read


def choice(*allowed: int) -> Kind:
    """A number out of these."""

    def read(text: str) -> int:
        number = _whole(text)
        if number not in allowed:
            raise ValueError
        return number

    return Kind("choice", read, ", ".join(map(str, allowed)))


def _route_type(text: str) -> int:
    """Those of the reference, and the extended ones (100 to 1799) that many feeds have."""
    number = _whole(text)
    if number not in {*range(8), 11, 12} and not 100 <= number < 1800:
        raise ValueError
    return number


TEXT = Kind("text", str, "Central Station")
TIME_OF_DAY = Kind("time", _time, "25:35:00")
DATE_OF_SERVICE = Kind("date", _date, "20261130")
NOT_NEGATIVE = Kind("whole", _at_least(0), "3")
POSITIVE = Kind("positive", _at_least(1), "600")
LATITUDE = Kind("latitude", _degrees(90), "60.1699")
LONGITUDE = Kind("longitude", _degrees(180), "24.9384")
DISTANCE = Kind("distance", _distance, "5.25")
COLOR_OF_ROUTE = Kind("color", _color, "0039A6")
ZONE = Kind("zone", _zone, "Asia/Seoul")
ROUTE_TYPE = Kind("choice", _route_type, "0..7, 11, 12")
URL = Kind("url", _matching(ADDRESS), "https://www.example.org/lines")
LANGUAGE_CODE = Kind("language", _matching(LANGUAGE), "ko")
YES = choice(0, 1)
ACCESS = choice(0, 1, 2)
METHOD = choice(0, 1, 2, 3)


@dataclass(frozen=True)
class Column:
    """`header`: without the column the file can't be read. `required`: a row without the value is left out. `wanted`: the
    reference requires the value, but what is there can be used without it."""

    kind: Kind
    header: bool = False
    required: bool = False
    wanted: bool = False


MUST: dict[str, bool] = {"header": True, "required": True}
ID = Column(TEXT, **MUST)
SOME_TEXT = Column(TEXT)
SOME_URL = Column(URL)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class File:
    """A file that is read. `required`: without it there is no feed. `key`: the columns whose values together hold once."""

    columns: dict[str, Column]
    key: tuple[str, ...]
    required: bool = False


FILES: dict[str, File] = {
    "agency.txt": File(
        {
            "agency_id": SOME_TEXT, "agency_name": ID, "agency_url": Column(URL, wanted=True), "agency_timezone": Column(ZONE, **MUST),
            "agency_lang": Column(LANGUAGE_CODE), "agency_phone": SOME_TEXT, "agency_fare_url": SOME_URL, "agency_email": SOME_TEXT,
        }, ("agency_id",), required=True,
    ),
    "stops.txt": File(
        {
            "stop_id": ID, "stop_code": SOME_TEXT, "stop_name": SOME_TEXT, "tts_stop_name": SOME_TEXT, "stop_desc": SOME_TEXT,
            "stop_lat": Column(LATITUDE, header=True), "stop_lon": Column(LONGITUDE, header=True), "zone_id": SOME_TEXT,
            "stop_url": SOME_URL, "location_type": Column(choice(0, 1, 2, 3, 4)), "parent_station": SOME_TEXT,
            "stop_timezone": Column(ZONE), "wheelchair_boarding": Column(ACCESS), "level_id": SOME_TEXT,
            "platform_code": SOME_TEXT, "stop_access": Column(YES),
        }, ("stop_id",), required=True,
    ),
    "routes.txt": File(
        {
            "route_id": ID, "agency_id": SOME_TEXT, "route_short_name": SOME_TEXT, "route_long_name": SOME_TEXT,
            "route_desc": SOME_TEXT, "route_type": Column(ROUTE_TYPE, **MUST), "route_url": SOME_URL,
            "route_color": Column(COLOR_OF_ROUTE), "route_text_color": Column(COLOR_OF_ROUTE),
            "route_sort_order": Column(NOT_NEGATIVE), "continuous_pickup": Column(METHOD),
            "continuous_drop_off": Column(METHOD), "network_id": SOME_TEXT, "cemv_support": Column(ACCESS),
        }, ("route_id",), required=True,
    ),
    "trips.txt": File(
        {
            "route_id": ID, "service_id": ID, "trip_id": ID, "trip_headsign": SOME_TEXT, "trip_short_name": SOME_TEXT,
            "direction_id": Column(YES), "block_id": SOME_TEXT, "shape_id": SOME_TEXT,
            "wheelchair_accessible": Column(ACCESS), "bikes_allowed": Column(ACCESS), "cars_allowed": Column(ACCESS),
        }, ("trip_id",), required=True,
    ),
    "stop_times.txt": File(
        {
            "trip_id": ID, "arrival_time": Column(TIME_OF_DAY, header=True), "departure_time": Column(TIME_OF_DAY, header=True),
            "stop_id": ID, "stop_sequence": Column(NOT_NEGATIVE, **MUST), "stop_headsign": SOME_TEXT,
            "pickup_type": Column(METHOD), "drop_off_type": Column(METHOD), "continuous_pickup": Column(METHOD),
            "continuous_drop_off": Column(METHOD), "shape_dist_traveled": Column(DISTANCE), "timepoint": Column(YES),
        }, ("trip_id", "stop_sequence"), required=True,
    ),
    "calendar.txt": File(
        {
            "service_id": ID, **{day: Column(YES, **MUST) for day in WEEKDAYS},
            "start_date": Column(DATE_OF_SERVICE, **MUST), "end_date": Column(DATE_OF_SERVICE, **MUST),
        }, ("service_id",),
    ),
    "calendar_dates.txt": File(
        {"service_id": ID, "date": Column(DATE_OF_SERVICE, **MUST), "exception_type": Column(choice(1, 2), **MUST)},
        ("service_id", "date"),
    ),
    "shapes.txt": File(
        {
            "shape_id": ID, "shape_pt_lat": Column(LATITUDE, **MUST), "shape_pt_lon": Column(LONGITUDE, **MUST),
            "shape_pt_sequence": Column(NOT_NEGATIVE, **MUST), "shape_dist_traveled": Column(DISTANCE),
        }, ("shape_id", "shape_pt_sequence"),
    ),
    "frequencies.txt": File(
        {
            "trip_id": ID, "start_time": Column(TIME_OF_DAY, **MUST), "end_time": Column(TIME_OF_DAY, **MUST),
            "headway_secs": Column(POSITIVE, **MUST), "exact_times": Column(YES),
        }, ("trip_id", "start_time"),
    ),
    "transfers.txt": File(
        {
            "from_stop_id": SOME_TEXT, "to_stop_id": SOME_TEXT, "from_route_id": SOME_TEXT, "to_route_id": SOME_TEXT,
            "from_trip_id": SOME_TEXT, "to_trip_id": SOME_TEXT, "transfer_type": Column(choice(0, 1, 2, 3, 4, 5)),
            "min_transfer_time": Column(NOT_NEGATIVE),
        }, ("from_stop_id", "to_stop_id", "from_trip_id", "to_trip_id", "from_route_id", "to_route_id"),
    ),
    "feed_info.txt": File(
        {
            "feed_publisher_name": Column(TEXT, wanted=True), "feed_publisher_url": Column(URL, wanted=True), "feed_lang": Column(LANGUAGE_CODE, wanted=True), "default_lang": Column(LANGUAGE_CODE),
            "feed_start_date": Column(DATE_OF_SERVICE), "feed_end_date": Column(DATE_OF_SERVICE), "feed_version": SOME_TEXT,
            "feed_contact_email": SOME_TEXT, "feed_contact_url": SOME_URL,
        }, (),
    ),
}  # fmt: skip
NOT_READ = frozenset(
    f"{name}.txt"
    for name in (
        *(
            "fare_attributes",
            "fare_rules",
            "timeframes",
            "rider_categories",
            "fare_media",
            "fare_products",
            "fare_leg_rules",
        ),
        *(
            "fare_leg_join_rules",
            "fare_transfer_rules",
            "areas",
            "stop_areas",
            "networks",
            "route_networks",
            "pathways",
            "levels",
        ),
        *("location_groups", "location_group_stops", "booking_rules", "translations", "attributions"),
    )
) | {"locations.geojson"}
