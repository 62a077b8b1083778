"""The Datastreams and feeds of a city, from `series.toml` (recorded) and `simulated.toml` (simulated)."""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from dongne.adapters.feeds import Feed, RecordedFeed, SimulatedFeed
from dongne.adapters.series.edinburgh import read_collections
from dongne.adapters.series.recording import DAY_US, Loop, Recording, choose_loop, naive_us
from dongne.adapters.series.seoul_crowding import read_gates, read_loads
from dongne.adapters.sources import Source, convert, find_file, load_sources, read_table
from dongne.model.city import CityConfig
from dongne.model.entities import (
    Datastream,
    Entity,
    EntityChange,
    EntityType,
    Property,
    Sensor,
    Thing,
    Unit,
    put,
)
from dongne.model.errors import BadSetup
from dongne.model.graph import ThingGraph
from dongne.model.observed import ObservedProperty
from dongne.model.properties import SHARED
from dongne.model.records import RecordKind
from dongne.model.tasks import Task
from dongne.runtime.ports import Entry, Lane, Store, Transaction
from dongne.runtime.simulate import Simulator

READERS: dict[str, Callable[[Path], Any]] = {"collections": read_collections, "loads": read_loads, "gates": read_gates}
"""How what a simulator's parameter of this name is read from the file of the source it names."""

NewId = Callable[[EntityType], int]
MakeSimulator = Callable[[ThingGraph, Mapping[str, Any], int], Simulator]


class SeriesSet(msgspec.Struct, frozen=True, kw_only=True):
    """One data set of recorded series and where each is replayed; `what` may hold {series}."""

    source: str
    reader: str
    property: str
    name: str
    where: str
    what: str
    start: datetime | None = msgspec.field(default=None, name="from")
    until: datetime | None = None
    interval_s: float = 0.0
    promised_s: float = 0.0
    stagger_s: float = 0.0
    at: dict[str, str]


class SeriesList(msgspec.Struct, frozen=True):
    """The whole of a `series.toml`."""

    set: tuple[SeriesSet, ...] = ()


class Built(NamedTuple):
    """The feeds, and for people what could not be had (a data set that is not here)."""

    feeds: list[Feed]
    missing: list[str]


def load_series(folder: Path) -> tuple[SeriesSet, ...]:
    """The recorded sets of a city; none where it has no `series.toml`."""
    file = folder / "series.toml"
    return convert(read_table(file, ""), SeriesList, file).set if file.exists() else ()


