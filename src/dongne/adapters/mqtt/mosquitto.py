"""Mosquitto beside Dongne, with the settings it needs. docs/mqtt.md says why each is there."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from dongne.model.errors import BadSetup

MAX_INFLIGHT = 1_000
MAX_QUEUED_BYTES = 512 << 20
MAX_PACKET_BYTES = 16 << 20
_START_S = 10.0

_CONF = """\
listener {port} {host}
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages {inflight}
max_queued_messages 0
max_queued_bytes {queued_bytes}
max_packet_size {packet_bytes}
persistence true
persistence_location {folder}/
autosave_interval 60
sys_interval 5
"""
# Started as root it turns into the user "mosquitto", who may not write here: at its end it would lose all sessions.
_AS_ROOT = "user root\n"


def mosquitto_conf(folder: Path, port: int = 1883, host: str = "127.0.0.1") -> str:
    """The settings for a broker that devices on the same machine or a closed network reach. Beyond that it needs
    `allow_anonymous false`, a `password_file`, TLS and an `acl_file`: docs/mqtt.md. deploy/mosquitto.conf is this."""
    return _CONF.format(
        port=port, host=host, folder=folder, inflight=MAX_INFLIGHT, queued_bytes=MAX_QUEUED_BYTES,
        packet_bytes=MAX_PACKET_BYTES,
    )  # fmt: skip


def find_mosquitto() -> str | None:
    """The program, where it is installed."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


class Mosquitto:
    """A broker of one's own, with its sessions kept in a folder. `port` 0 takes a free one. Raises BadSetup."""

    def __init__(self, folder: Path, port: int = 0, host: str = "127.0.0.1", extra: str = "") -> None:
        program = find_mosquitto()
        if program is None:
            raise BadSetup("mosquitto is not installed; apt install mosquitto, or name a broker with its address")
        self._program, self.folder, self.host = program, folder, host
        self.port = port or free_port(host)
        folder.mkdir(parents=True, exist_ok=True)
        self._conf = folder / "mosquitto.conf"
        as_root = _AS_ROOT if os.geteuid() == 0 else ""
        self._conf.write_text(mosquitto_conf(folder, self.port, host) + as_root + extra, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process, 0 where it doesn't run."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Returns when it listens. Raises BadSetup with what it said where it doesn't."""
        said = self.folder / "mosquitto.log"
        with said.open("ab") as sink:
            self._process = subprocess.Popen([self._program, "-c", str(self._conf)], stdout=sink, stderr=sink)
        until_s = time.monotonic() + _START_S
        while time.monotonic() < until_s and self._process.poll() is None:
            try:
                socket.create_connection((self.host, self.port), 0.2).close()
                return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise BadSetup(f"mosquitto does not start: {said.read_text(errors='replace')[-400:]}")

    def stop(self, *, kill: bool = False) -> None:
        """Lets it keep its sessions and end; `kill` gives it no time for either."""
        if self._process is not None:
            if kill:
                self._process.kill()
            else:
                self._process.terminate()
            self._process.wait()
            self._process = None
