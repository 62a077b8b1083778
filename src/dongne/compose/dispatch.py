"""The way to 119 of a city's homes: a channel for the outbox, and ears for what the desks say."""

import asyncio
import logging
import threading
from zoneinfo import ZoneInfo

from dongne.adapters.channels.making import Secrets
from dongne.adapters.dispatch.channel import DispatchChannel
from dongne.adapters.dispatch.desk import DeskLine
from dongne.adapters.dispatch.following import follow
from dongne.adapters.dispatch.making import make_dispatch
from dongne.adapters.dispatch.records import DeskAnswers, StoreDirectory
from dongne.model.channels import DispatchConfig
from dongne.runtime.consents import Consents
from dongne.runtime.ports import Store

log = logging.getLogger("dongne")
CLOSE_S = 5.0


class DispatchSide:
    """`channel` belongs to whoever sends, who closes it in their event loop. What desks say is heard in a thread of its own."""

    def __init__(
        self, config: DispatchConfig, secrets: Secrets, store: Store, consents: Consents, zone: ZoneInfo
    ) -> None:
        """Raises BadSetup naming the key of city.toml that is wrong."""
        directory = StoreDirectory(store, lambda home: frozenset(consents.list_given(home)))
        self.channel: DispatchChannel = make_dispatch(config, secrets, directory, zone)
        self.answers = DeskAnswers(store, config.sender)
        self._lines = [DeskLine(line.desk) for line in self.channel.lines]  # an event loop has connections of its own
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="dispatch", daemon=True)

    def start(self) -> None:
        """Desks are listened to."""
        self._thread.start()

    def close(self) -> None:
        """They are no more."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _listen(self) -> None:
        following = [asyncio.create_task(follow(line, self.answers.tell, failed=log.warning)) for line in self._lines]
        await self._stop.wait()
        for one in following:
            one.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        await asyncio.gather(*(line.close() for line in self._lines))
