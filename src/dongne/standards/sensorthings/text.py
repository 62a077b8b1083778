"""Queries back to text: for next links, and so that a parser can be tested against its opposite."""

from dongne.standards.sensorthings.query import (
    Among,
    AnyOf,
    Arithmetic,
    Call,
    Clock,
    Compare,
    Date,
    Duration,
    Expand,
    Expression,
    Geometry,
    Instant,
    Interval,
    Literal,
    Logic,
    Negative,
    Not,
    Order,
    Path,
    Query,
    ResourcePath,
    Value,
    Want,
    Within,
)
from dongne.standards.sensorthings.times import format_duration_us, format_us


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def value_text(value: Value) -> str:  # noqa: PLR0911  # one for each sort
    """A constant as `$filter` spells it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _quote(value)
        case Instant(us):
            return format_us(us)
        case Interval(start_us, end_us):
            return f"{format_us(start_us)}/{format_us(end_us)}"
        case Duration(us):
            return f"duration'{format_duration_us(us)}'"
        case Date(text) | Clock(text):
            return text
        case Geometry(wkt):
            return "geography" + _quote(wkt)


def expression_text(expression: Expression) -> str:  # noqa: PLR0911  # one for each sort
    """An expression that parses back to the same; brackets around every part that is not a single term."""
    match expression:
        case Literal(value):
            return value_text(value)
        case Path(navigations, name, steps, root):
            return "/".join((*((root,) if root else ()), *navigations, name, *steps))
        case Within(operand, holder):
            return f"{_part(operand)} in {expression_text(holder)}"
        case AnyOf(navigations, variable, condition, root):
            way = "/".join((*((root,) if root else ()), *navigations))
            return f"{way}/any({variable}:{expression_text(condition)})"
        case Call(name, arguments):
            return f"{name}({','.join(map(expression_text, arguments))})"
        case Arithmetic(op, left, right) | Compare(op, left, right):
            return f"{_part(left)} {op} {_part(right)}"
        case Negative(operand):
            inner = expression_text(operand)
            return f"-({inner})"
        case Among(operand, choices):
            return f"{_part(operand)} in ({','.join(map(_part, choices))})"
        case Logic(op, parts):
            return f" {op} ".join(map(_part, parts))
        case Not(operand):
            return f"not {_part(operand)}"


def _part(expression: Expression) -> str:
    text = expression_text(expression)
    return text if isinstance(expression, Literal | Path | Call | AnyOf) else f"({text})"


def orderby_text(orders: tuple[Order, ...]) -> str:
    """`$orderby` without its name."""
    return ",".join(_part(order.expression) + (" desc" if order.descending else "") for order in orders)


def query_options(query: Query) -> list[tuple[str, str]]:
    """(name, value) of each option that says something, in a fixed order."""
    options: list[tuple[str, str]] = []
    if query.select:
        options.append(("$select", ",".join(query.select)))
    if query.expand:
        options.append(("$expand", expand_text(query.expand)))
    if query.filter is not None:
        options.append(("$filter", expression_text(query.filter)))
    if query.orderby:
        options.append(("$orderby", orderby_text(query.orderby)))
    if query.count:
        options.append(("$count", "true"))
    if query.top is not None:
        options.append(("$top", str(query.top)))
    if query.skip:
        options.append(("$skip", str(query.skip)))
    if query.as_of_us is not None:
        options.append(("$asOf", format_us(query.as_of_us)))
    if query.up_to is not None:
        options.append(("$upTo", str(query.up_to)))
    if query.result_format:
        options.append(("$resultFormat", query.result_format))
    return options


def expand_text(expands: tuple[Expand, ...]) -> str:
    """`$expand` without its name."""
    texts = []
    for expand in expands:
        inner = ";".join(f"{name}={value}" for name, value in query_options(expand.query))
        texts.append(expand.navigation + (f"({inner})" if inner else ""))
    return ",".join(texts)


def path_text(path: ResourcePath) -> str:
    """The path without a leading slash."""
    parts = [step.name if step.key is None else f"{step.name}({step.key})" for step in path.steps]
    parts.extend(path.property)
    if path.want in (Want.REFERENCES, Want.VALUE):
        parts.append(path.want.value)
    return "/".join(parts)
