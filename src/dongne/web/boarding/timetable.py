"""A line as GTFS Schedule, made of its Things."""

from collections.abc import Iterator
from datetime import date

from dongne.methods.train_places import DWELL_S, run_s
from dongne.model.errors import NotFound
from dongne.model.times import from_us
from dongne.standards.gtfs.publish import Row, time_of
from dongne.web.boarding.lines import Line, Platform, look_at_line
from dongne.web.boarding.said import origin_of_line
from dongne.web.frame import Page

UNDERGROUND = 1  # route_type: subway, metro
ALWAYS = "always"
HEADWAY_S = 600  # where nobody says
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def trip_id_of(line: str, direction_id: int) -> str:
    """The trip of a direction; each train that makes it says when it started."""
    return f"{line}:{direction_id}"


def timetable_of(page: Page, line_id: str) -> dict[str, list[Row]]:
    """The tables of the line. Raises NotFound where the city has no such line."""
    line = look_at_line(page.seen, line_id)
    platforms = [platform for along in line.platforms for platform in along]
    if not platforms:
        raise NotFound(f"there is no line {line_id[:60]!r}; /boarding lists those there are")
    return {
        **_about(page, line, platforms[0]),
        "stops": list(_stops(page, platforms)),
        "trips": [_trip(along[0]) for along in line.platforms if along],
        "stop_times": [row for direction_id in (0, 1) for row in _stop_times(line, direction_id)],
        "frequencies": [_frequency(along[0]) for along in line.platforms if along],
        "translations": list(_translations(page, platforms, line)),
    }


def _about(page: Page, line: Line, first: Platform) -> dict[str, list[Row]]:
    """Who publishes it, the route, and when it holds: this year and the next."""
    year = from_us(page.now_us).astimezone(page.words.zone).year
    publisher = page.context.config.publisher_name
    address = page.base_url.replace("://localhost", "://127.0.0.1")  # validators know no host without a dot
    start, end = f"{date(year, 1, 1):%Y%m%d}", f"{date(year + 1, 12, 31):%Y%m%d}"
    is_real = origin_of_line(page.seen, line) == "measured"
    zone = page.context.config.zone
    agency: Row = {"agency_id": line.id, "agency_name": publisher, "agency_url": address, "agency_timezone": zone}
    route: Row = {
        "route_id": line.id,
        "agency_id": line.id,
        "route_long_name": first.name("line_name", "en"),
        "route_desc": "" if is_real else page.context.texts.words("en").say("boarding.gtfs.simulated"),
        "route_type": UNDERGROUND,
    }
    info: Row = {
        "feed_publisher_name": publisher,
        "feed_publisher_url": address,
        "feed_lang": "en",
        "feed_start_date": start,
        "feed_end_date": end,
        "feed_version": str(page.seen.revision),
    }
    calendar: Row = {"service_id": ALWAYS, **dict.fromkeys(DAYS, 1), "start_date": start, "end_date": end}
    return {"agency": [agency], "routes": [route], "calendar": [calendar], "feed_info": [info]}


def _trip(first: Platform) -> Row:
    return {
        "route_id": first.line,
        "service_id": ALWAYS,
        "trip_id": trip_id_of(first.line, first.direction_id),
        "trip_headsign": first.name("headsign", "en"),
        "direction_id": first.direction_id,
    }


def _frequency(first: Platform) -> Row:
    return {
        "trip_id": trip_id_of(first.line, first.direction_id),
        "start_time": "00:00:00",
        "end_time": "24:00:00",
        "headway_secs": round(first.headway_s) or HEADWAY_S,
        "exact_times": 0,
    }


def _stops(page: Page, platforms: list[Platform]) -> Iterator[Row]:
    stations: dict[str, Platform] = {}
    for platform in platforms:
        stations.setdefault(platform.station_id, platform)
    for station_id, platform in stations.items():
        if station_id != platform.stop_id:
            yield _stop(page, platform, station_id, is_station=True)
    for platform in platforms:
        yield _stop(page, platform, platform.stop_id, is_station=False)


def _stop(page: Page, platform: Platform, stop_id: str, *, is_station: bool) -> Row:
    lon, lat = page.seen.graph.find_point(platform.thing.id) or (0.0, 0.0)
    in_station = not is_station and platform.station_id != platform.stop_id
    return {
        "stop_id": stop_id,
        "stop_name": platform.name("station", "en"),
        "stop_lat": round(lat, 6),
        "stop_lon": round(lon, 6),
        "location_type": int(is_station),
        "parent_station": platform.station_id if in_station else "",
    }


def _stop_times(line: Line, direction_id: int) -> Iterator[Row]:
    at_s = 0.0
    platforms = line.platforms[direction_id]
    for place, platform in enumerate(platforms):
        is_end = place in (0, len(platforms) - 1)
        leaves_s = at_s if is_end else at_s + DWELL_S
        yield {
            "trip_id": trip_id_of(line.id, direction_id),
            "arrival_time": time_of(at_s),
            "departure_time": time_of(leaves_s),
            "stop_id": platform.stop_id,
            "stop_sequence": platform.stop_sequence,
        }
        if place < len(platforms) - 1:
            at_s = leaves_s + run_s(line.distances_m[direction_id][place])


def _translations(page: Page, platforms: list[Platform], line: Line) -> Iterator[Row]:
    for language in page.context.config.languages:
        if language == "en":
            continue
        rows = {("routes", "route_long_name", line.id): platforms[0].name("line_name", language)}
        for platform in platforms:
            rows["stops", "stop_name", platform.stop_id] = platform.name("station", language)
            rows["stops", "stop_name", platform.station_id] = platform.name("station", language)
            trip_id = trip_id_of(line.id, platform.direction_id)
            rows["trips", "trip_headsign", trip_id] = platform.name("headsign", language)
        for (table, field, record_id), text in rows.items():
            yield {
                "table_name": table,
                "field_name": field,
                "language": language,
                "translation": text,
                "record_id": record_id,
            }
