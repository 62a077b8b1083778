"""The floor: the same bytes appended to a file with fdatasync, no server, nothing else.

dongne bench floor [--bytes 600,3300,27000] [--seconds 3]
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from bench._running import SERVER_CORE, machine


def commits_per_s(folder: Path, size: int, seconds: float) -> tuple[float, float]:
    """How many appends of so many bytes a second are durable, and the median in ms."""
    block = os.urandom(size)
    taken = []
    file = os.open(folder / "floor", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        began_s = time.perf_counter()
        while (now_s := time.perf_counter()) - began_s < seconds:
            os.write(file, block)
            os.fdatasync(file)
            taken.append(time.perf_counter() - now_s)
    finally:
        os.close(file)
        (folder / "floor").unlink()
    return len(taken) / sum(taken), sorted(taken)[len(taken) // 2] * 1000


def main(arguments: list[str]) -> int:
    """Prints the floor for some sizes of commit."""
    parser = argparse.ArgumentParser(prog="dongne bench floor", description=__doc__)
    parser.add_argument("--bytes", default="600,3300,27000")
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args(arguments)
    os.sched_setaffinity(0, {SERVER_CORE})
    print(machine())
    with tempfile.TemporaryDirectory(prefix="dongne-bench-") as folder:
        for size in map(int, given.bytes.split(",")):
            per_s, median_ms = commits_per_s(Path(folder), size, given.seconds)
            print(f"{size:9,} B  {per_s:8,.0f} commits/s  p50 {median_ms:.2f} ms  {per_s * size / 1e6:7.1f} MB/s")
    return 0
