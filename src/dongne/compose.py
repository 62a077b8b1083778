"""The only place which wires everything: a city's folder, its store, its services, what streams in, and its pages."""

import logging
import multiprocessing
import os
import secrets
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.requests import Request

from dongne import __version__
from dongne.adapters import basemap
from dongne.adapters.cityfile import plan_city
from dongne.adapters.clock import CityClock, wall_us
from dongne.adapters.mqtt import MqttAdapter, MqttConfig, parse_address
from dongne.adapters.places import get_city_folder
from dongne.adapters.replayer import Replayer
from dongne.adapters.sources import load_city, load_sources
from dongne.adapters.streaming import build_feeds
from dongne.adapters.table_import import ImportOptions, ImportReport, import_table
from dongne.lab.laboratory import Laboratory
from dongne.model.city import CityConfig
from dongne.model.errors import BadSetup, DongneError
from dongne.model.records import RecordKind
from dongne.runtime.host import RuntimeHost
from dongne.runtime.intake import Intake
from dongne.runtime.ports import Entry, Lane, Transaction
from dongne.runtime.registry import find_simulator, load_all
from dongne.runtime.settings import find_file_changes
from dongne.stores.embedded import EmbeddedStore, SequenceFile
from dongne.stores.embedded.select import Selector
from dongne.web.api import ApiContext, append_protocol, create_api, quieten_collector, waken_collector
from dongne.web.app import create_app
from dongne.web.context import LOOPBACK, WebContext, is_from_this_machine
from dongne.web.server import Server
from dongne.web.texts import Texts

log = logging.getLogger("dongne")

Report = Callable[[str, int, int], None]  # (what, done, total)


@dataclass(frozen=True)
class RunOptions:
    """What `dongne run` was asked for."""

    city: str
    folder: Path
    data: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    speed: float = 1.0
    reset: bool = False
    open: bool = False
    mqtt: str = "auto"  # an address, "off", or "auto": the broker of this machine if one answers


class OpenCity:
    """A city with its store open: the one process that may write."""

    def __init__(self, city: str, folder: Path, data: Path | None = None, speed: float = 1.0) -> None:
        self.city_folder = get_city_folder(city)
        self.config: CityConfig = load_city(self.city_folder)
        self.folder = folder
        self.data = data
        self.clock = CityClock(speed, last_instant_us(folder))
        self.store = EmbeddedStore.open(folder, self.clock)

    def import_things(self, report: Report) -> None:
        """Brings the Things to what the city's map says; nothing where this folder's files were taken in before."""
        digest = sha256(b"".join(f.read_bytes() for f in sorted(self.city_folder.glob("*.toml")))).hexdigest()[:16]
        done_before = f"import:{self.config.id}:{digest}:{self.data or ''}"
        if self.store.position(done_before):
            return

        def progress(done: int, total: int) -> None:
            report("things", done, total)

        plan = plan_city(self.config, self.city_folder, self.data, self.store.new_id, self.store.graph, progress)
        for changes in plan:
            entry = Entry(RecordKind.ENTITIES, msgspec.msgpack.encode(changes))
            self.store.submit(Transaction([entry]), Lane.BULK).result()
        self.store.submit(Transaction(position=(done_before, 1))).result()

    def counts_by_kind(self) -> dict[str, int]:
        """How many Things of each kind there are."""
        counts: dict[str, int] = {}
        for thing in self.store.graph.things.values():
            counts[thing.kind] = counts.get(thing.kind, 0) + 1
        return counts

    def close(self) -> None:
        """Everything durable and released."""
        self.store.close()


def last_instant_us(folder: Path) -> int:
    """When the last record of a folder's sequence arrived; 0 where there is none. The city's clock goes on from there."""
    with open_records(folder) as records:
        return records.last_at_us()


@contextmanager
def open_records(folder: Path) -> Iterator[SequenceFile]:
    """A folder's sequence for reading, also while the city runs."""
    records = SequenceFile(folder)
    try:
        yield records
    finally:
        records.close()


