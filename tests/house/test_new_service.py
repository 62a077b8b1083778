"""`dongne new-service`: whole at once, and nothing outside its folder changes."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dongne.commands.new_service import check_name
from dongne.model.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout, where a service may be made."""
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in ("src", "cities"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("pyproject.toml", "dev.py"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run(checkout: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [str(part) for part in command], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


def dongne(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(checkout, sys.executable, "-m", "dongne", *arguments)


def fingerprints(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("shape", ["service", "answer"])
def test_a_new_service_is_whole_and_changes_nothing_outside(checkout: Path, shape: str) -> None:
    before = fingerprints(checkout)
    made = dongne(checkout, "new-service", "lost_umbrellas", "--shape", shape)
    assert made.returncode == 0, made.stdout + made.stderr

    after = fingerprints(checkout)
    folder = "src/dongne/services/lost_umbrellas/"
    assert {file: digest for file, digest in after.items() if not file.startswith(folder)} == before

    checked = dongne(checkout, "check", "lost_umbrellas")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "0 failed" in checked.stdout

    tested = run(checkout, BIN / "pytest", "-q", "-p", "no:cacheprovider", folder)
    assert tested.returncode == 0, tested.stdout
    for check in (["check"], ["format", "--check"]):
        linted = run(checkout, BIN / "ruff", *check, "--no-cache", folder)
        assert linted.returncode == 0, linted.stdout
    imports = run(checkout, BIN / "lint-imports", "--no-cache")
    assert imports.returncode == 0, imports.stdout


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("Foo-Bar", "perhaps foo_bar"),
        ("9lives", "perhaps lives"),
        ("a" * 41, "up to 40"),
        ("class", "word of Python's own"),
        ("json", "would hide it"),
        ("numpy", "would hide it"),
        ("taken", "already"),
    ],
)
def test_a_name_that_will_not_do_is_refused_with_what_would(tmp_path: Path, name: str, remedy: str) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(BadInput, match=remedy):
        check_name(name, tmp_path)
