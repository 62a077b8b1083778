"""A table people have becomes Things, Datastreams and Observations, in one go; importing it again changes nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from dongne.adapters.streaming import Streams
from dongne.adapters.tables import Fault, Layout, TableRow, guess_layout, read_table
from dongne.model.entities import EntityType, Location, Thing, put
from dongne.model.errors import BadInput
from dongne.model.graph import ThingGraph
from dongne.model.observed import ObservedProperty
from dongne.model.properties import SHARED
from dongne.model.records import ObservationBatch, RecordKind, encode_batch
from dongne.model.times import from_us
from dongne.model.units import get_conversion
from dongne.runtime.intake import Intake
from dongne.runtime.ledger import IMPORT
from dongne.runtime.ports import Entry, Lane, Store, Transaction
from dongne.standards.sensorthings.observations import ArrayRows

Progress = Callable[[int, int], None]
BATCH_ROWS = 5_000
SHOWN = 20
Key = tuple[str, str]  # thing as written, property key


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is known beforehand. `layout` says columns, zone and time format as far as they are known. `thing` names the
    one Thing of a table that names none (the file's name otherwise), `place` (lon, lat) where new Things are whose place
    no column says, `property` the one quantity; `unit` holds for quantities whose unit nobody said. `faults_allowed` is the share of faulty values up to which the rest is imported."""

    layout: Layout | None = None
    thing: str = ""
    place: tuple[float, float] | None = None
    kind: str = "sensor"
    property: str = ""
    unit: str = ""
    dry_run: bool = False
    faults_allowed: float = 0.5


class ImportReport(msgspec.Struct, kw_only=True):
    """What was found and done. With `dry_run` nothing was written and `stored` is what would be tried. `faults` are the
    first of `fault_count`; `duplicates` were there already."""

    layout: Layout
    things: list[str]
    new_things: list[str]
    streams: list[tuple[str, str, str]]  # thing, property, unit
    preview: list[TableRow]
    stored: int = 0
    duplicates: int = 0
    fault_count: int = 0
    faults: list[Fault] = []


class Plan(NamedTuple):
    """The values of a table by time, what is known of them (no new Things yet), and what is observed, by key."""

    rows: list[TableRow]
    report: ImportReport
    observed: dict[str, ObservedProperty]


def import_table(
    store: Store, intake: Intake, path: Path, options: ImportOptions, progress: Progress | None = None
) -> ImportReport:
    """Imports a .csv, .tsv, .jsonl or .ndjson file. `progress(done, total)` counts values.

    A name in the table is a Thing that has it as `source_id` or, alone, as name; otherwise a new one is made. Raises
    BadInput, with nothing written, where the columns can't be told, more values are faulty than allowed, or a unit is
    none of what is observed.
    """
    rows, report, observed = plan_import(path, options)
    graph = store.graph
    known = {name: find_thing(graph, name) for name in report.things}
    report.new_things = [name for name, thing in known.items() if thing is None]
    if options.dry_run:
        report.stored = len(rows)
        return report
    streams = Streams(graph, store.new_id)
    places = places_of(rows, options)
    things = {name: thing or _make_thing(streams, name, options, places.get(name)) for name, thing in known.items()}
    sensor = streams.sensor(f"table/{path.name}", f"Import of {path.name}", "")
    ids = {
        (name, key): streams.find(
            things[name],
            observed[key],
            key.replace("_", " "),
            sensor,
            {"source_id": f"table/{name}/{key}"},
            unit,
        )
        for name, key, unit in report.streams
    }
    if streams.changes:
        body = msgspec.msgpack.encode(streams.changes)
        store.submit(Transaction([Entry(RecordKind.ENTITIES, body)])).result()
    _write(store, intake, rows, ids, report, progress)
    return report


def plan_import(path: Path, options: ImportOptions) -> Plan:
    """What a table holds and where it belongs, without looking at any city. Raises BadInput as `import_table` does."""
    layout = guess_layout(path, options.layout)
    if options.property and not layout.value and len(layout.quantities) == 1:
        only = msgspec.structs.replace(layout.quantities[0], property=options.property)
        layout = msgspec.structs.replace(layout, quantities=(only,))
    rows, report = _read(path, layout, options)
    written = {q.property: q.unit for q in layout.quantities if q.unit}
    observed = {key: _observed(key, written.get(key) or options.unit) for key in {row.property for row in rows}}
    units = {key: written.get(key) or options.unit or observed[key].unit for key in observed}
    report.things = sorted({row.thing for row in rows})
    report.streams = [(name, key, units[key]) for name, key in sorted({(row.thing, row.property) for row in rows})]
    return Plan(rows, report, observed)


def places_of(rows: list[TableRow], options: ImportOptions) -> dict[str, tuple[float, float]]:
    """Where each named Thing is: the first place a row says, else the one of the options."""
    places = {row.thing: options.place for row in rows if options.place}
    places.update({row.thing: row.place for row in reversed(rows) if row.place})
    return {name: place for name, place in places.items() if place}


