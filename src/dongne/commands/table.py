"""Rows of CSV and JSON-lines files as (time, value), each with its line and, where it can't be read, why."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from dongne.model.errors import BadInput
from dongne.model.times import format_instant

TIME_NAMES = ("time", "timestamp", "datetime", "phenomenontime", "date")
VALUE_NAMES = ("value", "result", "reading")
MILLISECONDS_FROM = 1e11  # larger numbers are milliseconds since 1970, smaller ones seconds (until the year 5138)


@dataclass(frozen=True)
class Layout:
    """Which column is what, None where its usual name is to be found; the zone of times without an offset."""

    time: str | None = None
    value: str | None = None
    zone: ZoneInfo | None = None


@dataclass(frozen=True)
class Row:
    """One row: its line and where in the file it ends, its time as ISO 8601 UTC and value; or `fault`."""

    line: int
    at_byte: int
    time: str = ""
    value: float = 0.0
    fault: str = ""


def read_rows(file: Path, layout: Layout) -> Iterator[Row]:
    """The rows of a .csv, .jsonl or .ndjson file. Raises BadInput where no column is found or the ending is another."""
    readers = {".csv": _read_csv, ".jsonl": _read_json_lines, ".ndjson": _read_json_lines}
    if file.suffix.lower() not in readers:
        raise BadInput(f"{file}: its name ends in {file.suffix!r}; endings that can be read: {', '.join(readers)}")
    columns: tuple[str, str] | None = None
    for line, at_byte, given in readers[file.suffix.lower()](file):
        if isinstance(given, str):
            yield Row(line, at_byte, fault=given)
            continue
        if columns is None:
            columns = (
                find_column(file, "time", layout.time, TIME_NAMES, given),
                find_column(file, "value", layout.value, VALUE_NAMES, given),
            )
        yield _row(line, at_byte, given.get(columns[0]), given.get(columns[1]), columns, layout.zone)


def _read_csv(file: Path) -> Iterator[tuple[int, int, dict[str, Any] | str]]:
    at_byte = 0

    with file.open("rb") as opened:

        def lines() -> Iterator[str]:
            nonlocal at_byte
            for raw in opened:
                at_byte += len(raw)
                yield raw.decode("utf-8-sig" if at_byte == len(raw) else "utf-8", errors="replace")

        reader = csv.DictReader(lines())
        for given in reader:
            yield reader.line_num, at_byte, given


def _read_json_lines(file: Path) -> Iterator[tuple[int, int, dict[str, Any] | str]]:
    at_byte = 0
    with file.open("rb") as opened:
        for line, raw in enumerate(opened, 1):
            at_byte += len(raw)
            if not raw.strip():
                continue
            try:
                given = msgspec.json.decode(raw)
            except msgspec.DecodeError as error:
                yield line, at_byte, f"no JSON: {error}"
                continue
            yield line, at_byte, given if isinstance(given, dict) else f"{str(given)[:40]!r} is no JSON object"


def find_column(file: Path, what: str, named: str | None, usual: tuple[str, ...], given: dict[str, Any]) -> str:
    """The column's name: as told, else the first with a usual name. Raises BadInput with the columns there are."""
    there = ", ".join(str(name) for name in given)
    if named is not None:
        if named not in given:
            raise BadInput(f"{file}: there is no column {named!r}; columns: {there}")
        return named
    for name in given:
        if str(name).strip().lower() in usual:
            return name
    raise BadInput(f"{file}: none of the columns is named {' or '.join(usual)}; say which with --{what}: {there}")


def _row(line: int, at_byte: int, time: Any, value: Any, columns: tuple[str, str], zone: ZoneInfo | None) -> Row:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return Row(line, at_byte, fault=f"{columns[1]} is {value!r}, which is no number")
    if not isfinite(number):
        return Row(line, at_byte, fault=f"{columns[1]} is {value!r}; a measurement is finite")
    try:
        return Row(line, at_byte, format_instant(read_instant(time, zone)), number)
    except (ValueError, OverflowError) as error:
        return Row(line, at_byte, fault=f"{columns[0]}: {error}")


def read_instant(given: Any, zone: ZoneInfo | None) -> datetime:
    """The UTC datetime of an ISO 8601 text or of seconds or milliseconds since 1970. Raises ValueError with a remedy."""
    text = str(given).strip()
    try:
        since_1970 = float(text)
    except ValueError:
        instant = datetime.fromisoformat(text)
    else:
        return datetime.fromtimestamp(since_1970 / (1000 if since_1970 > MILLISECONDS_FROM else 1), UTC)
    if instant.tzinfo is None:
        if zone is None:
            raise ValueError(f"{text!r} has no offset; say its time zone with --zone, as --zone Asia/Seoul")
        instant = instant.replace(tzinfo=zone)
    return instant.astimezone(UTC)
