"""dev.py and the lock files: what a stranger's first minute depends on."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
LARGEST_KB = 900


@pytest.fixture(scope="module")
def dev() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_files_pin_every_package_by_hash_and_name_no_host(lock: Path) -> None:
    text = lock.read_text("utf-8")
    assert "://" not in text
    assert "--index" not in text
    packages = [line for line in text.splitlines() if line[:1].isalnum()]
    assert packages
    assert [line for line in packages if not re.match(r"[\w.-]+(\[[\w,]+\])?==\S+( ; .*)? \\$", line)] == []
    assert all("--hash=sha256:" in part for part in re.split(r"\n(?=\w)", text.partition("\n" + packages[0])[2]))


def test_run_and_test_install_the_same_versions() -> None:
    def versions(name: str) -> set[str]:
        return set(re.findall(r"^([\w.-]+==[^\s;]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE))

    assert versions("requirements.lock") <= versions("requirements-dev.lock")


def test_an_older_python_reads_far_enough_to_say_so(dev: ModuleType) -> None:
    """The script is valid for Python 3.8, and says which one is needed."""
    ast.parse((ROOT / "dev.py").read_text("utf-8"), feature_version=(3, 8))
    assert "Python 3.11 or newer is needed" in dev.too_old()


def test_dev_needs_nothing_but_the_standard_library() -> None:
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse((ROOT / "dev.py").read_text("utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= set(sys.stdlib_module_names)


def test_a_python_without_venv_is_told_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "ensurepip.py").write_text("raise ImportError")
    (tmp_path / "checkout").mkdir()
    for name in ("dev.py", *(lock.name for lock in LOCKS)):
        (tmp_path / "checkout" / name).write_bytes((ROOT / name).read_bytes())
    done = subprocess.run(
        [sys.executable, "dev.py", "run"],
        cwd=tmp_path / "checkout",
        env={"PATH": str(tmp_path), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "sudo apt-get install python3-venv" in done.stderr


def test_what_cannot_be_reached_is_said_with_a_remedy(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    says = "import sys; print('NewConnectionError: refused'); sys.exit(1)"
    with pytest.raises(dev.SetupError, match="HTTPS_PROXY"):
        dev.work("packages", [sys.executable, "-c", says])
    assert "NewConnectionError: refused" in capsys.readouterr().err


def test_a_changed_lock_file_is_noticed(dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    (tmp_path / "dev.py").write_text("")
    (tmp_path / "a.lock").write_text("one")
    before = dev.fingerprint("a.lock")
    assert dev.fingerprint("a.lock") == before
    (tmp_path / "a.lock").write_text("two")
    assert dev.fingerprint("a.lock") != before


def test_no_large_file_is_committed() -> None:
    """Data and what others made are installed, not committed."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / os.fsdecode(name) for name in listed.split(b"\0") if name]
    assert [str(file) for file in files if file.is_file() and file.stat().st_size > LARGEST_KB * 1024] == []
