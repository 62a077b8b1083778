"""Series for charts: the last hours of a Datastream, thinned, and the band in which it usually lies."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from dongne.model.entities import Datastream
from dongne.model.times import from_us
from dongne.web.seen import SeenCity

HOUR_US = 3_600_000_000
WEEKS_BACK = 5
LEAST_FOR_USUAL = 3  # values of an hour of the week before we call anything usual
USUAL = (20.0, 80.0)  # percentiles
SPANS = {"6h": 6, "24h": 24, "7d": 7 * 24, "30d": 30 * 24}


@dataclass(frozen=True)
class Band:
    """Hours (microseconds at their start, as values have it) and the range in which most values of that hour of the week lay."""

    time_us: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A series between two instants, with its usual band where enough weeks are known. A stepped one says when
    something changes: each value holds until the next."""

    start_us: int
    end_us: int
    time_us: NDArray[np.int64]
    value: NDArray[np.float64]
    band: Band | None = None
    is_stepped: bool = False


def get_line(
    city: SeenCity, stream: Datastream, end_us: int, hours: int, most: int = 600, *, usual: bool = True
) -> Line:
    """The last hours before `end_us`, in at most about `most` points."""
    start_us = end_us - hours * HOUR_US
    times, values = city.series(stream.id, from_us(start_us), from_us(end_us + 1))
    times, values = thin(times, values, most)
    interval_s = float(stream.properties.get("interval_s") or 0)
    wanted = usual and interval_s >= 300 and hours <= SPANS["7d"]
    band = get_usual(city, stream, start_us, end_us) if wanted else None
    return Line(start_us, end_us, times, values, band, is_stepped=not interval_s)


def thin(
    times: NDArray[np.int64], values: NDArray[np.float64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The same line in at most about `most` points: lowest and highest of each part are kept, in order."""
    good = np.isfinite(values)
    times, values = times[good], values[good]
    if len(times) <= most:
        return times, values
    edges = np.linspace(0, len(times), max(most // 2, 1) + 1).astype(int)
    kept: set[int] = {0, len(times) - 1}
    for begin, end in pairwise(edges.tolist()):
        kept.update((begin + int(values[begin:end].argmin()), begin + int(values[begin:end].argmax())))
    rows = np.array(sorted(kept))
    return times[rows], values[rows]


def get_usual(city: SeenCity, stream: Datastream, start_us: int, end_us: int) -> Band | None:
    """The usual band of each hour of [start, end): percentiles of the same hour of the week, of the weeks before."""
    before = from_us(start_us) - timedelta(weeks=WEEKS_BACK)
    times, values = city.series(stream.id, before, from_us(start_us))
    good = np.isfinite(values)
    if not good.any():
        return None
    slots = (times[good] // HOUR_US) % (7 * 24)
    values = values[good]
    hours, low, high = [], [], []
    for hour in range(start_us // HOUR_US, end_us // HOUR_US + 1):
        same = values[slots == hour % (7 * 24)]
        if len(same) >= LEAST_FOR_USUAL:
            hours.append(hour * HOUR_US)
            low.append(np.percentile(same, USUAL[0]))
            high.append(np.percentile(same, USUAL[1]))
    if not hours:
        return None
    return Band(np.array(hours, np.int64), np.array(low), np.array(high))


def day_starts(start_us: int, end_us: int, zone: ZoneInfo, step_h: int) -> list[int]:
    """The instants in between at which the clocks there show a multiple of `step_h` hours."""
    hours = range(-(-start_us // HOUR_US), end_us // HOUR_US + 1)
    return [hour * HOUR_US for hour in hours if from_us(hour * HOUR_US).astimezone(zone).hour % step_h == 0]
