"""`lines.toml`: the lines of a city whose trains say how full their cars are, as Things: a platform for each station and direction, and
the trains, with how they relate."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from dongne.adapters.sources import convert, find_file, load_sources, read_table
from dongne.model.entities import Entity, EntityChange, EntityType, Location, Relation, Thing, put
from dongne.model.errors import BadSetup
from dongne.model.geometry import distance_m
from dongne.model.graph import ThingGraph

FILE = "lines.toml"
DAY_S = 86_400.0
NEXT_PLATFORM, SERVED_BY = "next_platform", "served_by"

NewId = Callable[[EntityType], int]


class Station(msgspec.Struct, frozen=True, kw_only=True):
    """A station; `place` is (lon, lat), `exits` where stairs meet the platform, in positions; `loads_at` whose recorded loads are
    replayed here."""

    id: str
    name: str
    place: tuple[float, float]
    name_ko: str = ""
    exits: tuple[float, ...] = ()
    loads_at: str = ""


class Train(msgspec.Struct, frozen=True, kw_only=True):
    """A train with its number of cars."""

    id: str
    cars: int


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line, its stations in the order of direction 0. `headway_s` is about how often a train leaves, 0 where nobody says. `simulated` is what is said of all its Things, empty where they are real;
    `replayed` instead, where the data set `loads` is there."""

    id: str
    name: str
    positions: int
    doors_per_car: int
    seats_per_car: int
    tare_kg: float
    station: tuple[Station, ...]
    train: tuple[Train, ...]
    name_ko: str = ""
    headway_s: float = 0.0
    simulated: str = ""
    loads: str = ""
    replayed: str = ""


class LineList(msgspec.Struct, frozen=True):
    """The whole of a `lines.toml`."""

    line: tuple[Line, ...] = ()


def load_lines(folder: Path) -> tuple[Line, ...]:
    """The lines of a city; none where it has no `lines.toml`. Raises BadSetup naming what is wrong, and where."""
    file = folder / FILE
    if not file.exists():
        return ()
    lines = convert(read_table(file, ""), LineList, file).line
    for line in lines:
        for fault in _list_faults(line):
            raise BadSetup(f"{file}: line {line.id!r}: {fault}")
    return lines


def _list_faults(line: Line) -> Iterator[str]:
    if len(line.station) < 2:
        yield "it needs two stations or more"
    for what, ids in (("station", [s.id for s in line.station]), ("train", [t.id for t in line.train])):
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            yield f"{what} {twice[0]!r} is there twice; give each an id of its own"
    for train in line.train:
        if not 1 <= train.cars <= line.positions:
            yield f"train {train.id!r} has {train.cars} cars; its platforms have room for 1 to {line.positions}"
    if not 0.0 <= line.headway_s <= DAY_S:
        yield f"headway_s = {line.headway_s:g} is out of 0 to {DAY_S:g}"
    for station in line.station:
        lon, lat = station.place
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            yield f"station {station.id!r} is at {list(station.place)}; write place = [longitude, latitude]"


def plan_lines(folder: Path, data: Path | None, new_id: NewId, graph: ThingGraph) -> Iterator[list[EntityChange]]:
    """The changes which bring the graph to what `lines.toml` says; nothing where it is so already.

    Take each list in before asking for the next. Things are known again by their `source_id`; what others added to their
    properties stays.
    """
    sources = load_sources(folder)
    for line in load_lines(folder):
        source = sources.get(line.loads)
        if line.loads and source is None:
            raise BadSetup(f"{FILE}: there is no source {line.loads!r} in sources.toml; add it there")
        is_replayed = source is not None and find_file(source, data) is not None
        planner = _Planner(line, line.replayed if is_replayed else line.simulated, new_id, graph)
        for plan in (planner.things, planner.relations):
            if changes := plan():
                yield changes


