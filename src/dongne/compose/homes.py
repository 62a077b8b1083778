"""The homes of a city: a store, a writer and services of their own.

What is known of people in their homes lies apart from the city's data: it has its own walls, and what it says in an emergency
waits for nothing that the city takes in.
"""

from dongne.adapters.clock import CityClock
from dongne.adapters.gateways import GatewayDesk
from dongne.compose.opened import RunOptions, last_instant_us, take_file_settings
from dongne.model.city import CityConfig
from dongne.runtime.host import RuntimeHost
from dongne.runtime.registry import LoadedService
from dongne.stores.sealed import SealedStore

FOLDER = "homes"  # in the city's data folder
PERSONAL = "personal"  # the privacy of services that run here


class HomeSide:
    """The homes' store and what runs on it, in `DATA/homes`."""

    def __init__(self, options: RunOptions, config: CityConfig, services: list[LoadedService]) -> None:
        self.folder = options.folder / FOLDER
        self.clock = CityClock(options.speed, last_instant_us(self.folder))
        self.store = SealedStore.open(self.folder, self.clock, master_file=options.homes_key)
        self.config = config
        try:
            take_file_settings(self.store, config, config.settings.keys() - {service.id for service in services})
            self.runtime = RuntimeHost(self.store, config, services, [])
            self.gateways = GatewayDesk(self.store)
        except BaseException:
            self.store.close()
            raise

    def start(self) -> None:
        """Services act on what comes from here on."""
        self.runtime.start()
        self.runtime.open()

    def close(self) -> None:
        """Stops everything; nothing acknowledged is lost."""
        self.gateways.close()
        self.runtime.close()
        self.store.close()


def part(services: list[LoadedService]) -> tuple[list[LoadedService], list[LoadedService]]:
    """Those that run on the city's records, and those that run on the homes'."""
    homes = [service for service in services if service.manifest.privacy == PERSONAL]
    return [service for service in services if service not in homes], homes
