"""Pedestrians per hour in Auckland: columns date, hour ("6:00-6:59"), year and one column for each counter."""

import csv
import gzip
from datetime import datetime, timedelta
from pathlib import Path

from dongne.adapters.series.recording import HOUR_US, NAIVE_EPOCH, Recording, naive_us, recording
from dongne.model.errors import BadSetup

FIXED = ("date", "hour", "year")


def read(path: Path, since_us: int | None = None) -> dict[str, Recording]:
    """Counts of persons in the hour that begins at each time, by counter; empty cells are gaps."""
    columns: dict[str, list[tuple[int, float]]] = {}
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        table = csv.reader(file)
        head = next(table)
        if tuple(head[:3]) != FIXED:
            raise BadSetup(f"{path}: the columns are {head[:3]}, not {list(FIXED)} and counters")
        counters = [(index, columns.setdefault(name, [])) for index, name in enumerate(head) if name not in FIXED]
        days: dict[str, int] = {}
        since = "" if since_us is None else (NAIVE_EPOCH + timedelta(microseconds=since_us)).date().isoformat()
        for row in csv.reader(line for line in file if line >= since):  # a line begins with its ISO date
            if (day := days.get(row[0])) is None:
                day = days[row[0]] = naive_us(datetime.fromisoformat(row[0]))
            local_us = day + int(row[1].split(":", 1)[0]) * HOUR_US
            if since_us is not None and local_us < since_us:
                continue
            for index, rows in counters:
                if row[index]:
                    rows.append((local_us, float(row[index])))
    return {name: recording(rows) for name, rows in columns.items() if rows}
