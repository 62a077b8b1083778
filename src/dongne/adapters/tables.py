"""Tables people have, CSV and JSON lines: what their columns are, and their rows as (thing, property, time, value).

Two layouts are known. Wide: a time, perhaps a name, and a column for each quantity. Long: a time, perhaps a name, a
column that says the quantity and one with the value.
"""

import csv
import gzip
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.errors import BadInput
from dongne.model.times import to_us

TIME_WORDS = ("time", "timestamp", "datetime", "date_time", "phenomenontime", "date", "ts", "시각", "일시", "측정시각")
THING_WORDS = ("thing", "sensor", "sensor_id", "device", "device_id", "station", "site", "name", "id", "측정소", "이름")
PROPERTY_WORDS = ("property", "parameter", "variable", "metric", "observedproperty", "quantity", "항목")
VALUE_WORDS = ("value", "result", "reading", "level", "값", "측정값")
PLACE_WORDS = {"lat": ("lat", "latitude", "y", "위도"), "lon": ("lon", "lng", "long", "longitude", "x", "경도")}
UNIT_IN_NAME = re.compile(r"^(.*?)\s*[\[(]([^\])]+)[\])]\s*$")  # "temperature (°C)"
SAMPLE = 200  # rows that are looked at to guess
NUMERIC_SHARE = 0.8
MILLISECONDS_FROM = 1e11  # larger numbers are milliseconds since 1970, larger than MICROSECONDS_FROM microseconds
MICROSECONDS_FROM = 1e14


class Quantity(msgspec.Struct, frozen=True):
    """A column with values: the key of what is observed, and its unit as written ("" where nobody said)."""

    column: str
    property: str
    unit: str = ""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Which column is what. `quantities` for a wide table; `property` and `value` for a long one. `zone` is for times
    without an offset, `time_format` (as of strptime) for times that are not ISO 8601."""

    time: str
    thing: str = ""
    quantities: tuple[Quantity, ...] = ()
    property: str = ""
    value: str = ""
    lat: str = ""
    lon: str = ""
    zone: str = ""
    time_format: str = ""


class TableRow(msgspec.Struct, frozen=True, gc=False):
    """One value. `thing` is "" where the table names none."""

    line: int
    thing: str
    property: str
    time_us: int
    value: float
    place: tuple[float, float] | None = None


class Fault(msgspec.Struct, frozen=True):
    """What can't be taken: the line, the column, and why."""

    line: int
    column: str
    why: str

    def __str__(self) -> str:
        return f"line {self.line}, {self.column}: {self.why}" if self.column else f"line {self.line}: {self.why}"


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """(line, row as column -> cell, or why it is none) of a .csv, .tsv, .jsonl or .ndjson file, also with .gz."""
    kind = Path(path.name.removesuffix(".gz")).suffix.lower()
    if kind not in (".csv", ".tsv", ".jsonl", ".ndjson"):
        raise BadInput(f"{path}: a table's name ends in .csv, .tsv, .jsonl or .ndjson, not in {kind!r}")
    opened = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115  closed below
    with opened as file:
        if kind in (".jsonl", ".ndjson"):
            for line, raw in enumerate(file, 1):
                if raw.strip():
                    yield line, _json_row(raw)
            return
        text = (raw.decode("utf-8-sig" if n == 0 else "utf-8", errors="replace") for n, raw in enumerate(file))
        head = next(text, "")
        if not head.strip():
            raise BadInput(f"{path} is empty; its first line names the columns")
        delimiter = max("\t;,|", key=head.count)
        names = [name.strip() for name in next(csv.reader([head], delimiter=delimiter))]
        reader = csv.reader(text, delimiter=delimiter)
        for cells in reader:
            if len(cells) == len(names):
                yield reader.line_num + 1, dict(zip(names, cells, strict=True))
            elif cells:
                yield reader.line_num + 1, f"{len(cells)} cells, but {len(names)} columns"


def _json_row(raw: bytes) -> dict[str, Any] | str:
    try:
        row = msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        return f"no JSON: {error}"
    return row if isinstance(row, dict) else f"{str(row)[:40]!r} is no JSON object"


