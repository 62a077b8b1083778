"""A city with its store open, and what `dongne run` was asked for."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path

import msgspec

from dongne.adapters.cityfile import plan_city
from dongne.adapters.clock import CityClock
from dongne.adapters.gtfs_city import plan_stops
from dongne.adapters.lines import plan_lines
from dongne.adapters.places import get_city_folder
from dongne.adapters.sources import load_city
from dongne.model.city import CityConfig
from dongne.model.records import RecordKind
from dongne.runtime.ports import Entry, Lane, Store, Transaction
from dongne.runtime.settings import find_file_changes
from dongne.stores.embedded import EmbeddedStore, SequenceFile

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
    public_url: str = ""  # how the outside reaches it, where a proxy of this machine passes it on
    mqtt: str = "auto"  # an address, "off", or "auto": the broker of this machine if one answers
    mqtt_quiet: bool = False  # say nothing at the broker of what happens in the city
    webhooks: str = "outside"  # where webhooks may go: outside (https on the internet), anywhere, off
    scaip_listen: str = "off"  # where gateways of homes speak SCAIP to us, or "off"
    scaip_intervals: str = ""  # what each code of a heartbeat interval stands for there, as "1=300,2=3600"
    mqtt_listen: str = "auto"  # where MQTT clients connect, "off", or "auto": at this machine only, if the port is free
    homes_key: Path | None = None  # the master key of the homes' data; None: in their folder


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
        """Brings the Things to what the city's map and lines say; nothing where this folder's files were taken in before."""
        digest = sha256(b"".join(f.read_bytes() for f in sorted(self.city_folder.glob("*.toml")))).hexdigest()[:16]
        done_before = f"import:{self.config.id}:{digest}:{self.data or ''}"
        if self.store.position(done_before):
            return

        def progress(done: int, total: int) -> None:
            report("things", done, total)

        plan = plan_city(self.config, self.city_folder, self.data, self.store.new_id, self.store.graph, progress)
        lines = plan_lines(self.city_folder, self.data, self.store.new_id, self.store.graph)
        stops = plan_stops(self.city_folder, self.data, self.store.new_id, self.store.graph)
        for changes in chain(plan, lines, stops):
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


def take_file_settings(store: Store, config: CityConfig, but: Collection[str] = ()) -> None:
    """Records what the city's file says of services, where it has changed; of all `but` these."""
    said = {service: values for service, values in config.settings.items() if service not in but}
    for change in find_file_changes(store.list_settings(), said):
        entry = Entry(RecordKind.SETTING, msgspec.msgpack.encode(change))
        store.submit(Transaction([entry])).result()


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
