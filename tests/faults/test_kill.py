"""kill -9 at random moments: a sample at every run, many with `-m full`. `kill.py` is also a command."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("kill.py")


SERVICES = f"{Path(__file__).with_name('services.py')}:RunningServices"


SEALED = f"{Path(__file__).with_name('sealed.py')}:SealedHomes"


def kill(kills: int, seed: int, folder: Path, timeout_s: float, workload: str = "") -> None:
    command = [sys.executable, str(SCRIPT), "--kills", str(kills), "--seed", str(seed), "--folder", str(folder)]
    command += ["--workload", workload]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"seed {seed}\n{done.stdout}\n{done.stderr[-3000:]}"
    assert f"{kills} kills, nothing lost, nothing doubled" in done.stdout


def test_nothing_acknowledged_is_lost_and_nothing_emitted_twice_by_kills(tmp_path: Path) -> None:
    kill(3, 11, tmp_path, 120)


def test_the_check_notices_a_reader_that_stores_emissions_and_position_apart(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--kills", "30", "--seed", "5", "--folder", str(tmp_path)]
    workload = ["--workload", f"{SCRIPT}:Careless"]
    done = subprocess.run([*command, *workload], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stdout
    assert "was derived" in done.stdout


@pytest.mark.full
def test_nothing_acknowledged_is_lost_and_nothing_emitted_twice_by_many_kills(tmp_path: Path) -> None:
    kill(60, random.randrange(10**6), tmp_path, 1200)


def test_running_services_emit_what_a_run_without_kills_emits(tmp_path: Path) -> None:
    kill(3, 12, tmp_path, 120, SERVICES)


@pytest.mark.full
def test_running_services_emit_what_a_run_without_many_kills_emits(tmp_path: Path) -> None:
    kill(60, random.randrange(10**6), tmp_path, 1800, SERVICES)


def test_homes_lose_nothing_acknowledged_and_their_chain_holds_after_kills(tmp_path: Path) -> None:
    kill(3, 13, tmp_path, 120, SEALED)


@pytest.mark.full
def test_homes_lose_nothing_acknowledged_and_their_chain_holds_after_many_kills(tmp_path: Path) -> None:
    kill(60, random.randrange(10**6), tmp_path, 1800, SEALED)
