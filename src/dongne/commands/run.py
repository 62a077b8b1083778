"""A city, live: its things, its sensors' values, its services, its pages.

The first start takes the city's Things in and writes recorded series up to now; later starts go on from there.
Ctrl-C stops it; nothing acknowledged is lost, also not by a power cut.

examples:
  dongne run                         the demonstration district on http://127.0.0.1:8000
  dongne run --data ~/datasets       with the recorded series that no package brings
  dongne run --speed 60              recorded series play an hour in a minute
  dongne run --port 0                on any free port; the address is printed
  dongne run --reset                 forgets all of this city's data and begins anew
"""

import argparse
import os
import re
import signal
from contextlib import ExitStack, suppress
from pathlib import Path

from dongne.commands.places import add_city, data_folder
from dongne.commands.progress import bars
from dongne.model.errors import BadInput

SPEED_LIMIT = 1000.0
PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `dongne run` takes."""
    add_city(parser)
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="data sets that no package brings; see docs/data.md"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (%(default)s: this machine only)")
    parser.add_argument("--port", type=int, default=8000, help="the port to listen at; 0 is any free one (%(default)s)")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="how fast recorded series play, 1 to 1000 (%(default)s)"
    )
    parser.add_argument("--reset", action="store_true", help="forget all of this city's data first")
    parser.add_argument(
        "--open", action="store_true", help="whoever reaches it may write without the token; for a bench you trust"
    )
    parser.add_argument(
        "--public-url",
        default="",
        metavar="URL",
        help="how the outside reaches it (https://dongne.example), where a proxy of this machine passes requests on; then "
        "writing needs a token here too",
    )
    parser.add_argument(
        "--mqtt",
        default="auto",
        metavar="ADDRESS",
        help="the broker whose messages are taken in, as mqtt://host:1883; off; or auto: this machine's, if it answers",
    )
    parser.add_argument(
        "--mqtt-quiet", action="store_true", help="say nothing at the broker of what happens in the city"
    )
    parser.add_argument(
        "--mqtt-listen",
        default="auto",
        metavar="HOST:PORT",
        help="where MQTT clients may connect to the city itself; off; or auto: 127.0.0.1:1884, if that is free",
    )
    parser.add_argument(
        "--scaip-listen",
        default="off",
        metavar="HOST:PORT",
        help="where gateways of homes may speak SCAIP over SIP, by UDP and TCP; off (%(default)s)",
    )
    parser.add_argument(
        "--scaip-intervals",
        default="",
        metavar="CODES",
        help="what each code of a heartbeat interval stands for at these gateways, in seconds, as 1=300,2=3600",
    )
    parser.add_argument(
        "--webhooks",
        choices=("outside", "anywhere", "off"),
        default="outside",
        help="where webhooks may go: outside is the internet over https; anywhere also this machine and its network, and "
        "http (%(default)s)",
    )
    _add_homes(parser)


def _add_homes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--homes-key",
        type=Path,
        default=os.environ.get("DONGNE_HOMES_KEY"),
        metavar="FILE",
        help="the master key of the homes' data, best on another disk than these; made at the first run "
        "($DONGNE_HOMES_KEY, else homes/master.key in the data folder)",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Runs the city until it is stopped."""
    if not 1 <= arguments.speed <= SPEED_LIMIT:
        raise BadInput(f"--speed {arguments.speed:g} is out of 1 to {SPEED_LIMIT:g}")
    if not 0 <= arguments.port < 65536:
        raise BadInput(f"--port {arguments.port} is no port; 0 to 65535, 0 is any free one")
    if arguments.data is not None and not arguments.data.is_dir():
        raise BadInput(f"--data {arguments.data} is no folder; leave it out to run with what the packages bring")
    public_url = arguments.public_url.rstrip("/")
    if public_url and not PUBLIC_URL.fullmatch(public_url):
        raise BadInput(
            f"--public-url {public_url} is no address; write scheme and host, such as https://dongne.example"
        )
    folder = data_folder(arguments)
    from dongne import compose

    options = compose.RunOptions(
        city=arguments.city,
        folder=folder,
        data=arguments.data,
        host=arguments.host,
        port=arguments.port,
        speed=arguments.speed,
        reset=arguments.reset,
        open=arguments.open,
        mqtt=arguments.mqtt,
        mqtt_quiet=arguments.mqtt_quiet,
        webhooks=arguments.webhooks,
        mqtt_listen=arguments.mqtt_listen,
        scaip_listen=arguments.scaip_listen,
        scaip_intervals=arguments.scaip_intervals,
        public_url=public_url,
        homes_key=arguments.homes_key,
    )
    with ExitStack() as preparing:
        report = preparing.enter_context(bars())

        def ready(url: str, mqtt: str) -> None:
            preparing.close()
            too = f"  MQTT clients may connect:  {mqtt}\n" if mqtt else ""
            print(f"\n  {options.city} is live:  {url}\n{too}  Ctrl-C stops it.\n", flush=True)

        signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops as Ctrl-C does: everything is closed
        with suppress(KeyboardInterrupt):
            compose.run_city(options, report, ready)
    return 0
