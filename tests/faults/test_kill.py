"""kill -9 at random moments: a sample at every run, many with `-m full`. `kill.py` is also a command."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("kill.py")


def kill(kills: int, seed: int, folder: Path, timeout_s: float) -> None:
    command = [sys.executable, str(SCRIPT), "--kills", str(kills), "--seed", str(seed), "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"seed {seed}\n{done.stdout}\n{done.stderr[-3000:]}"
    assert f"{kills} kills, nothing lost, nothing doubled" in done.stdout


def test_nothing_acknowledged_is_lost_and_nothing_emitted_twice_by_kills(tmp_path: Path) -> None:
    kill(3, 11, tmp_path, 120)


@pytest.mark.full
def test_nothing_acknowledged_is_lost_and_nothing_emitted_twice_by_many_kills(tmp_path: Path) -> None:
    kill(60, random.randrange(10**6), tmp_path, 1200)
