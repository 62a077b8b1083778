"""A city's data kept a second time, and brought back: the truth, what it knows of people's tokens, and the sealed days.

History for queries is not among it: it is made anew from the truth. A backup is a folder with `backup.json`, which names
each file with its length and SHA-256; without that file it is not a backup.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from dongne.model.errors import BadInput, BadSetup
from dongne.stores.embedded.archive import Manifest

FORMAT = 1
ATTACHMENTS = "attachments"
NOTE = "backup.json"
DATABASES = ("webhooks.db", "truth.db", "access.db")
"""Copied in this order, each as of one moment, where they are there: webhooks first, so that none has come further than the
truth beside it and would pass over what comes after a restore."""
DAYS = "days"
HOMES, KEYS = "homes", "keys"
"""The homes' data lie sealed in a folder of their own. Their keys are copied only where that is asked for, and after the data, so
that none lacks; their master key never."""
_PAGES = 4_096  # copied at once; writers go between
Progress = Callable[[int, int], None]


class KeptFile(msgspec.Struct, frozen=True):
    """One file of a backup; `name` is its path inside."""

    name: str
    size_bytes: int
    sha256: str


class Backup(msgspec.Struct, frozen=True):
    """What a backup holds: the sequence up to the number `head`, whose last record arrived at `at_us`."""

    format: int
    city: str
    head: int
    at_us: int
    files: tuple[KeptFile, ...]


def write_backup(
    source: Path, target: Path, city: str, progress: Progress | None = None, *, with_keys: bool = False
) -> Backup:
    """Copies a city's folder to `target`, also while the city runs. The target appears whole or not at all.
    `with_keys` copies the homes' keys too: who withdraws from then on stays readable in this copy.

    Raises BadInput where the target is there already or the source holds no city.
    """
    if not (source / "truth.db").exists():
        raise BadInput(f"{source} holds no city; name the data folder of one with --folder")
    if target.exists():
        raise BadInput(f"{target} is there already; name a new folder for the backup")
    aside = target.with_name(f".{target.name}.unfinished")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        days = _list_days(source)  # before the truth: whatever is sealed later is in the copied truth as well
        for name in DATABASES:
            if (source / name).exists():
                _copy_database(source / name, aside / name, progress)
        for file in days:
            (aside / DAYS).mkdir(exist_ok=True)
            shutil.copyfile(source / DAYS / file, aside / DAYS / file)
        _copy_attachments(
            source / ATTACHMENTS, aside / ATTACHMENTS
        )  # after the truth: what it names was there before it
        if (source / HOMES / "truth.db").exists():
            (aside / HOMES).mkdir()
            _copy_database(source / HOMES / "truth.db", aside / HOMES / "truth.db", progress)
            if with_keys:
                _copy_keys(source / HOMES / KEYS, aside / HOMES / KEYS)
        found = _describe(aside, city)
        _write(aside / NOTE, msgspec.json.format(msgspec.json.encode(found), indent=1))
        aside.rename(target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return found


def _list_days(source: Path) -> list[str]:
    manifest = source / DAYS / "manifest.json"
    if not manifest.exists():
        return []
    sealed = msgspec.json.decode(manifest.read_bytes(), type=Manifest)
    return ["manifest.json", *(file.file for file in sealed.files)]


def _copy_database(source: Path, target: Path, progress: Progress | None) -> None:
    def report(_status: int, remaining: int, total: int) -> None:
        if progress:
            progress(total - remaining, total)

    with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as before:
        before.execute("begin")  # one moment: a backup in steps would begin anew at each commit of the city
        before.execute("select count(*) from sqlite_master").fetchone()
        with closing(sqlite3.connect(target)) as after:
            before.backup(after, pages=_PAGES, progress=report)


def _copy_attachments(source: Path, target: Path) -> None:
    for file in source.glob("*/[0-9a-f]*"):  # not what is being written
        (target / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target / file.parent.name / file.name)


def _copy_keys(source: Path, target: Path) -> None:
    target.touch(0o600)
    shutil.copyfile(source, target)


def _describe(folder: Path, city: str) -> Backup:
    head, at_us = _end_of(folder / "truth.db")
    if (folder / HOMES).exists():
        _end_of(folder / HOMES / "truth.db")
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return Backup(FORMAT, city, head, at_us, tuple(_kept(folder, file) for file in files))


def _end_of(file: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(file)) as connection:
        ((fault,),) = connection.execute("pragma integrity_check(1)").fetchall()
        if fault != "ok":
            raise BadSetup(f"{file} is damaged ({fault}); take an earlier backup")
        found = connection.execute("select number + count - 1, at_us from sequence order by number desc limit 1")
        head, at_us = found.fetchone() or (0, 0)
        connection.execute("pragma journal_mode = delete")  # one file, without the two of the WAL beside it
    return head, at_us


def _kept(folder: Path, file: Path) -> KeptFile:
    return KeptFile(file.relative_to(folder).as_posix(), file.stat().st_size, _digest(file))


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def read_backup(folder: Path) -> Backup:
    """What the backup in this folder says of itself. Raises BadInput where there is none."""
    try:
        found = msgspec.json.decode((folder / NOTE).read_bytes(), type=Backup)
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"{folder} is no backup ({NOTE}: {error}); name a folder that `dongne backup` made") from None
    if found.format != FORMAT:
        raise BadInput(f"{folder} has format {found.format}; this version reads {FORMAT}")
    return found


def check_backup(folder: Path, progress: Progress | None = None) -> Iterator[str]:
    """What is wrong with a backup, a line each; nothing where each file is as it was written."""
    found = read_backup(folder)
    for done, kept in enumerate(found.files):
        file = folder / kept.name
        if not file.is_file():
            yield f"{kept.name} is missing"
        elif file.stat().st_size != kept.size_bytes or _digest(file) != kept.sha256:
            yield f"{kept.name} is not as it was written"
        if progress:
            progress(done + 1, len(found.files))


def restore_backup(source: Path, target: Path, progress: Progress | None = None) -> Backup:
    """Brings a backup back into an empty folder; history is made when the city is opened. Raises BadInput where the
    backup is not whole or the target holds something."""
    faults = list(check_backup(source, progress))
    if faults:
        raise BadInput(f"nothing was restored, the backup is damaged: {'; '.join(faults[:5])}; take another one")
    if target.exists() and any(target.iterdir()):
        raise BadInput(f"{target} is not empty; restore into a new folder with --folder, and nothing is overwritten")
    found = read_backup(source)
    target.mkdir(parents=True, exist_ok=True)
    for kept in found.files:
        (target / kept.name).parent.mkdir(exist_ok=True)
        if kept.name == f"{HOMES}/{KEYS}":
            _copy_keys(source / kept.name, target / kept.name)
        else:
            shutil.copyfile(source / kept.name, target / kept.name)
    return found
