"""The command line: quick to answer, honest when something is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from dongne.adapters.places import get_city_folder
from dongne.cli import COMMANDS, build_parser, main
from dongne.commands.replay import parse_settings
from dongne.commands.server import Server, find_server
from dongne.commands.services import find_arrows
from dongne.model.errors import BadInput, BadSetup, RetryLater
from dongne.runtime.ports import ServiceStatus

LOADED = """
import sys
from dongne.cli import main
try:
    main(["--help"])
finally:
    print(*sys.modules)
"""
QUICK = {"dongne", "msgspec", "typing_extensions"}
SLOW = {"asyncio", "concurrent", "logging", "multiprocessing", "sqlite3", "unittest", "xml"}  # of Python's own


def test_help_answers_at_once() -> None:
    """It loads nothing heavy; that is what its time consists of, on a quick machine and on a slow one."""
    done = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    others = {
        name for name in loaded - set(sys.stdlib_module_names) if not name.startswith("_")
    }  # those are Python's start
    assert others == QUICK
    assert loaded & SLOW == set()


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"  dongne {command}" in capsys.readouterr().out


def test_what_a_person_can_mend_is_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--city", "atlantis"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("dongne run: there is no city 'atlantis'; cities: ")
    assert said.count("\n") == 1


def test_a_speed_out_of_range_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--speed", "0.5"]) == 2
    assert "--speed 0.5 is out of 1 to 1000" in capsys.readouterr().err


def test_a_city_is_found_by_name_and_by_path() -> None:
    folder = get_city_folder("helsinki")
    assert get_city_folder(str(folder)) == folder
    with pytest.raises(BadSetup, match="helsinki"):
        get_city_folder("nowhere")


def test_cities_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["city"]) == 0
    assert "Helsinki" in capsys.readouterr().out


def test_settings_to_try_are_read_by_service() -> None:
    assert parse_settings(["full_percent=70"], ["smart_bins"]) == {"smart_bins": {"full_percent": "70"}}
    both = ["a.x=1", "b.y=2"]
    assert parse_settings(both, ["a", "b"]) == {"a": {"x": "1"}, "b": {"y": "2"}}
    with pytest.raises(BadInput, match=r"SERVICE\.NAME=VALUE"):
        parse_settings(["x=1"], ["a", "b"])


def test_a_note_left_by_a_killed_server_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text('{"url": "http://127.0.0.1:9", "pid": 1}')
    assert find_server(tmp_path) is None


def test_a_server_that_is_not_there_says_how_to_start_it() -> None:
    with pytest.raises(RetryLater, match="start the city with `dongne run`"):
        Server("http://127.0.0.1:9").get("/")


def test_arrows_join_what_one_says_to_what_another_reads() -> None:
    def status(name: str, reads: tuple[str, ...], emits: tuple[str, ...]) -> ServiceStatus:
        return ServiceStatus(
            id=name, shape="service", area="", maturity="", reads=reads, emits=emits, keys=0, lag=0, parked=()
        )

    statuses = [status("one", ("x",), ("y",)), status("two", ("y",), ("alert",)), status("three", ("x",), ())]
    assert find_arrows(statuses) == [("one", "y", "two")]


def test_what_a_measurement_takes_is_its_own() -> None:
    """Also an option that `dongne` itself would understand."""
    arguments = build_parser().parse_args(["bench", "replay", "--help", "--seconds", "3"])
    assert (arguments.name, arguments.rest) == ("replay", ["--help", "--seconds", "3"])
