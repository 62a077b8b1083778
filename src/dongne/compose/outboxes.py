"""The outboxes of a running city: one for the homes, one for the city, with channels of their own; and what they say in words."""

import asyncio
import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from dongne.adapters.channels.screen import ScreenBoard, ScreenChannel
from dongne.adapters.outbox import Means, Outbox
from dongne.compose.channels import CityChannels, get_answer_secret
from dongne.compose.dispatch import DispatchSide
from dongne.compose.running import RunningCity
from dongne.lab.simulators.dispatch119.server import Dispatch119
from dongne.model.channels import DeskConfig, DispatchConfig
from dongne.model.graph import ThingGraph
from dongne.model.notices import Notice
from dongne.runtime.answering import AnswerDesk
from dongne.runtime.channels import Channel
from dongne.runtime.delivery import DISPATCH_CHANNEL, Said
from dongne.runtime.directory import SCREEN, CityDirectory, Consents, all_consent
from dongne.runtime.ports import Store
from dongne.web.notices import notice_subject, notice_text
from dongne.web.texts import Texts

log = logging.getLogger("dongne")
START_S = 10.0
SIMULATED = "dongne@simulated.example"


def start_outboxes(city: RunningCity, url: str) -> "CityOutboxes":
    """Those of this city, sending from here on. `url` is where people reach the pages."""
    outboxes = CityOutboxes(city, Texts.load(city.config.zone_info, city.config.languages), url)
    outboxes.start()
    return outboxes


class CityOutboxes:
    """Sends what services of this city ask for, from `start` on; `answers` takes what people say to it."""

    def __init__(self, city: RunningCity, texts: Texts, url: str) -> None:
        self._city, self.texts = city, texts
        config = city.config
        self._channels = CityChannels(config.channels, city.options.folder)
        self._desk = SimulatedDesk() if config.channels.simulated else None
        stores: list[Store] = [city.store] if city.homes is None else [city.homes.store, city.store]
        self.secret = get_answer_secret(city.options.folder)
        self.answers = AnswerDesk(stores, self.secret, lambda: url)
        self.screens = ScreenBoard()
        self.by_side: dict[str, Outbox] = {}
        self._dispatch: DispatchSide | None = None
        own = self._channels.by_name
        if city.homes is not None:
            channels: dict[str, Channel] = {**own, SCREEN: ScreenChannel(self.screens)}
            if (dispatch := self._dispatch_config()) is not None:
                self._dispatch = DispatchSide(
                    dispatch, self._channels.secrets, city.homes.store, city.homes.consents, config.zone_info
                )
                channels[DISPATCH_CHANNEL] = self._dispatch.channel
            self.by_side["homes"] = self._make(city.homes.store, channels, city.homes.consents.holds)
            own = self._channels.make_more()  # an event loop has connections of its own
        self.by_side["city"] = self._make(city.store, own, all_consent)

    def _make(self, store: Store, channels: Mapping[str, Channel], consents: Consents) -> Outbox:
        config = self._city.config
        directory = CityDirectory(store.graph, self._city.roster, consents=consents, language=config.languages[0])
        render = partial(render_notice, self.texts, store.graph)
        means = Means(
            channels, directory, render, config.id, config.zone_info, config.outbox, answer_url=self.answers.url_of
        )
        return Outbox(store, means)

    def _dispatch_config(self) -> DispatchConfig | None:
        if self._desk is None:
            return self._city.config.channels.dispatch
        desk = DeskConfig(name="simulated", url=self._desk.url, takes_tests=True)
        return DispatchConfig(sender=SIMULATED, desks=(desk,))

    def start(self) -> None:
        """From here on it is sent."""
        for outbox in self.by_side.values():
            outbox.start()
        if self._dispatch is not None:
            self._dispatch.start()

    @property
    def simulators(self) -> dict[str, str]:
        """Where the simulators beside it show what they got, by what they simulate; none where nothing is simulated."""
        at = self._channels.simulators
        found = {} if at is None else {"channels": at.url}
        return found if self._desk is None else {**found, "119": self._desk.url}

    def status(self) -> dict[str, Any]:
        """How each is doing."""
        return {side: outbox.status() for side, outbox in self.by_side.items()}

    def close(self) -> None:
        """What is under way is broken off, and sent again at the next start."""
        if self._dispatch is not None:
            self._dispatch.close()
        for outbox in self.by_side.values():
            outbox.close()
        self._channels.close()
        if self._desk is not None:
            self._desk.close()


def render_notice(texts: Texts, graph: ThingGraph, notice: Notice, language: str) -> Said:
    """A notice in this language, or the city's first."""
    wished = language.partition("-")[0]
    words = texts.words(wished if wished in texts.languages else texts.languages[0])
    thing = found.name if (found := graph.things.get(notice.thing or 0)) else ""
    return Said(notice_subject(words, notice, thing), notice_text(words, notice, thing))


class SimulatedDesk:
    """A simulated 119 of this process, in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._server = Dispatch119(lambda: datetime.now(UTC))
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulated-119", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(START_S)
        log.info("a simulated 119 is at %s", self.url)

    @property
    def url(self) -> str:
        """Where it is."""
        return self._server.url

    def close(self) -> None:
        """It is gone, with what it holds."""
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(START_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_S)