class RunningCity:
    """A city live: services run, what streams in is written, pages and API are served by whoever asks for `app`."""

    def __init__(self, options: RunOptions, report: Report) -> None:
        if options.reset:
            forget(options.folder)
        self.options = options
        self.opened = OpenCity(options.city, options.folder, options.data, options.speed)
        self.store, self.clock, self.config = self.opened.store, self.opened.clock, self.opened.config
        self.intake = Intake(self.store)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._drawing: threading.Thread | None = None
        self.mqtt: MqttAdapter | None = None
        try:
            self._prepare(report)
        except BaseException:
            self.store.close()
            raise

    def _prepare(self, report: Report) -> None:
        services, answers = load_all(self.config.services)
        past = Replayer(self.store, [])
        now_us = max(wall_us(), past.position_us())
        self.clock.hold(past.start_us(now_us))
        self.opened.import_things(report)
        simulators = {name: made for name in self.config.services if (made := find_simulator(name))}
        built = build_feeds(self.config, self.opened.city_folder, self.options.data, self.store, simulators)
        for name in built.missing:
            log.info("left out: %s (its data are not here; --data FOLDER brings them)", name)
        self.missing = built.missing
        for change in find_file_changes(self.store.list_settings(), self.config.settings):
            entry = Entry(RecordKind.SETTING, msgspec.msgpack.encode(change))
            self.store.submit(Transaction([entry])).result()
        self.runtime = RuntimeHost(self.store, self.config, services, answers)
        self.runtime.live.holds_wakes = True
        self.runtime.start()
        self._replayer = Replayer(self.store, built.feeds)
        self._replayer.backfill(now_us, self.clock, lambda done, total: report("recorded series, s", done, total))
        self._let_services_catch_up(report)
        self.clock.release()
        self.runtime.open()
        broker = find_broker(self.options, self.config.id)
        self.mqtt = MqttAdapter(self.store, self.intake, broker) if broker else None

    def _let_services_catch_up(self, report: Report) -> None:
        total = self.runtime.live.lag
        while (lag := self.runtime.live.lag) > 0:
            self.runtime.live.check()
            report("services", max(total - lag, 0), total)
            self.store.wait_beyond(self.store.head(), 0.1)
        report("services", total, total)

    def start(self) -> None:
        """What streams in is written from here on."""
        self._thread = threading.Thread(target=self._stream, name="streams", daemon=True)
        self._thread.start()
        if self.mqtt is not None:
            self.mqtt.start()

    def _stream(self) -> None:
        while not self._stopping.is_set():
            try:
                due_us = self._replayer.step(self.clock.now_us())
                wait_s = min(max(self.clock.wait_s(due_us), 0.01), 60.0)
            except DongneError as error:
                log.warning("what streams in has to wait: %s", error.message)
                wait_s = 1.0
            except Exception:  # a fault in one simulator must not end all streams for good
                log.exception("what streams in has failed; tried again")
                wait_s = 10.0
            self._stopping.wait(wait_s)

    @property
    def basemap(self) -> Path:
        """Where the file of the map is, or will be."""
        return self.options.folder / "map" / basemap.FILE

    def answers(self, ready: Callable[[str], None], url: str) -> None:
        """Says so, and draws the map in the background; until then the pages draw it from the city's Things."""
        ready(url)
        self._drawing = basemap.start_basemap(
            self.config, self.opened.city_folder, self.options.data, self.basemap.parent
        )

    def close(self) -> None:
        """Stops everything; nothing acknowledged is lost."""
        self._stopping.set()
        if self._drawing is not None:
            self._drawing.join(timeout=10)
        if self.mqtt is not None:
            self.mqtt.close()
        if self._thread is not None:
            self._thread.join(timeout=10)
        self.runtime.close()
        self.store.close()
        for child in multiprocessing.active_children():  # a job or what-if under way; it is asked for again
            child.terminate()


def find_broker(options: RunOptions, city: str) -> MqttConfig | None:
    """The broker to take messages in from. One session for each data folder, so that two cities never share one."""
    if options.mqtt == "off":
        return None
    client_id = f"dongne-{city}-{sha256(str(options.folder.absolute()).encode()).hexdigest()[:8]}"
    if options.mqtt != "auto":
        return parse_address(options.mqtt, client_id)
    config = MqttConfig(client_id=client_id)
    try:
        socket.create_connection((config.host, config.port), timeout=0.3).close()
    except OSError:
        return None
    return config


