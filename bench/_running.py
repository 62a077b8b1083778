"""The server of a measurement in a process of its own, pinned to one core, and what it says of itself."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

SERVER_CORE, CLIENT_CORE = 0, 1


class Running:
    """`bench/_server.py`, started; use it with `with`."""

    def __init__(
        self,
        folder: Path,
        *,
        datastreams: int,
        rows: int = 0,
        days: float = 30.0,
        seed: int = 1,
        core: int = SERVER_CORE,
        broker_port: int = 0,
        log: Path | None = None,
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = [
            sys.executable, "-m", "bench._server", "--folder", str(folder), "--port", str(self.port),
            "--core", str(core), "--datastreams", str(datastreams), "--rows", str(rows), "--days", str(days),
            "--seed", str(seed), "--broker-port", str(broker_port),
        ]  # fmt: skip
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Running":
        with ExitStack() as opened:
            said = None if self._log is None else opened.enter_context(self._log.open("wb"))
            self._process = subprocess.Popen(self._arguments, cwd=Path(__file__).parent.parent, stderr=said)
        until_s = time.monotonic() + 600
        while True:
            try:
                self.status()
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > until_s:
                    raise RuntimeError("the server of the measurement did not start") from None
                time.sleep(0.1)

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                raise

    def get(self, path: str, timeout_s: float = 120.0) -> Any:
        """A document of the server."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=timeout_s) as answer:
            return json.load(answer)

    def status(self) -> Any:
        """Its /status."""
        return self.get("/status", 2.0)

    def cpu_s(self) -> float:
        """CPU seconds it has used."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self) -> float:
        """The most memory it has had."""
        return self._memory_mib("VmHWM:")

    def now_mib(self) -> float:
        """The memory it has."""
        return self._memory_mib("VmRSS:")

    def _memory_mib(self, which: str) -> float:
        assert self._process is not None
        return memory_mib(self._process.pid, which)

    def count(self) -> int:
        """How many Observations its history has, asked as any client would."""
        return int(self.get("/v1.1/Observations?$count=true&$top=0")["@iot.count"])


def memory_mib(pid: int, which: str) -> float:
    """Memory of a process: VmHWM: the most it has had, VmRSS: what it has."""
    return int(Path(f"/proc/{pid}/status").read_text().partition(which)[2].split()[0]) / 1024


def machine() -> str:
    """What the figures were taken on, and how busy it was."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "?",
    )
    return f"{os.cpu_count()} x {model}, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}"
