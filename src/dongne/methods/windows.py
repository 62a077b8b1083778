"""Tumbling windows over event time: what was counted in parts, put together by the hour (or any other length).

A part belongs to the window in which it happened, not to the one in which it arrived. A window is open to late and
corrected parts for as long as it is kept; each of them is a revision of what was said of it before. (Akidau et al., The
Dataflow Model, VLDB 8(12), 2015: event-time windows, allowed lateness, accumulating refinements.)
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

HOUR_US = 3_600_000_000


@dataclass(slots=True)
class Window:
    """`number` is the window's start over its length; `parts` the value of each part by its number within."""

    number: int
    parts: dict[int, float] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """The mean over the parts: of rates (persons an hour) that is the rate over the whole window."""
        return sum(self.parts.values()) / len(self.parts)


@dataclass(frozen=True, slots=True)
class Tumbling:
    """Windows of `length_us` in equal parts of `part_us`, of which the newest `keep` are open."""

    length_us: int = HOUR_US
    part_us: int = HOUR_US
    keep: int = 6

    @property
    def parts(self) -> int:
        """Parts in a whole window."""
        return max(self.length_us // self.part_us, 1)

    def share(self, window: Window) -> float:
        """How much of the window was counted: 1 is all of it."""
        return len(window.parts) / self.parts

    def add(self, windows: list[Window], time_us: int, value: float) -> Window | None:
        """The window this value belongs to, with the value in it; None where it is too late for a place in the open
        windows. A second value of the same part takes the place of the first. `windows` is ascending, changed in place."""
        number = time_us // self.length_us
        if windows and number <= windows[-1].number - self.keep:
            return None
        at = len(windows)
        while at and windows[at - 1].number > number:
            at -= 1
        if not at or windows[at - 1].number != number:
            windows.insert(at, Window(number))
            at += 1
        window = windows[at - 1]
        window.parts[time_us % self.length_us // self.part_us] = value
        return window

    def close(self, windows: list[Window]) -> list[Window]:
        """Takes out the windows that nothing can change any more, in order."""
        first_open = windows[-1].number - self.keep + 1 if windows else 0
        if not windows or windows[0].number >= first_open:
            return []
        closed = [w for w in windows if w.number < first_open]
        del windows[: len(closed)]
        return closed


def hourly_means(time_us: NDArray[np.int64], value: NDArray[np.float64]) -> tuple[int, NDArray[np.float64]]:
    """(the first hour's number since 1970, the mean of each hour from there on): NaN where nothing was counted."""
    if not len(time_us):
        return 0, np.array([], np.float64)
    hour = time_us // HOUR_US
    first = int(hour[0])
    place = hour - first
    size = int(place[-1]) + 1
    sums, counts = np.bincount(place, value, size), np.bincount(place, minlength=size)
    return first, np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
