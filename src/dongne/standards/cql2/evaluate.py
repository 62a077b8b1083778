"""Whether a feature meets a condition: an expression made into a function of the feature, with SQL's three values.

Names and sorts are checked once, when the function is made. What is not there, or of another sort than its neighbours, makes a
comparison unknown (None), which is not true.
"""

import operator
import unicodedata
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol, TypeVar

import numpy as np
import shapely

from dongne.model.errors import BadInput
from dongne.standards.cql2.values import end_of_us, start_of_us
from dongne.standards.sensorthings.query import (
    Among,
    Call,
    Compare,
    Date,
    Expression,
    Geometry,
    Instant,
    Interval,
    Literal,
    Logic,
    Not,
    Path,
)
from dongne.standards.sensorthings.text import expression_text
from dongne.standards.sensorthings.times import parse_instant_us


class Sort(StrEnum):
    """What a property's values are."""

    TEXT = "text"
    NUMBER = "number"
    BOOL = "truth value"
    TIME = "time"  # ISO 8601, an instant
    GEOMETRY = "geometry"
    ANY = "value of any sort"
    NULL = "null"


class Candidate(Protocol):
    """A feature as a condition sees it."""

    @property
    def values(self) -> Mapping[str, Any]:
        """Its properties, ready for JSON."""

    @property
    def shape(self) -> Any:
        """Its geometry by shapely; None where it has none."""


Truth = bool | None
Condition = Callable[[Candidate], Truth]
Value = Callable[[Candidate], Any]
Span = tuple[int, int]  # a time: from, to, inclusive, in microseconds
T = TypeVar("T")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
# a time that is no instant is a stretch: equal is what lies within
_COMPARE_TIMES: dict[str, Callable[[Span, Span], bool]] = {
    "eq": lambda a, b: (b[0] <= a[0] and a[1] <= b[1]) or (a[0] <= b[0] and b[1] <= a[1]),
    "ne": lambda a, b: not _COMPARE_TIMES["eq"](a, b),
    "lt": lambda a, b: a[1] < b[0],
    "le": lambda a, b: a[1] <= b[1],
    "gt": lambda a, b: a[0] > b[1],
    "ge": lambda a, b: a[0] >= b[0],
}
_TEMPORAL: dict[str, Callable[[Span, Span], bool]] = {  # 21-065r2, clause 7.5
    "t_after": lambda a, b: a[0] > b[1],
    "t_before": lambda a, b: a[1] < b[0],
    "t_contains": lambda a, b: a[0] < b[0] and a[1] > b[1],
    "t_disjoint": lambda a, b: a[1] < b[0] or a[0] > b[1],
    "t_during": lambda a, b: a[0] > b[0] and a[1] < b[1],
    "t_equals": lambda a, b: a == b,
    "t_finishedby": lambda a, b: a[0] < b[0] and a[1] == b[1],
    "t_finishes": lambda a, b: a[0] > b[0] and a[1] == b[1],
    "t_intersects": lambda a, b: a[0] <= b[1] and b[0] <= a[1],
    "t_meets": lambda a, b: a[1] == b[0],
    "t_metby": lambda a, b: a[0] == b[1],
    "t_overlappedby": lambda a, b: b[0] < a[0] < b[1] < a[1],
    "t_overlaps": lambda a, b: a[0] < b[0] < a[1] < b[1],
    "t_startedby": lambda a, b: a[0] == b[0] and a[1] > b[1],
    "t_starts": lambda a, b: a[0] == b[0] and a[1] < b[1],
}
_SPATIAL: dict[str, Callable[[Any, Any], Any]] = {
    "st_intersects": shapely.intersects,
    "st_equals": shapely.equals,
    "st_disjoint": shapely.disjoint,
    "st_touches": shapely.touches,
    "st_within": shapely.within,
    "st_overlaps": shapely.overlaps,
    "st_crosses": shapely.crosses,
    "st_contains": shapely.contains,
}
_TYPES: dict[Sort, type | tuple[type, ...]] = {Sort.TEXT: str, Sort.NUMBER: (int, float), Sort.BOOL: bool}


def make_condition(expression: Expression, queryables: Mapping[str, Sort]) -> Condition:
    """The function. Raises BadInput for a name that is none of the queryables, and where sorts don't fit."""
    return _Compiler(queryables).condition(expression)


def names_in(expression: Expression) -> set[str]:
    """The properties that an expression speaks of."""
    match expression:
        case Path(_, name):
            return {name}
        case Compare(_, left, right):
            return names_in(left) | names_in(right)
        case Among(operand, parts):
            return names_in(operand).union(*map(names_in, parts))
        case Logic(_, parts) | Call(_, parts):
            return set().union(*map(names_in, parts))
        case Not(operand):
            return names_in(operand)
    return set()