def find_thing(graph: ThingGraph, name: str) -> Thing | None:
    """The Thing a table means: by `source_id`, as made by an earlier import, or by a name only one has."""
    found = graph.find_by_source(name) or graph.find_by_source(f"table:{name}")
    if found is not None:
        return found
    named = [thing for thing in list(graph.things.values()) if thing.name == name]
    return named[0] if len(named) == 1 else None


def _read(path: Path, layout: Layout, options: ImportOptions) -> tuple[list[TableRow], ImportReport]:
    report = ImportReport(layout=layout, things=[], new_things=[], streams=[], preview=[])
    only = options.thing or path.name.split(".", 1)[0]
    rows: list[TableRow] = []
    for found in read_table(path, layout):
        if isinstance(found, TableRow) and found.property:
            rows.append(found if found.thing else msgspec.structs.replace(found, thing=only))
            continue
        fault = found if isinstance(found, Fault) else Fault(found.line, layout.property, "says no quantity")
        report.fault_count += 1
        if len(report.faults) < SHOWN:
            report.faults.append(fault)
    total = len(rows) + report.fault_count
    if not rows or report.fault_count > options.faults_allowed * total:
        shown = "; ".join(str(fault) for fault in report.faults[:3])
        raise BadInput(
            f"{path}: {report.fault_count} of {total} values can't be read, so nothing was imported: {shown}"
        )
    report.preview = rows[:5]
    rows.sort(key=lambda row: (row.time_us, row.line))
    return rows, report


def _observed(key: str, unit: str) -> ObservedProperty:
    """What a key means: a shared property, or a new one in the unit it was written in. Raises BadInput where the unit
    is none of the shared property's kind."""
    shared = SHARED.get(key)
    if shared is None:
        return ObservedProperty(key, unit or "1")
    if unit:
        get_conversion(unit, shared.unit)
    return shared


def _make_thing(streams: Streams, name: str, options: ImportOptions, place: tuple[float, float] | None) -> Thing:
    location_ids: tuple[int, ...] = ()
    if place is not None:
        location_ids = (streams.new_id(EntityType.LOCATION),)
        point = {"type": "Point", "coordinates": list(place)}
        streams.changes.append(put(Location(id=location_ids[0], name=name, location=point)))
    thing = Thing(
        id=streams.new_id(EntityType.THING),
        name=name,
        properties={"kind": options.kind, "source_id": f"table:{name}"},
        location_ids=location_ids,
    )
    streams.changes.append(put(thing))
    return thing


def _write(
    store: Store,
    intake: Intake,
    rows: list[TableRow],
    ids: dict[Key, int],
    report: ImportReport,
    progress: Progress | None,
) -> None:
    there, way = _list_there(store, rows, ids), intake.ledger.way(IMPORT)
    done = 0
    for batch in _batches(rows):
        fresh = []
        for row in batch:
            seen = there.setdefault(ids[row.thing, row.property], set())
            if row.time_us in seen:
                report.duplicates += 1
            else:
                seen.add(row.time_us)
                fresh.append(row)
        array = ArrayRows(
            np.array([ids[row.thing, row.property] for row in fresh], np.int64),
            np.array([row.time_us for row in fresh], np.int64),
            np.array([row.value for row in fresh], np.float64),
            {},
            {},
        )
        checked = intake.check_rows(array, way) if fresh else None
        if checked is not None:
            for number, why in checked.errors.items():
                _refuse(report, Fault(fresh[number].line, fresh[number].property, why))
            report.duplicates += len(checked.duplicates)
            report.stored += _store(store, checked.batch)
            way.count_stored(len(checked.batch))
        done += len(batch)
        if progress is not None:
            progress(done, len(rows))


def _refuse(report: ImportReport, fault: Fault) -> None:
    report.fault_count += 1
    if len(report.faults) < SHOWN:
        report.faults.append(fault)


def _store(store: Store, batch: ObservationBatch) -> int:
    if len(batch):
        entry = Entry(RecordKind.OBSERVATIONS, encode_batch(batch), len(batch))
        store.submit(Transaction([entry]), Lane.BULK).result()
    return len(batch)


def _batches(rows: list[TableRow]) -> Iterator[list[TableRow]]:
    for start in range(0, len(rows), BATCH_ROWS):
        yield rows[start : start + BATCH_ROWS]


def _list_there(store: Store, rows: list[TableRow], ids: dict[Key, int]) -> dict[int, set[int]]:
    """Times that each Datastream has already, within the table's span."""
    first, last = from_us(rows[0].time_us), from_us(rows[-1].time_us + 1)
    there = {}
    for stream in set(ids.values()):
        if store.latest(stream) is not None:
            there[stream] = set(store.series(stream, first, last)[0].tolist())
    return there
