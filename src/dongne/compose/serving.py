"""A running city's pages and API, at a socket, until the process is told to stop."""

import logging
import os
import socket
import sys
from collections.abc import Callable
from functools import partial

import uvicorn

from dongne import __version__
from dongne.adapters.sources import load_sources
from dongne.compose.demonstration import start_demonstration
from dongne.compose.guard import Guard, write_note
from dongne.compose.hooks import TokenOwners, make_webhooks
from dongne.compose.messaging import address_of, bind_listener, make_listener, mqtt_endpoints, mqtt_status
from dongne.compose.opened import Report, RunOptions
from dongne.compose.outboxes import start_outboxes
from dongne.compose.running import RunningCity
from dongne.compose.scaip import Sockets, bind_scaip, make_scaip
from dongne.lab.laboratory import Laboratory
from dongne.model.access import Veil
from dongne.model.errors import BadSetup
from dongne.model.who import unwritten
from dongne.stores.attachments import AttachmentFolder
from dongne.stores.embedded import SequenceFile
from dongne.stores.embedded.select import Selector
from dongne.web.api import Api, ApiContext, append_protocol, create_api, quieten_collector, waken_collector
from dongne.web.api.context import address_of as asked_address_of
from dongne.web.api.rates import Rates
from dongne.web.app import create_app
from dongne.web.context import WebContext
from dongne.web.server import Server

SWITCH_S = 0.0005
"""Whoever waits for the interpreter gets it after so long. With Python's 5 ms a writer, which gives it up at each step of a commit, took
100 ms for one beside threads that compute."""

Ready = Callable[[str, str], None]  # the address of the pages, and that of MQTT or ""


def run_city(options: RunOptions, report: Report, ready: Ready) -> None:
    """Runs a city until it is stopped (SIGINT, SIGTERM); `ready` gets the addresses once it answers."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(
        logging.WARNING
    )  # it notes each URL whole, and those of webhooks may hold secrets
    sys.setswitchinterval(SWITCH_S)
    listener = listen(options.host, options.port)
    mqtt_socket = bind_listener(options)
    scaip_sockets = bind_scaip(options)
    city = RunningCity(options, report)
    try:
        city.start()
        serve(city, listener, mqtt_socket, ready, scaip_sockets)
    finally:
        listener.close()
        city.close()
        waken_collector()


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address. Raises BadSetup naming who may have it, so that nothing is prepared in vain."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BadSetup(
            f"can't listen at {host}:{port}: {error.strerror}; choose another with --port, or --port 0"
        ) from error
    return listener


class Serving:
    """Everything that a running city says and hears, over its pages, its interface and beside them."""

    def __init__(
        self, city: RunningCity, url: str, mqtt_socket: socket.socket | None, scaip_sockets: Sockets | None
    ) -> None:
        self.city, self.options, self.url = city, city.options, url
        limits = city.config.limits
        self.guard = Guard(self.options, Veil(city.store.graph), limits.write_origins)
        self.rates = Rates(limits, is_proxied=bool(self.options.public_url))
        city.audit = self.guard.audit
        self.selector = Selector(city.store, city.store.history)
        if city.mqtt is not None:
            city.mqtt.tell_changes(self.selector.select, f"{url}/v1.1")
        self.mqtt = None
        if mqtt_socket is not None:
            self.mqtt = make_listener(city, mqtt_socket, self.selector, self.guard, url)
            self.mqtt.wait_s = self.rates.wait_s
        self.scaip = make_scaip(city, scaip_sockets)
        owners = TokenOwners(self.guard.book, self.guard.admin, self.guard.is_open)
        self.webhooks = make_webhooks(city, owners)
        self.outboxes = start_outboxes(city, self.options.public_url.rstrip("/") or url)
        self.demonstration = start_demonstration(city, self.outboxes)
        self.laboratory = Laboratory(city.config, partial(SequenceFile, self.options.folder))

    @property
    def mqtt_address(self) -> str:
        """host:port where MQTT clients connect to the city itself; empty where they can't."""
        return self.mqtt.config.address if self.mqtt else ""

    def make_api(self) -> Api:
        """The open interface."""
        city, options, scaip = self.city, self.options, self.scaip
        return create_api(
            ApiContext(
                city.store, city.config, city.intake, self.selector, who_of=self.guard.who_of, audit=self.guard.audit,
                rates=self.rates, desk=city.desk, version=__version__, webhooks=self.webhooks,
                public_url=(lambda scope: options.public_url) if options.public_url else asked_address_of,
                max_body_bytes=int(city.config.limits.body_mib * (1 << 20)),
                mqtt=partial(mqtt_status, city.mqtt, self.mqtt), mqtt_endpoints=mqtt_endpoints(city.mqtt, self.mqtt),
                homes=city.homes, outboxes=self.outboxes.status, scaip=scaip.status if scaip else None,
            )
        )  # fmt: skip

    def make_pages(self, api: Api) -> WebContext:
        """What the pages are given."""
        city, options, outboxes = self.city, self.options, self.outboxes
        return WebContext(
            city.store, city.runtime, city.config, outboxes.texts, public_url=options.public_url, speed=options.speed,
            mqtt=address_of(city.mqtt) or self.mqtt_address, lab=self.laboratory, basemap=city.basemap,
            sources=tuple(load_sources(city.opened.city_folder).values()), select=self.selector, gate=self.guard,
            rates=self.rates, webhooks=self.webhooks, status=api.status, roster=city.roster,
            attachments=AttachmentFolder(options.folder), homes=city.homes.store if city.homes is not None else None,
            answers=outboxes.answers, care=city.homes, demonstration=self.demonstration, screens=outboxes.screens,
            link_secret=outboxes.secret,
        )  # fmt: skip

    def start(self) -> None:
        """Gateways and clients are heard beside the pages from here on."""
        for one in (self.mqtt, self.scaip):
            if one is not None:
                one.start()

    def close(self) -> None:
        """Nothing is said or heard any more."""
        for sender in (self.demonstration, self.outboxes, self.webhooks, self.mqtt, self.scaip):
            if sender is not None:
                sender.close()
        self.city.audit = unwritten
        self.guard.close()
        self.selector.close()
        self.laboratory.close()


def serve(
    city: RunningCity, listener: socket.socket, mqtt_socket: socket.socket | None, ready: Ready,
    scaip_sockets: Sockets | None = None,
) -> None:  # fmt: skip
    """Serves pages and API on these sockets until the process is told to stop."""
    url = _url_of(city.options.host, listener.getsockname()[1])
    serving = Serving(city, url, mqtt_socket, scaip_sockets)
    api = serving.make_api()
    config = uvicorn.Config(
        create_app(serving.make_pages(api), api), http=append_protocol(api), log_level="warning", access_log=False,
        proxy_headers=False, server_header=False, date_header=False, lifespan="off", timeout_graceful_shutdown=2,
    )  # fmt: skip
    mqtt_url = f"mqtt://{serving.mqtt_address}" if serving.mqtt_address else ""
    server = Server(config, partial(city.answers, partial(ready, url, mqtt_url)), api.events.close)
    quieten_collector()
    note = city.options.folder / "server.json"
    write_note(note, {"url": url, "pid": os.getpid(), "token": serving.guard.token})
    serving.start()
    try:
        server.run(sockets=[listener])
    finally:
        note.unlink(missing_ok=True)
        serving.close()


def _url_of(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