class _Compiler:
    def __init__(self, queryables: Mapping[str, Sort]) -> None:
        self._queryables = queryables

    def condition(self, expression: Expression) -> Condition:  # noqa: PLR0911  # one for each sort
        match expression:
            case Logic(op, parts):
                return _all([self.condition(one) for one in parts], stops_at=op == "or")
            case Not(operand):
                return _negated(self.condition(operand))
            case Compare(op, left, right):
                return self._compare(op, left, right, expression)
            case Among(operand, choices):
                return _all([self._compare("eq", operand, one, expression) for one in choices], stops_at=True)
            case Call("like", (operand, pattern)):
                return self._like(operand, pattern)
            case Call(name, (one, other)) if name in _TEMPORAL:
                return _both(_TEMPORAL[name], self._as_time(one), self._as_time(other))
            case Call(name, (one, other)) if name in _SPATIAL:
                return self._spatial(name, one, other)
        sort, value = self._value(expression)
        if sort not in (Sort.BOOL, Sort.ANY):
            raise _unfit(expression, f"is a {sort}, not a condition; compare it, as in {_shown(expression)} = ...")
        return lambda item: found if isinstance(found := value(item), bool) else None

    def _compare(self, op: str, left: Expression, right: Expression, whole: Expression) -> Condition:
        if isinstance(right, Literal) and right.value is None:
            _, value = self._value(left)
            return (lambda item: value(item) is None) if op == "eq" else (lambda item: value(item) is not None)
        (sort, one), (other_sort, other) = self._value(left), self._value(right)
        if Sort.GEOMETRY in (sort, other_sort):
            raise _unfit(whole, "compares places; ask with S_EQUALS or S_INTERSECTS")
        if Sort.TIME in (sort, other_sort):
            return _both(_COMPARE_TIMES[op], self._as_time(left), self._as_time(right))
        known = {sort, other_sort} - {Sort.ANY}
        if len(known) > 1:
            raise _unfit(whole, f"compares a {sort} with a {other_sort}; write texts as 'text', numbers and true bare")
        if known == {Sort.BOOL} and op not in ("eq", "ne"):
            raise _unfit(whole, "orders truth values; they are only equal or not")
        if not known:
            return _both(lambda a, b: _COMPARE[op](a, b) if _alike(a, b) else None, one, other)
        kinds = _TYPES[known.pop()]
        return _both(_COMPARE[op], _only(kinds, one), _only(kinds, other))

    def _value(self, expression: Expression) -> tuple[Sort, Value]:  # noqa: PLR0911  # one for each sort
        match expression:
            case Path((), name, ()):
                sort = self._queryables.get(name)
                if sort is None:
                    there = ", ".join(self._queryables)
                    raise BadInput(
                        f"filter: there is no property {name[:60]!r} here; queryables: {there}", reason="query"
                    )
                if sort is Sort.GEOMETRY:
                    return sort, lambda item: item.shape
                return sort, lambda item: item.values.get(name)
            case Literal(Instant() | Date() | Interval() as time):
                span = start_of_us(time), end_of_us(time)
                return Sort.TIME, lambda item: span
            case Literal(Geometry(wkt)):
                shape = shapely.from_wkt(wkt)
                shapely.prepare(shape)
                return Sort.GEOMETRY, lambda item: shape
            case Literal(constant):
                return sort_of(constant), lambda item: constant
            case Call("casei" | "accenti" as name, (inner,)):
                sort, text = self._value(inner)
                self._must_be_text(sort, inner)
                plain = str.casefold if name == "casei" else _without_accents
                return Sort.TEXT, lambda item: plain(found) if isinstance(found := text(item), str) else None
            case Call("interval", (start, end)):
                return Sort.TIME, self._interval(start, end)
        raise _unfit(expression, "is a condition where a value is needed")

    def _like(self, operand: Expression, pattern: Expression) -> Condition:
        (sort, text), (pattern_sort, wanted) = self._value(operand), self._value(pattern)
        self._must_be_text(sort, operand)
        self._must_be_text(pattern_sort, pattern)
        return _both(is_like, _only(str, text), _only(str, wanted))

    @staticmethod
    def _must_be_text(sort: Sort, expression: Expression) -> None:
        if sort not in (Sort.TEXT, Sort.ANY):
            raise _unfit(expression, f"is a {sort} where a text is needed")

    def _as_time(self, expression: Expression) -> Value:
        if isinstance(expression, Literal) and isinstance(expression.value, str):
            at = parse_instant_us(expression.value)
            return lambda item: (at, at)
        sort, value = self._value(expression)
        if sort is not Sort.TIME:
            raise _unfit(expression, f"is a {sort} where a time is needed, such as TIMESTAMP('2026-05-01T08:30:00Z')")
        if not isinstance(expression, Path):
            return value

        def span(item: Candidate) -> Span | None:
            said = value(item)
            at = parse_instant_us(said) if said else None
            return None if at is None else (at, at)

        return span

    def _interval(self, start: Expression, end: Expression) -> Value:
        ends = [None if one == Literal(None) else self._as_time(one) for one in (start, end)]

        def span(item: Candidate) -> Span | None:
            low, high = (None if one is None else one(item) for one in ends)
            if (ends[0] and low is None) or (ends[1] and high is None):
                return None
            return start_of_us(None) if low is None else low[0], end_of_us(None) if high is None else high[1]

        return span

    def _spatial(self, name: str, one: Expression, other: Expression) -> Condition:
        (sort, left), (other_sort, right) = self._value(one), self._value(other)
        for found, said in ((sort, one), (other_sort, other)):
            if found is not Sort.GEOMETRY:
                raise _unfit(said, f"is a {found} where a place is needed; `geometry` is one")
        return _both(lambda a, b: _meets(_SPATIAL[name], a, b), left, right)


