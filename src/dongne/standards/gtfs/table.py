"""One file of a feed as columns of text."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

from dongne.standards.gtfs.fault import Report
from dongne.standards.gtfs.schema import FILES

BOM = "﻿"
MOST_REOPENED = 100  # quotation marks left open, after which the rest of a file is given up
csv.field_size_limit(1_000_000)


@dataclass(frozen=True)
class Table:
    """Rows of text by column name, each as long as `lines`, which has each row's line in the file. `there` are the columns
    that the file has; the others are empty."""

    name: str
    columns: dict[str, list[str]]
    lines: list[int]
    there: frozenset[str] = frozenset()


def read_table(name: str, body: bytes, report: Report) -> Table | None:
    """The file's columns, trimmed; None where its header is not enough to read it. Faults go to the report."""
    text = decode_text(name, body, report)
    rows = _rows(name, list(StringIO(text, newline="")), report)
    header = next(rows, None)
    if header is None:
        return Table(name, {column: [] for column in FILES[name].columns}, [])
    places = _read_header(name, header[1], report)
    needed = [column for column, one in FILES[name].columns.items() if one.header]
    if missing := [column for column in needed if column not in places]:
        for column in missing:
            report.add("column_missing", name, 1, column, ", ".join(header[1]))
        return None
    for column, described in FILES[name].columns.items():
        if described.wanted and column not in places:
            report.add("column_wanted", name, 1, column)
    return _fill(name, rows, places, len(header[1]), report)


def _fill(
    name: str, rows: Iterator[tuple[int, list[str]]], places: dict[str, int], width: int, report: Report
) -> Table:
    columns: dict[str, list[str]] = {column: [] for column in FILES[name].columns}
    lines: list[int] = []
    filled = [(columns[column], place) for column, place in places.items() if column in columns]
    missing = [held for column, held in columns.items() if column not in places]
    spaces: list[int] = []
    for line, given in rows:
        row = given
        if len(row) != width:
            if len(row) > width and any(value.strip() for value in row[width:]):
                report.add("row_too_long", name, line, "", ",".join(row), count=len(row), width=width)
                continue
            if len(row) < width:
                report.add("row_too_short", name, line, "", ",".join(row), count=len(row), width=width)
                row = [*row, *[""] * (width - len(row))]
        lines.append(line)
        for held, place in filled:
            value = row[place]
            if value and (value[0].isspace() or value[-1].isspace()):
                spaces.append(line)
                value = value.strip()
            if "\n" in value or "\r" in value:
                report.add("value_newline", name, line, "", value)
                value = " ".join(value.split())
            held.append(value)
    if spaces:
        report.add("value_spaces", name, spaces[0], count=len(spaces))
    for held in missing:
        held.extend([""] * len(lines))
    return Table(name, columns, lines, frozenset(places))


def decode_text(name: str, body: bytes, report: Report) -> str:
    """The text of a file: UTF-8, with or without a byte-order mark; else what it seems to be, with a fault."""
    try:
        return body.decode("utf-8").removeprefix(BOM)
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        value = repr(body[max(error.start - 12, 0) : error.start + 4])
    encoding = guess_encoding(body)
    report.add("encoding", name, line, "", value, encoding=encoding)
    return body.decode(encoding, errors="replace").removeprefix(BOM)


def guess_encoding(body: bytes) -> str:
    """What bytes that are no UTF-8 seem to be: UTF-16 by its mark, Korean where it fits whole, else Western."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        strange = [char for char in body.decode("cp949") if ord(char) > 127]
    except UnicodeDecodeError:
        return "cp1252"
    if sum("가" <= char <= "힣" for char in strange) * 2 > len(strange):
        return "cp949"
    return "cp1252"


def _rows(name: str, lines: list[str], report: Report) -> Iterator[tuple[int, list[str]]]:
    """(line, values) of each row that isn't empty. A row whose quotation mark is never closed is left out, and reading goes
    on in the line behind it."""
    start = 0
    for _ in range(MOST_REOPENED):
        reader = csv.reader(iter(lines[start:]), strict=True)
        before = 0
        while True:
            try:
                row = next(reader, None)
            except csv.Error:
                break
            line, before = start + before + 1, reader.line_num
            if row is None:
                return
            if any(value.strip() for value in row):
                yield line, row
        line = start + before + 1
        if line > len(lines):
            return
        report.add("quote_open", name, line, "", lines[line - 1].strip())
        start = line
    report.add("quote_open", name, start + 1, "", f"... {len(lines) - start} lines")


def _read_header(name: str, header: list[str], report: Report) -> dict[str, int]:
    """The place of each column; of one that is there twice, the first."""
    names = [column.strip() for column in header]
    if names != header:
        report.add("column_spaces", name, 1, "", ", ".join(header))
    counted = Counter(names)
    known = FILES[name].columns
    for column in dict.fromkeys(names):
        if counted[column] > 1:
            report.add("column_twice", name, 1, column)
        if column not in known:
            report.add("column_unknown", name, 1, column)
    places: dict[str, int] = {}
    for place, column in enumerate(names):
        places.setdefault(column, place)
    return places
