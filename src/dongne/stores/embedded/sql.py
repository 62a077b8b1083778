"""Conditions and sort keys of SensorThings as SQL for DuckDB. Every constant is a bound parameter, never text.

Missing values follow SQL: a comparison with what is not there is not true (but `eq null` and `ne null` ask for it).
"""

import re
from dataclasses import dataclass, field
from datetime import date
from datetime import time as clock_time
from typing import Any

from dongne.model.errors import BadInput
from dongne.model.times import from_us
from dongne.standards.sensorthings.functions import FUNCTIONS, Gives
from dongne.standards.sensorthings.query import (
    Among,
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
    Value,
)
from dongne.standards.sensorthings.schema import OBSERVATIONS, SETS, EntitySet, Kind
from dongne.standards.sensorthings.text import expression_text
from dongne.standards.sensorthings.times import parse_instant_us
from dongne.stores.embedded.links import ALL_OBSERVATIONS, LINKS, TABLES, Of, Pairs, ToOne

OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
MIRRORED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
SIGNS = {"add": "+", "sub": "-", "mul": "*"}
_PARAMETER = re.compile(r"\$(p\d+)")
_UNSAID = object()
_LAST_US = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999Z
_FIRST_US = -62_135_596_800_000_000  # 0001-01-01


@dataclass(frozen=True)
class Term:
    """An expression in SQL. `end` is the end of a time that may be an interval; `json` the (column, parameter) of a
    value inside JSON, whose sort only its neighbour tells; `number` an Observation's result where it is one."""

    gives: Gives
    sql: str
    end: str | None = None
    json: tuple[str, str] | None = None
    number: str | None = None
    constant: Any = _UNSAID


