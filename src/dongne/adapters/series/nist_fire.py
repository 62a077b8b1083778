"""A fire that NIST measured in a manufactured home (NIST TN 1455; series of firemodels/exp), as detectors of two rooms say it."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

FOLDER = "nist_smoke_alarms"
TEST = "SDC02"  # a burning upholstered chair in the living room
PLACES = "ABCDEF"
SMOKE_PER_M = 0.058  # 4 %/ft, a usual bound of smoke alarms, as optical density a metre
HEAT_C = 57.0  # EN 54-5 class A1 acts at 54 to 65 C, UL 521 at 57


class Word(NamedTuple):
    """The `which`-th detector of this property sounds, so many seconds after the first."""

    after_s: float
    property: str
    which: int = 1


def find_fire_words(data: Path | None) -> list[Word]:
    """What the first two smoke detectors and the first heat detector of the test say; nothing where the data are not here.

    A detector sounds at the second sample in a row that is over its bound.
    """
    file = None if data is None else data / FOLDER / f"NIST_Smoke_Alarms_{TEST}.csv"
    if file is None or not file.exists():
        return []
    with file.open(encoding="utf-8") as lines:
        names, *rows = list(csv.reader(lines))
    values = np.array([[float(cell) if cell else np.nan for cell in row] for row in rows])
    series = dict(zip(names, values.T, strict=True))

    def sounds_s(column: str, bound: float) -> list[float]:
        over = series[column] >= bound if column in series else np.zeros(1, bool)
        held = np.flatnonzero(over[1:] & over[:-1])
        return [float(series["TIME"][held[0] + 1])] if len(held) else []

    smoke = sorted(at for place in PLACES for at in sounds_s(f"SM{place}_1", SMOKE_PER_M))[:2]
    heat = sorted(at for place in PLACES for at in sounds_s(f"TC{place}_1", HEAT_C))[:1]
    words = [Word(at - smoke[0], "smoke", which) for which, at in enumerate(smoke, 1)]
    return sorted([*words, *(Word(at - smoke[0], "heat") for at in heat)])
