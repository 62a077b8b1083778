"""Times of SensorThings: instants, intervals "start/end" and ISO 8601 durations, as whole microseconds since 1970."""

import re
from collections.abc import Sequence

import numpy as np

from dongne.model.errors import BadInput
from dongne.model.times import format_instant, from_us, parse_instant, to_us

_DURATION = re.compile(
    r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,6}))?S)?)?", re.ASCII
)
_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US
LARGEST_DURATION_US = 36_525_000 * _DAY_US


def parse_instant_us(text: str) -> int:
    """Microseconds of an ISO 8601 instant with its zone. Raises BadInput saying what a right one looks like."""
    try:
        return to_us(parse_instant(text))
    except (ValueError, OverflowError) as error:
        raise BadInput(
            f"{text[:60]!r} is not an instant ({error}); write it like 2026-05-01T08:30:00Z", reason="time"
        ) from None


def parse_time_us(text: str) -> tuple[int, int | None]:
    """Start and end of an instant (end None) or an interval "start/end". Raises BadInput."""
    start, slash, end = text.partition("/")
    if not slash:
        return parse_instant_us(text), None
    start_us, end_us = parse_instant_us(start), parse_instant_us(end)
    if end_us < start_us:
        raise BadInput(f"the interval {text[:80]!r} ends before it starts; swap its two instants", reason="time")
    return start_us, end_us


def format_us(us: int) -> str:
    """ISO 8601 with Z."""
    return format_instant(from_us(us))


def format_column(times_us: Sequence[int]) -> list[str]:
    """`format_us` of many at once: several times quicker."""
    column = np.array(times_us, np.int64)
    if not len(column):
        return []
    if not (column % _SECOND_US).any():
        return [text + "Z" for text in np.datetime_as_string(column.view("M8[us]"), unit="s").tolist()]
    texts = np.datetime_as_string(column.view("M8[us]"), unit="us").tolist()
    return [_without_zeros(text) for text in texts]


def _without_zeros(text: str) -> str:
    if text.endswith("000"):
        return (text[:-7] if text.endswith(".000000") else text[:-3]) + "Z"
    return text + "Z"


def format_time_us(start_us: int, end_us: int | None) -> str:
    """An instant (also where both are the same), or "start/end"."""
    if end_us is None or end_us == start_us:
        return format_us(start_us)
    return f"{format_us(start_us)}/{format_us(end_us)}"


def parse_duration_us(text: str) -> int:
    """Microseconds of an ISO 8601 duration in weeks, days, hours, minutes and seconds. Raises BadInput."""
    found = _DURATION.fullmatch(text)
    if found is None or text[-1] in "PT":
        raise BadInput(f"{text[:40]!r} is not a duration; write it like P1D or PT30M (no months, no years)")
    sign, weeks, days, hours, minutes, seconds, fraction = found.groups()
    whole_s = int(seconds or 0) + 60 * (int(minutes or 0) + 60 * int(hours or 0))
    us = (int(days or 0) + 7 * int(weeks or 0)) * _DAY_US + whole_s * _SECOND_US + int((fraction or "0").ljust(6, "0"))
    if us > LARGEST_DURATION_US:
        raise BadInput(f"the duration {text[:40]!r} is longer than 100,000 years; take a shorter one")
    return -us if sign == "-" else us


def format_duration_us(us: int) -> str:
    """The shortest text in days and seconds that `parse_duration_us` reads back."""
    days, rest = divmod(abs(us), _DAY_US)
    seconds, fraction = divmod(rest, _SECOND_US)
    text = "-P" if us < 0 else "P"
    if days:
        text += f"{days}D"
    if rest or not days:
        text += f"T{seconds}" + (f".{fraction:06d}".rstrip("0") if fraction else "") + "S"
    return text
