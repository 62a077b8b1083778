"""The only place which wires everything: a city's folder, its store, its services, what streams in, and its pages."""

import json
import logging
import os
import secrets
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from dongne.adapters.cityfile import plan_city
from dongne.adapters.clock import CityClock
from dongne.adapters.sources import load_city
from dongne.commands.places import ROOT, get_city_folder
from dongne.model.city import CityConfig
from dongne.model.errors import BadSetup
from dongne.model.records import RecordKind
from dongne.model.times import from_us
from dongne.runtime.host import RuntimeHost
from dongne.runtime.ports import Entry, Lane, RecordReader, Transaction
from dongne.runtime.registry import load_all
from dongne.stores.embedded import EmbeddedStore, SequenceFile

log = logging.getLogger("dongne")

Report = Callable[[str, int, int], None]  # (what, done, total)
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


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
        """Brings the Things to what the city's map says; nothing where they are so already."""

        def progress(done: int, total: int) -> None:
            report("things", done, total)

        plan = plan_city(self.config, self.city_folder, self.data, self.store.new_id, self.store.graph, progress)
        for changes in plan:
            entry = Entry(RecordKind.ENTITIES, msgspec.msgpack.encode(changes))
            self.store.submit(Transaction([entry]), Lane.BULK).result()

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
