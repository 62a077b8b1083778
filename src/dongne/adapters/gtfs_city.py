"""A city's timetable: its source `gtfs`, moved to now where `transit.toml` says so, and its stops as Things."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from dongne.adapters.nigiri import open_planner
from dongne.adapters.sources import Source, convert, get_file, load_sources, read_table
from dongne.adapters.streaming import Streams
from dongne.methods.timetable import Planner, Timetable
from dongne.model.entities import EntityChange, EntityType, Location, Thing, put
from dongne.model.errors import BadSetup
from dongne.model.graph import ThingGraph
from dongne.model.properties import CALL_CANCELLED, DEPARTURE_DELAY, DISRUPTION
from dongne.standards.gtfs.fault import Report, Severity
from dongne.standards.gtfs.feed import Feed, Service, Stop
from dongne.standards.gtfs.planning import plan_in
from dongne.standards.gtfs.read import read

SOURCE, FILE = "gtfs", "transit.toml"
STOP, STATION = 0, 1  # location_type
SLICE = 250  # stops in one go
OBSERVED = {DEPARTURE_DELAY: "Departure delay", CALL_CANCELLED: "Cancelled call", DISRUPTION: "Disruption"}

NewId = Callable[[EntityType], int]


class TransitFile(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of a `transit.toml`: by how many weeks the timetable is moved, so that an old one is one of now; weekdays stay."""

    moved_weeks: int = 0


@dataclass(frozen=True)
class Transit:
    """The layer `transit`. `moved_weeks` other than 0: the timetable is that of other weeks, which must be said."""

    feed: Feed
    timetable: Timetable
    moved_weeks: int


@lru_cache(maxsize=1)
def load_transit(folder: Path, data: Path | None, cache: Path) -> Transit:
    """The timetable of a city. Raises BadSetup where it has none, or one that can't be used, naming the first fault."""
    source = load_sources(folder).get(SOURCE)
    if source is None:
        raise BadSetup(f"{folder / 'sources.toml'} has no source {SOURCE!r}; the timetable (a GTFS zip) is named there")
    feed = _read(source, data)
    moved = _load_file(folder).moved_weeks
    feed = move(feed, moved)
    return Transit(feed, plan_in(feed), moved)


def load_planner(folder: Path, data: Path | None, cache: Path) -> Planner:
    """The layer `transit_planner`: whoever plans journeys in that timetable. Raises BadSetup as `load_transit` does."""
    return open_planner(load_transit(folder, data, cache).timetable)


def _load_file(folder: Path) -> TransitFile:
    file = folder / FILE
    return convert(read_table(file, ""), TransitFile, file) if file.exists() else TransitFile()


def _read(source: Source, data: Path | None) -> Feed:
    path = get_file(source, data)
    feed, report = read(path.read_bytes())
    if feed is None:
        raise BadSetup(
            f"{path} can't be used as a timetable ({_first(report)}); `dongne gtfs check {path}` says what to do"
        )
    return feed


def _first(report: Report) -> str:
    fault = next(fault for fault in report.faults if fault.severity is Severity.FATAL)
    return " ".join(part for part in (fault.rule.replace("_", " "), fault.file, fault.column) if part)


def move(feed: Feed, weeks: int) -> Feed:
    """The same timetable so many weeks later; weekdays stay, holidays move with them."""
    if not weeks:
        return feed
    by = timedelta(weeks=weeks)

    def later(days: frozenset[date]) -> frozenset[date]:
        return frozenset(day + by for day in days)

    def moved(service: Service) -> Service:
        return replace(
            service,
            start=service.start + by if service.start else None,
            end=service.end + by if service.end else None,
            added=later(service.added),
            removed=later(service.removed),
        )

    return replace(feed, services=tuple(map(moved, feed.services)))


def plan_stops(folder: Path, data: Path | None, new_id: NewId, graph: ThingGraph) -> Iterator[list[EntityChange]]:
    """The changes which bring the graph to the stops and stations of the city's timetable, each stop with Datastreams for what
    GTFS Realtime says of it; nothing where it is so already, or where the city has no timetable.

    Take each list in before asking for the next. A Thing is known again by its `source_id` ("gtfs:" and its stop_id)."""
    source = load_sources(folder).get(SOURCE)
    if source is None:
        return
    stops = [stop for stop in _read(source, data).stops if stop.location_type in (STOP, STATION)]
    for start in range(0, len(stops), SLICE):
        streams = Streams(graph, new_id)
        changes: list[EntityChange] = []
        for stop in stops[start : start + SLICE]:
            changes += _plan_stop(stop, source, streams, new_id, graph)
        changes += streams.changes
        if changes:
            yield changes


def _plan_stop(
    stop: Stop, source: Source, streams: Streams, new_id: NewId, graph: ThingGraph
) -> Iterator[EntityChange]:
    source_id = f"gtfs:{stop.id}"
    known = graph.find_by_source(source_id)
    location_ids: tuple[int, ...] = ()
    if stop.place is not None:
        location_id = known.location_ids[0] if known and known.location_ids else new_id(EntityType.LOCATION)
        location = Location(id=location_id, name=stop.name, location={"type": "Point", "coordinates": list(stop.place)})
        location_ids = (location_id,)
        if location != graph.locations.get(location_id):
            yield put(location)
    properties: dict[str, Any] = {
        "kind": "stop", "source_id": source_id, "stop_id": stop.id, "location_type": stop.location_type,
        "wheelchair_boarding": stop.wheelchair_boarding,
    }  # fmt: skip
    properties |= {k: v for k, v in (("stop_code", stop.code), ("platform_code", stop.platform_code)) if v}
    thing = Thing(
        id=known.id if known else new_id(EntityType.THING), name=stop.name,
        description=f"{source.attribution} ({source.licence})",
        properties={**(known.properties if known else {}), **properties}, location_ids=location_ids,
    )  # fmt: skip
    if thing != known:
        yield put(thing)
    if stop.location_type == STOP:
        sensor = streams.sensor("gtfs_realtime", "GTFS Realtime", "What the feeds of the operators say")
        for observed, name in OBSERVED.items():
            streams.find(thing, observed, name, sensor, {"source_id": f"gtfs_realtime/{stop.id}/{observed.key}"})
