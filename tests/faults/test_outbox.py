"""No alarm is lost between a gateway and 119, whenever the process is killed and whatever the channels do; a sample at every run,
many with `-m full`. `outbox_kill.py` is also a command."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("outbox_kill.py")


def kill(kills: int, seed: int, folder: Path, timeout_s: float, faults: str) -> None:
    command = [sys.executable, str(SCRIPT), "--kills", str(kills), "--seed", str(seed), "--folder", str(folder)]
    command += ["--faults", faults]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"seed {seed}\n{done.stdout}\n{done.stderr[-3000:]}"
    assert f"{kills} kills, no alarm lost" in done.stdout


def test_no_alarm_is_lost_by_kills_and_only_what_a_kill_broke_off_arrives_twice(tmp_path: Path) -> None:
    kill(2, 21, tmp_path, 300, "none")


@pytest.mark.full
def test_no_alarm_is_lost_by_kills_while_desks_fail_hang_and_lose_answers(tmp_path: Path) -> None:
    kill(3, 22, tmp_path, 300, "channels")


@pytest.mark.full
@pytest.mark.parametrize("faults", ["none", "channels"])
def test_no_alarm_is_lost_by_many_kills(tmp_path: Path, faults: str) -> None:
    kill(200, random.randrange(10**6), tmp_path, 3600, faults)
