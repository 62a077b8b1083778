"""A feed's zip: the files in it, as they should be named."""

import zipfile
import zlib
from io import BytesIO
from pathlib import PurePosixPath

from dongne.standards.gtfs.fault import Report
from dongne.standards.gtfs.schema import FILES, NOT_READ

MOST_BYTES = 2_000_000_000  # unpacked; a country's feed has less
KNOWN = {name.lower(): name for name in (*FILES, *NOT_READ)}


def open_archive(body: bytes, report: Report) -> dict[str, bytes]:
    """File name -> bytes of those files that are read here. What is missing or in the wrong place goes to the report."""
    try:
        archive = zipfile.ZipFile(BytesIO(body))
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        report.add("zip_unreadable", value=body[:40].decode("latin-1"), reason=str(error))
        return {}
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if sum(info.file_size for info in infos) > MOST_BYTES:
        report.add("zip_too_large", value=str(sum(info.file_size for info in infos)), most=MOST_BYTES)
        return {}
    files: dict[str, bytes] = {}
    for info in infos:
        name = _name(info.filename, report)
        if name is None or name in files:
            continue
        if name in NOT_READ:
            report.passed_over.append(name)
            continue
        try:
            files[name] = archive.read(info)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError) as error:
            report.add("file_damaged", name, value=info.filename, reason=str(error))
    return files


def _name(written: str, report: Report) -> str | None:
    """The name GTFS has for a file of the archive; None for one it doesn't know."""
    path = PurePosixPath(written.replace("\\", "/"))
    if path.name.startswith(".") or "__MACOSX" in path.parts:
        return None
    name = KNOWN.get(path.name.lower())
    if name is None:
        report.add("file_unknown", path.name, value=written)
        return None
    if len(path.parts) > 1:
        report.add("file_in_folder", name, value=written)
    if path.name != name:
        report.add("file_name_case", name, value=path.name)
    return name
