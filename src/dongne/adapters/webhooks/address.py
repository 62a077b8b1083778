"""Where a webhook may send to: the internet over https; this machine and its network only where that is allowed, so that
nobody makes the city ask what only the city can reach (Standard Webhooks, "Server side request forgery")."""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from dongne.model.errors import BadInput

LONGEST_URL = 1_000
WEBHOOKS = "webhooks go there only where the city is started with --webhooks anywhere"
_PORTS = {"https": 443, "http": 80}


class Target(NamedTuple):
    """A URL in parts; `netloc` is host and port as they are written there."""

    scheme: str
    host: str
    port: int
    netloc: str
    path: str


def read_url(url: str, *, inside: bool, permit: str = WEBHOOKS) -> Target:
    """The parts. Raises BadInput for what is never sent to; names are looked up at each delivery. `permit` says what would
    allow an address inside."""
    if len(url) > LONGEST_URL or not url.isascii() or any(character <= " " for character in url):
        raise BadInput(f"the url must be plain ASCII without blanks, at most {LONGEST_URL} characters", reason="url")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise BadInput(f"{url[:80]!r} is no url", reason="url") from None
    if parts.scheme != "https" and not (inside and parts.scheme == "http"):
        more = "" if inside else f" (as for http, {permit})"
        raise BadInput(f"{url[:80]!r}: a webhook goes to https://...{more}", reason="url")
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        raise BadInput(f"{url[:80]!r}: a url is https://host/path, without a user and without #...", reason="url")
    netloc = parts.netloc
    found = Target(parts.scheme, host, port or _PORTS[parts.scheme], netloc, parts.path or "/")
    try:
        literal = ip_address(host)
    except ValueError:
        if host == "localhost" and not inside:
            raise _refused(host, permit) from None
    else:
        check_address(literal, inside=inside, permit=permit)
    return found._replace(path=found.path + (f"?{parts.query}" if parts.query else ""))


def check_address(address: IPv4Address | IPv6Address, *, inside: bool, permit: str = WEBHOOKS) -> None:
    """Raises BadInput for an address nobody may send to: never link-local ones (where clouds keep their keys)."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or _translated(address)
        if inner is not None:
            address = inner
    if address.is_link_local or address.is_multicast or address.is_unspecified or _is_old(address):
        raise _refused(str(address), permit)
    if not address.is_global and not (inside and (address.is_private or address.is_loopback)):
        raise _refused(str(address), permit)


def _is_old(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is of ::/96, where IPv4 addresses once lay in IPv6 (RFC 4291, 2.5.5.1); ::1 is this machine."""
    return isinstance(address, IPv6Address) and 1 < int(address) < 1 << 32


def _translated(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address behind one of NAT64 (RFC 6052, 64:ff9b::/96)."""
    return IPv4Address(int(address) & 0xFFFFFFFF) if int(address) >> 32 == 0x64FF9B << 64 else None


def _refused(shown: str, permit: str) -> BadInput:
    return BadInput(f"{shown} is inside this machine or its network; {permit}", reason="url")


async def find_address(target: Target, *, inside: bool, permit: str = WEBHOOKS) -> str:
    """An address of the host, all of whose addresses may be sent to; whoever sends connects to this one, so that the name
    can't mean another a moment later. Raises BadInput, OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        check_address(ip_address(address.partition("%")[0]), inside=inside, permit=permit)
    if not addresses:
        raise OSError(f"{target.host} has no address")
    return addresses[0]
