"""A feed of zip bytes."""

from datetime import date
from zoneinfo import ZoneInfo

from dongne.standards.gtfs.archive import open_archive
from dongne.standards.gtfs.calls import Ids, read_calls
from dongne.standards.gtfs.fault import Report
from dongne.standards.gtfs.feed import Agency, Feed, Route, Service, Stop
from dongne.standards.gtfs.hanging import read_frequencies, read_shapes, read_transfers
from dongne.standards.gtfs.rows import Row, read_rows
from dongne.standards.gtfs.schema import FILES, WEEKDAYS
from dongne.standards.gtfs.table import Table, read_table

CALENDARS = ("calendar.txt", "calendar_dates.txt")


def read(body: bytes) -> tuple[Feed | None, Report]:
    """The feed of a zip's bytes, and everything that is wrong with it; None where it can't be used (`report.usable`).

    What can be used is used: a row with a fault is left out, and with it what hangs on it, each with a fault of its own."""
    report = Report()
    tables = _read_tables(open_archive(body, report), report) if body else {}
    if not body:
        report.add("zip_unreadable", reason="0 bytes")
    if not report.usable:
        return None, report
    agencies, agency_ids = _read_agencies(tables["agency.txt"], report)
    stops, stop_ids = _read_stops(tables["stops.txt"], report)
    routes, route_ids = _read_routes(tables["routes.txt"], agency_ids, report)
    services, service_ids = _read_services(tables, report)
    shapes = read_shapes(tables.get("shapes.txt"), report)
    known = Ids(stop_ids, route_ids, service_ids, frozenset(shapes))
    trips, stop_times, trip_ids = read_calls(tables, stops, known, report)
    if not (agencies and trips):
        for name in ("agency.txt",) if not agencies else ("trips.txt",):
            report.add("file_without_rows", name)
        return None, report
    if not any(services[number].list_days() for number in {trip.service for trip in trips}):
        report.add("days_missing", "calendar.txt")
        return None, report
    feed = Feed(
        agencies, ZoneInfo(agencies[0].zone), stops, routes, services, trips, stop_times,
        read_frequencies(tables.get("frequencies.txt"), trip_ids, report),
        read_transfers(tables.get("transfers.txt"), stops, stop_ids, trip_ids, report),
        shapes, _read_version(tables.get("feed_info.txt"), report),
    )  # fmt: skip
    report.used |= {
        "agency.txt": len(agencies), "stops.txt": len(stops), "routes.txt": len(routes), "trips.txt": len(trips),
        "stop_times.txt": len(stop_times.trip), "frequencies.txt": len(feed.frequencies),
        "transfers.txt": len(feed.transfers), "shapes.txt": sum(map(len, shapes.values())),
    }  # fmt: skip
    report.used = {name: count for name, count in report.used.items() if name in tables}
    return feed, report


def _read_tables(files: dict[str, bytes], report: Report) -> dict[str, Table]:
    if not files and not report.usable:
        return {}
    for name, described in FILES.items():
        if described.required and name not in files:
            report.add("file_missing", name)
    if not any(name in files for name in CALENDARS):
        report.add("file_missing", "calendar.txt")
    tables: dict[str, Table] = {}
    for name in FILES:
        if name not in files:
            continue
        if not files[name].strip():
            report.add("file_without_rows" if FILES[name].required else "file_empty", name)
            continue
        table = read_table(name, files[name], report)
        if table is not None and not table.lines:
            report.add("file_without_rows" if FILES[name].required else "file_empty", name)
        if table is not None:
            tables[name] = table
    return tables


def _read_agencies(table: Table, report: Report) -> tuple[tuple[Agency, ...], dict[str, int]]:
    agencies: list[Agency] = []
    for line, row in read_rows(table, report):
        zone = row["agency_timezone"]
        if agencies and zone != agencies[0].zone:
            report.add("zones_differ", table.name, line, "agency_timezone", zone, first=agencies[0].zone)
        agencies.append(Agency(row["agency_id"], row["agency_name"], row["agency_url"], zone, row["agency_lang"]))
    if not agencies and table.lines:
        report.add("zone_unknown", table.name)
    return tuple(agencies), {agency.id: number for number, agency in enumerate(agencies)}


PARENT_OF = {0: (1,), 1: (), 2: (1,), 3: (1,), 4: (0,)}  # stops.txt: parent_station


