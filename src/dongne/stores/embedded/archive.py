"""Sealed days: Parquet files, one or more for each UTC day, with a manifest that says what must be in them.

A file is written aside, compared with its source by count and hash, made durable, and only then named in the manifest;
what the manifest does not name does not count and is overwritten.
"""

import hashlib
import threading
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from pathlib import Path

import duckdb
import msgspec

from dongne.model.times import to_us
from dongne.stores.embedded.history import History
from dongne.stores.synced import sync_path

FORMAT = 1
_CONTENT = (
    "count(*), bit_xor(hash(id, datastream_id, phenomenon_time, phenomenon_end, result, result_time, feature_id, extra)),"
    " min(id), max(id)"
)


class SealedFile(msgspec.Struct, frozen=True):
    """A Parquet file: Observations with phenomenonTime in `day` (UTC), sorted by (datastream_id, phenomenon_time).

    It has all of that day with numbers up to `sealed_to` which no earlier part has; `sha256` is of the file.
    """

    file: str
    day: date
    rows: int
    first_id: int
    last_id: int
    sealed_to: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What is sealed."""

    format: int = FORMAT
    files: tuple[SealedFile, ...] = ()


class Archive:
    """The folder with the sealed days."""

    def __init__(self, folder: Path, history: History) -> None:
        self.folder, self._history = folder, history
        self._lock = threading.Lock()  # one sealing at a time

    def manifest(self) -> Manifest:
        """What is sealed; empty where nothing is."""
        file = self.folder / "manifest.json"
        return msgspec.json.decode(file.read_bytes(), type=Manifest) if file.exists() else Manifest()

    def seal(self, before: datetime) -> list[str]:
        """Seals each whole UTC day before this instant; returns the names of the new files.

        Late Observations of a sealed day become a further part of it. A day from which some were removed is written
        anew as one file, and its old files are deleted.
        """
        end = datetime.combine(before.astimezone(UTC).date(), time(), UTC)
        self.folder.mkdir(exist_ok=True)
        new: list[str] = []
        with self._lock, self._history.reading() as cursor:
            ((position,),) = cursor.execute("select position from follower").fetchall()
            for day in self._days(cursor, end):
                old = [file for file in self.manifest().files if file.day == day]
                sealed_to = max((file.sealed_to for file in old), default=0)
                still = _content(cursor, _source(day, 0, sealed_to))[0]
                if old and still != sum(file.rows for file in old):
                    file = self._write(cursor, day, 0, position, _next_part(old))
                    self._publish([file] if file.rows else [], drop=old)
                elif _content(cursor, _source(day, sealed_to, position))[0]:
                    file = self._write(cursor, day, sealed_to, position, _next_part(old))
                    self._publish([file], drop=[])
                else:
                    continue
                new.append(file.file)
        return new

    def _days(self, cursor: duckdb.DuckDBPyConnection, end: datetime) -> list[date]:
        sql = (
            "select distinct cast(phenomenon_time as date) from {} where phenomenon_time < make_timestamp(?)"
            " and isfinite(phenomenon_time)"
        )
        found = {row[0] for t in ("hist", "recent") for row in cursor.execute(sql.format(t), [to_us(end)]).fetchall()}
        return sorted(found | {file.day for file in self.manifest().files})

    def _write(self, cursor: duckdb.DuckDBPyConnection, day: date, after: int, until: int, part: int) -> SealedFile:
        name = f"{day.isoformat()}.{part}.parquet"
        aside = self.folder / f"{name}.part"
        source = _source(day, after, until)
        sql = (
            f"copy (select * from {source} order by datastream_id, phenomenon_time, id)"
            f" to {_quoted(aside)} (format parquet, compression zstd)"
        )
        cursor.execute(sql).fetchall()
        expected, found = _content(cursor, source), _content(cursor, f"read_parquet({_quoted(aside)})")
        if expected != found:
            raise OSError(f"{aside} holds {found}, not {expected}; the day {day} stays unsealed")
        digest = _sha256(aside)
        sync_path(aside)
        aside.replace(self.folder / name)
        rows, _, first, last = expected
        return SealedFile(name, day, rows, first or 0, last or 0, until, digest)

    def _publish(self, new: list[SealedFile], drop: list[SealedFile]) -> None:
        kept = [file for file in self.manifest().files if file not in drop]
        manifest = Manifest(FORMAT, tuple(sorted([*kept, *new], key=lambda f: (f.day, f.file))))
        aside = self.folder / "manifest.json.part"
        aside.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        sync_path(aside)
        sync_path(self.folder)
        aside.replace(self.folder / "manifest.json")
        sync_path(self.folder)
        for file in drop:
            (self.folder / file.file).unlink(missing_ok=True)

    def verify(self) -> list[str]:
        """What is wrong, in words; empty where every file is as the manifest says and has what history has."""
        wrong: list[str] = []
        files = self.manifest().files
        with self._history.reading() as cursor:
            for file in files:
                path = self.folder / file.file
                if not path.exists():
                    wrong.append(f"{file.file} is missing")
                elif _sha256(path) != file.sha256:
                    wrong.append(f"{file.file} is not what was sealed: its SHA-256 differs")
                elif (rows := _content(cursor, f"read_parquet({_quoted(path)})")[0]) != file.rows:
                    wrong.append(f"{file.file} has {rows} rows instead of {file.rows}")
            for day in sorted({file.day for file in files}):
                parts = [file for file in files if file.day == day]
                there = _content(cursor, _source(day, 0, max(file.sealed_to for file in parts)))[0]
                if there != sum(file.rows for file in parts):
                    wrong.append(
                        f"{day}: {sum(f.rows for f in parts)} rows are sealed, history has {there}; seal again"
                    )
        return wrong


def _source(day: date, after: int, until: int) -> str:
    start_us = to_us(datetime.combine(day, time(), UTC))
    where = (
        f"phenomenon_time >= make_timestamp({start_us}) and phenomenon_time < make_timestamp({start_us + 86_400_000_000})"
        f" and id > {after} and id <= {until}"
    )
    return f"(select * from hist where {where} union all select * from recent where {where})"


def _content(cursor: duckdb.DuckDBPyConnection, source: str) -> tuple[int, int | None, int | None, int | None]:
    ((rows, digest, first, last),) = cursor.execute(f"select {_CONTENT} from {source}").fetchall()
    return rows, digest, first, last


def _next_part(old: Iterable[SealedFile]) -> int:
    return 1 + max((int(file.file.split(".")[1]) for file in old), default=-1)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
