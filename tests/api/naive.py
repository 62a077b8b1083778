"""What a filter means, said a second time and as simply as possible: over dicts, one entity after the other.

An entity is its JSON document; navigations are members ("Datastream": {...}). Missing values make a comparison
unknown (None), as in SQL.
"""

import math
from datetime import UTC, datetime
from typing import Any

from dongne.model.times import EPOCH, from_us, parse_instant
from dongne.standards.sensorthings.query import (
    Among,
    Arithmetic,
    Call,
    Compare,
    Duration,
    Expression,
    Instant,
    Interval,
    Literal,
    Logic,
    Negative,
    Not,
    Path,
)

Times = tuple[datetime, datetime]


def matches(expression: Expression, entity: dict[str, Any], now: datetime) -> bool:
    """Whether the entity is in the answer."""
    return _Meaning(entity, now).truth(expression) is True


class _Meaning:
    def __init__(self, entity: dict[str, Any], now: datetime) -> None:
        self.entity, self.now = entity, now

    def truth(self, expression: Expression) -> bool | None:
        match expression:
            case Logic("and", parts):
                found = [self.truth(part) for part in parts]
                return False if False in found else None if None in found else True
            case Logic("or", parts):
                found = [self.truth(part) for part in parts]
                return True if True in found else None if None in found else False
            case Not(operand):
                inner = self.truth(operand)
                return None if inner is None else not inner
            case Among(operand, choices):
                return self.truth(Logic("or", tuple(Compare("eq", operand, choice) for choice in choices)))
            case Compare(op, left, right):
                return self.compare(op, left, right)
            case _:
                value = self.value(expression)
                return value if isinstance(value, bool) else None

    def compare(self, op: str, left: Expression, right: Expression) -> bool | None:
        a, b = self.value(left), self.value(right)
        if Literal(None) in (left, right):
            return ((a is None) == (b is None)) == (op == "eq")
        if _sort(a) is None or _sort(a) != _sort(b):
            return None  # of another sort: as if it were not there
        if isinstance(a, tuple):
            return _compare_times(op, a, b)
        return {"eq": a == b, "ne": a != b, "gt": a > b, "ge": a >= b, "lt": a < b, "le": a <= b}[op]

    def value(self, expression: Expression) -> Any:  # noqa: PLR0911  # one for each sort
        match expression:
            case Literal(Instant(us)):
                return from_us(us), from_us(us)
            case Literal(Interval(start, end)):
                return from_us(start), from_us(end)
            case Literal(value):
                return value
            case Path(navigations, name, steps):
                found: Any = self.entity
                for step in (*navigations, {"id": "@iot.id"}.get(name, name), *steps):
                    found = found.get(step) if isinstance(found, dict) else None
                if name in ("phenomenonTime", "resultTime", "validTime") and found is not None:
                    start, _, end = found.partition("/")
                    return parse_instant(start), parse_instant(end or start)
                return found
            case Negative(operand):
                inner = self.number(operand)
                return None if inner is None else -inner
            case Arithmetic(op, left, right):
                return self.arithmetic(op, left, right)
            case Call(name, arguments):
                return self.call(name, [self.value(argument) for argument in arguments])
        return self.truth(expression)

    def number(self, expression: Expression) -> float | None:
        value = self.value(expression)
        return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)

    def arithmetic(self, op: str, left: Expression, right: Expression) -> Any:  # noqa: PLR0911  # one for each
        a, b = self.value(left), self.value(right)
        if isinstance(a, tuple) and isinstance(b, Duration):
            length = (1 if op == "add" else -1) * (from_us(b.us) - EPOCH)
            return a[0] + length, a[1] + length
        one, two = self.number(left), self.number(right)
        if one is None or two is None:
            return None
        match op:
            case "add":
                return one + two
            case "sub":
                return one - two
            case "mul":
                return one * two
            case "div":
                return None if two == 0 else one / two
        return None if two == 0 else math.fmod(one, two)

    def call(self, name: str, values: list[Any]) -> Any:
        if name == "now":
            return self.now, self.now
        if None in values:
            return None
        if isinstance(values[0], tuple):
            return _of_times(name, values)
        if isinstance(values[0], str):
            return _of_texts(name, values)
        if isinstance(values[0], bool) or not isinstance(values[0], int | float):
            return None
        rounded = math.floor(abs(values[0]) + 0.5) * (1 if values[0] >= 0 else -1)
        return {"round": rounded, "floor": math.floor(values[0]), "ceiling": math.ceil(values[0])}[name]


def _sort(value: Any) -> type | None:
    if isinstance(value, bool | str | tuple):
        return type(value)
    return float if isinstance(value, int | float) else None


def _compare_times(op: str, a: Times, b: Times) -> bool:
    return {
        "eq": a == b,
        "ne": a != b,
        "lt": _is_before(a, b),
        "le": a[0] <= b[0] and a[1] <= b[1],
        "gt": _is_before(b, a),
        "ge": a[0] >= b[0] and a[1] >= b[1],
    }[op]


def _is_before(a: Times, b: Times) -> bool:
    """An interval ends before its last instant."""
    return a[1] < b[0] or (a[1] == b[0] and a[0] < a[1])


def _of_times(name: str, values: list[Times]) -> Any:
    a = values[0]
    if len(values) == 2:
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
    start = a[0].astimezone(UTC)
    if name == "fractionalseconds":
        return start.microsecond / 1e6
    return getattr(start, name)


def _of_texts(name: str, values: list[Any]) -> Any:
    text, *rest = values
    if name == "substring":
        start = int(rest[0])
        return text[start:] if len(rest) == 1 else text[start : start + int(rest[1])]
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
