"""What a request for items asks for: a box, a time, a condition, and which page (17-069r4, clause 7.15; 19-079r2, clause 6)."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import shapely

from dongne.model.errors import BadInput, RetryLater
from dongne.standards.cql2 import values
from dongne.standards.cql2.document import parse_document
from dongne.standards.cql2.evaluate import Condition, Sort, make_condition, names_in
from dongne.standards.cql2.text import parse_text
from dongne.standards.sensorthings.query import Compare, Expression, Literal, Logic, Path
from dongne.standards.sensorthings.times import parse_instant_us
from dongne.web.ogc.collections import GEOMETRY, Collection, Collections, Feature, Item

T = TypeVar("T")
DEFAULT_LIMIT, MOST = 100, 10_000
SLOWEST_S = 10.0
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
# cql-text is what GDAL before 3.9 calls it, after a draft of the standard
LANGUAGES = {"cql2-text": parse_text, "cql2-json": parse_document, "cql-text": parse_text}
OWN = ("f", "lang", "limit", "after", "bbox", "datetime", "filter", "filter-lang", "filter-crs", "crs", "bbox-crs")
Span = tuple[int, int]


@dataclass(frozen=True)
class Asked:
    """`after`: items with a greater id; `needs_values`: the condition speaks of newest values."""

    limit: int = DEFAULT_LIMIT
    after: int = 0
    box: Any = None
    span: Span | None = None
    condition: Condition | None = None
    needs_values: bool = False


@dataclass(frozen=True)
class Found:
    """A page of items with their newest values; `more`: others come after them; `matched`: how many there are in all."""

    features: list[Feature]
    matched: int
    more: bool


def read_asked(pairs: Iterable[tuple[str, str]], collection: Collection) -> Asked:
    """What is asked for. Raises BadInput for an option nobody knows or that is given twice, and for what can't be read."""
    options: dict[str, str] = {}
    for name, value in pairs:
        if name not in OWN and (name not in collection.queryables or name == GEOMETRY):
            there = ", ".join([*OWN, *(q for q in collection.queryables if q != GEOMETRY)])
            raise BadInput(f"there is no option {name[:60]!r} here; options: {there}", reason="query")
        if name in options:
            raise BadInput(f"{name} is given twice; say it once", reason="query")
        options[name] = value
    for name in ("crs", "bbox-crs", "filter-crs"):
        if options.get(name, CRS84) != CRS84:
            raise BadInput(f"{name}={options[name][:80]!r} is not answered here; there is {CRS84}", reason="query")
    asked = Asked(
        min(_whole(options, "limit", DEFAULT_LIMIT, 1), MOST),
        _whole(options, "after", 0, 0),
        _box(options["bbox"]) if "bbox" in options else None,
        _span(options["datetime"]) if "datetime" in options else None,
    )
    wanted = [*_equalities(options, collection), *_filter(options)]
    if not wanted:
        return asked
    condition = wanted[0] if len(wanted) == 1 else Logic("and", tuple(wanted))
    newest = {
        one for item in collection.items for latest in item.latest for one in (latest.name, f"{latest.name}_time")
    }
    needs_values = bool(names_in(condition) & (newest | {"time"}))
    return replace(asked, condition=make_condition(condition, collection.queryables), needs_values=needs_values)


def find_items(collections: Collections, collection: Collection, asked: Asked) -> Found:
    """The page that is asked for."""
    items = _in_box(collection.items, asked.box) if asked.box is not None else collection.items
    if asked.span is not None or asked.needs_values:
        features = [one for one in _in_time(collections.complete(items)) if _holds(one, asked)]
        page, more = _page([one.item for one in features], asked)
        there = {one.item.id: one for one in features}
        return Found([there[item.id] for item in page], len(features), more)
    if asked.condition is not None:
        items = [item for item in _in_time(items) if asked.condition(Feature(item, item.own))]
    page, more = _page(items, asked)
    return Found(collections.complete(page), len(items), more)


