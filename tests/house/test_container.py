"""The container file read as an engine reads it: what it copies is there, what it starts is understood, nothing runs as root."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from dongne.adapters.places import get_city_folder
from dongne.cli import build_parser

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "deploy/Containerfile").read_text(encoding="utf-8")
STEPS = [
    (words[0], words[1])
    for line in TEXT.replace("\\\n", " ").splitlines()
    if line and not line.startswith("#") and (words := line.split(maxsplit=1))
]


def of(step: str) -> list[str]:
    return [rest for name, rest in STEPS if name == step]


def test_what_is_copied_is_there_and_kept_in_the_repository() -> None:
    sources = [name for rest in of("COPY") if not rest.startswith("--from") for name in rest.split()[:-1]]
    assert sources and all((ROOT / name).exists() for name in sources)
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    for name in sources:
        kept = subprocess.run(
            ["git", "ls-files", "--", name], cwd=ROOT, capture_output=True, check=True, text=True
        ).stdout
        assert kept, f"{name} is not in the repository"


def test_all_that_setting_up_reads_is_copied() -> None:
    copied = {name for rest in of("COPY") for name in rest.split()}
    said = set(
        re.findall(
            r'"((?:requirements(?:-data|-node)?\.lock|package(?:-lock)?\.json|pyproject\.toml))"',
            (ROOT / "dev.py").read_text("utf-8"),
        )
    )
    assert said - {"requirements-dev.lock"} <= copied
    (run,) = [rest for rest in of("RUN") if "dev.py" in rest]
    assert run in (ROOT / "docs/running.md").read_text("utf-8"), "the pages name the same command"


def test_it_starts_what_the_command_line_understands_beyond_the_machine_and_into_its_volume() -> None:
    assert json.loads(of("ENTRYPOINT")[0]) == [".venv/bin/dongne"]
    given = build_parser().parse_args(json.loads(of("CMD")[0]))
    assert given.host == "0.0.0.0" and str(given.port) == of("EXPOSE")[0]
    assert given.folder.is_relative_to(of("VOLUME")[0])
    assert get_city_folder(given.city).is_relative_to(ROOT / "cities")


def test_nothing_runs_as_root_and_no_other_host_than_the_base_images_is_named() -> None:
    last = TEXT[TEXT.rindex("\nFROM") :]
    user = re.search(r"^USER (\d+)$", last, re.MULTILINE)
    assert user and int(user[1]) > 0 and f"--uid {user[1]}" in last
    assert not re.findall(r"https?://(?!127\.0\.0\.1)", TEXT)
    assert {image.split()[0] for image in of("FROM")} == {"python:3.12-slim"}


def test_the_health_check_asks_the_port_that_is_served() -> None:
    command = json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2])
    compile(command[2], "health check", "exec")
    assert f"127.0.0.1:{of('EXPOSE')[0]}/status" in command[2]
