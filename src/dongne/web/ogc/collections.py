"""The collections: Things by kind with their latest values, Locations and Datastreams, as open data has them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import shapely

from dongne.adapters.layers import find_geometry
from dongne.model.access import PUBLIC, Hidden, Veil
from dongne.model.entities import Datastream, EntityType, Thing
from dongne.model.errors import NotFound
from dongne.model.rights import rights_of
from dongne.model.units import code_of
from dongne.standards.cql2.evaluate import Sort, sort_of, sort_of_all
from dongne.standards.sensorthings.options import parse_path, parse_query, set_of
from dongne.standards.sensorthings.query import Page
from dongne.standards.sensorthings.times import format_us
from dongne.web.assess import Remembered
from dongne.web.context import WebContext
from dongne.web.readings import origin_of

OTHER, LOCATIONS, DATASTREAMS = "other", "locations", "datastreams"
GEOMETRY = "geometry"
TIME = "time"  # of the newest value
UNSAID = frozenset({"access", "source_id"})  # of a Thing's properties: what is shown otherwise, or to nobody
AT_ONCE = 10_000
AREAS_FRESH_S = 20.0


class Latest(msgspec.Struct, frozen=True):
    """A Datastream whose newest value an item shows under `name`."""

    stream: int
    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """A feature without what changes by the minute. `span` is the time it is about, as ISO 8601, where it has one of its own."""

    id: int
    own: dict[str, Any]
    geometry: dict[str, Any] | None
    shape: Any
    latest: tuple[Latest, ...] = ()
    span: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Feature:
    """An item with its newest values."""

    item: Item
    values: Mapping[str, Any]

    @property
    def shape(self) -> Any:
        """See cql2.evaluate.Candidate."""
        return self.item.shape


@dataclass(frozen=True)
class Collection:
    """Items by id. `queryables` are the properties a filter may speak of; `units` (UCUM) of those that are values."""

    id: str
    items: Sequence[Item]
    queryables: dict[str, Sort]
    units: dict[str, str] = field(default_factory=dict)

    @property
    def bbox(self) -> list[float] | None:
        """West, south, east, north around all; None where no item has a place."""
        return box_of(self.items)

    def find(self, item_id: int) -> Item | None:
        """The item of this id."""
        return next((item for item in self.items if item.id == item_id), None)


class Collections:
    """Made anew when the graph has changed; only what anybody may see is in them."""

    def __init__(self, context: WebContext) -> None:
        self._context, self._store, self._graph = context, context.store, context.store.graph
        self._veil = Veil(self._graph)
        self._things: tuple[int, dict[str, Collection]] = (-1, {})  # of one revision of the graph
        self._places: tuple[int, Collection] = (-1, Collection(LOCATIONS, (), {}))
        self._shapes: dict[
            int, tuple[Any, Any]
        ] = {}  # id of a Location, or of a Datastream below 0 -> GeoJSON and shape
        self._areas = Remembered(AREAS_FRESH_S, 1)

    def list_all(self) -> dict[str, Collection]:
        """All of them by id: kinds of Things in the order of their names, then Locations and Datastreams."""
        return {**self._list_things(), LOCATIONS: self._get_locations(), DATASTREAMS: self._get_datastreams()}

    def get(self, collection_id: str) -> Collection:
        """Raises NotFound."""
        match collection_id:
            case "locations":
                return self._get_locations()
            case "datastreams":
                return self._get_datastreams()
        found = self._list_things().get(collection_id)
        if found is None:
            raise NotFound(f"there is no collection {collection_id[:60]!r}; they are listed at /ogc/collections")
        return found

    def complete(self, items: Sequence[Item]) -> list[Feature]:
        """The items with their newest values, each of one moment."""
        wanted = [one for item in items for one in item.latest]
        columns = self._store.latest_of(np.array([one.stream for one in wanted], np.int64))
        newest = zip(*(column.tolist() for column in columns), strict=True)
        return [Feature(item, _with_newest(item, [next(newest) for _ in item.latest])) for item in items]

    def _list_things(self) -> dict[str, Collection]:
        revision, known = self._things
        if revision != (now := self._graph.revision):
            known = self._make_things(self._veil.hidden(PUBLIC))
            self._things = now, known
        return known

    def _get_locations(self) -> Collection:
        revision, known = self._places
        if revision != (now := self._graph.revision):
            known = self._make_locations(self._veil.hidden(PUBLIC))
            self._places = now, known
        return known

    def _get_datastreams(self) -> Collection:
        hidden = self._veil.hidden(PUBLIC)
        found: Collection = self._areas.get(self._graph.revision, lambda: self._list_datastreams(hidden))
        return found

    # --- Things

    def _make_things(self, hidden: Hidden) -> dict[str, Collection]:
        gone, streams_gone = hidden.of(EntityType.THING), hidden.of(EntityType.DATASTREAM)
        by_kind: dict[str, list[Item]] = {}
        units: dict[str, str] = {}
        for thing in sorted(list(self._graph.things.values()), key=lambda thing: thing.id):
            if thing.id in gone:
                continue
            streams = [one for one in self._graph.list_datastreams(thing.id) if one.id not in streams_gone]
            latest = self._latest_of(streams, units)
            geometry = find_geometry(self._graph, thing)
            shape = self._shape_of(thing, geometry)
            item = Item(thing.id, _own(thing), geometry if shape is not None else None, shape, latest)
            by_kind.setdefault(_collection_of(thing), []).append(item)
        return {kind: _collect(kind, items, units) for kind, items in sorted(by_kind.items())}

    def _latest_of(self, streams: Iterable[Datastream], units: dict[str, str]) -> tuple[Latest, ...]:
        found = []
        for stream in streams:
            name = self._graph.property_key(stream)
            if name:
                found.append(Latest(stream.id, name))
                units.setdefault(name, _unit(stream))
        return tuple(found)

    def _shape_of(self, thing: Thing, geometry: dict[str, Any] | None) -> Any:
        return None if geometry is None else self._shape(thing.location_ids[0], geometry)

    def _shape(self, place: int, geometry: dict[str, Any]) -> Any:
        known = self._shapes.get(place)
        if known is None or known[0] is not geometry:
            known = self._shapes[place] = geometry, make_shape(geometry)
        return known[1]

    # --- Locations and Datastreams

    def _make_locations(self, hidden: Hidden) -> Collection:
        gone = hidden.of(EntityType.LOCATION)
        items = []
        for place in sorted(list(self._graph.locations.values()), key=lambda place: place.id):
            if place.id in gone:
                continue
            geometry = place.location.get("geometry") if _is_feature(place.location) else place.location
            shape = self._shape(place.id, geometry) if isinstance(geometry, dict) else None
            own = {"name": place.name, "description": place.description, **_plain(place.properties)}
            items.append(Item(place.id, own, geometry if shape is not None else None, shape))
        return _collect(LOCATIONS, items, {})

    def _list_datastreams(self, hidden: Hidden) -> Collection:
        gone, areas = hidden.of(EntityType.DATASTREAM), self._observed()
        items = []
        for stream in sorted(list(self._graph.datastreams.values()), key=lambda stream: stream.id):
            thing = self._graph.things.get(stream.thing_id)
            if stream.id in gone or thing is None:
                continue
            area, period = areas.get(stream.id, (None, None))
            geometry = area or find_geometry(self._graph, thing)  # where nothing was observed yet: where the Thing is
            begin, _, end = period.partition("/") if period else ("", "", "")
            shape = self._shape(-stream.id, geometry) if geometry else None
            own = self._of_datastream(stream, thing) | ({"begin": begin, "end": end or begin} if begin else {})
            span = (begin, end or begin) if begin else None
            latest = (Latest(stream.id, "result"),)
            items.append(Item(stream.id, own, geometry if shape is not None else None, shape, latest, span))
        collection = _collect(DATASTREAMS, items, {})
        return Collection(
            DATASTREAMS, items, {**collection.queryables, **{n: Sort.TIME for n in ("begin", "end") if items}}
        )

    def _of_datastream(self, stream: Datastream, thing: Thing) -> dict[str, Any]:
        rights, origin = rights_of(stream.properties, self._context.config), origin_of(stream)
        said = {
            "name": stream.name, "property": self._graph.property_key(stream), "unit": _unit(stream), "thing": thing.id,
            "thing_name": thing.name, "kind": thing.kind, "origin": origin.kind, "measured_in": origin.where,
            "licence": rights.licence, "attribution": rights.attribution, "owner": rights.owner,
        }  # fmt: skip
        return {**{name: value for name, value in said.items() if value != ""}, **_plain(stream.properties)}

    def _observed(self) -> dict[int, tuple[dict[str, Any] | None, str | None]]:
        """observedArea and phenomenonTime of the Datastreams."""
        if self._context.select is None:
            return {}
        path = parse_path("Datastreams")
        found: dict[int, tuple[dict[str, Any] | None, str | None]] = {}
        while True:
            options = [
                ("$select", "id,observedArea,phenomenonTime"),
                ("$top", str(AT_ONCE)),
                ("$skip", str(len(found))),
            ]
            page = self._context.select.select(path, parse_query(options, set_of(path)), PUBLIC)
            assert isinstance(page, Page)
            for row in page.rows:
                found[row.id] = row.values["observedArea"], row.values["phenomenonTime"]
            if not page.more:
                return found


def box_of(items: Iterable[Item]) -> list[float] | None:
    """West, south, east, north around the places of all items; None where none has one."""
    shapes = [item.shape for item in items if item.shape is not None]
    if not shapes:
        return None
    found: list[float] = shapely.total_bounds(np.array(shapes, object)).tolist()
    return found


def make_shape(geometry: dict[str, Any]) -> Any:
    """GeoJSON as shapely has it; None for what is none."""
    found = shapely.from_geojson(msgspec.json.encode(geometry), on_invalid="ignore")
    return None if found is None or shapely.is_empty(found) else found


def _is_feature(location: Any) -> bool:
    return isinstance(location, dict) and location.get("type") == "Feature"


def _collection_of(thing: Thing) -> str:
    return OTHER if thing.kind in ("", LOCATIONS, DATASTREAMS) or "/" in thing.kind else thing.kind


def _plain(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What fits into a column of a table."""
    return {
        name: value
        for name, value in properties.items()
        if name not in UNSAID and isinstance(value, str | int | float) and name != GEOMETRY
    }


