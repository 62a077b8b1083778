"""A table into a running city, through its open interface."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from dongne.adapters.table_import import ImportOptions, ImportReport, places_of, plan_import
from dongne.adapters.tables import Fault, TableRow
from dongne.commands.progress import Report
from dongne.commands.server import Server
from dongne.model.entities import OM_MEASUREMENT
from dongne.model.errors import BadInput
from dongne.model.observed import ObservedProperty
from dongne.model.times import format_instant, from_us, parse_instant, to_us

BATCH_ROWS = 1_000
PAGE_ROWS = 10_000
Key = tuple[str, str]  # thing as written, property key


def import_remotely(
    server: Server,
    path: Path,
    options: ImportOptions,
    report: Report,
    *,
    datastream: int | None = None,
) -> ImportReport:
    """What `table_import.import_table` does, over HTTP; with `datastream` all rows go there, and nothing is made."""
    rows, found, observed = plan_import(path, options)
    city = RemoteCity(server)
    if datastream is not None and len(found.streams) > 1:
        columns = ", ".join(f"{name}: {key}" for name, key, _ in found.streams[:5])
        raise BadInput(f"{path} holds more than goes into one Datastream ({columns} ...); choose with --values")
    known = {} if datastream is not None else {name: city.find_thing(name) for name in found.things}
    found.new_things = [name for name, thing in known.items() if thing is None]
    if options.dry_run:
        found.stored = len(rows)
        return found
    if datastream is None:
        places = places_of(rows, options)
        things = {name: thing or city.make_thing(name, options.kind, places.get(name)) for name, thing in known.items()}
        ids = {
            (name, key): city.find_or_make_stream(things[name], name, observed[key], unit)
            for name, key, unit in found.streams
        }
    else:
        ids = {(name, key): datastream for name, key, _ in found.streams}
    _send(city, rows, ids, found, report)
    return found


def _send(city: "RemoteCity", rows: list[TableRow], ids: dict[Key, int], found: ImportReport, report: Report) -> None:
    there = {stream: city.list_times(stream, rows[0].time_us, rows[-1].time_us) for stream in set(ids.values())}
    fresh: list[TableRow] = []
    for row in rows:
        times = there[ids[row.thing, row.property]]
        if row.time_us in times:
            found.duplicates += 1
        else:
            times.add(row.time_us)
            fresh.append(row)
    for at in range(0, len(fresh), BATCH_ROWS):
        batch = fresh[at : at + BATCH_ROWS]
        refused = city.add(batch, ids)
        found.stored += len(batch) - len(refused)
        found.fault_count += len(refused)
        found.faults += refused
        report("values", found.duplicates + at + len(batch), len(rows))


class RemoteCity:
    """What an import needs of a city, over SensorThings."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def _list(self, entities: str, condition: str) -> list[dict[str, Any]]:
        """Up to two entities of this condition."""
        answer = self._server.get(f"/v1.1/{entities}?$filter={quote(condition)}&$top=2")
        found: list[dict[str, Any]] = msgspec.json.decode(answer)["value"]
        return found

    def _make(self, entities: str, body: dict[str, Any]) -> int:
        """The id of a new entity."""
        _, location = self._server.post(f"/v1.1/{entities}", body)
        return int(location.rpartition("(")[2].rstrip(")"))

    def find_thing(self, name: str) -> int | None:
        """A Thing by its `source_id`, as made by an earlier import, or by a name only one has."""
        text = _quoted(name)
        for condition in (
            f"properties/source_id eq {text}",
            f"properties/source_id eq {_quoted(f'table:{name}')}",
            f"name eq {text}",
        ):
            if len(found := self._list("Things", condition)) == 1:
                return int(found[0]["@iot.id"])
        return None

    def make_thing(self, name: str, kind: str, place: tuple[float, float] | None) -> int:
        """A new Thing that a later import finds again."""
        thing: dict[str, Any] = {
            "name": name,
            "description": "",
            "properties": {"kind": kind, "source_id": f"table:{name}"},
        }
        if place is not None:
            point = {"type": "Point", "coordinates": list(place)}
            location = {"name": name, "description": "", "encodingType": "application/geo+json", "location": point}
            thing["Locations"] = [location]
        return self._make("Things", thing)

    def find_or_make_stream(self, thing: int, name: str, observed: ObservedProperty, unit: str) -> int:
        """The Datastream an earlier import made, else a new one."""
        source_id = f"table/{name}/{observed.key}"
        if found := self._list(f"Things({thing})/Datastreams", f"properties/source_id eq {_quoted(source_id)}"):
            return int(found[0]["@iot.id"])
        known = self._list("ObservedProperties", f"name eq {_quoted(observed.key)}")
        sensor = f"Import of tables for {name}"
        stream = {
            "name": observed.key.replace("_", " "),
            "description": f"{observed.key}, {name}",
            "observationType": OM_MEASUREMENT,
            "unitOfMeasurement": {"name": unit, "symbol": unit, "definition": f"ucum:{unit}"},
            "properties": {"source_id": source_id},
            "Thing": {"@iot.id": thing},
            "ObservedProperty": {"@iot.id": known[0]["@iot.id"]}
            if known
            else {"name": observed.key, "definition": "", "description": "", "properties": {"unit": observed.unit}},
            "Sensor": {"name": sensor, "description": "", "encodingType": "text/plain", "metadata": ""},
        }
        return self._make("Datastreams", stream)

    def list_times(self, stream: int, first_us: int, last_us: int) -> set[int]:
        """The phenomenonTimes (microseconds) a Datastream has in this span already."""
        times: set[int] = set()
        after = f"ge {format_instant(from_us(first_us))}"
        while True:
            span = quote(f"phenomenonTime {after} and phenomenonTime le {format_instant(from_us(last_us))}")
            options = f"$select=phenomenonTime&$orderby=phenomenonTime&$top={PAGE_ROWS}&$filter={span}"
            page = msgspec.json.decode(self._server.get(f"/v1.1/Datastreams({stream})/Observations?{options}"))
            texts = [str(row["phenomenonTime"]).partition("/")[0] for row in page["value"]]
            times.update(to_us(parse_instant(text)) for text in texts)
            if "@iot.nextLink" not in page:
                return times
            after = f"gt {texts[-1]}"

    def add(self, rows: list[TableRow], ids: dict[Key, int]) -> list[Fault]:
        """Stores rows in one request; what the city refused."""
        by_stream: dict[int, list[TableRow]] = {}
        for row in rows:
            by_stream.setdefault(ids[row.thing, row.property], []).append(row)
        arrays = [
            {
                "Datastream": {"@iot.id": stream},
                "components": ["phenomenonTime", "result"],
                "dataArray@iot.count": len(some),
                "dataArray": [[format_instant(from_us(row.time_us)), row.value] for row in some],
            }
            for stream, some in by_stream.items()
        ]
        answer, _ = self._server.post("/v1.1/CreateObservations", arrays)
        said: list[Any] = msgspec.json.decode(answer)
        sent = [row for some in by_stream.values() for row in some]
        return [
            Fault(row.line, row.property, str(one).removeprefix("error: "))
            for row, one in zip(sent, said, strict=True)
            if str(one).startswith("error")
        ]


def _quoted(text: str) -> str:
    """A text as OData writes it."""
    return "'" + text.replace("'", "''") + "'"
