"""Your own CSV or JSON lines become Observations of the running city, in one command.

Each row needs a time and a value. Columns named time, timestamp, datetime, phenomenonTime or date, and value, result
or reading are found; others are named with --time and --value. A time without an offset needs --zone.

Rows go in by the thousand; stopped in between, the same command goes on after the last thousand that was acknowledged
(--again starts over). Rows that can't be read or are refused are named with their line, the others go in.

examples:
  dongne import rain.csv --datastream 17
  dongne import roof.csv --thing "School roof" --place 24.941,60.171 --property temperature --unit Cel --zone Europe/Helsinki
  dongne import bins.jsonl --datastream 17 --time measured_at --value level
  dongne import rain.csv --datastream 17 --url http://127.0.0.1:8000 --token SECRET
"""

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import msgspec

from dongne.commands.places import add_city, data_folder
from dongne.commands.progress import bars
from dongne.commands.server import Server, get_server
from dongne.commands.table import Layout, Row, read_rows
from dongne.model.errors import BadInput

BATCH_ROWS = 1000
SHOWN = 10  # faults that are printed; all are counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne import` takes."""
    parser.add_argument(
        "file", type=Path, help="a .csv (first line: names of columns), or .jsonl / .ndjson (a JSON object a line)"
    )
    parser.add_argument("--datastream", type=int, metavar="ID", help="the Datastream the rows belong to")
    parser.add_argument("--thing", metavar="NAME", help="or: the Thing; it and its Datastream are made where absent")
    parser.add_argument("--property", metavar="KEY", help="what is observed, as temperature (with --thing)")
    parser.add_argument(
        "--unit", default="1", metavar="UCUM", help="its unit, as Cel, %% or mm/h (with --thing; %(default)s)"
    )
    parser.add_argument("--place", type=_point, metavar="LON,LAT", help="where the Thing is, degrees (with --thing)")
    parser.add_argument("--time", metavar="COLUMN", help="the column with the time")
    parser.add_argument("--value", metavar="COLUMN", help="the column with the value")
    parser.add_argument("--zone", type=_zone, metavar="ZONE", help="the time zone of times without an offset")
    parser.add_argument("--url", help="the running city (the one of --city)")
    parser.add_argument("--token", default="", help="the token for writing at another machine")
    parser.add_argument(
        "--again", action="store_true", help="from the first row, also where an earlier try got further"
    )
    add_city(parser)


def _point(text: str) -> tuple[float, float]:
    lon, _, lat = text.partition(",")
    try:
        point = (float(lon), float(lat))
    except ValueError:
        point = (999.0, 999.0)
    if not (-180 <= point[0] <= 180 and -90 <= point[1] <= 90):
        raise argparse.ArgumentTypeError(f"{text!r} is no place; write longitude,latitude as 24.941,60.171")
    return point


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time zone; write it as Asia/Seoul") from None


def execute(arguments: argparse.Namespace) -> int:
    """Sends the rows; 1 where some were refused."""
    if not arguments.file.is_file():
        raise BadInput(f"there is no file {arguments.file}")
    if arguments.datastream is None and not (arguments.thing and arguments.property):
        raise BadInput("say where the rows belong: --datastream ID, or --thing NAME with --property KEY")
    folder = data_folder(arguments)
    server = Server(arguments.url, arguments.token) if arguments.url else get_server(folder)
    server.token = arguments.token or server.token
    datastream = (
        arguments.datastream if arguments.datastream is not None else find_or_make_datastream(server, arguments)
    )
    bookmark = Bookmark(folder / "imports", arguments.file, datastream)
    if arguments.again:
        bookmark.keep(0)
    layout = Layout(arguments.time, arguments.value, arguments.zone)
    sent, faults = send(server, datastream, arguments.file, layout, bookmark)
    for fault in faults[:SHOWN]:
        print(f"refused: {fault}")
    if len(faults) > SHOWN:
        print(f"refused: {len(faults) - SHOWN:,} more")
    print(
        f"{sent:,} observations are in Datastream {datastream}: {server.url}/v1.1/Datastreams({datastream})/Observations"
    )
    return 1 if faults else 0


