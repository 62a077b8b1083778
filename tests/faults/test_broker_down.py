"""The broker is away as people need help; a short while at every run, ten minutes with `-m full`. `broker_down.py` is also a command."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("broker_down.py")


def take_away(down_s: float, gateways: int, folder: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--down-s", str(down_s), "--gateways", str(gateways)]
    command += ["--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=down_s + 300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert f"no alarm of {gateways} lost, each told once" in done.stdout


def test_what_gateways_say_while_the_broker_is_away_comes_to_119_when_it_is_back(
    mosquitto: str, tmp_path: Path
) -> None:
    take_away(2.0, 8, tmp_path)


@pytest.mark.full
def test_ten_minutes_without_a_broker_lose_no_alarm(mosquitto: str, tmp_path: Path) -> None:
    take_away(600.0, 40, tmp_path)
