"""Where clients connect, and how much they may ask for."""

import socket
from dataclasses import dataclass
from pathlib import Path

from dongne.model.errors import BadSetup

DEFAULT_PORT = 1884


@dataclass(frozen=True)
class ListenConfig:
    """How Dongne answers MQTT clients itself. `service_root` is the address of the SensorThings service, for the links
    in entities; `file` keeps sessions that last, over a restart; `root` and `short` are the first words of topics, as in MqttConfig."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT  # 0: any free one
    service_root: str = "http://127.0.0.1:8000/v1.1"
    root: str = "v1.1"
    short: str = "dongne"
    most_connections: int = 500
    most_sessions: int = 2_000  # with those that are away
    most_subscriptions: int = 500  # of one client
    most_bytes: int = 1 << 20  # of a packet
    receive_maximum: int = 1_000
    longest_expiry_s: int = 7 * 86_400
    most_behind: int = 1_000_000  # numbers, of a session that does not outlive its connection
    check_every_s: float = 1.0
    check_tokens_every_s: float = 5.0
    flush_every_s: float = 0.1
    file: Path | None = None

    @property
    def address(self) -> str:
        """host:port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of "127.0.0.1:1884", "[::1]:1884" or ":1884" (any address). Raises BadSetup."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:
        raise BadSetup(f"{text!r} is no address to listen at; write it like 127.0.0.1:{DEFAULT_PORT}")
    return host.strip("[]") or "0.0.0.0", int(port)


def bind(config: ListenConfig) -> socket.socket:
    """A socket at the address. Raises BadSetup saying who may have it."""
    listener = socket.socket(socket.AF_INET6 if ":" in config.host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
    except OSError as error:
        listener.close()
        raise BadSetup(
            f"can't listen for MQTT at {config.address}: {error.strerror}; choose another with --mqtt-listen, or off"
        ) from error
    return listener
