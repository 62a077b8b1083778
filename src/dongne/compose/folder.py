"""What commands do with a city's data folder while nothing runs in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from dongne.adapters.clock import CityClock
from dongne.adapters.table_import import ImportOptions, ImportReport, import_table
from dongne.compose.opened import OpenCity, Report, last_instant_us
from dongne.model.errors import BadInput, BadSetup
from dongne.runtime.intake import Intake
from dongne.stores.access import AccessBook
from dongne.stores.embedded import EmbeddedStore
from dongne.stores.embedded.backup import Backup, check_backup, restore_backup, write_backup


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
        intake = Intake(opened.store, future_s=opened.config.ahead_s)
        return import_table(opened.store, intake, file, options, lambda done, total: report("values", done, total))


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


def back_up(city: str, folder: Path, target: Path, report: Report, *, with_keys: bool = False) -> Backup:
    """A second copy of a city's folder, also while the city runs; with the homes' keys only where that is asked for."""
    return write_backup(folder, target, city, lambda done, total: report("pages", done, total), with_keys=with_keys)


def restore(source: Path, folder: Path, report: Report) -> dict[str, Any]:
    """A backup brought into an empty folder and opened there, its history made anew: what the store counts then.

    Raises BadSetup where the sequence does not end where the backup says.
    """
    kept = restore_backup(source, folder, lambda done, total: report("files", done, total))
    with _store(folder) as store:
        if store.head() != kept.head:
            raise BadSetup(f"{folder} ends at {store.head()}, the backup says {kept.head}; take an earlier backup")
        store.rebuild_history(lambda done, total: report("numbers", done, total))
        return dict(store.counts())


def list_faults(backup: Path) -> list[str]:
    """What is wrong with a backup, a line each."""
    return list(check_backup(backup))


@contextmanager
def open_access(folder: Path) -> Iterator[AccessBook]:
    """A folder's tokens and audit log, also while the city runs. Raises BadInput where there is no city."""
    if not folder.is_dir():
        raise BadInput(f"there are no data in {folder}; `dongne run` or `dongne city import` makes them")
    book = AccessBook(folder)
    try:
        yield book
    finally:
        book.close()
