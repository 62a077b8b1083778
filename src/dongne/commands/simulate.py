"""Simulators of what a bench doesn't have. They stand at this machine, say that they are simulated, and behave as they are told.

examples:
  dongne simulate channels                     mail, short messages, push, messenger, telephone, speaker, and a page of
                                               what they got on http://127.0.0.1:8090
  dongne simulate channels --port-base 9000    the page and all HTTP at 9000, mail at 9001
  dongne simulate 119                          a control centre: alarms it has taken, and buttons to answer them, on
                                               http://127.0.0.1:8119
  curl -d '{"mode": "hang"}' http://127.0.0.1:8090/sms/behaviour
  dongne simulate scaip-gateway --to 127.0.0.1:5060 --cid 26317
                                               a home's gateway that speaks SCAIP: heartbeats until it is stopped
  dongne simulate scaip-gateway --cid 26317 --alarm 0023:0009@smoke-1 --beats 0
                                               one smoke alarm, and what the city answered
"""

import argparse
import signal
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dongne.model.errors import BadInput, RetryLater

if TYPE_CHECKING:
    from dongne.lab.simulators.scaip_gateway import ScaipGateway
    from dongne.standards.scaip.message import Mrs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne simulate` takes."""
    simulators = parser.add_subparsers(dest="simulator", metavar="SIMULATOR", required=True)
    channels = simulators.add_parser("channels", help="every channel to people; docs/channels.md")
    channels.add_argument(
        "--host", default="127.0.0.1", help="the address to listen at (%(default)s: this machine only)"
    )
    channels.add_argument(
        "--port-base", type=int, default=8090, metavar="PORT",
        help="the port of the page and of all HTTP; mail is at the one behind it; 0 takes any free ones (%(default)s)",
    )  # fmt: skip
    channels.set_defaults(simulate=_channels)
    dispatch = simulators.add_parser("119", help="a control centre that takes alarms; docs/dispatch.md")
    dispatch.add_argument(
        "--host", default="127.0.0.1", help="the address to listen at (%(default)s: this machine only)"
    )
    dispatch.add_argument("--port", type=int, default=8119, help="0 takes any free one (%(default)s)")
    dispatch.set_defaults(simulate=_dispatch)
    gateway = simulators.add_parser("scaip-gateway", help="a home's gateway that speaks SCAIP; docs/scaip.md")
    gateway.add_argument(
        "--to", default="127.0.0.1:5060", metavar="HOST:PORT", help="where the city hears SCAIP (%(default)s)"
    )
    gateway.add_argument("--cid", default="26317", help="the gateway, as its home names it (%(default)s)")
    gateway.add_argument("--transport", choices=("udp", "tcp"), default="udp", help="(%(default)s)")
    gateway.add_argument(
        "--alarm", action="append", default=[], metavar="TYPE:STATUS@DEVICE/PLACE",
        help="raised at the start, by its codes: 0023:0009@smoke-1/021 is smoke in the kitchen; may be given more than once",
    )  # fmt: skip
    gateway.add_argument(
        "--beats", type=int, metavar="N", help="so many heartbeats, and then it ends (without it: for ever)"
    )
    gateway.add_argument(
        "--intervals", default="", metavar="CODES", help="what the codes of intervals stand for here, as 1=300,2=3600"
    )
    gateway.add_argument(
        "--lose",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="this share of its packets is lost, over UDP (%(default)s)",
    )
    gateway.add_argument("--seed", type=int, default=1, help="of which are lost (%(default)s)")
    gateway.set_defaults(simulate=_scaip_gateway)


def execute(arguments: argparse.Namespace) -> int:
    """Runs one until it is stopped."""
    code: int = arguments.simulate(arguments)
    return code


def _channels(arguments: argparse.Namespace) -> int:
    if not 0 <= arguments.port_base < 65535:
        raise BadInput(f"--port-base {arguments.port_base} is no port; 0 to 65534, 0 is any free one")
    from dongne.lab.simulators import Simulators

    simulators = Simulators(arguments.host, arguments.port_base)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops as Ctrl-C does
    with suppress(KeyboardInterrupt), simulators:
        print(
            f"\n  Simulated channels:  {simulators.url}\n  mail (SMTP):         {arguments.host}:{simulators.smtp_port}\n"
        )
        print("  Ctrl-C stops them.\n", flush=True)
        threading.Event().wait()
    return 0


def _dispatch(arguments: argparse.Namespace) -> int:
    if not 0 <= arguments.port <= 65535:
        raise BadInput(f"--port {arguments.port} is no port; 0 to 65535, 0 is any free one")

    import asyncio

    from dongne.lab.simulators.dispatch119.server import Dispatch119

    async def run() -> None:
        simulator = Dispatch119(lambda: datetime.now(UTC), arguments.port, arguments.host)
        await simulator.start()
        print(f"\n  Simulated 119:  {simulator.url}\n\n  Ctrl-C stops it.\n", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            await simulator.stop()

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        asyncio.run(run())
    return 0


def _scaip_gateway(arguments: argparse.Namespace) -> int:
    import asyncio
    from random import Random

    from dongne.lab.simulators.scaip_gateway import ScaipGateway, parse_codes
    from dongne.standards.scaip.heartbeat import INTERVALS_S, parse_intervals

    host, colon, port = arguments.to.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise BadInput(f"--to {arguments.to!r} is no address; write it like 127.0.0.1:5060")
    if not 0 <= arguments.lose < 1:
        raise BadInput(f"--lose {arguments.lose:g} is no share; 0 to below 1")
    chance = Random(arguments.seed)
    gateway = ScaipGateway(
        (host.strip("[]"), int(port)), arguments.cid, transport=arguments.transport,
        loses=lambda number: chance.random() < arguments.lose,
        intervals_s=parse_intervals(arguments.intervals) if arguments.intervals else INTERVALS_S,
    )  # fmt: skip
    alarms = [parse_codes(text) for text in arguments.alarm]
    with suppress(KeyboardInterrupt):
        return asyncio.run(_speak(gateway, alarms, arguments.beats))
    return 0


async def _speak(gateway: "ScaipGateway", alarms: list[dict[str, str]], beats: int | None) -> int:
    """The alarms, then heartbeats; 1 where an alarm was not taken."""
    code = 0
    await gateway.open()
    try:
        for alarm in alarms:
            told = _told(await gateway.alarm(**alarm))
            print(f"dty {alarm['dty']} stc {alarm['stc']} {alarm['did']}: {told}", flush=True)
            code = code or int(not told.startswith("ok"))
        async for came in gateway.beat(beats):
            said = came.message if isinstance(came, RetryLater) else _told(came)
            print(f"heartbeat: {said}; the next in {gateway.heartbeat_s:g} s", flush=True)
    finally:
        gateway.close()
    print(f"{gateway.sent} packets sent, {gateway.resent} of them again, {gateway.lost} lost on the way", flush=True)
    return code


def _told(answer: "Mrs") -> str:
    from dongne.standards.scaip.codes import STATUS_NUMBERS

    return f"{STATUS_NUMBERS[answer.snu]}{f' ({answer.ste})' if answer.ste else ''}"
