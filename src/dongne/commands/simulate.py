"""Simulators of what a bench doesn't have. They stand at this machine, say that they are simulated, and behave as they are told.

examples:
  dongne simulate channels                     mail, short messages, push, messenger, telephone, speaker, and a page of
                                               what they got on http://127.0.0.1:8090
  dongne simulate channels --port-base 9000    the page and all HTTP at 9000, mail at 9001
  dongne simulate 119                          a control centre: alarms it has taken, and buttons to answer them, on
                                               http://127.0.0.1:8119
  curl -d '{"mode": "hang"}' http://127.0.0.1:8090/sms/behaviour
"""

import argparse
import signal
import threading
from contextlib import suppress
from datetime import UTC, datetime

from dongne.model.errors import BadInput


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
