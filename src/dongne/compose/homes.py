"""The homes of a city: a store, a writer and services of their own.

What is known of people in their homes lies apart from the city's data: it has its own walls, and what it says in an emergency
waits for nothing that the city takes in.
"""

from collections.abc import Sequence
from typing import Any

from dongne.adapters.clock import CityClock
from dongne.adapters.gateways import GatewayDesk
from dongne.adapters.gateways.register import HomeRegister
from dongne.compose.opened import RunOptions, last_instant_us, take_file_settings
from dongne.model.city import CityConfig
from dongne.model.errors import NotFound
from dongne.model.home import NewHome, contacts_of
from dongne.runtime.care_check import CareCheck, Gap, Latest
from dongne.runtime.consents import Consents
from dongne.runtime.host import RuntimeHost
from dongne.runtime.registry import LoadedService
from dongne.stores.sealed import SealedStore
from dongne.stores.sealed.chain import ChainReport

FOLDER = "homes"  # in the city's data folder
PERSONAL = "personal"  # the privacy of services that run here
GATHER_S = 0.01  # heartbeats and states are written together


class HomeSide:
    """The homes' store and what runs on it, in `DATA/homes`."""

    def __init__(self, options: RunOptions, config: CityConfig, services: list[LoadedService]) -> None:
        self.folder = options.folder / FOLDER
        self.clock = CityClock(options.speed, last_instant_us(self.folder))
        self.store = SealedStore.open(self.folder, self.clock, master_file=options.homes_key, gather_s=GATHER_S)
        self.config = config
        try:
            take_file_settings(self.store, config, config.settings.keys() - {service.id for service in services})
            self.runtime = RuntimeHost(self.store, config, services, [])
            self.consents = Consents(self.store)
            self.gateways = GatewayDesk(self.store, self.consents.holds)
            self.register = HomeRegister(self.store, self.gateways.book)
        except BaseException:
            self.store.close()
            raise

    def start(self) -> None:
        """Services act on what comes from here on."""
        self.runtime.start()
        self.runtime.open()

    def add(self, homes: Sequence[NewHome], by: str) -> list[int]:
        """The ids of new homes. Raises BadInput, naming the one that can't be taken in."""
        return self.register.add(homes, by)

    def withdraw(self, gateway: str) -> int:
        """The home of this gateway is gone. Raises NotFound."""
        home = self.get_home(gateway)
        self.store.withdraw(home)
        self.consents.forget(home)
        return home

    def get_home(self, gateway: str) -> int:
        """The home of a gateway. Raises NotFound."""
        found = self.gateways.book.find_home(gateway)
        if found is None:
            raise NotFound(f"no home has gateway {gateway[:64]!r}", reason="gateway_unknown")
        return found

    def list_gaps(self) -> list[Gap]:
        """What keeps a sensor that life may depend on from reaching a human."""
        engine = self.runtime.live.engine
        runners = list(engine.runners.values())

        def parked(home: int) -> dict[str, str]:
            return {r.id: cell.parked for r in runners if (cell := r.cells.get(home)) is not None and cell.parked}

        def latest(stream: int) -> Latest | None:
            found = self.store.latest(stream)
            return None if found is None else Latest(found.time_us, found.result)

        silent_s = 2 * self.gateways.heartbeat_s + 10.0
        check = CareCheck(self.store.graph, engine.acts, parked, self.ways_of, latest, self.clock.now_us(), silent_s)
        return check.list_gaps()

    def verify(self) -> ChainReport:
        """Whether the homes' records are as they were written, also where keys are destroyed and bodies taken out."""
        return self.store.verify_chain()

    def status(self) -> dict[str, Any]:
        """How it is doing, for /status and /metrics: counts that name nobody."""
        live, desk, counts = self.runtime.live, self.gateways, self.store.counts()
        cells = [cell for runner in list(live.engine.runners.values()) for cell in runner.cells.copy().values()]
        return {
            "services": {
                "running": not live.is_stopped, "lag": live.lag, "parked": sum(bool(cell.parked) for cell in cells),
            },
            "gateways": {
                "messages": desk.messages, "stored": desk.stored, "repeats": desk.repeats, "skewed": desk.skewed,
                "counted_anew": desk.counted_anew, "unknown": len(desk.unknown), "refused": desk.refused.copy(),
            },
            "disk_full": bool(counts.get("disk_full", 0)),
        }  # fmt: skip

    def ways_of(self, home: int) -> list[str]:
        """Whom an alarm of this home reaches: contacts that may be told and have an address of a channel that the city has."""
        contacts, has = contacts_of(self.store.graph.get_thing(home).properties), self.config.channels.names
        told = [contact for contact in contacts if any(channel in has for channel, _ in contact.addresses)]
        return [contact.id for contact in told if self.consents.holds(home, contact.id)]

    def close(self) -> None:
        """Stops everything; nothing acknowledged is lost."""
        self.gateways.close()
        self.consents.close()
        self.runtime.close()
        self.store.close()


def part(services: list[LoadedService]) -> tuple[list[LoadedService], list[LoadedService]]:
    """Those that run on the city's records, and those that run on the homes'."""
    homes = [service for service in services if service.manifest.privacy == PERSONAL]
    return [service for service in services if service not in homes], homes
