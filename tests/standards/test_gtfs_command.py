"""`dongne gtfs check`: the report on paper and for programs."""

import json
from pathlib import Path

import pytest
from tests.standards.little_gtfs import LITTLE, change, zip_of

from dongne.cli import main


def check(folder: Path, body: bytes, *options: str) -> int:
    (folder / "feed.zip").write_bytes(body)
    return main(["gtfs", "check", str(folder / "feed.zip"), *options])


def test_a_right_feed_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, zip_of(LITTLE)) == 0
    assert "2026-10-01 .. 2026-12-31, Europe/Helsinki" in capsys.readouterr().out


def test_what_was_left_out_is_told_with_its_line_and_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = change(stop_times=LITTLE["stop_times.txt"] + "E1,08:20:00,08:20:00,NOWHERE,9\n")
    assert check(tmp_path, body) == 1
    said = capsys.readouterr().out
    assert "stop_times.txt:13  stop_id = 'NOWHERE' is not in stops.txt" in said
    assert "-> Add it to stops.txt" in said
    check(tmp_path, body, "--language", "ko")
    assert "stop_id = 'NOWHERE'가 stops.txt에 없거나" in capsys.readouterr().out


def test_programs_get_every_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = "".join(f"E1,08:20:00,08:20:00,NOWHERE{n},{n}\n" for n in range(9, 19))
    assert check(tmp_path, change(stop_times=LITTLE["stop_times.txt"] + wrong), "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["usable"], said["counts"], len(said["faults"])) == (
        True,
        {"fatal": 0, "dropped": 10, "warning": 0},
        10,
    )
    assert said["faults"][0] | {"message": "", "remedy": ""} == {
        "rule": "reference_unknown", "severity": "dropped", "file": "stop_times.txt", "line": 13, "column": "stop_id",
        "value": "NOWHERE9", "message": "", "remedy": "", "reference": "Field Types",
    }  # fmt: skip


def test_a_file_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gtfs", "check", str(tmp_path / "none.zip")]) == 2
    assert "give a GTFS zip" in capsys.readouterr().err