def _in_time(those: Iterable[T]) -> Iterator[T]:
    """The same, up to a time. Raises RetryLater beyond it."""
    until = time.monotonic() + SLOWEST_S
    for number, one in enumerate(those):
        if number % 1_000 == 999 and time.monotonic() > until:
            raise RetryLater(f"the filter takes longer than {SLOWEST_S:g} s; say it in less", reason="slow_query")
        yield one


def _page(items: Sequence[Item], asked: Asked) -> tuple[list[Item], bool]:
    rest = [item for item in items if item.id > asked.after] if asked.after else list(items)
    return rest[: asked.limit], len(rest) > asked.limit


def _in_box(items: Sequence[Item], box: Any) -> list[Item]:
    shapes = np.array([item.shape for item in items], object)
    meets = shapely.intersects(box, shapes).tolist()  # what has no place is in every box (17-069r4, clause 7.15.3)
    return [item for item, meet in zip(items, meets, strict=True) if meet or item.shape is None]


def _holds(feature: Feature, asked: Asked) -> bool:
    if asked.span is not None and (span := _span_of(feature)) and (span[1] < asked.span[0] or span[0] > asked.span[1]):
        return False  # what has no time is in every period (17-069r4, clause 7.15.4)
    return asked.condition is None or asked.condition(feature) is True


def _span_of(feature: Feature) -> Span | None:
    if feature.item.span is not None:
        begin, end = feature.item.span
        return parse_instant_us(begin), parse_instant_us(end)
    at = feature.values.get("time") if feature.item.latest else None
    return None if at is None else (parse_instant_us(at), parse_instant_us(at))


# --- options


def _whole(options: dict[str, str], name: str, usual: int, least: int) -> int:
    text = options.get(name, str(usual))
    if not (text.isascii() and text.isdigit() and len(text) <= 18) or int(text) < least:
        raise BadInput(f"{name}={text[:40]!r} is not a whole number from {least} on", reason="query")
    return int(text)


def _box(text: str) -> Any:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(
            f"bbox={text[:80]!r} is not four numbers with commas: west,south,east,north", reason="query"
        ) from None
    try:
        return shapely.from_wkt(values.geometry_of_box(numbers).wkt)
    except BadInput as error:
        raise BadInput(f"bbox: {error.message}", reason="query") from None


def _span(text: str) -> Span:
    try:
        if "/" not in text:
            only = values.end_of(text).value
            if only is None:
                raise BadInput("`..` alone is no time", reason="time")
            return values.start_of_us(only), values.end_of_us(only)
        start, _, end = text.partition("/")
        low, high = values.end_of(start).value, values.end_of(end).value
        found = values.start_of_us(low), values.end_of_us(high)
    except BadInput as error:
        raise BadInput(f"datetime={text[:80]!r}: {error.message}", reason="query") from None
    if found[0] > found[1]:
        raise BadInput(f"datetime={text[:80]!r} ends before it starts; swap its two ends", reason="query")
    return found


def _equalities(options: dict[str, str], collection: Collection) -> list[Expression]:
    """`name=value` for a property, read as its values are."""
    found: list[Expression] = []
    for name, text in options.items():
        if name not in OWN:
            constant = _constant(name, text, collection.queryables[name])
            found.append(Compare("eq", Path((), name), Literal(constant)))
    return found


def _constant(name: str, text: str, sort: Sort) -> Any:
    match sort:
        case Sort.NUMBER:
            try:
                return float(text)
            except ValueError:
                raise BadInput(f"{name}={text[:40]!r} is no number", reason="query") from None
        case Sort.BOOL:
            if text not in ("true", "false"):
                raise BadInput(f"{name}={text[:40]!r} is neither true nor false", reason="query")
            return text == "true"
        case Sort.TIME:
            return values.end_of(text).value
    return text


def _filter(options: dict[str, str]) -> list[Expression]:
    language = options.get("filter-lang", "cql2-text")
    if language not in LANGUAGES:
        raise BadInput(f"filter-lang={language[:40]!r} is not read; there are {', '.join(LANGUAGES)}", reason="query")
    return [LANGUAGES[language](options["filter"])] if "filter" in options else []