class Bookmark:
    """How many rows of a file are acknowledged, kept beside the city's data."""

    def __init__(self, folder: Path, file: Path, datastream: int) -> None:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        self._file = folder / f"{datastream}-{digest[:24]}"

    def rows(self) -> int:
        """Rows done."""
        return int(self._file.read_text()) if self._file.exists() else 0

    def keep(self, rows: int) -> None:
        """So many rows are done."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(str(rows))


def send(server: Server, datastream: int, file: Path, layout: Layout, bookmark: Bookmark) -> tuple[int, list[str]]:
    """Rows stored and what was refused with its line; goes on after the bookmark."""
    done = bookmark.rows()
    if done:
        print(f"going on after row {done:,}, where the last try stopped (--again starts over)")
    faults: list[str] = []
    sent = 0
    size = file.stat().st_size
    with bars() as report:
        for batch, at_byte in _batches(read_rows(file, layout), done):
            readable = [row for row in batch if not row.fault]
            faults += [f"{file}:{row.line}: {row.fault}" for row in batch if row.fault]
            if readable:
                refused = _post(server, datastream, readable)
                faults += [f"{file}:{readable[index].line}: {why}" for index, why in refused]
                sent += len(readable) - len(refused)
            done += len(batch)
            bookmark.keep(done)
            report("bytes", at_byte, size)
    return sent, faults


def _batches(rows: Iterator[Row], skip: int) -> Iterator[tuple[list[Row], int]]:
    batch: list[Row] = []
    for index, row in enumerate(rows):
        if index < skip:
            continue
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            yield batch, row.at_byte
            batch = []
    if batch:
        yield batch, batch[-1].at_byte


def _post(server: Server, datastream: int, rows: list[Row]) -> list[tuple[int, str]]:
    """Stores rows in one request; (row in the batch, why) of those the city refused."""
    array = {
        "Datastream": {"@iot.id": datastream},
        "components": ["phenomenonTime", "result"],
        "dataArray@iot.count": len(rows),
        "dataArray": [[row.time, row.value] for row in rows],
    }
    answer, _ = server.post("/v1.1/CreateObservations", [array])
    said: list[Any] = msgspec.json.decode(answer)
    return [(index, one) for index, one in enumerate(said) if str(one).startswith("error")]


def find_or_make_datastream(server: Server, arguments: argparse.Namespace) -> int:
    """The Datastream of the Thing's property, by name; both are made where the city has none."""
    name, key = arguments.thing.replace("'", "''"), arguments.property.replace("'", "''")
    wanted = quote(f"Thing/name eq '{name}' and ObservedProperty/name eq '{key}'")
    found = msgspec.json.decode(server.get(f"/v1.1/Datastreams?$filter={wanted}&$select=@iot.id,id&$top=1"))["value"]
    if found:
        return int(found[0]["@iot.id"])
    stream = {
        "name": f"{arguments.property} of {arguments.thing}",
        "description": f"imported from {arguments.file.name}",
        "observationType": "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
        "unitOfMeasurement": {"name": arguments.unit, "symbol": arguments.unit, "definition": f"ucum:{arguments.unit}"},
        "ObservedProperty": {"name": arguments.property, "definition": "", "description": ""},
        "Sensor": {
            "name": f"import of {arguments.file.name}",
            "description": "",
            "encodingType": "text/plain",
            "metadata": "",
        },
    }
    thing: dict[str, Any] = {"name": arguments.thing, "description": "", "Datastreams": [stream]}
    if arguments.place:
        point = {"type": "Point", "coordinates": list(arguments.place)}
        thing["Locations"] = [
            {"name": arguments.thing, "description": "", "encodingType": "application/geo+json", "location": point}
        ]
    server.post("/v1.1/Things", thing)
    made = msgspec.json.decode(server.get(f"/v1.1/Datastreams?$filter={wanted}&$top=1"))["value"]
    return int(made[0]["@iot.id"])
