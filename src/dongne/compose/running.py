"""A city live: its services run, and what streams in is written."""

import logging
import multiprocessing
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from dongne.adapters import basemap
from dongne.adapters.clock import wall_us
from dongne.adapters.mqtt import MqttAdapter, MqttConfig, parse_address
from dongne.adapters.people import load_people
from dongne.adapters.replayer import Replayer
from dongne.adapters.streaming import build_feeds
from dongne.compose.city_layers import load_layers
from dongne.compose.folder import forget
from dongne.compose.following import start_following
from dongne.compose.home_retention import Retention
from dongne.compose.home_watch import HomeWatch
from dongne.compose.homes import HomeSide, part
from dongne.compose.opened import OpenCity, Report, RunOptions, take_file_settings
from dongne.model.errors import DongneError
from dongne.model.who import Audit, Who, unwritten
from dongne.runtime.answer import Layers
from dongne.runtime.confirming import Confirmer
from dongne.runtime.deadlines import Deadlines
from dongne.runtime.desk import TaskDesk
from dongne.runtime.features import FeatureMaker
from dongne.runtime.host import RuntimeHost
from dongne.runtime.intake import Intake
from dongne.runtime.ledger import STREAMS
from dongne.runtime.registry import LoadedAnswer, find_simulator, load_all
from dongne.runtime.roster import Roster

log = logging.getLogger("dongne")
LEAVE_S = 1.0  # for what runs beside; it is made such that it may be broken off anywhere


class RunningCity:
    """A city live: services run, what streams in is written, pages and API are served by whoever asks for `app`."""

    def __init__(self, options: RunOptions, report: Report) -> None:
        if options.reset:
            forget(options.folder)
        self.options = options
        self.opened = OpenCity(options.city, options.folder, options.data, options.speed)
        self.store, self.clock, self.config = self.opened.store, self.opened.clock, self.opened.config
        self.intake = Intake(self.store, future_s=self.config.ahead_s)
        self.desk = TaskDesk(self.store, self.config.zone_info)
        self.audit: Audit = unwritten  # whoever serves the city has one
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._followers: list[threading.Thread] = []
        self._drawing: threading.Thread | None = None
        self.mqtt: MqttAdapter | None = None
        self.homes: HomeSide | None = None
        try:
            self._prepare(report)
        except BaseException:
            if self.homes is not None:
                self.homes.store.close()
            self.store.close()
            raise

    def _prepare(self, report: Report) -> None:
        people = load_people(self.opened.city_folder, self.options.folder)
        self.roster = Roster(self.config.units, people, self.config.zone_info)
        services, answers = load_all(self.config.services)
        services, personal = part(services)
        if personal:
            self.homes = HomeSide(self.options, self.config, personal)
        past = Replayer(self.store, [])
        now_us = max(wall_us(), past.position_us())
        self.clock.hold(past.start_us(now_us))
        self.opened.import_things(report)
        simulators = {name: made for name in self.config.services if (made := find_simulator(name))}
        built = build_feeds(self.config, self.opened.city_folder, self.options.data, self.store, simulators)
        for name in built.missing:
            log.info("left out: %s (its data are not here; --data FOLDER brings them)", name)
        self.missing = built.missing
        take_file_settings(self.store, self.config, {service.id for service in personal})
        self.runtime = RuntimeHost(self.store, self.config, services, answers, self._layers(answers))
        self.runtime.live.holds_wakes = True
        self.runtime.start()
        FeatureMaker(self.store).see_to_all()
        self._replayer = Replayer(self.store, built.feeds, way=self.intake.ledger.way(STREAMS))
        self._replayer.backfill(now_us, self.clock, lambda done, total: report("recorded series, s", done, total))
        self._let_services_catch_up(report)
        self.clock.release()
        self.runtime.open()
        broker = find_broker(self.options, self.config.id)
        self.mqtt = MqttAdapter(self.store, self.intake, broker, self.desk, self.write_down) if broker else None

    def _layers(self, answers: list[LoadedAnswer]) -> Layers:
        """What the answers need of the city beside its Things."""
        return load_layers(answers, self.opened.city_folder, self.options.data, self.options.folder / "layers")

    def _let_services_catch_up(self, report: Report) -> None:
        total = self.runtime.live.lag
        while (lag := self.runtime.live.lag) > 0:
            self.runtime.live.check()
            report("services", max(total - lag, 0), total)
            self.store.wait_beyond(self.store.head(), 0.1)
        report("services", total, total)

    def write_down(self, who: Who, changed: list[tuple[str, str, int]]) -> None:
        """Into the audit log, where somebody keeps one."""
        self.audit(who, changed)

    def start(self) -> None:
        """What streams in is written from here on."""
        self._thread = threading.Thread(target=self._stream, name="streams", daemon=True)
        self._thread.start()
        follow = partial(start_following, stopping=self._stopping)
        self._followers = [
            follow("tasks", lambda: Confirmer(self.store), self.store),
            follow("deadlines", lambda: Deadlines(self.store, self.roster.next_unit), self.store),
        ]
        if self.homes is not None:
            self.homes.start()
            side, homes = self.homes, self.homes.store
            self._followers.append(follow("deadlines of homes", lambda: Deadlines(homes, self.roster.next_unit), homes))
            self._followers.append(follow("watch of homes", lambda: HomeWatch(side), homes))
            self._followers.append(follow("retention of homes", lambda: Retention(side), homes))
            if self.mqtt is not None:
                self.mqtt.hear_homes(self.homes.gateways)
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

    def answers(self, ready: Callable[[], None]) -> None:
        """Says so, and draws the map in the background; until then the pages draw it from the city's Things."""
        ready()
        self._drawing = basemap.start_basemap(
            self.config, self.opened.city_folder, self.options.data, self.basemap.parent
        )

    def close(self) -> None:
        """Stops everything; nothing acknowledged is lost."""
        self._stopping.set()
        self.store.wake()
        if self.homes is not None:
            self.homes.store.wake()
        if self.mqtt is not None:
            self.mqtt.close()
        until_s = time.monotonic() + LEAVE_S
        for thread in (self._thread, *self._followers, self._drawing):
            if thread is not None:
                thread.join(max(0.0, until_s - time.monotonic()))
        self.runtime.close()
        if self.homes is not None:
            self.homes.close()
        self.store.close()
        for child in multiprocessing.active_children():  # a job or what-if under way; it is asked for again
            child.terminate()


def find_broker(options: RunOptions, city: str) -> MqttConfig | None:
    """The broker to take messages in from. One session for each data folder, so that two cities never share one."""
    if options.mqtt == "off":
        return None
    client_id = f"dongne-{city}-{sha256(str(options.folder.absolute()).encode()).hexdigest()[:8]}"
    if options.mqtt != "auto":
        config = parse_address(options.mqtt, client_id)
    else:
        config = MqttConfig(client_id=client_id)
        try:
            socket.create_connection((config.host, config.port), timeout=0.3).close()
        except OSError:
            return None
    config = replace(config, told_file=options.folder / "mqtt-told.json")
    return replace(config, publish_per_s=0) if options.mqtt_quiet else config
