"""Seoul Metro, Line 2: mean loads of trains by half-hour, and people through the gates by hour, as its open data have them.

Of the loads: data.go.kr 15071311, one line for each station, direction and kind of day, columns of half-hours from 05:30 to 00:30 in % (100 % is 160
people in a car). Towards rising numbers run trains of the inner ring (내선), towards falling ones those of the outer ring (외선).
"""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

LINE = "2"
KINDS = {"평일": "working", "토요일": "saturday", "일요일": "sunday"}
WAYS = {"내선": "up", "외선": "down"}
HALF_HOURS = 48
_COLUMN = re.compile(r"(\d+)시(\d+)분")
_BRANCHES = 243  # stations beyond are on branches


def read_loads(path: Path) -> dict[str, dict[str, Any]]:
    """By station of the ring: its `number`, and `up` and `down` with 48 half-hours from midnight for each kind of day; 0 where no train
    was recorded."""
    found: dict[str, dict[str, Any]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            number = int(row["역번호"])
            if row["호선"] != LINE or number > _BRANCHES:
                continue
            station = found.setdefault(_name(row["출발역"]), {"number": number, "up": {}, "down": {}})
            loads = [0.0] * HALF_HOURS
            for column, text in row.items():
                if matched := _COLUMN.fullmatch(column or ""):
                    hour, minute = int(matched[1]), int(matched[2])
                    loads[(2 * hour + minute // 30) % HALF_HOURS] = float(text or 0.0)
            station[WAYS[row["상하구분"]]][KINDS[row["요일구분"]]] = loads
    return found


def read_gates(path: Path) -> dict[str, dict[str, list[float]]]:
    """By station of Line 2: people who went in (`on`) and out (`off`) in each hour of a mean working day."""
    table = pq.read_table(path)
    hours = [name for name in table.column_names if "~" in name or "이전" in name or "이후" in name]
    days = np.array(table["날짜"].cast("timestamp[us]").cast("int64").to_pylist()) // 86_400_000_000
    is_working = (days + 3) % 7 < 5  # 1970-01-01 was a Thursday
    lines, names, ways = (np.array(table[name].to_pylist()) for name in ("호선", "역명", "구분"))
    counts = np.array([table[name].to_pylist() for name in hours], float)
    found: dict[str, dict[str, list[float]]] = {}
    on_line = (lines == f"{LINE}호선") & is_working
    for station in sorted(set(names[on_line].tolist())):
        is_here = on_line & (names == station)
        found[_name(station)] = {
            key: _by_hour(hours, np.nanmean(counts[:, is_here & (ways == way)], axis=1))
            for key, way in (("on", "승차"), ("off", "하차"))
        }
    return found


def _by_hour(columns: list[str], means: Any) -> list[float]:
    """24 hours; those before 6 and after 24 o'clock are the hours 5 and 0."""
    hours = [0.0] * 24
    for column, mean in zip(columns, means, strict=True):
        hour = 5 if "이전" in column else 0 if "이후" in column else int(column.split("~")[0])
        hours[hour] = float(mean)
    return hours


def _name(text: str) -> str:
    """The station without what stands in brackets."""
    return text.partition("(")[0].strip()
