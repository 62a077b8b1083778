"""Where the broker is and how much may wait."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dongne.adapters.mqtt.wire import V5
from dongne.model.errors import BadSetup

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True)
class MqttConfig:
    """How Dongne talks to its broker.

    `client_id` names the lasting session at the broker: one for each city, never two processes with the same. `root` is
    the version prefix of the SensorThings topics, `short` the first word of the short form. `receive_maximum`
    messages may wait for their acknowledgement (MQTT 5; with 3.1.1 the broker's max_inflight_messages says it); beyond
    `max_waiting_bytes` nothing more is read. The session outlives a loss of connection by `session_expiry_s`. A Task
    older than `task_age_s` is no longer sent. `told_file` keeps what the broker may retain, see told.py.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    client_id: str = "dongne"
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    protocol: int = V5
    root: str = "v1.1"
    short: str = "dongne"
    keepalive_s: int = 30
    connect_timeout_s: float = 5.0
    retry_min_s: float = 0.5
    retry_max_s: float = 30.0
    session_expiry_s: int = 7 * 86_400
    receive_maximum: int = 1_000
    max_body_bytes: int = 1 << 20
    max_waiting_bytes: int = 64 << 20
    errors_per_s: int = 50
    task_age_s: float = 3_600.0
    publish_per_s: int = 1_000  # of what happens in the city, 0 for none; see broadcast.py
    told_file: Path | None = None
    measure: bool = True  # asks the broker at the start what can be asked, see checks.py

    @property
    def broker(self) -> str:
        """Where it is, without a password."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    @property
    def errors_topic(self) -> str:
        """What is refused is said below this topic."""
        return f"{self.root}/errors"


def parse_address(address: str, client_id: str = "dongne", protocol: int = V5) -> MqttConfig:
    """The configuration of "mqtt://user:password@host:1883", or mqtts:// with TLS. Raises BadSetup."""
    try:
        parts = urlsplit(address if "//" in address else f"mqtt://{address}")
        port = parts.port
    except ValueError as error:
        raise BadSetup(f"{address!r} is not the address of a broker: {error}") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise BadSetup(f"{address!r} is not the address of a broker; write it like mqtt://127.0.0.1:1883")
    return MqttConfig(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        client_id=client_id,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=parts.scheme == "mqtts",
        protocol=protocol,
    )
