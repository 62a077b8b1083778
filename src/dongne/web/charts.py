"""Charts drawn here, as SVG: they need no script, print well, and take their colours from the page."""

from math import ceil, floor, log10

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from dongne.web.series import HOUR_US, Line, day_starts
from dongne.web.texts import Words

SPARK = (300.0, 56.0)
CHART = (520.0, 240.0)
MARGIN = (50.0, 12.0, 22.0, 28.0)  # left, top, right, bottom


class _Frame:
    """From instants and values to points of a drawing."""

    def __init__(self, line: Line, box: tuple[float, float, float, float], low: float, high: float) -> None:
        self.left, self.top, self.right, self.bottom = box
        self.start_us, self.span_us = line.start_us, max(line.end_us - line.start_us, 1)
        self.low, self.span = low, (high - low) or 1.0

    def x(self, time_us: float) -> float:
        share = (time_us - self.start_us) / self.span_us
        return round(self.left + min(max(share, 0.0), 1.0) * (self.right - self.left), 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / self.span
        return round(self.bottom - min(max(share, 0.0), 1.0) * (self.bottom - self.top), 1)

    def path(self, line: Line) -> str:
        """Lines through the points, broken where there are gaps; in steps where a value holds until the next."""
        return self._steps(line) if line.is_stepped else self._slopes(line.time_us, line.value, _gap_us(line))

    def _steps(self, line: Line) -> str:
        parts: list[str] = []
        for time_us, value in zip(line.time_us.tolist(), line.value.tolist(), strict=True):
            x, y = self.x(time_us), self.y(value)
            parts.append(f"H{x}V{y}" if parts else f"M{x} {y}")
        return "".join(parts) + f"H{self.x(line.end_us)}"

    def _slopes(self, times: NDArray[np.int64], values: NDArray[np.float64], gap_us: float) -> str:
        parts: list[str] = []
        before = -float("inf")
        for time_us, value in zip(times.tolist(), values.tolist(), strict=True):
            parts.append(f"{'M' if time_us - before > gap_us or not parts else 'L'}{self.x(time_us)} {self.y(value)}")
            before = time_us
        return "".join(parts)

    def area(self, line: Line) -> str:
        """The usual band as a closed shape; empty where there is none."""
        if line.band is None:
            return ""
        there = list(zip(line.band.time_us.tolist(), line.band.high.tolist(), strict=True))
        back = list(zip(line.band.time_us.tolist(), line.band.low.tolist(), strict=True))[::-1]
        points = "L".join(f"{self.x(t)} {self.y(v)}" for t, v in there + back)
        return f'<path class="usual" d="M{points}Z"/>'


def _range(line: Line, *, from_zero: bool = True) -> tuple[float, float]:
    values = [line.value] + ([line.band.low, line.band.high] if line.band else [])
    together = np.concatenate(values)
    low = float(together.min())
    return min(low, 0.0) if from_zero else low, float(together.max())


def _gap_us(line: Line) -> float:
    """Further apart than this, two values are not joined."""
    if len(line.time_us) < 3:
        return float("inf")
    return max(float(np.median(np.diff(line.time_us))) * 6, 2 * HOUR_US)


def draw_spark(line: Line, label: str) -> Markup:
    """A line without axes, with the usual band behind it; empty where there are fewer than two values."""
    if len(line.time_us) < 2:
        return Markup("")
    width, height = SPARK
    low, high = _range(line)
    frame = _Frame(line, (2, 5, width - 6, height - 3), low, high)
    last_x, last_y = frame.x(float(line.time_us[-1])), frame.y(float(line.value[-1]))
    return Markup(
        f'<svg class="spark" viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}">{frame.area(line)}'
        f'<path class="line" d="{frame.path(line)}"/>'
        f'<path class="end" d="M{last_x} {last_y}h0"/></svg>'
    )


def draw_chart(line: Line, words: Words, label: str, *, from_zero: bool = True) -> Markup:
    """A line with axes in the city's time; says so where there is nothing to draw. Not `from_zero`: where 0 says nothing of the
    values, as of a weight."""
    width, height = CHART
    left, top, right, bottom = MARGIN
    if not len(line.time_us):
        return Markup(f'<p class="empty">{escape(words.say("chart.empty"))}</p>')
    low, high = _range(line, from_zero=from_zero)
    ticks = list_ticks(low, high)
    frame = _Frame(line, (left, top, width - right, height - bottom), ticks[0], ticks[-1])
    hours = (line.end_us - line.start_us) / HOUR_US
    step_h = 1 if hours <= 6 else 6 if hours <= 48 else 24
    days = day_starts(line.start_us, line.end_us, words.zone, step_h)
    days = days[:: ceil(len(days) / 7)] if days else []
    rows = "".join(
        f'<path class="grid" d="M{left:g} {frame.y(t)}H{width - right:g}"/>'
        f'<text x="{left - 8:g}" y="{frame.y(t) + 4:g}" text-anchor="end">{escape(words.number(t, 2))}</text>'
        for t in ticks
    )
    columns = "".join(
        f'<path class="tick" d="M{frame.x(t)} {height - bottom:g}v5"/>'
        f'<text x="{frame.x(t)}" y="{height - 6:g}" text-anchor="middle">'
        f"{escape(words.clock(t) if step_h < 24 else words.day(t))}</text>"
        for t in days
    )
    return Markup(
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
        f'{frame.area(line)}{rows}{columns}<path class="line" d="{frame.path(line)}"/></svg>'
    )


def list_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from below `low` to above `high`: steps of 1, 2 or 5 times a power of ten."""
    span = (high - low) or 1.0
    raw = span / (most - 1)
    power = 10.0 ** floor(log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(step * i, 10) for i in range(first, max(last, first + 1) + 1)]
