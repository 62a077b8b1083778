"""Pieces of SQL: terms with the sort of their values, bound parameters, the functions of `$filter`, and times compared."""

import re
from dataclasses import dataclass
from datetime import date
from datetime import time as clock_time
from typing import Any

from dongne.model.errors import BadInput
from dongne.model.times import from_us
from dongne.standards.sensorthings.functions import Gives
from dongne.standards.sensorthings.query import Expression
from dongne.standards.sensorthings.schema import OBSERVATIONS, EntitySet
from dongne.standards.sensorthings.text import expression_text
from dongne.stores.embedded.links import HIDES, OBSERVATION_TABLES, TABLES
from dongne.stores.embedded.shapes import Scene

OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
NO_PAST_TASKS = "$asOf: Tasks are known as they are now; ask for them without $asOf"
UNSAID = object()
LAST_US = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999Z
FIRST_US = -62_135_596_800_000_000  # 0001-01-01
_PARAMETER = re.compile(r"\$(p\d+)")


@dataclass(frozen=True)
class Term:
    """An expression in SQL. `end` is the end of a time that may be an interval; `json` the (column, parameter) of a
    value inside JSON, whose sort only its neighbour tells; `number` an Observation's result where it is one."""

    gives: Gives
    sql: str
    end: str | None = None
    json: tuple[str, str] | None = None
    number: str | None = None
    constant: Any = UNSAID


class Bindings:
    """The parameters of one statement, by name."""

    def __init__(self, scene: Scene = Scene()) -> None:  # noqa: B008  # frozen
        self.values: dict[str, Any] = {}
        self.scene = scene

    def table(self, name: str, *, is_open: bool = False) -> str:
        """A table, or what of it may be seen; of Observations, those that count. `is_open`: nothing of it is hidden.
        Raises BadInput for Tasks as they were."""
        kind, column = HIDES[name]
        gone = self.scene.hidden.of(kind)
        where = []
        if self.scene.until is not None:
            if name == "tasks":
                raise BadInput(NO_PAST_TASKS, reason="query")
            if name in OBSERVATION_TABLES:
                where.append(f"id <= {self.bind(self.scene.until)}")
        if gone and not is_open:
            where.append(f"{column} not in (select unnest({self.bind(sorted(gone))}::bigint[]))")
        return f"(select * from {name} where {' and '.join(where)})" if where else name

    def all_observations(self) -> str:
        """Both tables of Observations as one."""
        return "(" + " union all ".join(f"select * from {self.table(table)}" for table in OBSERVATION_TABLES) + ")"

    def whole(self, entity_set: EntitySet) -> str:
        """All of a set that may be seen."""
        return self.all_observations() if entity_set is OBSERVATIONS else self.table(TABLES[entity_set.name])

    def bind(self, value: Any) -> str:
        """The placeholder of a value."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"${name}"

    def statement(self, text: str) -> tuple[str, dict[str, Any]]:
        """The text with the parameters it names; DuckDB refuses others."""
        named = set(_PARAMETER.findall(text))
        return text, {name: value for name, value in self.values.items() if name in named}

    def bind_time(self, us: int) -> str:
        """The placeholder of an instant. Raises BadInput outside the years 1 to 9999."""
        if not FIRST_US <= us <= LAST_US:
            raise BadInput("$filter: the time lies outside the years 1 to 9999; take a nearer one", reason="query")
        return self.bind(from_us(us).replace(tzinfo=None))


FORMS: dict[str, str] = {
    "substringof": "contains({1}, {0})",
    "contains": "contains({0}, {1})",
    "startswith": "starts_with({0}, {1})",
    "endswith": "suffix({0}, {1})",
    "length": "length({0})",
    "indexof": "strpos({0}, {1})",  # from 1, as in the example of 18-088, table 23
    "tolower": "lower({0})",
    "toupper": "upper({0})",
    "trim": "trim({0}, e' \\t\\n\\r')",
    "concat": "({0} || {1})",
    "year": "year({0})",
    "month": "month({0})",
    "day": "day({0})",
    "hour": "hour({0})",
    "minute": "minute({0})",
    "second": "second({0})",
    "fractionalseconds": "((epoch_us({0}) % 1000000 + 1000000) % 1000000 / 1000000.0)",
    "date": "cast({0} as date)",
    "time": "cast({0} as time)",
    "totaloffsetminutes": "(case when {0} is not null then 0 end)",
    "round": "round(cast({0} as double))",
    "floor": "floor(cast({0} as double))",
    "ceiling": "ceil(cast({0} as double))",
}


_PLACE = "cast(least(greatest(trunc(cast({} as double)), 0), 1000000000) as bigint)"


def substring(text: str, start: str, length: str | None = None) -> str:
    """From `start` (0 is the first character), to the end or so many characters."""
    rest = "" if length is None else ", " + _PLACE.format(length)
    return f"substr({text}, {_PLACE.format(start)} + 1{rest})"


def shown(expression: Expression) -> str:
    """An expression in a message."""
    return expression_text(expression)[:80]


def date_of(text: str) -> date:
    """A calendar day. Raises BadInput where there is none such."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"$filter: there is no day {text}", reason="query") from None


def clock_of(text: str) -> clock_time:
    """A time of day. Raises BadInput where there is none such."""
    try:
        return clock_time.fromisoformat(text)
    except ValueError:
        raise BadInput(f"$filter: there is no time of day {text}", reason="query") from None


def compare_times(op: str, a: Term, b: Term) -> str:
    """Instants and intervals, which end before their last instant: one is before another when it ends where that begins."""
    a_end, b_end = a.end or a.sql, b.end or b.sql
    sign = OPERATORS[op]
    if a.end is None and b.end is None:
        return f"({a.sql} {sign} {b.sql})"
    match op:
        case "eq":
            return f"({a.sql} = {b.sql} and {a_end} = {b_end})"
        case "ne":
            return f"(not ({a.sql} = {b.sql} and {a_end} = {b_end}))"
        case "lt":
            return f"({a.sql} < {b.sql} and {a_end} <= {b.sql})"  # the first alone can use the zone maps
        case "gt":
            return f"({a.sql} > {b.sql} and {a.sql} >= {b_end})"
    return f"({a.sql} {sign} {b.sql} and {a_end} {sign} {b_end})"


def compare_intervals(name: str, a: Term, b: Term) -> str:  # noqa: PLR0911  # one for each function
    """The functions of two times (18-088, clause 9.3.3.5.2)."""
    a_end, b_end = a.end or a.sql, b.end or b.sql
    match name:
        case "before":
            return compare_times("lt", a, b)
        case "after":
            return compare_times("gt", a, b)
        case "meets":
            return f"({a_end} = {b.sql} or {a.sql} = {b_end})"
        case "during":
            return f"({a.sql} >= {b.sql} and {a.sql} < {b_end} and {a_end} <= {b_end})"
        case "overlaps":
            return f"(not {compare_times('lt', a, b)} and not {compare_times('gt', a, b)})"
        case "starts":
            return f"({a.sql} = {b.sql})"
    return f"({a_end} = {b_end})"
