"""A table's rows with values in place of text: what is wrong is named, and the row or the value is left out."""

from collections.abc import Iterator
from typing import Any

from dongne.standards.gtfs.fault import Report
from dongne.standards.gtfs.schema import FILES, Column
from dongne.standards.gtfs.table import Table

Row = dict[str, Any]


def read_rows(table: Table, report: Report) -> Iterator[tuple[int, Row]]:
    """(line, values by column) of each row that can be used; an absent value is None, a text that isn't there ""."""
    described = FILES[table.name]
    report.rows[table.name] = len(table.lines)
    columns: list[tuple[str, Column, list[str], dict[str, Any]]] = [
        (name, column, table.columns[name], {}) for name, column in described.columns.items()
    ]
    seen: dict[tuple[Any, ...], int] = {}
    for number, line in enumerate(table.lines):
        row: Row = {}
        for name, column, texts, known in columns:
            text = texts[number]
            if text in known:
                row[name] = known[text]
                continue
            value = _value(table, line, name, column, text, report)
            if value is LEFT_OUT:
                break
            row[name] = value
            if value not in (None, "") or not (text or column.wanted):  # a fault is named in each row that has it
                known[text] = value
        else:
            if described.key:
                key = tuple(row[name] for name in described.key)
                if key in seen:
                    report.add(
                        "id_twice",
                        table.name,
                        line,
                        ", ".join(described.key),
                        ", ".join(map(str, key)),
                        first=seen[key],
                    )
                    continue
                seen[key] = line
            yield line, row


LEFT_OUT = object()
TEXTS = ("text", "url", "language")  # absent, they are ""


def _value(table: Table, line: int, name: str, column: Column, text: str, report: Report) -> Any:
    if not text:
        if column.required:
            report.add("value_missing", table.name, line, name)
            return LEFT_OUT
        if column.wanted and name in table.there:
            report.add("value_wanted", table.name, line, name)
        return "" if column.kind.name in TEXTS else None
    try:
        return column.kind.read(text)
    except ValueError:
        rule = "value_wrong" if column.required else "value_passed_over"
        report.add(rule, table.name, line, name, text, kind=column.kind.name, example=column.kind.example)
        return LEFT_OUT if column.required else "" if column.kind.name in TEXTS else None
