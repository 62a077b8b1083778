"""UDP and TCP: bytes come in as whole messages, each with the link by which its sender is reached."""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from dongne.adapters.scaip.config import ScaipConfig
from dongne.adapters.scaip.status import ScaipStatus
from dongne.standards.scaip.framing import Framer
from dongne.standards.scaip.sip import SipError

Address = tuple[str, int]


class Link(Protocol):
    """The way back to a sender: over TCP always the same connection."""

    @property
    def source(self) -> Address:
        """Where the message came from."""

    @property
    def is_reliable(self) -> bool:
        """What is sent arrives, or the link ends: nothing is sent twice."""

    def send(self, data: bytes, to: Address) -> None:
        """Sends, or does nothing where the link has ended."""


Heard = Callable[[bytes | SipError, Link], None]


class Datagrams(asyncio.DatagramProtocol):
    """What comes over UDP."""

    def __init__(self, heard: Heard, status: ScaipStatus) -> None:
        self._heard, self._status = heard, status
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One message, or a sign of life that holds nothing (RFC 5626; some send zeros)."""
        if not data.strip(b"\r\n\0"):
            self._status.pings += 1
            return
        self._heard(data, _Datagram(self, addr[:2]))

    def error_received(self, exc: Exception) -> None:
        """The machine says that somebody could not be reached; whoever sent is heard again or not."""


class _Datagram:
    is_reliable = False

    def __init__(self, protocol: Datagrams, source: Address) -> None:
        self._protocol, self.source = protocol, source

    def send(self, data: bytes, to: Address) -> None:
        transport = self._protocol.transport
        if transport is not None and not transport.is_closing():
            transport.sendto(data, to)


class Connection(asyncio.Protocol):
    """One gateway over TCP, until it goes, stops reading, or sends what can't be cut into messages."""

    is_reliable = True

    def __init__(self, heard: Heard, status: ScaipStatus, config: ScaipConfig, all_open: set["Connection"]) -> None:
        self._heard, self._status, self._config, self._all_open = heard, status, config, all_open
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._late: asyncio.TimerHandle | None = None
        self.source: Address = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connected."""
        self._transport = cast(asyncio.Transport, transport)
        self.source = (transport.get_extra_info("peername") or ("", 0))[:2]
        if len(self._all_open) >= self._config.most_connections:
            self._status.turned_away += 1
            self._transport.abort()
            return
        self._all_open.add(self)
        self._status.connections = len(self._all_open)

    def connection_lost(self, exc: Exception | None) -> None:
        """They went, or were sent away."""
        self._wait_no_more()
        self._all_open.discard(self)
        self._status.connections = len(self._all_open)

    def data_received(self, data: bytes) -> None:
        """More of the stream."""
        assert self._transport is not None
        if self._transport.is_closing():
            return
        self._framer.feed(data)
        try:
            while (message := self._framer.take()) is not None:
                self._wait_no_more()
                self._heard(message, self)
        except SipError as error:
            self._heard(error, self)
            self._transport.close()  # where the next message begins is not known any more
            return
        self._status.pings += self._framer.pings
        self._transport.write(b"\r\n" * self._framer.pings)
        self._framer.pings = 0
        if self._framer.is_between:
            self._wait_no_more()
        elif self._late is None:
            self._late = asyncio.get_running_loop().call_later(self._config.part_s, self.break_off)

    def send(self, data: bytes, to: Address) -> None:
        """Sends; who does not read is sent away."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._config.most_unsent_bytes:
            self.break_off()

    def break_off(self) -> None:
        """Ends the connection at once."""
        self._status.broken_off += 1
        self.close()

    def close(self) -> None:
        """Ends the connection at once, uncounted."""
        if self._transport is not None:
            self._transport.abort()

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
