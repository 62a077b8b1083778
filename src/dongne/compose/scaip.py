"""SCAIP of a running city: what gateways say over SIP goes in by the door of its homes."""

import asyncio
import logging
import socket

from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.scaip import Door, ScaipConfig, ScaipServer, bind, parse_listen
from dongne.compose.opened import RunOptions
from dongne.compose.running import RunningCity
from dongne.model.errors import BadSetup
from dongne.model.home import GatewayMessage, GatewayReply
from dongne.standards.scaip.heartbeat import INTERVALS_S, parse_intervals

log = logging.getLogger("dongne")
Sockets = tuple[socket.socket, socket.socket]


def scaip_config(options: RunOptions) -> ScaipConfig | None:
    """Where gateways may connect, as the options say; None where nowhere. Raises BadSetup."""
    intervals_s = parse_intervals(options.scaip_intervals) if options.scaip_intervals else INTERVALS_S
    if options.scaip_listen == "off":
        return None
    host, port = parse_listen(options.scaip_listen)
    return ScaipConfig(host=host, port=port, intervals_s=intervals_s)


def bind_scaip(options: RunOptions) -> Sockets | None:
    """Sockets there, so that nothing is prepared in vain. Raises BadSetup where the address can't be had."""
    config = scaip_config(options)
    return None if config is None else bind(config)


def make_scaip(city: RunningCity, sockets: Sockets | None) -> ScaipServer | None:
    """The server at these sockets. Raises BadSetup where no service looks after homes."""
    config = scaip_config(city.options)
    if sockets is None or config is None:
        return None
    if city.homes is None:
        for one in sockets:
            one.close()
        raise BadSetup("--scaip-listen needs a service that looks after homes; the city has none, so leave it out")
    server = ScaipServer(config, door_of(city.homes.gateways), city.homes.clock.now_us, sockets)
    log.info("gateways of homes may speak SCAIP to sip:%s, over UDP and TCP", server.address)
    return server


def door_of(desk: GatewayDesk) -> Door:
    """The desk as a door. A message that nobody waits for any more is stored all the same."""

    async def door(message: GatewayMessage) -> GatewayReply:
        return await asyncio.wrap_future(desk.take(message))

    return door
