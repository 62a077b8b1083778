"""Times and places of CQL2, read from what text and JSON write."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import shapely

from dongne.model.errors import BadInput
from dongne.standards.sensorthings.query import Call, Date, Expression, Geometry, Instant, Interval, Literal
from dongne.standards.sensorthings.times import parse_instant_us

Time = Instant | Date | Interval
OPEN = ".."
EARLIEST_US, LATEST_US = -(1 << 62), 1 << 62  # the ends of what has none
DAY_US = 86_400_000_000
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def date_of(text: str) -> Date:
    """A day, YYYY-MM-DD. Raises BadInput."""
    if not _DAY.fullmatch(text):
        raise BadInput(f"{text[:40]!r} is no date; write it like DATE('2026-05-01')", reason="time")
    parse_instant_us(f"{text}T00:00:00Z")
    return Date(text)


def timestamp_of(text: str) -> Instant:
    """An instant. Raises BadInput."""
    return Instant(parse_instant_us(text))


def end_of(text: str) -> Literal:
    """One end of an interval: a day, an instant, or `..` for none (None). Raises BadInput."""
    if text in (OPEN, ""):
        return Literal(None)
    return Literal(date_of(text) if _DAY.fullmatch(text) else timestamp_of(text))


def interval_of(start: Expression, end: Expression) -> Expression:
    """The interval: a constant where both ends are, else a call. Raises BadInput where it ends before it starts."""
    if not (isinstance(start, Literal) and isinstance(end, Literal)):
        return Call("interval", (start, end))
    start_us, end_us = start_of_us(start.value), end_of_us(end.value)
    if end_us < start_us:
        raise BadInput("the interval ends before it starts; swap its two ends", reason="time")
    return Literal(Interval(start_us, end_us))


def start_of_us(value: Any) -> int:
    """Where a time begins; None is open. Raises BadInput for what is no time."""
    match value:
        case None:
            return EARLIEST_US
        case Instant(us):
            return us
        case Date(text):
            return parse_instant_us(f"{text}T00:00:00Z")
        case Interval(start_us, _):
            return start_us
    raise BadInput(f"{str(value)[:40]!r} is no time", reason="time")


def end_of_us(value: Any) -> int:
    """Where a time ends, inclusive; a day with its last microsecond."""
    match value:
        case None:
            return LATEST_US
        case Date(_):
            return start_of_us(value) + DAY_US - 1
        case Interval(_, end_us):
            return end_us
    return start_of_us(value)


# --- places


def geometry_of_wkt(text: str) -> Geometry:
    """Well-known text. Raises BadInput where it is none, or no valid geometry."""
    return _checked(shapely.from_wkt(text, on_invalid="ignore"), text)


def geometry_of_geojson(document: Any) -> Geometry:
    """GeoJSON. Raises BadInput."""
    text = msgspec.json.encode(document).decode()
    return _checked(shapely.from_geojson(text, on_invalid="ignore"), text)


def geometry_of_box(numbers: Sequence[float]) -> Geometry:
    """West, south, east, north (with heights: six numbers, which do not count). Where east is less than west the box goes
    over the antimeridian. Raises BadInput."""
    if len(numbers) == 6:
        numbers = [*numbers[:2], *numbers[3:5]]
    if len(numbers) != 4 or not all(map(np.isfinite, numbers)):
        raise BadInput("a box has four numbers: west, south, east, north, in degrees", reason="query")
    west, south, east, north = numbers
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise BadInput(
            f"west {west:g}, south {south:g}, east {east:g}, north {north:g} is no box; they are degrees (CRS84), "
            "and south is not above north",
            reason="query",
        )
    if west <= east:
        return Geometry(shapely.to_wkt(shapely.box(west, south, east, north), -1))
    parts = [shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)]
    return Geometry(shapely.to_wkt(shapely.MultiPolygon(parts), -1))


def _checked(found: Any, text: str) -> Geometry:
    if found is None or not np.isfinite(shapely.get_coordinates(found)).all():
        raise BadInput(f"filter: {text[:60]!r} is no geometry; write it like POINT(24.94 60.17)", reason="query")
    if not shapely.is_valid(found):
        why = shapely.is_valid_reason(found)
        raise BadInput(f"filter: {text[:60]!r} is no valid geometry: {why[:80]}", reason="query")
    return Geometry(shapely.to_wkt(found, -1))