def _read_stops(table: Table, report: Report) -> tuple[tuple[Stop, ...], dict[str, int]]:
    held: list[tuple[int, Row]] = []
    for line, row in read_rows(table, report):
        row["location_type"] = row["location_type"] or 0
        lacking = [name for name in ("stop_name", "stop_lat", "stop_lon") if row[name] in (None, "")]
        if row["location_type"] <= 2 and lacking:
            if lacking != ["stop_name"]:
                report.add(
                    "value_missing", table.name, line, ", ".join(name for name in lacking if name != "stop_name")
                )
                continue
            report.add("value_passed_over", table.name, line, "stop_name", "", kind="text", example="Central Station")
        held.append((line, row))
    ids = {row["stop_id"]: number for number, (_, row) in enumerate(held)}
    stops = []
    for line, row in held:
        parent = _find_parent(row, line, ids, held, report)
        access = row["wheelchair_boarding"] or 0
        above = parent
        for _ in range(2):  # a boarding area inherits through its platform
            if not access and above >= 0:
                access = held[above][1]["wheelchair_boarding"] or 0
                above = ids.get(held[above][1]["parent_station"], -1)
        place = None if row["stop_lat"] is None or row["stop_lon"] is None else (row["stop_lon"], row["stop_lat"])
        stops.append(
            Stop(
                row["stop_id"], row["stop_name"] or row["stop_id"], place, row["location_type"], parent, access,
                row["stop_code"], row["platform_code"], row["tts_stop_name"],
            )
        )  # fmt: skip
    return tuple(stops), ids


def _find_parent(row: Row, line: int, ids: dict[str, int], held: list[tuple[int, Row]], report: Report) -> int:
    written = row["parent_station"]
    if not written:
        if row["location_type"] >= 2:
            report.add("parent_wrong", "stops.txt", line, "parent_station", "", kind=row["location_type"])
        return -1
    parent = ids.get(written, -1)
    if parent < 0:
        report.add("reference_passed_over", "stops.txt", line, "parent_station", written, target="stops.txt")
        return -1
    if held[parent][1]["location_type"] not in PARENT_OF[row["location_type"]]:
        report.add("parent_wrong", "stops.txt", line, "parent_station", written, kind=row["location_type"])
        return -1
    return parent


def _read_routes(table: Table, agencies: dict[str, int], report: Report) -> tuple[tuple[Route, ...], dict[str, int]]:
    routes = []
    for line, row in read_rows(table, report):
        agency = agencies.get(row["agency_id"], -1)
        if agency < 0:
            if row["agency_id"] or len(agencies) > 1:
                report.add(
                    "reference_passed_over", table.name, line, "agency_id", row["agency_id"], target="agency.txt"
                )
            agency = 0
        if not (row["route_short_name"] or row["route_long_name"]):
            report.add("route_nameless", table.name, line, "route_short_name", row["route_id"])
        routes.append(
            Route(
                row["route_id"], agency, row["route_short_name"], row["route_long_name"], row["route_type"],
                row["route_color"] or "", row["route_text_color"] or "",
            )
        )  # fmt: skip
    return tuple(routes), {route.id: number for number, route in enumerate(routes)}


def _read_services(tables: dict[str, Table], report: Report) -> tuple[tuple[Service, ...], dict[str, int]]:
    weekly: dict[str, tuple[int, Row]] = {}
    for line, row in read_rows(tables["calendar.txt"], report) if "calendar.txt" in tables else ():
        if row["end_date"] < row["start_date"]:
            written = f"{row['start_date']:%Y%m%d} > {row['end_date']:%Y%m%d}"
            report.add("dates_backwards", "calendar.txt", line, "end_date", written)
            continue
        weekly[row["service_id"]] = (line, row)
    added, removed = _read_exceptions(tables.get("calendar_dates.txt"), weekly, report)
    services = []
    for id_ in dict.fromkeys((*weekly, *added, *removed)):
        line, row = weekly.get(id_, (0, {}))
        service = Service(
            id_,
            tuple(bool(row.get(day)) for day in WEEKDAYS),
            row.get("start_date"),
            row.get("end_date"),
            frozenset(added.get(id_, ())),
            frozenset(removed.get(id_, ())),
        )
        if not service.list_days():
            report.add("service_never", "calendar.txt" if line else "calendar_dates.txt", line, "service_id", id_)
        services.append(service)
    report.used |= {
        "calendar.txt": len(weekly),
        "calendar_dates.txt": sum(map(len, (*added.values(), *removed.values()))),
    }
    return tuple(services), {service.id: number for number, service in enumerate(services)}


def _read_exceptions(
    table: Table | None, weekly: dict[str, tuple[int, Row]], report: Report
) -> tuple[dict[str, set[date]], dict[str, set[date]]]:
    found: tuple[dict[str, set[date]], dict[str, set[date]]] = ({}, {})
    for line, row in read_rows(table, report) if table is not None else ():
        day, kind = row["date"], row["exception_type"]
        _, week = weekly.get(row["service_id"], (0, None))
        runs = (
            week is not None and week["start_date"] <= day <= week["end_date"] and bool(week[WEEKDAYS[day.weekday()]])
        )
        if runs == (kind == 1):
            report.add(
                "exception_without_effect",
                "calendar_dates.txt",
                line,
                "date",
                f"{row['service_id']} {day:%Y%m%d}",
                kind=kind,
            )
        found[kind - 1].setdefault(row["service_id"], set()).add(day)
    return found


def _read_version(table: Table | None, report: Report) -> str:
    for _, row in read_rows(table, report) if table is not None else ():
        report.used["feed_info.txt"] = 1
        return str(row["feed_version"])
    return ""
