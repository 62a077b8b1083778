"""Rows of files that people have: what can be read is read, the rest is named with its line."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dongne.commands.table import Layout, Row, read_instant, read_rows
from dongne.commands.take_in import Bookmark
from dongne.model.errors import BadInput
from dongne.model.times import format_instant


def rows(file: Path, text: str, layout: Layout | None = None) -> list[Row]:
    file.write_text(text, encoding="utf-8")
    return list(read_rows(file, layout or Layout()))


def test_usual_column_names_are_found(tmp_path: Path) -> None:
    found = rows(tmp_path / "a.csv", "station,Time,Value\nx,2026-01-05T12:00:00+09:00,3.5\n")
    assert [(row.time, row.value, row.fault) for row in found] == [("2026-01-05T03:00:00Z", 3.5, "")]


def test_a_file_of_a_spreadsheet_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes("\ufefftime,value\r\n2026-01-05T12:00:00Z,1\r\n".encode())
    assert [row.value for row in read_rows(file, Layout())] == [1.0]


def test_json_lines_are_read_with_named_columns(tmp_path: Path) -> None:
    text = '{"measured_at": 1767600000, "level": 7}\n{"measured_at": 1767600000000, "level": 8}\n'
    found = rows(tmp_path / "a.jsonl", text, Layout("measured_at", "level"))
    assert [(row.time, row.value) for row in found] == [("2026-01-05T08:00:00Z", 7.0), ("2026-01-05T08:00:00Z", 8.0)]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("2026-01-05T12:00:00Z,", "value is '', which is no number"),
        ("2026-01-05T12:00:00Z,NaN", "value is 'NaN'; a measurement is finite"),
        ("2026-01-05T12:00:00,1", "--zone Asia/Seoul"),
        ("yesterday,1", "yesterday"),
    ],
)
def test_a_row_that_cannot_be_read_says_why_and_the_others_go_on(tmp_path: Path, line: str, fault: str) -> None:
    bad, good = rows(tmp_path / "a.csv", f"time,value\n{line}\n2026-01-05T12:00:00Z,2\n")
    assert bad.line == 2
    assert fault in bad.fault
    assert (good.value, good.fault) == (2.0, "")


def test_a_file_without_a_column_of_times_lists_its_columns(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--time: wann, wert"):
        rows(tmp_path / "a.csv", "wann,wert\n1,2\n")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"\.csv, \.jsonl, \.ndjson"):
        rows(tmp_path / "a.xlsx", "")


def test_local_times_follow_the_zone_over_the_change_of_clocks() -> None:
    zone = ZoneInfo("Europe/Helsinki")
    assert format_instant(read_instant("2026-07-01T12:00", zone)) == "2026-07-01T09:00:00Z"
    assert format_instant(read_instant("2026-01-01T12:00", zone)) == "2026-01-01T10:00:00Z"


def test_a_bookmark_is_of_one_file_and_one_datastream(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("time,value\n")
    Bookmark(tmp_path / "imports", file, 1).keep(3000)
    assert Bookmark(tmp_path / "imports", file, 1).rows() == 3000
    assert Bookmark(tmp_path / "imports", file, 2).rows() == 0
    file.write_text("time,value\n1,2\n")
    assert Bookmark(tmp_path / "imports", file, 1).rows() == 0
