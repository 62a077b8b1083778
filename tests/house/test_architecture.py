"""The shape of the house: rooms, purity, and sizes that one can read."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src/dongne"
LINES_PER_FILE = 400
LINES_PER_FUNCTION = 60  # without its docstring
LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"  # `python -m importlinter.cli` would pass without looking


def list_files() -> list[Path]:
    return sorted(file for file in SOURCE.rglob("*.py") if not file.name.startswith("test_"))


@cache
def parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def list_functions(file: Path) -> Iterator[tuple[str, int]]:
    """Each function's name and its lines without the docstring."""
    for node in ast.walk(parse(file)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = node.body[0]
        is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        docstring_lines = (first.end_lineno or 0) - first.lineno + 1 if is_docstring else 0
        yield node.name, (node.end_lineno or 0) - node.lineno + 1 - docstring_lines


def test_no_file_is_longer_than_a_reader_holds_in_mind() -> None:
    long = {
        str(file.relative_to(ROOT)): lines
        for file in list_files()
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > LINES_PER_FILE
    }
    assert long == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{file.relative_to(ROOT)}: {name}": lines
        for file in list_files()
        for name, lines in list_functions(file)
        if lines > LINES_PER_FUNCTION
    }
    assert long == {}


def test_no_module_is_a_drawer_for_anything() -> None:
    drawers = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}
    assert [str(file.relative_to(ROOT)) for file in list_files() if file.name in drawers] == []


def test_every_module_says_what_it_is() -> None:
    silent = [str(f.relative_to(ROOT)) for f in list_files() if not ast.get_docstring(parse(f))]
    assert silent == []


def test_every_service_folder_is_a_package() -> None:
    """A folder without __init__.py would be passed over by the import rules."""
    folders = [manifest.parent for manifest in (SOURCE / "services").glob("*/service.toml")]
    assert folders
    assert [folder.name for folder in folders if not (folder / "__init__.py").exists()] == []


def lint_imports(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin", "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def copied_house(tmp_path: Path) -> Path:
    """The code and its rules in a folder where violations may be planted."""
    shutil.copytree(SOURCE, tmp_path / "src/dongne", ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def plant(house: Path, file: str, line: str) -> None:
    target = house / "src/dongne" / file
    target.parent.mkdir(parents=True, exist_ok=True)
    if not (target.parent / "__init__.py").exists():
        (target.parent / "__init__.py").write_text("")
    target.write_text((target.read_text() if target.exists() else "") + f"\n{line}\n")


def test_planted_violations_of_every_import_rule_are_caught(copied_house: Path) -> None:
    """One run over a house with one violation of each rule, so that no rule can pass without looking."""
    plant(copied_house, "model/clock.py", "import time")
    plant(copied_house, "runtime/dice.py", "import random")
    plant(copied_house, "methods/above.py", "import dongne.services")
    plant(copied_house, "services/one/service.py", "import dongne.services.two.service")
    plant(copied_house, "services/two/service.py", "import socket")
    plant(copied_house, "web/direct.py", "import dongne.stores.embedded")
    code, said = lint_imports(copied_house)
    assert code == 1
    assert said.count("BROKEN") == 5, said
    for planted in ("model.clock -> time", "runtime.dice -> random", "services.two.service -> socket"):
        assert planted in said


def test_a_room_that_has_no_place_is_caught(copied_house: Path) -> None:
    plant(copied_house, "attic/box.py", "import os")
    code, said = lint_imports(copied_house)
    assert code == 1
    assert "attic" in said


def test_a_clock_in_the_domain_is_caught(tmp_path: Path) -> None:
    """`from datetime import datetime` is no forbidden import; the linter forbids its clock."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    file = tmp_path / "src/dongne/services/late/service.py"
    file.parent.mkdir(parents=True)
    file.write_text('"""Late."""\n\nfrom datetime import UTC, datetime\n\nNOW = datetime.now(UTC)\n')
    ruff = Path(sys.executable).parent / "ruff"
    done = subprocess.run(
        [ruff, "check", "--no-cache", "src"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "TID251" in done.stdout