def load_simulated(folder: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Seed and tables by service; (0, {}) where the city simulates nothing."""
    file = folder / "simulated.toml"
    table = read_table(file, "") if file.exists() else {}
    return int(table.get("seed", 0)), {key: value for key, value in table.items() if isinstance(value, dict)}


def build_feeds(
    config: CityConfig,
    folder: Path,
    data: Path | None,
    store: Store,
    simulators: Mapping[str, MakeSimulator],
) -> Built:
    """Makes the Datastreams that are missing (the Things must be there) and the feeds of a city.

    `simulators` are the Simulator classes by service. A Thing whose property is recorded is not simulated. Call it again
    and nothing changes.
    """
    sources = load_sources(folder)
    built = Built([], [])
    streams = Streams(store.graph, store.new_id)
    recorded: set[tuple[int, str]] = set()
    for one in load_series(folder):
        _build_recorded(one, sources, config, data, streams, built, recorded)
    seed, tables = load_simulated(folder)
    for service, make in sorted(simulators.items()):
        if service in tables:
            parameters = simulator_parameters(tables[service], sources, config, data)
            days = parameters.pop("history_days", None)
            history_us = None if days is None else int(days * DAY_US)
            feed = _build_simulated(service, make, parameters, seed, streams, store, recorded)
            feed.history_us = history_us
            built.feeds.append(feed)
    if streams.changes:
        body = msgspec.msgpack.encode(streams.changes)
        store.submit(Transaction([Entry(RecordKind.ENTITIES, body)]), Lane.NORMAL).result()
    return built


def _build_recorded(
    one: SeriesSet,
    sources: Mapping[str, Source],
    config: CityConfig,
    data: Path | None,
    streams: "Streams",
    built: Built,
    recorded: set[tuple[int, str]],
) -> None:
    if one.source not in sources:
        raise BadSetup(f"series.toml: there is no source {one.source!r} in sources.toml; add it there")
    source = sources[one.source]
    path = find_file(source, data)
    if path is None:
        built.missing.append(f"{source.id} ({source.used_for})")
        return
    start_us = None if one.start is None else naive_us(one.start)
    until_us = None if one.until is None else naive_us(one.until)
    records: Mapping[str, Recording] = importlib.import_module(f"dongne.adapters.series.{one.reader}").read(
        path, start_us
    )
    for number, (series, thing_source) in enumerate(sorted(one.at.items())):
        thing = streams.graph.find_by_source(thing_source)
        if thing is None or series not in records:
            built.missing.append(f"{one.source}: {series if thing else thing_source}")
            continue
        loop = Loop(records[series], config.zone_info, *choose_loop(records[series], start_us, until_us))
        stream = streams.recorded(one, series, source, thing)
        recorded.add((thing.id, one.property))
        delay_us = int((one.interval_s + one.stagger_s * number / len(one.at)) * 1e6)
        built.feeds.append(RecordedFeed(f"{source.id}/{series}", stream, loop, delay_us))


def simulator_parameters(
    table: Mapping[str, Any], sources: Mapping[str, Source], config: CityConfig, data: Path | None
) -> dict[str, Any]:
    """The table of a simulator, with the city's zone, and what a data set that it names holds, where it is here."""
    parameters = {**table, "zone": config.zone}
    for what, read in READERS.items():
        named = parameters.pop(what, "")
        path = find_file(sources[named], data) if named in sources else None
        if path is not None:
            parameters[what] = read(path)
            parameters[f"{what}_origin"] = sources[named].attribution
    return parameters


def _build_simulated(
    service: str,
    make: MakeSimulator,
    parameters: Mapping[str, Any],
    seed: int,
    streams: "Streams",
    store: Store,
    recorded: set[tuple[int, str]],
) -> SimulatedFeed:
    graph = store.graph
    ids = {
        (one.thing, one.property.key, one.part): streams.simulated(
            service, graph.get_thing(one.thing), one.property, one.name, {"seed": seed, **one.parameters}, one.part
        )
        for one in make(graph, parameters, seed).datastreams()
        if (one.thing, one.property.key) not in recorded
    }
    things = {thing for thing, _, _ in ids}

    def list_tasks() -> Sequence[Task]:
        return [task for task in store.list_tasks(is_open=True, limit=10_000) if task.thing in things]

    return SimulatedFeed(f"simulated/{service}", lambda: make(graph, parameters, seed), ids, list_tasks)


class Streams:
    """Finds or plans Datastreams with their Sensor and ObservedProperty, known again by `properties.source_id`."""

    def __init__(self, graph: ThingGraph, new_id: NewId) -> None:
        self.graph = graph
        self.new_id = new_id
        self.changes: list[EntityChange] = []
        self._properties = {p.name: p.id for p in graph.properties.values()}
        self._sensors = {str(s.properties.get("source_id")): s.id for s in graph.sensors.values()}

    def recorded(self, one: SeriesSet, series: str, source: Source, thing: Thing) -> int:
        """The Datastream of a series that was measured elsewhere."""
        origin = {
            "what": one.what.format(series=series),
            "where": one.where,
            "licence": source.licence,
            "attribution": source.attribution,
            "rehomed": True,
            "shifted": "by whole weeks; weekday and local hour are kept",
        }
        properties: dict[str, Any] = {"source_id": f"{source.id}/{series}", "origin": origin}
        if one.interval_s:
            properties["interval_s"] = one.interval_s
        if one.promised_s:
            properties["promised_s"] = one.promised_s
        if one.property not in SHARED:
            raise BadSetup(f"series.toml: property {one.property!r} is none of {', '.join(sorted(SHARED))}")
        sensor = self.sensor(f"replay/{source.id}", f"Replay: {source.origin}", source.attribution)
        return self.find(thing, SHARED[one.property], one.name, sensor, properties)

    def simulated(
        self, service: str, thing: Thing, observed: ObservedProperty, name: str, parameters: Mapping[str, Any],
        part: str = "",
    ) -> int:  # fmt: skip
        """The Datastream of a simulated sensor."""
        source_id = f"simulated/{service}/{thing.properties.get('source_id', thing.id)}/{observed.key}"
        properties = {
            "source_id": f"{source_id}/{part}" if part else source_id,
            "simulated": True,
            "simulator": service,
            "parameters": dict(parameters),
            **({"part": part} if part else {}),
        }
        sensor = self.sensor(f"simulated/{service}", f"Simulated sensor of {service}", "")
        return self.find(thing, observed, name, sensor, properties)

    def sensor(self, source_id: str, name: str, description: str) -> int:
        """The Sensor of this lasting name."""
        if source_id not in self._sensors:
            found = self._sensors[source_id] = self.new_id(EntityType.SENSOR)
            self._add(Sensor(id=found, name=name, description=description, properties={"source_id": source_id}))
        return self._sensors[source_id]

    def property(self, observed: ObservedProperty) -> int:
        """The ObservedProperty of this key."""
        if observed.key not in self._properties:
            found = self._properties[observed.key] = self.new_id(EntityType.OBSERVED_PROPERTY)
            bounds = {"low": observed.low, "high": observed.high}
            properties = {"unit": observed.unit, **{key: value for key, value in bounds.items() if isfinite(value)}}
            self._add(Property(id=found, name=observed.key, definition=observed.definition, properties=properties))
        return self._properties[observed.key]

    def find(
        self,
        thing: Thing,
        observed: ObservedProperty,
        name: str,
        sensor: int,
        properties: Mapping[str, Any],
        unit: str = "",
    ) -> int:
        """The Thing's Datastream with this `source_id`, planned where it is missing or changed; in `unit`, the
        property's where none is given."""
        unit = unit or observed.unit
        known = next(self._known(thing.id, properties["source_id"]), None)
        stream = Datastream(
            id=known.id if known else self.new_id(EntityType.DATASTREAM),
            name=name,
            description=f"{name}, {thing.name}",
            unit_of_measurement=Unit(name=unit, symbol=unit, definition=f"ucum:{unit}"),
            thing_id=thing.id,
            sensor_id=sensor,
            observed_property_id=self.property(observed),
            properties={**(known.properties if known else {}), **properties},
        )
        if stream != known:
            self._add(stream)
        return stream.id

    def _known(self, thing_id: int, source_id: str) -> Iterator[Datastream]:
        for stream in self.graph.list_datastreams(thing_id):
            if stream.properties.get("source_id") == source_id:
                yield stream

    def _add(self, entity: Entity) -> None:
        self.changes.append(put(entity))
