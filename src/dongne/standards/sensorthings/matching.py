"""Whether one entity meets a `$filter`, worked out in memory: for what is sent while it happens (18-088, clause 9.3.3.5).

A value that is missing, or of another sort than what it is compared with, makes a comparison unknown, as in a store's answer
to the same `$filter`; only what is true is sent.
"""

import math
import operator
from collections.abc import Callable
from datetime import UTC
from typing import Any

from dongne.model.errors import BadInput
from dongne.model.times import from_us
from dongne.standards.sensorthings.query import (
    Among,
    AnyOf,
    Arithmetic,
    Call,
    Clock,
    Compare,
    Date,
    Duration,
    Expression,
    Geometry,
    Instant,
    Interval,
    Literal,
    Logic,
    Negative,
    Not,
    Path,
    Within,
)
from dongne.standards.sensorthings.schema import SETS, EntitySet, Kind
from dongne.standards.sensorthings.times import parse_time_us

Find = Callable[[Path], Any]  # the value at a path, as it is on the wire; None where there is none
_TIMES = (Kind.TIME, Kind.PERIOD)
_RELATIONS = ("before", "after", "meets", "during", "overlaps", "starts", "finishes")
_PARTS = ("year", "month", "day", "hour", "minute", "second")
_TEXTS = (
    "substringof", "contains", "startswith", "endswith", "length", "indexof", "substring", "tolower", "toupper", "trim",
    "concat",
)  # fmt: skip
_NUMBERS = ("round", "floor", "ceiling")
_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "mod": math.fmod,
}  # fmt: skip
_KNOWN = frozenset((*_RELATIONS, *_PARTS, *_TEXTS, *_NUMBERS, "date"))


def check_matching(expression: Expression, entity_set: EntitySet) -> None:
    """Raises BadInput where the filter needs more than one entity and those it leads to: sets, places, the clock."""
    match expression:
        case Path(navigations):
            here = entity_set
            for name in navigations:
                if here.navigations[name].many:
                    raise _refusal(f"{name} is a set")
                here = SETS[here.navigations[name].target]
        case AnyOf(navigations):
            raise _refusal(f"{navigations[-1]} is a set")
        case Call(name) if name not in _KNOWN:
            raise _refusal(f"{name}() is not worked out here")
        case Literal(value) if isinstance(value, Geometry | Clock):
            raise _refusal("places and times of day are not compared here")
    for part in _parts_of(expression):
        check_matching(part, entity_set)


def _parts_of(expression: Expression) -> tuple[Expression, ...]:
    match expression:
        case Call(_, parts) | Logic(_, parts):
            return parts
        case Among(operand, choices):
            return operand, *choices
        case Compare(_, left, right) | Arithmetic(_, left, right) | Within(left, right):
            return left, right
        case Not(operand) | Negative(operand):
            return (operand,)
    return ()


def _refusal(why: str) -> BadInput:
    return BadInput(
        f"$filter: {why}; a subscription's filter compares properties of the entity and of those to which it leads one by one",
        reason="query",
    )


def matches(expression: Expression, entity_set: EntitySet, find: Find) -> bool:
    """Whether the entity of which `find` gives the values meets the filter."""
    return _Meaning(entity_set, find).truth(expression) is True


class _Meaning:
    def __init__(self, entity_set: EntitySet, find: Find) -> None:
        self._set, self._find = entity_set, find

    def truth(self, expression: Expression) -> bool | None:  # one for each sort
        match expression:
            case Logic(op, parts):
                found = [self.truth(part) for part in parts]
                ends = op != "and"  # the value of one part that decides
                return ends if ends in found else None if None in found else not ends
            case Not(operand):
                inner = self.truth(operand)
                return None if inner is None else not inner
            case Among(operand, choices):
                return self.truth(Logic("or", tuple(Compare("eq", operand, choice) for choice in choices)))
            case Within(operand, holder):
                one, values = self._value(operand), self._value(holder)
                return None if one is None or not isinstance(values, list) else one in values
            case Compare(op, left, right):
                return self._compare(op, left, right)
        value = self._value(expression)
        return value if isinstance(value, bool) else None

    def _compare(self, op: str, left: Expression, right: Expression) -> bool | None:
        a, b = self._value(left), self._value(right)
        if Literal(None) in (left, right):
            return ((a is None) == (b is None)) == (op == "eq")
        if _sort(a) is None or _sort(a) is not _sort(b):
            return None
        if isinstance(a, tuple):
            return _compare_times(op, a, b)
        return bool({"eq": a == b, "ne": a != b, "gt": a > b, "ge": a >= b, "lt": a < b, "le": a <= b}[op])

    def _value(self, expression: Expression) -> Any:
        try:
            return self._found(expression)
        except (ArithmeticError, ValueError):  # beyond the numbers or the calendar there is no value
            return None

    def _found(self, expression: Expression) -> Any:  # one for each sort
        match expression:
            case Literal(value):
                return _constant(value)
            case Path():
                return self._at(expression)
            case Negative(operand):
                inner = _number(self._value(operand))
                return None if inner is None else -inner
            case Arithmetic(op, left, right):
                return _arithmetic(op, self._value(left), self._value(right))
            case Call(name, arguments):
                values = [self._value(argument) for argument in arguments]
                return None if None in values else _call(name, values)
        return self.truth(expression)

    def _at(self, path: Path) -> Any:
        found = self._find(path)
        here = self._set
        for name in path.navigations:
            here = SETS[here.navigations[name].target]
        info = here.properties.get(path.name)
        is_time = info is not None and (info.kind in _TIMES or info.name in ("phenomenonTime", "resultTime"))
        return _times(found) if is_time else found