def run_city(options: RunOptions, report: Report, ready: Callable[[str], None]) -> None:
    """Runs a city until it is stopped (SIGINT, SIGTERM); `ready` gets the address once it answers."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    listener = listen(options.host, options.port)
    city = RunningCity(options, report)
    try:
        city.start()
        serve(city, listener, ready)
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


def serve(city: RunningCity, listener: socket.socket, ready: Callable[[str], None]) -> None:
    """Serves pages and API on this socket until the process is told to stop."""
    options, port = city.options, listener.getsockname()[1]
    shown = "127.0.0.1" if options.host in ("0.0.0.0", "::") else options.host
    url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    guard = Guard(options)
    selector = Selector(city.store, city.store.history)
    api = create_api(
        ApiContext(city.store, city.config, city.intake, selector, may_write=guard.token_may_write, version=__version__)
    )
    laboratory = Laboratory(city.config, partial(SequenceFile, options.folder))
    sources = tuple(load_sources(city.opened.city_folder).values())
    texts = Texts.load(city.config.zone_info, city.config.languages)
    pages = WebContext(
        city.store,
        city.runtime,
        city.config,
        texts,
        speed=options.speed,
        mqtt=address_of(city.mqtt),
        lab=laboratory,
        sources=sources,
        basemap=city.basemap,
        may_write=guard.request_may_write,
    )
    config = uvicorn.Config(
        create_app(pages, api), http=append_protocol(api), log_level="warning", access_log=False, proxy_headers=False,
        server_header=False, date_header=False, lifespan="off", timeout_graceful_shutdown=3,
    )  # fmt: skip
    server = Server(config, partial(city.answers, ready, url))
    note = options.folder / "server.json"
    quieten_collector()
    write_note(note, {"url": url, "pid": os.getpid(), "token": guard.token})
    try:
        server.run(sockets=[listener])
    finally:
        note.unlink(missing_ok=True)
        selector.close()
        laboratory.close()


def address_of(mqtt: MqttAdapter | None) -> str:
    """host:port of the broker; empty where there is none."""
    return f"{mqtt.config.host}:{mqtt.config.port}" if mqtt else ""


class Guard:
    """Who may write. At an address of this machine only, whoever uses the machine; elsewhere, with `--open`, everybody,
    without it who has the token in the data folder's `token` file."""

    def __init__(self, options: RunOptions) -> None:
        self._is_open = options.open or options.host in LOOPBACK
        file = options.folder / "token"
        if not file.exists():
            write_note(file, secrets.token_urlsafe(24))
        self.token = file.read_text(encoding="utf-8").strip().strip('"')

    def token_may_write(self, token: str | None) -> bool:
        """Whether a request to the API with this bearer token may write."""
        return self._is_open or (token is not None and secrets.compare_digest(token, self.token))

    def request_may_write(self, request: Request) -> bool:
        """Whether a form on a page may."""
        return self._is_open or is_from_this_machine(request)


def write_note(file: Path, content: Any) -> None:
    """Writes JSON that only this user can read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(msgspec.json.encode(content))


def forget(folder: Path) -> None:
    """Removes a city's data. Raises BadSetup where the folder holds something else."""
    if not folder.exists():
        return
    if any(folder.iterdir()) and not (folder / "truth.db").exists():
        raise BadSetup(f"{folder} is not a city's data folder (it has no truth.db); nothing was removed")
    shutil.rmtree(folder)


@contextmanager
def _opened(city: str, folder: Path, data: Path | None = None) -> Iterator[OpenCity]:
    opened = OpenCity(city, folder, data)
    try:
        yield opened
    finally:
        opened.close()


def import_city(city: str, folder: Path, data: Path | None, report: Report) -> dict[str, int]:
    """Takes a city's Things in; how many of each kind there are then."""
    with _opened(city, folder, data) as opened:
        opened.import_things(report)
        return opened.counts_by_kind()


def import_file(city: str, folder: Path, file: Path, options: ImportOptions, report: Report) -> ImportReport:
    """Takes a table that people have into a city that does not run."""
    with _opened(city, folder) as opened:
        return import_table(
            opened.store, Intake(opened.store), file, options, lambda done, total: report("values", done, total)
        )


@contextmanager
def _store(folder: Path) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore.open(folder, CityClock(1.0, last_instant_us(folder)))
    try:
        yield store
    finally:
        store.close()


def store_status(folder: Path) -> dict[str, Any]:
    """Counters and sizes of a folder's store."""
    with _store(folder) as store:
        return dict(store.counts())


def rebuild_store(folder: Path, report: Report) -> None:
    """History made anew from the sequence."""
    with _store(folder) as store:
        store.rebuild_history(lambda done, total: report("numbers", done, total))


def seal_store(folder: Path, before: datetime, report: Report) -> list[str]:
    """Whole days before this instant to archive files; the names of the new ones."""
    with _store(folder) as store:
        report("days", 0, 0)
        return store.seal(before)
