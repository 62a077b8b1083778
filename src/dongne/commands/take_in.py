"""Your own CSV or JSON lines become Things, Datastreams and Observations, in one command; the city may run meanwhile.

Columns are told apart by their names and first rows. A wide table has a time, perhaps a name, and a column for each
quantity, as "temperature (°C)"; a long one a time, perhaps a name, a column that says the quantity and one with the
value. --dry-run shows what was understood, and writes nothing.

A name is a Thing the city has, by its name or source_id, or a new one. A value whose time its Datastream has already is
left out: importing the same table again changes nothing, and stopped in between, the same command brings the rest.
Rows that can't be taken are named with their line, the others go in.

examples:
  dongne import weather.csv --zone Asia/Seoul --dry-run
  dongne import weather.csv --zone Asia/Seoul
  dongne import roof.csv --thing "School roof" --place 24.941,60.171 --values temperature --unit Cel
  dongne import rain.csv --datastream 17
  dongne import rain.csv --datastream 17 --url http://127.0.0.1:8000 --token SECRET
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dongne.commands.places import add_city, data_folder
from dongne.commands.progress import bars
from dongne.commands.server import Server, find_server
from dongne.model.errors import BadInput

if TYPE_CHECKING:
    from dongne.adapters.table_import import ImportOptions, ImportReport

SHOWN = 10  # faults that are printed; all are counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne import` takes."""
    parser.add_argument("file", type=Path, help="a .csv, .tsv, .jsonl or .ndjson file, also with .gz")
    columns = parser.add_argument_group("columns, where they can't be told")
    columns.add_argument("--time", default="", metavar="COLUMN", help="with the time")
    columns.add_argument("--name", default="", metavar="COLUMN", help="with the name of the Thing")
    columns.add_argument("--values", action="append", default=[], metavar="COLUMN", help="with values; may be repeated")
    columns.add_argument("--zone", type=_zone, metavar="ZONE", help="the zone of times without an offset")
    columns.add_argument("--format", default="", help="of times that are not ISO 8601, as %%d.%%m.%%Y %%H:%%M")
    belongs = parser.add_argument_group("where the rows belong")
    belongs.add_argument("--datastream", type=int, metavar="ID", help="this Datastream of the running city")
    belongs.add_argument(
        "--thing", default="", metavar="NAME", help="the Thing of a table that names none (the file's name)"
    )
    belongs.add_argument("--place", type=_point, metavar="LON,LAT", help="where that Thing is, if it is new; degrees")
    belongs.add_argument("--kind", default="sensor", help="what new Things are (%(default)s)")
    belongs.add_argument(
        "--property", default="", metavar="KEY", help="what is observed, where the column says it otherwise"
    )
    belongs.add_argument("--unit", default="", metavar="UCUM", help="the unit of columns that don't say theirs, as Cel")
    parser.add_argument("--dry-run", action="store_true", help="show what was understood, and write nothing")
    parser.add_argument("--url", help="a running city elsewhere")
    parser.add_argument("--token", default="", help="the token for writing there")
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


def _zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (KeyError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time zone; write it as Asia/Seoul") from None


def execute(arguments: argparse.Namespace) -> int:
    """Takes the table in; 1 where some of its values were refused."""
    if not arguments.file.is_file():
        raise BadInput(f"there is no file {arguments.file}")
    options = _options(arguments)
    folder = data_folder(arguments)
    server = Server(arguments.url) if arguments.url else find_server(folder)
    with bars() as report:
        if server is not None:
            from dongne.commands.remote import import_remotely

            server.token = arguments.token or server.token
            found = import_remotely(server, arguments.file, options, report, datastream=arguments.datastream)
        elif arguments.datastream is not None:
            raise BadInput(f"--datastream {arguments.datastream} is of a running city; start it with `dongne run`")
        else:
            from dongne import compose

            found = compose.import_file(arguments.city, folder, arguments.file, options, report)
    return _tell(arguments.file, found, is_dry=arguments.dry_run)


def _options(arguments: argparse.Namespace) -> "ImportOptions":
    from dongne.adapters.table_import import ImportOptions
    from dongne.adapters.tables import Layout, quantity_of

    layout = Layout(
        time=arguments.time,
        thing=arguments.name,
        quantities=tuple(quantity_of(column) for column in arguments.values),
        zone=arguments.zone or "",
        time_format=arguments.format,
    )
    return ImportOptions(
        layout=layout,
        thing=arguments.thing,
        place=arguments.place,
        kind=arguments.kind,
        property=arguments.property,
        unit=arguments.unit,
        dry_run=arguments.dry_run,
    )


def _tell(file: Path, found: "ImportReport", *, is_dry: bool) -> int:
    """Prints what was understood and done; 1 where values were refused."""
    for name, key, unit in found.streams[:SHOWN]:
        new = " (new Thing)" if name in found.new_things else ""
        print(f"{name}{new}: {key} [{unit}]")
    _more(len(found.streams), "Datastreams")
    for fault in found.faults[:SHOWN]:
        print(f"refused: {file}: {fault}")
    _more(found.fault_count, "refused")
    there = f"; {found.duplicates:,} were there already" if found.duplicates else ""
    print(f"{found.stored:,} observations {'would be' if is_dry else 'were'} stored{there}")
    return 1 if found.fault_count else 0


def _more(count: int, what: str) -> None:
    if count > SHOWN:
        print(f"... {count - SHOWN:,} more {what}")