def _meets(relation: Callable[[Any, Any], Any], one: Any, other: Any) -> Truth:
    try:
        with np.errstate(all="ignore"):
            return bool(relation(one, other))
    except shapely.errors.GEOSException:  # one of them is none that can be worked with
        return None


def _all(parts: list[Condition], *, stops_at: bool) -> Condition:
    """`and` stops at false, `or` at true; else unknown where one is."""

    def found(item: Candidate) -> Truth:
        whole: Truth = not stops_at
        for part in parts:
            said = part(item)
            if said is stops_at:
                return stops_at
            if said is None:
                whole = None
        return whole

    return found


def _negated(part: Condition) -> Condition:
    return lambda item: None if (said := part(item)) is None else not said


def _both(relation: Callable[[Any, Any], Truth], one: Value, other: Value) -> Condition:
    def found(item: Candidate) -> Truth:
        left, right = one(item), other(item)
        return None if left is None or right is None else relation(left, right)

    return found


def _only(kinds: type | tuple[type, ...], value: Value) -> Value:
    """Values of this sort; a truth value is no number."""
    is_bool = kinds is bool

    def found(item: Candidate) -> Any:
        said = value(item)
        return said if isinstance(said, kinds) and isinstance(said, bool) is is_bool else None

    return found


def _alike(one: Any, other: Any) -> bool:
    return sort_of(one) is sort_of(other) is not Sort.ANY


def sort_of(value: Any) -> Sort:
    """The sort of a value of JSON."""
    match value:
        case None:
            return Sort.NULL
        case bool():
            return Sort.BOOL
        case int() | float():
            return Sort.NUMBER
        case str():
            return Sort.TEXT
    return Sort.ANY


def sort_of_all(values: set[Sort]) -> Sort:
    """The sort of a property with values of these sorts."""
    known = values - {Sort.NULL}
    return known.pop() if len(known) == 1 else Sort.ANY


def _without_accents(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def is_like(text: str, pattern: str) -> bool:
    """Whether the text is as the pattern says: `%` stands for any letters, `_` for one, `\\` before either for itself
    (21-065r2, clause 7.1.2). Time grows with the product of the lengths at most."""
    wanted: list[str | None] = []  # a letter, "" for any one, None for any number
    escaped = False
    for letter in pattern:
        if escaped or letter not in "%_\\":
            wanted.append(letter)
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == "_":
            wanted.append("")
        elif not wanted or wanted[-1] is not None:
            wanted.append(None)
    at = place = 0
    back: tuple[int, int] | None = None  # after the last `%`: go on there with one letter more
    while at < len(text):
        if place < len(wanted) and wanted[place] in ("", text[at]):
            at, place = at + 1, place + 1
        elif place < len(wanted) and wanted[place] is None:
            place += 1
            back = (at, place)
        elif back is not None:
            at, place = back[0] + 1, back[1]
            back = (at, place)
        else:
            return False
    return all(one is None for one in wanted[place:])


def _shown(expression: Expression) -> str:
    return (
        expression_text(expression)[:60]
        if isinstance(expression, Path | Literal | Compare)
        else type(expression).__name__
    )


def _unfit(expression: Expression, what: str) -> BadInput:
    return BadInput(f"filter: {_shown(expression)} {what}", reason="query")
