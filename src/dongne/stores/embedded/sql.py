"""Conditions and sort keys of SensorThings as SQL for DuckDB. Every constant is a bound parameter, never text.

Missing values follow SQL: a comparison with what is not there is not true (but `eq null` and `ne null` ask for it).
"""

from dataclasses import dataclass, field

from dongne.model.errors import BadInput
from dongne.standards.sensorthings.functions import FUNCTIONS, Gives
from dongne.standards.sensorthings.lexer import interval_of
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
    Value,
    Within,
)
from dongne.standards.sensorthings.schema import OBSERVATIONS, SETS, EntitySet, Kind
from dongne.standards.sensorthings.times import parse_instant_us
from dongne.stores.embedded.joins import Joins
from dongne.stores.embedded.reckoning import SIGNS, fold, moved
from dongne.stores.embedded.terms import (
    FIRST_US,
    FORMS,
    LAST_US,
    OPERATORS,
    UNSAID,
    Bindings,
    Term,
    clock_of,
    compare_intervals,
    compare_times,
    date_of,
    shown,
    substring,
)

MIRRORED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
DAY_US = 86_400_000_000
MOST_ANY = 12


@dataclass
class Compiler:
    """Compiles the expressions of one query on `entity_set`, whose rows have the alias `b`; those of
    its `joins` begin with `prefix`."""

    entity_set: EntitySet
    bindings: Bindings
    now_us: int
    prefix: str = "j"
    joins: Joins = field(init=False)
    _inner: dict[str, Joins] = field(init=False, default_factory=dict)  # by the variable of each `any` around
    _asked: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.joins = Joins(self.entity_set, self.bindings, self.prefix)

    # --- conditions

    def condition(self, expression: Expression) -> str:  # noqa: PLR0911  # one for each sort
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
            case Within(operand, holder):
                return self._within(self.term(operand), self.term(holder), expression)
            case AnyOf():
                return self._any(expression)
        term = self.term(expression)
        if term.gives is Gives.JSON:
            return self._as(term, Gives.BOOL, expression)
        if term.gives is not Gives.BOOL:
            raise BadInput(
                f"$filter: {shown(expression)} is a {term.gives.value}, not a condition; compare it, as in "
                f"{shown(expression)} eq ...",
                reason="query",
            )
        return term.sql

    def _within(self, one: Term, holder: Term, where: Expression) -> str:
        """Whether a list inside JSON has a value."""
        assert holder.json is not None
        column, place = holder.json
        if one.gives is Gives.BOOL:
            raise BadInput(f"$filter: {shown(where)}: a list is searched for texts and numbers", reason="query")
        if one.gives is Gives.JSON:
            one = Term(Gives.TEXT, self._as(one, Gives.TEXT, where))
        if one.gives not in (Gives.TEXT, Gives.NUMBER):
            raise BadInput(f"$filter: {shown(where)}: a list has no {one.gives.value}", reason="query")
        sort = "double" if one.gives is Gives.NUMBER else "varchar"
        value = f"cast({one.sql} as {sort})"
        return f"list_contains(try_cast(json_extract({column}, {place}) as {sort}[]), {value})"

    def _any(self, expression: AnyOf) -> str:
        """Whether one of those at the end of the navigations fits: a question of its own, about this entity."""
        *before, way = expression.navigations
        source, source_set = self._joins(expression.root).along(before)
        self._asked += 1
        if self._asked > MOST_ANY:
            raise BadInput(f"$filter has more than {MOST_ANY} any(...); split the request", reason="query")
        name = f"{self.prefix}q{self._asked}"
        inner = Joins(SETS[source_set.navigations[way].target], self.bindings, f"{name}j", name)
        table, tie = inner.reached(source, source_set, way)
        around, self._inner = self._inner, {**self._inner, expression.variable: inner}
        condition = self.condition(expression.condition)
        self._inner = around
        return f"exists (select 1 from {table} {' '.join(inner.tables)} where {tie} and {condition})"

    def _joins(self, root: str) -> Joins:
        return self._inner[root] if root else self.joins

    def _compare(self, op: str, left: Term, right: Term, where: Expression) -> str:
        if Gives.NULL in (left.gives, right.gives):
            return self._with_null(op, right if left.gives is Gives.NULL else left, where)
        if left.constant is not UNSAID and right.constant is UNSAID:
            return self._compare(MIRRORED[op], right, left, where)
        if left.number is not None and right.gives is Gives.TEXT:
            return self._result_with_text(op, left, right)
        left, right = self._alike(left, right, where)
        sign = OPERATORS[op]
        if left.gives is Gives.TIME:
            return compare_times(op, left, right)
        if left.gives is Gives.BOOL and op not in ("eq", "ne"):
            raise BadInput(f"$filter: {shown(where)}: truth values are only equal or not", reason="query")
        return f"({left.number or left.sql} {sign} {right.sql})"

    def _with_null(self, op: str, term: Term, where: Expression) -> str:
        if op not in ("eq", "ne"):
            raise BadInput(f"$filter: {shown(where)}: null can only be compared with eq and ne", reason="query")
        no = "" if op == "eq" else "not "
        if term.gives is Gives.NULL:
            return "true" if op == "eq" else "false"
        if term.number is not None:
            return f"({no}({term.number} is null and {term.sql} is null))"
        return f"({term.sql} is {no}null)"

    def _result_with_text(self, op: str, left: Term, right: Term) -> str:
        """Quotes mean a text: what is larger is said by the letters ('10' comes before '2'), but 2 is '2.0' as well."""
        text, number = f"({left.sql} {OPERATORS[op]} {right.sql})", left.number
        if op in ("eq", "ne"):
            try:
                both = f"({number} {OPERATORS[op]} {self.bindings.bind(float(right.constant))})"
            except (TypeError, ValueError):
                return text
        else:
            whole = f"{number} = trunc({number}) and abs({number}) < 1e15"
            spelled = f"case when {whole} then {number}::bigint::varchar else {number}::varchar end"
            both = f"(({spelled}) {OPERATORS[op]} {right.sql})"
        return f"(case when {number} is null then {text} else {both} end)"

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
        if {left.gives, right.gives} == {Gives.TIME, Gives.DATE}:  # a day stands for its first instant
            return self._instant(left), self._instant(right)
        if right.gives is Gives.TEXT and right.constant is not UNSAID:
            return left, self._text_as(right, left.gives, where)
        raise BadInput(
            f"$filter: {shown(where)} compares a {left.gives.value} with a {right.gives.value}", reason="query"
        )

    def _text_as(self, text: Term, gives: Gives, where: Expression) -> Term:
        """A quoted constant where a number or a time is meant."""
        value = str(text.constant)
        try:
            if gives is Gives.NUMBER:
                return self.literal(float(value))
            if gives is Gives.TIME:
                return self.literal(interval_of(value) if "/" in value else Instant(parse_instant_us(value)))
        except (ValueError, BadInput):
            pass
        raise BadInput(f"$filter: {shown(where)} compares a {gives.value} with the text {value[:40]!r}", reason="query")

    def _instant(self, term: Term) -> Term:
        return Term(Gives.TIME, f"cast({term.sql} as timestamp)") if term.gives is Gives.DATE else term

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
                return Term(Gives.DATE, bind(date_of(text)), constant=value)
            case Clock(text):
                return Term(Gives.CLOCK, bind(clock_of(text)), constant=value)
            case Geometry(wkt):
                return Term(Gives.GEOMETRY, bind(wkt), constant=value)

    def _path(self, path: Path) -> Term:
        joins = self._joins(path.root)
        alias, entity_set = joins.along(path.navigations)
        if path.name == "id":
            return Term(Gives.NUMBER, f"{alias}.id")
        info = entity_set.properties[path.name]
        if entity_set is OBSERVATIONS:
            return self._observation_property(alias, info.name, path.steps)
        if info.kind is Kind.COMPUTED:
            return joins.period(path, alias)
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
        raise BadInput(f"$filter: {shown(where)}: a value inside JSON is no {gives.value}", reason="query")

    def _of(self, expression: Expression, gives: Gives) -> Term:
        """A term that must be of this sort."""
        term = self.term(expression)
        if term.gives is Gives.JSON and gives is not Gives.JSON:
            return Term(gives, self._as(term, gives, expression))
        if term.gives is Gives.TEXT and term.constant is not UNSAID and gives is Gives.TIME:
            return self._text_as(term, gives, expression)
        if term.gives is Gives.DATE and gives is Gives.TIME:
            start = self._instant(term).sql
            return Term(Gives.TIME, start, end=f"({start} + to_microseconds({DAY_US}))")
        if term.gives not in (gives, Gives.NULL):
            raise BadInput(
                f"$filter: {shown(expression)} is a {term.gives.value} where a {gives.value} is needed", reason="query"
            )
        return term

    def _number(self, expression: Expression) -> str:
        return f"cast({self._of(expression, Gives.NUMBER).sql} as double)"

    def _arithmetic(self, expression: Arithmetic) -> Term:  # noqa: PLR0911  # one for each pair of sorts
        folded = fold(expression, self.now_us)
        if folded is not None:
            return self.literal(folded)
        op, left, right = expression.op, self.term(expression.left), self.term(expression.right)
        if Gives.DURATION in (left.gives, right.gives):
            left, right = self._instant(left), self._instant(right)
        sorts = (left.gives, right.gives)
        match op, sorts:
            case (("add" | "sub"), (Gives.TIME, Gives.DURATION)):
                return moved(left, op, right.sql)
            case "add", (Gives.DURATION, Gives.TIME):
                return moved(right, op, left.sql)
            case "sub", (Gives.TIME, Gives.TIME):
                return Term(Gives.DURATION, f"(epoch_us({left.sql}) - epoch_us({right.sql}))")
            case (("add" | "sub"), (Gives.DURATION, Gives.DURATION)):
                return Term(Gives.DURATION, f"try({left.sql} {SIGNS[op]} {right.sql})")
            case (("mul" | "div"), (Gives.DURATION, Gives.NUMBER)):
                number = f"{right.sql}::double"
                sign, divisor = ("*", number) if op == "mul" else ("/", f"nullif({number}, 0)")
                return Term(Gives.DURATION, f"try_cast({left.sql} {sign} {divisor} as bigint)")
        one, two = self._number(expression.left), self._number(expression.right)
        if op in SIGNS:
            return Term(Gives.NUMBER, f"({one} {SIGNS[op]} {two})")
        if op == "div":
            return Term(Gives.NUMBER, f"({one} / nullif({two}, 0))")
        return Term(Gives.NUMBER, f"({one} % nullif({two}, 0))")

    def _call(self, call: Call) -> Term:  # noqa: PLR0911  # one for each form
        forms, gives = FUNCTIONS[call.name]
        if Gives.GEOMETRY in forms[0]:
            roots = {argument.root for argument in call.arguments if isinstance(argument, Path)}
            if len(roots) > 1:
                raise BadInput(
                    f"$filter: {shown(call)} compares places of two different any(...); compare those on one way, as in "
                    "st_within(Locations/location,Datastreams/observedArea)",
                    reason="query",
                )
            return self._joins(roots.pop() if roots else "").geometry(call, gives)
        wanted = next(form for form in forms if len(form) == len(call.arguments))
        terms = [self._of(argument, sort) for argument, sort in zip(call.arguments, wanted, strict=True)]
        if call.name == "during" and terms[1].end is None:
            raise BadInput(
                f"$filter: {shown(call)}: nothing is during an instant; name an interval such as "
                "2026-05-01T00:00:00Z/PT6H, or a day",
                reason="query",
            )
        if len(terms) == 2 and terms[0].gives is Gives.TIME:
            return Term(gives, compare_intervals(call.name, *terms))
        match call.name:
            case "now":
                return self.literal(Instant(self.now_us))
            case "mindatetime":
                return self.literal(Instant(FIRST_US))
            case "maxdatetime":
                return self.literal(Instant(LAST_US))
            case "substring":
                return Term(gives, substring(*(term.sql for term in terms)))
        return Term(gives, FORMS[call.name].format(*(term.sql for term in terms)))

    def sort_key(self, expression: Expression) -> list[str]:
        """What to sort by, without a direction. Raises BadInput for what multiplies rows."""
        term = self.term(expression)
        if self.joins.many:
            raise BadInput(f"$orderby: {shown(expression)} has several values for one entity", reason="query")
        if term.constant is not UNSAID or term.gives is Gives.NULL:
            raise BadInput(f"$orderby: {shown(expression)} is the same for all; name a property", reason="query")
        if term.gives is Gives.JSON:
            return [self._as(term, Gives.NUMBER, expression), term.sql]
        return [term.sql]