class Bindings:
    """The parameters of one statement, by name."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

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
        if not _FIRST_US <= us <= _LAST_US:
            raise BadInput("$filter: the time lies outside the years 1 to 9999; take a nearer one", reason="query")
        return self.bind(from_us(us).replace(tzinfo=None))


@dataclass
class Compiler:
    """Compiles the expressions of one query on `entity_set`, whose rows have the alias `b`; those of
    its joins begin with `prefix`.

    `joins` are the tables its navigations need, in order; `many`: one of them multiplies rows.
    """

    entity_set: EntitySet
    bindings: Bindings
    now_us: int
    joins: list[str] = field(default_factory=list)
    many: bool = False
    prefix: str = "j"
    _aliases: dict[tuple[str, ...], str] = field(default_factory=dict)

    # --- conditions

    def condition(self, expression: Expression) -> str:
        """A truth value in SQL. Raises BadInput where the expression is none, or mixes sorts."""
        match expression:
            case Logic(op, parts):
                return "(" + f" {op} ".join(self.condition(part) for part in parts) + ")"
            case Not(operand):
                return f"(not {self.condition(operand)})"
            case Compare(op, left, right):
                return self._compare(op, self.term(left), self.term(right), expression)
            case Among(operand, choices):
                one = self.term(operand)
                return "(" + " or ".join(self._compare("eq", one, self.term(c), expression) for c in choices) + ")"
        term = self.term(expression)
        if term.gives is Gives.JSON:
            return self._as(term, Gives.BOOL, expression)
        if term.gives is not Gives.BOOL:
            raise BadInput(
                f"$filter: {_shown(expression)} is a {term.gives.value}, not a condition; compare it, as in "
                f"{_shown(expression)} eq ...",
                reason="query",
            )
        return term.sql

    def _compare(self, op: str, left: Term, right: Term, where: Expression) -> str:
        if Gives.NULL in (left.gives, right.gives):
            return self._with_null(op, right if left.gives is Gives.NULL else left, where)
        if left.constant is not _UNSAID and right.constant is _UNSAID:
            return self._compare(MIRRORED[op], right, left, where)
        if left.number is not None and right.gives is Gives.TEXT:
            return self._result_with_text(op, left, right)
        left, right = self._alike(left, right, where)
        sign = OPERATORS[op]
        if left.gives is Gives.TIME:
            return _compare_times(op, left, right)
        if left.gives is Gives.BOOL and op not in ("eq", "ne"):
            raise BadInput(f"$filter: {_shown(where)}: truth values are only equal or not", reason="query")
        return f"({left.number or left.sql} {sign} {right.sql})"

    def _with_null(self, op: str, term: Term, where: Expression) -> str:
        if op not in ("eq", "ne"):
            raise BadInput(f"$filter: {_shown(where)}: null can only be compared with eq and ne", reason="query")
        no = "" if op == "eq" else "not "
        if term.gives is Gives.NULL:
            return "true" if op == "eq" else "false"
        if term.number is not None:
            return f"({no}({term.number} is null and {term.sql} is null))"
        return f"({term.sql} is {no}null)"

    def _result_with_text(self, op: str, left: Term, right: Term) -> str:
        text = f"({left.sql} {OPERATORS[op]} {right.sql})"
        try:
            number = float(right.constant)
        except (TypeError, ValueError):
            return text
        both = self._compare(op, left, Term(Gives.NUMBER, self.bindings.bind(number), constant=number), Literal(number))
        return f"(case when {left.number} is null then {text} else {both} end)"

    def _alike(self, left: Term, right: Term, where: Expression) -> tuple[Term, Term]:
        """Both as the same sort. Raises BadInput where they cannot be."""
        for one, other in ((left, right), (right, left)):
            if one.gives is Gives.JSON and other.gives is not Gives.JSON:
                one_alike = Term(other.gives, self._as(one, other.gives, where), number=one.number)
                if other.gives is not Gives.NUMBER:
                    one_alike = Term(one_alike.gives, one_alike.sql, end=None)
                return (one_alike, other) if one is left else (other, one_alike)
        if left.gives is Gives.JSON:
            sort = Gives.NUMBER if left.number and right.number else Gives.TEXT
            return Term(sort, self._as(left, sort, where)), Term(sort, self._as(right, sort, where))
        if left.gives is right.gives:
            return left, right
        if right.gives is Gives.TEXT and right.constant is not _UNSAID:
            return left, self._text_as(right, left.gives, where)
        raise BadInput(
            f"$filter: {_shown(where)} compares a {left.gives.value} with a {right.gives.value}", reason="query"
        )

    def _text_as(self, text: Term, gives: Gives, where: Expression) -> Term:
        """A quoted constant where a number or a time is meant."""
        value = str(text.constant)
        try:
            if gives is Gives.NUMBER:
                return self.literal(float(value))
            if gives is Gives.TIME:
                return self.literal(Instant(parse_instant_us(value)))
        except (ValueError, BadInput):
            pass
        raise BadInput(
            f"$filter: {_shown(where)} compares a {gives.value} with the text {value[:40]!r}", reason="query"
        )

    # --- terms

    def term(self, expression: Expression) -> Term:
        """A value in SQL."""
        match expression:
            case Literal(value):
                return self.literal(value)
            case Path():
                return self._path(expression)
            case Negative(operand):
                return Term(Gives.NUMBER, f"(-{self._number(operand)})")
            case Arithmetic():
                return self._arithmetic(expression)
            case Call():
                return self._call(expression)
        return Term(Gives.BOOL, self.condition(expression))

    def literal(self, value: Value) -> Term:  # noqa: PLR0911  # one for each sort
        """A constant."""
        bind = self.bindings.bind
        match value:
            case None:
                return Term(Gives.NULL, "null")
            case bool():
                return Term(Gives.BOOL, bind(value), constant=value)
            case int() | float():
                return Term(Gives.NUMBER, bind(value), constant=value)
            case str():
                return Term(Gives.TEXT, bind(value), constant=value)
            case Instant(us):
                return Term(Gives.TIME, self.bindings.bind_time(us), constant=value)
            case Interval(start, end):
                return Term(
                    Gives.TIME, self.bindings.bind_time(start), end=self.bindings.bind_time(end), constant=value
                )
            case Duration(us):
                return Term(Gives.DURATION, bind(us), constant=value)
            case Date(text):
                return Term(Gives.DATE, bind(_date(text)), constant=value)
            case Clock(text):
                return Term(Gives.CLOCK, bind(_clock(text)), constant=value)
            case Geometry(wkt):
                return Term(Gives.GEOMETRY, bind(wkt), constant=value)

    def _path(self, path: Path) -> Term:
        alias, entity_set = "b", self.entity_set
        for length in range(1, len(path.navigations) + 1):
            alias, entity_set = self._join(path.navigations[:length], alias, entity_set)
        if path.name == "id":
            return Term(Gives.NUMBER, f"{alias}.id")
        info = entity_set.properties[path.name]
        if entity_set is OBSERVATIONS:
            return self._observation_property(alias, info.name, path.steps)
        column = f"{alias}.{info.attribute}"
        if info.kind is Kind.JSON:
            return self._inside(column, path.steps)
        if info.kind is Kind.TIME:
            return Term(Gives.TIME, f"try_cast({column} as timestamp)")
        return Term(Gives.TEXT, column)

    def _observation_property(self, alias: str, name: str, steps: tuple[str, ...]) -> Term:
        match name:
            case "phenomenonTime":
                start = f"{alias}.phenomenon_time"
                return Term(Gives.TIME, start, end=f"coalesce({alias}.phenomenon_end, {start})")
            case "resultTime":
                return Term(Gives.TIME, f"{alias}.result_time")
            case "validTime":
                place = f"cast(json_extract_string({alias}.extra, '$.validTime[{{}}]') as timestamp)"
                return Term(Gives.TIME, place.format(0), end=place.format(1))
            case "result" if not steps:
                inside = self._inside(f"{alias}.extra", ("result",))
                return Term(Gives.JSON, inside.sql, json=inside.json, number=f"{alias}.result")
        return self._inside(f"{alias}.extra", (name, *steps))

    def _inside(self, column: str, steps: tuple[str, ...]) -> Term:
        pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps) or "$"
        place = self.bindings.bind(pointer)
        return Term(Gives.JSON, f"json_extract_string({column}, {place})", json=(column, place))

    def _join(self, way: tuple[str, ...], source: str, source_set: EntitySet) -> tuple[str, EntitySet]:
        navigation = source_set.navigations[way[-1]]
        target_set = SETS[navigation.target]
        if way in self._aliases:
            return self._aliases[way], target_set
        alias = f"{self.prefix}{len(self._aliases)}"
        self._aliases[way] = alias
        self.many = self.many or navigation.many
        table = TABLES.get(target_set.name, ALL_OBSERVATIONS)
        match LINKS[source_set.name, navigation.name]:
            case ToOne(column):
                self.joins.append(f"left join {table} {alias} on {alias}.id = {source}.{column}")
            case Of(column):
                self.joins.append(f"left join {table} {alias} on {alias}.{column} = {source}.id")
            case Pairs(pairs, from_column, to_column):
                self.joins.append(f"left join {pairs} {alias}p on {alias}p.{from_column} = {source}.id")
                self.joins.append(f"left join {table} {alias} on {alias}.id = {alias}p.{to_column}")
        return alias, target_set

    def _as(self, term: Term, gives: Gives, where: Expression) -> str:
        """A value inside JSON as this sort; missing where it is of another."""
        assert term.json is not None
        column, place = term.json
        match gives:
            case Gives.NUMBER if term.number is not None:
                return term.number
            case Gives.NUMBER:
                numeric = f"json_type({column}, {place}) in ('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE')"
                return f"(case when {numeric} then try_cast({term.sql} as double) end)"
            case Gives.TEXT:
                return term.sql
            case Gives.BOOL:
                return f"(case when json_type({column}, {place}) = 'BOOLEAN' then {term.sql} = 'true' end)"
            case Gives.TIME:
                return f"try_cast({term.sql} as timestamp)"
            case Gives.DATE:
                return f"try_cast({term.sql} as date)"
        raise BadInput(f"$filter: {_shown(where)}: a value inside JSON is no {gives.value}", reason="query")

    def _of(self, expression: Expression, gives: Gives) -> Term:
        """A term that must be of this sort."""
        term = self.term(expression)
        if term.gives is Gives.JSON and gives is not Gives.JSON:
            return Term(gives, self._as(term, gives, expression))
        if term.gives is Gives.TEXT and term.constant is not _UNSAID and gives is Gives.TIME:
            return self._text_as(term, gives, expression)
        if term.gives not in (gives, Gives.NULL):
            raise BadInput(
                f"$filter: {_shown(expression)} is a {term.gives.value} where a {gives.value} is needed", reason="query"
            )
        return term

    def _number(self, expression: Expression) -> str:
        return f"cast({self._of(expression, Gives.NUMBER).sql} as double)"

    def _arithmetic(self, expression: Arithmetic) -> Term:  # noqa: PLR0911  # one for each pair of sorts
        folded = self._fold(expression)
        if folded is not None:
            return self.literal(folded)
        op, left, right = expression.op, self.term(expression.left), self.term(expression.right)
        sorts = (left.gives, right.gives)
        match op, sorts:
            case (("add" | "sub"), (Gives.TIME, Gives.DURATION)):
                return Term(Gives.TIME, f"({left.sql} {SIGNS[op]} to_microseconds({right.sql}))")
            case "add", (Gives.DURATION, Gives.TIME):
                return Term(Gives.TIME, f"({right.sql} + to_microseconds({left.sql}))")
            case "sub", (Gives.TIME, Gives.TIME):
                return Term(Gives.DURATION, f"(epoch_us({left.sql}) - epoch_us({right.sql}))")
            case (("add" | "sub"), (Gives.DURATION, Gives.DURATION)):
                return Term(Gives.DURATION, f"({left.sql} {SIGNS[op]} {right.sql})")
        one, two = self._number(expression.left), self._number(expression.right)
        if op in SIGNS:
            return Term(Gives.NUMBER, f"({one} {SIGNS[op]} {two})")
        if op == "div":
            return Term(Gives.NUMBER, f"({one} / nullif({two}, 0))")
        return Term(Gives.NUMBER, f"({one} % nullif({two}, 0))")

    def _fold(self, expression: Expression) -> Instant | Duration | None:  # noqa: PLR0911  # one for each pair of sorts
        """The value of time arithmetic on constants and now(), so that it can be compared like a constant."""
        match expression:
            case Literal(Instant() | Duration() as value):
                return value
            case Call("now", ()):
                return Instant(self.now_us)
            case Arithmetic("add" | "sub" as op, left, right):
                one, two = self._fold(left), self._fold(right)
                sign = 1 if op == "add" else -1
                match one, two:
                    case Instant(us), Duration(length):
                        return Instant(us + sign * length)
                    case Duration(length), Instant(us) if op == "add":
                        return Instant(us + length)
                    case Duration(first), Duration(second):
                        return Duration(first + sign * second)
                    case Instant(first), Instant(second) if op == "sub":
                        return Duration(first - second)
        return None

    def _call(self, call: Call) -> Term:
        forms, gives = FUNCTIONS[call.name]
        if Gives.GEOMETRY in forms[0]:
            raise BadInput(
                f"$filter: {call.name} is not answered by this store yet; filter by id or name instead", reason="query"
            )
        wanted = next(form for form in forms if len(form) == len(call.arguments))
        terms = [self._of(argument, sort) for argument, sort in zip(call.arguments, wanted, strict=True)]
        if len(terms) == 2 and terms[0].gives is Gives.TIME:
            return Term(gives, _compare_intervals(call.name, *terms))
        match call.name:
            case "now":
                return self.literal(Instant(self.now_us))
            case "mindatetime":
                return self.literal(Instant(_FIRST_US))
            case "maxdatetime":
                return self.literal(Instant(_LAST_US))
            case "substring":
                return Term(gives, _substring(*(term.sql for term in terms)))
        return Term(gives, FORMS[call.name].format(*(term.sql for term in terms)))

    def sort_key(self, expression: Expression) -> list[str]:
        """What to sort by, without a direction. Raises BadInput for what multiplies rows."""
        term = self.term(expression)
        if self.many:
            raise BadInput(f"$orderby: {_shown(expression)} has several values for one entity", reason="query")
        if term.constant is not _UNSAID or term.gives is Gives.NULL:
            raise BadInput(f"$orderby: {_shown(expression)} is the same for all; name a property", reason="query")
        if term.gives is Gives.JSON:
            return [self._as(term, Gives.NUMBER, expression), term.sql]
        return [term.sql]


FORMS: dict[str, str] = {
    "substringof": "contains({1}, {0})",
    "contains": "contains({0}, {1})",
    "startswith": "starts_with({0}, {1})",
    "endswith": "suffix({0}, {1})",
    "length": "length({0})",
    "indexof": "(strpos({0}, {1}) - 1)",
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


def _substring(text: str, start: str, length: str | None = None) -> str:
    """From `start` (0 is the first character), to the end or so many characters."""
    rest = "" if length is None else ", " + _PLACE.format(length)
    return f"substr({text}, {_PLACE.format(start)} + 1{rest})"


def _shown(expression: Expression) -> str:
    return expression_text(expression)[:80]


def _date(text: str) -> Any:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"$filter: there is no day {text}", reason="query") from None


def _clock(text: str) -> Any:
    try:
        return clock_time.fromisoformat(text)
    except ValueError:
        raise BadInput(f"$filter: there is no time of day {text}", reason="query") from None


def _compare_times(op: str, a: Term, b: Term) -> str:
    """Instants and intervals: before and after mean wholly so; equal means start and end."""
    a_end, b_end = a.end or a.sql, b.end or b.sql
    sign = OPERATORS[op]
    if a.end is None and b.end is None:
        return f"({a.sql} {sign} {b.sql})"
    match op:
        case "eq":
            return f"({a.sql} = {b.sql} and {a_end} = {b_end})"
        case "ne":
            return f"(not ({a.sql} = {b.sql} and {a_end} = {b_end}))"
        case "lt" | "le":
            return f"({a.sql} {sign} {b.sql} and {a_end} {sign} {b.sql})"  # the first alone can use the zone maps
    return f"({a.sql} {sign} {b_end})"


def _compare_intervals(name: str, a: Term, b: Term) -> str:  # noqa: PLR0911  # one for each function
    a_end, b_end = a.end or a.sql, b.end or b.sql
    match name:
        case "before":
            return _compare_times("lt", a, b)
        case "after":
            return _compare_times("gt", a, b)
        case "meets":
            return f"({a_end} = {b.sql} or {a.sql} = {b_end})"
        case "during":
            return f"({a.sql} >= {b.sql} and {a_end} <= {b_end})"
        case "overlaps":
            return f"({a.sql} <= {b_end} and {a_end} >= {b.sql})"
        case "starts":
            return f"({a.sql} = {b.sql})"
    return f"({a_end} = {b_end})"
