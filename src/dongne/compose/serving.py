"""A running city's pages and API, at a socket, until the process is told to stop."""

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.requests import Request

from dongne import __version__
from dongne.adapters.mqtt.task_reception import unwritten
from dongne.adapters.sources import load_sources
from dongne.compose.messaging import address_of, bind_listener, make_listener, mqtt_endpoints, mqtt_status
from dongne.compose.opened import Report, RunOptions
from dongne.compose.running import RunningCity
from dongne.lab.laboratory import Laboratory
from dongne.model.access import EVERYTHING
from dongne.model.errors import BadSetup, NotKnown
from dongne.model.who import ANYBODY, BENCH, ROLES, Who
from dongne.stores.access import AccessBook
from dongne.stores.embedded import SequenceFile
from dongne.stores.embedded.select import Selector
from dongne.web.api import ApiContext, append_protocol, create_api, quieten_collector, waken_collector
from dongne.web.api.context import Scope
from dongne.web.api.http import token_of
from dongne.web.app import create_app
from dongne.web.context import LOOPBACK, WebContext, is_from_this_machine
from dongne.web.server import Server
from dongne.web.texts import Texts

Ready = Callable[[str, str], None]  # the address of the pages, and that of MQTT or ""


def run_city(options: RunOptions, report: Report, ready: Ready) -> None:
    """Runs a city until it is stopped (SIGINT, SIGTERM); `ready` gets the addresses once it answers."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    listener = listen(options.host, options.port)
    mqtt_socket = bind_listener(options)
    city = RunningCity(options, report)
    try:
        city.start()
        serve(city, listener, mqtt_socket, ready)
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


def serve(city: RunningCity, listener: socket.socket, mqtt_socket: socket.socket | None, ready: Ready) -> None:
    """Serves pages and API on these sockets until the process is told to stop."""
    options, port = city.options, listener.getsockname()[1]
    shown = "127.0.0.1" if options.host in ("0.0.0.0", "::") else options.host
    url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    guard = Guard(options)
    city.audit = guard.audit
    selector = Selector(city.store, city.store.history)
    mqtt = None
    if mqtt_socket is not None:
        mqtt = make_listener(city, mqtt_socket, selector, guard.mqtt_who_of(mqtt_socket.getsockname()[0]), url)
    api = create_api(
        ApiContext(
            city.store, city.config, city.intake, selector, who_of=guard.who_of, audit=guard.audit, version=__version__, desk=city.desk,
            mqtt=partial(mqtt_status, city.mqtt, mqtt), mqtt_endpoints=mqtt_endpoints(city.mqtt, mqtt),
        )
    )  # fmt: skip
    laboratory = Laboratory(city.config, partial(SequenceFile, options.folder))
    sources = tuple(load_sources(city.opened.city_folder).values())
    texts = Texts.load(city.config.zone_info, city.config.languages)
    pages = WebContext(
        city.store,
        city.runtime,
        city.config,
        texts,
        speed=options.speed,
        mqtt=address_of(city.mqtt) or (mqtt.config.address if mqtt else ""),
        lab=laboratory,
        sources=sources,
        basemap=city.basemap,
        may_write=guard.request_may_write,
        select=selector,
    )
    config = uvicorn.Config(
        create_app(pages, api), http=append_protocol(api), log_level="warning", access_log=False, proxy_headers=False,
        server_header=False, date_header=False, lifespan="off", timeout_graceful_shutdown=2,
    )  # fmt: skip
    ready_at = partial(ready, url, f"mqtt://{mqtt.config.address}" if mqtt else "")
    server = Server(config, partial(city.answers, ready_at), api.events.close)
    note = options.folder / "server.json"
    quieten_collector()
    write_note(note, {"url": url, "pid": os.getpid(), "token": guard.token})
    if mqtt is not None:
        mqtt.start()
    try:
        server.run(sockets=[listener])
    finally:
        if mqtt is not None:
            mqtt.close()
        note.unlink(missing_ok=True)
        city.audit = unwritten
        guard.book.close()
        selector.close()
        laboratory.close()


class Guard:
    """Who asks. At an address of this machine only, or with `--open`, whoever brings no token may write, and sees open data;
    elsewhere they may read those. The token in the data folder's `token` file is the administrator's."""

    def __init__(self, options: RunOptions) -> None:
        self._always_open = options.open
        self._is_open = options.open or options.host in LOOPBACK
        self.book = AccessBook(options.folder)
        file = options.folder / "token"
        if not file.exists():
            write_note(file, secrets.token_urlsafe(24))
        self.token = file.read_text(encoding="utf-8").strip().strip('"')
        rights, _ = ROLES["admin"]
        self._admin = Who("folder", "admin", rights, None, EVERYTHING, is_known=True)

    def who_of(self, scope: Scope) -> Who:
        """Raises NotKnown for a token that does not hold."""
        return self.who_with(token_of(scope), is_open=self._is_open)

    def mqtt_who_of(self, host: str) -> Callable[[str | None], Who]:
        """Who brings this password over MQTT to a listener at this address. It raises NotKnown."""
        return partial(self.who_with, is_open=self._always_open or host in LOOPBACK)

    def who_with(self, token: str | None, *, is_open: bool) -> Who:
        """Who brings this token, or none. Raises NotKnown."""
        if token is None:
            return BENCH if is_open else ANYBODY
        if secrets.compare_digest(token.encode(), self.token.encode()):
            return self._admin
        who = self.book.find_who(token, time.time_ns() // 1_000)
        if who is None:
            raise NotKnown(
                "this token does not hold: it is not known here, has expired or was revoked; `dongne token issue` makes one",
                reason="token",
            )
        return who

    def audit(self, who: Who, changed: list[tuple[str, str, int]]) -> None:
        """Entities and Observations that somebody changed; many of one sort are one entry."""
        groups: dict[tuple[str, str], list[int]] = {}
        for what, kind, number in changed:
            groups.setdefault((what, kind), []).append(number)
        for (what, kind), numbers in groups.items():
            shown = ", ".join(map(str, numbers[:20])) + (f" and {len(numbers) - 20} more" if len(numbers) > 20 else "")
            self.book.write(who.name or "anybody", f"{kind} {what}", shown, who.role, time.time_ns() // 1_000)

    def request_may_write(self, request: Request) -> bool:
        """Whether a form on a page may."""
        return self._is_open or is_from_this_machine(request)


def write_note(file: Path, content: Any) -> None:
    """Writes JSON that only this user can read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(msgspec.json.encode(content))
