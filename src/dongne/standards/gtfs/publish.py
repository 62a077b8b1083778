"""A timetable as the zip in which GTFS Schedule is published (https://gtfs.org/documentation/schedule/reference/)."""

import csv
import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO

MEDIA_TYPE = "application/zip"
FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # of a zip: the same tables give the same bytes
Row = Mapping[str, str | int | float]


def write_feed(tables: Mapping[str, Sequence[Row]]) -> bytes:
    """The zip. `tables` has the rows of each file by its name without ".txt"; a file's columns are those of its first row, and a table without rows
    is left out."""
    held = BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as out:
        for name, rows in tables.items():
            if rows:
                out.writestr(zipfile.ZipInfo(f"{name}.txt", FIRST_DAY), _csv(rows), zipfile.ZIP_DEFLATED)
    return held.getvalue()


def time_of(seconds: float) -> str:
    """HH:MM:SS since midnight, also past 24:00."""
    whole = round(seconds)
    return f"{whole // 3600:02}:{whole % 3600 // 60:02}:{whole % 60:02}"


def _csv(rows: Sequence[Row]) -> str:
    text = StringIO()
    out = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    out.writeheader()
    out.writerows(rows)
    return text.getvalue()