class _Planner:
    """One line. Relations are planned once its Things are in the graph."""

    def __init__(self, line: Line, said: str, new_id: NewId, graph: ThingGraph) -> None:
        self.line, self.said, self.new_id, self.graph = line, said, new_id, graph

    def things(self) -> list[EntityChange]:
        """Platforms and trains."""
        changes: list[EntityChange] = []
        for direction_id in (0, 1):
            stations = self._along(direction_id)
            for sequence, station in enumerate(stations, 1):
                changes += self._platform(station, direction_id, sequence, stations[-1])
        for order, train in enumerate(self.line.train):
            changes += self._train(train, order)
        return changes

    def relations(self) -> list[EntityChange]:
        """From each platform to the next one along its direction, and to each train of the line."""
        changes: list[EntityChange] = []
        trains = [self._get_thing(f"train/{train.id}").id for train in self.line.train]
        for direction_id in (0, 1):
            stations = self._along(direction_id)
            platforms = [self._get_thing(f"{station.id}/{direction_id}").id for station in stations]
            for here, there, one, other in zip(platforms, platforms[1:], stations, stations[1:], strict=False):
                changes += self._relation(NEXT_PLATFORM, here, there, round(distance_m(one.place, other.place), 1))
            for platform in platforms:
                for train_id in trains:
                    changes += self._relation(SERVED_BY, platform, train_id, None)
        return changes

    def _along(self, direction_id: int) -> tuple[Station, ...]:
        return self.line.station if direction_id == 0 else self.line.station[::-1]

    def _source_id(self, what: str) -> str:
        return f"line:{self.line.id}/{what}"

    def _get_thing(self, what: str) -> Thing:
        found = self.graph.find_by_source(self._source_id(what))
        assert found is not None, f"{what} was not taken in"
        return found

    def _platform(self, station: Station, direction_id: int, sequence: int, last: Station) -> Iterator[EntityChange]:
        source_id = self._source_id(f"{station.id}/{direction_id}")
        known = self.graph.find_by_source(source_id)
        location_id = known.location_ids[0] if known and known.location_ids else self.new_id(EntityType.LOCATION)
        name = f"{station.name} → {last.name}"
        place = {"type": "Point", "coordinates": list(station.place)}
        location = Location(id=location_id, name=name, location=place)
        if location != self.graph.locations.get(location_id):
            yield put(location)
        properties = {
            "stop_id": f"{self.line.id}:{station.id}:{direction_id}",
            "direction_id": direction_id,
            "stop_sequence": sequence,
            "line_name": {"name": self.line.name, "name_ko": self.line.name_ko or self.line.name},
            "station_id": f"{self.line.id}:{station.id}",
            "station": {"name": station.name, "name_ko": station.name_ko or station.name},
            "headsign": {"name": last.name, "name_ko": last.name_ko or last.name},
            "name_ko": f"{station.name_ko or station.name} → {last.name_ko or last.name}",
            "positions": self.line.positions,
            "doors_per_car": self.line.doors_per_car,
            "exits": list(station.exits),
        }
        if self.line.headway_s:
            properties["headway_s"] = self.line.headway_s
        if station.loads_at:
            properties["loads_at"] = station.loads_at
        yield from self._thing(known, name, source_id, "platform", properties, (location_id,))

    def _train(self, train: Train, order: int) -> Iterator[EntityChange]:
        source_id = self._source_id(f"train/{train.id}")
        properties = {
            "vehicle_id": train.id,
            "order": order,
            "cars": train.cars,
            "seats_per_car": self.line.seats_per_car,
            "tare_kg": self.line.tare_kg,
            "name_ko": f"{self.line.name_ko or self.line.name} {train.id} 열차",
        }
        known = self.graph.find_by_source(source_id)
        yield from self._thing(known, f"{self.line.name}, train {train.id}", source_id, "train", properties, ())

    def _thing(
        self, known: Thing | None, name: str, source_id: str, kind: str, properties: dict[str, Any],
        location_ids: tuple[int, ...],
    ) -> Iterator[EntityChange]:  # fmt: skip
        shared = {"kind": kind, "source_id": source_id, "line": self.line.id}
        marked = {"simulated": True} if self.line.simulated else {}
        thing = Thing(
            id=known.id if known else self.new_id(EntityType.THING),
            name=name,
            description=self.said,
            properties={**(known.properties if known else {}), **shared, **properties, **marked},
            location_ids=location_ids,
        )
        yield from _changed(thing, known)

    def _relation(self, kind: str, from_id: int, to_id: int, metres: float | None) -> Iterator[EntityChange]:
        known = next((r for r in self.graph.list_related(from_id, kind) if r.to_id == to_id), None)
        number = known.id if known else self.new_id(EntityType.RELATION)
        yield from _changed(Relation(id=number, kind=kind, from_id=from_id, to_id=to_id, distance_m=metres), known)


def _changed(entity: Entity, known: Entity | None) -> Iterator[EntityChange]:
    if entity != known:
        yield put(entity)
