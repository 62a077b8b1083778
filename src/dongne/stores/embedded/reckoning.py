"""Reckoning with times in filters: of constants beforehand, of properties in SQL."""

from dongne.standards.sensorthings.functions import Gives
from dongne.standards.sensorthings.query import Arithmetic, Call, Duration, Expression, Instant, Interval, Literal
from dongne.stores.embedded.terms import Term

SIGNS = {"add": "+", "sub": "-", "mul": "*"}


def fold(expression: Expression, now_us: int) -> Instant | Interval | Duration | None:  # noqa: PLR0911  # one for each pair of sorts
    """The value of time arithmetic on constants and now(), so that it can be compared like a constant."""
    match expression:
        case Literal(Instant() | Interval() | Duration() as value):
            return value
        case Call("now", ()):
            return Instant(now_us)
        case Arithmetic("add" | "sub" as op, left, right):
            one, two = fold(left, now_us), fold(right, now_us)
            sign = 1 if op == "add" else -1
            match one, two:
                case Instant(us), Duration(length):
                    return Instant(us + sign * length)
                case Interval(start, end), Duration(length):
                    return Interval(start + sign * length, end + sign * length)
                case Duration(length), Instant(us) if op == "add":
                    return Instant(us + length)
                case Duration(first), Duration(second):
                    return Duration(first + sign * second)
                case Instant(first), Instant(second) if op == "sub":
                    return Duration(first - second)
    return None


def moved(time: Term, op: str, length: str) -> Term:
    """A time that is so much later or earlier, an interval with both its ends."""
    moved = "try({} " + SIGNS[op] + f" to_microseconds({length}))"
    return Term(Gives.TIME, moved.format(time.sql), end=time.end and moved.format(time.end))
