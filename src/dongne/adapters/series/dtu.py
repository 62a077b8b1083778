"""Bins near Copenhagen that sent the distance from lid to rubbish over LoRaWAN: a folder of s0201410N.json."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from dongne.adapters.series.recording import Recording, local_of_us, recording
from dongne.model.times import parse_instant, to_us

EMPTY_CM = 75.0  # the longest distance that the bins sent again and again; nothing says how deep they are
FEW = 100  # messages; five of the nine files hold one or two
ZONE = ZoneInfo("Europe/Copenhagen")


class _Message(msgspec.Struct):
    time: str
    data: str


class _File(msgspec.Struct):
    data: list[_Message]


def read(path: Path, since_us: int | None = None) -> dict[str, Recording]:
    """Fill levels in percent by device ("02014101"), noisy as they were sent. 0 cm stands for full.

    A message that two gateways heard is there twice, a fraction of a second apart: the first counts. The level is
    100 x (1 - distance / 75 cm), within 0 and 100.
    """
    found = {}
    for file in sorted(path.glob("s*.json")):
        messages = msgspec.json.decode(file.read_bytes(), type=_File).data
        rows: list[tuple[int, float]] = []
        for when, distance_cm in sorted({(parse_instant(m.time), float(m.data.strip("{}"))) for m in messages}):
            local_us = local_of_us(to_us(_to_second(when)), ZONE)
            if (not rows or local_us - rows[-1][0] > 5_000_000) and (since_us is None or local_us >= since_us):
                rows.append((local_us, min(100.0, max(0.0, 100.0 * (1.0 - distance_cm / EMPTY_CM)))))
        if len(rows) >= FEW:
            found[file.stem.removeprefix("s")] = recording(rows)
    return found


def _to_second(when: datetime) -> datetime:
    return when.replace(microsecond=0)