def _own(thing: Thing) -> dict[str, Any]:
    own = {"name": thing.name, "description": thing.description, **_plain(thing.properties)}
    source = thing.properties.get("source_id")
    return {**own, "source_id": source} if isinstance(source, str) else own


def _unit(stream: Datastream) -> str:
    return code_of(stream.unit_of_measurement.symbol, stream.unit_of_measurement.definition)


def _with_newest(item: Item, newest: Sequence[tuple[int, int, float]]) -> dict[str, Any]:
    """Own properties and values by name, each with its time; where two Datastreams observe the same, the newer one."""
    if not newest:
        return item.own
    names = {one.name for one in item.latest}
    values, times = {name: value for name, value in item.own.items() if name not in names}, dict[str, int]()
    for one, (number, time_us, result) in zip(item.latest, newest, strict=True):
        if number and math.isfinite(result) and time_us >= times.get(one.name, time_us):
            values[one.name], times[one.name] = result, time_us
    for name, time_us in times.items():
        values[f"{name}_time"] = format_us(time_us)
    if times:
        values[TIME] = format_us(max(times.values()))
    return values


def _collect(collection_id: str, items: list[Item], units: dict[str, str]) -> Collection:
    sorts: dict[str, set[Sort]] = {}
    values: dict[str, None] = {}
    for item in items:
        for name, value in item.own.items():
            sorts.setdefault(name, set()).add(sort_of(value))
        values.update((one.name, None) for one in item.latest)
    queryables = {name: sort_of_all(found) for name, found in sorts.items()}
    for name in values:
        queryables |= {name: Sort.NUMBER, f"{name}_time": Sort.TIME}
    if values:
        queryables[TIME] = Sort.TIME
    queryables[GEOMETRY] = Sort.GEOMETRY
    return Collection(collection_id, items, queryables, {name: units[name] for name in values if name in units})
