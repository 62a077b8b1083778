"""Where gateways connect, and how much may be held for them."""

import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from dongne.model.errors import BadSetup
from dongne.model.home import GatewayMessage, GatewayReply
from dongne.standards.scaip.heartbeat import INTERVALS_S
from dongne.standards.scaip.sip import DEFAULT_PORT
from dongne.standards.scaip.transaction import T1_S

Door = Callable[[GatewayMessage], Awaitable[GatewayReply]]  # the reply comes after the commit
UDP_BUFFER_BYTES = 4 << 20


@dataclass(frozen=True)
class ScaipConfig:
    """How the server listens. `t1_s` is the estimate of a round trip, of which RFC 3261 makes all other times."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT  # 0: any free one
    intervals_s: Mapping[str, float] = field(default_factory=lambda: INTERVALS_S)  # what hbi stands for
    t1_s: float = T1_S
    door_s: float = 8.0  # so long the door may take; then the gateway is told to come again
    again_s: float = 600.0  # so long a message with the same reference and text is the same message
    part_s: float = 30.0  # so long the rest of a message over TCP may take
    retry_after_s: int = 5  # what is said with 503
    most_in_flight: int = 2_000  # messages at the door
    most_transactions: int = 40_000  # answers kept for retransmissions, and answers under way
    most_known: int = 200_000  # messages known again by their reference, and gateways with their last number
    most_connections: int = 2_000
    most_unsent_bytes: int = 256 << 10  # of a TCP connection that does not read

    @property
    def life_s(self) -> float:
        """So long a request may be sent again (RFC 3261, timers F and J)."""
        return 64 * self.t1_s


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of "127.0.0.1:5060", "[::1]:5060" or ":5060" (any address). Raises BadSetup."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise BadSetup(f"--scaip-listen {text!r} is no address to listen at; write it like 127.0.0.1:{DEFAULT_PORT}")
    return host.strip("[]") or "0.0.0.0", int(port)


def bind(config: ScaipConfig) -> tuple[socket.socket, socket.socket]:
    """Sockets for UDP and TCP at the same port. Raises BadSetup saying who may have it."""
    for attempt in range(10):
        udp = _socket(config.host, socket.SOCK_DGRAM)
        tcp = _socket(config.host, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tcp.bind((config.host, config.port))
            udp.bind((config.host, tcp.getsockname()[1]))
            return udp, tcp
        except OSError as error:
            udp.close()
            tcp.close()
            if config.port or attempt == 9:  # with any free port, the one of TCP may be taken over UDP
                where = f"{config.host}:{config.port}"
                raise BadSetup(
                    f"can't listen for SCAIP at {where}: {error.strerror}; choose another with --scaip-listen, or off"
                ) from error
    raise AssertionError


def _socket(host: str, kind: socket.SocketKind) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    made.setblocking(False)
    if kind == socket.SOCK_DGRAM:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER_BYTES)
    return made
