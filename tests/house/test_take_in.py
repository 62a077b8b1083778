"""`dongne import` into a city that does not run. Tables are tested in tests/adapters, the way through a running city in test_running."""

from pathlib import Path

import pytest

from dongne.cli import main


def test_a_table_goes_into_a_city_that_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command; a second time it changes nothing."""
    file = tmp_path / "weather.csv"
    file.write_text("time;station;temperature (°C)\n2026-11-01 00:00;roof;4,5\n".replace("4,5", "4.5"))
    command = ["import", str(file), "--zone", "Asia/Seoul", "--folder", str(tmp_path / "data")]
    assert main(command) == 0
    assert "roof (new Thing): temperature [°C]" in capsys.readouterr().out
    assert main(command) == 0
    assert "0 observations were stored; 1 were there already" in capsys.readouterr().out


def test_one_datastream_needs_a_running_city(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rain.csv"
    file.write_text("time,value\n2026-11-01T00:00:00Z,1\n")
    assert main(["import", str(file), "--datastream", "1", "--folder", str(tmp_path / "data")]) == 2
    assert "start it with `dongne run`" in capsys.readouterr().err