def guess_layout(path: Path, said: Layout | None = None) -> Layout:
    """The layout, as far as `said` leaves it open from the names of columns and the first rows. Raises BadInput where a
    column that is needed isn't found, with the columns there are."""
    rows = [row for _, row in islice(read_lines(path), SAMPLE) if isinstance(row, dict)]
    if not rows:
        raise BadInput(f"{path} has no readable row")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    given = said or Layout(time="")
    for name in (given.time, given.thing, given.property, given.value, *(q.column for q in given.quantities)):
        if name and name not in columns:
            raise BadInput(f"{path}: there is no column {name!r}; columns: {', '.join(columns)}")
    time = given.time or _named(columns, TIME_WORDS)
    if not time:
        raise BadInput(f"{path}: no column is named like a time; say which with time: {', '.join(columns)}")
    lat, lon = (getattr(given, k) or _named(columns, PLACE_WORDS[k]) for k in ("lat", "lon"))
    quantity = given.property or ("" if given.quantities else _named(columns, PROPERTY_WORDS))
    value = given.value or (_named(columns, VALUE_WORDS) if quantity else "")
    taken = {time, lat, lon, quantity, value, given.thing}
    thing = given.thing or _named([c for c in columns if c not in taken], THING_WORDS)
    quantities = given.quantities
    if not (quantity and value):
        quantity = value = ""
        quantities = quantities or tuple(
            quantity_of(c) for c in columns if c not in {*taken, thing} and _is_numeric(rows, c)
        )
        if not quantities:
            raise BadInput(f"{path}: no column holds numbers; say which with values: {', '.join(columns)}")
    return msgspec.structs.replace(
        given, time=time, thing=thing, lat=lat, lon=lon, property=quantity, value=value, quantities=quantities
    )


def _named(columns: Sequence[str], words: Sequence[str]) -> str:
    plain = {re.sub(r"[\s_\-]+", "_", column.strip().lower()): column for column in reversed(columns)}
    return next((plain[word] for word in words if word in plain), "")


def _is_numeric(rows: Sequence[dict[str, Any]], column: str) -> bool:
    cells = [row[column] for row in rows if row.get(column) not in (None, "")]
    return bool(cells) and sum(_number(cell) is not None for cell in cells) >= NUMERIC_SHARE * len(cells)


def quantity_of(column: str) -> Quantity:
    """What a column observes, by its name: "temperature (°C)" is temperature in °C."""
    match = UNIT_IN_NAME.match(column)
    name, unit = (match[1], match[2]) if match else (column, "")
    return Quantity(column, property_key(name), unit)


def property_key(name: str) -> str:
    """A key from a name: "Fill level" -> "fill_level"."""
    return re.sub(r"\W+", "_", name.strip().lower()).strip("_")


def _number(cell: Any) -> float | None:
    """The finite number of a cell; None where it is none."""
    if isinstance(cell, bool) or cell is None:
        return None
    try:
        number = float(cell)
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None


def read_table(path: Path, layout: Layout) -> Iterator[TableRow | Fault]:
    """Values and faults in the order of the file. An empty cell is a gap and no fault."""
    zone = ZoneInfo(layout.zone) if layout.zone else None
    for line, row in read_lines(path):
        if isinstance(row, str):
            yield Fault(line, "", row)
            continue
        try:
            time_us = to_us(read_instant(row.get(layout.time), zone, layout.time_format))
        except (ValueError, OverflowError) as error:
            yield Fault(line, layout.time, str(error))
            continue
        thing = str(row.get(layout.thing) or "").strip() if layout.thing else ""
        place = _place(row, layout)
        for column, key in _columns(row, layout):
            cell = row.get(column)
            if cell is None or cell == "":
                continue
            value = _number(cell)
            if value is None:
                yield Fault(line, column, f"{str(cell)[:40]!r} is no finite number")
            else:
                yield TableRow(line, thing, key, time_us, value, place)


def _columns(row: dict[str, Any], layout: Layout) -> list[tuple[str, str]]:
    if layout.value:
        return [(layout.value, property_key(str(row.get(layout.property) or "")))]
    return [(quantity.column, quantity.property) for quantity in layout.quantities]


def _place(row: dict[str, Any], layout: Layout) -> tuple[float, float] | None:
    lon, lat = _number(row.get(layout.lon)), _number(row.get(layout.lat))
    if lon is None or lat is None or not (-180 <= lon <= 180 and -90 <= lat <= 90):
        return None
    return lon, lat


def read_instant(cell: Any, zone: ZoneInfo | None = None, time_format: str = "") -> datetime:
    """The UTC datetime of an ISO 8601 text, of a number of seconds, milliseconds or microseconds since 1970, or of a
    text in a format. Raises ValueError with a remedy."""
    text = str(cell).strip()
    if time_format:
        instant = datetime.strptime(text, time_format)  # noqa: DTZ007  the zone comes below
    elif (number := _number(cell)) is not None and not re.fullmatch(r"\d{8}", text):
        scale = 1e6 if number > MICROSECONDS_FROM else 1e3 if number > MILLISECONDS_FROM else 1.0
        return datetime.fromtimestamp(number / scale, UTC)
    else:
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text[:40]!r} is no ISO 8601 time; say its format, as %d.%m.%Y %H:%M") from None
    if instant.tzinfo is None:
        if zone is None:
            raise ValueError(f"{text[:40]!r} has no offset; say its time zone, as Asia/Seoul")
        instant = instant.replace(tzinfo=zone)
    return instant.astimezone(UTC)