def _times(text: Any) -> tuple[int, int] | None:
    if not isinstance(text, str):
        return None
    start, end = parse_time_us(text)
    return start, start if end is None else end


def _constant(value: Any) -> Any:
    match value:
        case Instant(us):
            return us, us
        case Interval(start, end):
            return start, end
        case Date(text):
            return text
    return value


def _number(value: Any) -> float | None:
    return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def _sort(value: Any) -> type | None:
    if isinstance(value, bool | str | tuple):
        return type(value)
    return float if isinstance(value, int | float) else None


def _compare_times(op: str, a: tuple[int, int], b: tuple[int, int]) -> bool:
    return {
        "eq": a == b,
        "ne": a != b,
        "lt": _is_before(a, b),
        "le": a[0] <= b[0] and a[1] <= b[1],
        "gt": _is_before(b, a),
        "ge": a[0] >= b[0] and a[1] >= b[1],
    }[op]


def _is_before(a: tuple[int, int], b: tuple[int, int]) -> bool:
    """An interval ends before its last instant."""
    return a[0] < b[0] and a[1] <= b[0]


def _arithmetic(op: str, a: Any, b: Any) -> Any:
    if isinstance(a, tuple) and isinstance(b, Duration):
        step_us = b.us if op == "add" else -b.us
        return a[0] + step_us, a[1] + step_us
    one, two = _number(a), _number(b)
    if one is None or two is None or (op in ("div", "mod") and two == 0):
        return None
    return _OPERATORS[op](one, two)


def _call(name: str, values: list[Any]) -> Any:
    first = values[0]
    if name in _RELATIONS or name in _PARTS or name == "date":
        return _of_times(name, values) if all(isinstance(value, tuple) for value in values) else None
    if name in _TEXTS:
        return _of_texts(name, values) if isinstance(first, str) else None
    number = _number(first)
    if number is None:
        return None
    if name == "round":
        return math.copysign(math.floor(abs(number) + 0.5), number)
    return math.floor(number) if name == "floor" else math.ceil(number)


def _of_times(name: str, values: list[Any]) -> Any:
    a = values[0]
    if name in _RELATIONS:
        b = values[1]
        return {
            "before": _is_before(a, b),
            "after": _is_before(b, a),
            "meets": a[1] == b[0] or a[0] == b[1],
            "during": b[0] <= a[0] < b[1] and a[1] <= b[1],
            "overlaps": not _is_before(a, b) and not _is_before(b, a),
            "starts": a[0] == b[0],
            "finishes": a[1] == b[1],
        }[name]
    start = from_us(a[0]).astimezone(UTC)
    return f"{start:%Y-%m-%d}" if name == "date" else getattr(start, name)


def _of_texts(name: str, values: list[Any]) -> Any:
    text, *rest = values
    if name == "substring":
        start, *length = (int(value) for value in rest)
        return text[start : start + length[0]] if length else text[start:]
    if any(not isinstance(value, str) for value in rest):
        return None
    other = rest[0] if rest else ""
    return {
        "substringof": text in other,
        "contains": other in text,
        "startswith": text.startswith(other),
        "endswith": text.endswith(other),
        "length": len(text),
        "indexof": text.find(other) + 1,
        "tolower": text.lower(),
        "toupper": text.upper(),
        "trim": text.strip(" \t\n\r"),
        "concat": text + other,
    }[name]
